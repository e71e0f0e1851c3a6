/** Answers a board that asks over its console for pieces of an image: examples/air-serial.js describes that. */
import { crc32 } from '#hashes';
import { concat, fromLatin1, toBase64 } from '../formats/bytes.ts';
import { SECTOR } from '../formats/chip.ts';
import { MANIFEST_SUFFIX } from '../device/http/manifest.ts';

import type { Stuck } from './update-end.ts';

/** Bytes of each line but the last: what examples/air-serial.js takes. */
const LINE = 512;
const ASKS = /ota\? (\S+) (\d+) (\d+)$/;

/** The way to the board. */
interface Sender {
  send: (lines: string[]) => Promise<void>;
}

/** What was sent, in bytes. */
export interface Sent {
  image: number;
  manifest: number;
  /** Of these, bytes that were sent before. */
  again: number;
  /** And of these, bytes of the manifest. */
  manifestAgain: number;
  /** Characters on the line. */
  line: number;
}

/** How often in a row a board may ask for what cannot be sent: a line may have lost a digit. */
const MOST_EMPTY = 3;
/** And for what was sent: every two seconds. Of one byte in 2,000 damaged, eight in a row are lost in one update of a thousand. */
const MOST_AGAIN = 16;

interface Asked {
  file: string;
  isManifest: boolean;
  from: number;
  to: number;
}

const isSame = (a: Asked, b: Asked) => a.file === b.file && a.from === b.from && a.to === b.to;

/** Sends the pieces of one image. */
export class Pieces {
  readonly sent: Sent = { image: 0, manifest: 0, again: 0, manifestAgain: 0, line: 0 };
  /** Called with bytes that were sent. */
  onSent: () => void = () => undefined;
  /** Called with what the board asks for in vain. */
  onStuck: (stuck: Stuck) => void = () => undefined;
  readonly #sender: Sender;
  readonly #image: Uint8Array;
  readonly #manifest: Uint8Array;
  /** 1 for each byte that was sent. */
  readonly #known: { image: Uint8Array; manifest: Uint8Array };
  /** What the board waits for, and what is being sent. */
  #wanted: Asked | undefined;
  #current: Asked | undefined;
  /** What it has asked for last, and how often in a row. */
  #last: Asked | undefined;
  #times = 0;

  constructor(sender: Sender, image: Uint8Array, manifest: Uint8Array) {
    this.#sender = sender;
    this.#image = image;
    this.#manifest = manifest;
    this.#known = {
      image: new Uint8Array(image.length),
      manifest: new Uint8Array(manifest.length),
    };
  }

  /** Takes a line that the board has printed. */
  hear(line: string): void {
    const [, file, from, to] = ASKS.exec(line) ?? [];
    if (file === undefined) return;
    const asked = {
      file,
      isManifest: file.endsWith(MANIFEST_SUFFIX),
      from: Number(from),
      to: Number(to),
    };
    const limit = (asked.isManifest ? this.#manifest : this.#image).length;
    const isEmpty = asked.to > limit || asked.from >= asked.to || asked.to - asked.from > SECTOR;
    // On a slow line it asks again before all of the answer has left.
    const isUnsent = this.#current !== undefined && isSame(this.#current, asked);
    this.#count(asked, isEmpty ? 'empty' : isUnsent ? 'unsent' : 'again');
    // If it is empty, it may be a line that lost a digit; the board asks again.
    if (isEmpty || isUnsent) return;
    this.#wanted = asked;
    // If the line has ended, `Session.run` is rejected.
    if (!this.#current) this.#answerAll().catch(() => undefined);
  }

  /** Counts how often the board asks for the same: a script there that was interrupted does so for ever. */
  #count(asked: Asked, why: Stuck['why']): void {
    this.#times = this.#last && isSame(this.#last, asked) ? this.#times + 1 : 1;
    this.#last = asked;
    const { file, from, to } = asked;
    if (this.#times === (why === 'empty' ? MOST_EMPTY : MOST_AGAIN))
      this.onStuck({ why, file, from, to, times: this.#times });
  }

  /** Answers until the board waits for nothing. */
  async #answerAll(): Promise<void> {
    try {
      for (let asked = this.#wanted; asked; asked = this.#wanted) {
        this.#wanted = undefined;
        this.#current = asked;
        await this.#answer(asked);
      }
    } finally {
      this.#current = undefined;
    }
  }

  async #answer({ isManifest, file: name, from, to }: Asked): Promise<void> {
    const kind = isManifest ? 'manifest' : 'image';
    const file = isManifest ? this.#manifest : this.#image;
    const lines: string[] = [];
    for (let at = from; at < to; at += LINE) {
      const bytes = file.subarray(at, Math.min(at + LINE, to));
      lines.push(
        `otaPort.take(${at},"${toBase64(bytes)}",${crc32(concat([fromLatin1(name), bytes]))})`,
      );
    }
    await this.#sender.send(lines);
    const known = this.#known[kind].subarray(from, to);
    this.sent[kind] += to - from;
    const again = known.reduce((sum, was) => sum + was, 0);
    this.sent.again += again;
    if (isManifest) this.sent.manifestAgain += again;
    // Each line has a character before it, and its end.
    this.sent.line += lines.reduce((sum, line) => sum + line.length + 2, 0);
    known.fill(1);
    this.onSent();
  }
}
