/** What once went wrong on chips on which others write, too: one scenario each, with what is right by the promise. */
import assert from 'node:assert/strict';
import { SECTOR, differences, pattern } from '../../host/index.ts';
import { otaEntry } from '../../formats/otadata.ts';
import {
  NEW,
  SECTORS,
  WITH_JOURNAL,
  STORAGE,
  boardWith,
  boot,
  row,
  update,
} from '../support/fixtures.ts';

describe('other writers: the app', () => {
  it('that the bootloader fell back to is not written, though no chip tells that it runs', () => {
    const board = boardWith({ board: 'ESP32C3' });
    // otadata names ota_1, which no longer begins as an image; the bootloader has started ota_0.
    board.flash.load(0x0d * SECTOR, otaEntry(2));
    board.flash.load(board.partition('ota_1').address, Uint8Array.of(0));
    const apps = ['ota_0', 'ota_1'].map((label) => Uint8Array.from(board.content(label)));
    const plan = boot(board).plan(STORAGE);
    assert.equal(plan.running, '');
    assert.equal(plan.backup?.label, undefined);
    assert.equal(update(boot(board), NEW).state, 'committed');
    for (const backup of ['ota_0', 'ota_1'])
      assert.throws(() => boot(board).begin({ ...STORAGE, backup }), { code: 'E_FORBIDDEN' });
    assert.deepEqual(
      ['ota_0', 'ota_1'].map((label) => Uint8Array.from(board.content(label))),
      apps,
    );
  });
});

describe('other writers: a row', () => {
  it('that begins within a sector keeps its last bytes', () => {
    // From 0x43800 to 0x46800 it touches four sectors. Without a slot the backup is the free flash behind them.
    const cal = row('cal', 1, 0x40, 0x43 + 0.5, 3);
    const table = [
      ...WITH_JOURNAL.filter(({ label }) => label !== 'ota_1'),
      cal,
      row('end', 1, 0x40, 0x60, 0xa0),
    ];
    const content = pattern('calibration', 3 * SECTOR);
    const board = boardWith({ table, partitions: { cal: content } });
    // Free are 0x20 to 0x30, and 0x47 to 0x60, which is larger.
    assert.equal(boot(board).plan(STORAGE).backup?.address, 0x47 * SECTOR);
    const start = board.flash.snapshot();
    assert.equal(update(boot(board), pattern('all new', SECTORS * SECTOR)).state, 'committed');
    assert.deepEqual(Uint8Array.from(board.content('cal')), content);
    const written = differences(board.flash.snapshot(), start);
    assert.ok(written.includes(0x47));
  });
});
