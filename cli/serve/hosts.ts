/**
 * What a request may call this server by. A web page can let its own name lead to an address of this machine (DNS
 * rebinding): then the browser takes this server for the page's, and lets the page read all that is in it. Such a request
 * names the page's host. Boards ask by an address, people by the name of the machine.
 */
import type { IncomingMessage } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { isIP } from 'node:net';

/** A host in a header Host, and the port behind it. */
const HOST = /^(\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)\.?(?::\d*)?$/i;

/** @returns a name as it is compared: without brackets, the dot at its end, and what makes IPv4 look like IPv6. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/, '');
}

const isLoopback = (name: string) =>
  name === 'localhost' ||
  name.endsWith('.localhost') ||
  name === '::1' ||
  (isIP(name) === 4 && name.startsWith('127.'));

export class Hosts {
  readonly #names: Set<string>;

  /** @param names - that are taken, too */
  constructor(names: string[] = []) {
    const own = plain(hostname());
    const [first] = own.split('.');
    this.#names = new Set([own, first, `${first}.local`, ...names.map(plain)].filter(Boolean));
  }

  /** @returns why a request gets no answer; undefined: it gets one */
  whyRefused({ url = '', headers, socket }: IncomingMessage): string | undefined {
    // A browser that took this server for a proxy would name another in the URL; that it sends Host, too.
    const [, inUrl] = /^https?:\/\/([^/?#]*)/i.exec(url) ?? [];
    const given = headers.host ?? inUrl;
    // Who sends none is no browser: HTTP/1.0.
    if (given === undefined) return undefined;
    const [, found = ''] = HOST.exec(given) ?? [];
    const name = plain(found);
    if (isLoopback(name) || this.#names.has(name)) return undefined;
    if (isIP(name) && this.#isOwn(name, socket.localAddress)) return undefined;
    const option = /^[\w.:-]{1,253}$/.test(name) ? name : '<name>';
    return (
      'this server is not known by the name in the header Host, so a web page may be behind the request; ' +
      `ask by an address of this machine, or start it with --host-name ${option}`
    );
  }

  /** An address may have come since the start: by DHCP, say. */
  #isOwn(name: string, local: string | undefined): boolean {
    if (local !== undefined && plain(local) === name) return true;
    return Object.values(networkInterfaces()).some((addresses) =>
      addresses?.some(({ address }) => plain(address) === name),
    );
  }
}
