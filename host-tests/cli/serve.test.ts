/** `part-ota serve` over real HTTP, beside nginx and curl where they are installed. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { InputError } from '../../cli/words.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import {
  type FileServer,
  type RequestRecord,
  type ServerOptions,
  startFileServer,
} from '../../cli/serve/server.ts';
import { pattern } from '../../host/index.ts';
import { startNginx } from '../support/web-servers.ts';
import { needs, PART_OTA, runPartOta, scratchFolder } from '../support/tools.ts';

const SIZE = 300_000;
const www = Buffer.from(pattern('www', SIZE));
const storage = Buffer.from(pattern('storage', 8192));
const SECRET = 'nobody may read this';
/** A name that breaks a page that does not escape it. */
const NASTY = `a b&"'<script>é.bin`;

const outer = scratchFolder();
const root = join(outer, 'root');
const inRoot = (name: string) => join(root, name);
const stored = makeManifest(www, { partition: 'web', version: '1.4' });

before(() => {
  mkdirSync(inRoot('sub'), { recursive: true });
  mkdirSync(inRoot('.git'));
  writeFileSync(inRoot('www.bin'), www);
  writeFileSync(inRoot('www.bin.ota'), stored);
  writeFileSync(inRoot('storage.bin'), storage);
  writeFileSync(inRoot('empty.bin'), '');
  writeFileSync(inRoot('notes.txt'), 'notes');
  writeFileSync(inRoot('sub/inner.bin'), storage);
  writeFileSync(inRoot(NASTY), storage);
  writeFileSync(inRoot('.secret.bin'), SECRET);
  writeFileSync(inRoot('.git/config.bin'), SECRET);
  writeFileSync(join(outer, 'secret.bin'), SECRET);
  symlinkSync(join(outer, 'secret.bin'), inRoot('out.bin'));
  symlinkSync(outer, inRoot('outdir'));
  symlinkSync('.secret.bin', inRoot('hidden.bin'));
  symlinkSync('www.bin', inRoot('latest.bin'));
  symlinkSync('nowhere', inRoot('dangling.bin'));
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Asks a server, as a client would that sends the path as it is. */
function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, method, agent: false };
    const sent = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Sends text as it is, and @returns what comes back until the connection is closed. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk) => (answer += String(chunk)));
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return answer;
}

/** Ranges of a file of SIZE bytes: what to ask for, first byte and end of what is to come. */
const RANGES: [string, number, number][] = [
  ['bytes=0-0', 0, 1],
  ['bytes=0-4095', 0, 4096],
  ['bytes=4096-8191', 4096, 8192],
  ['bytes=299999-', SIZE - 1, SIZE],
  ['bytes=5-', 5, SIZE],
  ['bytes=-1', SIZE - 1, SIZE],
  ['bytes=-100', SIZE - 100, SIZE],
  ['bytes=-99999999', 0, SIZE],
  ['bytes=299000-99999999', 299000, SIZE],
];

let server: FileServer;
let records: RequestRecord[];

async function start(options: Partial<ServerOptions> = {}): Promise<FileServer> {
  records = [];
  const onRequest = (record: RequestRecord) => records.push(record);
  return startFileServer({ directory: root, port: 0, host: '127.0.0.1', onRequest, ...options });
}

/** Waits until as many requests are over, and @returns the last one. */
async function recordOf(count: number): Promise<RequestRecord> {
  while (records.length < count) await wait(1);
  assert.equal(records.length, count);
  return records[count - 1];
}

/** Gives each test of a suite a server. */
function serveEach(): void {
  beforeEach(async () => (server = await start()));
  afterEach(() => server.close());
}

