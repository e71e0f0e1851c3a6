/** The scripts, the partition table and the figures in README.md are true. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { csvToTable, parseCsv } from '../../formats/table/csv.ts';
import type { Plan } from '../../device/api.ts';
import type { Code } from '../../device/http/api.ts';
import {
  Board,
  type Network,
  SECTOR,
  TABLES,
  decodeTable,
  encodeTable,
  pattern,
} from '../../host/index.ts';
import { WebServer } from '../support/air-server.ts';
import { bundleOf, pathOf } from '../support/package.ts';
import { blocksOf, read, section } from '../support/pages.ts';

const readme = read('README.md');
const bundle = bundleOf('ota');
const httpBundle = bundleOf('ota-http');

/** All blocks of code there are; each is tried below. */
const [FIRST_SCREEN, OVER_THE_AIR, TABLE, ...OTHERS] = blocksOf(readme);
const www = new Uint8Array(pattern('new content', 524288));

/** A board with the partition table of the README. */
function makeBoard(network?: Network): Board {
  const board = new Board({ table: csvToTable(Buffer.from(TABLE)), ...(network && { network }) });
  board.upload('ota', bundle);
  board.upload('ota-http', httpBundle);
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

describe('the scripts of README.md', () => {
  it('are all tried here', () => assert.deepEqual(OTHERS, []));

  it('begin with one that updates a board', () => {
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

  it('update over the air', () => {
    const server = new WebServer();
    const board = makeBoard(server.network);
    const manifest = makeManifest(www, { partition: 'www' });
    server.files.set('/www.bin', www);
    server.files.set('/www.bin.ota', manifest);
    const script = OVER_THE_AIR.replace('192.168.1.2', 'host');
    const run = (digest: string) => {
      board.run(`DIGEST = '${digest}';${script}`);
      board.advance(60_000);
    };
    run('00'.repeat(32));
    assert.match(board.output.join(), /^E_MANIFEST digest/);
    run(readManifest(manifest).digest);
    // The hashes of 96 of the 128 sectors that change are fetched once more.
    const fetched = 128 * SECTOR + manifest.length + 96 * 32;
    assert.equal(board.output.at(-1), `committed 192 sectors, ${fetched} bytes`);
    assert.deepEqual(board.content('www').slice(0, www.length), www);
    server.sent = 0;
    run(readManifest(manifest).digest);
    assert.equal(board.output.at(-1), 'untouched 0 sectors, 116 bytes');
    assert.equal(server.sent, 116);
    assert.match(readme, /If nothing has changed, 116 bytes are fetched/);
  });
});

describe('the partition table of README.md', () => {
  it('has a place for everything', () => {
    const rows = decodeTable(csvToTable(Buffer.from(TABLE)));
    const stock = TABLES.espruinoEsp32;
    const isSame = ({ label }: { label: string }) => ['nvs', 'otadata', 'factory'].includes(label);
    assert.deepEqual(
      rows.filter(isSame).map(({ address, size }) => [address, size]),
      stock.filter(isSame).map(({ address, size }) => [address, size]),
    );
    const storage = stock.find(({ label }) => label === 'storage')!;
    assert.deepEqual(rows.at(-1), decodeTable(encodeTable([storage]))[0]);

    const { backup, journal } = planOf(makeBoard(), 'www');
    // The last two sectors of the free flash are kept for a journal.
    assert.deepEqual([backup!.address, backup!.size], [0x250000, 0xc6000]);
    assert.ok(backup!.size >= rows.find(({ label }) => label === 'www')!.size);
    assert.equal(journal.label, 'ota_journal');
  });

  it('lays a partition into the free flash of an ESP32-C3', () => {
    const [www] = parseCsv(/`(www, data, littlefs, [^`]*)`/.exec(readme)![1]);
    const table = [...TABLES.espruinoIdf4, www];
    const board = new Board({ table, board: 'ESP32C3' });
    board.upload('ota', bundle);
    const { backup, journal } = planOf(board, 'www');
    assert.ok(backup!.size >= www.size);
    assert.ok(journal);
  });
});

describe('README.md', () => {
  it('is short enough to be read', () => assert.ok(readme.split('\n').length <= 225));

  it('names every error and every state', () => {
    const api = read('device/api.ts');
    const codes = (text: string) => [...new Set(text.match(/E_[A-Z_]+/g) as Code[])].sort();
    assert.deepEqual(
      codes(section('README.md', '## Errors')),
      codes(api + read('device/http/api.ts')),
    );
    const [, union] = /state:\n((?: +\| '\w+';?\n)+)/.exec(api)!;
    for (const [, state] of union.matchAll(/'(\w+)'/g))
      assert.match(readme, new RegExp(`^\\| \`${state}\``, 'm'));
  });

  it('names every option and every call', () => {
    const api = read('device/api.ts');
    const [, options] = /interface Options {(.*?)\n}/s.exec(api)!;
    for (const [, name] of options.matchAll(/^ {2}(\w+)\??:/gm))
      assert.match(readme, new RegExp(`^\\| \`${name}\``, 'm'));
    const [, methods] = /interface Update {(.*?)\n}/s.exec(api)!;
    for (const [, name] of methods.matchAll(/^ {2}(\w+):/gm))
      assert.match(readme, new RegExp(`^\\| \`update\\.${name}\\(`, 'm'));
    const [, calls] = /export {([^}]*)} from '.\/ota.ts'/.exec(read('device/index.ts'))!;
    for (const name of calls
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean))
      assert.match(readme, new RegExp(`^\\| \`ota\\.${name}\\(`, 'm'));
  });

  it('tells how large the module is', () => {
    const { size } = statSync(pathOf('dist/ota.min.js'));
    const [, kilobytes] = /takes (\d+) KB of Storage/.exec(readme)!;
    assert.equal(Math.round(size / 1000), +kilobytes, `${size} bytes`);
    const [, more] = /The module `ota-http`, another (\d+) KB/.exec(readme)!;
    assert.equal(Math.round(httpBundle.length / 1000), +more);
  });
});
