/** Faults that docs/faults.md tells of, as they come about: what each of them prints. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wordingOf } from '../../../cli/words.ts';
import { pathOf } from '../package.ts';
import type { Run } from '../tools.ts';

/** Makes a fault. @returns what is printed of it */
export type Scene = () => string | Promise<string>;

/** By code: a scene for each row of the table, in its order. */
export type Scenes = Record<string, Scene[]>;

interface Coded {
  code?: string;
  message: string;
}

/** @returns the message of what a call on a board throws. @throws AssertionError unless it has this code */
export function thrown(code: string, call: () => unknown): string {
  try {
    call();
  } catch (error) {
    const { code: found, message } = error as Coded;
    assert.equal(found, code, message);
    return message;
  }
  return assert.fail(`${code} was not thrown`);
}

/** @returns what the command prints of an error. @throws AssertionError unless it has this code */
export function told(code: string, error: unknown): string {
  const wording = wordingOf(error);
  assert.ok(wording, `${code}: ${String(error)}`);
  assert.equal((error as Coded).code, code, wording.message);
  return wording.message;
}

/** @returns what the command prints of the error that a promise is rejected with */
export const rejected = (code: string, promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => assert.fail(`${code} was not thrown`),
    (error: unknown) => told(code, error),
  );

/** Scenes of errors that a test cannot make, such as a cable that is pulled: what the code prints that prints them. */
export const worded = (code: string, error: () => unknown): Scene[] => [() => told(code, error())];

/** Files of a scene, by name. */
export type Given = Record<string, string | Uint8Array>;

/** How a run of the command ended. */
type Ended = Pick<Run, 'status' | 'stderr'>;

let runner: ChildProcess | undefined;
const answers: ((ended: Ended) => void)[] = [];

/** Runs the command as it is built: see again.js. */
function runAgain(folder: string, words: string[]): Promise<Ended> {
  if (!runner) {
    runner = fork(pathOf('host-tests/support/faults/again.js'), { execArgv: [] });
    runner.on('message', ({ id, ...ended }: Ended & { id: number }) => answers[id](ended));
    runner.on('exit', () =>
      answers.forEach((answer) => answer({ status: -1, stderr: 'the process has ended' })),
    );
  }
  const id = answers.length;
  return new Promise((resolve) => {
    answers.push(resolve);
    runner!.send({ id, folder, words });
  });
}

/** Ends the process in which commands have run. */
export function closeRunner(): void {
  runner?.kill();
}

/** Runs the command in a folder with some files. */
async function run(files: Given, words: string[]): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), 'part-ota-faults-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return await runAgain(folder, words);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @returns the error by which the command ends, exit code 2. */
export async function errorOf(files: Given, ...words: string[]): Promise<string> {
  const { status, stderr } = await run(files, words);
  const [, error] = /^error: ([^]*)$/m.exec(stderr) ?? [];
  assert.equal(status, 2, stderr);
  assert.ok(error, stderr);
  return error;
}

/** @returns what the command warns of; it may end in an error after that. */
export async function warningOf(files: Given, ...words: string[]): Promise<string> {
  const { stderr } = await run(files, words);
  const [warning] = stderr.split(/^error: /m);
  assert.ok(warning, stderr);
  return warning.replace(/^warning: /, '');
}
