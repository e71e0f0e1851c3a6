/** What `update.backup` takes: whole bytes, 0 up to the length of the partition. All else is refused, and does nothing. */
import assert from 'node:assert/strict';
import { SECTOR } from '../../host/index.ts';
import {
  NEW,
  OLD,
  SECTORS,
  STORAGE,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
} from '../support/fixtures.ts';

const SIZE = SECTORS * SECTOR;

describe('backup(size) is E_ARGUMENT, and the update goes on, if the size is', () => {
  for (const [size, shown] of [
    [NaN, 'NaN'],
    [-1, '-1'],
    [1.5, '1.5'],
    [Infinity, 'Infinity'],
    [-Infinity, '-Infinity'],
    ['all', 'all'],
    ['4096', '4096'],
    [{}, '[object Object]'],
    [[], ''],
    [true, 'true'],
    [SIZE + 1, `${SIZE + 1}`],
    [2 ** 32, '4294967296'],
  ] as [unknown, string][])
    it(`${typeof size} ${shown}`, () => {
      for (const written of [0, 1]) {
        const board = boardWith();
        const update = boot(board).begin(STORAGE);
        update.write(NEW.subarray(0, written * SECTOR));
        assertIdle('in backup()', board, () =>
          assert.throws(() => update.backup(size as number), {
            code: 'E_ARGUMENT',
            message: `E_ARGUMENT backup: ${shown}, limit ${SIZE}`,
          }),
        );
        update.write(NEW.subarray(written * SECTOR));
        assert.equal(update.end().state, 'committed');
        assertHolds(board, 'storage', NEW);
      }
    });
});

describe('backup(size) copies the sectors of the first bytes', () => {
  for (const [size, saved] of [
    [0, 0],
    [1, 1],
    [SECTOR, 1],
    [SECTOR + 1, 2],
    [SIZE - 1, SECTORS],
    [SIZE, SECTORS],
    [undefined, SECTORS],
    [null, SECTORS],
  ] as const)
    it(`${size}`, () => {
      const board = boardWith();
      const ota = boot(board);
      const update = ota.begin(STORAGE);
      update.backup(size as number);
      assert.equal(ota.status().saved ?? 0, saved);
      update.write(NEW);
      assert.equal(update.abort().state, 'restored');
      assertHolds(board, 'storage', OLD);
    });
});
