/** Which sectors of the image the partition holds, and where the others come from. */

import type { Bytes } from '../runtime.ts';
import { SECTOR } from '../runtime.ts';
import type { Check } from './api.ts';
import { filled, numberAt } from './head.ts';
import { BLOCK_HASHES, HASH_BYTES } from './manifest.ts';
import { seam } from './stream.ts';

/** Where a sector comes from that the partition does not hold, instead of a sector number. */
export const FETCH = 0xffff;
const BLANK = 0xfffe;

/** The first sectors, 4 MiB of them, are where the content of others is looked for: 4 KiB of memory. */
const KNOWN = 1024;
/** Bytes of hashes of changing sectors that are kept in memory; beyond that they are fetched block by block. */
const KEPT = 4096;

/** What is found out. */
let check: Check;
/** Where the partition begins; sectors of the image. */
let address: number;
export let count: number;

/** The first four bytes of the hash of each sector, as the partition will hold it when it is looked for. */
let known: Uint32Array;
/** By block: where each sector comes from; its own number: it stays. */
let places: Uint16Array[];
/** Hashes of the next sectors that change, and how many of them are used up. */
let kept: Bytes;
let used: number;
/** The next sector to be written. */
export let sector: number;
/** 1: the last sector of the image holds something behind it. */
let rest: number;

/** Begins with an image. */
export function begin(newAddress: number, newCheck: Check): void {
  address = newAddress;
  check = newCheck;
  count = (check.size + SECTOR - 1) >>> 12;
  known = new Uint32Array(Math.min(count, KNOWN));
  places = [];
  kept = '';
  used = sector = rest = 0;
}

/** @returns how many sectors of the image are in a block. */
export function sectorsIn(block: number): number {
  return Math.min(BLOCK_HASHES, count - block * BLOCK_HASHES);
}

/** @returns how many bytes of the image are in a sector. */
export function lengthOf(sector: number): number {
  return Math.min(SECTOR, check.size - sector * SECTOR);
}

function read(at: number, length: number): Bytes {
  seam.kick();
  return seam.read(address + at, length);
}

/** @returns what the partition holds of a sector of the image, filled up with zeros, as it is hashed. */
export function contentOf(sector: number): Bytes {
  return sector === BLANK
    ? filled('', '\xff')
    : filled(read(sector * SECTOR, lengthOf(sector)), '\0');
}

/** @returns the hash of a block, or of the image's part of a sector. */
export function hashOf(bytes: Bytes): Bytes {
  return seam.sha256(filled(bytes, '\0'));
}

/** @returns one of some hashes. */
export function hashAt(hashes: Bytes, i: number): Bytes {
  return hashes.substr(i * HASH_BYTES, HASH_BYTES);
}

/** @returns the hashes of the sectors of a block, as the partition holds them. */
export function hashBlock(block: number): Bytes {
  let hashes = '';
  for (let i = 0; i < sectorsIn(block); i++) {
    const sector = block * BLOCK_HASHES + i;
    const hash = hashOf(contentOf(sector));
    known[sector] = numberAt(hash, 0, 4);
    hashes += hash;
  }
  return hashes;
}

/** @returns whether all that is behind the image in a partition of so many bytes is blank. */
export function isRestBlank(span: number): boolean {
  const blank = contentOf(BLANK);
  for (let at = check.size; at < span;) {
    const offset = at % SECTOR;
    const length = SECTOR - offset;
    if (read(at, length) !== (offset ? blank.substr(offset) : blank)) {
      check.changed++;
      if (offset) rest = 1;
    }
    at += length;
  }
  return !check.changed;
}

/**
 * Plans a block: which sectors stay, which are elsewhere, which have to be fetched.
 * @param hashes - of the image
 * @param held - of the partition
 */
export function planBlock(block: number, hashes: Bytes, held: Bytes): void {
  const row = new Uint16Array(BLOCK_HASHES);
  const blank = hashOf(contentOf(BLANK));
  places[block] = row;
  for (let i = 0; i < sectorsIn(block); i++) {
    const sector = block * BLOCK_HASHES + i;
    const hash = hashAt(hashes, i);
    row[i] = sector;
    if (hash === hashAt(held, i)) continue;
    const short = numberAt(hash, 0, 4);
    // Where it is found nowhere, -1 becomes FETCH.
    row[i] = hash === blank ? BLANK : known.indexOf(short);
    if (row[i] === FETCH) check.fetch += lengthOf(sector);
    else check.copied++;
    check.changed += sector === count - 1 ? 1 - rest : 1;
    known[sector] = short;
    if (kept.length < KEPT) kept += hash;
  }
}

/** @returns where a sector comes from. */
export function placeOf(sector: number): number {
  return places[sector >>> 7][sector % BLOCK_HASHES];
}

/** @returns the hash that the next sector has to have; empty: it has to be fetched again. */
export function nextHash(): Bytes {
  return hashAt(kept, used);
}

/** Keeps the hashes of the next sectors, up to the end of their block. */
export function keep(hashes: Bytes): void {
  kept = '';
  used = 0;
  for (let n = sector; n < count && n >>> 7 === sector >>> 7; n++)
    if (placeOf(n) !== n) kept += hashAt(hashes, n % BLOCK_HASHES);
}

/** Goes on to the sector behind the next one. */
export function advance(): void {
  if (placeOf(sector) !== sector) used++;
  sector++;
}

/** @returns where a request for the next sector ends, so that it covers those behind it. */
export function endOfRun(): number {
  const limit = Math.min(count, sector + kept.length / HASH_BYTES - used);
  let end = sector;
  while (++end < limit && placeOf(end) === FETCH);
  return Math.min(end * SECTOR, check.size);
}
