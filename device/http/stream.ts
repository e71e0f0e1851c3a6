/**
 * Fetches files piece by piece: each piece is asked for, arrives, and is proven before the next. One that goes to flash is
 * handed on as it comes; others are kept until they are whole.
 *
 * On Espruino there is no sign that a connection is lost or stalled, and a response that is cut short looks complete. So
 * bytes are counted, each piece is compared with its hash, and a timer of our own limits the time.
 * After a fault the next request begins with the first byte that is missing.
 */

import type { Options } from '../api.ts';
import { fail } from '../errors.ts';
import type { Bytes } from '../runtime.ts';
import { SECTOR } from '../runtime.ts';
import { PIECE } from '../records.ts';
import type { UpdateOptions } from './api.ts';
import { HASH_BYTES } from './manifest.ts';
import type { Header, Headers, Seam } from './seam.ts';

declare const setTimeout: (call: () => void, ms: number) => number;
declare const clearTimeout: (id: number) => void;
declare const btoa: (text: string) => string;
declare const encodeURIComponent: (text: string) => string;
declare const decodeURIComponent: (text: string) => string;

/** Takes a piece that is never in memory whole: an update of the core, and a hash. */
export interface Sink {
  write: (bytes: Bytes) => void;
  /** Takes back what it has taken of the piece. */
  back: () => void;
  /** @returns the hash of what has become of the piece. */
  hash: () => Bytes;
}

/** How many redirects a request follows. */
const REDIRECTS = 3;
/** Milliseconds of the shortest pause after a first fault, times two. Each further one in a row is twice as long. */
const PAUSE = 500;
const DOUBLINGS = 6;
/** Milliseconds that `Retry-After` may ask for at a time, least and most, and without a piece in between. */
const SHORTEST = 1000;
const WAIT = 120000;
const PATIENCE = 600000;

// The call of `ota-http`. Only `start` writes these; `wrong` uses up `restart`.

export let seam: Seam;
/** What the caller has asked for, and what is filled in. */
export let options: UpdateOptions & Options;
/** Called with each error that is thrown here. */
let onError: (error: unknown) => void;
/** Begins again with the manifest; false: this was done once already. */
let restart: (() => void) | false;
/** By scheme, host and port: what is sent there beside the range; nothing goes anywhere else. */
let homes: Record<string, Headers | undefined>;

// The piece that is asked for. Only `ask` writes these; but `take` and `wrong` move `from`, and `wrong` and `prove` empty `room`.

/** The file of the piece, and its bytes, if they are known. */
let url: string;
let size: number | undefined;
/** Where the piece begins, its next byte that is missing, and where it ends. */
let first: number;
let from: number;
let until: number;
/** What has arrived of it, its hash, the error code for another hash, and what to do with the piece. */
let room: Uint8Array | undefined;
let hash: Bytes | undefined;
let kind: string | undefined;
let use: (box: Bytes[]) => void;
/** Where the bytes of the piece go as they come; without it they are kept. */
let sink: Sink | undefined;
/** Where the next request ends. */
let stop: number;

// The connection and its response. Only `open`, `begin`, `take` and `drop` write these; `request` and `follow` the address;
// `startTimer` the timer.

/** Where the present response ends; 0: there is none. */
let limit: number;
/** Offset of the next byte that arrives. */
let at: number;
/** Where a request goes to, and the redirects that led there. */
let address: string;
let redirects: number;
/** Ends the connection. */
let close: (() => void) | false | undefined;
/** Number of the connection or timer. Events of an earlier one are ignored. */
let current = 0;
let timer = 0;
/** What the present response is: that may explain why nothing is right. */
let answer: string;
/** The error of the last piece that was wrong, without its E_. Only `wrong` writes it. */
export let reason: string;
/**
 * Whether an event is being handled. Where memory ends, Espruino leaves all functions at once, and this stays true. Only
 * `guarded` writes it, and `start`.
 */
let isBusy: boolean;

