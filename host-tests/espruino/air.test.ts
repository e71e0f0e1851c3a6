/**
 * Updates over the air in a real Espruino, over TCP, from `part-ota serve`: `ESPRUINO=path/to/espruino npm run
 * test:espruino`. On the way a connection is cut, and the process is killed.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { makeManifest } from '../../formats/manifest/make.ts';
import { type FileServer, startFileServer } from '../../cli/serve/server.ts';
import type { AirResult } from '../../device/http/api.ts';
import { CHANGED, chip, contentOf, fresh, storage } from '../support/example-chip.ts';
import { Interpreter, type Job, type Reply } from './interpreter.ts';
import { scratchFolder } from '../support/tools.ts';

const command = process.env.ESPRUINO;
const SECTOR = 4096;
/** JsVars that an update may take beyond the modules. */
const PEAK = 1400;

/** Bytes of the manifest. */
const manifest = makeManifest(fresh, { partition: 'storage', version: '2' });

/** A way to a server on which connections break. */
class Proxy {
  /** Bytes of responses that have passed, headers included. */
  passed = 0;
  connections = 0;
  /** Called when something has passed. */
  onPassed: (connection: number, socket: Socket) => void = () => undefined;
  readonly #server: Server;

  constructor(port: number) {
    this.#server = createServer((socket) => {
      const number = ++this.connections;
      const upstream = connect(port, '127.0.0.1');
      const end = () => {
        socket.destroy();
        upstream.destroy();
      };
      socket.on('data', (bytes) => upstream.write(bytes));
      upstream.on('data', (bytes) => {
        this.passed += bytes.length;
        socket.write(bytes);
        this.onPassed(number, socket);
      });
      upstream.on('end', () => socket.end());
      for (const one of [socket, upstream]) {
        one.on('error', end);
        one.on('close', () => (one === socket ? upstream.destroy() : undefined));
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }
}

const folder = scratchFolder();

let files: FileServer;
let proxy: Proxy;
let port: number;
let board: Interpreter;

/** Gives each test of a suite a server, a way to it and a board. */
function setUp(suite: Mocha.Suite): void {
  suite.timeout(0);

  before(function () {
    if (command) return;
    console.log('    skipped: the environment variable ESPRUINO names no interpreter');
    this.skip();
  });

  beforeEach(async () => {
    writeFileSync(join(folder, 'image.bin'), fresh);
    writeFileSync(join(folder, 'image.bin.ota'), manifest);
    files = await startFileServer({ directory: folder, port: 0, host: '127.0.0.1' });
    proxy = new Proxy(files.port);
    port = await proxy.listen();
    board = new Interpreter(command!, fresh);
    board.flash = chip;
  });

  afterEach(async () => {
    proxy?.close();
    board?.remove();
    await files?.close();
  });
}

/** @returns the job that updates `storage`. */
function job(more: Partial<Job> = {}): Job {
  const url = `http://127.0.0.1:${port}/image.bin`;
  return { act: 'air', air: { url, partition: 'storage', backup: 'spare' }, ...more };
}

/** Checks that the image is there, and nothing else has changed but the backup and the journal. */
function assertDone(reply: Reply): AirResult {
  assert.equal(reply.code ?? reply.message, undefined, reply.message);
  const result = reply.result as AirResult;
  const { flash } = board;
  assert.equal(Buffer.compare(contentOf(flash), fresh), 0, 'the content is another');
  assert.equal(
    Buffer.compare(flash.subarray(0, storage.address), chip.subarray(0, storage.address)),
    0,
  );
  return result;
}

describe('ota-http.min.js in real Espruino', function () {
  setUp(this);

  it('downloads the sectors that differ', async () => {
    const reply = await board.run(job({ storage: true, measure: true }));
    const { state, changed, fetched } = assertDone(reply);
    assert.deepEqual([state, changed], ['committed', CHANGED]);
    // Hashes that were not kept are fetched once more, twice 1024 bytes of them: as docs/board.md has it.
    assert.equal(fetched, CHANGED * SECTOR + manifest.length + 2 * 1024);
    assert.equal(fetched, 321_716);
    console.log(
      `      Espruino ${reply.engine}: both modules ${reply.module} JsVars,`,
      `${reply.peak} more between two events, ${reply.deepest} in the depth of a call`,
    );
    assert.ok(reply.deepest! > 600 && reply.deepest! <= PEAK, `${reply.deepest} JsVars`);
    const again = await board.run(job());
    assert.equal((again.result as AirResult).state, 'untouched');
    assert.equal(again.operations, 0);
    assert.equal((again.result as AirResult).fetched, 116);
  });

  it('refuses an image that is not that of the digest', async () => {
    const other = job();
    other.air!.digest = '00'.repeat(32);
    const reply = await board.run(other);
    assert.equal(reply.code, 'E_MANIFEST');
    assert.equal(reply.operations, 0);
    assert.equal(Buffer.compare(board.flash, chip), 0);
  });

  it('says that nobody answers', async () => {
    const none = job();
    none.air!.url = 'http://127.0.0.1:1/image.bin';
    none.air!.retries = 1;
    const reply = await board.run(none);
    assert.equal(reply.code, 'E_HTTP');
    assert.equal(Buffer.compare(board.flash, chip), 0);
  });
});

describe('ota-http.min.js in real Espruino goes on', function () {
  setUp(this);

  it('when connections are cut', async () => {
    const cuts = new Set<number>();
    proxy.onPassed = (connection, socket) => {
      // The fourth, fifth and sixth: each somewhere in its middle.
      if (connection < 4 || connection > 6 || cuts.has(connection)) return;
      cuts.add(connection);
      socket.resetAndDestroy();
    };
    const reply = await board.run(job());
    const { state } = assertDone(reply);
    assert.equal(state, 'committed');
    assert.equal(cuts.size, 3);
    assert.ok(proxy.connections >= 7, `${proxy.connections} connections`);
  });

  it('after its process was killed', async () => {
    let kills = 0;
    let fetched = 0;
    for (const bytes of [60_000, 100_000]) {
      let process: ChildProcess | undefined;
      const from = proxy.passed;
      proxy.onPassed = () => {
        if (proxy.passed - from > bytes) process!.kill('SIGKILL');
      };
      const output = await board.start(job(), (child) => (process = child));
      assert.doesNotMatch(output, /^@/m, 'it was not killed');
      assert.notEqual(Buffer.compare(contentOf(board.flash), fresh), 0);
      fetched += proxy.passed - from;
      kills++;
    }
    proxy.onPassed = () => undefined;
    const reply = await board.run(job());
    assert.equal(reply.recovered, 'interrupted');
    const result = assertDone(reply);
    assert.equal(result.state, 'committed');
    assert.ok(result.fetched < CHANGED * SECTOR, `${result.fetched} bytes`);
    console.log(
      `      killed ${kills} times, ${fetched} bytes sent by then, ${result.fetched} after`,
    );
  });
});
