/**
 * How to type at an Espruino for Linux without losing anything.
 *
 * Its input has a thread of its own, which looks every 50 ms for what there is, up to half of a queue of 1024 bytes. The
 * queue knows no locks (jsdevices.c, jshPushIOCharEvents and jshPopIOEvent): where the thread appends while the
 * interpreter takes the last entry, what was typed becomes the length of an entry. Of 20 pastes of 20 KB one ended in
 * `ASSERT(len <= 64)` that way.
 *
 * So one of both is awake at a time here. Each sleeps in a `select` that waits for nothing, which a signal ends:
 * Espruino takes SIGHUP and does nothing about it. That makes it quick, too: nobody waits for the next 50 ms.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** Bytes that the thread takes at once, with those that the queue adds to them. */
const BATCH = 400;
/** Bytes that may wait here. */
const MOST_WAITING = 1 << 16;
/** Interrupts what runs, else clears the line. */
const CTRL_C = 3;
/** Clears the line. On Linux the second Ctrl-C on an empty line within five seconds ends Espruino. */
const CLEAR_LINE = Buffer.from('\x1b[2H');
/** Milliseconds after which the interpreter counts as busy, and gets a batch nevertheless: its debugger never sleeps. */
const PATIENCE = 1000;
/** The same for a Ctrl-C: what runs longer is interrupted. */
const SHORT_PATIENCE = 20;

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
    /** Whether the interpreter has just fallen asleep. */
    let isFresh = false;
    while (this.#length && !this.#isOver) {
      if (this.#reader === undefined) this.#stdin.write(this.#take(MOST_WAITING));
      else isFresh = await this.#typeBatch(this.#reader, isFresh);
      this.#onDrain();
    }
    this.#isTyping = false;
  }

  /** @returns whether the interpreter has taken it, and has fallen asleep */
  async #typeBatch(reader: number, isFresh: boolean): Promise<boolean> {
    let isAsleep = await this.#sleeps(this.#main);
    if (isAsleep && !isFresh) {
      this.#wake(this.#main);
      isAsleep = await this.#sleeps(this.#main);
    }
    if (this.#isOver) return false;
    const bytes = this.#takeBatch();
    this.#stdin.write(isAsleep && bytes[0] === CTRL_C ? CLEAR_LINE : bytes);
    if (await this.#sleeps(reader)) this.#wake(reader);
    const isTaken = await this.#sleeps(reader);
    if (!isAsleep || !isTaken) return false;
    this.#wake(this.#main);
    return this.#sleeps(this.#main);
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

  /** Waits until a thread sleeps. @returns whether it does: not if it is busy, or has to be interrupted. */
  async #sleeps(thread: number): Promise<boolean> {
    const isCtrlC = this.#waiting[0]?.[0] === CTRL_C;
    const end = Date.now() + (isCtrlC ? SHORT_PATIENCE : PATIENCE);
    for (let tries = 0; !this.#isOver && Date.now() < end; tries++) {
      if (this.#isAsleep(thread)) return true;
      await (tries > 20 ? pause(1) : turn());
    }
    return false;
  }

  #isAsleep(thread: number): boolean {
    try {
      const state = readFileSync(`/proc/${this.#main}/task/${thread}/syscall`, 'latin1');
      const [number, count] = state.split(' ');
      return SELECTS.includes(number) && count === '0x0';
    } catch {
      this.#reader = undefined;
      return false;
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
