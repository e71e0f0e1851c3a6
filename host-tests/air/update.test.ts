/** Updates over the air: what is fetched, and what comes of it. */
import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { makeManifest } from '../../formats/manifest/make.ts';
import type { Check, Seam } from '../../device/http/index.ts';
import {
  Board,
  type Network,
  PowerCut,
  SECTOR,
  TABLES,
  TEARS,
  latin1,
  pattern,
} from '../../host/index.ts';
import { imageOf } from '../support/package.ts';
import {
  HEAD,
  URL_OF_IMAGE,
  assertContent,
  changedAt,
  codeOfCall,
  publish,
  siteWith,
  treeBytes,
} from '../support/air-fixtures.ts';
import { WebServer } from '../support/air-server.ts';
import { NEW, OLD, OTHER, SECTORS, boardWith, padded } from '../support/fixtures.ts';
import { type OtaHttp, otaOf } from '../support/subject.ts';

/** A partition of 1 MiB: 256 sectors, two blocks of hashes. */
const bigBoard = (options = {}) => new Board({ table: TABLES.example, ...options });
const BIG = 256;
const big = pattern('big', BIG * SECTOR);

/** @returns so many of 256 sectors, evenly spread. */
const spread = (count: number) =>
  Array.from({ length: count }, (_, i) => Math.floor((i * BIG) / count));

describe('an update over the air fetches', () => {
  for (const percent of [1, 5, 10, 25, 100]) {
    const sectors = Math.round((percent * BIG) / 100);
    it(`${percent} % of an image if ${percent} % have changed`, () => {
      const wanted = changedAt(big, spread(sectors));
      const site = siteWith(wanted, { make: bigBoard, partitions: { storage: big } });
      const { changed, state, fetched } = site.update();
      assert.deepEqual([state, changed], ['committed', sectors]);
      assertContent(site.board, wanted);
      const needed = sectors * SECTOR + HEAD + treeBytes(BIG);
      // The hashes of 32 sectors are kept in memory. Those of the others are fetched again, 32 at a time: for sectors 128 to
      // 255 if each fourth one changes, for all but the first 32 if all do.
      assert.equal(site.server.sent, needed + ({ 25: 4, 100: 7 }[percent] ?? 0) * 1024);
      assert.equal(fetched, site.server.sent);
      assert.ok(fetched <= 1.05 * needed);
    });
  }

  for (const [kind, sectors, requests, again] of [
    ['littlefs', 76, 11, 2 * 1024],
    ['spiffs', 83, 28, 3 * 1024],
  ] as const)
    it(`${sectors} of 256 sectors of a ${kind} image`, () => {
      const wanted = imageOf(`v2.${kind}`);
      const site = siteWith(wanted, {
        make: bigBoard,
        partitions: { storage: imageOf(`v1.${kind}`) },
      });
      const { changed, fetch } = site.update();
      assert.deepEqual([changed, fetch], [sectors, sectors * SECTOR]);
      const needed = sectors * SECTOR + HEAD + treeBytes(BIG);
      assert.equal(site.server.sent, needed + again);
      assert.ok(site.server.sent <= 1.05 * needed);
      assert.equal(site.server.asked.length, requests);
      assertContent(site.board, wanted);
    });

  it('metadata along with the head', () => {
    const { update, board, server } = siteWith(NEW, { fields: { metadata: pattern('m', 1000) } });
    assert.equal(update().state, 'committed');
    assertContent(board, NEW);
    assert.deepEqual(server.asked[1].range, { first: HEAD, last: HEAD + 999 });
    const none = siteWith(OLD, { fields: { metadata: pattern('m', 1024) } });
    assert.equal(none.update().state, 'untouched');
    assert.equal(none.server.sent, HEAD + 1024);
  });
});

