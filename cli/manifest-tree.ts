/** fs-verity's Merkle tree over an image, as device/http/manifest.ts describes it. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  BLOCK_HASHES,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_START,
  HASH_BYTES,
  IMAGE_LIMIT,
  IMAGE_SIZE_AT,
  ROOT_HASH_AT,
  WHOLE_DESCRIPTOR_BYTES,
} from '../device/http/manifest.ts';
import { SECTOR } from '../host/index.ts';
import { InputError } from './words.ts';
import { grouped } from './report-format.ts';

const sha256 = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer');

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

/** What follows from an image alone. */
export interface ImageFacts {
  /** Bytes. */
  size: number;
  crc32: number;
  /** The levels of the Merkle tree, from the highest to the lowest; none over a single sector. */
  levels: Buffer[];
  /** SHA-256 of each sector, 32 bytes each. */
  hashes: Buffer;
  /** What is stored of struct fsverity_descriptor. */
  descriptor: Buffer;
  /** fs-verity digest, 64 hex digits. */
  digest: string;
}

/** @throws InputError if there is no image of this size */
export function checkImageSize(size: number): void {
  if (!size) throw new InputError('image: is empty');
  if (size > IMAGE_LIMIT)
    throw new InputError(`image: ${grouped(size)} bytes, limit ${grouped(IMAGE_LIMIT)}`);
}

/** @throws InputError if the image is empty or larger than 16 MiB */
export function examineImage(image: Uint8Array): ImageFacts {
  checkImageSize(image.length);
  const levels: Buffer[] = [];
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

/** @returns what is stored of struct fsverity_descriptor. */
function makeDescriptor(size: number, root: Uint8Array): Buffer {
  const descriptor = Buffer.alloc(DESCRIPTOR_BYTES);
  descriptor.write(DESCRIPTOR_START, 'latin1');
  descriptor.writeUInt32LE(size, IMAGE_SIZE_AT);
  descriptor.set(root, ROOT_HASH_AT);
  return descriptor;
}

/** @returns the fs-verity digest that a descriptor stands for, 64 hex digits. What is not stored of it is zero. */
export const digestOf = (descriptor: Uint8Array) =>
  sha256(Buffer.concat([descriptor], WHOLE_DESCRIPTOR_BYTES)).toString('hex');
