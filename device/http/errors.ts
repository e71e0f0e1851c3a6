import type { Code, HttpError } from './api.ts';

type Kind<C> = C extends `E_${infer K}` ? K : never;
export type ErrorKind = Kind<Code>;

/** Throws an error of this module, as `../errors.ts` does. */
export function fail(kind: ErrorKind, message: string): never {
  const error = new Error(message) as HttpError;
  error.code = ('E_' + kind) as Code;
  throw error;
}
