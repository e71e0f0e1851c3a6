/** The calls of the API. */

import type { Options, Ota, Report } from './api.ts';
import { areas, readChip } from './chip.ts';
import { fail } from './errors.ts';
import { use } from './flash.ts';
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
import type { Runtime } from './runtime.ts';
import { confirm, recover, undo } from './transaction.ts';
import type { Outcome } from './transaction.ts';
import { active, startUpdate, ticker } from './update.ts';

/** Makes the runtime at the first call: nothing runs when the module loads. */
let makeRuntime: (() => Runtime) | undefined;

/** Whether this boot has been counted as a trial boot. */
let isCounted = false;

/** @returns what the journal says, before anything is done about it. */
function stateOf(): Outcome {
  if (!decision) return 'none';
  if (isFinal()) return decision === 'X' ? 'restored' : 'committed';
  if (!isUsable()) return 'damaged';
  if (decision === 'C' && limit) return 'trial';
  if (decision === 'O') return 'committed';
  return decision !== 'B' && flags & DIRECT ? 'incomplete' : 'interrupted';
}

/** Reads the chip. */
function look(): void {
  if (makeRuntime) use(makeRuntime());
  makeRuntime = undefined;
  readChip();
}

/** Reads the chip and the journal on it. */
function lookAll(call: string, isFull: boolean): Outcome {
  if (active) fail('E_STATE', call, 'an update is in progress');
  look();
  readJournal();
  replay(isFull);
  return stateOf();
}

function report(state: Outcome, sealed = true): Report {
  const result: Report = { state: state };
  if (decision) {
    result.partition = labelOf(target);
    result.sealed = sealed;
    if (state === 'trial') {
      result.boots = booted;
      result.trial = limit;
    }
  }
  return result;
}

/** @returns the API over a runtime, which is made at the first call. */
export function makeOta(make: () => Runtime): Ota {
  makeRuntime = make;
  return {
    partitions: () => {
      look();
      return areas.map(({ row }) => row).filter(({ type }) => type >= 0);
    },

    plan: (options) => {
      lookAll('plan', true);
      return describe(choosePlaces(options, 0));
    },

    begin: (options) => {
      lookAll('begin', true);
      const places = choosePlaces(options, 0);
      // A decision that was cut is finished first. A journal that has only begun is as good as none.
      if (decision && decision !== 'B' && !places.isOpen && !isQuiet() && isUsable())
        recover(ticker(options));
      return startUpdate(options, places);
    },

    recover: (options = {}) => {
      const state = lookAll('recover', false);
      if (
        isQuiet() ||
        state === 'none' ||
        state === 'damaged' ||
        (options.resume && decision === 'S') ||
        (isCounted && state === 'trial')
      )
        return report(state);
      isCounted = true;
      const isOnTrial = state === 'trial';
      const [outcome, sealed] = recover(ticker(options));
      const result = report(outcome, sealed);
      // Old and new would have mixed.
      if (isOnTrial && outcome === 'committed') result.code = 'E_CHANGED';
      return result;
    },

    confirm: () => {
      const state = lookAll('confirm', true);
      if (state === 'trial') confirm();
      else if (state !== 'committed') fail('E_STATE', 'confirm', 'nothing is on trial');
      return report('committed');
    },

    restore: (options: Pick<Options, 'onProgress'> = {}) => {
      if (active) {
        const { state, partition } = active.abort();
        return { state: state === 'untouched' ? 'none' : state, partition: partition };
      }
      if (lookAll('restore', true) === 'none' || !isUsable())
        fail('E_STATE', 'restore', 'no backup is left');
      return report(undo(ticker(options)));
    },

    status: () => {
      const result = active ? report('updating') : report(lookAll('status', true), isQuiet());
      if (decision) result.saved = kept;
      return result;
    },
  };
}
