/**
 * Power fails in an update, and again in what the next boot does about it: in every pair of operations, on a target
 * of eight sectors. What else may happen, lives try (`host-tests/lives/`).
 *
 * The form of the first cut and the moods are drawn at random, by seed; the second cut takes every form.
 * A failure names its seed: `SEED=7 SUBJECT=ota.min.js npx mocha --grep 'ends well'` runs it alone.
 */
import assert from 'node:assert/strict';
import { type Board, type Mood, SECTOR, TEARS, type Tear, someBits } from '../../host/index.ts';
import {
  IS_FULL,
  IS_SAMPLE,
  STORAGE,
  type Scene,
  type Step,
  WIDE,
  assertHolds,
  assertNeighbours,
  assertRecovers,
  boardWith,
  bootStraight,
  cutIn,
  during,
  everyForm,
  fenceIn,
  moodInTurn,
  moodName,
  nameOf,
  random,
  record,
  tearsIn,
  update,
  withTarget,
} from '../support/fixtures.ts';
import { Life, type World, tell } from '../support/life.ts';
import type { Ota } from '../support/subject.ts';

const { OLD, NEW, OTHER } = WIDE;

/** @returns a board whose target has eight sectors. */
const wideBoard = () =>
  boardWith({ table: withTarget(WIDE.sectors), partitions: { storage: OLD } });

const SEED = process.env.SEED ? Number(process.env.SEED) : undefined;

