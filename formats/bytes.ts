/** Bytes, as Uint8Array: what neither JavaScript nor all of its engines have for them. Numbers are little-endian. */

// What browsers and Node both have, and the types of ES2023 have not.
declare const TextDecoder: new (
  encoding: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode: (bytes: Uint8Array) => string };
declare const TextEncoder: new () => { encode: (text: string) => Uint8Array };
declare const btoa: (binary: string) => string;
declare const atob: (base64: string) => string;

/** Characters that `String.fromCharCode` takes at a time: arguments lie on the stack. */
const CHARACTERS = 8192;

/** @returns `count` times the byte `value`. */
export const filled = (count: number, value: number) => new Uint8Array(count).fill(value);

/**
 * Joins pieces.
 * @param length - bytes of the result: it is cut, or filled up with `filler`. Default: those of all pieces.
 */
export function concat(pieces: readonly Uint8Array[], length?: number, filler = 0): Uint8Array {
  const sum = pieces.reduce((bytes, piece) => bytes + piece.length, 0);
  const joined = filled(Math.max(sum, length ?? 0), filler);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return length === undefined || length === joined.length ? joined : joined.subarray(0, length);
}

/** @returns whether two runs of bytes are the same. */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** @returns whether each of some bytes is `value`. */
export const isFilled = (bytes: Uint8Array, value: number) => bytes.every((byte) => byte === value);

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @returns the number in two bytes. @throws RangeError past the end, like the next two */
export const readU16 = (bytes: Uint8Array, at: number) => viewOf(bytes).getUint16(at, true);
/** @returns the number in four bytes. */
export const readU32 = (bytes: Uint8Array, at: number) => viewOf(bytes).getUint32(at, true);
/** @returns the number in eight bytes. */
export const readU64 = (bytes: Uint8Array, at: number) => viewOf(bytes).getBigUint64(at, true);

/** Puts a number of two bytes, modulo 2^16. @throws RangeError past the end, like the next one */
export function writeU16(bytes: Uint8Array, value: number, at: number): void {
  viewOf(bytes).setUint16(at, value, true);
}
/** Puts a number of four bytes, modulo 2^32. */
export function writeU32(bytes: Uint8Array, value: number, at: number): void {
  viewOf(bytes).setUint32(at, value, true);
}

/** @returns numbers as four bytes each. */
export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, n) => writeU32(bytes, value, 4 * n));
  return bytes;
}

/** @returns bytes as a string, a character for each. */
export function toLatin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += CHARACTERS)
    text += String.fromCharCode(...bytes.subarray(at, at + CHARACTERS));
  return text;
}

/** @returns the low eight bits of each character. */
export function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** @returns text as UTF-8. */
export const toUtf8 = (text: string) => new TextEncoder().encode(text);

/**
 * @param encoding - as the Encoding Standard calls it; default UTF-8
 * @returns the text that bytes are; a byte order mark is a character of it
 * @throws TypeError if they are none
 */
export function decodeText(bytes: Uint8Array, encoding = 'utf-8'): string {
  return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** @returns two lower-case digits for each byte. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export const toBase64 = (bytes: Uint8Array) => btoa(toLatin1(bytes));

/** @throws DOMException if it is no base64 */
export const fromBase64 = (text: string) => fromLatin1(atob(text));
