/**
 * Espruino's own functions, as they behave on an ESP32 (firmware 2v29): what they coerce, what they
 * swallow, where they differ from JavaScript elsewhere.
 */
import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { SECTOR } from './cell-array.ts';
import { printed } from './espruino-json.ts';
import { type NorFlash, latin1 } from './nor-flash.ts';

/** The first address that is not hard-coded into Espruino's `Flash.getPage` (jshardware.c, FLASH_MAX). */
const FLASH_MAX = 0x400000;
/** Storage cuts names off here (jsflash.h, JSF_MAX_FILENAME_LENGTH). */
const NAME_LENGTH = 28;

/** What `Flash.read` returns: a Uint8Array with those of Espruino's quirks that bite. */
export class FlashBytes extends Uint8Array {
  /** Espruino returns a plain Array. */
  override slice(start?: number, end?: number): never {
    return Array.from(this.subarray(start, end)) as never;
  }

  /** Espruino keeps byteOffset in 16 bits. */
  override subarray(start?: number, end?: number): FlashBytes {
    const view = new Uint8Array(this.buffer, this.byteOffset, this.length).subarray(start, end);
    if (view.byteOffset > 0xffff) throw new Error('byteOffset too large');
    return new FlashBytes(view.buffer, view.byteOffset, view.length);
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return value.constructor?.name ?? 'Object';
}

/** @returns a C `int`, as Espruino coerces its arguments to one. */
function int(value: unknown): number {
  return typeof value === 'string' ? parseInt(value) | 0 : Number(value) | 0;
}

/** Collects what Espruino gets when it goes through a value byte by byte (jsvIterateCallback). */
function iterate(value: unknown, bytes: number[]): void {
  if (typeof value === 'number' || typeof value === 'boolean') bytes.push(int(value) & 0xff);
  else if (typeof value === 'string')
    for (const byte of Buffer.from(value, 'latin1')) bytes.push(byte);
  else if (value instanceof ArrayBuffer) for (const byte of new Uint8Array(value)) bytes.push(byte);
  else if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    for (const element of value as Uint8Array) bytes.push(int(element) & 0xff);
  } else if (Array.isArray(value)) for (const element of value) iterate(element, bytes);
  else if (typeof value === 'object' && value && !(value instanceof DataView)) {
    const { data, count, callback } = value as {
      data?: unknown;
      count?: unknown;
      callback?: unknown;
    };
    if (typeof callback === 'function') {
      iterate((callback as () => unknown)(), bytes);
    } else if (typeof count === 'number' && data !== undefined) {
      for (let i = 0; i < count; i++) iterate(data, bytes);
    } else {
      throw new TypeError(
        'If specifying an object, it must be of the form {data : ..., count : N} or {callback : fn}',
      );
    }
  } else throw new TypeError(`Expecting a number or something iterable, got ${typeName(value)}`);
}

/** Where strings become bytes that are not kept: to allocate a buffer costs more than all that is done with it. */
const scratch = Buffer.alloc(2 * SECTOR);

/** A string as bytes, which hold until the next call. */
function passing(value: string): Uint8Array {
  if (value.length > scratch.length) return Buffer.from(value, 'latin1');
  return scratch.subarray(0, scratch.write(value, 'latin1'));
}

/** Strings of up to a sector of one byte again and again, by `byte << 16 | length`. */
const runs = new Map<number, string>();

/** @returns `length` times a byte. */
function run(byte: number, length: number): string {
  const key = ((byte & 0xff) << 16) | length;
  let text = runs.get(key);
  if (text === undefined) {
    text = latin1(Buffer.alloc(length, byte & 0xff));
    runs.set(key, text);
  }
  return text;
}

/** Every element of a value as a byte. */
function iterated(value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'latin1');
  if (value instanceof Uint8Array) return value;
  const { data, count } = Object(value) as { data?: unknown; count?: unknown };
  if (typeof data === 'number' && typeof count === 'number')
    return Buffer.alloc(count, data & 0xff);
  if (Array.isArray(value) && value.every((part) => typeof part === 'string'))
    return Buffer.from(value.join(''), 'latin1');
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const bytes: number[] = [];
  iterate(value, bytes);
  return Uint8Array.from(bytes);
}

/** Every element of a value as a character. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return latin1(value);
  const { data, count } = Object(value) as { data?: unknown; count?: unknown };
  const isRun = typeof data === 'number' && Number.isInteger(count);
  if (isRun && Number(count) > 0 && Number(count) <= SECTOR) return run(data, Number(count));
  return latin1(iterated(value));
}

/**
 * What `Flash.write` and `crypto` take from a value.
 * Of arrays with elements of more than a byte they take as many bytes as there are elements: a bug
 * (jsvGetDataPointer returns the count of elements).
 */
