/** A boot of a 32-bit Espruino for Linux: its console, and what it used. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { CONFINED } from '../cli/board/process.ts';
import { Clients } from '../cli/board/clients.ts';
import { Typist } from '../cli/board/input.ts';
import { plain } from '../link/output.ts';

/** How an interpreter is started. */
export interface BootOptions {
  /** The interpreter, and its arguments. */
  command: string[];
  /** Where it runs: its chip is the file `espruino.flash` there. */
  folder: string;
  /** JsVars, for `JSVARS`. */
  count: number;
  /** A script to run instead of what is in Storage. */
  script?: string;
  /** Whether it reports its stack. It takes no signals then that make typing fast. */
  reports?: boolean;
}

/** Bytes of stack that an ESP32's task for Espruino has. */
const STACK = 25_000;
/** Milliseconds between two looks at what it printed, or wrote. */
const LOOK = 20;
/** Milliseconds that it has for its report. */
const REPORT = 3000;
/** Of a tick of /proc: Linux has it at 100 a second for all programs. */
const MS_PER_TICK = 10;
/** Bytes that its input thread takes at once, and milliseconds between two looks of that: see cli/board/input.ts. */
const BATCH = 400;
const BATCH_MS = 60;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Types slowly, at an interpreter that takes no signals. */
class SlowTypist {
  readonly #type: (bytes: Buffer) => void;
  #waiting = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(type: (bytes: Buffer) => void) {
    this.#type = type;
  }

  type(bytes: Uint8Array): boolean {
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    this.#timer ??= setInterval(() => {
      if (!this.#waiting.length) return this.end();
      this.#type(this.#waiting.subarray(0, BATCH));
      this.#waiting = this.#waiting.subarray(BATCH);
    }, BATCH_MS);
    return true;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

export class Boot {
  /** All that it has printed, and its own messages. */
  text = '';
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #reports: boolean;
  readonly #closed: Promise<void>;
  #errors = '';
  /** Whether it takes 7 kB a second of what is typed, and no more. */
  isSlow = false;
  /** Whether it has ended by itself, or was ended. */
  isOver = false;
  #clients: Clients | undefined;
  #typist: Typist | SlowTypist | undefined;

  constructor({ command, folder, count, script, reports = false }: BootOptions) {
    const [program, ...args] = [...CONFINED, ...command, ...(script ? [script] : [])];
    const env: NodeJS.ProcessEnv = { ...process.env };
    Object.assign(env, { JSVARS: String(count), ESP_STACK: String(STACK) });
    if (reports) env.ESP_STACK_REPORT = '1';
    else delete env.ESP_STACK_REPORT;
    this.#reports = reports;
    this.#child = spawn(program, args, { cwd: folder, env });
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
      this.#clients?.print(Buffer.from(text, 'latin1'));
    });
    this.#child.stderr.setEncoding('latin1').on('data', (text: string) => (this.#errors += text));
    this.#child.stdin.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      const end = () => {
        this.isOver = true;
        resolve();
      };
      this.#child.on('close', end);
      this.#child.on('error', (error) => {
        this.text += error.message;
        end();
      });
    });
  }

  /**
   * Waits until something is so.
   * @returns whether it was, within so many milliseconds and before the process ended
   */
  async until(isSo: () => boolean, milliseconds: number): Promise<boolean> {
    const start = Date.now();
    while (!isSo()) {
      if (this.isOver || Date.now() > start + milliseconds) return isSo();
      await pause(LOOK);
    }
    return true;
  }

  /** What a terminal would show of what it has printed. */
  get shown(): string {
    return this.text
      .split('\n')
      .map((line) => plain(line.trimEnd()))
      .join('\n');
  }

  /** @returns what it printed behind @ and a word; undefined: nothing yet */
  said<T>(word: string): T | undefined {
    const text = new RegExp(`^@${word} (.*)\r?\n`, 'm').exec(this.text)?.[1];
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  /** Milliseconds of a processor that it took so far. */
  get milliseconds(): number {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1');
      const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(words[11]) + Number(words[12])) * MS_PER_TICK;
    } catch {
      return NaN;
    }
  }

  /** Puts its console at a TCP port. @returns the port */
  async serve(): Promise<number> {
    this.#clients = new Clients(() => undefined);
    const { pid, stdin } = this.#child;
    // The interpreter and its input thread. An emulator has more of them, and does not tell how they sleep.
    this.isSlow = this.#reports || readdirSync(`/proc/${pid}/task`).length !== 2;
    this.#typist = this.isSlow
      ? new SlowTypist((bytes) => stdin.write(bytes))
      : new Typist(pid!, stdin, () => this.#clients!.resume());
    this.#clients.onInput = (bytes) => this.#typist!.type(bytes);
    return this.#clients.listen(0, '127.0.0.1');
  }

  /** Waits until it has ended by itself. */
  async closed(milliseconds: number): Promise<void> {
    await Promise.race([this.#closed, pause(milliseconds)]);
  }

  /** Ends it. @returns the most bytes of stack that it used, if it tells */
  async end(): Promise<number | undefined> {
    this.#typist?.end();
    await this.#clients?.close();
    if (!this.isOver && this.#reports) {
      this.#child.kill('SIGTERM');
      await this.closed(REPORT);
    }
    if (!this.isOver) this.#child.kill('SIGKILL');
    await this.#closed;
    const used = /^ESP_STACK used=(\d+)/m.exec(this.#errors)?.[1];
    return used === undefined ? undefined : Number(used);
  }
}
