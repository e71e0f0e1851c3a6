/** The scripts in examples/ that update over the air run as they stand. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { makeManifest } from '../../formats/manifest/make.ts';
import { Board, PowerCut, TABLES, TEARS, pattern } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE as NEW, OLD_IMAGE as OLD, read } from '../support/package.ts';
import { WebServer } from '../support/air-server.ts';

const script = (name: string) => read(`examples/${name}.js`).toString('latin1');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const assets = { label: 'assets', type: 1, subtype: 0x83, address: 0x314000, size: 0xc000 };
const ASSETS = pattern('new assets', 48_000);

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
  board.upload('ota', bundleOf('ota'));
  board.upload('ota-http', bundleOf('ota-http'));
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

/** An SD card: what Espruino's `E.openFile` reads from it. */
class Card {
  readonly files = new Map<string, Uint8Array>([
    ['storage.bin', NEW],
    ['storage.bin.ota', makeManifest(NEW, { partition: 'storage', version: '2' })],
  ]);
  /** Bytes that were read of each file. */
  readonly read: Record<string, number> = {};
  /** Files that are open. */
  open = 0;
  /** Called with what is about to be read, and the number of the block, from 1. @returns what is read */
  fault: (bytes: Buffer, n: number) => Buffer | undefined = (bytes) => bytes;
  #blocks = 0;

  /** As jswrap_file.c: what does not exist throws, the end of a file and a failed read give undefined. */
  openFile(path: string) {
    const file = this.files.get(path);
    if (!file) throw new Error('Could not open file : NO_FILE');
    this.open++;
    let at = 0;
    return {
      seek: (to: number) => (at = to),
      read: (length: number) => {
        const bytes = this.fault(Buffer.from(file.subarray(at, at + length)), ++this.#blocks);
        if (!bytes?.length) return undefined;
        at += bytes.length;
        this.read[path] = (this.read[path] ?? 0) + bytes.length;
        return bytes.toString('latin1');
      },
      close: () => this.open--,
    };
  }
}

/** A board with the old content, the modules and a card. */
function makeCardSite(): { board: Board; card: Card; run: () => void } {
  const card = new Card();
  const { board } = makeSite();
  board.install('card', ({ E }) => {
    E.openFile = (path: string) => card.openFile(path);
    return {};
  });
  const run = () => {
    board.run('require("card");');
    board.run(script('air-sd'));
    board.advance(10 * MINUTE);
  };
  return { board, card, run };
}

const CHANGED_BYTES = 76 * 4096;
/** Its manifest, and the hashes of 64 sectors once more. */
const MANIFEST_BYTES = 8372 + 64 * 32;
/** After a power cut: the sector that was on its way to the flash, and the one before it, which may be torn. */
const AGAIN = 2 * 4096;

describe('examples/air-sd.js', () => {
  it('reads the manifest and what differs, each once', () => {
    const { board, card, run } = makeCardSite();
    run();
    assert.ok(holds(board, NEW));
    assert.deepEqual(card.read, {
      'storage.bin.ota': MANIFEST_BYTES,
      'storage.bin': CHANGED_BYTES,
    });
    assert.equal(card.open, 0, 'files are left open');
    assert.equal(
      board.output.at(-1),
      `committed, ${CHANGED_BYTES + MANIFEST_BYTES} bytes read from the card`,
    );
  });

  it('reads what was damaged or missing again', () => {
    const { board, card, run } = makeCardSite();
    card.fault = (bytes, n) => {
      if (n === 100) bytes[7] ^= 1;
      return n === 200 ? undefined : bytes;
    };
    run();
    assert.ok(holds(board, NEW));
    // The sector with the wrong byte, up to the block in which it was noticed.
    const again = card.read['storage.bin'] - CHANGED_BYTES;
    assert.ok(again > 0 && again <= 4096, `${again} bytes`);
    assert.equal(card.open, 0);
  });

  it('goes on after a power cut, and reads little again', () => {
    const { board, card, run } = makeCardSite();
    board.flash.cutAt(1000, TEARS.everyBit);
    assert.throws(run, PowerCut);
    board.powerOn();
    run();
    assert.ok(holds(board, NEW));
    assert.ok(card.read['storage.bin'] <= CHANGED_BYTES + AGAIN, `${card.read['storage.bin']}`);
    assert.ok(card.read['storage.bin.ota'] <= 2 * MANIFEST_BYTES);
  });

  it('leaves the old content if there is no card', () => {
    const { board, card, run } = makeCardSite();
    card.files.clear();
    run();
    assert.ok(holds(board, OLD));
    assert.match(
      board.output.join('\n'),
      /^E_HTTP storage.bin.ota: Could not open file : NO_FILE$/,
    );
  });

  it('puts the old content back if the card is taken out', () => {
    const { board, card, run } = makeCardSite();
    card.fault = (bytes, n) => (n < 300 ? bytes : undefined);
    run();
    assert.ok(holds(board, OLD));
    assert.match(board.output.join('\n'), /^E_HTTP storage.bin: the file ends/);
  });
});

/** The program at the other end of the console: it answers the board, as examples/air-serial.js describes. */
class Host {
  readonly board: Board;
  /** Bytes that were sent of each file. */
  sent: Record<string, number> = {};
  /** Called with each line before it is sent, and its number, from 1. @returns what arrives */
  fault: (line: string, n: number) => string | undefined = (line) => line;
  /** How often the board was answered. */
  answered = 0;
  #lines = 0;
  #heard = 0;

  constructor(board: Board) {
    this.board = board;
  }