function pointed(value: unknown): Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return iterated(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return new Uint8Array(value.buffer, value.byteOffset, (value as Uint16Array).length);
  }
  return iterated(value);
}

/** What `Flash` needs to know of its board. */
export interface FlashOptions {
  flash: NorFlash;
  /** Called before everything. Throws when no code may run any more. */
  assertOn: () => void;
  /** Called before an erase or program; throws if the firmware would abort. */
  assertSafe: (address: number, length: number) => void;
}

/** @returns Espruino's `require("Flash")`. */
export function flashLibrary({ flash, assertOn, assertSafe }: FlashOptions) {
  /** ESP-IDF refuses, and Espruino does not look at what it returns. */
  const isOutside = (address: number, length: number) => address + length > flash.size;

  /** spi_flash_write: `address` and length are multiples of 4. */
  const program = (address: number, data: Uint8Array) => {
    if (isOutside(address, data.length)) return;
    assertSafe(address, data.length);
    flash.program(address, data);
  };

  /** Programs a part of a word, as jshFlashWriteAligned does: with what is there around it. */
  const programPart = (address: number, data: Uint8Array) => {
    const offset = address % 4;
    const start = address - offset;
    const word = isOutside(start, 4) ? new Uint8Array(4) : flash.read(start, 4);
    word.set(data, offset);
    program(start, word);
  };

  return {
    /** @returns a fresh array; zeros if any of it lies past the end of the chip. */
    read(length: unknown, address: unknown): Uint8Array | undefined {
      assertOn();
      const count = int(length);
      if (count <= 0) return undefined;
      const from = int(address) >>> 0;
      const bytes = new FlashBytes(count);
      if (!isOutside(from, count)) flash.readInto(bytes, from);
      return bytes;
    },
    write(data: unknown, address: unknown): void {
      assertOn();
      if (data === undefined) throw new Error('Data is not defined');
      const bytes = pointed(data);
      const start = int(address) >>> 0;
      if (!bytes.length) return;
      const head = Math.min((4 - (start % 4)) % 4, bytes.length);
      const tail = (bytes.length - head) % 4;
      const end = bytes.length - tail;
      if (head) programPart(start, bytes.subarray(0, head));
      if (end > head) program(start + head, head || tail ? bytes.subarray(head, end) : bytes);
      if (tail) programPart(start + end, bytes.subarray(end));
    },
    erasePage(address: unknown): void {
      assertOn();
      if (typeof address !== 'boolean' && !Number.isInteger(address)) {
        throw new Error(`Address should be an integer, got ${typeName(address)}`);
      }
      const start = ((int(address) >>> 0) & -SECTOR) >>> 0;
      if (isOutside(start, SECTOR)) return;
      assertSafe(start, SECTOR);
      flash.erase(start);
    },
    /** Knows of 4 MB only. */
    getPage(address: unknown): { addr: number; length: number } | undefined {
      const start = int(address) >>> 0;
      return start < FLASH_MAX ? { addr: start - (start % SECTOR), length: SECTOR } : undefined;
    },
    /** Hard-coded and wrong: the last area lies inside Storage. */
    getFree(): { addr: number; length: number }[] {
      return [
        { addr: 0xe000, length: 0x2000 },
        { addr: 0x310000, length: 0x10000 },
        { addr: 0x360000, length: 0xa0000 },
      ];
    },
  };
}

/** @returns Espruino's `require("crypto")`, as far as hashing goes. Everything is in one call. */
export function cryptoLibrary() {
  const one = (algorithm: string) => (data: unknown) => {
    const digest = hash(algorithm, pointed(data), 'buffer');
    return new Uint8Array(digest).buffer;
  };
  return {
    SHA1: one('sha1'),
    SHA224: one('sha224'),
    SHA256: one('sha256'),
    SHA384: one('sha384'),
    SHA512: one('sha512'),
  };
}

/** Espruino's Storage: files by name. Kept beside the simulated chip, not on it. */
export class Files {
  #files = new Map<string, string>();
  #isShared = false;

  /** @returns the files as they are now; not to be modified. */
  snapshot(): Map<string, string> {
    this.#isShared = true;
    return this.#files;
  }

  /** Goes back to a snapshot. */
  restore(files: Map<string, string>): void {
    this.#files = files;
    this.#isShared = true;
  }

  get(name: string): string | undefined {
    return this.#files.get(name);
  }

