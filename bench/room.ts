/**
 * A 32-bit Espruino for Linux with as few variables (JsVars) as a test wants, and the flash of an ESP32: what becomes of
 * an update there, and what it takes of the stack.
 *
 * The interpreter is one without resizable variables, whose chip is the file `espruino.flash` where it runs: 4 MB from
 * address 0 on, sectors of 4096 bytes, Storage at 0x300000 or behind it, mapped into memory. It may obey `JSVARS=n` and
 * `ESP_STACK=n`, and print `ESP_STACK used=…` at its end for `ESP_STACK_REPORT=1`. Where it knows no JSVARS, the app
 * takes what is too much.
 */
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FileServer, startFileServer } from '../cli/serve/server.ts';
import { makeManifest } from '../formats/manifest/make.ts';
import {
  addressOf,
  type Content,
  contentOf,
  FEW,
  isFenced,
  makeChip,
  NEW,
  SECTOR,
  SECTORS,
  STORAGE,
} from './room-chip.ts';
import { type After, afterwards, updateBy } from './room-console.ts';
import { Boot } from './room-process.ts';

/** The most JsVars that any interpreter has: its references have 14 bits. */
export const PLENTY = 16_383;

/** What the chip holds: an old content; an update that power has interrupted; one that is done, or on trial. */
type Chip = 'old' | 'interrupted' | 'committed' | 'trial';
/** The job after which it does. */
const PREPARED: Record<Chip, string | undefined> = {
  old: undefined,
  interrupted: 'interrupt',
  committed: 'chunks',
  trial: 'trial',
};

/** What is done. */
export interface Job {
  /** One of `jobs` in room-board.js; 'console': `part-ota update`. */
  act: string;
  /** Default: 'old'. */
  chip?: Chip;
  /** Free JsVars lie in runs of so many at most. Default: as they come. */
  runs?: number;
  /** In the same boot the app makes room then, and tries whether an update can begin. */
  after?: boolean;
  /** Sectors of the image. Default: all. */
  sectors?: number;
  /** A script that runs at the boot, before the app. */
  boot0?: string;
}

/**
 * How it ended. 'done': it did what it should. 'error': it told that it has failed. 'interrupted': Espruino stopped it,
 * and nobody was told. 'silent': nothing came of it in time. 'ended': the interpreter is gone.
 */
type Kind = 'done' | 'error' | 'interrupted' | 'silent' | 'ended';

/** What it came to. */
export interface Ending extends After {
  kind: Kind;
  /** Of the module; missing if something else was thrown. */
  code?: string;
  /** What was printed in the end. */
  tail: string;
  content: Content;
  /** Whether all that is neither partition, backup nor journal is as it was. */
  isFenced: boolean;
  /** Bytes; missing if the interpreter does not tell. */
  stack?: number;
  /** Of a processor, for the job alone. */
  milliseconds: number;
  /** Whether the app has got a promise, or the command has begun. */
  isPending: boolean;
  /** What `jobs.loaded` tells, JsVars. */
  loaded?: Record<'ota' | 'ota-http', number>;
}
type Heard = Omit<Ending, 'content' | 'isFenced' | 'stack' | 'milliseconds'>;

/** How long a job may take, and how far it has to come. */
export interface Limits {
  /** Milliseconds; default a minute and a half. */
  patience?: number;
  /** Sectors of the image after which it counts as done. Default: all of it, to its end. */
  until?: number;
}
const PATIENCE = 90_000;
/** So many times as long where typing is slow. */
const SLOW = 5;
/** Milliseconds for what a boot does before the job. */
const BOOTING = 30_000;

export interface Engine {
  version: string;
  /** Bytes of a JsVar. */
  blockSize: number;
  /** JsVars with JSVARS=2000. */
  total: number;
  hasFlash: boolean;
  isMapped: boolean;
}
const PROBED = 2000;
const PROBE = `
  var page = require('Flash').getPage(0x200000);
  var storage = require('Storage');
  storage.write('probe', E.toString({ data: 32, count: 4000 }));
  var before = process.memory().usage;
  var text = storage.read('probe');
  print('@probe ' + JSON.stringify({
    version: process.env.VERSION,
    blockSize: process.memory().blocksize || 0,
    total: process.memory().total,
    hasFlash: !!page && page.addr === 0x200000 && page.length === 4096,
    isMapped: process.memory().usage - before < 100,
  }));
  E.reboot();`;

const STORE = `
  var fs = require('fs');
  var storage = require('Storage');
  ['ota', 'ota-http', '.boot0', '.bootcde'].forEach(function (name) {
    var text = fs.readFileSync(name + '.js');
    if (text) storage.write(name, text);
  });
  print('@stored 1');
  E.reboot();`;

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const BOARD = readFileSync(path('room-board.js'), 'latin1');

/** A board with few variables. Make it by `Room.open`. */
export class Room {
  engine!: Engine;
  readonly #command: string[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'room-'));
  /** By the job that it is for, as JSON, or by the name of one that has left it. */
  readonly #chips = new Map<string, Buffer>();
  #server: FileServer | undefined;

