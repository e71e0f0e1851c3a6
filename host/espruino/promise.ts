/**
 * Espruino's own Promise: `then`, `catch`, `all`, `resolve`, `reject`, and no more. What it calls is called by the idle
 * loop of the board, so a board that loses power takes its promises with it.
 */

/** Called with what became of a promise. */
type Reaction = (value: unknown) => void;
type Callback = ((value: unknown) => unknown) | undefined;

/** What a promise needs of its board. */
interface PromiseHost {
  /** Calls something when nothing else runs. */
  queue: (job: () => void) => void;
  /** Whether a script must not catch this: power has failed. */
  isFatal: (error: unknown) => boolean;
  /** Takes what was rejected without a listener. */
  unhandled: (reason: unknown) => void;
}

/** A promise of a board. */
export interface BoardPromise {
  then: (onValue?: Callback, onError?: Callback) => BoardPromise;
  catch: (onError?: Callback) => BoardPromise;
}

/** What becomes of a promise, and what is called then. */
class Outcome {
  #state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  #value: unknown;
  #onValue: Reaction[] = [];
  #onError: Reaction[] = [];
  readonly #host: PromiseHost;

  constructor(host: PromiseHost) {
    this.#host = host;
  }

  /** @returns a pair of functions of which the first call counts. */
  settlers(): { resolve: Reaction; reject: Reaction } {
    let isDone = false;
    const once = (act: Reaction) => (value: unknown) => {
      if (!isDone) {
        isDone = true;
        act(value);
      }
    };
    return {
      resolve: once((value) => this.#resolve(value)),
      reject: once((value) => this.#seal('rejected', value)),
    };
  }

  #resolve(value: unknown): void {
    const then = (Object(value) as { then?: unknown }).then;
    if (typeof then !== 'function') return this.#seal('fulfilled', value);
    const { resolve, reject } = this.settlers();
    try {
      (then as (...args: Reaction[]) => unknown).call(value, resolve, reject);
    } catch (error) {
      if (this.#host.isFatal(error)) throw error;
      reject(error);
    }
  }

  #seal(state: 'fulfilled' | 'rejected', value: unknown): void {
    this.#state = state;
    this.#value = value;
    const reactions = state === 'fulfilled' ? this.#onValue : this.#onError;
    if (state === 'rejected' && !reactions.length) this.#host.unhandled(value);
    for (const react of reactions) this.#host.queue(() => react(value));
    this.#onValue = this.#onError = [];
  }

  /** Settles the next promise by what a callback makes of this one. */
  then(next: Outcome, onValue?: Callback, onError?: Callback): void {
    const { resolve, reject } = next.settlers();
    const reaction = (callback: Callback, pass: Reaction) => (value: unknown) => {
      if (typeof callback !== 'function') return pass(value);
      let result: unknown;
      try {
        result = callback(value);
      } catch (error) {
        if (this.#host.isFatal(error)) throw error;
        return reject(error);
      }
      resolve(result);
    };
    const [whenDone, whenFailed] = [reaction(onValue, resolve), reaction(onError, reject)];
    if (this.#state === 'fulfilled') this.#host.queue(() => whenDone(this.#value));
    else if (this.#state === 'rejected') this.#host.queue(() => whenFailed(this.#value));
    else {
      this.#onValue.push(whenDone);
      this.#onError.push(whenFailed);
    }
  }
}

/** @returns the constructor for one board. */
export function promiseLibrary(host: PromiseHost) {
  class Promise implements BoardPromise {
    readonly #outcome = new Outcome(host);

    constructor(executor: (resolve: Reaction, reject: Reaction) => void) {
      if (typeof executor !== 'function')
        throw new Error('Function required in promise constructor');
      const { resolve, reject } = this.#outcome.settlers();
      try {
        executor(
          (value) => host.queue(() => resolve(value)),
          (value) => host.queue(() => reject(value)),
        );
      } catch (error) {
        if (host.isFatal(error)) throw error;
        host.queue(() => reject(error));
      }
    }

    then(onValue?: Callback, onError?: Callback): Promise {
      const next = new Promise(() => undefined);
      this.#outcome.then(next.#outcome, onValue, onError);
      return next;
    }

    catch(onError?: Callback): Promise {
      return this.then(undefined, onError);
    }

    static resolve(value?: unknown): Promise {
      return new Promise((resolve) => resolve(value));
    }

    static reject(reason?: unknown): Promise {
      return new Promise((_, reject) => reject(reason));
    }

    static all(values: unknown[]): Promise {
      return new Promise((resolve, reject) => {
        const results: unknown[] = Array.from(values);
        let missing = results.length;
        if (!missing) resolve(results);
        const take = (i: number) => (result: unknown) => {
          results[i] = result;
          if (--missing === 0) resolve(results);
        };
        for (const [i, value] of results.entries())
          void Promise.resolve(value).then(take(i), reject);
      });
    }
  }
  return Promise;
}