describe('serve answers', () => {
  serveEach();

  it('with the file, its length and a strong ETag, and closes the connection', async () => {
    const { status, headers, body } = await ask(server.port, '/www.bin', {
      'Accept-Encoding': 'gzip, br',
      Connection: 'keep-alive',
    });
    assert.equal(status, 200);
    assert.ok(body.equals(www));
    assert.equal(headers['content-length'], '300000');
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.equal(headers['accept-ranges'], 'bytes');
    assert.equal(headers.etag, `"${readManifest(stored).digest}"`);
    assert.equal(headers.connection, 'close');
    assert.equal(headers['content-encoding'], undefined);
    assert.equal(headers['transfer-encoding'], undefined);
    assert.match(headers['cache-control']!, /no-transform/);
  });

  it('HEAD like GET, without a body and without ranges', async () => {
    const head = await ask(server.port, '/www.bin', {}, 'HEAD');
    const get = await ask(server.port, '/www.bin');
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    for (const name of ['content-length', 'etag', 'content-type', 'last-modified'])
      assert.equal(head.headers[name], get.headers[name], name);
    const ranged = await ask(server.port, '/www.bin', { Range: 'bytes=0-9' }, 'HEAD');
    assert.equal(ranged.status, 200);
    assert.equal(ranged.headers['content-length'], '300000');
  });

  it('an empty file, a link that stays inside, a query, the absolute form, HTTP/1.0', async () => {
    const empty = await ask(server.port, '/empty.bin');
    assert.deepEqual([empty.status, empty.headers['content-length']], [200, '0']);
    assert.ok((await ask(server.port, '/latest.bin')).body.equals(www));
    assert.ok((await ask(server.port, '/storage.bin?x=/..')).body.equals(storage));
    assert.ok((await ask(server.port, '/%73torage.bin')).body.equals(storage));
    assert.ok((await ask(server.port, 'http://example.com/storage.bin')).body.equals(storage));
    assert.ok((await ask(server.port, `/${encodeURIComponent(NASTY)}`)).body.equals(storage));
    const old = await raw(server.port, 'GET /notes.txt HTTP/1.0\r\n\r\n');
    assert.match(old, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nnotes$/);
  });

  it('405 to other methods, 404 to what is not there', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers } = await ask(server.port, '/www.bin', {}, method);
      assert.equal(status, 405, method);
      assert.equal(headers.allow, 'GET, HEAD');
    }
    for (const path of ['/none.bin', '/none.bin.ota', '/none/', '/www.bin/', '/www.bin/x', '//'])
      assert.equal((await ask(server.port, path)).status, 404, path);
    const head = await ask(server.port, '/none.bin', {}, 'HEAD');
    assert.equal(head.status, 404);
    assert.notEqual(head.headers['content-length'], '0');
  });
});

describe('serve answers ranges:', () => {
  serveEach();

  it('each range with its bytes', async () => {
    for (const [range, first, end] of RANGES) {
      const { status, headers, body } = await ask(server.port, '/www.bin', { Range: range });
      assert.equal(status, 206, range);
      assert.equal(headers['content-range'], `bytes ${first}-${end - 1}/300000`);
      assert.equal(headers['content-length'], String(end - first));
      assert.ok(body.equals(www.subarray(first, end)), range);
    }
  });

  it('416 where there is nothing, and all of it where a range makes no sense', async () => {
    const past = await ask(server.port, '/www.bin', { Range: 'bytes=300000-' });
    assert.equal(past.status, 416);
    assert.equal(past.headers['content-range'], 'bytes */300000');
    assert.equal(past.headers.etag, undefined);
    assert.equal(past.headers['content-length'], String(past.body.length));
    for (const range of ['bytes=x', 'sectors=0-1', 'bytes=0-9,100-109']) {
      const { status, body } = await ask(server.port, '/www.bin', { Range: range });
      assert.equal(status, 200, range);
      assert.ok(body.equals(www), range);
    }
  });

  it('a range only if the file is still the same', async () => {
    const { etag = '', 'last-modified': modified = '' } = (await ask(server.port, '/www.bin'))
      .headers;
    const later = new Date(Date.parse(modified) + 60_000).toUTCString();
    const earlier = new Date(Date.parse(modified) - 60_000).toUTCString();
    const statuses: [string, number][] = [
      [etag, 206],
      [modified, 206],
      ['"other"', 200],
      // RFC 9110 13.1.5: a strong comparison, and an exact one.
      [`W/${etag}`, 200],
      [later, 200],
      [earlier, 200],
    ];
    for (const [value, expected] of statuses) {
      const headers = { Range: 'bytes=10-19', 'If-Range': value };
      const { status, body } = await ask(server.port, '/www.bin', headers);
      assert.equal(status, expected, value);
      assert.equal(body.length, expected === 206 ? 10 : SIZE);
    }
  });
});

