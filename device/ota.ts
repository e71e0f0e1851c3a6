/** The calls of the API. */

import type { Options, Partition, Plan, RecoverOptions, Report, Update } from './api.ts';
import * as chip from './chip.ts';
import { forgetChip, readChip } from './chip.ts';
import { fail } from './errors.ts';
import * as journal from './journal.ts';
import { decide, isQuiet, isTrial, replay } from './journal.ts';
import * as places from './places.ts';
import { choosePlaces, describe, isUsable, labelOf, readJournal, stateOf } from './places.ts';
import * as progress from './progress.ts';
import { listen } from './progress.ts';
import { BEGIN, COMMIT, CONFIRM, SAVED } from './records.ts';
import { read, use, useEspruino } from './runtime.ts';
import * as transaction from './transaction.ts';
import { recover as recoverTarget, undo } from './transaction.ts';
import * as updating from './update.ts';
import { startUpdate } from './update.ts';

/** Whether this boot has been counted as a trial boot. */
let isCounted: boolean | undefined;

export { use };

/** Reads the partition table. The engine is not touched before: nothing runs when the module loads. */
function look(): void {
  if (!read) useEspruino();
  readChip();
}

/** Reads the partition table and the journal. */
function lookAll(options?: RecoverOptions): void {
  if (updating.active || progress.isCalling) fail('STATE ota: updating');
  listen(options && options.onProgress);
  look();
  readJournal();
}

function report(): Report {
  const state = stateOf(isUsable());
  const result: Report = { state: state };
  if (journal.decision) result.partition = labelOf(journal.target);
  if (state === 'trial') {
    result.boots = journal.booted;
    result.trial = journal.limit;
  }
  // The call is over, and the caller may need the memory.
  forgetChip();
  return result;
}

/**
 * @returns the partition table, in its order
 * @throws E_NO_PARTITION if there is none, or it is damaged
 */
export function partitions(): Partition[] {
  look();
  return chip.areas.filter((area) => area.kind >= 0).map((area) => area.row);
}

/**
 * The dry run of `begin`. Writes nothing.
 * @param options - as for `begin`
 * @returns where target, backup and journal would be, and the worst case in erases, bytes and seconds
 * @throws what `begin` would throw
 */
export function plan(options: Options): Plan {
  lookAll();
  choosePlaces(options);
  const result = describe();
  forgetChip();
  return result;
}

/**
 * Starts an update, or resumes the interrupted one of this partition. Writes nothing until the first sector
 * differs.
 * @param options - `partition` is its label; the others have defaults
 * @returns the update: `write` the image to it, then `end` it
 * @throws E_NO_PARTITION, E_FORBIDDEN, E_NO_BACKUP, E_SPACE, E_ARGUMENT, E_SIZE, if the options do not fit the chip;
 * E_PENDING if another update is unfinished or on trial; E_STATE if one is in progress; E_FLASH
 */
export function begin(options: Options): Update {
  lookAll(options);
  choosePlaces(options);
  // A decision that was cut is finished first. A journal with BEGIN alone is as good as none.
  if (isUsable() && journal.decision !== BEGIN && !places.isResumed && !isQuiet()) recoverTarget();
  return startUpdate();
}

/**
 * Finishes or undoes what power loss interrupted. Call it once per boot, before the app uses the partition.
 * @param options - `resume: true` leaves an interrupted update open
 * @returns what the partition holds now
 * @throws E_FLASH if the chip does not write; E_STATE if an update is in progress
 */
export function recover(options?: RecoverOptions): Report {
  lookAll(options);
  const wasTrial = isTrial();
  const isIdle =
    isQuiet() ||
    !isUsable() ||
    (options && options.resume && journal.decision === SAVED) ||
    (wasTrial && isCounted);
  isCounted = true;
  if (!isIdle) recoverTarget();
  const result = report();
  if (journal.decision) result.sealed = isIdle || transaction.isSealed;
  // The trial is over, but the new content stays: old and new would mix, or the old content is lost.
  if (!isIdle && wasTrial && journal.decision === CONFIRM) result.code = 'E_CHANGED';
  return result;
}

/**
 * Ends the trial: the new content stays.
 * @throws E_STATE if there is no trial; E_FLASH
 */
export function confirm(): Report {
  lookAll();
  if ((journal.decision === CONFIRM || isTrial()) && !isQuiet() && isUsable())
    decide(CONFIRM, journal.decision === COMMIT);
  if (journal.decision !== CONFIRM) fail('STATE confirm: no trial');
  return report();
}

/**
 * Puts the old content back: of an update that is open, on trial or committed.
 * @returns what the partition holds now
 * @throws E_STATE if the old content is not kept; E_CHANGED if the app has written to the partition since, so that
 * old and new would mix; E_SPACE, E_FLASH
 */
export function restore(options?: RecoverOptions): Report {
  if (updating.active) return updating.active.abort();
  lookAll(options);
  replay(true);
  undo(isUsable());
  return report();
}

/** @returns where the last update stands. Writes nothing. */
export function status(): Report {
  if (updating.active)
    return {
      state: 'updating',
      partition: places.label,
      saved: updating.ownsJournal ? journal.savedCount : 0,
    };
  lookAll();
  replay(true);
  const result = report();
  result.saved = journal.decision && journal.savedCount;
  return result;
}
