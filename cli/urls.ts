/** URLs and headers as users type them, for a board that fetches by itself: what Espruino cannot do is refused here. */
import { InputError } from './words.ts';
import { printable } from './words/format.ts';

/** Headers that the board sends by itself (device/http/espruino.ts, libs/network/socketserver.c of Espruino). */
const OWN = /^(range|host|connection|user-agent|content-length|transfer-encoding)$/i;

/**
 * @param option - whose value it is
 * @returns the URL as the board asks for it: what needs it percent-encoded, without a fragment
 * @throws InputError if it is none that Espruino can ask for
 */
export function parseUrl(option: string, text: string): string {
  const fail = (why: string): never => {
    // Not what may be a password.
    throw new InputError(`${option}: ${printable(text.split('@').at(-1)!)}: ${why}`);
  };
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  if (scheme === undefined) return fail('not of the form http://host/path');
  if (!/^https?:/i.test(scheme))
    return fail(`${printable(scheme.slice(0, -3))} is not what a board fetches; use http://`);
  const port = /^[^/]*\/\/[^/?#]*:(\d+)(?:[/?#]|$)/.exec(text)?.[1];
  if (port !== undefined && !(Number(port) > 0 && Number(port) < 65536))
    return fail(`port ${port}: not from 1 to 65535`);
  if (!URL.canParse(text)) return fail('not of the form http://host/path');
  const url = new URL(text);
  if (url.hostname.startsWith('['))
    return fail('Espruino has no IPv6; use a name, or an IPv4 address');
  url.hash = '';
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    return fail('a "%" in user:password@ is written %25');
  }
  return url.href;
}

/**
 * @param texts - each of the form `name: value`
 * @returns the headers by name
 * @throws InputError
 */
export function parseHeaders(texts: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const text of texts) {
    // RFC 9110, 5.1 and 5.5: a token, a colon, visible characters and blanks.
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([\x20-\x7e]*)$/.exec(text) ?? [];
    if (!name || !value?.trim())
      throw new InputError(`--header: ${printable(text)}: not of the form "name: value", in ASCII`);
    if (OWN.test(name)) throw new InputError(`--header: ${name}: the board sends its own`);
    headers[name] = value.trim();
  }
  return headers;
}
