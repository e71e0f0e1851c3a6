/** What is where on the chip: the partition table, the free flash, the app that runs. */

import type { Partition } from './api.ts';
import { fail } from './errors.ts';
import { crc32, overlap, pack, read, runtime, unpack } from './flash.ts';
import type { Range } from './flash.ts';
import { SECTOR } from './runtime.ts';

/** Where ESP-IDF puts the table (CONFIG_PARTITION_TABLE_OFFSET), and the first sector after it. */
const TABLE = 0x8000;
const AFTER_TABLE = 9;

/** Bytes that rows may take; the rest of the sector is for a signature (esp_flash_partitions.h). */
const TABLE_SIZE = 0xc00;
const ROW = 32;

/** The first two bytes of a row, of the MD5 row, and of the row after the last one. */
const MAGIC = 0x50aa;
const MAGIC_MD5 = 0xebeb;
const MAGIC_END = 0xffff;

/** Kinds: type << 8 | subtype (esp_partition.h). Below OTADATA they are apps; below 0 is flash in no partition. */
const SLOT_0 = 0x10;
const OTADATA = 0x100;
const NVS = 0x102;
/** After otadata, phy, nvs, coredump, nvs_keys, efuse: what belongs to the firmware. */
const SYSTEM_END = 0x106;
const BOOTLOADER = 0x200;
const CUSTOM = 0x4000;
/** Espruino's `flash`, which it does not use any more, is data of a subtype of its own. */
const UNUSED = 0x140;
const FREE = -1;

/** States of an otadata entry (esp_flash_partitions.h): below, the app is not confirmed yet. */
const VALID = 2;
const INVALID = 3;
const ABORTED = 4;

/** A partition or a run of free flash, in whole sectors. */
export interface Area extends Range {
  row: Partition;
  name: string;
  /** Its type and its subtype: 0x101 is data/phy. */
  kind: number;
  /** Why it must not be written to at this boot, if so. */
  why?: string;
  /** Whether the firmware is using it right now. */
  isLive: boolean;
  /** Whether it can hold neither backup nor journal. */
  isSystem: boolean;
  /** Whether the board needs it to boot. */
  isNeeded: boolean;
  /** Whether nobody uses it: it is in no partition, or Espruino's unused one. */
  isFree: boolean;
}

/** Partitions in their order, then free flash, as they are at this boot. */
export let areas: Area[];
/** The app that runs. */
export let app: Area | undefined;
/** The passive app slot, unless the app that runs is not confirmed yet: then the bootloader may go back to it. */
export let passive: Area | undefined;

/** @returns the first area that is wanted. */
export function find(isWanted: (area: Area) => boolean | undefined): Area | undefined {
  return areas.filter(isWanted)[0];
}

function addArea(row: Partition): void {
  const { label, address, size } = row;
  const kind = (row.type << 8) | row.subtype;
  const isLive = kind === NVS || isAt(runtime.live, row);
  areas.push({
    row: row,
    name: label,
    kind: kind,
    first: address >>> 12,
    span: size >>> 12,
    isLive: isLive,
    isSystem: isLive || (kind >= OTADATA && kind < SYSTEM_END),
    isNeeded: kind === OTADATA || (kind >= BOOTLOADER && kind < CUSTOM),
    isFree: kind < 0 || (kind === UNUSED && label === 'flash'),
  });
}

/** @returns whether an address, if there is one, is in a partition. */
function isAt(address: number | undefined, row: Partition): boolean {
  return !!address && address >= row.address && address < row.address + row.size;
}

/**
 * Reads the partition table. The bootloader has checked its MD5 at this very boot.
 * @throws E_NO_PARTITION
 */
