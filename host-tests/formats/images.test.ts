/** What an image is, by its own superblock: images made from the specifications, by the tools of others, and by chance. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, gzipSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { concernsOf, concernsOfChange, type Target } from '../../formats/images/concerns.ts';
import { identify } from '../../formats/images/identify.ts';
import type { Image } from '../../formats/images/kinds.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { encodeTable, pattern, TABLES } from '../../host/index.ts';
import { concernText, imageText } from '../../cli/words/images.ts';
import * as make from '../support/images.ts';
import { imageOf, read } from '../support/package.ts';
import { needs, scratchFolder } from '../support/tools.ts';

const littleFs = (version: string, blockSize: number, blocks: number, isDamaged = false) => ({
  ...{ kind: 'littlefs', version, blockSize, blocks, made: blockSize * blocks, isDamaged },
});
const spiffs = (blocks: number, blockSize = 4096, pageSize = 256) => ({
  ...{ kind: 'spiffs', pageSize, blockSize, blocks, made: blocks * blockSize },
});
const fat = (bits: number, sectorSize: number, sectors: number) => ({
  ...{ kind: 'fat', bits, sectorSize, sectors, made: sectorSize * sectors },
});
const wearLevelled = (sectors: number, volume: number) => ({
  kind: 'wl-fat',
  volume: { bits: 12, sectorSize: 4096, sectors: volume },
  made: sectors * 4096,
});
const app = (chip: string, isApp = true, length = 2672) => ({ kind: 'app', chip, isApp, length });
const compressed = (format: string) => ({ kind: 'compressed', format });

type Case = [what: string, image: Uint8Array, is: object | undefined];

const { superblock, littleFsBlock, imageOfBlocks, tail } = make;
const V2 = superblock(0x20000, 512, 16);
const V21 = superblock(0x20001, 512, 16);
const [, grown] = superblock(0x20001, 512, 32);
const FILE: [number, number, Uint8Array] = [0x201, 1, Buffer.from('x'.repeat(40))];

const LITTLEFS: Case[] = [
  ['2.1', make.littleFs(4096, 128), littleFs('2.1', 4096, 128)],
  ['2.0', make.littleFs(4096, 128, 0x20000), littleFs('2.0', 4096, 128)],
  ['small blocks', make.littleFs(128, 64), littleFs('2.1', 128, 64)],
  ['trimmed', make.littleFs(4096, 128).subarray(0, 8192), littleFs('2.1', 4096, 128)],
  [
    'block 1 is the newer one',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 7, [V2]), 1: littleFsBlock(512, 8, [V21]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'revisions have wrapped around',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 0, [V21]), 1: littleFsBlock(512, -1, [V2]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'only block 0',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 1, [V21]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'only block 1',
    imageOfBlocks(512, 16, { 1: littleFsBlock(512, 1, [V21]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'block 1 is newer, and torn',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 1, [V2]), 1: littleFsBlock(512, 2, [V21], 0) }),
    littleFs('2.0', 512, 16),
  ],
  [
    'a later commit raises the version',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 1, [V2, [FILE], V21.slice(1)]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'a later commit that is torn',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 1, [V2, V21.slice(1)], 1) }),
    littleFs('2.0', 512, 16),
  ],
  [
    'a file stands between name and struct',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 1, [[V21[0], FILE, V21[1]]]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'a superblock that has moved on, and grown there',
    imageOfBlocks(512, 32, {
      0: littleFsBlock(512, 5, [[...V21, tail(0x601, 4, 9)]]),
      1: littleFsBlock(512, 4, [V21]),
      4: littleFsBlock(512, 1, [[...V21, tail(0x600, 6, 7)]]),
      6: littleFsBlock(512, 1, [V21, [grown]]),
    }),
    littleFs('2.1', 512, 32),
  ],
  [
    'a chain in a circle',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 5, [[...V21, tail(0x600, 0, 1)]]) }),
    littleFs('2.1', 512, 16),
  ],
  [
    'no commit is right',
    imageOfBlocks(512, 16, {
      0: littleFsBlock(512, 1, [V21], 0),
      1: littleFsBlock(512, 2, [V2], 0),
    }),
    littleFs('2.1', 512, 16, true),
  ],
  ['a version of the future', make.littleFs(4096, 128, 0x30000), undefined],
  [
    'blocks of 0 bytes',
    imageOfBlocks(512, 4, { 0: littleFsBlock(512, 1, [superblock(0x20001, 0, 16)]) }),
    undefined,
  ],
  [
    'more than 4 GiB',
    imageOfBlocks(512, 4, { 0: littleFsBlock(512, 1, [superblock(0x20001, 4096, 0xffffffff)]) }),
    undefined,
  ],
  [
    'one in the midst of something else',
    Buffer.concat([Buffer.alloc(8192), make.littleFs(4096, 8)]),
    undefined,
  ],
  ['the word alone', Buffer.from('        littlefs is a filesystem'.repeat(20)), undefined],
];

const SPIFFS: Case[] = [
  ['of ESP-IDF', make.spiffs(64), spiffs(64)],
  ['blocks of 8192', make.spiffs(16, 8192), spiffs(16, 8192)],
  ['blocks of 65536, two lookup pages', make.spiffs(4, 65536), spiffs(4, 65536)],
  ['pages of 512', make.spiffs(16, 4096, 512), spiffs(16, 4096, 512)],
  ['pages of 1024', make.spiffs(16, 8192, 1024), spiffs(16, 8192, 1024)],
  ['trimmed', make.spiffs(64).subarray(0, 5 * 4096), spiffs(64)],
  ['followed by something', Buffer.concat([make.spiffs(8), pattern('x', 8192)]), spiffs(8)],
  ['block 0 in an erase', make.spiffs(8).fill(0xff, 0, 4096), spiffs(8)],
  ['block 3 in an erase', make.spiffs(8).fill(0xff, 3 * 4096, 4 * 4096), spiffs(8)],
  [
    'without the length',
    make.spiffs(8, 4096, 256, false),
    { kind: 'spiffs', pageSize: 256, blockSize: 4096 },
  ],
  ['a block that is none', make.spiffs(8).fill(0, 3 * 4096, 4 * 4096), undefined],
  ['without a magic', Buffer.alloc(0x10000, 0xff), undefined],
];

const FAT: Case[] = [
  ['sectors of 4096', make.fat(), fat(12, 4096, 60)],
  ['sectors of 512', make.fat({ sectorSize: 512, sectors: 2048 }), fat(12, 512, 2048)],
  ['the number of sectors in 32 bits', make.fat({ sectors: 70000 }), fat(32, 4096, 70000)],
  ['FAT16', make.fat({ sectors: 9000, fatSectors: 5 }), fat(16, 4096, 9000)],
  ['FAT32', make.fat({ sectors: 70000, isFat32: true }), fat(32, 4096, 70000)],
  ['an early one without 55 AA', make.fat({ signed: false }), fat(12, 4096, 60)],
  ['a near jump, 0xE9, as of an app', make.fat({ jump: 0xe9 }), fat(12, 4096, 60)],
  ['sectors of 600', make.fat({ sectorSize: 600 }), undefined],
  ['clusters of 3 sectors', make.fat({ cluster: 3 }), undefined],
  ['a FAT longer than the volume', make.fat({ fatSectors: 60 }), undefined],
  ['FAT32 without 55 AA', make.fat({ isFat32: true, signed: false }), undefined],
  ['no jump', make.fat({ jump: 0x00 }), undefined],
];

const WEAR: Case[] = [
  ['new', make.wearLevelled({ sectors: 64 }), wearLevelled(64, 60)],
  ['of 1 MiB: two sectors of state', make.wearLevelled({ sectors: 256 }), wearLevelled(256, 250)],
  ['of 252 sectors', make.wearLevelled({ sectors: 252 }), wearLevelled(252, 248)],
  ['of 254 sectors', make.wearLevelled({ sectors: 254 }), wearLevelled(254, 248)],
  ['of 4 MiB', make.wearLevelled({ sectors: 1024 }), wearLevelled(1024, 1012)],
  ['the dummy has moved', make.wearLevelled({ sectors: 64, moves: 5 }), wearLevelled(64, 60)],
  [
    'the dummy has been all around',
    make.wearLevelled({ sectors: 64, moves: 7, rounds: 12 }),
    wearLevelled(64, 60),
  ],
  ['of version 1', make.wearLevelled({ sectors: 64, version: 1 }), wearLevelled(64, 60)],
  [
    'only state 1',
    make.wearLevelled({ sectors: 256, states: [true, false] }),
    wearLevelled(256, 250),
  ],
  [
    'only state 2',
    make.wearLevelled({ sectors: 256, states: [false, true] }),
    wearLevelled(256, 250),
  ],
  [
    'padded',
    Buffer.concat([make.wearLevelled({ sectors: 64 }), Buffer.alloc(0x10000, 0xff)]),
    wearLevelled(64, 60),
  ],
  [
    'its state cut off',
    make.wearLevelled({ sectors: 64 }).subarray(0, 8192),
    { kind: 'wl-fat', volume: { bits: 12, sectorSize: 4096, sectors: 60 } },
  ],
  [
    'no FAT in it',
    make.wearLevelled({ sectors: 64 }).fill(0, 0, 8192),
    { kind: 'wl-fat', made: 0x40000 },
  ],
];

const ACTIVE = 0xfffffffe;
const FULL = 0xfffffffc;
const NVS: Case[] = [
  ['version 2', make.nvs([FULL, ACTIVE, -1]), { kind: 'nvs', version: 2, pages: 2 }],
  ['version 1', make.nvs([ACTIVE, -1, -1], 0xff), { kind: 'nvs', version: 1, pages: 1 }],
  ['a page that is freed', make.nvs([-1, 0xfffffff8]), { kind: 'nvs', version: 2, pages: 1 }],
  ['a wrong CRC', make.nvs([ACTIVE]).fill(1, 4, 5), undefined],
  ['a state that is none', make.nvs([0x12345678]), undefined],
  ['a version that is none', make.nvs([ACTIVE], 0x10), undefined],
  [
    'pages in the midst of something else',
    Buffer.concat([Buffer.alloc(4096), make.nvs([ACTIVE])]),
    undefined,
  ],
  ['blank', make.nvs([-1, -1]), undefined],
];
const MEMORY_OF_S3: [number, number][] = [
  [0x3c000020, 512],
  [0x600fe000, 16],
];
const APPS: Case[] = [
  ['an app', make.app(), app('ESP32-C3')],
  ['a bootloader', make.app({ isApp: false }), app('ESP32-C3', false)],
  ['memory of the RTC', make.app({ chip: 9, segments: MEMORY_OF_S3 }), app('ESP32-S3', true, 608)],
  ['of an ESP32', make.app({ chip: 0 }), app('ESP32')],
  ['cut short', make.app().subarray(0, 300), { kind: 'app', chip: 'ESP32-C3', isApp: true }],
  ['a signature behind it', Buffer.concat([make.app(), pattern('s', 4096)]), app('ESP32-C3')],
  ['of no chip', make.app({ chip: 0x1234 }), undefined],
  ['a segment in no memory', make.app({ segments: [[0x10, 512]] }), undefined],
  ['a length that is no multiple of 4', make.app({ segments: [[0x3c000020, 510]] }), undefined],
  ['no segments', make.app({ segments: [] }), undefined],
];

const dump = (chip: string | undefined, bootloader: number | undefined, table = 0x8000) => ({
  ...(chip === undefined ? {} : { chip, bootloader }),
  ...{ kind: 'dump', table, rows: TABLES.example.length },
});
const tableBytes = encodeTable(TABLES.example);
const CHIPS: Case[] = [
  ['bootloader at 0', make.dump(0), dump('ESP32-C3', 0)],
  ['bootloader at 0x1000', make.dump(0x1000), dump('ESP32-C3', 0x1000)],
  ['bootloader at 0x2000', make.dump(0x2000), dump('ESP32-C3', 0x2000)],
  ['the table elsewhere', make.dump(0, 0x10000), dump('ESP32-C3', 0, 0x10000)],
  ['no bootloader', make.dump(undefined), dump(undefined, undefined)],
  ['a bootloader and no table', make.dump(0).fill(0xff, 0x8000), app('ESP32-C3', false)],
  ['a table', tableBytes, { kind: 'table', rows: 7 }],
  ['a table without its end', tableBytes.subarray(0, 7 * 32), { kind: 'table', rows: 7 }],
  ['a table with a wrong MD5', Buffer.from(tableBytes).fill(1, 12, 13), undefined],
];

const PACKED: Case[] = [
  ['romfs', make.romfs(0x12345, 0x13000), { kind: 'romfs', length: 0x12345 }],
  ['SquashFS', make.squashfs(9298, 12288), { kind: 'squashfs', version: '4.0', length: 9298 }],
  ['a SquashFS of 2^40 bytes', make.squashfs(2 ** 40, 12288), undefined],
  ['romfs of no bytes', make.romfs(0, 1024), undefined],
  ['gzip', gzipSync('hello'), compressed('gzip')],
  ['zip', Buffer.from('PK\x03\x04\x14\0', 'latin1'), compressed('zip')],
  ['an empty zip', Buffer.from('PK\x05\x06' + '\0'.repeat(18), 'latin1'), compressed('zip')],
  ['xz', Buffer.from('fd377a585a000004', 'hex'), compressed('xz')],
  ['zstd', Buffer.from('28b52ffd04', 'hex'), compressed('zstd')],
  ['bzip2', Buffer.from('BZh91AY&SY\0\0\0'), compressed('bzip2')],
  ['an empty bzip2', Buffer.from('425a683917724538509000000000', 'hex'), compressed('bzip2')],
  ['7z', Buffer.from('377abcaf271c0004', 'hex'), compressed('7z')],
  ['lz4', Buffer.from('04224d186440a7', 'hex'), compressed('lz4')],
  ['deflated data', deflateRawSync('hello'.repeat(100)), undefined],
  ['a manifest', makeManifest(pattern('x', 5000)), { kind: 'manifest' }],
  ['the beginning of bzip2 as a text', Buffer.from('BZhello'), undefined],
];

const NOTHING: Case[] = [
  ['nothing', new Uint8Array(), undefined],
  ['one byte', Uint8Array.of(0xe9), undefined],
  ['blank flash', Buffer.alloc(0x10000, 0xff), undefined],
  ['zeros', Buffer.alloc(0x10000), undefined],
  ['a text', Buffer.from('<!doctype html>\n'.repeat(500)), undefined],
  ['a certificate', Buffer.from('-----BEGIN CERTIFICATE-----\nMIID\n'), undefined],
  ['random bytes', pattern('random', 0x40000), undefined],
];

const ALL = { LITTLEFS, SPIFFS, FAT, WEAR, NVS, APPS, CHIPS, PACKED, NOTHING };

describe('an image tells what it is', () => {
  for (const [group, cases] of Object.entries(ALL))
    for (const [what, image, is] of cases)
      it(`${group}: ${what}`, () => assert.deepEqual(identify(image), is));

  it('the images of examples/', () => {
    for (const name of ['v1', 'v2']) {
      assert.deepEqual(identify(imageOf(`${name}.littlefs`)), littleFs('2.1', 4096, 256));
      assert.deepEqual(identify(imageOf(`${name}.spiffs`)), spiffs(256));
    }
  });
});

interface Golden {
  name: string;
  tool: string;
  image: string;
  expected: object;
}
const GOLDEN = JSON.parse(read('host-tests/golden/images.json').toString()) as Golden[];
const bytesOf = ({ image }: Golden) => inflateSync(Buffer.from(image, 'base64'));

describe('images that tools of others have made', () => {
  for (const golden of GOLDEN)
    it(`${golden.name}, ${golden.tool}`, () =>
      assert.deepEqual(identify(bytesOf(golden)), golden.expected));
});

describe('images that tools make which are installed here', () => {
  const folder = scratchFolder();
  const at = (name: string) => join(folder, name);
  const run = (program: string, ...args: string[]) => {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  const found = (name: string) => identify(readFileSync(at(name)));
  before(() => {
    mkdirSync(at('files'));
    writeFileSync(at('files/a.txt'), 'hello\n');
  });

  it('mkfs.fat', function () {
    needs(this, 'mkfs.fat', '--help');
    run('mkfs.fat', '-C', at('512.fat'), '1024');
    assert.deepEqual(found('512.fat'), fat(12, 512, 2048));
    run('mkfs.fat', '-S', '4096', '-C', at('4096.fat'), '1024');
    assert.deepEqual(found('4096.fat'), fat(12, 4096, 256));
    run('mkfs.fat', '-F', '16', '-C', at('16.fat'), '16384');
    assert.deepEqual(found('16.fat'), fat(16, 512, 32768));
    run('mkfs.fat', '-F', '32', '-C', at('32.fat'), '65536');
    assert.deepEqual(found('32.fat'), fat(32, 512, 131072));
  });

  it('genromfs', function () {
    needs(this, 'genromfs', '-h');
    run('genromfs', '-f', at('rom'), '-d', at('files'));
    const { kind, length } = found('rom') as { kind: string; length: number };
    // It fills up to whole KiB.
    const size = readFileSync(at('rom')).length;
    assert.ok(kind === 'romfs' && length <= size && length > size - 1024, `${length} of ${size}`);
  });

  it('mksquashfs', function () {
    needs(this, 'mksquashfs', '-version');
    run('mksquashfs', at('files'), at('squash'), '-quiet', '-no-progress');
    const { kind, version, length } = found('squash') as Extract<Image, { kind: 'squashfs' }>;
    const size = readFileSync(at('squash')).length;
    // It fills up to whole 4 KiB.
    assert.deepEqual([kind, version], ['squashfs', '4.0']);
    assert.ok(length <= size && length > size - 4096, `${length} of ${size}`);
  });

  for (const program of ['gzip', 'xz', 'zstd', 'bzip2', 'lz4'])
    it(program, function () {
      needs(this, program, '--version');
      const { stdout } = spawnSync(program, ['-c'], { input: pattern('x', 1000) });
      assert.deepEqual(identify(stdout), compressed(program));
    });
});

const SEEDS: Uint8Array[] = [
  ...[LITTLEFS, SPIFFS, FAT, WEAR, NVS, APPS, CHIPS, PACKED].flatMap((cases) =>
    cases.map(([, image]) => image),
  ),
  ...GOLDEN.map(bytesOf),
].filter((image) => image.length > 0 && image.length <= 0x80000);

/** Checks what holds of whatever bytes: no throw, no size above 2^32, and a line of plain characters. */
function assertSane(image: Uint8Array): void {
  const found = identify(image);
  if (!found) return;
  for (const value of Object.values(found))
    if (typeof value === 'number')
      assert.ok(Number.isSafeInteger(value) && value >= 0 && value <= 2 ** 32, `${value}`);
  const target: Target = { label: 'www', size: 0x10000, type: 1, subtype: 0x81 };
  const concerns = [...concernsOf(found, image.length, target), ...concernsOf(found, image.length)];
  for (const text of [imageText(found), ...concerns.map(concernText)])
    assert.match(text, /^[ -~]+$/);
}

