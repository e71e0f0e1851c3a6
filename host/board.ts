import { TABLE_ADDRESS, TABLE_SIZE } from '../device/partitions.ts';
import { bootOf, findOtadata, isSlot, otaEntry } from '../formats/otadata.ts';
import type { TableRow } from '../formats/table/row.ts';
import { Agenda } from './agenda.ts';
import type { BoardConsole, BoardOptions, BoardSnapshot } from './board-options.ts';
import type { Mood } from './chip/cell-array.ts';
import { cryptoLibrary, shown } from './espruino/e-library.ts';
import { flashLibrary } from './espruino/flash-library.ts';
import { type FlashProfile, seconds } from './chip/flash-timing.ts';
import { MEGABYTE, fillChip } from './chip/fresh-chip.ts';
import { makeGlobals } from './espruino/globals.ts';
import { Panic, Reboot, isFatal } from './halts.ts';
import { HttpClient } from './espruino/http.ts';
import { type Loaded, type Module, ModuleSource } from './espruino/modules.ts';
import { tcp } from './espruino/network.ts';
import { NorFlash } from './chip/nor-flash.ts';
import { PowerCut } from './chip/operations.ts';
import { observe } from './outcome.ts';
import { type Globals, Scripts } from './espruino/scripts.ts';
import { Files, storageLibrary } from './espruino/storage-library.ts';
import { decodeTable, encodeTable, TABLES } from './tables.ts';

/** One boot: from power on to the next reboot or cut. */
interface World extends Loaded {
  /** Of the flash: if it has another by now, this world is gone. */
  epoch: number;
  scripts?: Scripts;
  onInit: (() => void)[];
}

/** The entry of an ESP32's MMU table for 0x400d0000, where code is mapped (dport_reg.h). */
const MMU_ENTRY = 0x3ff10000 + 77 * 4;
/** Boots in a row that end in a reboot before the board counts as hung. */
const BOOT_LOOP = 20;
/** How a board boots when it gets power. No error: a search boots some hundred thousand times, and a stack costs most. */
const POWER_ON = { kind: 'power', file: undefined } as const;
/** Milliseconds that `settle` and `wait` let pass on the board's clock. */
const DAY = 24 * 3600 * 1000;
/** Milliseconds after which `live` looks whether it is to end. */
const LIVE_PAUSE = 50;
/** Milliseconds of real time that `wait` waits for a real network to send something. */
const PATIENCE = 2000;

/**
 * A simulated ESP32 with Espruino on it, for unit tests of device code:
 *
 *     const board = new Board({ partitions: { storage: oldImage } });
 *     board.upload('ota', readFileSync('dist/ota.min.js', 'latin1'));
 *     board.run('require("ota").recover().state'); // 'none'
 *
 * Power fails where `board.flash.cutAt` tells it to: the call then throws `PowerCut`, and `powerOn` goes on.
 */
export class Board {
  /** The flash chip. */
  readonly flash: NorFlash;
  /** What scripts have printed, line by line, with uncaught errors. */
  readonly output: string[] = [];
  /** What was thrown in scripts at boot and in timers, and caught nowhere. */
  readonly uncaught: unknown[] = [];
  /** When the firmware aborted, and why. */
  readonly panics: Panic[] = [];
  /** Hears of what is printed, beside `output`. */
  console: BoardConsole | undefined;
  /** The partition table that the board was made with. */
  readonly table: readonly TableRow[];

  readonly #options: BoardOptions;
  readonly #tableAddress: number;
  readonly #files = new Files();
  readonly #modules: ModuleSource;
  readonly #globals: Globals;
  readonly #timing: FlashProfile | undefined;
  readonly #http: HttpClient;
  readonly #agenda = new Agenda();
  /** Called when something comes from the network. */
  #wake: () => void = () => undefined;
  #running: TableRow;
  #world: World | undefined;
  /** What has stopped the CPU; thrown again by everything. */
  #halted: Error | undefined;
  #kicked = 0;