describe('an update over the air', () => {
  it('costs the head of the manifest if nothing has changed', () => {
    const { update, board, server } = siteWith(OLD);
    const { operations } = board.flash.counters;
    const { state, same, changed, fetched } = update();
    assert.deepEqual([state, same, changed, fetched], ['untouched', true, 0, HEAD]);
    assert.deepEqual(
      server.asked.map(({ path, range }) => [path, range]),
      [['/image.bin.ota', { first: 0, last: HEAD - 1 }]],
    );
    assert.equal(board.flash.counters.operations, operations);
  });

  it('joins neighbours in one request', () => {
    const wanted = changedAt(OLD, [1, 2, 4, 5]);
    const { update, server } = siteWith(wanted);
    update();
    assert.deepEqual(
      server.asked.slice(2).map(({ range }) => range),
      [
        { first: SECTOR, last: 3 * SECTOR - 1 },
        { first: 4 * SECTOR, last: 6 * SECTOR - 1 },
      ],
    );
  });

  it('rewrites what is behind an image that is there already', () => {
    for (const size of [1, 4096, 10_000, 20_480]) {
      const { update, board, server } = siteWith(OLD.subarray(0, size));
      const plan = siteWith(OLD.subarray(0, size)).check({ partition: 'storage' });
      const { state, changed, same } = update();
      assert.deepEqual([state, same, plan.changed], ['committed', false, changed]);
      assertContent(board, OLD.subarray(0, size));
      // Only the last sector may be fetched.
      assert.ok(server.sent <= HEAD + treeBytes(Math.ceil(size / SECTOR)) + (size % SECTOR));
    }
  });

  it('does not take zeros behind an image for nothing', () => {
    const wanted = pattern('an odd end', 10_000);
    const old = padded(wanted);
    old.fill(0, wanted.length, 3 * SECTOR);
    const { update, check, board } = siteWith(wanted, { partitions: { storage: old } });
    assert.equal(check({ partition: 'storage' }).same, false);
    assert.equal(update().changed, 1);
    assertContent(board, wanted);
  });
});

describe('an update over the air takes', () => {
  it('images of any size, and leaves what is behind them blank', () => {
    for (const size of [1, 31, 4095, 4096, 4097, 8192, 20_000, 24_575, 24_576])
      for (const old of [OLD, OTHER, padded(new Uint8Array())]) {
        const wanted = pattern(`of ${size}`, size);
        const { update, check, board } = siteWith(wanted, { partitions: { storage: old } });
        const plan = check({ partition: 'storage' });
        const { state, changed } = update();
        assert.equal(state, 'committed');
        assertContent(board, wanted, `${size} bytes:`);
        assert.equal(changed, plan.changed, `${size} bytes`);
        assert.equal(update().state, 'untouched');
      }
  });

  it('images of 128 and 129 sectors, where the tree grows', () => {
    for (const sectors of [127, 128, 129]) {
      const wanted = changedAt(big.subarray(0, sectors * SECTOR - 5), [0, sectors - 1]);
      const site = siteWith(wanted, { make: bigBoard, partitions: { storage: wanted } });
      assert.equal(site.update().state, 'untouched');
      site.board.load('storage', big.subarray(0, sectors * SECTOR - 5));
      assert.equal(site.update().changed, 2);
      assertContent(site.board, wanted);
    }
  });

  it('an image of 10 MiB in small pieces', () => {
    const table = [
      ...TABLES.espruinoEsp32.slice(0, 4),
      { label: 'storage', type: 1, subtype: 0x82, address: 0x400000, size: 0xa00000 },
      { label: 'spare', type: 1, subtype: 0x40, address: 0xe00000, size: 0x200000 },
    ];
    const make = (options = {}) => new Board({ table, size: 0x1000000, ...options });
    const old = pattern('10 MiB', 0xa00000);
    // More hashes than fit in memory: 300 sectors, in 20 blocks of hashes.
    const changes = Array.from({ length: 300 }, (_, i) => Math.floor((i * 2560) / 300));
    const wanted = changedAt(old, changes);
    const site = siteWith(wanted, { make, partitions: { storage: old } });
    const { changed } = site.update({ backup: 'spare' });
    assert.equal(changed, 300);
    assertContent(site.board, wanted);
    const needed = 300 * SECTOR + HEAD + treeBytes(2560);
    // Almost all hashes are fetched twice: that is 7 % here, and less where the changes are closer together.
    assert.ok(site.server.sent <= 1.07 * needed, `${site.server.sent} of ${needed}`);
  });
});

