/**
 * A journal that keeps nothing more: its sector has failed, or it is full. The old content comes back all the same, at
 * every boot, and is not sealed; the update is not resumed, and the next one begins elsewhere.
 */
import assert from 'node:assert/strict';
import type { Report } from '../../device/api.ts';
import { type Board, type Fault, PowerCut, SECTOR, TEARS } from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  STORAGE,
  type Step,
  assertHolds,
  boardWith,
  boot,
  bootStraight,
  codeOf,
  cutIn,
  during,
  nameOf,
  record,
  update,
} from '../support/fixtures.ts';
import type { Ota } from '../support/subject.ts';

/** Cuts power between two operations, and boots. */
function reboot(board: Board): Ota {
  board.flash.cut();
  return bootStraight(board);
}

/** Lets what is programmed into a sector, or erased there, have no effect, or half of it, from the n-th time on. */
function kill(board: Board, sector: number, fault: Fault = 'nothing', from = 1): void {
  let count = 0;
  board.flash.faults = [
    ({ kind, address }) =>
      kind !== 'read' && address >> 12 === sector && ++count >= from ? fault : undefined,
  ];
}

/** Where the journal of a first update begins. */
const HEAD = 0x42;

/** @returns the chip at each step of an update, after its journal has begun; and what is to be put back. */
function stepsOf(act: (ota: Ota) => unknown): { board: Board; steps: Step[] } {
  const board = boardWith();
  const ota = bootStraight(board);
  const steps = record(board, () => act(ota));
  const isTarget = ({ address }: Step) => address >> 12 >= 0x32 && address >> 12 < 0x38;
  return { board, steps: steps.slice(steps.findIndex(isTarget)) };
}

/** Checks that the old content is put back at two boots, twice at each, and that it is not sealed. */
function assertPutBack(board: Board): void {
  for (let n = 0; n < 2; n++) {
    const ota = reboot(board);
    for (let again = 0; again < 2; again++) {
      assert.deepEqual(ota.recover(), { state: 'restored', partition: 'storage', sealed: false });
      assertHolds(board, 'storage', OLD);
    }
  }
}

/** What may be found at a step of an update. */
const isOpen = (state: Report['state']) => state === 'interrupted';

describe('a journal whose sector fails', () => {
  for (const fault of ['nothing', 'half'] as const)
    it(`in an open update (${fault} is programmed): the old content comes back, at each record`, () => {
      const { board, steps } = stepsOf((ota) => update(ota, NEW));
      let count = 0;
      for (const step of steps) {
        board.flash.faults = [];
        board.flash.restore(step.before);
        during(
          () => nameOf(step, steps, TEARS.nothing),
          () => {
            const { state } = reboot(board).status();
            kill(board, HEAD, fault);
            if (isOpen(state)) {
              assertPutBack(board);
              count++;
            } else {
              const report = reboot(board).recover();
              assert.deepEqual([report.state, report.sealed], ['committed', false]);
              assertHolds(board, 'storage', NEW);
            }
            assertNext(board, isOpen(state) ? OLD : NEW);
          },
        );
      }
      assert.ok(count > 15, `${count} records`);
    });

  it('while the old content is put back: it is whole all the same, wherever that begins', () => {
    const { board, steps } = stepsOf((ota) => ota.begin(STORAGE).write(NEW));
    const { before } = steps.at(-1)!;
    for (const call of ['recover', 'restore'] as const)
      for (let from = 1; from < 12; from++) {
        board.flash.faults = [];
        board.flash.restore(before);
        const ota = reboot(board);
        kill(board, HEAD, 'nothing', from);
        const report = ota[call]();
        assert.equal(report.state, 'restored', `${call}, from program ${from}`);
        assertHolds(board, 'storage', OLD);
        assert.equal(reboot(board).recover().state, 'restored');
        assertHolds(board, 'storage', OLD);
        board.flash.faults = [];
        assert.deepEqual(reboot(board).recover(), {
          state: 'restored',
          partition: 'storage',
          sealed: true,
        });
      }
  });
});

