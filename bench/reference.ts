/**
 * What whole updates cost with Espressif's component esp_custom_part_ota: the unmodified source, compiled
 * on a host over an in-memory chip, fed 1 KiB at a time. Partition, backup and cases a to d are as here.
 * It was offered at https://github.com/espressif/idf-extra-components/pull/366, and is in that at commit 398d0c7.
 *
 * It does the same work whatever changes, so any image of 1 MiB costs what case a does.
 */
import { FLASH_TIMING, type FlashProfile, seconds } from '../host/index.ts';

export interface Reference {
  erases: number;
  bytesProgrammed: number;
  commands: number;
  bytesRead: number;
}

/** Writes to its NVS that an update makes, and milliseconds that one takes. */
const NVS_SETS = 2;
const NVS_MS = 0.5;

/** Bytes of the largest erase command that ESP-IDF sends, and of a sector. */
const BLOCK = 65536;
const SECTOR = 4096;

const WHOLE = { erases: 512, bytesProgrammed: 2_097_152, commands: 32_768, bytesRead: 1_048_576 };
const SHORT = { erases: 512, bytesProgrammed: 1_355_776, commands: 21_184, bytesRead: 1_048_576 };

/** @returns what was counted for a case. */
export function referenceOf(name: string): Reference {
  return name === 'd' ? SHORT : WHOLE;
}

/** @returns seconds with sector erases only, which is what Espruino offers. */
export function secondsBySectors(work: Reference, profile: FlashProfile): number {
  return seconds(work, profile) + (NVS_SETS * NVS_MS) / 1000;
}

/** @returns seconds where ESP-IDF erases blocks of 64 KiB, as it does if partitions are aligned so. */
export function secondsByBlocks(work: Reference, profile: FlashProfile): number {
  const blocks = (work.erases * SECTOR) / BLOCK;
  return (
    secondsBySectors({ ...work, erases: 0 }, profile) + (blocks * FLASH_TIMING[profile].be64) / 1000
  );
}
