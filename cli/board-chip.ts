/** The chip of a board to test against: a file with all that its flash holds. */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { Board, decodeTable, type Row, SECTOR } from '../host/index.ts';
import { packageFile } from './files.ts';
import { InputError } from './words.ts';
import { TABLE_ADDRESS, TABLE_SIZE } from './partition-binary.ts';
import { readTable } from './table-file.ts';

/** Bytes of the chip: what Espruino's boards have, and its `Flash.getPage` knows. */
export const CHIP_SIZE = 4 << 20;

/** @returns the table of this project's partitions.csv, binary. */
export function defaultTable(): Uint8Array {
  return readTable(packageFile('partitions.csv'));
}

/**
 * Makes a chip: bootloader, table, apps, and a pattern in every partition.
 * @param table - binary
 * @throws InputError if it does not fit the chip or has no app
 */
export function makeChip(table: Uint8Array): Uint8Array {
  const rows = decodeTable(table);
  const end = Math.max(...rows.map(({ address, size }) => address + size));
  if (end > CHIP_SIZE)
    throw new InputError(`--table: it ends at ${end} bytes; the chip has ${CHIP_SIZE}`);
  if (!rows.some(({ type }) => type === 0)) throw new InputError('--table: there is no app in it');
  const { flash } = new Board({ table, size: CHIP_SIZE });
  return flash.peek(0, CHIP_SIZE);
}

/** @returns what a file says is on the chip. @throws InputError if it cannot be that */
export function readChip(file: string): Buffer {
  const stats = statSync(file);
  if (stats.isDirectory()) throw new InputError(`${file}: is a directory`);
  const { size } = stats;
  if (size !== CHIP_SIZE)
    throw new InputError(
      `${file}: ${size} bytes; the chip has ${CHIP_SIZE}, all of which are in it`,
    );
  const bytes = readFileSync(file);
  const rows = tableOf(bytes);
  if (!rows.length) throw new InputError(`${file}: no partition table at 0x8000`);
  if (!rows.some(({ type }) => type === 0)) throw new InputError(`${file}: no app in its table`);
  return bytes;
}

/** @throws RangeError */
export function assertChip(bytes: Uint8Array): void {
  if (bytes.length !== CHIP_SIZE)
    throw new RangeError(`${bytes.length} bytes; the chip has ${CHIP_SIZE}`);
}

/** Replaces what the chip holds. The file stays the same one, for whoever has it open. */
export function writeChip(file: string, bytes: Uint8Array): void {
  assertChip(bytes);
  const handle = openSync(file, 'r+');
  writeSync(handle, bytes, 0, bytes.length, 0);
  closeSync(handle);
}

/** @returns the partition table that a chip holds, binary. */
export function tableBytesOf(chip: Uint8Array): Uint8Array {
  return chip.subarray(TABLE_ADDRESS, TABLE_ADDRESS + TABLE_SIZE);
}

/** @returns the partition table that a chip holds. */
export function tableOf(chip: Uint8Array): Row[] {
  return decodeTable(tableBytesOf(chip));
}

/** An entry of otadata counts if its checksum is right (esp_flash_partitions.h, esp_ota_select_entry_t). */
function sequenceOf(chip: Buffer, address: number): number {
  const sequence = chip.readUInt32LE(address);
  const sum = crc32(chip.subarray(address, address + 4), 0xffffffff);
  const isValid = sequence !== 0xffffffff && chip.readUInt32LE(address + 28) === sum;
  return isValid ? sequence : 0;
}

/** @returns the app that the bootloader chooses (bootloader_utility_get_selected_boot_partition). */
export function runningApp(chip: Buffer): Row {
  const rows = tableOf(chip);
  const slots = rows.filter(({ type, subtype }) => type === 0 && subtype >> 4 === 1);
  slots.sort((a, b) => a.subtype - b.subtype);
  const factory = rows.find(({ type, subtype }) => type === 0 && subtype === 0);
  const otadata = rows.find(({ type, subtype }) => type === 1 && subtype === 0);
  // An entry in each of its two sectors.
  const entries = otadata ? [otadata.address, otadata.address + SECTOR] : [];
  const sequence = Math.max(0, ...entries.map((address) => sequenceOf(chip, address)));
  if (sequence && slots.length) return slots[(sequence - 1) % slots.length];
  return factory ?? slots[0];
}
