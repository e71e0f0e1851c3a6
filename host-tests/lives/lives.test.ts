/**
 * Whole lives of chips, 30,000 boots of them; and the simulator itself: it finds the faults that the protocol has had, and
 * those of Espressif's component for the same job, and tells each by a short life.
 */
import assert from 'node:assert/strict';
import { SUBJECT } from '../support/subject.ts';
import { EVENTS, type EventName } from './draw.ts';
import { FAULTS, planted } from './faults.ts';
import type { Life } from './life.ts';
import { type End, live, replay, seedOf } from './lives.ts';
import type { Modules } from './play.ts';
import { makeReference } from './reference.ts';
import { SCENARIOS } from './scenarios.ts';
import { scriptOf, shrink } from './shrink.ts';
import { modulesOfSubject } from './subject.ts';

/** Mutants have to be found, and a sample of the others is enough. */
const BOOTS = process.env.CUTS === 'full' ? 300_000 : SUBJECT === 'ota.min.js' ? 30_000 : 3000;
const SEED = Number(process.env.SEED ?? 1);
const modules = modulesOfSubject();
const reference: Modules = { ...modules, ota: makeReference };

/** @returns the first life of so many that breaks the promise, if one does. */
function findBroken(on: EventName[], own: Modules, lives: number, from = 0): End | undefined {
  for (let number = from; number < from + lives; number++) {
    const end = live(seedOf(SEED, number), new Set(on), own);
    if (end.broken) return end;
  }
  return undefined;
}

function assertHolds(life: Life): void {
  const { broken, story } = replay(life, modules, true);
  assert.equal(broken, undefined, story!.join('\n'));
}

describe(`whole lives (${SUBJECT})`, () => {
  it('keep the promise, whatever happens', function () {
    this.timeout(0);
    const sum = { boots: 0, cuts: 0, events: 0 };
    for (let number = 0; sum.boots < BOOTS; number++) {
      const { counts, broken, life } = live(seedOf(SEED, number), new Set(EVENTS), modules);
      if (broken) {
        const short = shrink(life, modules);
        assert.fail(scriptOf(short.life, short.broken!.message));
      }
      sum.boots += counts.boots;
      sum.cuts += counts.cuts;
      for (const count of Object.values(counts.events)) sum.events += count;
    }
    const shown = (count: number) => count.toLocaleString('en-US');
    console.log(`  ${sum.cuts} simulated power cuts, ${sum.boots} boots (${SUBJECT})`);
    console.log(
      `  ▸ lives: ${shown(sum.boots)} boots, ${shown(sum.events)} other events, seed ${SEED}`,
    );
  });

  it('are the same each time', () => {
    const [one, other] = [1, 2].map(() => live(seedOf(SEED, 3), new Set(EVENTS), modules));
    assert.deepEqual(one.life, other.life);
    assert.deepEqual(one.counts, other.counts);
    assert.deepEqual(replay(one.life, modules).counts, one.counts);
  });

  for (const [name, life] of SCENARIOS)
    it(`lose nothing where the reference does, ${name}`, () => assertHolds(life));
});

(SUBJECT === 'ota.min.js' ? describe : describe.skip)('the simulator of lives', () => {
  for (const fault of FAULTS)
    it(`finds that ${fault.name}`, async function () {
      this.timeout(60_000);
      const found = findBroken(fault.on, await planted(fault), 3000, fault.from);
      assert.ok(found, 'no life has found it');
    });

  for (const [name, life] of SCENARIOS)
    it(`finds what the reference loses, ${name}`, () => {
      const { broken, story } = replay(life, reference, true);
      assert.equal(broken?.name, 'Broken', story!.join('\n'));
    });

  it('finds the reference broken at once', () => {
    assert.ok(findBroken([], reference, 5));
  });

  it('makes a life short', async () => {
    const own = await planted(FAULTS[0]);
    const { life } = findBroken(FAULTS[0].on, own, 3000)!;
    const short = shrink(life, own);
    assert.ok(short.broken);
    assert.ok(short.life.steps.length <= 6, scriptOf(short.life, short.broken.message));
  });
});
