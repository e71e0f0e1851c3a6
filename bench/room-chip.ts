/** The chip of a board in room.ts: what it holds, and what an update may change of it. */
import { encodeTable } from '../formats/table/binary.ts';
import { row } from '../host/tables.ts';
import { noise } from './noise.ts';

export const SECTOR = 4096;
/** Sectors of the partition, of its backup, and of the image. */
export const SECTORS = 256;
/** Those of an image that is only begun; the rest of the partition is erased. */
export const FEW = 8;
const SIZE = SECTORS * SECTOR;

const TABLE = [
  row('nvs', 1, 2, 0x9000, 0x3000),
  row('otadata', 1, 0, 0xc000, 0x2000),
  row('factory', 0, 0, 0x10000, 0xe0000),
  row('www', 1, 0x83, 0xf0000, SIZE),
  row('spare', 1, 0x40, 0x1f0000, SIZE),
  row('ota_journal', 1, 6, 0x2f0000, 0x10000),
  row('storage', 1, 0x82, 0x300000, 0x100000),
];
const rowOf = (label: string) => TABLE.find((one) => one.label === label)!;
const { address: WWW } = rowOf('www');
/** What an update may change. */
const TOUCHED = ['www', 'spare', 'ota_journal'].map(rowOf);

/** Where Espruino's Storage begins, or a part that nobody uses before it: all else lies before. */
export const { address: STORAGE } = rowOf('storage');

/** What the partition holds before an update, and what it is to hold: each sector is another. */
const OLD = noise(SIZE, 7);
export const NEW = noise(SIZE, 9);

/** What the partition holds. */
export type Content = 'old' | 'new' | 'mixed';

/** @returns a chip of 4 MB with the old content. */
export function makeChip(): Buffer {
  const flash = Buffer.alloc(0x400000, 0xff);
  flash.set([0xe9, 1, 2, 0x20], 0x1000);
  flash.set(encodeTable(TABLE), 0x8000);
  OLD.copy(flash, WWW);
  return flash;
}

/** @returns what the partition on a chip holds. */
export function contentOf(flash: Buffer): Content {
  const held = flash.subarray(WWW, WWW + SIZE);
  return held.equals(NEW) ? 'new' : held.equals(OLD) ? 'old' : 'mixed';
}

/** @returns whether nothing has changed but the partition, its backup and the journal. */
export function isFenced(before: Buffer, after: Buffer): boolean {
  const [was, is] = [before, after].map((flash) => {
    const rest = Buffer.from(flash);
    for (const { address, size } of TOUCHED) rest.fill(0, address, address + size);
    return rest;
  });
  return was.equals(is);
}

/** Where a sector of the partition lies. @param sector - its number, from 0 on. @returns bytes from the chip's start */
export const addressOf = (sector: number): number => WWW + sector * SECTOR;
