/**
 * `npm run proof`: runs all that shows that the promise of README holds, and writes what it has counted to docs/proof.md.
 *
 *     npm run proof                       about an hour on 2 processors
 *     npm run proof -- --budget 20        about so many minutes: less of what is drawn at random, and of mutants nothing
 *     npm run proof -- --seed 7           other lives and other chips
 *     npm run proof -- --only lives,device/bits     no other jobs: the page tells of the others that they were not run
 *     npm run proof -- --page FILE        writes there instead
 *     npm run proof -- --go-on            runs what the last run has not: what passed on the same bundles is taken from it
 *
 * The exhaustive suites run whole in any case. If one job fails nothing is written, what it has printed is shown, and the
 * exit code is 1.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { format, resolveConfig } from 'prettier';
import { pathOf } from '../support/package.ts';
import type { Tally } from '../support/tally.ts';
import { type Run, toPage } from './page.ts';

/** Minutes that all of it takes on 2 processors, and below which no mutant is planted: they take half of that. */
const WHOLE = 60;
const MUTANTS_FROM = 45;

/** Something to run. */
interface Job {
  name: string;
  args: string[];
  env?: Record<string, string>;
}

const { values } = parseArgs({
  options: {
    budget: { type: 'string', default: String(WHOLE) },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    page: { type: 'string', default: pathOf('docs/proof.md') },
    'go-on': { type: 'boolean', default: false },
  },
});
const budget = Number(values.budget);
const seed = Number(values.seed);
if (!(budget > 0) || !Number.isInteger(seed)) {
  console.error('--budget takes minutes, --seed a whole number');
  process.exit(2);
}
const share = budget / WHOLE;

const HOOK = '--import=./host-tests/register.js';

/** @returns a job that runs a suite on what goes on the chip. */
function suite(name: string, env: Record<string, string | number> = {}): Job {
  const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--timeout=0'];
  const texts = Object.entries(env).map(([key, value]) => [key, String(value)]);
  return {
    name,
    args: [HOOK, ...mocha, `host-tests/${name}.test.ts`],
    env: { SUBJECT: 'ota.min.js', ...(Object.fromEntries(texts) as Record<string, string>) },
  };
}

/** @returns how often to do something, of which so much is done in WHOLE minutes. */
const some = (whole: number) => Math.max(1, Math.round(whole * share));

/** All jobs, the longest first. */
function jobsOf(): Job[] {
  const boots = String(some(1000000));
  const jobs: Job[] = [
    {
      name: 'lives',
      args: [HOOK, 'host-tests/lives/index.ts', '--boots', boots, '--seed', String(seed)],
    },
    suite('device/hostile', { HOSTILE: some(100000), SEED: seed }),
    suite('device/bits', { BITS: Math.max(1, Math.round(1 / share)) }),
    suite('device/two-cuts'),
    suite('device/power-cut'),
    suite('device/closure'),
    suite('device/journal-rules'),
    suite('device/scenarios'),
    suite('air/manifest', { MUTATIONS: some(1000000) }),
    suite('formats/manifest', { MUTATIONS: some(1000000) }),
  ];
  if (budget >= MUTANTS_FROM)
    jobs.unshift({ name: 'mutants', args: ['host-tests/mutants/run.js'] });
  const only = values.only?.split(',');
  const unknown = only?.find((name) => !jobs.some((job) => job.name === name));
  if (unknown !== undefined) throw new Error(`no job ${unknown}`);
  return jobs.filter(({ name }) => !only || only.includes(name));
}

/** Where the tallies of each job lie that has passed; and of what they are. */
const folder = pathOf('dist/proof');
const stampFile = join(folder, 'stamp');
const fileOf = ({ name }: Job) => join(folder, `${name.replace('/', '-')}.jsonl`);

/** What the tallies are of: what goes on the chip, and what was asked for. */
function makeStamp(): string {
  const bundles = ['dist/ota.min.js', 'dist/ota-http.min.js'].map((file) =>
    createHash('sha256')
      .update(readFileSync(pathOf(file)))
      .digest('hex'),
  );
  return [...bundles, seed, budget].join(' ');
}

/** @returns the minutes that an earlier run took which this one goes on with */
function prepare(): number {
  const stamp = makeStamp();
  const [last, minutes] = existsSync(stampFile) ? readFileSync(stampFile, 'utf8').split('\n') : [];
  if (values['go-on'] && last === stamp) return Number(minutes);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(stampFile, `${stamp}\n0`);
  return 0;
}

/** Runs a job. @returns what it printed if it failed */
function run(job: Job): Promise<string | undefined> {
  const { args, env } = job;
  const part = `${fileOf(job)}.part`;
  writeFileSync(part, '');
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: pathOf('.'),
      env: { ...process.env, PROOF: part, ...env },
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    child.on('close', (code) => {
      if (code === 0) renameSync(part, fileOf(job));
      resolve(code === 0 ? undefined : output);
    });
  });
}

/** Runs all jobs, one for each processor at a time. @returns what failed, and what it printed */
async function runAll(jobs: Job[]): Promise<string[]> {
  const bar = new SingleBar({
    format: '{bar} {value} of {total} jobs, {duration_formatted}: {names}',
  });
  const running = new Set<string>();
  const failures: string[] = [];
  const queue = [...jobs];
  const show = (step: number) => bar.increment(step, { names: [...running].join(', ') });
  const work = async () => {
    for (let job = queue.shift(); job && !failures.length; job = queue.shift()) {
      running.add(job.name);
      show(0);
      const output = await run(job);
      running.delete(job.name);
      if (output !== undefined) failures.push(`${job.name} failed\n${output}`);
      show(1);
    }
  };
  bar.start(jobs.length, 0, { names: '' });
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  bar.stop();
  return failures;
}

const started = performance.now();
const before = prepare();
const jobs = jobsOf();
const failures = await runAll(jobs.filter((job) => !existsSync(fileOf(job))));
const minutes = before + (performance.now() - started) / 60000;
writeFileSync(stampFile, `${makeStamp()}\n${minutes}`);
if (failures.length) {
  console.error(failures.join('\n\n'));
  process.exitCode = 1;
} else {
  const lines = jobs.flatMap((job) => readFileSync(fileOf(job), 'utf8').split('\n'));
  const result: Run = {
    tallies: lines.filter(Boolean).map((line) => JSON.parse(line) as Tally),
    seed,
    budget,
    only: values.only,
    minutes: Math.round(minutes),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
  const options = { ...(await resolveConfig(values.page)), filepath: values.page };
  writeFileSync(values.page, await format(toPage(result), options));
  console.log(`written to ${values.page}`);
}
