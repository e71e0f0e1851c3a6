/**
 * A board that does what a test wants: Espruino's console as far as `link/` meets it, and what its scripts find there. It
 * needs no Node, so that it works in a browser, too.
 */
import { crc32 } from '#hashes';
import { fromBase64, fromLatin1, toBase64, toLatin1 } from '../../formats/bytes.ts';
import { PortError } from '../../link/errors.ts';
import { Line, type Port } from '../../link/port.ts';

/** Answers a line as Espruino would, unless a test wants something else. */
export type Behaviour = (line: string, board: FakeConsole) => void;

/** Runs a line in this engine, with Espruino's `print`. */
export const evaluate: Behaviour = (line, board) => {
  const print = (...values: unknown[]) => board.send(`${values.join(' ')}\r\n`);
  const globals: Record<string, unknown> = {
    print,
    global: board.global,
    E: { CRC32: (text: string) => crc32(fromLatin1(text)) },
    atob: (text: string) => toLatin1(fromBase64(text)),
    ...board.globals,
  };
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- that is what a console is for
    const run = new Function(...Object.keys(globals), line) as (...values: unknown[]) => void;
    run(...Object.values(globals));
  } catch (error) {
    board.send(`Uncaught ${String(error)}\r\n`);
  }
};

/** The other end of a line. */
export class FakeConsole {
  /** What scripts find beside `print`. */
  readonly globals: Record<string, unknown> = {};
  /** What is `global` there, unless it is among `globals`. */
  readonly global: Record<string, unknown> = {};
  /** The lines that have arrived, without what they begin with. */
  readonly lines: string[] = [];
  /** All that has arrived, a character per byte. */
  received = '';
  behaviour: Behaviour;
  /** Whether all that arrives is sent back, as a board does that does not know 0x10. */
  isEchoing = false;
  /** Sends text, a character per byte. */
  send: (text: string) => void;
  /** The cable is pulled. */
  hangUp: () => void = () => undefined;
  #rest = '';

  constructor(send: (text: string) => void, behaviour: Behaviour = evaluate) {
    this.send = send;
    this.behaviour = behaviour;
  }

  /** To be called at each new connection, so that it does not continue half a line of the one before. */
  forget(): void {
    this.#rest = '';
  }

  /** Takes what has arrived, a character per byte. */
  hear(text: string): void {
    this.received += text;
    if (this.isEchoing) this.send(text);
    const lines = (this.#rest + text).split('\n');
    const last = lines.pop() ?? '';
    let whole = '';
    for (const line of lines) {
      // ESC [ 2 H clears what has been typed, lines that brackets have kept open included.
      whole = (whole + line).replace(/^[^]*\x1b\[2H/, '');
      // Newlines within brackets continue a line.
      if (isComplete(whole)) this.#take(whole);
      whole = isComplete(whole) ? '' : `${whole}\n`;
    }
    this.#rest = whole + last;
  }

  #take(line: string): void {
    const bare = line.replace(/[\x00-\x08\x0b-\x1f]/g, '');
    // For tests that look for a script: what the line has in base64.
    const code = /^eval\(.*\("([\w+/=]+)",\d+\)\)$/.exec(bare)?.[1];
    const text = code ? `${bare}//${toLatin1(fromBase64(code)).replaceAll('\n', ' ')}` : bare;
    this.lines.push(text);
    this.behaviour(text, this);
  }
}

/** @returns whether as many brackets close as open, as Espruino counts them. */
function isComplete(line: string): boolean {
  const code = line.replace(/"(\\.|[^"\\])*"/g, '');
  const open = [...code].filter((character) => '([{'.includes(character)).length;
  const closed = [...code].filter((character) => ')]}'.includes(character)).length;
  return open <= closed;
}

/** @returns both ends of a line that is nothing but calls. */
export function fakePort(behaviour?: Behaviour): { port: Port; board: FakeConsole } {
  const line = new Line('fake', {
    write: (bytes) => Promise.resolve().then(() => board.hear(toLatin1(bytes))),
    close: () => Promise.resolve(),
  });
  const board = new FakeConsole((text) => line.arrived(fromLatin1(text)), behaviour);
  board.hangUp = () => line.ended(new PortError('E_CLOSED', { port: 'fake', by: 'cable' }));
  return { port: line, board };
}

/** What scripts of `link/` find on a board: Espruino's modules as far as they use them. */
export interface Stubs {
  /** By name, for `require`. */
  modules: Record<string, unknown>;
  globals: Record<string, unknown>;
}

/**
 * @param table - binary, as it lies at 0x8000
 * @param files - of Storage, a character per byte
 */
export function stubs(table: Uint8Array, files: Map<string, string>): Stubs {
  const flash = {
    read: (length: number, address: number) => {
      const bytes = new Uint8Array(length).fill(0xff);
      const from = address - 0x8000;
      if (from >= 0) bytes.set(table.subarray(from, from + length));
      return bytes;
    },
  };
  const storage = {
    read: (name: string, from?: number, length?: number) =>
      files.get(name)?.substr(from ?? 0, length),
    write: (name: string, text: string, at: number) =>
      void files.set(name, (at ? (files.get(name) ?? '') : '') + text),
    getFree: () => 100_000,
  };
  const modules: Record<string, unknown> = { Flash: flash, Storage: storage };
  return {
    modules,
    globals: {
      require: (name: string) => modules[name],
      process: {
        env: { BOARD: 'STUB', VERSION: '2v29', STORAGE: 200_000 },
        memory: () => ({ free: 3000, total: 4000 }),
      },
      Modules: { getCached: () => [], removeCached: () => undefined },
      E: { toString: toLatin1, CRC32: (text: string) => crc32(fromLatin1(text)) },
      btoa: (text: string) => toBase64(fromLatin1(text)),
    },
  };
}
