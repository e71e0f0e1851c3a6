/**
 * otadata: which app the bootloader starts (ESP-IDF, esp_flash_partitions.h, esp_ota_select_entry_t).
 * Each of its two sectors begins with an entry:
 *
 *     offset  size  field
 *          0     4  sequence number, from 1 on
 *          4    20  label, not used
 *         24     4  state of the app
 *         28     4  CRC-32 of the sequence number, as the chip's ROM computes it
 *
 * device/chip.ts reads it on the chip, by the same rules.
 */
import { crc32 } from '#hashes';
import type { Partition } from '../device/api.ts';
import { ABORTED, INVALID, OTADATA, SLOT_0, VALID } from '../device/partitions.ts';
import { filled, readU32, words, writeU32 } from './bytes.ts';
import { SECTOR } from './chip.ts';

const ENTRY = 32;
const STATE_AT = 24;
const CRC_AT = 28;

/** The number of an entry that is erased. */
const NO_NUMBER = 0xffffffff;

/** What most firmware leaves there: it does not roll back. */
const NO_STATE = 0xffffffff;

/** As much of a partition as this needs. */
type Kind = Pick<Partition, 'type' | 'subtype'>;
const kindOf = ({ type, subtype }: Kind) => (type << 8) | subtype;
export const isSlot = (row: Kind) => kindOf(row) >> 4 === SLOT_0 >> 4;

/** What the bootloader starts. */
export interface Boot<Row> {
  /** Missing if otadata names a slot that is not there: then the bootloader tries all others. */
  app?: Row;
  /** Whether the app is not confirmed yet: then the bootloader may go back to the one before it. */
  isOnTrial: boolean;
}

/** @returns the otadata of a table, if it has one. */
export function findOtadata<Row extends Kind>(partitions: readonly Row[]): Row | undefined {
  return partitions.find((row) => kindOf(row) === OTADATA);
}

/** The ROM's CRC starts at 0 where the usual one starts at 0xffffffff. */
const checkOf = (sequence: number) => crc32(words(sequence), 0xffffffff);

/**
 * Makes an entry, as the bootloader wants it.
 * @param sequence - n + 1 for the slot ota_n
 */
export function otaEntry(sequence: number, state = NO_STATE): Uint8Array {
  const entry = filled(ENTRY, 0xff);
  writeU32(entry, sequence, 0);
  writeU32(entry, state, STATE_AT);
  writeU32(entry, checkOf(sequence), CRC_AT);
  return entry;
}

/** @returns sequence number and state of an entry that counts. */
function readEntry(entry: Uint8Array): { sequence: number; state: number } | undefined {
  if (entry.length < ENTRY) return undefined;
  const sequence = readU32(entry, 0);
  const state = readU32(entry, STATE_AT);
  const isRejected = sequence === NO_NUMBER || state === INVALID || state === ABORTED;
  return isRejected || readU32(entry, CRC_AT) !== checkOf(sequence)
    ? undefined
    : { sequence, state };
}

/**
 * Finds the app that boots, as the bootloader does (bootloader_utility.c). Where it has no otadata, or no entry of it
 * counts, that is factory, else the first slot.
 * @param entries - both entries of otadata; none if there is no otadata
 */
export function bootOf<Row extends Kind>(
  partitions: readonly Row[],
  entries: readonly Uint8Array[],
): Boot<Row> {
  // Of two of a kind the bootloader takes the one further down in the table.
  const apps = partitions
    .filter((row) => kindOf(row) < OTADATA)
    .reverse()
    .sort((a, b) => a.subtype - b.subtype);
  const newest = entries
    .map(readEntry)
    .reduce(
      (best, entry) => (entry && entry.sequence > (best?.sequence ?? -1) ? entry : best),
      undefined,
    );
  if (!newest) return { app: apps[0], isOnTrial: false };
  // The bootloader counts the slots; it does not look for gaps in their numbers.
  const kind = SLOT_0 + (((newest.sequence - 1) >>> 0) % apps.filter(isSlot).length);
  return { app: apps.find((row) => kindOf(row) === kind), isOnTrial: newest.state < VALID };
}

/** @returns both entries of the otadata of a chip; none if its table has no otadata. */
export function entriesOf(
  chip: Uint8Array,
  partitions: readonly Pick<Partition, 'type' | 'subtype' | 'address'>[],
): Uint8Array[] {
  const row = findOtadata(partitions);
  if (!row) return [];
  return [0, SECTOR].map((offset) =>
    chip.subarray(row.address + offset, row.address + offset + ENTRY),
  );
}
