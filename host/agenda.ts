/**
 * What a board has to do, and when, by its own clock: timers of scripts, what is to happen in the network, and jobs for
 * the idle loop. It goes with the boot; only the clock goes on.
 */

interface Timer {
  at: number;
  every?: number;
  call: () => void;
}

export class Agenda {
  /** Milliseconds since the board was made. */
  now = 0;
  /** What the idle loop has to call: timers that are due, handlers of events, reactions of promises. */
  #jobs: (() => void)[] = [];
  #timers = new Map<number, Timer>();
  #timerIds = 0;
  /** What happens in the network, and when. */
  #happenings: { at: number; call: () => void }[] = [];

  /** Calls something in a turn of the idle loop. */
  queue(job: () => void): void {
    this.#jobs.push(job);
  }

  /** @returns the jobs for one turn of the idle loop; those that they queue are for the next. */
  takeJobs(): (() => void)[] {
    return this.#jobs.splice(0);
  }

  /** Lets something happen in the network. */
  after(ms: number, call: () => void): void {
    this.#happenings.push({ at: this.now + ms, call });
  }

  /** Forgets everything: the board has lost power, or starts anew. */
  clear(): void {
    this.#jobs = [];
    this.#happenings = [];
    this.#timers.clear();
  }

  /** @returns the milliseconds until something is due. */
  untilNext(): number {
    const due = [...this.#timers.values(), ...this.#happenings].map(({ at }) => at);
    return Math.max(0, Math.min(...due) - this.now);
  }

  /**
   * Moves the clock to what is due next, and does it, unless that is later than `end`. What a timer calls is queued.
   * @returns what it was
   */
  doNext(end: number): 'timer' | 'happening' | undefined {
    const [timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
    const [happening] = this.#happenings.toSorted((a, b) => a.at - b.at);
    const isTimer = timer && (!happening || timer[1].at < happening.at);
    const due = isTimer ? timer[1] : happening;
    if (!due || due.at > end) return undefined;
    this.now = Math.max(this.now, due.at);
    if (!isTimer) {
      this.#happenings.splice(this.#happenings.indexOf(happening), 1);
      happening.call();
      return 'happening';
    }
    const [id, { every, call }] = timer;
    if (every === undefined) this.#timers.delete(id);
    else timer[1].at += Math.max(every, 1);
    this.queue(call);
    return 'timer';
  }

  /**
   * @param evaluate - runs a script: timers may be given one
   * @returns Espruino's `setTimeout`, and what goes with it
   */
  library(evaluate: (script: string) => void) {
    const start = (
      callback: unknown,
      ms: unknown,
      args: unknown[],
      isRepeated: boolean,
    ): number => {
      if (typeof callback !== 'function' && typeof callback !== 'string') {
        throw new Error('Function or String not supplied!');
      }
      const delay = Math.max(Number(ms) || 0, 0);
      const call = () => {
        if (typeof callback === 'string') evaluate(callback);
        else (callback as (...args: unknown[]) => void)(...args);
      };
      const every = isRepeated ? delay : undefined;
      this.#timers.set(++this.#timerIds, { at: this.now + delay, every, call });
      return this.#timerIds;
    };
    const clear = (id?: number) => {
      if (id === undefined) this.#timers.clear();
      else this.#timers.delete(id);
    };
    return {
      setTimeout: (call: unknown, ms?: unknown, ...args: unknown[]) => start(call, ms, args, false),
      setInterval: (call: unknown, ms?: unknown, ...args: unknown[]) => start(call, ms, args, true),
      clearTimeout: clear,
      clearInterval: clear,
      getTime: () => this.now / 1000,
    };
  }
}
