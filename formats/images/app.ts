/**
 * What a chip runs, and whole chips. An app or a bootloader (ESP-IDF, esp_app_format.h, esp_app_desc.h):
 *
 *      0 0xE9   1 segments, 1 to 16   2 flash mode, 0 to 5   12 chip (2)   23 whether a SHA-256 of 32 bytes follows
 *     24 segments: address (4), length (4), data
 *
 * then zeros, and a checksum as the last of a multiple of 16 bytes. The data of an app begins with its description, and
 * that with 0xABCD5432.
 */
import { ROW_SIZE, TABLE_ADDRESS, TABLE_SIZE } from '../../device/partitions.ts';
import { BOOTLOADERS, SECTOR } from '../chip.ts';
import { decodeTable, isBinary, rowsOf } from '../table/binary.ts';
import { type App, type Dump, type Table, u16, u32 } from './kinds.ts';

const MAGIC = 0xe9;
const HEADER = 24;
const SEGMENT = 8;
const MOST_SEGMENTS = 16;
const MOST_MODE = 5;
const DESCRIPTION = 0xabcd5432;
/** esp_image_format.c: a segment has less. */
const MOST_DATA = 0x1000000;
const ALIGNMENT = 16;
const HASH = 32;

/** esp_chip_id_t. */
const CHIPS: Record<number, string> = {
  0x00: 'ESP32',
  0x02: 'ESP32-S2',
  0x05: 'ESP32-C3',
  0x09: 'ESP32-S3',
  0x0c: 'ESP32-C2',
  0x0d: 'ESP32-C6',
  0x10: 'ESP32-H2',
  0x12: 'ESP32-P4',
  0x14: 'ESP32-C61',
  0x17: 'ESP32-C5',
  0x19: 'ESP32-H21',
  0x1c: 'ESP32-H4',
  0x20: 'ESP32-S31',
};

/** Memory of all these chips, mapped flash too, is in this range; a segment that only fills up has address 0. */
const MEMORY = [0x3c000000, 0x60200000] as const;

/** Where a table is looked for, if it is not where it is by default: the Kconfig of ESP-IDF lets people choose. */
const LAST_TABLE = 0x40000;

/** Whether a segment may begin there. */
function isSegment(image: Uint8Array, at: number): boolean {
  const address = u32(image, at);
  const length = u32(image, at + 4);
  const isMemory = address === 0 || (address >= MEMORY[0] && address < MEMORY[1]);
  return isMemory && length >= 0 && length < MOST_DATA && length % 4 === 0;
}

/** @returns where the segments end; undefined if one of them is longer than the image; false if one is none. */
function endOf(image: Uint8Array, segments: number): number | undefined | false {
  let at = HEADER;
  for (let n = 0; n < segments; n++) {
    if (n > 0 && at + SEGMENT > image.length) return undefined;
    if (!isSegment(image, at)) return false;
    at += SEGMENT + u32(image, at + 4);
  }
  return at <= image.length ? at : undefined;
}

/** @returns what an image is that begins like an app. */
export function readApp(image: Uint8Array): App | undefined {
  const segments = image[1];
  const chip = CHIPS[u16(image, 12)];
  if (image[0] !== MAGIC || chip === undefined || image[2] > MOST_MODE) return undefined;
  if (segments < 1 || segments > MOST_SEGMENTS) return undefined;
  const end = endOf(image, segments);
  if (end === false) return undefined;
  const isApp = u32(image, HEADER + SEGMENT) === DESCRIPTION;
  const app: App = { kind: 'app', chip, isApp };
  if (end === undefined) return app;
  const checked = (Math.floor(end / ALIGNMENT) + 1) * ALIGNMENT;
  return { ...app, length: checked + (image[23] === 1 ? HASH : 0) };
}

/** @returns rows of the partition table that bytes begin with, if it is right and has an end. */
function rowsAt(bytes: Uint8Array): number {
  if (!isBinary(bytes)) return 0;
  try {
    return decodeTable(bytes.subarray(0, TABLE_SIZE)).length;
  } catch {
    return 0;
  }
}

/** @returns what an image is that begins with a partition table. One that is nothing else may lack its end. */
export function readTable(image: Uint8Array): Table | undefined {
  const bare = image.length <= TABLE_SIZE ? rowsOf(image).length : 0;
  const rows = bare > 0 && bare * ROW_SIZE === image.length ? bare : rowsAt(image);
  return rows ? { kind: 'table', rows } : undefined;
}

/** @returns where a table lies, and its rows. */
function findTable(image: Uint8Array): { table: number; rows: number } | undefined {
  const places = [TABLE_ADDRESS];
  for (let at = SECTOR; at <= LAST_TABLE; at += SECTOR) places.push(at);
  for (const table of places) {
    const rows = rowsAt(image.subarray(table));
    if (rows) return { table, rows };
  }
  return undefined;
}

/** @returns what an image is that has a bootloader and a partition table where a chip has them. */
export function readDump(image: Uint8Array): Dump | undefined {
  for (const bootloader of BOOTLOADERS) {
    const app = readApp(image.subarray(bootloader));
    if (!app) continue;
    const found = findTable(image);
    if (found) return { kind: 'dump', chip: app.chip, bootloader, ...found };
  }
  return undefined;
}

/** A table alone where a table belongs is believed from so many rows on. */
const LEAST_ROWS = 2;

/** @returns what an image is that has the table of a chip where it is by default, and no bootloader that is known. */
export function readBareDump(image: Uint8Array): Dump | undefined {
  const rows = rowsAt(image.subarray(TABLE_ADDRESS));
  return rows >= LEAST_ROWS ? { kind: 'dump', table: TABLE_ADDRESS, rows } : undefined;
}
