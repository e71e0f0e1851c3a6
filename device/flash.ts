import { fail } from './errors.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes, Runtime } from './runtime.ts';

/** Bytes that a flash chip programs at once (W25Q32JV 8.2.13, Page Program). */
const PAGE = 256;

/** A row of sectors, absolute. */
export interface Range {
  first: number;
  count: number;
}

export function overlap(a: Range, b: Range | undefined): boolean {
  return !!b && a.first < b.first + b.count && b.first < a.first + a.count;
}

/** @returns whether all of `a` lies in `b`. */
export function isInside(a: Range, b: Range): boolean {
  return a.first >= b.first && a.first + a.count <= b.first + b.count;
}

/** @returns 2 bytes, little-endian. */
export function u16(value: number): Bytes {
  return String.fromCharCode(value & 255, (value >> 8) & 255);
}

/** @returns 4 bytes, little-endian. */
export function u32(value: number): Bytes {
  return u16(value) + u16(value >> 16);
}

export function get16(bytes: Bytes, offset: number): number {
  return bytes.charCodeAt(offset) | (bytes.charCodeAt(offset + 1) << 8);
}

export function get32(bytes: Bytes, offset: number): number {
  return (get16(bytes, offset) | (get16(bytes, offset + 2) << 16)) >>> 0;
}

/** Reads a sector, by its absolute number. */
export function readSector(runtime: Runtime, sector: number): Bytes {
  runtime.kick();
  return runtime.read(sector * SECTOR, SECTOR);
}

/** @returns the content of an erased sector. */
export function blankSector(runtime: Runtime): Bytes {
  return runtime.fill(255, SECTOR);
}

/** @returns whether all of a sector's content is erased. */
export function isBlank(runtime: Runtime, data: Bytes): boolean {
  // The first byte tells almost always, and is cheaper than 4096 bytes to compare with.
  return data[0] === '\xff' && data === blankSector(runtime);
}

/**
 * Erases a sector, programs it and reads it back; once more if that differs. Blank pages at the end are
 * not programmed.
 * @param sector - absolute number
 * @param data - SECTOR bytes
 * @param isSame - whether what was read back is `data`
 * @throws E_FLASH if it differs twice: the firmware reports no flash error
 */
export function writeSector(
  runtime: Runtime,
  sector: number,
  data: Bytes,
  isSame: (found: Bytes) => boolean,
): void {
  const page = runtime.fill(255, PAGE);
  let length = SECTOR;
  while (length && data.substr(length - PAGE, PAGE) === page) length -= PAGE;
  for (let tries = 2; tries--;) {
    runtime.erase(sector * SECTOR);
    if (length) runtime.program(sector * SECTOR, length < SECTOR ? data.substr(0, length) : data);
    if (isSame(readSector(runtime, sector))) return;
  }
  fail('E_FLASH', 'sector ' + sector, 'does not keep what is written, tries', 2);
}
