/**
 * The simulated board inside of its cell, a context of JavaScript with nothing around it: see `cell.ts`. Scripts of the board
 * can reach everything here, and everything here can do nothing but call `tell`.
 */
import './node.ts';
import type { Network } from '../../../host/index.ts';
import { Board } from '../../../host/board.ts';
import { SimulatedConsole } from '../../../host/console.ts';
import { Panic } from '../../../host/halts.ts';
import { PowerCut } from '../../../host/chip/operations.ts';
import { TEARS } from '../../../host/chip/tears.ts';
import { SECTOR } from '../../../formats/chip.ts';
import { fromLatin1, toLatin1 } from '../../../formats/bytes.ts';
import type { Reached } from '../engine.ts';
import type { News, Order } from './messages.ts';

const TEAR = {
  nothing: TEARS.nothing,
  'first half': TEARS.firstHalf,
  'second half': TEARS.secondHalf,
  everything: TEARS.everything,
} as const satisfies Record<Reached, unknown>;

/** Characters that are printed at a time, and milliseconds after which less will do. */
const MOST_PRINTED = 1 << 14;
const PRINT_PAUSE = 50;
/** Milliseconds between two looks at Storage: a file that is uploaded changes with each piece. */
const FILES_PAUSE = 100;

type Start = Extract<Order, { start: unknown }>['start'];

/** One board, and what was told of it. */
class Inside {
  readonly #tell: (news: News) => void;
  readonly #board: Board;
  readonly #console: SimulatedConsole;
  readonly #sockets = new Map<
    number,
    { receive: (bytes: Uint8Array) => void; close: () => void }
  >();
  #connections = 0;
  #printed = '';
  #printedAt = 0;
  #isAwaited = false;
  #sectors: readonly unknown[];
  #operations = 0;
  #files: Map<string, string>;
  #savedAt = 0;
  /** Whether the boot that comes is not one that a script has asked for. */
  #isStarting = false;

