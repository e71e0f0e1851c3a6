/**
 * A board whose engine is a real Espruino for Linux. Its console is its standard input and output; `stand-in.js`
 * gives it an ESP32's flash, the file of the chip. Storage is its own, in a folder beside that file. Each power-on is a
 * process, which ends by SIGKILL: nothing it was about to do is done.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { type ChipShape, readChip, runningApp, writeChip } from './chip.ts';
import { Typist } from './input.ts';
import type { Engine, EngineListener, Reached } from './engine.ts';
import { CONFINED, output } from './process.ts';
import { distrustOf, isOurs, makeOurs } from './trust.ts';
import { packageFile } from '../files.ts';
import { InputError } from '../words.ts';

/** Boot scripts whose names in Storage are taken by what loads the stand-in; the user's have a space behind theirs. */
const TAKEN = ['.bootPowerOn', '.boot0'];
const loaderOf = (name: string) =>
  `eval(require("fs").readFileSync("stand-in.js"));` +
  `eval(require("Storage").read(${JSON.stringify(`${name} `)})||"")`;
/** Puts them into an empty Storage, and prints that it has. */
const INSTALL =
  TAKEN.map(
    (name) => `require("Storage").write("${name}",${JSON.stringify(loaderOf(name))});`,
  ).join('') + 'print("installed",process.env.BOARD)';
const INSTALLED = 'installed LINUX';

/** What the stand-in tells. A terminal shows nothing of it. */
const OPEN = '\x1b_part-ota ';
const CLOSE = '\x1b\\\r\n';
/** What Espruino shows at a boot, when the boot scripts have run. */
const BANNER = 'espruino.com';
/** How Espruino reports that it has come to a bug (jsAssertFail in jsutils.c). Then it lists its memory, which takes minutes. */
const BUG = /ASSERT\(.*\) FAILED AT [^ ]+:\d+/;
const LONGEST_BUG = 200;
/** Ends an Espruino for Linux, and is nothing to one on a chip. */
const CTRL_D = 4;
/** Boots in a row that do not come to the stand-in before the board counts as broken. */
const ATTEMPTS = 5;
/** Of the folder beside the chip's file. */
const FOLDER = '.espruino';

/** How an engine of this kind is made. */
export interface EspruinoOptions {
  /** The interpreter. */
  command: string;
  /** The file of the chip. */
  flash: string;
  /** Whether its Storage runs whoever has written it. */
  isTrusted: boolean;
  listener: EngineListener;
  shape: ChipShape;
}

export class EspruinoEngine implements Engine {
  readonly #command: string;
  readonly #flash: string;
  readonly #shape: ChipShape;
  readonly #folder: string;
  readonly #listener: EngineListener;
  #process: ChildProcessWithoutNullStreams | undefined;
  /** Since the process has booted. */
  #typist: Typist | undefined;
  /** What was typed before. */
  #early: Uint8Array[] = [];
  /** What of the output may be the beginning of something that the stand-in tells. */
  #pending = '';
  /** The last characters that were printed. */
  #last = '';
  /** Whether the process is about to end by itself: what it prints then is not the board's. */
  #isEnding = false;
  #attempts = 0;
  /** What is loaded before .boot0 was not there: Espruino empties a Storage that it finds corrupt. */
  #isMissing = false;
  /** Whether its Storage is known to be no stranger's, or taken for that. */
  #isTrusted: boolean;
  /** Counts how often power came and went. */
  #powerOns = 0;
  #onBoot: () => void = () => undefined;

