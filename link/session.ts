/**
 * A session on the console of a board with Espruino, over a port: runs scripts there, and hears what it prints.
 *
 * Nothing here sends Ctrl-C unless it is asked for: it would stop an update or a recovery half way, and the app would
 * start on what that left.
 */
import { fromLatin1, toLatin1 } from '../formats/bytes.ts';
import { BoardError, PortError } from './errors.ts';
import { isRestart, plain, whyNoAnswer } from './output.ts';
import { outOfMemory } from './failure.ts';
import { ASK_MEMORY, tellsOfMemory } from './memory.ts';
import type { Port } from './port.ts';
import {
  askOf,
  CLEAR_LINE,
  CTRL_C,
  FORGET,
  greetingOf,
  linesOf,
  readAnswer,
  scriptOf,
  splitAt,
} from './protocol.ts';
import { after, cancel, pause, randomText, type Timer } from './runtime.ts';
import { thrownOf } from './shapes.ts';
import { Writer } from './writer.ts';

export interface SessionOptions {
  /** Milliseconds that the board may be silent while something is awaited. Default: 10000. */
  silence?: number;
  /** Stops what the board is doing, by Ctrl-C, before anything else. */
  interrupt?: boolean;
}

export interface RunOptions {
  /** Called with each value that the script hands to `say`: progress, mostly. What it throws, `run` is rejected with. */
  onSay?: (value: unknown) => void;
  /** For a script that returns `say`, and so goes on: whether a value that it says is its answer. */
  isLast?: (value: unknown) => boolean;
  /** Milliseconds in which the script has to answer, or to call `say`. Default: that of the session. */
  silence?: number;
}

const SILENCE_MS = 10_000;
/** Between two attempts to be heard; a board that has just been reset loses the first ones. */
const PROBE_MS = 300;

/** In which a board that has failed has to tell what memory it has. */
const ASK_MS = 3000;
/** In which a script has to show that it goes on, after memory has ended on the board: Espruino may hang then. */
const GRACE_MS = 15_000;

/** After which a board that has not been heard is asked for its answer once more; twice as long after each time. */
const ASK_AGAIN_MS = 1000;
/** How often a script is sent, or its answer asked for, because of damage: then the line is bad. */
const MOST_DAMAGES = 40;

/** How often a script may be interrupted before it begins: a damaged byte may be a Ctrl-C. */
const MOST_INTERRUPTIONS = 3;

/** In which a last word has to leave this machine. */
const CLOSE_MS = 500;

/** Lines that are kept while a script runs, and values that it may say: several for each sector of a chip of 32 MB. */
const MOST_HEARD = 1000;
const MOST_SAID = 100_000;

/** Longest line that is kept while its end has not come. */
const LONGEST = 1 << 20;

interface Waiting {
  number: number;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  /** Milliseconds. */
  silence: number;
  /** The same after memory has ended, until the script says something. */
  grace: number;
  timer: Timer | undefined;
  onSay: ((value: unknown) => void) | undefined;
  isLast: ((value: unknown) => boolean) | undefined;
  /** The lines that run it, and what asks for its answer if that does not come; for a greeting there are none. */
  lines: string;
  asking: Timer | undefined;
  askMs: number;
  /** How often something of it was found to be damaged. */
  damages: number;
  /** What the board has answered last: said once more, it is no sign of life of the script. */
  last: string | undefined;
  /** How often the board has told that it is over without an answer. */
  overs: number;
  /** What was printed meanwhile, for the message if there is no answer. */
  heard: string[];
  /** How often it has said something. */
  said: number;
}

