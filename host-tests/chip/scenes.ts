/** What a board is doing when power fails. */
import { printed } from '../support/update-fixtures.ts';
import type { Bench } from './bench.ts';
import type { Clock } from './emulator.ts';

/** Something that a board does from the moment on that it is switched on. */
export interface Scene {
  name: string;
  /** What the flash holds before. */
  start: Buffer;
  clock: Clock;
  /** What is done at the prompt. */
  act: () => Promise<unknown>;
  /** Changes of the flash when nothing goes wrong. */
  changes?: number;
  /** So many lives out of 25 are about it. */
  share: number;
}

/** Makes the flashes that scenes start with. */
export async function scenesOf(bench: Bench): Promise<Scene[]> {
  const { fresh } = bench;
  const now = () => Buffer.from(bench.flash.bytes);
  await bench.boot(fresh);
  await bench.update();
  const committed = now();
  const restore = () => bench.run('return require("ota").restore()');
  await restore();
  const restored = now();
  await bench.boot(fresh);
  await bench.update({ trial: 1 });
  await bench.reboot();
  const trial = now();

  const update = () => bench.update();
  return [
    { name: 'the first update', start: fresh, clock: 'counted', act: update, share: 9 },
    { name: 'an update after others', start: restored, clock: 'counted', act: update, share: 6 },
    { name: 'restore()', start: committed, clock: 'counted', act: restore, share: 4 },
    {
      name: 'recover() at the end of a trial',
      start: trial,
      clock: 'counted',
      act: () => Promise.resolve(),
      share: 4,
    },
    {
      name: 'part-ota update over the console',
      start: fresh,
      clock: 'real',
      act: async () => printed(await bench.updateOverConsole()),
      share: 2,
    },
  ];
}

/** @returns how many changes of the flash a scene makes when nothing goes wrong. */
export async function changesOf(bench: Bench, { start, clock, act }: Scene): Promise<number> {
  return bench.steadily(async () => {
    await bench.boot(start, clock);
    await act();
    return bench.changes;
  });
}
