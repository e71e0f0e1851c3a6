/** The scripts, the partition table and the figures in README.md are true. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { csvToTable } from '../cli/partition-csv.ts';
import type { Code, Plan, Report } from '../device/api.ts';
import { Board, SECTOR, TABLES, decodeTable, pattern } from '../host/index.ts';

const root = new URL('../', import.meta.url);
const readme = readFileSync(new URL('README.md', root), 'utf8');
const bundle = readFileSync(new URL('dist/ota.min.js', root), 'latin1');

/** @returns the n-th block of code under a heading. */
function block(heading: string, n = 0): string {
  const [, section] = readme.split(`\n${heading}\n`);
  assert.ok(section, `no heading "${heading}"`);
  return section.split('\n```')[2 * n + 1].replace(/^\w+\n/, '');
}

const FIRST_SCREEN = /```js\n(.*?)```/s.exec(readme)![1];
const www = new Uint8Array(pattern('new content', 524288));

/** A board with the partition table of the README. */
function makeBoard(): Board {
  const table = csvToTable(Buffer.from(block('## The partition table')));
  const board = new Board({ table });
  board.upload('ota', bundle);
  return board;
}

function planOf(board: Board, partition: string): Plan {
  const { plan } = board.require<{ plan: (options: { partition: string }) => Plan }>('ota');
  return plan({ partition });
}

function assertUpdated(board: Board): void {
  const content = board.content('www');
  assert.deepEqual(content.slice(0, www.length), www);
  assert.ok(content.subarray(www.length).every((byte) => byte === 0xff));
  assert.ok(board.output.includes('committed'), board.output.join('\n'));
}

describe('README.md', () => {
  it('starts with a script that updates a board', () => {
    const board = makeBoard();
    board.upload('image', Buffer.from(www).toString('latin1'));
    board.run(`
      var position = 0;
      function nextChunk() {
        var chunk = require('Storage').read('image', position, 1000);
        position += chunk.length;
        return chunk;
      }`);
    board.run(FIRST_SCREEN);
    assertUpdated(board);
  });

  it('has a unit test that passes', async () => {
    const file = new URL('dist/readme-example.mjs', root);
    writeFileSync(file, block('## Test your own script'));
    try {
      await import(file.href);
    } finally {
      rmSync(file);
    }
  });

  it('has a boot script', () => {
    const board = makeBoard();
    board.upload('.boot0', block('## Put it on a board'));
    board.powerOn();
    assert.deepEqual(board.uncaught, []);
    assert.equal((board.run('recovered') as Report).state, 'none');
  });

  describe('over HTTP', () => {
    /** Runs the script; the server's response ends after so many bytes. */
    function download(length: number): Board {
      const board = makeBoard();
      board.install('http', () => ({
        get: (_: string, callback: (response: object) => void) => {
          const on: Record<string, (chunk?: string) => void> = {};
          callback({
            headers: { 'Content-Length': `${www.length}` },
            on: (event: string, handler: () => void) => (on[event] = handler),
          });
          for (let at = 0; at < length; at += 536)
            on.data(Buffer.from(www.subarray(at, Math.min(at + 536, length))).toString('latin1'));
          on.close();
        },
      }));
      board.run(`var ota = require('ota');${block('## Over HTTP')}`);
      return board;
    }

    it('brings the new content', () => {
      assertUpdated(download(www.length));
    });

    it('keeps the old content when the connection drops', () => {
      const board = download(100_000);
      assert.match(board.output.join('\n'), /E_SIZE/);
      assert.equal((board.run('ota.status()') as Report).state, 'restored');
      const { address, size } = board.partition('www');
      assert.deepEqual(board.content('www'), makeBoard().flash.peek(address, size));
    });
  });

  it('has a partition table with a place for everything', () => {
    const rows = decodeTable(csvToTable(Buffer.from(block('## The partition table'))));
    const stock = TABLES.espruinoEsp32;
    const isSame = ({ label }: { label: string }) => ['nvs', 'otadata', 'factory'].includes(label);
    assert.deepEqual(
      rows.filter(isSame).map(({ address, size }) => [address, size]),
      stock.filter(isSame).map(({ address, size }) => [address, size]),
    );
    const storage = stock.find(({ label }) => label === 'storage')!;
    assert.deepEqual(rows.at(-1), { ...storage, flags: 0 });

    const { backup, journal } = planOf(makeBoard(), 'www');
    assert.deepEqual([backup!.address, backup!.size], [0x250000, 0xc0000]);
    assert.equal(journal!.label, 'ota_journal');
  });

  it('lays a partition into the free flash of an ESP32-C3', () => {
    const www = { label: 'www', type: 1, subtype: 0x83, address: 0x204000, size: 0x80000 };
    const table = [...TABLES.espruinoIdf4, www];
    const board = new Board({ table, board: 'ESP32C3' });
    board.upload('ota', bundle);
    const { backup, journal } = planOf(board, 'www');
    assert.ok(backup!.size >= www.size);
    assert.ok(journal);
  });

  it('computes the journal', () => {
    const [, perSector, rest] = /takes (\d+) bytes for each sector .* and (\d+) bytes more/.exec(
      readme,
    )!;
    const sectors = 0x100000 / SECTOR;
    const bytes = Math.ceil((sectors * +perSector + +rest) / SECTOR) * SECTOR;
    const board = new Board();
    board.upload('ota', bundle);
    assert.equal(planOf(board, 'storage').journal!.size, bytes);
    assert.match(readme, new RegExp(`${bytes / 1024} KiB for 1 MiB`));
  });

  it('names every error and every state', () => {
    const api = readFileSync(new URL('device/api.ts', root), 'utf8');
    const codes = (text: string) => [...new Set(text.match(/E_[A-Z_]+/g) as Code[])].sort();
    assert.deepEqual(codes(readme.split('\n## Errors\n')[1].split('\n## ')[0]), codes(api));
    const [, union] = /state:\n((?: +\| '\w+';?\n)+)/.exec(api)!;
    for (const [, state] of union.matchAll(/'(\w+)'/g))
      assert.match(readme, new RegExp(`^\\| \`${state}\``, 'm'));
  });

  it('names every option and every call', () => {
    const api = readFileSync(new URL('device/api.ts', root), 'utf8');
    const [, options] = /interface Options {(.*?)\n}/s.exec(api)!;
    for (const [, name] of options.matchAll(/^ {2}(\w+)\??:/gm))
      assert.match(readme, new RegExp(`^\\| \`${name}\``, 'm'));
    const entry = readFileSync(new URL('device/index.ts', root), 'utf8');
    const [, calls] = /export {([^}]*)} from '.\/ota.ts'/.exec(entry)!;
    for (const name of calls
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean))
      assert.match(readme, new RegExp(`^\\| \`ota\\.${name}\\(`, 'm'));
  });

  it('tells how large the module is', () => {
    const { size } = statSync(new URL('dist/ota.min.js', root));
    const [, kilobytes] = /takes (\d+) KB of Storage/.exec(readme)!;
    assert.ok(size <= +kilobytes * 1000 && size > (+kilobytes - 2) * 1000, `${size} bytes`);
  });
});
