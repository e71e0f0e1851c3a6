/** Sectors of the flash chip, and what is read from them. */

import { SECTOR, fill, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** A string, as Espruino and JerryScript have it. */
interface Searchable {
  startsWith: (text: string, at: number) => boolean;
}

/** A row of sectors, absolute. */
export interface Range {
  first: number;
  span: number;
}

/** @returns whether a sector is in a range. */
export function isIn(range: Range, sector: number): boolean {
  return (sector - range.first) >>> 0 < range.span;
}

/** @returns the content of a sector, by its absolute number. */
export function readSector(sector: number): Bytes {
  return read(sector * SECTOR, SECTOR);
}

/** Bytes of a sector that are compared at once, where memory has no room for another whole sector. */
const PIECE = 256;

/** @returns whether all of some slots, or of a sector, is 0xff */
export function isBlank(data: Bytes): boolean {
  const count = data.length % PIECE || PIECE;
  let at = 0;
  // The first byte decides almost always, and saves making bytes to compare with.
  while (data[at] === '\xff' && (data as unknown as Searchable).startsWith(fill(255, count), at))
    at += count;
  return at === data.length;
}