describe('a journal whose sector fails is not resumed', () => {
  it('and the next update begins in the other head', () => {
    const { board, steps } = stepsOf((ota) => ota.begin(STORAGE).write(NEW));
    for (const step of steps) {
      board.flash.faults = [];
      board.flash.restore(step.before);
      kill(board, HEAD);
      const ota = reboot(board);
      during(
        () => nameOf(step, steps, TEARS.nothing),
        () => {
          assert.equal(ota.recover({ resume: true }).state, 'interrupted');
          const open = ota.begin(STORAGE);
          assertHolds(board, 'storage', OLD);
          open.write(OTHER);
          assert.equal(open.end().state, 'committed');
          assert.equal(reboot(board).recover().state, 'committed');
          assertHolds(board, 'storage', OTHER);
          // No journal can follow that one.
          assert.equal(
            codeOf(() => update(reboot(board), NEW)),
            'E_FLASH',
          );
          assertHolds(board, 'storage', OTHER);
          assert.equal(reboot(board).restore().state, 'restored');
          assertHolds(board, 'storage', OLD);
        },
      );
    }
  });

  it('and without the other head begin() is E_FLASH, and the old content is back', () => {
    const { board, steps } = stepsOf((ota) => ota.begin(STORAGE).write(NEW));
    board.flash.restore(steps.at(-1)!.before);
    board.flash.faults = [
      ({ kind, address }) =>
        kind !== 'read' && [HEAD - 1, HEAD].includes(address >> 12) ? 'nothing' : undefined,
    ];
    assert.equal(
      codeOf(() => update(reboot(board), OTHER)),
      'E_FLASH',
    );
    assertHolds(board, 'storage', OLD);
    assertPutBack(board);
  });
});

/** Checks that the content stays, and that the next update ends and can be undone. */
function assertNext(board: Board, content: Uint8Array): void {
  const image = content === OTHER ? NEW : OTHER;
  reboot(board).recover();
  assertHolds(board, 'storage', content);
  assert.equal(update(reboot(board), image).state, 'committed');
  const report = reboot(board).recover();
  assert.equal(report.state, 'committed');
  assertHolds(board, 'storage', image);
  if (report.sealed === false) return;
  assert.equal(reboot(board).restore().state, 'restored');
  assertHolds(board, 'storage', content);
}

describe('a head that a cut has torn', () => {
  it('is not taken as erased while it takes neither zeros nor an erase', () => {
    const board = boardWith();
    for (const image of [NEW, OTHER, NEW]) update(bootStraight(board), image);
    // The two heads take turns: the next journal begins in that of the second update.
    const steps = record(board, () => update(bootStraight(board), OLD));
    const erase = steps.find(({ kind }) => kind === 'erase')!;
    for (let drops = 0; drops < 40; drops++) {
      board.flash.faults = [];
      cutIn(board, erase, TEARS.everyBit);
      let programs = 0;
      let erases = 0;
      board.flash.faults = [
        ({ kind }) =>
          (kind === 'program' && ++programs <= drops) || (kind === 'erase' && ++erases <= 2)
            ? 'nothing'
            : undefined,
      ];
      const ota = bootStraight(board);
      const code = codeOf(() => ota.begin(STORAGE).write(OLD.subarray(0, SECTOR)));
      board.flash.faults = [];
      board.flash.cut();
      const report = bootStraight(board, 'before').recover();
      // What has failed has changed nothing: the update before it counts.
      assert.equal(
        report.state,
        code === 'E_FLASH' ? 'committed' : 'restored',
        `${drops} programs do nothing`,
      );
      assertHolds(board, 'storage', NEW);
    }
  });
});

