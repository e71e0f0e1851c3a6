/** The seam over stock Espruino on an ESP32: its module `Flash`, its `E`. */

import type { Bytes, Runtime } from './runtime.ts';

/** What is used of Espruino (reference: https://www.espruino.com/Reference). */
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
declare const process: { env: { BOARD: string } };
declare const peek32: (address: number) => number;

/**
 * The classic ESP32 maps its code from 0x400d0000 on; entry 77 of the PRO CPU's flash MMU table is that
 * address' 64 KiB page of flash, bit 8 says that there is none (soc/esp32 dport_reg.h, DPORT_PRO_FLASH_MMU_TABLE).
 */
const MMU_ENTRY = 0x3ff10000 + 77 * 4;

/** Where Espruino's Storage lies on every ESP32 board (boards/ESP32*.py, saved_code). */
const STORAGE = 0x320000;

/** @returns the runtime of an Espruino board. */
export function espruino(): Runtime {
  const flash = require('Flash') as FlashModule;
  const read = flash.read;
  const text = E.toString;
  const runtime: Runtime = {
    read: function (address, length) {
      return text(read(length, address));
    },
    program: function (address, data) {
      flash.write(data, address);
    },
    erase: function (address) {
      flash.erasePage(address | 0);
    },
    fill: (value, length) => text({ data: value, count: length }),
    pack: (words) => text(new Uint32Array(words).buffer),
    unpack: (bytes) => new Uint32Array(E.toArrayBuffer(bytes)),
    join: text,
    bytes: (chunk) =>
      typeof chunk === 'string' || chunk instanceof Uint8Array || chunk instanceof ArrayBuffer
        ? text(chunk)
        : undefined,
    crc32: E.CRC32,
    kick: E.kickWatchdog,
    live: STORAGE,
  };
  if (process.env.BOARD === 'ESP32')
    runtime.running = function () {
      const entry = peek32(MMU_ENTRY);
      return entry & 0x100 ? undefined : (entry & 0xff) << 16;
    };
  return runtime;
}
