/** Where an update is rejected, the old content is back, whatever was open before; or it stays open, if that was asked for. */
import assert from 'node:assert/strict';
import { makeManifest } from '../../formats/manifest/make.ts';
import type { Update } from '../../device/api.ts';
import type { HttpError, UpdateOptions } from '../../device/http/api.ts';
import { PowerCut, TEARS } from '../../host/index.ts';
import { type Site, assertContent, siteWith } from '../support/air-fixtures.ts';
import { NEW, OLD, OTHER } from '../support/fixtures.ts';
import { leave, stay } from '../support/leave.ts';
import { type OtaHttp, copyOn, otaOf } from '../support/subject.ts';

/** Has power fail in an update to `image`, when some sectors were written; the boot script leaves it open. */
function interrupt({ board }: Site, image: Uint8Array = NEW, options: object = {}): void {
  const ota = otaOf(board);
  const isDirect = 'backup' in options;
  board.flash.cutAt(isDirect ? 6 : 15, TEARS.everyBit);
  assert.throws(() => {
    const update = ota.begin({ partition: 'storage', size: image.length, ...options });
    update.write(image);
    update.end();
  }, PowerCut);
  board.powerOn();
  const { state } = otaOf(board).recover({ resume: true });
  assert.equal(state, isDirect ? 'incomplete' : 'interrupted');
}

/** @returns the error of an update. */
function errorOf({ update }: Site, options: Partial<UpdateOptions> = {}): HttpError {
  try {
    update(options);
  } catch (error) {
    return error as HttpError;
  }
  return assert.fail('it was not rejected');
}

/** All that ends an update before its first sector, or later. */
const ENDS: [string, Partial<UpdateOptions>, ((site: Site) => void)?][] = [
  ['a server that is away', { url: 'http://nowhere/i.bin', retries: 0 }],
  ['no URL', { url: '' }],
  ['a URL that is none', { url: 'nonsense' }],
  ['a digest of another image', { digest: '0'.repeat(64) }],
  [
    'a manifest that is none',
    {},
    ({ server }) => server.files.set('/image.bin.ota', Buffer.alloc(200)),
  ],
  ['no manifest', {}, ({ server }) => server.files.delete('/image.bin.ota')],
  [
    'an image that is too large',
    {},
    ({ server, board }) => {
      const { size } = board.partition('storage');
      server.files.set('/image.bin.ota', makeManifest(Buffer.alloc(size + 1)));
    },
  ],
  ['an image that is not there', { retries: 0 }, ({ server }) => server.files.delete('/image.bin')],
  [
    'an image that breaks off',
    { retries: 0 },
    ({ server }) => {
      server.fault = (reply, { path }) =>
        path.endsWith('.ota') ? undefined : { ...reply, cutAt: 2000 };
    },
  ],
  [
    'onPlan that throws',
    {
      onPlan: () => {
        throw new Error('no');
      },
    },
  ],
  ['an option of another type', { trial: 1000 }],
];

describe('an update over the air that is rejected', () => {
  for (const [name, options, prepare] of ENDS)
    it(`leaves the old content of one that was interrupted: ${name}`, () => {
      const site = siteWith(OTHER);
      prepare?.(site);
      interrupt(site);
      const error = errorOf(site, options);
      assert.equal(error.state, 'restored', error.message);
      assertContent(site.board, OLD);
      assert.equal(otaOf(site.board).status().state, 'restored');
      // And the next one is possible.
      site.server.fault = undefined;
      assert.equal(otaOf(site.board).begin({ partition: 'storage' }).abort().state, 'untouched');
    });

  for (const [name, options, prepare] of ENDS)
    it(`stays open with keep: ${name}`, () => {
      const site = siteWith(NEW);
      interrupt(site);
      const before = Buffer.from(site.board.content('storage'));
      prepare?.(site);
      const error = errorOf(site, { ...options, keep: true });
      assert.equal(error.state, 'interrupted', error.message);
      assert.equal(otaOf(site.board).status().state, 'interrupted');
      assert.notDeepEqual(before, Buffer.from(OLD));
    });
});

describe('an update over the air with keep', () => {
  it('goes on where it was, in the same boot', () => {
    const site = siteWith(NEW);
    const { board, server } = site;
    let requests = 0;
    // The third sector breaks off, again and again.
    server.fault = (reply, { path }) =>
      path.endsWith('.ota') || ++requests < 3 ? undefined : { ...reply, cutAt: 0 };
    assert.equal(errorOf(site, { keep: true, retries: 1 }).state, 'interrupted');
    const { erases } = board.flash.counters;
    assert.ok(erases > 0);
    server.fault = undefined;
    server.sent = 0;
    assert.equal(site.update({ keep: true }).state, 'committed');
    assertContent(board, NEW);
  });

  it('can be undone: by recover, now or at the next boot', () => {
    for (const isLater of [false, true]) {
      const site = siteWith(NEW);
      const { board, server } = site;
      server.fault = (reply, { path }) =>
        path.endsWith('.ota') ? undefined : { ...reply, cutAt: 5000 };
      assert.equal(errorOf(site, { keep: true, retries: 0 }).state, 'interrupted');
      if (isLater) board.powerOn();
      assert.equal(otaOf(board).recover().state, 'restored');
      assertContent(board, OLD);
    }
  });
});

