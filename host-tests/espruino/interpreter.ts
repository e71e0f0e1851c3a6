import { type ChildProcess, execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Options, Report, Result } from '../../device/api.ts';
import type { AirResult, Code, UpdateOptions } from '../../device/http/api.ts';
import type { Reached } from '../support/process-cut.ts';

/** What one process does. See device.js, which runs it. */
export interface Job {
  act: 'update' | 'recover' | 'status' | 'air';
  /** For `update`. */
  options?: Options;
  /** For `air`. */
  air?: UpdateOptions;
  /** The number of the erase or page program in which the process ends, from 1. */
  cut?: number;
  reached?: Reached;
  /** Runs the bundle from Espruino's Storage instead of from RAM. */
  storage?: boolean;
  /** Measures `peak`, which takes time. */
  measure?: boolean;
}

/** What a process prints at its end. */
export interface Reply {
  /** The number of the operation in which it ended. Nothing else is there then. */
  cut?: number;
  /** What the call returned. */
  result: Result | Report | AirResult;
  /** What `recover` reported before an update over the air. */
  recovered?: string;
  /** Or what it threw. */
  code?: Code;
  message?: string;
  /** Erases and page programs. */
  operations: number;
  reads: number;
  /** JsVars: of the loaded module, and of what an update adds to it. */
  module: number;
  peak?: number;
  /** The same in the depth of a call. */
  deepest?: number;
  engine: string;
}

const MILLISECONDS = 60_000;
const BUNDLES = ['ota.min.js', 'ota-http.min.js'];
const DEVICE = ['stand-in.js', 'device.js']
  .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
  .join('');

/** A board: an Espruino for Linux with a flash chip in a file. Each process is a boot. */
export class Interpreter {
  readonly #command: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'espruino-'));

  /**
   * @param command - the interpreter
   * @param image - what `update` writes
   */
  constructor(command: string, image: Uint8Array) {
    this.#command = command;
    for (const file of BUNDLES)
      copyFileSync(fileURLToPath(new URL(`../../dist/${file}`, import.meta.url)), this.#path(file));
    writeFileSync(this.#path('image.bin'), image);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  get flash(): Buffer {
    return readFileSync(this.#path('flash.bin'));
  }

  set flash(bytes: Uint8Array) {
    writeFileSync(this.#path('flash.bin'), bytes);
  }

  /**
   * Boots, does a job, and ends.
   * @throws if the process ended in any other way than by a reply or by the cut
   */
  async run(job: Job): Promise<Reply> {
    const output = await this.start(job);
    const reply = /^@(.*)$/m.exec(output)?.[1];
    if (reply === undefined) throw new Error(`no reply to ${JSON.stringify(job)}:\n${output}`);
    return JSON.parse(reply) as Reply;
  }

  /**
   * Boots, and does a job.
   * @param onStart - called with the process
   * @returns what it printed, when it has ended
   */
  start(job: Job, onStart?: (process: ChildProcess) => void): Promise<string> {
    return this.#boot(`var job = ${JSON.stringify(job)};\n${DEVICE}`, onStart);
  }

  /** Runs a script that calls `report` in the end, and @returns what that was given. */
  async evaluate(script: string): Promise<unknown> {
    const report = "function report(what) { print('\\n@' + JSON.stringify(what)); E.reboot(); }";
    const output = await this.#boot(`${report}\n${script}`);
    const reply = /^@(.*)$/m.exec(output)?.[1];
    if (reply === undefined) throw new Error(`no report of ${script}:\n${output}`);
    return JSON.parse(reply);
  }

  #boot(script: string, onStart?: (process: ChildProcess) => void): Promise<string> {
    writeFileSync(this.#path('boot.js'), script);
    const options = { cwd: this.#folder, timeout: MILLISECONDS, maxBuffer: 2 ** 26 };
    return new Promise<string>((resolve) => {
      // Both kinds of end come from E.reboot(), which exits with 1.
      const process = execFile(this.#command, ['boot.js'], options, (error, stdout, stderr) =>
        resolve(stdout + stderr + (error?.message ?? '')),
      );
      onStart?.(process);
    });
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
