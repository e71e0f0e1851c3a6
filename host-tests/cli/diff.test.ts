/** `part-ota diff`: what it predicts, beside what the module does on the simulated board. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diff, type Difference, readSide } from '../../cli/difference.ts';
import { PIECE, SLOT } from '../../device/records.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import type { Ota } from '../../cli/device-module.ts';
import { type RequestRecord, startFileServer } from '../../cli/serve/server.ts';
import { randomOf } from '../../cli/simulate/cuts.ts';
import type { AirResult, Check } from '../../device/http/api.ts';
import { Board, pattern, seconds } from '../../host/index.ts';
import { bundleOf, imageOf } from '../support/package.ts';
import { runPartOta, scratchFolder } from '../support/tools.ts';

const SECTOR = 4096;

const fromImage = (image: Uint8Array) => readSide(Buffer.from(image), false);
const fromManifest = (image: Uint8Array) => readSide(makeManifest(image), true);
const diffOf = (from: Uint8Array, to: Uint8Array) => diff(fromImage(from), fromImage(to));
/** What is known without the images. */
const diffOfManifests = (from: Uint8Array, to: Uint8Array) =>
  diff(fromManifest(from), fromManifest(to));

const old = pattern('old', 0x100000);

/** @returns an image with other content in some sectors. */
function withChanges(image: Uint8Array, ...sectors: number[]): Uint8Array {
  const copy = Uint8Array.from(image);
  for (const n of sectors) copy.set(pattern(`sector ${n}`, SECTOR), n * SECTOR);
  return copy;
}

/** @returns an image made of sectors of another one; -1 is a blank one. */
function rearranged(image: Uint8Array, sectors: number[]): Uint8Array {
  const blank = Buffer.alloc(SECTOR, 0xff);
  return Buffer.concat(
    sectors.map((n) => (n < 0 ? blank : image.subarray(n * SECTOR, (n + 1) * SECTOR))),
  );
}

/** Updates a simulated board, in chunks of some bytes, and @returns what that cost. */
function measured(from: Uint8Array, to: Uint8Array, chunk: number) {
  const board = new Board({ partitions: { storage: from } });
  board.upload('ota', bundleOf('ota'));
  board.flash.resetCounters();
  const update = board.require<Ota>('ota').begin({ partition: 'storage', size: to.length });
  for (let at = 0; at < to.length; at += chunk) update.write(to.slice(at, at + chunk));
  const { changed } = update.end();
  return { changed, ...board.flash.counters };
}

/** Updates a simulated board over HTTP, and @returns what that cost. */
async function measuredOverAir(from: Uint8Array, to: Uint8Array) {
  const { board, result, bytes } = await overHttp(from, to, 'update');
  return { bytes, changed: (result as AirResult).changed, ...board.flash.counters };
}

/** Calls `check` or `update` of a board, and @returns what came of it, and the bytes that it fetched. */
async function overHttp(from: Uint8Array, to: Uint8Array, call: 'check' | 'update') {
  const folder = mkdtempSync(join(tmpdir(), 'part-ota-'));
  writeFileSync(join(folder, 'x.bin'), to);
  let bytes = 0;
  const onRequest = (request: RequestRecord) => (bytes += request.bytes);
  const server = await startFileServer({
    directory: folder,
    port: 0,
    host: '127.0.0.1',
    onRequest,
  });
  const board = new Board({ partitions: { storage: from } });
  board.upload('ota', bundleOf('ota'));
  board.upload('ota-http', bundleOf('ota-http'));
  board.flash.resetCounters();
  const url = `http://127.0.0.1:${server.port}/x.bin`;
  const script = `require('ota-http').${call}({ url: '${url}', partition: 'storage' })`;
  const result = await board.wait(board.run(script));
  await server.close();
  rmSync(folder, { recursive: true });
  return { board, result, bytes };
}

