/** Files: those that the user names, and those of this package. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, wordingOf } from './words.ts';

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

/** @returns what arrives at the standard input, to its end. @throws InputError */
export function readStandardInput(): Buffer {
  return onFile('-', () => readFileSync(0));
}

/** Makes the folder, too. @throws InputError */
export function writeOutput(file: string, content: string | Uint8Array): void {
  onFile(file, () => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  });
}

/** Does `action`, which concerns a file; what is wrong with the input becomes an InputError that names the file. */
export function about<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const wording = wordingOf(error);
    if (wording?.exitCode !== 2) throw error;
    throw new InputError(`${file}: ${wording.message}`);
  }
}

/** @returns the path of a file of this package, wherever it is installed: this module lies in `cli/` or in `dist/`. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url));
}

/** The version of this package. */
export const VERSION = (
  JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }
).version;

/** A device module, a character per byte: the very text that goes on the chip. */
export function readBundle(name = 'dist/ota.min.js'): string {
  const file = packageFile(name);
  if (!existsSync(file)) throw new InputError(`${file}: no such file; run "npm run build"`);
  return readInput(file).toString('latin1');
}
