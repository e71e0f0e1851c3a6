/** Which Storage a real Espruino boots: none that has come from elsewhere. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isOurs, makeOurs } from '../../cli/board/trust.ts';
import { runPartOta, scratchFolder } from '../support/tools.ts';

const folder = scratchFolder();
const path = (name: string) => join(folder, name);

describe('the Storage of a real Espruino', () => {
  const { XDG_STATE_HOME } = process.env;
  before(() => {
    process.env.XDG_STATE_HOME = path('state');
  });
  after(() => {
    if (XDG_STATE_HOME === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = XDG_STATE_HOME;
  });

  it('is ours if it was made here, wherever it is moved to', () => {
    assert.equal(isOurs(path('own')), true);
    makeOurs(path('own'));
    assert.equal(isOurs(path('own')), true);
    renameSync(path('own'), path('moved'));
    assert.equal(isOurs(path('moved')), true);
    makeOurs(path('moved'));
    assert.equal(readFileSync(path('state/part-ota/boards'), 'latin1').split('\n').length, 2);
  });

  it('is not if it was made elsewhere, is a copy, or a link', () => {
    mkdirSync(path('foreign'));
    assert.equal(isOurs(path('foreign')), false);
    cpSync(path('moved'), path('copy'), { recursive: true, preserveTimestamps: true });
    assert.equal(isOurs(path('copy')), false);
    symlinkSync(path('moved'), path('link'));
    assert.equal(isOurs(path('link')), false);
  });

  it('is refused by the command, which tells the ways out', async () => {
    mkdirSync(path('f.bin.espruino'));
    const run = await runPartOta(
      folder,
      ...['board', '--port', '0', '--flash', 'f.bin', '--engine', 'espruino'],
      ...['--engine-path', process.execPath],
    );
    assert.match(
      run.stderr,
      /was not made here by this command.*--engine simulated.*--trust-flash/,
    );
    assert.equal(run.status, 2);
  });
});
