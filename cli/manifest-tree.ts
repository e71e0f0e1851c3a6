/** fs-verity's Merkle tree over an image, as device/http/manifest.ts describes it. */
import { hash } from 'node:crypto';
import {
  BLOCK_HASHES,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_START,
  HASH_BYTES,
  IMAGE_SIZE_AT,
  ROOT_HASH_AT,
} from '../device/http/manifest.ts';
import { SECTOR } from '../host/index.ts';
import { InputError } from './errors.ts';

export const sha256 = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer');

/** @returns the hash of each 4096 bytes; what is missing of the last ones is zero. */
function hashBlocks(bytes: Uint8Array): Buffer {
  const hashes = [];
  for (let at = 0; at < bytes.length; at += SECTOR) {
    const block = bytes.subarray(at, at + SECTOR);
    hashes.push(sha256(block.length < SECTOR ? Buffer.concat([block], SECTOR) : block));
  }
  return Buffer.concat(hashes);
}

/** @returns the number of hashes in each level, from the highest to the lowest, over an image of `size` bytes. */
export function levelLengths(size: number): number[] {
  const levels: number[] = [];
  for (let blocks = Math.ceil(size / SECTOR); blocks > 1; blocks = Math.ceil(blocks / BLOCK_HASHES))
    levels.unshift(blocks);
  return levels;
}

/** @returns the bytes of all hashes over an image of `size` bytes. */
export function treeBytes(size: number): number {
  return levelLengths(size).reduce((sum, hashes) => sum + hashes * HASH_BYTES, 0);
}

/** A Merkle tree, and what it comes to. */
export interface Tree {
  /** The levels, from the highest to the lowest; none over a single sector. */
  levels: Buffer[];
  root: Buffer;
}

/** @param image - at least one byte */
export function hashImage(image: Uint8Array): Tree {
  const levels: Buffer[] = [];
  let hashes = hashBlocks(image);
  while (hashes.length > HASH_BYTES) {
    levels.unshift(hashes);
    hashes = hashBlocks(hashes);
  }
  return { levels, root: hashes };
}

/**
 * Checks all levels of a stored tree, from the root down.
 * @param size - bytes of the image
 * @param tree - `treeBytes(size)` bytes; over a single sector none, then there is nothing to be checked
 * @returns the lowest level: the hash of each sector
 * @throws InputError if the root does not prove it
 */
export function proveTree(root: Buffer, size: number, tree: Buffer): Buffer {
  let proof = root;
  let at = 0;
  const lengths = levelLengths(size);
  for (const [depth, length] of lengths.entries()) {
    const level = tree.subarray(at, at + length * HASH_BYTES);
    const block = differingHashes(hashBlocks(level), proof)[0];
    if (block !== undefined) {
      const above = depth ? 'the level above' : 'the root hash';
      throw new InputError(
        `hashes: level ${depth + 1} of ${lengths.length}, block ${block}: do not match ${above}`,
      );
    }
    at += level.length;
    proof = level;
  }
  return proof;
}

/** @returns the numbers of the hashes that differ in two lists of them; those that only one has do. */
export function differingHashes(a: Buffer, b: Buffer): number[] {
  const numbers: number[] = [];
  const end = Math.max(a.length, b.length);
  for (let at = 0; at < end; at += HASH_BYTES)
    if (!a.subarray(at, at + HASH_BYTES).equals(b.subarray(at, at + HASH_BYTES)))
      numbers.push(at / HASH_BYTES);
  return numbers;
}

/** @returns struct fsverity_descriptor; its SHA-256 is the digest. */
export function makeDescriptor(size: number, root: Uint8Array): Buffer {
  const descriptor = Buffer.alloc(DESCRIPTOR_BYTES);
  descriptor.write(DESCRIPTOR_START, 'latin1');
  descriptor.writeUInt32LE(size, IMAGE_SIZE_AT);
  descriptor.set(root, ROOT_HASH_AT);
  return descriptor;
}
