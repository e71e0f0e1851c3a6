/** `part-ota update` on the simulated board, over TCP. `../espruino/update.test.ts` has the same on a real Espruino. */
import assert from 'node:assert/strict';
import { UpdateBar } from '../../cli/report-progress.ts';
import type { Progress } from '../../device/api.ts';
import { read } from '../support/package.ts';
import {
  describeFiles,
  describeOptions,
  describeRefusals,
  describeUrls,
} from '../support/update-cases.ts';
import { SECTOR, Site } from '../support/update-fixtures.ts';

describe('part-ota update', function () {
  this.timeout(0);
  let site: Site;
  const siteOf = () => site;

  before(async () => {
    site = await Site.start({ engine: 'simulated' });
    await site.storeModules();
  });
  beforeEach(() => site.reset());
  after(() => site?.close());

  describe('over the console', () => describeFiles(siteOf));
  it('answers a board that runs examples/air-serial.js by itself', async () => {
    await site.run(read('examples/air-serial.js').toString('latin1'));
    const run = await site.update('storage.bin');
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /^the board is at it already/);
    site.assertUpdated();
  });

  describe('from a URL', () => describeUrls(siteOf));
  describe('what it refuses', () => describeRefusals(siteOf));
  describe('options', () => describeOptions(siteOf));
});

/** What a bar leaves on a terminal, or in a file. */
function shownBy(isTTY: boolean, act: (bar: UpdateBar) => void): string {
  let text = '';
  const bar = new UpdateBar({
    isTTY,
    write: (part: string | Uint8Array) => !!(text += String(part)),
  });
  act(bar);
  bar.stop();
  return text;
}

/** Phases as a board tells them: the sectors of a transaction are backed up one by one. */
const PHASES = (
  [
    ['write', 1, 8],
    ['backup', 1, 8],
    ['write', 5, 8],
    ['write', 8, 8],
    ['verify', 4, 8],
    ['verify', 8, 8],
  ] as const
).map(([phase, done, total]): Progress => ({ phase, done: done * SECTOR, total: total * SECTOR }));

describe('the bar of part-ota update', () => {
  it('is one bar, which begins anew with each phase', () => {
    const text = shownBy(true, (bar) => {
      for (const progress of PHASES) bar.show(progress);
      bar.note = ', 5,000 bytes sent';
    });
    assert.equal(text.split('\n').length, 2, 'more than one line');
    assert.match(text, /verify +\u2588{32} 8 of 8 sectors, 5,000 bytes sent/);
    assert.doesNotMatch(text, /backup/);
  });

  it('is a line for each phase elsewhere', () => {
    const text = shownBy(false, (bar) => PHASES.forEach((progress) => bar.show(progress)));
    assert.equal(text, 'write   8 of 8 sectors\nverify  8 of 8 sectors\n');
  });

  it('leaves nothing if there was nothing', () => {
    assert.equal(
      shownBy(true, () => undefined),
      '',
    );
  });
});