describe('an update over the air, when hashes or sectors are not what they were,', () => {
  it('proves each block of hashes', () => {
    const wanted = changedAt(big, [0, 255]);
    const manifest = makeManifest(wanted);
    // The hashes of two blocks, and those of 128 sectors each.
    for (const at of [
      HEAD,
      HEAD + 63,
      HEAD + 64,
      HEAD + 64 + 4095,
      HEAD + 64 + 4096,
      manifest.length - 1,
    ]) {
      const site = siteWith(wanted, { make: bigBoard, partitions: { storage: big } });
      const spoilt = Buffer.from(manifest);
      spoilt[at] ^= 1;
      site.server.files.set('/image.bin.ota', spoilt);
      const { operations } = site.board.flash.counters;
      assert.equal(
        codeOfCall(() => site.update()),
        'E_MANIFEST',
        `byte ${at}`,
      );
      assert.equal(site.board.flash.counters.operations, operations);
    }
  });

  it('proves hashes that are fetched once more, also against a server that has other content with the same CRC-32', () => {
    const wanted = changedAt(big, spread(BIG));
    const forged = Buffer.from(wanted);
    // The generator of CRC-32, bit by bit: a multiple of it changes no CRC.
    const generator = '100000100110000010001110110110111';
    const at = 200 * SECTOR + 50;
    [...generator].forEach((bit, n) => (forged[at + (n >> 3)] ^= Number(bit) << (n & 7)));
    assert.equal(crc32(forged), crc32(wanted));
    assert.notEqual(Buffer.compare(forged, wanted), 0);
    const site = siteWith(wanted, { make: bigBoard, partitions: { storage: big } });
    const manifest = Buffer.from(makeManifest(wanted));
    const hash200 = HEAD + 64 + 200 * 32;
    hash('sha256', forged.subarray(200 * SECTOR, 201 * SECTOR), 'buffer').copy(manifest, hash200);
    const asked = new Map<string, number>();
    let again = 0;
    site.server.fault = (reply, { path, range }) => {
      const { first, last } = range!;
      const count = (asked.get(path) ?? 0) + Number(first <= hash200 && last >= hash200 + 31);
      asked.set(path, count);
      // What is planned is right; from then on all is forged.
      if (path.endsWith('.ota') ? count < 2 : asked.get(`${path}.ota`)! < 2) return reply;
      again++;
      const file = path.endsWith('.ota') ? manifest : forged;
      return { ...reply, body: file.subarray(first, last + 1) };
    };
    assert.match(
      codeOfCall(() => site.update()),
      /^E_MANIFEST$/,
    );
    assert.ok(again > 0);
    assertContent(site.board, big);
  });

  it('fetches hashes once more of a block that is not full', () => {
    // All hashes but 32: the last eight of them are those of a group that is not full, either.
    const wanted = Buffer.concat([pattern('new', 168 * SECTOR - 100), big.subarray(168 * SECTOR)]);
    const image = wanted.subarray(0, 168 * SECTOR - 100);
    const site = siteWith(image, { make: bigBoard, partitions: { storage: big } });
    const { state, changed } = site.update();
    assert.deepEqual([state, changed], ['committed', BIG]);
    assertContent(site.board, image);
  });
});

describe('an update over the air, when flash is not what it was,', () => {
  it('finds out that somebody else has written meanwhile', () => {
    const { update, board } = siteWith(NEW);
    const { address } = board.partition('storage');
    const code = codeOfCall(() =>
      update({
        onProgress: ({ phase, done }) => {
          if (phase === 'write' && done === SECTOR)
            board.flash.program(address + 3 * SECTOR + 1000, new Uint8Array(4));
        },
      }),
    );
    assert.equal(code, 'E_VERIFY');
  });
});

