/** What an image can be, as far as its own superblock or header tells, and how its bytes are read without a throw. */
import { readU16, readU32 } from '../bytes.ts';

/** No image is made for more: addresses of the flash have 32 bits. What tells of more is not believed. */
const LIMIT = 2 ** 32;

/** A filesystem that was made for a partition of a certain size. */
export interface LittleFs {
  kind: 'littlefs';
  /** `major.minor` of what is on disk: 2.0 or 2.1. */
  version: string;
  /** Bytes. */
  blockSize: number;
  blocks: number;
  /** Bytes of the partition that it was made for. */
  made: number;
  /** No commit of its superblock has a right CRC-32: it cannot be mounted. */
  isDamaged: boolean;
}

export interface Spiffs {
  kind: 'spiffs';
  /** Bytes. */
  pageSize: number;
  /** Bytes. */
  blockSize: number;
  /** Missing, with `made`, where the magic has no length in it (SPIFFS_USE_MAGIC_LENGTH off). */
  blocks?: number;
  /** Bytes of the partition that it was made for. */
  made?: number;
}

export interface Fat {
  kind: 'fat';
  /** 12, 16 or 32. */
  bits: number;
  /** Bytes. */
  sectorSize: number;
  sectors: number;
  /** Bytes of the volume: it fits into larger partitions, too. */
  made: number;
}

/** What ESP-IDF's component wear_levelling makes of a partition, FAT in it. */
export interface WearLevelledFat {
  kind: 'wl-fat';
  /** The volume in it; missing if there is none. */
  volume?: Pick<Fat, 'bits' | 'sectorSize' | 'sectors'>;
  /** Bytes of the partition that it was made for; missing if the sectors of its state are. */
  made?: number;
}

/** A filesystem that is only read, and has a length of its own; so has the next one. */
export interface Romfs {
  kind: 'romfs';
  /** Bytes that belong to it. */
  length: number;
}

export interface Squashfs {
  kind: 'squashfs';
  /** `major.minor` */
  version: string;
  /** Bytes that belong to it. */
  length: number;
}

export interface Nvs {
  kind: 'nvs';
  /** 1 or 2: the format. */
  version: number;
  /** Those of 4096 bytes that have a right header. */
  pages: number;
}

/** What the bootloader or the ROM starts. */
export interface App {
  kind: 'app';
  /** Name of the chip. */
  chip: string;
  /** Whether it has a description, as apps have and bootloaders have not. */
  isApp: boolean;
  /** Bytes that belong to it, without a signature; missing where its segments are longer than the file. */
  length?: number;
}

/** All that is on a flash chip, or the first part of it. */
export interface Dump {
  kind: 'dump';
  /** That of its bootloader; missing, as `bootloader` is, if there is none. */
  chip?: string;
  /** Address of the bootloader in it. */
  bootloader?: number;
  /** Address of the partition table in it. */
  table: number;
  /** Of the table. */
  rows: number;
}

export interface Table {
  kind: 'table';
  rows: number;
}

export interface Compressed {
  kind: 'compressed';
  format: 'gzip' | 'zip' | 'xz' | 'zstd' | 'bzip2' | '7z' | 'lz4';
}

/** What `part-ota pack` makes. */
export interface ManifestFile {
  kind: 'manifest';
}

/** What is known of an image. Sizes are below 2^32. */
export type Image =
  | LittleFs
  | Spiffs
  | Fat
  | WearLevelledFat
  | Romfs
  | Squashfs
  | Nvs
  | App
  | Dump
  | Table
  | Compressed
  | ManifestFile;

/** @returns whether some bytes may be the size of something. */
export const isSize = (bytes: number) => bytes > 0 && bytes <= LIMIT;

/** @returns the number in two bytes; -1 past the end, like the next three */
export const u16 = (bytes: Uint8Array, at: number) =>
  at + 2 <= bytes.length ? readU16(bytes, at) : -1;

/** @returns the number in four bytes. */
export const u32 = (bytes: Uint8Array, at: number) =>
  at + 4 <= bytes.length ? readU32(bytes, at) : -1;

/** @returns the number in four bytes that are big-endian. */
export function u32BigEndian(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) return -1;
  const [a, b, c, d] = bytes.subarray(at, at + 4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** @returns whether some text stands in bytes, a character for each. */
export function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  for (let n = 0; n < text.length; n++) if (bytes[at + n] !== text.charCodeAt(n)) return false;
  return true;
}

/** @returns whether a number is a power of two. */
export const isPowerOf2 = (value: number) => value > 0 && Number.isInteger(Math.log2(value));
