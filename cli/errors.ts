/** What a command cannot work with: its arguments and files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidArgumentError } from 'commander';

/** The user has to change something: an argument, a file. The message names it. */
export class InputError extends Error {
  override name = 'InputError';
  /** What a command exits with. */
  readonly exitCode = 2;
}

function onFile<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a directory' : message;
    throw new InputError(`${file}: ${why}`);
  }
}

/** @throws InputError */
export function readInput(file: string): Buffer {
  return onFile(file, () => readFileSync(file));
}

/** Makes the folder, too. @throws InputError */
export function writeOutput(file: string, content: string | Uint8Array): void {
  onFile(file, () => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  });
}

/** Does `action`, which concerns a file; an InputError then names it. */
export function about<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${file}: ${error.message}`);
    throw error;
  }
}

/** @returns a parser for an option that takes a whole number, decimal or 0x…; commander names the option. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`);
  };
}
