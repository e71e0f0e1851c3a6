/**
 * Journals that strangers have forged, with valid CRCs: nothing is written outside of what the table allows, and nothing is
 * refused for ever. `HOSTILE=100000` tries as many chips, `CHIP=7` only that with this seed.
 */
import { type Counts, tryChip } from '../proof/hostile.ts';
import { IS_FULL, IS_SAMPLE } from '../support/fixtures.ts';
import { type Ota, makerOf, sourceOfOta } from '../support/subject.ts';
import { tally, timesOf } from '../support/tally.ts';

describe('forged journals with valid CRCs', () => {
  it('reach nothing that the table does not allow, and refuse nothing for ever', function () {
    this.timeout(0);
    const make: () => Ota = makerOf(sourceOfOta());
    const counts: Counts = { chips: 0, journals: 0, boots: 0, cuts: 0, updates: 0 };
    const { CHIP } = process.env;
    const first = CHIP ? Number(CHIP) : timesOf('SEED', 1);
    const count = CHIP ? 1 : timesOf('HOSTILE', IS_FULL ? 100000 : IS_SAMPLE ? 300 : 3000);
    for (let seed = first; seed < first + count; seed++) tryChip(seed, make, counts);
    tally('hostile', { ...counts });
  });
});
