/**
 * What ESP-IDF's bootloader starts: a model of bootloader_utility.c and bootloader_common_loader.c that shares nothing
 * with the code that is tested. Like the bootloader it writes to otadata.
 */
import { crc32 } from 'node:zlib';
import type { Row } from '../../host/index.ts';

export const STATES = {
  NEW: 0,
  PENDING_VERIFY: 1,
  VALID: 2,
  INVALID: 3,
  ABORTED: 4,
  FUTURE: 5,
  UNDEFINED: 0xffffffff,
} as const;

/** An entry of otadata. */
export interface Entry {
  sequence: number;
  state: number;
  /** Whether its CRC is right. */
  isWhole: boolean;
}

/** How the bootloader was built. `rollback`: CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE; `old`: ESP-IDF 3.1, before states. */
export type Build = 'plain' | 'rollback' | 'old';

export const ERASED: Entry = { sequence: 0xffffffff, state: 0xffffffff, isWhole: false };

/** @returns an entry, as it lies in flash. */
export function bytesOf({ sequence, state, isWhole }: Entry): Uint8Array {
  const bytes = Buffer.alloc(32, 0xff);
  bytes.writeUInt32LE(sequence, 0);
  bytes.writeUInt32LE(state, 24);
  // esp_rom_crc32_le(UINT32_MAX, …) starts its register at 0.
  const crc = crc32(bytes.subarray(0, 4), 0xffffffff);
  bytes.writeUInt32LE(isWhole ? crc : ~crc >>> 0, 28);
  // Erased flash is no entry of a wrong CRC that this made up.
  if (sequence === 0xffffffff && !isWhole) bytes.fill(0xff);
  return bytes;
}

const FACTORY = -1;

/** bootloader_common_ota_select_invalid: it does not look at the CRC. */
const isInvalid = ({ sequence, state }: Entry) =>
  sequence === 0xffffffff || state === STATES.INVALID || state === STATES.ABORTED;
const isValid = (entry: Entry) => !isInvalid(entry) && entry.isWhole;

/** bootloader_common_get_active_otadata. @returns 0 or 1; -1 none */
function activeOf([one, other]: Entry[], isGood: (entry: Entry) => boolean): number {
  if (isGood(one) && isGood(other)) return one.sequence >= other.sequence ? 0 : 1;
  if (isGood(one)) return 0;
  return isGood(other) ? 1 : -1;
}

/** bootloader_utility_load_partition_table: later rows replace earlier ones of their kind, but all are counted. */
function load(table: readonly Row[]) {
  const slots: (Row | undefined)[] = [];
  let factory: Row | undefined;
  let test: Row | undefined;
  let otadata: Row | undefined;
  let count = 0;
  for (const row of table) {
    if (row.type === 1 && row.subtype === 0) otadata = row;
    if (row.type !== 0) continue;
    if (row.subtype === 0) factory = row;
    else if (row.subtype === 0x20) test = row;
    else if ((row.subtype & ~0x0f) === 0x10) {
      slots[row.subtype & 0x0f] = row;
      count++;
    }
  }
  return { slots, factory, test, otadata, count };
}

/** ESP-IDF 3.1: no states, and a CRC counts for both fields. */
function selectOld(entries: Entry[], count: number, hasFactory: boolean): number {
  const isBlank = entries.every(({ sequence }) => sequence === 0xffffffff);
  if (isBlank || !count) return hasFactory ? FACTORY : 0;
  const active = activeOf(entries, (entry) => entry.isWhole && entry.sequence !== 0xffffffff);
  if (active < 0) return hasFactory ? FACTORY : 0;
  return ((entries[active].sequence - 1) >>> 0) % count;
}

/** bootloader_utility_get_selected_boot_partition. @returns FACTORY, or the index of a slot */
function select(entries: Entry[], count: number, hasFactory: boolean, build: Build): number {
  if (build === 'old') return selectOld(entries, count, hasFactory);
  if (build === 'rollback')
    for (const entry of entries)
      if (entry.state === STATES.PENDING_VERIFY)
        // It was started once, and has not said that it works.
        entry.state = STATES.ABORTED;
  if (entries.every(isInvalid) || !count) return hasFactory ? FACTORY : 0;
  const active = activeOf(entries, isValid);
  if (active < 0) return FACTORY;
  const entry = entries[active];
  if (build === 'rollback' && entry.state === STATES.NEW) entry.state = STATES.PENDING_VERIFY;
  return ((entry.sequence - 1) >>> 0) % count;
}

/**
 * Boots.
 * @param entries - both of otadata; the bootloader may change their states
 * @param isGood - whether the image in a partition verifies
 * @returns the app that runs; undefined if none does, and the chip resets for ever
 */
export function bootFrom(
  table: readonly Row[],
  entries: [Entry, Entry],
  isGood: (row: Row) => boolean,
  build: Build,
): Row | undefined {
  const { slots, factory, test, otadata, count } = load(table);
  const start = otadata ? select(entries, count, Boolean(factory), build) : FACTORY;
  const order: number[] = [];
  for (let index = start; index >= FACTORY; index--) order.push(index);
  for (let index = start + 1; index < count; index++) order.push(index);
  return [...order.map((index) => (index === FACTORY ? factory : slots[index])), test].find(
    (row) => row && isGood(row),
  );
}
