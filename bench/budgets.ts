/**
 * What an update may take of a board: JsVars of 14 bytes in all, with an app of 500 and the modules in mapped Storage, on
 * a 32-bit Espruino; and bytes of C stack on x86-32 at -Os. An update is one of 1 MiB of which every sector changes.
 */

/** At most so much. */
export interface Budget {
  goal: number;
  /** Where the goal is not met: what is held. It only ever goes down. */
  today?: number;
  /** What it was as long as sectors were in memory whole. */
  before: number;
}

/** JsVars that a board has to have; also where free ones lie in runs of at most RUNS, in at most SLOWER times the time. */
export const ROOM = {
  chunks: { what: '`ota`, in chunks of 512', goal: 1750, before: 2380 },
  http: { what: '`ota-http`', goal: 2100, today: 2620, before: 3490 },
  console: { what: 'console update', goal: 2100, today: 2760, before: 3690 },
  recover: { what: '`recover()` that puts back', goal: 1400, before: 2590 },
} satisfies Record<string, Budget & { what: string }>;

export const RUNS = 70;
export const SLOWER = 2;

/** JsVars of the loaded modules. */
export const LOADED = {
  ota: { goal: 480, before: 584 },
  'ota-http': { goal: 320, before: 337 },
} satisfies Record<string, Budget>;

/** Bytes of stack of any call, with what a user's callback does in it. */
export const STACK: Budget = { goal: 11_000, before: 15_160 };

/** @returns what is held. */
export const heldBy = ({ goal, today }: Budget): number => today ?? goal;