/** @returns seeds: the one asked for, or the first `few`, or `many` in the larger form. */
function seeds(few: number, many: number): number[] {
  if (SEED !== undefined) return [SEED];
  const count = IS_FULL ? many : IS_SAMPLE ? Math.ceil(few / 4) : few;
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** @returns how unstable cells read. */
function moodBy(below: (n: number) => number): Mood {
  const n = below(8);
  const seed = below(1000);
  if (n < 4) return (['ones', 'zeros', 'before', 'after'] as const)[n];
  return n < 7 ? { seed, whole: 16 } : { seed };
}

/** What power fails in first. */
const FIRST: Record<string, { prepare?: (life: Life) => void; act: (life: Life) => void }> = {
  'an update': { act: (life) => life.update(NEW) },
  'an update with a full backup up front': {
    act: (life) => life.update(NEW, {}, WIDE.sectors * SECTOR),
  },
  'an update after a committed one': {
    prepare: (life) => life.boot().update(OTHER),
    act: (life) => life.update(NEW),
  },
  'an update that is given up': { act: (life) => life.abort(NEW) },
  'an update on trial': { act: (life) => life.update(NEW, { trial: 1 }) },
  'a trial that expires': {
    prepare: (life) => {
      life.boot().update(NEW, { trial: 1 });
      life.boot().recover();
    },
    act: (life) => life.recover(),
  },
  'a restore of a committed update': {
    prepare: (life) => life.boot().update(NEW),
    act: (life) => life.restore(),
  },
};

/** What the next boot does, and power fails in it again. */
const SECOND: Record<string, (life: Life) => void> = {
  'the recovery': (life) => life.recover(),
  'the same update without a recovery': (life) => life.update(NEW),
  'another update without a recovery': (life) => life.update(OTHER),
  'the update that goes on': (life) => {
    life.recover({ resume: true });
    life.update(NEW);
  },
  'a restore without a recovery': (life) => life.restore(),
};

/** @returns a form in which power fails in a step. */
function tearBy(step: Step, below: (n: number) => number): Tear {
  const tears = [...tearsIn(step), someBits(below(1000))];
  return tears[below(tears.length)];
}

/** @returns the steps in which power fails first: all of them in the full tests. */
function sampled(steps: Step[], seed: number): Step[] {
  const every = IS_FULL ? 1 : IS_SAMPLE ? 24 : 6;
  return steps.filter((_, n) => n % every === seed % every);
}

/** Takes note of a cut that was just made. */
function note(life: Life, step: Step, steps: Step[], tear: Tear): void {
  life.world = step.note as World;
  life.story.push(nameOf(step, steps, tear));
}

/** Recovers, and once more if cells may read another way then. */
function end(life: Life, below: (n: number) => number): void {
  life.boot(moodBy(below)).recover();
  if (life.board.flash.unstableBits()) life.boot(moodBy(below)).recover();
}

/** Lets power fail in a step in every form; each ends well. */
function everyEnd(life: Life, step: Step, steps: Step[], below: (n: number) => number): void {
  const { length } = life.story;
  const check = (_: unknown, tear: Tear) => {
    note(life, step, steps, tear);
    end(life, below);
    life.story.length = length;
  };
  everyForm(life.board, step, [check], tearsIn(step), moodInTurn);
}

for (const [first, { prepare, act }] of Object.entries(FIRST)) {
  describe(`${first} ends well when power fails in it`, () => {
    for (const [second, next] of Object.entries(SECOND)) {
      it(`and in ${second}`, () => {
        for (const seed of seeds(1, 20)) {
          const below = random(seed);
          const life = new Life(OLD, {}, wideBoard());
          prepare?.(life);
          life.boot();
          const steps = record(
            life.board,
            () => act(life),
            () => life.world,
          );
          for (const step of sampled(steps, seed)) {
            const begin = life.story.length;
            const tear = tearBy(step, below);
            tell(life, `seed ${seed}`, () => {
              cutIn(life.board, step, tear);
              note(life, step, steps, tear);
              life.boot(moodBy(below));
              const later = record(
                life.board,
                () => next(life),
                () => life.world,
              );
              end(life, below);
              for (const again of later) everyEnd(life, again, later, below);
            });
            life.story.length = begin;
          }
        }
      });
    }
  });
}

describe('a direct update ends well when power fails in it', () => {
  /** Recovers, which may report that the content is incomplete, and updates again. */
  function endDirect(scene: Scene, moods: [Mood, Mood]): void {
    const { board, options } = scene;
    assertRecovers(scene, moods);
    board.flash.cut();
    update(bootStraight(board, moods[0]), NEW, options);
    assertHolds(board, 'storage', NEW);
    assertNeighbours(scene);
  }

  it('and in the same update', () => {
    for (const seed of seeds(1, 20)) {
      const below = random(seed);
      const board = wideBoard();
      const options = { ...STORAGE, backup: false as const };
      const act = (ota: Ota) => update(ota, NEW, options);
      const allowed = fenceIn(board, options);
      // There is no old content to go back to once something was erased.
      const outcomes = { none: OLD, restored: OLD, incomplete: undefined, committed: NEW };
      const start = board.snapshot();
      const scene = { board, boot: bootStraight, start, options, allowed, outcomes, act };
      const first = bootStraight(board);
      const steps = record(board, () => act(first));
      for (const step of sampled(steps, seed)) {
        const tear = tearBy(step, below);
        const mood = moodBy(below);
        cutIn(board, step, tear);
        const ota = bootStraight(board, mood);
        const later = record(board, () => act(ota));
        for (const again of later) {
          const check = (moods: [Mood, Mood], last: Tear) => {
            const story = () =>
              [
                `seed ${seed}`,
                nameOf(step, steps, tear),
                `boot (cells read ${JSON.stringify(mood)})`,
                nameOf(again, later, last),
                moodName(moods),
              ].join('; ');
            during(story, () => endDirect(scene, moods));
          };
          everyForm(board, again, [check], tearsIn(again), moodInTurn);
        }
      }
    }
  });
});

/** So many trial boots that ota_journal has no room for them: the journal is in free flash. */
const MORE = { trial: 60 };

/** @returns the steps in which a journal opens: all before the first sector is saved. */
function openingOf({ plan, board }: Life, steps: Step[]): Step[] {
  const used = [plan.partition, board.partition('ota_1')];
  const isUse = ({ address, length }: Step) =>
    length > 16 &&
    used.some((area) => address >= area.address && address < area.address + area.size);
  const end = steps.findIndex((step) => isUse(step) && step.kind === 'program');
  assert.ok(end > 4, 'no journal opens');
  return steps.slice(0, end);
}

/** Lets power fail in every step in which `first` opens a journal, and then in all of `second`, in every form. */
function failTwice(life: Life, first: (life: Life) => void, second: (life: Life) => void): void {
  const world = () => life.world;
  life.boot();
  const steps = record(life.board, () => first(life), world);
  for (const step of openingOf(life, steps)) {
    for (const tear of IS_SAMPLE ? [TEARS.everyBit] : tearsIn(step)) {
      const moods = IS_FULL ? OPENING_MOODS : OPENING_MOODS.slice(0, 2);
      for (const mood of moods) {
        const begin = life.story.length;
        cutIn(life.board, step, tear);
        note(life, step, steps, tear);
        // Another mood makes no difference where nothing is unstable.
        if (mood !== moods[0] && !life.board.flash.unstableBits()) continue;
        tell(life, 'opening', () => {
          life.boot(mood);
          const later = record(life.board, () => second(life), world);
          const middle = life.story.length;
          for (const again of later) {
            const check = ([one, other]: [Mood, Mood], last: Tear) => {
              note(life, again, later, last);
              for (const mood of [one, other, one])
                assert.notEqual(life.boot(mood).recover().state, 'none', 'no journal speaks');
              life.story.length = middle;
            };
            everyForm(life.board, again, [check], tearsIn(again), moodInTurn);
          }
        });
        life.story.length = begin;
      }
    }
  }
}

const OPENING_MOODS: Mood[] = ['ones', 'zeros', 'before', { seed: 1, whole: 16 }];

/** Without a partition for the journal: it lies in free flash. */
const withoutJournal = () =>
  boardWith({
    table: withTarget(WIDE.sectors).filter(({ label }) => label !== 'ota_journal'),
    partitions: { storage: OLD },
  });

/** An update with its journal in free flash, wherever the one before it is. */
const elsewhere = (image: Uint8Array) => (life: Life) => {
  life.update(image, MORE);
};
const here = (image: Uint8Array) => (life: Life) => {
  life.update(image);
};

/** Where a journal is, where the next one opens; what the next boot does, in which power fails again. */
const OPENINGS: Record<
  string,
  { make?: () => Board; before: ((life: Life) => void)[]; first: (life: Life) => void }
> = {
  'in ota_journal': { before: [here(NEW), here(OTHER)], first: here(NEW) },
  'in free flash': { make: withoutJournal, before: [here(OTHER)], first: here(NEW) },
  'that moves from ota_journal to free flash': {
    before: [here(NEW), here(OLD), here(OTHER)],
    first: elsewhere(NEW),
  },
  'that moves from free flash to ota_journal': {
    before: [here(OTHER), here(NEW), elsewhere(OTHER), (life) => life.confirm()],
    first: here(NEW),
  },
};

const AFTER_OPENING: Record<string, (life: Life) => void> = {
  'the recovery, and a restore of what it finds': (life) => {
    life.recover();
    life.restore();
  },
  'the same update again': here(NEW),
  'another update, with its journal elsewhere': elsewhere(OLD),
};

for (const [where, { make = wideBoard, before, first }] of Object.entries(OPENINGS)) {
  describe(`a journal ${where} ends well when power fails while it opens`, () => {
    for (const [then, second] of Object.entries(AFTER_OPENING)) {
      it(`and in ${then}`, () => {
        const life = new Life(OLD, {}, make(), [{ ...STORAGE, ...MORE }]);
        for (const act of before) act(life.boot());
        failTwice(life, first, second);
      });
    }
  });
}
