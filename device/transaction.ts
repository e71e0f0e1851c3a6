/**
 * A transaction over flash sectors with a rollback journal: what makes an update safe.
 *
 * It knows nothing of partitions or images. Whatever happens, `recover` brings the target to its complete
 * old or its complete new content. There is no second description of the protocol for recovery: both
 * work on the same journal with the same functions.
 *
 * Invariants:
 * 1. A sector of the target is erased only when its old content is in a slot of the spare, read back with the same
 *    CRC-32, and its SAVED record is on flash and read back.
 * 2. Nothing in flight at a power cut is trusted, whatever it reads: not the last record, not the sector
 *    of the last SAVED, not a blank slot.
 * 3. COMMIT only after every sector of the image was read back from flash and the image's check matched.
 */

import { fail, failFlash, failSize } from './errors.ts';
import { PIECE, isBlank, readSector } from './flash.ts';
import * as journal from './journal.ts';
import {
  append,
  appendRecord,
  decide,
  guard,
  isRestoring,
  needSlots,
  readSaved,
  savedAt,
  settle,
} from './journal.ts';
import { tick } from './progress.ts';
import {
  BEGIN,
  BLANK,
  BOOT,
  BOOT_SLOTS,
  COMMIT,
  CONFIRM,
  ENDING,
  NOT_KEPT,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
} from './records.ts';
import { SECTOR, crc32, erase, fill, pack, program } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** Whether the journal says for good what the last `recover` came to. */
export let isSealed: boolean;

/** What a journal without a final decision has come to; if nothing, the update is interrupted. */
export let outcome: 'restored' | 'damaged' | false | undefined;

/**
 * Erases a sector, programs it and reads it back; once more if that differs.
 * @param sector - absolute number
 * @param data - SECTOR bytes
 * @throws E_FLASH if it differs twice
 */
export function writeSector(sector: number, data: Bytes): void {
  for (let tries = 2; tries--;) {
    erase(guard(sector * SECTOR));
    if (!isBlank(data, PIECE)) program(data, sector * SECTOR);
    if (readSector(sector) === data) return;
  }
  failFlash('sector ' + sector);
}

/**
 * Makes sure that the old content of a sector is safe, and that it is the sector in flight.
 * @param box - what it reads, if that is known. It is taken out, because there has to be room for what the backup reads.
 * @throws E_SPACE, E_FLASH
 */
export function save(sector: number, box: Bytes[]): void {
  let old = box.pop();
  let slot = NOT_KEPT;
  let check = 0;
  let tries = 2;
  needSlots(1);
  if (savedAt(sector)) {
    if (journal.inFlight !== sector) appendRecord(readSaved(sector));
    return;
  }
  if (journal.spare.span) {
    slot = BLANK;
    old = old || readSector(sector);
    if (!isBlank(old, PIECE)) {
      if (journal.used >= journal.spare.span)
        failSize('SPACE backup', (journal.used + 1) * SECTOR, journal.used * SECTOR);
      slot = journal.spare.first + journal.used;
      check = crc32(old);
      do {
        if (!tries--) failFlash('backup');
        erase(guard(slot * SECTOR));
        program(old || readSector(sector), slot * SECTOR);
        old = '';
      } while (crc32(readSector(slot)) !== check);
    }
    old = '';
  }
  append(SAVED, 0, sector | (slot << 16), check);
  if (journal.spare.span) tick('backup', journal.kept, journal.target.span);
}

/**
 * @returns the CRC-32 of those of all sectors of the target that were not saved; since COMMIT the app may have changed
 * them
 */
function checkUnsaved(): number {
  let check = 0;
  for (
    let sector = journal.target.first;
    sector < journal.target.first + journal.target.span;
    sector++
  )
    if (!savedAt(sector)) check = crc32(pack([check, crc32(readSector(sector))]));
  return check;
}

/**
 * Decides that the new content counts. The caller has verified it.
 * @param boots - trial boots after which it is put back unless confirmed; 0 it counts for good
 * @throws E_SPACE if only the reserve is left
 */
