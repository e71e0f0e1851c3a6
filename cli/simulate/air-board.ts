/** A simulated board that updates itself over the air, and what it fetches for that. */
import type { Report } from '../../device/api.ts';
import type { AirResult, Check, UpdateOptions } from '../../device/http/api.ts';
import { type Board, type Network, tcp } from '../../host/index.ts';
import { isManifest } from './air-server.ts';
import { optionsOf, recover, type Setup } from './chip.ts';
import type { Listener } from './simulation.ts';

/** What a simulation over the air needs beside the rest. */
export interface AirSetup extends Setup {
  /** The text of `ota-http`, a character per byte. */
  http: string;
}

/** What one call has fetched, in bytes of bodies. */
export interface Traffic {
  image: number;
  manifest: number;
  requests: number;
}

/** Hears of a simulation over the air. */
export interface AirListener extends Listener {
  /** @param done - bytes of the image that have arrived in this call */
  onFetch?: (done: number, total: number) => void;
}

/** A request of the board. */
export interface Asked {
  path: string;
  /** First and last byte of it that were asked for, and how many have arrived. */
  first: number;
  last: number;
  received: number;
  /** Erases and programs of the call until then. */
  operations: number;
}

interface Response {
  on: (event: string, call: (bytes: string) => void) => void;
}
/** What `url.parse` returns. */
interface Target {
  path: string;
  headers: Record<string, string>;
}
interface Http {
  request: (target: Target, call: (response: Response) => void) => unknown;
}
interface OtaHttp {
  check: (options: object) => PromiseLike<Check>;
  update: (options: UpdateOptions) => PromiseLike<AirResult>;
}

/** Milliseconds of real time after which a connection over loopback counts as silent. */
const PATIENCE = 5000;

/**
 * The real network, but what a connection brings arrives when the server has closed it. How TCP cuts it is chance, and what
 * has arrived at once is programmed at once: so a run is the same again.
 */
export const steadyTcp: Network = (target, socket) => {
  const parts: Uint8Array[] = [];
  return tcp(target, {
    ...socket,
    receive: (bytes) => parts.push(bytes),
    close: () => {
      parts.splice(0).forEach(socket.receive);
      socket.close();
    },
  });
};

/** A board with both modules, and a count of what it fetches. */
export class AirBoard {
  readonly board: Board;
  /** Requests of the last call. */
  asked: Asked[] = [];
  readonly #setup: AirSetup;
  readonly #digest: string;
  readonly #url: string;
  #onBytes: () => void = () => undefined;

  /** @param board - with `ota` on it */
  constructor(board: Board, setup: AirSetup, url: string, digest: string) {
    this.board = board;
    this.#setup = setup;
    this.#url = url;
    this.#digest = digest;
    board.upload('ota-http', setup.http);
  }

  /** What the last call has fetched. */
  get traffic(): Traffic {
    const sum = (asked: Asked[]) => asked.reduce((bytes, { received }) => bytes + received, 0);
    const { asked } = this;
    return {
      image: sum(asked.filter(({ path }) => !isManifest(path))),
      manifest: sum(asked.filter(({ path }) => isManifest(path))),
      requests: asked.length,
    };
  }

  /** What an update would fetch. Writes nothing. */
  check(): Promise<Check> {
    return this.#call('check', {});
  }

  /** @throws PowerCut, and what the module rejects with */
  async update(listener: AirListener = {}): Promise<AirResult> {
    const { backup } = optionsOf(this.#setup);
    let total = 0;
    this.#onBytes = () => listener.onFetch?.(this.traffic.image, total);
    try {
      return await this.#call<AirResult>('update', {
        backup,
        onProgress: listener.onProgress,
        onPlan: ({ fetch }: Check) => (total = fetch),
      });
    } finally {
      this.#onBytes = () => undefined;
    }
  }

  /** Leaves what was interrupted for `update` to go on with. */
  recover(listener: AirListener = {}): Report {
    this.asked = [];
    return recover(this.board, listener.onProgress, true);
  }

  async #call<T>(name: keyof OtaHttp, options: object): Promise<T> {
    this.asked = [];
    this.#watch();
    const all = {
      url: this.#url,
      partition: this.#setup.partition,
      digest: this.#digest,
      ...options,
    };
    const promise = this.board.require<OtaHttp>('ota-http')[name](all);
    return (await this.board.wait(promise, PATIENCE)) as T;
  }

  /** Counts what `require("http")` of the present boot delivers. */
  #watch(): void {
    const http = this.board.require<Http>('http');
    const { request } = Object.getPrototypeOf(http) as Http;
    const { counters } = this.board.flash;
    const before = counters.operations;
    http.request = (target, call) => {
      const [first, last] = target.headers.Range.slice('bytes='.length).split('-').map(Number);
      const operations = this.board.flash.counters.operations - before;
      const asked = { path: target.path, first, last, received: 0, operations };
      this.asked.push(asked);
      return request(target, (response) => {
        response.on('data', ({ length }) => {
          asked.received += length;
          if (!isManifest(asked.path)) this.#onBytes();
        });
        call(response);
      });
    };
  }
}
