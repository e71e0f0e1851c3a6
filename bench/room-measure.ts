/** What updates take of a 32-bit Espruino: least counts of JsVars, sizes of the modules, bytes of stack. As tables. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { planBoot } from '../link/boot-script.ts';
import type { Budget } from './budgets.ts';
import { LOADED, ROOM, RUNS, STACK } from './budgets.ts';
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

/** What was found of one of ROOM: least counts, and what short runs of free JsVars cost. */
interface Found {
  least: string;
  there: string;
  time: string;
  reported: string;
}

async function findRoom(room: Room, name: keyof typeof ROOM): Promise<Found> {
  const job = JOBS[name];
  const least = await leastFor(room, job);
  const there = await leastFor(room, { ...job, runs: RUNS });
  const most = Math.max(least, there, ROOM[name].goal);
  return {
    least: shown(least),
    there: shown(there),
    time: await slowness(room, job, most),
    reported: await slowness(room, job, Math.max(most, REPORTED)),
  };
}

const NOTHING: Found = { least: '—', there: '—', time: '—', reported: '—' };

/** @returns what was found of each of ROOM. */
async function findAll(room: Room): Promise<[keyof typeof ROOM, Found][]> {
  const all: [keyof typeof ROOM, Found][] = [];
  for (const name of Object.keys(ROOM) as (keyof typeof ROOM)[])
    all.push([
      name,
      await findRoom(room, name).catch((error: Error) => {
        console.error(`${ROOM[name].what}: ${error.message}`);
        return NOTHING;
      }),
    ]);
  return all;
}

/** @returns bytes of stack by call; undefined where it is not known. */
async function findStacks(room: Room): Promise<[string, number | undefined][]> {
  const all: [string, number | undefined][] = [];
  for (const [what, job] of Object.entries(CALLS))
    all.push([what, await stackOf(room, job).catch(() => undefined)]);
  return all;
}

/**
 * @returns two tables, one after the other, which take some minutes: the stack of each call, with what short runs cost; then
 * all that has a budget, for a document
 */
export async function* tablesOf(room: Room): AsyncGenerator<Table> {
  const stacks = await findStacks(room);
  yield [['bytes of stack, x86-32', 'used'], ...stacks.map(([what, used]) => [what, shown(used)])];
  const rooms = await findAll(room);
  yield [
    [`time in runs of ${RUNS}`, 'with the least count', `with ${shown(REPORTED)}`],
    ...rooms.map(([name, { time, reported }]) => [ROOM[name].what, time, reported]),
  ];
  const { loaded } = await room.run({ act: 'loaded' }, PLENTY);
  const row = (what: string, { goal, before }: Budget, least?: string, there = '') => [
    what,
    shown(before),
    shown(goal),
    least ?? '—',
    there,
  ];
  const [deepest, used] = stacks.reduce((a, b) => ((b[1] ?? 0) > (a[1] ?? 0) ? b : a));
  yield [
    [
      `JsVars of ${room.engine.blockSize} bytes; ${SECTORS} sectors change`,
      'before',
      'goal',
      'now',
      `in runs of ${RUNS}`,
    ],
    ...(Object.keys(LOADED) as (keyof typeof LOADED)[]).map((name) =>
      row(`\`${name}\`, loaded`, LOADED[name], shown(loaded?.[name])),
    ),
    ...rooms.map(([name, { least, there }]) => row(ROOM[name].what, ROOM[name], least, there)),
    row(`bytes of stack, x86-32: ${deepest}`, STACK, shown(used)),
  ];
}
