/** The seam over stock Espruino: its modules `http`, `crypto` and `Flash`, its `E`. */

import type { Bytes } from '../runtime.ts';
import type { Seam } from './seam.ts';

/** What this module uses of Espruino (reference: https://www.espruino.com/Reference). */
interface Response {
  /** A string. */
  statusCode: string;
  headers?: Record<string, string> | undefined;
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
  headers?: Record<string, string>;
}
interface Http {
  request: (target: Target, call: (response: Response) => void) => Request;
}
interface Flash {
  read: (length: number, address: number) => Uint8Array;
}
interface Crypto {
  SHA256: (data: Bytes) => ArrayBuffer;
}
declare const require: (name: string) => unknown;
declare const url: { parse: (url: string) => Target };
declare const E: {
  toString: (data: unknown) => Bytes;
  CRC32: (data: Bytes) => number;
  kickWatchdog: () => void;
};

/** @returns the seam of an Espruino board. */
export function espruino(): Seam {
  const http = require('http') as Http;
  const flash = require('Flash') as Flash;
  const sha256 = (require('crypto') as Crypto).SHA256;
  const text = E.toString;
  return {
    read: (address, length) => {
      // All that takes long reads, so this is the place to show that the program is alive.
      E.kickWatchdog();
      return text(flash.read(length, address));
    },
    fill: (value, length) => text({ data: value, count: length }),
    join: text,
    crc32: E.CRC32,
    sha256: (data) => text(sha256(data)),
    request: (address, first, last, onHead, onData, onEnd) => {
      const target = url.parse(address);
      target.headers = { Range: 'bytes=' + first + '-' + last };
      const request = http.request(target, (response) => {
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
      request.on('error', (error) => onEnd(error.message));
      request.end();
      return () => {
        request.clsNow = true;
      };
    },
  };
}
