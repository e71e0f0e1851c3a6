/** What is done to a flash chip, what goes wrong in it, and what is counted. */
import type { Work } from './flash-timing.ts';

export { SECTOR } from '../../formats/chip.ts';

/** Bytes of a page: one program operation of the chip never crosses the end of one. */
export const PAGE = 256;

/** What an operation does to the chip. */
export type Change = 'erase' | 'program';

/** Power has failed, or is off since. What the device code was doing is lost. */
export class PowerCut extends Error {
  override name = 'PowerCut';
}

/** The code under test has done what no correct code does. It is thrown again by everything that follows. */
export class FlashMisuse extends Error {
  override name = 'FlashMisuse';
}

/** One operation: a page program, a sector erase, or a read of any length. */
export interface Operation {
  kind: Change | 'read';
  /** Programs and erases are counted together, reads by themselves; 1 is the first since `resetCounters`. */
  number: number;
  /** Bytes from the start of the chip. */
  address: number;
  /** Bytes. */
  length: number;
}

/**
 * What goes wrong in an operation, silently.
 * - nothing: it does nothing; a read finds zeros
 * - half: it does the first half; a read finds zeros in the second
 * - flip: a read finds its first bit wrong, or the bit with this number, from the first bit of the first byte on, modulo
 *   the bits that are read; programs and erases are as ever
 */
export type Fault = 'nothing' | 'half' | 'flip' | { flip: number };

/** Decides for each operation whether it fails. Reads come along, with numbers of their own. */
export type FaultHook = (operation: Operation) => Fault | undefined;

/** What a chip has done since `resetCounters`. */
export interface Counters extends Work {
  /** Sector erases, and page programs but those of nothing but 0xff. */
  operations: number;
  erases: number;
  /** Page programs, all of them. */
  programs: number;
  /** Program commands: pieces of at most 64 bytes, as ESP-IDF sends them. */
  commands: number;
  bytesProgrammed: number;
  reads: number;
  bytesRead: number;
}
