/**
 * What whole updates cost: exact counts of the operations of dist/ota.min.js, and the goals.
 * After a change in device/ that is worth it: `npm run bench -- --write`, and the counts below.
 */
import assert from 'node:assert/strict';
import { resolveConfig, format } from 'prettier';
import {
  type IdleRecovery,
  JOURNAL_SECTORS,
  type Measurement,
  measure,
  measureIdleRecoveries,
} from '../../bench/measure.ts';
import { fillTable } from '../../bench/report.ts';
import { seconds as secondsOf } from '../../host/index.ts';
import { pathOf, read } from '../support/package.ts';

/** By case: erases, bytes programmed, bytes read, reads; the last two also with a crc32. */
const COUNTS: Record<string, number[]> = {
  a: [515, 2_101_376, 4_835_120, 7218, 5_883_696, 8242],
  b: [0, 0, 1_050_000, 1048, 2_098_576, 2072],
  c: [55, 213_536, 2_387_920, 2618, 3_436_496, 3642],
  d: [153, 615_728, 2_909_280, 3598, 3_216_480, 3898],
  littlefs: [151, 594_240, 2_898_416, 3594, 3_946_992, 4618],
  spiffs: [169, 671_152, 3_201_952, 3860, 4_250_528, 4884],
};

/** By case: sectors that change; erases and bytes programmed of the bound. */
const BOUNDS: Record<string, number[]> = {
  a: [256, 512, 2_097_152],
  b: [0, 0, 0],
  c: [26, 52, 212_992],
  d: [75, 150, 614_400],
  littlefs: [76, 144, 590_336],
  spiffs: [83, 166, 666_624],
};

/** Flash time / bound, at most. */
const GOALS: Record<string, number> = { a: 1.05, c: 1.15, d: 1.15 };

/** Seconds of the reference on a W25Q32JV and a GD25Q32C: sector erases, then erases of 64 KiB. */
const REFERENCE: Record<string, number[]> = {
  a: [26.76, 30.95, 8.52, 13.35],
  d: [25.48, 29.1, 7.24, 11.5],
};

let measured: Measurement[] | undefined;
const measurements = () => (measured ??= measure());
let measuredRecoveries: IdleRecovery[] | undefined;
const recoveries = () => (measuredRecoveries ??= measureIdleRecoveries());

/** Compares something of each measurement with what is expected of its case. */
function assertEach<T>(expected: Record<string, T>, of: (measurement: Measurement) => T): void {
  const wanted = measurements().filter(({ name }) => name in expected);
  const found = Object.fromEntries(
    wanted.map((measurement) => [measurement.name, of(measurement)]),
  );
  assert.deepEqual(found, expected);
}

describe('a whole update', () => {
  it('takes exactly so many operations', () => {
    assertEach(COUNTS, ({ ours, withCrc }) => [
      ours.erases,
      ours.bytesProgrammed,
      ours.bytesRead,
      ours.reads,
      withCrc.bytesRead,
      withCrc.reads,
    ]);
  });

  it('erases and programs no more when the CRC-32 of the image is given', () => {
    for (const { name, ours, withCrc } of measurements()) {
      assert.equal(withCrc.erases, ours.erases, name);
      assert.equal(withCrc.bytesProgrammed, ours.bytesProgrammed, name);
    }
  });

  it('changes the sectors that the bound is computed for', () => {
    assertEach(BOUNDS, ({ bound }) => [bound.changed, bound.erases, bound.bytesProgrammed]);
  });

  it('erases at most twice what it changes, and the journal', () => {
    for (const { name, ours, bound } of measurements())
      assert.ok(ours.erases <= 2 * bound.changed + JOURNAL_SECTORS, name);
  });

  it('leaves the chip untouched when nothing changes', () => {
    const { ours, withCrc, state } = measurements().find(({ name }) => name === 'b')!;
    assert.equal(state, 'untouched');
    assert.equal(ours.operations, 0);
    assert.equal(withCrc.operations, 0);
  });

  it('stays near the bound, with or without a CRC-32', () => {
    for (const { name, seconds, bound: work } of measurements()) {
      const { ours, withCrc, bound } = seconds;
      if (!(name in GOALS)) continue;
      assert.ok(ours.w25q32jv_typ <= GOALS[name] * bound.w25q32jv_typ, name);
      // For a CRC-32 over what the chip holds, all of it has to be read once more.
      const checked = secondsOf({ ...work, bytesRead: 2 * work.bytesRead });
      assert.ok(withCrc.w25q32jv_typ <= GOALS[name] * checked, `${name}, with crc32`);
    }
  });
});

describe('what a whole update costs', () => {
  it('is compared with what the reference was measured to take', () => {
    const rounded = (value: number) => Number(value.toFixed(2));
    assertEach(REFERENCE, ({ seconds: { reference, referenceByBlocks } }) =>
      [reference, referenceByBlocks].flatMap((all) => [
        rounded(all.w25q32jv_typ),
        rounded(all.gd25q32c_typ),
      ]),
    );
  });

  it('is in bench/README.md with these figures', async () => {
    const file = pathOf('bench/README.md');
    const text = read('bench/README.md').toString();
    const options = { ...(await resolveConfig(file)), parser: 'markdown' };
    assert.equal(await format(fillTable(text, measurements()), options), text);
  });

  it('is summed up in README.md', () => {
    const text = read('README.md').toString();
    const [, all, tenth, most] =
      /takes (\d+) s of flash time if all sectors change and (\d+) s if a tenth .* at most (\d+) % more/.exec(
        text,
      )!;
    const secondsOf = (wanted: string) =>
      measurements().find(({ name }) => name === wanted)!.seconds.ours.w25q32jv_typ;
    assert.deepEqual([secondsOf('a'), secondsOf('c')].map(Math.round), [+all, +tenth]);
    const over = measurements().map(
      ({ seconds: { ours, bound } }) => ours.w25q32jv_typ / bound.w25q32jv_typ - 1,
    );
    assert.equal(Math.ceil(Math.max(...over) * 100), +most);
  });

  it('leaves next to nothing for recover() to do', () => {
    const text = read('bench/README.md').toString();
    const [, least, most, bytes] =
      /`recover\(\)` with nothing to do reads .*: (\d+) to (\d+) times, ([\d,]+) bytes at most/.exec(
        text,
      )!;
    const counters = recoveries().map(({ counters }) => counters);
    assert.deepEqual(
      counters.map(({ operations }) => operations),
      counters.map(() => 0),
    );
    const reads = counters.map(({ reads }) => reads);
    assert.deepEqual([Math.min(...reads), Math.max(...reads)], [+least, +most]);
    assert.equal(Math.max(...counters.map(({ bytesRead }) => bytesRead)), +bytes.replace(',', ''));
  });
});
