/**
 * The seam: all that this library needs of the chip and of the JavaScript engine on it.
 *
 * Three functions reach the flash; the rest is what engines have natively and scripts are slow at.
 * `espruino.ts` makes one for Espruino. Any other engine hands its own to `create()`.
 */

/** Bytes of the smallest unit that a flash chip can erase (ESP-IDF: SPI_FLASH_SEC_SIZE). */
export const SECTOR = 4096;

/**
 * Bytes, as a string with one character per byte, codes 0 to 255.
 *
 * Interpreters compare, join and hash strings natively. A loop over 4096 bytes of an array costs
 * Espruino some hundred times more.
 */
export type Bytes = string;

/** What the chip and its engine can do. Addresses and lengths are in bytes. */
export interface Runtime {
  /** Reads `length` bytes, at any alignment. What lies past the end of the chip may read as anything. */
  read: (address: number, length: number) => Bytes;
  /**
   * Clears bits (1 to 0). Bytes that are not erased end up as the AND of old and new.
   * `address` and the length of `data` are multiples of 4. It may fail silently.
   */
  program: (address: number, data: Bytes) => void;
  /** Sets the sector that starts at `address` to 0xff. It may fail silently. */
  erase: (address: number) => void;
  /** @returns `length` times the byte `value`. */
  fill: (value: number, length: number) => Bytes;
  /** @returns 32-bit numbers as bytes, little-endian. */
  pack: (words: number[]) => Bytes;
  /** @returns bytes as 32-bit numbers, little-endian; their length is a multiple of 4. */
  unpack: (bytes: Bytes) => Uint32Array;
  /** @returns some pieces as one, best as one contiguous run of memory. */
  join: (pieces: Bytes[]) => Bytes;
  /** @returns the bytes of a string, Uint8Array or ArrayBuffer; undefined of anything else. */
  bytes: (chunk: unknown) => Bytes | undefined;
  /** @returns the CRC-32 (IEEE 802.3, as in zip) of `data`, 0 to 4294967295. */
  crc32: (data: Bytes) => number;
  /** Tells the watchdog that the program is alive. Called once per sector. */
  kick: () => void;
  /** @returns an address in flash that the CPU is executing from, if the chip can tell. */
  running?: () => number | undefined;
  /** An address in a partition that the engine itself lives on (Espruino's Storage). */
  live?: number;
}