describe('content that the partition has elsewhere', () => {
  const sectorsOf = (content: Uint8Array) =>
    Array.from({ length: SECTORS }, (_, n) => content.subarray(n * SECTOR, (n + 1) * SECTOR));
  const old = sectorsOf(OLD);
  const fresh = sectorsOf(pattern('fresh', SECTORS * SECTOR));
  const blank = Buffer.alloc(SECTOR, 0xff);

  /** Updates to these sectors; @returns how many of them were fetched, and how many copied. */
  function update(sectors: Uint8Array[], from: Uint8Array = OLD) {
    const wanted = Buffer.concat(sectors);
    const { update, board, server } = siteWith(wanted, { partitions: { storage: from } });
    const { fetch, copied, changed } = update();
    assertContent(board, wanted);
    assert.equal(server.sent, HEAD + treeBytes(sectors.length) + fetch);
    assert.equal(changed, fetch / SECTOR + copied);
    return [fetch / SECTOR, copied];
  }

  it('is copied from where it stays', () => {
    assert.deepEqual(update([old[0], old[0], old[0], old[3], old[3], old[5]]), [0, 3]);
  });

  it('is copied from where it is to be overwritten, if that comes later', () => {
    assert.deepEqual(update([old[1], old[3], old[4], old[5], fresh[0], fresh[1]]), [2, 4]);
  });

  it('is fetched if it is overwritten by then', () => {
    assert.deepEqual(update([fresh[0], old[0], old[1], old[3], old[4], old[5]]), [3, 0]);
  });

  it('is fetched once if it comes again', () => {
    assert.deepEqual(update([fresh[0], fresh[1], fresh[0], fresh[1], fresh[0], old[5]]), [2, 3]);
  });

  it('may be nothing at all', () => {
    assert.deepEqual(update([blank, blank, fresh[0], old[3], blank, old[5]]), [1, 3]);
  });

  it('may be nothing at all, though nothing of it is blank', () => {
    const full = pattern('full', SECTORS * SECTOR);
    const [a, b, c, d, e, f] = sectorsOf(full);
    assert.deepEqual(update([blank, b, c, blank, e, f], full), [0, 2]);
    assert.deepEqual(update([a, b, c, d, e, blank], full), [0, 1]);
  });

  it('may be swapped: one half is fetched', () => {
    assert.deepEqual(update([old[1], old[0], old[2], old[4], old[3], old[5]]), [2, 2]);
  });

  it('may be what is fetched now, though its hash begins like that of another', () => {
    // The table knows four bytes of each hash; here they are all the same.
    const wanted = Buffer.concat([fresh[0], old[1], fresh[2], old[3], fresh[4], old[5]]);
    const site = siteWith(wanted);
    site.board.install('clock', ({ setTimeout }) => ({ setTimeout }));
    const seam = seamOf(site.server, site.board, {
      sha256: (bytes) => 'same' + sha256(bytes).slice(4),
    });
    // Its own manifest: hashes that begin so.
    const mine = (bytes: Uint8Array) =>
      Buffer.from('same' + latin1(hash('sha256', bytes, 'buffer')).slice(4), 'latin1');
    const leaves = Buffer.concat(sectorsOf(wanted).map(mine));
    const manifest = Buffer.from(makeManifest(wanted));
    leaves.copy(manifest, HEAD);
    mine(Buffer.concat([leaves], SECTOR)).copy(manifest, 64 + 16);
    manifest.writeUInt32LE(crc32(manifest.subarray(0, 112)), 112);
    site.server.files.set('/image.bin.ota', manifest);
    site.board.require<OtaHttp>('ota-http').use(seam);
    assert.equal(site.update().state, 'committed');
    assertContent(site.board, wanted);
  });
});

const sha256 = (bytes: string) => latin1(hash('sha256', Buffer.from(bytes, 'latin1'), 'buffer'));

/** @returns a seam of another engine than Espruino: a network without Espruino's http. */
function seamOf(server: WebServer, board: Board, changes: Partial<Seam> = {}): Seam {
  return {
    read: (address, length) => latin1(board.flash.read(address, length)),
    fill: (value, length) => String.fromCharCode(value).repeat(length),
    join: (pieces) => pieces.join(''),
    bytes: (room) => latin1(room as Uint8Array),
    crc32: (bytes) => crc32(Buffer.from(bytes, 'latin1')),
    sha256,
    request: (url, first, last, onHead, onData, onEnd) => {
      const { setTimeout } = board.require<{ setTimeout: (call: () => void, ms: number) => void }>(
        'clock',
      );
      const path = new URL(url).pathname;
      const asked = { method: 'GET', path, range: { first, last }, headers: {} };
      const { status, headers, body } = server.answer(asked);
      const isOpen = { value: true };
      setTimeout(() => {
        server.sent += body.length;
        onHead(status, (name) => {
          const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name);
          return found && String(found[1]);
        });
        if (isOpen.value) onData(latin1(body));
        onEnd();
      }, 1);
      return () => {
        isOpen.value = false;
      };
    },
    ...changes,
  };
}

