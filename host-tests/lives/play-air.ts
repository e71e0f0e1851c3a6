/** Plays a call of `ota-http`: what it does to the core is watched call by call, as if these were steps of the life. */
import type { AirResult } from '../../device/http/api.ts';
import { SECTOR } from '../../host/index.ts';
import type { Settled } from './air.ts';
import { contentOf } from './images.ts';
import type { Row, Step } from './life.ts';
import { Broken } from './promise.ts';
import { type Asked, whyUnproven, assertResult, explainAir } from './published.ts';
import { Server, type Version, publish } from './server.ts';
import { random } from './world.ts';

export type AirStep = Extract<Step, { do: 'air' }>;

/** What a call has come to. */
export interface Outcome {
  value?: unknown;
  error?: { code?: string; message: string };
  isCut?: boolean;
}

/** The image of an update. */
export interface Filled {
  /** Filled up to the partition. */
  content: Uint8Array;
  /** Bytes of the image. */
  size: number;
  isCrcWrong: boolean;
}

/** The core of one copy of the module, watched. What it throws is no more than a word that the life is over. */
export interface Watched {
  look: (name: 'status' | 'partitions') => Outcome;
  plan: (options: object) => Outcome;
  /** Its value is the update. */
  begin: (options: object, image: Filled) => Outcome;
  write: (bytes: string) => Outcome;
  keep: (size: number) => Outcome;
  back: () => Outcome;
  end: () => Outcome;
  /** @param isKept - whether the update stays open */
  abort: (isKept?: boolean) => Outcome;
  recover: () => Outcome;
  /** Whether nothing can happen any more: power has failed, or the promise is broken. */
  isOver: () => boolean;
  /** Takes note that the promise is broken, where the module may catch it. */
  note: (broken: Broken) => void;
}

const SECTORS_AT_MOST = 400;

/** @returns what a server has, by a step. `plant` puts a journal into the last sector of an image. */
export function serverOf(
  { options, image, server, seed }: AirStep,
  row: Row | undefined,
  plant: (content: Uint8Array) => void,
): Server {
  const below = random(seed ^ 0x5eed);
  const labels = server === 'is for another partition' ? ['elsewhere'] : ['', options.partition];
  const made = (image: AirStep['image'], isFirst: boolean): Version => {
    const sectors = Math.ceil(image.size / SECTOR);
    const content = contentOf(image, sectors);
    if (isFirst && row && server === 'sends a journal') plant(content);
    const isCrcWrong = isFirst && server === 'sends a wrong CRC-32';
    return publish(content.subarray(0, image.size), labels[below(labels.length)], isCrcWrong);
  };
  const other = {
    seed: image.seed + 1 + below(3),
    size: below(2) ? image.size : 1 + below(image.size),
  };
  return new Server(server, seed, made(image, true), made(other, false));
}

/** One call of `ota-http`. */
export class Call {
  readonly #core: Watched;
  readonly #asked: Asked;
  /** Errors of the core: these are judged where they are thrown. */
  readonly #thrown = new Set<unknown>();
  #version: Version | undefined;
  /** Bytes that were written. */
  #at = 0;
  /** Those of the present sector, and how often each sector was begun again, by its first byte. */
  #sector = '';
  readonly #again = new Map<number, number>();
  /** What `end` has said. */
  #ended: string | undefined;

  constructor(core: Watched, asked: Asked) {
    this.#core = core;
    this.#asked = asked;
  }

  /** Does a call of the core, unless the life is over. */
  #pass(act: () => Outcome): unknown {
    if (this.#core.isOver()) throw new Error('power is off');
    const { value, error, isCut } = act();
    if (isCut) throw new Error('power fails');
    if (error) {
      this.#thrown.add(error);
      // As it was thrown.
      throw error as Error;
    }
    return value;
  }

  /** What the module gets by `require('ota')`. */
  get ota() {
    const core = this.#core;
    return {
      partitions: () => this.#pass(() => core.look('partitions')),
      status: () => this.#pass(() => core.look('status')),
      plan: (options: object) => this.#pass(() => core.plan(options)),
      begin: (options: { size: number; crc32?: number }) => this.#begin(options),
      recover: () => this.#pass(() => core.recover()),
    };
  }

