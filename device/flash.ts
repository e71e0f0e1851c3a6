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

/** No sectors. */
export const NONE: Range = { first: 0, span: 0 };

// All that may be erased and programmed, as the journal says.

/** Where the journal lies; its first sector is the last one of this range. */
export let area: Range;
export let target: Range;
/** What holds the old content: the backup. `span` may be less than the target's, and is 0 in a direct update. */
export let spare: Range;

/** Lets erases and programs through to these ranges only. */
export function fenceIn(newArea: Range, newTarget: Range, newSpare: Range): void {
  area = newArea;
  target = newTarget;
  spare = newSpare;
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

/** @throws E_FORBIDDEN if an address is outside the fence */
function guard(address: number): number {
  const sector = address >>> 12;
  if (!isIn(area, sector) && !isIn(target, sector) && !isIn(spare, sector))
    fail('FORBIDDEN address ' + address);
  // What is whole may still be a float, which Espruino's Flash refuses to erase.
  return address | 0;
}

/** Erases a sector. */
export function eraseSector(sector: number): void {
  erase(guard(sector * SECTOR));
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
  let length = SECTOR;
  while (length && data.substr(length - PAGE, PAGE) === fill(255, PAGE)) length -= PAGE;
  for (let tries = 2; tries--;) {
    eraseSector(sector);
    if (length) program(length < SECTOR ? data.substr(0, length) : data, sector * SECTOR);
    if (readSector(sector) === data) return;
  }
  failFlash('sector ' + sector);
}
