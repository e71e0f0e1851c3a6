/** Lives of chips, by seed: each is drawn while it is played, and comes to an end after some boots. */
import { Drawer, type EventName, drawChip } from './draw.ts';
import type { Life, Step } from './life.ts';
import { type Counts, type Modules, Player } from './play.ts';
import { Broken } from './promise.ts';
import { random } from './world.ts';

/** Boots of a life. */
const BOOTS = 25;

/** @returns the seed of a life, by the seed of the run and its number in it. */
export function seedOf(seed: number, number: number): number {
  return (Math.imul(seed, 0x9e3779b1) + number) >>> 0;
}

/** What a life has come to. */
export interface End {
  life: Life;
  counts: Counts;
  /** Why the promise did not hold, if so; also an error that is none of the module's. */
  broken?: Error;
  /** What happened, if it was asked for. */
  story?: string[];
}

/** Draws and plays a life. @returns its end; all that has happened in it can be played again */
export function live(seed: number, on: Set<EventName>, modules: Modules): End {
  const below = random(seed);
  const chip = drawChip(below, on);
  const player = new Player(chip, modules);
  const steps: Step[] = [];
  try {
    const drawer = new Drawer(below, on, player);
    for (let boot = 0; boot < BOOTS; boot++)
      for (const step of drawer.boot()) {
        steps.push(step);
        player.do(step);
      }
    const last: Step = {
      do: 'way out',
      image: { seed: below(1000), size: 1 + below(20000) },
      number: below(100),
    };
    steps.push(last);
    player.do(last);
    return { life: { chip, steps }, counts: player.counts };
  } catch (error) {
    return { life: { chip, steps }, counts: player.counts, broken: error as Error };
  }
}

/** Plays a life again. */
export function replay({ chip, steps }: Life, modules: Modules, isTold = false): End {
  const player = new Player(chip, modules);
  if (isTold) player.story = [];
  try {
    for (const step of steps) player.do(step);
    return { life: { chip, steps }, counts: player.counts, story: player.story };
  } catch (error) {
    if (!(error instanceof Broken)) player.story?.push(`BROKEN: ${(error as Error).stack}`);
    return {
      life: { chip, steps },
      counts: player.counts,
      broken: error as Error,
      story: player.story,
    };
  }
}
