/** What the tests of `upload`, `status`, `recover`, `restore` and `confirm` have in common, on whatever board. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type BoardSetup, type RunningBoard, startBoard } from '../../cli/board/running.ts';
import { openSession } from '../../cli/connection.ts';
import { PART_OTA, type Run } from './tools.ts';

/** Milliseconds after which a test counts as hung; no test waits that long. */
const SILENCE = 120_000;

/** Starts a command. */
export function startCommand(...words: string[]): ChildProcess {
  return spawn(process.execPath, [PART_OTA, ...words]);
}

/** A board, and what is done to it. */
export class Bench {
  readonly board: RunningBoard;

  private constructor(board: RunningBoard) {
    this.board = board;
  }

  static async start(setup: Partial<BoardSetup> & Pick<BoardSetup, 'engine'>): Promise<Bench> {
    return new Bench(await startBoard({ port: 0, ...setup }));
  }

  get port(): string {
    return `tcp://127.0.0.1:${this.board.port}`;
  }

  /** Starts a command on the board. */
  spawn(...words: string[]): ChildProcess {
    return startCommand(...words, '--port', this.port);
  }

  /** Runs a command on the board to its end. */
  command(...words: string[]): Promise<Run> {
    return ended(this.spawn(...words));
  }

  /** Runs a script on the board. */
  async run<T>(script: string): Promise<T> {
    const opened = await openSession(this.port, { silence: SILENCE });
    try {
      return (await opened.run(script)) as T;
    } finally {
      await opened.close();
    }
  }

  /** @returns a file of the board's Storage, a character per byte, or undefined. */
  async stored(name: string): Promise<string | undefined> {
    const script = `var d=require("Storage").read(${JSON.stringify(name)});return d===undefined?null:btoa(d)`;
    const found = await this.run<string | null>(script);
    return found === null ? undefined : Buffer.from(found, 'base64').toString('latin1');
  }

  store(name: string, text: string): Promise<unknown> {
    return this.run(`require("Storage").write(${JSON.stringify(name)},${JSON.stringify(text)})`);
  }

  /** @returns bytes that are free in Storage: it is a log, so nothing can be written without their becoming fewer. */
  free(): Promise<number> {
    return this.run('return require("Storage").getFree()');
  }
}

/** @returns how a process ended. */
export function ended(child: ChildProcess): Promise<Run> {
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (text) => (stdout += text));
  child.stderr!.on('data', (text) => (stderr += text));
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ status: code ?? -1, stdout, stderr })),
  );
}
