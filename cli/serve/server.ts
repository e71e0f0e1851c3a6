/** A web server for images and their manifests: what a board fetches updates from. */
import * as fs from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { basename, dirname } from 'node:path';
import type send from 'send';
import { InputError } from '../words.ts';
import { MANIFEST_SUFFIX } from '../../device/http/manifest.ts';
import { type Entry, Files, Refusal, segmentsOf } from './files.ts';
import { Hosts } from './hosts.ts';
import { makePage } from './page.ts';

export interface ServerOptions {
  directory: string;
  /** 0: any that is free. */
  port: number;
  /** Address to listen at; default all of this machine. */
  host?: string;
  /** What requests may call it by, beside the addresses and names of this machine: see `hosts.ts`. */
  names?: string[];
  /** Milliseconds that a connection may stand still; default 30,000. A board that is busy with its flash reads nothing. */
  patience?: number;
  /** Bytes per second, of all responses together; default no limit. */
  rate?: number;
  /** Called after each request. */
  onRequest?: (request: RequestRecord) => void;
}

/** What was asked for, and what became of it. */
export interface RequestRecord {
  /** Address of the client. */
  client: string;
  method: string;
  /** As it was sent. */
  path: string;
  status: number;
  /** The header Range. */
  range?: string;
  /** Bytes of the body that were sent. */
  bytes: number;
  /** Whether the connection was closed before all of the body was sent. */
  isCut: boolean;
  /** Why it was refused, or what is unusual. */
  note?: string;
}

export interface FileServer {
  /** Where it listens. */
  port: number;
  server: Server;
  /** Ends all connections, and removes what was made for them. */
  close(): Promise<void>;
}

/** Limits how fast files are read, and by that how fast they are sent. */
class Throttle {
  readonly #rate: number;
  #free = 0;

  /** @param rate - bytes per second */
  constructor(rate: number) {
    this.#rate = rate;
  }

