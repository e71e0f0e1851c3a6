/** The scripts in examples/ that update over the air run as they stand. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { makeManifest } from '../cli/manifest.ts';
import { Board, PowerCut, TABLES, TEARS, pattern } from '../host/index.ts';
import { WebServer } from './air-server.ts';

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url));
const OLD = read('examples/images/storage-v1.littlefs.bin');
const NEW = read('examples/images/storage-v2.littlefs.bin');
const script = (name: string) => read(`examples/${name}.js`).toString('latin1');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const assets = { label: 'assets', type: 1, subtype: 0x83, address: 0x313000, size: 0xd000 };
const ASSETS = pattern('new assets', 50_000);

function publish(server: WebServer, path: string, image: Uint8Array, version = ''): void {
  server.files.set(path, image);
  server.files.set(`${path}.ota`, makeManifest(image, { version }));
}

/** A board with the old content and the modules, and a server with the new content. */
function makeSite(): { board: Board; server: WebServer } {
  const server = new WebServer();
  publish(server, '/storage.bin', NEW, '2');
  publish(server, '/assets.bin', ASSETS);
  const table = [...TABLES.example, assets];
  const board = new Board({
    table,
    partitions: { storage: OLD },
    network: (address, socket) => {
      assert.equal(address.host, '192.168.1.2');
      return server.network({ ...address, host: 'host' }, socket);
    },
  });
  board.upload('ota', read('dist/ota.min.js').toString('latin1'));
  board.upload('ota-http', read('dist/ota-http.min.js').toString('latin1'));
  return { board, server };
}

const holds = (board: Board, content: Uint8Array, label = 'storage') =>
  Buffer.compare(board.content(label).subarray(0, content.length), content) === 0;

describe('examples/air-boot.js', () => {
  it('brings the new content, then starts the app', () => {
    const { board } = makeSite();
    board.run(script('air-boot'));
    board.advance(10 * MINUTE);
    assert.ok(holds(board, NEW));
    assert.match(
      board.output.join('\n'),
      /write 25 %[^]*committed, \d+ bytes[^]*app starts: committed/,
    );
  });

  it('goes on after a power cut, and fetches little again', () => {
    const { board, server } = makeSite();
    board.flash.cutAt(2000, TEARS.everyBit);
    assert.throws(() => {
      board.run(script('air-boot'));
      board.advance(10 * MINUTE);
    }, PowerCut);
    board.powerOn();
    const { sent } = server;
    board.run(script('air-boot'));
    board.advance(10 * MINUTE);
    assert.ok(holds(board, NEW));
    assert.ok(server.sent - sent < sent, `${server.sent - sent} bytes after ${sent}`);
  });

  it('starts the app without a network, and again with what it had', () => {
    const { board, server } = makeSite();
    server.files.clear();
    board.run(script('air-boot'));
    board.advance(HOUR);
    assert.ok(holds(board, OLD));
    assert.match(board.output.join('\n'), /E_HTTP[^]*app starts: none/);
  });
});

describe('examples/air-periodic.js', () => {
  it('updates when there is a new version, and asks for the head until then', () => {
    const { board, server } = makeSite();
    publish(server, '/storage.bin', OLD, '1');
    board.run(script('air-periodic'));
    board.advance(30 * HOUR);
    assert.ok(
      server.asked.length >= 3 && server.asked.length <= 11,
      `${server.asked.length} asked`,
    );
    assert.ok(board.output.every((line) => line === 'up to date'));
    publish(server, '/storage.bin', NEW, '2');
    board.advance(10 * HOUR);
    assert.ok(holds(board, NEW));
    assert.match(board.output.join('\n'), /version 2: \d+ bytes to fetch\ncommitted/);
    board.advance(10 * HOUR);
    assert.equal(board.output.at(-1), 'up to date');
  });
});

describe('examples/air-two.js', () => {
  it('updates two partitions in turn', () => {
    const { board } = makeSite();
    board.run(script('air-two'));
    board.advance(HOUR);
    assert.deepEqual(board.output, ['storage: committed', 'assets: committed', 'done']);
    assert.ok(holds(board, NEW));
    assert.ok(holds(board, ASSETS, 'assets'));
  });

  it('stops at the first one that fails', () => {
    const { board, server } = makeSite();
    server.files.delete('/storage.bin.ota');
    board.run(script('air-two'));
    board.advance(HOUR);
    assert.ok(holds(board, OLD));
    assert.ok(!holds(board, ASSETS, 'assets'));
    assert.match(board.output.join('\n'), /^E_HTTP/);
  });
});
