import type { Progress } from './api.ts';
import { SECTOR } from './runtime.ts';

/** The user's callback of the call that is being served. */
let onProgress: ((progress: Progress) => void) | undefined;

/** Reports to the callback in these options from now on. */
export function listen(options: { onProgress?: (progress: Progress) => void } | undefined): void {
  onProgress = options && options.onProgress;
}

/** Reports sectors done, as bytes. */
export function tick(phase: Progress['phase'], done: number, total: number): void {
  try {
    if (onProgress) onProgress({ phase: phase, done: done * SECTOR, total: total * SECTOR });
  } catch {
    // A progress bar must not decide over an update.
  }
}
