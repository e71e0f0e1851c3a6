/** The board of `fake-port.ts` over real TCP, and what a command tells of a port that fails. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { OpenFacts } from '../../cli/ports.ts';
import { wordingOf } from '../../cli/words.ts';
import type { PortFacts } from '../../link/errors.ts';
import { type Behaviour, evaluate, FakeConsole } from './fake-port.ts';

export class FakeBoard extends FakeConsole {
  readonly #server: Server;
  #socket: Socket | undefined;

  private constructor(behaviour: Behaviour, greeting: string) {
    super((text) => void this.#socket?.write(Buffer.from(text, 'latin1')), behaviour);
    this.hangUp = () => this.#socket?.destroy();
    this.#server = createServer((socket) => {
      this.#socket = socket;
      this.forget();
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => this.hear(bytes.toString('latin1')));
      if (greeting) this.send(greeting);
    });
  }

  /** @param greeting - what the board sends at each new connection */
  static async start(behaviour: Behaviour = evaluate, greeting = ''): Promise<FakeBoard> {
    const board = new FakeBoard(behaviour, greeting);
    await new Promise<void>((resolve) => board.#server.listen(0, '127.0.0.1', resolve));
    return board;
  }

  get name(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Fails unless a promise is rejected by an error with this code, which is told to the user like this. */
export function refused(
  promise: Promise<unknown>,
  code: keyof OpenFacts | keyof PortFacts,
  message: RegExp,
): Promise<void> {
  return assert.rejects(promise, (error) => {
    const wording = wordingOf(error);
    assert.ok(wording, String(error));
    assert.equal((error as { code?: string }).code, code, wording.message);
    assert.match(wording.message, message);
    assert.equal(wording.exitCode, 2);
    return true;
  });
}
