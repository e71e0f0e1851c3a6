import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Result } from '../../device/api.ts';
import type { AirResult, UpdateOptions } from '../../device/http/api.ts';
import {
  type Job as CutJob,
  type Machine,
  REACHED,
  type Reply as CutReply,
} from '../support/process-cut.ts';

/** What one process does. See board.js, which runs it. */
export interface Job extends Omit<CutJob, 'act'> {
  act: CutJob['act'] | 'status' | 'air' | 'call';
  /** Bytes of the pieces in which `update` hands the image on; default 1000. */
  chunk?: number;
  /** For `air`. */
  air?: UpdateOptions;
  /** The connections that end early, by number from 1, and after how many bytes of the body. */
  faults?: Record<number, number>;
  /** For `call`: JavaScript that uses the runtime as `seam`. */
  calls?: string[];
  /** KiB of JerryScript's heap, where it was built with an external context; default 512. */
  heap?: number;
  /** The bundles, without their .js. Default: ota.min and ota-http.min. */
  bundle?: string;
  http?: string;
}

/** What a process prints at its end. */
export interface Reply extends CutReply {
  result: (Result | AirResult) & { state: string };
  /** What `recover` reported before an update over the air. */
  recovered?: string;
  reads: number;
  /** Bytes of JerryScript's heap: all of it, in use, at most, by the core. Missing where it does not count them. */
  heap?: number;
  used?: number;
  peak?: number;
  module?: number;
  /** Of an update over the air: requests, and bytes that were handed over. */
  requests?: number;
  served?: number;
  /** Milliseconds of the board's time in which no other task ran, at most. */
  busy: number;
}

const MILLISECONDS = 60_000;
const BUNDLES = ['ota.min.js', 'ota-http.min.js', 'ota.js', 'ota-http.js'];
const SCRIPT = readFileSync(new URL('board.js', import.meta.url), 'utf8');

/** A board: JerryScript with a flash chip in a file. Each process is a boot. */
export class JerryBoard implements Machine {
  readonly #program: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'jerryscript-'));

  /**
   * @param program - what board.c was compiled to
   * @param image - what `update` writes
   */
  constructor(program: string, image: Uint8Array) {
    this.#program = program;
    for (const file of BUNDLES)
      copyFileSync(fileURLToPath(new URL(`../../dist/${file}`, import.meta.url)), this.#path(file));
    this.store('image.bin', image);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** Puts a file where the board's network finds it. */
  store(name: string, bytes: Uint8Array): void {
    writeFileSync(this.#path(basename(name)), bytes);
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
    const filled = { chunk: 1000, ...job };
    writeFileSync(this.#path('boot.js'), `var job = ${JSON.stringify(filled)};\n${SCRIPT}`);
    const args = ['flash.bin', 'boot.js'];
    if (job.cut) args.push(String(job.cut), String(REACHED.indexOf(job.reached!)));
    const env = { ...process.env, HEAP: String(job.heap ?? 512) };
    const options = { cwd: this.#folder, timeout: MILLISECONDS, maxBuffer: 2 ** 26, env };
    const output = await new Promise<string>((resolve) => {
      // A cut kills the process, which is an error here.
      execFile(this.#program, args, options, (error, stdout, stderr) =>
        resolve(stdout + stderr + (error?.message ?? '')),
      );
    });
    const reply = /^@(.*)$/m.exec(output)?.[1];
    if (reply === undefined) throw new Error(`no reply to ${JSON.stringify(job)}:\n${output}`);
    return JSON.parse(reply) as Reply;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
