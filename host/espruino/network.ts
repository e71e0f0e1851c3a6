/** What a board is connected to: connections, and the real network. */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The board's end of a connection, as the other end sees it. */
export interface Socket {
  /** Bytes arrive. */
  receive: (bytes: Uint8Array) => void;
  /** The other end has closed, or reset, the connection. Espruino sees no difference. */
  close: () => void;
  /** Calls something later, by the board's clock. */
  after: (ms: number, call: () => void) => void;
}

/** The other end of a connection, for the board. */
export interface Peer {
  /** The board has sent something. */
  receive: (bytes: Uint8Array) => void;
  /** The board has closed the connection, or lost power. */
  close: () => void;
}

/** Where a connection goes. */
export interface Target {
  host: string;
  port: number;
  isTls: boolean;
}

/**
 * What the board is connected to: makes a connection.
 * @throws Error if there is no such host, or if it refuses; scripts get this error
 */
export type Network = (target: Target, socket: Socket) => Peer;

/**
 * The real network. A host that does not exist or refuses does not throw, as it does on a board that waits for it; it closes the
 * connection.
 */
export const tcp: Network = ({ host, port, isTls }, socket) => {
  const stream = isTls
    ? connectTls({ host, port, servername: host, rejectUnauthorized: false })
    : connectTcp({ host, port });
  stream.on('data', (bytes: Buffer) => socket.receive(bytes));
  stream.on('error', () => socket.close());
  stream.on('close', () => socket.close());
  return {
    receive: (bytes) => stream.write(bytes),
    close: () => stream.destroy(),
  };
};
