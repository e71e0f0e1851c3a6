/** `part-ota update` on the simulated board, over TCP. `espruino/update.test.ts` has the same on a real Espruino. */
import { describeFiles, describeOptions, describeRefusals, describeUrls } from './update-cases.ts';
import { Site } from './update-fixtures.ts';

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
  describe('from a URL', () => describeUrls(siteOf));
  describe('what it refuses', () => describeRefusals(siteOf));
  describe('options', () => describeOptions(siteOf));
});