describe('serve answers conditions:', () => {
  serveEach();

  it('304 and 412 as the conditions say', async () => {
    const { etag = '' } = (await ask(server.port, '/www.bin')).headers;
    const same = await ask(server.port, '/www.bin', { 'If-None-Match': etag });
    assert.equal(same.status, 304);
    assert.equal(same.body.length, 0);
    assert.equal((await ask(server.port, '/www.bin', { 'If-None-Match': '"x"' })).status, 200);
    assert.equal((await ask(server.port, '/www.bin', { 'If-Match': etag })).status, 200);
    assert.equal((await ask(server.port, '/www.bin', { 'If-Match': '"x"' })).status, 412);
  });

  it('with another ETag when the content is another one of the same size and time', async () => {
    const time = new Date(1e12);
    writeFileSync(inRoot('changing.bin'), 'one');
    utimesSync(inRoot('changing.bin'), time, time);
    const before = await ask(server.port, '/changing.bin');
    writeFileSync(inRoot('changing.bin'), 'two');
    utimesSync(inRoot('changing.bin'), time, time);
    const after = await ask(server.port, '/changing.bin');
    rmSync(inRoot('changing.bin'));
    assert.equal(before.headers['last-modified'], after.headers['last-modified']);
    assert.notEqual(before.headers.etag, after.headers.etag);
    assert.deepEqual([before.body.toString(), after.body.toString()], ['one', 'two']);
  });
});

describe('serve keeps to its directory', () => {
  serveEach();

  const PATHS: [string, number][] = [
    ['/../secret.bin', 404],
    ['/sub/../../secret.bin', 404],
    ['/%2e%2e/secret.bin', 404],
    ['/.%2e/secret.bin', 404],
    ['/..%2fsecret.bin', 400],
    ['/..%5csecret.bin', 400],
    ['/..\\secret.bin', 400],
    ['/sub%2finner.bin', 400],
    ['/www.bin%00.txt', 400],
    ['/%zz', 400],
    ['/%ff', 400],
    ['/.secret.bin', 404],
    ['/%2esecret.bin', 404],
    ['/.secret.bin.ota', 404],
    ['/.git/config.bin', 404],
    ['/.git/', 404],
    ['/hidden.bin', 404],
    ['/hidden.bin.ota', 404],
    ['/out.bin', 404],
    ['/out.bin.ota', 404],
    ['/outdir/', 404],
    ['/outdir/secret.bin', 404],
    ['/dangling.bin', 404],
    ['/sub/./inner.bin', 404],
    ['/sub//inner.bin', 404],
    ['http://x/../secret.bin', 404],
  ];
  for (const [path, expected] of PATHS)
    it(`and refuses ${path}`, async () => {
      const { status, body } = await ask(server.port, path);
      assert.equal(status, expected);
      assert.ok(!body.includes(SECRET));
      assert.ok(!body.includes(outer));
    });

  it('and refuses a path that does not begin with a slash', async () => {
    assert.match(await raw(server.port, 'GET secret.bin HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 400 /);
  });

  it('and does not open what is no file', async function () {
    needs(this, 'mkfifo', '--version');
    execFileSync('mkfifo', [inRoot('fifo.bin')]);
    const { status } = await ask(server.port, '/fifo.bin');
    rmSync(inRoot('fifo.bin'));
    assert.equal(status, 404);
  });
});

describe('serve hands out manifests', () => {
  serveEach();

  it('as they are stored, if they are of the image', async () => {
    const { status, body, headers } = await ask(server.port, '/www.bin.ota');
    assert.equal(status, 200);
    assert.ok(body.equals(stored));
    assert.match(headers.etag!, /^"[0-9a-f]{64}"$/);
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.equal((await recordOf(1)).note, undefined);
  });

  it('made when they are asked for, with ranges, if there is none', async () => {
    const { status, body, headers } = await ask(server.port, '/storage.bin.ota');
    assert.equal(status, 200);
    assert.ok(body.equals(makeManifest(storage)));
    assert.equal((await recordOf(1)).note, 'made here: there is no storage.bin.ota');
    const range = { Range: 'bytes=64-111', 'If-Range': headers.etag! };
    const part = await ask(server.port, '/storage.bin.ota', range);
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(makeManifest(storage).subarray(64, 112)));
    assert.equal(part.headers['content-range'], 'bytes 64-111/180');
  });

  it('made here if the stored one is of another image', async () => {
    const served = async (manifest: Uint8Array | string) => {
      writeFileSync(inRoot('storage.bin.ota'), manifest);
      const { body } = await ask(server.port, '/storage.bin.ota');
      rmSync(inRoot('storage.bin.ota'));
      return readManifest(body, readManifest(makeManifest(storage)).digest);
    };
    const stale = await served(makeManifest(www, { partition: 'web', version: '1.4' }));
    assert.equal((await recordOf(1)).note, 'made here: storage.bin.ota is of another image');
    // The label still tells where it belongs; the version was that of the other image.
    assert.deepEqual([stale.partition, stale.version], ['web', '']);
    const right = await served(makeManifest(storage, { version: '2' }));
    assert.equal(right.version, '2');
    assert.equal((await recordOf(2)).note, undefined);
  });

  it('not if the stored one is damaged: one without its label would go into any partition', async () => {
    const right = makeManifest(storage, { partition: 'web' });
    writeFileSync(inRoot('storage.bin.ota'), right.fill(0, 100, 101));
    const { status, body } = await ask(server.port, '/storage.bin.ota');
    const page = await ask(server.port, '/');
    rmSync(inRoot('storage.bin.ota'));
    const why = /storage\.bin\.ota: manifest: its CRC-32 is .*; make it again by part-ota pack/;
    assert.equal(status, 404);
    assert.match(body.toString(), why);
    assert.match(page.body.toString(), new RegExp(`update</dt><dd>no: ${why.source}`));
  });

  it('of the image as it is now', async () => {
    for (const content of ['one', 'another']) {
      writeFileSync(inRoot('changing.bin'), content);
      const { body } = await ask(server.port, '/changing.bin.ota');
      assert.ok(body.equals(makeManifest(Buffer.from(content))));
    }
    rmSync(inRoot('changing.bin'));
  });

  it('not of an image that can have none, but alone if they are stored alone', async () => {
    const { status, body } = await ask(server.port, '/empty.bin.ota');
    assert.equal(status, 404);
    assert.match(body.toString(), /image: is empty/);
    writeFileSync(inRoot('alone.ota'), stored);
    const alone = await ask(server.port, '/alone.ota');
    rmSync(inRoot('alone.ota'));
    assert.ok(alone.body.equals(stored));
  });
});

/** @returns the text of HTML. */
const unescaped = (html: string) =>
  html.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => {
    return { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }[entity]!;
  });

