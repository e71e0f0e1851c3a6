/** What is where on the chip: the partition table, the free flash, the app that runs. */

import type { Partition } from './api.ts';
import { fail, failSize } from './errors.ts';
import { isIn, readTwice } from './flash.ts';
import type { Range } from './flash.ts';
import {
  BOOTLOADER,
  CUSTOM,
  ENCRYPTED,
  INVALID,
  LAST_BOOTLOADER,
  ROW_MAGIC,
  END_MAGIC,
  MD5_MAGIC,
  NVS,
  OTADATA,
  READONLY,
  ROW_SIZE,
  SLOT_0,
  SYSTEM_END,
  TABLE_ADDRESS,
  TABLE_SIZE,
  VALID,
} from './partitions.ts';
import { SECTOR, crc32, live, pack, read, running, table, unpack } from './runtime.ts';

/** Kind of flash in no partition; see partitions.ts for those of partitions. */
const FREE = -1;

/** The first byte of every image that boots (esp_app_format.h, ESP_IMAGE_HEADER_MAGIC). */
const IMAGE_MAGIC = '\xe9';

/** Bytes of the table that are read at once. */
const ROWS = 4 * ROW_SIZE;

/** A partition or a run of free flash: all sectors that it touches. */
export interface Area extends Range {
  /** Of a partition, as in its row. */
  label: string;
  /** Its type and its subtype: 0x101 is data/phy. */
  kind: number;
  /** Why nothing may be written to it at this boot, if so. */
  why: string | 0;
  /** How much the firmware needs it: 0 not at all; 1 it can hold neither backup nor journal; 2 it is in use right now. */
  need: number;
}

/** Partitions in their order, then free flash, as they are at this boot. */
export let areas: Area[];
/** The label of the app that runs; empty where the chip does not tell, and has several. */
export let runningApp: string;
/** The app slot after that of the app that runs. */
export let passive: Area | false | undefined;
/** The address of otadata, which may be in the middle of a sector; 0 without. Of two, that further down, as in `lastOf`. */
let otadata: number;

/** Frees the memory that all this takes, until `readChip` is called again. */
export function forgetChip(): void {
  areas = [];
}

/** @returns the first area that a sector is in. */
export function areaAt(sector: number): Area | undefined {
  return areas.filter((area) => isIn(area, sector))[0];
}

/** @returns the partition of a kind. Of two, the bootloader takes the one further down in the table. */
function lastOf(kind: number): Area | undefined {
  return areas.filter((area) => area.kind === kind).pop();
}

/**
 * Finds the app that runs and the slots that are in use, as the bootloader (bootloader_utility.c) and
 * esp_ota_get_next_update_partition do.
 *
 * Where the chip cannot tell which app runs, it may be any of them. Only `begin` and `plan` need to know. Anew at
 * each call: an app OTA may have made yesterday's backup today's app.
 */
export function readBoot(): void {
  const slots = areas.filter((area) => area.kind >> 4 === 1).sort((a, b) => a.kind - b.kind);
  let sequence = -1;
  let isOnTrial: boolean | undefined;
  let chosen = lastOf(0) || lastOf(SLOT_0);
  if (otadata)
    for (let offset = 0; offset <= SECTOR; offset += SECTOR) {
      const entry = unpack(read(otadata + offset, 32));
      const state = entry[6];
      if (
        entry[0] > sequence &&
        ~entry[0] &&
        // Neither INVALID nor ABORTED, which is the next number.
        (state - INVALID) >>> 1 &&
        // The ROM's CRC starts at 0 where the usual one starts at 0xffffffff: the same as inverted bytes.
        crc32(pack([~entry[0]])) === entry[7]
      ) {
        sequence = entry[0];
        isOnTrial = state < VALID;
        // The bootloader counts the slots; it does not look for gaps in their numbers.
        chosen = lastOf(SLOT_0 + (((sequence - 1) >>> 0) % slots.length));
      }
    }
  // What otadata names boots next time. What runs now only the chip knows: the bootloader may have fallen back to another
  // app, and an app OTA may have written otadata since. Address 0 tells nothing.
  const page = running() >>> 12;
  // Free flash is of a kind below 0.
  const apps = areas.filter((area) => !(area.kind >> 8));
  const app = apps.filter((area) => apps.length < 2 || (page && isIn(area, page)))[0];
  runningApp = app ? app.label : '';
  passive = app && slots[(slots.indexOf(app) + 1) % slots.length];
  apps.forEach((area) => {
    // Any app may boot next if none is chosen, or if that one is not confirmed yet.
    if (!app || !chosen || isOnTrial || area === app || area === chosen) area.why = 'in use';
  });
}

