/** What is where on the chip: the partition table, the free flash, the app that runs. */

import type { Partition } from './api.ts';
import { fail } from './errors.ts';
import { get16, get32, isInside, overlap, u32 } from './flash.ts';
import type { Range } from './flash.ts';
import { SECTOR } from './runtime.ts';
import type { Runtime } from './runtime.ts';

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

/** Types and subtypes (esp_partition.h). FREE is our own: flash that is in no partition. */
const APP = 0;
const DATA = 1;
export const CUSTOM = 0x40;
const FREE = -1;
const OTADATA = 0;
const NVS = 2;
/** Data subtypes below this belong to the firmware: otadata, phy, nvs, coredump, nvs_keys, efuse. */
const SYSTEM = 6;

/** States of an otadata entry (esp_flash_partitions.h). Below: new, or booted and not confirmed yet. */
const VALID = 2;
const INVALID = 3;
const ABORTED = 4;

/** A partition or a run of free flash, in whole sectors. */
export interface Area extends Range {
  row: Partition;
  /** Why it must not be written to at this boot, if so. */
  why?: string;
  /** Whether the firmware is using it right now. */
  isLive: boolean;
  /** Whether it can hold neither backup nor journal. */
  isSystem: boolean;
}

/** The chip as it is at this boot: an app OTA may have made yesterday's backup area today's app. */
export interface Chip {
  runtime: Runtime;
  /** Partitions in their order, then free flash. */
  areas: Area[];
  /** The app that runs. */
  app?: Area;
  /** The passive app slot, unless it is in use. */
  passive?: Area;
}

/** @returns the partition table. The bootloader has checked its MD5 at this very boot. */
function readTable(runtime: Runtime): Partition[] {
  const text = runtime.read(TABLE, TABLE_SIZE);
  const rows: Partition[] = [];
  let at = 0;
  for (; at < TABLE_SIZE; at += ROW) {
    const magic = get16(text, at);
    if (magic === MAGIC) {
      const label = text.substr(at + 12, 16);
      const end = label.indexOf('\0');
      const flags = text.charCodeAt(at + 28);
      rows.push({
        label: end < 0 ? label : label.substr(0, end),
        type: text.charCodeAt(at + 2),
        subtype: text.charCodeAt(at + 3),
        address: get32(text, at + 4),
        size: get32(text, at + 8),
        encrypted: !!(flags & 1),
        readonly: !!(flags & 2),
      });
    } else if (!at || magic !== MAGIC_MD5) {
      if (at && magic === MAGIC_END) return rows;
      break;
    }
  }
  return fail('E_NO_PARTITION', 'partition table', 'is torn or missing at row ' + at / ROW);
}

/** @returns sectors of flash that the firmware reaches, as the bootloader's image header says; 0 unknown. */
function chipSectors(runtime: Runtime): number {
  // At 0x1000 on an ESP32, at 0 on its successors; 0xe9, ... Byte 3, high nibble: 0 is 1 MB, each step doubles
  // it (esp_app_format.h).
  let header = runtime.read(0x1000, 4);
  if (header[0] !== '\xe9') header = runtime.read(0, 4);
  return header[0] === '\xe9' ? 256 << (header.charCodeAt(3) >> 4) : 0;
}

/** @returns the sequence number of an otadata entry, -1 if it is not valid. */
function sequenceOf(runtime: Runtime, entry: string): number {
  const sequence = get32(entry, 0);
  const state = get32(entry, 24);
  // The ROM's CRC starts at 0 where the usual one starts at 0xffffffff: the same as inverted bytes.
  return sequence === 0xffffffff ||
    state === INVALID ||
    state === ABORTED ||
    runtime.crc32(u32(~sequence)) !== get32(entry, 28)
    ? -1
    : sequence;
}

/**
 * Finds the app that runs and the slots that are in use, as the bootloader (bootloader_utility.c) and
 * esp_ota_get_next_update_partition do.
 * @returns the apps that must not be touched
 */
