/** The update that is in progress: cuts the image into sectors and drives the transaction. */

import type { Result, Update } from './api.ts';
import { fail, failSize } from './errors.ts';
import { area as journalArea, isBlank, isIn, readSector, writeSector } from './flash.ts';
import { BEGIN, REOPEN, decision, forget, openJournal, savedAt } from './journal.ts';
import { area, label, isResumed, isUsable, options, spare, stateOf, target } from './plan.ts';
import { isCalling, tick } from './progress.ts';
import { SECTOR, bytes as bytesOf, crc32, fill, join, pack, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';
import { commit, restore, resume, save } from './transaction.ts';

/** The update in progress, if there is one. */
export let active: Update | undefined;

/** Whether the journal is this update's: something was written. */
export let isOpen: boolean;
/** Whether nothing that the target reads can be trusted: an update was given up without putting back. */
let isSuspect: boolean;
/** Bytes of the image that came in, and those of them that do not fill a sector yet. */
let received: number;
let pieces: Bytes[];
/** Sectors taken, and how many of them were rewritten. */
let taken: number;
let changed: number;

/** @throws E_SPACE if the sectors of the target from one on will certainly not fit the backup */
function checkRoom(from: number): void {
  let free = spare.span;
  if (!free || target.span - from <= free) return;
  for (let sector = target.first + from; sector < target.first + target.span; sector++)
    if (!isBlank(readSector(sector))) free--;
  if (free < 0) failSize('SPACE backup', (spare.span - free) * SECTOR, spare.span * SECTOR);
}

/** Begins the journal: the first thing that is written. */
function open(): void {
  const { size } = options;
  if (isOpen) return;
  // What follows the image will be erased, so its content has to fit the backup.
  if (size) checkRoom((size + SECTOR - 1) >>> 12);
  // What lies in the target is left alone: it is content now.
  if (isUsable() && !isIn(target, journalArea.first)) forget();
  openJournal(target, spare, area);
  isOpen = true;
}

/** Brings the next sector to `data`. */
function take(data: Bytes): void {
  const sector = target.first + taken;
  if (isSuspect || readSector(sector) !== data) {
    open();
    save(sector);
    writeSector(sector, data);
    changed++;
  }
  tick('write', ++taken, target.span);
}

/** Takes the next bytes of the image. */
function write(bytes: Bytes): void {
  for (let at = 0; at < bytes.length;) {
    const room = SECTOR - (received % SECTOR);
    const piece = at || bytes.length > room ? bytes.substr(at, room) : bytes;
    pieces.push(piece);
    received += piece.length;
    at += room;
    if (received % SECTOR === 0) {
      const data = join(pieces);
      pieces = [];
      take(data);
    }
  }
}

/**
 * Compares the CRC-32 of what flash holds with that of the image.
 *
 * The chip computes the CRC of a piece in memory, from the start, and no more. Pieces are joined:
 * crc(A + B) = crc(A) * x^(8 * length of B) + crc(B), over polynomials modulo 2 (zlib's crc32_combine). The product
 * is what a CRC register that holds crc(A) becomes over as many zero bytes. The chip computes that, of four
 * bytes that bring its register there and zeros for the rest; it inverts its register first and last.
 */
function verify(size: number): void {
  const start = target.first * SECTOR;
  const zeros = fill(0, SECTOR - 4);
  // The odd piece comes first, so that every piece that is joined has SECTOR bytes.
  let at = size % SECTOR;
  let crc = at ? crc32(read(start, at)) : 0;
  for (; at < size; at += SECTOR) {
    crc = ~crc32(pack([~crc]) + zeros) ^ crc32(read(start + at, SECTOR));
    tick('verify', at >>> 12, target.span);
  }
  crc >>>= 0;
  if (crc !== options.crc32) fail('VERIFY ' + label + ': CRC-32 ' + crc + ', not ' + options.crc32);
}

/** Takes what is left of the image, erases what follows it, verifies and commits. */
function complete(): void {
  const size = received;
  if (size % SECTOR) write(fill(255, SECTOR - (size % SECTOR)));
  const rest = fill(255, SECTOR);
  while (taken < target.span) take(rest);
  if (options.crc32 != null) verify(size);
  tick('verify', taken, taken);
  if (isOpen) commit(options.trial || 0);
}

function checkBackup(bytes?: number): number | undefined {
  if (!spare.span) fail('STATE backup: is false');
  if (!isOpen && bytes == null) checkRoom(0);
  return bytes;
}

/** Copies the old content of the first `bytes` bytes, or of all, to the backup. */
function backup(bytes?: number): void {
  open();
  for (let n = 0; n < target.span && (bytes == null || n * SECTOR < bytes); n++)
    if (!savedAt(target.first + n)) save(target.first + n);
}

/** @returns the bytes of a chunk. */
function checkChunk(chunk: unknown): Bytes {
  const bytes = bytesOf(chunk);
  if (bytes === false) return fail('ARGUMENT write: no bytes: ' + typeof chunk);
  const most = options.size || target.span * SECTOR;
  if (received + bytes.length > most) failSize('SIZE ' + label, received + bytes.length, most);
  return bytes;
}

function checkEnd(): void {
  const least = options.size || 1;
  if (received < least) failSize('SIZE ' + label, received, least);
}

function undo(): void {
  if (isOpen) restore();
}

function finish(): Result {
  active = undefined;
  return {
    state: isOpen ? stateOf() : 'untouched',
    partition: label,
    sectors: target.span,
    changed: changed,
  };
}

/**
 * Makes a method of an update.
 * @param check - refuses what cannot be right; then nothing happens
 * @param part - does the rest; if it fails, the update is over, and the old content is put back
 * @param isLast - whether the update is over all the same
 */
function method<A, B>(
  check: ((argument: A) => B) | null,
  part: (value: B) => void,
  isLast?: boolean,
): (argument?: A) => Result {
  const update = active;
  return (argument) => {
    // Not if it is over, if another one is active, or in the progress callback.
    if (active !== update || isCalling) fail('STATE update: not now');
    const value = (check && check(argument as A)) as B;
    try {
      part(value);
    } catch (error) {
      active = undefined;
      try {
        undo();
      } catch {
        // `recover` tries it again; the first error says more.
      }
      throw error;
    }
    return (isLast && finish()) as Result;
  };
}

/** Starts an update in the places that were chosen, or goes on with the one that is open. */
export function startUpdate(): Update {
  isOpen = isResumed;
  isSuspect = !isOpen && decision > BEGIN && decision < REOPEN;
  received = taken = changed = 0;
  pieces = [];
  active = {} as Update;
  active.backup = method(checkBackup, backup);
  active.write = method(checkChunk, write);
  active.end = method(checkEnd, complete, true);
  active.abort = method(null, undo, true);
  // What was in flight is settled before anything is compared.
  if (isOpen) method(null, resume)();
  return active;
}