  private constructor(command: string) {
    this.#command = command.split(/\s+/).filter(Boolean);
  }

  /**
   * @param command - the interpreter, with arguments before the name of a script if it needs some
   * @throws Error if it is not one that can be measured
   */
  static async open(command: string): Promise<Room> {
    const room = new Room(command);
    try {
      await room.#prepare();
    } catch (error) {
      await room.close();
      throw error;
    }
    return room;
  }

  async #prepare(): Promise<void> {
    for (const name of ['ota', 'ota-http'])
      copyFileSync(path(`../dist/${name}.min.js`), this.#path(`${name}.js`));
    for (const [name, image] of [
      ['image.bin', NEW],
      ['few.bin', NEW.subarray(0, FEW * SECTOR)],
    ] as const) {
      this.#put(name, image);
      this.#put(`${name}.ota`, makeManifest(image));
    }
    this.#put('espruino.flash', makeChip());
    const boot = await this.#script(PROBE, PROBED);
    const engine = boot.said<Engine>('probe');
    const name = this.#command.join(' ');
    if (!engine) throw new Error(`${name}: no reply:\n${boot.text}`);
    const { blockSize, hasFlash, isMapped } = engine;
    const lacks = [
      blockSize > 14 && `JsVars of ${blockSize} bytes: it is not built for 32 bits`,
      !hasFlash && 'its flash is not that of an ESP32: 4 MB at 0, sectors of 4096 bytes',
      !isMapped && 'its Storage is not mapped into memory',
    ].filter(Boolean);
    if (lacks.length) throw new Error(`${name}: ${lacks.join('; ')}`);
    this.engine = engine;
    const server = { directory: this.#folder, port: 0, host: '127.0.0.1' };
    this.#server = await startFileServer(server);
  }

  /** Whether it has as many JsVars as JSVARS says. */
  get obeys(): boolean {
    return this.engine.total === PROBED;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #put(name: string, bytes: Uint8Array | string): void {
    writeFileSync(this.#path(name), bytes);
  }

  get #flash(): Buffer {
    return readFileSync(this.#path('espruino.flash'));
  }

  /** Runs a script to its end. */
  async #script(text: string, count = PLENTY): Promise<Boot> {
    this.#put('script.js', text);
    const [command, folder] = [this.#command, this.#folder];
    const boot = new Boot({ command, folder, count, script: 'script.js' });
    await boot.closed(BOOTING);
    await boot.end();
    return boot;
  }

  /** @returns the chip for a job, with the modules and the job in Storage. */
  async #chipOf(job: Job): Promise<Buffer> {
    const known = this.#chips.get(JSON.stringify(job));
    if (known) return known;
    const { chip = 'old', runs = 0, after = false, sectors = SECTORS, boot0 = '' } = job;
    const act = PREPARED[chip];
    const rows = act ? await this.#after(act) : makeChip();
    const url = `http://127.0.0.1:${this.#server!.port}/image.bin`;
    const line = JSON.stringify({ act: job.act, runs, after, sectors, url });
    this.#put('.bootcde.js', `var job=${line};\n${withoutComments(BOARD)}`);
    this.#put('.boot0.js', boot0);
    this.#put('espruino.flash', makeChip());
    const { text } = await this.#script(STORE);
    if (!text.includes('@stored')) throw new Error(`nothing was stored:\n${text}`);
    const made = Buffer.concat([rows.subarray(0, STORAGE), this.#flash.subarray(STORAGE)]);
    this.#chips.set(JSON.stringify(job), made);
    return made;
  }

  /** @returns the chip after a job. */
  async #after(act: string): Promise<Buffer> {
    const known = this.#chips.get(act);
    if (known) return known;
    const ending = await this.run({ act }, PLENTY);
    if (ending.kind !== 'done') throw new Error(`${act}: ${ending.kind}\n${ending.tail}`);
    const left = this.#flash;
    this.#chips.set(act, left);
    return left;
  }

  /**
   * Boots a board with so many JsVars, and does a job on it.
   * @param count - JsVars
   * @throws Error if the app did not fit, or variables were added: then it is no board with so many of them
   */
  async run(job: Job, count: number, limits: Limits = {}): Promise<Ending> {
    return this.#play(await this.#chipOf(job), job, count, limits);
  }

  /** Boots what the last job has left once more, with memory for all, and recovers. */
  async recover(): Promise<Ending> {
    const left = this.#flash.subarray(0, STORAGE);
    const job: Job = { act: 'recover' };
    const storage = (await this.#chipOf(job)).subarray(STORAGE);
    return this.#play(Buffer.concat([left, storage]), job, PLENTY, {});
  }

  async #play(before: Buffer, job: Job, count: number, limits: Limits): Promise<Ending> {
    this.#put('espruino.flash', before);
    this.#put('count', String(count));
    const isConsole = job.act === 'console';
    // Typing is slow where the stack is reported, so only few sectors are sent then.
    const reports = !isConsole || job.sectors === FEW;
    const [command, folder] = [this.#command, this.#folder];
    const boot = new Boot({ command, folder, count, reports });
    const found: { heard?: Heard; milliseconds: number } = { milliseconds: NaN };
    let stack: number | undefined;
    try {
      await this.#ready(boot, job, count);
      const started = boot.milliseconds;
      found.heard = await (isConsole ? this.#update : this.#hear).call(this, boot, job, limits);
      found.milliseconds = boot.milliseconds - started;
    } finally {
      stack = await boot.end();
    }
    const after = this.#flash;
    return {
      ...found.heard,
      milliseconds: found.milliseconds,
      content: contentOf(after),
      isFenced: isFenced(before, after),
      stack,
    };
  }

  /** Waits until the app is there. */
  async #ready(boot: Boot, job: Job, count: number): Promise<void> {
    await boot.until(() => boot.said('ready') !== undefined, BOOTING);
    const ready = boot.said<{ used: number; total: number; isScattered: boolean }>('ready');
    const wrong = (what: string) => new Error(`${what}, of ${count} JsVars:\n${boot.text}`);
    if (!ready) throw wrong('the app did not fit');
    if (ready.total !== (this.obeys ? count : this.engine.total))
      throw wrong(`there are ${ready.total}`);
    const taken = 500 + ready.total - count;
    if (Math.abs(ready.used - taken) > 15) throw wrong(`the app takes ${ready.used}, not ${taken}`);
    if (job.runs && !ready.isScattered) throw wrong('memory is not in short runs');
  }

  /** @returns whether the last of the first sectors holds the image. */
  #holds(sectors: number): boolean {
    const bytes = Buffer.alloc(SECTOR);
    const file = openSync(this.#path('espruino.flash'), 'r');
    readSync(file, bytes, 0, SECTOR, addressOf(sectors - 1));
    closeSync(file);
    return !bytes.compare(NEW, (sectors - 1) * SECTOR, sectors * SECTOR);
  }

  /** Waits for the end of what the board does by itself. */
  async #hear(boot: Boot, job: Job, { patience = PATIENCE, until }: Limits): Promise<Heard> {
    const end = () => boot.said<{ code?: string; message?: string; total: number }>('end');
    const isFar = () => until !== undefined && this.#holds(until);
    const isSettled = () => end() !== undefined || (!job.after && isStopped(boot)) || isFar();
    const isIdle = job.act === 'nothing';
    const isOver = () => isIdle || (job.after ? hasTried(boot) : isSettled());
    await boot.until(isOver, patience);
    const result = end();
    if (result && result.total !== boot.said<{ total: number }>('ready')!.total)
      throw new Error('its variables grow: JSVARS means nothing to it');
    const [shown] = boot.shown.split('@after ');
    const isThrown = /^Uncaught /m.test(shown);
    const isDone = result ? result.message === undefined : isIdle || isFar();
    const failed = result || isThrown ? 'error' : isStopped(boot) ? 'interrupted' : 'silent';
    return {
      kind: boot.isOver ? 'ended' : isDone ? 'done' : failed,
      code: result?.code ?? /^Uncaught Error: (E_\w+)/m.exec(shown)?.[1],
      tail: shown.slice(-600),
      isPending: boot.said('pending') !== undefined,
      loaded: job.act === 'loaded' ? (result as Ending['loaded']) : undefined,
      status: boot.said<string>('status'),
      recovered: boot.said<string>('recovered'),
      begun: boot.said('begun'),
    };
  }

  /** Runs `part-ota update` at its console. */
  async #update(boot: Boot, job: Job, { patience = PATIENCE, until }: Limits): Promise<Heard> {
    const port = `tcp://127.0.0.1:${await boot.serve()}`;
    const image = job.sectors === FEW ? 'few.bin' : 'image.bin';
    const isFar = () => until !== undefined && this.#holds(until);
    const isOver = () => isFar() || (!job.after && isStopped(boot));
    const folder = this.#folder;
    const wait = boot.isSlow ? SLOW * patience : patience;
    const { status, text } = await updateBy(boot, { port, folder, image }, isOver, wait);
    const isKilled = status === undefined;
    const isDone = status === 0 || (isKilled && isFar());
    const failed = !isKilled ? 'error' : isStopped(boot) ? 'interrupted' : 'silent';
    return {
      kind: isDone ? 'done' : boot.isOver ? 'ended' : failed,
      code: /\bE_[A-Z]+\b/.exec(text)?.[0],
      isPending: true,
      tail: (isKilled ? text + boot.shown : text).slice(-600),
      ...(job.after && !isKilled ? await afterwards(port) : {}),
    };
  }

  async close(): Promise<void> {
    await this.#server?.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Whether a script was stopped: by an error that nothing caught, or for want of memory. */
function isStopped({ shown }: Boot): boolean {
  return /^(Uncaught |Execution Interrupted)/m.test(shown);
}

/** Whether the app has tried to begin an update afterwards. */
function hasTried(boot: Boot): boolean {
  return boot.said('begun') !== undefined || /^@after [^]*^(Uncaught |Exec)/m.test(boot.shown);
}

/** @returns a script without what Espruino would only skip. */
function withoutComments(script: string): string {
  return script.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*(\/\/.*)?\n/gm, '');
}
