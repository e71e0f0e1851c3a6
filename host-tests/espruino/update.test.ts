/**
 * `part-ota update` on a real Espruino, over TCP: `ESPRUINO=path/to/espruino npm run test:espruino`. The image comes
 * over the console, or from `part-ota serve`.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  describeFiles,
  describeOptions,
  describeRefusals,
  describeUrls,
} from '../support/update-cases.ts';
import { CHANGED, MANIFEST, NEW, OLD, printed, SECTOR, Site } from '../support/update-fixtures.ts';

/** JsVars that an update may take beyond the modules. */
const PEAK = 1250;
const command = process.env.ESPRUINO;

describe('part-ota update on a real Espruino', function () {
  this.timeout(0);
  let site: Site;
  const siteOf = () => site;

  before(async function () {
    if (!command) {
      console.log('    skipped: the environment variable ESPRUINO names no interpreter');
      return this.skip();
    }
    site = await Site.start({ engine: 'espruino', command });
    await site.storeModules();
  });

  beforeEach(() => site.reset());
  after(() => site?.close());

  it('needs little memory for it', async () => {
    const loaded = Number(
      await site.run(
        'require("ota");require("ota-http");global.most=0;' +
          'setInterval(function(){global.most=Math.max(global.most,process.memory().usage)},25);' +
          'return process.memory().usage',
      ),
    );
    printed(await site.update('storage.bin', '--json'));
    const [most, size] = (await site.run(
      'return [global.most,process.memory().blocksize]',
    )) as number[];
    const peak = most - loaded;
    console.log(`      ${peak} JsVars of ${size} bytes more than the modules, between two events`);
    assert.ok(peak > 300 && peak <= PEAK, `${peak} JsVars`);
  });

  describe('examples/air-sd.js', () => describeCard(siteOf));
  describe('over the console', () => describeFiles(siteOf));
  describe('from a URL', () => describeUrls(siteOf));
  describe('what it refuses', () => describeRefusals(siteOf));
  describe('options', () => describeOptions(siteOf));
});

/** An image on an SD card of the board. @param site - the board */
function describeCard(site: () => Site): void {
  // Comments are not for the line.
  const script = readFileSync(new URL('../../examples/air-sd.js', import.meta.url), 'latin1')
    .replace(/\/\*[^]*?\*\//g, '')
    .replace(/\s*\n\s*/g, '');
  const end = /bytes read from the card$|^E_/;
  const card = (name: string) => `${site().board.file}.espruino/${name}`;

  beforeEach(() => {
    writeFileSync(card('storage.bin'), NEW);
    writeFileSync(card('storage.bin.ota'), MANIFEST);
  });
  after(() => {
    for (const name of ['storage.bin', 'storage.bin.ota'])
      if (site()) rmSync(card(name), { force: true });
  });

  it('reads the manifest and what differs', async () => {
    // The hashes of two times 32 sectors are read twice.
    const bytes = CHANGED * SECTOR + MANIFEST.length + 2 * 32 * 32;
    assert.equal(await site().type(script, end), `committed, ${bytes} bytes read from the card`);
    site().assertUpdated();
  });

  it('writes nothing that is damaged or missing, and goes on with what is right', async () => {
    const bad = Buffer.from(NEW);
    const isSame = (at: number) => !OLD.compare(NEW, at, at + SECTOR, at, at + SECTOR);
    let at = 0x10000;
    while (isSame(at)) at += SECTOR;
    bad[at + 100] ^= 1;
    writeFileSync(card('storage.bin'), bad);
    const wrong = await site().type(script, end);
    assert.ok(wrong.startsWith(`E_HTTP storage.bin: wrong hash at byte ${at}`), wrong);
    site().assertOld();
    writeFileSync(card('storage.bin'), NEW.subarray(0, at + 100));
    const cut = await site().type(script, end);
    assert.ok(cut.startsWith(`E_HTTP storage.bin: the file ends at byte ${at + 100}`), cut);
    site().assertOld();
    writeFileSync(card('storage.bin'), NEW);
    assert.match(await site().type(script, end), /^committed, /);
    site().assertUpdated();
  });

  it('goes on after a power cut, and reads little again', async () => {
    const booted = site().board.cutAt(500);
    void site().type(script, end);
    await booted;
    site().line.cut();
    assert.notEqual(Buffer.compare(site().content, NEW), 0);
    const line = await site().type(script, end);
    const bytes = Number(/^committed, (\d+)/.exec(line)![1]);
    site().assertUpdated();
    assert.ok(bytes < CHANGED * SECTOR, `${bytes} bytes`);
  });
}
