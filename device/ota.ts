/** The calls of the API, over any runtime. */

import type { Ota, Report, Update } from './api.ts';
import { readChip } from './chip.ts';
import type { Chip } from './chip.ts';
import { fail } from './errors.ts';
import { DIRECT, isFinal, replay } from './journal.ts';
import type { Journal } from './journal.ts';
import { choosePlaces, describe, findJournal, isUsable, labelOf } from './plan.ts';
import type { Runtime } from './runtime.ts';
import { confirm, recover, undo } from './transaction.ts';
import { startUpdate, ticker } from './update.ts';

/** The chip, the journal on it, and what that says before anything is done about it. */
interface View {
  chip: Chip;
  journal?: Journal;
  said: Report['state'];
  /** Whether `recover` has something to write. */
  isUnfinished: boolean;
}

function stateOf(chip: Chip, journal: Journal): Report['state'] {
  const decision = journal.decision;
  if (isFinal(decision, journal.limit)) return decision === 'X' ? 'restored' : 'committed';
  if (!isUsable(chip, journal)) return 'damaged';
  if (decision === 'C') return 'trial';
  if (decision === 'O') return 'committed';
  return decision === 'S' && journal.flags & DIRECT ? 'incomplete' : 'interrupted';
}

function look(runtime: Runtime, isFull: boolean): View {
  const chip = readChip(runtime);
  const journal = findJournal(chip);
  if (!journal) return { chip: chip, said: 'none', isUnfinished: false };
  replay(journal, isFull);
  return {
    chip: chip,
    journal: journal,
    said: stateOf(chip, journal),
    isUnfinished: !isFinal(journal.decision, journal.limit) || !journal.isSolid,
  };
}

function report({ chip, journal }: View, state: Report['state'], sealed: boolean): Report {
  if (!journal) return { state: state };
  const { booted, limit, decision } = journal;
  const result: Report = { state: state, partition: labelOf(chip, journal.target), sealed: sealed };
  if (state === 'trial') {
    result.boots = booted;
    result.trial = limit;
  }
  // An expired trial that could not be put back: old and new would have mixed.
  if (decision === 'K' && limit && booted === limit) result.code = 'E_CHANGED';
  return result;
}

/**
 * Makes the module over a runtime. Nothing is read or written before the first call.
 * @param makeRuntime - called once, at the first call
 */
export function makeOta(makeRuntime: () => Runtime): Ota {
  let runtime: Runtime | undefined;
  let active: Update | undefined;
  /** Whether this boot has been counted as a trial boot. */
  let isCounted = false;

  function view(isFull: boolean): View {
    if (!runtime) runtime = makeRuntime();
    return look(runtime, isFull);
  }

  function idleView(call: string, isFull: boolean): View {
    if (active) fail('E_STATE', call, 'an update is in progress');
    return view(isFull);
  }

  return {
    partitions: () =>
      view(false)
        .chip.areas.map(({ row }) => row)
        .filter(({ type }) => type >= 0),

    plan: (options) => {
      const { chip, journal } = view(true);
      return describe(chip, choosePlaces(chip, options, journal, 0));
    },

    begin: (options) => {
      const { chip, journal, isUnfinished } = idleView('begin', true);
      const places = choosePlaces(chip, options, journal, 0);
      // A decision that was cut is finished first. A journal that has only begun is as good as none.
      if (
        journal &&
        !places.open &&
        isUnfinished &&
        journal.decision !== 'B' &&
        isUsable(chip, journal)
      )
        recover(journal, ticker('restore', options));
      active = startUpdate(chip, options, places, journal, () => {
        active = undefined;
      });
      return active;
    },

    recover: (options = {}) => {
      const now = idleView('recover', false);
      const { journal, said, isUnfinished } = now;
      const isKept =
        options.resume && said === 'interrupted' && journal && journal.decision === 'S';
      if (
        !journal ||
        !isUnfinished ||
        isKept ||
        said === 'damaged' ||
        (said === 'trial' && isCounted)
      )
        return report(now, said, !isUnfinished);
      isCounted = true;
      const [outcome, sealed] = recover(journal, ticker('restore', options));
      return report(now, outcome, sealed);
    },

    confirm: () => {
      const now = idleView('confirm', true);
      if (!now.journal || (now.said !== 'trial' && now.said !== 'committed'))
        return fail('E_STATE', 'confirm', 'nothing is on trial');
      if (now.said === 'trial') confirm(now.journal);
      return report(now, 'committed', true);
    },

    restore: (options = {}) => {
      if (active) {
        const result = active.abort();
        return {
          state: result.state === 'untouched' ? 'none' : result.state,
          partition: result.partition,
        };
      }
      const now = view(true);
      if (!now.journal) return fail('E_STATE', 'restore', 'there was no update');
      if (!isUsable(now.chip, now.journal))
        fail('E_CHANGED', 'backup', 'is in use for something else');
      return report(now, undo(now.journal, ticker('restore', options)), true);
    },

    status: () => {
      const now = view(true);
      const result = report(now, active ? 'updating' : now.said, !now.isUnfinished);
      if (now.journal) result.saved = now.journal.kept;
      return result;
    },
  };
}
