/**
 * `part-ota update` on a real Espruino, over TCP: `ESPRUINO=path/to/espruino npm run test:espruino`. The image comes
 * over the console, or from `part-ota serve`.
 */
import assert from 'node:assert/strict';
import { describeFiles, describeOptions, describeRefusals, describeUrls } from '../update-cases.ts';
import { printed, Site } from '../update-fixtures.ts';

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

  describe('over the console', () => describeFiles(siteOf));
  describe('from a URL', () => describeUrls(siteOf));
  describe('what it refuses', () => describeRefusals(siteOf));
  describe('options', () => describeOptions(siteOf));
});
