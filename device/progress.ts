import type { Progress } from './api.ts';
import { SECTOR } from './runtime.ts';

/** The user's callback of the call that is being served. */
let onProgress: ((progress: Progress) => void) | undefined;

/** Whether it is being called: then no other call is served. */
export let isCalling: boolean | undefined;

/** Reports to this callback from now on. */
export function listen(newOnProgress: typeof onProgress): void {
  onProgress = newOnProgress;
}

/**
 * Reports sectors done, as bytes. What the callback throws goes on to whoever called, and so stops an update;
 * but nothing stops putting back.
 */
export function tick(phase: Progress['phase'], done: number, total: number): void {
  if (!onProgress) return;
  isCalling = true;
  try {
    onProgress({ phase: phase, done: done * SECTOR, total: total * SECTOR });
  } catch (error) {
    if (phase !== 'restore') throw error;
  } finally {
    isCalling = false;
  }
}