  /** What was written of a sector is what the image has, before the next one begins. */
  #leave(): void {
    if (!this.#sector) return;
    const first = this.#at - this.#sector.length;
    const why = whyUnproven(this.#asked, this.#version, first, this.#sector);
    if (why) this.#core.note(new Broken(why));
    this.#sector = '';
  }

  #begin(options: { size: number; crc32?: number }) {
    const core = this.#core;
    const { server, row, digest: known } = this.#asked;
    // Where a digest proves the hashes, no CRC-32 is asked for.
    const isKnown = options.crc32 === undefined;
    if (isKnown !== (known !== undefined))
      core.note(new Broken(`ota-http asks for CRC-32 ${options.crc32}, digest ${known}`));
    this.#version = server.published.find(
      ({ image, crc32, digest }) =>
        image.length === options.size && (isKnown ? digest === known : crc32 === options.crc32),
    );
    this.#at = 0;
    this.#sector = '';
    this.#again.clear();
    this.#ended = undefined;
    const image = filled(this.#version, row, options.size);
    if (isKnown) image.isCrcWrong = false;
    this.#pass(() => core.begin(options, image));
    return {
      write: (bytes: string) => {
        if (!(this.#at % SECTOR)) this.#leave();
        this.#sector += bytes;
        this.#at += bytes.length;
        return this.#pass(() => core.write(bytes));
      },
      keep: (size: number) => {
        this.#leave();
        this.#at += size;
        return this.#pass(() => core.keep(size));
      },
      back: () => {
        this.#at = Math.floor((this.#at - 1) / SECTOR) * SECTOR;
        this.#sector = '';
        // README: at most two erases of a sector are a server's fault.
        const count = (this.#again.get(this.#at) ?? 0) + 1;
        this.#again.set(this.#at, count);
        if (count > 2)
          core.note(new Broken(`ota-http writes byte ${this.#at} for the ${count + 1}th time`));
        return this.#pass(() => core.back());
      },
      end: () => {
        this.#leave();
        const result = this.#pass(() => core.end()) as { state: string };
        this.#ended = result.state;
        return result;
      },
      abort: (isKept?: boolean) => this.#pass(() => core.abort(isKept)),
    };
  }

  /** @returns the images one of which the partition has to hold, if nothing was written */
  judge({ state, value }: Settled): Uint8Array[] | undefined {
    const asked = this.#asked;
    if (state === 'fulfilled') {
      const versions = assertResult(asked, value as AirResult, this.#ended);
      if (this.#ended !== undefined) return undefined;
      if (!asked.row) throw new Broken('ota-http says untouched of what is not in the table');
      return versions.map((version) => filled(version, asked.row, 0).content);
    }
    if (asked.isKept === false && (value as { state?: string }).state === 'interrupted')
      throw new Broken('ota-http is rejected, and the old content is not back');
    if (!this.#thrown.has(value)) explainAir(asked, value as { code?: string; message?: string });
    return undefined;
  }

  /** Requests and milliseconds that the call may take: for each piece all that may be wrong, and twice all of it. */
  static limitsOf({ server }: Asked, image: { size: number }): { requests: number; ms: number } {
    const bytes = Math.max(image.size, ...server.published.map(({ image }) => image.length));
    const pieces = 2 * (Math.ceil(bytes / SECTOR) + 6);
    return { requests: pieces * 6 * 4, ms: pieces * 6 * 60_000 };
  }
}

/** @returns an image, filled up to the partition; of what was not published: nothing. */
function filled(version: Version | undefined, row: Row | undefined, size: number): Filled {
  const sectors = Math.min(row ? Math.ceil(row.size / SECTOR) : 1, SECTORS_AT_MOST);
  const content = new Uint8Array(sectors * SECTOR).fill(0xff);
  if (version && version.image.length <= content.length) content.set(version.image);
  return { content, size: version?.image.length ?? size, isCrcWrong: version?.isCrcWrong ?? true };
}
