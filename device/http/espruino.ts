/** The seam over stock Espruino: its modules `http`, `crypto` and `Flash`, its `E`. */

import type { Bytes } from '../runtime.ts';
import type { Header, Headers, Seam, Source } from './seam.ts';
import { failMemory } from './stream.ts';

/** What this module uses of Espruino (reference: https://www.espruino.com/Reference). */
interface Response {
  /** A string. */
  statusCode: string;
  headers?: Headers | undefined;
  /** `close` does not tell whether the response is complete. */
  on: (event: 'data' | 'close', call: (bytes: Bytes) => void) => void;
}
interface Request {
  on: (event: 'error', call: (error: { message: string }) => void) => void;
  end: () => void;
  /** Closes the connection at the next turn (socketserver.c, HTTP_NAME_CLOSENOW). There is no other way. */
  clsNow?: boolean;
}
interface Target {
  headers?: Headers;
}
interface Http {
  request: (target: Target, call: (response: Response) => void) => Request;
}
interface Flash {
  read: (length: number, address: number) => Uint8Array;
}
interface Crypto {
  SHA256: (data: Bytes | Uint8Array) => ArrayBuffer | undefined;
}
declare const require: (name: string) => unknown;
declare const process: { memory: () => { free: number } };
declare const url: { parse: (url: string) => Target };
declare const E: {
  toString: (data: unknown) => Bytes;
  toArrayBuffer: (data: Bytes) => ArrayBuffer;
  CRC32: (data: Bytes) => number;
  kickWatchdog: () => void;
};

let flash: Flash;
let text: (data: unknown) => Bytes;
let hash: Crypto['SHA256'];

// Functions that are made while another one runs take more memory.

function read(address: number, length: number): Bytes {
  // All that takes long reads, so this is the place to show that the program is alive.
  E.kickWatchdog();
  return text(flash.read(length, address));
}

function fill(value: number, length: number): Bytes {
  return text({ data: value, count: length });
}

function put(room: Uint8Array, bytes: Bytes, at: number): void {
  room.set(new Uint8Array(E.toArrayBuffer(bytes)), at);
}

function sha256(data: Bytes): Bytes {
  // Without memory for its result it returns nothing.
  return text(hash(data) || failMemory());
}

function sha256At(address: number, length: number): Bytes {
  E.kickWatchdog();
  return text(hash(flash.read(length, address)) || failMemory());
}

function free(): number {
  return process.memory().free;
}

function request(
  address: string,
  first: number,
  last: number,
  onHead: (status: number, header: Header) => void,
  onData: (bytes: Bytes) => void,
  onEnd: (why?: string) => void,
  headers?: Headers,
): () => void {
  const target = url.parse(address);
  target.headers = {};
  for (const key in headers) target.headers[key] = headers[key];
  // Last, so that nobody's headers ask for other bytes.
  target.headers.Range = 'bytes=' + first + '-' + last;
  const sent = (require('http') as Http).request(target, (response) => {
    // Without a listener the data would fill the memory until Espruino is out of it.
    response.on('data', onData);
    response.on('close', onEnd);
    onHead(+response.statusCode, (name) => {
      // Espruino also takes the first bytes of the body for headers; they come after the true ones.
      const { headers } = response;
      for (const key in headers) if (key.toLowerCase() === name) return headers[key];
      return undefined;
    });
    // These take more memory than anything else of a response.
    response.headers = onHead = 0 as never;
  });
  sent.on('error', (error) => onEnd(error.message));
  sent.end();
  return () => {
    sent.clsNow = true;
  };
}

/** @returns the seam of an Espruino board. @param source - where the bytes come from, if not from its network */
export function espruino(source?: Source): Seam {
  flash = require('Flash') as Flash;
  hash = (require('crypto') as Crypto).SHA256;
  text = E.toString;
  return {
    read: read,
    fill: fill,
    join: text,
    put: put,
    bytes: text,
    crc32: E.CRC32,
    sha256: sha256,
    sha256At: sha256At,
    free: free,
    request: source ? source.request : request,
  };
}
