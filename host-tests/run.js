/**
 * Runs the suites: those of device code on dist/ota.min.js, which is what goes on the chip, and on dist/ota.js; all others
 * once.
 *
 *     npm test                      everything, on ota.js without the searches
 *     npm run test:full             every search on each of them and on the sources, in its larger form: hours
 *     npm test -- --grep damaged    what mocha is told: options of its own
 *
 * Each long suite is a job, the short ones of device code are one, and all others are one. What counts is mocha's own
 * report, as JSON. The exit code is 1 if anything failed. Lines that a suite begins with ▸ are
 * shown, too. The last line is `N passed, N failed, N skipped`. With TEST_REPORT=FILE the sums go there instead, as
 * JSON.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const isFull = process.argv[2] === '--full';
/** More options of mocha. */
const passedOn = isFull ? ['--timeout=0', ...process.argv.slice(3)] : process.argv.slice(2);

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MOCHA = join(ROOT, 'node_modules/mocha/bin/mocha.js');
/**
 * The forms of the modules that device code is tested in. The first gets all; the second has the same code, so what looks
 * for faults of the protocol is not run on it, or is a sample there.
 */
const SUBJECTS = ['ota.min.js', 'ota.js', ...(isFull ? ['sources'] : [])];

/** What the build reads, and the first and the last that it writes. */
const INPUTS = [
  ...['device', 'formats', 'host', 'link', 'cli', 'examples', 'types'],
  ...['package.json', 'tsconfig.json', 'rollup.config.js', 'minify.js', 'no-helpers.js'],
];
const OUTPUTS = ['dist/ota.js', 'dist/board.d.ts'];

/**
 * What runs on the second of SUBJECTS, too: each call and each state once, and some power cuts. That its code is that of the first
 * is shown by these; what looks for faults of the protocol finds them in both.
 */
const SAMPLE = [
  ...['api', 'boot', 'golden', 'pieces', 'places', 'power-cut', 'recover-table', 'scenarios'].map(
    (name) => `device/${name}`,
  ),
  ...['memory', 'pieces', 'rejected', 'update'].map((name) => `air/${name}`),
  'lives/lives',
];
/** What begins first, so that no processor has nothing to do in the end: jobs, by name and subject; the longest first. */
const ORDER = [
  'chip/chip',
  'cli/update',
  'cli/board-command',
  'cli/link-commands',
  'link/memory',
  'cli/places',
  'other suites',
  'espruino/commands',
  'other device suites ota.min.js',
  'cli/terminal',
  'cli/espruino-cli',
  'air/servers ota.min.js',
  'cli/update-url',
  'link/session',
  'cli/cell',
  'cli/images',
  'package/pages',
  'lives/lives ota.min.js',
  'other device suites ota.js',
  'device/two-cuts ota.min.js',
  'cli/pack',
  'cli/simulate',
  'device/hostile ota.min.js',
  'device/power-cut ota.min.js',
  'device/closure ota.min.js',
];
/** Suites that are jobs of their own. */
const LONG = ORDER.map((job) => job.split(' ')[0]).filter((name) => name.includes('/'));

/** mocha's configuration without the list of files, which each job has itself, and without what node has to import. */
const { import: hook, ...config } = JSON.parse(readFileSync(join(ROOT, '.mocharc.json'), 'utf8'));
const options = Object.entries(config)
  .filter(([name]) => name !== 'spec')
  .map(([name, value]) => `--${name}=${value}`);

/** Jobs that run beside those of device code. */
const WAITING = 5;

/** Lives of the emulated chip in `npm test`: the others are for `npm run test:chip` and `npm run test:full`. */
const CHIP_LIVES = '25';

const scratch = mkdtempSync(join(tmpdir(), 'ota-tests-'));

/** Folders whose suites run on each of SUBJECTS. */
const DEVICE_FOLDERS = ['device', 'air', 'lives'];

const isDeviceSuite = (file) => DEVICE_FOLDERS.includes(nameOf(file).split('/')[0]);

/** Its path in this folder: `espruino/commands`. */
const nameOf = (file) => file.replace(/^host-tests\/|\.test\.ts$/g, '');

/** @returns whether a suite of device code runs on a subject. */
const runsOn = (file, subject) =>
  isFull || subject === SUBJECTS[0] || SAMPLE.includes(nameOf(file));

/** @returns when a file, or one in a folder, was last changed: milliseconds; 0 if it is not there. */
function changedAt(path) {
  const stats = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return stats?.mtimeMs ?? 0;
  return Math.max(0, ...readdirSync(join(ROOT, path)).map((name) => changedAt(join(path, name))));
}

