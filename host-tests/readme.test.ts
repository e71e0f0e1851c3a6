/** The scripts, the partition table and the figures in README.md are true. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startBoard } from '../cli/board.ts';
import { makeManifest, readManifest } from '../cli/manifest.ts';
import { csvToTable, parseCsv } from '../cli/partition-csv.ts';
import { startFileServer } from '../cli/serve.ts';
import type { Plan, Report } from '../device/api.ts';
import type { Code } from '../device/http/api.ts';
import { Board, type Network, SECTOR, TABLES, decodeTable, pattern } from '../host/index.ts';
import { WebServer } from './air-server.ts';

const runFile = promisify(execFile);
const root = new URL('../', import.meta.url);
const readme = readFileSync(new URL('README.md', root), 'utf8');
const bundle = readFileSync(new URL('dist/ota.min.js', root), 'latin1');
const httpBundle = readFileSync(new URL('dist/ota-http.min.js', root), 'latin1');

/** @returns the n-th block of code under a heading. */
function block(heading: string, n = 0): string {
  const [, section] = readme.split(`\n${heading}\n`);
  assert.ok(section, `no heading "${heading}"`);
  return section.split('\n```')[2 * n + 1].replace(/^\w+\n/, '');
}

const FIRST_SCREEN = /```js\n(.*?)```/s.exec(readme)![1];
const www = new Uint8Array(pattern('new content', 524288));

/** A board with the partition table of the README. */
function makeBoard(network?: Network): Board {
  const table = csvToTable(Buffer.from(block('## The partition table')));
  const board = new Board({ table, ...(network && { network }) });
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

  it('has a script that updates over the air', () => {
    const server = new WebServer();
    const board = makeBoard(server.network);
    const manifest = makeManifest(www, { partition: 'www' });
    server.files.set('/www.bin', www);
    server.files.set('/www.bin.ota', manifest);
    const script = block('## Over the air').replace('192.168.1.2', 'host');
    const run = (digest: string) => {
      board.run(`DIGEST = '${digest}';${script}`);
      board.advance(60_000);
    };
    run('00'.repeat(32));
    assert.match(board.output.join(), /^E_MANIFEST digest/);
    run(readManifest(manifest).digest);
    // The hashes of the last 48 sectors are fetched once more.
    const fetched = 128 * SECTOR + manifest.length + 4096;
    assert.equal(board.output.at(-1), `committed 192 sectors, ${fetched} bytes`);
    assert.deepEqual(board.content('www').slice(0, www.length), www);
    server.sent = 0;
    run(readManifest(manifest).digest);
    assert.equal(board.output.at(-1), 'untouched 0 sectors, 116 bytes');
    assert.equal(server.sent, 116);
  });

  it('says what a manifest costs', () => {
    const size = 0x100000;
    const { length } = makeManifest(pattern('image', size));
    const percent = ((length / size) * 100).toFixed(2);
    const bytes = length.toLocaleString('en-US');
    assert.match(readme, new RegExp(`${bytes} bytes for an image of 1 MiB, ${percent} %,`));
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
    assert.throws(() => planOf(makeBoard(), 'storage'), /E_FORBIDDEN .* needs overwriteLive/);
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
    const http = readFileSync(new URL('device/http/api.ts', root), 'utf8');
    const codes = (text: string) => [...new Set(text.match(/E_[A-Z_]+/g) as Code[])].sort();
    assert.deepEqual(codes(readme.split('\n## Errors\n')[1].split('\n## ')[0]), codes(api + http));
    const [, union] = /state:\n((?: +\| '\w+';?\n)+)/.exec(api)!;
    for (const [, state] of union.matchAll(/'(\w+)'/g))
      assert.match(readme, new RegExp(`^\\| \`${state}\``, 'm'));
  });

  it('names every option and every call', () => {
    const api = readFileSync(new URL('device/api.ts', root), 'utf8');
    const [, options] = /interface Options {(.*?)\n}/s.exec(api)!;
    const http = readFileSync(new URL('device/http/api.ts', root), 'utf8');
    const [, more] = /interface CheckOptions {(.*?)\n}/s.exec(http)!;
    for (const [, name] of (options + more).matchAll(/^ {2}(\w+)\??:/gm))
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
    assert.equal(Math.round(size / 1000), +kilobytes, `${size} bytes`);
    const [, more] = /The module `ota-http`, another (\d+) KB/.exec(readme)!;
    assert.equal(Math.round(httpBundle.length / 1000), +more);
  });

  it('leads to nothing that is missing, neither here nor in the package', () => {
    const { files } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
      files: string[];
    };
    for (const document of ['README.md', 'ARCHITECTURE.md', 'native/jerryscript/README.md']) {
      const base = new URL(document, root);
      const text = readFileSync(base, 'utf8');
      for (const [, link, anchor] of text.matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
        const target = link ? new URL(link, base) : base;
        assert.ok(existsSync(target), `${document}: ${link}`);
        const path = target.pathname.slice(root.pathname.length);
        const isPacked = files.some((file) => path === file || path.startsWith(`${file}/`));
        assert.ok(isPacked || path === 'README.md', `${document}: ${path} is not in the package`);
        if (anchor === undefined) continue;
        const headings = readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm);
        const anchors = [...headings].map(([, heading]) =>
          heading
            .toLowerCase()
            .replace(/[^\w -]/g, '')
            .replace(/ /g, '-'),
        );
        assert.ok(anchors.includes(anchor), `${document}: #${anchor}`);
      }
    }
  });

  it('leads to an updated board, without a board', async () => {
    const section = readme.split('\n### Without a board\n')[1].split('\n#')[0];
    const [start, serve, ...lines] = [
      ...section.matchAll(/^ {4}node dist\/part-ota\.js (.*)$/gm),
    ].map(([, words]) => words);
    assert.equal(start, 'board --flash flash.bin');
    assert.equal(serve, 'serve --host 127.0.0.1 examples/images');
    assert.ok(lines.length >= 5);
    const board = await startBoard({ engine: 'simulated', port: 0 });
    const directory = fileURLToPath(new URL('examples/images', root));
    const server = await startFileServer({ directory, port: 0 });
    try {
      const outputs: string[] = [];
      for (const line of lines) {
        const words = line
          .replace(':2323', `:${board.port}`)
          .replace(':8080', `:${server.port}`)
          .split(' ');
        const { stdout } = await runFile(process.execPath, ['dist/part-ota.js', ...words], {
          cwd: fileURLToPath(root),
        });
        outputs.push(stdout);
      }
      const sent = /sends ([\d,]+) of ([\d,]+) bytes/.exec(section)!;
      assert.ok(outputs[2].includes(`${sent[1]} bytes`) && outputs[2].includes(sent[2]));
      assert.match(
        outputs[1],
        /^ +sent again +12,288 bytes of manifest: the board keeps the hashes of 80 sectors$/m,
      );
      assert.doesNotMatch(outputs[2], /again/);
      assert.match(outputs.at(-1)!, /committed/);
      const image = readFileSync(new URL('examples/images/storage-v1.littlefs.bin', root));
      const { address } = TABLES.example.find(({ label }) => label === 'storage')!;
      assert.ok(board.flash.subarray(address, address + image.length).equals(image));
    } finally {
      await board.close();
      await server.close();
    }
  });
});
