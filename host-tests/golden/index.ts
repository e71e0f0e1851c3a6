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
  'chips/begun': '95f38d89c6e444a6bfae7a5157f5a4afa7319b550853c0ba46621aca44e41afe',
  'chips/begun-again': 'f330633da81e49261692431245e3586752f3fa9ee498d371cfc4ae3907580f00',
  'chips/committed': '06af768816df9ae60a9101f44f4d91580a0ea829df7dc6d9ca8558f184957291',
  'chips/confirmed': '854a81cc0c8af58ae3685e1b8698d027cf3883f9c2410e77e90ff3cd79b7032e',
  'chips/damaged': 'af5f17c728a2525af8cae71dcffc70e4dd0d5098d26ea7a9b6b56a6f47a4e411',
  'chips/direct': '404c469d405c201e0bcb78418034018814c99c79f98807c7f295d08ff965fa30',
  'chips/direct-after-damaged': 'b53babb8e6c25ce514b83f6d75583aed4aecefab8a8a2ffe696b5ad3a94fd8d1',
  'chips/forgotten': '6858f4e67eca6b967ebc7c0c1e1b474477203f827b3846137e81a16409643cc0',
  'chips/live': '0028644007abc7e8e74a9c0678a3d4abb16892f5480b3b49e33e5fe3adf77bc4',
  'chips/lost-begin': '08a567b47e2bc082b4b796a547fe58fee223989a019a9ee2449aba5a962bf189',
  'chips/lost-record': '6e4a1f1e489686b9473a4b34c6c8b209292f282e10b8c101a6af3e96a9def80b',
  'chips/none': 'f7e5a7399aa38c908875aed6668bb91a1a5ba6b09339b07b28c1597ed12d797f',
  'chips/open': '84d4ea8e1c7d5dbb6cbbbe28221210edd5b312eca83e7d2aabe171c68bd3534d',
  'chips/reopened': '317cf53ccc7da9ebe3b17b06f50fc55a7313c5494af5e9fe610994e090b17fca',
  'chips/restored': '68af7cfeec80cd371680cc168ccb306ffb366e51b8ed5a321352aad0a3db3439',
  'chips/restoring': '4ca0266a7afcfafa80a63d9e12901e1bca1c1dabf1ef40f8e5f17636d06ac362',
  'chips/resumed': 'b6b93c80d79709befc342504981473ff4fd92e3296397bbc3da5910530d092d5',
  'chips/torn-record': 'dd08070baa370bbafb72ce377b3c07b39331ec21ebdda610059aa858cb1b1584',
  'chips/torn-sector': 'c99c20cfd1773a9ea909d526e2c11fd40a4fa846eff5b26b52178ebd4aeb3ac1',
  'chips/trial': 'fb7ca4633e6e811263961ee7d18114b3855a75f2b8f6089fe37f226ae1b0b9ec',
  'chips/updated-again': '6d3e3f51559406294f7edea640316c166938689e48d69733b311afa63a3c9218',
  'chips/wrong-bits': 'ef7430b3cb2111d0201caa285e4bcd95ccc97a1ae36d4492e75eeafd4e3a3ed5',
  'manifests/metadata': '6db64cf6651c35684207defd4688f6ea04a61e90ce16566f9dcebd52e1988bbd',
  'manifests/one-sector': '5d2cfad55abde8aa5807bd49f12686253be19e727c7d73e5bff3362fd533a980',
  'manifests/plain': 'dc31750ee0727e0a660629af2de6d3f6d2939137750a4155a52485e94a2d9d1e',
  'manifests/two-levels': 'f41bbb8eeab71cee816d5645f4d7105f4dec852db23f523188818230c96b6de1',
  'tables/flags': '24824d1d535a18352535bde85031b94342ea4e9beb07f478bc5c478bb21beec3',
  'tables/md5': '6d43f4f88265686bfcb133187c1915f6c71af1ebf032a498882bd3f4e812f681',
  'tables/no-md5': '78bcf3a609a96bc649f3a9ecf349ae72277f22d5a97b6bd6ccbe80991498d088',
};
