/** Reads golden files: what index.ts names, as bytes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { undump } from './dump.ts';

/** @returns where a file of index.ts lies. */
export const pathOf = (file: string, suffix = '.txt') =>
  fileURLToPath(new URL(`${file}${suffix}`, import.meta.url));

/** @returns the bytes of a golden file: a whole chip of 1 MiB, a manifest, or a partition table. */
export const readGolden = (file: string) => undump(readFileSync(pathOf(file), 'utf8'));