  /** What createReadStream is to use. It reads about 50 ms of transfer at a time. */
  get options() {
    const highWaterMark = Math.min(65536, Math.max(256, Math.round(this.#rate / 20)));
    return { highWaterMark, fs: { open: fs.open, close: fs.close, read: this.#read } };
  }

  readonly #read = (
    fd: number,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
    callback: (error: NodeJS.ErrnoException | null, bytes: number, buffer: Buffer) => void,
  ) => {
    fs.read(fd, buffer, offset, length, position, (error, bytes) => {
      const now = performance.now();
      this.#free = Math.max(now, this.#free) + (bytes / this.#rate) * 1000;
      setTimeout(() => callback(error, bytes, buffer), this.#free - now);
    });
  };
}

/**
 * What browsers must not do with what is served here: run it, show it in a frame, take it for something else, or tell
 * others of it. The page has a style of its own, and nothing else.
 */
const PROTECTION = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-downloads",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Connections at a time; milliseconds in which the header of a request has to be there. */
const MOST_CONNECTIONS = 64;
const HEADER_MS = 10_000;
/** Milliseconds that a connection may stand still. */
const PATIENCE = 30_000;
/** Bytes of a header; fields in it. */
const MOST_HEADER = 8192;
const MOST_FIELDS = 64;

/** What this machine calls itself, at the start of a header Host. */
const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])(?=:|$)/;

/** @returns IPv4 addresses of this machine that others may reach. */
export function addressesOf(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
}

/** @returns an address without what makes IPv4 look like IPv6. */
const plainAddress = (address: string) => address.replace(/^::ffff:/, '');

/** @returns an address as it stands in a URL. */
export function nameInUrl(address: string): string {
  const plain = plainAddress(address);
  return plain.includes(':') ? `[${plain}]` : plain;
}

/** What all requests have in common. */
interface Context {
  files: Files;
  /** Sends a file. It is loaded with the server: that takes as long as a third of node's own start. */
  send: typeof send;
  throttle?: Throttle;
  /** Whether the server listens at all addresses of this machine. */
  isForAll: boolean;
  hosts: Hosts;
}

/** One request, and its response. */
class Exchange {
  readonly #files: Files;
  readonly #send: typeof send;
  readonly #throttle: Throttle | undefined;
  readonly #isForAll: boolean;
  readonly #hosts: Hosts;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #stream: fs.ReadStream | undefined;
  readonly record: RequestRecord;

  constructor(
    { files, send, throttle, isForAll, hosts }: Context,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#files = files;
    this.#send = send;
    this.#throttle = throttle;
    this.#isForAll = isForAll;
    this.#hosts = hosts;
    this.#request = request;
    this.#response = response;
    this.record = {
      client: plainAddress(request.socket.remoteAddress ?? ''),
      method: request.method ?? '',
      path: request.url ?? '',
      status: 0,
      range: request.headers.range,
      bytes: 0,
      isCut: false,
    };
    // A board's client reads until the connection is closed.
    response.shouldKeepAlive = false;
    // A proxy that compressed what it passes on would break ranges.
    response.setHeader('Cache-Control', 'no-cache, no-transform');
    for (const [name, value] of Object.entries(PROTECTION)) response.setHeader(name, value);
  }

  /** @returns what became of the request. Due when the response is closed. */
  finish(): RequestRecord {
    const { statusCode, writableFinished } = this.#response;
    const bytes = this.#stream?.bytesRead ?? this.record.bytes;
    return { ...this.record, status: statusCode, bytes, isCut: !writableFinished };
  }

  async answer(): Promise<void> {
    try {
      await this.#answer();
    } catch (error) {
      if (error instanceof Refusal) this.#refuse(error.status, error.message);
      else this.#refuse(500, String(error), {}, STATUS_CODES[500]);
    }
  }

  async #answer(): Promise<void> {
    const { method } = this.record;
    const refused = this.#hosts.whyRefused(this.#request);
    if (refused !== undefined) throw new Refusal(421, refused);
    if (method !== 'GET' && method !== 'HEAD') {
      this.#response.setHeader('Allow', 'GET, HEAD');
      throw new Refusal(405, `${method}: only GET and HEAD are answered`);
    }
    // The absolute form is what a proxy would be asked.
    const path = this.#request.url!.replace(/^https?:\/\/[^/?]*/i, '').replace(/[?#].*$/s, '');
    const names = segmentsOf(path || '/');
    const name = names.at(-1)!;
    if (name.endsWith(MANIFEST_SUFFIX)) {
      const image = [...names.slice(0, -1), name.slice(0, -MANIFEST_SUFFIX.length)];
      const manifest = await this.#files.manifestOf(image);
      if (manifest?.whyMade !== undefined) this.record.note = `made here: ${manifest.whyMade}`;
      if (manifest) return this.#sendFile(manifest);
    }
    const entry = await this.#files.find(names);
    if (entry.stats.isFile()) await this.#sendFile(entry);
    else if (name) this.#redirect(`${path}/`);
    else await this.#sendPage(names);
  }

  /** @param told - what the client gets to know; `why` may name paths of this machine */
  #refuse(status: number, why: string, headers: Record<string, string> = {}, told = why): void {
    const response = this.#response;
    this.record.note = why;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    for (const name of ['ETag', 'Last-Modified', 'Content-Range']) response.removeHeader(name);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    this.#sendText(status, 'text/plain; charset=utf-8', `${status} ${told}\n`);
  }

  #sendText(status: number, type: string, text: string): void {
    const response = this.#response;
    const body = Buffer.from(text);
    response.statusCode = status;
    response.setHeader('Content-Type', type);
    response.setHeader('Content-Length', body.length);
    if (this.record.method === 'HEAD') {
      response.end();
      return;
    }
    this.record.bytes = body.length;
    response.end(body);
  }

