/**
 * Hashes of bytes, where there is no Node: in a browser. With Node `#hashes` is `host/hashes.ts`, which is faster
 * (`imports` in package.json).
 */
import { md5 as md5Of } from '@noble/hashes/legacy.js';
import { sha256 as sha256Of } from '@noble/hashes/sha2.js';

/** @returns the SHA-256, 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => sha256Of(bytes);

/** @returns the MD5, 16 bytes: ESP-IDF's check of a partition table. */
export const md5 = (bytes: Uint8Array): Uint8Array => md5Of(bytes);

/** The polynomial of IEEE 802.3, its lowest bit first. */
const POLYNOMIAL = 0xedb88320;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  return crc;
});

/**
 * @param before - the CRC-32 of the bytes before these; default: there are none
 * @returns the CRC-32, as in zip, 0 to 4294967295
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
