/** The chip of a board to test against: a file with all that its flash holds. */
import { TABLE_ADDRESS, TABLE_SIZE } from '../../device/partitions.ts';
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { bootOf, entriesOf } from '../../formats/otadata.ts';
import { rowsOf } from '../../formats/table/binary.ts';
import type { TableRow } from '../../formats/table/row.ts';
import { Board } from '../../host/index.ts';
import { packageFile } from '../files.ts';
import { InputError } from '../words.ts';
import { readTable } from '../table-file.ts';

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
  const rows = rowsOf(table);
  const end = Math.max(...rows.map(({ address, size }) => address + size));
  if (end > CHIP_SIZE)
    throw new InputError(`--table: it ends at ${end} bytes; the chip has ${CHIP_SIZE}`);
  if (!rows.some(({ type }) => type === 0)) throw new InputError('--table: there is no app in it');
  const { flash } = new Board({ table, size: CHIP_SIZE });
  return flash.peek(0, CHIP_SIZE);
}

/** @returns what is on the chip, by its file. @throws InputError if it cannot be that */
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

/** Replaces what the chip holds. The file stays the same one, so an engine that has it open sees the change. */
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
export function tableOf(chip: Uint8Array): TableRow[] {
  return rowsOf(tableBytesOf(chip));
}

/** @returns the app that the bootloader starts; if it has to try one after the other, the first. */
export function runningApp(chip: Buffer): TableRow {
  const rows = tableOf(chip);
  return bootOf(rows, entriesOf(chip, rows)).app ?? bootOf(rows, []).app!;
}