describe('the page of serve', () => {
  serveEach();

  /** Runs the scripts on a page, and @returns what they ask ota-http for. */
  function updatesOn(page: string) {
    const updates: { url: string; partition: string; digest: string }[] = [];
    const update = (options: (typeof updates)[0]) => {
      updates.push({ ...options });
      return { then: () => {} };
    };
    const modules: Record<string, unknown> = { 'ota-http': { update } };
    for (const [, script] of page.matchAll(/<pre[^>]*>([^]*?)<\/pre>/g))
      runInNewContext(unescaped(script), { require: (name: string) => modules[name] });
    return updates;
  }

  it('lists the images, and scripts that a board can run', async () => {
    const { status, headers, body } = await ask(server.port, '/');
    const page = body.toString();
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(headers['content-length'], String(body.length));
    const updates = updatesOn(page);
    const at = (name: string) => `http://127.0.0.1:${server.port}/${encodeURIComponent(name)}`;
    const digestOf = (image: Buffer) => readManifest(makeManifest(image)).digest;
    assert.deepEqual(updates, [
      { url: at(NASTY), partition: 'a', digest: digestOf(storage) },
      { url: at('latest.bin'), partition: 'latest', digest: digestOf(www) },
      { url: at('notes.txt'), partition: 'notes', digest: digestOf(Buffer.from('notes')) },
      { url: at('storage.bin'), partition: 'storage', digest: digestOf(storage) },
      // What is in the manifest.
      { url: at('www.bin'), partition: 'web', digest: digestOf(www) },
    ]);
    for (const { url, digest } of updates) {
      const { pathname } = new URL(url);
      readManifest((await ask(server.port, `${pathname}.ota`)).body, digest);
    }
    assert.match(page, /300,000 bytes/);
    assert.match(page, /version 1\.4/);
    assert.match(page, /there is no storage\.bin\.ota/);
    assert.match(page, /image: is empty/);
    assert.match(page, /href="\.\/sub\/"/);
    assert.doesNotMatch(page, /<script>|secret|out\.bin|hidden|\.git|dangling/);
  });

  it('names the server as the reader calls it, whatever that is', async () => {
    const host = `127.0.0.1:${server.port}`;
    const { body } = await ask(server.port, '/sub/', { Host: host });
    assert.equal(updatesOn(body.toString())[0].url, `http://${host}/sub/inner.bin`);
    assert.ok(!body.includes('<b>'));
    const old = await raw(server.port, 'GET /sub/ HTTP/1.0\r\n\r\n');
    assert.equal(updatesOn(old)[0].url, `http://127.0.0.1:${server.port}/sub/inner.bin`);
  });

  it('leads to directories with a slash', async () => {
    const { status, headers } = await ask(server.port, '/sub');
    assert.deepEqual([status, headers.location], [301, '/sub/']);
    assert.match((await ask(server.port, '/sub/')).body.toString(), /inner\.bin[^]*8,192 bytes/);
    assert.equal((await ask(server.port, '//sub')).status, 404);
  });
});

