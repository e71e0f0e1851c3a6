/** What becomes of a promise of a script. */

/** Gets the function `settled` when the promise is settled: it returns the value, or throws. */
export interface Outcome<T> {
  settled?: () => T;
}

/** Watches a promise, or takes a value that is none. */
export function observe<T>(promise: PromiseLike<T> | T): Outcome<T> {
  const isPromise = typeof (promise as PromiseLike<T> | undefined)?.then === 'function';
  if (!isPromise) return { settled: () => promise as T };
  const outcome: Outcome<T> = {};
  (promise as PromiseLike<T>).then(
    (value) => {
      outcome.settled = () => value;
    },
    (error: unknown) => {
      outcome.settled = () => {
        throw error;
      };
    },
  );
  return outcome;
}
