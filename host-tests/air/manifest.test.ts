/**
 * Manifests that are wrong, read by the device's own code, over a core that has no flash: with none of them does an
 * update begin. `npm run fuzz` tries a million.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { makeManifest as make } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import type { Header, UpdateOptions } from '../../device/http/index.ts';
import { SECTOR, latin1, pattern } from '../../host/index.ts';
import { promiseLibrary } from '../../host/espruino/promise.ts';
import { during, random } from '../support/fixtures.ts';
import { type OtaHttp, SUBJECT, buildHttp, sourceOfHttp } from '../support/subject.ts';
import { tally } from '../support/tally.ts';

/** @returns a manifest as a Buffer, which a test can spoil. */
const makeManifest = (...args: Parameters<typeof make>) => Buffer.from(make(...args));

/** Manifests to try. */
const IS_FUZZ = process.env.npm_lifecycle_event === 'fuzz';
const COUNT = IS_FUZZ ? 1_000_000 : SUBJECT === 'ota.js' ? 2_000 : 12_000;

const LABEL = 'storage';
/** Sectors of the partition. */
const SPAN = 8;
const PARTITION = { label: LABEL, address: 0x10000, size: SPAN * SECTOR };

/** The partition's content: nothing. */
const blank = '\xff'.repeat(SECTOR);
const sha256 = (bytes: string) => latin1(hash('sha256', Buffer.from(bytes, 'latin1'), 'buffer'));
const blankHash = sha256(blank);

/** The module without a board: a core that only notes how it is called, and a server with one manifest. */
class Bench {
  manifest: Buffer = Buffer.alloc(0);
  /** The calls of the core that lead to a write. */
  begun = 0;
  requests = 0;
  readonly #http: OtaHttp;
  readonly #jobs: (() => void)[] = [];
  readonly #timers = new Map<number, () => void>();
  #timerIds = 0;

  constructor() {
    const queue = (job: () => void) => this.#jobs.push(job);
    const core = {
      partitions: () => [PARTITION],
      status: () => ({ state: 'none' }),
      plan: () => undefined,
      begin: () => {
        this.begun++;
        throw new Error('begun');
      },
    };
    const globals = {
      require: () => core,
      setTimeout: (call: () => void) => {
        this.#timers.set(++this.#timerIds, call);
        return this.#timerIds;
      },
      clearTimeout: (id: number) => this.#timers.delete(id),
      Promise: promiseLibrary({ queue, isFatal: () => false, unhandled: () => undefined }),
    };
    const names = Object.keys(globals);
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    const load = new Function('exports', ...names, `${sourceOfHttp()}\nreturn exports;`) as (
      ...values: unknown[]
    ) => OtaHttp;
    this.#http = load({}, ...Object.values(globals));
    this.#http.use({
      read: (_, length) => blank.slice(0, length),
      fill: (value, length) => String.fromCharCode(value).repeat(length),
      join: (pieces) => pieces.join(''),
      bytes: (room) => latin1(room as Uint8Array),
      crc32: (bytes) => crc32(Buffer.from(bytes, 'latin1')),
      sha256: (bytes) => (bytes === blank ? blankHash : sha256(bytes)),
      request: (url, first, last, onHead, onData, onEnd) => {
        this.requests++;
        const { manifest } = this;
        const isThere = url.endsWith('.ota') && first < manifest.length;
        const end = Math.min(last, manifest.length - 1);
        const range: Header = (name) =>
          name === 'content-range' ? `bytes ${first}-${end}/${manifest.length}` : undefined;
        queue(() => onHead(isThere ? 206 : 416, range));
        queue(() => onData(latin1(manifest.subarray(first, end + 1))));
        queue(() => onEnd());
        return () => undefined;
      },
    });
  }

  /** @returns the code of the error that an update ends in; 'begun' if it was begun, or is not needed */
  update(manifest: Buffer, options: Partial<UpdateOptions> = {}): string {
    let outcome: string | undefined;
    this.manifest = manifest;
    this.begun = this.requests = 0;
    this.#http.update({ url: 'http://host/image', partition: LABEL, ...options }).then(
      () => (outcome = 'begun'),
      ({ code, message }: { code?: string; message: string }) => (outcome = code ?? message),
    );
    while (outcome === undefined) {
      const job = this.#jobs.shift() ?? this.#nextTimer();
      assert.ok(job, 'it hangs');
      job();
    }
    assert.equal(this.#timers.size, 0, 'a timer is left');
    this.#jobs.length = 0;
    assert.ok(this.requests < 20, `${this.requests} requests`);
    assert.equal(this.begun > 0, outcome === 'begun', outcome);
    return outcome;
  }

  /** Lets time pass, as nothing else is left to do. */
  #nextTimer(): (() => void) | undefined {
    for (const [id, call] of this.#timers) {
      this.#timers.delete(id);
      return call;
    }
    return undefined;
  }
}

