/**
 * Runs the bundle in a real Espruino: `ESPRUINO=path/to/espruino npm run test:espruino`.
 *
 * Any Linux build will do, from 2v27 on. A power cut is the end of the process in the middle of an
 * operation; the simulated board has more forms of it, but only what this library's authors know of Espruino.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import {
  assertUpdated,
  image,
  itSaysWhatIsWrong,
  itSurvivesCuts,
  update,
} from '../support/process-cut.ts';
import { Interpreter } from './interpreter.ts';

const command = process.env.ESPRUINO;

describe('ota.min.js in real Espruino', function () {
  this.timeout(0);
  let boards: Interpreter[];

  before(function () {
    if (!command) {
      console.log('    skipped: the environment variable ESPRUINO names no interpreter');
      this.skip();
    }
    boards = Array.from({ length: availableParallelism() }, () => new Interpreter(command, image));
  });

  after(() => boards?.forEach((board) => board.remove()));

  for (const from of ['RAM', 'Storage']) {
    it(`updates a partition, run from ${from}`, async () => {
      const [board] = boards;
      const reply = await assertUpdated(board, () =>
        board.run({ ...update, storage: from === 'Storage', measure: true }),
      );
      console.log(
        `      Espruino ${reply.engine}: ${reply.operations} operations, ${reply.reads} reads;`,
      );
      console.log(`      module ${reply.module} JsVars, ${reply.peak} more between two writes`);
    });
  }

  itSaysWhatIsWrong(() => boards[0]);

  itSurvivesCuts(() => boards, 7, 11);
});

describe('ota.min.js', () => {
  it('is plain ASCII: Espruino on an ESP32 takes each byte of its source for a character', () => {
    const source = readFileSync(new URL('../../dist/ota.min.js', import.meta.url), 'latin1');
    assert.doesNotMatch(source, /[^\n -~]/);
  });
});
