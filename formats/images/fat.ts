/**
 * FAT: its boot sector (Microsoft, "FAT: General Overview of On-Disk Format", 1.03), read as FatFs does that ESP-IDF and
 * Espruino have (ff.c, check_fs). Offsets in bytes, numbers little-endian:
 *
 *      0 jump, 0xEB, 0xE9 or 0xE8      11 bytes per sector (2)     13 sectors per cluster (1)  14 reserved sectors (2)
 *     16 number of FATs (1)            17 entries of the root (2)  19 sectors (2), or 0 and    32 sectors (4)
 *     22 sectors per FAT (2), or 0 and 36 sectors per FAT (4): FAT32                           510 0x55 0xAA
 */
import { type Fat, isPowerOf2, isSize, u16, u32 } from './kinds.ts';

const JUMPS = [0xeb, 0xe9, 0xe8];
const SECTOR_SIZES = [512, 1024, 2048, 4096];
const ROOT_ENTRY = 32;
/** Fewer clusters: FAT12, FAT16. Those of FatFs, which takes one more than Microsoft's text. */
const FAT16_FROM = 0xff6;
const FAT32_FROM = 0xfff6;
/** FatFs, MIN_FAT12_SEC_VOL is 128 sectors for what it makes; ESP-IDF's fatfsgen.py makes smaller ones. */
const LEAST_SECTORS = 4;

/** @returns the volume whose boot sector stands there. @param at - bytes from the start */
export function readFat(image: Uint8Array, at = 0): Fat | undefined {
  if (at < 0 || !JUMPS.includes(image[at])) return undefined;
  const boot = image.subarray(at, at + 512);
  const sectorSize = u16(boot, 11);
  const cluster = boot[13];
  const reserved = u16(boot, 14);
  const fats = boot[16];
  const entries = u16(boot, 17);
  const sectors = u16(boot, 19) || u32(boot, 32);
  const fatSectors = u16(boot, 22) || u32(boot, 36);
  if (boot.length < 512 || !SECTOR_SIZES.includes(sectorSize) || !isPowerOf2(cluster))
    return undefined;
  if (reserved < 1 || fats < 1 || fats > 2 || fatSectors < 1) return undefined;
  if (sectors < LEAST_SECTORS || !isSize(sectors * sectorSize)) return undefined;
  const system = reserved + fats * fatSectors + Math.ceil((entries * ROOT_ENTRY) / sectorSize);
  if (system > sectors) return undefined;
  const clusters = Math.floor((sectors - system) / cluster);
  const bits = clusters < FAT16_FROM ? 12 : clusters < FAT32_FROM ? 16 : 32;
  // Of FAT32 the root is a cluster; all others have entries set aside.
  const isFat32 = u16(boot, 22) === 0;
  if (isFat32 ? entries !== 0 || u16(boot, 510) !== 0xaa55 : entries === 0) return undefined;
  return {
    kind: 'fat',
    bits: isFat32 ? 32 : bits,
    sectorSize,
    sectors,
    made: sectors * sectorSize,
  };
}
