/** What can go wrong on the way to a board, and on it. */
import { Fault } from '../formats/errors.ts';
import type { Memory } from './memory.ts';

/** What can go wrong between this machine and the board. `port`: its name. */
export interface PortFacts {
  /** The line ended. `detail`: the system's message about that. */
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
  E_NOT_ESP32: { port: string; board: string; table: number; elsewhere: number[] };
  /** The board gave no sign of life while a script ran. */
  E_SILENT: { port: string; seconds: number };
  /** The board restarted while a script ran. `line`: what told that. */
  E_RESET: { port: string; line: string };
  /** A script ended without an answer. `line`: what Espruino printed about it. */
  E_INTERRUPTED: { port: string; line?: string };
  /** Scripts or answers were damaged on the line, over and over. */
  E_LINE: { port: string; times: number };
  /** The answer of a script is none. */
  E_GARBLED: { port: string; text: string };
}

/** There is no line to the board any more, or nothing on it that could be used. */
export class PortError<Code extends keyof PortFacts = keyof PortFacts> extends Fault<
  PortFacts,
  Code
> {
  override name = 'PortError';
}

/** What can come of a script. */
export interface ThrownFacts {
  /**
   * `code`: as on the board: E_STATE, …; missing if it is no error of the module. `message`: the board's words. `state`:
   * what the partition of an update holds, if it is known.
   */
  E_THROWN: { code?: string; message: string; state?: string };
  /**
   * Memory has ended on the board. `memory`: what there is now, if the board can still tell; `line`: what tells that it has
   * ended, of Espruino's own lines or of the script's error; `needed`: JsVars that have to be free, if that is known.
   */
  E_MEMORY: { port: string; memory?: Memory; line?: string; needed?: number };
}

/** What a script threw on the board, or that it could not even do that. */
export class BoardError<Code extends keyof ThrownFacts = keyof ThrownFacts> extends Fault<
  ThrownFacts,
  Code
> {
  override name = 'BoardError';
}
