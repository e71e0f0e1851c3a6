/**
 * The seam: all that `ota-http` needs of the engine and its network, beside `Promise`, `setTimeout` and
 * `clearTimeout`; and `btoa`, if a URL has a password in it.
 *
 * Its own are `request` and `sha256`, and three that may be missing: `put`, `sha256At` and `free`. The others are those of the
 * core's runtime (`../runtime.ts`): if you wrote that for another engine, hand on the same functions. `espruino.ts` is the
 * binding to Espruino.
 */

import type { Bytes, Runtime } from '../runtime.ts';

/** Where the bytes come from. On Espruino this may be all that is replaced. */
export interface Source {
  /**
   * Sends a GET for bytes `first` to `last` of a file, both included: with the header `Range: bytes=first-last`, and
   * `Connection: close`. Asks for no compression, follows no redirect, has no timeout of its own. It may throw. None of
   * the three functions is called before it returns; after `close` they may be called still, and do nothing.
   * @param url - http or https, in printable ASCII, without a fragment and without a password
   * @param onHead - the response has begun: with status 200, 206, 404, ...
   * @param onData - the next bytes of the body, free of any transfer encoding; in a piece of any length. It writes to
   * flash before it returns: what comes in meanwhile has to wait.
   * @param onEnd - the connection is over, whether everything has arrived or not; with the reason, if it is known
   * @param headers - what else goes with the request, if anything: a password, for example. Not to be changed
   * @returns close, which ends the connection
   */
  request: (
    url: string,
    first: number,
    last: number,
    onHead: (status: number, header: Header) => void,
    onData: (bytes: Bytes) => void,
    onEnd: (why?: string) => void,
    headers?: Headers,
  ) => () => void;
}

/** What the engine can do. */
export interface Seam extends Source, Pick<Runtime, 'read' | 'fill' | 'join' | 'bytes' | 'crc32'> {
  /** Writes bytes into an array, from an index on. Without this a loop does so. */
  put?: (room: Uint8Array, bytes: Bytes, at: number) => void;
  /** @returns how many variables of the engine are free (Espruino's JsVars). Without this nothing is said of memory. */
  free?: () => number;
  /** @returns the SHA-256 of `length` bytes of flash, without another copy of them. Without it they are read. */
  sha256At?: (address: number, length: number) => Bytes;
  /** @returns the SHA-256 of `data`, 32 bytes. */
  sha256: (data: Bytes) => Bytes;
}

/** Headers of a request, by name. */
export type Headers = Record<string, string>;

/** @returns the value of the header whose name is this in lower case, if there is one. */
export type Header = (name: string) => string | undefined;
