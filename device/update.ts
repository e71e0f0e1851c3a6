/** The update that is in progress: cuts the image into sectors and drives the transaction. */

import type { Result, Update } from './api.ts';
import { forgetChip } from './chip.ts';
import { checkNumber, fail, failSize } from './errors.ts';
import { isBlank, readSector } from './flash.ts';
import * as journal from './journal.ts';
import { append, checkAlone, openJournal } from './journal.ts';
import * as places from './places.ts';
import { followJournal, stateOf } from './places.ts';
import * as progress from './progress.ts';
import { tick } from './progress.ts';
import { FORGET, INCOMPLETE, REOPEN, UNTOUCHED } from './records.ts';
import { SECTOR, bytes as bytesOf, crc32, fill, join, pack, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';
import { commit, restore, resume, save, start, writeSector } from './transaction.ts';

/** The update in progress, if there is one. */
export let active: Update | 0 | undefined;

/** Whether the journal on the chip is that of this update: it has written something, or goes on with an earlier one. */
export let ownsJournal: boolean;
/**
 * Whether the target may read right and still be unstable: what it holds counts for nothing, or an update was given up and
 * its old content never put back. Then nothing is compared.
 */
let isSuspect: boolean | 0;
/** Bytes of the image so far, and how many there may be. */
let received: number;
let most: number;
/** Pieces of the next sector so far. */
let pieces: Bytes[];
/** Sectors taken, and how many of them were rewritten. */
let taken: number;
let changed: number;

/** @throws E_SPACE if the backup is certainly too small for the sectors of the target, from one on */
function checkRoom(from: number): void {
  let free = places.backup.span;
  if (!free || free >= places.target.span - from) return;
  for (let n = from; n < places.target.span; n++)
    if (!isBlank(readSector(places.target.first + n))) free--;
  if (free < 0)
    failSize('SPACE backup', (places.backup.span - free) * SECTOR, places.backup.span * SECTOR);
}

/** Begins the journal: the first thing that is written. */
function open(): void {
  const { size } = places.options;
  if (ownsJournal) return;
  // What follows the image will be erased, so the backup has to have room for its content.
  if (size) checkRoom((size + SECTOR - 1) >>> 12);
  checkAlone();
  openJournal(places.target, places.backup, places.area, places.options.overwriteLive);
  followJournal();
  // If this update is resumed, nothing is compared then, either.
  if (isSuspect && places.backup.span) append(FORGET);
  start(false);
  ownsJournal = true;
}

/** Makes `data` the content of the next sector. */
function take(data: Bytes): void {
  const sector = places.target.first + taken;
  const box = [readSector(sector)];
  if (isSuspect || box[0] !== data) {
    if (!ownsJournal) {
      box.pop();
      open();
    }
    save(sector, box);
    writeSector(sector, data);
    changed++;
  }
  tick('write', ++taken, places.target.span);
}

/** Takes the next bytes of the image, and cuts them where sectors end. */
function cut(bytes: Bytes): void {
  for (let at = 0; at < bytes.length;) {
    const room = SECTOR - (received % SECTOR);
    const piece = at || bytes.length > room ? bytes.substr(at, room) : bytes;
    pieces.push(piece);
    received += piece.length;
    at += room;
    if (!(received % SECTOR)) {
      const data = pieces.length > 1 ? join(pieces) : piece;
      pieces = [];
      take(data);
    }
  }
}

/**
 * Compares the CRC-32 of what flash holds with that of the image.
 *
 * The chip can only compute the CRC of one piece in memory, from the start. So the CRCs of pieces are joined:
 * crc(A + B) = crc(A) * x^(8 * length of B) + crc(B), over polynomials modulo 2 (zlib's crc32_combine). The product
 * is what a CRC register that holds crc(A) becomes over as many zero bytes. The chip computes that, of four
 * bytes that bring its register there and zeros for the rest; it inverts its register first and last.
 */
function verify(size: number): void {
  const start = places.target.first * SECTOR;
  const zeros = fill(0, SECTOR - 4);
  // The odd piece comes first, so that every piece that is joined has SECTOR bytes.
  let at = size % SECTOR;
  let crc = at ? crc32(read(start, at)) : 0;
  for (; at < size; at += SECTOR) {
    crc = ~crc32(join([pack([~crc]), zeros])) ^ crc32(read(start + at, SECTOR));
    tick('verify', at >>> 12, places.target.span);
  }
  crc >>>= 0;
  if (crc !== places.options.crc32)
    fail('VERIFY ' + places.label + ': CRC-32 ' + crc + ', not ' + places.options.crc32);
}

/** Takes what is left of the image, erases what follows it, verifies and commits. */
function complete(size: number): void {
  if (size % SECTOR) cut(fill(255, SECTOR - (size % SECTOR)));
  let rest = fill(255, SECTOR);
  while (taken < places.target.span) take(rest);
  rest = '';
  if (places.options.crc32 != null) verify(size);
  tick('verify', taken, taken);
  // What was equal before another copy of the module wrote may not be so any more.
  checkAlone();
  if (ownsJournal) commit(places.options.trial || 0);
}

function checkBackup(bytes?: number): number {
  if (!places.backup.span) fail('STATE backup: false');
  if (bytes == null) {
    if (!ownsJournal) checkRoom(0);
    return places.target.span * SECTOR;
  }
  checkNumber('backup', bytes, places.target.span * SECTOR);
  return bytes;
}

/** Copies the old content of the first `bytes` bytes to the backup. */
function saveAhead(bytes: number): void {
  open();
  for (let n = 0; n * SECTOR < bytes; n++) if (!journal.index[n]) save(places.target.first + n, []);
}

function checkEnd(): number {
  const least = places.options.size || 1;
  if (received < least) failSize('SIZE ' + places.label, received, least);
  return received;
}

function undo(): void {
  if (!ownsJournal) return;
  checkAlone();
  restore(journal.decision > INCOMPLETE, false);
}

function finish(): Result {
  active = 0;
  return {
    state: ownsJournal ? stateOf(true) : 'untouched',
    partition: places.label,
    sectors: places.target.span,
    changed: changed,
  };
}

/** Does a part of an update. If the part fails, the update is over, and the old content is put back. */
function attempt<A>(part: (value: A) => void, value: A): void {
  try {
    if (ownsJournal) checkAlone();
    part(value);
  } catch (error) {
    active = 0;
    try {
      undo();
    } catch {
      // `recover` tries again. The first error tells more than this one.
    }
    throw error;
  }
}

/**
 * Makes a method of an update.
 * @param check - throws if the call cannot be right; then nothing happens
 * @param part - does the rest, with what `check` returned; if that is undefined, nothing is left to do
 * @param isLast - whether the update is over then
 */
function method<A, B>(
  check: ((argument: A) => B | undefined) | null,
  part: (value: B) => void,
  isLast?: boolean,
): (argument?: A) => Result {
  const update = active;
  return (argument) => {
    if (active !== update || progress.isCalling) refuse();
    const value = check ? check(argument as A) : 0;
    if (value != null) attempt(part, value as B);
    return (isLast && finish()) as Result;
  };
}

/** Refuses a call: the update is over, or another one is active, or the progress callback makes the call. */
function refuse(): void {
  fail('STATE update: not now');
}

/** Keeps a chunk. @returns the chunk, if more has to be done: it completes a sector */
function checkChunk(chunk: unknown): Bytes | undefined {
  const bytes = typeof chunk === 'string' ? chunk : bytesOf(chunk);
  if (bytes === false) return fail('ARGUMENT write: no bytes');
  const end = received + bytes.length;
  if (end > most) failSize('SIZE ' + places.label, end, most);
  if ((received % SECTOR) + bytes.length >= SECTOR) return bytes;
  if (bytes) pieces.push(bytes);
  received = end;
  return undefined;
}

/** Starts an update in the places that were chosen, or goes on with the one in the journal. */
export function startUpdate(): Update {
  ownsJournal = places.isResumed;
  // The journal ends in SAVED, RESTORE or COMMIT: that update was not finished, and this one does not go on with it, or
  // was a direct one; or in FORGET, which may have come after that.
  isSuspect =
    (!ownsJournal || !journal.backup.span || journal.isForgotten) &&
    journal.decision > UNTOUCHED &&
    (journal.decision < REOPEN || journal.decision === FORGET);
  forgetChip();
  received = taken = changed = 0;
  most = places.options.size || places.target.span * SECTOR;
  pieces = [];
  active = {} as Update;
  active.backup = method(checkBackup, saveAhead);
  active.write = method(checkChunk, cut);
  active.end = method(checkEnd, complete, true);
  active.abort = method(null, undo, true);
  // The sector that was in flight is erased before anything is compared.
  if (ownsJournal) attempt(resume, 0);
  return active;
}
