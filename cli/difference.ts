/** What an update over the air from one image to another would cost, from images or from manifests. */
import { sha256 } from '#hashes';
import { KNOWN, QUEUE_HASHES } from '../device/http/limits.ts';
import { BLOCK_HASHES, HASH_BYTES } from '../device/http/manifest.ts';
import { PIECE, SLOT, journalSectors } from '../device/records.ts';
import { concat, filled, isFilled, toHex } from '../formats/bytes.ts';
import { SECTOR } from '../formats/chip.ts';
import { PAGE, seconds, type Work } from '../host/index.ts';
import { packFacts } from '../formats/manifest/make.ts';
import { isManifest, readManifest } from '../formats/manifest/read.ts';
import { examineImage, hashAt, treeBytes } from '../formats/manifest/tree.ts';

/** One sector of an image. */
interface Sector {
  /** Its hash in the manifest: what is missing of it is zero. */
  hash: string;
  /** Bytes of the image in it: SECTOR, or fewer in the last one. */
  bytes: number;
  /** What the chip holds, filled up with 0xff; unknown where only the manifest is at hand. */
  content?: Uint8Array;
  /** Hash of what the chip holds; unknown if the image fills a part of it and only the manifest is at hand. */
  chip?: string;
}

/** An image, as far as it is known. */
export interface Side {
  size: number;
  digest: string;
  sectors: Sector[];
  /** Bytes of the manifest, and of what precedes its hashes. */
  manifest: number;
  head: number;
}

/** What an update from one to the other does. */
export interface Difference {
  /** Sectors that change, of those that either image has. */
  changed: number[];
  sectors: number;
  /** Of those, sectors whose new content is blank, or elsewhere in the partition when they are written. */
  copied: number[];
  fetched: {
    /** Sectors that the device downloads. */
    sectors: number[];
    /** Their bytes, and those of the manifest. */
    image: number;
    manifest: number;
    /** Bytes of hashes that are fetched once more, because memory is short. */
    again: number;
  };
  /** What is done to the flash, and for how long: typical of a W25Q32JV. Without network and JavaScript. */
  work: Work;
  seconds: number;
}

const hashOf = (bytes: Uint8Array) => toHex(sha256(bytes));
const BLANK = filled(SECTOR, 0xff);
/** What follows an image in its partition. */
const erased: Sector = {
  hash: hashOf(BLANK),
  bytes: SECTOR,
  content: BLANK,
  chip: hashOf(BLANK),
};

function sectorsOf(size: number, hashes: Uint8Array, image?: Uint8Array): Sector[] {
  const sectors: Sector[] = [];
  for (let at = 0; at < size; at += SECTOR) {
    const n = at / SECTOR;
    const bytes = Math.min(SECTOR, size - at);
    const hash = toHex(hashAt(hashes, n));
    const content = image && concat([image.subarray(at, at + bytes)], SECTOR, 0xff);
    const chip = bytes === SECTOR ? hash : content && hashOf(content);
    sectors.push({ hash, bytes, content, chip });
  }
  return sectors;
}

/**
 * Takes what a file holds: a manifest, if it begins like one or is named like one, else an image.
 * @throws ManifestError if it is neither
 */
export function readSide(bytes: Uint8Array, isNamed: boolean): Side {
  if (isNamed || isManifest(bytes)) {
    const { size, digest, hashes, length } = readManifest(bytes);
    const sectors = sectorsOf(size, hashes);
    return { size, digest, sectors, manifest: length, head: length - treeBytes(size) };
  }
  const facts = examineImage(bytes);
  const { size, digest, hashes } = facts;
  const manifest = packFacts(facts).length;
  const sectors = sectorsOf(size, hashes, bytes);
  return { size, digest, sectors, manifest, head: manifest - treeBytes(size) };
}

/** @returns whether the chip holds the same with either; if that is unknown, false. */
function isSame(a: Sector, b: Sector): boolean {
  if (a.bytes === b.bytes && a.hash === b.hash) return true;
  return a.chip !== undefined && a.chip === b.chip;
}

/**
 * @returns the hash by which the device knows what it holds where a sector of another image goes; undefined if unknown.
 * What is behind the end of the image has to be blank, and is zero when it is hashed.
 */
function heldHash(old: Sector, { bytes }: Sector): string | undefined {
  if (old.bytes === bytes) return old.hash;
  if (!old.content || !isFilled(old.content.subarray(bytes), 0xff)) return old.chip;
  return hashOf(concat([old.content.subarray(0, bytes)], SECTOR));
}

/**
 * @param end - bytes from the start of the sector; what is behind them is blank
 * @returns bytes that are programmed for a sector: no piece that is blank, and of none what is behind the page of its end
 */
function bytesToProgram({ chip, content }: Sector, end: number): number {
  if (chip === erased.chip) return 0;
  let bytes = 0;
  for (let at = 0; at < end; at += PIECE) {
    const piece = content?.subarray(at, at + PIECE);
    if (!piece || !isFilled(piece, 0xff))
      bytes += Math.min(PIECE, Math.ceil((end - at) / PAGE) * PAGE);
  }
  return bytes;
}

