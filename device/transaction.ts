/**
 * A transaction over flash sectors with a rollback journal: what makes an update safe.
 *
 * It knows nothing of partitions or images. Whatever happens, `recover` brings the target to its complete
 * old or its complete new content. There is no second description of the protocol for recovery: both
 * work on the same journal with the same functions.
 *
 * Invariants:
 * 1. A sector of the target is erased only when its old content is in a slot of the spare, read back equal,
 *    and its SAVED record is on flash and read back.
 * 2. Nothing in flight at a power cut is trusted, whatever it reads: not the last record, not the sector
 *    of the last SAVED, not a blank slot.
 * 3. COMMIT only after every sector of the image was read back from flash and the image's check matched.
 */

import type { Report } from './api.ts';
import { fail } from './errors.ts';
import { blankSector, get16, get32, isBlank, readSector, u16, u32, writeSector } from './flash.ts';
import {
  BLANK,
  DIRECT,
  HASHED,
  NOT_KEPT,
  append,
  decide,
  isFinal,
  needSlots,
  readSaved,
  savedAt,
  settle,
} from './journal.ts';
import type { Journal } from './journal.ts';
import type { Bytes } from './runtime.ts';

/** Called with a number of sectors done and the number of all. */
export type Tick = (done: number, total: number) => void;

/** How a recovery ended. */
export type Outcome = Report['state'];

/** 32 bits that tell two contents of a sector apart, by whatever is cheapest on this chip. */
function checkOf(journal: Journal, data: Bytes): number {
  const runtime = journal.runtime;
  if (!(journal.flags & HASHED)) return runtime.crc32(data);
  return runtime.hash ? runtime.hash(data) : fail('E_STATE', 'journal', 'needs SHA-256');
}

/** Writes a sector of the target. */
function writeTarget(journal: Journal, sector: number, data: Bytes): void {
  writeSector(journal.runtime, sector, data, (found) => found === data);
}

/**
 * Makes sure that the old content of a sector is safe. Does nothing if it is already.
 * @throws E_SPACE, E_FLASH
 */
export function save(journal: Journal, sector: number): void {
  if (savedAt(journal, sector)) return;
  needSlots(journal, 1, 0);
  const { spare, runtime } = journal;
  let slot = NOT_KEPT;
  let check = 0;
  if (!(journal.flags & DIRECT)) {
    slot = BLANK;
    let old = readSector(runtime, sector);
    if (!isBlank(runtime, old)) {
      if (journal.used >= spare.count) fail('E_SPACE', 'backup', 'is full, sectors', spare.count);
      slot = spare.first + journal.used;
      check = checkOf(journal, old);
      writeSector(runtime, slot, old, (found) => {
        // Frees one of two copies: a sector is a third of what an update may take of the chip's memory.
        old = '';
        return checkOf(journal, found) === check;
      });
    }
  }
  append(journal, 'S', 0, u16(sector) + u16(slot) + u32(check));
}

/**
 * Brings a sector of the target to `data`: saves the old content first, then overwrites it.
 * The caller has seen that it differs.
 * @throws E_SPACE, E_FLASH
 */
export function rewrite(journal: Journal, sector: number, data: Bytes): void {
  const saved = savedAt(journal, sector);
  if (!saved) save(journal, sector);
  else if (journal.inFlight !== sector) {
    // The last SAVED always names the sector in flight.
    needSlots(journal, 1, 0);
    append(journal, 'S', 0, readSaved(journal, saved));
  }
  writeTarget(journal, sector, data);
}

/**
 * Calls `visit` with each sector of the target.
 * @param saved - the journal slot of its SAVED record; 0 not saved
 */
function eachSector(journal: Journal, visit: (sector: number, saved: number) => void): void {
  const { first, count } = journal.target;
  for (let sector = first; sector < first + count; sector++)
    visit(sector, savedAt(journal, sector));
}

/** @returns the check of all sectors of the target that were not saved. */
function checkUnsaved(journal: Journal, tick: Tick): number {
  const { runtime, target } = journal;
  let check = 0;
  eachSector(journal, (sector, saved) => {
    if (!saved)
      check = runtime.crc32(u32(check) + u32(checkOf(journal, readSector(runtime, sector))));
    tick(sector - target.first + 1, target.count);
  });
  return check;
}

/** @returns whether the app has changed a sector that was never saved, since COMMIT. */
function isChanged(journal: Journal): boolean {
  return checkUnsaved(journal, () => {}) !== journal.unsaved;
}

/**
 * Decides that the new content counts. The caller has verified it.
 * @param limit - trial boots after which it is put back unless confirmed; 0 final
 * @throws E_SPACE if only the reserve is left
 */
export function commit(journal: Journal, limit: number, tick: Tick): void {
  needSlots(journal, 2, limit);
  append(journal, 'C', limit, journal.runtime.fill(255, 4) + u32(checkUnsaved(journal, tick)));
  if (!limit) append(journal, 'D', 0);
}

