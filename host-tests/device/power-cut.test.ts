/**
 * The promise of this library: whenever power fails, after `recover` the partition holds the complete
 * old or the complete new content, and no byte outside target, backup and journal has changed.
 *
 * These tests let power fail in each flash operation of everything that can be done, in every form that
 * a torn operation can take, with the torn cells reading one way at the next boot and another way at the
 * boot after that. Two cuts and more are in two-cuts.test.ts and closure.test.ts.
 */
import assert from 'node:assert/strict';
import type { Options, Result } from '../../device/api.ts';
import {
  type Board,
  type BoardOptions,
  type Mood,
  PowerCut,
  SECTOR,
  type Snapshot,
  TEARS,
  type Tear,
  fingerprint,
} from '../../host/index.ts';
import {
  IS_FULL,
  IS_SAMPLE,
  NEW,
  OLD,
  OTHER,
  type Outcomes,
  SHORT,
  SMALL,
  STORAGE,
  type Scene,
  type Step,
  assertHolds,
  assertNeighbours,
  assertRecovers,
  boardWith,
  boot,
  bootStraight,
  codeOf,
  cutIn,
  during,
  everyForm,
  fenceIn,
  moodInTurn,
  moodName,
  nameOf,
  padded,
  record,
  row,
  tearsIn,
  update,
} from '../support/fixtures.ts';
import type { Ota } from '../support/subject.ts';

/** What power fails in, and what may be found afterwards. */
interface Situation {
  board?: BoardOptions;
  options?: Partial<Options>;
  /** Other updates that may touch the chip. */
  before?: Options[];
  /** What has happened on this board, at earlier boots. */
  prepare?: (board: Board) => void;
  act: (ota: Ota, options: Options) => void;
  outcomes: Outcomes;
}

/** What goes on the chip is searched through Espruino's functions; a sample goes straight to the simulated chip. */
const bootAfterCut = IS_SAMPLE ? bootStraight : boot;

/** Boots, and calls `act` on what is there. */
function live(board: Board, act: (ota: Ota) => void): void {
  act(boot(board));
  board.flash.cut();
}

/** Starts an update and loses power after so many operations. */
function interrupt(board: Board, image: Uint8Array, operations: number, options = {}): void {
  board.flash.cutAt(operations, TEARS.someBits);
  assert.throws(() => update(boot(board), image, options), PowerCut);
}

/** Half of an update to NEW is done, then `act` happens. */
function halfDone(act: (update: ReturnType<Ota['begin']>) => void) {
  return (ota: Ota, options: Options) => {
    const update = ota.begin(options);
    update.write(NEW.subarray(0, 4 * SECTOR + 100));
    act(update);
  };
}

const toNew = (ota: Ota, options: Options) => update(ota, NEW, options);
const UPDATED: Outcomes = { none: OLD, restored: OLD, committed: NEW };
const GIVEN_UP: Outcomes = { none: OLD, restored: OLD };
/** A committed update to OTHER lies behind. */
const after = (board: Board) => live(board, (ota) => update(ota, OTHER));

/** So many trial boots that ota_journal has no room for them: the journal is in free flash. */
const MORE = { trial: 60 };
/** Behind `log` all is free, and nothing else is. */
const ONE_RUN = [
  ...SMALL.filter(({ label }) => label !== 'ota_1'),
  row('filler', 1, 0x40, 0x20, 16),
];
/** Power has failed in an update, and its backup was overwritten. */
const damage = (board: Board) => {
  interrupt(board, OTHER, 20);
  board.load('ota_1', '');
};

