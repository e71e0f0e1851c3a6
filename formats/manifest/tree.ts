/** fs-verity's Merkle tree over an image, as device/http/manifest.ts describes it. */
import { crc32, sha256 } from '#hashes';
import {
  BLOCK_HASHES,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_START,
  HASH_BYTES,
  IMAGE_LIMIT,
  IMAGE_SIZE_AT,
  ROOT_HASH_AT,
  WHOLE_DESCRIPTOR_BYTES,
} from '../../device/http/manifest.ts';
import { concat, equals, filled, fromLatin1, toHex, writeU32 } from '../bytes.ts';
import { SECTOR } from '../chip.ts';
import { ManifestError } from './errors.ts';

/** @returns the hash of each 4096 bytes; what is missing of the last ones is zero. */
function hashBlocks(bytes: Uint8Array): Uint8Array {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += SECTOR)
    hashes.push(sha256(concat([bytes.subarray(at, at + SECTOR)], SECTOR)));
  return concat(hashes);
}

/** @returns the number of hashes in each level, from the highest to the lowest, over an image of `size` bytes. */
function levelLengths(size: number): number[] {
  const levels: number[] = [];
  for (let blocks = Math.ceil(size / SECTOR); blocks > 1; blocks = Math.ceil(blocks / BLOCK_HASHES))
    levels.unshift(blocks);
  return levels;
}

/** @returns the bytes of all hashes over an image of `size` bytes. */
export function treeBytes(size: number): number {
  return levelLengths(size).reduce((sum, hashes) => sum + hashes * HASH_BYTES, 0);
}

/** What follows from an image alone. */
export interface ImageFacts {
  /** Bytes. */
  size: number;
  crc32: number;
  /** The levels of the Merkle tree, from the highest to the lowest; none over a single sector. */
  levels: Uint8Array[];
  /** SHA-256 of each sector, 32 bytes each. */
  hashes: Uint8Array;
  /** What is stored of struct fsverity_descriptor. */
  descriptor: Uint8Array;
  /** fs-verity digest, 64 hex digits. */
  digest: string;
}

/** @throws ManifestError E_IMAGE_EMPTY, E_IMAGE_SIZE if there is no image of this size */
export function checkImageSize(size: number): void {
  if (!size) throw new ManifestError('E_IMAGE_EMPTY', {});
  if (size > IMAGE_LIMIT) throw new ManifestError('E_IMAGE_SIZE', { size, limit: IMAGE_LIMIT });
}

/** @throws ManifestError E_IMAGE_EMPTY, E_IMAGE_SIZE: an image has 1 byte to 16 MiB */
export function examineImage(image: Uint8Array): ImageFacts {
  checkImageSize(image.length);
  const levels: Uint8Array[] = [];
  let root = hashBlocks(image);
  while (root.length > HASH_BYTES) {
    levels.unshift(root);
    root = hashBlocks(root);
  }
  const descriptor = makeDescriptor(image.length, root);
  return {
    size: image.length,
    crc32: crc32(image),
    levels,
    hashes: levels.at(-1) ?? root,
    descriptor,
    digest: digestOf(descriptor),
  };
}

/**
 * Checks all levels of a stored tree, from the root down.
 * @param size - bytes of the image
 * @param tree - `treeBytes(size)` bytes; over a single sector none, then there is nothing to be checked
 * @returns the lowest level: the hash of each sector
 * @throws ManifestError E_TREE if the root does not prove it
 */
export function proveTree(root: Uint8Array, size: number, tree: Uint8Array): Uint8Array {
  let proof = root;
  let at = 0;
  const lengths = levelLengths(size);
  for (const [depth, length] of lengths.entries()) {
    const level = tree.subarray(at, at + length * HASH_BYTES);
    const block = differingHashes(hashBlocks(level), proof)[0];
    if (block !== undefined)
      throw new ManifestError('E_TREE', { level: depth + 1, levels: lengths.length, block });
    at += level.length;
    proof = level;
  }
  return proof;
}

/** @returns the hash of a sector, of a list of hashes. */
export const hashAt = (hashes: Uint8Array, sector: number) =>
  hashes.subarray(sector * HASH_BYTES, (sector + 1) * HASH_BYTES);

/** @returns the numbers of the hashes that differ in two lists of them; those that only one has do. */
export function differingHashes(a: Uint8Array, b: Uint8Array): number[] {
  const numbers: number[] = [];
  const end = Math.max(a.length, b.length) / HASH_BYTES;
  for (let n = 0; n < end; n++) if (!equals(hashAt(a, n), hashAt(b, n))) numbers.push(n);
  return numbers;
}

/** @returns what is stored of struct fsverity_descriptor. */
function makeDescriptor(size: number, root: Uint8Array): Uint8Array {
  const descriptor = filled(DESCRIPTOR_BYTES, 0);
  descriptor.set(fromLatin1(DESCRIPTOR_START));
  writeU32(descriptor, size, IMAGE_SIZE_AT);
  descriptor.set(root, ROOT_HASH_AT);
  return descriptor;
}

/** @returns the fs-verity digest that a descriptor stands for, 64 hex digits. What is not stored of it is zero. */
export const digestOf = (descriptor: Uint8Array) =>
  toHex(sha256(concat([descriptor], WHOLE_DESCRIPTOR_BYTES)));
