/** Makes tables of what was measured, for people. */
import { FLASH_TIMING, type FlashProfile } from '../host/index.ts';
import { fill, markdown, type Table } from './markdown.ts';
import { type IdleRecovery, JOURNAL_SECTORS, type Measurement, PROFILES } from './measure.ts';

/** The chip that ratios are given for. */
const TYPICAL: FlashProfile = 'w25q32jv_typ';

const count = (value: number) => value.toLocaleString('en-US');
const ratio = (value: number) => value.toFixed(3);
const time = (value: number) => value.toFixed(value < 100 ? 2 : 1);
const of = (ours: number, reference: number) => `${count(ours)} / ${count(reference)}`;

function countsTable(measurements: Measurement[]): Table {
  const head = ['', 'sectors changed', 'erases', 'bytes programmed', 'bytes read', 'reads'];
  const rows = measurements.map(({ name, bound, ours, reference }) => [
    name,
    count(bound.changed),
    of(ours.erases, reference.erases),
    of(ours.bytesProgrammed, reference.bytesProgrammed),
    of(ours.bytesRead, reference.bytesRead),
    count(ours.reads),
  ]);
  return [head, ...rows];
}

function boundTable(measurements: Measurement[]): Table {
  const head = [
    '',
    'seconds',
    'bound',
    'ratio',
    'with crc32',
    'reference',
    'its ratio',
    'by 64 KiB',
  ];
  const rows = measurements.map(({ name, seconds: all }) => {
    const bound = all.bound[TYPICAL];
    const reference = all.reference[TYPICAL];
    return [
      name,
      time(all.ours[TYPICAL]),
      time(bound),
      ratio(all.ours[TYPICAL] / bound),
      ratio(all.withCrc[TYPICAL] / bound),
      time(reference),
      ratio(reference / bound),
      time(all.referenceByBlocks[TYPICAL]),
    ];
  });
  return [head, ...rows];
}

/** Where the time above the bound goes, in milliseconds. */
function excessTable(measurements: Measurement[]): Table {
  const { se, pp, command, readMBps } = FLASH_TIMING[TYPICAL];
  const head = [
    '',
    'journal erases',
    'other erases',
    'more bytes',
    'commands',
    'more reads',
    'sum',
  ];
  const rows = measurements.map(({ name, ours, bound }) => {
    const journal = ours.erases ? JOURNAL_SECTORS : 0;
    const parts = [
      journal * se,
      (ours.erases - bound.erases - journal) * se,
      ((ours.bytesProgrammed - bound.bytesProgrammed) / 256) * pp,
      ours.commands * command,
      (ours.bytesRead - bound.bytesRead) / (readMBps * 1000),
    ];
    const sum = parts.reduce((a, b) => a + b);
    return [name, ...[...parts, sum].map((ms) => ms.toFixed(1))];
  });
  return [head, ...rows];
}

function profilesTable(measurements: Measurement[]): Table {
  const rows = PROFILES.map((profile) => [
    profile,
    ...measurements.map(({ seconds: { ours, reference, referenceByBlocks } }) =>
      [ours, reference, referenceByBlocks].map((all) => time(all[profile])).join(' / '),
    ),
  ]);
  return [['', ...measurements.map(({ name }) => name)], ...rows];
}

function recoveriesTable(recoveries: IdleRecovery[]): Table {
  const head = ['', 'reads', 'bytes read', 'erases and programs'];
  const rows = recoveries.map(({ name, counters: { reads, bytesRead, operations } }) => [
    name,
    count(reads),
    count(bytesRead),
    count(operations),
  ]);
  return [head, ...rows];
}

/** Aligns the first column left, the others right. */
function align(table: Table): string {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const pad = (cell: string, column: number) =>
    column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
  return table.map((row) => `  ${row.map(pad).join('   ').trimEnd()}\n`).join('');
}

/** @returns everything, as text. */
export function toText(measurements: Measurement[], recoveries: IdleRecovery[]): string {
  return [
    'Whole updates of a partition of 1 MiB (256 sectors) on the simulated board, dist/ota.min.js\n\n',
    ...measurements.map(({ name, what }) => `  ${name.padEnd(10)} ${what}\n`),
    '\nOperations: ours / the reference, esp_custom_part_ota\n\n',
    align(countsTable(measurements)),
    `\nSeconds of flash time, modelled: ${TYPICAL}, sector erases of ${FLASH_TIMING[TYPICAL].se} ms\n\n`,
    align(boundTable(measurements)),
    '\n  bound      the least work for the same sectors, with erases of 4 KiB: bench/bound.ts\n',
    '  with crc32 the ratio when end() also compares the CRC-32 of the image\n',
    '  by 64 KiB  the reference where ESP-IDF erases blocks; Espruino has no such call\n',
    `\nMilliseconds above the bound: ${TYPICAL}\n\n`,
    align(excessTable(measurements)),
    '\nSeconds by chip: ours / reference / reference by 64 KiB\n\n',
    align(profilesTable(measurements)),
    '\nrecover() with nothing to do\n\n',
    align(recoveriesTable(recoveries)),
  ].join('');
}

/**
 * Puts the table between the marks in a Markdown text.
 * @throws Error if the marks are missing
 */
export function fillTable(text: string, measurements: Measurement[]): string {
  const head = [
    '',
    'sectors changed',
    'erases',
    'bytes programmed',
    'seconds',
    'bound',
    'seconds / bound',
    'reference',
  ];
  const rows = measurements.map(({ what, bound, ours, reference, seconds: all }) => [
    what,
    count(bound.changed),
    of(ours.erases, reference.erases),
    of(ours.bytesProgrammed, reference.bytesProgrammed),
    time(all.ours[TYPICAL]),
    time(all.bound[TYPICAL]),
    ratio(all.ours[TYPICAL] / all.bound[TYPICAL]),
    `${time(all.reference[TYPICAL])} / ${time(all.referenceByBlocks[TYPICAL])}`,
  ]);
  return fill(text, 'bench', markdown([head, ...rows]));
}
