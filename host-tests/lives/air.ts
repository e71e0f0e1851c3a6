/** What `ota-http` has around it in a life: an engine with a clock of its own, and a network with one server. */
import { createHash } from 'node:crypto';
import type { Seam } from '../../device/http/seam.ts';
import type { OtaHttp } from '../support/subject.ts';
import { Broken } from './promise.ts';
import type { Reply, Server } from './server.ts';

/** What the engine offers to a module beside `exports`. */
interface Globals {
  require: (name: string) => unknown;
  Promise: unknown;
  setTimeout: (call: () => void, ms: number) => number;
  clearTimeout: (id: number) => void;
  Math: Math;
}

/** Makes the module anew, as a boot does. */
export type MakeHttp = (globals: Globals) => OtaHttp;

/** @returns what makes the module of a source. */
export function makerOfHttp(code: string): MakeHttp {
  const names = ['exports', 'require', 'Promise', 'setTimeout', 'clearTimeout', 'Math'];
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const load = new Function(...names, code) as (exports: OtaHttp, ...globals: unknown[]) => void;
  return ({ require, Promise, setTimeout, clearTimeout, Math }) => {
    const exports = {} as OtaHttp;
    load(exports, require, Promise, setTimeout, clearTimeout, Math);
    return exports;
  };
}

/** A promise that tells at once what has become of it. The module does no more than to make one. */
export class Settled {
  state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  value: unknown;
  constructor(
    executor: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
  ) {
    const settle = (state: Settled['state']) => (value: unknown) => {
      if (this.state !== 'pending') return;
      this.state = state;
      this.value = value;
    };
    const reject = settle('rejected');
    try {
      executor(settle('fulfilled'), reject);
    } catch (error) {
      reject(error);
    }
  }
}

/** Time passes only from one event to the next. */
class Clock {
  /** Milliseconds. */
  now = 0;
  #next = 1;
  #events = new Map<number, { at: number; call: () => void }>();

  after(ms: number, call: () => void): number {
    this.#events.set(this.#next, { at: this.now + ms, call });
    return this.#next++;
  }

  cancel(id: number): void {
    this.#events.delete(id);
  }

  /** Goes on to the next event. @returns whether there was one */
  step(): boolean {
    let first: [id: number, at: number, call: () => void] | undefined;
    for (const [id, { at, call }] of this.#events)
      if (!first || at < first[1]) first = [id, at, call];
    if (!first) return false;
    this.#events.delete(first[0]);
    this.now = Math.max(this.now, first[1]);
    first[2]();
    return true;
  }

  clear(): void {
    this.#events.clear();
  }
}

/** Milliseconds until a server answers. */
const LATENCY = 20;
/** Events that may come when a call is over. */
const LATE_EVENTS = 50;

const sha256 = (data: string) =>
  createHash('sha256').update(data, 'latin1').digest().toString('latin1');

/** The module `ota-http` of one boot, with its clock and its network. */
export class Air {
  readonly http: OtaHttp;
  readonly #clock = new Clock();
  /** What `require('ota')` returns, and the server; of the present call. */
  #ota: unknown;
  #server: Server | undefined;
  /** Requests that the present call may still make. */
  #left = 0;
  /** What has gone wrong where the module may catch it. */
  #broken: Broken | undefined;

  constructor(make: MakeHttp, seam: Omit<Seam, 'request' | 'sha256'>) {
    const clock = this.#clock;
    this.http = make({
      require: () => this.#ota,
      Promise: Settled,
      setTimeout: (call, ms) => clock.after(ms, call),
      clearTimeout: (id) => clock.cancel(id),
      Math: Object.assign(Object.create(Math) as Math, { random: () => this.#server!.random() }),
    });
    this.http.use({ ...seam, sha256, request: this.#request });
  }

  readonly #request: Seam['request'] = (url, first, last, onHead, onData, onEnd) => {
    const server = this.#server!;
    if (!this.#left--)
      throw (this.#broken ??= new Broken('the call does not end: it asks for ever'));
    if (server.isCalledTwice) this.#callAgain();
    const reply = server.answer(url, first, last);
    if (!reply) throw new Error('no network');
    let isOpen = true;
    this.#clock.after(LATENCY, () => {
      if (isOpen || reply.isRude) onHead(reply.status, (name) => reply.headers[name]);
      this.#send(reply, 0, () => isOpen || reply.isRude, onData, onEnd);
    });
    return () => {
      isOpen = false;
    };
  };

  /** Sends a body from a byte on. */
  #send(
    reply: Reply,
    at: number,
    isOpen: () => boolean,
    onData: (bytes: string) => void,
    onEnd: (why?: string) => void,
  ): void {
    const { body, piece, ms, end } = reply;
    if (!isOpen()) return;
    if (at >= body.length) {
      if (end === 'close') onEnd();
      return;
    }
    this.#clock.after(ms, () => {
      if (!isOpen()) return;
      onData(body.substr(at, piece));
      this.#send(reply, at + piece, isOpen, onData, onEnd);
    });
  }

  /** Calls the module in the middle of a call. */
  #callAgain(): void {
    const { value } = this.http.update({
      url: 'http://host/other',
      partition: '',
    }) as never as Settled;
    const { code, message } = value as { code?: string; message?: string };
    if (code !== 'E_STATE')
      this.#broken ??= new Broken(`a second call of ota-http: ${message ?? JSON.stringify(value)}`);
  }

  /**
   * Calls `update`, and lets time pass until it is over.
   * @param ota - what the module gets of the core
   * @param isOver - whether power has failed, or the promise is broken
   * @param limits - requests and milliseconds that it may take
   */
  update(
    options: object,
    ota: unknown,
    server: Server,
    isOver: () => boolean,
    limits: { requests: number; ms: number },
  ): Settled {
    const clock = this.#clock;
    this.#ota = ota;
    this.#server = server;
    this.#left = limits.requests;
    const until = clock.now + limits.ms;
    const result = this.http.update(options as never) as never as Settled;
    while (result.state === 'pending' && !isOver()) {
      if (!clock.step()) throw new Broken('the call does not end: nothing is to come');
      if (this.#broken) throw this.#broken;
      if (clock.now > until) throw new Broken(`the call does not end: ${limits.ms} ms are over`);
    }
    // What is late is nothing any more.
    for (let n = 0; n < LATE_EVENTS && !isOver() && clock.step(); n++);
    clock.clear();
    return result;
  }
}
