/**
 * The manifest: made, read, held to fs-verity, and refused in every form but its own.
 *
 *     MUTATIONS=1000000 npm test -- --grep mutations
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { wordingOf } from '../../cli/words.ts';
import { ManifestError } from '../../formats/manifest/errors.ts';
import { makeManifest as make } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { examineImage, treeBytes } from '../../formats/manifest/tree.ts';
import { randomOf } from '../../cli/simulate/cuts.ts';
import { pattern } from '../../host/index.ts';
import { needs } from '../support/tools.ts';
import { tally } from '../support/tally.ts';

/** @returns a manifest as a Buffer, which a test can spoil. */
const makeManifest = (...args: Parameters<typeof make>) => Buffer.from(make(...args));

/** @returns a check that an error is told to the user in such words, as what they have to change. */
const refusal = (words: RegExp | string) => (error: unknown) => {
  assert.ok(error instanceof ManifestError);
  const { message, exitCode } = wordingOf(error)!;
  if (typeof words === 'string') assert.equal(message, words);
  else assert.match(message, words);
  assert.equal(exitCode, 2);
  return true;
};

/** The most that a manifest may cost of its image. */
const LIMIT = 0.0085;

/** How many mutations are tried. */
const MUTATIONS = Number(process.env.MUTATIONS ?? 100_000);

/** The bytes of fsverity-utils programs/test_compute_digest.c. */
function published(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, i) => (i % 11) + (i % 439) + (i % 1103)));
}

/**
 * fs-verity digests of these bytes: those of 1, 4096, 100000 and 1000000 from that file, the others what
 * `fsverity digest` of fsverity-utils 1.5 printed.
 */
const DIGESTS: Record<number, string> = {
  1: 'b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551',
  4095: '5ac62f0661e41999ed94d214930c49093bb0d969ac9c000dbfa4738fa283c439',
  4096: '6ac39979016e3ddf3d39fff6cb984f7c118acdf1852919f5c100c4b142c1818e',
  4097: 'e730e89ad732bee23a7a2398c83b3e1d5f403b09b7b7bd9ec4e46af8101652f3',
  100000: 'f2096a36c5cdca4fa33ee8852833150bb324992e5417a9d571f1bffff73b9efc',
  307200: '11dbc83d0f1fa6c913b9de5c5be2d692a93696e75e511260b020fb6ccc804bb4',
  524287: 'c438bd7b8b98b76ca991598886484cdd9e467ff3fc5f0432e372ee56d7bb6827',
  524288: '318d7f64c1db10a983346f0c101c5b0fd2cb0e0c3d4e88df0320edf9990bdda4',
  524289: 'e21e7d7f576f210094c3a6ea78b021f036633f2a06119fee987f79ac6dd30cf1',
  1000000: '48df0c462329cd879661bd05b39aa81b05cc16afd27a7196a559da83531d39d9',
  1048576: '11e30e52d6afdad0d1ebfe4361cbeb3b473fd332663ff3e1dae9f11f778f690b',
  2097153: '028ded5ffd9b88c53d7d4c244855e7c6e90ea6c2fd19a3e4f29456661959dc73',
};

/** @returns a level as Linux stores it: filled up to whole blocks. */
function inBlocks(level: Uint8Array): Buffer {
  return Buffer.concat([level], Math.ceil(level.length / 4096) * 4096);
}

/** @returns a copy with other bytes at an offset, and, unless told otherwise, the CRC-32 that goes with them. */
function changed(manifest: Buffer, at: number, bytes: string | number[], isSigned = true): Buffer {
  const copy = Buffer.from(manifest);
  copy.set(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, at);
  return isSigned ? signed(copy) : copy;
}

/** Gives a manifest the CRC-32 of its bytes, in the place that follows from its lengths. */
function signed(manifest: Buffer, metadataAt = 112): Buffer {
  const at = metadataAt + manifest.readUInt16LE(4) + manifest.readUInt16LE(6);
  if (at + 4 <= manifest.length) manifest.writeUInt32LE(crc32(manifest.subarray(0, at)), at);
  return manifest;
}

