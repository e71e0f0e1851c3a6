/** Reads and checks the first part of a manifest, up to its hashes. See `manifest.ts`. */

import { fail } from '../errors.ts';
import type { Bytes } from '../runtime.ts';
import type { Check } from './api.ts';
import * as format from './manifest.ts';
import { failureOf, seam } from './stream.ts';

/** Throws E_MANIFEST. */
export function refuse(message: string): never {
  return fail('MANIFEST ' + message);
}

/** @returns the number in `count` bytes, little-endian. */
export function numberAt(bytes: Bytes, at: number, count: number): number {
  let value = 0;
  while (count--) value = value * 256 + bytes.charCodeAt(at + count);
  return value;
}

/** @returns how many bytes the head has, by its first ones; 0 if they are not those of a manifest. */
export function headLength(bytes: Bytes): number {
  const metadata = numberAt(bytes, format.METADATA_LENGTH_AT, 2);
  const signature = numberAt(bytes, format.SIGNATURE_LENGTH_AT, 2);
  if (
    bytes.substr(0, 4) !== format.MAGIC ||
    metadata > format.FREE_LIMIT ||
    signature > format.FREE_LIMIT
  )
    return 0;
  return format.METADATA_AT + format.CRC_BYTES + metadata + signature;
}

/** What `readHead` has found. */
export let crc32: number;
export let root: Bytes;

/**
 * Reads a whole head. Its own CRC-32 guards against accidents; only the digest is proof.
 * @throws E_MANIFEST
 */
export function readHead(bytes: Bytes): Omit<Check, 'same'> {
  const end = bytes.length - format.CRC_BYTES;
  const descriptor = bytes.substr(format.DESCRIPTOR_AT, format.DESCRIPTOR_BYTES);
  const hash = seam.sha256(
    descriptor + seam.fill(0, format.WHOLE_DESCRIPTOR_BYTES - format.DESCRIPTOR_BYTES),
  );
  const size = numberAt(descriptor, format.IMAGE_SIZE_AT, 8);
  let digest = '';
  if (
    seam.crc32(bytes.substr(0, end)) !== numberAt(bytes, end, format.CRC_BYTES) ||
    numberAt(bytes, format.RESERVED_AT, 4) ||
    descriptor.substr(0, format.IMAGE_SIZE_AT) !== format.DESCRIPTOR_START ||
    !size
  )
    fail(failureOf('damaged', 'MANIFEST'));
  for (let i = 0; i < format.HASH_BYTES; i++)
    digest += (256 + hash.charCodeAt(i)).toString(16).substr(1);
  crc32 = numberAt(bytes, format.IMAGE_CRC_AT, 4);
  root = descriptor.substr(format.ROOT_HASH_AT);
  return {
    label: bytes.substr(format.LABEL_AT, format.LABEL_BYTES).split('\0')[0],
    version: bytes.substr(format.VERSION_AT, format.VERSION_BYTES).split('\0')[0],
    size: size,
    digest: digest,
    changed: 0,
    copied: 0,
    fetch: 0,
  };
}
