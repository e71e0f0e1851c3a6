/**
 * Starts the process of a simulated board, and hears it: what it may do, how much memory it may take, and what of its words
 * is taken. What it is made of is in `cell.ts`.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { packageFile } from '../files.ts';
import { type News, newsOf, type Order } from './inside/messages.ts';
import { ALONE_IN_NET, TOGETHER } from './process.ts';

/** MiB that V8 may take for objects; and bytes that the process may have in memory, where Linux tells that. */
const HEAP_MB = 512;
const MOST_RESIDENT = 1 << 30;
const RESIDENT_PAUSE = 250;
/** Bytes of a page of memory, as /proc counts: 4096 on all but a few machines, where it is more. */
const MEMORY_PAGE = 4096;

/** Characters of a line from the process: more than the whole Storage is, escaped. */
const LONGEST_LINE = 1 << 23;

/** The permission model has a name of its own since 22.13; before it was the experimental one. */
const PERMISSION =
  Number(process.versions.node.split('.')[0]) < 22 ? '--experimental-permission' : '--permission';

/** @returns the arguments of node: no right is given, not even to read a file, so its program is an argument, too. */
const argumentsOf = (code: string) => [
  PERMISSION,
  '--no-warnings',
  '--no-addons',
  '--disallow-code-generation-from-strings',
  '--disable-proto=throw',
  `--max-old-space-size=${HEAP_MB}`,
  '--input-type=module',
  '--eval',
  code,
];

const readProgram = (name: string) => readFileSync(packageFile(`dist/${name}`), 'utf8');

/** Hears of a cell. */
export interface CellListener {
  onNews: (news: News) => void;
  /** It is gone, and nobody asked for that. */
  onEnd: (why: string) => void;
}

/** A process with a simulated board in it. */
export class Cell {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #listener: CellListener;
  readonly #watch: NodeJS.Timeout;
  #pending = '';
  #why: string | undefined;
  #isOver = false;

  constructor(listener: CellListener) {
    this.#listener = listener;
    const [command, ...args] = [
      ...TOGETHER,
      ...ALONE_IN_NET,
      process.execPath,
      ...argumentsOf(readProgram('board-cell.js')),
    ];
    // No variable of the environment is its business.
    const child = spawn(command, args, { cwd: '/', env: {} });
    this.#process = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    let said = '';
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (said = (said + text).slice(-500)));
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.#ended(error.message));
    child.on('close', (code, signal) => {
      const how = said.trim().split('\n').at(-1) || (signal ?? `exit code ${code}`);
      this.#ended(this.#why ?? how);
    });
    this.#watch = setInterval(() => this.#weigh(), RESIDENT_PAUSE).unref();
    child.stdin.write(`${JSON.stringify(readProgram('board-inside.js'))}\n`);
  }

  send(order: Order): void {
    if (!this.#isOver) this.#process.stdin.write(`${JSON.stringify(order)}\n`);
  }

  /** Ends it, whatever it does. */
  end(): void {
    this.#isOver = true;
    clearInterval(this.#watch);
    this.#process.kill('SIGKILL');
  }

  #ended(why: string): void {
    if (this.#isOver) return;
    this.end();
    this.#listener.onEnd(why);
  }

  /** @param why - what the user gets to know */
  #stop(why: string): void {
    this.#why = why;
    this.#process.kill('SIGKILL');
  }

  #hear(text: string): void {
    if (this.#isOver) return;
    const lines = text.split('\n');
    lines[0] = this.#pending + lines[0];
    this.#pending = lines.pop()!;
    if (this.#pending.length > LONGEST_LINE) return this.#stop('it told too much at once');
    for (const line of lines) if (!this.#isOver) this.#take(line);
  }

  #take(line: string): void {
    const news = newsOf(line);
    if (news) this.#listener.onNews(news);
    else this.#stop('it told what makes no sense');
  }

  #weigh(): void {
    try {
      const statm = readFileSync(`/proc/${this.#process.pid}/statm`, 'latin1');
      const bytes = Number(statm.split(' ')[1]) * MEMORY_PAGE;
      if (bytes > MOST_RESIDENT)
        this.#stop(`its scripts took ${MOST_RESIDENT >> 20} MiB of memory`);
    } catch {
      // Not on Linux, or it is gone.
    }
  }
}
