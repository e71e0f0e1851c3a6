/** What runs JavaScript on a board to test against: what board.ts asks of it, and hears from it. */

/** How much of an erase or page program is done when power fails in it. */
export const REACHED = ['nothing', 'first half', 'second half', 'everything'] as const;
export type Reached = (typeof REACHED)[number];

/**
 * What has happened on a board: it boots; a script has reset the chip; power has failed where `cutAt` was told; the
 * interpreter has ended in another way.
 */
export type BoardEvent = 'boot' | 'reboot' | 'cut' | 'ended';

/** Hears of an engine. */
export interface EngineListener {
  onOutput: (bytes: Uint8Array) => void;
  /** Called when `write` has returned false, and may be called again. */
  onDrain: () => void;
  onEvent: (event: BoardEvent, detail?: string) => void;
  /** The board cannot go on. */
  onFailure: (error: Error) => void;
}

/** What runs JavaScript. */
export interface Engine {
  /** Restores power. @returns when the board boots */
  start: () => Promise<void>;
  /** Ends it in the middle of whatever it does. */
  stop: () => Promise<void>;
  /** Ends it for good: nothing of it goes on. */
  close: () => Promise<void>;
  /** Hands over what was typed. @returns whether it takes more at once */
  write: (bytes: Uint8Array) => boolean;
  /** See RunningBoard in board.ts. */
  cutAt: (operation: number, reached: Reached) => void;
  /** What the chip holds now. */
  readChip: () => Buffer;
  /** Replaces all of it, without power. */
  writeChip: (bytes: Uint8Array) => void;
}
