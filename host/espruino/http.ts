/**
 * Espruino's `require("http")`, as firmware 2v29 behaves (libs/network/socketserver.c): what it delivers, in which pieces, what it
 * does not tell. Only the client.
 *
 * - `statusCode` is a string. A `data` event has at most 536 bytes, or what was left of the packet with the headers.
 * - The first bytes of the body are also taken for headers.
 * - Without `Content-Length` or `Transfer-Encoding` the connection is closed after about 1 KB.
 * - A connection that is lost ends as one that is complete: `end`, then `close(false)`. `error` comes only if not even the
 *   headers have arrived.
 * - What is behind `Content-Length` is delivered if it came along with the rest.
 * - There are no timeouts, no redirects, and no way to end a request but to set `clsNow` in it.
 */
import type { Network, Peer, Target } from './network.ts';

/** Bytes that Espruino reads from a socket at a time (network_esp32.c, chunkSize). */
const CHUNK = 536;
/** socketerrors.h, SOCKET_ERR_NO_RESP. */
const NO_RESPONSE = -15;

type Handler = (...args: unknown[]) => void;

/** An object with `on`, as Espruino's are. */
class Emitter {
  readonly handlers = new Map<string, Handler[]>();

  on(event: string, handler: Handler): void {
    this.handlers.set(event, [...(this.handlers.get(event) ?? []), handler]);
  }
}

/** What a request is made from: as `url.parse` returns it. */
export interface RequestOptions {
  protocol?: string;
  method?: string;
  host?: string;
  port?: number | null;
  path?: string;
  headers?: Record<string, string>;
}

class Response extends Emitter {
  statusCode = '';
  statusMessage = '';
  httpVersion = '';
  headers: Record<string, string> = {};
}

/** A request: what scripts see of it, and the state of its connection. */
class Request extends Emitter {
  /** Scripts that set this close the connection. */
  clsNow?: boolean;

  readonly #client: HttpClient;
  readonly #options: RequestOptions;
  readonly #response = new Response();
  #peer: Peer | undefined;
  #body = '';
  /** What has arrived, and Espruino has not read yet. */
  #inbox = Buffer.alloc(0);
  /** Whether the other end has closed the connection. */
  isLost = false;
  /** What Espruino has read, and not delivered yet. */
  #received = '';
  #hasHeaders = false;
  #isChunked = false;
  /** Bytes of the body that are missing; chunked: 1 as long as there are more. */
  #missing = 0;
  #hasEnded = false;

  constructor(client: HttpClient, options: RequestOptions, callback: unknown) {
    super();
    this.#client = client;
    this.#options = options;
    if (typeof callback === 'function') this.on('response', callback as Handler);
  }

  write(data: unknown): void {
    this.#body += String(data);
  }

