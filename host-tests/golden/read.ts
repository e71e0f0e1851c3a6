/** Reads golden files: what index.ts names, as bytes. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { undump } from './dump.ts';

export const FOLDERS = ['chips', 'manifests', 'tables'];

/** @returns where a file of index.ts lies. */
export const pathOf = (file: string, suffix = '.txt') =>
  fileURLToPath(new URL(`${file}${suffix}`, import.meta.url));

/** @returns what is in a golden file. */
export const readText = (file: string) => readFileSync(pathOf(file), 'utf8');

/** @returns the SHA-256 of what is in a golden file, as `sha256sum` prints it. */
export const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** @returns all golden files that there are, as index.ts names them. */
export const filesOf = () =>
  FOLDERS.flatMap((folder) =>
    readdirSync(pathOf(folder, '')).map((name) => `${folder}/${name.replace(/\.txt$/, '')}`),
  );

/** @returns the bytes of a golden file: a whole chip of 1 MiB, a manifest, or a partition table. */
export const readGolden = (file: string) => undump(readText(file));
