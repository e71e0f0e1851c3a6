import type { Code, OtaError } from './api.ts';

/**
 * Throws an error of this library. A class would cost 600 bytes of ES5 helpers and break `instanceof` on
 * Espruino.
 * @param thing - what it is about: a label, an option, a part
 * @param fact - what is wrong with it
 * @param limit - what it should have been
 */
export function fail(code: Code, thing: string, fact: string, limit?: number | string): never {
  const error = new Error(thing + ': ' + fact + (limit == null ? '' : ', limit ' + limit));
  (error as OtaError).code = code;
  throw error;
}