/** Over it runs everything that is done on a board. Make it by `Session.open`. */
export class Session {
  readonly port: Port;
  readonly #writer: Writer;
  readonly #mark = randomText(4);
  readonly #silence: number;
  #last = 0;
  /** Whether it has left anything on the board. */
  #hasRun = false;
  /** Questions for an answer that are being sent. That they leave is no sign of life. */
  #asks = 0;
  #waiting: Waiting | undefined;
  /** What has arrived of the current line, a character per byte. */
  #line = '';
  /** All that arrived before the board answered for the first time; bounded. */
  #first = '';
  #isKnown = false;
  #listeners: ((line: string) => void)[] = [];
  #ended: PortError | undefined;
  /** What tells that memory has ended, since the script began that is awaited. */
  #memoryLine: string | undefined;
  /** One script after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(port: Port, options: SessionOptions) {
    this.port = port;
    // Long scripts take their time: that a piece of them has left is a sign of life.
    this.#writer = new Writer(port, () => this.#asks || this.#heardSomething());
    this.#silence = options.silence ?? SILENCE_MS;
    port.onData((bytes) => this.#arrived(bytes));
    port.onClose((error) => this.#end(error));
  }

  /**
   * Waits until Espruino answers at a port that is open. If it does not, the port is closed.
   * @throws PortError E_NO_ANSWER, E_NOT_ESPRUINO, E_CLOSED; BoardError E_MEMORY
   */
  static async open(port: Port, options: SessionOptions = {}): Promise<Session> {
    const opened = new Session(port, options);
    try {
      await opened.#greet(options.interrupt ?? false);
    } catch (error) {
      await port.close();
      throw error;
    }
    return opened;
  }

  /** Waits until Espruino answers again, for example after a reset. What it is doing is not interrupted. */
  async greet(): Promise<void> {
    this.#isKnown = false;
    this.#first = '';
    this.#line = '';
    this.#writer.resume();
    await this.#greet(false);
  }

  /** Says hello until there is an answer. Every hello is the same script, so the answer to any of them will do. */
  async #greet(interrupt: boolean): Promise<void> {
    const number = ++this.#last;
    const hello = greetingOf(this.#mark, number);
    let isOver = false;
    const heard = new Promise<void>((resolve, reject) => {
      const silence = this.#silence;
      const timer = after(silence, () =>
        reject(whyNoAnswer(this.port.name, silence / 1000, this.#first)),
      );
      this.#waiting = {
        number,
        resolve: () => resolve(),
        reject,
        silence: Infinity,
        grace: Infinity,
        timer,
        onSay: undefined,
        isLast: undefined,
        lines: '',
        asking: undefined,
        askMs: Infinity,
        damages: 0,
        last: undefined,
        overs: 0,
        heard: [],
        said: 0,
      };
    });
    const sendHellos = async () => {
      if (interrupt) await this.#writer.send(CTRL_C);
      while (!isOver) {
        await this.#writer.send(hello);
        await pause(PROBE_MS);
      }
    };
    // Why it cannot be sent is what `heard` is rejected with.
    const sending = sendHellos().catch(() => undefined);
    try {
      if (this.#ended) throw this.#ended;
      await heard;
      this.#isKnown = true;
      this.#first = '';
    } finally {
      isOver = true;
      cancel(this.#waiting?.timer);
      this.#waiting = undefined;
      // Does not hold up what comes next.
      void sending;
    }
  }

  /**
   * Runs a script on the board, once, however often it has to be sent.
   * @param script - the body of a function: `return` gives the answer, which may be a promise; `return say` means that the answer will be
   * said, see `isLast`. Best on one line. What
   * it declares is local to it. Espruino hoists nothing; brackets have to match. `say(value)` hands a value to `onSay`.
   * @returns what it returned, through JSON; `undefined` comes back as `null`
   * @throws BoardError with `code` and message of what it threw, or E_MEMORY; PortError E_CLOSED, E_SILENT, E_RESET,
   * E_INTERRUPTED, E_GARBLED, E_LINE
   */
  run(script: string, options: RunOptions = {}): Promise<unknown> {
    const answer = this.#turn.then(() => this.#attempt(script, options));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  /** Gives up the script that is awaited: `run` is rejected by this, and an answer that still comes is ignored. */
  giveUp(error: Error): void {
    this.#settle(({ reject }) => reject(error));
  }

  async #attempt(script: string, options: RunOptions): Promise<unknown> {
    this.#memoryLine = undefined;
    try {
      return await this.#run(script, options);
    } catch (error) {
      const ask = () => this.#run(ASK_MEMORY, { silence: Math.min(this.#silence, ASK_MS) });
      throw (await outOfMemory(this.port.name, error, () => this.#memoryLine, ask)) ?? error;
    }
  }

  #run(script: string, options: RunOptions): Promise<unknown> {
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#waiting = {
        number,
        resolve,
        reject,
        silence: options.silence ?? this.#silence,
        grace: Infinity,
        timer: undefined,
        onSay: options.onSay,
        isLast: options.isLast,
        lines: scriptOf(this.#mark, number, script),
        asking: undefined,
        askMs: ASK_AGAIN_MS,
        damages: 0,
        last: undefined,
        overs: 0,
        heard: [],
        said: 0,
      };
      this.#heardSomething();
      this.#sendLines(this.#waiting);
    });
  }

  /** Sends the script that is awaited, for the first time or once more. */
  #sendLines(waiting: Waiting): void {
    this.#hasRun = true;
    cancel(waiting.asking);
    this.#writer.send(waiting.lines).then(
      () => this.#askLater(waiting),
      (error: Error) => this.#settle(({ reject }) => reject(error)),
    );
  }

