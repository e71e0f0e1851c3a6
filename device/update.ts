/** An update of one partition: cuts the image into sectors and drives the transaction. */

import type { Options, Progress, Result, Update } from './api.ts';
import type { Chip } from './chip.ts';
import { joinCrc } from './crc32.ts';
import { fail } from './errors.ts';
import { blankSector, isBlank, overlap, readSector } from './flash.ts';
import { DIRECT, HASHED, needSlots, openJournal, savedAt, spoilBegin } from './journal.ts';
import type { Journal } from './journal.ts';
import { choosePlaces, isUsable } from './plan.ts';
import type { Places } from './plan.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes } from './runtime.ts';
import { commit, restore, resume, rewrite, save } from './transaction.ts';
import type { Tick } from './transaction.ts';

/** An update that is in progress. */
interface Work {
  chip: Chip;
  options: Options;
  places: Places;
  /** The journal that was on the chip before, if it is not gone on with. */
  old: Journal | undefined;
  /** The journal of this update, once something was written. */
  log: Journal | undefined;
  /** Called when the update is over, however. */
  onEnd: () => void;
  isOver: boolean;
  /** Bytes of the image that came in. */
  received: number;
  /** What came in of the next sector, and how many bytes that is. */
  pieces: Bytes[];
  pending: number;
  /** Sectors taken, and how many of them were rewritten. */
  taken: number;
  rewritten: number;
}

/** @returns a function that reports sectors of a phase as bytes. */
export function ticker(phase: Progress['phase'], options: Pick<Options, 'onProgress'>): Tick {
  return (done, total) => {
    try {
      if (options.onProgress)
        options.onProgress({ phase: phase, done: done * SECTOR, total: total * SECTOR });
    } catch {
      // A progress bar must not decide over an update.
    }
  };
}

function finish(work: Work, state: Result['state']): Result {
  work.isOver = true;
  work.onEnd();
  return {
    state: state,
    partition: work.options.partition,
    sectors: work.places.target.count,
    changed: work.rewritten,
  };
}

function assertOpen(work: Work): void {
  if (work.isOver) fail('E_STATE', work.options.partition, 'this update is over');
}

/** Does a part of an update; if it fails, puts the old content back. */
function attempt(work: Work, part: () => void): void {
  try {
    part();
  } catch (error) {
    finish(work, 'restored');
    try {
      if (work.log) restore(work.log, ticker('restore', work.options));
    } catch {
      // `recover` tries it again; the first error says more.
    }
    throw error;
  }
}

/** @throws E_SPACE if these sectors will certainly not fit the backup */
function checkRoom(work: Work, from: number, to: number): void {
  const { chip, log } = work;
  const { spare, target } = work.places;
  const free = spare.count - (log ? log.used : 0);
  let count = 0;
  if (!spare.count || to - from <= free) return;
  for (let sector = target.first + from; sector < target.first + to; sector++) {
    const isSaved = log && savedAt(log, sector);
    if (!isSaved && !isBlank(chip.runtime, readSector(chip.runtime, sector))) count++;
  }
  if (count > free) fail('E_SPACE', 'backup', count * SECTOR + ' bytes', free * SECTOR);
}

/** Begins the journal: the first thing that is written. */
function open(work: Work): Journal {
  const { chip, options, old, log } = work;
  const { runtime } = chip;
  const { target, spare, area } = work.places;
  if (log) return log;
  // What follows the image will be erased, so its content has to fit the backup.
  if (options.size) checkRoom(work, Math.ceil(options.size / SECTOR), target.count);
  const isMoving = old && old.area.first + old.area.count !== area.first + area.count;
  if (isMoving && area.count && !overlap(old.area, target) && isUsable(chip, old))
    spoilBegin(old.runtime, old.area);
  const journal = openJournal(
    runtime,
    area,
    old ? (old.id + 1) & 0xffff : 1,
    target,
    spare,
    (spare.count ? 0 : DIRECT) | (runtime.hash ? HASHED : 0),
    options.size || 0,
    options.crc32 || 0,
  );
  if (!area.count) {
    // Nothing has shown yet that this chip erases: see it before the first program.
    const sector = target.first + work.taken;
    journal.runtime.erase(sector * SECTOR);
    if (!isBlank(runtime, readSector(runtime, sector)))
      fail('E_FLASH', 'sector ' + sector, 'does not erase');
  }
  work.log = journal;
  return journal;
}

/** Brings the next sector to `data`. */
function take(work: Work, data: Bytes): void {
  const { first, count } = work.places.target;
  const sector = first + work.taken;
  if (readSector(work.chip.runtime, sector) !== data) {
    const journal = open(work);
    const kept = journal.kept;
    rewrite(journal, sector, data);
    if (journal.kept > kept) ticker('backup', work.options)(journal.kept, count);
    work.rewritten++;
  }
  work.taken++;
  ticker('write', work.options)(work.taken, count);
}

