/** The update that is in progress: cuts the image into sectors and drives the transaction. */

import type { Options, Result, Update } from './api.ts';
import { joinCrc } from './crc32.ts';
import { fail } from './errors.ts';
import {
  NONE,
  blankSector,
  crc32,
  erase,
  fill,
  isBlank,
  overlap,
  read,
  readSector,
  runtime,
} from './flash.ts';
import * as journal from './journal.ts';
import { DIRECT, HASHED, kept, needSlots, openJournal, savedAt, used } from './journal.ts';
import { choosePlaces, isUsable } from './plan.ts';
import type { Places } from './plan.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes } from './runtime.ts';
import { commit, restore, resume, rewrite, save } from './transaction.ts';
import type { Tick } from './transaction.ts';

/** The update in progress, if there is one. */
export let active: Update | undefined;

let options: Options;
let places: Places;
/** Whether the journal is this update's: something was written. */
let isOpen: boolean;
/** Bytes of the image that came in. */
let received: number;
/** What came in of the next sector, and how many bytes that is. */
let pieces: Bytes[];
let pending: number;
/** Sectors taken, and how many of them were rewritten. */
let taken: number;
let changed: number;

/** @returns a function that reports sectors done as bytes. */
export function ticker({ onProgress }: Pick<Options, 'onProgress'>): Tick {
  return (phase, done, total) => {
    try {
      if (onProgress) onProgress({ phase: phase, done: done * SECTOR, total: total * SECTOR });
    } catch {
      // A progress bar must not decide over an update.
    }
  };
}

function tick(phase: Parameters<Tick>[0], done: number, total = places.target.count): void {
  ticker(options)(phase, done, total);
}

/** Ends the update. */
function finish(state: Result['state']): Result {
  active = undefined;
  return {
    state: state,
    partition: options.partition,
    sectors: places.target.count,
    changed: changed,
  };
}

/** Does a part of the update; if it fails, puts the old content back. */
function attempt(part: () => void): void {
  try {
    part();
  } catch (error) {
    active = undefined;
    try {
      if (isOpen) restore(tick);
    } catch {
      // `recover` tries it again; the first error says more.
    }
    throw error;
  }
}

/** @throws E_SPACE if sectors of the target will certainly not fit the backup */
function checkRoom(from: number, to: number): void {
  const { target, spare } = places;
  const free = spare.count - (isOpen ? used : 0);
  let count = 0;
  if (spare === NONE || to - from <= free) return;
  for (; from < to; from++) {
    const sector = target.first + from;
    if (!(isOpen && savedAt(sector)) && !isBlank(readSector(sector))) count++;
  }
  if (count > free) fail('E_SPACE', 'backup', count * SECTOR + ' bytes', free * SECTOR);
}

/** Begins the journal: the first thing that is written. */
function open(): void {
  const { target, spare, area } = places;
  if (isOpen) return;
  // What follows the image will be erased, so its content has to fit the backup.
  if (options.size) checkRoom(Math.ceil(options.size / SECTOR), target.count);
  const old = journal.area;
  openJournal(
    area,
    target,
    spare,
    (spare === NONE ? DIRECT : 0) | (runtime.hash ? HASHED : 0),
    options.size || 0,
    options.crc32 || 0,
    !!journal.decision &&
      area !== NONE &&
      old.first + old.count !== area.first + area.count &&
      !overlap(old, target) &&
      isUsable(),
  );
  if (area === NONE) {
    // Nothing has shown yet that this chip erases: see it before the first program.
    const sector = target.first + taken;
    erase(sector);
    if (!isBlank(readSector(sector))) fail('E_FLASH', 'sector ' + sector, 'does not erase');
  }
  isOpen = true;
}

/** Brings the next sector to `data`. */
function take(data: Bytes): void {
  const sector = places.target.first + taken;
  if (readSector(sector) !== data) {
    open();
    const before = kept;
    rewrite(sector, data);
    if (kept > before) tick('backup', kept);
    changed++;
  }
  tick('write', ++taken);
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

/** Compares the CRC-32 of what flash holds with that of the image. */
function verify(expected: number): void {
  const zeros = fill(0, SECTOR - 4);
  const start = places.target.first * SECTOR;
  // The odd piece comes first, so that every piece that is joined has SECTOR bytes.
  let at = received % SECTOR;
  let crc = at ? crc32(read(start, at)) : 0;
  for (; at < received; at += SECTOR) {
    runtime.kick();
    crc = joinCrc(crc, crc32(read(start + at, SECTOR)), zeros);
    tick('verify', Math.ceil(at / SECTOR));
  }
  if (crc !== expected) fail('E_VERIFY', options.partition, 'CRC-32 ' + crc, expected);
}

/** Takes what is left of the image, erases what follows it, verifies and commits. */
function complete(): void {
  const rest = blankSector();
  if (pending) write(rest.substr(pending), false);
  while (taken < places.target.count) take(rest);
  if (options.crc32 != null) verify(options.crc32);
  if (isOpen) commit(options.trial || 0);
  tick('verify', taken);
}

/** Copies the old content of the first `size` bytes to the backup. */
function backup(size: number): void {
  const { target } = places;
  const count = Math.ceil(size / SECTOR);
  if (options.backup === false) fail('E_STATE', 'backup', 'is false');
  if (!(count > 0 && count <= target.count))
    fail('E_SIZE', options.partition, size + ' bytes', target.count * SECTOR);
  // What is copied ahead needs a second record when it is overwritten.
  if (isOpen) needSlots(target.count + count - kept, options.trial || 0);
  else places = choosePlaces(options, count);
  checkRoom(0, count);
  attempt(() => {
    open();
    for (let n = 0; n < count;) {
      save(target.first + n);
      tick('backup', ++n, count);
    }
  });
}

/** Starts an update, or goes on with the one that is open. */
export function startUpdate(newOptions: Options, newPlaces: Places): Update {
  options = newOptions;
  places = newPlaces;
  isOpen = places.isOpen;
  received = pending = taken = changed = 0;
  pieces = [];
  const label = options.partition;
  const size = options.size || places.target.count * SECTOR;
  const assertActive = (): void => {
    if (active !== update) fail('E_STATE', label, 'this update is over');
  };
  const update: Update = {
    backup: (bytes) => {
      assertActive();
      backup(bytes == null ? places.target.count * SECTOR : bytes);
    },
    write: (chunk) => {
      assertActive();
      const bytes = runtime.bytes(chunk);
      if (bytes == null)
        return fail('E_ARGUMENT', 'chunk', typeof chunk, 'string, Uint8Array, ArrayBuffer');
      if (received + bytes.length > size)
        fail('E_SIZE', label, received + bytes.length + ' bytes', size);
      received += bytes.length;
      attempt(() => write(bytes, typeof chunk !== 'string'));
    },
    end: () => {
      assertActive();
      if (!received || (options.size && received < size))
        fail('E_SIZE', label, received + ' bytes came in', size);
      attempt(complete);
      return finish(isOpen ? (options.trial ? 'trial' : 'committed') : 'untouched');
    },
    abort: () => {
      let state = 'untouched';
      assertActive();
      attempt(() => {
        if (isOpen) state = restore(tick);
      });
      return finish(state as Result['state']);
    },
  };
  active = update;
  // What was in flight is settled before anything is compared.
  if (isOpen) attempt(resume);
  return update;
}
