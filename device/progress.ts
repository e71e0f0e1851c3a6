import type { Progress } from './api.ts';
import { fail } from './errors.ts';
import { checkAlone } from './journal.ts';
import { SECTOR } from './runtime.ts';

declare const setTimeout: ((call: () => void, ms: number) => void) | undefined;

/** The user's callback, from the options of the present call. */
let onProgress: ((progress: Progress) => void) | undefined;

/** Whether that callback is running: then every other call is refused. */
let isCalling: boolean | undefined;

/** Refuses a call that the callback makes. @throws E_STATE */
export function checkCaller(): void {
  if (!isCalling) return;
  // Where memory ends in the callback, Espruino leaves all functions at once. When this timer comes, none is running.
  if (typeof setTimeout === 'function')
    setTimeout(() => {
      isCalling = false;
    }, 0);
  fail('STATE ota: in onProgress');
}

/** Reports to this callback from now on. @throws E_ARGUMENT if it is none */
export function listen(newOnProgress: typeof onProgress): void {
  // Functions have it, and nothing else that anybody would give.
  if (newOnProgress && !newOnProgress.call) fail('ARGUMENT onProgress: no function');
  onProgress = newOnProgress;
}

/**
 * Reports sectors done, as bytes. An error that the callback throws stops the update; but nothing stops putting back old
 * content.
 */
export function tick(phase: Progress['phase'], done: number, total: number): void {
  if (!onProgress) return;
  isCalling = true;
  try {
    onProgress({ phase: phase, done: done * SECTOR, total: total * SECTOR });
    checkAlone();
  } catch (error) {
    if (phase !== 'restore') throw error;
  } finally {
    isCalling = false;
  }
}
