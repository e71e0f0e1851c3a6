/** Runs scripts in a real Espruino, and counts what it executes and what they keep in its memory. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What one process does. See cost-board.js, which runs it. */
export interface Job {
  act: 'write' | 'feed' | 'recover' | 'air' | 'serve' | 'replay';
  sectors?: number;
  chunk?: number;
  calls?: number;
  operations?: number[];
  storage?: boolean;
  measure?: boolean;
  trace?: boolean;
}

/** What it reports at its end. Variables are JsVars. */
export interface Reply {
  /** What the modules take. */
  ota: number;
  'ota-http': number;
  /** In use when all modules are loaded, and as seen from the depth of a call; and the most of both in an update. */
  loaded: number;
  deepLoaded: number;
  between: number;
  depth: number;
  reads: number;
  /** Sectors that were saved. */
  saved?: number;
  state?: string;
  /** Operations of flash, see cost-board.js. */
  trace?: number[];
}

export interface Engine {
  version: string;
  board: string;
  /** Bytes of a JsVar. */
  blockSize: number;
  /** Whether it has a flash with the sectors and addresses of an ESP32. */
  hasFlash: boolean;
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const BUNDLES = ['ota.min.js', 'ota-http.min.js'];
const STAND_IN = readFileSync(path('../host-tests/espruino/stand-in.js'), 'utf8');
const BOARD = readFileSync(path('cost-board.js'), 'utf8');
const PROBE = `
  var page = require('Flash').getPage(0x200000);
  print('@' + JSON.stringify({
    version: process.env.VERSION,
    board: process.env.BOARD,
    blockSize: process.memory().blocksize || 0,
    hasFlash: !!page && page.addr === 0x200000 && page.length === 4096,
  }));
  E.reboot();`;

/** @throws Error that names what is missing */
function runProgram(command: string, args: string[], cwd: string) {
  const { error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'latin1',
    maxBuffer: 2 ** 26,
  });
  if (error) throw new Error(`${command}: ${error.message}`);
  return { stdout, stderr };
}

/** An Espruino for Linux, with a chip of 4 MiB. */
export class Lab {
  readonly engine: Engine;
  readonly #command: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'cost-'));

  /**
   * @param command - the interpreter
   * @throws Error if it, or valgrind, does not run
   */
  constructor(command: string) {
    this.#command = command;
    for (const file of BUNDLES) copyFileSync(path(`../dist/${file}`), join(this.#folder, file));
    runProgram('valgrind', ['--version'], this.#folder);
    this.put('boot.js', PROBE);
    this.engine = this.#reply(runProgram(command, ['boot.js'], this.#folder).stdout);
  }

  /** Puts a file where the scripts run. */
  put(name: string, bytes: Uint8Array | string): void {
    writeFileSync(join(this.#folder, name), bytes);
  }

  /** The chip: its content stays from run to run. */
  get flash(): Buffer {
    return readFileSync(join(this.#folder, this.#flashFile));
  }

  set flash(bytes: Uint8Array) {
    this.put(this.#flashFile, bytes);
  }

  get #flashFile(): string {
    return this.engine.hasFlash ? 'espruino.flash' : 'flash.bin';
  }

  #reply<T>(output: string): T {
    const reply = /^@(.*)$/m.exec(output)?.[1];
    if (reply === undefined) throw new Error(`${this.#command}: no reply:\n${output}`);
    return JSON.parse(reply) as T;
  }

  #prepare(job: Job): void {
    const standIn = !this.engine.hasFlash;
    const line = `var job = ${JSON.stringify({ chunk: 4096, ...job, standIn })};\n`;
    this.put('boot.js', line + (standIn ? STAND_IN : '') + BOARD);
  }

  /** Runs a job. @returns what it reports */
  run(job: Job): Reply {
    this.#prepare(job);
    return this.#reply(runProgram(this.#command, ['boot.js'], this.#folder).stdout);
  }

  #callgrind(job: Job, out: string): string {
    this.#prepare(job);
    const options = ['--tool=callgrind', `--callgrind-out-file=${out}`];
    const { stdout, stderr } = runProgram(
      'valgrind',
      [...options, this.#command, 'boot.js'],
      this.#folder,
    );
    this.#reply(stdout);
    return stderr;
  }

  /** Runs a job. @returns the instructions that all of its process took */
  count(job: Job): number {
    return Number(/Collected : (\d+)/.exec(this.#callgrind(job, '/dev/null'))?.[1]);
  }

  /** Runs a job. @returns which functions of the interpreter took how many instructions */
  profile(job: Job): string {
    this.#callgrind(job, 'callgrind.out');
    const args = ['--threshold=90', 'callgrind.out'];
    return runProgram('callgrind_annotate', args, this.#folder).stdout;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
