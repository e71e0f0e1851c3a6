/** Where power fails in a simulation. */
import type { Area, Plan } from '../../device/api.ts';
import { type Operation, SECTOR, type Tear, tearsOf } from '../../host/index.ts';

/** What the module is doing. */
export type Phase = 'backup' | 'write' | 'restore' | 'journal' | 'commit';

/** A power cut. */
export interface Cut {
  phase: Phase;
  /** Erases and programs are counted from the start of the call, of all that it would do uncut. */
  operation: number;
  of: number;
  kind: 'erase' | 'program';
  /** Bytes from the start of the chip. */
  address: number;
  length: number;
  /** Where that is: a label, and a sector counted from the start of that area. */
  label: string;
  sector: number;
  /** How far the operation came. */
  tear: Tear;
}

/** Draws numbers from 0 up to 1, the same for the same seed (mulberry32, Ettinger, public domain). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Chooses what is going on when power fails.
 * A sector that is put back follows one that was written: power fails in the recovery of that cut.
 */
export function phasesOf(cuts: number, isDirect: boolean): Phase[] {
  const cycle: Phase[] = isDirect ? ['write'] : ['backup', 'write', 'restore'];
  const first = cuts < cycle.length ? 1 : 0;
  const phases = Array.from({ length: cuts }, (_, n) => cycle[(n + first) % cycle.length]);
  // After a commit there may be nothing left to do.
  if (cuts > (isDirect ? 2 : 3)) phases[cuts - 1] = 'commit';
  return phases;
}

/** The same for updates over the air, which are resumed: nothing is put back. */
export function airPhasesOf(cuts: number, isDirect: boolean): Phase[] {
  const cycle: Phase[] = isDirect ? ['write'] : ['write', 'backup'];
  const phases = Array.from({ length: cuts }, (_, n) => cycle[n % cycle.length]);
  if (cuts > cycle.length) phases[cuts - 1] = 'commit';
  return phases;
}

const isIn = (address: number, area: Area | undefined): area is Area =>
  area !== undefined && address >= area.address && address < area.address + area.size;

/** @returns what each operation of a call is part of. */
function phasesOfTrace(trace: Operation[], plan: Plan, isRecovery: boolean): Phase[] {
  const inJournal = trace.map(({ address }) => isIn(address, plan.journal));
  const decided = inJournal.lastIndexOf(false) + 1;
  return trace.map(({ address }, n) => {
    if (isIn(address, plan.partition)) return isRecovery ? 'restore' : 'write';
    if (isIn(address, plan.backup)) return 'backup';
    return n >= decided && !isRecovery ? 'commit' : 'journal';
  });
}

/**
 * Chooses the operation that power fails in.
 * @param trace - what the call does without a cut
 * @param wanted - the phase; if there is no such operation, any serves
 * @param earliest - how many of its operations are over by then
 * @returns nothing if the call writes nothing
 */
export function chooseCut(
  trace: Operation[],
  plan: Plan,
  wanted: Phase,
  isRecovery: boolean,
  random: () => number,
  earliest = 0,
): Cut | undefined {
  const operations = trace.filter(({ kind }) => kind !== 'read');
  const phases = phasesOfTrace(operations, plan, isRecovery);
  const numbers = operations.map((_, n) => n).slice(earliest);
  const fitting = numbers.filter((n) => phases[n] === wanted);
  const candidates = fitting.length ? fitting : numbers;
  if (!candidates.length) return undefined;
  const chosen = candidates[Math.floor(random() * candidates.length)];
  const { address, length } = operations[chosen];
  const kind = operations[chosen].kind as Cut['kind'];
  const tears = tearsOf({ kind, length });
  const tear = tears[Math.floor(random() * tears.length)];
  const area = [plan.partition, plan.backup, plan.journal].find((area) => isIn(address, area));
  return {
    phase: phases[chosen],
    operation: chosen + 1,
    of: operations.length,
    kind,
    address,
    length,
    label: area?.label ?? 'flash',
    sector: Math.floor((address - (area?.address ?? 0)) / SECTOR),
    tear,
  };
}