describe('the seam', () => {
  it('lets it work over another network', () => {
    const { board, server, update, check } = siteWith(NEW);
    board.install('clock', ({ setTimeout }) => ({ setTimeout }));
    const lengths: number[] = [];
    const seam = seamOf(server, board, {
      join: (pieces) => {
        const whole = pieces.join('');
        lengths.push(whole.length);
        return whole;
      },
    });
    board.require<OtaHttp>('ota-http').use(seam);
    assert.equal(check({ partition: 'storage' }).changed, 5);
    assert.equal(update().state, 'committed');
    assertContent(board, NEW);
    assert.ok(Math.max(...lengths) <= SECTOR);
  });

  it('lets the bytes alone come from elsewhere, which takes less memory', () => {
    const { board, server, update } = siteWith(NEW);
    board.install('clock', ({ setTimeout }) => ({ setTimeout }));
    board.run('process.memory = function () { return { free: 1150 }; }');
    assert.equal(
      codeOfCall(() => update()),
      'E_MEMORY',
    );
    const { request } = seamOf(server, board);
    board.require<OtaHttp>('ota-http').use({ request });
    assert.equal(update().state, 'committed');
    assertContent(board, NEW);
    board.run('process.memory = function () { return { free: 1050 }; }');
    assert.equal(
      codeOfCall(() => update()),
      'E_MEMORY',
    );
  });

  it('says so if there is none', () => {
    const site = siteWith(NEW, { crypto: false });
    assert.throws(() => site.update(), /crypto/);
    // And the next call is not refused for that.
    assert.throws(() => site.update(), /crypto/);
  });
});

describe('over https', () => {
  it('takes the same way, to port 443', () => {
    const server = new WebServer();
    const targets: unknown[] = [];
    const network: Network = (target, socket) => {
      targets.push(target);
      return server.network({ ...target, host: 'host' }, socket);
    };
    const { board } = siteWith(NEW);
    const secure = boardWith({ network });
    publish(server, NEW);
    const { update } = siteWith(NEW, { make: () => secure });
    assert.ok(board !== secure);
    assert.equal(update({ url: 'https://example.com/image.bin' }).state, 'committed');
    assert.deepEqual(targets[0], { host: 'example.com', port: 443, isTls: true });
  });
});

describe('check', () => {
  it('tells what an update would fetch, and writes nothing', () => {
    const { check, board, server } = siteWith(NEW, {
      fields: { partition: 'storage', version: '1.2.3' },
    });
    const { operations } = board.flash.counters;
    const found = check();
    const { version, label, size, digest, same, changed, copied, fetch } = found;
    const manifest = server.files.get('/image.bin.ota')!;
    const whole = Buffer.concat([manifest.subarray(64, 112)], 256);
    assert.deepEqual(
      { version, label, size, digest, same, changed, copied, fetch },
      {
        version: '1.2.3',
        label: 'storage',
        size: NEW.length,
        digest: createHash('sha256').update(whole).digest('hex'),
        same: false,
        changed: 5,
        copied: 1,
        fetch: 4 * SECTOR,
      },
    );
    assert.equal(server.sent, HEAD + 32 * SECTORS);
    assert.equal(board.flash.counters.operations, operations);
    assertContent(board, OLD);
  });

  it('compares with a partition of another name', () => {
    const { check } = siteWith(OLD, { partitions: { spare: OLD } });
    assert.equal(check({ partition: 'spare' }).same, true);
    assert.equal(check({ partition: 'storage' }).same, true);
    assert.throws(() => check(), { message: 'E_NO_PARTITION partition: no label' });
    const nowhere = { partition: 'nowhere' };
    assert.throws(() => check(nowhere), { message: 'E_NO_PARTITION partition: no nowhere' });
  });

  it('writes nothing though an update was interrupted', () => {
    const { check, update, board } = siteWith(NEW);
    board.flash.cutAt(15, TEARS.someBits);
    assert.throws(() => update(), PowerCut);
    board.powerOn();
    const { operations } = board.flash.counters;
    check({ partition: 'storage' });
    assert.equal(board.flash.counters.operations, operations);
  });

  it('works while an update is on trial', () => {
    const { check, update } = siteWith(NEW);
    update({ trial: 3 });
    assert.equal(check({ partition: 'storage' }).same, true);
  });
});

