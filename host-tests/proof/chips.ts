/**
 * Chips drawn at random: a table, what the bootloader starts, and what the table allows to write. Written from the promise
 * of README and ESP-IDF's rules: nothing is taken from the module but the numbers of the table.
 */
import { READONLY, TABLE_ADDRESS } from '../../device/partitions.ts';
import { NorFlash, type Row, SECTOR, encodeTable, pattern } from '../../host/index.ts';
import { otaEntry } from '../../formats/otadata.ts';
import { row } from '../support/fixtures.ts';

/** Random integers: `below(n)` is 0 to n - 1. */
export type Draw = (n: number) => number;

/** A row of sectors, absolute. */
export interface Range {
  first: number;
  span: number;
}

/** Sectors of each chip: 1 MiB. */
export const CHIP = 256;
/** The first sector behind the table. */
const FIRST = 9;
/** Where a chip of an ESP32 has its bootloader. */
const BOOTLOADER = 0x1000;
const MAGIC = 0xe9;

/** A chip, and what may be done to it. */
export interface Chip {
  flash: NorFlash;
  table: Row[];
  /** The app that runs, and whether the chip can tell. */
  running: Row;
  isTold: boolean;
  /** An address in the partition that the engine lives on; 0 none. */
  live: number;
  /** Where journals may lie. */
  places: Range[];
  /** Flash in no partition. */
  free: Range[];
  /** Rows that may be updated, and those of them that the firmware is using: only if it is told so. */
  targets: Row[];
  inUse: Set<Row>;
  /** Rows that may hold a backup: apps that certainly do not run, by default; data, if they are named. */
  passive: Row[];
  keepers: Row[];
}

export const rangeOf = ({ address, size }: Row): Range => ({
  first: Math.floor(address / SECTOR),
  span: Math.ceil(((address % SECTOR) + size) / SECTOR),
});

export function pick<T>(below: Draw, list: readonly T[]): T {
  return list[below(list.length)];
}

/** @returns the same in any order (Fisher and Yates). */
export function shuffled<T>(below: Draw, list: readonly T[]): T[] {
  const mixed = [...list];
  for (let n = mixed.length; n > 1; n--) {
    const other = below(n);
    [mixed[n - 1], mixed[other]] = [mixed[other], mixed[n - 1]];
  }
  return mixed;
}

const isApp = ({ type }: Row) => type === 0;
const isSlot = (row: Row) => isApp(row) && row.subtype >= 0x10;
const isOtadata = ({ type, subtype }: Row) => type === 1 && subtype === 0;
const isNvs = ({ type, subtype }: Row) => type === 1 && subtype === 2;
/** Whether a partition belongs to the firmware: otadata, phy, nvs, coredump, nvs_keys, efuse. */
const isSystem = ({ type, subtype }: Row) => type === 1 && subtype < 6;

/** What else may be called `ota_journal`: an app, nvs, a file system. */
const STRANGE: [type: number, subtype: number][] = [
  [0, 0x12],
  [1, 2],
  [1, 0x82],
];

/** Draws the rows of a table: of each kind some, in any order, with and without free flash between them. */
function drawTable(below: Draw): Row[] {
  const kinds: [label: string, type: number, subtype: number, span: number, flags?: number][] = [
    ['nvs', 1, 2, 1 + below(3)],
    ['phy_init', 1, 1, 1],
    ['ota_0', 0, 0x10, 2 + below(5)],
    ['www', 1, 0x82, 1 + below(6)],
    ['data', 1, 0x40, 1 + below(6)],
  ];
  if (below(4)) kinds.push(['otadata', 1, 0, 2]);
  if (below(3)) kinds.push(['ota_1', 0, 0x11, 2 + below(5)]);
  if (!below(3)) kinds.push(['factory', 0, 0, 2 + below(3)]);
  if (below(2)) kinds.push(['storage', 1, 0x41, 1 + below(4)]);
  if (below(5)) kinds.push(['ota_journal', 1, 6, 1 + below(6)]);
  if (!below(8)) kinds.push(['locked', 1, 0x82, 2, 1 + below(2)]);
  if (!below(8)) kinds.push(['mine', 0x40 + below(8), below(256), 1 + below(4)]);
  // Labels are what whoever has made the table wants them to be.
  if (!below(20)) kinds.push(['ota_journal', ...pick(below, STRANGE), 3]);
  // Most chips are full, so that there is not always free flash behind the last row.
  const rows: Row[] = [];
  let next = FIRST;
  for (const [label, type, subtype, span, flags] of shuffled(below, kinds)) {
    if (!below(3)) next += below(6);
    const shift = below(60) ? 0 : pick(below, [-1, -0.5, 0.5]);
    rows.push(row(label, type, subtype, Math.max(FIRST, next + shift), span, flags));
    next += span;
  }
  if (below(4)) {
    const end = CHIP - (below(2) ? 0 : below(12));
    rows.push(row('rest', 1, 0x82, next, end - next, 2));
  }
  return below(3) ? rows : shuffled(below, rows);
}

