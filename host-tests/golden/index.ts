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
  'chips/begun-elsewhere': '9eca8d23283658a060ad8be1d739f5d33fc60b255ce6445a368be58ab4883b25',
  'chips/begun': '20c4f37e527adeddc3758d25f972bed634f1d76f667f8b4e2add1af9db9dba60',
  'chips/committed': '3ee0adfdb7bf1107de3191067f4cac23e7280219128dc816b8cca84fe7852cb3',
  'chips/confirmed': '61537749538321cb28beaf130ef3fb8771d518ada2ae750317788a9983c993eb',
  'chips/damaged': 'a42128c17db6b346b120e9e9cad4d34cd4dec9bf81c53b7b449f6102030cf149',
  'chips/direct': 'c4ce6c7babeb0070b6b4a5fb3c73c346d87cd04f15a9c3e41d608ac4672b357f',
  'chips/none': 'f7e5a7399aa38c908875aed6668bb91a1a5ba6b09339b07b28c1597ed12d797f',
  'chips/open': 'ce8833b463034dcf62919c8a15e4c5b30b115e69ef4283b5d73d3ce7bbae2da1',
  'chips/reopened': 'dad534b831c9df583a663e70f7efa0f09ce91eeca89041088a7ef8a73cdeddae',
  'chips/restored': '701211aeb88423574b43077569515a0973dbb5f9ba67585de254e2cad926805f',
  'chips/restoring': '864bae3992a5c31b884c605b41cf1bb1c3119a31d4cb3bfa8a77c42d3b285cca',
  'chips/resumed': '6c374cac09679f84c52d0a3e4555c7b7833bc8f0b6f11171d47c0e29cf348ada',
  'chips/torn-record': '787a2391273c9921a1c5d66633bcb068341f75dd161c247b74c535570389fb95',
  'chips/torn-sector': '44dd432901db6ed3399deb5e610ed88598d2da0f1d5c492c6850e11e210db6d1',
  'chips/trial': 'abc7f0b837251950eada68f7773c13cb7bf3fbd30ff65a938853ed7ebbaaab4b',
  'manifests/metadata': '6db64cf6651c35684207defd4688f6ea04a61e90ce16566f9dcebd52e1988bbd',
  'manifests/one-sector': '5d2cfad55abde8aa5807bd49f12686253be19e727c7d73e5bff3362fd533a980',
  'manifests/plain': 'dc31750ee0727e0a660629af2de6d3f6d2939137750a4155a52485e94a2d9d1e',
  'manifests/two-levels': 'f41bbb8eeab71cee816d5645f4d7105f4dec852db23f523188818230c96b6de1',
  'tables/flags': '24824d1d535a18352535bde85031b94342ea4e9beb07f478bc5c478bb21beec3',
  'tables/md5': '6d43f4f88265686bfcb133187c1915f6c71af1ebf032a498882bd3f4e812f681',
  'tables/no-md5': '78bcf3a609a96bc649f3a9ecf349ae72277f22d5a97b6bd6ccbe80991498d088',
};
