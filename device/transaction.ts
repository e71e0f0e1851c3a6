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

import { fail } from './errors.ts';
import { blankSector, crc32, isBlank, pack, readSector, writeSector } from './flash.ts';
import {
  BLANK,
  DIRECT,
  NOT_KEPT,
  append,
  booted,
  decide,
  decision,
  eachSaved,
  flags,
  inFlight,
  isFinal,
  isRestoring,
  kept,
  limit,
  needSlots,
  repeatSaved,
  savedAt,
  settle,
  spare,
  target,
  unsaved,
  used,
} from './journal.ts';
import { tick } from './progress.ts';
import type { Bytes } from './runtime.ts';

/** Whether the journal says for good what the last `recover` came to. */
export let isSealed: boolean;

/** What a journal without a final decision has come to. */
export let outcome: 'interrupted' | 'restored' | 'damaged' = 'interrupted';

/**
 * Makes sure that the old content of a sector is safe. Does nothing if it is already.
 * @throws E_SPACE, E_FLASH
 */
export function save(sector: number): void {
  if (savedAt(sector)) return;
  needSlots(1, 0);
  let slot = NOT_KEPT;
  let check = 0;
  if (!(flags & DIRECT)) {
    slot = BLANK;
    const old = readSector(sector);
    if (!isBlank(old)) {
      if (used >= spare.span) fail('SPACE', 'backup: full, sectors: ' + used);
      slot = spare.first + used;
      check = crc32(old);
      writeSector(slot, old);
    }
  }
  append('S', 0, sector | (slot << 16), check);
}

/**
 * Brings a sector of the target to `data`: saves the old content first, then overwrites it.
 * The caller has seen that it differs.
 * @throws E_SPACE, E_FLASH
 */
export function rewrite(sector: number, data: Bytes): void {
  if (!savedAt(sector)) save(sector);
  else if (inFlight !== sector) repeatSaved(sector);
  writeSector(sector, data);
}

/** @returns the CRC-32 of those of all sectors of the target that were not saved. */
function checkUnsaved(): number {
  let check = 0;
  for (let sector = target.first; sector < target.first + target.span; sector++)
    if (!savedAt(sector)) check = crc32(pack([check, crc32(readSector(sector))]));
  return check;
}

/** @returns whether the app has changed a sector that was never saved, since COMMIT. */
function isChanged(): boolean {
  return checkUnsaved() !== unsaved;
}

/**
 * Decides that the new content counts. The caller has verified it.
 * @param boots - trial boots after which it is put back unless confirmed; 0 it counts for good
 * @throws E_SPACE if only the reserve is left
 */
export function commit(boots: number): void {
  needSlots(3, boots);
  outcome = 'interrupted';
  append('C', boots, 0, checkUnsaved());
  if (!boots) decide('K');
}

/** @returns whether every slot of the spare holds what was saved there. */
export function canPutBack(): boolean {
  let isWhole = true;
  eachSaved((_, slot, check) => {
    if (slot < NOT_KEPT && crc32(readSector(slot)) !== check) isWhole = false;
  });
  outcome = isWhole ? 'interrupted' : 'damaged';
  return isWhole && !(flags & DIRECT);
}

/** Puts back every saved sector; none is skipped because it reads equal. */
function putBack(): void {
  let done = 0;
  eachSaved((sector, slot, check) => {
    const old = slot === BLANK ? blankSector() : readSector(slot);
    if (slot !== BLANK && crc32(old) !== check) fail('FLASH', 'backup: flickers');
    writeSector(sector, old);
    tick('restore', ++done, kept);
  });
}

/**
 * Puts the old content back, from any state of the journal in which that is right. Touches nothing if there is
 * none to put back (a direct update), or if a slot was overwritten.
 * @throws E_FLASH, E_SPACE: the next `recover` tries again
 */
export function restore(): void {
  if ('BX'.indexOf(decision) < 0) {
    if (!canPutBack()) return;
    // Where RESTORE and SOLID end the log, nothing is written to it before the old content is back.
    if (!isRestoring()) {
      settle(decision !== 'R');
      decide('R');
    }
    putBack();
  }
  settle(false);
  append('E');
  decide('X');
}

/** Decides that the new content counts for good. */
export function confirm(): void {
  settle(decision === 'C');
  decide('K');
}

/** What `recover` does while the journal has room. */
function recoverSealed(): void {
  if (decision === 'C') {
    settle(true);
    if (booted < limit) {
      append('T', booted + 1);
      return;
    }
  }
  // After REOPEN alone the restore was never decided: the new content stays. So it does where old and new would
  // mix, and where the old content is not kept any more. A decision without SOLID may flicker: it is made again.
  if (
    'KO'.indexOf(decision) >= 0 ||
    (decision === 'C' && (flags & DIRECT || !canPutBack() || isChanged()))
  )
    confirm();
  else restore();
}

/**
 * Finishes or undoes what power loss interrupted, unless the journal is quiet.
 *
 * A full journal cannot say so for good: it is not sealed, and the same is done again at the next boot.
 */
export function recover(): void {
  isSealed = true;
  outcome = 'interrupted';
  try {
    recoverSealed();
  } catch (error) {
    if ((error as { code?: string }).code !== 'E_SPACE') throw error;
    isSealed = false;
    if ('KO'.indexOf(decision) < 0 && canPutBack() && !(decision === 'C' && isChanged())) {
      putBack();
      outcome = 'restored';
    }
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
  writeSector(inFlight, blankSector());
}

/**
 * Puts the old content back although the new one counts.
 * @throws E_STATE if it is not kept; E_CHANGED if old and new would mix; E_SPACE, E_FLASH
 */
export function undo(): void {
  const isCommitted = 'CKO'.indexOf(decision) >= 0;
  if (decision === 'X' || (isCommitted && !kept) || !canPutBack())
    fail('STATE', 'restore: no backup is left');
  if (isCommitted && isChanged()) fail('CHANGED', 'restore: a sector without backup has changed');
  if (isFinal()) {
    needSlots(1, 0);
    settle(false);
    append('O');
  }
  restore();
}
