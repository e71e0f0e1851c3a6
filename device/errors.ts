import type { Code, OtaError } from './api.ts';

type Kind<C> = C extends `E_${infer K}` ? K : never;

/**
 * Throws an error of this library. A class would cost 600 bytes of ES5 helpers and break `instanceof` on
 * Espruino.
 * @param kind - the code without its E_
 * @param message - thing, fact, limit
 */
export function fail(kind: Kind<Code>, message: string): never {
  const error = new Error(message);
  (error as OtaError).code = ('E_' + kind) as Code;
  throw error;
}

/** Throws E_SIZE. */
export function failSize(thing: string, bytes: number, limit: number): never {
  fail('SIZE', thing + ': ' + bytes + ' bytes, limit ' + limit);
}
