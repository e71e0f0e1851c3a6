/**
 * What a script that updates partitions needs of Espruino, and not more.
 * Reference: https://www.espruino.com/Reference
 *
 * With the complete types of Espruino take `modules.d.ts` alone.
 */

/// <reference path="modules.d.ts" />

/** Prints to the console: the values, with a space between them. */
declare function print(...values: unknown[]): void;

interface Console {
  /** As `print`. */
  log(...values: unknown[]): void;
}
declare var console: Console;

/** What is known everywhere. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- scripts put anything there
declare var global: any;

/** From base64, and to it. */
declare function atob(text: string): string;
declare function btoa(bytes: string): string;

/** @returns the time in seconds, with fractions. */
declare function getTime(): number;

/** Boots JavaScript anew, without `save()`d state; with a name, runs that file of Storage. */
declare function load(file?: string): void;

/** Calls a function after some milliseconds. @returns what `clearTimeout` takes */
declare function setTimeout(
  call: (...values: never[]) => void,
  milliseconds?: number,
  ...values: unknown[]
): number;
/** Calls a function every so many milliseconds. @returns what `clearInterval` takes */
declare function setInterval(
  call: (...values: never[]) => void,
  milliseconds?: number,
  ...values: unknown[]
): number;
declare function clearTimeout(timer?: number): void;
declare function clearInterval(timer?: number): void;

/** The modules in memory. */
declare namespace Modules {
  /** Makes `require` find a module: its text, or a function that fills `exports`. */
  function addCached(name: string, source: string | (() => void)): void;
  /** Frees a module. */
  function removeCached(name: string): void;
}

declare namespace E {
  /** Resets the chip. */
  function reboot(): void;
  /** Resets the chip unless `kickWatchdog` is called every so many seconds. */
  function enableWatchdog(seconds: number, isAutomatic?: boolean): void;
  function kickWatchdog(): void;
  /** @returns the CRC-32 of the bytes, 0 to 4294967295. */
  function CRC32(data: string | Uint8Array | ArrayBuffer): number;
  /** @returns the bytes of all arguments as one string in contiguous memory; undefined if there is no room. */
  function toString(...data: unknown[]): string;
  function toUint8Array(...data: unknown[]): Uint8Array;
  function toArrayBuffer(data: string): ArrayBuffer;
  /** Opens a file on an SD card or, on a PC, in the directory. @returns undefined if it cannot be opened */
  function openFile(path: string, mode?: 'r' | 'w' | 'a' | 'r+' | 'w+' | 'a+'): File | undefined;
  /** `init`: after boot. `kill`: before a reset. */
  function on(event: string, call: (...values: never[]) => void): void;

  /** What `openFile` returns. */
  interface File {
    /** @returns the next bytes; undefined at the end */
    read(length: number): string | undefined;
    /** Goes on `bytes` behind the start of the file. */
    seek(bytes: number): void;
    /** Goes on `bytes` further. */
    skip(bytes: number): void;
    write(data: string): number;
    close(): void;
  }
}

declare namespace NodeJS {
  interface ProcessEnv {
    /** Of the firmware, such as `2v29`. */
    VERSION: string;
    /** Such as `ESP32`, `ESP32C3`, `ESP32S3`. */
    BOARD: string;
  }
  interface Process {
    env: ProcessEnv;
    /** The variables of JavaScript: each takes `blocksize` bytes. */
    memory(isExact?: boolean): { free: number; usage: number; total: number; blocksize: number };
  }
}
declare var process: NodeJS.Process;

declare namespace NodeJS {
  interface Require {
    /** Files in the flash memory. */
    (name: 'Storage'): typeof import('Storage');
    (name: 'Wifi'): typeof import('Wifi');
    (name: 'Flash'): typeof import('Flash');
    (name: 'crypto'): typeof import('crypto');
  }
}

/** Files in the flash memory. https://www.espruino.com/Reference#Storage */
declare module 'Storage' {
  /** @returns the bytes of a file, or of a part of it; undefined: there is no such file */
  export function read(name: string, offset?: number, length?: number): string | undefined;
  export function write(name: string, data: string, offset?: number, size?: number): boolean;
  export function erase(name: string): void;
  export function list(pattern?: RegExp): string[];
  /** @returns bytes */
  export function getFree(): number;
}

/** https://www.espruino.com/Reference#Wifi */
declare module 'Wifi' {
  export function connect(
    network: string,
    options: { password?: string },
    done?: (error: string | null) => void,
  ): void;
  /** Keeps the connection for later boots. */
  export function save(): void;
  export function on(event: 'connected' | 'disconnected', call: (details: unknown) => void): void;
}

/** The flash memory, without any check. https://www.espruino.com/Reference#Flash */
declare module 'Flash' {
  /** @returns zeros for what is past the end of the chip */
  export function read(length: number, address: number): Uint8Array;
  /** Clears bits. Nothing tells whether it has. */
  export function write(data: string | Uint8Array | ArrayBuffer, address: number): void;
  /** Erases the 4096 bytes that `address`, an integer, is in. Nothing tells whether it has. */
  export function erasePage(address: number): void;
}

/** https://www.espruino.com/Reference#crypto */
declare module 'crypto' {
  export function SHA256(data: string | Uint8Array | ArrayBuffer): ArrayBuffer;
}
