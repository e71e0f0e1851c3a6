/** Pieces that arrive wrong, and what is not even asked for. */
import assert from 'node:assert/strict';
import { SECTOR } from '../../host/index.ts';
import { assertContent, changedAt, codeOfCall, siteWith } from '../support/air-fixtures.ts';
import { NEW, OLD, OTHER, update } from '../support/fixtures.ts';
import { otaOf } from '../support/subject.ts';

describe('an update over the air', () => {
  it('forgives a wrong piece once the next one is right', () => {
    const image = changedAt(OLD, [0, 2, 4]);
    const site = siteWith(image);
    const spoilt = new Set<number>();
    site.server.fault = (reply, { path, range }) => {
      if (path.endsWith('.ota')) return reply;
      const first = range?.first ?? 0;
      const body = Buffer.from(reply.body);
      for (let at = 0; at < body.length; at += SECTOR) {
        if (spoilt.has(first + at)) continue;
        spoilt.add(first + at);
        body[at + 10] ^= 1;
        break;
      }
      return { ...reply, body };
    };
    assert.equal(site.update().state, 'committed');
    assertContent(site.board, image);
    assert.ok(spoilt.size >= 3, 'a wrong piece for each changed sector');
  });

  it('fetches no hashes where it may not begin: another one is on trial', () => {
    const site = siteWith(NEW);
    update(otaOf(site.board), OTHER, { trial: 3 });
    site.server.asked.length = 0;
    assert.equal(
      codeOfCall(() => site.update()),
      'E_PENDING',
    );
    assert.equal(site.server.asked.length, 1);
  });
});
