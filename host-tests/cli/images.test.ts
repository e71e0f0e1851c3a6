/** What `part-ota pack`, `diff` and `update` say of the image that they are given. */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pattern } from '../../host/index.ts';
import * as make from '../support/images.ts';
import { type Run, runPartOta, scratchFolder } from '../support/tools.ts';
import { printed, Site } from '../support/update-fixtures.ts';

const KIB = 1024;
const TABLE = `
nvs,  data, nvs,      0x9000,  0x6000,
app,  app,  factory,  0x10000, 0x100000,
www,  data, littlefs, 0x110000, 0x80000,
fat,  data, fat,      0x190000, 0x40000,
`;
const FILES = {
  'www.csv': TABLE,
  'lfs.bin': make.littleFs(4096, 128),
  'small.bin': make.littleFs(4096, 64),
  'spiffs.bin': make.spiffs(64),
  'plain.bin': make.fat({ sectors: 64 }),
  'wear.bin': make.wearLevelled({ sectors: 64 }),
  'app.bin': make.app(),
  'dump.bin': make.dump(0x1000),
  'nvs.bin': make.nvs([0xfffffffe]),
  'x.gz': gzipSync('hello'),
  'any.bin': pattern('any', 10_000),
};

/** What is printed of an image as JSON. */
interface Told {
  kind: string;
  text: string;
  made?: number;
  warnings: { code: string; message: string }[];
}

const folder = scratchFolder();
const run = (...words: string[]) => runPartOta(folder, ...words);
before(() => {
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content);
});

/** Checks that a command did its work, and what it warned of. */
function assertWarned({ status, stderr }: Run, ...warnings: RegExp[]): void {
  assert.equal(status, 0, stderr);
  const lines = stderr.split('\n').slice(0, -1);
  assert.equal(lines.length, warnings.length, stderr);
  warnings.forEach((warning, n) => assert.match(lines[n], warning));
}

describe('part-ota pack tells what an image is', () => {
  const cases: [string, RegExp, RegExp?][] = [
    ['lfs.bin', /kind +LittleFS 2\.1, 128 blocks of 4096 bytes: made for 524,288 bytes\n/],
    ['spiffs.bin', /kind +SPIFFS, 64 blocks of 4096 bytes, pages of 256: made for 262,144 bytes\n/],
    [
      'plain.bin',
      /kind +FAT12 without wear levelling, 64 sectors of 4096 bytes: made for 262,144 bytes\n/,
    ],
    [
      'wear.bin',
      /kind +FAT12 with wear levelling, 60 sectors of 4096 bytes: made for 262,144 bytes\n/,
    ],
    ['nvs.bin', /kind +NVS of ESP-IDF, version 2, 1 page in use\n/],
    [
      'app.bin',
      /kind +app for ESP32-C3, 2,672 bytes\n/,
      /^warning: app\.bin: is an app for ESP32-C3, .* goes where data belongs/,
    ],
    [
      'dump.bin',
      /kind +dump of a whole flash: bootloader for ESP32-C3 at 0x1000, partition table at 0x8000, 7 rows\n/,
      /^warning: dump\.bin: is a dump of a whole flash: .*part-ota inspect/,
    ],
    ['x.gz', /kind +compressed by gzip\n/, /^warning: x\.gz: is compressed by gzip, .*gunzip/],
  ];
  for (const [name, kind, warning] of cases)
    it(name, async () => {
      const packed = await run('pack', name);
      assert.match(packed.stdout, kind);
      assertWarned(packed, ...(warning ? [warning] : []));
    });

  it('and nothing where it is nothing known', async () => {
    const packed = await run('pack', 'any.bin');
    assertWarned(packed);
    assert.doesNotMatch(packed.stdout, /kind/);
    const { stdout } = await run('pack', 'any.bin', '--json');
    assert.ok(!('image' in (JSON.parse(stdout) as object)));
  });

  it('as JSON, too', async () => {
    const { image } = JSON.parse((await run('pack', 'x.gz', '--json')).stdout) as { image: Told };
    assert.equal(image.kind, 'compressed');
    assert.equal(image.text, 'compressed by gzip');
    assert.deepEqual(
      image.warnings.map(({ code }) => code),
      ['W_COMPRESSED'],
    );
    const whole = JSON.parse((await run('pack', 'lfs.bin', '--json')).stdout) as { image: Told };
    assert.deepEqual(whole.image, {
      ...{ kind: 'littlefs', version: '2.1', blockSize: 4096, blocks: 128 },
      ...{ made: 512 * KIB, isDamaged: false, warnings: [] },
      text: 'LittleFS 2.1, 128 blocks of 4096 bytes: made for 524,288 bytes',
    });
  });
});

