/**
 * The board's `require("http")` against what the firmware does: each case was seen in Espruino 2v29 on Linux.
 */
import assert from 'node:assert/strict';
import { Board, type Network, PowerCut, TEARS, tcp } from '../../host/index.ts';
import { WebServer, headOf } from '../support/air-server.ts';

/** What a script saw of a request. */
interface Seen {
  status?: unknown;
  headers?: Record<string, string>;
  body: string;
  sizes: number[];
  events: string[];
}

/** Puts `get` on a board: it requests a URL, and keeps what it sees. */
const SCRIPT = `
  function get(address, headers) {
    var seen = { body: '', sizes: [], events: [] };
    var target = url.parse(address);
    target.headers = headers;
    var request = require('http').request(target, function (response) {
      seen.status = response.statusCode;
      seen.headers = response.headers;
      response.on('data', function (data) {
        seen.body += data;
        seen.sizes.push(data.length);
      });
      response.on('end', function () { seen.events.push('end'); });
      response.on('close', function (hadError) { seen.events.push('close ' + hadError); });
    });
    request.on('error', function (error) { seen.events.push('error ' + error.code); });
    request.end();
    seen.request = request;
    return seen;
  }`;

const BODY = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff));

function setUp() {
  const server = new WebServer();
  server.files.set('/file', BODY);
  const board = new Board({ network: server.network });
  board.run(SCRIPT);
  const get = (path = '/file', headers = '') => {
    const seen = board.run(`get('http://host${path}'${headers && `, ${headers}`})`) as Seen;
    board.advance(10_000);
    return seen;
  };
  return { server, board, get };
}

describe('http on the board', () => {
  it('sends a request and receives a response, in pieces', () => {
    const { server, get } = setUp();
    const seen = get('/file?x=1', '{ Range: "bytes=10-4099" }');
    assert.equal(seen.status, '206');
    assert.equal(seen.headers!['Content-Range'], 'bytes 10-4099/5000');
    assert.deepEqual(Buffer.from(seen.body, 'latin1'), BODY.subarray(10, 4100));
    assert.ok(Math.max(...seen.sizes) <= 536);
    assert.deepEqual(seen.events, ['end', 'close false']);
    const { path, headers } = server.asked[0];
    assert.deepEqual(
      [path, headers.host, headers.connection, headers['user-agent']],
      ['/file?x=1', 'host', 'close', 'Espruino 2v29'],
    );
    assert.equal(server.open, 0);
  });

  it('takes the first bytes of the body for headers, too, but finds the true ones', () => {
    const { server, get } = setUp();
    const body = Buffer.alloc(2000, '.');
    body.write('\r\nContent-Length: 1\r\nX-Junk: yes\r\n\r\n', 100);
    server.fault = (reply) => ({
      ...reply,
      body,
      headers: { 'Content-Length': 2000 },
    });
    const { headers, ...seen } = get();
    assert.equal(headers!['X-Junk'], 'yes');
    assert.equal(headers!['Content-Length'], '2000');
    assert.equal(seen.body.length, 2000);
  });

  it('closes after about 1 KB when it finds no Content-Length', () => {
    const { server, get } = setUp();
    server.fault = (reply) => ({ ...reply, headers: { Server: 'x' } });
    const { body, events } = get();
    assert.ok(body.length > 900 && body.length < 1100, `${body.length} bytes`);
    assert.deepEqual(events, ['end', 'close false']);
  });

  it('takes names of headers in any case', () => {
    const { server, get } = setUp();
    for (const name of ['content-length', 'CONTENT-LENGTH']) {
      server.fault = (reply) => ({ ...reply, headers: { [name]: 5000 } });
      assert.equal(get().body.length, 5000);
    }
  });

  it('keeps what comes until somebody listens', () => {
    const { board } = setUp();
    board.run(`
      var late = '';
      require('http').get('http://host/file', function (response) {
        setTimeout(function () { response.on('data', function (data) { late += data; }); }, 10);
      });`);
    board.advance(20);
    assert.equal((board.run('late') as string).length, 5000);
  });
});

describe('http on the board, where something is missing,', () => {
  it('ends without an error when the connection is lost', () => {
    const { server, get } = setUp();
    server.fault = (reply) => ({ ...reply, cutAt: headOf(reply).length + 3000 });
    const { body, events } = get();
    assert.equal(body.length, 3000);
    assert.deepEqual(events, ['end', 'close false']);
  });

  it('says so when not even the headers have arrived', () => {
    const { server, get } = setUp();
    server.fault = (reply) => ({ ...reply, cutAt: 20 });
    const { status, events } = get();
    assert.equal(status, undefined);
    assert.deepEqual(events, ['error -15']);
  });

  it('waits for ever when nothing comes, and is closed by clsNow', () => {
    const { server, board } = setUp();
    server.fault = (reply) => ({ ...reply, cutAt: 300, then: 'stall' });
    board.run('var seen = get("http://host/file")');
    board.advance(1e6);
    assert.equal(board.run('seen.events.length'), 0);
    assert.equal(server.open, 1);
    board.run('seen.request.clsNow = true');
    board.advance(1);
    assert.deepEqual(board.run('seen.events'), ['end', 'close false']);
    assert.equal(server.open, 0);
    assert.throws(() => board.run('seen.request.end()'), /This socket is closed/);
  });

  it('throws when there is no such host', () => {
    const { board } = setUp();
    assert.throws(() => board.run('get("http://nowhere/")'), /Unable to locate host/);
  });

  it('loses its connections when power fails, or the board reboots', () => {
    const { server, board } = setUp();
    server.fault = (reply) => ({ ...reply, pace: { bytes: 100, ms: 10 } });
    for (const end of [() => board.powerOn(), () => board.run('E.reboot()')]) {
      board.run(SCRIPT);
      board.run('get("http://host/file")');
      board.advance(30);
      assert.equal(server.open, 1);
      end();
      assert.equal(server.open, 0);
      board.advance(1000);
    }
    assert.deepEqual(board.output, []);
  });
});