describe('onPlan', () => {
  it('is called once, before anything is written or fetched', () => {
    const { update, board, server } = siteWith(NEW);
    const { operations } = board.flash.counters;
    const plans: Check[] = [];
    update({
      onPlan: (plan) => {
        plans.push({ ...plan });
        assert.equal(board.flash.counters.operations, operations);
        assert.equal(server.sent, HEAD + 32 * SECTORS);
      },
    });
    assert.equal(plans.length, 1);
    const { size, changed, copied, fetch } = plans[0];
    assert.deepEqual([size, changed, copied, fetch], [NEW.length, 5, 1, 4 * SECTOR]);
  });

  it('stops the update by what it throws', () => {
    const { update, board } = siteWith(NEW);
    const { operations } = board.flash.counters;
    for (const thrown of [new Error('too much'), 'no', 0, undefined]) {
      let caught: unknown = 'nothing';
      try {
        update({
          onPlan: () => {
            // eslint-disable-next-line @typescript-eslint/only-throw-error
            throw thrown;
          },
        });
      } catch (error) {
        caught = error;
      }
      assert.equal(caught, thrown);
    }
    assert.equal(board.flash.counters.operations, operations);
    assert.equal(otaOf(board).status().state, 'none');
    assert.equal(update().state, 'committed');
  });
});

/** @returns the code; nothing must have been written. */
function refusal(wanted: Uint8Array, options: object = {}, more: object = {}): string {
  const { update, board } = siteWith(wanted, more);
  const { operations } = board.flash.counters;
  const code = codeOfCall(() => update(options));
  assert.equal(board.flash.counters.operations, operations);
  assertContent(board, OLD);
  return code;
}

describe('an update that is refused', () => {
  it('names no URL', () => {
    assert.equal(refusal(NEW, { url: undefined }), 'E_ARGUMENT');
    assert.equal(refusal(NEW, { url: '' }), 'E_ARGUMENT');
  });

  it('names a URL that leads nowhere', () => {
    assert.equal(refusal(NEW, { url: 'http://elsewhere/image.bin' }), 'E_HTTP');
    assert.equal(refusal(NEW, { url: 'http://host/nothing' }), 'E_HTTP');
  });

  it('names a partition that is not there, or must not be written', () => {
    const none = { partition: 'nowhere' };
    assert.equal(refusal(NEW, none), 'E_NO_PARTITION');
    assert.equal(refusal(NEW, { partition: undefined }, { fields: none }), 'E_NO_PARTITION');
    assert.equal(refusal(NEW, { partition: 'ota_0' }), 'E_FORBIDDEN');
    assert.equal(refusal(NEW, { backup: 'none' }), 'E_NO_PARTITION');
    assert.equal(refusal(NEW, { trial: 1000 }), 'E_ARGUMENT');
  });

  it('finds a manifest for another partition', () => {
    assert.equal(refusal(NEW, {}, { fields: { partition: 'near' } }), 'E_MANIFEST');
  });

  it('finds a manifest with another digest', () => {
    assert.equal(refusal(NEW, { digest: '00'.repeat(32) }), 'E_MANIFEST');
    assert.equal(refusal(NEW, { digest: '' }), 'E_MANIFEST');
  });

  it('finds an image that is larger than the partition', () => {
    assert.equal(refusal(pattern('large', SECTORS * SECTOR + 1)), 'E_MANIFEST');
  });
});

