/** Sends to a board no faster than it takes it. */
import { fromLatin1 } from '../formats/bytes.ts';
import type { Port } from './port.ts';
import { XOFF, XON } from './protocol.ts';
import { now, pause } from './runtime.ts';

/**
 * Bytes that are sent at a time. A board asks for a pause when its buffer is three quarters full: of 1024 bytes on most,
 * of 4096 on an ESP32 (IOBUFFER_XOFF in scripts/build_platform_config.py). A piece has to fit into the last quarter.
 */
const PIECE = 192;
/** A board that asked for a pause and was reset never ends it. */
const PAUSE_MS = 10_000;
/** A board that prints something so long after it has asked for a pause is not full: that was a damaged byte. */
const PRINTS_MS = 1000;

export class Writer {
  readonly #port: Port;
  readonly #onSent: () => void;
  /** While the board wants a pause: what to call when it is over. */
  #paused: { since: number; over: Promise<void>; end: () => void } | undefined;
  #ended: Error | undefined;
  /** One text after the other: a line within another one would be the end of both. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param onSent - called after each piece */
  constructor(port: Port, onSent: () => void) {
    this.#port = port;
    this.#onSent = onSent;
  }

  /**
   * Sends a text behind those that are being sent.
   * @param text - a character per byte
   * @throws PortError E_CLOSED, or what `end` was told
   */
  send(text: string): Promise<void> {
    const sent = this.#turn.then(() => this.#send(text));
    this.#turn = sent.catch(() => undefined);
    return sent;
  }

  async #send(text: string): Promise<void> {
    const bytes = fromLatin1(text);
    for (let at = 0; at < bytes.length; at += PIECE) {
      if (this.#paused) await Promise.race([this.#paused.over, pause(PAUSE_MS)]);
      if (this.#ended) throw this.#ended;
      await this.#port.write(bytes.subarray(at, at + PIECE));
      this.#onSent();
    }
  }

  /** Does as the board asks. @returns the rest of what has arrived */
  heed(bytes: Uint8Array): Uint8Array {
    if (this.#paused && now() - this.#paused.since > PRINTS_MS) this.resume();
    for (const byte of bytes) {
      if (byte === XOFF) this.#pause();
      else if (byte === XON) this.resume();
    }
    return bytes.filter((byte) => byte !== XOFF && byte !== XON);
  }

  /** Ends a pause. */
  resume(): void {
    this.#paused?.end();
  }

  /** Sends no more; whatever was to be sent is rejected by this. */
  end(error: Error): void {
    this.#ended ??= error;
    this.resume();
  }

  #pause(): void {
    if (this.#paused) return;
    let end = () => {};
    const over = new Promise<void>((resolve) => (end = resolve));
    this.#paused = {
      since: now(),
      over,
      end: () => {
        this.#paused = undefined;
        end();
      },
    };
  }
}
