/**
 * A second copy of the module in one boot, such as that of a bundle: case 09 of the issue.
 */
import assert from 'node:assert/strict';
import { SECTOR } from '../../host/index.ts';
import {
  OTHER,
  STORAGE,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  update,
} from '../support/fixtures.ts';
import { FULL, OLD_FULL, assertTruth, secondCopy } from '../support/others.ts';
import type { Ota } from '../support/subject.ts';

describe('09: a second copy of the module', () => {
  const CALLS: Record<string, (ota: Ota) => unknown> = {
    'recover()': (ota) => ota.recover(),
    'restore()': (ota) => ota.restore(),
    'forget()': (ota) => ota.forget(),
    'an update of storage': (ota) => update(ota, OTHER),
  };
  for (const [what, call] of Object.entries(CALLS))
    for (const name of ['write', 'end', 'abort', 'backup'] as const)
      it(`${what} in the middle of an update of the first ends that: ${name}()`, () => {
        const board = boardWith({ partitions: { storage: OLD_FULL } });
        const first = boot(board).begin(STORAGE);
        first.write(FULL.subarray(0, 3 * SECTOR));
        const other = secondCopy(board);
        call(other);
        const said = other.status().state;
        const held = Uint8Array.from(board.content('storage'));
        assertIdle('in the first one', board, () => {
          const rest = FULL.subarray(3 * SECTOR);
          const calls = {
            write: () => first.write(rest),
            end: first.end,
            abort: first.abort,
            backup: first.backup,
          };
          assert.equal(codeOf(calls[name]), 'E_STATE');
          for (const again of Object.values(calls)) assert.equal(codeOf(again), 'E_STATE');
        });
        assertHolds(board, 'storage', held);
        if (what !== 'forget()')
          assertHolds(board, 'storage', said === 'committed' ? OTHER : OLD_FULL);
        assert.equal(boot(board).recover().state, said);
      });

  it('that only looks ends nothing', () => {
    const board = boardWith({ partitions: { storage: OLD_FULL } });
    const first = boot(board).begin(STORAGE);
    first.write(FULL.subarray(0, 3 * SECTOR));
    const other = secondCopy(board);
    assertIdle('in the second one', board, () => {
      assert.equal(other.status().state, 'interrupted');
      other.plan(STORAGE);
      other.partitions();
    });
    first.write(FULL.subarray(3 * SECTOR));
    assert.equal(first.end().state, 'committed');
    assertTruth(board, { committed: FULL });
  });
});
