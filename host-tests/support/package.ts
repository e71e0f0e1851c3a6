/** Files of this package that suites read: its bundles, its examples, its documents. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of the package. */
export const root = new URL('../../', import.meta.url);

/** @param file - relative to the folder of the package */
export const pathOf = (file: string): string => fileURLToPath(new URL(file, root));
export const read = (file: string): Buffer => readFileSync(pathOf(file));

/** @returns a module as it goes on a board, a character per byte. */
export const bundleOf = (name: 'ota' | 'ota-http'): string =>
  read(`dist/${name}.min.js`).toString('latin1');

/** @returns an image of 1 MiB: `v1` or `v2` of its content, in `littlefs` or `spiffs`. */
export const imageOf = (name: string): Buffer => read(`examples/images/storage-${name}.bin`);
export const OLD_IMAGE = imageOf('v1.littlefs');
export const NEW_IMAGE = imageOf('v2.littlefs');
/** Sectors in which they differ. */
export const CHANGED = 76;
