/** Which sectors of the image the partition holds, and where the others come from. */

import type { Partition } from '../api.ts';
import type { Bytes } from '../runtime.ts';
import { SECTOR } from '../runtime.ts';
import type { Check } from './api.ts';
import { numberAt } from './head.ts';
import { KNOWN, QUEUE_BYTES } from './limits.ts';
import { BLOCK_HASHES, HASH_BYTES } from './manifest.ts';
import { filled, hashOf, seam } from './stream.ts';

/**
 * Where a sector comes from is a number: its own if it stays; COPY | the number of the sector that holds it; FETCH. COPY |
 * BLANK is an erased sector.
 */
export const FETCH = 0xffff;
export const COPY = 0x8000;
const BLANK = 0x7ffe;

/** What is known of the image and of the update so far. */
let check: Check;
let partition: Partition;
/** Sectors of the image. */
export let count: number;

/** The first four bytes of the hash of each sector, as the partition will hold it when it is looked for. */
let known: Uint32Array;
/** By block: where each sector comes from. */
let sources: Uint16Array[];
/** Hashes of the next sectors that change, in order, and how many of them are used up. */
export let hashQueue: Bytes;
export let hashesUsed: number;
/** The next sector to be written, and the first behind it that does not go into the same request. */
export let sector: number;
let runEnd: number;

/** Begins with an image. */
export function begin(newPartition: Partition, newCheck: Check): void {
  partition = newPartition;
  check = newCheck;
  count = (check.size + (SECTOR - 1)) >> 12;
  known = new Uint32Array(Math.min(count, KNOWN));
  sources = [];
  hashQueue = '';
  hashesUsed = sector = runEnd = 0;
}

/** @returns how many bytes of the image are in a sector. */
export function lengthOf(sector: number): number {
  return Math.min(SECTOR, check.size - sector * SECTOR);
}

/**
 * @returns what the partition holds of a sector of the image, as it is hashed: filled up with zeros. What is behind the
 * image has to be blank; if it is not, the sector is another. There is never more of it in memory than two sectors.
 */
export function contentOf(sector: number): Bytes {
  if (sector === BLANK) return seam.fill(255, SECTOR);
  const address = partition.address + sector * SECTOR;
  const length = lengthOf(sector);
  const rest = SECTOR - length;
  // Zeros behind the image would be hashed as if they were not there.
  return !rest || seam.read(address + length, rest) === seam.fill(255, rest)
    ? filled(seam.read(address, length))
    : '';
}

/** @returns hash number `i` of several. */
export function hashAt(hashes: Bytes, i: number): Bytes {
  return hashes.substr(i * HASH_BYTES, HASH_BYTES);
}

/** @returns the hash of the hashes of the sectors in a block, as the partition holds them. */
export function hashBlock(block: number): Bytes {
  let hashes = '';
  for (let n = block * BLOCK_HASHES; n < count && n >> 7 === block; n++) {
    const hash = hashOf(contentOf(n));
    known[n] = numberAt(hash, 0, 4);
    hashes += hash;
  }
  // An image of one sector has no hash but that.
  return count > 1 ? hashOf(hashes) : hashes;
}

/** @returns whether all sectors behind the image are blank. */
export function isRestBlank(): boolean {
  const blank = contentOf(BLANK);
  for (let n = count; n * SECTOR < partition.size; n++)
    if (seam.read(partition.address + n * SECTOR, SECTOR) !== blank) check.changed++;
  return !check.changed;
}

/**
 * Plans a block: which sectors stay, which are elsewhere, which have to be fetched.
 * @param hashes - of the image
 * @param isHeld - whether the partition holds all of it
 */
export function planBlock(block: number, hashes: Bytes, isHeld: boolean): void {
  const row = new Uint16Array(BLOCK_HASHES);
  const blank = hashOf(contentOf(BLANK));
  let more = '';
  sources[block] = row;
  for (let n = block * BLOCK_HASHES; n < count && n >> 7 === block; n++) {
    const i = n % BLOCK_HASHES;
    const hash = hashAt(hashes, i);
    row[i] = n;
    if (!isHeld && hash !== hashOf(contentOf(n))) {
      const short = numberAt(hash, 0, 4);
      // Where it is found nowhere, -1 becomes FETCH.
      row[i] = (hash === blank ? BLANK : known.indexOf(short)) | COPY;
      if (row[i] === FETCH) check.fetch += lengthOf(n);
      else check.copied++;
      check.changed++;
      known[n] = short;
      if (hashQueue.length + more.length < QUEUE_BYTES) more += hash;
    }
  }
  // In one piece: a string that grew takes a quarter more.
  hashQueue = seam.join([hashQueue, more]);
}

/** Frees the data that only planning needs. */
export function freePlanData(): void {
  known = [] as never;
}

/** Frees all data of the update. */
export function freeAll(): void {
  sources = [];
  hashQueue = '';
}

/** @returns where a sector comes from. */
export function sourceOf(sector: number): number {
  return sources[sector >> 7][sector % BLOCK_HASHES];
}

/** Fills the queue with the hashes of the next sectors that change, at most up to the end of their block. */
export function queueHashes(hashes: Bytes): void {
  hashQueue = '';
  hashesUsed = 0;
  for (let n = sector; n < count && n >> 7 === sector >> 7 && hashQueue.length < QUEUE_BYTES; n++)
    if (sourceOf(n) !== n) hashQueue += hashAt(hashes, n % BLOCK_HASHES);
  hashQueue = seam.join([hashQueue]);
}

/** Goes on to the sector behind the next one. */
export function advance(): void {
  if (sourceOf(sector) !== sector) hashesUsed++;
  sector++;
}

/** @returns where a request for the next sector ends, so that it covers those behind it. */
export function endOfRun(): number {
  if (runEnd <= sector) {
    runEnd = sector;
    while (
      ++runEnd < count &&
      sourceOf(runEnd) === FETCH &&
      hashAt(hashQueue, hashesUsed + runEnd - sector)
    );
  }
  return Math.min(runEnd * SECTOR, check.size);
}
