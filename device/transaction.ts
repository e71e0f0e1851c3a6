/**
 * A transaction over flash sectors with a rollback journal: what makes an update safe.
 *
 * It knows nothing of partitions or images. At any power cut `recover` brings the target to its complete old or its
 * complete new content. There is no second description of the protocol for recovery: updates and recovery work on the
 * same journal with the same functions.
 *
 * Invariants:
 * 1. A sector of the target is erased only when its old content is in a slot of the backup, read back and read again from
 *    its source, and its SAVED record is on flash and read back.
 * 2. What was in flight at a power cut is never trusted, even if it reads right: not the last record, not the sector
 *    of the last SAVED, not a blank slot.
 * 3. COMMIT only after every sector of the image was read back from flash and the image's check matched.
 */

import { fail, failFlash, failSize } from './errors.ts';
import { PAGE, checkOf, isBlank, isSectorBlank } from './flash.ts';
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
  PIECE,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  UNTOUCHED,
  mix,
} from './records.ts';
import { SECTOR, crc32, erase, fill, program, read } from './runtime.ts';
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
  if (isPartition && isSealed && journal.backupUsed < journal.backup.span)
    try {
      copy(BLANK, journal.backup.first + journal.backupUsed, 0, 2);
    } catch {
      // One that keeps nothing more does not keep the old content from coming back.
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
 * Programs bytes that are new to a sector which `rewrite` has erased, and reads them back; once more if they differ.
 * @throws E_FLASH if they differ twice
 */
export function put(address: number, data: Bytes): void {
  for (let tries = 2; tries--;) {
    if (data[0] !== '\xff' || !isBlank(data)) program(data, address);
    if (read(address, data.length) === data) return;
  }
  failSector(address / SECTOR);
}

function failSector(sector: number): never {
  return failFlash('sector ' + (sector | 0));
}

/**
 * Erases a sector and copies the first bytes of another one there, piece by piece: memory has no room for a sector. Each
 * piece is read back, and read again from its source, because the first read may have erred.
 * @param from - BLANK: nothing is copied, and all of the sector has to be blank then
 * @param size - bytes; nobody looks whether those behind them are blank then
 * @param tries - how often. In the last one the source is believed: if its cells are unstable, it never reads the same, and any
 * of its contents will do
 * @param wanted - the check of what is copied, if that is known
 * @returns its check
 * @throws E_FLASH if it reads wrong each time
 */
function copy(from: number, to: number, size: number, tries: number, wanted?: number): number {
  let check: number;
  let isRight: boolean;
  do {
    if (!tries--) failSector(to);
    erase(guard(to * SECTOR));
    // Where the rest is programmed later, an erase that has done nothing shows there.
    isRight = size > 0 || (from ? isBlank(read(to * SECTOR, PAGE)) : isSectorBlank(to));
    check = 0;
    for (let at = 0; at < size && isRight; at += PIECE) {
      const source = from * SECTOR + at;
      const data = read(source, Math.min(PIECE, size - at));
      check = mix(check, crc32(data));
      if (data[0] !== '\xff' || !isBlank(data)) program(data, to * SECTOR + at);
      isRight =
        read(to * SECTOR + at, data.length) === data &&
        (!tries || read(source, data.length) === data);
    }
  } while (!isRight || (wanted != null && check !== wanted));
  return check;
}

/**
 * Makes sure that the old content of a sector is safe, and that it is the sector in flight.
 * @returns the slot of the backup that holds it; 0 it is blank, or the update is a direct one
 * @throws E_SPACE, E_FLASH
 */
export function save(sector: number): number {
  let slot = BLANK;
  let check = 0;
  if (!journal.backup.span) {
    // One record tells that nothing can be put back.
    if (journal.decision !== SAVED) append(SAVED, 0, sector);
    return slot;
  }
  needSlots(1);
  const saved = journal.index[sector - journal.target.first];
  if (saved) {
    const words = readSaved(saved);
    if (journal.inFlight !== sector) appendRecord(words);
    return words[1]! >>> 16;
  }
  if (!isSectorBlank(sector)) {
    if (journal.backupUsed >= journal.backup.span)
      failSize('SPACE backup', (journal.backupUsed + 1) * SECTOR, journal.backupUsed * SECTOR);
    slot = journal.backup.first + journal.backupUsed;
    check = copy(sector, slot, SECTOR, 9);
  }
  append(SAVED, journal.savedCount, sector | (slot << 16), check);
  tick('backup', journal.savedCount, journal.target.span);
  return slot;
}

/**
 * Begins to write a sector anew: saves its old content, erases it, and programs what is right already.
 * @param size - its first bytes that are
 * @throws E_SPACE, E_FLASH
 */
export function rewrite(sector: number, size: number): void {
  const slot = save(sector);
  const address = sector * SECTOR;
  let kept: Bytes = '';
  // They are in the backup, too, unless this is a direct update, or the sector was saved before and written since.
  let tries = 9;
  for (let at = 0; at < size;) {
    const length = Math.min(PIECE, size - at);
    // What is kept is compared in pieces, too: one read may err.
    const held = kept
      ? kept.substr(at, length)
      : slot
        ? read(slot * SECTOR + at, length)
        : fill(255, length);
    if (read(address + at, length) === held || !tries--) at += PIECE;
    else {
      kept = read(address, size);
      at = 0;
    }
  }
  const right = slot && !kept ? size : 0;
  // The last try believes its source: three, so that two reads may err.
  copy(slot, sector, right, right ? 3 : 2);
  if (kept) put(address, kept);
}

/**
 * @returns one check over those of all sectors of the target that were not saved; since COMMIT the app may have changed
 * these sectors
 */
function checkUnsaved(): number {
  let check = 0;
  for (let n = 0; n < journal.target.span; n++)
    if (!journal.index[n]) check = mix(check, checkOf(journal.target.first + n));
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
 * Goes through the saved sectors up to the first one of which the backup does not hold what its SAVED record tells. With
 * CHECK it writes nothing. With PUT_BACK it writes each sector back, also one that reads equal: its cells may be unstable. Two
 * functions would take more of the bundle.
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
      if (!onlyChecks) {
        copy(slot, journal.target.first + n, slot && SECTOR, 2, slot ? words[2] : undefined);
        tick('restore', ++done, journal.savedCount);
        // What reads wrong is read once more: it may have been read wrong.
      } else if (slot && checkOf(slot) !== words[2] && checkOf(slot) !== words[2]) return undefined;
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
  if (!isUntouched) walkBackup(PUT_BACK);
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
  if (journal.backup.span) copy(BLANK, journal.inFlight, 0, 2);
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
