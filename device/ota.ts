/** The calls of the API. */

import type { Options, Partition, Plan, RecoverOptions, Report, Update } from './api.ts';
import { forgetChip, readChip } from './chip.ts';
import { fail } from './errors.ts';
import * as journal from './journal.ts';
import { decide, isQuiet, replay, retireAll } from './journal.ts';
import * as places from './places.ts';
import { choosePlaces, describe, isUsable, labelOf, readJournal, stateOf } from './places.ts';
import { listen } from './progress.ts';
import { COMMIT, CONFIRM, FORGET, SAVED } from './records.ts';
import { free, use, useEspruino } from './runtime.ts';
import * as transaction from './transaction.ts';
import { recover as recoverTarget, seal, undo } from './transaction.ts';
import * as updating from './update.ts';
import { isUpdating, startUpdate } from './update.ts';

/**
 * How many of Espruino's JsVars have to be free when `begin` has started, for an update in chunks of 512 bytes of a target of
 * 1 MiB: the least count that `npm run cost -- room` finds, without what is in use by then.
 */
const NEEDED = 480;

/** Whether this boot has been counted as a trial boot. */
let isCounted: boolean | undefined;

export { use };

/** Finishes or undoes what power loss interrupted. If that fails, a trial that is over may be half undone. */
function finish(isKept: boolean): void {
  isCounted = false;
  // The table takes memory that is needed for sectors; it has to be read again then.
  forgetChip();
  recoverTarget(isKept);
}

/** Reads the partition table. The engine is not touched before: nothing runs when the module loads. */
function look(rows?: Partition[]): void {
  useEspruino();
  readChip(rows);
}

/** Reads the partition table and the journal. */
function lookAll(options?: RecoverOptions): void {
  if (isUpdating()) fail('STATE ota: updating');
  listen(options && options.onProgress);
  look();
  readJournal();
}

