/**
 * The partition table as it lies in flash (ESP-IDF, "Partition Tables"), little-endian:
 *
 *     row    32 bytes   AA 50, type, subtype, address (4), size (4), label (16, padded with 0), flags (4)
 *     check  32 bytes   EB EB, 14 x FF, MD5 of the rows before it; may be missing
 *     end    32 bytes   FF
 *
 * and FF up to 0xc00; the last KiB of its sector is for a signature.
 */
import { createHash } from 'node:crypto';
import { hex, type Row, type Rules, TableError } from './partition-rules.ts';
import { representBytes } from './python.ts';

/** Where the module on a board looks for it. */
export const TABLE_ADDRESS = 0x8000;
/** Bytes that rows may take. */
export const TABLE_SIZE = 0xc00;
export const ROW_SIZE = 32;
const LABEL = { at: 12, size: 16 };
const CHECK_MAGIC = 0xebeb;
const ENCRYPTED = 1;
const READONLY = 2;

/** Whether bytes begin like a table, and not like a CSV. */
export const isBinary = (bytes: Uint8Array) => bytes[0] === 0xaa && bytes[1] === 0x50;

/** @throws TableError where gen_esp32part.py dies of struct.error */
function toField(row: Row, field: 'type' | 'subtype' | 'address' | 'size', bytes: number): number {
  const value = row[field];
  if (value >= 0n && value < 1n << BigInt(8 * bytes)) return Number(value);
  const name = field === 'address' ? 'offset' : field;
  throw new TableError(
    `Partition ${row.label} invalid: ${name} ${hex(value)} does not fit ${8 * bytes} bits`,
  );
}

function encodeRow(row: Row): Buffer {
  const bytes = Buffer.alloc(ROW_SIZE);
  bytes.set([0xaa, 0x50, toField(row, 'type', 1), toField(row, 'subtype', 1)]);
  bytes.writeUInt32LE(toField(row, 'address', 4), 4);
  bytes.writeUInt32LE(toField(row, 'size', 4), 8);
  // A label that is too long is cut, be it inside a character.
  bytes.set(Buffer.from(row.label).subarray(0, LABEL.size), LABEL.at);
  bytes.writeUInt32LE((row.encrypted ? ENCRYPTED : 0) | (row.readonly ? READONLY : 0), 28);
  return bytes;
}

/**
 * Encodes a table.
 * @returns 0xc00 bytes
 * @throws TableError if there are too many rows, or a number is too large for its field
 */
export function encodeTable(rows: Row[], withMd5: boolean): Buffer {
  const chunks = rows.map(encodeRow);
  if (withMd5) {
    const md5 = createHash('md5').update(Buffer.concat(chunks)).digest();
    const magic = Buffer.alloc(16, 0xff);
    magic.writeUInt16LE(CHECK_MAGIC);
    chunks.push(Buffer.concat([magic, md5]));
  }
  const content = Buffer.concat(chunks);
  if (content.length >= TABLE_SIZE) {
    throw new TableError(`Binary partition table length (${content.length}) longer than max`);
  }
  return Buffer.concat([content, Buffer.alloc(TABLE_SIZE - content.length, 0xff)]);
}

function decodeLabel(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  const label = end < 0 ? bytes : bytes.subarray(0, end);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(label);
  } catch {
    throw new TableError(`Partition label ${representBytes(label)} is not UTF-8`);
  }
}

function decodeRow(bytes: Buffer, { warn }: Rules): Row {
  if (!isBinary(bytes)) {
    const magic = representBytes(bytes.subarray(0, 2));
    throw new TableError(`Invalid magic bytes (${magic}) for partition definition`);
  }
  const label = decodeLabel(bytes.subarray(LABEL.at, LABEL.at + LABEL.size));
  const flags = bytes.readUInt32LE(28);
  const unknown = (flags & ~(ENCRYPTED | READONLY)) >>> 0;
  if (unknown !== 0) {
    const digits = unknown.toString(16).padStart(8, '0');
    warn(`WARNING: Partition definition had unknown flag(s) 0x${digits}. Newer binary format?`);
  }
  return {
    label,
    type: BigInt(bytes.readUInt8(2)),
    subtype: BigInt(bytes.readUInt8(3)),
    address: BigInt(bytes.readUInt32LE(4)),
    size: BigInt(bytes.readUInt32LE(8)),
    encrypted: (flags & ENCRYPTED) !== 0,
    readonly: (flags & READONLY) !== 0,
  };
}

/** @throws TableError if the check is not that of the rows before it */
function verifyCheck(check: Buffer, rows: Buffer[]): void {
  const computed = createHash('md5').update(Buffer.concat(rows)).digest();
  const parsed = check.subarray(16);
  if (parsed.equals(computed)) return;
  throw new TableError(
    `MD5 checksums don't match! (computed: 0x${computed.toString('hex')}, ` +
      `parsed: 0xb'${parsed.toString('hex')}')`,
  );
}

/**
 * Decodes a table up to its end row; what follows is ignored.
 * @param withMd5 - whether a check row is expected; if not, it is taken for a row, and refused
 * @throws TableError if it is damaged or has no end
 */
export function decodeTable(binary: Uint8Array, withMd5: boolean, rules: Rules): Row[] {
  const table = Buffer.from(binary);
  const chunks: Buffer[] = [];
  const rows: Row[] = [];
  for (let at = 0; at < table.length; at += ROW_SIZE) {
    const bytes = table.subarray(at, at + ROW_SIZE);
    if (bytes.length !== ROW_SIZE) {
      throw new TableError('Partition table length must be a multiple of 32 bytes');
    }
    if (bytes.every((byte) => byte === 0xff)) return rows;
    if (withMd5 && bytes.readUInt16LE() === CHECK_MAGIC) {
      verifyCheck(bytes, chunks);
    } else {
      chunks.push(bytes);
      rows.push(decodeRow(bytes, rules));
    }
  }
  throw new TableError('Partition table is missing an end-of-table marker');
}