  /** Asks for the answer once the board has not been heard for a while: line or answer may be lost. */
  #askLater(waiting: Waiting): void {
    cancel(waiting.asking);
    if (this.#waiting !== waiting || waiting.askMs === Infinity) return;
    waiting.asking = after(waiting.askMs, () => {
      waiting.askMs *= 2;
      this.#ask(waiting);
    });
  }

  #ask(waiting: Waiting): void {
    cancel(waiting.asking);
    this.#asks++;
    const asked = () => void this.#asks--;
    void this.#writer
      .send(askOf(this.#mark, waiting.number))
      .then(asked, asked)
      .then(() => this.#askLater(waiting));
  }

  /** @returns whether it is worth while to try again. */
  #isDamaged(waiting: Waiting): boolean {
    if (++waiting.damages <= MOST_DAMAGES) return true;
    const facts = { port: this.port.name, times: waiting.damages };
    this.#settle(({ reject }) => reject(new PortError('E_LINE', facts)));
    return false;
  }

  /** Calls back with each line that the board prints and that is no answer, without prompts. @returns what ends that */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  /**
   * Sends lines for Espruino to run, which nothing here takes an answer to, also while a script that has returned a
   * promise is awaited. What is left of another line is cleared first.
   * @param lines - JavaScript, without ends of lines
   * @throws PortError E_CLOSED
   */
  send(lines: string[]): Promise<void> {
    return this.#writer.send(linesOf(lines));
  }

  /** Ends the line. What runs on the board goes on; a script that has not arrived yet is dropped. */
  async close(): Promise<void> {
    const isSending = this.#waiting !== undefined;
    const last = isSending ? CLEAR_LINE : this.#hasRun && !this.#ended ? FORGET : undefined;
    this.#end(new PortError('E_CLOSED', { port: this.port.name, by: 'caller' }));
    if (last !== undefined) {
      const cleared = this.port.write(fromLatin1(last)).catch(() => undefined);
      await Promise.race([cleared, pause(CLOSE_MS)]);
    }
    await this.port.close();
  }

  #end(error: PortError): void {
    this.#ended ??= error;
    this.#writer.end(error);
    this.#settle((waiting) => waiting.reject(error));
  }