  constructor(options: BoardOptions = {}) {
    const { table = TABLES.example, size = 4 * MEGABYTE, watchdogMs } = options;
    const binary = table instanceof Uint8Array ? table : encodeTable(table);
    this.#options = options;
    this.#timing = watchdogMs === undefined ? undefined : (options.profile ?? 'w25q32jv_typ');
    this.table = decodeTable(binary);
    this.flash = new NorFlash({ size });
    const first = bootOf(this.table, []).app;
    if (!first) throw new RangeError('a partition table without an app');
    this.#running = options.running === undefined ? first : this.partition(options.running);

    this.#tableAddress = options.tableAddress ?? TABLE_ADDRESS;
    fillChip(this.flash, this.table, binary, this.#board === 'ESP32', this.#tableAddress);
    this.setRunning(this.#running.label);
    for (const [label, content] of Object.entries(options.partitions ?? {}))
      this.load(label, content);

    this.#http = new HttpClient({
      network: options.network ?? tcp,
      queue: (job) => this.#agenda.queue(job),
      after: (ms, call) => this.#agenda.after(ms, call),
      wake: () => this.#wake(),
      assertOn: () => this.#assertOn(),
    });
    this.#modules = new ModuleSource(this.#makeNatives(), this.#files);
    this.#globals = this.#makeGlobals();
  }

  /** Whether there is power and the CPU has not stopped. */
  get isOn(): boolean {
    return this.flash.isOn && !this.#halted;
  }

  /** Label of the app that runs. */
  get running(): string {
    return this.#running.label;
  }

  /** Milliseconds since the board was made, by the clock that `advance` moves. */
  get now(): number {
    return this.#agenda.now;
  }

  /**
   * Finds a partition.
   * @throws RangeError if there is none of this label
   */
  partition(label: string): TableRow {
    const row = this.table.find((row) => row.label === label);
    if (!row) throw new RangeError(`no partition "${label}"`);
    return row;
  }

  /**
   * Fills a partition, as `esptool write_flash` does after an erase: what follows the image is 0xff.
   * @throws RangeError if it does not fit
   */
  load(label: string, image: Uint8Array | string): void {
    const { address, size } = this.partition(label);
    const bytes = typeof image === 'string' ? Buffer.from(image, 'latin1') : image;
    if (bytes.length > size)
      throw new RangeError(`${bytes.length} bytes do not fit in "${label}", ${size} bytes`);
    const content = new Uint8Array(size).fill(0xff);
    content.set(bytes);
    this.flash.load(address, content);
  }

  /** @returns all of a partition, as it reads now. Works without power. */
  content(label: string): Uint8Array {
    const { address, size } = this.partition(label);
    return this.flash.peek(address, size);
  }

  /**
   * Makes the bootloader choose another app, as an app update does; it runs from the next boot on.
   * Rewrites otadata from outside.
   */
  setRunning(label: string): void {
    const row = this.partition(label);
    if (row.type !== 0) throw new RangeError(`"${label}" is not an app`);
    const otadata = findOtadata(this.table);
    if (otadata) this.load(otadata.label, isSlot(row) ? otaEntry(row.subtype - 0x0f) : '');
    this.#running = row;
    this.#world = undefined;
  }

  /**
   * Puts a file into Storage: modules by name, boot scripts as `.boot0` or `.bootcde`.
   * @param name - at most 28 characters
   * @param content - a character per byte
   */
  upload(name: string, content: string): void {
    if (name.length > 28)
      throw new RangeError(`a file name of ${name.length} characters; Storage takes 28`);
    this.#files.set(name, content);
  }

  /** Provides a module by a host function, called at the first `require` of every boot. */
  install(name: string, module: Module): void {
    this.#modules.install(name, module);
    this.#world?.modules.delete(name);
  }

  /**
   * Restores power and boots: `.bootPowerOn`, `.boot0` to `.boot3`, `.bootrst` or else `.bootcde`,
   * the handlers of `E.on("init")`, `onInit()`. What one of them throws is printed.
   * @param mood - how bits read that a cut has left unstable
   * @throws PowerCut, Panic or FlashMisuse if a boot script runs into one
   */
  powerOn(mood: Mood = 'after'): void {
    this.flash.restart(mood);
    this.#boot();
  }

