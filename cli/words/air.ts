/** What to do when a board cannot fetch an image: by the message of `ota-http` (`failureOf` in device/http/stream.ts). */
import { networkInterfaces } from 'node:os';

/** An error of `ota-http` about a request. */
interface Failure {
  code: string;
  url: string;
  /** What happened. */
  what: string;
  /** What the answer was: status, type, encoding, length; empty: there was none. */
  answer: string;
}

const FORM =
  /^(E_HTTP|E_TIMEOUT|E_MANIFEST) (https?:\/\/\S+): (.*?)(?: \((status [^()]*|status .*)\))?$/;

function failureOf(message: string): Failure | undefined {
  const [, code, url, what, answer = ''] = FORM.exec(message) ?? [];
  return code === undefined || !URL.canParse(url) ? undefined : { code, url, what, answer };
}

/** @returns whether a URL names the machine that asks: on a board that is the board. */
function isLocal(url: string): boolean {
  const { hostname } = new URL(url);
  return /^(.*\.)?localhost$|^127\.\d+\.\d+\.\d+$|^0\.0\.0\.0$/.test(hostname);
}

/** @returns addresses of this machine, by which others in its network reach it. */
const ownAddresses = () =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);

function localText(): string {
  const [own] = ownAddresses();
  return (
    'for the board, localhost is the board itself: name this machine by its address in your network' +
    (own === undefined ? '' : `, maybe ${own}`)
  );
}

/** By status, what, answer: what to do. The first that fits counts. */
const ADVICE: [fits: (failure: Failure) => boolean, advice: (failure: Failure) => string][] = [
  [
    ({ what }) => what === 'no manifest, see part-ota pack',
    ({ url }) =>
      `the server has no manifest at this URL: "part-ota pack IMAGE" makes it, as IMAGE.ota; put it on the server as ` +
      `${new URL(url).pathname.split('/').pop()}, or name another with --manifest-url`,
  ],
  [
    ({ answer }) => /encoding (?!none)/.test(answer) || /begins "%1F(%C2)?%8B/.test(answer),
    () =>
      'it came compressed: turn compression off for this file on the server, and serve it as pack has made it',
  ],
  [
    ({ what }) => /begins "%1F(%C2)?%8B/.test(what),
    () => 'this is a gzip file: serve the manifest as pack has made it',
  ],
  [
    ({ what, answer }) =>
      what.startsWith('no manifest, ') && /text\/html|begins "\s*</i.test(answer + what),
    () =>
      'this is a web page, as a server answers for a file that it lacks, or a login page: is the manifest there, under this name?',
  ],
  [
    ({ what }) => what.startsWith('no manifest, '),
    () =>
      'this is another file, maybe the image itself: the manifest is what "part-ota pack IMAGE" has made, IMAGE.ota',
  ],
  [
    ({ code, what }) => code === 'E_MANIFEST' && what === 'damaged',
    () => 'run "part-ota pack IMAGE" again, and copy IMAGE and IMAGE.ota to the server as they are',
  ],
  [
    ({ answer }) => /^status 40[13]\b/.test(answer),
    () =>
      'the server wants a password or a token: http://user:password@host/…, --header "Authorization: …", or a URL that is still valid',
  ],
  [
    ({ answer }) => /^status (404|410)\b/.test(answer),
    () => 'the server has no such file: is the URL right?',
  ],
  [
    ({ answer }) => /^status 1\d\d\b/.test(answer),
    () =>
      'Espruino cannot read an answer in two parts (100 Continue, 103 Early Hints): turn that off on the server',
  ],
  [
    ({ answer }) => /^status 204\b/.test(answer),
    () => 'the server answers without content: is the URL right?',
  ],
  [
    ({ answer }) => /^status (408|425|429|503)\b/.test(answer),
    () => 'the server is busy, or limits how often it may be asked: try again later',
  ],
  [
    ({ answer }) => /^status 5\d\d\b/.test(answer),
    () => 'the server has failed: its log tells why',
  ],
  [
    ({ what }) => what.startsWith('redirect to '),
    () =>
      'that is one redirect too many, or leads to what a board cannot ask for: name the last URL yourself',
  ],
  [
    ({ what }) => / not of \d+$/.test(what) || what.startsWith('wrong hash'),
    () =>
      'image and manifest on the server are not of one release: pack the image again, and copy both',
  ],
  [
    ({ answer }) => /no length/.test(answer),
    () => 'the server must send Content-Length, or chunks: without both, Espruino reads 1 KB',
  ],
  [({ url, answer }) => answer === '' && isLocal(url), localText],
  [
    ({ url, answer }) => answer === '' && url.startsWith('https:'),
    () =>
      'a connection over https takes 20 to 32 KB of memory, which a board may not have: use http, and --digest, which proves more',
  ],
  [
    ({ answer }) => answer === '',
    () =>
      'it is the board that cannot reach this server: is it in the network, and does the server listen there, not on localhost only?',
  ],
];

/** @returns what a message of `ota-http` calls for, if that is known. */
export function adviceFor(message: string): string | undefined {
  const failure = failureOf(message);
  return failure && ADVICE.find(([fits]) => fits(failure))?.[1](failure);
}
