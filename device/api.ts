/** The public API: types only. `index.ts` and `update.ts` implement it. */

/** A row of the partition table. */
export interface Partition {
  /** Up to 16 characters. */
  label: string;
  /** 0 app, 1 data, 2 bootloader, 3 partition table, 0x40 to 0xfe custom. */
  type: number;
  /** See ESP-IDF's "Partition Tables"; 0x81 fat, 0x82 spiffs, 0x83 littlefs. */
  subtype: number;
  /** Bytes from the start of the chip. */
  address: number;
  /** Bytes. */
  size: number;
  encrypted: boolean;
  readonly: boolean;
}

/** What `plan` and `begin` are asked for. */
export interface Options {
  /** Label of the partition to update. */
  partition: string;
  /**
   * Label of the partition that keeps the old content meanwhile; `false`: keep none (scheme 2, direct).
   * Default: the passive app slot, else unallocated flash.
   */
  backup?: string | false;
  /** Bytes of the image. Default: as many as are written until `end`. */
  size?: number;
  /** CRC-32 (IEEE) of the image; `end` compares it with what flash holds. */
  crc32?: number;
  /** Boots after which the old content comes back by itself unless `confirm` is called, 1 to 255. */
  trial?: number;
  /** Overwrite a partition that the firmware is using right now (nvs, Espruino's Storage). */
  overwriteLive?: boolean;
  /**
   * Called after each sector. What it throws stops the update: the old content is put back. Calls of this module
   * in it throw E_STATE.
   * @example
   * require('ota').begin({
   *   partition: 'www',
   *   onProgress: function (progress) {
   *     print(progress.phase, progress.done, progress.total);
   *   },
   * });
   */
  onProgress?: (progress: Progress) => void;
}

/** How far one phase has come, in bytes. */
export interface Progress {
  phase: 'backup' | 'write' | 'verify' | 'restore';
  done: number;
  total: number;
}

/** A part of the flash. `label` is missing where it is in no partition. */
export interface Area {
  label?: string;
  /** Bytes from the start of the chip. */
  address: number;
  /** Bytes. */
  size: number;
}

/** What an update would use and cost. */
export interface Plan {
  partition: Area;
  /** Where the old content goes; missing in a direct update. */
  backup?: Area;
  /** Where the journal goes: in `ota_journal`, or in no partition. */
  journal: Area;
  /** Label of the app partition that is running. */
  running: string;
  /** Whether an interrupted update of this partition would be resumed. */
  resumed: boolean;
  /** An upper bound: every sector differs. Seconds are of flash time, for a W25Q32JV. */
  worst: { erases: number; bytes: number; seconds: number };
}

/** What `end` and `abort` return. */
export interface Result {
  /** As in `Report`; `untouched`: nothing was written. */
  state: Report['state'];
  partition: string;
  /** Sectors of the partition. */
  sectors: number;
  /** Sectors that were rewritten. */
  changed: number;
}

/** An update in progress. */
export interface Update {
  /**
   * Copies the old content of the first `size` bytes (default: the whole partition) to the backup
   * now. What is not copied now is copied just before it is overwritten.
   * A full copy lets `restore` work even after the app has written to the partition.
   * @example
   * var update = require('ota').begin({ partition: 'www', trial: 3 });
   * update.backup();
   */
  backup: (size?: number) => void;
  /**
   * Takes the next bytes of the image: any number of them, in order. They are compared with the partition, or written, at
   * once.
   * @example
   * var update = require('ota').begin({ partition: 'www', size: 5 });
   * update.write('12');
   * update.write(new Uint8Array([51, 52, 53]));
   */
  write: (chunk: string | Uint8Array | ArrayBuffer) => void;
  /**
   * Takes the next bytes of the image as the partition holds them: nobody needs to hand them over. `crc32` proves at the end
   * that they are right.
   * @param size - bytes, from the start of a sector on
   * @throws E_SIZE if that is more than the image may have; E_ARGUMENT if it is no such number; E_STATE in the middle of a
   * sector, or behind `back`
   * @example
   * var update = require('ota').begin({ partition: 'www', crc32: 0xcbf43926 });
   * update.keep(4096); // the first sector stays
   */
  keep: (size: number) => void;
  /**
   * Goes back to the start of the sector that the last byte went to. What comes next is written there anew, whatever that
   * sector reads.
   * @throws E_STATE if nothing was taken yet
   * @example
   * var update = require('ota').begin({ partition: 'www' });
   * update.write('not what it should be');
   * update.back();
   */
  back: () => void;
  /**
   * Erases what follows the image, verifies, commits.
   * @example
   * var update = require('ota').begin({ partition: 'www', crc32: 0xcbf43926 });
   * update.write('123456789');
   * print('sectors rewritten:', update.end().changed);
   */
  end: () => Result;
  /**
   * Gives up. Puts the old content back if anything was touched.
   * @param keep - true: leaves the update open, as a power cut does; `begin` goes on with it, `recover` undoes it
   * @example
   * var update = require('ota').begin({ partition: 'www' });
   * update.write('half of it');
   * update.abort();
   */
  abort: (keep?: boolean) => Result;
}

/** What `recover` and `restore` did, and what `status` found. */
export interface Report {
  /**
   * - none: no journal tells of an update.
   * - updating: an update is in progress.
   * - interrupted: power failed in an update; `recover` puts the old content back.
   * - restored: the old content counts.
   * - committed: the new content counts.
   * - trial: the new content counts until the trial boots are used up; `confirm` keeps it.
   * - incomplete: the partition holds neither the old nor the new content; update it again.
   * - damaged: as incomplete, because the backup or the journal was overwritten meanwhile, or has failed.
   */
  state:
    | 'none'
    | 'untouched'
    | 'updating'
    | 'interrupted'
    | 'restored'
    | 'committed'
    | 'trial'
    | 'incomplete'
    | 'damaged';
  /** Label of the partition; with `none`: that of an update which was given up by `forget`. */
  partition?: string;
  /** From `recover`. false: the journal keeps nothing more, so the same work is done again at the next boot. */
  sealed?: boolean;
  /** Sectors whose old content is in the backup. */
  saved?: number;
  /** Trial boots so far, and how many there are. */
  boots?: number;
  trial?: number;
  /** Why an expired trial was kept: the app has changed sectors that were never saved. */
  code?: Code;
}

/** Why a call failed. The strings are stable: match by `code`. */
export type Code =
  | 'E_ARGUMENT'
  | 'E_NO_PARTITION'
  | 'E_FORBIDDEN'
  | 'E_NO_BACKUP'
  | 'E_SPACE'
  | 'E_PENDING'
  | 'E_STATE'
  | 'E_SIZE'
  | 'E_VERIFY'
  | 'E_FLASH'
  | 'E_CHANGED'
  | 'E_MEMORY';

/** An error of this library: `code` for programs, `message` for people (thing, fact, limit). */
export interface OtaError extends Error {
  code: Code;
}

/** What `recover` may be told. */
export interface RecoverOptions {
  /** Leave an interrupted update open, so that `begin` resumes it; the partition holds neither content until then. */
  resume?: boolean;
  /** Called after each sector that is put back. What it throws is ignored; calls of this module in it throw E_STATE. */
  onProgress?: (progress: Progress) => void;
}
