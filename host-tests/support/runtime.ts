/**
 * A runtime for `ota.use`: it goes straight to the simulated chip, not through Espruino's functions.
 * Searches boot a board some hundred thousand times, and this takes a third of the time.
 */
import { crc32 } from 'node:zlib';
import type { Runtime } from '../../device/runtime.ts';
import { type Board, SECTOR, latin1 } from '../../host/index.ts';

/** Bytes of a string, which hold until the next call. To allocate a buffer would cost most. */
const scratch = Buffer.alloc(2 * SECTOR);
const bytesOf = (text: string) => scratch.subarray(0, scratch.write(text, 'latin1'));

/** Checks of what records are made of: there are few, and they are asked for again and again. */
const checks = new Map<string, number>();

function check(text: string): number {
  if (text.length > 64) return crc32(bytesOf(text));
  let sum = checks.get(text);
  if (sum === undefined) {
    sum = crc32(bytesOf(text));
    if (checks.size > 1e5) checks.clear();
    checks.set(text, sum);
  }
  return sum;
}

/** Strings of one byte, by `value << 16 | length`. */
const runs = new Map<number, string>();

function fill(value: number, length: number): string {
  const key = (value << 16) | length;
  let text = runs.get(key);
  if (text === undefined) {
    text = String.fromCharCode(value).repeat(length);
    runs.set(key, text);
  }
  return text;
}

function pack(words: (number | undefined)[]): string {
  let text = '';
  for (const word of words as number[])
    text += String.fromCharCode(word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24);
  return text;
}

function unpack(text: string): Uint32Array {
  const words = new Uint32Array(text.length / 4);
  for (let at = 0; at < text.length; at++) words[at >> 2] |= text.charCodeAt(at) << (8 * (at & 3));
  return words;
}

/** @returns what a board's chip and node have to offer. */
export function runtimeOf(board: Board): Runtime {
  const { flash } = board;
  return {
    read: (address, length) => flash.text(address, length),
    program: (data, address) => flash.program(address, bytesOf(data)),
    erase: (address) => flash.erase(address),
    fill,
    pack,
    unpack,
    join: (pieces) => pieces.join(''),
    bytes: (chunk) =>
      typeof chunk === 'string' ? chunk : chunk instanceof Uint8Array ? latin1(chunk) : false,
    crc32: check,
    running: () => board.partition(board.running).address,
    live: 0,
  };
}
