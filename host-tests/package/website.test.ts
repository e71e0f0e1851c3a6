/** The pages of docs/ for Espruino's website are what Espruino's website takes, and their scripts run. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { type Node, parse } from 'acorn';
import { planBoot } from '../../link/boot-script.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { csvToTable } from '../../formats/table/csv.ts';
import { Board, type Network, pattern } from '../../host/index.ts';
import { read as readBytes } from '../support/package.ts';
import { WebServer } from '../support/air-server.ts';
import { WEBSITE } from '../support/pages.ts';

const read = (file: string) => readBytes(file).toString('latin1');

/**
 * Finds what `* APPEND_JSDOC` shows of a module: each `exports.x = function` of its top level, with the comment that
 * ends on the line above (EspruinoDocs, bin/common.js).
 */
function documentationOf(code: string): Map<string, string> {
  const comments = new Map<number, string>();
  const { body } = parse(code, {
    ecmaVersion: 5,
    locations: true,
    onComment: (_block, text, _start, _end, _from, to) => comments.set(to!.line + 1, text),
  });
  const found = new Map<string, string>();
  for (const node of body as (Node & { expression?: Node & { right?: Node } })[]) {
    if (node.expression?.right?.type !== 'FunctionExpression') continue;
    const name = /^exports\.(\w+)/.exec(code.slice(node.start))?.[1];
    if (name) found.set(name, comments.get(node.loc!.start.line) ?? '');
  }
  return found;
}

/** Espruino's for the ESP32, with a partition `www` in the place of its app slot `ota_0`. */
const TABLE = `
nvs,         data, nvs,       0x9000,   0x3000,
otadata,     data, ota,       0xc000,   0x2000,
factory,     app,  factory,   0x10000,  0x180000,
www,         data, littlefs,  0x190000, 0xc0000,
storage,     data, 0x41,      0x320000, 0xe0000,`;
const image = new Uint8Array(pattern('new', 10_000));

/** Runs a script on a board that has a partition `www`, and @returns what it printed. */
function run(script: string, isOverTheAir: boolean): string {
  const server = new WebServer();
  server.files.set('/www.bin', image);
  server.files.set('/www.bin.ota', makeManifest(image, { partition: 'www' }));
  const table = csvToTable(Buffer.from(TABLE));
  const network: Network = (address, socket) =>
    server.network({ ...address, host: 'host' }, socket);
  const board = new Board({ table, ...(isOverTheAir && { network }) });
  board.upload('ota', read('dist/ota.min.js'));
  board.upload('ota-http', read('dist/ota-http.min.js'));
  board.run(script);
  if (isOverTheAir) board.advance(60_000);
  return board.output.join('\n');
}

for (const page of WEBSITE)
  describe(`docs/${page}`, () => {
    const text = read(`docs/${page}`);
    const module = page.replace('.md', '.js');

    it('has what the website looks for', () => {
      const lines = text.split('\n');
      assert.match(lines[0], /^<!--- Copyright \(c\) .* See the file LICENSE .* -->$/);
      assert.match(lines[2], /^=+$/);
      assert.equal(lines[2].length, lines[1].length);
      assert.match(text, /^\* KEYWORDS: Module,/m);
      assert.ok(lines.includes(`* APPEND_JSDOC: ${module}`));
      assert.ok(text.includes(`https://www.espruino.com/${page.replace('.md', '')}.`));
    });

    it('gets a reference of all that the module exports', () => {
      const documentation = documentationOf(read(`dist/${module}`));
      const exports = {};
      runInNewContext(read(`dist/${module}`), { exports });
      assert.deepEqual([...documentation.keys()].sort(), Object.keys(exports).sort());
      for (const [name, comment] of documentation)
        assert.ok(comment.startsWith('*') && comment.length > 30, `${name} has no comment`);
    });

    it('has scripts that run', () => {
      const blocks = text.split('\n```').filter((_, n) => n % 2);
      const scripts = blocks.filter((block) => block.includes('require('));
      assert.ok(scripts.length > 0);
      const printed = scripts.map((script) => run(script, page === 'ota-http.md')).join('\n');
      assert.match(printed, /committed/);
    });
  });

describe('the boot script in docs/ota.md', () => {
  it('is what part-ota upload stores', () => {
    const lines = planBoot({ version: '1', script: read('examples/boot0.js') }, false)
      .content.trimEnd()
      .split('\n');
    const [shown] = read('docs/ota.md')
      .split('\n```\n')
      .filter((block) => block.startsWith('var recovered'));
    // The first and the last line mark the part that is ours.
    assert.deepEqual(
      shown.split('\n').map((line) => line.trim()),
      lines.slice(1, -1),
    );
  });
});
