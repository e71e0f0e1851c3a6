/** A simulated board at the end of a line on which bytes are changed, lost and doubled, by seed and by a clock of its own. */
import { type Board, SimulatedConsole } from '../../host/index.ts';
import { fromLatin1, toLatin1 } from '../../formats/bytes.ts';
import { Line, type Port } from '../../link/port.ts';

const realImmediate = setImmediate;
/** Milliseconds by which the clock goes on where nothing is due. */
const TICK = 50;
/** Milliseconds after which a command counts as hung: the longest silence that one has is 150 s. */
const HUNG = 3_600_000;

/** @returns numbers from 0 up to 1, the same ones for a seed (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @returns what damages text: each byte at this rate. */
export function damager(random: () => number, rate: number): (text: string) => string {
  return (text) => {
    let arrived = '';
    for (const character of text) {
      if (random() >= rate) arrived += character;
      else if (random() < 1 / 3) arrived += character + character;
      else if (random() < 1 / 2)
        arrived += String.fromCharCode(character.charCodeAt(0) ^ (1 << (random() * 8)));
    }
    return arrived;
  };
}

interface Due {
  at: number;
  action: () => void;
}

/** The board's line, and the time for both ends of it. */
export class DamagedLine {
  readonly port: Port;
  toBoard = (text: string) => text;
  toHost = (text: string) => text;
  readonly #board: Board;
  readonly #console: SimulatedConsole;
  readonly #line: Line;
  #now = 0;
  #timers = new Map<number, Due>();
  #ids = 0;
  #forBoard = '';
  #forHost = '';

  constructor(board: Board) {
    this.#board = board;
    this.#line = new Line('line', {
      write: (bytes) => {
        this.#forBoard += this.toBoard(toLatin1(bytes));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
    this.port = this.#line;
    this.#console = new SimulatedConsole(board, (text) => {
      this.#forHost += this.toHost(text);
    });
  }

  /**
   * Does something over the line, in this clock's time.
   * @param random - what marks of sessions are drawn by
   * @throws Error if it hangs
   */
  async play<T>(action: () => Promise<T>, random: () => number): Promise<T> {
    const { setTimeout: start, clearTimeout: stop } = globalThis;
    const now = performance.now.bind(performance);
    const getRandomValues = crypto.getRandomValues.bind(crypto);
    Object.assign(globalThis, {
      setTimeout: (call: () => void, ms: number) => {
        this.#timers.set(++this.#ids, { at: this.#now + ms, action: call });
        return this.#ids;
      },
      clearTimeout: (id: number) => this.#timers.delete(id),
    });
    performance.now = () => this.#now;
    crypto.getRandomValues = <A>(array: A) => (array as Uint8Array).map(() => random() * 256) as A;
    try {
      let isOver = false;
      const done = action().finally(() => (isOver = true));
      done.catch(() => undefined);
      while (!isOver) {
        await new Promise((resolve) => realImmediate(resolve));
        if (!isOver && !this.#deliver()) this.#goOn();
        if (this.#now > HUNG) throw new Error('it hangs');
      }
      return await done;
    } finally {
      Object.assign(globalThis, { setTimeout: start, clearTimeout: stop });
      performance.now = now;
      crypto.getRandomValues = getRandomValues;
      this.#timers.clear();
    }
  }

  /** @returns whether anything was on the line. */
  #deliver(): boolean {
    const [forBoard, forHost] = [this.#forBoard, this.#forHost];
    this.#forBoard = this.#forHost = '';
    if (forBoard) this.#console.type(forBoard);
    if (forHost) this.#line.arrived(fromLatin1(forHost));
    this.#board.advance(0);
    return forBoard + forHost !== '';
  }

  /** Lets time pass up to what is due next on this side, but not more than the other side can see. */
  #goOn(): void {
    const next = Math.min(this.#now + TICK, ...[...this.#timers.values()].map(({ at }) => at));
    this.#board.advance(next - this.#now);
    this.#now = next;
    for (const [id, { at, action }] of [...this.#timers]) {
      if (at > next || !this.#timers.delete(id)) continue;
      action();
    }
  }
}
