/** Which sectors of the image the partition holds, and where the others come from. */

import type { Partition, Update } from '../api.ts';
import { PIECE } from '../records.ts';
import type { Bytes } from '../runtime.ts';
import { SECTOR } from '../runtime.ts';
import type { Check } from './api.ts';
import { numberAt } from './head.ts';
import { KNOWN, QUEUE_BYTES, QUEUE_HASHES } from './limits.ts';
import { BLOCK_HASHES, HASH_BYTES } from './manifest.ts';
import { hashOf, put, seam } from './stream.ts';

/**
 * Where a sector comes from is a number: its own if it stays; COPY | the number of the sector that holds it; FETCH. COPY |
 * BLANK is an erased sector.
 */
export const FETCH = 0xffff;
export const COPY = 0x8000;
const BLANK = 0x7ffe;

/**
 * Bytes that are kept of the SHA-256 of the hashes that are fetched once more. Nobody finds others to fit them: that takes
 * 2^128 tries.
 */
const CHECK_BYTES = 16;

/** What is known of the image and of the update so far. */
let check: Check;
/** Of the partition, in bytes. */
let address: number;
let size: number;
/** Sectors of the image. */
export let count: number;

/** The first four bytes of the hash of each sector, as the partition will hold it when it is looked for. */
let known: Uint32Array;
/** The hash of an erased sector. */
let blank: Bytes;
/** By block: where each sector comes from. */
let sources: Uint16Array[];
/** What proves each QUEUE_HASHES hashes when they are fetched once more. */
let checks: Bytes;
/** Hashes of the next sectors that change, in order, and how many of them are used up. */
export let hashQueue: Bytes;
export let hashesUsed: number;
/** The next sector to be written, and the first behind it that does not go into the same request. */
export let sector: number;
let runEnd: number;

/** Begins with an image. */
export function begin(partition: Partition, newCheck: Check): void {
  address = partition.address;
  size = partition.size;
  check = newCheck;
  count = (check.size + (SECTOR - 1)) >> 12;
  known = new Uint32Array(Math.min(count, KNOWN));
  sources = [];
  hashQueue = checks = '';
  hashesUsed = sector = runEnd = 0;
  // Not later: beside the hashes of a block there is no room for a sector.
  blank = hashOf(seam.fill(255, SECTOR));
}

/** @returns how many bytes of the image are in a sector. */
export function lengthOf(sector: number): number {
  return Math.min(SECTOR, check.size - sector * SECTOR);
}

/** @returns the hash of what the partition holds of a sector of the image, whatever is behind the image. */
export function hashHeld(sector: number): Bytes {
  const start = address + sector * SECTOR;
  const length = lengthOf(sector);
  if (length === SECTOR && seam.sha256At) return seam.sha256At(start, length);
  const room = new Uint8Array(SECTOR);
  // Both a sector that is read and one that is filled up would not fit.
  for (let at = 0; at < length; at += PIECE)
    put(room, seam.read(start + at, Math.min(PIECE, length - at)), at);
  return seam.sha256(seam.bytes(room) as Bytes);
}

/**
 * @param erased - what PIECE blank bytes read: to make it takes as long as to read them
 * @returns whether the partition is blank between two of its bytes, the second one not included
 */
function isBlank(erased: Bytes, from: number, until: number): boolean {
  for (; from < until; from += PIECE) {
    const length = Math.min(PIECE, until - from);
    if (length < PIECE) erased = erased.substr(0, length);
    if (seam.read(address + from, length) !== erased) return false;
  }
  return true;
}

/** @returns the same; of another content if what is behind the image is not blank: then the sector is another. */
function hashSector(sector: number): Bytes {
  const length = lengthOf(sector);
  return length === SECTOR || isBlank(seam.fill(255, PIECE), check.size, (sector + 1) * SECTOR)
    ? hashHeld(sector)
    : seam.fill(0, HASH_BYTES);
}

/** @returns hash number `i` of several. */
export function hashAt(hashes: Bytes, i: number): Bytes {
  return hashes.substr(i * HASH_BYTES, HASH_BYTES);
}

