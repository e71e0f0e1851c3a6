/** What updates take of a 32-bit Espruino: least counts of JsVars, sizes of the modules, bytes of stack. As tables. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { planBoot } from '../link/boot-script.ts';
import { LOADED, ROOM, RUNS, stackBudget } from './budgets.ts';
import type { Table } from './markdown.ts';
import { SECTORS } from './room-chip.ts';
import { type Job, type Limits, PLENTY, type Room } from './room.ts';

/** Least counts are found to so many JsVars. */
const STEP = 10;
/** No update works with so few: the app has 500. */
const TOO_FEW = 700;
/** Where a search begins. */
const ENOUGH = 4200;
/** Sectors after which a count passes in a search; the last one has to pass all of them. */
const FAR = 100;

const BOOT0 = planBoot(
  {
    version: '0.0.0',
    script: readFileSync(fileURLToPath(new URL('../examples/boot0.js', import.meta.url)), 'latin1'),
  },
  false,
).content;

/** What is done for each of ROOM. */
export const JOBS: Record<keyof typeof ROOM, Job> = {
  chunks: { act: 'chunks' },
  http: { act: 'http' },
  console: { act: 'console' },
  recover: { act: 'recover', chip: 'interrupted' },
};

/** Calls whose stack is measured, with what a user's callback does in them. */
export const CALLS: Record<string, Job> = {
  'nothing but the boot': { act: 'nothing' },
  '`.boot0`: `recover()`, no journal': { act: 'nothing', boot0: BOOT0 },
  '`.boot0`: `recover()` that puts back': { act: 'nothing', boot0: BOOT0, chip: 'interrupted' },
  '`recover()` that puts back': { act: 'recover', chip: 'interrupted' },
  '`partitions()`': { act: 'partitions' },
  '`status()`': { act: 'status', chip: 'committed' },
  '`plan()`': { act: 'plan', chip: 'committed' },
  '`begin()`, `write()` of 512, `end()`': { act: 'write' },
  'the same with `onProgress`': { act: 'write with onProgress' },
  'the same, of whole sectors': { act: 'write, sectors whole' },
  'the same, direct': { act: 'write, direct' },
  'the same, after a power cut': { act: 'write with onProgress', chip: 'interrupted' },
  '`backup()`': { act: 'backup' },
  '`keep()`, `back()`': { act: 'keep and back' },
  '`abort()` that puts back': { act: 'abort' },
  '`confirm()`': { act: 'confirm', chip: 'trial' },
  '`restore()` of a trial': { act: 'restore', chip: 'trial' },
  '`restore()` of what is committed': { act: 'restore', chip: 'committed' },
  '`forget()`': { act: 'forget', chip: 'committed' },
  '`check()`': { act: 'check' },
  '`update()` with `onPlan` and `onProgress`': { act: 'update' },
  'console update, 8 sectors': { act: 'console', sectors: 8 },
};

/** @returns whether a job does what it should with so many JsVars. */
async function fits(room: Room, job: Job, count: number, limits?: Limits): Promise<boolean> {
  const { kind, content, isFenced } = await room.run(job, count, limits);
  const expected = job.act === 'recover' ? 'old' : 'new';
  return kind === 'done' && isFenced && (limits?.until !== undefined || content === expected);
}

/**
 * Finds the least count of JsVars that will do, by bisection; it is one that did for all of an update.
 * @returns a count, to STEP
 * @throws Error if no count will do
 */
export async function leastFor(room: Room, job: Job): Promise<number> {
  const early: Limits | undefined = job.act === 'recover' ? undefined : { until: FAR };
  let few = TOO_FEW;
  let enough = ENOUGH;
  while (!(await fits(room, job, enough, early))) {
    if (enough >= PLENTY) throw new Error(`${job.act}: ${enough} JsVars are not enough`);
    few = enough;
    enough = Math.min(2 * enough, PLENTY);
  }
  while (enough - few > STEP) {
    const middle = Math.round((few + enough) / 2 / STEP) * STEP;
    if (await fits(room, job, middle, early)) enough = middle;
    else few = middle;
  }
  while (!(await fits(room, job, enough))) enough += STEP;
  return enough;
}

/** @returns milliseconds of a processor for a job: those of the faster one of two runs. */
export async function timeOf(room: Room, job: Job, count: number): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 2; n++) times.push((await room.run(job, count)).milliseconds);
  return Math.min(...times);
}

/** @returns the stack of a call in bytes; undefined if the interpreter does not tell. @throws Error if it failed */
export async function stackOf(room: Room, job: Job): Promise<number | undefined> {
  const { kind, tail, stack, content } = await room.run(job, PLENTY);
  const isDone = kind === 'done' && (!job.boot0 || content === 'old');
  if (!isDone) throw new Error(`${job.act}: ${kind}\n${tail}`);
  return stack;
}

const shown = (value: number | undefined) =>
  value === undefined ? '?' : Math.round(value).toLocaleString('en-US');

/** JsVars of boards that people report: 3,400 to 4,100. */
const REPORTED = 4100;

/** @returns how many times as long a job takes where free JsVars lie in short runs. */
async function slowness(room: Room, job: Job, count: number): Promise<string> {
  const scattered = await timeOf(room, { ...job, runs: RUNS }, count);
  return `${(scattered / (await timeOf(room, job, count))).toFixed(2)} ×`;
}

/** @returns the cells of one job: least counts, and what short runs of free JsVars cost. */
async function roomRow(room: Room, job: Job, goal: number): Promise<string[]> {
  const least = await leastFor(room, job);
  const there = await leastFor(room, { ...job, runs: RUNS });
  const time = await slowness(room, job, Math.max(least, there, goal));
  const reported = await slowness(room, job, Math.max(least, there, REPORTED));
  return [shown(least), shown(there), time, reported];
}

/** @returns the table of least counts. */
async function roomTable(room: Room): Promise<Table> {
  const rows = [
    [
      `JsVars of ${room.engine.blockSize} bytes in all: 1 MiB, ${SECTORS} sectors change`,
      'at most',
      'least',
      `in runs of ${RUNS}`,
      'time there',
      `with ${shown(REPORTED)}`,
    ],
  ];
  for (const name of Object.keys(ROOM) as (keyof typeof ROOM)[]) {
    const { what, goal } = ROOM[name];
    const cells = await roomRow(room, JOBS[name], goal).catch((error: Error) => {
      console.error(`${what}: ${error.message}`);
      return ['—', '—', '—', '—'];
    });
    rows.push([what, shown(goal), ...cells]);
  }
  return rows;
}

async function loadedTable(room: Room): Promise<Table> {
  const { loaded } = await room.run({ act: 'loaded' }, PLENTY);
  const rows = [['JsVars of a loaded module', 'at most', 'it takes']];
  for (const name of Object.keys(LOADED) as (keyof typeof LOADED)[])
    rows.push([`\`${name}\``, shown(LOADED[name].goal), shown(loaded?.[name])]);
  return rows;
}

async function stackTable(room: Room): Promise<Table> {
  const rows = [['bytes of stack, x86-32', 'at most', 'used']];
  for (const [what, job] of Object.entries(CALLS))
    rows.push([
      what,
      shown(stackBudget(what).goal),
      await stackOf(room, job).then(shown, () => '—'),
    ]);
  return rows;
}

/** @returns all tables, one after the other: they take some minutes. */
export async function* tablesOf(room: Room): AsyncGenerator<Table> {
  yield await loadedTable(room);
  yield await stackTable(room);
  yield await roomTable(room);
}
