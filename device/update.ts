/** The update that is in progress: cuts the image into sectors and drives the transaction. */

import type { Options, Result, Update } from './api.ts';
import { fail, failSize } from './errors.ts';
import {
  blankSector,
  crc32,
  erase,
  fill,
  isBlank,
  overlap,
  pack,
  read,
  readSector,
  runtime,
} from './flash.ts';
import * as journal from './journal.ts';
import { forget, kept, needSlots, openJournal, savedAt, used } from './journal.ts';
import { choosePlaces, isUsable, stateOf } from './plan.ts';
import type { Places } from './journal.ts';
import { isCalling, listen, tick } from './progress.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes } from './runtime.ts';
import { commit, restore, resume, rewrite, save } from './transaction.ts';

/** The update in progress, if there is one. */
export let active: Update | undefined;

let options: Options;
let places: Places;
/** The partition to update: its label, first sector, sectors. */
export let label: string;
let first: number;
let span: number;
/** Whether the journal is this update's: something was written. */
export let isOpen: boolean;
/** Whether nothing that the target reads can be trusted: an update was given up without putting back. */
let isSuspect: boolean;
/** Bytes of the image: at least, at most, and what came in. */
let least: number;
let size: number;
let received: number;
/** What came in of the next sector, and how many bytes that is. */
let pieces: Bytes[];
let pending: number;
/** Sectors taken, and how many of them were rewritten. */
let taken: number;
let changed: number;

/** Does a part of the update; if it fails, puts the old content back. */
function attempt(part: () => void): void {
  try {
    part();
  } catch (error) {
    active = undefined;
    try {
      if (isOpen) restore();
    } catch {
      // `recover` tries it again; the first error says more.
    }
    throw error;
  }
}

/** @throws E_SPACE if sectors of the target will certainly not fit the backup */
function checkRoom(from: number, to: number): void {
  let free = places.spare.span - (isOpen ? used : 0);
  if (!places.spare.span || to - from <= free) return;
  for (let sector = first + from; sector < first + to; sector++)
    if (!(isOpen && savedAt(sector)) && !isBlank(readSector(sector))) free--;
  if (free < 0) fail('SPACE', 'backup: lacks ' + -free * SECTOR + ' bytes');
}

/** Begins the journal: the first thing that is written. */
function open(): void {
  const { target, area } = places;
  const old = journal.area;
  if (isOpen) return;
  // What follows the image will be erased, so its content has to fit the backup.
  if (options.size) checkRoom((size + SECTOR - 1) >>> 12, span);
  // What lies in the target is left alone: it is content now.
  const isMine = !!journal.decision && !overlap(old, target) && isUsable();
  if (isMine) forget();
  openJournal(
    places,
    options.size || 0,
    options.crc32 || 0,
    isMine && old.span > 0 && old.first + old.span !== area.first + area.span && old,
  );
  if (!area.span) {
    // Nothing has shown yet that this chip erases: see it before the first program.
    erase(first + taken);
    if (!isBlank(readSector(first + taken))) fail('FLASH', label + ': does not erase');
  }
  isOpen = true;
}

/** Brings the next sector to `data`. */
function take(data: Bytes): void {
  if (readSector(first + taken) !== data || isSuspect) {
    open();
    const before = kept;
    rewrite(first + taken, data);
    if (kept > before && places.spare.span) tick('backup', kept, span);
    changed++;
  }
  tick('write', ++taken, span);
}

/** Takes the next bytes of the image. */
function write(bytes: Bytes, isShared: boolean): void {
  for (let at = 0; at < bytes.length;) {
    const room = SECTOR - pending;
    // What shares its memory with the user's array needs no copy only if it is used up at once.
    const isWhole = isShared ? bytes.length === room : bytes.length <= room;
    const piece = !at && isWhole ? bytes : bytes.substr(at, room);
    pieces.push(piece);
    pending += piece.length;
    at += piece.length;
    if (pending === SECTOR) {
      const data = runtime.join(pieces);
      pieces = [];
      pending = 0;
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
function verify(): void {
  const zeros = fill(0, SECTOR - 4);
  // The odd piece comes first, so that every piece that is joined has SECTOR bytes.
  let at = received % SECTOR;
  let crc = at ? crc32(read(first * SECTOR, at)) : 0;
  for (; at < received; at += SECTOR) {
    runtime.kick();
    crc = ~crc32(pack([~crc]) + zeros) ^ crc32(read(first * SECTOR + at, SECTOR));
    tick('verify', (at + SECTOR - 1) >>> 12, span);
  }
  if (crc >>> 0 !== options.crc32)
    fail('VERIFY', label + ': CRC-32 ' + (crc >>> 0) + ', not ' + options.crc32);
}

/** Takes what is left of the image, erases what follows it, verifies and commits. */
function complete(): void {
  if (pending) write(fill(255, SECTOR - pending), false);
  const rest = blankSector();
  while (taken < span) take(rest);
  if (options.crc32 != null) verify();
  tick('verify', span, span);
  if (isOpen) commit(options.trial || 0);
}

/** Copies the old content of the first `count` sectors to the backup. */
function backup(count: number): void {
  if (!places.spare.span) fail('STATE', 'backup: is false');
  if (!(count > 0 && count <= span)) failSize(label, count * SECTOR, span * SECTOR);
  // What is copied ahead needs a second record when it is overwritten.
  if (isOpen) needSlots(span + count - kept, options.trial || 0);
  else places = choosePlaces(options, count);
  checkRoom(0, count);
  attempt(() => {
    open();
    for (let n = 0; n < count;) {
      save(first + n);
      tick('backup', ++n, count);
    }
  });
}

/** Refuses a call to an update that is over, to another one, and in the progress callback. */
function assertActive(update: Update): void {
  if (active !== update || isCalling) fail('STATE', label + ': not now');
}

function finish(): Result {
  active = undefined;
  return {
    state: isOpen ? stateOf() : 'untouched',
    partition: label,
    sectors: span,
    changed: changed,
  };
}

/** Starts an update, or goes on with the one that is open. */
export function startUpdate(newOptions: Options, newPlaces: Places): Update {
  options = newOptions;
  places = newPlaces;
  label = options.partition;
  first = places.target.first;
  span = places.target.span;
  least = options.size || 1;
  size = options.size || span * SECTOR;
  isOpen = places.isOpen;
  isSuspect = !isOpen && !!journal.decision && 'SCR'.indexOf(journal.decision) >= 0;
  received = pending = taken = changed = 0;
  pieces = [];
  const update: Update = {
    backup: (bytes) => {
      assertActive(update);
      backup(bytes == null ? span : (bytes + SECTOR - 1) >>> 12);
    },
    write: (chunk) => {
      const bytes = runtime.bytes(chunk);
      assertActive(update);
      if (bytes == null)
        return fail(
          'ARGUMENT',
          'write: ' + typeof chunk + ' is no string, Uint8Array or ArrayBuffer',
        );
      if (received + bytes.length > size) failSize(label, received + bytes.length, size);
      received += bytes.length;
      attempt(() => write(bytes, typeof chunk !== 'string'));
    },
    end: () => {
      assertActive(update);
      if (received < least) failSize(label, received, least);
      attempt(complete);
      return finish();
    },
    abort: () => {
      assertActive(update);
      attempt(() => {
        if (isOpen) restore();
      });
      return finish();
    },
  };
  active = update;
  listen(options);
  // What was in flight is settled before anything is compared.
  if (isOpen) attempt(resume);
  return update;
}