  #redirect(path: string): void {
    // Two slashes would begin the name of a host.
    this.#response.setHeader('Location', path.replace(/^\/+/, '/'));
    this.#sendText(301, 'text/plain; charset=utf-8', 'It is a directory.\n');
  }

  async #sendPage(names: string[]): Promise<void> {
    const page = makePage(names, await this.#files.list(names), this.#origin());
    this.#response.setHeader('Cache-Control', 'no-store');
    this.#sendText(200, 'text/html; charset=utf-8', page);
  }

  /** @returns the origin of this server, as the client or, if that sits at this machine, as a board calls it. */
  #origin(): string {
    const { localAddress = '', localPort } = this.#request.socket;
    const { host = `${nameInUrl(localAddress)}:${localPort}` } = this.#request.headers;
    const [other] = this.#isForAll ? addressesOf() : [];
    return `http://${other ? host.replace(LOOPBACK, other) : host}`;
  }

  /**
   * Settles what the library takes differently than RFC 9110: ranges are defined for GET only (14.2), only a
   * validator that is equal counts (13.1.5), and a suffix that is longer than the file is all of it (14.1.2).
   */
  #settleRange(etag: string, { mtime, size }: fs.Stats): void {
    const { headers } = this.#request;
    const { 'if-range': ifRange = etag, range = '' } = headers;
    const isFresh = ifRange === etag || ifRange === mtime.toUTCString();
    if (this.record.method !== 'GET' || !isFresh) delete headers.range;
    else if (Number(/^bytes=-(\d+)$/.exec(range)?.[1]) > size) headers.range = 'bytes=0-';
  }

  async #sendFile({ path, stats }: Entry): Promise<void> {
    const { etag } = await this.#files.know({ path, stats });
    const request = this.#request;
    const response = this.#response;
    response.setHeader('ETag', etag);
    if (path.endsWith(MANIFEST_SUFFIX) || path.endsWith('.bin'))
      response.setHeader('Content-Type', 'application/octet-stream');
    const options = { root: dirname(path), index: false, cacheControl: false };
    this.#send(request, encodeURIComponent(basename(path)), {
      ...options,
      ...this.#throttle?.options,
    })
      .on('file', (_: string, stats: fs.Stats) => this.#settleRange(etag, stats))
      .on('stream', (stream: fs.ReadStream) => (this.#stream = stream))
      .on('error', (error: Error & { status: number; headers?: Record<string, string> }) => {
        this.#refuse(error.status, error.message, error.headers, STATUS_CODES[error.status]);
      })
      .pipe(response);
  }
}

/** @returns whether a server that is told to listen at `host` listens at all addresses. */
export function isForAll(host: string | undefined): boolean {
  return host === undefined || host === '::' || host === '0.0.0.0';
}

function messageOf({ code, message }: NodeJS.ErrnoException, { port, host }: ServerOptions) {
  if (code === 'EADDRINUSE') return `--port: ${port} is in use`;
  if (code === 'EACCES') return `--port: ${port} is not allowed`;
  return `--host: ${host}: ${message}`;
}

/** Ends a connection that has stood still, whether it does not send what it asks for, or does not read what it gets. */
function endStill(socket: Socket, patience: number): void {
  let last = -1;
  const look = setInterval(() => {
    // What waits here was written, and not taken by the system: it has no room before the other end reads.
    const moved = socket.bytesRead + socket.bytesWritten - socket.writableLength;
    if (moved === last) socket.destroy();
    last = moved;
  }, patience).unref();
  socket.on('close', () => clearInterval(look));
}

/**
 * Starts a server. It answers GET and HEAD, with ranges and strong ETags, and closes each connection.
 * @throws InputError if the directory or the address is wrong
 */
export async function startFileServer(options: ServerOptions): Promise<FileServer> {
  const files = new Files(options.directory);
  const throttle = options.rate === undefined ? undefined : new Throttle(options.rate);
  const { default: send } = await import('send');
  const hosts = new Hosts(options.names);
  const context = { files, send, throttle, isForAll: isForAll(options.host), hosts };
  const { patience = PATIENCE } = options;
  const limits = {
    headersTimeout: Math.min(HEADER_MS, patience),
    requestTimeout: patience,
    connectionsCheckingInterval: Math.min(1000, patience),
    maxHeaderSize: MOST_HEADER,
    // What is sent has to be taken: see below.
    highWaterMark: 1 << 16,
  };
  const server = createServer(limits, (request, response) => {
    const exchange = new Exchange(context, request, response);
    response.on('close', () => options.onRequest?.(exchange.finish()));
    void exchange.answer();
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.maxHeadersCount = MOST_FIELDS;
  server.on('connection', (socket) => endStill(socket, patience));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new InputError(messageOf(error, options))));
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    files.close();
  };
  return { port, server, close };
}