// Counts. Only `start`, `fault`, `wrong`, `prove` and `take` write these.

/** Faults, and pieces that were wrong, since the last piece that was right. */
let faults: number;
let wrongs: number;
/** Milliseconds that are left of PATIENCE. */
let patience: number;
/** Bytes that have arrived. */
export let fetched: number;

/** Begins a call of `ota-http`: nothing was fetched, nothing was wrong yet. */
export function start(
  newSeam: Seam,
  newOptions: UpdateOptions,
  newOnError: (error: unknown) => void,
  newRestart: () => void,
): void {
  seam = newSeam;
  options = newOptions;
  options.timeout = options.timeout || 15000;
  onError = newOnError;
  restart = newRestart;
  homes = {};
  fetched = faults = wrongs = 0;
  patience = PATIENCE;
  isBusy = false;
}

/** @returns what others sent, as it may be printed: what is no printable ASCII percent-encoded. */
function printable(text: string): string {
  return text.replace(/[^ -~]+/g, encodeURIComponent);
}

/** @returns scheme, host and port of a URL: what a password is for. */
function homeOf(url: string): string {
  return url.split('/').slice(0, 3).join('/');
}

/**
 * Takes a URL of the call, or of a redirect.
 * @param name - of the option; without it nothing is thrown
 * @param headers - what is sent with each request to its host
 * @returns it as it is asked for: without a fragment, with a path, what is no printable ASCII percent-encoded, without
 * `user:password@`. Nothing, if Espruino cannot ask for it (libs/network/jswrap_net.c, url.parse)
 * @throws E_ARGUMENT
 */
export function takeUrl(text: string, name?: string, headers?: Headers): string | undefined {
  let url = printable(text.split('#')[0]).replace(/ /g, '%20');
  const parts = url.split('/');
  const scheme = parts[0].toLowerCase() + '//';
  const place = (parts[2] || '').split('?')[0];
  const words = place.split('@');
  const host = words.pop()!;
  const login = words.join('@');
  const pair = host.split(':');
  const port = pair[1] == null ? 80 : +pair[1];
  url = url.substr(scheme.length + place.length);
  if (
    (scheme !== 'http://' && scheme !== 'https://') ||
    parts[1] ||
    !pair[0] ||
    // An IPv6 address has more colons.
    pair[2] != null ||
    !(port > 0 && port < 65536)
  ) {
    if (name)
      fail(
        // Not what may be a password.
        'ARGUMENT ' +
          name +
          ': ' +
          printable(text.split('@').pop()!) +
          ': not http://host:port/path',
      );
    return undefined;
  }
  url = scheme + host + (url[0] === '/' ? '' : '/') + url;
  if (name && (headers || login)) {
    const home = homeOf(url);
    const all = homes[home] || (homes[home] = {});
    for (const key in headers) all[key] = headers[key];
    if (login) all.Authorization = 'Basic ' + btoa(decodeURIComponent(login));
  }
  return url;
}

/** @returns the hash of a sector, or of a block of hashes. What is missing of it is zero. */
export function hashOf(bytes: Bytes): Bytes {
  if (bytes.length === SECTOR) return seam.sha256(bytes);
  const whole = new Uint8Array(SECTOR);
  put(whole, bytes, 0);
  return seam.sha256(seam.bytes(whole) as Bytes);
}

/** Ends the call, because there is too little memory. @param limit - how much has to be free, if that is known */
export function failMemory(limit?: number): never {
  room = undefined;
  return fail(
    'MEMORY ota-http: ' +
      (seam.free ? seam.free() + ' JsVars free' : 'none left') +
      (limit ? ', ' + limit + ' needed' : ''),
  );
}

/**
 * @returns a function that calls `act` unless the connection is over by then. An error in `act` ends the call, and so does
 * memory that has ended in the event before.
 */
function guarded<A, B>(act: (a: A, b: B) => void): (a?: A, b?: B) => void {
  const mine = current;
  return (a, b) => {
    if (mine === current)
      try {
        if (isBusy) failMemory();
        isBusy = true;
        act(a as A, b as B);
        isBusy = false;
      } catch (error) {
        isBusy = false;
        onError(error);
      }
  };
}

