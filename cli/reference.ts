/**
 * What the same update costs with Espressif's component esp_custom_part_ota (unmodified, compiled on a host
 * over an in-memory chip, 1 KiB chunks). For a partition of 1 MiB: 512 erases, 2,097,152 bytes programmed,
 * 26.8 s; with an image of 300 KiB 1,355,776 bytes, 25.5 s. It does the same work whatever has changed,
 * which gives the numbers for other sizes.
 */
import { FLASH_TIMING, SECTOR, seconds } from '../host/index.ts';
import type { Cost, Setup } from './simulate-chip.ts';

/** Bytes that ESP-IDF erases by one command where it can, and bytes of one program command. */
const BLOCK = 65536;
const COMMAND = 64;

/** A cost, and the seconds it is where ESP-IDF erases blocks of 64 KiB. */
export interface ReferenceCost extends Cost {
  secondsByBlocks: number;
}

/**
 * @param size - bytes of the partition
 * @returns what the component would do: erase and copy the backup, erase the partition, write the image
 */
export function referenceCost({ to, isDirect }: Setup, size: number): ReferenceCost {
  const copied = isDirect ? 0 : size;
  const erased = copied + size;
  const work = {
    erases: erased / SECTOR,
    bytesProgrammed: copied + to.length,
    commands: Math.ceil((copied + to.length) / COMMAND),
    bytesRead: copied,
  };
  const byBlocks = seconds({ ...work, erases: 0 }) + (erased / BLOCK) * (timing.be64 / 1000);
  const { erases, bytesProgrammed, bytesRead } = work;
  return {
    erases,
    bytesProgrammed,
    bytesRead,
    seconds: seconds(work),
    secondsByBlocks: byBlocks,
  };
}

const timing = FLASH_TIMING.w25q32jv_typ;
