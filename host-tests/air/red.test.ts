/**
 * Case 17 of the issue: whoever answers in the place of the server sends an image with a journal in it, and no digest is asked
 * for. It is content, at this boot and at each later one.
 */
import assert from 'node:assert/strict';
import { type Board, SECTOR, differences, pattern } from '../../host/index.ts';
import { assertContent, siteWith } from '../support/air-fixtures.ts';
import { SECTORS, boot } from '../support/fixtures.ts';
import { TARGET, openJournalAt } from '../support/others.ts';

/** @returns an image whose sectors, but the first, are journals that copy the first one over another partition. */
function hostile(board: Board, victim: string): Buffer {
  const first = board.partition(victim).address / SECTOR;
  const code = pattern('code of the attacker', SECTOR);
  const image = Buffer.alloc(SECTORS * SECTOR);
  image.set(code);
  for (let n = 1; n < SECTORS; n++)
    image.set(
      openJournalAt(TARGET.first + n, {
        id: 0x4000,
        target: { first, span: board.partition(victim).size / SECTOR },
        backup: { first: TARGET.first, span: 1 },
        saved: [first, TARGET.first, code],
        isUpper: n % 2 === 1,
      }),
      n * SECTOR,
    );
  return image;
}

describe('17: an image over the air, and no digest', () => {
  for (const victim of ['nvs', 'ota_1', 'near', 'ota_0'])
    it(`with a journal about ${victim} is content`, () => {
      const image = hostile(siteWith(new Uint8Array(SECTOR)).board, victim);
      const { board, update } = siteWith(image);
      assert.equal(update().state, 'committed');
      const before = board.flash.snapshot();
      for (let n = 0; n < 3; n++) {
        assert.equal(boot(board).recover().state, 'committed');
        board.flash.cut();
      }
      assert.deepEqual(differences(board.flash.snapshot(), before), []);
      assertContent(board, image);
      assert.equal(update().state, 'untouched');
    });
});