function startTimer(ms: number, act: () => void): void {
  clearTimeout(timer);
  timer = setTimeout(guarded(act), ms);
}

/** Ends the connection and stops the timer. */
export function drop(): void {
  const last = close;
  current++;
  limit = 0;
  close = false;
  clearTimeout(timer);
  if (last) last();
}

/** Ends the connection, lets the engine do other work, then goes on. */
export function later(ms: number, act: () => void): void {
  drop();
  startTimer(ms, () => {
    // Should memory end in what comes now, this tells it.
    wait();
    act();
  });
}

/**
 * Goes on after a pause: the more faults, the longer. It is random, so that not all boards come back at once.
 * @param failure - an error without its E_
 */
function pause(act: () => void, failure: string, ms?: number): void {
  if (!ms) ms = (PAUSE << Math.min(faults, DOUBLINGS)) * (1 + Math.random());
  later(ms, act);
  if (options.onRetry) options.onRetry('E_' + failure, ms);
}

/** @returns an error without its E_: where, what, and what the response was, if one has begun. */
export function failureOf(message: string, kind?: string): string {
  return (kind || 'HTTP') + ' ' + address + ': ' + printable(message) + answer;
}

/** Asks again for what is missing, unless there were too many faults. */
function fault(message: string, kind?: string): void {
  const failure = failureOf(message, kind);
  if (++faults >= ((options.retries as number) + 1 || 6)) fail(failure);
  pause(request, failure);
}

/** The piece is not what it should be: asks for it again; the next time begins again; then gives up. */
function wrong(message: string, newKind?: string): void {
  const again = restart;
  reason = failureOf(message, newKind);
  if (sink && from > first) sink.back();
  from = first;
  clearRoom();
  if (!wrongs++) return fault(message, newKind);
  if (!again) fail(reason);
  restart = false;
  pause(again, reason);
}

function request(): void {
  address = url;
  redirects = 0;
  open();
}

function open(): void {
  drop();
  wait();
  answer = '';
  try {
    close = seam.request(
      address,
      from,
      stop - 1,
      guarded(begin),
      guarded(take),
      guarded(lose),
      homes[homeOf(address)],
    );
  } catch (error) {
    fault((error as Error).message);
  }
}

function expire(): void {
  fault('over ' + options.timeout + ' ms for 4096 bytes', 'TIMEOUT');
}

/** Gives the server time for the next 4096 bytes. */
function wait(): void {
  startTimer(options.timeout!, expire);
}

function lose(why?: string): void {
  fault((why || 'cut off') + ' at byte ' + from + ' of ' + until);
}

