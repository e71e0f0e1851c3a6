/** A web server for tests of updates over the air: in memory, by the board's clock, or over TCP; with every fault. */
import { type Server, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Network } from '../../host/index.ts';

/** What has been asked for. */
export interface Asked {
  method: string;
  path: string;
  /** Of `Range: bytes=first-last`. */
  range?: { first: number; last: number };
  headers: Record<string, string>;
}

/** What is answered. */
export interface Reply {
  status: number;
  headers: Record<string, string | number>;
  body: Uint8Array;
  /** Bytes, status line and headers included, after which the connection is over. */
  cutAt?: number;
  /** What then happens: the server closes the connection, or sends nothing any more. Default: close. */
  then?: 'close' | 'stall';
  /** Bytes that are sent at once, and milliseconds in between. Default: everything. */
  pace?: { bytes: number; ms: number };
}

/** A fault: changes what is answered. Called with the number of the request, from 1. */
export type Fault = (reply: Reply, asked: Asked, n: number) => Reply | undefined;

const REASONS: Record<number, string> = {
  200: 'OK',
  206: 'Partial Content',
  302: 'Found',
  404: 'Not Found',
  416: 'Range Not Satisfiable',
};

/** @returns the head of a reply as bytes. */
export function headOf({ status, headers }: Reply): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Whatever'}\r\n${lines.join('')}\r\n`,
  );
}

function parse(text: string): Asked {
  const [first, ...lines] = text.split('\r\n');
  const [method, path] = first.split(' ');
  const headers = Object.fromEntries(
    lines.filter(Boolean).map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
  return {
    method,
    path,
    headers,
    ...(range && { range: { first: Number(range[1]), last: Number(range[2]) } }),
  };
}

/** One end of a connection. */
interface Link {
  send: (bytes: Uint8Array) => void;
  close: () => void;
  after: (ms: number, call: () => void) => void;
}

export class WebServer {
  /** By path. */
  readonly files = new Map<string, Uint8Array>();
  /** What was asked for, in order. */
  asked: Asked[] = [];
  /** Bytes of bodies that were sent. */
  sent = 0;
  /** Connections that are open. */
  open = 0;
  fault: Fault | undefined;

  /** @returns what a good server answers. */
  answer({ path, range }: Asked): Reply {
    const file = this.files.get(path.split('?')[0]);
    const plain = { Connection: 'close', 'Content-Type': 'application/octet-stream' };
    const make = (status: number, body: Uint8Array, headers: Reply['headers'] = {}): Reply => ({
      status,
      headers: { ...plain, ...headers, 'Content-Length': body.length },
      body,
    });
    if (!file) return make(404, Buffer.from('<html>not here</html>'));
    const etag = { ETag: `"${file.length}"`, 'Accept-Ranges': 'bytes' };
    if (!range) return make(200, file, etag);
    const { first } = range;
    if (first >= file.length)
      return make(416, Buffer.alloc(0), { 'Content-Range': `bytes */${file.length}` });
    const last = Math.min(range.last, file.length - 1);
    return make(206, file.subarray(first, last + 1), {
      ...etag,
      'Content-Range': `bytes ${first}-${last}/${file.length}`,
    });
  }

  /** Serves one connection. @returns what takes the bytes that arrive */
  serve(link: Link): (bytes: Uint8Array) => void {
    let text = '';
    return (bytes) => {
      const was = text.includes('\r\n\r\n');
      text += Buffer.from(bytes).toString('latin1');
      if (was || !text.includes('\r\n\r\n')) return;
      const asked = parse(text.slice(0, text.indexOf('\r\n\r\n')));
      const good = this.answer(asked);
      this.asked.push(asked);
      this.#play(this.fault?.(good, asked, this.asked.length) ?? good, link);
    };
  }

  #play(reply: Reply, link: Link): void {
    const head = headOf(reply);
    const all = Buffer.concat([head, reply.body]).subarray(0, reply.cutAt);
    const { bytes, ms } = reply.pace ?? { bytes: all.length, ms: 0 };
    const sendFrom = (at: number) => {
      const part = all.subarray(at, at + bytes);
      this.sent += Math.max(0, Math.min(all.length, at + bytes) - Math.max(at, head.length));
      if (part.length) link.send(part);
      if (at + bytes < all.length) link.after(ms, () => sendFrom(at + bytes));
      else if (reply.then !== 'stall') link.close();
    };
    sendFrom(0);
  }

  /** A network in which this is the only host. */
  get network(): Network {
    return ({ host }, socket) => {
      if (host !== 'host') throw new Error('Unable to locate host');
      this.open++;
      const receive = this.serve({
        send: socket.receive,
        close: socket.close,
        after: socket.after,
      });
      return { receive, close: () => this.open-- };
    };
  }

  /** Listens on a port of this machine. @returns the server, to be closed; and its port */
  async listen(): Promise<{ server: Server; port: number }> {
    const server = createServer((stream) => {
      this.open++;
      const receive = this.serve({
        send: (bytes) => stream.write(bytes),
        close: () => stream.end(),
        after: (ms, call) => setTimeout(call, ms),
      });
      stream.on('data', receive);
      stream.on('error', () => undefined);
      stream.on('close', () => this.open--);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, port: (server.address() as AddressInfo).port };
  }
}