describe('http on the board, behind the headers,', () => {
  it('delivers what is behind Content-Length', () => {
    const { server, get } = setUp();
    server.fault = (reply) => ({ ...reply, headers: { 'Content-Length': 100 } });
    assert.ok(get().body.length > 100);
  });

  it('decodes chunks, however they are cut', () => {
    for (const size of [1, 100, 536, 4096]) {
      for (const bytes of [7, 100, 536, 1460]) {
        const { server, get } = setUp();
        const chunks = Array.from({ length: Math.ceil(5000 / size) }, (_, i) => {
          const chunk = BODY.subarray(i * size, (i + 1) * size);
          return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, CRLF]);
        });
        server.fault = (reply) => ({
          ...reply,
          headers: { 'Transfer-Encoding': 'Chunked' },
          body: Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]),
          pace: { bytes, ms: 1 },
        });
        const { body, events } = get();
        assert.equal(
          Buffer.compare(Buffer.from(body, 'latin1'), BODY),
          0,
          `chunks of ${size} bytes in packets of ${bytes}`,
        );
        assert.deepEqual(events, ['end', 'close false']);
      }
    }
  });
});

describe('http on the board, without a simulated network,', () => {
  it('takes the same calls to a real network', async () => {
    const server = new WebServer();
    server.files.set('/file', BODY);
    const { server: listener, port } = await server.listen();
    const board = new Board({ network: tcp });
    board.run(SCRIPT);
    const seen = (await board.wait(
      board.run(`new Promise(function (resolve) {
        var seen = get('http://127.0.0.1:${port}/file');
        (function poll() { seen.events.length ? resolve(seen) : setTimeout(poll, 10); })();
      })`),
    )) as Seen;
    listener.close();
    assert.equal(Buffer.compare(Buffer.from(seen.body, 'latin1'), BODY), 0);
    assert.deepEqual(seen.events, ['end', 'close false']);
  });
});

const CRLF = Buffer.from('\r\n');

describe('url.parse on the board', () => {
  it('takes URLs apart as Espruino does', () => {
    const board = new Board();
    const parse = (text: string) => board.run(`url.parse(${JSON.stringify(text)})`);
    assert.deepEqual(parse('http://h:81/a/b?c=1'), {
      protocol: 'http:',
      method: 'GET',
      host: 'h',
      path: '/a/b?c=1',
      pathname: '/a/b',
      search: '?c=1',
      port: 81,
      query: 'c=1',
    });
    assert.deepEqual(parse('nonsense'), {
      method: 'GET',
      host: 'nonsense',
      path: '/',
      pathname: '/',
      search: null,
      port: null,
      query: null,
    });
  });
});

describe('a Promise on the board', () => {
  it('is called back when nothing else runs', () => {
    const board = new Board();
    board.run(`
      new Promise(function (resolve) { resolve(1); resolve(2); })
        .then(function (value) { print('then', value); throw new Error('x'); })
        .then(function () { print('never'); })
        .catch(function (error) { print('catch', error.message); return Promise.resolve(3); })
        .then(function (value) { print('then', value); });
      Promise.all([1, Promise.resolve(2)]).then(function (values) { print(values); });
      print('first');`);
    assert.deepEqual(board.output, ['first']);
    board.advance(0);
    assert.deepEqual(board.output.toSorted(), ['[ 1, 2 ]', 'catch x', 'first', 'then 1', 'then 3']);
    assert.deepEqual(board.uncaught, []);
  });

  it('has what Espruino has, and no more', () => {
    const board = new Board();
    assert.equal(
      board.run('typeof Promise.race + typeof Promise.prototype.finally'),
      'undefined'.repeat(2),
    );
  });

  it('is reported when it is rejected and nobody listens', () => {
    const board = new Board();
    board.run('new Promise(function () { throw new Error("lost") })');
    board.advance(0);
    assert.deepEqual(board.output, ['Uncaught Error: Unhandled promise rejection: Error: lost']);
  });

  it('is settled by the passing of time', () => {
    const board = new Board();
    const after = (ms: number) =>
      `new Promise(function (resolve) { setTimeout(resolve, ${ms}, 'late') })`;
    assert.equal(board.settle(board.run(after(5000))), 'late');
    assert.equal(board.now, 5000);
    assert.throws(() => board.settle(board.run('new Promise(function () {})')), /pending/);
    assert.throws(() => board.settle(board.run('Promise.reject(new Error("no"))')), /no/);
    assert.equal(board.settle(7), 7);
  });

  it('ends with the power', () => {
    const board = new Board();
    board.flash.cutAt(1, TEARS.nothing);
    const promise = board.run(`
      Promise.resolve().then(function () { require('Flash').erasePage(0x3f0000); })
        .then(print, print)`);
    assert.throws(() => board.settle(promise), PowerCut);
    board.powerOn();
    board.advance(1000);
    assert.deepEqual(board.output, []);
  });
});

describe('a network of a test', () => {
  it('is a function', () => {
    const echo: Network = (_, socket) => ({
      receive: (bytes) => {
        const text = Buffer.from(bytes).toString();
        const length = text.length;
        socket.receive(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${text}`));
      },
      close: () => undefined,
    });
    const board = new Board({ network: echo });
    board.run(SCRIPT);
    board.run('var seen = get("https://anywhere:8443/path")');
    board.advance(1);
    assert.match(
      board.run('seen.body') as string,
      /^GET \/path HTTP\/1.1\r\n[^]*Host: anywhere:8443/,
    );
  });
});
