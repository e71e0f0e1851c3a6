/**
 * A board whose engine is the simulated board, in a process that can do nothing else: see `cell.ts`. Its chip is kept here,
 * as it tells, and Storage, too; both files follow when there was something, and when it loses power.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { toLatin1 } from '../../formats/bytes.ts';
import { SECTOR } from '../../formats/chip.ts';
import { Cell } from './cell-process.ts';
import { type ChipShape, readChip, runningApp, tableBytesOf, writeChip } from './chip.ts';
import type { Engine, EngineListener, Reached } from './engine.ts';
import type { News } from './inside/messages.ts';
import { Links } from './links.ts';
import { InputError } from '../words.ts';

/** The file of Storage: what each file holds, a character per byte. */
const STORAGE = '.storage.json';
/** Sectors of the chip that go over to the process at once. */
const LOADED = 64;
/** Milliseconds between two looks at whether the files have to follow. */
const PAUSE = 100;
/** Characters of all files in Storage: more than fit in Espruino's. */
const MOST_STORED = 1 << 21;
/** Bytes that were typed, and the board has not come to. */
const MOST_WAITING = 1 << 20;
/** Milliseconds in which a board has to say a last word; else it is not heard any more. */
const LAST_WORD_MS = 2000;
/** Milliseconds after which a script that is interrupted counts as endless. */
const CTRL_C_MS = 3000;
const CTRL_C = 3;
/** Boots in a row that end the process before the board counts as broken. */
const ATTEMPTS = 5;

/** What is in Storage, by its file. @throws InputError if it is none of it */
function readFiles(file: string): Map<string, string> {
  if (!existsSync(file)) return new Map();
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new InputError(`${file}: not what part-ota board has written; remove it`);
  }
  const entries = Object.entries(found ?? {}) as [string, unknown][];
  const isFile = ([name, content]: [string, unknown]) =>
    /^[\0-\xff]{1,28}$/.test(name) && typeof content === 'string' && /^[\0-\xff]*$/.test(content);
  if (typeof found !== 'object' || !found || Array.isArray(found) || !entries.every(isFile))
    throw new InputError(`${file}: not what part-ota board has written; remove it`);
  return new Map(entries as Iterable<[string, string]>);
}

export class SimulatedEngine implements Engine {
  readonly #flash: string;
  readonly #shape: ChipShape;
  readonly #listener: EngineListener;
  readonly #chip: Buffer;
  readonly #files: Map<string, string>;
  readonly #links: Links;
  #cell: Cell | undefined;
  #isOn = false;
  #isChipSaved = true;
  #areFilesSaved = true;
  #timer: NodeJS.Timeout | undefined;
  /** What becomes of the orders that are not done yet. */
  #orders: (() => void)[] = [];
  #waiting = 0;
  #attempts = 0;
  #cut: { operation: number; reached: Reached } | undefined;
  #onBoot: () => void = () => undefined;

  /** @throws InputError */
  constructor(flash: string, listener: EngineListener, shape: ChipShape) {
    this.#flash = flash;
    this.#shape = shape;
    this.#listener = listener;
    this.#chip = readChip(flash, shape);
    this.#files = readFiles(flash + STORAGE);
    this.#links = new Links((id, bytes) => this.#order({ net: { id, bytes } }));
  }

