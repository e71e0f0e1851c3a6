/** The line to a board to test against: a TCP port, and the connections to it. */
import { createServer, type Server, type Socket } from 'node:net';
import { InputError } from '../words.ts';
import { Gate } from './gate.ts';

/** Bytes that wait for a client before it counts as gone. */
const MOST_WAITING = 4 << 20;
/** Connections at a time. */
const MOST_CLIENTS = 32;

/** What has happened to a connection. */
export type ClientEvent = 'connect' | 'drop' | 'disconnect';

/** Each connection shows what the board prints, and can type. The board does not notice connections that come or go. */
export class Clients {
  readonly #clients = new Set<Socket>();
  readonly #server: Server;
  /** Takes what was typed. @returns whether it takes more at once */
  onInput: (bytes: Uint8Array) => boolean = () => true;

  constructor(onEvent: (event: ClientEvent, detail: string) => void) {
    this.#server = createServer((socket) => {
      const name = `${socket.remoteAddress}:${socket.remotePort}`;
      const gate = new Gate();
      onEvent('connect', name);
      this.#clients.add(socket.setNoDelay());
      socket.on('data', (bytes) => {
        if (socket.destroyed) return;
        const passed = gate.pass(bytes.toString('latin1'));
        if ('speaks' in passed) {
          onEvent('drop', `${name}: it speaks ${passed.speaks}`);
          socket.destroy();
        } else if (passed.typed && !this.onInput(Buffer.from(passed.typed, 'latin1')))
          for (const client of this.#clients) client.pause();
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.#clients.delete(socket);
        onEvent('disconnect', name);
      });
    });
    this.#server.maxConnections = MOST_CLIENTS;
  }

  /** @returns the port. @throws InputError */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why: Record<string, string> = {
          EADDRINUSE: `--port: ${port} is in use; 0 is any that is free`,
          EACCES: `--port: ${port} is not allowed`,
        };
        reject(new InputError(why[error.code ?? ''] ?? `--host: ${host}: ${error.message}`));
      });
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        resolve(address && typeof address === 'object' ? address.port : port);
      });
    });
  }

  print(bytes: Uint8Array): void {
    for (const client of this.#clients) {
      client.write(bytes);
      if (client.writableLength > MOST_WAITING) client.destroy();
    }
  }

  resume(): void {
    for (const client of this.#clients) client.resume();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const client of this.#clients) client.destroy();
    });
  }
}