describe('a journal whose sector fails in a trial', () => {
  function onTrial(): Board {
    const board = boardWith();
    update(boot(board), NEW, { trial: 3 });
    assert.equal(reboot(board).recover().boots, 1);
    kill(board, HEAD);
    return board;
  }

  it('does not end it: what cannot be written down is not done, and that is not sealed', () => {
    const board = onTrial();
    for (let n = 0; n < 5; n++) {
      const ota = reboot(board);
      for (let again = 0; again < 2; again++)
        assert.deepEqual(ota.recover(), {
          state: 'trial',
          partition: 'storage',
          boots: 1,
          trial: 3,
          sealed: false,
        });
      assert.equal(ota.status().state, 'trial');
      assertHolds(board, 'storage', NEW);
    }
  });

  it('cannot be given up: E_FLASH, and the new content stays', () => {
    const board = onTrial();
    const ota = reboot(board);
    ota.recover();
    assert.equal(
      codeOf(() => ota.forget()),
      'E_FLASH',
    );
    assert.equal(reboot(board).recover().state, 'trial');
    assertHolds(board, 'storage', NEW);
  });

  it('cannot be confirmed: E_FLASH', () => {
    const board = onTrial();
    assert.equal(
      codeOf(() => reboot(board).confirm()),
      'E_FLASH',
    );
    assertHolds(board, 'storage', NEW);
  });

  it('cannot be restored after a commit: E_FLASH, and the new content stays', () => {
    const board = boardWith();
    update(boot(board), NEW);
    kill(board, HEAD);
    assert.equal(
      codeOf(() => reboot(board).restore()),
      'E_FLASH',
    );
    assertHolds(board, 'storage', NEW);
    assert.deepEqual(reboot(board).recover(), {
      state: 'committed',
      partition: 'storage',
      sealed: true,
    });
    assertNext(board, NEW);
  });
});

/** Lets power fail in so many recoveries, in the record that each of them decides by. */
function failOften(board: Board, boots: number): void {
  for (let n = 0; n < boots; n++) {
    board.flash.cut();
    // What was cut reads as if it had not begun: each recovery decides anew. Two zeros, SAVED again, RESTORE.
    const ota = bootStraight(board, 'before');
    board.flash.cutAt(4, TEARS.everyBit);
    assert.throws(() => ota.recover(), PowerCut);
  }
  board.flash.cutAt(0, TEARS.nothing);
}

/** Boots that fill the journal of an update of three sectors, of 256 slots. */
const TOO_MANY = 100;

describe('a journal that is full', () => {
  it('puts back the old content at every boot, and that is not sealed', () => {
    const board = boardWith();
    bootStraight(board)
      .begin(STORAGE)
      .write(NEW.subarray(0, 3 * SECTOR));
    failOften(board, TOO_MANY);
    assertPutBack(board);
    assertNext(board, OLD);
  });

  it('is not full after eight cuts in a row, however full an update may leave it', () => {
    const board = boardWith();
    const ota = bootStraight(board);
    const open = ota.begin(STORAGE);
    open.write(NEW.subarray(0, 3 * SECTOR));
    let code = '';
    // Boots that resume and come no further, until no room is left for an update.
    for (let n = 0; n < 200 && code !== 'full'; n++) {
      const next = reboot(board);
      next.recover({ resume: true });
      code = next.plan(STORAGE).resumed ? codeOf(() => next.begin(STORAGE)) : 'full';
    }
    assert.equal(code, 'full');
    failOften(board, 8);
    const { state, sealed } = reboot(board).recover();
    assert.deepEqual([state, sealed], ['restored', true]);
    assertHolds(board, 'storage', OLD);
  });

  it('is not resumed: the old content comes back, and another one begins', () => {
    const board = boardWith();
    bootStraight(board)
      .begin(STORAGE)
      .write(NEW.subarray(0, 3 * SECTOR));
    failOften(board, TOO_MANY);
    const ota = reboot(board);
    ota.recover({ resume: true });
    assert.equal(ota.plan(STORAGE).resumed, false);
    assert.equal(update(ota, OTHER).state, 'committed');
    assertNext(board, OTHER);
  });
});
