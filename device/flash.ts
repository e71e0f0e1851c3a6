/**
 * The flash chip: bytes to and from it, whole sectors written and read back, and the fence around them.
 *
 * A board has one chip, so its state is the module's: what is passed from function to function costs an
 * interpreter time and memory. `use` resets it.
 */

import { fail } from './errors.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes, Runtime } from './runtime.ts';

/** Bytes that a flash chip programs at once (W25Q32JV 8.2.13, Page Program). */
const PAGE = 256;

/** A row of sectors, absolute. */
export interface Range {
  first: number;
  span: number;
}

/** No sectors. */
export const NONE: Range = { first: 0, span: 0 };

export let runtime: Runtime;
export let read: Runtime['read'];
export let fill: Runtime['fill'];
export let crc32: Runtime['crc32'];
export let pack: Runtime['pack'];
export let unpack: Runtime['unpack'];

/** What may be erased and programmed. */
let fence: Range[] = [];

/** Works on this chip from now on. */
export function use(chip: Runtime): void {
  runtime = chip;
  read = chip.read;
  fill = chip.fill;
  crc32 = chip.crc32;
  pack = chip.pack;
  unpack = chip.unpack;
}

/** Lets erases and programs through to these ranges only. */
export function fenceIn(ranges: Range[]): void {
  fence = ranges;
}

export function overlap(a: Range, b: Range): boolean {
  return a.first < b.first + b.span && b.first < a.first + a.span;
}

/** @returns whether all of `a` lies in `b`. */
export function isInside(a: Range, b: Range): boolean {
  return a.first >= b.first && a.first + a.span <= b.first + b.span;
}

/** @returns the content of a sector, by its absolute number. */
export function readSector(sector: number): Bytes {
  runtime.kick();
  return read(sector * SECTOR, SECTOR);
}

/** @returns the content of an erased sector. */
export function blankSector(): Bytes {
  return fill(255, SECTOR);
}

/** @returns whether all of a sector's content is erased. */
export function isBlank(data: Bytes): boolean {
  // The first byte tells almost always, and is cheaper than 4096 bytes to compare with.
  return data[0] === '\xff' && data === blankSector();
}

/** @throws E_FORBIDDEN if an address is outside the fence */
function guard(address: number): number {
  const sector = { first: address >>> 12, span: 1 };
  if (!fence.some((range) => isInside(sector, range))) fail('FORBIDDEN', 'address ' + address);
  return address;
}

/** Erases a sector. */
export function erase(sector: number): void {
  runtime.erase(guard(sector * SECTOR));
}

/** Programs `bytes`, inside a sector, and @returns whether they read back. */
export function program(address: number, bytes: Bytes): boolean {
  runtime.program(guard(address), bytes);
  return read(address, bytes.length) === bytes;
}

/**
 * Erases a sector, programs it and reads it back; once more if that differs. Blank pages at the end are
 * not programmed.
 * @param sector - absolute number
 * @param data - SECTOR bytes
 * @throws E_FLASH if it differs twice: the firmware reports no flash error
 */
export function writeSector(sector: number, data: Bytes): void {
  const address = sector * SECTOR;
  let length = SECTOR;
  while (length && data.substr(length - PAGE, PAGE) === fill(255, PAGE)) length -= PAGE;
  for (let tries = 2; tries--;) {
    erase(sector);
    if (length) runtime.program(address, length < SECTOR ? data.substr(0, length) : data);
    if (readSector(sector) === data) return;
  }
  fail('FLASH', 'sector ' + sector + ': reads back wrong');
}