  /** @param content - one character per byte; undefined: remove the file */
  set(name: string, content: string | undefined): void {
    if (this.#isShared) this.#files = new Map(this.#files);
    this.#isShared = false;
    if (content === undefined) this.#files.delete(name);
    else this.#files.set(name, content);
  }

  names(): string[] {
    return [...this.#files.keys()];
  }
}

const nameOf = (name: unknown) => String(name).slice(0, NAME_LENGTH);

/** @returns Espruino's `require("Storage")`, without StorageFile. Power failures do not harm it here. */
export function storageLibrary(files: Files) {
  const read = (name: unknown, offset?: unknown, length?: unknown) => {
    const content = files.get(nameOf(name));
    const from = int(offset ?? 0);
    const count = int(length ?? 0);
    return content?.slice(from, count > 0 ? from + count : undefined);
  };
  return {
    read,
    readJSON(name: unknown, noExceptions?: unknown): unknown {
      const content = read(name);
      if (content === undefined) return undefined;
      try {
        return JSON.parse(content);
      } catch (error) {
        if (noExceptions) return undefined;
        throw error;
      }
    },
    readArrayBuffer(name: unknown): ArrayBuffer | undefined {
      const content = read(name);
      return content === undefined
        ? undefined
        : new Uint8Array(Buffer.from(content, 'latin1')).buffer;
    },
    /** A part of a file may be written once: what is written already may only be written again. */
    write(name: unknown, data: unknown, offset?: unknown, size?: unknown): boolean {
      const isPlain =
        typeof data === 'object' && data && !Array.isArray(data) && !ArrayBuffer.isView(data);
      const asJson = isPlain && !(data instanceof ArrayBuffer);
      const part = asJson ? JSON.stringify(data) : latin1(pointed(data));
      const at = asJson ? 0 : int(offset ?? 0);
      const old = files.get(nameOf(name));
      if (at === 0 || old === undefined) {
        const total = Math.max(asJson ? 0 : int(size ?? 0), at + part.length);
        files.set(nameOf(name), '\xff'.repeat(at) + part + '\xff'.repeat(total - at - part.length));
        return true;
      }
      if (at + part.length > old.length) throw new Error('Too much data for file size');
      const there = old.slice(at, at + part.length);
      if (there !== part && !/^\xff*$/.test(there)) {
        throw new Error('File already written with different data');
      }
      files.set(nameOf(name), old.slice(0, at) + part + old.slice(at + part.length));
      return true;
    },
    writeJSON: (name: unknown, data: unknown) => {
      files.set(nameOf(name), JSON.stringify(data));
      return true;
    },
    erase: (name: unknown) => files.set(nameOf(name), undefined),
    eraseAll: () => files.names().forEach((name) => files.set(name, undefined)),
    list(regex?: RegExp, filter?: { sf?: boolean }): string[] {
      if (filter?.sf) return [];
      return files.names().filter((name) => !regex || name.match(regex));
    },
    compact: () => undefined,
    getFree: () =>
      0xe0000 - files.names().reduce((sum, name) => sum + 32 + (files.get(name) ?? '').length, 0),
  };
}

/** The functions of `E` that need no board. */
export const PURE = {
  /** Of each element & 255. */
  CRC32(data: unknown): number | undefined {
    if (typeof data === 'string') return crc32(passing(data));
    if (data instanceof Uint8Array) return crc32(data);
    const isIterable = typeof data === 'object' && data !== null;
    return isIterable ? crc32(iterated(data)) : undefined;
  },
  toString(...args: unknown[]): string {
    return args.length === 1 ? textOf(args[0]) : latin1(iterated(args));
  },
  toFlatString: (...args: unknown[]): string => PURE.toString(...args),
  toUint8Array: (...args: unknown[]): Uint8Array => new Uint8Array(iterated(args)),
  toArrayBuffer(data: unknown): ArrayBuffer | undefined {
    if (typeof data !== 'string') return undefined;
    const buffer = new ArrayBuffer(data.length);
    const bytes = new Uint8Array(buffer);
    if (data.length > 64) bytes.set(passing(data));
    else for (let i = 0; i < data.length; i++) bytes[i] = data.charCodeAt(i);
    return buffer;
  },
  sum(data: ArrayLike<number>): number {
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += data[i];
    return sum;
  },
  /** All strings and arrays are flat here. */
  getAddressOf: (): number => 0x3ffb0000,
  getErrorFlags: (): string[] => [],
  defrag: (): void => undefined,
};

/** @returns a value as `print` shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  return value instanceof Error ? String(value) : printed(value);
}

/** @returns bytes that look random but depend on nothing but the seed. */
export function pattern(seed: string, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = createHash('sha1').update(seed).digest().readUInt32LE() | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}
