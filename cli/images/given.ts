/** What commands say of an image that they are given. */
import type { Command } from 'commander';
import {
  type Concern,
  concernsOf,
  ImageError,
  type Target,
} from '../../formats/images/concerns.ts';
import { identify } from '../../formats/images/identify.ts';
import type { Image } from '../../formats/images/kinds.ts';
import { rowsOf } from '../../formats/table/binary.ts';
import { printMessage } from '../print.ts';
import { readTable } from '../table-file.ts';
import { InputError } from '../words.ts';
import { grouped, sizeOf } from '../words/format.ts';
import { concernText, imageText } from '../words/images.ts';

/** What commands take that look at an image. */
export interface ImageFlags {
  strict?: true;
}

/** Adds the option by which warnings of an image become errors. */
export const withStrict = (command: Command) =>
  command.option('--strict', 'refuse an image that there is a warning about');

/** What `--json` has of an image. */
export type Told = Image & { text: string; warnings: { code: string; message: string }[] };

/** An image that a command was given, and what is known of it. */
export class Given {
  /** What messages call it. */
  readonly #name: string;
  readonly #size: number;
  /** What it is; missing if it is nothing that is known. */
  readonly image: Image | undefined;
  readonly #concerns: Concern[] = [];

  constructor(name: string, bytes: Uint8Array) {
    this.#name = name;
    this.#size = bytes.length;
    this.image = identify(bytes);
  }

  /**
   * Warns of what is odd about it, and about where it is to go.
   * @param target - the partition, if it is known
   * @param more - what else is odd
   * @throws ImageError if it is to be strict, and anything is; InputError if it does not fit
   */
  judge({ strict }: ImageFlags, target?: Target, more: Concern[] = []): void {
    const name = this.#name;
    if (target && this.#size > target.size)
      throw new InputError(
        `${name}: ${grouped(this.#size)} bytes; the partition "${target.label}" has ${sizeOf(target.size)}`,
      );
    if (!this.image) return;
    const concerns = [...concernsOf(this.image, this.#size, target), ...more];
    this.#concerns.push(...concerns);
    if (strict && concerns.length) throw new ImageError('E_IMAGE', { name, concerns });
    for (const concern of concerns) printMessage(`warning: ${name}: ${concernText(concern)}`);
  }

  /** What it is, in one line; none if that is not known. */
  get lines(): string[] {
    return this.image ? [imageText(this.image)] : [];
  }

  /** @returns what `--json` has of it; undefined if it is not known. */
  toJSON(): Told | undefined {
    if (!this.image) return undefined;
    const warnings = this.#concerns.map((concern) => ({
      code: concern.code,
      message: concernText(concern),
    }));
    return { ...this.image, text: imageText(this.image), warnings };
  }
}

/**
 * Finds the partition that an image is to go to.
 * @param file - a partition table, CSV or binary; without it nothing is known
 * @throws InputError if the partition is not named, or not in it
 */
export function targetIn(file: string | undefined, label: string | undefined): Target | undefined {
  if (file === undefined) return undefined;
  const rows = rowsOf(readTable(file));
  if (label === undefined) throw new InputError('--table: name a row of it by --partition');
  // A label of a table in flash has a character for each byte.
  const wanted = Buffer.from(label).toString('latin1');
  const row = rows.find((one) => one.label === wanted);
  if (row) return { label, size: row.size, type: row.type, subtype: row.subtype };
  const labels = rows.map((one) => Buffer.from(one.label, 'latin1').toString()).join(', ');
  throw new InputError(`${file}: no partition "${label}"; there are ${labels}`);
}
