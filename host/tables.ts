import { createHash } from 'node:crypto';

/** A row of a partition table, as in ESP-IDF's "Partition Tables". */
export interface Row {
  /** Up to 16 characters. */
  label: string;
  /** 0 app, 1 data, 0x40 to 0xfe custom. */
  type: number;
  subtype: number;
  /** Bytes from the start of the chip. */
  address: number;
  /** Bytes. */
  size: number;
  /** Bit 0 encrypted, bit 1 readonly; default 0. */
  flags?: number;
}

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
    row('ota_journal', DATA, 6, 0x310000, 0x3000),
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

/** Bytes of a binary table (ESP_PARTITION_TABLE_MAX_LEN); the rest of its sector is for a signature. */
const TABLE_SIZE = 0xc00;
const ROW_SIZE = 32;

/**
 * Encodes a partition table as gen_esp32part.py does, with its MD5 row. It does not check anything.
 * @returns 3072 bytes
 */
export function encodeTable(rows: readonly Row[]): Uint8Array {
  const table = Buffer.alloc(TABLE_SIZE, 0xff);
  rows.forEach(({ label, type, subtype, address, size, flags = 0 }, i) => {
    const bytes = table.subarray(i * ROW_SIZE, (i + 1) * ROW_SIZE).fill(0);
    bytes.writeUInt16LE(0x50aa, 0);
    bytes.writeUInt8(type, 2);
    bytes.writeUInt8(subtype, 3);
    bytes.writeUInt32LE(address, 4);
    bytes.writeUInt32LE(size, 8);
    bytes.write(label, 12, 16, 'latin1');
    bytes.writeUInt32LE(flags, 28);
  });
  const end = rows.length * ROW_SIZE;
  table.writeUInt16LE(0xebeb, end);
  createHash('md5')
    .update(table.subarray(0, end))
    .digest()
    .copy(table, end + 16);
  return table;
}

/**
 * Decodes a binary partition table up to its MD5 or end row.
 * @param table - what lies at 0x8000
 */
export function decodeTable(table: Uint8Array): Row[] {
  const bytes = Buffer.from(table.buffer, table.byteOffset, table.length);
  const rows: Row[] = [];
  for (
    let at = 0;
    at + ROW_SIZE <= bytes.length && bytes.readUInt16LE(at) === 0x50aa;
    at += ROW_SIZE
  ) {
    rows.push({
      label: bytes.toString('latin1', at + 12, at + 28).replace(/\0.*$/s, ''),
      type: bytes[at + 2],
      subtype: bytes[at + 3],
      address: bytes.readUInt32LE(at + 4),
      size: bytes.readUInt32LE(at + 8),
      flags: bytes.readUInt32LE(at + 28),
    });
  }
  return rows;
}