/** Takes the next bytes of the image. */
function write(work: Work, bytes: Bytes, isShared: boolean): void {
  let at = 0;
  while (at < bytes.length) {
    const room = SECTOR - work.pending;
    // What shares its memory with the user's array needs no copy only if it is used up at once.
    const isWhole = isShared ? bytes.length === room : bytes.length <= room;
    const piece = !at && isWhole ? bytes : bytes.substr(at, room);
    work.pieces.push(piece);
    work.pending += piece.length;
    work.received += piece.length;
    at += piece.length;
    if (work.pending === SECTOR) {
      const data = work.chip.runtime.join(work.pieces);
      work.pieces = [];
      work.pending = 0;
      take(work, data);
    }
  }
}

/** Compares the CRC-32 of what flash holds with that of the image. */
function verify(work: Work, expected: number): void {
  const runtime = work.chip.runtime;
  const { first, count } = work.places.target;
  const zeros = runtime.fill(0, SECTOR - 4);
  // The odd piece comes first, so that every piece that is joined has SECTOR bytes.
  let at = work.received % SECTOR;
  let crc = runtime.crc32(runtime.read(first * SECTOR, at) || '');
  for (; at < work.received; at += SECTOR) {
    runtime.kick();
    crc = joinCrc(runtime, crc, runtime.crc32(runtime.read(first * SECTOR + at, SECTOR)), zeros);
    ticker('verify', work.options)(Math.ceil(at / SECTOR), count);
  }
  if (crc !== expected) fail('E_VERIFY', work.options.partition, 'CRC-32 is ' + crc, expected);
}

/** Takes what is left of the image, erases what follows it, verifies and commits. */
function complete(work: Work): void {
  const options = work.options;
  const { received } = work;
  const rest = blankSector(work.chip.runtime);
  if (work.pending) write(work, rest.substr(work.pending), false);
  work.received = received;
  while (work.taken < work.places.target.count) take(work, rest);
  if (options.crc32 !== undefined) verify(work, options.crc32);
  if (work.log) commit(work.log, options.trial || 0, ticker('verify', options));
}

/** Copies the old content of the first `size` bytes to the backup. */
function backup(work: Work, size: number): void {
  const { chip, options, old, log } = work;
  const { target } = work.places;
  const limit = target.count * SECTOR;
  const count = Math.ceil(size / SECTOR);
  assertOpen(work);
  if (options.backup === false)
    fail('E_STATE', options.partition, 'a direct update keeps no backup');
  if (!(size > 0 && size <= limit)) fail('E_SIZE', options.partition, size + ' bytes', limit);
  // What is copied ahead needs a second record when it is overwritten.
  if (log) needSlots(log, target.count + count - log.kept, options.trial || 0);
  else work.places = choosePlaces(chip, options, old, count);
  checkRoom(work, 0, count);
  attempt(work, () => {
    for (let n = 0; n < count; n++) {
      save(open(work), target.first + n);
      ticker('backup', options)(n + 1, count);
    }
  });
}

/**
 * Starts an update, or goes on with the one that is open.
 * @param chip - as it is at this boot
 * @param places - where it works
 * @param old - the journal on the chip, replayed
 * @param onEnd - called when the update is over, however
 */
export function startUpdate(
  chip: Chip,
  options: Options,
  places: Places,
  old: Journal | undefined,
  onEnd: () => void,
): Update {
  const bytesOf = chip.runtime.bytes;
  const limit = options.size || places.target.count * SECTOR;
  const work: Work = {
    chip: chip,
    options: options,
    places: places,
    old: old,
    log: places.open,
    onEnd: onEnd,
    isOver: false,
    received: 0,
    pieces: [],
    pending: 0,
    taken: 0,
    rewritten: 0,
  };
  const label = options.partition;
  const open = places.open;
  // What was in flight is settled before anything is compared.
  if (open) attempt(work, () => resume(open));
  return {
    backup: (size) => backup(work, size === undefined ? places.target.count * SECTOR : size),
    write: (chunk) => {
      const bytes = bytesOf(chunk);
      assertOpen(work);
      if (bytes === undefined)
        return fail('E_ARGUMENT', 'write', typeof chunk, 'string, Uint8Array, ArrayBuffer');
      const received = work.received + bytes.length;
      if (received > limit) fail('E_SIZE', label, received + ' bytes', limit);
      attempt(work, () => write(work, bytes, typeof chunk !== 'string'));
    },
    end: () => {
      assertOpen(work);
      if (!work.received || (options.size && work.received < limit))
        fail('E_SIZE', label, 'only ' + work.received + ' bytes came in', options.size);
      attempt(work, () => complete(work));
      return finish(work, work.log ? (options.trial ? 'trial' : 'committed') : 'untouched');
    },
    abort: () => {
      let state: Result['state'] = 'untouched';
      assertOpen(work);
      attempt(work, () => {
        if (work.log) state = restore(work.log, ticker('restore', options)) as Result['state'];
      });
      return finish(work, state);
    },
  };
}