/** Bytes of the records of any update: BEGIN, SOLID, COMMIT, CONFIRM, SOLID. */
const FIXED_RECORDS = 5 * SLOT;

/**
 * Adds up what `ota-http` does, with a backup, if what it writes arrives piece by piece. Smaller parts program a little less:
 * then less of what is blank is in one part with what is not.
 */
function workOf(from: Side, to: Side, changed: number[]): Work {
  const total = Math.max(from.sectors.length, to.sectors.length);
  // All sectors are hashed.
  const work = { erases: 0, bytesProgrammed: 0, commands: 0, bytesRead: total * SECTOR };
  if (!changed.length) return work;
  const blockOf = (n: number) => Math.floor(n / BLOCK_HASHES);
  const rewritten = new Set(changed);
  const blocks = new Set(changed.map(blockOf));
  to.sectors.forEach((_, n) => {
    // What stays of a block that changes is hashed once more, when the block is planned.
    if (!rewritten.has(n) && blocks.has(blockOf(n))) work.bytesRead += SECTOR;
  });
  // What stays is read for the check in COMMIT; the image for its CRC-32.
  work.bytesRead += (total - changed.length) * SECTOR + to.size;
  for (const n of changed) {
    const old = from.sectors[n] ?? erased;
    const isBlank = old.chip === erased.chip;
    const next = to.sectors[n];
    work.erases += isBlank ? 1 : 2;
    // The new sector, the record that the old one is saved, and the old one.
    work.bytesProgrammed +=
      (next ? bytesToProgram(next, next.bytes) : 0) + SLOT + bytesToProgram(old, SECTOR);
    // The old one is read twice, unless it is blank, its copy and the new one once; and the new one is hashed.
    work.bytesRead += (isBlank ? 2 : 5) * SECTOR;
  }
  // As large as for a partition that the larger image fills. The head of the journal before is not erased.
  const erases = journalSectors(total, 0) - 1;
  work.erases += erases;
  // A slot of each is zeroed before it is erased.
  work.bytesProgrammed += FIXED_RECORDS + erases * SLOT;
  work.commands = Math.ceil(work.bytesProgrammed / 64);
  return work;
}

/** Where the new content of sectors comes from. */
interface Sources {
  /** Numbers of sectors whose content is elsewhere in the partition, or blank. */
  copied: number[];
  fetched: number[];
}

/** Counts what is in the partition, and takes what is there, as device/http/sectors.ts does. */
function sourcesOf(from: Side, to: Side): Sources {
  const sources: Sources = { copied: [], fetched: [] };
  const held = to.sectors.map((sector, n) => heldHash(from.sectors[n] ?? erased, sector));
  const counts = new Map<string | undefined, number>();
  const count = (hash: string | undefined, change: number) =>
    counts.set(hash, (counts.get(hash) ?? 0) + change);
  for (const hash of held.slice(0, KNOWN)) count(hash, 1);
  // Sectors are written in order: what lies before the one that is written is new, what lies behind is old.
  to.sectors.forEach(({ hash }, n) => {
    if (held[n] === hash) return;
    const isAtHand = hash === erased.hash || (counts.get(hash) ?? 0) > 0;
    (isAtHand ? sources.copied : sources.fetched).push(n);
    if (n >= KNOWN) return;
    count(held[n], -1);
    count(hash, 1);
  });
  return sources;
}

/**
 * @param sectors - numbers of those that change, ascending
 * @param count - sectors of the image
 * @returns bytes of hashes that the device fetches once more: those around each that is not in memory
 */
function hashesAgain(sectors: number[], count: number): number {
  let known = 0;
  let bytes = 0;
  for (const n of sectors.slice(QUEUE_HASHES)) {
    if (n < known) continue;
    const first = n - (n % QUEUE_HASHES);
    known = Math.min(count, first + QUEUE_HASHES);
    bytes += HASH_BYTES * (known - first);
  }
  return bytes;
}

/** Compares two images. */
export function diff(from: Side, to: Side): Difference {
  const sectors = Math.max(from.sectors.length, to.sectors.length);
  const changed: number[] = [];
  for (let n = 0; n < sectors; n++)
    if (!isSame(from.sectors[n] ?? erased, to.sectors[n] ?? erased)) changed.push(n);
  const { copied, fetched } = sourcesOf(from, to);
  const taken = [...copied, ...fetched].sort((a, b) => a - b);
  const work = workOf(from, to, changed);
  return {
    changed,
    sectors,
    copied,
    fetched: {
      sectors: fetched,
      image: fetched.reduce((sum, n) => sum + to.sectors[n].bytes, 0),
      // Where all is right already, the root hash proves it.
      manifest: changed.length ? to.manifest : to.head,
      again: hashesAgain(taken, to.sectors.length),
    },
    work,
    seconds: seconds(work),
  };
}