const SITUATIONS: Record<string, Situation> = {
  'a first update': { act: toNew, outcomes: UPDATED },
  'an update after a committed one': {
    prepare: after,
    act: toNew,
    // One journal speaks at every moment.
    outcomes: { restored: OTHER, committed: undefined },
  },
  'an update after one that was given up': {
    prepare: (board) => live(board, (ota) => halfDone((update) => update.abort())(ota, STORAGE)),
    act: toNew,
    outcomes: { restored: OLD, committed: NEW },
  },
  'an update with a full backup up front': {
    act: (ota, options) => {
      const update = ota.begin(options);
      update.backup();
      update.write(NEW);
      update.end();
    },
    outcomes: UPDATED,
  },
  'an update with half a backup up front': {
    act: (ota, options) => {
      const update = ota.begin(options);
      update.backup(2 * SECTOR + 1);
      update.write(NEW);
      update.end();
    },
    outcomes: UPDATED,
  },
  'an update to an image shorter than the partition': {
    act: (ota, options) => update(ota, SHORT, options, 1000),
    outcomes: { none: OLD, restored: OLD, committed: padded(SHORT) },
  },
  'an update from blank to an image': {
    board: { partitions: { storage: '' } },
    act: toNew,
    outcomes: {
      none: padded(NEW.subarray(0, 0)),
      restored: padded(NEW.subarray(0, 0)),
      committed: NEW,
    },
  },
  'an update on a build without SHA-256': {
    board: { crypto: false },
    act: toNew,
    outcomes: UPDATED,
  },
  'an update with the journal in free flash': {
    board: { table: SMALL },
    act: toNew,
    outcomes: UPDATED,
  },
  'an update with backup and journal in one run of free flash': {
    board: { table: ONE_RUN },
    act: toNew,
    outcomes: UPDATED,
  },
  'an update whose journal moves to free flash': {
    prepare: after,
    before: [STORAGE],
    options: MORE,
    act: toNew,
    outcomes: { restored: OTHER, committed: OTHER, trial: NEW },
  },
  'an update whose journal moves back to ota_journal': {
    prepare: (board) => {
      after(board);
      live(board, (ota) => update(ota, NEW, MORE));
      live(board, (ota) => ota.confirm());
    },
    before: [{ ...STORAGE, ...MORE }],
    act: (ota, options) => update(ota, OLD, options),
    outcomes: { restored: NEW, committed: undefined },
  },
  'an update that is given up': {
    act: halfDone((update) => update.abort()),
    outcomes: GIVEN_UP,
  },
  'an update that fails its check': {
    options: { crc32: 1 },
    act: (ota, options) =>
      assert.equal(
        codeOf(() => toNew(ota, options)),
        'E_VERIFY',
      ),
    outcomes: GIVEN_UP,
  },
  'an update that finds its backup too small': {
    board: {
      table: SMALL.map((row) => (row.label === 'spare' ? { ...row, size: 3 * SECTOR } : row)),
    },
    options: { backup: 'spare' },
    act: (ota, options) =>
      assert.equal(
        codeOf(() => toNew(ota, options)),
        'E_SPACE',
      ),
    outcomes: GIVEN_UP,
  },
  'an update that another one interrupted': {
    prepare: (board) => interrupt(board, OTHER, 16),
    act: toNew,
    outcomes: UPDATED,
  },
  'an update that goes on': {
    prepare: (board) => interrupt(board, NEW, 22),
    act: (ota, options) => {
      assert.equal(ota.recover({ resume: true }).state, 'interrupted');
      toNew(ota, options);
    },
    outcomes: UPDATED,
  },
  'a recovery': {
    prepare: (board) => interrupt(board, NEW, 24),
    act: (ota) => assert.equal(ota.recover().state, 'restored'),
    outcomes: { restored: OLD },
  },
  'a restore of an interrupted update': {
    prepare: (board) => interrupt(board, NEW, 24),
    act: (ota) => assert.equal(ota.restore().state, 'restored'),
    outcomes: { restored: OLD },
  },
  'a restore of a committed update': {
    prepare: (board) => live(board, (ota) => update(ota, NEW)),
    act: (ota) => assert.equal(ota.restore().state, 'restored'),
    outcomes: { committed: NEW, restored: OLD },
  },
  'a restore of an update on trial': {
    prepare: (board) => live(board, (ota) => update(ota, NEW, { trial: 3 })),
    act: (ota) => assert.equal(ota.restore().state, 'restored'),
    outcomes: { trial: NEW, restored: OLD },
  },
  'an update on trial': {
    options: { trial: 3 },
    act: toNew,
    outcomes: { none: OLD, restored: OLD, trial: NEW },
  },
  'a trial boot': {
    prepare: (board) => live(board, (ota) => update(ota, NEW, { trial: 9 })),
    act: (ota) => assert.equal(ota.recover().state, 'trial'),
    outcomes: { trial: NEW },
  },
  'a trial that expires': {
    prepare: (board) => {
      live(board, (ota) => update(ota, NEW, { trial: 1 }));
      live(board, (ota) => assert.equal(ota.recover().state, 'trial'));
    },
    act: (ota) => assert.equal(ota.recover().state, 'restored'),
    outcomes: { restored: OLD },
  },
  'a trial that is confirmed': {
    prepare: (board) => {
      live(board, (ota) => update(ota, NEW, { trial: 5 }));
      live(board, (ota) => assert.equal(ota.recover().state, 'trial'));
    },
    act: (ota) => assert.equal(ota.confirm().state, 'committed'),
    outcomes: { trial: NEW, committed: NEW },
  },
  'a direct update': {
    options: { backup: false },
    act: toNew,
    outcomes: { none: OLD, restored: OLD, incomplete: undefined, committed: NEW },
  },
  'a direct update after a committed one': {
    options: { backup: false },
    before: [STORAGE],
    prepare: after,
    act: toNew,
    outcomes: { restored: OTHER, incomplete: undefined, committed: undefined },
  },
  'a direct update that is finished later': {
    options: { backup: false },
    prepare: (board) => interrupt(board, OTHER, 12, { backup: false }),
    act: toNew,
    outcomes: { incomplete: undefined, committed: NEW },
  },
  'a direct update of what is damaged': {
    options: { backup: false },
    before: [STORAGE],
    prepare: damage,
    act: toNew,
    outcomes: { damaged: undefined, incomplete: undefined, committed: NEW },
  },
};

