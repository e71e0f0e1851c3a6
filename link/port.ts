/** A line to a board, whatever it is made of. Bytes only; `session.ts` knows what they mean. */
import type { PortError } from './errors.ts';

/** A line to a board. */
export interface Port {
  /** What it was opened by: `/dev/ttyUSB0`, `tcp://host:port`. */
  readonly name: string;
  /** Sends bytes. Resolves when they have left this machine. @throws PortError E_CLOSED */
  write: (bytes: Uint8Array) => Promise<void>;
  /** Calls back with what arrives, from now on. There is one listener. */
  onData: (listener: (bytes: Uint8Array) => void) => void;
  /** Calls back once when the line ends, unless by `close`. There is one listener. */
  onClose: (listener: (error: PortError) => void) => void;
  /** Ends the line. */
  close: () => Promise<void>;
}

/** What a kind of port does in its own way. */
export interface Transport {
  /** @throws PortError E_CLOSED, or what `ended` was told */
  write: (bytes: Uint8Array) => Promise<void>;
  close: () => Promise<void>;
}

/** A port, with what all kinds of them have in common. */
export class Line implements Port {
  readonly name: string;
  readonly #transport: Transport;
  #onData: ((bytes: Uint8Array) => void) | undefined;
  #onClose: ((error: PortError) => void) | undefined;
  #end: PortError | undefined;

  constructor(name: string, transport: Transport) {
    this.name = name;
    this.#transport = transport;
  }

  /** To be called with what has arrived. */
  arrived(bytes: Uint8Array): void {
    this.#onData?.(bytes);
  }

  /** To be called when the line has ended; the first reason counts. */
  ended(error: PortError): void {
    if (this.#end) return;
    this.#end = error;
    this.#onClose?.(error);
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#onData = listener;
  }

  onClose(listener: (error: PortError) => void): void {
    this.#onClose = listener;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#end) throw this.#end;
    try {
      await this.#transport.write(bytes);
    } catch (error) {
      throw this.#end ?? error;
    }
  }

  close(): Promise<void> {
    // The port is closed, not lost: what still arrives is dropped.
    this.#onData = this.#onClose = undefined;
    return this.#transport.close();
  }
}
