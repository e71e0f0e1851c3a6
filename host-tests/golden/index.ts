/**
 * What every reader has to find in the golden files, in this version and in each one to come. It is written by hand, from
 * what README.md promises and device/records.ts describes; make.ts made the files, and index.ts is not made by anything.
 *
 * Sectors of content hold one letter each: `AB.DEF` are six, the third one blank.
 */
import { type Row, SECTOR } from '../../host/index.ts';

export { CHIPS, type GoldenChip, type GoldenJournal } from './chips.ts';

/** @returns sectors of one letter each; `.` is a blank one. */
export const sectorsOf = (letters: string): Uint8Array =>
  Buffer.concat(
    Array.from(letters, (letter) =>
      Buffer.alloc(SECTOR, letter === '.' ? '\xff' : letter, 'latin1'),
    ),
  );

/** The table of all golden chips, of 1 MiB, in which `ota_0` runs. */
export const CHIP_TABLE: Row[] = [
  { label: 'nvs', type: 1, subtype: 2, address: 0x9000, size: 0x4000 },
  { label: 'otadata', type: 1, subtype: 0, address: 0xd000, size: 0x2000 },
  { label: 'phy_init', type: 1, subtype: 1, address: 0xf000, size: 0x1000 },
  { label: 'ota_0', type: 0, subtype: 0x10, address: 0x10000, size: 0x10000 },
  { label: 'ota_1', type: 0, subtype: 0x11, address: 0x20000, size: 0x10000 },
  { label: 'www', type: 1, subtype: 0x83, address: 0x30000, size: 0x6000 },
  { label: 'log', type: 1, subtype: 0x40, address: 0x38000, size: 0x1000 },
  { label: 'ota_journal', type: 1, subtype: 6, address: 0x40000, size: 0x2000 },
];

/** A manifest. */
export interface GoldenManifest {
  file: string;
  /** The image, for `imageOf`. */
  image: { sectors: string; size: number };
  fields: { partition: string; version: string; metadata: string };
  /** Of the image: as `fsverity digest` prints it, and as in zip. */
  digest: string;
  crc32: number;
  /** Bytes of the manifest. */
  length: number;
}

/** @returns the image of a manifest: sectors of one letter each, cut at its size. */
export const imageOf = ({ sectors, size }: GoldenManifest['image']) =>
  sectorsOf(sectors).subarray(0, size);

const NO_FIELDS = { partition: '', version: '', metadata: '' };

export const MANIFESTS: GoldenManifest[] = [
  {
    file: 'manifests/one-sector',
    image: { sectors: 'a', size: 100 },
    fields: NO_FIELDS,
    digest: '2aa7269baa451a6a9de06bd75d2657b4be63d3be65a9e09fb5beee8ed7f26dd4',
    crc32: 0xaf707a64,
    length: 116,
  },
  {
    file: 'manifests/plain',
    image: { sectors: 'AB.DEF', size: 6 * SECTOR },
    fields: NO_FIELDS,
    digest: '208ed3da968d6d79b4d594d817991ea4a53dc78ccfaf479cadcab249072437e9',
    crc32: 0xa0b066ad,
    length: 116 + 6 * 32,
  },
  {
    file: 'manifests/metadata',
    image: { sectors: 'a.c', size: 2 * SECTOR + 1500 },
    fields: { partition: 'www', version: '1.4.0 ü', metadata: '{"by":"hand"}' },
    digest: '99a9f39fcb3492e098fbcfa4ef67fdc41a2e1e5ff1fe33ec9ca8af5e0f15f490',
    crc32: 0xf5812b57,
    length: 116 + 13 + 3 * 32,
  },
  {
    file: 'manifests/two-levels',
    // 129 sectors: one more than the hashes in a block.
    image: { sectors: 'ABC'.repeat(43), size: 129 * SECTOR },
    fields: { ...NO_FIELDS, partition: 'www' },
    digest: '29ed143383836d8d1b35ff6478b76dd2e4605c13235411530d4449562745ddc5',
    crc32: 0x9a7f1dee,
    length: 116 + 2 * 32 + 129 * 32,
  },
];

/** A binary partition table. */
export interface GoldenTable {
  file: string;
  hasMd5: boolean;
  rows: Row[];
}

export const TABLES: GoldenTable[] = [
  { file: 'tables/md5', hasMd5: true, rows: CHIP_TABLE },
  { file: 'tables/no-md5', hasMd5: false, rows: CHIP_TABLE },
  {
    file: 'tables/flags',
    hasMd5: true,
    rows: [
      { label: 'factory', type: 0, subtype: 0, address: 0x10000, size: 0x100000 },
      { label: 'encrypted', type: 1, subtype: 2, address: 0x110000, size: 0x4000, flags: 1 },
      { label: 'readonly', type: 1, subtype: 0x82, address: 0x114000, size: 0x8000, flags: 2 },
      { label: 'sixteen_letters_', type: 0x40, subtype: 0xfe, address: 0x11c000, size: 0x1000 },
      { label: 'both', type: 1, subtype: 0x81, address: 0x200000, size: 0x200000, flags: 3 },
    ],
  },
];
