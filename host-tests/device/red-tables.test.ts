/**
 * Tables that are flashed anew while an update is open: a partition over its backup, or none where the backup was.
 */
import assert from 'node:assert/strict';
import {
  type Board,
  type Row,
  SECTOR,
  differences,
  encodeTable,
  pattern,
} from '../../host/index.ts';
import {
  NEW,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  boardWith,
  boot,
  row,
  update,
} from '../support/fixtures.ts';
import { FULL, OLD_FULL, TARGET, assertTruth, interrupted } from '../support/others.ts';

const TABLE = 0x8000;
const NO_SLOT = WITH_JOURNAL.filter(({ label }) => label !== 'ota_1');

/** @returns a board on which an update was cut, and the first sector of its backup. */
function interruptedIn(table: Row[], backup?: string): { board: Board; first: number } {
  const board = boardWith({ table, partitions: { storage: OLD_FULL } });
  const { address } = boot(board).plan({ ...STORAGE, backup }).backup!;
  interrupted(FULL, { backup }, board);
  return { board, first: address / SECTOR };
}

/** Flashes another table. */
const flash = (board: Board, table: Row[]) => board.flash.load(TABLE, encodeTable(table));

/** Checks that nothing but the target and ota_journal was written since. */
function assertKept(board: Board, act: () => void): void {
  const before = board.flash.snapshot();
  act();
  const foreign = differences(board.flash.snapshot(), before).filter(
    (sector) =>
      sector !== 0x41 &&
      sector !== 0x42 &&
      (sector < TARGET.first || sector >= TARGET.first + TARGET.span),
  );
  assert.deepEqual(foreign, []);
}

describe('a new partition over the backup', () => {
  for (const span of [1, 4, 40])
    for (const at of [0, 1]) {
      const over = (first: number) => row('over', 1, 0x82, first + at, span);

      it(`keeps what the backup left there, ${span} sectors from slot ${at} on`, () => {
        const { board, first } = interruptedIn(NO_SLOT);
        flash(board, [...NO_SLOT, over(first)]);
        assertKept(board, () => assertTruth(board, { restored: OLD_FULL }));
      });

      it(`is not written by an update that goes on, ${span} sectors from slot ${at} on`, () => {
        const { board, first } = interruptedIn(NO_SLOT);
        flash(board, [...NO_SLOT, over(first)]);
        const content = board.flash.peek(over(first).address, over(first).size);
        boot(board).recover({ resume: true });
        assert.equal(update(boot(board), NEW).state, 'committed');
        assertTruth(board, { committed: NEW });
        assert.ok(board.flash.holds(over(first).address, content));
      });

      it(`that was filled damages the update, ${span} sectors from slot ${at} on`, () => {
        const { board, first } = interruptedIn(NO_SLOT);
        flash(board, [...NO_SLOT, over(first)]);
        const content = pattern('a new partition', over(first).size);
        board.flash.load(over(first).address, content);
        const before = board.flash.snapshot();
        assertTruth(board, { damaged: undefined });
        assert.deepEqual(differences(board.flash.snapshot(), before), []);
        assert.equal(update(boot(board), NEW, { backup: false }).state, 'committed');
        assertTruth(board, { committed: NEW });
        assert.ok(board.flash.holds(over(first).address, content));
      });
    }
});

describe('a table without the row of the backup', () => {
  for (const backup of ['spare', 'ota_1']) {
    const table = WITH_JOURNAL.filter(({ label }) => label !== backup);

    it(`has the old content all the same: ${backup}`, () => {
      const { board } = interruptedIn(WITH_JOURNAL, backup);
      flash(board, table);
      assertKept(board, () => assertTruth(board, { restored: OLD_FULL }));
    });

    it(`has complete content, if the update goes on: ${backup}`, () => {
      const { board } = interruptedIn(WITH_JOURNAL, backup);
      flash(board, table);
      boot(board).recover({ resume: true });
      const open = boot(board).begin(STORAGE);
      open.write(NEW.subarray(0, 2 * SECTOR));
      board.flash.cut();
      assertTruth(board, { restored: OLD_FULL });
      assert.equal(update(boot(board), NEW).state, 'committed');
      assertHolds(board, 'storage', NEW);
    });
  }
});