/** @returns the hash of the hashes of the sectors in a block, as the partition holds them. */
export function hashBlock(block: number): Bytes {
  const first = block * BLOCK_HASHES;
  const room = new Uint8Array(SECTOR);
  // An image of one sector has no hash but that.
  if (count < 2) return hashSector(0);
  for (let n = first; n < count && n < first + BLOCK_HASHES; n++) {
    const hash = hashSector(n);
    known[n] = numberAt(hash, 0, 4);
    put(room, hash, (n - first) * HASH_BYTES);
  }
  return hashOf(seam.bytes(room) as Bytes);
}

/** @returns whether all sectors behind the image are blank. */
export function isRestBlank(): boolean {
  const erased = seam.fill(255, PIECE);
  for (let n = count; n * SECTOR < size; n++)
    if (!isBlank(erased, n * SECTOR, (n + 1) * SECTOR)) check.changed++;
  return !check.changed;
}

/**
 * Plans a block: which sectors stay, which are elsewhere, which have to be fetched.
 * @param hashes - of the image, filled up with zeros
 * @param isHeld - whether the partition holds all of it
 */
export function planBlock(block: number, hashes: Bytes, isHeld: boolean): void {
  const row = new Uint16Array(BLOCK_HASHES);
  sources[block] = row;
  for (let n = block * BLOCK_HASHES; n < count && n >> 7 === block; n++) {
    const i = n % BLOCK_HASHES;
    const hash = hashAt(hashes, i);
    row[i] = n;
    const short = numberAt(hash, 0, 4);
    if (!(n % QUEUE_HASHES))
      checks += seam
        .sha256(hashes.substr(i * HASH_BYTES, Math.min(QUEUE_BYTES, (count - n) * HASH_BYTES)))
        .substr(0, CHECK_BYTES);
    // Where these four bytes differ, the sector need not be in memory beside the hashes.
    if (!isHeld && ((n < KNOWN && short !== known[n]) || hash !== hashSector(n))) {
      // Where it is found nowhere, -1 becomes FETCH.
      row[i] = (hash === blank ? BLANK : known.indexOf(short)) | COPY;
      if (row[i] === FETCH) check.fetch += lengthOf(n);
      else check.copied++;
      check.changed++;
      known[n] = short;
      if (hashQueue.length < QUEUE_BYTES) hashQueue += hash;
    }
  }
}

/** Holds the queue in one piece, which takes less memory than one that has grown. */
function packQueue(): void {
  hashQueue = seam.join([hashQueue]);
}

/** Frees the data that only planning needs. */
export function freePlanData(): void {
  known = [] as never;
  blank = '';
  packQueue();
}

/** Frees all data of the update. */
export function freeAll(): void {
  sources = [];
  hashQueue = checks = '';
}

/** @returns where a sector comes from. */
export function sourceOf(sector: number): number {
  return sources[sector >> 7][sector % BLOCK_HASHES];
}

/** @returns what proves the hashes that are fetched once more, those around that of the next sector. */
export function checkOfHashes(): Bytes {
  return checks.substr(((sector / QUEUE_HASHES) | 0) * CHECK_BYTES, CHECK_BYTES);
}

/** Fills the queue with those of them that are needed. */
export function queueHashes(hashes: Bytes): void {
  hashQueue = '';
  hashesUsed = 0;
  for (let n = sector; n < count && (n === sector || n % QUEUE_HASHES); n++)
    if (sourceOf(n) !== n) hashQueue += hashAt(hashes, n % QUEUE_HASHES);
  packQueue();
}

/** Makes the content of a sector that of the next one, piece by piece. */
export function copyTo(update: Update, from: number): void {
  const length = lengthOf(sector);
  for (let at = 0; at < length; at += PIECE) {
    const part = Math.min(PIECE, length - at);
    update.write(
      from === BLANK ? seam.fill(255, part) : seam.read(address + from * SECTOR + at, part),
    );
  }
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
