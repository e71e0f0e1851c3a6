/**
 * What every reader has to find in the golden files, in this version and in each one to come. It is written by hand, from
 * what README.md promises and device/records.ts describes; make.ts made the files, and index.ts is not made by anything.
 *
 * Sectors of content hold one letter each: `AB.DEF` are six, the third one blank.
 */
import type { Report } from '../../device/api.ts';
import { type Row, SECTOR } from '../../host/index.ts';

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

/** A journal, as its BEGIN has it; addresses and sizes in bytes. */
export interface GoldenJournal {
  /** The area of the journal. */
  address: number;
  size: number;
  id: number;
  /** Labels. */
  target: string;
  /** Missing in a direct update. */
  backup?: string;
  /**
   * The slots up to the end of the log, each in words: `zero`, `torn`, or the record and its argument. After SAVED the sector of
   * the target, and the one that holds its old content, or `blank` or `not kept`; sectors in hex.
   */
  slots: string[];
}

/** A chip. */
export interface GoldenChip {
  /** For `readGolden`. */
  file: string;
  /** What happened to it. */
  about: string;
  /** What `status` reports, and after it `recover`. */
  status: Report;
  recover: Report;
  /** What `www` holds, as it is and after `recover`: sectors, `?` if only a part of it is a letter. */
  holds: string;
  recovered: string;
  /** The journal that counts, if there is one. */
  journal?: GoldenJournal;
}

const OLD = 'AB.DEF';
const NEW = 'a.cDef';

const JOURNAL = { address: 0x41000, size: 0x1000, id: 1, target: 'www', backup: 'ota_1' };
const THREE = ['SAVED 30 20', 'SAVED 31 21', 'SAVED 32 blank'];
const ALL = [...THREE, 'SAVED 34 22', 'SAVED 35 23'];
const RESTORED: Report = { state: 'restored', partition: 'www', sealed: true };
const COMMITTED: Report = { state: 'committed', partition: 'www', sealed: true };

export const CHIPS: GoldenChip[] = [
  {
    file: 'chips/none',
    about: 'There was no update.',
    status: { state: 'none', saved: 0 },
    recover: { state: 'none' },
    holds: OLD,
    recovered: OLD,
  },
  {
    file: 'chips/begun',
    about: 'Power failed between BEGIN and its SOLID. Nothing was written yet.',
    status: { state: 'none', saved: 0 },
    recover: { state: 'none' },
    holds: OLD,
    recovered: OLD,
  },
  {
    file: 'chips/open',
    about: 'Power failed between two operations, when three sectors were written.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'a.cDEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/torn-record',
    about: 'Power failed in the second SAVED: half of it was programmed.',
    status: { state: 'interrupted', partition: 'www', saved: 1 },
    recover: RESTORED,
    holds: 'aB.DEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', 'SAVED 30 20', 'torn'] },
  },
  {
    file: 'chips/torn-sector',
    about: 'Power failed in a page of the third sector.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'a.?DEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/resumed',
    about: 'As open; then the update went on, and power failed once more after the fifth sector.',
    status: { state: 'interrupted', partition: 'www', saved: 4 },
    recover: RESTORED,
    holds: 'a.cDeF',
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: ['BEGIN 1', 'SOLID', ...THREE, 'zero', 'zero', 'SAVED 32 blank', 'SAVED 34 22'],
    },
  },
  {
    file: 'chips/direct',
    about: 'A direct update: power failed when three sectors were written.',
    status: { state: 'incomplete', partition: 'www', saved: 3 },
    recover: { state: 'incomplete', partition: 'www', sealed: true },
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: {
      ...{ address: 0x41000, size: 0x1000, id: 1, target: 'www' },
      slots: [
        ...['BEGIN 1', 'SOLID'],
        ...['SAVED 30 not kept', 'SAVED 31 not kept', 'SAVED 32 not kept'],
      ],
    },
  },
  {
    file: 'chips/damaged',
    about: 'As open; then the first sector of the backup was overwritten.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: { state: 'damaged', partition: 'www', sealed: true },
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/restoring',
    about:
      'As open; then power failed in recover, when the first sector was back and the second one erased.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'A.cDEF',
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'RESTORE', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/restored',
    about: 'As open; then recover put the old content back.',
    status: { state: 'restored', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: OLD,
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'RESTORE', 'SOLID'],
        ...['ENDING', 'RESTORED', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/trial',
    about: 'An update on trial for three boots; two of them have happened.',
    status: { state: 'trial', partition: 'www', saved: 5, boots: 2, trial: 3 },
    recover: { state: 'trial', partition: 'www', sealed: true, boots: 3, trial: 3 },
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT 3'],
        ...['zero', 'zero', 'COMMIT 3', 'BOOT 1'],
        ...['zero', 'zero', 'BOOT 1', 'BOOT 2'],
      ],
    },
  },
  {
    file: 'chips/confirmed',
    about: 'An update on trial for three boots; it was confirmed at the first one.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT 3'],
        ...['zero', 'zero', 'COMMIT 3', 'BOOT 1'],
        // `confirm` reads the journal anew, and takes nothing in it for its own.
        ...['zero', 'zero', 'BOOT 1', 'CONFIRM', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/committed',
    about: 'An update that ended.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: ['BEGIN 1', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
    },
  },
  {
    file: 'chips/reopened',
    about: 'As committed; then power failed in restore, after REOPEN: the restore was not decided.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
        ...['zero', 'zero', 'REOPEN'],
      ],
    },
  },
  {
    file: 'chips/begun-elsewhere',
    about:
      'As committed; then another update began, its journal in `log`, and power failed between BEGIN and its SOLID.',
    status: { state: 'committed', partition: 'www', saved: 0 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
        ...['zero', 'zero', 'FORGET'],
      ],
    },
  },
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