/** Follows a redirect. */
function follow(location: string): void {
  const parts = address.split('?')[0].split('/');
  if (location[0] === '/') location = (location[1] === '/' ? parts[0] : homeOf(address)) + location;
  else if (!/:\/\//.test(location)) location = parts.slice(0, -1).join('/') + '/' + location;
  const next = takeUrl(location);
  if (!next || ++redirects > REDIRECTS) return wrong('redirect to ' + location);
  address = next;
  open();
}

/** A response has begun. */
function begin(status: number, header: Header): void {
  const location = header('location');
  const isPart = status === 206;
  const range = header(isPart ? 'content-range' : 'content-length') || '';
  const length = +range.split('/').pop()!;
  const after = header('retry-after')!;
  let ms = +after * 1000;
  const coding = header('content-encoding');
  answer = printable(
    ' (status ' +
      status +
      ', ' +
      (header('content-type') || 'no type') +
      (coding ? ', encoding ' + coding : '') +
      (range || header('transfer-encoding') ? ')' : ', no length)'),
  );
  if (isPart || status === 200) {
    // A server that sends no length, or does not know it, may still send the right file.
    const isOther = size && length && length !== size;
    if (isOther || (isPart && range.split('-')[0] !== 'bytes ' + from))
      wrong('sends ' + range + (size ? ', not of ' + size : ''));
    else {
      // A server without ranges sends all of the file.
      at = isPart ? from : 0;
      limit = isPart ? stop : 1e9;
    }
  } else if (location && status < 400) follow(location);
  else {
    // A date is compared with that of the server: the board's clock may be wrong.
    if (!(ms > 0)) ms = Date.parse(after) - Date.parse(header('date')!);
    const message = status === 404 && !size ? 'no manifest, see part-ota pack' : 'refused';
    if (ms > 0 && patience > 0) {
      ms = Math.max(SHORTEST, Math.min(ms, WAIT));
      patience -= ms;
      pause(request, failureOf(message), ms);
    }
    // The same request would get the same answer, but the file may have changed.
    else
      (status > 299 && status < 500 && [408, 425, 429].indexOf(status) < 0 ? wrong : fault)(
        message,
      );
  }
}

/** Writes bytes into an array, from an index on. */
export function put(room: Uint8Array, bytes: Bytes, at: number): void {
  if (seam.put) seam.put(room, bytes, at);
  else for (let i = 0; i < bytes.length; i++) room[at + i] = bytes.charCodeAt(i);
}

/** Makes room for a piece that is kept. */
function clearRoom(): void {
  // Not both at once.
  room = undefined;
  const length = until - first;
  // Most of a sector is filled up with zeros here: where its hash is taken, a copy would not fit.
  if (!sink) room = new Uint8Array(hash && length > PIECE ? SECTOR : length);
}

/** @returns a hash of some bytes: that of a sector or block, or as many bytes of their SHA-256 as there are of another. */
export function hashLike(other: Bytes, bytes: Bytes): Bytes {
  const { length } = other;
  return length < HASH_BYTES ? seam.sha256(bytes).substr(0, length) : hashOf(bytes);
}

/** A piece is complete. */
function prove(): void {
  const box = [room ? (seam.bytes(room) as Bytes) : ''];
  room = undefined;
  if (hash && (sink ? sink.hash() : hashLike(hash, box[0])) !== hash)
    wrong('wrong hash at byte ' + first, kind);
  else {
    faults = wrongs = 0;
    patience = PATIENCE;
    use(box);
  }
}

/** Bytes have arrived. */
function take(bytes: Bytes): void {
  const mine = current;
  const start = at;
  at += bytes.length;
  fetched += bytes.length;
  while (mine === current && from < at) {
    let piece = from > start || until < at ? bytes.substr(from - start, until - from) : bytes;
    from = Math.min(at, until);
    if (sink) sink.write(piece);
    else put(room!, piece, from - piece.length - first);
    // Memory is needed for what follows.
    piece = '';
    if (from === until) prove();
  }
  if (mine === current && start >> 12 < at >> 12) wait();
}

/**
 * Asks for the next piece: bytes `start` to `end` of a file, `end` not included.
 * @param last - where the request ends, if one has to be made: further pieces may be asked for up to there
 * @param act - called with the piece in a box, so that it can free it; zeros may follow it there if it has a hash. It asks for the
 * next one, or calls `later` or `drop`
 * @param newSize - bytes of the file, if they are known
 * @param newHash - of the piece, if it is known; see `hashLike`
 * @param newKind - the code, without its E_, of the error if the piece has another hash; default HTTP
 * @param newSink - where its bytes go as they come; then the box is empty
 */
export function ask(
  file: string,
  start: number,
  end: number,
  last: number,
  act: (box: Bytes[]) => void,
  newSize?: number,
  newHash?: Bytes,
  newKind?: string,
  newSink?: Sink,
): void {
  const isNext = file === url && start >= from && start < limit;
  url = file;
  size = newSize;
  first = from = start;
  until = end;
  stop = last;
  use = act;
  hash = newHash;
  kind = newKind;
  sink = newSink;
  clearRoom();
  if (!isNext) request();
}
