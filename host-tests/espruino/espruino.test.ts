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
  changed,
  chip,
  contentOf,
  image,
  itSurvivesCuts,
  recover,
  stateOf,
  update,
} from '../process-cut.ts';
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
      board.flash = chip;
      const reply = await board.run({ ...update, storage: from === 'Storage', measure: true });
      assert.equal(stateOf(reply, 'update'), 'committed');
      assert.equal(contentOf(board.flash, 'update'), 'new');
      assert.equal((reply.result as { changed: number }).changed, changed.length);
      console.log(
        `      Espruino ${reply.engine}: ${reply.operations} operations, ${reply.reads} reads;`,
      );
      console.log(`      module ${reply.module} JsVars, ${reply.peak} more between two writes`);
      const boot = await recover(board, 'update');
      assert.equal(boot.operations, 0, 'recover() with nothing to do');
      const again = await board.run(update);
      assert.equal(stateOf(again, 'the same again'), 'untouched');
      assert.equal(again.operations, 0, 'the same again');
    });
  }

  it('says what is wrong', async () => {
    const [board] = boards;
    board.flash = chip;
    const reply = await board.run({ ...update, options: { partition: 'nowhere' } });
    assert.equal(reply.code, 'E_NO_PARTITION');
    const wrong = await board.run({ ...update, options: { ...update.options, crc32: 1 } });
    assert.equal(wrong.code, 'E_VERIFY');
    await recover(board, 'a wrong image');
    assert.equal(contentOf(board.flash, 'a wrong image'), 'old');
  });

  itSurvivesCuts(() => boards, 7, 11);
});

describe('ota.min.js', () => {
  it('is plain ASCII: Espruino on an ESP32 takes each byte of its source for a character', () => {
    const source = readFileSync(new URL('../../dist/ota.min.js', import.meta.url), 'latin1');
    assert.doesNotMatch(source, /[^\n -~]/);
  });
});
