/** What a server may answer, and what a user is told of it: what happened, at which URL, and at once. */
import assert from 'node:assert/strict';
import { crc32, gzipSync } from 'node:zlib';
import { makeManifest } from '../../formats/manifest/make.ts';
import { assertContent, siteWith } from '../support/air-fixtures.ts';
import type { Fault, Reply } from '../support/air-server.ts';
import { NEW, OLD, OTHER } from '../support/fixtures.ts';

const MINUTE = 60_000;
/** Of docs/over-the-air.md: how long `Retry-After` is waited for at a time, and without a piece in between. */
const [WAIT, PATIENCE] = [2 * MINUTE, 10 * MINUTE];

/** One call of `onRetry`. */
interface Told {
  message: string;
  ms: number;
  /** By the board's clock, from the beginning of the call on. */
  at: number;
}

/** Updates while a server answers so. @returns what came of it, and what was told */
function updateWith(fault: Fault, options: object = {}, image: Uint8Array = NEW) {
  const site = siteWith(image);
  const { board, server } = site;
  const told: Told[] = [];
  const start = board.now;
  server.fault = fault;
  const onRetry = (message: string, ms: number) =>
    told.push({ message, ms, at: board.now - start });
  let outcome: string;
  let message = '';
  try {
    outcome = site.update({ onRetry, ...options }).state;
    assertContent(board, image);
  } catch (error) {
    const thrown = error as Error & { code: string };
    outcome = thrown.code;
    ({ message } = thrown);
    assertContent(board, OLD);
  }
  return { ...site, outcome, message, told, ms: board.now - start };
}

/** @returns the answer of a server that refuses */
const refusal = (status: number, headers: Reply['headers'] = {}): Reply => ({
  status,
  headers: { 'Content-Type': 'text/html', 'Content-Length': 4, ...headers },
  body: Buffer.from('busy'),
});
/** @returns a fault that comes as long as the board's clock is before a moment; and each time at some requests */
const first =
  (count: number, reply: Reply): Fault =>
  (_good, _asked, n) =>
    n <= count ? reply : undefined;

describe('a temporary answer', () => {
  for (const status of [408, 425, 429, 500, 502, 503, 504])
    it(`is survived as often as retries allows: ${status}`, () => {
      const { outcome, told } = updateWith(first(5, refusal(status)));
      assert.equal(outcome, 'committed');
      assert.equal(told.length, 5);
      assert.equal(updateWith(first(6, refusal(status))).outcome, 'E_HTTP');
    });

  for (const status of [408, 425, 429, 503, 500])
    it(`costs no try where it says when to come back: ${status}`, () => {
      const { outcome, told, server } = updateWith(
        first(12, refusal(status, { 'Retry-After': '3' })),
        { retries: 1 },
      );
      assert.equal(outcome, 'committed');
      assert.equal(told.length, 12);
      assert.ok(server.asked.length > 12);
      for (const { ms, message } of told) {
        assert.equal(ms, 3000);
        assert.match(message, new RegExp(`^E_HTTP http://host/image.bin.ota: .*status ${status}`));
      }
      // It was asked for when it was said, and not before.
      told.slice(1).forEach(({ at }, i) => assert.ok(at - told[i].at >= 3000));
    });

  it('may name a date: the clock of the server counts, not that of the board', () => {
    const headers = {
      Date: 'Sun, 06 Nov 1994 08:49:37 GMT',
      'Retry-After': 'Sun, 06 Nov 1994 08:50:17 GMT',
    };
    const { outcome, told } = updateWith(first(7, refusal(503, headers)), { retries: 0 });
    assert.equal(outcome, 'committed');
    assert.deepEqual([...new Set(told.map(({ ms }) => ms))], [40_000]);
  });
});