  /** Ends what is awaited. */
  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    this.#waiting = undefined;
    cancel(waiting.timer);
    cancel(waiting.asking);
    how(waiting);
  }

  /** Starts the time anew in which the board has to give a sign of life. */
  #heardSomething(): void {
    const waiting = this.#waiting;
    if (!waiting || waiting.silence === Infinity) return;
    cancel(waiting.timer);
    waiting.timer = after(Math.min(waiting.silence, waiting.grace), () => {
      const { name: port } = this.port;
      const { damages: times, silence } = waiting;
      const error = times
        ? new PortError('E_LINE', { port, times })
        : new PortError('E_SILENT', { port, seconds: silence / 1000 });
      this.#settle(({ reject }) => reject(error));
    });
  }

  #arrived(bytes: Uint8Array): void {
    const text = toLatin1(this.#writer.heed(bytes));
    if (!this.#isKnown) this.#first = (this.#first + text).slice(-LONGEST);
    const lines = (this.#line + text).split('\n');
    this.#line = (lines.pop() ?? '').slice(-LONGEST);
    for (const line of lines) this.#take(line.replace(/\r+$/, ''));
  }

  /** Takes a whole line: an answer, or what the app prints. */
  #take(line: string): void {
    // Something may stand before an answer: what the app printed without an end of line, or the prompt.
    const { before, answer } = splitAt(this.#mark, line);
    const shown = plain(before);
    if (shown) this.#printed(shown);
    if (answer !== undefined) this.#answered(answer);
  }

  #printed(line: string): void {
    const heard = this.#waiting?.heard;
    if (heard && heard.length < MOST_HEARD) heard.push(line);
    if (tellsOfMemory(line)) this.#memoryEnds(line);
    if (this.#isKnown && isRestart(line)) {
      const facts = { port: this.port.name, line };
      this.#settle(({ reject }) => reject(new PortError('E_RESET', facts)));
    }
    for (const listener of this.#listeners) listener(line);
  }

  /** Memory has ended, in a script that is awaited or in the app. Whoever that was, it was interrupted. */
  #memoryEnds(line: string): void {
    this.#memoryLine ??= line;
    if (this.#waiting) this.#waiting.grace = GRACE_MS;
    this.#heardSomething();
  }

  #answered(text: string): void {
    const waiting = this.#waiting;
    const { number, kind, value } = readAnswer(text);
    if (!waiting) return;
    if (number === undefined) {
      if (waiting.lines && this.#isDamaged(waiting)) this.#ask(waiting);
      return;
    }
    // That of an older hello, or of a script that was given up.
    if (number !== waiting.number) return;
    if (kind === undefined) {
      const facts = { port: this.port.name, text };
      return this.#settle(({ reject }) => reject(new PortError('E_GARBLED', facts)));
    }
    if (kind === '?') {
      // What has no memory to begin has none the next time.
      const isInterrupted = ({ heard }: Waiting) =>
        heard.filter((line) => /^Execution Interrupted/.test(line)).length >= MOST_INTERRUPTIONS;
      if (this.#memoryLine !== undefined || isInterrupted(waiting))
        this.#settle(({ reject, heard }) => reject(this.#noResult(heard)));
      else if (this.#isDamaged(waiting)) this.#sendLines(waiting);
      return;
    }
    if (kind !== '.' && text === waiting.last) return;
    waiting.last = text;
    // The line that asks may be damaged in such a way that this is its answer: not twice.
    if (kind === '.' && ++waiting.overs < 2) return this.#ask(waiting);
    waiting.grace = Infinity;
    waiting.askMs = waiting.lines ? ASK_AGAIN_MS : Infinity;
    this.#heardSomething();
    if (waiting.lines) this.#askLater(waiting);
    if (kind === '~') {
      // It is there, and goes on.
    } else if (kind === '>') {
      this.#said(waiting, value);
    } else if (kind === '=') {
      this.#settle(({ resolve }) => resolve(value));
    } else if (kind === '!') {
      this.#settle(({ reject }) => reject(this.#thrown(value)));
    } else {
      this.#settle(({ reject, heard }) => reject(this.#noResult(heard)));
    }
  }

  /** Hands on what a script says. If the listener throws, because that is not what it expects, the script has failed. */
  #said(waiting: Waiting, value: unknown): void {
    const { onSay, isLast } = waiting;
    try {
      if (++waiting.said > MOST_SAID)
        throw new PortError('E_GARBLED', { port: this.port.name, text: JSON.stringify(value) });
      onSay?.(value);
      if (isLast?.(value)) this.#settle(({ resolve }) => resolve(value));
    } catch (error) {
      this.#settle(({ reject }) => reject(error as Error));
    }
  }

  /** @returns what a script threw; E_GARBLED if that is no error. */
  #thrown(value: unknown): BoardError | PortError {
    try {
      return new BoardError('E_THROWN', thrownOf(this.port.name, value));
    } catch (error) {
      return error as PortError;
    }
  }

  /** A script is over, and has given no answer. */
  #noResult(heard: string[]): PortError {
    const line = heard.find((text) => /^Uncaught |^Execution Interrupted/.test(text));
    return new PortError('E_INTERRUPTED', { port: this.port.name, line });
  }
}
