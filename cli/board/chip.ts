/** The chip of a board to test against: a file with all that its flash holds. */
import { TABLE_ADDRESS, TABLE_SIZE } from '../../device/partitions.ts';
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { SECTOR } from '../../formats/chip.ts';
import { bootOf, entriesOf } from '../../formats/otadata.ts';
import { rowsOf } from '../../formats/table/binary.ts';
import type { TableRow } from '../../formats/table/row.ts';
import { Board } from '../../host/index.ts';
import { packageFile } from '../files.ts';
import { InputError } from '../words.ts';
import { hex } from '../words/format.ts';
import { readTable } from '../table-file.ts';

const MIB = 1 << 20;
/** Bytes that a chip may have. */
const CHIP_SIZES = [1, 2, 4, 8, 16, 32].map((megabytes) => megabytes * MIB);
/** What Espruino's boards have, and its `Flash.getPage` knows. */
const USUAL_SIZE = 4 * MIB;

/** How large a chip is, and where its partition table lies, in bytes. */
export interface ChipShape {
  /** Default: 4 MB. */
  size?: number | undefined;
  /** Default: 0x8000. */
  tableAddress?: number | undefined;
}

/** @returns the table of this project's partitions.csv, binary; all of it behind a table that lies elsewhere. */
export function defaultTable(tableAddress = TABLE_ADDRESS): Uint8Array {
  const table = readTable(packageFile('partitions.csv'));
  if (tableAddress <= TABLE_ADDRESS) return table;
  throw new InputError(
    `--table-offset: partitions.csv begins at 0x9000, so a table behind it needs --table`,
  );
}

/**
 * Makes a chip: bootloader, table, apps, and a pattern in every partition.
 * @param table - binary
 * @throws InputError if it does not fit the chip or has no app
 */
export function makeChip(
  table: Uint8Array,
  { size = USUAL_SIZE, tableAddress = TABLE_ADDRESS }: ChipShape = {},
): Uint8Array {
  const rows = rowsOf(table);
  const end = Math.max(...rows.map(({ address, size }) => address + size));
  if (end > size)
    throw new InputError(`--table: it ends at ${end} bytes; the chip has ${size}; see --size`);
  const first = rows.find(({ address }) => address < tableAddress + SECTOR);
  if (first)
    throw new InputError(
      `--table: "${first.label}" begins at ${hex(first.address)}, in front of the end of the table itself, ` +
        `${hex(tableAddress + SECTOR)}; see --table-offset`,
    );
  if (!rows.some(({ type }) => type === 0)) throw new InputError('--table: there is no app in it');
  const { flash } = new Board({ table, size, tableAddress });
  return flash.peek(0, size);
}

/**
 * @param shape - `size`: default: any that a chip may have
 * @returns what is on the chip, by its file
 * @throws InputError if it cannot be that
 */
export function readChip(file: string, shape: ChipShape = {}): Buffer {
  const stats = statSync(file);
  if (stats.isDirectory()) throw new InputError(`${file}: is a directory`);
  const { size } = stats;
  if (shape.size !== undefined && size !== shape.size)
    throw new InputError(
      `${file}: ${size} bytes; the chip has ${shape.size}, all of which are in it; see --size`,
    );
  if (!CHIP_SIZES.includes(size))
    throw new InputError(
      `${file}: ${size} bytes; a chip has 1, 2, 4, 8, 16 or 32 MB, all of which are in it`,
    );
  const bytes = readFileSync(file);
  const rows = tableOf(bytes, shape);
  if (!rows.length)
    throw new InputError(
      `${file}: no partition table at ${hex(shape.tableAddress ?? TABLE_ADDRESS)}`,
    );
  if (!rows.some(({ type }) => type === 0)) throw new InputError(`${file}: no app in its table`);
  return bytes;
}

/** @param file - of the chip. @throws RangeError */
export function assertChip(bytes: Uint8Array, file: string): void {
  const { size } = statSync(file);
  if (bytes.length !== size) throw new RangeError(`${bytes.length} bytes; the chip has ${size}`);
}

/** Replaces what the chip holds. The file stays the same one, so an engine that has it open sees the change. */
export function writeChip(file: string, bytes: Uint8Array): void {
  assertChip(bytes, file);
  const handle = openSync(file, 'r+');
  writeSync(handle, bytes, 0, bytes.length, 0);
  closeSync(handle);
}

/** @returns the partition table that a chip holds, binary. */
export function tableBytesOf(
  chip: Uint8Array,
  { tableAddress = TABLE_ADDRESS }: ChipShape = {},
): Uint8Array {
  return chip.subarray(tableAddress, tableAddress + TABLE_SIZE);
}

/** @returns the partition table that a chip holds. */
export function tableOf(chip: Uint8Array, shape?: ChipShape): TableRow[] {
  return rowsOf(tableBytesOf(chip, shape));
}

/** @returns the app that the bootloader starts; if it has to try one after the other, the first. */
export function runningApp(chip: Buffer, shape?: ChipShape): TableRow {
  const rows = tableOf(chip, shape);
  return bootOf(rows, entriesOf(chip, rows)).app ?? bootOf(rows, []).app!;
}
