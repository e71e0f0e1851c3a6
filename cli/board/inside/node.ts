/**
 * What the simulated board uses of Node, made of nothing but JavaScript: inside of its cell there is no Node. See
 * `cell.ts`. Imports of `node:crypto`, `node:zlib`, `node:net` and `node:tls` lead here, by rollup.config.js.
 */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { crc32 } from '../../../formats/hashes.ts';
import { concat, fromLatin1, readU32, toHex, toLatin1 } from '../../../formats/bytes.ts';

const HASHES: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  sha1,
  sha224,
  sha256,
  sha384,
  sha512,
};

/** As Node's `Buffer`, as far as the simulated board uses it. */
class Bytes extends Uint8Array<ArrayBuffer> {
  static alloc(size: number, fill = 0): Bytes {
    return new Bytes(new ArrayBuffer(size)).fill(fill);
  }

  static override from(source: unknown): Bytes {
    const bytes = typeof source === 'string' ? fromLatin1(source) : new Uint8Array(source as []);
    return new Bytes(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
  }

  static compare(a: Uint8Array, b: Uint8Array): number {
    const length = Math.min(a.length, b.length);
    for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at] < b[at] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }

  static concat(pieces: Uint8Array[]): Bytes {
    return Bytes.from(concat(pieces));
  }

  latin1Slice(from: number, end: number): string {
    return toLatin1(this.subarray(from, end));
  }

  readUInt32LE(): number {
    return readU32(this, 0);
  }

  override toString(
    ...[, from = 0, end = this.length]: [encoding?: 'latin1', from?: number, end?: number]
  ): string {
    return toLatin1(this.subarray(from, end));
  }

  write(text: string): number {
    for (let at = 0; at < text.length; at++) this[at] = text.charCodeAt(at);
    return text.length;
  }
}

const digestOf = (algorithm: string, data: Uint8Array) => HASHES[algorithm](new Uint8Array(data));

/** `node:crypto` */
export const hash = (algorithm: string, data: Uint8Array, encoding: string) => {
  const digest = digestOf(algorithm, data);
  return encoding === 'buffer' ? digest : toHex(digest);
};

/** `node:crypto` */
export const createHash = (algorithm: string) => ({
  update: (data: string) => ({ digest: () => Bytes.from(digestOf(algorithm, fromLatin1(data))) }),
});

/** `node:zlib` */
export { crc32 };

/** `node:net`, `node:tls`: the network is what the board is given. */
export function connect(): never {
  throw new Error('there is no network here');
}

/** UTF-8, which labels of a partition table are in. */
class Utf8 {
  encode(text: string): Uint8Array {
    return fromLatin1(unescape(encodeURIComponent(text)));
  }

  decode(bytes: Uint8Array): string {
    return decodeURIComponent(escape(toLatin1(bytes)));
  }
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** As of browsers, for texts with a character per byte. */
function btoa(text: string): string {
  let base64 = '';
  for (let at = 0; at < text.length; at += 3) {
    const [a, b, c] = [0, 1, 2].map((n) => text.charCodeAt(at + n) & 255);
    const bits = (a << 16) | (b << 8) | c;
    for (let n = 0; n < 4; n++)
      base64 += at + n > text.length ? '=' : DIGITS[(bits >> (18 - 6 * n)) & 63];
  }
  return base64;
}

/** @throws Error if it is no base64 */
function atob(base64: string): string {
  const digits = String(base64)
    .replace(/[\t\n\f\r ]/g, '')
    .replace(/={1,2}$/, '');
  if (digits.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(digits)) throw new Error('not base64');
  let text = '';
  let bits = 0;
  for (let at = 0; at < digits.length; at++) {
    bits = (bits << 6) | DIGITS.indexOf(digits[at]);
    if (at % 4) text += String.fromCharCode((bits >> (6 - 2 * (at % 4))) & 255);
  }
  return text;
}

const GIVEN = {
  atob,
  btoa,
  Buffer: Bytes,
  TextEncoder: Utf8,
  TextDecoder: Utf8,
  queueMicrotask: (job: () => void) => void Promise.resolve().then(job),
};
for (const [name, value] of Object.entries(GIVEN))
  Object.defineProperty(globalThis, name, { value, enumerable: false });
// What V8 gives to each context and no board has.
for (const name of ['console', 'WebAssembly', 'SharedArrayBuffer', 'Atomics'])
  Reflect.deleteProperty(globalThis, name);
