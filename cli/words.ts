/** What the command prints when something is wrong, and what it exits with. */
import type { Fault, Words } from '../formats/errors.ts';
import { ImageError } from '../formats/images/concerns.ts';
import { ManifestError } from '../formats/manifest/errors.ts';
import { TableError } from '../formats/table/errors.ts';
import { BoardError, PortError } from '../link/errors.ts';
import { ModuleError } from '../link/module.ts';
import { StatusError } from '../link/status.ts';
import { UpdateError, UpdateRefused } from '../link/update.ts';
import { UploadError } from '../link/upload.ts';
import { OpenError } from './ports.ts';
import {
  BOARD_WORDS,
  MODULE_WORDS,
  OPEN_WORDS,
  PORT_WORDS,
  REFUSAL_WORDS,
  STATUS_WORDS,
  UPDATE_WORDS,
  UPLOAD_WORDS,
} from './words/link.ts';
import { IMAGE_WORDS } from './words/images.ts';
import { MANIFEST_WORDS } from './words/manifest.ts';
import { TABLE_WORDS } from './words/table.ts';

/** The user has to change something: an argument, a file. The message names it. */
export class InputError extends Error {
  override name = 'InputError';
  /** What a command exits with. */
  readonly exitCode = 2;
}

/** How a kind of error is worded. */
interface Wording {
  message: string;
  /** What a command exits with. */
  exitCode: number;
}

/** Words for one class of `Fault`: see `entry`. */
interface Entry {
  kind: abstract new (...args: never[]) => Error;
  words: Record<string, (facts: unknown) => string>;
  exitCode: number;
}

/** @param exitCode - what a command exits with after such an error: 2 if the user has to change something */
function entry<Facts extends object>(
  kind: abstract new (code: never, facts: never) => Fault<Facts>,
  words: Words<Facts>,
  exitCode: number,
): Entry {
  return { kind, words: words as unknown as Entry['words'], exitCode };
}

/** The classes of `Fault` that have words. */
export const ENTRIES: Entry[] = [
  entry(OpenError, OPEN_WORDS, 2),
  entry(PortError, PORT_WORDS, 2),
  entry(BoardError, BOARD_WORDS, 1),
  entry(TableError, TABLE_WORDS, 2),
  entry(ImageError, IMAGE_WORDS, 2),
  entry(ManifestError, MANIFEST_WORDS, 2),
  entry(ModuleError, MODULE_WORDS, 2),
  entry(StatusError, STATUS_WORDS, 2),
  entry(UploadError, UPLOAD_WORDS, 1),
  entry(UpdateRefused, REFUSAL_WORDS, 2),
  entry(UpdateError, UPDATE_WORDS, 1),
];

/** @returns how an error is told to the user; undefined if it is a fault of this program */
export function wordingOf(error: unknown): Wording | undefined {
  if (!(error instanceof Error)) return undefined;
  const found = ENTRIES.find(({ kind }) => error instanceof kind);
  if (found) {
    const { code, facts } = error as unknown as { code: string; facts: unknown };
    return { message: found.words[code](facts), exitCode: found.exitCode };
  }
  return 'exitCode' in error
    ? { message: error.message, exitCode: Number(error.exitCode) }
    : undefined;
}