  /** Restores power. */
  async start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#save(), PAUSE);
    this.#attempts = 0;
    await new Promise<void>((resolve) => {
      this.#onBoot = resolve;
      this.#powerOn();
    });
  }

  #powerOn(): void {
    this.#isOn = true;
    if (!this.#cell) this.#makeCell();
    void this.#order({ power: true });
  }

  #makeCell(): void {
    const cell: Cell = new Cell({
      onNews: (news) => cell === this.#cell && this.#hear(news),
      onEnd: (why) => cell === this.#cell && this.#ended(why),
    });
    this.#cell = cell;
    const table = toLatin1(tableBytesOf(this.#chip, this.#shape));
    const running = runningApp(this.#chip, this.#shape).label;
    const files = Object.fromEntries(this.#files);
    const { tableAddress } = this.#shape;
    void this.#order({ start: { table, tableAddress, size: this.#chip.length, running, files } });
    this.#load();
    if (this.#cut) void this.#order({ cutAt: this.#cut });
  }

  /** Gives the process the whole chip, in lines that are not too long to be put together. */
  #load(): void {
    for (let first = 0; first * SECTOR < this.#chip.length; first += LOADED) {
      const bytes = this.#chip.toString('latin1', first * SECTOR, (first + LOADED) * SECTOR);
      void this.#order({ load: { first, bytes } });
    }
  }

  /** @returns when it is done; never if the process ends before */
  #order(order: Parameters<Cell['send']>[0]): Promise<void> {
    if (!this.#cell) return Promise.resolve();
    this.#cell.send(order);
    return new Promise((resolve) => this.#orders.push(resolve));
  }

  #hear(news: News): void {
    if ('print' in news) this.#listener.onOutput(Buffer.from(news.print, 'latin1'));
    else if ('event' in news) this.#happen(news.event, news.detail);
    else if ('sector' in news) this.#keepSector(news.sector, news.bytes);
    else if ('file' in news) this.#keepFile(news.file, news.content);
    else if ('net' in news) this.#links.hear(news);
    else if ('failed' in news)
      this.#restart(`the simulation has failed: ${news.failed.slice(0, 200)}`);
    else this.#orders.shift()?.();
  }

  #happen(event: 'boot' | 'reboot' | 'cut' | 'ended', detail?: string): void {
    if (event === 'boot') this.#onBoot();
    else this.#links.closeAll();
    if (event === 'cut') this.#cut = undefined;
    this.#listener.onEvent(event, detail);
    // Whoever heard of it may have told where power fails next.
    if ((event === 'cut' || event === 'ended') && this.#isOn) void this.#order({ power: true });
  }

  #keepSector(sector: number, bytes: string): void {
    if (sector * SECTOR >= this.#chip.length)
      return this.#restart('it told of more flash than there is');
    this.#chip.write(bytes, sector * SECTOR, 'latin1');
    this.#isChipSaved = false;
  }

  #keepFile(name: string, content: string | null): void {
    if (content === null) this.#files.delete(name);
    else this.#files.set(name, content);
    this.#areFilesSaved = false;
    const size = [...this.#files].reduce(
      (sum, [name, content]) => sum + name.length + content.length,
      0,
    );
    if (size > MOST_STORED) this.#restart(`its Storage has more than ${MOST_STORED} bytes`);
  }

  /** The process is of no use any more: as after a power cut, another one goes on with what is known. */
  #restart(why: string): void {
    this.#cell?.end();
    this.#ended(why);
  }

  #ended(why: string): void {
    this.#drop();
    this.#listener.onEvent('ended', why);
    if (!this.#isOn) return;
    this.#attempts++;
    if (this.#attempts > ATTEMPTS)
      return this.#listener.onFailure(
        new InputError(`the simulated board has ended ${ATTEMPTS} times: ${why}`),
      );
    this.#powerOn();
  }

  /** Forgets the process. */
  #drop(): void {
    this.#cell?.end();
    this.#cell = undefined;
    this.#links.closeAll();
    const orders = this.#orders.splice(0);
    this.#waiting = 0;
    for (const done of orders) done();
    this.#listener.onDrain();
  }

  write(bytes: Uint8Array): boolean {
    const cell = this.#cell;
    if (!this.#isOn || !cell) return true;
    this.#waiting += bytes.length;
    const done = this.#order({ type: Buffer.from(bytes).toString('latin1') }).then(() => {
      if (cell !== this.#cell) return;
      this.#attempts = 0;
      this.#waiting -= bytes.length;
      if (this.#waiting < MOST_WAITING) this.#listener.onDrain();
    });
    if (bytes.includes(CTRL_C)) void this.#interrupt(cell, done);
    return this.#waiting < MOST_WAITING;
  }

  /** A script that runs is not interrupted by Ctrl-C, but one that does not end has to end some day. */
  async #interrupt(cell: Cell, done: Promise<void>): Promise<void> {
    if ((await isIn(done, CTRL_C_MS)) || cell !== this.#cell) return;
    this.#restart('a script that does not end was interrupted');
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#isOn = false;
    if (this.#cell && !(await isIn(this.#order({ power: false }), LAST_WORD_MS))) this.#drop();
    this.#links.closeAll();
    this.#save();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#drop();
  }

  cutAt(operation: number, reached: Reached): void {
    this.#cut = { operation, reached };
    void this.#order({ cutAt: this.#cut });
  }

  readChip(): Buffer {
    return Buffer.from(this.#chip);
  }

  writeChip(bytes: Uint8Array): void {
    this.#chip.set(bytes);
    this.#load();
    writeChip(this.#flash, bytes);
  }

  #save(): void {
    if (!this.#isChipSaved) writeChip(this.#flash, this.#chip);
    this.#isChipSaved = true;
    if (!this.#areFilesSaved)
      writeFileSync(this.#flash + STORAGE, JSON.stringify(Object.fromEntries(this.#files)));
    this.#areFilesSaved = true;
  }
}

/** @returns whether something is done in time. */
async function isIn(done: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([done.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