describe('part-ota pack --table', () => {
  const pack = (image: string, partition: string, ...words: string[]) =>
    run('pack', image, '--table', 'www.csv', '--partition', partition, ...words);

  it('warns of an image that was made for another size, by both numbers', async () => {
    assertWarned(await pack('lfs.bin', 'www'));
    assertWarned(
      await pack('small.bin', 'www'),
      /^warning: small\.bin: is LittleFS made for 262,144 bytes, and the partition "www" has 524,288: /,
    );
  });

  it('warns of what the row says otherwise', async () => {
    assertWarned(await pack('wear.bin', 'fat'));
    assertWarned(
      await pack('spiffs.bin', 'fat'),
      /^warning: spiffs\.bin: is SPIFFS, and the partition "fat" is of subtype fat \(0x81\): /,
    );
    assertWarned(
      await pack('nvs.bin', 'www'),
      /^warning: nvs\.bin: is NVS, and the partition "www" is of subtype littlefs \(0x83\): /,
    );
    assertWarned(await pack('nvs.bin', 'nvs'));
  });

  it('takes a binary table', async () => {
    assert.equal((await run('table', 'www.csv', 'www.table', '-q')).status, 0);
    const words = ['--table', 'www.table', '--partition', 'www'];
    assertWarned(await run('pack', 'small.bin', ...words), /262,144 bytes, .* 524,288: /);
  });

  it('refuses what does not fit, and rows that are not there', async () => {
    const cases: [string[], RegExp][] = [
      [
        ['lfs.bin', '--partition', 'fat'],
        /^error: lfs\.bin: 524,288 bytes; the partition "fat" has 256 KiB\n/,
      ],
      [
        ['lfs.bin', '--partition', 'xyz'],
        /^error: www\.csv: no partition "xyz"; there are nvs, app, www, fat\n/,
      ],
      [['lfs.bin'], /^error: --table: name a row of it by --partition\n/],
    ];
    for (const [words, message] of cases) {
      const refused = await run('pack', '--table', 'www.csv', ...words);
      assert.equal(refused.status, 2);
      assert.match(refused.stderr, message);
    }
  });
});

describe('part-ota pack --strict', () => {
  it('refuses what there is a warning about, and writes nothing', async () => {
    rmSync(join(folder, 'x.gz.ota'), { force: true });
    const refused = await run('pack', 'x.gz', '--strict');
    assert.deepEqual([refused.status, refused.stdout], [2, '']);
    assert.match(
      refused.stderr,
      /^error: x\.gz: is compressed by gzip, .*\nNothing was written or sent: --strict/,
    );
    assert.ok(!existsSync(join(folder, 'x.gz.ota')));
  });

  it('names each reason', async () => {
    const words = ['--table', 'www.csv', '--partition', 'www', '--strict', '--json'];
    const { status, stderr, stdout } = await run('pack', 'spiffs.bin', ...words);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(
      stderr,
      /^error: spiffs\.bin: is SPIFFS made for .*\nspiffs\.bin: is SPIFFS, and .* subtype littlefs/,
    );
  });

  it('takes what there is none about', async () => {
    for (const name of ['lfs.bin', 'wear.bin', 'plain.bin', 'any.bin'])
      assertWarned(await run('pack', name, '--strict'));
  });
});

