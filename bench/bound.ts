/** The least work that an update can do without a moment at which power loss costs the old content. */
import { PAGE, SECTOR, type Work } from '../host/index.ts';

export interface Bound extends Work {
  /** Sectors of the partition that end up different. */
  changed: number;
}

const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte === 0xff);

/** @returns bytes of the pages of a sector that hold anything. */
function bytesToProgram(sector: Uint8Array): number {
  let bytes = 0;
  for (let at = 0; at < SECTOR; at += PAGE)
    if (!isBlank(sector.subarray(at, at + PAGE))) bytes += PAGE;
  return bytes;
}

/**
 * Counts the bound:
 * - the whole partition is read once, to find what changes;
 * - each sector that changes and holds anything is copied to a used sector elsewhere: one erase, and one
 *   program of each page of the old content that is not blank;
 * - each sector that changes is erased once, unless it is blank, and each page of the new content that is
 *   not blank is programmed once.
 *
 * There is no journal, nothing is read back, commands cost nothing beside the page program, and erases
 * are of 4 KiB. Compression, a backup area erased in advance, and programming over old content without
 * an erase would go below it.
 */
export function boundOf(from: Uint8Array, to: Uint8Array): Bound {
  const bound = { changed: 0, erases: 0, bytesProgrammed: 0, commands: 0, bytesRead: from.length };
  for (let at = 0; at < from.length; at += SECTOR) {
    const old = from.subarray(at, at + SECTOR);
    const fresh = new Uint8Array(SECTOR).fill(0xff);
    fresh.set(to.subarray(at, at + SECTOR));
    if (Buffer.compare(old, fresh) === 0) continue;
    bound.changed++;
    if (!isBlank(old)) bound.erases += 2;
    bound.bytesProgrammed += bytesToProgram(old) + bytesToProgram(fresh);
  }
  return bound;
}