  /**
   * Resets the chip and boots, as `powerOn` does.
   * @param mood - given: power fails for a moment, too
   */
  reboot(mood?: Mood): void {
    this.flash.restart(mood ?? this.flash.mood);
    this.#boot();
  }

  /**
   * Evaluates a script as if it was typed in; its variables stay for the next. Boots first if need be.
   * @returns the value of its last expression; undefined if it rebooted the board
   * @throws what it throws
   */
  run(script: string): unknown {
    const world = this.#on();
    try {
      return this.#evaluate(world, script);
    } catch (error) {
      this.#rebootOr(error);
      return undefined;
    } finally {
      this.#wake();
    }
  }

  /**
   * Loads a module in the present boot; boots first if need be.
   * @returns its exports
   * @throws Reboot, PowerCut or Panic out of its functions, when they come to that
   */
  require<T>(name: string): T {
    return this.#modules.require(this.#on(), name) as T;
  }

  /**
   * Lets time pass: timers are called when they are due, and what promises and the network have for scripts is
   * delivered. A real network has its own time: see `wait`.
   */
  advance(ms: number): void {
    const end = this.now + ms;
    while (this.#step(end));
    this.#agenda.now = end;
  }

  /**
   * Lets as much time pass as it takes until a promise of a script is settled, over a network in memory.
   * @returns its value
   * @throws what it was rejected with, or Error if it will never be settled
   */
  settle<T>(promise: PromiseLike<T> | T): T {
    const end = this.now + DAY;
    const outcome = observe(promise);
    while (!outcome.settled) if (!this.#step(end)) throw this.#stuck();
    return outcome.settled();
  }

  /**
   * Lets the board live until a promise of one of its scripts is settled, over a real network. The board's clock stands while
   * that is busy, and goes to the next timer when it is silent.
   * @param patience - milliseconds of real time after which an open connection counts as silent
   * @returns its value; rejects as `settle` throws
   */
  async wait<T>(promise: PromiseLike<T> | T, patience = PATIENCE): Promise<T> {
    const end = this.now + DAY;
    const outcome = observe(promise);
    while (!outcome.settled) {
      // The host has to come to its sockets, and a turn of the board's idle loop is not long.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#turnOrReboot()) continue;
      if (this.#http.isBusy && (await this.#isTold(patience))) continue;
      if (!this.#step(end)) throw this.#stuck();
    }
    return outcome.settled();
  }

  /**
   * Lets the board live, over a real network, until it is told to end: its clock goes as that of the host.
   * @param signal - ends it, within 50 ms
   * @throws PowerCut, Panic or FlashMisuse if a script runs into one
   */
  async live(signal: AbortSignal): Promise<void> {
    const start = performance.now() - this.now;
    while (!signal.aborted) {
      // The host has to come to its sockets, and a turn of the board's idle loop is not long.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) continue;
      const wait = this.turn(performance.now() - start);
      if (wait > 0) await this.#isTold(Math.min(wait, LIVE_PAUSE));
    }
  }

  /**
   * One turn of a life like that of `live`, for a host that counts the time itself.
   * @param now - what the board's clock is to come to, milliseconds
   * @returns milliseconds until something is due; 0: at once; Infinity: nothing, unless the network tells something
   * @throws PowerCut, Panic or FlashMisuse if a script runs into one
   */
  turn(now: number): number {
    if (this.#step(now)) return 0;
    this.#agenda.now = Math.max(this.now, now);
    return this.#agenda.untilNext();
  }

  /** @returns what survives a reboot: the chip, the files, which app runs. Takes microseconds. */
  snapshot(): BoardSnapshot {
    return { flash: this.flash.snapshot(), files: this.#files.snapshot(), running: this.running };
  }

  /** Goes back to a snapshot. The board is as if it had just been connected: it boots when it is used. */
  restore(snapshot: BoardSnapshot): void {
    this.flash.restore(snapshot.flash);
    this.#files.restore(snapshot.files);
    if (snapshot.running !== this.running) this.#running = this.partition(snapshot.running);
    this.#unplug();
    this.#world = undefined;
    this.#halted = undefined;
  }

  get #board(): string {
    return this.#options.board ?? 'ESP32';
  }

  #on(): World {
    const { isOn, epoch } = this.flash;
    if (!isOn) this.powerOn();
    else if (this.#halted instanceof Reboot) this.#boot(this.#halted);
    else if (this.#halted || this.#world?.epoch !== epoch) this.#boot();
    return this.#world!;
  }

  #assertOn(): void {
    if (this.#halted) throw this.#halted;
    if (this.#timing) this.#watch();
  }

  /** Throws what a script has swallowed, though it had better not go on. */
  #assertAlive(): void {
    if (this.#halted) throw this.#halted;
    if (this.flash.misuse) throw this.flash.misuse;
    if (!this.flash.isOn) throw new PowerCut('power is off');
  }

  #watch(): void {
    const spent = (seconds(this.flash.counters, this.#timing) - this.#kicked) * 1000;
    if (spent < 0) this.#kicked = 0;
    if (spent > this.#options.watchdogMs!)
      this.#panic(`the watchdog was not fed for ${Math.round(spent)} ms of flash work`);
  }

  #kick(): void {
    if (this.#timing) this.#kicked = seconds(this.flash.counters, this.#timing);
  }

  #panic(message: string): never {
    const panic = new Panic(message);
    this.panics.push(panic);
    this.flash.cut();
    this.#halt(panic);
  }

  /** Stops the CPU: nothing works until the next boot, even if the script swallows the error. */
  #halt(error: Error): never {
    this.#halted = error;
    throw error;
  }

  #assertSafe(address: number, length: number): void {
    const app = this.#running;
    const what = `${length} bytes at 0x${address.toString(16)}`;
    // ESP-IDF refuses writes from 0 up to here (spi_flash/partition.c, is_safe_write_address).
    if (address <= this.#tableAddress + TABLE_SIZE)
      this.#panic(`write or erase of ${what}: bootloader or partition table`);
    if (address < app.address + app.size && address + length > app.address) {
      this.#panic(`write or erase of ${what}: the running app, "${app.label}"`);
    }
  }

  #stuck(): Error {
    return new Error('the promise is pending, and nothing will happen any more');
  }

  /** Waits for the network. @returns whether something has come */
  #isTold(patience: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), patience);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Does the next thing that is due. @returns whether there was any */
  #step(end: number): boolean {
    if (!this.isOn || !this.#world) return false;
    if (this.#turnOrReboot()) return true;
    const done = this.#agenda.doNext(end);
    if (done === 'timer') this.#turnOrReboot();
    return done !== undefined;
  }

  /** One turn of the idle loop. @returns whether there was anything to do */
  #turnOrReboot(): boolean {
    if (!this.isOn || !this.#world) return false;
    try {
      const jobs = this.#agenda.takeJobs();
      if (!jobs.length) return this.#http.turn();
      for (const job of jobs) this.#attempt(job);
    } catch (error) {
      this.#rebootOr(error);
    }
    return true;
  }

  /** Boots if that is what was thrown; throws everything else. */
  #rebootOr(error: unknown): void {
    if (isFatal(error)) this.#unplug();
    if (!(error instanceof Reboot)) throw error;
    this.#boot(error);
  }

  /** Ends whatever this boot has to do with the network, and what it is still to do. */
  #unplug(): void {
    this.#http.reset();
    this.#agenda.clear();
  }

  #boot(how: Pick<Reboot, 'kind' | 'file'> = POWER_ON): void {
    for (let boots = 0; boots < BOOT_LOOP; boots++) {
      this.#halted = undefined;
      const world = this.#newWorld();
      this.#world = world;
      this.#kick();
      try {
        this.console?.boot(how.kind);
        this.#runBootScripts(world, how);
        return;
      } catch (error) {
        if (!(error instanceof Reboot)) throw error;
        how = error;
      }
    }
    throw new Error(`${BOOT_LOOP} boots in a row have ended in a reboot`);
  }

  #runBootScripts(world: World, { kind, file }: Pick<Reboot, 'kind' | 'file'>): void {
    const hasReset = this.#files.get('.bootrst') !== undefined;
    const last = hasReset || kind === 'reset' ? '.bootrst' : '.bootcde';
    const names = ['.boot0', '.boot1', '.boot2', '.boot3', last];
    if (kind === 'power') names.unshift('.bootPowerOn');
    for (const name of names) {
      const script = this.#files.get(name);
      if (script !== undefined) this.#attempt(() => this.#evaluate(world, script));
    }
    for (const handler of world.onInit) this.#attempt(handler);
    if (world.scripts)
      this.#attempt(() => this.#evaluate(world, 'if (typeof onInit == "function") onInit()'));
    this.console?.booted(kind, this.#files.get(last) !== undefined);
    const script = file === undefined ? undefined : this.#files.get(file);
    if (script !== undefined) this.#attempt(() => this.#evaluate(world, script));
  }

  #complain(reason: unknown): void {
    this.uncaught.push(reason);
    this.#print(`Uncaught Error: Unhandled promise rejection: ${shown(reason)}`);
  }

  /** Calls something whose errors are printed. */
  #attempt(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (isFatal(error) || error instanceof Reboot) throw error;
      this.uncaught.push(error);
      this.#print(`Uncaught ${shown(error)}`);
    }
    this.#assertAlive();
  }

  #evaluate(world: World, script: string): unknown {
    world.scripts ??= new Scripts(world.globals);
    const value = world.scripts.evaluate(script);
    this.#assertAlive();
    return value;
  }

