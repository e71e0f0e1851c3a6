/**
 * What an update may take of a board: JsVars of 14 bytes in all, with an app of 500 and the modules in mapped Storage, on
 * a 32-bit Espruino; and bytes of C stack on x86-32 at -Os. An update is one of 1 MiB of which every sector changes.
 */

/** At most so much. */
export interface Budget {
  goal: number;
  /** Where the goal is not met: what is held. It only ever goes down. */
  today?: number;
}

/** JsVars that a board has to have; also where free ones lie in runs of at most RUNS, in at most SLOWER times the time. */
export const ROOM = {
  chunks: { what: '`ota`, in chunks of 512', goal: 1750 },
  http: { what: '`ota-http`', goal: 2100, today: 2920 },
  console: { what: 'console update', goal: 2100, today: 3090 },
  recover: { what: '`recover()` that puts back', goal: 1400 },
} satisfies Record<string, Budget & { what: string }>;

export const RUNS = 70;
export const SLOWER = 2;

/** JsVars of the loaded modules. */
export const LOADED = {
  ota: { goal: 480 },
  'ota-http': { goal: 320, today: 382 },
} satisfies Record<string, Budget>;

/** Bytes of stack of any call, with what a user's callback does in it. */
const STACK = 11_000;
/** Calls that take more, as room-measure.ts names them. */
const STACK_TODAY: Record<string, number> = {
  '`update()` with `onPlan` and `onProgress`': 12_008,
  'console update, 8 sectors': 12_312,
};

/** @returns the budget of a call, in bytes of stack. */
export const stackBudget = (what: string): Budget => ({ goal: STACK, today: STACK_TODAY[what] });

/** @returns what is held. */
export const heldBy = ({ goal, today }: Budget): number => today ?? goal;