describe('bytes that are anything', () => {
  it('changed images', function () {
    this.timeout(60_000);
    const change = fc.record({
      at: fc.oneof(fc.nat({ max: 128 }), fc.nat()),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    });
    const changed = fc.record({
      seed: fc.nat({ max: SEEDS.length - 1 }),
      changes: fc.array(change, { maxLength: 6 }),
      cut: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    });
    fc.assert(
      fc.property(changed, ({ seed, changes, cut }) => {
        const image = Uint8Array.from(SEEDS[seed]);
        for (const { at, bytes } of changes) {
          const place = at % image.length;
          image.set(bytes.subarray(0, image.length - place), place);
        }
        assertSane(image.subarray(0, Math.floor(image.length * cut)));
      }),
      { seed: 14, numRuns: 1500 },
    );
  });

  it('images that are cut within their first bytes', () => {
    for (const image of SEEDS) for (let n = 0; n < 100; n++) assertSane(image.subarray(0, n));
  });

  it('random bytes are nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        assert.equal(identify(bytes), undefined);
      }),
      { seed: 15, numRuns: 3000 },
    );
  });
});

const target = (subtype: number, size = 0x80000): Target => ({
  label: 'www',
  size,
  type: 1,
  subtype,
});
const [NVS_ROW, PHY, UNDEFINED, FAT_ROW, SPIFFS_ROW, LITTLEFS_ROW, CUSTOM] = [
  2, 1, 6, 0x81, 0x82, 0x83, 0x40,
];
const LFS = make.littleFs(4096, 128);
const SPI = make.spiffs(128);
const PLAIN = make.fat({ sectors: 128 });
const WORN = make.wearLevelled({ sectors: 128 });