describe('Retry-After', () => {
  it('is waited for no longer than the limit', () => {
    for (const after of ['1000000', 'Sun, 06 Nov 2194 08:50:17 GMT']) {
      const headers = { Date: 'Sun, 06 Nov 1994 08:49:37 GMT', 'Retry-After': after };
      const { outcome, told, ms } = updateWith(() => refusal(429, headers));
      assert.equal(outcome, 'E_HTTP');
      const waits = told.filter((one) => one.ms === WAIT);
      assert.equal(waits.length, PATIENCE / WAIT);
      assert.ok(ms < PATIENCE + 10 * MINUTE, `${ms} ms`);
    }
  });

  it('is asked again after a second, if it says less', () => {
    const reply = refusal(503, { 'Retry-After': '0.000001' });
    let requests = 0;
    const { outcome, told } = updateWith(() => {
      assert.ok(++requests < 700, 'it is asked without end');
      return reply;
    });
    assert.equal(outcome, 'E_HTTP');
    assert.equal(told[0].ms, 1000);
  });

  it('is a fault like others where it says nothing that can be waited for', () => {
    for (const after of ['0', '-5', 'soon', '', 'NaN', 'Sun, 06 Nov 1994 08:49:37 GMT']) {
      const reply = refusal(503, { 'Retry-After': after });
      assert.equal(updateWith(first(5, reply)).outcome, 'committed');
      assert.equal(updateWith(first(6, reply)).outcome, 'E_HTTP');
    }
  });

  it('may come at any request, for minutes', () => {
    // As a server with a rate limit: five of eight seconds it refuses.
    const site = siteWith(NEW);
    const { board, server } = site;
    server.fault = () =>
      board.now % 8000 < 5000 ? refusal(429, { 'Retry-After': '3' }) : undefined;
    assert.equal(site.update({ retries: 0 }).state, 'committed');
    assertContent(board, NEW);
  });
});

describe('a fault is told', () => {
  it('at once, with the time until the next request', () => {
    const { told, outcome } = updateWith((reply, _asked, n) =>
      n < 4 ? { ...reply, cutAt: 0 } : undefined,
    );
    assert.equal(outcome, 'committed');
    assert.equal(told.length, 3);
    assert.ok(told[0].at < 1000, `${told[0].at} ms`);
    told.slice(1).forEach(({ at }, i) => assert.ok(Math.abs(at - told[i].at - told[i].ms) < 1000));
  });

  it('not without one', () => {
    const { told, outcome } = updateWith(() => undefined);
    assert.deepEqual([outcome, told], ['committed', []]);
  });

  it('and what onRetry throws ends the call', () => {
    const thrown = new Error('enough');
    const site = siteWith(NEW);
    for (const n of [1, 3, 5]) {
      site.server.asked = [];
      site.server.fault = (reply, _asked, at) => (at >= n ? { ...reply, cutAt: 0 } : undefined);
      const onRetry = () => {
        throw thrown;
      };
      assert.throws(
        () => site.update({ onRetry }),
        (error) => error === thrown,
      );
      assertContent(site.board, OLD);
      assert.equal(site.server.asked.length, n);
    }
    site.server.fault = undefined;
    assert.equal(site.update().state, 'committed');
  });
});

/** @returns a fault of the image, and not of its manifest. */
const ofImage =
  (fault: Fault): Fault =>
  (reply, asked, n) =>
    asked.path.endsWith('.ota') ? undefined : fault(reply, asked, n);
const withHeaders =
  (headers: Reply['headers'], changes: Partial<Reply> = {}): Fault =>
  (reply) => ({ ...reply, ...changes, headers: { ...reply.headers, ...headers } });
const file =
  (body: Uint8Array, type: string, headers: Reply['headers'] = {}): Fault =>
  () => ({
    status: 200,
    headers: { 'Content-Length': body.length, 'Content-Type': type, ...headers },
    body,
  });

const MANIFEST = 'http://host/image.bin.ota';
const IMAGE = 'http://host/image.bin';

