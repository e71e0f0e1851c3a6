/** What lies where on a board's chip, and what of it could hold the old content of another partition. */
import type { Area } from '../device/api.ts';
import { NVS, OTADATA, STORAGE, SYSTEM_END } from '../device/partitions.ts';
import type { AppDescription } from '../formats/app.ts';
import { SECTOR } from '../formats/chip.ts';
import { isWritable, JOURNAL_LABEL } from '../formats/journal.ts';
import { gapsOf, type Row } from '../formats/table/row.ts';
import type { BoardFacts } from './facts.ts';

/** A partition, and what is in it. */
export interface LaidOut extends Row {
  /** Of an app slot: what the app there tells of itself; null if it tells nothing; missing if there is none. */
  holds?: AppDescription | null;
}

/** What lies where. Addresses and sizes in bytes. */
export interface Layout {
  /** Address of the partition table. */
  table: number;
  partitions: LaidOut[];
  /** Flash that is in no partition. */
  gaps: Area[];
  /** What Espruino's Storage has: how many files, and those that `part-ota upload` has stored. */
  stored: { count: number; ours: string[] };
}

/** @returns what lies where on a board that was asked. */
export function layoutOf({ table, partitions, apps, ...facts }: BoardFacts): Layout {
  const end = Math.max(...partitions.map(({ address, size }) => address + size));
  const ours = Object.keys(facts.files).filter((name) => facts.files[name]);
  return {
    table,
    partitions: partitions.map((row) =>
      row.type === 0 && apps[row.label] !== undefined ? { ...row, holds: apps[row.label] } : row,
    ),
    gaps: gapsOf(partitions, facts.flashSize ?? end, table + SECTOR),
    stored: { count: facts.stored, ours },
  };
}

const kindOf = ({ type, subtype }: Row) => (type << 8) | subtype;

/** Whether Espruino's Storage lies in a partition: all of its boards have it at the same address. */
export const hasStorage = ({ address, size }: Row) =>
  address <= STORAGE && STORAGE < address + size;

/** @returns the partitions that may be updated, beside what the firmware is using right now. */
export const targetsOf = ({ partitions }: Layout): LaidOut[] =>
  partitions.filter(
    (row) =>
      isWritable(row, partitions) &&
      kindOf(row) !== NVS &&
      row.label !== JOURNAL_LABEL &&
      !hasStorage(row),
  );

/**
 * @param target - the label of the partition to update
 * @returns the data partitions that `backup` may name (`whyNot` in device/places.ts), the largest first
 */
export const backupsOf = (layout: Layout, target: string): LaidOut[] =>
  targetsOf(layout)
    .filter((row) => row.label !== target && !(kindOf(row) >= OTADATA && kindOf(row) < SYSTEM_END))
    .sort((a, b) => b.size - a.size);
