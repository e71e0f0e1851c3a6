/**
 * `ota-http` on the simulated board downloads from the web servers that people have, over TCP, as far as they are installed. Each
 * row tells what a server does, and what becomes of an update.
 * `HTTP_SERVER` and `SERVE` may name those of npm.
 */
import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { chmodSync, readFileSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { AirResult } from '../../device/http/api.ts';
import { Board } from '../../host/index.ts';
import { buildHttp, type OtaHttp, uploadHttpTo } from '../support/subject.ts';
import { CHANGED, HEAD, MANIFEST, NEW, OLD, SECTOR } from '../support/update-fixtures.ts';
import {
  apache2,
  apache2ByProgram,
  busybox,
  caddy,
  httpServer,
  lighttpd,
  lighttpdByProgram,
  nginx,
  python,
  serve,
  type Setup,
  startServer,
  whyNot,
} from '../support/web-servers.ts';

/**
 * What an update comes to:
 * - `pieces`: the new content, and each byte is fetched once but for the hashes of 64 sectors
 * - `content`: the new content; more is fetched
 * - a status: as `pieces`, although the server refuses some requests by it; it takes seconds of real time. With `retries`: that
 *   many would not do if each refusal counted
 * - an expression: the old content, and an error that says this
 */
type Promised = 'pieces' | 'content' | RegExp | { status: number; retries?: number };

/** After ten requests, three of which are ours, it takes one in a second; or in two seconds. */
const LIMITED = 'limit_req zone=one burst=9 nodelay;';
const limit = (rate: string) => `limit_req_zone $binary_remote_addr zone=one:1m rate=${rate};`;
/** A filter that changes nothing, but does not know how long a file will be. */
const FILTER = `sub_filter_types *; sub_filter 'nothing that is in the image' '';`;
const LENGTHLESS = /^Error: E_HTTP .*length/i;
const MISSING = /^Error: E_HTTP .*\.ota: .*404/;
const COMPRESSED = /^Error: E_\w+ .*gzip/;

/** How a server is set up, how it answers (see `answerOf`), and what an update from it comes to. */
type Row = [Setup, string, Promised];

const ASKED = '206, gzip where asked';

const NGINX: Record<string, Row> = {
  'as it is': [nginx(), '206', 'pieces'],
  'without ranges': [nginx('max_ranges 0;'), '200', 'content'],
  'with gzip for whoever asks': [nginx('gzip on; gzip_types *;'), ASKED, 'pieces'],
  'with gzip for everybody': [nginx('gzip_static always;'), '200 gzip', COMPRESSED],
  'that decompresses what it has': [
    nginx('gzip_static always; gunzip on;'),
    '200 chunked, gzip where asked',
    'content',
  ],
  'that sends chunks': [nginx(FILTER), '200 chunked', 'content'],
  'that sends neither a length nor chunks': [
    nginx(`${FILTER} chunked_transfer_encoding off;`),
    '200 without a length',
    LENGTHLESS,
  ],
  'that sends 2 MB in a second at most': [nginx('limit_rate 2m;'), '206', 'pieces'],
  'that limits requests by 503': [nginx(LIMITED, limit('1r/s')), '206', { status: 503 }],
  'that limits requests by 429': [
    nginx(`${LIMITED} limit_req_status 429;`, limit('1r/s')),
    '206',
    { status: 429 },
  ],
  'that says by Retry-After when it takes the next request': [
    nginx(
      `location / { ${LIMITED} limit_req_status 429; error_page 429 @later; }
      location @later { add_header Retry-After 2 always; return 429; }`,
      limit('30r/m'),
    ),
    '206',
    { status: 429, retries: 0 },
  ],
  'that redirects': [nginx('rewrite ^/storage(.*)$ /moved/storage$1 redirect;'), '302', 'pieces'],
  'without the manifest': [nginx('location ~ ota$ { return 404; }'), '206', MISSING],
};

const ROWS: Record<string, Record<string, Row>> = {
  nginx: NGINX,
  lighttpd: {
    'as it is': [lighttpd(), '206', 'pieces'],
    'without ranges': [lighttpd('server.range-requests = "disable"'), '200', 'content'],
    'that sends chunks': [lighttpdByProgram(), '200 chunked', 'content'],
    'that sends 2 MB in a second at most': [
      lighttpd('connection.kbytes-per-second = 2048'),
      '206',
      'pieces',
    ],
  },
  apache2: {
    'as it is': [apache2(), '206', 'pieces'],
    'without ranges': [apache2('MaxRanges none'), '200', 'content'],
    'with gzip for whoever asks': [
      apache2('SetOutputFilter DEFLATE', 'filter', 'deflate'),
      ASKED,
      'pieces',
    ],
    'with gzip for everybody': [
      apache2('SetOutputFilter DEFLATE\nSetEnv force-gzip 1', 'filter', 'deflate', 'env'),
      '200 chunked gzip',
      COMPRESSED,
    ],
    'that sends chunks': [apache2ByProgram(), '200 chunked', 'content'],
    'that sends 2 MB in a second at most': [
      apache2('SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 2048', 'ratelimit', 'env'),
      '206',
      'pieces',
    ],
  },
  'busybox httpd': { 'as it is': [busybox, ASKED, 'pieces'] },
  caddy: {
    'as it is': [caddy(), '206', 'pieces'],
    'without ranges': [caddy('request_header -Range'), '200', 'content'],
    'with gzip for whoever asks': [
      caddy('encode gzip {\nmatch header Content-Type *\n}'),
      ASKED,
      'pieces',
    ],
    'that sends chunks': [
      caddy('request_header -Range\nheader {\n-Content-Length\ndefer\n}'),
      '200 chunked',
      'content',
    ],
  },
  "python's http.server": {
    'as it is': [python(), '200', 'content'],
    'by HTTP/1.1': [python('--protocol', 'HTTP/1.1'), '200', 'content'],
  },
  'http-server': {
    'as it is': [httpServer(), '206', 'pieces'],
    'with gzip for whoever asks': [httpServer('-g'), ASKED, 'pieces'],
  },
  serve: {
    'as it is': [serve(), ASKED, 'pieces'],
    'without compression': [serve('-u'), '206', 'pieces'],
  },
};

/** Asks for the first bytes of a file. @returns status, Transfer-Encoding and Content-Encoding, as far as there are any */
async function answerOf(url: string): Promise<string> {
  const ask = (headers: Record<string, string>) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const one = request(url, { agent: false, headers }, (response) => {
        response.destroy();
        resolve(response);
      });
      one.on('error', reject).end();
    });
  const { statusCode, headers } = await ask({ Range: 'bytes=0-99' });
  const length = headers['content-length'] ?? headers['transfer-encoding'];
  const words = [
    statusCode,
    headers['transfer-encoding'],
    headers['content-encoding'],
    length === undefined && 'without a length',
  ];
  const asked = await ask({ 'Accept-Encoding': 'gzip' });
  const isOnlyAsked = asked.headers['content-encoding'] && !headers['content-encoding'];
  return words.filter(Boolean).join(' ') + (isOnlyAsked ? ', gzip where asked' : '');
}

