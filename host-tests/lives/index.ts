/**
 * `npm run lives`: plays lives until so many boots are over, or the promise is broken.
 *
 *     npm run lives -- --boots 1000000 --seed 7 --only tables,forged --subject sources --workers 2
 *
 * A life that breaks it is made shorter, and printed as a script that plays it again. The exit code is 1 then. What is found
 * does not depend on the number of workers.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { EVENTS, type EventName } from './draw.ts';
import { tally } from '../support/tally.ts';
import type { Counts } from './play.ts';

/** Boots that a life has. */
const BOOTS_OF_LIFE = 26;

interface Task {
  seed: number;
  on: EventName[];
  /** Lives with these numbers: from, step, end. */
  from: number;
  step: number;
  end: number;
}

/** What a worker tells. */
type News =
  { counts: Counts; number: number } | { script: string; message: string; number: number };

const { values } = parseArgs({
  options: {
    boots: { type: 'string', default: '30000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: EVENTS.join(',') },
    subject: { type: 'string', default: 'ota.min.js' },
    workers: { type: 'string', default: '1' },
  },
});

function addTo(sum: Counts, { boots, cuts, calls, events }: Counts): void {
  sum.boots += boots;
  sum.cuts += cuts;
  sum.calls += calls;
  for (const [name, count] of Object.entries(events))
    sum.events[name] = (sum.events[name] ?? 0) + count;
}

/** Plays lives, in a worker. */
async function work({ seed, on, from, step, end }: Task): Promise<void> {
  const { live, seedOf } = await import('./lives.ts');
  const { modulesOfSubject } = await import('./subject.ts');
  const { scriptOf, shrink } = await import('./shrink.ts');
  Error.stackTraceLimit = 0;
  const modules = modulesOfSubject();
  const chosen = new Set(on);
  for (let number = from; number < end; number += step) {
    const { broken, life, counts } = live(seedOf(seed, number), chosen, modules);
    if (broken) {
      const short = shrink(life, modules);
      const message = short.broken!.message;
      parentPort!.postMessage({
        number,
        message,
        script: scriptOf(short.life, message),
      } satisfies News);
      return;
    }
    parentPort!.postMessage({ counts, number } satisfies News);
  }
}

const shown = (count: number) => count.toLocaleString('en-US');

function print(counts: Counts, seconds: number): void {
  const { boots, cuts, calls, events } = counts;
  console.log(`${shown(boots)} boots, ${shown(cuts)} power cuts, ${shown(calls)} calls`);
  for (const [name, count] of Object.entries(events).sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${shown(count).padStart(12)}  ${name}`);
  console.log(
    `seed ${values.seed}, ${seconds.toFixed(1)} s, ${Math.round(boots / seconds)} boots a second`,
  );
}

/** Runs the workers. @returns the failure with the lowest number, if there is one */
async function run(counts: Counts): Promise<Extract<News, { script: string }> | undefined> {
  const on = values.only.split(',') as EventName[];
  const unknown = on.find((name) => !EVENTS.includes(name));
  if (unknown !== undefined) throw new Error(`no event ${unknown}; there are ${EVENTS.join(', ')}`);
  const lives = Math.ceil(Number(values.boots) / BOOTS_OF_LIFE);
  const step = Number(values.workers);
  let failure: Extract<News, { script: string }> | undefined;
  let done = 0;
  const isTerminal = process.stderr.isTTY;
  const start = (from: number) =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(fileURLToPath(import.meta.url), {
        workerData: { seed: Number(values.seed), on, from, step, end: lives } satisfies Task,
        env: { ...process.env, SUBJECT: values.subject },
      });
      worker.on('message', (news: News) => {
        if ('script' in news) {
          if (!failure || news.number < failure.number) failure = news;
          return;
        }
        addTo(counts, news.counts);
        if (isTerminal && ++done % 200 === 0)
          process.stderr.write(
            `\r${shown(counts.boots)} boots, ${Math.round((100 * done) / lives)} % `,
          );
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  await Promise.all(Array.from({ length: step }, (_, n) => start(n)));
  if (isTerminal) process.stderr.write('\r');
  return failure;
}

if (isMainThread) {
  const started = performance.now();
  const counts: Counts = { boots: 0, cuts: 0, calls: 0, events: {} };
  const failure = await run(counts);
  print(counts, (performance.now() - started) / 1000);
  const { events, ...sums } = counts;
  tally('lives', sums);
  tally('events', events);
  if (failure) {
    console.log(`\nBROKEN in life ${failure.number}: ${failure.message}\n\n${failure.script}`);
    process.exitCode = 1;
  }
} else await work(workerData as Task);
