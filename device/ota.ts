/** The calls of the API. */

import type { Options, Partition, Plan, RecoverOptions, Report, Update } from './api.ts';
import { areas, readChip } from './chip.ts';
import { fail } from './errors.ts';
import { use as useRuntime } from './flash.ts';
import {
  DIRECT,
  booted,
  decision,
  flags,
  isFinal,
  isQuiet,
  kept,
  limit,
  replay,
  target,
} from './journal.ts';
import { choosePlaces, describe, isUsable, labelOf, readJournal } from './plan.ts';
import { listen } from './progress.ts';
import type { Runtime } from './runtime.ts';
import {
  confirm as confirmTrial,
  isSealed,
  recover as recoverTarget,
  undo,
} from './transaction.ts';
import type { Outcome } from './transaction.ts';
import { active, startUpdate } from './update.ts';

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

/**
 * Reads the partition table and the journal.
 * @returns what the journal says, before anything is done about it
 */
function lookAll(call: string, isFull: boolean): Outcome {
  if (active) fail('STATE', call, 'an update is in progress');
  look();
  readJournal();
  replay(isFull);
  if (!decision) return 'none';
  if (isFinal()) return decision === 'X' ? 'restored' : 'committed';
  if (!isUsable()) return 'damaged';
  if (decision === 'C' && limit) return 'trial';
  if (decision === 'O') return 'committed';
  return decision !== 'B' && flags & DIRECT ? 'incomplete' : 'interrupted';
}

function report(state: Outcome, sealed: boolean): Report {
  const result: Report = { state: state };
  if (decision) {
    result.partition = labelOf(target);
    result.sealed = sealed;
  }
  if (state === 'trial') {
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
  lookAll('plan', true);
  return describe(choosePlaces(options, 0));
}

/**
 * Starts an update, or resumes the interrupted one of this partition. Writes nothing until the first sector
 * differs.
 */
export function begin(options: Options): Update {
  lookAll('begin', true);
  const places = choosePlaces(options, 0);
  listen(options);
  // A decision that was cut is finished first. A journal that has only begun is as good as none.
  if (decision && decision !== 'B' && !places.isOpen && !isQuiet() && isUsable()) recoverTarget();
  return startUpdate(options, places);
}

/**
 * Finishes or undoes what power loss interrupted. Call it once per boot, before the app uses the partition.
 */
export function recover(options: RecoverOptions = {}): Report {
  const state = lookAll('recover', false);
  if (
    !decision ||
    isQuiet() ||
    state === 'damaged' ||
    (options.resume && decision === 'S') ||
    (isCounted && state === 'trial')
  )
    return report(state, isQuiet());
  isCounted = true;
  listen(options);
  const outcome = recoverTarget();
  const result = report(outcome, isSealed);
  // An expired trial that is kept: old and new would have mixed.
  if (state === 'trial' && outcome === 'committed') result.code = 'E_CHANGED';
  return result;
}

/** Ends the trial: the new content stays. */
export function confirm(): Report {
  const state = lookAll('confirm', true);
  if (state === 'trial') confirmTrial();
  else if (state !== 'committed') fail('STATE', 'confirm', 'nothing is on trial');
  return report('committed', true);
}

/** Puts the old content back: of an update that is open, on trial or committed. */
export function restore(options: RecoverOptions = {}): Report {
  if (active) return report(active.abort().state as Outcome, true);
  lookAll('restore', true);
  listen(options);
  if (!decision || !isUsable()) fail('STATE', 'restore', 'no backup is left');
  return report(undo(), true);
}

/** @returns where the last update stands. Writes nothing. */
export function status(): Report {
  const result = active ? report('updating', false) : report(lookAll('status', true), isQuiet());
  result.saved = decision ? kept : 0;
  return result;
}
