/** A line to a board, whatever it is made of. Bytes only; `session.ts` knows what they mean. */
import { Fault } from '../formats/errors.ts';

/** What can go wrong between this machine and the board. `port`: its name. */
export interface PortFacts {
  /** The line ended. `detail`: what the system says about that. */
  E_CLOSED: { port: string; by: 'peer' | 'cable' | 'caller' | 'unknown'; detail?: string };
  /**
   * Espruino did not answer in time when it was greeted. `heard`: what came instead, nothing, or what boards print when
   * they start, or something else; `last`: the last line of it.
   */
  E_NO_ANSWER: {
    port: string;
    seconds: number;
    heard: 'nothing' | 'restart' | 'output';
    last: string;
  };
  /** Something else answers, or Espruino takes no scripts. `noise`: bytes that are no text. */
  E_NOT_ESPRUINO: {
    port: string;
    found: 'locked' | 'debugger' | 'MicroPython' | 'download' | 'noise';
    last: string;
  };
  /** There is no partition table: not an ESP32, or its flash is encrypted. `board`: as Espruino calls it. */
  E_NOT_ESP32: { port: string; board: string };
  /** The board gave no sign of life while a script ran. */
  E_SILENT: { port: string; seconds: number };
  /** The board restarted while a script ran. `line`: what told that. */
  E_RESET: { port: string; line: string };
  /** A script ended without an answer. `line`: what Espruino printed about it. */
  E_INTERRUPTED: { port: string; line?: string };
  /** The answer of a script was not what it sent: bytes were lost or added. */
  E_GARBLED: { port: string; text: string };
}

/** There is no line to the board any more, or nothing on it that could be used. */
export class PortError<Code extends keyof PortFacts = keyof PortFacts> extends Fault<
  PortFacts,
  Code
> {
  override name = 'PortError';
}

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
    // What still arrives concerns nobody: the port is closed, not lost.
    this.#onData = this.#onClose = undefined;
    return this.#transport.close();
  }
}