function readBoot(chip: Chip): (Area | undefined)[] {
  const { runtime, areas } = chip;
  const slots = areas
    .filter(({ row }) => row.type === APP && row.subtype >> 4 === 1)
    .sort((a, b) => a.row.subtype - b.row.subtype);
  const otadata = areas.filter(({ row }) => row.type === DATA && row.subtype === OTADATA)[0];
  let chosen = areas.filter(({ row }) => row.type === APP && !row.subtype)[0] || slots[0];
  let isOnTrial = false;
  if (otadata && slots.length) {
    const entries = [0, 1].map((n) => runtime.read((otadata.first + n) * SECTOR, 32));
    const [first, second] = entries.map((entry) => sequenceOf(runtime, entry));
    const sequence = Math.max(first, second);
    if (sequence >= 0) {
      // The bootloader counts the slots; it does not look for gaps in their numbers.
      const subtype = 16 + (((sequence - 1) >>> 0) % slots.length);
      chosen = slots.filter(({ row }) => row.subtype === subtype)[0] || chosen;
      isOnTrial = get32(entries[second > first ? 1 : 0], 24) < VALID;
    }
  }
  // The chip knows better than otadata: the bootloader may have fallen back to another app.
  const address = runtime.running && runtime.running();
  const sector = address && { first: address / SECTOR, count: 1 };
  chip.app =
    (sector && areas.filter((area) => area.row.type === APP && isInside(sector, area))[0]) ||
    chosen;
  const passive = slots[(slots.indexOf(chip.app) + 1) % slots.length];
  if (passive !== chip.app && passive !== chosen && !isOnTrial) chip.passive = passive;
  return [chip.app, chosen];
}

/** Adds the runs of flash that are in no partition. */
function addFree(areas: Area[], sectors: number): void {
  const sorted = areas.slice().sort((a, b) => a.first - b.first);
  let next = AFTER_TABLE;
  for (let n = 0; n <= sorted.length; n++) {
    const until = n < sorted.length ? sorted[n].first : sectors;
    if (until > next)
      areas.push(
        areaOf({ type: FREE, address: next * SECTOR, size: (until - next) * SECTOR } as Partition),
      );
    if (n < sorted.length)
      next = Math.max(next, Math.ceil(sorted[n].first + sorted[n].row.size / SECTOR));
  }
}

function areaOf(row: Partition, live?: number): Area {
  const isNvs = row.type === DATA && row.subtype === NVS;
  const isLive = isNvs || (!!live && live >= row.address && live < row.address + row.size);
  return {
    first: row.address / SECTOR,
    count: Math.floor(row.size / SECTOR),
    row: row,
    isLive: isLive,
    isSystem: isLive || (row.type === DATA && row.subtype < SYSTEM),
  };
}

/**
 * Reads the partition table, the bootloader's choice and the size of the chip.
 * @throws E_NO_PARTITION if the table is missing, torn, or larger than the chip
 */
export function readChip(runtime: Runtime): Chip {
  const areas = readTable(runtime).map((row) => areaOf(row, runtime.live));
  const chip: Chip = { runtime: runtime, areas: areas };
  const sectors = chipSectors(runtime);
  const apps = readBoot(chip);
  const taken = areas.filter(
    (area) =>
      apps.indexOf(area) >= 0 ||
      (area.row.type === DATA && area.row.subtype === OTADATA) ||
      (area.row.type > DATA && area.row.type < CUSTOM),
  );
  areas.forEach((area) => {
    const { row } = area;
    const end = area.first + area.count;
    if (sectors && end > sectors)
      fail('E_NO_PARTITION', 'partition table', row.label + ' ends at sector ' + end, sectors);
    const inUse = taken.filter((other) => overlap(area, other))[0];
    if (row.readonly) area.why = 'is readonly';
    if (row.encrypted) area.why = 'is encrypted';
    if (row.address % SECTOR || row.size % SECTOR || !row.size) area.why = 'is not whole sectors';
    if (inUse) area.why = 'overlaps ' + inUse.row.label + ', which is needed to boot';
    if (area.first < AFTER_TABLE) area.why = 'overlaps the partition table';
  });
  addFree(areas, sectors);
  return chip;
}