describe('an update that is refused comes', () => {
  it('while another is in progress', () => {
    const { board, update } = siteWith(NEW);
    const http = board.require<OtaHttp>('ota-http');
    const first = http.update({ url: URL_OF_IMAGE, partition: 'storage' });
    assert.equal(
      codeOfCall(() => board.settle(http.update({ url: URL_OF_IMAGE, partition: 'storage' }))),
      'E_STATE',
    );
    assert.equal(
      codeOfCall(() => board.settle(http.check({ url: URL_OF_IMAGE }))),
      'E_STATE',
    );
    assert.equal(board.settle(first).state, 'committed');
    assert.equal(update().state, 'untouched');
  });

  it('while an update by the core is in progress', () => {
    const { board, update } = siteWith(NEW);
    const other = otaOf(board).begin({ partition: 'storage' });
    other.write(OTHER);
    assert.equal(
      codeOfCall(() => update()),
      'E_STATE',
    );
    assert.equal(other.end().state, 'committed');
    assertContent(board, OTHER);
  });

  it('from a progress callback', () => {
    const { board, update } = siteWith(NEW);
    const http = board.require<OtaHttp>('ota-http');
    const codes = new Set<string>();
    let isAsked = false;
    update({
      onProgress: () => {
        if (isAsked) return;
        isAsked = true;
        http
          .update({ url: URL_OF_IMAGE, partition: 'storage' })
          .then(undefined, ({ code }: { code: string }) => codes.add(code));
      },
    });
    board.advance(1);
    assert.deepEqual([...codes], ['E_STATE']);
    assertContent(board, NEW);
  });
});

describe('the digest', () => {
  it('is taken as fsverity and part-ota print it', () => {
    const { check, update } = siteWith(NEW);
    const { digest } = check({ partition: 'storage' });
    assert.equal(update({ digest: `SHA256:${digest.toUpperCase()}` }).state, 'committed');
    assert.equal(update({ digest }).state, 'untouched');
  });
});

/** @returns whether power has not failed in a call. */
function isComplete(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch (error) {
    assert.ok(error instanceof PowerCut);
    return false;
  }
}

describe('after forget() the image', () => {
  it('is written as a whole: what reads right may be unstable', () => {
    for (const backup of [undefined, false as const])
      for (let at = 1, isCut = true; isCut; at++) {
        const { update, board } = siteWith(NEW);
        const { address, size } = board.partition('storage');
        board.flash.cutAt(at, TEARS.everyBit);
        isCut = !isComplete(() => update({ backup }));
        assert.ok(isCut || at > 10, `only ${at} operations`);
        board.flash.cutAt(0, TEARS.nothing);
        board.powerOn('after');
        otaOf(board).forget();
        update();
        assert.ok(board.flash.holds(address, padded(NEW, size)), `${backup}, operation ${at}`);
      }
  });
});

describe('the options of begin', () => {
  it('reach it', () => {
    const { update, board } = siteWith(NEW);
    const phases = new Set<string>();
    const { state } = update({
      backup: 'spare',
      trial: 2,
      onProgress: ({ phase }) => phases.add(phase),
    });
    assert.equal(state, 'trial');
    assert.deepEqual([...phases], ['backup', 'write', 'verify']);
    assert.equal(otaOf(board).status().trial, 2);
    assert.notEqual(Buffer.compare(board.content('spare'), pattern('spare', 6 * SECTOR)), 0);
    assert.equal(otaOf(board).restore().state, 'restored');
    assertContent(board, OLD);
  });

  it('finds a trial that is over, and compares what comes back', () => {
    const { update, board, server } = siteWith(NEW);
    update({ trial: 1 });
    assert.equal(update().state, 'untouched', 'the trial goes on');
    board.powerOn();
    otaOf(board).recover();
    // At this boot the trial is over, and recover is not called.
    board.powerOn();
    const image = changedAt(NEW, [1]);
    publish(server, image);
    assert.equal(update().state, 'committed');
    assertContent(board, image);
  });

  it('are not changed', () => {
    const { board } = siteWith(NEW);
    const options = { url: URL_OF_IMAGE, partition: 'storage' };
    board.settle(board.require<OtaHttp>('ota-http').update(options));
    assert.deepEqual(options, { url: URL_OF_IMAGE, partition: 'storage' });
  });

  it('may ask for a direct update', () => {
    const { update, board } = siteWith(NEW);
    assert.equal(update({ backup: false }).state, 'committed');
    assertContent(board, NEW);
  });

  it('may stop it by what onProgress throws', () => {
    const { update, board } = siteWith(NEW);
    let calls = 0;
    assert.throws(
      () =>
        update({
          onProgress: () => {
            if (++calls > 5) throw new Error('enough');
          },
        }),
      /enough/,
    );
    assertContent(board, OLD);
    assert.equal(otaOf(board).status().state, 'restored');
  });
});

