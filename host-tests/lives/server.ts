/** A web server that does one thing wrong, or all of them, or none: by seed. */
import { crc32 } from 'node:zlib';
import { CRC_BYTES, DESCRIPTOR_AT, METADATA_AT } from '../../device/http/manifest.ts';
import { IMAGE_SIZE_AT, ROOT_HASH_AT } from '../../device/http/manifest.ts';
import { packFacts } from '../../formats/manifest/make.ts';
import { examineImage } from '../../formats/manifest/tree.ts';
import { latin1 } from '../../host/index.ts';
import type { ServerName } from './life.ts';
import { random } from './world.ts';

/** An image, and what its manifest says. */
export interface Version {
  image: Uint8Array;
  manifest: Uint8Array;
  label: string;
  digest: string;
  /** As the manifest says; whether that is wrong. */
  crc32: number;
  isCrcWrong: boolean;
}

/** What is answered to a request. */
export interface Reply {
  status: number;
  /** By names in lower case. */
  headers: Record<string, string>;
  body: string;
  end: 'close' | 'stall';
  /** Bytes that come at once, and milliseconds before each of them. */
  piece: number;
  ms: number;
  /** Whether the engine still hands on what comes after the connection was closed. */
  isRude: boolean;
}

type Below = (n: number) => number;

/** What is done to a good answer. `file` is all of it; undefined: there is no answer. */
const REPLIES: Partial<
  Record<ServerName, (reply: Reply, below: Below, file: string) => Reply | undefined>
> = {
  'sends odd pieces': (reply, below) => ({
    ...reply,
    piece: [7, 60, 536, 1000, 4095, 4097, 10000][below(7)] + (reply.body.length >> 8),
    ms: below(3),
  }),
  'sends more': (reply, below) => ({ ...reply, body: reply.body + 'more'.repeat(1 + below(2000)) }),
  'sends the whole file': (reply, _, file) =>
    reply.status === 206
      ? { ...reply, status: 200, headers: { 'content-length': `${file.length}` }, body: file }
      : reply,
  'flips bits': (reply, below) => {
    const at = below(reply.body.length);
    const flipped = String.fromCharCode(reply.body.charCodeAt(at) ^ (1 << below(8)));
    return { ...reply, body: reply.body.slice(0, at) + flipped + reply.body.slice(at + 1) };
  },
  'ends early': (reply, below) => ({
    ...reply,
    body: reply.body.slice(0, below(reply.body.length)),
  }),
  refuses: (reply, below) => {
    const status = [404, 500, 503, 416, 302, 100][below(6)];
    const location: Reply['headers'] = below(2) ? { location: '/image.bin' } : {};
    return below(6) ? { ...reply, status, headers: location, body: '<html>no</html>' } : undefined;
  },
  stalls: (reply, below) => ({
    ...reply,
    body: reply.body.slice(0, below(reply.body.length + 1)),
    end: 'stall',
    ...(below(3) === 0 && { piece: 536, ms: 4000 }),
  }),
};
/** After these the update has to succeed, however often they come. */
const HARMLESS: ServerName[] = ['sends odd pieces', 'sends more', 'sends the whole file'];
const ALL = Object.keys(REPLIES) as ServerName[];

/** @returns an image as it is published. */
export function publish(image: Uint8Array, label: string, isCrcWrong = false): Version {
  const facts = examineImage(image);
  const check = (facts.crc32 ^ (isCrcWrong ? 1 : 0)) >>> 0;
  const manifest = packFacts({ ...facts, crc32: check }, { partition: label });
  return { image, manifest, label, digest: facts.digest, crc32: check, isCrcWrong };
}