/** Writes the CRC-32 that belongs to a head, as an attacker would after changing it. */
function reseal(manifest: Buffer, metadataAt = 112): void {
  const end = metadataAt + manifest.readUInt16LE(4) + manifest.readUInt16LE(6);
  if (end + 4 <= manifest.length) manifest.writeUInt32LE(crc32(manifest.subarray(0, end)), end);
}

/** Whether a manifest may be taken, by the reader of the command line. */
function isRight(manifest: Buffer, digest: string | undefined): boolean {
  const plain = Buffer.from(manifest);
  if (plain.length < 116) return false;
  // The device does not look at what a version is made of, nor at what is behind the NUL of a label.
  plain.fill(0, 32, 64);
  const end = plain.indexOf(0, 16);
  if (end >= 0 && end < 32) plain.fill(0, end, 32);
  const isSealed = (bytes: Buffer) => {
    const at = 112 + bytes.readUInt16LE(4) + bytes.readUInt16LE(6);
    return at + 4 <= bytes.length && bytes.readUInt32LE(at) === crc32(bytes.subarray(0, at));
  };
  if (!isSealed(manifest)) return false;
  reseal(plain);
  // Nor at what is behind the head, if there are no hashes.
  const size = plain.readBigUInt64LE(72);
  const head = 116 + plain.readUInt16LE(4) + plain.readUInt16LE(6);
  try {
    const found = readManifest(size > SECTOR ? plain : plain.subarray(0, head));
    const isFitting = found.size <= PARTITION.size && ['', LABEL].includes(found.partition);
    return isFitting && (digest === undefined || found.digest === digest);
  } catch {
    return false;
  }
}

const FIELDS = [
  [0, 3],
  [3, 1],
  [4, 2],
  [6, 2],
  [12, 4],
  [16, 16],
  [64, 1],
  [65, 1],
  [66, 1],
  [67, 1],
  [68, 4],
  [72, 8],
  [80, 32],
];

/** Ways to spoil a manifest. `next(n)` is a random number below n. */
const SPOILERS: ((manifest: Buffer, next: (n: number) => number) => Buffer)[] = [
  function oneBit(manifest, next) {
    manifest[next(manifest.length)] ^= 1 << next(8);
    return manifest;
  },
  function someBits(manifest, next) {
    for (let n = 2 + next(8); n; n--) manifest[next(manifest.length)] ^= 1 << next(8);
    return manifest;
  },
  function someBytes(manifest, next) {
    const from = next(manifest.length);
    const length = 1 + next(40);
    for (let at = from; at < Math.min(from + length, manifest.length); at++)
      manifest[at] = next(256);
    return manifest;
  },
  function shorter(manifest, next) {
    return manifest.subarray(0, next(manifest.length));
  },
  function longer(manifest, next) {
    return Buffer.concat([manifest, pattern(`${next(1e9)}`, 1 + next(100))]);
  },
  function shifted(manifest, next) {
    const at = next(manifest.length);
    return Buffer.concat([
      manifest.subarray(0, at),
      Buffer.alloc(1 + next(4)),
      manifest.subarray(at),
    ]);
  },
  function swapped(manifest, next) {
    const [a, b] = [next(manifest.length - 32), next(manifest.length - 32)];
    const part = Buffer.from(manifest.subarray(a, a + 32));
    manifest.copyWithin(a, b, b + 32);
    part.copy(manifest, b);
    return manifest;
  },
  function bitInField(manifest, next) {
    const [at, length] = FIELDS[next(FIELDS.length)];
    manifest[at + next(length)] ^= 1 << next(8);
    reseal(manifest);
    return manifest;
  },
  function anyField(manifest, next) {
    const [at, length] = FIELDS[next(FIELDS.length)];
    for (let i = 0; i < length; i++) manifest[at + i] = next(3) ? next(256) : 0;
    reseal(manifest);
    return manifest;
  },
  function wholeDescriptor(manifest) {
    const [start, rest] = [manifest.subarray(0, 112), manifest.subarray(112)];
    const whole = Buffer.concat([start, Buffer.alloc(208), rest]);
    reseal(whole, 320);
    return whole;
  },
  function anotherImage(_, next) {
    return makeManifest(pattern(`${next(1e9)}`, 1 + next(3 * SECTOR)), { partition: LABEL });
  },
  function tooLarge(_, next) {
    return makeManifest(Buffer.alloc(PARTITION.size + 1 + next(SECTOR)));
  },
  function anotherLabel(_, next) {
    return makeManifest(pattern('x', SECTOR), { partition: ['stor', 'storage2', 'nvs'][next(3)] });
  },
  function noManifest(_, next) {
    return Buffer.from(pattern(`${next(1e9)}`, next(1000)));
  },
];

