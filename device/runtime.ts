/**
 * The seam: all that this library needs of the chip and of the JavaScript engine on it.
 *
 * Three functions reach the flash; the rest is what engines have natively and scripts are slow at. They are
 * variables of this module: a call through an object costs an interpreter more.
 */

import { STORAGE } from './partitions.ts';

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
  /**
   * Reads `length` bytes, at any alignment, and tells the watchdog that the program is alive. What lies past the end
   * of the chip may read as anything.
   */
  read: (address: number, length: number) => Bytes;
  /**
   * Clears bits (1 to 0). Bytes that are not erased end up as the AND of old and new.
   * `address` and the length of `data` are multiples of 4. It may fail silently.
   */
  program: (data: Bytes, address: number) => void;
  /** Sets the sector that starts at `address` to 0xff. It may fail silently. */
  erase: (address: number) => void;
  /** @returns `length` times the byte `value`. */
  fill: (value: number, length: number) => Bytes;
  /** @returns 32-bit numbers as bytes, little-endian; what is missing is 0. */
  pack: (words: (number | undefined)[]) => Bytes;
  /** @returns bytes as 32-bit numbers, little-endian; their length is a multiple of 4. */
  unpack: (bytes: Bytes) => Uint32Array;
  /** @returns some pieces as one, best as one contiguous run of memory. */
  join: (pieces: Bytes[]) => Bytes;
  /**
   * @returns the bytes of a Uint8Array or ArrayBuffer, false of anything else that is no string: a string is bytes
   * already. They must not change when the caller's array does.
   */
  bytes: (chunk: unknown) => Bytes | false;
  /** @returns the CRC-32 (IEEE 802.3, as in zip) of `data`, 0 to 4294967295. */
  crc32: (data: Bytes) => number;
  /** @returns an address in flash that the CPU is executing from; 0 if the chip cannot tell. */
  running: () => number;
  /** An address in a partition that the engine itself lives on (Espruino's Storage); 0 none. */
  live: number;
  /** Address of the partition table, a multiple of 4096. Default: 0x8000. */
  table?: number | undefined;
  /** @returns how many variables of the engine are free (Espruino's JsVars). Without this nobody looks whether memory will do. */
  free?: (() => number) | undefined;
}

/** What this module uses of Espruino (reference: https://www.espruino.com/Reference). */
interface FlashModule {
  read: (length: number, address: number) => Uint8Array;
  write: (data: Bytes, address: number) => void;
  erasePage: (address: number) => void;
}
interface Espruino {
  toString: (data: unknown) => Bytes;
  toArrayBuffer: (data: Bytes) => ArrayBuffer;
  CRC32: (data: Bytes) => number;
  kickWatchdog: () => void;
}
declare const require: (name: string) => unknown;
declare const E: Espruino;
declare const process: { env: { BOARD: string }; memory: () => { free: number } };
declare const peek32: (address: number) => number;

/**
 * The classic ESP32 maps its code from 0x400d0000 on; entry 77 of the PRO CPU's flash MMU table is that
 * address' 64 KiB page of flash, bit 8 means that there is none (soc/esp32 dport_reg.h, DPORT_PRO_FLASH_MMU_TABLE).
 */
const MMU_ENTRY = 0x3ff10000 + 77 * 4;
const MMU_INVALID = 0x100;

let flash: FlashModule;
let text: Espruino['toString'];

// On Espruino, unless `use` is called. Functions that are made while another one runs would take more memory.

export let read: Runtime['read'] = (address, length) => {
  E.kickWatchdog();
  return text(flash.read(length, address));
};
export let program: Runtime['program'];
export let erase: Runtime['erase'];
export let fill: Runtime['fill'] = (value, length) => text({ data: value, count: length });
export let pack: Runtime['pack'] = (words) => text(new Uint32Array(words as number[]).buffer);
export let unpack: Runtime['unpack'] = (data) => new Uint32Array(E.toArrayBuffer(data));
export let join: Runtime['join'];
/** In a list: alone, an array and its string would share their memory. */
export let bytes: Runtime['bytes'] = (chunk) =>
  (chunk instanceof Uint8Array || chunk instanceof ArrayBuffer) && text([chunk]);
export let crc32: Runtime['crc32'];
export let running: Runtime['running'] = () => {
  const entry = process.env.BOARD === 'ESP32' ? peek32(MMU_ENTRY) : MMU_INVALID;
  return entry & MMU_INVALID ? 0 : (entry & 0xff) << 16;
};
export let live: number;
export let table: number | undefined;
export let free: Runtime['free'] = () => process.memory().free;

/**
 * Works on this chip from now on. Without it, the first call makes a runtime for Espruino.
 * @param runtime - without `read`: on Espruino, whose partition table lies at `table`
 * @example
 * // `runtime` is what the firmware has made of the chip and of the engine
 * require('ota').use(runtime);
 * // or on an Espruino of one's own, built with CONFIG_PARTITION_TABLE_OFFSET=0x10000
 * require('ota').use({ table: 0x10000 });
 */
export function use(runtime: Runtime | { read?: undefined; table: number }): void {
  table = runtime.table;
  if (!runtime.read) return;
  read = runtime.read;
  program = runtime.program;
  erase = runtime.erase;
  fill = runtime.fill;
  pack = runtime.pack;
  unpack = runtime.unpack;
  join = runtime.join;
  bytes = runtime.bytes;
  crc32 = runtime.crc32;
  running = runtime.running;
  live = runtime.live;
  free = runtime.free;
}

/** Works on an Espruino board, unless there is a runtime already. */
export function useEspruino(): void {
  if (crc32 as unknown) return;
  flash = require('Flash') as FlashModule;
  text = join = E.toString;
  program = flash.write;
  erase = flash.erasePage;
  crc32 = E.CRC32;
  live = STORAGE;
}
