/** `part-ota update --url`: URLs, headers and answers as users have them, on the simulated board, over real HTTP. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { makeManifest } from '../../formats/manifest/make.ts';
import { adviceFor } from '../../cli/words/air.ts';
import { NEW, printed, Site } from '../support/update-fixtures.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

/** Answers as a server with ranges does. */
function send(request: IncomingMessage, response: ServerResponse, file: Uint8Array): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
  const part = file.subarray(Number(first), Number(last) + 1);
  response.writeHead(206, {
    'Content-Length': part.length,
    'Content-Range': `bytes ${first}-${Number(first) + part.length - 1}/${file.length}`,
  });
  response.end(part);
}

const MANIFEST_FILE = makeManifest(NEW, { partition: 'storage' });
let site: Site;
let server: Server;
let port: number;
let handler: Handler;
let asked: string[];

const good: Handler = (request, response, { pathname }) =>
  send(request, response, pathname.endsWith('.ota') ? MANIFEST_FILE : NEW);

/** Runs a suite with a board, and a server that answers as `handler` says. */
function describeWithServer(name: string, suite: () => void): void {
  describe(name, function () {
    this.timeout(0);
    before(async () => {
      site = await Site.start({ engine: 'simulated' });
      await site.storeModules();
      server = createServer((request, response) => {
        asked.push(request.url!);
        handler(request, response, new URL(request.url!, 'http://host'));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      ({ port } = server.address() as AddressInfo);
    });
    beforeEach(() => {
      asked = [];
      return site.reset();
    });
    after(async () => {
      server?.close();
      await site?.close();
    });
    suite();
  });
}

describeWithServer('part-ota update --url', () => {
  it('takes two signed URLs, a password and headers', async () => {
    const login = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    handler = (request, response, url) => {
      const { authorization, 'x-key': key } = request.headers;
      const isManifest = url.pathname === '/list.ota';
      const token = isManifest ? 'two' : 'one/1';
      if (url.searchParams.get('token') === token && authorization === login && key === '4 2')
        return good(request, response, url);
      response.writeHead(403);
      response.end();
    };
    const run = await site.update(
      ...['--url', `http://me:p%40ss@127.0.0.1:${port}/i.bin?token=one/1#top`],
      ...['--manifest-url', `HTTP://me:p%40ss@127.0.0.1:${port}/list.ota?token=two`],
      ...['--header', 'X-Key: 4 2', '--json'],
    );
    const { result } = printed(run);
    assert.equal(result.state, 'committed');
    site.assertUpdated();
    assert.doesNotMatch(run.stderr, /p@ss|p%40ss/);
  });

  it('puts .ota behind the path, and encodes blanks', async () => {
    handler = good;
    const run = await site.update('--url', `http://127.0.0.1:${port}/my image.bin?x=1`);
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual([...new Set(asked)], ['/my%20image.bin.ota?x=1', '/my%20image.bin?x=1']);
  });
});

describeWithServer('part-ota update --url refuses', () => {
  it('what Espruino cannot ask for, before it asks', async () => {
    handler = good;
    for (const [words, what] of [
      [
        ['--url', 'ftp://host/x'],
        /^error: --url: ftp:\/\/host\/x: ftp is not what a board fetches/,
      ],
      [['--url', 'http://[::1]/x'], /^error: --url: .*: Espruino has no IPv6/],
      [['--url', 'http://host:65536/x'], /^error: --url: .*: port 65536: not from 1 to 65535/],
      [['--url', 'http://host:0/x'], /^error: --url: .*: port 0: not from 1 to 65535/],
      [['--url', 'host/x'], /^error: --url: host\/x: not of the form http:\/\/host\/path/],
      [['--url', 'http://'], /^error: --url: http:\/\/: not of the form/],
      [['--url', 'http://\u001b[2J\u202e/'], /^error: --url: http:\/\/[ -~]*: not of the form/],
      [
        ['--url', 'http://h/x', '--manifest-url', 'x'],
        /^error: --manifest-url: x: not of the form/,
      ],
      [
        ['--url', 'http://h/x', '--header', 'X'],
        /^error: --header: X: not of the form "name: value"/,
      ],
      [
        ['--url', 'http://h/x', '--header', 'X: a\r\nY: b'],
        /^error: --header: .*: not of the form/,
      ],
      [
        ['--url', 'http://h/x', '--header', 'range: bytes=0-1'],
        /^error: --header: range: the board sends its own/,
      ],
      [
        ['storage.bin', '--header', 'X: y'],
        /^error: --manifest-url, --header and --keep: only with --url/,
      ],
    ] as const) {
      const run = await site.update(...words);
      assert.match(run.stderr, what);
      assert.equal(run.status, 2, run.stderr);
    }
    assert.deepEqual(asked, []);
    assert.equal(Buffer.compare(site.board.flash, site.chip), 0, 'the chip has changed');
  });
});

const PAGE = Buffer.from(`<!doctype html><title>\u001b]0;x\u0007</title>${' '.repeat(600)}`);
const wholly =
  (body: Uint8Array, headers: Record<string, string | number> = {}, status = 200): Handler =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Length': body.length, ...headers });
    response.end(body);
  };
const ANSWERS: [string, Handler, number, RegExp][] = [
  [
    'no manifest',
    wholly(Buffer.from('none'), {}, 404),
    1,
    /status 404.*; the server has no manifest at this URL: "part-ota pack IMAGE" makes it, as IMAGE\.ota; put it on the server as i\.bin\.ota, or name another with --manifest-url\nThe partition "storage" holds what it held/,
  ],
  [
    'a web page',
    wholly(PAGE, { 'Content-Type': 'text/html' }),
    2,
    /i\.bin\.ota: no manifest, begins "<!doctype html><" \(status 200, text\/html\); this is a web page/,
  ],
  [
    'the image',
    wholly(NEW, { 'Content-Type': 'application/octet-stream' }),
    2,
    /no manifest, begins ".*" \(status 200, application\/octet-stream\); this is another file, maybe the image itself/,
  ],
  [
    'gzip',
    wholly(gzipSync(MANIFEST_FILE), { 'Content-Encoding': 'gzip' }),
    2,
    /encoding gzip.*; it came compressed/,
  ],
  [
    'a gzip file',
    wholly(gzipSync(MANIFEST_FILE)),
    2,
    /begins "%1F(%C2)?%8B.*; this is a gzip file/,
  ],
];

describeWithServer('part-ota update --url tells', () => {
  it('of the first fault at once', async () => {
    let isFirst = true;
    let isReleased = false;
    handler = (request, response, url) => {
      if (!isFirst) return isReleased ? good(request, response, url) : undefined;
      isFirst = false;
      response.writeHead(503, { 'Content-Type': 'text/plain', 'Retry-After': '1' });
      response.end();
    };
    const running = site.start('--url', `http://127.0.0.1:${port}/i.bin`);
    const seen = new Promise<void>((resolve) =>
      running.child.stderr!.on('data', () => /asks again/.test(running.text) && resolve()),
    );
    await seen;
    assert.match(
      running.text,
      /the board asks again in 1\.0 s: E_HTTP http:\/\/127\.0\.0\.1:\d+\/i\.bin\.ota: refused \(status 503, text\/plain\); the server is busy/,
    );
    isReleased = true;
    const run = await running.done;
    assert.equal(run.status, 0, run.stderr);
    site.assertUpdated();
  });

  for (const [name, answer, status, what] of ANSWERS)
    it(`what came in place of a manifest, and what to do: ${name}`, async () => {
      handler = answer;
      const run = await site.update('--url', `http://127.0.0.1:${port}/i.bin`);
      assert.match(run.stderr, what);
      assert.doesNotMatch(run.stderr, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
      assert.equal(run.status, status);
      site.assertOld();
    });
});

describeWithServer('part-ota update --keep', () => {
  it('leaves an update open that fails, and goes on with it', async () => {
    let left = 3;
    handler = (request, response, url) =>
      url.pathname.endsWith('.ota') || left-- > 0
        ? good(request, response, url)
        : wholly(Buffer.alloc(0), {}, 404)(request, response, url);
    const words = ['--url', `http://127.0.0.1:${port}/i.bin`, '--keep'];
    const first = await site.update(...words);
    assert.equal(first.status, 1);
    assert.match(first.stderr, /i\.bin: refused \(status 404.*; the server has no such file/);
    assert.match(
      first.stderr,
      /holds a mix of the old and the new content.*The same command goes on/,
    );
    left = 1e9;
    const { result } = printed(await site.update(...words, '--json'));
    assert.equal(result.state, 'committed');
    site.assertUpdated();
  });
});

describe('the advice for a failure over the air', () => {
  const cases: [message: string, advice: RegExp | undefined][] = [
    [
      'E_HTTP http://localhost:8080/i.bin.ota: no response at byte 0 of 116',
      /^for the board, localhost is the board itself/,
    ],
    [
      'E_HTTP http://127.0.0.1/i.bin.ota: no response at byte 0 of 116',
      /localhost is the board itself/,
    ],
    [
      'E_HTTP http://192.168.1.2/i.bin.ota: Unable to locate host',
      /^it is the board that cannot reach this server/,
    ],
    [
      'E_TIMEOUT http://192.168.1.2/i.bin: over 15000 ms for 4096 bytes',
      /^it is the board that cannot reach/,
    ],
    [
      'E_HTTP https://example.org/i.bin.ota: Unable to create socket',
      /https takes 20 to 32 KB of memory/,
    ],
    ['E_HTTP http://h/i.bin: refused (status 401, text/html)', /password or a token/],
    ['E_HTTP http://h/i.bin: refused (status 103, no type, no length)', /103 Early Hints/],
    ['E_HTTP http://h/i.bin: refused (status 204, no type)', /without content/],
    [
      'E_HTTP http://h/i.bin: redirect to http://h/j.bin (status 302, no type)',
      /one redirect too many/,
    ],
    [
      'E_HTTP http://h/i.bin: sends bytes 0-9/99, not of 200 (status 206, a/b)',
      /not of one release/,
    ],
    ['E_HTTP http://h/i.bin: wrong hash at byte 4096 (status 206, a/b)', /not of one release/],
    [
      'E_HTTP http://h/i.bin: cut off at byte 997 of 4096 (status 200, a/b, no length)',
      /must send Content-Length/,
    ],
    ['E_MANIFEST http://h/i.bin.ota: damaged (status 206, a/b)', /pack IMAGE" again/],
    ['E_HTTP http://h/i.bin: refused (status 500, a/b)', /its log tells why/],
    ['E_FLASH sector 3: reads wrong', undefined],
    ['E_HTTP storage.bin: NO_FILE', undefined],
    ['E_HTTP http://[: x', undefined],
  ];
  for (const [message, advice] of cases)
    it(message, () => {
      const found = adviceFor(message);
      if (advice) assert.match(found ?? '', advice);
      else assert.equal(found, undefined);
    });
});
