/**
 * A transaction over flash sectors with a rollback journal: what makes an update safe.
 *
 * It knows nothing of partitions or images. At any power cut `recover` brings the target to its complete old or its
 * complete new content. There is no second description of the protocol for recovery: updates and recovery work on the
 * same journal with the same functions.
 *
 * Invariants:
 * 1. A sector of the target is erased only when its old content is in a slot of the backup, read back with the same
 *    CRC-32, and its SAVED record is on flash and read back.
 * 2. What was in flight at a power cut is never trusted, even if it reads right: not the last record, not the sector
 *    of the last SAVED, not a blank slot.
 * 3. COMMIT only after every sector of the image was read back from flash and the image's check matched.
 */

import { fail, failFlash, failSize } from './errors.ts';
import { isBlank, readSector } from './flash.ts';
import * as journal from './journal.ts';
import {
  append,
  appendRecord,
  apply,
  decide,
  guard,
  isRestoring,
  needSlots,
  readSaved,
  settle,
} from './journal.ts';
import { tick } from './progress.ts';
import {
  BLANK,
  BOOT,
  BOOT_SLOTS,
  COMMIT,
  CONFIRM,
  ENDING,
  INCOMPLETE,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  UNTOUCHED,
} from './records.ts';
import { SECTOR, crc32, erase, fill, pack, program } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** Whether the journal keeps what was decided. Only `start` and `seal` write it. */
export let isSealed: boolean;

/** Whether the backup is a partition that may be updated itself. */
let isPartition: boolean | 0 | undefined;

/** Trusts the journal: in a new call of the API, or another journal. */
export function start(newIsPartition: boolean | 0 | undefined): void {
  isSealed = true;
  isPartition = newIsPartition;
}

/**
 * Erases the slot of the backup that may have been in flight: an update of that partition would not see that its cells are
 * unstable. Only once no record that a cut left can name it any more.
 */
function tidy(): void {
  const sector = journal.backup.first + journal.backupUsed;
  // One that keeps nothing more does not keep the old content from coming back.
  for (
    let tries = isPartition && isSealed && journal.backupUsed < journal.backup.span ? 2 : 0;
    tries--;
  ) {
    erase(guard(sector * SECTOR));
    if (isBlank(readSector(sector))) return;
  }
}

/**
 * Settles the journal and appends to it, unless it is full or its sector has failed. Then the next boot does all of it
 * again.
 * @param isRepeated - see `settle`
 * @param decision - what is decided; 0 nothing
 * @param type - a record that comes before that; 0 none
 */
export function seal(
  isRepeated: boolean,
  decision: number,
  type?: number | false,
  argument?: number,
): void {
  if (!isSealed) return;
  try {
    settle(isRepeated);
    if (type) append(type, argument);
    if (decision) decide(decision, false);
  } catch (error) {
    if (!(error as { code?: string }).code) throw error;
    isSealed = false;
  }
}

/**
 * Erases a sector, programs it and reads it back; once more if that differs.
 * @param sector - absolute number
 * @param data - SECTOR bytes
 * @throws E_FLASH if it differs twice
 */
export function writeSector(sector: number, data: Bytes): void {
  for (let tries = 2; tries--;) {
    erase(guard(sector * SECTOR));
    if (!isBlank(data)) program(data, sector * SECTOR);
    if (readSector(sector) === data) return;
  }
  failFlash('sector ' + sector);
}

/**
 * Makes sure that the old content of a sector is safe, and that it is the sector in flight.
 * @param box - what the sector reads, if that is known. It is taken out of the box: there has to be room in memory for
 * what the backup reads.
 * @throws E_SPACE, E_FLASH
 */
export function save(sector: number, box: Bytes[]): void {
  let slot = BLANK;
  let check = 0;
  if (!journal.backup.span) {
    // One record tells that nothing can be put back.
    if (journal.decision !== SAVED) append(SAVED, 0, sector);
    return;
  }
  needSlots(1);
  const saved = journal.index[sector - journal.target.first];
  if (saved) {
    if (journal.inFlight !== sector) appendRecord(readSaved(saved));
    return;
  }
  let old = box.pop() || readSector(sector);
  if (!isBlank(old)) {
    let tries = 9;
    if (journal.backupUsed >= journal.backup.span)
      failSize('SPACE backup', (journal.backupUsed + 1) * SECTOR, journal.backupUsed * SECTOR);
    slot = journal.backup.first + journal.backupUsed;
    do {
      if (!tries--) failFlash('backup');
      old = old || readSector(sector);
      check = crc32(old);
      erase(guard(slot * SECTOR));
      program(old, slot * SECTOR);
      // Memory has no room for two sectors: they are compared by their CRC-32. The source is read again, because the first
      // read may have erred. One whose cells are unstable never reads the same: then any of its contents will do.
      old = '';
    } while (crc32(readSector(slot)) !== check || (tries && crc32(readSector(sector)) !== check));
  }
  old = '';
  append(SAVED, journal.savedCount, sector | (slot << 16), check);
  tick('backup', journal.savedCount, journal.target.span);
}

/**
 * @returns one CRC-32 over the CRC-32s of all sectors of the target that were not saved; since COMMIT the app may have
 * changed these sectors
 */
function checkUnsaved(): number {
  let check = 0;
  for (let n = 0; n < journal.target.span; n++)
    if (!journal.index[n])
      check = crc32(pack([check, crc32(readSector(journal.target.first + n))]));
  return check;
}