function readTable(): void {
  const text = read(TABLE, TABLE_SIZE);
  areas = [];
  for (let at = 0; ; at += ROW) {
    const words = unpack(text.substr(at, ROW));
    const magic = words[0] & 0xffff;
    if (at && magic === MAGIC_END) return;
    if (magic === MAGIC)
      addArea({
        label: text.substr(at + 12, 16).split('\0')[0],
        type: (words[0] >> 16) & 255,
        subtype: words[0] >>> 24,
        address: words[1],
        size: words[2],
        encrypted: (words[7] & 1) > 0,
        readonly: (words[7] & 2) > 0,
      });
    else if (magic !== MAGIC_MD5) fail('NO_PARTITION', 'partition table: missing or torn');
  }
}

/** @returns bytes of flash that the firmware reaches, as the bootloader's image header says; 0 unknown. */
function chipSize(): number {
  // At 0x1000 on an ESP32, at 0 on its successors. Byte 3, high nibble: 0 is 1 MB, each step doubles it
  // (esp_app_format.h).
  let header = read(0, 4);
  if (header[0] !== '\xe9') header = read(0x1000, 4);
  return header[0] === '\xe9' ? 0x100000 << (header.charCodeAt(3) >> 4) : 0;
}

/**
 * Finds the app that runs and the slots that are in use, as the bootloader (bootloader_utility.c) and
 * esp_ota_get_next_update_partition do.
 */
function readBoot(): void {
  const apps = areas.filter((area) => area.kind < OTADATA).sort((a, b) => a.kind - b.kind);
  const slots = apps.filter((area) => area.kind >> 4 === 1);
  const otadata = find((area) => area.kind === OTADATA);
  const address = runtime.running && runtime.running();
  let sequence = 0;
  let isOnTrial = false;
  let chosen = apps[0];
  if (otadata && slots[0])
    [0, SECTOR].forEach((offset) => {
      const entry = unpack(read(otadata.row.address + offset, 32));
      const state = entry[6];
      if (
        entry[0] > sequence &&
        ~entry[0] &&
        state !== INVALID &&
        state !== ABORTED &&
        // The ROM's CRC starts at 0 where the usual one starts at 0xffffffff: the same as inverted bytes.
        crc32(pack([~entry[0]])) === entry[7]
      ) {
        sequence = entry[0];
        isOnTrial = state < VALID;
        // The bootloader counts the slots; it does not look for gaps in their numbers.
        chosen = slots.filter((area) => area.kind === SLOT_0 + ((sequence - 1) % slots.length))[0];
      }
    });
  // The chip knows better than otadata: the bootloader may have fallen back to another app.
  app = apps.filter((area) => isAt(address, area.row))[0] || chosen;
  passive = isOnTrial || !app ? undefined : slots[(slots.indexOf(app) + 1) % slots.length];
  [app, chosen].forEach((area) => {
    if (area) area.isNeeded = true;
  });
}

/**
 * Reads the partition table, the bootloader's choice and the size of the chip. Anew at each call: an app OTA
 * may have made yesterday's backup today's app.
 * @throws E_NO_PARTITION if the table is missing, torn, or larger than the chip
 */
export function readChip(): void {
  let next = AFTER_TABLE;
  const addFree = (until: number): void => {
    if (until > next)
      addArea({
        type: FREE,
        address: next * SECTOR,
        size: (until - next) * SECTOR,
      } as Partition);
  };
  readTable();
  readBoot();
  const chip = chipSize();
  areas.forEach((area) => {
    const { address, size, encrypted, readonly } = area.row;
    const end = address + size;
    if (chip && end > chip)
      fail('NO_PARTITION', area.name + ': ends at ' + end + ', the chip at ' + chip);
    areas.forEach((other) => {
      if (other.isNeeded && overlap(area, other)) area.why = 'overlaps ' + other.name;
    });
    if (encrypted || readonly) area.why = 'is readonly or encrypted';
    if ((address | size) % SECTOR || !size) area.why = 'is not whole sectors';
    if (area.first < AFTER_TABLE) area.why = 'overlaps the table';
  });
  areas
    .slice()
    .sort((a, b) => a.first - b.first)
    .forEach((area) => {
      addFree(area.first);
      next = Math.max(next, (area.row.address + area.row.size + SECTOR - 1) >>> 12);
    });
  addFree(chip >>> 12);
}
