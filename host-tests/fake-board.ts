/** A board over real TCP that does what a test says: Espruino's console as far as `link/session.ts` meets it. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { runInNewContext } from 'node:vm';

/** Answers a line as Espruino would, unless a test wants something else. */
export type Behaviour = (line: string, board: FakeBoard) => void;

/** Runs a line in Node, with Espruino's `print`. */
export const evaluate: Behaviour = (line, board) => {
  const print = (...values: unknown[]) => board.send(`${values.join(' ')}\r\n`);
  try {
    runInNewContext(line, { print, ...board.globals });
  } catch (error) {
    board.send(`Uncaught ${String(error)}\r\n`);
  }
};

export class FakeBoard {
  /** What scripts find beside `print`. */
  readonly globals: Record<string, unknown> = {};
  /** The lines that have arrived, without what they begin with. */
  readonly lines: string[] = [];
  /** All that has arrived, a character per byte. */
  received = '';
  behaviour: Behaviour;
  /** Whether all that arrives is sent back, as a board does that does not know 0x10. */
  isEchoing = false;
  readonly #server: Server;
  #socket: Socket | undefined;
  #rest = '';

  private constructor(behaviour: Behaviour, greeting: string) {
    this.behaviour = behaviour;
    this.#server = createServer((socket) => {
      this.#socket = socket;
      this.#rest = '';
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => this.#arrived(bytes.toString('latin1')));
      if (greeting) this.send(greeting);
    });
  }

  /** @param greeting - what the board sends when somebody connects */
  static async start(behaviour: Behaviour = evaluate, greeting = ''): Promise<FakeBoard> {
    const board = new FakeBoard(behaviour, greeting);
    await new Promise<void>((resolve) => board.#server.listen(0, '127.0.0.1', resolve));
    return board;
  }

  get name(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  send(text: string): void {
    this.#socket?.write(Buffer.from(text, 'latin1'));
  }

  /** The cable is pulled. */
  hangUp(): void {
    this.#socket?.destroy();
  }

  async stop(): Promise<void> {
    this.#socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #arrived(text: string): void {
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
    const text = line.replace(/[\x00-\x08\x0b-\x1f]/g, '');
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
