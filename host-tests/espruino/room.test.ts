/**
 * What an update takes of a board: `ESPRUINO32=path/to/espruino npm run test:espruino`. bench/room.ts tells what that
 * names. The least counts are found by `ESPRUINO32=… npm run cost -- room`; here it is held that bench/budgets.ts will do.
 */
import assert from 'node:assert/strict';
import type { Budget } from '../../bench/budgets.ts';
import { heldBy, LOADED, ROOM, RUNS, SLOWER, STACK } from '../../bench/budgets.ts';
import { CALLS, JOBS, stackOf, timeOf } from '../../bench/room-measure.ts';
import { type Ending, type Job, PLENTY, Room } from '../../bench/room.ts';

const command = process.env.ESPRUINO32;
/** The bytes of JsVars that the budgets are for. */
const BLOCK = 14;

type Way = keyof typeof ROOM;
const WAYS = Object.keys(ROOM) as Way[];

/** JsVars that the app gives back at least when it makes room. */
const MADE = 300;

/** JsVars from which on it is tried: 500 are the app's, so `ota` itself finds no room. */
const TOO_FEW = 1000;
const COUNTS = 40;
/** Milliseconds in which something has to come of an update: over the console it takes twenty seconds. */
const PATIENCE = { chunks: 30_000, http: 30_000, console: 60_000 };

let room: Room;

/** @returns a budget in words; where the goal is not met, that it is not. */
function inWords({ goal, today }: Budget): string {
  const [held, wanted] = [today ?? goal, goal].map((value) => value.toLocaleString('en-US'));
  return today === undefined ? held : `${held} (goal ${wanted})`;
}

/** Fails unless a job does what it should, and nothing else. */
function assertDone(job: Job, count: number, ending: Ending): void {
  const what = `${job.act}${job.runs ? `, runs of ${job.runs}` : ''}, ${count} JsVars`;
  const { kind, content, isFenced, tail } = ending;
  assert.equal(kind, 'done', `${what}: ${kind}\n${tail}`);
  assert.equal(content, job.act === 'recover' ? 'old' : 'new', `${what}: the content`);
  assert.ok(isFenced, `${what}: something else has changed`);
}

describe('on a board with few variables', function () {
  this.timeout(0);

  before(async function () {
    if (!command) {
      console.log('    skipped: the environment variable ESPRUINO32 names no interpreter');
      return this.skip();
    }
    room = await Room.open(command);
    const { blockSize } = room.engine;
    if (blockSize === BLOCK) return undefined;
    console.log(`    skipped: its JsVars are of ${blockSize} bytes, the budgets for ${BLOCK}`);
    return this.skip();
  });

  after(() => room?.close());

  describe('fits', describeRoom);
  describe('takes little', describeSizes);
  for (const way of ['chunks', 'http', 'console'] as const)
    describe(`out of memory, ${ROOM[way].what}`, () => describeEnds(way));
});

function describeRoom(): void {
  for (const way of WAYS) {
    const budget = ROOM[way];
    const count = heldBy(budget);
    const job = JOBS[way];

    it(`${budget.what}: ${inWords(budget)} JsVars`, async () => {
      assertDone(job, count, await room.run(job, count));
    });

    it(`${budget.what}: the same in runs of ${RUNS}, in at most ${SLOWER} times the time`, async () => {
      const scattered = { ...job, runs: RUNS };
      assertDone(scattered, count, await room.run(scattered, count));
      const [slow, fast] = [await timeOf(room, scattered, count), await timeOf(room, job, count)];
      assert.ok(slow <= SLOWER * fast, `${slow} ms, else ${fast} ms`);
    });
  }
}