function report(): Report {
  const isFit = isUsable();
  const state = stateOf(isFit);
  const result: Report = { state: state };
  // Also of what was given up: there the partition may read right, and wrong at the next boot.
  if (state !== 'none' || isFit) result.partition = labelOf(journal.target);
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
 * @example
 * require('ota').partitions().forEach(function (row) {
 *   print(row.label, row.address, row.size);
 * });
 */
export function partitions(): Partition[] {
  const rows: Partition[] = [];
  look(rows);
  forgetChip();
  return rows;
}

/**
 * The dry run of `begin`. Writes nothing.
 * @param options - as for `begin`
 * @returns where target, backup and journal would be, and the worst case in erases, bytes and seconds
 * @throws what `begin` would throw
 * @example
 * var plan = require('ota').plan({ partition: 'www' });
 * print(plan.backup, plan.worst.seconds);
 */
export function plan(options: Options): Plan {
  lookAll();
  choosePlaces(options, isCounted);
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
 * E_PENDING if another update is unfinished or on trial; E_STATE if one is in progress; E_FLASH; E_MEMORY
 * @example
 * var update = require('ota').begin({ partition: 'www' });
 * update.write('<h1>The new content</h1>');
 * print(update.end().state); // committed
 */
export function begin(options: Options): Update {
  const room = free ? free() : NEEDED;
  if (room < NEEDED) fail('MEMORY begin: ' + room + ' JsVars free, ' + NEEDED + ' needed');
  lookAll(options);
  choosePlaces(options, isCounted);
  if (places.isResumed) seal(true, 0);
  // What was cut is finished first. A journal that keeps nothing more is not resumed: the old content comes back, and
  // another one begins.
  const isResumed = places.isResumed && transaction.isSealed;
  if (isUsable() && !isResumed && !isQuiet()) {
    finish(!places.isVoid);
    readChip();
  }
  if (!transaction.isSealed) choosePlaces(options, isCounted);
  return startUpdate();
}

// What `recover` does is found by four facts:
// - the last decision in the journal;
// - whether SOLID follows it; for RESTORE: whether SOLID ends the log;
// - the trial boots that COMMIT allows: none; some are left; all have happened, it is over;
// - whether target and journal are usable: the places are as they were, and may still be written to.
//
//     decision  SOLID  trial  usable  `status`     `recover`     and writes
//     none      any    any    any     none         none
//     RESTORED  yes    any    any     restored     restored
//     RESTORED  no     any    yes     restored     restored      zeros, ENDING, RESTORED, SOLID
//     RESTORED  no     any    no      restored     restored
//     BEGIN     no     any    yes     interrupted  restored      BEGIN, SOLID, zeros, ENDING, RESTORED, SOLID
//     BEGIN     no     any    no      restored     restored
//     SAVED     no     any    yes     interrupted  restored      zeros, again, RESTORE, SOLID, sectors, ENDING, RESTORED, SOLID
//     SAVED     no     any    no      damaged      damaged
//     RESTORE   no     any    yes     interrupted  restored      zeros, RESTORE, SOLID, sectors, ENDING, RESTORED, SOLID
//     RESTORE   yes    any    yes     interrupted  restored      sectors, zeros, ENDING, RESTORED, SOLID
//     RESTORE   any    any    no      damaged      damaged
//     COMMIT    no     none   yes     committed    committed     zeros, again, CONFIRM, SOLID
//     COMMIT    no     left   yes     trial        trial         zeros, again, BOOT
//     COMMIT    no     over   yes     trial        restored      zeros, again, RESTORE, SOLID, sectors, ENDING, RESTORED, SOLID
//     COMMIT    no     any    no      committed    committed
//     REOPEN    no     any    yes     committed    committed     zeros, CONFIRM, SOLID
//     REOPEN    no     any    no      committed    committed
//     CONFIRM   yes    any    any     committed    committed
//     CONFIRM   no     any    yes     committed    committed     zeros, CONFIRM, SOLID
//     CONFIRM   no     any    no      committed    committed
//
// "zeros" are programmed over what a cut may have left (`settle`), "again" is the last record once more, "sectors" are the
// old content of the target. SOLID follows no other decision. But:
// - SAVED with `resume: true`: interrupted, and nothing is written.
// - SAVED in a direct update, or BEGIN with VOID: incomplete, and nothing is written.
// - SAVED or RESTORE, and the backup is not what it was, or a SAVED is lost: damaged, and nothing is written.
// - BEGIN is lost, but not what follows it: damaged, and nothing is written; as ever if the last decision is final.
// - COMMIT, trial over, but the backup or a sector that was never saved is not what it was, or a SAVED is lost: CONFIRM
//   and SOLID in place of RESTORE; committed, with code E_CHANGED.
// - COMMIT, trial left, a second call in the same boot: nothing is written.
// - A journal that is full, or whose sector keeps nothing more: the sectors are put back, what does not fit is not
//   written, and `sealed` is false. A trial with boots left stays one: this boot is not counted.
// - A backup in a data partition: the slot that may have been in flight is erased before the sectors are put back.

/**
 * Finishes or undoes what power loss interrupted. Call it once per boot, before the app uses the partition.
 * @param options - `resume: true` leaves an interrupted update open
 * @returns what the partition holds now
 * @throws E_FLASH if the chip does not write; E_STATE if an update is in progress
 * @example
 * // in .boot0
 * var recovered = require('ota').recover();
 * if (recovered.state === 'incomplete') print('update it again: ' + recovered.partition);
 */
export function recover(options?: RecoverOptions): Report {
  lookAll(options);
  const wasTrial = journal.limit;
  const isIdle =
    isQuiet() ||
    !isUsable() ||
    (options && options.resume && journal.decision === SAVED) ||
    (wasTrial && isCounted);
  if (!isIdle) {
    finish(false);
    readChip();
  }
  isCounted = isIdle || transaction.isSealed;
  const result = report();
  if (result.state !== 'none') result.sealed = isIdle || transaction.isSealed;
  if (!isIdle) {
    // What the backup holds was read wrong, and right now. At this boot nothing was put back.
    if (result.state === 'interrupted') result.state = 'damaged';
    // The trial is over, but the new content stays: old and new would mix, or the old content is lost.
    if (wasTrial && journal.decision === CONFIRM) result.code = 'E_CHANGED';
  }
  return result;
}

/**
 * Ends the trial: the new content stays.
 * @returns what the partition holds now: `committed`
 * @throws E_STATE if there is no trial; E_FLASH
 * @example
 * // the app has seen that it works with the new content
 * if (require('ota').status().state === 'trial') require('ota').confirm();
 */
export function confirm(): Report {
  lookAll();
  // A trial that is over and could not be recorded so is no trial: the old content is back.
  if (
    (journal.decision === CONFIRM ||
      (journal.limit && (isCounted !== false || journal.booted < journal.limit))) &&
    !isQuiet() &&
    isUsable()
  )
    decide(CONFIRM, journal.decision === COMMIT);
  if (journal.decision !== CONFIRM) fail('STATE confirm: no trial');
  return report();
}

/**
 * Puts the old content back: of an update that is open, on trial or committed.
 * @returns what the partition holds now
 * @throws E_STATE if the old content is not kept; E_CHANGED if the app has written to the partition since, so that
 * old and new would mix; E_SPACE, E_FLASH
 * @example
 * print(require('ota').restore().state); // restored
 */
export function restore(options?: RecoverOptions): Report {
  if (isUpdating()) return (updating.active as Update).abort();
  lookAll(options);
  replay(true);
  undo(isUsable());
  return report();
}

/**
 * Gives up what the journal knows, whatever it is: of an update that is open, its old content, too. No journal tells of an
 * update then. It is the way out when `recover` cannot help, and no image for that partition is at hand.
 * @returns `none`
 * @throws E_STATE if an update is in progress; E_FLASH
 * @example
 * if (require('ota').recover().state === 'damaged') require('ota').forget();
 */
export function forget(): Report {
  lookAll();
  // If the journal keeps FORGET, that still tells the next update that the target may be unstable.
  if (isUsable()) seal(true, FORGET);
  readJournal();
  if (journal.decision !== FORGET || !isQuiet()) {
    retireAll();
    readJournal();
  }
  return report();
}

/**
 * Tells where the last update stands. Writes nothing.
 * @returns what the partition holds
 * @example
 * var report = require('ota').status();
 * print(report.state, report.partition, report.saved);
 */
export function status(): Report {
  if (isUpdating())
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