describe('the state of an update over the air that is rejected', () => {
  it('is of the partition in question only', () => {
    const site = siteWith(NEW);
    assert.equal(errorOf(site, { digest: '0'.repeat(64) }).state, undefined);
    assert.equal(site.update().state, 'committed');
    assert.equal(errorOf(site, { digest: '0'.repeat(64) }).state, 'committed');
    assertContent(site.board, NEW);
    interrupt(site, OTHER);
    const content = Buffer.from(site.board.content('storage'));
    site.server.files.set('/image.bin.ota', makeManifest(Buffer.alloc(4096)));
    const error = errorOf(site, { partition: 'near' });
    assert.equal(error.code, 'E_PENDING');
    assert.equal(error.state, undefined);
    assert.deepEqual(Buffer.from(site.board.content('storage')), content);
    assert.equal(otaOf(site.board).status().state, 'interrupted');
  });

  it('is incomplete where there is no backup', () => {
    const site = siteWith(NEW);
    interrupt(site, NEW, { backup: false });
    assert.equal(errorOf(site, { url: 'http://nowhere/i.bin', retries: 0 }).state, 'incomplete');
    assert.equal(site.update({ backup: false }).state, 'committed');
    assertContent(site.board, NEW);
  });
});

describe('an update over the air brings the old content back', () => {
  it('where a callback throws nothing', () => {
    const site = siteWith(OTHER);
    interrupt(site);
    site.server.fault = (reply) => ({ ...reply, status: 503 });
    const onRetry = () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      throw null;
    };
    assert.equal(errorOf(site, { onRetry }), null);
    assert.equal(otaOf(site.board).status().state, 'restored');
    assertContent(site.board, OLD);
  });

  it('where memory ends in onProgress', () => {
    const site = siteWith(NEW);
    const { board } = site;
    const http = board.require<OtaHttp>('ota-http');
    const running = http.update({
      url: 'http://host/image.bin',
      partition: 'storage',
      onProgress: ({ phase }) => {
        if (phase === 'write') stay();
      },
    });
    leave(() => board.settle(running));
    assert.throws(() => board.settle(running), { code: 'E_MEMORY' });
    board.advance(100);
    assert.equal(otaOf(board).status().state, 'restored');
    assertContent(board, OLD);
    assert.equal(site.update().state, 'committed');
  });
});

describe('an update over the air leaves alone', () => {
  it('one that another copy of the module has taken over', () => {
    for (const keep of [false, true]) {
      const site = siteWith(NEW);
      const { board, server } = site;
      let taken: Update | undefined;
      server.fault = (reply, { path }) => {
        if (path.endsWith('.ota')) return undefined;
        // Its first sectors are there; then another copy begins, and the server is gone.
        if (board.flash.counters.erases < 4) return undefined;
        if (!taken) {
          taken = copyOn(board).begin({ partition: 'storage', size: OTHER.length });
          taken.write(OTHER.subarray(0, 12288));
        }
        return { ...reply, cutAt: 0 };
      };
      assert.equal(errorOf(site, { retries: 1, keep }).code, 'E_HTTP');
      taken!.write(OTHER.subarray(12288));
      assert.equal(taken!.end().state, 'committed');
      assertContent(board, OTHER);
    }
  });

  it('one that the app has open', () => {
    const site = siteWith(NEW);
    const ota = otaOf(site.board);
    const update = ota.begin({ partition: 'storage' });
    update.write(OTHER.subarray(0, 8192));
    const error = errorOf(site);
    assert.deepEqual([error.code, error.state], ['E_STATE', 'updating']);
    update.write(OTHER.subarray(8192));
    assert.equal(update.end().state, 'committed');
    assertContent(site.board, OTHER);
  });

  it('all, if it is a check', () => {
    const site = siteWith(NEW);
    interrupt(site);
    const { operations } = site.board.flash.counters;
    assert.throws(
      () => site.check({ partition: 'storage', url: 'http://nowhere/i.bin', retries: 0 }),
      {
        code: 'E_HTTP',
      },
    );
    assert.equal(site.board.flash.counters.operations, operations);
    assert.equal(otaOf(site.board).status().state, 'interrupted');
  });

  it('another call', () => {
    const site = siteWith(NEW);
    const { board } = site;
    const module = board.require<Record<string, (options: object) => Promise<unknown>>>('ota-http');
    const options = { url: 'http://host/image.bin', partition: 'storage' };
    const running = module.update(options);
    const refused = module.update(options);
    assert.throws(() => board.settle(refused), { code: 'E_STATE' });
    assert.equal((board.settle(running) as { state: string }).state, 'committed');
    assertContent(board, NEW);
  });
});