describe('part-ota diff tells what both images are', () => {
  it('and nothing else where they suit each other', async () => {
    const found = await run('diff', 'lfs.bin', 'lfs.bin', '--strict');
    assertWarned(found);
    assert.match(
      found.stdout,
      /old +LittleFS 2\.1, 128 [^]*new +LittleFS 2\.1, 128 .*: made for 524,288 bytes\n/,
    );
  });

  it('warns of another size, of another kind, and of what belongs nowhere', async () => {
    assertWarned(
      await run('diff', 'lfs.bin', 'small.bin'),
      /^warning: small\.bin: is LittleFS made for 262,144 bytes, and the old image was made for 524,288: /,
    );
    assertWarned(
      await run('diff', 'plain.bin', 'wear.bin'),
      /^warning: wear\.bin: is FAT with wear levelling, and the old image is FAT without wear levelling: /,
    );
    assertWarned(await run('diff', 'lfs.bin', 'app.bin'), /^warning: app\.bin: is an app /);
    const words = ['--table', 'www.csv', '--partition'];
    assertWarned(
      await run('diff', 'lfs.bin', 'small.bin', ...words, 'fat'),
      /is of subtype fat/,
      /the old image was made for 524,288/,
    );
    const large = await run('diff', 'small.bin', 'lfs.bin', ...words, 'fat');
    assert.equal(large.status, 2);
    assert.match(
      large.stderr,
      /^error: lfs\.bin: 524,288 bytes; the partition "fat" has 256 KiB\n/,
    );
  });

  it('as JSON; of a manifest nothing is known', async () => {
    assertWarned(await run('pack', 'small.bin'));
    const text = (await run('diff', 'lfs.bin', 'small.bin', '--json')).stdout;
    const both = JSON.parse(text) as { from: { image: Told }; to: { image: Told } };
    assert.deepEqual([both.from.image.made, both.to.image.made], [512 * KIB, 256 * KIB]);
    assert.deepEqual(
      [both.from.image, both.to.image].map(({ warnings }) => warnings.map(({ code }) => code)),
      [[], ['W_OTHER_SIZE']],
    );
    const manifest = await run('diff', 'lfs.bin', 'small.bin.ota', '--json');
    assertWarned(manifest);
    assert.ok(!('image' in (JSON.parse(manifest.stdout) as { to: object }).to));
  });

  it('refuses with --strict', async () => {
    const refused = await run('diff', 'lfs.bin', 'small.bin', '--strict');
    assert.deepEqual([refused.status, refused.stdout], [2, '']);
    assert.match(refused.stderr, /^error: small\.bin: is LittleFS made for 262,144/);
  });
});

describe('part-ota update tells what an image is', function () {
  this.timeout(0);
  let site: Site;
  before(async () => {
    site = await Site.start({ engine: 'simulated' });
    await site.storeModules();
    // `storage` has 1 MiB and the subtype spiffs.
    const start = (image: Buffer) => image.subarray(0, 8192);
    writeFileSync(site.path('right.bin'), start(make.littleFs(4096, 256)));
    writeFileSync(site.path('other.bin'), start(make.littleFs(4096, 128)));
    writeFileSync(site.path('fat.bin'), start(make.fat({ sectors: 256 })));
    writeFileSync(site.path('x.gz'), gzipSync('hello'));
  });
  beforeEach(() => site.reset());
  after(() => site?.close());

  it('and nothing else where it suits the partition', async () => {
    const run = await site.update('right.bin', '--strict');
    assert.equal(run.status, 0, run.stderr);
    assert.doesNotMatch(run.stderr, /warning/);
    assert.match(
      run.stdout,
      /image +LittleFS 2\.1, 256 blocks of 4096 bytes: made for 1,048,576 bytes\n/,
    );
  });

  it('warns of another size by that of the partition on the board', async () => {
    const run = await site.update('other.bin', '--json');
    assert.match(
      run.stderr,
      /^warning: other\.bin: is LittleFS made for 524,288 bytes, and the partition "storage" has 1,048,576: /,
    );
    const { image } = printed(run) as unknown as { image: Told };
    assert.deepEqual(
      [image.kind, image.made, image.warnings.map(({ code }) => code)],
      ['littlefs', 512 * KIB, ['W_SIZE']],
    );
  });

  it('warns of a subtype that says otherwise', async () => {
    const run = await site.update('fat.bin');
    assertWarned(
      { ...run, stderr: `${run.stderr.split('\n')[0]}\n` },
      /^warning: fat\.bin: is FAT without wear levelling, and the partition "storage" is of subtype spiffs \(0x82\): /,
    );
  });

  it('--strict: sends nothing', async () => {
    for (const [name, reason] of [
      ['other.bin', /^error: other\.bin: is LittleFS made for 524,288 bytes, /],
      ['x.gz', /^error: x\.gz: is compressed by gzip/],
    ] as const) {
      const run = await site.update(name, '--strict');
      assert.deepEqual([run.status, run.stdout], [2, ''], run.stderr);
      assert.match(run.stderr, reason);
      assert.equal(site.line.pieces, 0);
      assert.equal(Buffer.compare(site.board.flash, site.chip), 0, 'the chip has changed');
    }
  });

  it('--strict: refuses a URL, of which it sees nothing', async () => {
    const run = await site.update('--url', 'http://127.0.0.1:1/x', '--strict');
    assert.equal(run.status, 2);
    assert.match(
      run.stderr,
      /^error: --strict: with --url the image is not here; part-ota pack --strict/,
    );
  });
});