const images = [
  pattern('one', 3000),
  pattern('three', 3 * SECTOR),
  pattern('eight', SPAN * SECTOR),
];

const manifests = images.map((image, i) =>
  makeManifest(image, {
    partition: i ? LABEL : '',
    version: '1',
    metadata: pattern('m', [0, 10, 1024][i]),
  }),
);

describe('a manifest', () => {
  let bench: Bench;

  before(async () => {
    await buildHttp();
    bench = new Bench();
  });

  it('is taken if it is right', () => {
    for (const manifest of manifests) {
      const { digest } = readManifest(manifest);
      assert.equal(bench.update(manifest), 'begun');
      assert.equal(bench.update(manifest, { digest }), 'begun');
      assert.ok(isRight(manifest, digest));
    }
  });

  it('is refused if any bit of it is flipped', () => {
    const step = SUBJECT === 'ota.js' ? 7 : 1;
    for (const manifest of manifests.slice(0, 2))
      for (let bit = 0; bit < 8 * manifest.length; bit += step) {
        const spoilt = Buffer.from(manifest);
        spoilt[bit >> 3] ^= 1 << (bit & 7);
        const outcome = during(
          () => `bit ${bit & 7} of byte ${bit >> 3}`,
          () => bench.update(spoilt),
        );
        // A head that seems to be longer than the file cannot be fetched.
        const isLength = bit >> 3 >= 4 && bit >> 3 < 8;
        assert.match(outcome, isLength ? /E_MANIFEST|E_HTTP/ : /E_MANIFEST/);
      }
  });

  it('is refused if it has too much metadata, or too large a signature', () => {
    const manifest = manifests[1];
    const [head, rest] = [manifest.subarray(0, 112), manifest.subarray(112 + 10 + 4)];
    for (const [metadata, signature, outcome] of [
      [1024, 0, 'begun'],
      [0, 1024, 'begun'],
      [1024, 1024, 'begun'],
      [1025, 0, 'E_MANIFEST'],
      [0, 1025, 'E_MANIFEST'],
      [65535, 65535, 'E_MANIFEST'],
    ] as const) {
      const free = pattern('free', metadata + signature);
      const spoilt = Buffer.concat([head, free, Buffer.alloc(4), rest]);
      spoilt.writeUInt16LE(metadata, 4);
      spoilt.writeUInt16LE(signature, 6);
      reseal(spoilt);
      assert.equal(bench.update(spoilt), outcome, `${metadata} and ${signature} bytes`);
    }
  });
});

describe('a manifest that is spoilt somehow', () => {
  let bench: Bench;

  before(async () => {
    await buildHttp();
    bench = new Bench();
  });

  it(`is refused, whatever is wrong with it, ${COUNT} times`, function () {
    this.timeout(0);
    const outcomes: Record<string, number> = {};
    for (let seed = 1; seed <= COUNT; seed++) {
      const next = random(seed);
      const manifest = manifests[next(manifests.length)];
      const spoil = SPOILERS[next(SPOILERS.length)];
      const spoilt = spoil(Buffer.from(manifest), next);
      const digest = next(2) ? readManifest(manifest).digest : undefined;
      const outcome = during(
        () => `seed ${seed}, ${spoil.name}`,
        () => bench.update(spoilt, digest === undefined ? {} : { digest }),
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      const mayBegin = isRight(spoilt, digest);
      assert.equal(
        outcome === 'begun',
        mayBegin,
        `seed ${seed}, ${spoil.name}: ${outcome}, but the command line ${mayBegin ? 'takes' : 'refuses'} it`,
      );
      if (!mayBegin) assert.match(outcome, /^(E_MANIFEST|E_HTTP)$/, `seed ${seed}, ${spoil.name}`);
    }
    tally('fuzz', { inputs: Object.values(outcomes).reduce((sum, count) => sum + count, 0) });
    console.log(`      ${JSON.stringify(outcomes)}`);
  });
});