describe('serve logs', () => {
  serveEach();

  it('method, path, status, range and bytes of each request', async () => {
    await ask(server.port, '/www.bin', { Range: 'bytes=0-99' });
    const { client, method, path, status, range, bytes, isCut } = await recordOf(1);
    assert.deepEqual(
      { client, method, path, status, range, bytes, isCut },
      {
        client: '127.0.0.1',
        method: 'GET',
        path: '/www.bin',
        status: 206,
        range: 'bytes=0-99',
        bytes: 100,
        isCut: false,
      },
    );
    await ask(server.port, '/www.bin', {}, 'HEAD');
    assert.equal((await recordOf(2)).bytes, 0);
  });

  it('that a client hung up', async () => {
    await server.close();
    server = await start({ rate: 100_000 });
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /www.bin HTTP/1.0\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    const { isCut, bytes } = await recordOf(1);
    assert.ok(isCut);
    assert.ok(bytes < SIZE, String(bytes));
  });
});

describe('serve', () => {
  serveEach();

  it('sends no faster than it is told, all clients together', async () => {
    await server.close();
    server = await start({ rate: 40_000 });
    const started = performance.now();
    const [a, b] = await Promise.all([
      ask(server.port, '/storage.bin'),
      ask(server.port, '/sub/inner.bin'),
    ]);
    const seconds = (performance.now() - started) / 1000;
    assert.ok(a.body.equals(storage) && b.body.equals(storage));
    // Timers may fire a millisecond early.
    assert.ok(seconds > (2 * 8192) / 40_000 - 0.02, `${seconds} s`);
  });

  it('ends all connections when it is closed, and leaves nothing behind', async () => {
    await server.close();
    const temporary = join(outer, 'temporary');
    mkdirSync(temporary);
    const { TMPDIR } = process.env;
    process.env.TMPDIR = temporary;
    try {
      server = await start({ rate: 1000 });
      assert.equal((await ask(server.port, '/storage.bin.ota')).status, 200);
      assert.equal(readdirSync(temporary).length, 1);
      const pending = ask(server.port, '/www.bin').catch((error: Error) => error);
      await wait(20);
      await server.close();
      assert.ok((await pending) instanceof Error);
      assert.deepEqual(readdirSync(temporary), []);
      await assert.rejects(ask(server.port, '/www.bin'), { code: 'ECONNREFUSED' });
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    }
  });

  it('refuses what it cannot serve, or where it cannot listen', async () => {
    const refuses = (options: Partial<ServerOptions>, message: RegExp) =>
      assert.rejects(start(options), (error: Error) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, message);
        return true;
      });
    await refuses({ directory: inRoot('none') }, /none: no such directory$/);
    await refuses({ directory: inRoot('www.bin') }, /www\.bin: is not a directory$/);
    await refuses({ port: server.port }, new RegExp(`^--port: ${server.port} is in use$`));
    await refuses({ host: '203.0.113.1' }, /^--host: 203\.0\.113\.1: .*EADDRNOTAVAIL/);
  });
});

