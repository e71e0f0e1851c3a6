/** What is measured: the old content of a partition of 1 MiB, and an image. */
import { readFileSync } from 'node:fs';
import { SECTOR, pattern } from '../host/index.ts';

/** Bytes of the partition. */
export const SIZE = 0x100000;

export interface Case {
  name: string;
  /** All of the partition. */
  from: Uint8Array;
  /** The image. What follows it in the partition ends up erased. */
  to: Uint8Array;
}

/** Sectors that case c changes: a tenth of 256, spread evenly. */
const TENTH = 26;

function tenthChanged(from: Uint8Array): Uint8Array {
  const to = from.slice();
  for (let n = 0; n < TENTH; n++) {
    const sector = Math.floor((n * SIZE) / SECTOR / TENTH);
    to.set(pattern(`sector ${sector}`, SECTOR), sector * SECTOR);
  }
  return to;
}

/** @returns all of a partition that holds an image and nothing else. */
function partitionWith(image: Uint8Array): Uint8Array {
  const content = new Uint8Array(SIZE).fill(0xff);
  content.set(image);
  return content;
}

function examples(kind: string): Case {
  const [from, to] = ['v1', 'v2'].map((version) =>
    readFileSync(new URL(`../examples/images/storage-${version}.${kind}.bin`, import.meta.url)),
  );
  return { name: kind, from, to };
}

/** a to d are those that the reference was measured with; the others are examples/images. */
export function makeCases(): Case[] {
  const old = pattern('old', SIZE);
  return [
    { name: 'a', from: old, to: pattern('new', SIZE) },
    { name: 'b', from: old, to: old },
    { name: 'c', from: old, to: tenthChanged(old) },
    {
      name: 'd',
      from: partitionWith(pattern('old', 300 * 1024)),
      to: pattern('new', 300 * 1024),
    },
    examples('littlefs'),
    examples('spiffs'),
  ];
}

/** What the names mean. */
export const LEGEND: Record<string, string> = {
  a: 'every sector changes, random over random',
  b: 'identical',
  c: '26 of 256 sectors change',
  d: 'an image of 300 KiB over 300 KiB of data; the rest of the partition is blank',
  littlefs: 'a LittleFS image, v1 to v2 of examples/images',
  spiffs: 'a SPIFFS image, v1 to v2 of examples/images',
};
