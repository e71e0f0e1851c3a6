/** What a chip has beside the module: its table, what the bootloader starts, free flash. Written from ESP-IDF's rules. */
import { crc32 } from 'node:zlib';
import { READONLY } from '../../device/partitions.ts';
import type { Bytes } from '../../device/runtime.ts';
import { type NorFlash, SECTOR } from '../../host/index.ts';
import type { Entry, Row } from './life.ts';

/** A row of sectors; absolute. */
export interface Range {
  first: number;
  span: number;
}

export const APP = 0;
export const TABLE_SECTOR = 8;
/** The first sector behind the table. */
export const FIRST = 9;

/** @returns seeded random integers: `below(n)` is 0 to n - 1 (mulberry32, Ettinger 2017, public domain). */
export function random(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

export const rangeOf = ({ address, size }: { address: number; size: number }): Range => ({
  first: Math.floor(address / SECTOR),
  span: Math.ceil(((address % SECTOR) + size) / SECTOR),
});
export const isIn = ({ first, span }: Range, sector: number): boolean =>
  sector >= first && sector < first + span;
export const meet = (a: Range, b: Range): boolean =>
  a.first < b.first + b.span && b.first < a.first + a.span;
export const isSame = (a: Range, b: Range): boolean => a.first === b.first && a.span === b.span;

export const isApp = (row: Row): boolean => row.type === APP;
export const isOtadata = (row: Row): boolean => row.type === 1 && row.subtype === 0;
const isSlot = (row: Row): boolean => isApp(row) && row.subtype >> 4 === 1;

/** @returns a table as the chip has it: rows, and the end. */
export function encodeRows(rows: readonly Row[]): Uint8Array {
  const bytes = Buffer.alloc(SECTOR, 0xff);
  rows.forEach((row, n) => {
    const at = n * 32;
    bytes.writeUInt16LE(0x50aa, at);
    bytes[at + 2] = row.type;
    bytes[at + 3] = row.subtype;
    bytes.writeUInt32LE(row.address, at + 4);
    bytes.writeUInt32LE(row.size, at + 8);
    bytes.fill(0, at + 12, at + 28);
    bytes.write(row.label, at + 12, 16, 'latin1');
    bytes.writeUInt32LE(row.flags, at + 28);
  });
  return bytes;
}

/** @returns the rows that lie in sectors of another one. */
export function overlapping(rows: readonly Row[]): Set<Row> {
  const found = new Set<Row>();
  rows.forEach((one, n) =>
    rows.slice(n + 1).forEach((other) => {
      if (meet(rangeOf(one), rangeOf(other))) found.add(one).add(other);
    }),
  );
  return found;
}

/** @returns runs of sectors that are in no row. */
export function freeRuns(rows: readonly Row[], sectors: number): Range[] {
  const runs: Range[] = [];
  let next = FIRST;
  const add = (end: number) => {
    if (end > next) runs.push({ first: next, span: end - next });
  };
  for (const { first, span } of rows.map(rangeOf).sort((a, b) => a.first - b.first)) {
    add(first);
    next = Math.max(next, first + span);
  }
  add(sectors);
  return runs;
}

/** @returns an entry of otadata: 32 bytes. */
export function encodeEntry({ sequence, state, isTorn }: Entry): Uint8Array {
  const bytes = Buffer.alloc(32, 0xff);
  bytes.writeUInt32LE(sequence, 0);
  bytes.writeUInt32LE(state, 24);
  const inverted = Buffer.alloc(4);
  inverted.writeUInt32LE(~sequence >>> 0);
  bytes.writeUInt32LE((crc32(inverted) ^ (isTorn ? 1 : 0)) >>> 0, 28);
  return bytes;
}

/** @returns the entry of otadata that counts. */
function chosenEntry(flash: NorFlash, { first }: Range): Entry | undefined {
  let chosen: Entry | undefined;
  for (const sector of [first, first + 1]) {
    const bytes = Buffer.from(flash.peek(sector * SECTOR, 32).buffer);
    const entry = { sequence: bytes.readUInt32LE(0), state: bytes.readUInt32LE(24) };
    const isValid = Buffer.compare(bytes.subarray(28), encodeEntry(entry).subarray(28)) === 0;
    const mayBoot = entry.state !== 3 && entry.state !== 4;
    if (isValid && mayBoot && entry.sequence !== 0xffffffff && entry.sequence > 0)
      if (!chosen || entry.sequence > chosen.sequence) chosen = entry;
  }
  return chosen;
}

/**
 * What the bootloader does (bootloader_utility.c): it starts the app that otadata names, else the first one; if no image
 * is there, those before it down to factory, then those behind it.
 * @returns the app that it starts; none if no image is left
 */
export function bootedApp(flash: NorFlash, rows: readonly Row[]): Row | undefined {
  const apps = rows.filter(isApp);
  const slots = apps.filter(isSlot);
  const at = (index: number) =>
    index < 0
      ? apps.find((row) => !isSlot(row))
      : slots.find(({ subtype }) => subtype === 0x10 + index);
  const otadata = rows.find(isOtadata);
  const entry = otadata && chosenEntry(flash, rangeOf(otadata));
  // It counts the slots; it does not look for gaps in their numbers.
  let start = at(-1) ? -1 : 0;
  if (entry && slots.length) start = (entry.sequence - 1) % slots.length;
  const order = Array.from({ length: 17 }, (_, n) => (n <= start + 1 ? start - n : n - 1));
  return order.map(at).find((row) => row !== undefined && flash.peek(row.address, 1)[0] === 0xe9);
}

/**
 * @param isLive - whether the firmware is using a row
 * @returns where a journal may lie: `ota_journal`, and flash in no partition; each of two sectors or more
 */
export function placesOf(
  rows: readonly Row[],
  sectors: number,
  isLive: (row: Row) => boolean,
): Range[] {
  const crossed = overlapping(rows);
  const own = rows.filter(
    (row) =>
      row.label === 'ota_journal' &&
      row.type > APP &&
      !isLive(row) &&
      !(row.flags & READONLY) &&
      !crossed.has(row) &&
      (row.address | row.size) % SECTOR === 0,
  );
  return [...own.map(rangeOf), ...freeRuns(rows, sectors)].filter(({ span }) => span >= 2);
}

/** @returns whether bytes are nothing but this one. */
export function isOnly(data: Bytes, value: number): boolean {
  for (let i = 0; i < data.length; i++) if (data.charCodeAt(i) !== value) return false;
  return true;
}