  /** Answers for so many seconds of the board's clock, or until the board has asked for nothing for a minute. */
  serve(seconds = 600): void {
    for (let silent = 0; silent < 60 && seconds; silent++, seconds--) {
      const asked = this.board.output.slice(this.#heard).filter((line) => line.startsWith('ota? '));
      this.#heard = this.board.output.length;
      for (const line of asked) this.#answer(line.split(' '));
      if (!asked.length) this.board.advance(1000);
      else {
        // A line takes less than the second that is counted.
        silent = 0;
        seconds++;
        this.board.advance(100);
      }
    }
  }

  #answer([, name, from, to]: string[]): void {
    this.answered++;
    const file = name.endsWith('.ota') ? makeManifest(NEW, { partition: 'storage' }) : NEW;
    for (let at = Number(from); at < Number(to); at += 512) {
      const bytes = Buffer.from(file.subarray(at, Math.min(at + 512, Number(to))));
      this.sent[name] = (this.sent[name] ?? 0) + bytes.length;
      const crc = crc32(bytes, crc32(name));
      const line = `otaPort.take(${at},"${bytes.toString('base64')}",${crc})`;
      const arrives = this.fault(line, ++this.#lines);
      // Espruino prints what its parser thinks of a damaged line.
      if (arrives !== undefined)
        try {
          this.board.run(arrives);
        } catch (error) {
          if (!(error instanceof SyntaxError || error instanceof ReferenceError)) throw error;
        }
    }
  }
}

function makeSerialSite(): { board: Board; host: Host } {
  const { board } = makeSite();
  return { board, host: new Host(board) };
}

describe('examples/air-serial.js asks', () => {
  it('for the manifest and for what differs, each once', () => {
    const { board, host } = makeSerialSite();
    board.run(script('air-serial'));
    host.serve();
    assert.ok(holds(board, NEW));
    assert.deepEqual(host.sent, {
      'storage.bin.ota': MANIFEST_BYTES,
      'storage.bin': CHANGED_BYTES,
    });
    const told = board.output.filter((line) => line.startsWith('ota: '));
    const [plan, ...rest] = told.map(
      (line) => JSON.parse(line.slice(5)) as Record<string, unknown>,
    );
    assert.deepEqual([plan.changed, plan.fetch], [76, CHANGED_BYTES]);
    assert.equal(rest.at(-1)!.state, 'committed');
    assert.equal(board.run('typeof otaPort'), 'undefined', 'nothing stays behind');
  });

  it('again for what was lost or damaged, and only for that', () => {
    const { board, host } = makeSerialSite();
    host.fault = (line, n) => {
      // Lost, of the manifest and of the image; a wrong byte; cut off.
      if (n === 60 || n === 24 || n === 97) return undefined;
      if (n === 30) return line.replace(/[A-Za-z](?=[^"]{99}")/, (c) => (c === 'x' ? 'y' : 'x'));
      if (n === 80) return line.slice(0, 300);
      return line;
    };
    board.run(script('air-serial'));
    host.serve();
    assert.ok(holds(board, NEW));
    const sent = host.sent['storage.bin'] + host.sent['storage.bin.ota'];
    assert.equal(sent - CHANGED_BYTES - MANIFEST_BYTES, 5 * 512);
  });
});

describe('examples/air-serial.js', () => {
  it('asks for no more than a line, and for nothing while it writes', () => {
    const { board, host } = makeSerialSite();
    const asked = () => board.output.filter((line) => line.startsWith('ota? '));
    let erases = 0;
    board.flash.faults.push(({ kind }) => {
      if (kind === 'erase') erases++;
      assert.equal(asked().length, host.answered, 'something may arrive while flash is written');
      return undefined;
    });
    board.run(script('air-serial'));
    host.serve();
    assert.ok(holds(board, NEW));
    assert.ok(erases > 76, `${erases} erases`);
    for (const line of asked()) {
      const [, , from, to] = line.split(' ');
      assert.ok(Number(to) > Number(from) && Number(to) - Number(from) <= 512, line);
    }
  });

  it('goes on after a power cut, and asks for little again', () => {
    const { board, host } = makeSerialSite();
    board.flash.cutAt(1000, TEARS.everyBit);
    assert.throws(() => {
      board.run(script('air-serial'));
      host.serve();
    }, PowerCut);
    board.powerOn();
    board.run(script('air-serial'));
    host.serve();
    assert.ok(holds(board, NEW));
    assert.ok(host.sent['storage.bin'] <= CHANGED_BYTES + AGAIN, `${host.sent['storage.bin']}`);
  });

  it('puts the old content back when nobody has answered for some minutes, and not before', () => {
    const { board, host } = makeSerialSite();
    host.fault = (line, n) => (n < 300 ? line : undefined);
    board.run(script('air-serial'));
    host.serve(300);
    assert.ok(!holds(board, OLD) && !holds(board, NEW));
    board.advance(20 * MINUTE);
    assert.ok(holds(board, OLD));
    assert.match(board.output.join('\n'), /ota: \{"code":"E_TIMEOUT"/);
  });

  it('goes on at once when somebody answers again', () => {
    const { board, host } = makeSerialSite();
    host.fault = (line, n) => (n < 300 ? line : undefined);
    board.run(script('air-serial'));
    host.serve(300);
    assert.ok(!holds(board, NEW));
    host.fault = (line) => line;
    host.sent = {};
    host.serve();
    assert.ok(holds(board, NEW));
    assert.ok(host.sent['storage.bin'] < CHANGED_BYTES, 'it began anew');
  });
});
