/** Sectors of the flash chip, and what is read from them. */

import { PIECE, mix } from './records.ts';
import { SECTOR, crc32, fill, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** Bytes of the largest unit that a flash chip programs at once. */
export const PAGE = 256;

/** A row of sectors, absolute. */
export interface Range {
  first: number;
  span: number;
}

/** @returns whether a sector is in a range. */
export function isIn(range: Range, sector: number): boolean {
  return (sector - range.first) >>> 0 < range.span;
}

/** @returns what two reads agree on. One alone may err, and then nothing of what depends on it would be true. */
export function readTwice(address: number, length: number): Bytes {
  let tries = 9;
  let text: Bytes;
  do text = read(address, length);
  while (read(address, length) !== text && tries--);
  return text;
}

/** @returns whether all of some bytes is 0xff */
export function isBlank(data: Bytes): boolean {
  // The first byte decides almost always, and saves making bytes to compare with.
  return data[0] === '\xff' && data === fill(255, data.length);
}

/** @returns whether all of a sector is 0xff */
export function isSectorBlank(sector: number): boolean {
  let at = 0;
  while (at < SECTOR && isBlank(read(sector * SECTOR + at, PIECE))) at += PIECE;
  return at >= SECTOR;
}

/** @returns the check of a sector: see SAVED in records.ts. */
export function checkOf(sector: number): number {
  let check = 0;
  for (let at = 0; at < SECTOR; at += PIECE)
    check = mix(check, crc32(read(sector * SECTOR + at, PIECE)));
  return check;
}