const CONCERNS: [what: string, image: Uint8Array, to: Target | undefined, codes: string[]][] = [
  ['LittleFS where it belongs', LFS, target(LITTLEFS_ROW), []],
  ['LittleFS, nothing known', LFS, undefined, []],
  ['LittleFS to spiffs, as is common', LFS, target(SPIFFS_ROW), []],
  ['LittleFS to a subtype of the user', LFS, target(CUSTOM), []],
  ['LittleFS to undefined', LFS, target(UNDEFINED), []],
  ['LittleFS to fat', LFS, target(FAT_ROW), ['W_SUBTYPE']],
  ['LittleFS to nvs', LFS, target(NVS_ROW), ['W_SUBTYPE']],
  ['LittleFS to phy', LFS, target(PHY), ['W_SUBTYPE']],
  ['LittleFS to a larger one', LFS, target(LITTLEFS_ROW, 0xc0000), ['W_SIZE']],
  ['LittleFS to a smaller one', LFS.subarray(0, 8192), target(LITTLEFS_ROW, 0x40000), ['W_SIZE']],
  ['a trimmed LittleFS', LFS.subarray(0, 8192), target(LITTLEFS_ROW), []],
  ['a padded LittleFS', Buffer.concat([LFS, Buffer.alloc(4096)]), undefined, ['W_LONGER']],
  ['SPIFFS where it belongs', SPI, target(SPIFFS_ROW), []],
  ['SPIFFS to littlefs', SPI, target(LITTLEFS_ROW), ['W_SUBTYPE']],
  ['SPIFFS to a larger one', SPI, target(SPIFFS_ROW, 0xc0000), ['W_SIZE']],
  [
    'SPIFFS that tells no size',
    make.spiffs(128, 4096, 256, false),
    target(SPIFFS_ROW, 0xc0000),
    [],
  ],
  ['FAT to a larger one', PLAIN, target(FAT_ROW, 0xc0000), []],
  ['FAT to a smaller one', PLAIN.subarray(0, 8192), target(FAT_ROW, 0x40000), ['W_SIZE']],
  ['FAT to spiffs', PLAIN, target(SPIFFS_ROW), ['W_SUBTYPE']],
  ['wear-levelled FAT', WORN, target(FAT_ROW), []],
  ['wear-levelled FAT to a larger one', WORN, target(FAT_ROW, 0xc0000), ['W_SIZE']],
  ['romfs to spiffs', make.romfs(0x1000), target(SPIFFS_ROW), []],
  ['romfs that is cut', make.romfs(0x1000).subarray(0, 0x800), target(CUSTOM), ['W_CUT']],
  ['SquashFS that is cut', make.squashfs(9000).subarray(0, 8999), undefined, ['W_CUT']],
  ['NVS where it belongs', make.nvs([ACTIVE]), target(NVS_ROW, 0x4000), []],
  ['NVS elsewhere', make.nvs([ACTIVE]), target(SPIFFS_ROW), ['W_NVS']],
  ['NVS, nothing known', make.nvs([ACTIVE]), undefined, []],
  ['an app', make.app(), target(LITTLEFS_ROW), ['W_APP']],
  ['an app, nothing known', make.app(), undefined, ['W_APP']],
  ['a dump', make.dump(0), target(LITTLEFS_ROW), ['W_DUMP']],
  ['a table', tableBytes, undefined, ['W_TABLE']],
  ['gzip', gzipSync('x'), target(LITTLEFS_ROW), ['W_COMPRESSED']],
  ['a manifest', makeManifest(LFS), undefined, ['W_MANIFEST']],
  [
    'a damaged LittleFS',
    imageOfBlocks(512, 16, { 0: littleFsBlock(512, 1, [V21], 0) }),
    undefined,
    ['W_DAMAGED'],
  ],
];

const CHANGES: [from: Uint8Array, to: Uint8Array, codes: string[]][] = [
  [LFS, LFS, []],
  [LFS, make.littleFs(4096, 64), ['W_OTHER_SIZE']],
  [SPI, LFS, ['W_OTHER_KIND']],
  [PLAIN, WORN, ['W_OTHER_KIND']],
  [WORN, PLAIN, ['W_OTHER_KIND']],
  [WORN, make.wearLevelled({ sectors: 256 }), ['W_OTHER_SIZE']],
  [PLAIN, make.fat({ sectors: 60 }), []],
  // The app is warned of by itself.
  [LFS, make.app(), []],
];

describe('what is odd about an image', () => {
  for (const [what, image, to, codes] of CONCERNS)
    it(what, () => {
      const concerns = concernsOf(identify(image)!, image.length, to);
      assert.deepEqual(
        concerns.map(({ code }) => code),
        codes,
      );
    });

  it('in the place of another one', () => {
    for (const [from, to, codes] of CHANGES) {
      const concerns = concernsOfChange(identify(from)!, identify(to)!);
      assert.deepEqual(
        concerns.map(({ code }) => code),
        codes,
      );
    }
  });
});
