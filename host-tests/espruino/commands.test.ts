/** `part-ota upload`, `status`, `recover`, `restore`, `confirm` on a real Espruino: `ESPRUINO=… npm run test:espruino`. */
import { describeCommands } from '../support/link-commands-cases.ts';

const command = process.env.ESPRUINO;

describe('part-ota on a board with a real Espruino', function () {
  before(function () {
    if (command) return;
    console.log('    skipped: the environment variable ESPRUINO names no interpreter');
    this.skip();
  });
  describeCommands({ engine: 'espruino', command });
});