describe('part-ota serve', () => {
  /** Starts the program, and waits until it has printed where it listens. */
  async function startProgram(...words: string[]) {
    const child = spawn(process.execPath, [PART_OTA, 'serve', root, '--port', '0', ...words]);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    while (!output.includes('\n')) await wait(5);
    const port = Number(/:(\d+)\/( |$)/m.exec(output)![1]);
    const stop = async () => {
      child.kill('SIGINT');
      const [code] = (await once(child, 'exit')) as [number];
      return { code, output };
    };
    return { port, stop };
  }

  it('prints where it is and each request, and ends when it is interrupted', async () => {
    const { port, stop } = await startProgram();
    const { body } = await ask(port, '/storage.bin.ota', { Range: 'bytes=0-3' });
    assert.equal(body.toString('latin1'), 'OTA\x01');
    const { code, output } = await stop();
    assert.equal(code, 0);
    assert.match(output, /^.*root at http:\/\/localhost:\d+\//);
    assert.match(
      output,
      /\n\S+Z 127\.0\.0\.1 GET \/storage\.bin\.ota 206 bytes=0-3 4 bytes \(made here: there is no/,
    );
  });

  it('prints no requests if it is told so', async () => {
    const { port, stop } = await startProgram('--quiet', '--host', '127.0.0.1');
    assert.equal((await ask(port, '/')).status, 200);
    const { code, output } = await stop();
    assert.equal(code, 0);
    assert.match(output, /^.*root at http:\/\/127\.0\.0\.1:\d+\/\n$/);
  });

  it('refuses arguments', async () => {
    const cases: [string[], RegExp][] = [
      [['none'], /^error: none: no such directory/],
      [['.', '--port', '65536'], /not a whole number from 0 to 65535/],
      [['.', '--rate', '0'], /not a whole number from 1 to/],
    ];
    for (const [words, message] of cases) {
      const { status, stderr } = await runPartOta(outer, 'serve', ...words);
      assert.equal(status, 2);
      assert.match(stderr, message);
    }
  });
});

describe('serve, beside others', () => {
  serveEach();

  it('gives curl each range', function () {
    needs(this, 'curl', '--version');
    return Promise.all(
      RANGES.map(async ([range, first, end]) => {
        const url = `http://127.0.0.1:${server.port}/www.bin`;
        const child = spawn('curl', ['-sS', '--fail', '-r', range.slice('bytes='.length), url]);
        const chunks: Buffer[] = [];
        child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
        const [code] = (await once(child, 'close')) as [number];
        assert.equal(code, 0, range);
        assert.ok(Buffer.concat(chunks).equals(www.subarray(first, end)), range);
      }),
    ).then(() => undefined);
  });

  it('answers as nginx does', async function () {
    needs(this, 'nginx', '-v');
    const nginx = await startNginx(root, join(outer, 'nginx'));
    try {
      const compared = ['content-range', 'content-length', 'last-modified'];
      const both = async (path: string, headers: Record<string, string> = {}, method?: string) => {
        const ours = await ask(server.port, path, headers, method);
        const theirs = await ask(nginx.port, path, headers, method);
        const what = `${path} ${JSON.stringify(headers)}`;
        assert.equal(ours.status, theirs.status, what);
        if (ours.status > 399) return;
        assert.ok(ours.body.equals(theirs.body), what);
        for (const name of compared) assert.equal(ours.headers[name], theirs.headers[name], what);
      };
      await both('/www.bin');
      await both('/www.bin', {}, 'HEAD');
      await both('/www.bin.ota');
      await both('/empty.bin');
      await both('/none.bin');
      for (const [range] of RANGES) await both('/www.bin', { Range: range });
      await both('/www.bin', { Range: 'bytes=300000-' });
      await both('/www.bin', { Range: 'bytes=0-9', 'If-Range': '"other"' });
      const { 'last-modified': modified = '' } = (await ask(nginx.port, '/www.bin')).headers;
      await both('/www.bin', { Range: 'bytes=0-9', 'If-Range': modified });
      await both('/www.bin', { 'If-Modified-Since': modified });
      for (const port of [server.port, nginx.port]) {
        const { etag = '' } = (await ask(port, '/www.bin')).headers;
        const same = await ask(port, '/www.bin', { Range: 'bytes=0-9', 'If-Range': etag });
        assert.equal(same.status, 206);
        assert.equal((await ask(port, '/www.bin', { 'If-None-Match': etag })).status, 304);
      }
    } finally {
      await nginx.stop();
    }
  });
});
