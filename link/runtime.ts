/** What browsers and Node both have, and the types of ES2023 have not: time and chance. */
import { toHex } from '../formats/bytes.ts';

declare const setTimeout: (action: () => void, ms: number) => Timer;
declare const clearTimeout: (timer: Timer) => void;
declare const performance: { now: () => number };
declare const crypto: { getRandomValues: (bytes: Uint8Array) => Uint8Array };

/** What `after` has started. */
export type Timer = object | number;

/** Does something once, `ms` milliseconds from now, unless it is cancelled. */
export const after = (ms: number, action: () => void): Timer => setTimeout(action, ms);

export function cancel(timer: Timer | undefined): void {
  if (timer !== undefined) clearTimeout(timer);
}

/** @returns what is resolved `ms` milliseconds from now. */
export const pause = (ms: number) => new Promise<void>((resolve) => void after(ms, resolve));

/** @returns milliseconds since some moment; they never go back. */
export const now = () => performance.now();

/** @returns text that was not seen before: two hexadecimal digits for each byte. */
export const randomText = (bytes: number) => toHex(crypto.getRandomValues(new Uint8Array(bytes)));