/** @returns a manifest that also stores what is always zero of the descriptor. */
function wholeDescriptor(manifest: Buffer): Buffer {
  const [start, rest] = [manifest.subarray(0, 112), manifest.subarray(112)];
  return signed(Buffer.concat([start, Buffer.alloc(208), rest]), 320);
}

describe('the manifest', () => {
  it('is laid out as its description says', () => {
    const image = Buffer.from(pattern('image', 5000));
    const metadata = Buffer.from('free');
    const manifest = makeManifest(image, { partition: 'www', version: '1.4', metadata });
    const sha256 = (bytes: Buffer) =>
      createHash('sha256')
        .update(Buffer.concat([bytes], 4096))
        .digest();
    const hashes = Buffer.concat([sha256(image.subarray(0, 4096)), sha256(image.subarray(4096))]);
    const at = (from: number, to: number) => manifest.subarray(from, to).toString('latin1');
    const padded = (text: string, length: number) => text.padEnd(length, '\0');
    assert.equal(at(0, 4), 'OTA\x01');
    assert.equal(at(4, 8), '\x04\0\0\0');
    assert.equal(manifest.readUInt32LE(8), crc32(image));
    assert.equal(at(12, 16), '\0\0\0\0');
    assert.equal(at(16, 32), padded('www', 16));
    assert.equal(at(32, 64), padded('1.4', 32));
    assert.equal(at(64, 80), '\x01\x01\x0c\0\0\0\0\0\x88\x13\0\0\0\0\0\0');
    assert.equal(at(80, 112), sha256(hashes).toString('latin1'));
    assert.equal(at(112, 116), 'free');
    assert.equal(manifest.readUInt32LE(116), crc32(manifest.subarray(0, 116)));
    assert.equal(at(120, 184), hashes.toString('latin1'));
    assert.equal(manifest.length, 184);
  });

  it('says what it was told', () => {
    const image = pattern('image', 600000);
    const fields = {
      partition: 'sixteen_bytes_ok',
      version: '31 bytes of a version, not more',
      metadata: Buffer.from(pattern('metadata', 1024)),
    };
    const manifest = readManifest(makeManifest(image, fields));
    const { partition, version, metadata, size, signature } = manifest;
    assert.deepEqual({ partition, version, metadata }, fields);
    assert.equal(size, 600000);
    assert.equal(manifest.crc32, crc32(image));
    assert.equal(signature.length, 0);
    assert.equal(manifest.hashes.length, 147 * 32);
    assert.equal(readManifest(makeManifest(image, { version: 'ß 1' })).version, 'ß 1');
  });

  it('may be signed later', () => {
    const plain = makeManifest(pattern('image', 9000), { metadata: Buffer.from('free') });
    const signature = pattern('signature', 72);
    const head = changed(plain, 6, [72], false).subarray(0, 116);
    const both = signed(Buffer.concat([head, signature, Buffer.alloc(4), plain.subarray(120)]));
    const manifest = readManifest(both, readManifest(plain).digest);
    assert.deepEqual(Buffer.from(manifest.signature), Buffer.from(signature));
    assert.equal(Buffer.from(manifest.metadata).toString(), 'free');
  });

  it('is refused for an image or fields that do not fit', () => {
    const image = pattern('image', 5000);
    const refuses = (fields: object, message: RegExp) =>
      assert.throws(() => makeManifest(image, fields), refusal(message));
    refuses({ partition: 'seventeen_bytes_n' }, /^partition: "seven.*17 bytes, limit 16$/);
    refuses({ partition: 'ü'.repeat(9) }, /18 bytes, limit 16$/);
    refuses({ version: 'x'.repeat(32) }, /^version: .* 32 bytes, limit 31$/);
    refuses({ version: '1\n' }, /^version: "1\\n" has control characters$/);
    refuses({ partition: 'a\0' }, /control characters/);
    refuses({ metadata: new Uint8Array(1025) }, /^metadata: 1,025 bytes, limit 1,024$/);
    assert.throws(() => makeManifest(new Uint8Array()), refusal('image: is empty'));
    const tooLarge = refusal('image: 16,777,217 bytes, limit 16,777,216');
    assert.throws(() => makeManifest(new Uint8Array(0x1000001)), tooLarge);
  });
});

describe('the manifest costs', () => {
  for (const [name, size, length, percent] of [
    ['300 KiB', 300 * 1024, 116 + 75 * 32, '0.82'],
    ['1 MiB', 0x100000, 116 + 2 * 32 + 256 * 32, '0.80'],
    ['16 MiB', 0x1000000, 116 + 32 * 32 + 4096 * 32, '0.79'],
  ] as const)
    it(`${percent} % of an image of ${name}, limit 0.85`, () => {
      const manifest = makeManifest(pattern('image', size));
      assert.equal(manifest.length, length);
      assert.ok(manifest.length / size <= LIMIT);
      assert.equal(((manifest.length / size) * 100).toFixed(2), percent);
    });

  it('at most 0.85 % of any image from 212 KiB on, of whole sectors from 168 KiB on', () => {
    const empty = makeManifest(Buffer.alloc(1)).length;
    const cost = (size: number) => (empty + treeBytes(size)) / size;
    // The smallest and the largest of the images that have so many sectors.
    for (let sectors = 1; sectors <= 4096; sectors++) {
      const [least, most] = [(sectors - 1) * 4096 + 1, sectors * 4096];
      assert.equal(cost(most) <= LIMIT, sectors >= 42, `${most} bytes`);
      assert.equal(cost(least) <= LIMIT, sectors >= 54, `${least} bytes`);
    }
    assert.equal(makeManifest(pattern('image', 53 * 4096)).length, 116 + 53 * 32);
  });
});

describe('the digest', () => {
  for (const [size, digest] of Object.entries(DIGESTS))
    it(`is that of fs-verity: ${size} bytes`, () => {
      const manifest = makeManifest(published(Number(size)));
      assert.equal(readManifest(manifest, digest).digest, digest);
    });

  it('is what fsverity computes, and the hashes and the descriptor are', function () {
    needs(this, 'fsverity', '--version');
    const folder = mkdtempSync(join(tmpdir(), 'part-ota-'));
    const file = (name: string) => join(folder, name);
    const random = randomOf(1);
    const sizes = [...Object.keys(DIGESTS).map(Number), 0x1000000];
    for (let n = 0; n < 40; n++) sizes.push(1 + Math.floor(random() ** 4 * 0x300000));
    for (const size of sizes) {
      const image = pattern(`image ${size}`, size);
      writeFileSync(file('image'), image);
      const out = [`--out-merkle-tree=${file('tree')}`, `--out-descriptor=${file('descriptor')}`];
      const printed = execFileSync('fsverity', ['digest', '--compact', ...out, file('image')]);
      const { digest, descriptor, levels } = examineImage(image);
      assert.equal(digest, printed.toString().trim(), `${size} bytes`);
      // 48 of its bytes are stored, the others are zero.
      assert.equal(descriptor.length, 48);
      const whole = Buffer.concat([descriptor], 256);
      assert.deepEqual(whole, readFileSync(file('descriptor')), `${size} bytes`);
      const tree = Buffer.concat(levels.map(inBlocks));
      assert.ok(tree.equals(readFileSync(file('tree'))), `${size} bytes`);
    }
    rmSync(folder, { recursive: true });
  });
});

/** A right manifest, to be spoilt. */
const good = makeManifest(pattern('image', 600000), {
  partition: 'www',
  version: '1.4',
  metadata: Buffer.from('free'),
});

const { digest } = readManifest(good);

describe('a manifest is refused', () => {
  const cases: [string, Buffer, RegExp][] = [
    ['of no bytes', Buffer.alloc(0), /^manifest: does not begin with "OTA"$/],
    ['that is a web page', Buffer.from('<!DOCTYPE html>'), /does not begin with "OTA"/],
    ['of a later format', changed(good, 3, [2]), /^manifest: is of format version 2, not 1$/],
    ['that ends early', good.subarray(0, 115), /^manifest: ends after 115 bytes, least 116$/],
    ['that ends in its metadata', changed(good, 4, [0, 4]).subarray(0, 400), /at 1140$/],
    ['with too much metadata', changed(good, 4, [1, 4]), /^metadata: 1,025 bytes, limit 1,024$/],
    ['with too much signature', changed(good, 6, [1, 4]), /^signature: 1,025 bytes, limit 1,024$/],
    ['with a flipped bit', changed(good, 20, [1], false), /^manifest: its CRC-32 is 0x/],
    ['with a reserved byte', changed(good, 15, [1]), /^manifest: byte 12 to 15: not zero$/],
    ['with an unended version', changed(good, 32, 'x'.repeat(32)), /^version: does not end in NUL/],
    ['with a label that goes on', changed(good, 20, 'x'), /^partition: goes on after a NUL$/],
    ['with a label that is not UTF-8', changed(good, 16, [0xff]), /^partition: is not UTF-8$/],
    ['with an escape in its version', changed(good, 32, '\x1b[2J'), /^version: .* control/],
    ['with a descriptor of version 2', changed(good, 64, [2]), /^descriptor: not of fs-verity/],
    ['of SHA-512', changed(good, 65, [2]), /^descriptor: not of fs-verity version 1, SHA-256/],
    ['of blocks of 64 KiB', changed(good, 66, [16]), /^descriptor: not of fs-verity/],
    ['with a salt', changed(good, 67, [4]), /^descriptor: not of fs-verity/],
    ['with all of its descriptor', wholeDescriptor(good), /^manifest: its CRC-32 is 0x/],
    ['of an empty image', changed(good, 72, [0, 0, 0]), /^image: is empty$/],
    ['of too large an image', changed(good, 72, [1, 0, 0, 1]), /^image: 16,777,217 bytes, limit/],
    ['of 2^63 bytes', changed(good, 79, [128]), /^image: .* bytes, limit 16,777,216$/],
    [
      'of another size',
      changed(good, 72, [0, 0, 1]),
      /^hashes: 4,768 bytes, not 512 as for 65,536/,
    ],
    ['with a hash missing', good.subarray(0, -32), /^hashes: 4,736 bytes, not 4,768/],
    ['with more hashes', Buffer.concat([good, Buffer.alloc(32)]), /^hashes: 4,800 bytes, not/],
    ['with another root hash', changed(good, 80, [1]), /^hashes: level 1 of 2, block 0: do not/],
    [
      'with a wrong upper hash',
      changed(good, 120, [1]),
      /level 1 of 2, block 0: do not match the r/,
    ],
    ['with a wrong hash', changed(good, 185, [1]), /level 2 of 2, block 0: do not match the level/],
    [
      'with a wrong last hash',
      changed(good, good.length - 1, [1]),
      /level 2 of 2, block 1: do not/,
    ],
  ];
  for (const [what, bytes, message] of cases)
    it(what, () => assert.throws(() => readManifest(bytes), refusal(message)));

  it('with another digest than was told', () => {
    const told = `0${digest.slice(1)}`;
    const message = `digest: is ${digest}, not ${told}`;
    assert.notEqual(told, digest);
    assert.throws(() => readManifest(good, told), refusal(message));
    assert.equal(readManifest(good, digest.toUpperCase()).digest, digest);
  });

  it('with every bit flipped, and at every length', () => {
    const small = makeManifest(pattern('image', 9000), { partition: 'www' });
    for (let bit = 0; bit < small.length * 8; bit++) {
      const copy = Buffer.from(small);
      copy[bit >> 3] ^= 1 << (bit & 7);
      assert.throws(() => readManifest(copy), ManifestError, `bit ${bit}`);
    }
    for (let length = 0; length < small.length; length++)
      assert.throws(
        () => readManifest(small.subarray(0, length)),
        ManifestError,
        `length ${length}`,
      );
  });
});

/** Fields and other parts that a mutation may take and put elsewhere: offset, size. */
const PARTS = [
  [0, 4],
  [4, 2],
  [6, 2],
  [8, 4],
  [12, 4],
  [16, 16],
  [32, 32],
  [64, 8],
  [72, 8],
  [80, 32],
  [64, 48],
  [112, 4],
  [116, 32],
  [148, 32],
];

/** Changes a copy of a manifest in one of the ways in which files go wrong, or are made to. */
function mutate(manifest: Buffer, below: (limit: number) => number): Buffer {
  const copy = Buffer.from(manifest);
  const part = () => PARTS[below(PARTS.length)];
  switch (below(7)) {
    case 0:
      copy[below(copy.length)] ^= 1 << below(8);
      return copy;
    case 1:
      for (let n = 1 + below(8); n--;) copy[below(copy.length)] = below(256);
      return copy;
    case 2:
      return copy.subarray(0, below(copy.length));
    case 3:
      return Buffer.concat([copy, Buffer.alloc(1 + below(100), below(2) * 255)]);
    case 4: {
      // One part over another.
      const [from, size] = part();
      const to = part()[0];
      return Buffer.concat(
        [copy.subarray(0, to), copy.subarray(from, from + size), copy.subarray(to + size)],
        copy.length,
      );
    }
    case 5: {
      // A piece left out, or twice.
      const at = below(copy.length);
      return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.max(0, at + below(65) - 32))]);
    }
    default: {
      const [at, size] = part();
      copy.subarray(at, at + size).fill(below(2) * 255);
      return copy;
    }
  }
}

