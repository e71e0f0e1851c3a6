/* eslint max-lines-per-function: off -- a suite is a table of cases */
/** Whom `part-ota serve` does not answer, and whom it does not wait for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type FileServer, type RequestRecord, startFileServer } from '../../cli/serve/server.ts';
import { scratchFolder } from '../support/tools.ts';

const folder = scratchFolder();
const SECRET = 'what only this machine may read';
let server: FileServer;
const records: RequestRecord[] = [];

before(() => {
  writeFileSync(join(folder, 'a.bin'), SECRET);
  writeFileSync(join(folder, 'page.html'), '<script>alert(1)</script>');
  writeFileSync(join(folder, 'large.bin'), Buffer.alloc(15 << 20, 1));
});

const start = async (patience?: number, names: string[] = []) => {
  server = await startFileServer({
    directory: folder,
    port: 0,
    names,
    ...(patience === undefined ? {} : { patience }),
    onRequest: (record) => records.push(record),
  });
};
const stop = () => server.close();

/** @returns what comes back to its end. */
async function ask(...lines: string[]): Promise<string> {
  const socket = connect(server.port, '127.0.0.1').setEncoding('latin1');
  let answer = '';
  socket.on('data', (text) => (answer += String(text)));
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await once(socket, 'close');
  return answer;
}

describe('part-ota serve answers', () => {
  afterEach(stop);

  it('who calls it by a name or an address of this machine', async () => {
    await start(undefined, ['ota.example', 'Other.Example']);
    const { port } = server;
    const hosts = [
      'localhost',
      'LOCALHOST.',
      'app.localhost',
      '127.0.0.1',
      '127.1.2.3',
      '[::1]',
      '[::ffff:127.0.0.1]',
      hostname(),
      'ota.example',
      'other.example',
    ];
    for (const host of hosts)
      for (const name of [host, `${host}:${port}`, `${host}:80`])
        assert.match(await ask('GET /a.bin HTTP/1.1', `Host: ${name}`), /^HTTP\/1\.1 200 /, name);
    assert.match(await ask('GET /a.bin HTTP/1.0'), /^HTTP\/1\.1 200 /);
  });

  it('nobody who calls it by another, and says what to do', async () => {
    await start();
    const hosts = [
      'evil.example',
      'evil.example:8080',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.evil.example',
      'evil.example@localhost',
      'localhost:80@evil.example',
      'localhost evil.example',
      '203.0.113.9',
      '[2001:db8::1]',
      '[::1].evil.example',
      '<script>',
      '',
    ];
    for (const host of hosts) {
      for (const path of ['/', '/a.bin', '/a.bin.ota', '/nothing']) {
        const answer = await ask(`GET ${path} HTTP/1.1`, `Host: ${host}`);
        assert.match(answer, /^HTTP\/1\.1 421 /, host);
        assert.match(answer, /--host-name /);
        assert.ok(!answer.includes(SECRET) && !answer.includes('<script>'), answer);
      }
    }
    assert.match(await ask('GET http://evil.example/a.bin HTTP/1.0'), /^HTTP\/1\.1 421 /);
    assert.match(await ask('GET / HTTP/1.1', 'Host: evil.example'), /--host-name evil\.example\n$/);
    assert.equal(records.at(-1)?.status, 421);
  });

  it('with what keeps a browser from running or showing it elsewhere', async () => {
    await start();
    for (const [path, host] of [
      ['/', 'localhost'],
      ['/a.bin', 'localhost'],
      ['/page.html', 'localhost'],
      ['/nothing', 'localhost'],
      ['/', 'evil.example'],
    ]) {
      const answer = await ask(`GET ${path} HTTP/1.1`, `Host: ${host}`);
      assert.match(
        answer,
        /^Content-Security-Policy: default-src 'none';.*frame-ancestors 'none'/m,
      );
      assert.doesNotMatch(answer, /^Content-Security-Policy: .*script-src/m);
      assert.match(answer, /^X-Content-Type-Options: nosniff\r$/m);
      assert.match(answer, /^X-Frame-Options: DENY\r$/m);
    }
  });
});

describe('part-ota serve ends connections', () => {
  afterEach(stop);

  const open = async (text: string): Promise<Socket> => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  };

  it('that do not read', async () => {
    await start(300);
    const socket = await open('GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.pause();
    const closed = new Promise((resolve) =>
      server.server.getConnections((_, count) => {
        assert.equal(count, 1);
        const look = setInterval(() => {
          server.server.getConnections((_, count) => {
            if (count) return;
            clearInterval(look);
            resolve(count);
          });
        }, 20);
      }),
    );
    await closed;
    assert.equal(records.at(-1)?.isCut, true);
    socket.destroy();
  });

  it('that do not send their header, or nothing at all', async () => {
    await start(300);
    for (const text of ['', 'GET / HT', 'GET / HTTP/1.1\r\nHost: localhost\r\nA: b']) {
      const socket = await open(text);
      socket.resume();
      await once(socket, 'close');
    }
  });

  it('that send it byte by byte for ever', async () => {
    await start(300);
    const socket = await open('GET / HTTP/1.1\r\nHost: localhost\r\n');
    const drip = setInterval(() => socket.write('A: b\r\n'), 20);
    socket.resume();
    await once(socket, 'close');
    clearInterval(drip);
  });

  it('beyond what it takes at a time, and answers again when they are gone', async () => {
    await start();
    const sockets = [];
    for (let n = 0; n < 64; n++) sockets.push(await open(''));
    const more = await open('GET /a.bin HTTP/1.1\r\nHost: localhost\r\n\r\n');
    more.on('data', () => assert.fail('answered'));
    await once(more, 'close');
    for (const socket of sockets) socket.destroy();
    while (
      await new Promise<number>((resolve) => server.server.getConnections((_, n) => resolve(n)))
    )
      await new Promise((resolve) => setImmediate(resolve));
    assert.match(await ask('GET /a.bin HTTP/1.1', 'Host: localhost'), /200/);
  });
});