/** @returns a manifest with a right CRC-32 that is of no image; `isRoot`: only the hashes behind it are of none. */
function randomManifest(below: Below, { manifest }: Version): [bytes: Uint8Array, isRoot: boolean] {
  const bytes = Buffer.from(manifest);
  const kind = bytes.length > METADATA_AT + CRC_BYTES ? below(4) : below(2) * 2;
  const spoil = (from: number, end: number) => {
    for (let at = from; at < end; at++) bytes[at] = below(256);
  };
  if (kind === 0) spoil(4, METADATA_AT);
  else if (kind === 1) spoil(METADATA_AT + CRC_BYTES, bytes.length);
  else spoil(DESCRIPTOR_AT + ROOT_HASH_AT, METADATA_AT);
  if (kind === 0) bytes.writeUInt32LE(below(2) ? 0 : below(1024), 4);
  if (kind === 3) bytes.writeUInt32LE(1 + below(40000), DESCRIPTOR_AT + IMAGE_SIZE_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, METADATA_AT)), METADATA_AT);
  return [bytes, kind === 1];
}

export class Server {
  /** Times that something was answered after which the update may fail. */
  faults = 0;
  /** Which images it publishes, each with its manifest. */
  readonly published: Version[];
  /** The image whose digest is known. */
  readonly first: Version;

  readonly #name: ServerName;
  readonly #below: Below;
  /** The files of now, and those of later: image, manifest. */
  #files: [image: string, manifest: string];
  readonly #later: [image: string, manifest: string];
  #asked = 0;
  /** The request at which files change, and at which the module is called a second time; 0 never. */
  readonly #changeAt: number;
  readonly #callAt: number;
  /** In percent of all replies. */
  readonly #often: number;

  constructor(name: ServerName, seed: number, one: Version, other: Version) {
    const below = random(seed);
    this.first = one;
    this.#name = name;
    this.#below = below;
    const isAll = name === 'does all of it';
    this.#often = isAll ? 40 : [10, 30, 100][below(3)];
    this.#changeAt = name === 'changes the image' || isAll ? 1 + below(10) : 0;
    this.#callAt = below(4) ? 0 : 1 + below(5);
    const isOther = name === 'sends another manifest';
    const isRandom = name === 'sends a random manifest';
    const [spoiled, isRoot] = isRandom ? randomManifest(below, one) : [one.manifest, true];
    this.#files = [latin1(one.image), latin1(isOther ? other.manifest : spoiled)];
    this.#later = [latin1(other.image), latin1(other.manifest)];
    this.published = !isRoot ? [] : isOther ? [other] : this.#changeAt ? [one, other] : [one];
    if (isOther || isRandom) this.faults = 1;
  }

  /** @returns a number from 0 to 1, the module's `Math.random`. */
  random(): number {
    return this.#below(1 << 20) / (1 << 20);
  }

  /** Whether the module is called in the middle of the present request. */
  get isCalledTwice(): boolean {
    return this.#asked + 1 === this.#callAt;
  }

  /** Answers a request for bytes `first` to `last` of a file. @returns undefined if there is no connection */
  answer(url: string, first: number, last: number): Reply | undefined {
    const below = this.#below;
    if (++this.#asked === this.#changeAt) {
      this.#files = this.#later;
      this.faults++;
    }
    const file = this.#files[url.endsWith('.ota') ? 1 : 0];
    const isThere = first < file.length;
    const end = Math.min(last, file.length - 1);
    const reply: Reply = {
      status: isThere ? 206 : 416,
      headers: {
        'content-range': isThere
          ? `bytes ${first}-${end}/${file.length}`
          : `bytes */${file.length}`,
      },
      body: isThere ? file.slice(first, end + 1) : '',
      end: 'close',
      piece: 1460,
      ms: 1,
      isRude: below(8) === 0,
    };
    const name = this.#name === 'does all of it' ? ALL[below(ALL.length)] : this.#name;
    if (below(100) >= this.#often || !reply.body || !REPLIES[name]) return reply;
    if (!HARMLESS.includes(name)) this.faults++;
    return REPLIES[name](reply, below, file);
  }
}
