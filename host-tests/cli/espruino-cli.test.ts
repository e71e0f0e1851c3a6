/** The real `espruino` command, which README.md names beside `part-ota upload`, on the simulated board. */
import { describeEspruinoCli, describeSilence } from '../support/espruino-cli-cases.ts';

describe('the espruino command', function () {
  // It waits a quarter of a second after each piece of a module.
  this.timeout(120_000);
  describe('on a simulated board', () => describeEspruinoCli('simulated'));
  describe('does not tell everything: it', () => describeSilence());
});