describe('diff predicts what an update does to the flash', () => {
  const part = pattern('new', 300 * 1024);
  const cases: [string, Uint8Array, Uint8Array][] = [
    ['every sector', old, pattern('new', 0x100000)],
    ['a few sectors', old, withChanges(old, 0, 1, 100, 255)],
    ['LittleFS', imageOf('v1.littlefs'), imageOf('v2.littlefs')],
    ['SPIFFS', imageOf('v1.spiffs'), imageOf('v2.spiffs')],
    ['SPIFFS, back', imageOf('v2.spiffs'), imageOf('v1.spiffs')],
    ['a shorter image', old, part],
    ['an image that ends inside a sector', old, part.subarray(0, 299999)],
    ['one that was shorter', part.subarray(0, 299999), old],
    ['one that grows inside its last sector', part.subarray(0, 299998), part.subarray(0, 299999)],
  ];
  for (const [name, from, to] of cases) {
    // The journal is that of a partition of 1 MiB.
    const journal = Math.max(from.length, to.length) < 0x100000 ? 2 : 0;

    it(name, () => {
      const { changed, work } = diffOf(from, to);
      for (const chunk of [to.length, SECTOR, PIECE]) {
        const real = measured(from, to, chunk);
        assert.equal(changed.length, real.changed);
        assert.equal(work.erases, real.erases - journal);
        assert.equal(work.bytesProgrammed, real.bytesProgrammed - journal * SLOT);
      }
      // Where more of what is blank is apart, it need not be programmed.
      const real = measured(from, to, 536);
      assert.equal(work.erases, real.erases - journal);
      const saved = work.bytesProgrammed - (real.bytesProgrammed - journal * SLOT);
      assert.ok(saved >= 0 && saved <= changed.length * 2 * PIECE, `${saved} bytes fewer`);
    });

    it(`over the air: ${name}`, async () => {
      const { changed, fetched, work, seconds: predicted } = diffOf(from, to);
      const real = await measuredOverAir(from, to);
      assert.equal(fetched.image + fetched.manifest + fetched.again, real.bytes);
      assert.deepEqual([changed.length, work.erases], [real.changed, real.erases - journal]);
      assert.ok(work.bytesProgrammed >= real.bytesProgrammed - journal * SLOT);
      if (journal) return;
      const ratio = predicted / seconds(real);
      // Each piece that arrives is read back by itself.
      assert.ok(ratio > 0.98 && ratio < 1.01, `${ratio}`);
    });
  }

  it('nothing', () => {
    const { changed, work, fetched, copied } = diffOf(old, old);
    const sums = [changed.length, copied.length, fetched.image, work.erases, work.bytesProgrammed];
    assert.deepEqual(sums, [0, 0, 0, 0, 0]);
    assert.equal(work.bytesRead, 0x100000);
    // The root hash proves that all is right.
    assert.equal(fetched.manifest, 116);
  });
});

const sums = ({ changed, copied, fetched }: Difference) => ({
  changed,
  copied,
  fetched: fetched.sectors,
});

describe('diff predicts what is fetched', () => {
  it('the changed sectors and the manifest, from images as from manifests', () => {
    const to = withChanges(old, 3, 200);
    for (const difference of [
      diffOf(old, to),
      diffOfManifests(old, to),
      diff(fromImage(old), fromManifest(to)),
      diff(fromManifest(old), fromImage(to)),
    ]) {
      assert.deepEqual(sums(difference), { changed: [3, 200], copied: [], fetched: [3, 200] });
      assert.equal(difference.fetched.image, 2 * SECTOR);
      assert.equal(difference.fetched.manifest, 8372);
    }
  });

  it('the hashes of what changes beyond the first 32 sectors once more, 32 at a time', () => {
    const next = pattern('next', 0x100000);
    const few = Buffer.concat([next.subarray(0, 80 * SECTOR), old.subarray(80 * SECTOR)]);
    const more = withChanges(few, 127, 128, 255);
    for (const [to, again] of [
      [withChanges(old, 0, 40, 80, 120), 0],
      [few, 2 * 1024],
      // Those around 127, 128 and 255, too.
      [more, 5 * 1024],
      [next, 7 * 1024],
      [next.subarray(0, 130 * SECTOR), 3 * 1024 + 2 * 32],
    ] as const)
      assert.equal(diffOf(old, to).fetched.again, again);
  });

  it('not what is in the partition when a sector is written', () => {
    const from = old.subarray(0, 8 * SECTOR);
    // 1 and 2 are behind; the old 1 is gone when 5 wants it; 6 has what 2 got; 7 is blank.
    const to = rearranged(from, [0, 7, 5, 3, 4, 1, 5, -1]);
    for (const difference of [diffOf(from, to), diffOfManifests(from, to)])
      assert.deepEqual(sums(difference), {
        changed: [1, 2, 5, 6, 7],
        copied: [1, 2, 6, 7],
        fetched: [5],
      });
  });
});

