/**
 * The partition table as it lies in flash (ESP-IDF, "Partition Tables"), little-endian:
 *
 *     row    32 bytes   AA 50, type, subtype, address (4), size (4), label (16, padded with 0), flags (4)
 *     check  32 bytes   EB EB, 14 x FF, MD5 of the rows before it; may be missing
 *     end    32 bytes   FF
 *
 * and FF up to 0xc00; the last KiB of its sector is for a signature.
 */
import { md5 } from '#hashes';
import {
  ENCRYPTED,
  MD5_MAGIC,
  READONLY,
  ROW_MAGIC,
  ROW_SIZE,
  TABLE_SIZE,
} from '../../device/partitions.ts';
import {
  concat,
  decodeText,
  equals,
  filled,
  isFilled,
  readU16,
  readU32,
  toHex,
  toLatin1,
  toUtf8,
  writeU16,
  writeU32,
} from '../bytes.ts';
import { TableError } from './errors.ts';
import { flagBitsOf, type Row, type TableRow } from './row.ts';

const LABEL_AT = 12;
const LABEL_SIZE = 16;
const FLAGS_AT = 28;
const CHECK_AT = 16;

/** Whether bytes begin like a table, and not like a CSV. */
export const isBinary = (bytes: Uint8Array) => bytes[0] === 0xaa && bytes[1] === 0x50;

/** @throws TableError E_RANGE if a number does not fit its field */
function fieldOf(row: Row, field: 'type' | 'subtype' | 'address' | 'size', bits: number): number {
  const value = row[field];
  if (value >= 0 && value < 2 ** bits) return value;
  throw new TableError('E_RANGE', { label: row.label, field, value, bits });
}

function encodeRow(row: Row, bytesOf: (label: string) => Uint8Array): Uint8Array {
  const bytes = filled(ROW_SIZE, 0);
  writeU16(bytes, ROW_MAGIC, 0);
  bytes.set([fieldOf(row, 'type', 8), fieldOf(row, 'subtype', 8)], 2);
  writeU32(bytes, fieldOf(row, 'address', 32), 4);
  writeU32(bytes, fieldOf(row, 'size', 32), 8);
  // A label that is too long is cut, be it inside a character.
  bytes.set(bytesOf(row.label).subarray(0, LABEL_SIZE), LABEL_AT);
  writeU32(bytes, flagBitsOf(row), FLAGS_AT);
  return bytes;
}

/**
 * Encodes a table as gen_esp32part.py does. No rule is checked.
 * @param withMd5 - whether there is a check row; with it 94 rows fit, without it 95
 * @param bytesOf - what a label is in flash. Default: UTF-8, as that program writes it; `fromLatin1` for labels as the
 * module and `rowsOf` have them, a character for each byte
 * @returns 0xc00 bytes
 * @throws TableError E_LENGTH, E_RANGE
 */
export function encodeTable(rows: readonly Row[], withMd5 = true, bytesOf = toUtf8): Uint8Array {
  const chunks = rows.map((row) => encodeRow(row, bytesOf));
  if (withMd5) {
    const check = filled(CHECK_AT, 0xff);
    writeU16(check, MD5_MAGIC, 0);
    chunks.push(check, md5(concat(chunks)));
  }
  const content = concat(chunks);
  if (content.length >= TABLE_SIZE) throw new TableError('E_LENGTH', { length: content.length });
  return concat([content], TABLE_SIZE, 0xff);
}

/** @returns a row; its label has a character for each byte. */
function decodeRow(bytes: Uint8Array): TableRow {
  const flags = readU32(bytes, FLAGS_AT);
  return {
    label: toLatin1(labelOf(bytes)),
    type: bytes[2],
    subtype: bytes[3],
    address: readU32(bytes, 4),
    size: readU32(bytes, 8),
    encrypted: (flags & ENCRYPTED) > 0,
    readonly: (flags & READONLY) > 0,
    flags,
  };
}

/** @returns the bytes of the label of a row. */
function labelOf(row: Uint8Array): Uint8Array {
  const field = row.subarray(LABEL_AT, LABEL_AT + LABEL_SIZE);
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

/** @throws TableError E_LABEL if it is not UTF-8 */
function decodeLabel(label: Uint8Array): string {
  try {
    return decodeText(label);
  } catch {
    throw new TableError('E_LABEL', { label });
  }
}

/**
 * Reads the rows that a chip has: up to the first bytes that are none, whatever they are. Nothing is checked.
 * @param table - what lies at TABLE_ADDRESS
 * @returns rows with labels as the device module has them, a character for each byte
 */
export function rowsOf(table: Uint8Array): TableRow[] {
  const rows: TableRow[] = [];
  for (let at = 0; at + ROW_SIZE <= table.length; at += ROW_SIZE) {
    const bytes = table.subarray(at, at + ROW_SIZE);
    if (!isBinary(bytes)) break;
    rows.push(decodeRow(bytes));
  }
  return rows;
}

/** @returns whether a table that `decodeTable` has taken has a check row. */
export const hasCheck = (table: Uint8Array, rows: number) =>
  readU16(table, rows * ROW_SIZE) === MD5_MAGIC;

/** @throws TableError E_MD5 if the check is not that of the rows before it */
function verifyCheck(check: Uint8Array, rows: Uint8Array[]): void {
  const computed = md5(concat(rows));
  const stored = check.subarray(CHECK_AT);
  if (equals(stored, computed)) return;
  throw new TableError('E_MD5', { computed: toHex(computed), stored: toHex(stored) });
}

/**
 * Decodes a table up to its end row; what follows is ignored.
 * @param withMd5 - whether a check row is expected; if not, it is taken for a row, and refused
 * @throws TableError if it is damaged or has no end
 */
export function decodeTable(table: Uint8Array, withMd5 = true): TableRow[] {
  const chunks: Uint8Array[] = [];
  const rows: TableRow[] = [];
  for (let at = 0; at < table.length; at += ROW_SIZE) {
    const bytes = table.subarray(at, at + ROW_SIZE);
    if (bytes.length !== ROW_SIZE) throw new TableError('E_CUT', {});
    if (isFilled(bytes, 0xff)) return rows;
    if (withMd5 && readU16(bytes, 0) === MD5_MAGIC) {
      verifyCheck(bytes, chunks);
      continue;
    }
    if (!isBinary(bytes)) throw new TableError('E_MAGIC', { magic: bytes.subarray(0, 2) });
    chunks.push(bytes);
    rows.push({ ...decodeRow(bytes), label: decodeLabel(labelOf(bytes)) });
  }
  throw new TableError('E_NO_END', {});
}
