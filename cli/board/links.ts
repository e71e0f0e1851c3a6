/** The network of a simulated board: TCP connections that are made here, since its process can make none. */
import type { Duplex } from 'node:stream';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { News } from './inside/messages.ts';

/** Connections at a time. */
const MOST = 16;
/** Bytes that wait for a server before the connection counts as dead. */
const MOST_WAITING = 4 << 20;
/** What may stand for a host: a name, or an address. */
const HOST = /^[\w.:-]{1,253}$/;

type Told = Extract<News, { net: number }>;

export class Links {
  readonly #links = new Map<number, Duplex>();
  readonly #tell: (id: number, bytes?: string) => Promise<void>;

  /** @param tell - takes what has come over a connection, or that it has ended; resolves when the board has taken it */
  constructor(tell: (id: number, bytes?: string) => Promise<void>) {
    this.#tell = tell;
  }

  hear(news: Told): void {
    if ('host' in news) this.#open(news);
    else if (news.bytes === undefined) this.#close(news.net);
    else this.#send(news.net, news.bytes);
  }

  closeAll(): void {
    for (const id of [...this.#links.keys()]) this.#close(id);
  }

  #open({ net: id, host, port, isTls }: Extract<Told, { host: string }>): void {
    if (this.#links.size >= MOST || this.#links.has(id) || !HOST.test(host)) {
      void this.#tell(id);
      return;
    }
    // As Espruino does it, certificates are not checked.
    const link = isTls
      ? connectTls({ host, port, servername: host, rejectUnauthorized: false })
      : connectTcp({ host, port });
    this.#links.set(id, link);
    link.on('data', (bytes: Buffer) => {
      link.pause();
      void this.#tell(id, bytes.toString('latin1')).then(() => link.resume());
    });
    link.on('error', () => link.destroy());
    link.on('close', () => {
      if (this.#links.delete(id)) void this.#tell(id);
    });
  }

  #send(id: number, bytes: string): void {
    const link = this.#links.get(id);
    link?.write(bytes, 'latin1');
    if (link && link.writableLength > MOST_WAITING) link.destroy();
  }

  #close(id: number): void {
    const link = this.#links.get(id);
    this.#links.delete(id);
    link?.destroy();
  }
}