function describeSizes(): void {
  for (const name of Object.keys(LOADED) as (keyof typeof LOADED)[])
    it(`${name}, loaded: ${inWords(LOADED[name])} JsVars`, async () => {
      const { loaded } = await room.run({ act: 'loaded' }, PLENTY);
      const size = loaded![name];
      assert.ok(size > 100 && size <= heldBy(LOADED[name]), `${size} JsVars`);
    });

  for (const [what, job] of Object.entries(CALLS)) {
    it(`stack of ${what}: ${inWords(STACK)} bytes`, async function () {
      const used = await stackOf(room, job);
      if (used === undefined) return this.skip();
      assert.ok(used > 1000 && used <= heldBy(STACK), `${used} bytes`);
      return undefined;
    });
  }
}

/** An update on a board with so many JsVars, what its app can do then, and the next boot. */
interface Life {
  count: number;
  ending: Ending;
  next: Ending;
}

const lines = (problems: string[]) => assert.equal(problems.join('\n'), '');
/** The last lines, on one. */
const short = ({ tail }: Ending) =>
  tail
    .trim()
    .replace(/\s*\n\s*/g, ' | ')
    .slice(-300);

/** Updates with too few variables, and with more and more. */
function describeEnds(way: 'chunks' | 'http' | 'console'): void {
  const lives: Life[] = [];

  before(async function () {
    const enough = heldBy(ROOM[way]) + 50;
    const job = { ...JOBS[way], after: true };
    for (let n = 0; n < COUNTS; n++) {
      const count = Math.round(TOO_FEW + (n * (enough - TOO_FEW)) / (COUNTS - 1));
      const ending = await room.run(job, count, { patience: PATIENCE[way] });
      lives.push({ count, ending, next: await room.recover() });
    }
  });

  it(`loses no content with any of ${COUNTS} counts, once the next boot has recovered`, () => {
    lines(
      lives
        .filter(({ ending, next }) => {
          const isWhole = next.kind === 'done' && next.content !== 'mixed';
          return !isWhole || !ending.isFenced || !next.isFenced;
        })
        .map(
          ({ count, ending, next }) =>
            `${count} JsVars: ${ending.content}, then ${next.content}; else as it was: ` +
            `${ending.isFenced}, ${next.isFenced}; ${short(next)}`,
        ),
    );
    const done = lives.filter(({ ending }) => ending.kind === 'done');
    assert.ok(done.length, 'no count was enough');
    for (const { count, ending } of done) assert.equal(ending.content, 'new', `${count} JsVars`);
    assert.ok(done.length < COUNTS, 'every count was enough');
  });

  it('ends in the same boot: committed, or with a clear error and the old content', () => {
    lines(
      lives.flatMap((life) => {
        const problem = problemOf(way, life);
        return problem ? [`${life.count} JsVars: ${problem}; ${short(life.ending)}`] : [];
      }),
    );
  });
}

/** @returns what is wrong with an end; undefined: nothing. */
function problemOf(way: Way, { count, ending }: Life): string | undefined {
  const { kind, code, content, begun, status, recovered, problem } = ending;
  if (kind === 'silent' || kind === 'ended') return kind;
  if (kind !== 'done' && !isClear(way, ending)) return `${kind}, code ${code}: not a clear error`;
  if (kind !== 'done' && content !== 'old') return `${kind}: the partition is ${content}`;
  // Without the app there is more room than this; but where it was far too little, it may be too little still.
  const mayLack = count + MADE < heldBy(ROOM[way]);
  if (begun === true || (mayLack && begun === 'E_MEMORY')) return undefined;
  return `${kind}; then ${status}, ${recovered}; another update: ${begun} ${problem ?? ''}`;
}

/**
 * @returns whether an error tells that it is memory: by its code; by the command's words; where the app's own call was
 * interrupted, by Espruino's
 */
function isClear(way: Way, { code, tail, isPending }: Ending): boolean {
  if (code === 'E_MEMORY') return true;
  if (way === 'console') return /out of memory: [\d,]+ of [\d,]+ JsVars free/.test(tail);
  return !isPending && /New interpreter error: .*\bMEMORY/.test(tail);
}
