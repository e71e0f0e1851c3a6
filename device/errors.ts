import type { Code, OtaError } from './api.ts';

/**
 * Throws an error of this library. A class would cost 600 bytes of ES5 helpers and break `instanceof` on Espruino.
 * @param failure - a code without its E_, and what happened: thing, fact, limit. The message begins with the code,
 * because Espruino prints nothing but the message of an error that is not caught.
 */
export function fail(failure: string): never {
  const error = new Error('E_' + failure) as OtaError;
  // Not by `split`: where memory ends, Espruino's reads address 0.
  error.code = error.message.substr(0, error.message.indexOf(' ')) as Code;
  throw error;
}

/** Throws an error that tells how large something is, and how large it may be. */
export function failSize(failure: string, bytes: number, limit: number): never {
  fail(failure + ': ' + bytes + ' bytes, limit ' + limit);
}

/** Throws E_ARGUMENT unless a number that a caller gives is whole, and 0 to `limit`; or is missing. */
export function checkNumber(name: string, value: number | undefined, limit: number): void {
  if (value != null && (value >>> 0 !== value || value > limit))
    fail('ARGUMENT ' + name + ': ' + value + ', limit ' + limit);
}

/** Throws E_FLASH: the firmware reports no flash error, so all that is seen is what reads back. */
export function failFlash(thing?: string): never {
  fail('FLASH ' + (thing || 'journal') + ': reads wrong');
}