/** @returns how many rows lie in each sector. */
function coverOf(table: readonly Row[]): Uint8Array {
  const cover = new Uint8Array(CHIP);
  cover.fill(1, 0, FIRST);
  for (const { first, span } of table.map(rangeOf))
    for (let n = 0; n < span; n++) cover[first + n]++;
  return cover;
}

/** @returns the runs of flash in no partition. */
function freeIn(cover: Uint8Array, end: number): Range[] {
  const runs: Range[] = [];
  for (let first = FIRST; first < end; first++) {
    let span = 0;
    while (first + span < end && !cover[first + span]) span++;
    if (span) runs.push({ first, span });
    first += span;
  }
  return runs;
}

/** Draws a chip, healthy and without journals. */
export function drawChip(below: Draw): Chip {
  const flash = new NorFlash({ size: CHIP * SECTOR });
  // What strangers have left in a journal is not erased.
  flash.strict = false;
  const table = drawTable(below);
  const cover = coverOf(table);
  const header = pick(below, [0, BOOTLOADER, BOOTLOADER, -1]);
  if (header >= 0) flash.load(header, Uint8Array.of(MAGIC, 1, 2, 0));
  flash.load(TABLE_ADDRESS, encodeTable(table));
  const end = header < 0 ? Math.max(...table.map(rangeOf).map((r) => r.first + r.span)) : CHIP;

  const slots = table.filter(isSlot).sort((a, b) => a.subtype - b.subtype);
  const apps = table.filter(isApp);
  const otadata = table.find(isOtadata);
  // An `ota_journal` of the type app may be one of the slots.
  const isChoosing = otadata && below(3) > 0;
  const sequence = 1 + below(5);
  if (isChoosing) flash.load(otadata.address, otaEntry(sequence));
  const first = apps.find(({ subtype }) => subtype === 0) ?? slots[0];
  const chosen = isChoosing ? slots[(sequence - 1) % slots.length] : first;
  const isLost = !below(8) && apps.length > 1;
  for (const app of apps)
    if (app !== chosen || !isLost) flash.load(app.address, Uint8Array.of(MAGIC));
  const running = isLost
    ? pick(
        below,
        apps.filter((app) => app !== chosen),
      )
    : chosen;
  const isTold = below(5) > 1;

  const isWhole = (row: Row) =>
    !((row.address | row.size) % SECTOR) &&
    !((row.flags ?? 0) & READONLY) &&
    Array.from({ length: row.size / SECTOR }).every(
      (_, n) => cover[row.address / SECTOR + n] === 1,
    );
  const storage = table.find(({ label }) => label === 'storage');
  const live = storage ? storage.address + SECTOR / 2 : 0;
  const whole = table.filter(isWhole);
  const isJournal = ({ label }: Row) => label === 'ota_journal';
  const targets = whole.filter((row) => !isApp(row) && !isOtadata(row) && !isJournal(row));
  const inUse = new Set(targets.filter((row) => isNvs(row) || row === storage));
  const keepers = targets.filter((row) => !inUse.has(row) && !isSystem(row));
  // A chip that cannot tell which app runs may be running any of them.
  const mayBoot = (row: Row) => row === running || row === chosen || !isTold;
  const passive = whole.filter((row) => isApp(row) && !isJournal(row) && !mayBoot(row));
  for (const one of [...targets, ...passive])
    flash.load(one.address + 16, pattern(`old ${one.label}`, 100 + below(one.size - 116)));
  const free = freeIn(cover, end);
  const own = whole.filter((row) => isJournal(row) && !isApp(row) && !isSystem(row)).map(rangeOf);
  const places = [...own, ...free].filter(({ span }) => span > 1);
  return { flash, table, running, isTold, live, places, free, targets, inUse, passive, keepers };
}

/** @returns a table in one line. */
export function shownTable(table: readonly Row[]): string {
  return table
    .map(({ label, type, subtype, address, size, flags }) => {
      const sectors = `${address / SECTOR}+${size / SECTOR}`;
      return `${label} ${type}/${subtype} ${sectors}${flags ? ` flags ${flags}` : ''}`;
    })
    .join(', ');
}