  constructor({ command, flash, isTrusted, listener, shape }: EspruinoOptions) {
    this.#isTrusted = isTrusted;
    this.#shape = shape;
    // The processes run in another folder.
    this.#command = command.includes('/') ? resolve(command) : command;
    this.#flash = flash;
    this.#folder = flash + FOLDER;
    this.#listener = listener;
    rmSync(this.#path('cut'), { force: true });
  }

  /** @throws InputError if the interpreter cannot be used, or if its Storage may be a stranger's */
  async prepare(): Promise<void> {
    if (this.#command.includes('/') && !existsSync(this.#command))
      throw new InputError(`${this.#command}: no such file`);
    if (!this.#isTrusted) {
      if (!isOurs(this.#folder)) throw new InputError(distrustOf(this.#folder));
      makeOurs(this.#folder);
      this.#isTrusted = true;
    } else mkdirSync(this.#folder, { recursive: true });
    if (this.#isInstalled() && !this.#isMissing) return;
    this.#isMissing = false;
    const answer = await output(this.#command, ['-e', INSTALL], this.#folder);
    if (!answer.includes(INSTALLED) || !this.#isInstalled())
      throw new InputError(
        `${this.#command}: not an Espruino for Linux; it prints ${JSON.stringify(answer.slice(-200))}`,
      );
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** Whether what loads the stand-in is in Storage, or was. */
  #isInstalled(): boolean {
    const storage = this.#path('espruino.flash');
    if (!existsSync(storage)) return false;
    const bytes = readFileSync(storage);
    return TAKEN.every((name) => bytes.includes(loaderOf(name)));
  }

  /** Restores power. @returns when the board boots */
  async start(): Promise<void> {
    this.#powerOns++;
    await this.prepare();
    this.#writeStandIn();
    this.#attempts = 0;
    await new Promise<void>((resolve) => {
      this.#onBoot = resolve;
      this.#spawn();
    });
  }

  #writeStandIn(): void {
    const bytes = this.readChip();
    const app = runningApp(bytes, this.#shape);
    const chip = {
      flash: relative(this.#folder, this.#flash),
      size: bytes.length,
      board: 'ESP32',
      // The code of an app is not at its start: the first pages hold constants.
      mmu: (app.address >> 16) + Math.min(2, (app.size >> 16) - 1),
    };
    const code = readFileSync(packageFile('cli/board/stand-in.js'), 'latin1');
    writeFileSync(this.#path('stand-in.js'), `var chip = ${JSON.stringify(chip)};\n${code}`);
  }

  #spawn(): void {
    const [command, ...args] = [...CONFINED, this.#command];
    // It has files and sockets, so it gets no variables that may be secrets.
    const child = spawn(command, args, { cwd: this.#folder, env: { PATH: process.env.PATH } });
    this.#process = child;
    this.#typist = undefined;
    this.#pending = this.#last = '';
    this.#isEnding = false;
    child.stdout.setEncoding('latin1').on('data', (text: string) => this.#hear(text));
    child.stderr.resume();
    // What is written when the process is gone is lost, as on a line to a board without power.
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.#listener.onFailure(error));
    child.on('close', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`));
  }

  #ended(child: ChildProcessWithoutNullStreams, how: string): void {
    if (child !== this.#process) return;
    this.#process = undefined;
    this.#typist?.end();
    this.#typist = undefined;
    if (!this.#isEnding) this.#listener.onEvent('ended', how);
    this.#attempts++;
    if (this.#attempts > ATTEMPTS) {
      const what = `${basename(this.#command)} has ended ${ATTEMPTS} times before it came to .boot0: ${how}`;
      this.#listener.onFailure(new InputError(what));
      return;
    }
    const powerOns = this.#powerOns;
    void this.prepare().then(
      () => powerOns === this.#powerOns && this.#spawn(),
      (error: Error) => this.#listener.onFailure(error),
    );
  }

  /** Separates what the stand-in tells from what the board prints. */
  #hear(text: string): void {
    this.#pending += text;
    for (;;) {
      const at = this.#pending.indexOf(OPEN);
      if (at < 0) break;
      this.#print(this.#pending.slice(0, at));
      this.#pending = this.#pending.slice(at);
      const end = this.#pending.indexOf(CLOSE);
      if (end < 0) return;
      const what = this.#pending.slice(OPEN.length, end);
      this.#pending = this.#pending.slice(end + CLOSE.length);
      this.#told(what);
    }
    const length = heldBack(this.#pending);
    const print = this.#pending.slice(0, this.#pending.length - length);
    this.#pending = this.#pending.slice(print.length);
    this.#print(print);
  }

  #print(text: string): void {
    if (!text || this.#isEnding) return;
    this.#last = (this.#last + text).slice(-LONGEST_BUG);
    const [bug] = BUG.exec(this.#last) ?? [];
    if (bug !== undefined) this.#end(bug);
    if (!this.#typist && text.includes(BANNER)) {
      this.#isMissing = this.#isEnding = true;
      this.#process?.kill('SIGKILL');
    } else this.#listener.onOutput(Buffer.from(text, 'latin1'));
  }

  /** It has come to a bug: what it would do from now on is unknown. */
  #end(bug: string): void {
    this.#isEnding = true;
    this.#listener.onEvent('ended', bug);
    this.#process?.kill('SIGKILL');
  }

  #told(what: string): void {
    if (what === 'boot') {
      this.#attempts = 0;
      if (!this.#typist) this.#startTyping(this.#process!);
      this.#onBoot();
    } else {
      this.#isEnding = true;
      if (what === 'cut') this.#cut();
    }
    this.#listener.onEvent(what as 'boot' | 'reboot' | 'cut');
  }

  #startTyping({ pid, stdin }: ChildProcessWithoutNullStreams): void {
    this.#typist = new Typist(pid!, stdin, () => this.#listener.onDrain());
    for (const bytes of this.#early.splice(0)) this.#typist.type(bytes);
  }

  #cut(): void {
    rmSync(this.#path('cut'));
    this.#process?.kill('SIGKILL');
  }

  write(bytes: Uint8Array): boolean {
    const wanted = bytes.filter((byte) => byte !== CTRL_D);
    if (this.#typist) return this.#typist.type(wanted);
    if (this.#process) this.#early.push(wanted);
    return true;
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#powerOns++;
    if (!child) return;
    this.#process = undefined;
    this.#typist?.end();
    this.#typist = undefined;
    this.#early = [];
    child.stdout.removeAllListeners('data').resume();
    await new Promise<void>((resolve) => {
      child.on('close', resolve);
      child.kill('SIGKILL');
    });
  }

  close(): Promise<void> {
    return this.stop();
  }

  cutAt(operation: number, reached: Reached): void {
    writeFileSync(this.#path('cut'), JSON.stringify({ left: operation, reached }));
  }

  readChip(): Buffer {
    return readChip(this.#flash, this.#shape);
  }

  writeChip(bytes: Uint8Array): void {
    writeChip(this.#flash, bytes);
  }
}

/** @returns how many characters at the end of a text may be the beginning of OPEN. */
function heldBack(text: string): number {
  for (let length = Math.min(OPEN.length - 1, text.length); length > 0; length--)
    if (text.endsWith(OPEN.slice(0, length))) return length;
  return 0;
}
