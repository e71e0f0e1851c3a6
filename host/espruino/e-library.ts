/** Espruino's functions that need no board, as they behave on an ESP32 (firmware 2v29): of `E`, and `require("crypto")`. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { iterated, passing, pointed, textOf } from './coercion.ts';
import { printed } from './json.ts';
import { latin1 } from '../chip/latin1.ts';

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

/** @returns a value as `print` shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  return value instanceof Error ? String(value) : printed(value);
}