  /**
   * Connects and sends. Espruino waits until it is connected.
   * @throws Error if that fails
   */
  end(data?: unknown): void {
    if (this.#peer || this.clsNow) throw new Error('This socket is closed');
    if (data !== undefined) this.write(data);
    const { protocol, method = 'GET', host = '', path = '/', headers = {} } = this.#options;
    const isTls = protocol === 'https:';
    const port = this.#options.port ?? (isTls ? 443 : 80);
    const lines = [`${method} ${path} HTTP/1.1`, 'User-Agent: Espruino 2v29', 'Connection: close'];
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    if (headers.Host === undefined) lines.push(`Host: ${host}${port === 80 ? '' : `:${port}`}`);
    this.#peer = this.#client.connect({ host, port, isTls }, this);
    this.#peer.receive(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${this.#body}`, 'latin1'));
  }

  /** Bytes arrive from the network. */
  arrive(bytes: Uint8Array): void {
    this.#inbox = Buffer.concat([this.#inbox, bytes]);
  }

  /** Whether the idle loop would do something. */
  get isReady(): boolean {
    const isOver = this.isLost || !!this.clsNow || (this.#hasHeaders && this.#missing <= 0);
    return this.#inbox.length > 0 || this.#canDeliver() || (isOver && !this.#isHeld);
  }

  /** Whether something was received that no handler takes: then the connection stays. */
  get #isHeld(): boolean {
    return this.#hasHeaders && this.#received !== '' && !this.#response.handlers.has('data');
  }

  /** Closes the connection without a word to the script. */
  kill(): void {
    this.#peer?.close();
    this.#peer = undefined;
  }

  /** Does what one turn of Espruino's idle loop does. */
  turn(): void {
    if (this.#hasHeaders) this.#deliver();
    let isClosing = !!this.clsNow;
    let error: number | undefined;
    if (!isClosing) {
      isClosing = this.#hasHeaders && this.#missing <= 0;
      if (isClosing) this.#endOnce();
      if (this.#inbox.length) this.#read();
      else if (this.isLost) {
        isClosing = true;
        if (!this.#hasHeaders) error = NO_RESPONSE;
      }
    }
    if (!isClosing || this.#isHeld) return;
    this.#deliver();
    this.kill();
    this.#client.forget(this);
    if (error !== undefined)
      this.#client.emit(this, 'error', { code: error, message: 'no response' });
    this.#endOnce();
    this.#client.emit(this.#response, 'close', error !== undefined);
  }

  #endOnce(): void {
    if (!this.#hasEnded) this.#client.emit(this.#response, 'end');
    this.#hasEnded = true;
  }

  #read(): void {
    this.#received += this.#inbox.toString('latin1', 0, CHUNK);
    this.#inbox = this.#inbox.subarray(CHUNK);
    if (!this.#hasHeaders && this.#received.includes('\r\n\r\n')) {
      this.#parseHeaders();
      this.#client.emit(this, 'response', this.#response);
    }
    if (this.#hasHeaders) this.#deliver();
  }

  /** Takes everything that has been read for lines of a header, the body's first bytes, too. */
  #parseHeaders(): void {
    const text = this.#received;
    const response = this.#response;
    this.#hasHeaders = true;
    const [first, ...lines] = text.split('\r').slice(0, -1);
    const [version, statusCode, ...message] = first.split(' ');
    Object.assign(response, { httpVersion: version.slice(5), statusCode });
    response.statusMessage = message.join(' ');
    for (const part of lines) {
      const line = part.slice(part.lastIndexOf('\n') + 1);
      const colon = line.indexOf(':');
      const value = line.slice(colon + 1).replace(/^[\t\n\v\f\r ]+/, '');
      // Espruino keeps both of two that have the same name, and finds the first.
      if (colon > 0 && value) response.headers[line.slice(0, colon)] ??= value;
    }
    const valueOf = (wanted: string) =>
      Object.entries(response.headers).find(([name]) => name.toLowerCase() === wanted)?.[1];
    this.#isChunked = valueOf('transfer-encoding')?.toLowerCase() === 'chunked';
    this.#missing = this.#isChunked ? 1 : parseInt(valueOf('content-length') ?? '', 10) || 0;
    this.#received = text.slice(text.indexOf('\r\n\r\n') + 4);
  }

  #canDeliver(): boolean {
    return this.#received !== '' && this.#response.handlers.has('data') && !this.#isWaiting();
  }

  /** Whether what was received of a chunk is too little to go on. */
  #isWaiting(): boolean {
    if (!this.#isChunked) return false;
    const received = this.#received;
    if (received.length < 5) return true;
    const { start, length } = this.#chunk();
    const behind = start + length + 2 - received.length;
    return length > 0 && (start >= received.length || (behind > 0 && behind < 3));
  }

  /** @returns where the first chunk begins, and how many bytes it has. A line that is cut off is taken as it is. */
  #chunk(): { start: number; length: number } {
    const length = parseInt(this.#received, 16) || 0;
    return { start: this.#received.indexOf('\r\n') + 2, length };
  }

  /** Hands on what was received, chunk by chunk, if a handler listens. */
  #deliver(): void {
    while (this.#canDeliver()) {
      const received = this.#received;
      if (!this.#isChunked) {
        this.#missing -= received.length;
        this.#received = '';
        this.#client.emit(this.#response, 'data', received);
        return;
      }
      const { start, length } = this.#chunk();
      this.#missing = length ? 1 : 0;
      const next = start + length + 2;
      if (!length) this.#received = '';
      else if (next > received.length)
        this.#received = `${(next - received.length - 2).toString(16)}\r\n`;
      else this.#received = received.slice(next);
      const data = received.slice(start, start + length);
      if (data) this.#client.emit(this.#response, 'data', data);
      if (next > received.length) return;
    }
  }
}

/** What the client needs of its board. */
interface HttpHost {
  network: Network;
  /** Calls a handler of a script when nothing else runs. */
  queue: (job: () => void) => void;
  /** Calls something at a time of the board's clock. */
  after: (ms: number, call: () => void) => void;
  /** Something has come from the network. */
  wake: () => void;
  assertOn: () => void;
}

/** All requests of a boot. */
export class HttpClient {
  readonly #host: HttpHost;
  readonly #requests = new Set<Request>();

  constructor(host: HttpHost) {
    this.#host = host;
  }

  /** Whether a connection is open. */
  get isBusy(): boolean {
    return this.#requests.size > 0;
  }

  /** @returns Espruino's `require("http")`. */
  library() {
    const request = (options: RequestOptions | string, callback?: unknown) => {
      this.#host.assertOn();
      const parsed = typeof options === 'string' ? parseUrl(options) : { ...options };
      return new Request(this, parsed, callback);
    };
    return {
      request,
      get: (options: RequestOptions | string, callback?: unknown) => {
        const made = request(options, callback);
        made.end();
        return made;
      },
    };
  }

  /** One turn of the idle loop. @returns whether there was anything to do */
  turn(): boolean {
    const ready = [...this.#requests].filter(({ isReady }) => isReady);
    for (const request of ready) request.turn();
    return ready.length > 0;
  }

  /** Closes all connections: the board has lost power, or starts anew. */
  reset(): void {
    for (const request of this.#requests) request.kill();
    this.#requests.clear();
  }

  connect(target: Target, request: Request): Peer {
    this.#host.assertOn();
    const { network, after, wake } = this.#host;
    const isOpen = () => this.#requests.has(request);
    this.#requests.add(request);
    try {
      return network(target, {
        receive: (bytes) => {
          if (isOpen()) request.arrive(bytes);
          wake();
        },
        close: () => {
          request.isLost = true;
          wake();
        },
        after: (ms, call) => after(ms, () => isOpen() && call()),
      });
    } catch (error) {
      this.#requests.delete(request);
      throw error;
    }
  }

  forget(request: Request): void {
    this.#requests.delete(request);
  }

  emit(emitter: Emitter, event: string, ...args: unknown[]): void {
    for (const handler of emitter.handlers.get(event) ?? [])
      this.#host.queue(() => handler(...args));
  }
}

/** Espruino's `url.parse`. It is not thorough. */
export function parseUrl(text: string): RequestOptions & Record<string, unknown> {
  const [, protocol, rest] = /^(?:([^/]*:)\/\/)?([^]*)$/.exec(text)!;
  const slash = rest.indexOf('/');
  const [authority, path] = slash < 0 ? [rest, '/'] : [rest.slice(0, slash), rest.slice(slash)];
  const [host, port] = authority.split(':');
  const [pathname, query] = path.split(/\?([^]*)/);
  return {
    ...(protocol === undefined ? {} : { protocol }),
    method: 'GET',
    host,
    path,
    pathname,
    search: query === undefined ? null : `?${query}`,
    port: port === undefined ? null : parseInt(port, 10),
    query: query ?? null,
  };
}
