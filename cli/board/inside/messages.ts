/**
 * What goes over the line between a simulated board in its cell and the command: an object per line, as JSON. Bytes are
 * text, a character for each.
 */
import { SECTOR } from '../../../formats/chip.ts';
import type { Reached } from '../engine.ts';

/** Sectors of the largest chip, 32 MB. */
const CHIP_SECTORS = (32 << 20) / SECTOR;
/** Characters of a name in Storage. */
const LONGEST_NAME = 28;

/** What a board is to do. */
export type Order =
  /** The first one. `running`: label of the app; `files`: what is in Storage, by name. */
  | {
      start: {
        table: string;
        tableAddress?: number | undefined;
        size: number;
        running: string;
        files: Record<string, string>;
      };
    }
  /** Writes the chip from outside: its sectors from one on. */
  | { load: { first: number; bytes: string } }
  | { power: boolean }
  | { cutAt: { operation: number; reached: Reached } }
  /** Typed at the console. */
  | { type: string }
  /** What has come over a connection; missing: its end. */
  | { net: { id: number; bytes?: string | undefined } }
  /** Lets the board live up to a moment of its clock; comes from the cell itself. */
  | { turn: number }
  /** Asks for everything that is not told yet. */
  | { save: true };

/** What a board tells. */
export type News =
  | { print: string }
  | { event: 'boot' | 'reboot' | 'cut' | 'ended'; detail?: string }
  /** A sector of the chip, as it reads now. */
  | { sector: number; bytes: string }
  /** A file of Storage; null: it is gone. */
  | { file: string; content: string | null }
  /** A new connection. */
  | { net: number; host: string; port: number; isTls: boolean }
  /** Over it; missing: it is closed. */
  | { net: number; bytes?: string }
  /** The simulation cannot go on. */
  | { failed: string }
  /** An order from outside is done, and all that it has changed is told. */
  | { done: true };

const EVENTS = ['boot', 'reboot', 'cut', 'ended'];
/** Characters of a detail. */
const LONGEST_DETAIL = 1000;
const BYTES = /^[\0-\xff]*$/;

const isText = (value: unknown): value is string => typeof value === 'string';
const isBytes = (value: unknown): value is string => isText(value) && BYTES.test(value);
const isWhole = (value: unknown, end: number): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < end;
const isDetail = (value: unknown) =>
  value === undefined || (isText(value) && value.length <= LONGEST_DETAIL);

/** What each kind of news has to be. Scripts of the board can tell what they like. */
const KINDS: Record<string, (news: Record<string, unknown>) => boolean> = {
  print: ({ print }) => isBytes(print),
  event: ({ event, detail }) => EVENTS.includes(event as string) && isDetail(detail),
  sector: ({ sector, bytes }) =>
    isWhole(sector, CHIP_SECTORS) && isBytes(bytes) && bytes.length === SECTOR,
  file: ({ file, content }) =>
    isBytes(file) && file.length <= LONGEST_NAME && (content === null || isBytes(content)),
  net: ({ net, host, port, isTls, bytes }) =>
    isWhole(net, 2 ** 31) &&
    (host === undefined
      ? bytes === undefined || isBytes(bytes)
      : isText(host) && isWhole(port, 65536) && typeof isTls === 'boolean'),
  failed: ({ failed }) => isText(failed),
  done: ({ done }) => done === true,
};

/** @returns what a line tells; undefined: nothing that makes sense */
export function newsOf(line: string): News | undefined {
  let news: unknown;
  try {
    news = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof news !== 'object' || news === null) return undefined;
  const found = news as Record<string, unknown>;
  const kinds = Object.keys(KINDS).filter((kind) => Object.hasOwn(found, kind));
  return kinds.length === 1 && KINDS[kinds[0]](found) ? (news as News) : undefined;
}
