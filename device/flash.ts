/**
 * The flash chip: whole sectors written and read back, and the fence around them.
 *
 * A board has one chip, so its state is the module's: what is passed from function to function costs an
 * interpreter time and memory.
 */

import { fail, failFlash } from './errors.ts';
import { SECTOR, erase, fill, program, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** Bytes that a flash chip programs at once (W25Q32JV 8.2.13, Page Program). */
const PAGE = 256;

/** A row of sectors, absolute. */
export interface Range {
  first: number;
  span: number;
}

// All that may be erased and programmed, as the journal says.

/** Where the journal lies; its first sector is the last one of this range. */
export let area: Range;
export let target: Range;
/** What holds the old content: the backup. `span` may be less than the target's, and is 0 in a direct update. */
export let spare: Range;

/** @returns a range from one number: first sector; number of sectors (2 bytes each). */
function rangeOf(word: number): Range {
  return { first: word & 0xffff, span: word >>> 16 };
}

/**
 * Lets erases and programs through to these ranges only: the area, and two in the form of `rangeOf`.
 */
export function fenceIn(first: number, span: number, targetWord: number, spareWord: number): void {
  area = { first: first, span: span };
  target = rangeOf(targetWord);
  spare = rangeOf(spareWord);
}

/** @returns whether a sector is in a range. */
export function isIn(range: Range, sector: number): boolean {
  return (sector - range.first) >>> 0 < range.span;
}

/** @returns the content of a sector, by its absolute number. */
export function readSector(sector: number): Bytes {
  return read(sector * SECTOR, SECTOR);
}

/** @returns whether all of a sector's content is erased. */
export function isBlank(data: Bytes): boolean {
  // The first byte tells almost always, and is cheaper than 4096 bytes to compare with.
  return data[0] === '\xff' && data === fill(255, SECTOR);
}

/** @returns an address. @throws E_FORBIDDEN if it is outside the fence */
export function guard(address: number): number {
  const sector = address >>> 12;
  if (!isIn(target, sector) && !isIn(spare, sector) && !isIn(area, sector))
    fail('FORBIDDEN address ' + address);
  // What is whole may still be a float, which Espruino's Flash refuses to erase.
  return address | 0;
}

/** Programs `data`, inside a sector, and @returns whether it reads back. */
export function programAt(address: number, data: Bytes): boolean {
  program(data, guard(address));
  return read(address, data.length) === data;
}

/**
 * Erases a sector, programs it and reads it back; once more if that differs. Blank pages at the end are not programmed.
 * @param sector - absolute number
 * @param data - SECTOR bytes
 * @throws E_FLASH if it differs twice
 */
export function writeSector(sector: number, data: Bytes): void {
  const address = sector * SECTOR;
  let length = SECTOR;
  // The last byte tells almost always.
  while (
    length &&
    data[length - 1] === '\xff' &&
    data.substr(length - PAGE, PAGE) === fill(255, PAGE)
  )
    length -= PAGE;
  for (let tries = 2; tries--;) {
    erase(guard(address));
    if (length) program(length < SECTOR ? data.substr(0, length) : data, address);
    if (readSector(sector) === data) return;
  }
  failFlash('sector ' + sector);
}