describe('diff predicts what is fetched at the end of an image', () => {
  it('nothing of what is blank behind a shorter image', () => {
    const from = old.subarray(0, 2 * SECTOR);
    const to = rearranged(old, [0, 1, -1, 3]);
    for (const difference of [diffOf(from, to), diffOfManifests(from, to)]) {
      assert.deepEqual(sums(difference), { changed: [3], copied: [], fetched: [3] });
      assert.equal(difference.sectors, 4);
    }
  });

  it('as many bytes as the image has in its last sector', () => {
    const to = old.subarray(0, 5 * SECTOR + 100);
    const difference = diffOf(pattern('other', 0x8000), to);
    assert.deepEqual(difference.changed, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(difference.fetched.sectors, [0, 1, 2, 3, 4, 5]);
    assert.equal(difference.fetched.image, to.length);
  });

  it('a last sector that only ends earlier, for what is behind its end has to go', () => {
    const to = old.subarray(0, 5 * SECTOR + 100);
    for (const difference of [
      diffOf(old.subarray(0, 6 * SECTOR), to),
      diffOfManifests(old.subarray(0, 6 * SECTOR), to),
    ])
      assert.deepEqual(sums(difference), { changed: [5], copied: [], fetched: [5] });
    const same = diffOfManifests(to, withChanges(to.slice(), 0));
    assert.deepEqual(same.changed, [0]);
  });

  it('nothing of a last sector to which only blanks were added, if the images are known', () => {
    const from = old.subarray(0, SECTOR + 100);
    const to = Buffer.concat([from, Buffer.alloc(50, 0xff)]);
    assert.deepEqual(sums(diffOf(from, to)), { changed: [], copied: [], fetched: [] });
    // Of hashes it cannot be known.
    assert.deepEqual(sums(diffOfManifests(from, to)), { changed: [1], copied: [], fetched: [1] });
  });
});

describe('diff predicts what ota-http does', () => {
  const random = randomOf(3);
  const below = (limit: number) => Math.floor(random() * limit);
  const shuffled = (length: number) =>
    rearranged(
      old,
      Array.from({ length }, (_, n) => (below(3) ? n : below(260) - 4)).map((n) => Math.max(n, -1)),
    );
  const cases: [string, Uint8Array, Uint8Array][] = [
    ['LittleFS', imageOf('v1.littlefs'), imageOf('v2.littlefs')],
    ['SPIFFS', imageOf('v1.spiffs'), imageOf('v2.spiffs')],
    ['the same', old, old],
    ['what ends inside a sector', old, pattern('new', 123456)],
    ['what only gets shorter', old, old.subarray(0, 123456)],
    ['what only gets longer', old.subarray(0, 123456), old],
    ['one sector', old, old.subarray(4096, 5000)],
    [
      'blanks added',
      old.subarray(0, 5000),
      Buffer.concat([old.subarray(0, 5000), Buffer.alloc(9, 0xff)]),
    ],
  ];
  for (let n = 0; n < 8; n++)
    cases.push([`sectors in disorder ${n}`, shuffled(256), shuffled(1 + below(256))]);
  for (const [name, from, to] of cases)
    it(`over HTTP: ${name}`, async () => {
      const { changed, copied, fetched } = diffOf(from, to);
      const { result, bytes } = await overHttp(from, to, 'check');
      const { copied: copies, fetch, same } = result as Check;
      assert.deepEqual(
        [copied.length, fetched.image, fetched.manifest, !changed.length],
        [copies, fetch, bytes, same],
      );
    });
});

describe('part-ota diff', () => {
  const folder = scratchFolder();
  const inFolder = (name: string) => join(folder, name);
  const run = (...words: string[]) => runPartOta(folder, 'diff', ...words);
  before(() => {
    for (const version of ['v1', 'v2']) {
      const image = imageOf(`${version}.littlefs`);
      writeFileSync(inFolder(`${version}.bin`), image);
      writeFileSync(inFolder(`${version}.bin.ota`), makeManifest(image));
    }
    writeFileSync(inFolder('bad.ota'), imageOf('v1.spiffs'));
  });

  it('prints what is fetched, erased, and how long it takes', async () => {
    const { status, stdout, stderr } = await run('v1.bin', 'v2.bin');
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.match(stdout, /^v1\.bin to v2\.bin:\n/);
    assert.match(stdout, /change +76 sectors of 256: 1, 28-40, 66-127\n/);
    assert.match(stdout, /fetch +321,716 bytes, 30\.7 % .*76 sectors and 10,420 bytes of manifest/);
    assert.match(stdout, /flash +151 erases, 594,240 bytes programmed, about 8\.3 s\n/);
  });

  it('prints JSON, of manifests too', async () => {
    const { stdout } = await run('v1.bin.ota', 'v2.bin.ota', '--json');
    const printed = JSON.parse(stdout) as Record<string, { count: number; bytes: number }>;
    assert.equal(printed.sectors, 256);
    assert.equal(printed.changed.count, 76);
    assert.equal(printed.fetched.bytes, 321716);
  });

  it('refuses what is neither image nor manifest', async () => {
    const none = await run('v1.bin', 'none.bin');
    assert.equal(none.status, 2);
    assert.match(none.stderr, /^error: none\.bin: no such file/);
    const bad = await run('v1.bin', 'bad.ota');
    assert.equal(bad.status, 2);
    assert.match(bad.stderr, /^error: bad\.ota: manifest: does not begin with "OTA"/);
    assert.throws(() => readSide(Buffer.from('OTA\x01'), false), { code: 'E_CUT' });
  });
});
