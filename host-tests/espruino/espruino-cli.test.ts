/** The real `espruino` command on a real Espruino: `ESPRUINO=path/to/espruino npm run test:espruino`. */
import { describeEspruinoCli } from '../support/espruino-cli-cases.ts';

const command = process.env.ESPRUINO;

describe('the espruino command on a real Espruino', function () {
  if (!command) {
    it('is run', function () {
      console.log('      ▸ not run: ESPRUINO does not name an interpreter');
      this.skip();
    });
    return;
  }
  this.timeout(120_000);
  describeEspruinoCli('espruino', command);
});