export function commit(boots: number): void {
  needSlots(3 + BOOT_SLOTS * boots);
  append(COMMIT, boots, 0, checkUnsaved());
  if (!boots) decide(CONFIRM, false);
}

/** For `putBack`: only see whether it could be done. */
export const TRY = 1;
const DO = 0;

/**
 * Puts back every saved sector; none is skipped because it reads equal.
 * @param isTrying - TRY or DO
 * @returns whether every slot of the spare holds what was saved there; never in a direct update
 * @throws E_FLASH
 */
export function putBack(isTrying: typeof TRY | typeof DO): boolean {
  let done = 0;
  outcome = false;
  for (
    let sector = journal.target.first;
    sector < journal.target.first + journal.target.span;
    sector++
  )
    if (journal.spare.span && savedAt(sector)) {
      const words = readSaved(sector);
      const slot = words[1] >>> 16;
      // 0: BLANK.
      const old = slot ? readSector(slot) : fill(255, SECTOR);
      if (slot && crc32(old) !== words[2]) {
        outcome = 'damaged';
        return false;
      }
      if (!isTrying) {
        writeSector(sector, old);
        tick('restore', ++done, journal.kept);
      }
    }
  return journal.spare.span > 0;
}

/**
 * Puts the old content back, from any state of the journal in which that is right. Touches nothing if there is
 * none to put back (a direct update), or if a slot was overwritten.
 * @throws E_FLASH, E_SPACE: the next `recover` tries again
 */
export function restore(): void {
  if (journal.decision > BEGIN) {
    if (!putBack(TRY)) return;
    // Where RESTORE and SOLID end the log, nothing is written to it before the old content is back.
    if (!isRestoring()) decide(RESTORE, journal.decision !== RESTORE);
    if (!putBack(DO)) failFlash('backup');
  }
  settle(false);
  append(ENDING);
  decide(RESTORED, false);
}

/**
 * @returns whether the new content stays: it was to count for good, or what it replaced is not kept any more, or old and
 * new would mix
 */
function isStaying(): boolean {
  // After REOPEN alone the restore was never decided. A decision without SOLID may flicker: it is made again.
  return (
    journal.decision > COMMIT ||
    (journal.decision === COMMIT &&
      (!journal.limit || !putBack(TRY) || checkUnsaved() !== journal.unsaved))
  );
}

/**
 * Finishes or undoes what power loss interrupted, unless the journal is quiet.
 *
 * A full journal cannot say so for good: it is not sealed, and the same is done again at the next boot.
 */
export function recover(): void {
  isSealed = true;
  try {
    if (journal.decision === COMMIT) settle(true);
    if (journal.decision === COMMIT && journal.booted < journal.limit)
      append(BOOT, journal.booted + 1);
    else if (isStaying()) decide(CONFIRM, journal.decision === COMMIT);
    else restore();
  } catch (error) {
    if ((error as { code?: string }).code !== 'E_SPACE') throw error;
    isSealed = false;
    if (!isStaying() && putBack(TRY) && putBack(DO)) outcome = 'restored';
  }
}

/**
 * Goes on with an interrupted update, of the same image or another one. The caller has seen that no slot
 * is damaged, and that there is room in the journal.
 * @throws E_FLASH, E_SPACE
 */
export function resume(): void {
  settle(true);
  // It was in flight: whatever it reads, its cells may be unstable.
  writeSector(journal.inFlight, fill(255, SECTOR));
}

/**
 * Puts the old content back although the new one counts.
 * @throws E_STATE if it is not kept; E_CHANGED if old and new would mix; E_SPACE, E_FLASH
 */
export function undo(isUsable: boolean): void {
  if (
    !isUsable ||
    journal.decision === RESTORED ||
    (journal.decision > RESTORE && !journal.kept) ||
    !putBack(TRY)
  )
    fail('STATE restore: no backup');
  if (journal.decision > RESTORE && checkUnsaved() !== journal.unsaved)
    fail('CHANGED restore: target changed');
  if (journal.decision === CONFIRM) {
    needSlots(1);
    settle(false);
    append(REOPEN);
  }
  restore();
}
