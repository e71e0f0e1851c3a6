/**
 * Plants each mutant in the sources, runs suites on it until a test fails, and prints which test that was.
 *
 *     npm run mutants                 all of them
 *     npm run mutants -- spoiled      those with "spoiled" in their name
 *
 * The exit code is 1 if one survives, or if its text is not found in the sources any more.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import tsBlankSpace from 'ts-blank-space';
import { HTTP_MUTANTS } from './http-list.js';
import { MUTANTS } from './list.js';
import { NATIVE_MUTANTS } from './native-list.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCRATCH = join(ROOT, 'dist/mutants');

/** @returns a source with an edit. */
function edit(code, [file, text, by]) {
  const parts = code.split(text);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${text.trim()}`);
  return parts.join(by);
}

/** @returns the module with a mutant's edits, its types blanked out. */
async function build({ edits, input = 'device/index.ts' }) {
  let left = edits.length;
  const plant = {
    name: 'plant',
    transform(code, id) {
      for (const one of edits) {
        if (basename(id) !== `${one[0]}.ts`) continue;
        code = edit(code, one);
        left--;
      }
      return { code: tsBlankSpace(code), map: null };
    },
  };
  const bundle = await rollup({
    input: join(ROOT, input),
    plugins: [plant],
    onLog() {},
  });
  const { output } = await bundle.generate({ format: 'cjs', strict: false, esModule: false });
  await bundle.close();
  if (left) throw new Error('an edit was for no source');
  return output[0].code;
}

/**
 * Runs a suite on a bundle in dist.
 * @returns the title of the test that fails first, if one does
 * @throws if the suite does not come to a report
 */
function runSuite(suite, subject) {
  return new Promise((resolve, reject) => {
    const mocha = spawn(
      process.execPath,
      [
        '--import=./host-tests/register.js',
        join(ROOT, 'node_modules/mocha/bin/mocha.js'),
        '--no-config',
        '--bail',
        '--timeout=300000',
        '--reporter=json',
        `host-tests/${suite}.test.ts`,
      ],
      // What a broken module does counts for nothing.
      {
        cwd: ROOT,
        env: { ...process.env, PROOF: '', ...subject },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    let text = '';
    mocha.stdout.on('data', (chunk) => (text += chunk));
    mocha.on('close', (code) => {
      if (!code) return resolve(undefined);
      const report = text.slice(text.indexOf('{\n  "stats"'), text.lastIndexOf('}') + 1);
      try {
        resolve(JSON.parse(report).failures[0].fullTitle);
      } catch {
        reject(new Error(`${suite} ended with exit code ${code} and no report`));
      }
    });
  });
}

/** Plants a mutant. @returns what tells the suites about it: a variable of the environment */
async function plant(mutant, number) {
  const file = join(SCRATCH, `${number}${mutant.native ? '.c' : '.js'}`);
  if (mutant.native) {
    const code = readFileSync(join(ROOT, mutant.native), 'utf8');
    writeFileSync(file, mutant.edits.reduce(edit, code));
    return { PART_OTA: file };
  }
  writeFileSync(file, await build(mutant));
  return { [mutant.input ? 'HTTP_SUBJECT' : 'SUBJECT']: `mutants/${basename(file)}` };
}

async function kill(mutant, number) {
  const subject = await plant(mutant, number);
  for (const suite of mutant.suites) {
    const title = await runSuite(suite, subject);
    if (title?.includes('compiles')) throw new Error('it does not compile');
    if (title) return `${suite}: ${title}`;
  }
  return undefined;
}

const wanted = [...MUTANTS, ...HTTP_MUTANTS, ...NATIVE_MUTANTS].filter(({ name }) =>
  name.includes(process.argv[2] ?? ''),
);
const queue = wanted.map((mutant, number) => ({ mutant, number }));
let survivors = 0;
rmSync(SCRATCH, { recursive: true, force: true });
mkdirSync(SCRATCH, { recursive: true });

async function work() {
  for (let job = queue.shift(); job; job = queue.shift()) {
    const { mutant, number } = job;
    const test = await kill(mutant, number).catch((error) => {
      survivors++;
      return `FAILED: ${error.message}`;
    });
    if (!test) survivors++;
    const verdict = !test ? 'SURVIVED' : test.startsWith('FAILED') ? 'BROKEN  ' : 'killed  ';
    console.log(`${verdict}  ${mutant.name}\n          ${test ?? ''}`);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work));
rmSync(SCRATCH, { recursive: true, force: true });
console.log(`${wanted.length - survivors} of ${wanted.length} mutants killed`);
// As support/tally.ts does.
if (process.env.PROOF) {
  const numbers = { planted: wanted.length, killed: wanted.length - survivors };
  const line = JSON.stringify({ suite: 'mutants', subject: '', numbers });
  appendFileSync(process.env.PROOF, `${line}\n`);
}
process.exitCode = survivors ? 1 : 0;