  constructor({ table, tableAddress, size, running, files }: Start, tell: (news: News) => void) {
    this.#tell = tell;
    this.#board = new Board({
      table: fromLatin1(table),
      tableAddress,
      size,
      running,
      network: this.#connect,
    });
    // As a chip does it: what is programmed twice becomes the AND of both.
    this.#board.flash.strict = false;
    for (const [name, content] of Object.entries(files)) this.#board.upload(name, content);
    const { flash, files: uploaded } = this.#board.snapshot();
    this.#sectors = flash.sectors;
    this.#files = new Map(uploaded);
    // A script that catches what a power cut throws here prints nothing on a board.
    const write = (text: string) => this.#board.isOn && this.#print(text);
    this.#console = new SimulatedConsole(this.#board, write, (kind) => {
      if (kind === 'power' && !this.#isStarting) this.#happen('reboot');
      this.#happen('boot');
    });
  }

  /** @returns milliseconds until it has something to do */
  do(order: Order): number {
    if ('load' in order) this.#load(order.load.first, fromLatin1(order.load.bytes));
    else if ('power' in order) this.#setPower(order.power);
    else if ('cutAt' in order)
      this.#board.flash.cutAt(order.cutAt.operation, TEAR[order.cutAt.reached]);
    else if ('type' in order) this.#type(order.type);
    else if ('net' in order) this.#hear(order.net.id, order.net.bytes);
    else if ('turn' in order) return this.#turn(order.turn);
    else if ('save' in order) this.#saveFiles(Infinity);
    return 0;
  }

  /** Tells what has changed. */
  flush(): void {
    this.#saveSectors();
    if (!this.#printed) return;
    this.#tell({ print: this.#printed });
    this.#printed = '';
    this.#printedAt = Date.now();
  }

  #load(first: number, bytes: Uint8Array): void {
    this.#board.flash.load(first * SECTOR, bytes);
    this.#sectors = this.#board.flash.snapshot().sectors;
  }

  #setPower(isPowered: boolean): void {
    if (isPowered) return this.#powerOn();
    this.#board.flash.cut();
    this.#saveFiles(Infinity);
  }

  #type(text: string): void {
    if (this.#board.isOn) this.#guard(() => this.#console.type(text));
  }

  #turn(now: number): number {
    this.#saveFiles(now);
    if (!this.#board.isOn) return Infinity;
    let wait = 0;
    this.#guard(() => {
      wait = this.#board.turn(now);
    });
    const isSaved = this.#board.snapshot().files === this.#lastFiles;
    return isSaved ? wait : Math.min(wait, FILES_PAUSE);
  }

  #powerOn(): void {
    this.#isStarting = true;
    this.#guard(() => this.#board.powerOn());
    this.#isStarting = false;
  }

  /** Does something that may cost the board its power. Whoever hears of that restores it. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof PowerCut) this.#happen('cut');
      else if (error instanceof Panic) {
        this.#print(`\r\nabort() was called: ${error.message}\r\nRebooting...\r\n`);
        this.#happen('ended', error.message);
      } else throw error;
    }
  }

  #happen(event: 'boot' | 'reboot' | 'cut' | 'ended', detail?: string): void {
    this.flush();
    this.#tell({ event, detail });
  }

  #print(text: string): void {
    this.#printed += text;
    const isDue = Date.now() - this.#printedAt > PRINT_PAUSE;
    if (this.#printed.length > MOST_PRINTED || isDue) return this.flush();
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    void Promise.resolve().then(() => {
      this.#isAwaited = false;
      this.flush();
    });
  }

  #saveSectors(): void {
    const { flash } = this.#board;
    if (flash.counters.operations === this.#operations) return;
    this.#operations = flash.counters.operations;
    const { sectors } = flash.snapshot();
    sectors.forEach((sector, n) => {
      if (sector === this.#sectors[n]) return;
      this.#tell({ sector: n, bytes: toLatin1(flash.peek(n * SECTOR, SECTOR)) });
    });
    this.#sectors = sectors;
  }

  #lastFiles: Map<string, string> | undefined;

  /** @param now - milliseconds; Infinity: at once */
  #saveFiles(now: number): void {
    const { files } = this.#board.snapshot();
    if (files === this.#lastFiles || now < this.#savedAt + FILES_PAUSE) return;
    if (now < Infinity) this.#savedAt = now;
    for (const name of this.#files.keys())
      if (!files.has(name)) this.#tell({ file: name, content: null });
    for (const [name, content] of files)
      if (this.#files.get(name) !== content) this.#tell({ file: name, content });
    this.#files = new Map(files);
    this.#lastFiles = files;
  }

  readonly #connect: Network = ({ host, port, isTls }, socket) => {
    const id = ++this.#connections;
    this.#sockets.set(id, socket);
    this.#tell({ net: id, host, port, isTls });
    return {
      receive: (bytes) => this.#tell({ net: id, bytes: toLatin1(bytes) }),
      close: () => {
        this.#sockets.delete(id);
        this.#tell({ net: id });
      },
    };
  };

  #hear(id: number, bytes: string | undefined): void {
    const socket = this.#sockets.get(id);
    if (bytes !== undefined) return socket?.receive(fromLatin1(bytes));
    this.#sockets.delete(id);
    socket?.close();
  }
}

/**
 * @param tell - takes news, as JSON
 * @returns what takes orders, as JSON, and returns the milliseconds until there is something to do
 */
export function begin(tell: (line: string) => void): (line: string) => number {
  const say = (news: News) => tell(JSON.stringify(news));
  let inside: Inside | undefined;
  return (line) => {
    let wait = 0;
    try {
      const order = JSON.parse(line) as Order;
      if ('start' in order) inside = new Inside(order.start, say);
      else if (!inside) return Infinity;
      else {
        wait = inside.do(order);
        inside.flush();
      }
      if (!('turn' in order)) say({ done: true });
    } catch (error) {
      say({ failed: String(error) });
    }
    return wait;
  };
}