const PAGE = Buffer.from(`<!doctype html><title>app</title>${' '.repeat(600)}`);
const OF_MANIFEST: [string, Fault, RegExp][] = [
  [
    'a manifest that is not there',
    () => refusal(404),
    /^E_HTTP URL: no manifest, see part-ota pack \(status 404, text\/html\)$/,
  ],
  [
    'a manifest that is forbidden',
    () => refusal(403),
    /^E_HTTP URL: refused \(status 403, text\/html\)$/,
  ],
  [
    'an HTML page',
    file(PAGE, 'text/html; charset=utf-8'),
    /^E_MANIFEST URL: no manifest, begins "<!doctype html><" \(status 200, text\/html; charset=utf-8\)$/,
  ],
  [
    'the image itself',
    file(NEW, 'application/octet-stream'),
    /^E_MANIFEST URL: no manifest, begins ".+" \(status 200, application\/octet-stream\)$/,
  ],
  [
    'gzip',
    file(gzipSync(makeManifest(NEW)), 'application/gzip'),
    /^E_MANIFEST URL: no manifest, begins "%1F(%C2)?%8B.*" \(status 200, application\/gzip\)$/,
  ],
  [
    'gzip as encoding',
    file(gzipSync(makeManifest(NEW)), 'a/b', { 'Content-Encoding': 'gzip' }),
    /^E_MANIFEST URL: .*\(status 200, a\/b, encoding gzip\)$/,
  ],
  [
    'no content',
    () => ({ ...refusal(204), body: Buffer.alloc(0) }),
    /^E_HTTP URL: refused \(status 204, text\/html\)$/,
  ],
  ['100', withHeaders({}, { status: 100 }), /^E_HTTP URL: refused \(status 100, /],
  ['103', withHeaders({}, { status: 103 }), /^E_HTTP URL: refused \(status 103, /],
  [
    'a redirect without end',
    (_reply, { path }) => ({ ...refusal(302), headers: { Location: `${path}x` } }),
    /^E_HTTP URLxxx: redirect to http:\/\/host\/image\.bin\.otaxxxx \(status 302, /,
  ],
  [
    'a redirect to a host that is not there',
    () => ({ ...refusal(302), headers: { Location: 'http://nowhere/x' } }),
    /^E_HTTP http:\/\/nowhere\/x: Unable to locate host$/,
  ],
  [
    'a redirect to another scheme',
    () => ({ ...refusal(302), headers: { Location: 'ftp://host/\u001b[2J' } }),
    /^E_HTTP URL: redirect to ftp:\/\/host\/%1B\[2J \(status 302, no type, no length\)$/,
  ],
  [
    'another scheme and control characters',
    file(PAGE, '\u001b]0;x\u0007'),
    /\(status 200, %1B\]0;x%07\)$/,
  ],
];
const OF_IMAGE: [string, Fault, RegExp][] = [
  ['no file', () => refusal(404), /^E_HTTP URL: refused \(status 404, text\/html\)$/],
  [
    'no Content-Length',
    (reply) => {
      const headers = { ...reply.headers };
      delete headers['Content-Length'];
      delete headers['Content-Range'];
      return { ...reply, status: 200, headers, body: NEW };
    },
    /^E_HTTP URL: cut off at byte \d+ of \d+ \(status 200, application\/octet-stream, no length\)$/,
  ],
  [
    'a part of another file',
    (reply, { range }) =>
      withHeaders({ 'Content-Range': `bytes ${range!.first}-${range!.last}/99999` })(
        reply,
        undefined as never,
        0,
      ),
    /^E_HTTP URL: sends bytes \d+-\d+\/99999, not of \d+ \(status 206, /,
  ],
  [
    'another release',
    (reply, { range }) => ({
      ...reply,
      body: Buffer.from(OTHER.subarray(range!.first, range!.last + 1)),
    }),
    /^E_HTTP URL: wrong hash at byte \d+ \(status 206, application\/octet-stream\)$/,
  ],
];
describe('an answer is told by URL and by what it was', () => {
  for (const [name, fault, wanted] of OF_MANIFEST)
    it(`${name}, in place of the manifest`, () => {
      const { outcome, message } = updateWith(fault);
      assert.match(outcome, /^E_(HTTP|MANIFEST)$/);
      assert.match(message, new RegExp(wanted.source.replace('URL', MANIFEST)));
      assert.match(message, /^[ -~]+$/);
    });

  for (const [name, fault, wanted] of OF_IMAGE)
    it(`${name}, in place of the image`, () => {
      const { outcome, message } = updateWith(ofImage(fault));
      assert.equal(outcome, 'E_HTTP');
      assert.match(message, new RegExp(wanted.source.replace('URL', IMAGE)));
    });
});

describe('the CRC-32 in a manifest', () => {
  it('decides nothing where a digest proves the hashes: nothing is erased in vain', () => {
    const site = siteWith(NEW);
    const { digest } = site.check({ partition: 'storage' });
    const manifest = Buffer.from(site.server.files.get('/image.bin.ota')!);
    // Where they are: device/http/manifest.ts.
    manifest.writeUInt32LE((manifest.readUInt32LE(8) ^ 1) >>> 0, 8);
    manifest.writeUInt32LE(crc32(manifest.subarray(0, 112)), 112);
    site.server.files.set('/image.bin.ota', manifest);
    assert.equal(site.update({ digest }).state, 'committed');
    assertContent(site.board, NEW);
    // Without one it is all that tells that the manifest is not of one piece.
    const other = siteWith(NEW);
    other.server.files.set('/image.bin.ota', manifest);
    assert.throws(() => other.update(), { code: 'E_VERIFY' });
    assertContent(other.board, OLD);
  });
});
