/** What is on the flash of the emulated board, and what README promises of it. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { SECTOR } from '../../formats/chip.ts';
import { decodeTable, encodeTable } from '../../formats/table/binary.ts';
import { gapsOf, type Place, type Row } from '../../formats/table/row.ts';
import { pattern } from '../../host/index.ts';
import { row } from '../../host/tables.ts';

const SIZE = 0x400000;
const TABLE_AT = 0x8000;
const TABLE_END = 0x9000;
const TABLE_BYTES = 0xc00;
/** Sectors of the partition that is updated. */
const SECTORS = 16;
const LENGTH = SECTORS * SECTOR;

/** What the partition holds at first: one sector of it is blank. */
export const OLD = Buffer.from(pattern('old', LENGTH));
OLD.fill(0xff, 5 * SECTOR, 6 * SECTOR);

/** What it is updated to; it ends within the last sector but one. */
export const IMAGE = Buffer.from(OLD.subarray(0, 15 * SECTOR - 1000));
for (const sector of [0, 1, 2, 5, 6, 8, 9, 13])
  IMAGE.set(pattern(`new ${sector}`, SECTOR), sector * SECTOR);
IMAGE.set(pattern('half', SECTOR / 2), 10.5 * SECTOR);
IMAGE.fill(0xff, 11 * SECTOR, 12 * SECTOR);
IMAGE[12 * SECTOR + 100] ^= 0x10;

/** What the partition holds then. */
export const NEW = Buffer.alloc(LENGTH, 0xff);
IMAGE.copy(NEW);

/** Sectors in which they differ. */
export const CHANGED = Array.from({ length: SECTORS }, (_, n) => n * SECTOR).filter(
  (at) => OLD.compare(NEW, at, at + SECTOR, at, at + SECTOR) !== 0,
).length;

/** The flash as it leaves the workshop, and what is where. */
export interface Layout {
  flash: Buffer;
  rows: Row[];
  /** The partition to update. */
  www: Row;
  /** The partition that has the new image, for scripts on the board. */
  source: Row;
  /** What is in no partition: README says that the backup and the journal lie here. */
  free: Place;
}

/**
 * Lays out a chip of 4 MiB as README tells for an ESP32-C3: the rows of the table that Espruino brings stay, `www` comes
 * into the free flash. All that is not in use holds bytes that look like chance.
 * @param firmware - what esptool writes to address 0: bootloader, table at 0x8000, Espruino where the table says
 * @throws Error if it is not that
 */
export function layOut(firmware: Buffer): Layout {
  const isImage = firmware[0] === 0xe9 && firmware.length > TABLE_END && firmware.length <= SIZE;
  if (!isImage)
    throw new Error('ESPRUINO_C3 is not an image from address 0 on, with bootloader and table');
  const rows: Row[] = decodeTable(firmware.subarray(TABLE_AT, TABLE_AT + TABLE_BYTES));
  const [gap] = gapsOf(rows, SIZE, TABLE_END).sort((a, b) => b.size - a.size);
  const www = row('www', 1, 0x83, gap.address, LENGTH);
  const source = row('source', 1, 0x40, gap.address + LENGTH, LENGTH);
  const free = { address: gap.address + 2 * LENGTH, size: gap.size - 2 * LENGTH };

  const flash = Buffer.alloc(SIZE, 0xff);
  const inUse = [...rows, www, source].filter(({ type }) => type !== 0);
  for (const { address, size } of gapsOf(inUse, SIZE, TABLE_END))
    flash.set(pattern(`at ${address}`, size), address);
  flash.set(firmware);
  flash.set(encodeTable([...rows, www, source]), TABLE_AT);
  flash.set(OLD, www.address);
  flash.set(NEW, source.address);
  return { flash, rows, www, source, free };
}

/** A script for the board: hands the image over in pieces that no sector is a multiple of. */
export function updateScript({ source }: Layout, options: object = {}): string {
  const all = { partition: 'www', size: IMAGE.length, crc32: crc32(IMAGE), ...options };
  return (
    `var u=require("ota").begin(${JSON.stringify(all)}),n=${IMAGE.length},a=0;` +
    `for(;a<n;a+=500)u.write(require("Flash").read(Math.min(500,n-a),${source.address}+a));` +
    'return u.end()'
  );
}

/**
 * Holds the flash against README's promise.
 * @param start - what it held before
 * @returns which content `www` has; fails if it has neither, or anything but it, backup and journal has changed
 */
export function contentOf(flash: Buffer, start: Buffer, { www, free }: Layout): 'old' | 'new' {
  const mayChange = [www, free].sort((a, b) => a.address - b.address);
  let from = 0;
  for (const { address, size } of [...mayChange, { address: flash.length, size: 0 }]) {
    if (flash.compare(start, from, address, from, address) !== 0) {
      let at = from;
      while (flash[at] === start[at]) at++;
      assert.fail(`the byte at 0x${at.toString(16)} has changed`);
    }
    from = address + size;
  }
  const found = flash.subarray(www.address, www.address + www.size);
  if (found.equals(OLD)) return 'old';
  if (found.equals(NEW)) return 'new';
  const sectors = Array.from({ length: SECTORS }, (_, n) => {
    const range = [n * SECTOR, (n + 1) * SECTOR] as const;
    const is = (content: Buffer) => found.compare(content, ...range, ...range) === 0;
    return is(OLD) ? (is(NEW) ? '=' : 'o') : is(NEW) ? 'n' : 'x';
  });
  return assert.fail(`www holds neither content; sector by sector: ${sectors.join('')}`);
}
