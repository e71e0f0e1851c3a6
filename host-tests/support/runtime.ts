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

/** CRC-32 of each byte, for what records are made of: that is less than a call of zlib costs. */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function check(text: string): number {
  const { length } = text;
  if (length > 64) return crc32(bytesOf(text));
  let sum = -1;
  for (let at = 0; at < length; at++) sum = TABLE[(sum ^ text.charCodeAt(at)) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
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

/** One call makes the string of a record: to join pieces, and to flatten what was joined, takes twice as long. */
function pack(words: (number | undefined)[]): string {
  const codes: number[] = [];
  for (const word of words as number[])
    codes.push(word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24);
  return String.fromCharCode(...codes);
}

function unpack(text: string): Uint32Array {
  const words = new Uint32Array(text.length / 4);
  for (let n = 0, at = 0; n < words.length; n++, at += 4)
    words[n] =
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24);
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
