/**
 * Any number of power cuts: from every state that a cut can leave, every cut of the boot that follows, until
 * no state is new. What is closed needs no deeper search.
 *
 * Cuts in target and backup are unlimited. In the journal they are not: each one may leave a slot that only
 * zeroing makes safe, so that no two logs are alike; their number is bounded, and in the test's name.
 */
import assert from 'node:assert/strict';
import { type Mood, SECTOR, type Tear, TEARS, fingerprint } from '../../host/index.ts';
import {
  IS_FULL,
  IS_SAMPLE,
  contentName,
  cutIn,
  image,
  nameOf,
  record,
} from '../support/fixtures.ts';
import { Life, type Moment, type World, tell } from '../support/life.ts';
import { tally } from '../support/tally.ts';

/** The rest of each image: it stays. In the larger form one sector more differs. */
const same = ', a3 page, a4 page, a5 page';
const OLD = image(`a0 page, a1 blank, a2 hole${same}`);
const NEW = image(`b0 page, b1 page, ${IS_FULL ? 'b2 blank' : 'a2 hole'}${same}`);
/** Sector 0 is that of NEW, sector 2 that of OLD. */
const OTHER = image(`b0 page, c1 page, a2 hole${same}`);

/** Without the form in which nothing was done: that is a boot without a cut. */
const IN_DATA: Tear[] = [TEARS.everyBit, TEARS.everything];
const IN_JOURNAL: Tear[] = [TEARS.firstHalf, ...IN_DATA];
const MOODS: Mood[] = IS_FULL ? ['ones', 'zeros', 'before'] : ['ones', 'zeros'];

/** What a boot may do. */
type Act = (life: Life) => void;

/** A state of the chip that a cut has left, and how it came to be. */
interface State {
  moment: Moment;
  /** How often power has failed in the journal. */
  inJournal: number;
  /** Updates that were resumed. */
  resumed: number;
  story: string[];
}

interface Result {
  states: number;
  cuts: number;
  /** Cuts in a row that lead to the last state that was new. */
  longest: number;
}

/** Explores until no state is new. @param limit - of cuts in the journal */
function close(life: Life, first: Act, acts: Act[], limit: number): Result {
  const base = life.board.flash.snapshot();
  const { address, size } = life.plan.journal;
  const seen = new Set<string>();
  const queue: State[] = [];
  let cuts = 0;

  /** Lets power fail in each operation. @returns the state if it does not fail */
  function fail(state: State, act: Act, resumed: number): Moment {
    const steps = record(
      life.board,
      () => act(life),
      () => life.world,
    );
    const end = life.save();
    for (const step of steps) {
      const isInJournal = step.address >= address && step.address < address + size;
      const inJournal = state.inJournal + (isInJournal ? 1 : 0);
      if (inJournal > limit) continue;
      for (const tear of isInJournal ? IN_JOURNAL : IN_DATA) {
        cutIn(life.board, step, tear);
        cuts++;
        const flash = life.board.flash.snapshot();
        const world = step.note as World;
        const key = `${inJournal} ${resumed} ${keyOf(world)} ${fingerprint(flash, base)}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const moment = { board: life.board.snapshot(), world };
        queue.push({
          moment,
          inJournal,
          resumed,
          story: [...life.story, nameOf(step, steps, tear)],
        });
      }
    }
    return end;
  }

  const start: State = { moment: life.save(), inJournal: 0, resumed: 0, story: [] };
  life.boot();
  fail(start, first, 0);
  let longest = 0;
  for (const state of queue) {
    longest = Math.max(longest, state.story.filter((event) => event.startsWith('cut')).length);
    life.load(state.moment);
    const moods = life.board.flash.unstableBits() ? MOODS : MOODS.slice(0, 1);
    for (const mood of moods) {
      acts.forEach((act, n) => {
        const resumed = state.resumed + (n ? 1 : 0);
        if (resumed > 1) return;
        life.load(state.moment);
        life.story = [...state.story];
        tell(life, 'closure', () => {
          life.boot(mood);
          life.load(fail(state, act, resumed));
          for (const next of MOODS.slice(0, 2)) life.boot(next).recover();
        });
      });
    }
  }
  return { states: seen.size, cuts, longest };
}

/** @returns the same for worlds that are alike. */
function keyOf(world: World): string {
  let key = keys.get(world);
  if (key === undefined) {
    const contents = world.may.map(({ bytes, isNew }) => `${contentName(bytes)} ${isNew}`);
    key = [...contents, world.said, ...world.previous.map(contentName)].join();
    keys.set(world, key);
  }
  return key;
}
const keys = new WeakMap<World, string>();

const recover: Act = (life) => life.recover();
const goOn =
  (image: Uint8Array): Act =>
  (life) => {
    life.recover({ resume: true });
    life.update(image);
  };

const CASES: Record<string, { first: Act; make?: () => Life; acts?: Act[]; isLong?: boolean }> = {
  'an update': { first: (life) => life.update(NEW) },
  'an update that may be gone on with once, with the same image or another': {
    first: (life) => life.update(NEW),
    acts: [recover, goOn(NEW), goOn(OTHER)],
    isLong: true,
  },
  'an update that is given up': { first: (life) => life.abort(NEW, 3 * SECTOR) },
  'a restore of a committed update': {
    make: () => {
      const life = new Life(OLD);
      life.boot().update(NEW);
      return life;
    },
    first: (life) => life.restore(),
  },
  'a trial that expires': {
    make: () => {
      const life = new Life(OLD);
      life.boot().update(NEW, { trial: 1 });
      life.boot().recover();
      return life;
    },
    first: recover,
    isLong: true,
  },
};

describe('no state is new any more, after any number of cuts in target and backup', () => {
  for (const [name, situation] of Object.entries(CASES)) {
    const { first, make = () => new Life(OLD), acts = [recover], isLong } = situation;
    if (IS_SAMPLE ? name !== 'an update' : isLong && !IS_FULL) continue;
    it(`and one in the journal, of ${name}`, function () {
      this.timeout(IS_FULL ? 0 : 120000);
      const { states, cuts, longest } = close(make(), first, acts, 1);
      assert.ok(states > 0);
      tally(`closure: ${name}`, { states, cuts, mostCuts: longest });
      console.log(`      closed: ${states} states, ${cuts} cuts, ${longest} in a row`);
    });
  }
});