/** Builds, unless it was done after the last change: `npm ci` has just done it on a new machine. */
function build() {
  const newest = Math.max(...INPUTS.map(changedAt));
  if (OUTPUTS.every((file) => changedAt(file) > newest)) return;
  const { status } = spawnSync('npm run build', { cwd: ROOT, shell: true, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

function listJobs() {
  const files = readdirSync(join(ROOT, 'host-tests'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `host-tests/${name}`)
    .sort();
  // A process takes half a second to start, so the short suites share one.
  const isLong = (file) => LONG.includes(nameOf(file));
  const long = files.filter(isLong);
  const short = files.filter((file) => !isLong(file));
  const parts = [
    { name: 'other suites', files: short.filter((file) => !isDeviceSuite(file)) },
    ...long.map((file) => ({ name: nameOf(file), files: [file] })),
    { name: 'other device suites', files: short.filter(isDeviceSuite) },
  ];
  const jobs = parts.flatMap((part) =>
    isDeviceSuite(part.files[0])
      ? SUBJECTS.map((subject) => ({
          ...part,
          subject,
          files: part.files.filter((file) => runsOn(file, subject)),
        }))
      : [{ ...part, subject: '' }],
  );
  const rank = ({ name, subject }) => {
    const place = ORDER.indexOf(`${name} ${subject}`.trim());
    return place < 0 ? ORDER.length : place;
  };
  return jobs.filter(({ files }) => files.length).sort((a, b) => rank(a) - rank(b));
}

/** Runs mocha, and resolves to what it reported and printed. */
function run(job) {
  // mocha splits the values of options at commas.
  const report = join(scratch, `${job.name} ${job.subject}`.replace(/\W+/g, '-') + '.json');
  const reporter = ['--reporter=json', `--reporter-option=output=${report}`];
  const args = [MOCHA, '--no-config', ...options, ...reporter, ...passedOn];
  // mocha itself would start another process for this.
  args.unshift(`--import=${hook}`);
  const started = performance.now();
  return new Promise((resolve) => {
    const env = { ...process.env, SUBJECT: job.subject || 'sources' };
    if (isFull) env.CUTS = 'full';
    else env.CHIP_LIVES ??= CHIP_LIVES;
    const child = spawn(process.execPath, [...args, ...job.files], { cwd: ROOT, env });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('close', (code, signal) => {
      const seconds = (performance.now() - started) / 1000;
      resolve({ ...job, output, seconds, ...resultOf(report, code, signal, output) });
    });
  });
}

/** @returns the result of a run of mocha. If it did not end well although no test failed, that is a failure, too. */
function resultOf(report, code, signal, output) {
  const how = signal ? `killed by ${signal}` : `exit code ${code}`;
  const broken = { title: `mocha ended with ${how}`, message: output };
  try {
    const { stats, failures } = JSON.parse(readFileSync(report, 'utf8'));
    const faults = failures.map(({ fullTitle, err }) => ({
      title: fullTitle,
      message: err.stack ?? err.message,
    }));
    if (code !== 0 && !faults.length) faults.push(broken);
    return { passed: stats.passes, skipped: stats.pending, faults };
  } catch {
    return { passed: 0, skipped: 0, faults: [broken] };
  }
}

/** @returns the power cuts that a run has simulated; support/fixtures.ts prints them. */
function cutsOf(output) {
  const lines = output.matchAll(/^ *([\d,]+) simulated power cuts/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count.replaceAll(',', '')), 0);
}

/** @returns the faults of network and server; air/faults.test.ts prints them. */
function networkFaultsOf(output) {
  return Number(/^ *(\d+) faults of network and server/m.exec(output)?.[1] ?? 0);
}

const shown = (count) => count.toLocaleString('en-US');

function printResult({ name, subject, passed, skipped, faults, output, seconds }) {
  const cuts = cutsOf(output);
  const networkFaults = networkFaultsOf(output);
  const parts = [
    `${passed} passed`,
    faults.length && `${faults.length} FAILED`,
    skipped && `${skipped} skipped`,
    cuts && `${shown(cuts)} power cuts`,
    networkFaults && `${shown(networkFaults)} network faults`,
  ].filter(Boolean);
  const mark = faults.length ? '✖' : '✔';
  const time = `${seconds.toFixed(1)} s`.padStart(7);
  console.log(`${mark} ${name.padEnd(19)} ${subject.padEnd(10)} ${time}   ${parts.join(', ')}`);
  for (const [, note] of output.matchAll(/^ *▸ (.*)$/gm)) console.log(`  ▸ ${note}`);
}

function printFaults(results) {
  for (const { name, subject, faults } of results)
    for (const { title, message } of faults)
      console.log(`\n✖ ${name}, ${subject}: ${title}\n${message.replace(/^/gm, '    ')}`);
}

/** Takes jobs from the queue until it is empty. */
async function work(queue, results) {
  for (let job = queue.shift(); job; job = queue.shift()) {
    const result = await run(job);
    results.push(result);
    printResult(result);
  }
}

build();
const results = [];
/** Runs jobs, so many at a time. */
const runAll = (jobs, atOnce) => Array.from({ length: atOnce }, () => work(jobs, results));
const jobs = listJobs();
// Suites of device code compute, one on each processor. All others wait most of the time, for commands that they run.
const computing = jobs.filter(({ subject }) => subject);
const waiting = jobs.filter(({ subject }) => !subject);
await Promise.all([...runAll(computing, availableParallelism()), ...runAll(waiting, WAITING)]);
rmSync(scratch, { recursive: true });

const sum = (of) => results.reduce((total, result) => total + of(result), 0);
const totals = {
  passed: sum(({ passed }) => passed),
  failed: sum(({ faults }) => faults.length),
  skipped: sum(({ skipped }) => skipped),
  powerCuts: sum(({ output }) => cutsOf(output)),
};
printFaults(results);
console.log(`\n${shown(totals.powerCuts)} simulated power cuts`);
if (process.env.TEST_REPORT) writeFileSync(process.env.TEST_REPORT, JSON.stringify(totals));
else console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed ? 1 : 0;