describe('a manifest survives no mutations', () => {
  it(`of ${MUTATIONS.toLocaleString('en-US')}`, function () {
    this.timeout(600_000);
    const originals = [1, 4096, 9000, 530000].map((size) => {
      const metadata = Buffer.from(pattern('metadata', 24));
      const fields = { partition: 'www', version: '1.4', metadata };
      const bytes = makeManifest(pattern(`image ${size}`, size), fields);
      return { bytes, says: readManifest(bytes) };
    });
    const counts = { accepted: 0, same: 0, free: 0 };
    for (let seed = 0; seed < MUTATIONS; seed++) {
      const random = randomOf(seed);
      const below = (limit: number) => Math.floor(random() * limit);
      const { bytes, says } = originals[below(originals.length)];
      const mutation = mutate(bytes, below);
      // Half of them get the right CRC-32, as an attacker would give it.
      const isSigned = below(2) === 1 && mutation.length >= 116;
      if (isSigned) signed(mutation);
      let read: typeof says;
      try {
        read = readManifest(mutation, says.digest);
      } catch (error) {
        if (!(error instanceof ManifestError)) throw new Error(`seed ${seed}`, { cause: error });
        continue;
      }
      counts.accepted++;
      if (mutation.equals(bytes)) counts.same++;
      else {
        // Only what the digest does not cover can be made to differ.
        counts.free++;
        assert.ok(isSigned, `seed ${seed}: accepted`);
        assert.equal(read.size, says.size, `seed ${seed}`);
        assert.ok(Buffer.compare(read.hashes, says.hashes) === 0, `seed ${seed}`);
      }
    }
    const { same, free, accepted } = counts;
    tally('fuzz', { inputs: MUTATIONS });
    const shown = (count: number) => count.toLocaleString('en-US');
    console.log(
      `      ▸ ${shown(MUTATIONS)} mutations: ${shown(MUTATIONS - accepted)} refused, ${shown(same)} changed nothing, ` +
        `${shown(free)} changed only what the digest does not cover, and were given a new CRC-32`,
    );
    assert.ok(MUTATIONS - accepted > MUTATIONS * 0.8);
  });
});
