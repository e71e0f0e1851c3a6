/**
 * SPIFFS, as far as its magic tells (pellepl/spiffs, spiffs_nucleus.h, SPIFFS_MAGIC). It has no superblock. Each block
 * begins with pages in which the ids of its other pages stand, two bytes each; the last but one of these is the magic:
 *
 *     0x20140529 ^ page size, and with SPIFFS_USE_MAGIC_LENGTH also ^ (number of blocks - number of this block)
 *
 * of which two bytes are kept. ESP-IDF has both by default, pages of 256 bytes and blocks of 4096. Without a magic
 * nothing tells SPIFFS from other bytes, and without the length nothing tells the size that it was made for.
 */
import { isSize, type Spiffs, u16 } from './kinds.ts';

const MAGIC = 0x20140529;
/** Two bytes: an id. */
const ID = 2;
const ERASED = 0xffff;

/** Those of ESP-IDF first. */
const PAGES = [256, 512, 1024, 2048, 128];
const BLOCKS = [4096, 8192, 0x4000, 0x8000, 0x10000];

/** spiffs_probe takes no fewer. */
const LEAST_BLOCKS = 3;
/** Blocks whose magic may be missing, as power may have failed when one was erased. */
const MOST_ERASED = 1;

/** @returns the magic of each whole block. */
function magicsOf(image: Uint8Array, pageSize: number, blockSize: number): number[] {
  const lookupPages = Math.max(1, Math.floor(((blockSize / pageSize) * ID) / pageSize));
  const offset = lookupPages * pageSize - 2 * ID;
  return Array.from({ length: Math.floor(image.length / blockSize) }, (_, block) =>
    u16(image, block * blockSize + offset),
  );
}

/** @returns whether enough magics are what they should be. */
function areRight(magics: readonly number[], wanted: (block: number) => number): boolean {
  const right = magics.filter((magic, block) => magic === wanted(block)).length;
  const erased = magics.filter(
    (magic, block) => magic === ERASED && wanted(block) !== ERASED,
  ).length;
  return right >= LEAST_BLOCKS - 1 && right + erased === magics.length && erased <= MOST_ERASED;
}

function readAs(image: Uint8Array, pageSize: number, blockSize: number): Spiffs | undefined {
  const found: Spiffs = { kind: 'spiffs', pageSize, blockSize };
  const magics = magicsOf(image, pageSize, blockSize);
  if (magics.length < LEAST_BLOCKS) return undefined;
  const bare = (MAGIC ^ pageSize) & 0xffff;
  if (areRight(magics, () => bare)) return found;
  const first = magics[0] === ERASED ? 1 : 0;
  const blocks = (magics[first] ^ bare) + first;
  if (blocks < LEAST_BLOCKS || !isSize(blocks * blockSize)) return undefined;
  // What lies behind the last block is no business of the filesystem.
  const own = magics.slice(0, blocks);
  if (!areRight(own, (block) => bare ^ (blocks - block))) return undefined;
  return { ...found, blocks, made: blocks * blockSize };
}

/** @returns what an image is that is one of SPIFFS with a magic. */
export function readSpiffs(image: Uint8Array): Spiffs | undefined {
  for (const blockSize of BLOCKS)
    for (const pageSize of PAGES) {
      const found = readAs(image, pageSize, blockSize);
      if (found) return found;
    }
  return undefined;
}
