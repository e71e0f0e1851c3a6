/**
 * How to type at an Espruino for Linux without losing anything.
 *
 * Its input has a thread of its own, which looks every 50 ms for what there is, up to half of a queue of 1024 bytes. The
 * queue knows no locks (jsdevices.c, jshPushIOCharEvents and jshPopIOEvent): where the thread appends while the
 * interpreter takes the last entry, what was typed becomes the length of an entry, which ends in `ASSERT(len <= 64)`.
 *
 * So one of both is awake at a time here. Each sleeps in a `select` that waits for nothing, which a signal ends:
 * Espruino takes SIGHUP and does nothing about it. That makes it quick, too: no input waits for the next 50 ms. A signal may
 * get lost, and timers of the app wake the interpreter: so it counts how often they slept, looks for how long, and
 * espruino.ts keeps both on one processor. Of 15 pastes of 320 KB, with timers every 25 ms and on a busy machine,
 * none was damaged then; before, two of five. With timers every 3 ms some still are, on a busy machine.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** Bytes that the thread takes at once: half of its queue has room for them and for what it adds to them. */
const BATCH = 400;
/** Bytes that may wait here. */
const MOST_WAITING = 1 << 16;
/** Interrupts what runs, else clears the line. */
const CTRL_C = 3;
/** Clears the line. On Linux the second Ctrl-C on an empty line within five seconds ends Espruino. */
const CLEAR_LINE = Buffer.from('\x1b[2H');
/**
 * Milliseconds after which the interpreter gets a batch although it does not sleep: its debugger never does, nor does an
 * app with timers of less than 1 ms, or while it downloads. From then on it gets the next ones sooner.
 */
const PATIENCE = 2000;
const NO_PATIENCE = 50;
/** The same for a Ctrl-C: what runs longer is interrupted. */
const SHORT_PATIENCE = 20;
/** Milliseconds in which a signal has ended a sleep, unless it got lost. */
const LOST = 5;
/** Milliseconds for which the interpreter has to go on sleeping when a batch is typed: it sleeps 50, or until a timer. */
const LONG = 15;
/** Milliseconds after which less will do: a timer of the app ends every sleep sooner. */
const NEVER_LONG = 100;

/** Numbers of `select` and `pselect6`, whose first argument counts what is waited for; of x86, and of all others. */
const SELECTS = ['23', '270', '142', '72', '82', '308', '335'];

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Types at one process. */
export class Typist {
  readonly #stdin: Writable;
  readonly #main: number;
  readonly #onDrain: () => void;
  /** The input thread; undefined: unknown, everything goes through as it comes. */
  #reader: number | undefined;
  #waiting: Buffer[] = [];
  #length = 0;
  #isTyping = false;
  #isOver = false;
  /** When the interpreter was woken, and whether it did not fall asleep in time: see PATIENCE. */
  #awake = 0;
  #isBusy = false;

  /**
   * @param pid - of a process that has booted
   * @param onDrain - called when `type` has returned false, and may be called again
   */
  constructor(pid: number, stdin: Writable, onDrain: () => void) {
    this.#main = pid;
    this.#stdin = stdin;
    this.#onDrain = onDrain;
    this.#reader = this.#findReader();
  }

  /** @returns whether it takes more at once */
  type(bytes: Uint8Array): boolean {
    if (!bytes.length) return true;
    this.#waiting.push(Buffer.from(bytes));
    this.#length += bytes.length;
    if (!this.#isTyping) void this.#typeAll();
    return this.#length < MOST_WAITING;
  }

  /** The process is gone, or will be: what was not typed is lost. */
  end(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#length = 0;
  }

  async #typeAll(): Promise<void> {
    this.#isTyping = true;
    while (this.#length && !this.#isOver) {
      if (this.#reader === undefined) this.#stdin.write(this.#take(MOST_WAITING));
      else await this.#typeBatch(this.#reader);
      this.#onDrain();
    }
    this.#isTyping = false;
  }

  async #typeBatch(reader: number): Promise<void> {
    const isAsleep = await this.#settles();
    if (this.#isOver) return;
    const bytes = this.#takeBatch();
    const before = this.#sleepsOf(reader);
    this.#stdin.write(isAsleep && bytes[0] === CTRL_C ? CLEAR_LINE : bytes);
    await this.#sleepsAnew(reader, before);
    if (isAsleep) await this.#wakes();
  }

  /** Waits until the interpreter has taken all there was, and sleeps for a while. @returns whether it does */
  async #settles(): Promise<boolean> {
    const start = Date.now();
    const isLong = () =>
      this.#isAsleep(this.#main) && this.#awake + this.#sleep() > Date.now() + LONG;
    let isAsleep = isLong();
    while (!isAsleep && !this.#isOver && Date.now() < start + this.#patience())
      isAsleep = (await this.#wakes()) && (isLong() || Date.now() > start + NEVER_LONG);
    this.#isBusy = !isAsleep;
    return isAsleep;
  }

  /** Lets the interpreter run until it falls asleep. @returns whether it has */
  #wakes(): Promise<boolean> {
    const before = this.#sleepsOf(this.#main);
    this.#awake = Date.now();
    return this.#sleepsAnew(this.#main, before);
  }

  /** A Ctrl-C is a batch of its own: what it does depends on what the bytes before it have started. */
  #takeBatch(): Buffer {
    const next = this.#waiting[0].indexOf(CTRL_C);
    return this.#take(next < 0 ? BATCH : Math.min(Math.max(next, 1), BATCH));
  }

