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

/** The SHA-256 of each golden file, as `sha256sum` prints it. A digest that is here never changes: the file was released. */
export const DIGESTS: Record<string, string> = {
  'chips/begun-again': '1591d6f486b4c19c9996bd0923b932f90fe6e30b565da00ae9f18c280c387f70',
  'chips/begun': 'bd1f2220fe5c2ccccfc34130c9e37a031ec257cac500950dfd84a6be1dfa6236',
  'chips/committed': '7f8b90e311708496a6c38a54ec5d021851b29b764f77ede170ba63b1dfb3f8c5',
  'chips/confirmed': '94a9f82207e768661417357b446a6746329b74a084a03a494611aa49474a8ca7',
  'chips/damaged': 'b68d64100057e6f30a0e373ca7cc6fba86f6513a5aa1b0159bbff318ab861189',
  'chips/direct-after-damaged': '833cc5ec2e7c1e02931ec4199072832abab547afee5411107143f8095a44e666',
  'chips/direct': '5aa2bc3decf9c143f1910be82ca8de2c7c86dd5515d1c3e838f827f9aab2604b',
  'chips/forgotten': '55f8989442f990e5646bab226f298405af6c0d7570fabfe5fcfa91680a8da3ed',
  'chips/live': '53f3e4fe2cb6dec5d85d7bf09a52593ef365c8aaead4ff93afd664ef790f3ae4',
  'chips/lost-begin': 'b22429374f5e12ce48fbd7b253b378e4704ef87aedbfbc7484c9d7ff48b40f50',
  'chips/lost-record': '8adedb05eb736130c5a27c926f491a90135c83e78c86283c4b7c8b8f6d838977',
  'chips/none': 'f7e5a7399aa38c908875aed6668bb91a1a5ba6b09339b07b28c1597ed12d797f',
  'chips/open': 'c32c1a4ca98a0fc9061b87482f8a01cb844731372f42d7e77214d6299ef9a5d1',
  'chips/reopened': '37bd4395c394252cac8ea000173e85ef427d925220555ed60b6c200259a3f1b9',
  'chips/restored': '83a89427a14710a3e7eaf8b5f9d9ec3bb95ddf9a77654b69ac13e205c5f2a6ae',
  'chips/restoring': '2dbf58822d784edccae1a4c1ffe3605426a898a9f75cf9eb9ccfe17c3766187a',
  'chips/resumed': '7172b7ab0805d114ebfb3560e37ee73981077a2cd842f93c42db979c5cc58af7',
  'chips/torn-record': 'da4676e138f31c28ec4fd0204c6bb93f691685a65999e3f43d2563f5e0013034',
  'chips/torn-sector': '89df6a6b45e4a855bbcda2d81460cb751048bc11450a436ae27ac3c51cef5764',
  'chips/trial': 'fa18a78883f546f9626895db88bb5c5bcc09adf5b170e77f1f09dc1a2c62eb08',
  'chips/updated-again': '294acaebb129b650844084897e557df1bf417b76a6d7b3bf1f5e7dbc2b94b176',
  'chips/wrong-bits': '9369772fb226f7a5c82572a810a8c19bda9d91cba0ea6683dc32d04b40f77282',
  'manifests/metadata': '6db64cf6651c35684207defd4688f6ea04a61e90ce16566f9dcebd52e1988bbd',
  'manifests/one-sector': '5d2cfad55abde8aa5807bd49f12686253be19e727c7d73e5bff3362fd533a980',
  'manifests/plain': 'dc31750ee0727e0a660629af2de6d3f6d2939137750a4155a52485e94a2d9d1e',
  'manifests/two-levels': 'f41bbb8eeab71cee816d5645f4d7105f4dec852db23f523188818230c96b6de1',
  'tables/flags': '24824d1d535a18352535bde85031b94342ea4e9beb07f478bc5c478bb21beec3',
  'tables/md5': '6d43f4f88265686bfcb133187c1915f6c71af1ebf032a498882bd3f4e812f681',
  'tables/no-md5': '78bcf3a609a96bc649f3a9ecf349ae72277f22d5a97b6bd6ccbe80991498d088',
};