/** Adds the flash between two sectors that is in no partition. */
function addFree(first: number, until: number): void {
  if (until > first) areas.push({ kind: FREE, first: first, span: until - first } as Area);
}

/**
 * Reads the partition table and the size of the chip. The bootloader has checked the table's MD5 at this very boot.
 * @param rows - gets the rows of the table, if it is given: they take much memory
 * @throws E_NO_PARTITION if the table is missing, torn, or larger than the chip
 */
export function readChip(rows?: Partition[]): void {
  const start = table || TABLE_ADDRESS;
  let next = (start >>> 12) + 1;
  // Of the rows so far, the one that reaches furthest.
  let before = { label: 'table' } as Area;
  let text = '';
  otadata = 0;
  areas = [];
  for (let at = 0; ; at += ROW_SIZE) {
    // All of the table would take much memory.
    if (!(at % ROWS)) text = readTwice(start + at, ROWS);
    const words = unpack(text.substr(at % ROWS, ROW_SIZE));
    const magic = at < TABLE_SIZE && words[0] & 0xffff;
    const kind = ((words[0] >> 8) & 0xff00) | (words[0] >>> 24);
    const address = words[1];
    const size = words[2];
    if (at && magic === END_MAGIC) break;
    if (magic === ROW_MAGIC) {
      const name = text.substr((at % ROWS) + 12, 16);
      const end = name.indexOf('\0');
      // Where memory ends, Espruino's `split` reads address 0.
      const label = end < 0 ? name : name.substr(0, end);
      if (kind === OTADATA) otadata = address;
      if (rows)
        rows.push({
          label: label,
          type: kind >> 8,
          subtype: kind & 255,
          address: address,
          size: size,
          encrypted: (words[7] & ENCRYPTED) > 0,
          readonly: (words[7] & READONLY) > 0,
        });
      areas.push({
        label: label,
        kind: kind,
        first: address >>> 12,
        // A size may be almost 2^32, so the sum is no number of 32 bits, and `>>> 12` would lose a bit of it.
        span: (((address % SECTOR) + size + SECTOR - 1) / SECTOR) | 0,
        why:
          words[7] & READONLY
            ? 'readonly'
            : (address | size) % SECTOR || !size
              ? 'not whole sectors'
              : kind === OTADATA || (kind >= BOOTLOADER && kind < CUSTOM)
                ? 'for booting'
                : 0,
        need:
          kind === NVS || (live - address) >>> 0 < size
            ? 2
            : +((kind - OTADATA) >>> 0 < SYSTEM_END - OTADATA),
      });
    } else if (magic !== MD5_MAGIC) fail('NO_PARTITION table: missing/torn');
  }
  const sorted = areas.slice().sort((a, b) => a.first - b.first);
  sorted.forEach((area) => {
    const end = area.first + area.span;
    addFree(next, area.first);
    if (area.first < next) {
      area.why = 'overlaps ' + before.label;
      before.why = 'overlaps ' + area.label;
    }
    if (end > next) {
      next = end;
      before = area;
    }
  });
  // How many sectors of flash the firmware reaches; 0 unknown. Here, since terser makes a function of what has a loop.
  let chip = 0;
  // The first bootloader counts: what lies behind it is its own code.
  for (let at = 0; !chip && at <= LAST_BOOTLOADER; at += SECTOR)
    // Byte 3, high nibble: 0 is 1 MB, each step doubles it (esp_app_format.h).
    if ((text = readTwice(at, 4))[0] === IMAGE_MAGIC) chip = 256 << (text.charCodeAt(3) >> 4);
  if (chip && next > chip) failSize('NO_PARTITION table', next * SECTOR, chip * SECTOR);
  addFree(next, chip);
}
