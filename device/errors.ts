import type { Code, OtaError } from './api.ts';

type Kind<C> = C extends `E_${infer K}` ? K : never;

/**
 * Throws an error of this library. A class would cost 600 bytes of ES5 helpers and break `instanceof` on
 * Espruino.
 * @param kind - the code without its E_
 * @param thing - what it is about: a label, an option, a part
 * @param fact - what is wrong with it
 * @param limit - what it should have been
 */
export function fail(
  kind: Kind<Code>,
  thing: string,
  fact: string,
  limit?: number | string,
): never {
  const error = new Error(thing + ': ' + fact + (limit == null ? '' : ', limit ' + limit));
  (error as OtaError).code = ('E_' + kind) as Code;
  throw error;
}

/** Throws E_SIZE. */
export function failSize(thing: string, bytes: number, limit: number): never {
  fail('SIZE', thing, bytes + ' bytes', limit);
}