/** A folder that servers of any user can read. */
function makePlace() {
  const folder = mkdtempSync(join(tmpdir(), 'part-ota-servers-'));
  const root = join(folder, 'www');
  mkdirSync(join(root, 'moved'), { recursive: true });
  for (const path of ['', 'moved/'].map((name) => join(root, name, 'storage.bin')))
    for (const [name, bytes] of [
      [path, NEW],
      [`${path}.ota`, MANIFEST],
    ] as const) {
      writeFileSync(name, bytes);
      writeFileSync(`${name}.gz`, gzipSync(bytes));
    }
  chmodSync(folder, 0o755);
  return { folder, root };
}

/** Lets a board live by the host's clock until a promise of one of its scripts is settled. */
async function liveUntil<T>(board: Board, promise: PromiseLike<T>): Promise<T> {
  const over = new AbortController();
  const settled = Promise.resolve(promise).finally(() => over.abort());
  const [result] = await Promise.allSettled([settled, board.live(over.signal)]);
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

async function assertPromised(url: string, promised: Promised, folder: string): Promise<void> {
  const board = new Board({ partitions: { storage: OLD } });
  uploadHttpTo(board);
  const http = board.require<OtaHttp>('ota-http');
  const options = { url, partition: 'storage' };
  const isThere = (content: Uint8Array) => Buffer.compare(board.content('storage'), content) === 0;
  if (promised instanceof RegExp) {
    await assert.rejects(
      async () => board.wait(http.update({ ...options, retries: 1 })),
      (error: Error) => {
        assert.match(String(error), promised);
        assert.ok(error.message.includes(url), error.message);
        return true;
      },
    );
    assert.ok(isThere(OLD), 'the old content is not there');
    return;
  }
  const refused = typeof promised === 'object' ? promised : undefined;
  const wait = (promise: PromiseLike<AirResult>) =>
    refused ? liveUntil(board, promise) : board.wait(promise);
  const result = await wait(
    http.update({
      ...options,
      ...(refused?.retries !== undefined && { retries: refused.retries }),
    }),
  );
  assert.deepEqual([result.state, result.changed], ['committed', CHANGED]);
  assert.ok(isThere(NEW), 'the new content is not there');
  const pieces = CHANGED * SECTOR + MANIFEST.length + 64 * 32;
  if (promised === 'pieces' || refused) assert.equal(result.fetched, pieces);
  else assert.ok(result.fetched >= pieces, `only ${result.fetched} bytes`);
  const again = await wait(http.update(options));
  assert.equal(again.state, 'untouched');
  if (promised === 'pieces' || refused) assert.equal(again.fetched, HEAD);
  if (refused)
    assert.match(
      readFileSync(join(folder, 'statuses'), 'latin1'),
      RegExp(`^${refused.status}$`, 'm'),
    );
}

describe('ota-http and web servers', function () {
  this.timeout(60_000);
  let place: ReturnType<typeof makePlace>;
  before(async () => {
    await buildHttp();
    place = makePlace();
  });
  after(() => rmSync(place.folder, { recursive: true }));

  const told = new Set<string>();
  let rows = 0;
  for (const [server, setups] of Object.entries(ROWS))
    describe(server, () => {
      for (const [name, [setup, answer, promised]] of Object.entries(setups)) {
        const number = rows++;
        it(name, async function () {
          const folder = join(place.folder, String(number));
          mkdirSync(folder);
          const why = whyNot(setup, { port: 1, root: place.root, folder });
          if (why) {
            if (!told.has(why)) console.log(`      ▸ not downloaded from: ${why}`);
            told.add(why);
            return this.skip();
          }
          const running = await startServer(setup, { root: place.root, folder });
          try {
            const url = `http://127.0.0.1:${running.port}/storage.bin`;
            assert.equal(await answerOf(url), answer, 'this server is set up in another way');
            await assertPromised(url, promised, folder);
          } finally {
            await running.stop();
          }
        });
      }
    });
});
