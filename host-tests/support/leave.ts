/**
 * Leaves calls as Espruino does where memory ends: all functions at once, and no `catch` runs, no `finally`. Here a time limit
 * does that to a call that has got stuck: V8 ends it so, too.
 */
import assert from 'node:assert/strict';
import { runInThisContext } from 'node:vm';
import type { Runtime } from '../../device/runtime.ts';

/** How long a call may take that is stuck. */
const MILLISECONDS = 25;

/** Calls what does not end, and leaves it. */
export function leave(call: () => void): void {
  const holder = globalThis as { stuck?: () => void };
  holder.stuck = call;
  assert.throws(() => runInThisContext('stuck()', { timeout: MILLISECONDS }), {
    code: 'ERR_SCRIPT_EXECUTION_TIMEOUT',
  });
  delete holder.stuck;
}

/** Gets stuck. */
export function stay(): never {
  for (;;);
}

/** Gets stuck in the n-th operation from now on: before it happens, or once it has. */
export class Trap {
  left = Infinity;
  isAfter = false;

  on(runtime: Runtime): Runtime {
    const trap =
      <A extends unknown[], R>(act: (...given: A) => R) =>
      (...given: A): R => {
        const isHere = --this.left === 0;
        if (isHere && !this.isAfter) stay();
        const result = act(...given);
        if (isHere) stay();
        return result;
      };
    const { read, program, erase } = runtime;
    return { ...runtime, read: trap(read), program: trap(program), erase: trap(erase) };
  }
}