  #take(most: number): Buffer {
    const [first, ...others] = this.#waiting;
    const bytes = first.subarray(0, most);
    this.#waiting = first.length > most ? [first.subarray(most), ...others] : others;
    this.#length -= bytes.length;
    return bytes;
  }

  #patience(): number {
    if (this.#waiting.some((bytes) => bytes.includes(CTRL_C))) return SHORT_PATIENCE;
    return this.#isBusy ? NO_PATIENCE : PATIENCE;
  }

  /**
   * Ends the sleep of a thread, and waits for the next one.
   * @param before - how often it had slept
   * @returns whether it sleeps: not if it is busy, or has to be interrupted
   */
  async #sleepsAnew(thread: number, before: number): Promise<boolean> {
    const start = Date.now();
    let signal = 0;
    for (let tries = 0; !this.#isOver && Date.now() < start + this.#patience(); tries++) {
      if (this.#isAsleep(thread)) {
        if (this.#sleepsOf(thread) > before) return true;
        if (Date.now() >= signal + LOST) {
          signal = Date.now();
          this.#wake(thread);
        }
      }
      await (tries > 20 ? pause(1) : turn());
    }
    return false;
  }

  /** @returns how often a thread has waited for anything. */
  #sleepsOf(thread: number): number {
    const status = this.#about(thread, 'status');
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1] ?? 0);
  }

  #isAsleep(thread: number): boolean {
    const [number, count] = this.#about(thread, 'syscall').split(' ');
    return SELECTS.includes(number) && count === '0x0';
  }

  /** @returns for how many milliseconds the interpreter fell asleep; where that cannot be told, for as many as it may. */
  #sleep(): number {
    const MOST = 50;
    const words = this.#about(this.#main, 'syscall').split(' ');
    let memory: number | undefined;
    try {
      memory = openSync(`/proc/${this.#main}/mem`, 'r');
      const time = Buffer.alloc(16);
      readSync(memory, time, 0, time.length, BigInt(words[5]) as unknown as number);
      // Seconds; then nanoseconds, of `pselect6`, or microseconds, of `select`.
      const fraction = Number(time.readBigInt64LE(8)) / (words[0] === '23' ? 1e3 : 1e6);
      return Math.min(MOST, Number(time.readBigInt64LE(0)) * 1000 + fraction);
    } catch {
      return MOST;
    } finally {
      if (memory !== undefined) closeSync(memory);
    }
  }

  /** @returns what the kernel tells about a thread; if it tells nothing, everything goes through from now on. */
  #about(thread: number, what: 'status' | 'syscall'): string {
    try {
      return readFileSync(`/proc/${this.#main}/task/${thread}/${what}`, 'latin1');
    } catch {
      this.#reader = undefined;
      return '';
    }
  }

  #wake(thread: number): void {
    try {
      process.kill(thread, 'SIGHUP');
    } catch {
      this.end();
    }
  }

  #findReader(): number | undefined {
    try {
      const threads = readdirSync(`/proc/${this.#main}/task`).map(Number);
      readFileSync(`/proc/${this.#main}/syscall`);
      return threads.length === 2 ? threads.find((thread) => thread !== this.#main) : undefined;
    } catch {
      return undefined;
    }
  }
}