/** @returns a situation on a board, at the moment when power begins to fail. */
function enact({ board: made, options, before = [], prepare, act, outcomes }: Situation): Scene {
  const board = boardWith(made);
  const wanted = { ...STORAGE, ...options };
  const allowed = fenceIn(board, wanted, ...before);
  prepare?.(board);
  const start = board.snapshot();
  return {
    board,
    boot: bootAfterCut,
    start,
    options: wanted,
    allowed,
    outcomes,
    act: (ota) => act(ota, wanted),
  };
}

/**
 * Boots once more and updates to another image, without a call of `recover` in between.
 * Only an update on trial may be in the way.
 */
function assertUpdates(scene: Scene, image: Uint8Array, [first, second]: [Mood, Mood]): void {
  const { board, options } = scene;
  const ota = bootAfterCut(board, first);
  const plain = { ...options, trial: undefined, crc32: undefined };
  let result: Result;
  try {
    result = update(ota, image, plain);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'E_PENDING') assert.equal(ota.status().state, 'trial', 'E_PENDING');
    else if (code !== 'E_SPACE' || options.backup !== 'spare') throw error;
    return;
  }
  assertHolds(board, options.partition, padded(image));
  assertNeighbours(scene);
  board.flash.cut();
  const { state } = bootAfterCut(board, second).recover();
  // No record tells that the partition held this content already.
  if (result.state !== 'untouched') assert.equal(state, 'committed');
  assertHolds(board, options.partition, padded(image));
}

describe('a cut that is made from a recording', () => {
  it('leaves the chip as a cut in the running update does', () => {
    const { board, start, act } = enact(SITUATIONS['an update after a committed one']);
    const ota = boot(board);
    const steps = record(board, () => act(ota));
    for (const step of steps) {
      for (const tear of tearsIn(step)) {
        cutIn(board, step, tear);
        const made = fingerprint(board.flash.snapshot(), start.flash);
        board.restore(start);
        const again = boot(board);
        board.flash.cutAt(step.number, tear);
        assert.throws(() => act(again), PowerCut);
        const found = fingerprint(board.flash.snapshot(), start.flash);
        assert.equal(found, made, nameOf(step, steps, tear));
      }
    }
  });
});

for (const [name, situation] of Object.entries(SITUATIONS)) {
  describe(`${name} ends well`, () => {
    let scene: Scene;
    let steps: Step[];
    let end: Snapshot;

    before(() => {
      scene = enact(situation);
      const ota = boot(scene.board);
      steps = record(scene.board, () => scene.act(ota));
      end = scene.board.flash.snapshot();
    });

    /** Lets power fail in each operation, in each form, and makes these checks; see `everyForm`. */
    function everyCut(checks: ((moods: [Mood, Mood]) => void)[], isEvery = true): void {
      for (const step of steps) {
        // The same steps as on ota.min.js, which gets all: the last of them, and every third before it.
        if (IS_SAMPLE && step.number % 3 !== steps.length % 3) continue;
        const named = checks.map((check) => (moods: [Mood, Mood], tear: Tear) => {
          const where = () => `${name}: ${nameOf(step, steps, tear)}; ${moodName(moods)}`;
          during(where, () => check(moods));
        });
        everyForm(scene.board, step, named, tearsIn(step), isEvery ? undefined : moodInTurn);
      }
    }

    it('without a cut', () => {
      assert.ok(steps.length > 0);
      scene.board.flash.restore(end);
      scene.board.flash.cut();
      assertRecovers(scene, ['after', 'before']);
    });

    it('when power fails and the next boot recovers', () => {
      everyCut([(moods) => assertRecovers(scene, moods)]);
    });

    it('when power fails and the next boot updates without recovering', () => {
      const to = (image: Uint8Array) => (moods: [Mood, Mood]) => assertUpdates(scene, image, moods);
      everyCut([to(NEW), to(OTHER)], IS_FULL);
    });
  });
}
