/**
 * Plants each mutant in the sources, runs suites on it until a test fails, and says which.
 *
 *     npm run mutants                 all of them
 *     npm run mutants -- spoiled      those with "spoiled" in their name
 *
 * The exit code is 1 if one survives, or if its text is not found in the sources any more.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import tsBlankSpace from 'ts-blank-space';
import { HTTP_MUTANTS } from './http-list.js';
import { MUTANTS } from './list.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCRATCH = join(ROOT, 'dist/mutants');

/** @returns the module with a mutant's edits, its types blanked out. */
async function build({ edits, input = 'device/index.ts' }) {
  let left = edits.length;
  const plant = {
    name: 'plant',
    transform(code, id) {
      for (const [file, text, by] of edits) {
        if (basename(id) !== `${file}.ts`) continue;
        const parts = code.split(text);
        if (parts.length !== 2)
          throw new Error(`${file}.ts has ${parts.length - 1} times: ${text.trim()}`);
        code = parts.join(by);
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
      { cwd: ROOT, env: { ...process.env, ...subject }, stdio: ['ignore', 'pipe', 'ignore'] },
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

async function kill(mutant, number) {
  const file = `${number}.js`;
  writeFileSync(join(SCRATCH, file), await build(mutant));
  for (const suite of mutant.suites) {
    const variable = mutant.input ? 'HTTP_SUBJECT' : 'SUBJECT';
    const title = await runSuite(suite, { [variable]: `mutants/${file}` });
    if (title) return `${suite}: ${title}`;
  }
  return undefined;
}

const wanted = [...MUTANTS, ...HTTP_MUTANTS].filter(({ name }) =>
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
process.exitCode = survivors ? 1 : 0;
