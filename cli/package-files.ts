/** Files that come with the package, wherever it is installed: this module lies in `cli/` or in `dist/`. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError, readInput } from './errors.ts';

/** @returns the path of a file of this package. */
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