/** @returns whether a slot of the spare does not hold what was saved there. */
export function isDamaged(journal: Journal): boolean {
  let isDamaged = false;
  eachSector(journal, (_, saved) => {
    const record = saved && !isDamaged ? readSaved(journal, saved) : '';
    const slot = record ? get16(record, 2) : BLANK;
    if (slot < NOT_KEPT)
      isDamaged = checkOf(journal, readSector(journal.runtime, slot)) !== get32(record, 4);
  });
  return isDamaged;
}

/** Puts back every saved sector; none is skipped because it reads equal. */
function putBack(journal: Journal, tick: Tick): void {
  const runtime = journal.runtime;
  let done = 0;
  eachSector(journal, (sector, saved) => {
    if (!saved) return;
    const slot = get16(readSaved(journal, saved), 2);
    writeTarget(journal, sector, slot === BLANK ? blankSector(runtime) : readSector(runtime, slot));
    tick(++done, journal.kept);
  });
}

/**
 * Puts the old content back, from any state of the journal in which that is right.
 * @returns restored; incomplete in a direct update; damaged if a slot was overwritten: then nothing is touched
 * @throws E_FLASH, E_SPACE: the next `recover` tries again
 */
export function restore(journal: Journal, tick: Tick): Outcome {
  const isUntouched = journal.decision === 'B';
  if (!isUntouched) {
    if (journal.flags & DIRECT) return 'incomplete';
    if (isDamaged(journal)) return 'damaged';
    const isDecided =
      journal.decision === 'R' && journal.record[0] === 'D' && journal.next === journal.last + 1;
    if (journal.isSettled || !isDecided) {
      settle(journal, journal.decision !== 'R');
      decide(journal, 'R');
    }
    putBack(journal, tick);
  }
  // Where RESTORE and SOLID end the log, nothing is written to it before the old content is back.
  settle(journal, false);
  if (!isUntouched) append(journal, 'E', 0);
  decide(journal, 'X');
  return 'restored';
}

/** Decides that the new content counts for good. */
export function confirm(journal: Journal): Outcome {
  settle(journal, journal.decision === 'C');
  decide(journal, 'K');
  return 'committed';
}

/** What `recover` does while the journal has room. */
function recoverSealed(journal: Journal, tick: Tick): Outcome {
  const { decision, limit } = journal;
  if (isFinal(decision, limit)) {
    // A decision without SOLID may flicker: it is made again.
    settle(journal, false);
    decide(journal, decision, journal.runtime.fill(255, 4) + u32(journal.unsaved));
    return decision === 'X' ? 'restored' : 'committed';
  }
  // The restore was never decided: the new content stays.
  if (decision === 'O') return confirm(journal);
  if (decision === 'C') {
    settle(journal, true);
    if (journal.booted < limit) {
      append(journal, 'T', journal.booted + 1);
      return 'trial';
    }
    if (isChanged(journal)) return confirm(journal);
  }
  return restore(journal, tick);
}

/**
 * Finishes or undoes what power loss interrupted, in a journal that does not end with a final decision and
 * its SOLID.
 *
 * A full journal cannot say so for good. Then the same is done again at the next boot.
 * @returns the outcome, and whether it is sealed
 */
export function recover(journal: Journal, tick: Tick): [Outcome, boolean] {
  try {
    return [recoverSealed(journal, tick), true];
  } catch (error) {
    if ((error as { code?: string }).code !== 'E_SPACE') throw error;
  }
  const decision = journal.decision;
  let outcome: Outcome = 'restored';
  if (journal.flags & DIRECT) outcome = 'incomplete';
  else if (decision === 'O' || ((decision === 'C' || decision === 'K') && isChanged(journal)))
    outcome = 'committed';
  else if (isDamaged(journal)) outcome = 'damaged';
  else putBack(journal, tick);
  return [outcome, false];
}

/**
 * Goes on with an interrupted update, of the same image or another one. The caller has seen that no slot
 * is damaged.
 * @throws E_FLASH, E_SPACE
 */
export function resume(journal: Journal): void {
  settle(journal, true);
  // It was in flight: whatever it reads, its cells may be unstable.
  writeTarget(journal, journal.inFlight, blankSector(journal.runtime));
}

/**
 * Puts the old content back although the new one counts.
 * @throws E_STATE if there is none; E_CHANGED if old and new would mix; E_SPACE, E_FLASH
 */
export function undo(journal: Journal, tick: Tick): Outcome {
  const decision = journal.decision;
  if (journal.flags & DIRECT || (!journal.kept && decision !== 'B') || decision === 'X')
    fail('E_STATE', 'restore', 'no old content is kept');
  if (isDamaged(journal)) fail('E_CHANGED', 'backup', 'was overwritten');
  if (decision === 'C' || decision === 'K') {
    if (isChanged(journal))
      fail('E_CHANGED', 'restore', 'a sector without backup has changed since the update');
    if (isFinal(decision, journal.limit)) {
      needSlots(journal, 1, 0);
      settle(journal, false);
      append(journal, 'O', 0);
    }
  }
  return restore(journal, tick);
}
