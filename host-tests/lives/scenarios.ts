/**
 * The scenarios in which esp_custom_part_ota was measured to lose data or to accept a wrong image, as lives. This module
 * loses nothing in any of them.
 */
import { SECTOR } from '../../host/index.ts';
import type { ChipSpec, Life, Row, Step } from './life.ts';

/** @returns a row of a table. `first` and `span` are sectors. */
export const row = (
  label: string,
  type: number,
  subtype: number,
  first: number,
  span: number,
  flags = 0,
): Row => ({ label, type, subtype, address: first * SECTOR, size: span * SECTOR, flags });

const CHIP: ChipSpec = {
  megabytes: 1,
  tells: true,
  rows: [
    row('nvs', 1, 2, 0x09, 4),
    row('otadata', 1, 0, 0x0d, 2),
    row('ota_0', 0, 0x10, 0x10, 16),
    row('ota_1', 0, 0x11, 0x20, 16),
    row('www', 1, 0x82, 0x30, 6),
    row('cfg', 1, 0x82, 0x36, 6),
    row('ota_journal', 1, 6, 0x40, 4),
  ],
  otadata: [{ sequence: 1, state: 0xffffffff }, undefined],
  seed: 7,
};

const size = 6 * SECTOR;
const boot: Step = { do: 'boot', mood: 'after' };
const recover: Step = { do: 'recover' };
const begin = (seed: number, partition = 'www'): Step => ({
  do: 'begin',
  options: { partition, size: true },
  image: { seed, size },
});
const write = (sectors: number, cut?: number): Step => ({
  do: 'write',
  bytes: sectors * SECTOR,
  chunk: SECTOR,
  as: 'array',
  ...(cut && { cut: { at: cut, tear: 'everyBit' } }),
});
const end: Step = { do: 'end' };

/** By what is done, with the names of the measurements. */
const STEPS: Record<string, Step[]> = {
  'C3: the update is run again where nobody has recovered, and power fails again': [
    ...[boot, begin(1), write(3)],
    ...[boot, begin(1), write(3, 3), boot, recover],
  ],
  'C1: another update after one that was aborted half-way': [
    ...[boot, begin(1), write(3), { do: 'abort' as const }],
    ...[begin(2), write(2), boot, recover],
  ],
  'C5: the app writes good content after an update that was aborted': [
    ...[boot, begin(1), write(3), { do: 'abort' as const }],
    { do: 'app', what: 'the target', sector: 0x30, count: 6, seed: 9 },
    ...[boot, recover],
  ],
  'G1: an app OTA switches slots before the old content is put back': [
    ...[boot, begin(1), write(3)],
    { do: 'ota', slot: 'ota_1', seed: 5, entry: { sequence: 2, state: 0xffffffff } },
    ...[boot, recover],
  ],
  'H1: power fails in an update of one of two partitions': [
    ...[boot, begin(1, 'cfg'), write(3), boot, recover],
  ],
  'X1: the connection is lost, the update is aborted': [
    ...[boot, begin(1), write(2), { do: 'abort' as const }],
  ],
  'E1: the image ends too early': [boot, begin(1), write(3), end],
  'E2: a program has no effect': [
    { do: 'boot', mood: 'after', troubles: [{ kind: 'program', at: 20, times: 1 }] },
    ...[begin(1), write(6), end, boot, recover],
  ],
  'E3: a program of the backup has no effect': [
    { do: 'boot', mood: 'after', troubles: [{ kind: 'program', at: 2, times: 1 }] },
    ...[begin(1), write(3), boot, recover],
  ],
};

export const SCENARIOS: [string, Life][] = Object.entries(STEPS).map(([name, steps]) => [
  name,
  { chip: CHIP, steps },
]);
