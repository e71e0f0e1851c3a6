/** `part-ota pack` and `part-ota verify`, run as programs. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { pattern } from '../../host/index.ts';
import { runPartOta, scratchFolder } from '../support/tools.ts';

const folder = scratchFolder();
const inFolder = (name: string) => join(folder, name);
const run = (...words: string[]) => runPartOta(folder, ...words);
const image = Buffer.from(pattern('image', 600000));
const { digest } = readManifest(makeManifest(image));

/** @returns a copy of the image with other bytes at some offsets. */
function imageWith(...offsets: number[]): Buffer {
  const copy = Buffer.from(image);
  for (const offset of offsets) copy[offset] ^= 1;
  return copy;
}

before(() => {
  writeFileSync(inFolder('www.bin'), image);
  writeFileSync(inFolder('good.ota'), makeManifest(image, { partition: 'www', version: '1.4' }));
  writeFileSync(inFolder('bad.ota'), 'OTA');
  writeFileSync(inFolder('empty.bin'), '');
  writeFileSync(inFolder('free'), 'anything');
  writeFileSync(inFolder('free-1025'), Buffer.alloc(1025));
});

describe('part-ota pack', () => {
  it('writes the manifest beside the image, and prints digest, size and overhead', async () => {
    const { status, stdout, stderr } = await run('pack', 'www.bin');
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.ok(readFileSync(inFolder('www.bin.ota')).equals(makeManifest(image)));
    assert.match(stdout, new RegExp(`digest +${digest}\n`));
    assert.match(stdout, /image +600,000 bytes, 147 sectors, CRC-32 0x/);
    assert.match(stdout, /manifest +4,884 bytes, 0\.81 % of the image/);
  });

  it('writes what it is told, where it is told', async () => {
    const words = ['--partition', 'www', '--version', '1.4', '--metadata', 'free'];
    const { stdout } = await run('pack', 'www.bin', ...words, '-o', 'deep/x.ota', '--json');
    const manifest = readManifest(readFileSync(inFolder('deep/x.ota')), digest);
    assert.equal(manifest.partition, 'www');
    assert.equal(manifest.version, '1.4');
    assert.equal(Buffer.from(manifest.metadata).toString(), 'anything');
    assert.deepEqual(JSON.parse(stdout), {
      manifest: 'deep/x.ota',
      digest,
      size: 600000,
      crc32: crc32(image),
      length: 4892,
      partition: 'www',
      version: '1.4',
    });
  });

  const refused: [string[], RegExp][] = [
    [[], /missing required argument 'image'/],
    [['none.bin'], /^error: none\.bin: no such file/],
    [['.'], /^error: \.: is a directory/],
    [['empty.bin'], /^error: empty\.bin: image: is empty/],
    [['www.bin', '--partition', 'x'.repeat(17)], /www\.bin: partition: .* 17 bytes, limit 16/],
    [['www.bin', '--version', 'x'.repeat(32)], /www\.bin: version: .* 32 bytes, limit 31/],
    [['www.bin', '--metadata', 'free-1025'], /metadata: 1,025 bytes, limit 1,024/],
    [['www.bin', '--metadata', 'none'], /^error: none: no such file/],
    [['www.bin', '-o', 'www.bin/x'], /^error: www\.bin\/x: /],
  ];
  for (const [words, message] of refused)
    it(`refuses: ${words.join(' ')}`, async () => {
      const { status, stdout, stderr } = await run('pack', ...words);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });
});

const verify = async (content: Buffer, ...words: string[]) => {
  writeFileSync(inFolder('candidate.bin'), content);
  return run('verify', 'candidate.bin', ...words);
};

const json = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as Record<string, unknown>;

describe('part-ota verify', () => {
  it('finds the image right', async () => {
    const { status, stdout } = await verify(image, '--manifest', 'good.ota');
    assert.equal(status, 0);
    assert.match(stdout, /^candidate\.bin: right\n/);
    assert.match(stdout, /partition +www\n +version +1\.4\n/);
    const told = await verify(image, '--manifest', 'good.ota', '--digest', `sha256:${digest}`);
    assert.equal(told.status, 0);
  });

  it('uses the manifest beside the image', async () => {
    writeFileSync(inFolder('candidate.bin.ota'), makeManifest(image));
    assert.equal((await verify(image)).status, 0);
    assert.equal((await verify(imageWith(0))).status, 1);
    rmSync(inFolder('candidate.bin.ota'));
  });

  it('names the sectors that differ', async () => {
    const content = imageWith(0, 4096 * 5 + 4095, 4096 * 6, 4096 * 7, 599999);
    const { status, stdout } = await verify(content, '--manifest', 'good.ota');
    assert.equal(status, 1);
    assert.match(stdout, /^candidate\.bin: WRONG\n/);
    assert.match(stdout, new RegExp(`digest +[0-9a-f]{64}, not ${digest}\n`));
    assert.match(stdout, /differ +5 sectors of 147: 0, 5-7, 146\n/);
    const printed = json(await verify(content, '--manifest', 'good.ota', '--json'));
    assert.equal(printed.ok, false);
    assert.deepEqual(printed.differing, [
      [0, 0],
      [5, 7],
      [146, 146],
    ]);
  });

  it('finds an image wrong that is shorter, longer, or zero behind its end', async () => {
    const short = await verify(image.subarray(0, 4096 * 100), '--manifest', 'good.ota');
    assert.equal(short.status, 1);
    assert.match(
      short.stdout,
      /image +409,600 bytes, not 600,000\n.* 47 sectors of 147: 100-146\n/,
    );
    const longer = await verify(Buffer.concat([image, Buffer.alloc(1)]), '--manifest', 'good.ota');
    // The hash of its last sector is the same.
    assert.equal(longer.status, 1);
    assert.match(longer.stdout, /WRONG\n[^]*image +600,001 bytes, not 600,000\n/);
    assert.doesNotMatch(longer.stdout, /differ/);
  });

  it('compares with a digest alone', async () => {
    assert.equal((await verify(image, '--digest', digest.toUpperCase())).status, 0);
    const { status, stdout } = await verify(imageWith(7), '--digest', digest);
    assert.equal(status, 1);
    assert.match(stdout, /WRONG/);
  });
});

describe('part-ota verify refuses', () => {
  it('a manifest that is wrong, and arguments', async () => {
    const other = digest.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    const lying = Buffer.from(makeManifest(image));
    lying.writeUInt32LE(crc32(image) ^ 1, 8);
    lying.writeUInt32LE(crc32(lying.subarray(0, 112)), 112);
    writeFileSync(inFolder('lying.ota'), lying);
    const cases: [string[], RegExp][] = [
      [[], /^error: candidate\.bin\.ota: no such file/],
      [['--manifest', 'none.ota'], /^error: none\.ota: no such file/],
      [['--manifest', 'bad.ota'], /^error: bad\.ota: manifest: ends after 3 bytes, least 116/],
      [['--manifest', 'www.bin'], /^error: www\.bin: manifest: does not begin with "OTA"/],
      [['--manifest', 'good.ota', '--digest', other], /^error: good\.ota: digest: is .*, not /],
      [['--manifest', 'lying.ota'], /manifest: has CRC-32 0x.*, and the image it proves has 0x/],
      [['--digest', 'x'], /It is not 64 hex digits/],
    ];
    for (const [words, message] of cases) {
      const { status, stdout, stderr } = await verify(image, ...words);
      assert.equal(status, 2, words.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, message);
    }
    const { status, stderr } = await run('verify', 'none.bin', '--digest', digest);
    assert.equal(status, 2);
    assert.match(stderr, /^error: none\.bin: no such file/);
  });
});
