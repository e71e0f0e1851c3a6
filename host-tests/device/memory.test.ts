/** Too little memory: before the first erase `begin` says so; and where memory ends all the same, an update is over. */
import assert from 'node:assert/strict';
import type { Options } from '../../device/api.ts';
import { type Board, pattern, SECTOR } from '../../host/index.ts';
import { runtimeOf } from '../support/runtime.ts';
import {
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  bootStraight,
  codeOf,
  during,
  SECTORS,
  STORAGE,
  update,
} from '../support/fixtures.ts';
import { leave, stay, Trap } from '../support/leave.ts';
import type { Ota } from '../support/subject.ts';

const OLD = pattern('old', SECTORS * SECTOR);
const NEW = pattern('new', SECTORS * SECTOR);
const full = () => boardWith({ partitions: { storage: OLD } });
const setFree = (board: Board, ota: Ota, free: number) =>
  ota.use({ ...runtimeOf(board), free: () => free });

describe('with too little memory', () => {
  it('begin refuses, with both numbers, before anything is written', () => {
    const board = full();
    const ota = boot(board);
    setFree(board, ota, 100);
    const told = /^E_MEMORY begin: 100 JsVars free, (\d+) needed$/;
    let message = '';
    assertIdle('begin', board, () => {
      assert.equal(
        codeOf(() => {
          try {
            ota.begin(STORAGE);
          } catch (error) {
            ({ message } = error as Error);
            throw error;
          }
        }),
        'E_MEMORY',
      );
    });
    const needed = Number(told.exec(message)?.[1]);
    assert.ok(needed > 100, message);
    setFree(board, ota, needed - 1);
    assert.equal(
      codeOf(() => ota.begin(STORAGE)),
      'E_MEMORY',
    );
    setFree(board, ota, needed);
    assert.equal(update(ota, NEW).state, 'committed');
  });

  it('what was interrupted is put back all the same', () => {
    const board = full();
    boot(board)
      .begin(STORAGE)
      .write(NEW.subarray(0, 3 * SECTOR));
    const ota = boot(board);
    setFree(board, ota, 1);
    assert.equal(ota.recover().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });
});

/** What can be done in the same boot once a call was left. */
const NEXT: Record<string, (ota: Ota) => void> = {
  'recover()': (ota) => {
    const { state } = ota.recover();
    assert.match(state, /^(none|restored)$/);
  },
  'restore()': (ota) => {
    const code = codeOf(() => ota.restore());
    // Before anything is saved there is nothing to put back.
    assert.match(code, /^(nothing thrown|E_STATE)$/);
    if (code === 'E_STATE') assert.match(ota.recover().state, /^(none|restored)$/);
  },
};

/** Leaves a part of an update in one of its operations, then checks what can be done. */
function describeLeft(name: string, options: Options, part: (ota: Ota, arm: () => void) => void) {
  for (const [next, act] of Object.entries(NEXT))
    it(`${name}, ${next} puts the old content back in the same boot, and another one begins`, () => {
      let isReached = true;
      for (let n = 1; isReached; n += 1 + (n >> 3))
        during(
          () => `operation ${n}`,
          () => {
            const board = full();
            const trap = new Trap();
            const ota = bootStraight(board);
            ota.use(trap.on(runtimeOf(board)));
            trap.isAfter = n % 2 > 0;
            isReached = false;
            const call = () => part(ota, () => (trap.left = n));
            try {
              leave(() => {
                call();
                // It was done before that operation came.
                stay();
              });
            } finally {
              isReached = trap.left <= 0;
              trap.left = Infinity;
            }
            if (!isReached) return;
            assert.notEqual(ota.status().state, 'updating');
            act(ota);
            assertHolds(board, 'storage', OLD);
            assert.equal(update(ota, NEW, options).state, 'committed');
            assertHolds(board, 'storage', NEW);
          },
        );
    });
}

describe('where memory ends', () => {
  describeLeft('in write()', STORAGE, (ota, arm) => {
    const open = ota.begin(STORAGE);
    open.write(OLD.subarray(0, SECTOR));
    arm();
    open.write(NEW.subarray(SECTOR, 2 * SECTOR + 100));
  });

  it('no call of that update does anything any more', () => {
    const board = full();
    const trap = new Trap();
    const ota = bootStraight(board);
    ota.use(trap.on(runtimeOf(board)));
    const open = ota.begin(STORAGE);
    open.write(NEW.subarray(0, SECTOR));
    trap.left = 5;
    leave(() => open.write(NEW.subarray(SECTOR)));
    trap.left = Infinity;
    assertIdle('the calls', board, () => {
      for (const call of [() => open.write('x'), () => open.end(), () => open.abort()])
        assert.equal(codeOf(call), 'E_STATE');
    });
    assert.equal(ota.status().state, 'interrupted');
  });

  it('in onProgress, the first call after that is refused, and the next one is not', () => {
    const board = full();
    const ota = boot(board);
    const open = ota.begin({ ...STORAGE, onProgress: stay });
    leave(() => open.write(NEW.subarray(0, SECTOR)));
    assert.equal(
      codeOf(() => ota.recover()),
      'E_STATE',
    );
    board.advance(1);
    assert.equal(ota.recover().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });
});
