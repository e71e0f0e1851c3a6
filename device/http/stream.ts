/**
 * Fetches files piece by piece: each piece is asked for, arrives whole, and is used before the next.
 *
 * On Espruino nothing tells that a connection is lost or stalled, and a response that is cut short looks like one
 * that is complete. So what has arrived is judged by counting bytes and by its hash, and time by a timer of our own.
 * After a fault the next request begins with the first byte that is missing.
 */

import type { Bytes } from '../runtime.ts';
import { fail } from './errors.ts';
import type { ErrorKind } from './errors.ts';
import type { Header, Seam } from './seam.ts';

declare const setTimeout: (call: () => void, ms: number) => number;
declare const clearTimeout: (id: number) => void;

/** How many redirects a request follows. */
const REDIRECTS = 3;
/** Milliseconds of the longest pause after a first fault. Each further one in a row is twice as long, up to a minute. */
const PAUSE = 1000;
const DOUBLINGS = 6;

export let seam: Seam;
let retries: number;
let timeout: number;
/** Takes what is thrown. */
let onError: (error: unknown) => void;
/** Begins again with the manifest; undefined: that has been done. */
let restart: (() => void) | undefined;

/** The file of the piece, and its bytes; 0: not known yet. */
let url: string;
let size: number;
/** The piece: where it begins, its next byte that is missing, and where it ends. */
let first: number;
let from: number;
let until: number;
/** What has arrived of it, and what to do with it. */
let pieces: Bytes[];
let use: (piece: Bytes) => void;
/** Where the next request ends; and where the present response does, 0: there is none. */
let stop: number;
let limit = 0;
/** Offset of the next byte that arrives. */
let at: number;

/** Where a request goes to, and the redirects that led there. */
let address: string;
let redirects: number;
/** Ends the connection. */
let close: (() => void) | undefined;
/** Number of the connection, or timer. What an earlier one still says is ignored. */
let current = 0;
let timer: number | undefined;
/** Content-Encoding of the last response. It explains why nothing is right. */
let encoding: string;

/** Faults, and pieces that were wrong, since the last piece that was right. */
let faults: number;
let wrongs: number;
/** Bytes that have arrived. */
export let fetched: number;

/** Begins to fetch for somebody. */
export function start(
  newSeam: Seam,
  options: { retries?: number; timeout?: number },
  newOnError: (error: unknown) => void,
  newRestart: () => void,
): void {
  seam = newSeam;
  retries = options.retries == null ? 5 : options.retries;
  timeout = options.timeout || 15000;
  onError = newOnError;
  restart = newRestart;
  fetched = 0;
  right();
}

/** A piece was right. */
export function right(): void {
  faults = wrongs = 0;
}

/** @returns a function that does something unless the connection is over by then. What it throws ends it all. */
function guarded<A, B>(act: (a: A, b: B) => void): (a?: A, b?: B) => void {
  const mine = current;
  return (a, b) => {
    if (mine === current)
      try {
        act(a as A, b as B);
      } catch (error) {
        onError(error);
      }
  };
}

function startTimer(ms: number, act: () => void): void {
  if (timer) clearTimeout(timer);
  timer = setTimeout(guarded(act), ms);
}

/** Ends the connection and stops the timer. */
export function drop(): void {
  const last = close;
  current++;
  limit = 0;
  close = undefined;
  if (timer) clearTimeout(timer);
  if (last) last();
}

/** Ends the connection, lets others run, then goes on. */
export function later(ms: number, act: () => void): void {
  drop();
  startTimer(ms, act);
}

/** Goes on after a pause that is the longer the more faults there were. */
function pause(act: () => void): void {
  later((PAUSE << Math.min(faults++, DOUBLINGS)) * (0.5 + Math.random() / 2), act);
}

/** Asks again for what is missing, unless there were too many faults. */
function fault(kind: ErrorKind, message: string): void {
  if (faults >= retries) fail(kind, url + ': ' + message + ', tried ' + (faults + 1) + ' times');
  pause(request);
}

/** The piece is not what it should be: asks for it again; then begins again; then gives up. */
export function wrong(kind: ErrorKind, message: string): void {
  const again = restart;
  from = first;
  pieces = [];
  if (!wrongs++) return fault(kind, message);
  if (!again) fail(kind, url + ': ' + message + encoding);
  restart = undefined;
  pause(again);
}

function request(): void {
  address = url;
  redirects = 0;
  open();
}

function open(): void {
  drop();
  wait();
  try {
    close = seam.request(address, from, stop - 1, guarded(begin), guarded(take), guarded(lose));
  } catch (error) {
    fault('HTTP', (error as Error).message);
  }
}

/** Gives the server time for the next 4096 bytes. */
function wait(): void {
  startTimer(timeout, () => fault('TIMEOUT', 'less than 4096 bytes in ' + timeout + ' ms'));
}

function lose(why?: string): void {
  fault('HTTP', (why || 'connection lost') + ' at byte ' + from + ' of ' + until);
}

/** Follows a redirect. */
function follow(location: string): void {
  const parts = address.split('?')[0].split('/');
  if (location[0] === '/')
    location = (location[1] === '/' ? parts[0] : parts.slice(0, 3).join('/')) + location;
  else if (location.indexOf('://') < 0) location = parts.slice(0, -1).join('/') + '/' + location;
  if (redirects++ === REDIRECTS) fail('HTTP', url + ': more than ' + REDIRECTS + ' redirects');
  address = location;
  open();
}

/** A response has begun. */
function begin(status: number, header: Header): void {
  const location = header('location');
  const isPart = status === 206;
  const range = header('content-range') || '';
  const length = +(isPart ? range.split('/')[1] : header('content-length') || 0);
  if (status > 300 && status < 309 && location) return follow(location);
  if (!isPart && status !== 200) {
    if (status > 399 && status < 500) faults = retries;
    return fault('HTTP', 'status ' + status);
  }
  encoding = header('content-encoding') || '';
  if ((isPart && range.indexOf('bytes ' + from + '-')) || (size && length && length !== size))
    return wrong('HTTP', 'sends ' + range + ' of ' + length + ' bytes');
  // A server without ranges sends all of the file.
  at = isPart ? from : 0;
  limit = isPart ? stop : 1e9;
}

/** Bytes have arrived. */
function take(bytes: Bytes): void {
  const mine = current;
  const start = at;
  at += bytes.length;
  fetched += bytes.length;
  while (mine === current && from < at) {
    const piece = bytes.substr(from - start, until - from);
    pieces.push(piece);
    from += piece.length;
    if (from === until) use(seam.join(pieces));
  }
  if (mine === current && start >>> 12 < at >>> 12) wait();
}

/** @returns whether the response goes on behind the piece. */
export function isStreaming(): boolean {
  return until < limit;
}

/**
 * Asks for the next piece: bytes `start` to `end` of a file, `end` not included.
 * @param newSize - bytes of the file; 0: not known
 * @param last - where the request ends, if one has to be made: further pieces may be asked for up to there
 * @param act - called with the piece; it asks for the next one, or calls `later` or `drop`
 */
export function ask(
  file: string,
  newSize: number,
  start: number,
  end: number,
  last: number,
  act: (piece: Bytes) => void,
): void {
  const isNext = file === url && start >= from && start < limit;
  url = file;
  size = newSize;
  first = from = start;
  until = end;
  stop = last;
  use = act;
  pieces = [];
  if (!isNext) request();
}