  #print(...values: unknown[]): void {
    const text = values.map(shown).join(' ');
    this.output.push(...text.split('\n'));
    this.console?.print(text);
  }

  /** Costs little: what a boot finds inherits from objects that are made once, and never changed. */
  #newWorld(): World {
    this.#unplug();
    const globals = Object.create(this.#globals) as Globals;
    globals.E = Object.create(this.#globals.E) as Globals['E'];
    globals.process = Object.create(this.#globals.process) as Globals['process'];
    globals.global = globals.globalThis = globals;
    const { epoch } = this.flash;
    return { epoch, globals, modules: new Map(), onInit: [] };
  }

  /** @returns the modules of the firmware. */
  #makeNatives(): Map<string, object> {
    const assertOn = () => this.#assertOn();
    const assertSafe = (address: number, length: number) => this.#assertSafe(address, length);
    const natives = new Map<string, object>([
      ['Flash', flashLibrary({ flash: this.flash, assertOn, assertSafe })],
      ['Storage', storageLibrary(this.#files)],
    ]);
    if (this.#options.crypto !== false) natives.set('crypto', cryptoLibrary());
    return natives.set('http', this.#http.library());
  }

  #makeGlobals(): Globals {
    return makeGlobals({
      board: this.#board,
      natives: this.#modules.natives,
      files: this.#files,
      boot: () => this.#world!,
      require: (name) => this.#modules.require(this.#world!, name),
      print: (...values) => this.#print(...values),
      echo: (isOn) => this.console?.echo(isOn),
      peek: (address) => this.#peek(address),
      kick: () => this.#kick(),
      halt: (error) => this.#halt(error),
      onInit: (handler) => this.#world!.onInit.push(handler),
      queue: (job) => this.#agenda.queue(job),
      complain: (reason) => this.#complain(reason),
      timers: this.#agenda.library((script) => this.#evaluate(this.#world!, script)),
    });
  }

  /** The code of an app is not at its start: the first 64 KiB page, or two, hold constants. */
  #peek(address: number): number {
    if (this.#board !== 'ESP32' || address !== MMU_ENTRY) return 0;
    return (
      this.#options.mmu ??
      (this.#running.address >> 16) + Math.min(2, (this.#running.size >> 16) - 1)
    );
  }
}
