/**
 * The superblock of LittleFS (littlefs, SPEC.md, versions 2.0 and 2.1 on disk). Numbers are little-endian, tags big-endian.
 *
 * A metadata pair is two blocks, of which the one with the newer revision and a right commit counts. A block is a log:
 *
 *     revision (4), then commits: entries, and a CRC entry with the CRC-32 of all since the commit before
 *     entry: tag (4), XORed with the tag before it, then its data
 *     tag:   1 bit not valid, 11 type, 10 id, 10 length; 0x3ff of the length: deleted, and no data
 *
 * The pair in blocks 0 and 1 has the superblock as its entry 0: its name "littlefs" (type 0x0ff), and in an inline struct
 * (type 0x201) version, block size, block count and three limits, four bytes each. Where the pair was written often, the
 * filesystem has moved on: its tail (type 0x600, 0x601) leads to the next pair with a superblock, and the last one counts.
 */
import { crc32 } from '#hashes';
import { hasText, isSize, type LittleFs, u32, u32BigEndian } from './kinds.ts';

const MAGIC = 'littlefs';
/** Where the name is if it is the first entry, as it is in all that littlefs writes; and the struct behind it. */
const NAME_AT = 8;
const STRUCT_AT = 20;
const STRUCT_BYTES = 24;

const SUPERBLOCK = 0x0ff;
const INLINE_STRUCT = 0x201;
const SOFT_TAIL = 0x600;
const HARD_TAIL = 0x601;
const CRC = 0x500;
/** The bits of a type in which a CRC differs from an FCRC, 0x5ff. */
const CRC_MASK = 0x780;
const DELETED = 0x3ff;
const NO_TAG = 0xffffffff;

/** SPEC.md: with less, a file would have too many pointers. */
const LEAST_BLOCK = 104;
const MOST_BLOCK = 0x100000;
/** What sizes of blocks are looked for if block 0 is of no use: all multiples of it. */
const BLOCK_UNIT = 128;
/** Pairs that are followed: superblocks double the life of the pair before, so there are never more than a few. */
const MOST_PAIRS = 64;

/** A superblock, as it stands there. */
interface Fields {
  version: number;
  blockSize: number;
  blocks: number;
}

/** What the commits of a block come to. */
interface Log {
  revision: number;
  hasName: boolean;
  fields?: Fields;
  tail?: [number, number];
}

const fieldsAt = (bytes: Uint8Array, at: number): Fields => ({
  version: u32(bytes, at),
  blockSize: u32(bytes, at + 4),
  blocks: u32(bytes, at + 8),
});

/** Does to the log what an entry tells. */
function apply(log: Log, tag: number, data: Uint8Array): void {
  const type = (tag >>> 20) & 0x7ff;
  const id = (tag >>> 10) & 0x3ff;
  const { length } = data;
  if (type === SUPERBLOCK && id === 0) log.hasName = hasText(data, 0, MAGIC);
  else if (type === INLINE_STRUCT && id === 0 && length >= STRUCT_BYTES)
    log.fields = fieldsAt(data, 0);
  else if ((type === SOFT_TAIL || type === HARD_TAIL) && length === 8)
    log.tail = [u32(data, 0), u32(data, 4)];
}

/** @returns what the commits with a right CRC tell; undefined if there is none. @param block - or more, where its size is not known */
function readLog(block: Uint8Array): Log | undefined {
  const log: Log = { revision: u32(block, 0), hasName: false };
  let committed: Log | undefined;
  let before = NO_TAG;
  let start = 0;
  let at = 4;
  while (at + 4 <= block.length) {
    const tag = (u32BigEndian(block, at) ^ before) >>> 0;
    if (tag >>> 31) break;
    const size = tag & DELETED;
    const end = at + 4 + (size === DELETED ? 0 : size);
    if (end > block.length) break;
    before = tag;
    if (((tag >>> 20) & CRC_MASK) === CRC) {
      // littlefs leaves the last inversion out.
      if (end < at + 8 || ~crc32(block.subarray(start, at + 4)) >>> 0 !== u32(block, at + 4)) break;
      committed = { ...log };
      // By this bit a commit that is not there does not look valid.
      before = (tag ^ ((tag << 11) & 0x80000000)) >>> 0;
      start = end;
    } else {
      apply(log, tag, block.subarray(at + 4, end));
    }
    at = end;
  }
  return committed;
}

/** @returns the newer log of a pair of blocks. */
function readPair(image: Uint8Array, blockSize: number, pair: [number, number]): Log | undefined {
  const [a, b] = pair.map((block) =>
    readLog(image.subarray(block * blockSize, (block + 1) * blockSize)),
  );
  if (!a || !b) return a ?? b;
  // Revisions wrap around.
  return (b.revision - a.revision) | 0 ? (((b.revision - a.revision) | 0) > 0 ? b : a) : a;
}

function isBelievable({ version, blockSize, blocks }: Fields): boolean {
  const isKnown = version >>> 16 === 2;
  const isBlock = blockSize >= LEAST_BLOCK && blockSize <= MOST_BLOCK;
  return isKnown && isBlock && blocks > 0 && isSize(blockSize * blocks);
}

const littleFsOf = ({ version, blockSize, blocks }: Fields, isDamaged: boolean): LittleFs => ({
  kind: 'littlefs',
  version: `${version >>> 16}.${version & 0xffff}`,
  blockSize,
  blocks,
  made: blockSize * blocks,
  isDamaged,
});

/** @returns where a block begins that has the name where it has to be: 0, or what would be the size of block 0. */
function* startsOf(image: Uint8Array): Generator<number> {
  for (let at = 0; at < image.length && at <= MOST_BLOCK; at += BLOCK_UNIT)
    if (hasText(image, at + NAME_AT, MAGIC)) yield at;
}

/** @returns the superblock at the end of the chain that begins in blocks 0 and 1. */
function lastOf(image: Uint8Array, blockSize: number): Fields | undefined {
  let found: Fields | undefined;
  let pair: [number, number] | undefined = [0, 1];
  for (let n = 0; pair && n < MOST_PAIRS; n++) {
    const log = readPair(image, blockSize, pair);
    if (!log?.hasName || !log.fields || !isBelievable(log.fields)) break;
    found = log.fields;
    pair = log.tail;
  }
  return found;
}

/** @returns what an image is that is one of LittleFS. */
export function readLittleFs(image: Uint8Array): LittleFs | undefined {
  let damaged: Fields | undefined;
  for (const start of startsOf(image)) {
    const block = image.subarray(start, start + MOST_BLOCK);
    const fields = readLog(block)?.fields ?? fieldsAt(block, STRUCT_AT);
    // What lies elsewhere than in block 0 or 1 is of another filesystem.
    if (!isBelievable(fields) || (start !== 0 && start !== fields.blockSize)) continue;
    const last = lastOf(image, fields.blockSize);
    if (last) return littleFsOf(last, false);
    damaged ??= fields;
  }
  return damaged && littleFsOf(damaged, true);
}
