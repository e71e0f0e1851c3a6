/** Partition tables of real boards, and partition tables in flash. */
import { ROW_SIZE, TABLE_SIZE } from '../device/partitions.ts';
import { fromLatin1 } from '../formats/bytes.ts';
import { encodeTable as encode, rowsOf } from '../formats/table/binary.ts';
import { TableError, type TableFacts } from '../formats/table/errors.ts';
import type { Row, TableRow } from '../formats/table/row.ts';

const APP = 0;
const DATA = 1;

/** Makes a row of a table. */
export const row = (
  label: string,
  type: number,
  subtype: number,
  address: number,
  size: number,
): Row => ({
  label,
  type,
  subtype,
  address,
  size,
});

/** Partition tables to build boards with. */
export const TABLES = {
  /** This project's partitions.csv: two app slots, a `storage` of 1 MiB, an `ota_journal`. */
  example: [
    row('nvs', DATA, 2, 0x9000, 0x4000),
    row('otadata', DATA, 0, 0xd000, 0x2000),
    row('phy_init', DATA, 1, 0xf000, 0x1000),
    row('ota_0', APP, 0x10, 0x10000, 0x100000),
    row('ota_1', APP, 0x11, 0x110000, 0x100000),
    row('storage', DATA, 0x82, 0x210000, 0x100000),
    row('ota_journal', DATA, 6, 0x310000, 0x4000),
  ],
  /** Espruino's for the ESP32 (targets/esp32/Changes_V3.1/partitions_espruino.csv): one OTA slot. */
  espruinoEsp32: [
    row('nvs', DATA, 2, 0x9000, 0x3000),
    row('otadata', DATA, 0, 0xc000, 0x2000),
    row('free', DATA, 0x40, 0xe000, 0x2000),
    row('factory', APP, 0, 0x10000, 0x180000),
    row('ota_0', APP, 0x10, 0x190000, 0x180000),
    row('flash', DATA, 0x40, 0x310000, 0x10000),
    row('storage', DATA, 0x41, 0x320000, 0xe0000),
  ],
  /** Espruino's for the ESP32-C3 and -S3 (targets/esp32/IDF4/partitions.csv): neither otadata nor OTA slot. */
  espruinoIdf4: [
    row('nvs', DATA, 2, 0x9000, 0x6000),
    row('phy_init', DATA, 1, 0xf000, 0x1000),
    row('factory', APP, 0, 0x10000, 0x1f4000),
    row('flash', DATA, 0x40, 0x310000, 0x10000),
    row('storage', DATA, 6, 0x320000, 0xe0000),
  ],
} satisfies Record<string, Row[]>;

/** @throws TypeError if it is no text, RangeError if a character of it is no byte */
function assertLabel({ label }: Row, index: number): void {
  if (typeof label !== 'string')
    throw new TypeError(`row ${index} of the partition table: its label is no string`);
  const odd = /[^\0-\xff]/u.exec(label)?.[0];
  if (odd !== undefined)
    throw new RangeError(`label "${label}": "${odd}" is no character of one byte, up to 0xff`);
}

/** @returns the error for people who write tests. */
function rangeError(error: TableError, rows: number, withMd5: boolean): RangeError {
  if (error.code !== 'E_RANGE') {
    const most = TABLE_SIZE / ROW_SIZE - (withMd5 ? 2 : 1);
    const others = withMd5 ? 'the MD5 row and the end' : 'the end';
    return new RangeError(`partition table: ${rows} rows; at most ${most} fit before ${others}`);
  }
  const { label, field, value, bits } = error.facts as TableFacts['E_RANGE'];
  return new RangeError(`partition "${label}": ${field} ${value}; 0 to ${2 ** bits - 1}`);
}

/**
 * Encodes a partition table as gen_esp32part.py does. No rule is checked.
 * @param rows - with labels as the board has them, a character for each byte; more than 16 are cut off
 * @param withMd5 - whether there is an MD5 row; with it 94 rows fit, without it 95. The board needs a row that ends them
 * @returns 3072 bytes
 * @throws RangeError if there are too many rows, or a number or a label does not fit; TypeError if a label is no string
 */
export function encodeTable(rows: readonly Row[], withMd5 = true): Uint8Array {
  rows.forEach(assertLabel);
  try {
    return encode(rows, withMd5, fromLatin1);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    throw rangeError(error as TableError, rows.length, withMd5);
  }
}

/**
 * Decodes a partition table up to the first bytes that are no row. Nothing is checked.
 * @param table - what lies at 0x8000
 * @returns rows with labels as the board has them, a character for each byte
 */
export const decodeTable = (table: Uint8Array): TableRow[] => rowsOf(table);
