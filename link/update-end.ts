/** How an update is ended that the board cannot end by itself: its memory has ended, or it asks for the same again and again. */
import { isMemoryAnswer } from './failure.ts';
import { ASK_MEMORY, type Memory } from './memory.ts';
import type { Session } from './session.ts';
import { checked, isText } from './shapes.ts';
import { onOneLine } from './update-script.ts';

/**
 * What a board keeps asking for, and what comes of it: `empty`: it asks for no bytes, or for bytes that there are not; `again`:
 * for the same, although they were sent; `unsent`: for the same, and the line takes no answer. `from` <= bytes < `to` of
 * `file`.
 */
export interface Stuck {
  why: 'empty' | 'again' | 'unsent';
  file: string;
  from: number;
  to: number;
  /** How often, one after the other. */
  times: number;
}

/** The board is stuck. Within `link/` only: what comes of it is an UpdateError. */
export class StuckError extends Error {
  override name = 'StuckError';
  readonly stuck: Stuck;

  constructor(stuck: Stuck) {
    super(`asks ${stuck.times} times for ${stuck.from} to ${stuck.to}`);
    this.stuck = stuck;
  }
}

/** What is left on a board where an update was ended. */
export interface Left {
  memory: Memory;
  /** Errors that Espruino has seen since the update began: MEMORY, FIFO_FULL, UART_OVERFLOW, … */
  flags: string[];
  /** As `ota.status()` tells; missing if there is no memory for that. */
  state?: string;
}

/**
 * Ends the update on the board: what was interrupted in it would still ask, and take memory. Should anything of it go on, the
 * module refuses that: another copy of it has the journal then.
 */
const stopScript = (fresh: string[]) =>
  onOneLine(`
  var port = global.otaPort;
  if (port) port.ask = port.tell = function () {};
  delete global.otaPort;
  if (Modules.getCached().indexOf("ota-http") >= 0) require("ota-http").use();
  ${JSON.stringify(fresh)}.forEach(Modules.removeCached);`);
const STATE = onOneLine(`
  var isLoaded = Modules.getCached().indexOf("ota") >= 0;
  var state = require("ota").status().state;
  if (!isLoaded) Modules.removeCached("ota");
  return state;`);

/** In which a board that has failed has to answer. */
const SILENCE_MS = 5000;

/**
 * @param fresh - modules that are to be freed
 * @returns what is left of an update that is ended by this; undefined if the board does not answer any more
 */
export async function endUpdate(session: Session, fresh: string[]): Promise<Left | undefined> {
  const { name: port } = session.port;
  const run = (script: string) => session.run(script, { silence: SILENCE_MS });
  try {
    await run(stopScript(fresh));
    const [free, total, flags] = checked(port, await run(ASK_MEMORY), isMemoryAnswer);
    const left = { memory: { free, total }, flags };
    const state = await run(STATE).catch(() => undefined);
    return isText(state) ? { ...left, state } : left;
  } catch {
    return undefined;
  }
}

/** @returns whether a partition holds a mix in a state of the module. */
export const isMixed = (state: string) => /^(updating|interrupted|incomplete|damaged)$/.test(state);
