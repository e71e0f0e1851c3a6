/**
 * The update that is in progress: compares the image with the target and drives the transaction. What arrives is compared,
 * or programmed, and let go of: a sector is never in memory whole.
 */

import type { Result, Update } from './api.ts';
import { forgetChip } from './chip.ts';
import { checkNumber, fail, failSize } from './errors.ts';
import { PAGE, isSectorBlank, readTwice } from './flash.ts';
import * as journal from './journal.ts';
import { append, checkAlone, openJournal } from './journal.ts';
import * as places from './places.ts';
import { followJournal, stateOf } from './places.ts';
import { checkCaller, tick } from './progress.ts';
import { FORGET, INCOMPLETE, PIECE, REOPEN, UNTOUCHED } from './records.ts';
import { SECTOR, bytes as bytesOf, crc32, fill, join, pack, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';
import { commit, put, restore, resume, rewrite, save, start } from './transaction.ts';

/** The update in progress, if there is one. */
export let active: Update | 0 | undefined;

/** Whether a part of it is running. Where memory ends, Espruino leaves all functions at once, and this stays true. */
let isBusy: boolean;
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
/** Whether the sector of the last byte is written anew, and whether the next byte's has to be. */
let isRewritten: boolean;
let isWrong: boolean | 0;
/** Sectors that were rewritten. */
let changed: number;
/** The next bytes to be programmed: less than a piece of them. */
let rest: Bytes;

/**
 * Refuses a call that the progress callback makes. An update that memory has ended is over.
 * @returns whether an update is in progress
 * @throws E_STATE
 */
export function isUpdating(): boolean {
  checkCaller();
  if (isBusy) active = 0;
  isBusy = false;
  return !!active;
}

/**
 * Refuses a call of an update that is over.
 * @param update - what the call came through; a callback may lack it
 * @throws E_STATE
 */
function enter(update: Update | undefined): void {
  if (!isUpdating() || (update !== active && update && 'keep' in update))
    fail('STATE update: not now');
}

/** @throws E_SPACE if the backup is certainly too small for the sectors of the target, from one on */
function checkRoom(from: number): void {
  let free = places.backup.span;
  if (!free || free >= places.target.span - from) return;
  for (let n = from; n < places.target.span; n++)
    if (!isSectorBlank(places.target.first + n)) free--;
  if (free < 0)
    failSize('SPACE backup', (places.backup.span - free) * SECTOR, places.backup.span * SECTOR);
}

/** Begins the journal: the first thing that is written. */
function open(): void {
  const { size } = places.options;
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

/** Begins to write the sector of the next byte anew. @param offset - how many of its bytes are right already */
function rewriteFrom(offset: number): void {
  const sector = places.target.first + (received >>> 12);
  const odd = offset % PAGE;
  if (ownsJournal) checkAlone();
  else open();
  isRewritten = true;
  isWrong = false;
  changed++;
  rest = '';
  if (odd) {
    const at = sector * SECTOR + offset - odd;
    let tries = 9;
    // Nothing else proves these: three reads have to agree.
    do rest = readTwice(at, odd);
    while (read(at, odd) !== rest && tries--);
  }
  rewrite(sector, offset - odd);
}

/**
 * Programs what waits, and the last bytes that were received.
 * @param isBegun - whether the sector was begun before: else `rewriteFrom` has just looked for other copies
 */
function flush(piece: Bytes, isBegun: boolean): void {
  // Where the image ends: a page is programmed once.
  const odd = received % PAGE;
  const start = received - rest.length - piece.length;
  if (rest || odd) piece = join([rest, piece, odd ? fill(255, PAGE - odd) : '']);
  rest = '';
  if (isBegun) checkAlone();
  put(places.target.first * SECTOR + start, piece);
}

/**
 * Makes the next bytes of the image content of the target.
 * @param data - none: those that the target holds
 * @param length - how many bytes that are
 */
function take(data: Bytes, length: number): void {
  for (let at = 0; at < length;) {
    const offset = received % SECTOR;
    let room = data ? PIECE - (received % PIECE) : SECTOR;
    if (room > length - at) room = length - at;
    const piece = room < length ? data.substr(at, room) : data;
    if (!offset) isRewritten = false;
    const isBegun = isRewritten;
    // This runs for each piece, and Espruino reads all of its text each time. What is rare is elsewhere.
    if (
      !isRewritten &&
      (isSuspect ||
        (data && (isWrong || read(places.target.first * SECTOR + received, room) !== piece)))
    )
      rewriteFrom(data ? offset : room);
    received += room;
    at += room;
    if (isRewritten && data) {
      // This copies: Espruino's `E.toString` makes strings that share their memory with an array of the caller.
      if (received % PIECE && received !== most) rest += piece;
      else flush(piece, isBegun);
    }
    if (!(received % SECTOR)) tick('write', received / SECTOR, places.target.span);
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
  const zeros = fill(0, PIECE - 4);
  // The odd piece comes first, so that every piece that is joined has PIECE bytes.
  let at = size % PIECE;
  let crc = at ? crc32(read(start, at)) : 0;
  for (; at < size; at += PIECE) {
    crc = ~crc32(join([pack([~crc]), zeros])) ^ crc32(read(start + at, PIECE));
    if (!(at & (SECTOR - PIECE))) tick('verify', at >>> 12, places.target.span);
  }
  crc >>>= 0;
  if (crc !== places.options.crc32)
    fail('VERIFY ' + places.label + ': CRC-32 ' + crc + ', not ' + places.options.crc32);
}

/** Erases what follows the image, verifies and commits. */
function complete(): void {
  const size = received;
  const end = places.target.span * SECTOR;
  let blank = fill(255, PIECE);
  while (received < end) {
    const room = PIECE - (received % PIECE);
    take(room < PIECE ? blank.substr(0, room) : blank, room);
  }
  blank = '';
  if (places.options.crc32 != null) verify(size);
  tick('verify', places.target.span, places.target.span);
  // What was equal before another copy of the module wrote may not be so any more.
  checkAlone();
  if (ownsJournal) commit(places.options.trial || 0);
}

/** Copies the old content of the first `bytes` bytes to the backup. */
function saveAhead(bytes: number): void {
  if (ownsJournal) checkAlone();
  else open();
  for (let n = 0; n * SECTOR < bytes; n++) if (!journal.index[n]) save(places.target.first + n);
  // The sector that is being written is the one in flight, again.
  if (isRewritten && received % SECTOR) save(places.target.first + (received >>> 12));
}

/** @param isKept - whether the update stays open all the same */
function undo(isKept?: boolean): void {
  if (!ownsJournal) return;
  checkAlone();
  if (!isKept) restore(journal.decision > INCOMPLETE, false);
}

/** Does a part of an update. If the part fails, the update is over, and the old content is put back. */
function attempt<A>(part: (value: A, length: number) => void, value: A, length?: number): void {
  isBusy = true;
  try {
    part(value, length as number);
  } catch (error) {
    active = 0;
    try {
      undo();
    } catch {
      // `recover` tries again. The first error tells more than this one.
    }
    throw error;
  } finally {
    isBusy = false;
  }
}

/** Ends the update. */
function finish(): Result {
  active = 0;
  return {
    state: ownsJournal ? stateOf(true) : 'untouched',
    partition: places.label,
    sectors: places.target.span,
    changed: changed,
  };
}

/** @throws E_SIZE if the image would get too large */
function checkRest(bytes: number): void {
  if (received + bytes > most) failSize('SIZE ' + places.label, received + bytes, most);
}

function backup(this: Update | void, bytes?: number): void {
  const size = places.target.span * SECTOR;
  enter(this as Update);
  if (!places.backup.span) fail('STATE backup: false');
  checkNumber('backup', bytes, size);
  if (bytes == null && !ownsJournal) checkRoom(0);
  attempt(saveAhead, bytes == null ? size : bytes);
}

function write(this: Update | void, chunk: string | Uint8Array | ArrayBuffer): void {
  // Almost always all is well, and to see that here saves two calls. In a progress callback a part is running, too.
  if (this !== active || isBusy) enter(this as Update);
  const bytes = typeof chunk === 'string' ? chunk : bytesOf(chunk);
  if (bytes === false) return fail('ARGUMENT write: no bytes');
  const { length } = bytes;
  checkRest(length);
  attempt(take, bytes, length);
}

function keep(this: Update | void, size: number): void {
  enter(this as Update);
  // A missing one is no number, too.
  checkNumber('keep', size == null ? NaN : size, -1 >>> 0);
  checkRest(size);
  if (isWrong || received % SECTOR) fail('STATE keep: not at a sector');
  attempt(take, '', size);
}

function back(this: Update | void): void {
  enter(this as Update);
  if (!received) fail('STATE back: nothing written');
  if (isRewritten) changed--;
  received = (received - 1) & -SECTOR;
  isRewritten = false;
  isWrong = true;
}

function end(this: Update | void): Result {
  enter(this as Update);
  const least = places.options.size || 1;
  if (received < least) failSize('SIZE ' + places.label, received, least);
  attempt(complete, 0);
  return finish();
}

function abort(this: Update | void, isKept?: boolean): Result {
  enter(this as Update);
  attempt(undo, isKept);
  return finish();
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
  received = changed = 0;
  isRewritten = isWrong = false;
  most = places.options.size || places.target.span * SECTOR;
  active = { backup: backup, write: write, keep: keep, back: back, end: end, abort: abort };
  // The sector that was in flight is erased before anything is compared.
  if (ownsJournal) attempt(resume, 0);
  return active;
}
