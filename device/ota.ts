/** The calls of the API. */

import type { Options, Partition, Plan, RecoverOptions, Report, Update } from './api.ts';
import { areas, readChip } from './chip.ts';
import { fail } from './errors.ts';
import { use as useRuntime } from './flash.ts';
import { booted, decision, isQuiet, kept, limit, target } from './journal.ts';
import { choosePlaces, describe, isUsable, labelOf, readJournal, stateOf } from './plan.ts';
import { isCalling, listen } from './progress.ts';
import type { Runtime } from './runtime.ts';
import {
  confirm as confirmTrial,
  isSealed,
  recover as recoverTarget,
  undo,
} from './transaction.ts';
import { active, isOpen, label, startUpdate } from './update.ts';

/** Makes the runtime at the first call: nothing runs when the module loads. */
let makeRuntime: (() => Runtime) | undefined;

/** Whether this boot has been counted as a trial boot. */
let isCounted = false;

/** Works over another runtime from the next call on. */
export function use(make: () => Runtime): void {
  makeRuntime = make;
}

/** Reads the partition table. */
function look(): void {
  if (makeRuntime) useRuntime(makeRuntime());
  makeRuntime = undefined;
  readChip();
}

/** Reads the partition table and the journal. */
function lookAll(isFull: boolean): void {
  if (active || isCalling) fail('STATE', 'ota: an update is in progress');
  look();
  readJournal(isFull);
}

function report(): Report {
  const result: Report = { state: stateOf() };
  if (decision) result.partition = labelOf(target);
  if (result.state === 'trial') {
    result.boots = booted;
    result.trial = limit;
  }
  return result;
}

/** @returns the partition table, in its order. */
export function partitions(): Partition[] {
  look();
  return areas.map((area) => area.row).filter((row) => row.type >= 0);
}

/** @returns what `begin` would use; throws what it would throw. Writes nothing. */
export function plan(options: Options): Plan {
  lookAll(true);
  return describe(choosePlaces(options, 0));
}

/**
 * Starts an update, or resumes the interrupted one of this partition. Writes nothing until the first sector
 * differs.
 */
export function begin(options: Options): Update {
  lookAll(true);
  const places = choosePlaces(options, 0);
  listen(options);
  // A decision that was cut is finished first. A journal that has only begun is as good as none.
  if (decision && decision !== 'B' && !places.isOpen && !isQuiet() && isUsable()) recoverTarget();
  return startUpdate(options, places);
}

/**
 * Finishes or undoes what power loss interrupted. Call it once per boot, before the app uses the partition.
 */
export function recover(options?: RecoverOptions): Report {
  lookAll(false);
  const isOnTrial = decision === 'C' && limit > 0;
  const isCountedTrial = isOnTrial && isCounted;
  const isKept = options && options.resume && decision === 'S';
  isCounted = true;
  listen(options);
  const isIdle = !decision || isQuiet() || !isUsable() || isKept || isCountedTrial;
  if (!isIdle) recoverTarget();
  const result = report();
  if (decision) result.sealed = isIdle || isSealed;
  // An expired trial that is kept: old and new would have mixed, or the old content is lost.
  if (!isIdle && isOnTrial && decision === 'K') result.code = 'E_CHANGED';
  return result;
}

/** Ends the trial: the new content stays. */
export function confirm(): Report {
  lookAll(true);
  const isUndecided = decision === 'K' || (decision === 'C' && limit > 0);
  if (isUndecided && !isQuiet() && isUsable()) confirmTrial();
  if (decision !== 'K') fail('STATE', 'confirm: nothing is on trial');
  return report();
}

/** Puts the old content back: of an update that is open, on trial or committed. */
export function restore(options?: RecoverOptions): Report {
  if (active) {
    const result = active.abort();
    return { state: result.state, partition: result.partition };
  }
  lookAll(true);
  listen(options);
  if (!decision || !isUsable()) fail('STATE', 'restore: no backup is left');
  undo();
  return report();
}

/** @returns where the last update stands. Writes nothing. */
export function status(): Report {
  if (active) return { state: 'updating', partition: label, saved: isOpen ? kept : 0 };
  lookAll(true);
  const result = report();
  result.saved = decision ? kept : 0;
  return result;
}
