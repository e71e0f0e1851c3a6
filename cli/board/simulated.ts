/**
 * A board whose engine is the simulated board. Its chip is the file's copy in memory, and Storage that of a file beside
 * it; both files follow when the board is idle, and when it loses power.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Board, Panic, PowerCut, SimulatedConsole, TEARS } from '../../host/index.ts';
import { CHIP_SIZE, readChip, runningApp, tableBytesOf, writeChip } from './chip.ts';
import type { Engine, EngineListener, Reached } from './engine.ts';

/** The file of Storage: what each file holds, a character per byte. */
const STORAGE = '.storage.json';
/** Milliseconds between two looks at whether the files have to follow. */
const PAUSE = 100;

const TEAR = {
  nothing: TEARS.nothing,
  'first half': TEARS.firstHalf,
  'second half': TEARS.secondHalf,
  everything: TEARS.everything,
} as const satisfies Record<Reached, unknown>;

export class SimulatedEngine implements Engine {
  readonly #flash: string;
  readonly #listener: EngineListener;
  readonly #board: Board;
  readonly #console: SimulatedConsole;
  #life = new AbortController();
  #living: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** Operations at the last time the chip's file was written. */
  #written = 0;
  #files: Map<string, string> | undefined;
  /** Whether the boot that comes is not one that a script has asked for. */
  #isStarting = false;

  constructor(flash: string, listener: EngineListener) {
    const chip = readChip(flash);
    this.#flash = flash;
    this.#listener = listener;
    const running = runningApp(chip).label;
    this.#board = new Board({ table: tableBytesOf(chip), size: CHIP_SIZE, running });
    // As a chip does it: what is programmed twice becomes the AND of both.
    this.#board.flash.strict = false;
    this.#board.flash.load(0, chip);
    this.#loadFiles();
    // A script that catches what a power cut throws here prints nothing on a board.
    const write = (text: string) =>
      this.#board.isOn && listener.onOutput(Buffer.from(text, 'latin1'));
    this.#console = new SimulatedConsole(this.#board, write, (kind) => {
      if (kind === 'power' && !this.#isStarting) listener.onEvent('reboot');
      listener.onEvent('boot');
    });
  }

  #loadFiles(): void {
    const file = this.#flash + STORAGE;
    if (!existsSync(file)) return;
    const files = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    for (const [name, content] of Object.entries(files)) this.#board.upload(name, content);
  }

  /** Restores power. */
  start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#save(), PAUSE);
    this.#powerOn();
    return Promise.resolve();
  }

  #powerOn(): void {
    this.#isStarting = true;
    this.#guard(() => this.#board.powerOn());
    this.#isStarting = false;
    if (!this.#board.isOn) return;
    const life = new AbortController();
    this.#life = life;
    this.#living = this.#board.live(life.signal).catch((error: unknown) =>
      this.#guard(() => {
        throw error;
      }),
    );
  }

  /** Does something that may cost the board its power, and restores it then. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof PowerCut) this.#listener.onEvent('cut');
      else if (error instanceof Panic) this.#panic(error);
      else return this.#listener.onFailure(error as Error);
      this.#life.abort();
      // Not from here: what has failed has to end first.
      setImmediate(() => this.#timer && this.#powerOn());
    }
  }

  #panic({ message }: Panic): void {
    this.#listener.onOutput(Buffer.from(`\r\nabort() was called: ${message}\r\nRebooting...\r\n`));
    this.#listener.onEvent('ended', message);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#board.isOn)
      this.#guard(() => this.#console.type(Buffer.from(bytes).toString('latin1')));
    return true;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#life.abort();
    this.#board.flash.cut();
    await this.#living;
    this.#save();
  }

  cutAt(operation: number, reached: Reached): void {
    this.#board.flash.cutAt(operation, TEAR[reached]);
  }

  readChip(): Buffer {
    return Buffer.from(this.#board.flash.peek(0, CHIP_SIZE));
  }

  writeChip(bytes: Uint8Array): void {
    this.#board.flash.load(0, bytes);
    writeChip(this.#flash, bytes);
  }

  #save(): void {
    const { operations } = this.#board.flash.counters;
    if (operations !== this.#written) writeChip(this.#flash, this.readChip());
    this.#written = operations;
    const { files } = this.#board.snapshot();
    if (this.#files === files) return;
    this.#files = files;
    writeFileSync(this.#flash + STORAGE, JSON.stringify(Object.fromEntries(files)));
  }
}