/**
 * Decides that the new content counts. The caller has verified it.
 * @param boots - trial boots after which the old content comes back unless `confirm` is called; 0 the new content counts
 * for good
 * @throws E_SPACE if only the reserve is left
 */
export function commit(boots: number): void {
  needSlots(3 + BOOT_SLOTS * boots);
  append(COMMIT, boots, 0, journal.backup.span ? checkUnsaved() : 0);
  if (!boots) decide(CONFIRM, false);
}

/** The modes of `walkBackup`: only check that the old content is there; put it back, too. */
export const CHECK = 1;
const PUT_BACK = 0;

/**
 * Goes through the saved sectors, and compares what the backup holds of each with the CRC-32 in its SAVED record, up to
 * the first one that differs. With CHECK it writes nothing. With PUT_BACK it writes each sector back, also one that reads
 * equal: its cells may be unstable. Two functions would take more of the bundle.
 * @param onlyChecks - CHECK or PUT_BACK
 * @returns whether the backup holds all of the old content; never in a direct update
 * @throws E_FLASH
 */
export function walkBackup(onlyChecks: typeof CHECK | typeof PUT_BACK): true | undefined {
  let done = 0;
  if (journal.isDamaged || !journal.backup.span) return undefined;
  for (let n = 0; n < journal.target.span; n++)
    if (journal.index[n]) {
      const words = readSaved(journal.index[n]);
      const slot = words[1]! >>> 16;
      // 0 is BLANK.
      let old = slot ? readSector(slot) : fill(255, SECTOR);
      // What reads wrong is read once more: it may have been read wrong.
      if (slot && crc32(old) !== words[2]) {
        old = readSector(slot);
        if (crc32(old) !== words[2]) return undefined;
      }
      if (!onlyChecks) {
        writeSector(journal.target.first + n, old);
        tick('restore', ++done, journal.savedCount);
      }
    }
  return true;
}

/**
 * Puts the old content back. The caller has seen that the old content is to count. Writes nothing if there is none to put
 * back (a direct update), or if a slot of the backup was overwritten. If the journal keeps nothing more, the old content
 * comes back all the same, and the next `recover` does so again.
 * @param hasToSeal - whether to write nothing then: the new content counted
 * @param isKept - whether the caller has seen that the backup holds the old content
 * @throws E_FLASH, E_SPACE: the next `recover` tries again
 */
export function restore(hasToSeal: boolean, isKept: boolean): void {
  const isUntouched = journal.decision <= UNTOUCHED;
  if (!isUntouched && !walkBackup(CHECK)) {
    if (isKept) failFlash('backup');
    return;
  }
  // Where RESTORE and SOLID end the log, nothing is written to it before the old content is back.
  if (!isRestoring()) seal(!isUntouched && journal.decision !== RESTORE, isUntouched ? 0 : RESTORE);
  if (hasToSeal && !isSealed) failFlash();
  tidy();
  if (!isUntouched && !walkBackup(PUT_BACK)) failFlash('backup');
  seal(false, RESTORED, ENDING);
  // That it was put back is true in this call, sealed or not.
  if (!isSealed) apply(0, [RESTORED]);
}

/**
 * @returns whether the new content stays: it was to count for good, or the backup does not hold the old content any more,
 * or old and new would mix
 */
function isStaying(): boolean {
  // After REOPEN alone the restore was never decided. A decision without SOLID may flicker: it is made again.
  return (
    journal.decision > COMMIT ||
    (journal.decision === COMMIT &&
      (!journal.limit || !walkBackup(CHECK) || checkUnsaved() !== journal.unsaved))
  );
}

/**
 * Finishes or undoes what power loss interrupted. The table at `recover` in ota.ts has each case.
 *
 * If the journal keeps nothing more, the result is not recorded: it is not sealed, and the next boot does the same again.
 * @param isKept - see `restore`
 * @throws E_FLASH, E_SPACE
 */
export function recover(isKept: boolean): void {
  const { decision, booted } = journal;
  if (decision === COMMIT) seal(true, 0, booted < journal.limit && BOOT, booted + 1);
  // A boot that could not be counted is one more.
  if (booted < journal.limit) return;
  if (isStaying()) seal(decision === COMMIT, decision > CONFIRM ? decision : CONFIRM);
  else restore(false, isKept);
}

/**
 * Goes on with an interrupted update, with the same image or another one. The caller has seen that no slot of the backup
 * is damaged, and that there is room in the journal.
 * @throws E_FLASH, E_SPACE
 */
export function resume(): void {
  settle(true);
  tidy();
  // This sector was in flight: its cells may be unstable, even if it reads right. A direct update compares nothing.
  if (journal.backup.span) writeSector(journal.inFlight, fill(255, SECTOR));
}

/**
 * Puts the old content back although the new one counts.
 * @throws E_STATE if the backup does not hold the old content; E_CHANGED if old and new would mix; E_SPACE, E_FLASH
 */
export function undo(isUsable: boolean | 0 | undefined): void {
  if (
    !isUsable ||
    journal.decision === RESTORED ||
    (journal.decision > INCOMPLETE && !journal.savedCount) ||
    !walkBackup(CHECK)
  )
    fail('STATE restore: no backup');
  if (journal.decision > INCOMPLETE && checkUnsaved() !== journal.unsaved)
    fail('CHANGED restore: target');
  if (journal.decision === CONFIRM) {
    needSlots(1);
    settle(false);
    append(REOPEN);
  }
  restore(journal.decision > INCOMPLETE, true);
}
