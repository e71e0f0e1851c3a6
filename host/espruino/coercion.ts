/** How Espruino (firmware 2v29) makes numbers, bytes and text of what its own functions are given. */
import { SECTOR } from '../chip/operations.ts';
import { latin1 } from '../chip/latin1.ts';

export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return value.constructor?.name ?? 'Object';
}

/** @returns a C `int`, as Espruino coerces its arguments to one. */
export function int(value: unknown): number {
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
export function passing(value: string): Uint8Array {
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

/** Whether something is bytes already, or text. */
const isBytes = (value: unknown) =>
  typeof value === 'string' || value instanceof Uint8Array || value instanceof ArrayBuffer;

/** Every element of a value as a byte. */
export function iterated(value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'latin1');
  if (value instanceof Uint8Array) return value;
  const { data, count } = Object(value) as { data?: unknown; count?: unknown };
  if (typeof data === 'number' && typeof count === 'number')
    return Buffer.alloc(count, data & 0xff);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value)) {
    if (value.every((part) => typeof part === 'string'))
      return Buffer.from(value.join(''), 'latin1');
    if (value.every(isBytes)) return Buffer.concat(value.map(iterated));
  }
  const bytes: number[] = [];
  iterate(value, bytes);
  return Uint8Array.from(bytes);
}

/** Every element of a value as a character. */
export function textOf(value: unknown): string {
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
export function pointed(value: unknown): Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return iterated(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return new Uint8Array(value.buffer, value.byteOffset, (value as Uint16Array).length);
  }
  return iterated(value);
}