describe('after power loss', () => {
  it('an update goes on, whatever had been interrupted', () => {
    for (const [from, to] of [
      [NEW, NEW],
      [OTHER, NEW],
      [NEW, OLD],
    ])
      for (const options of [{}, { backup: false as const }]) {
        for (let cut = 1; ; cut += 5) {
          const site = siteWith(from);
          site.board.flash.cutAt(cut, TEARS.someBits);
          let isCut = false;
          try {
            site.update(options);
          } catch (error) {
            if (!(error instanceof PowerCut)) throw error;
            isCut = true;
          }
          if (!isCut) break;
          site.board.powerOn(cut % 2 ? 'ones' : 'zeros');
          const { state } = otaOf(site.board).recover({ resume: true });
          publish(site.server, to);
          const result = site.update(options);
          assert.ok(['committed', 'untouched'].includes(result.state), result.state);
          assertContent(site.board, to, `cut at ${cut}, ${state}:`);
          // Its content stays: no cell is left in the state in which the cut left it.
          site.board.powerOn(cut % 2 ? 'zeros' : 'ones');
          assert.match(otaOf(site.board).recover().state, /none|committed|restored/);
          assertContent(site.board, to, `cut at ${cut}, ${state}, later:`);
        }
      }
  });

  it('an update that was complete but for its commit is committed', () => {
    const site = siteWith(NEW);
    const before = site.board.flash.counters.operations;
    site.update();
    const total = site.board.flash.counters.operations - before;
    const again = siteWith(NEW);
    again.board.flash.cutAt(total - 2, TEARS.nothing);
    assert.throws(() => again.update(), PowerCut);
    again.board.powerOn();
    otaOf(again.board).recover({ resume: true });
    again.server.sent = 0;
    assert.equal(again.update().state, 'committed');
    assert.equal(otaOf(again.board).recover().state, 'committed');
    assertContent(again.board, NEW);
    // The last sector that was saved is not believed.
    assert.ok(again.server.sent <= HEAD + 32 * SECTORS + SECTOR);
  });
});

describe('retries', () => {
  it('are as many as asked for', () => {
    for (const retries of [0, 1, 3, 8, undefined]) {
      const { update, server } = siteWith(NEW);
      server.fault = (reply) => ({ ...reply, cutAt: 0 });
      assert.equal(
        codeOfCall(() => update({ retries })),
        'E_HTTP',
      );
      assert.equal(server.asked.length, (retries ?? 5) + 1);
    }
  });

  it('begin anew with each sector', () => {
    const wanted = changedAt(OLD, [0, 1, 2, 3, 4, 5]);
    const { update, server, board } = siteWith(wanted);
    // Each connection brings 3000 bytes.
    server.fault = (reply) => ({ ...reply, cutAt: 3200 });
    assert.equal(update({ retries: 2 }).state, 'committed');
    assertContent(board, wanted);
    assert.ok(server.asked.length > 8);
  });

  it('pause longer and longer, and never twice the same', () => {
    const { update, server, board } = siteWith(NEW);
    const times: number[] = [];
    server.fault = (reply) => {
      times.push(board.now);
      return { ...reply, cutAt: 0 };
    };
    codeOfCall(() => update({ retries: 8 }));
    const pauses = times.slice(1).map((time, i) => time - times[i]);
    for (const [i, pause] of pauses.entries()) {
      const base = 500 * 2 ** Math.min(i + 1, 6);
      assert.ok(pause >= base && pause <= 2 * base + 1, `${pause} ms after ${i + 1} faults`);
    }
  });

  it('give each 4096 bytes the time that is asked for', () => {
    for (const [ms, timeout, outcome] of [
      [900, 10_000, 'committed'],
      [1500, 10_000, 'E_TIMEOUT'],
      [1500, undefined, 'committed'],
      [2500, undefined, 'E_TIMEOUT'],
    ] as const) {
      const { update, server } = siteWith(NEW);
      // Eight packets for a sector.
      server.fault = (reply) => ({ ...reply, pace: { bytes: 536, ms } });
      let found: string;
      try {
        found = update({ timeout, retries: 0 }).state;
      } catch (error) {
        found = (error as { code: string }).code;
      }
      assert.equal(found, outcome, `${ms} ms for each 536 bytes`);
    }
  });
});
