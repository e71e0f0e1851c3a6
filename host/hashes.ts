/** What `formats/hashes.ts` does, natively. */
import { createHash } from 'node:crypto';
import { crc32 as crc32Of } from 'node:zlib';

const hashOf = (algorithm: string, bytes: Uint8Array) =>
  new Uint8Array(createHash(algorithm).update(bytes).digest());

/** @returns the SHA-256, 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => hashOf('sha256', bytes);

/** @returns the MD5, 16 bytes: ESP-IDF's check of a partition table. */
export const md5 = (bytes: Uint8Array): Uint8Array => hashOf('md5', bytes);

/**
 * @param before - the CRC-32 of the bytes before these; default: there are none
 * @returns the CRC-32, as in zip, 0 to 4294967295
 */
export const crc32 = (bytes: Uint8Array, before = 0): number => crc32Of(bytes, before);
