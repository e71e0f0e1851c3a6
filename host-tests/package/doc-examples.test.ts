/** The examples that editors show for `ota` and `ota-http` run as they stand, and print what they should. */
import assert from 'node:assert/strict';
import { Board, type Row } from '../../host/index.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { WebServer } from '../support/air-server.ts';
import { docExamples } from '../support/doc-examples.ts';
import { bundleOf } from '../support/package.ts';
import { runtimeOf } from '../support/runtime.ts';

const TABLE: Row[] = [
  { label: 'factory', type: 0, subtype: 0, address: 0x10000, size: 0x10000 },
  { label: 'www', type: 1, subtype: 0x83, address: 0x20000, size: 0x2000 },
];

/** By file: what each example prints, by the name of what it is shown for. The last update was committed. */
const PRINTS: Record<string, Record<string, RegExp>> = {
  'ota.d.ts': {
    onProgress: /^$/,
    backup: /^$/,
    write: /^$/,
    keep: /^$/,
    back: /^$/,
    end: /^sectors rewritten: 1$/,
    abort: /^$/,
    use: /^$/,
    partitions: /^factory 65536 65536\nwww 131072 8192$/,
    plan: /^\{[^]*\} 0\.\d+$/,
    begin: /^committed$/,
    recover: /^$/,
    confirm: /^$/,
    restore: /^restored$/,
    status: /^committed www 2$/,
    forget: /^$/,
  },
  'ota-http.d.ts': {
    onProgress: /^$/,
    onPlan: /^$/,
    onRetry: /^$/,
    use: /^$/,
    update: /^committed 2 sectors$/,
    check: /^1\.2 8192 bytes to fetch$/,
  },
};

/** @returns a board whose `www` was updated, and a server with an image for it. */
function makeBoard(): Board {
  const server = new WebServer();
  const image = Buffer.alloc(8192, 'image');
  server.files.set('/www.bin', image);
  server.files.set('/www.bin.ota', makeManifest(image, { version: '1.2' }));
  const board = new Board({
    table: TABLE,
    network: (address, socket) => {
      assert.equal(`${address.host}:${address.port}`, '192.168.1.2:8080');
      return server.network({ ...address, host: 'host', port: 80 }, socket);
    },
  });
  for (const name of ['ota', 'ota-http'] as const) board.upload(name, bundleOf(name));
  board.run(`var update = require('ota').begin({ partition: 'www' });
    update.write('before'); update.end();`);
  board.reboot();
  return board;
}

describe('the examples that editors show, of', () => {
  for (const [file, prints] of Object.entries(PRINTS))
    describe(file, () => {
      const examples = docExamples(file);
      for (const { name, script } of examples)
        it(name, () => {
          const board = makeBoard();
          board.install('runtime', () => runtimeOf(board));
          board.run(`var runtime = require('runtime'), seam = runtime;\n${script}`);
          board.advance(60_000);
          assert.match(board.output.join('\n'), prints[name]);
        });

      it('are all there', () =>
        assert.deepEqual(examples.map(({ name }) => name).sort(), Object.keys(prints).sort()));
    });
});
