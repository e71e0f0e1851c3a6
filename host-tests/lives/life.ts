/**
 * A life of a chip, as data: what is on it at first, and all that happens to it, step by step. A life is played by
 * `play.ts`, drawn at random by `draw.ts`, made shorter by `shrink.ts`. The same life always ends in the same way.
 */
import type { Mood } from '../../host/index.ts';

/** A row of a partition table; address and size in bytes. */
export interface Row {
  label: string;
  type: number;
  subtype: number;
  address: number;
  size: number;
  /** Bit 0 encrypted, bit 1 readonly. */
  flags: number;
}

/** An entry of otadata. */
export interface Entry {
  sequence: number;
  /** 0xffffffff: the firmware does not roll back; see device/partitions.ts. */
  state: number;
  /** Whether its CRC is wrong: power has failed while it was written. */
  isTorn?: boolean;
}

/** What is on a chip at first. */
export interface ChipSpec {
  megabytes: number;
  /** Whether it can tell which app runs, as an ESP32 can, and a C3 or S3 cannot. */
  tells: boolean;
  /** Label of the partition that the engine lives on (Espruino's Storage), if there is one. */
  live?: string;
  rows: Row[];
  otadata: (Entry | undefined)[];
  /** Of the contents of all partitions. */
  seed: number;
}

/** A power cut in the course of a call. */
export interface Cut {
  /** The operation that it falls into; 1 is the next erase or program. */
  at: number;
  /** A name in `TEARS`, or the seed of an operation that has reached some bits. */
  tear: string | number;
}

/** Something that goes wrong in the chip while a boot lasts: the operation with this number, from the boot on. */
export interface Trouble {
  kind: 'read' | 'program' | 'erase';
  at: number;
  /** How many in a row. */
  times: number;
  /** For a read: which bit is wrong. */
  bit?: number;
}

/** Content of a partition: it comes from a pool of sectors, so that different images have sectors in common. */
export interface Image {
  seed: number;
  /** Bytes. */
  size: number;
}

/** What a progress callback does. */
export type Callback = 'counts' | 'throws' | 'calls' | 'not a function';

export interface BeginOptions {
  partition: string;
  backup?: string | false;
  /** Whether `size` is said. */
  size?: boolean;
  crc32?: 'right' | 'wrong';
  trial?: number;
  overwriteLive?: boolean;
  onProgress?: Callback;
  /** Replaces an option by one of `BAD`. */
  bad?: [option: string, value: string];
}

/** What a server does that an image is fetched from. */
export const SERVERS = [
  'is honest',
  'sends odd pieces',
  'sends more',
  'sends the whole file',
  'flips bits',
  'ends early',
  'refuses',
  'stalls',
  'changes the image',
  'is for another partition',
  'sends another manifest',
  'sends a random manifest',
  'sends a wrong CRC-32',
  'sends a journal',
  'does all of it',
] as const;
export type ServerName = (typeof SERVERS)[number];

/** Which of the copies of the module in RAM is called: 0 or 1. */
interface Call {
  copy?: number;
  cut?: Cut;
}

/** A step for each of these names. */
type Plain<Name extends string> = Name extends string ? { do: Name } & Call : never;

export type Step =
  | { do: 'boot'; mood: Mood; troubles?: Trouble[] }
  | ({ do: 'recover'; resume?: boolean; onProgress?: Callback } & Call)
  | Plain<'confirm' | 'restore' | 'forget' | 'status' | 'partitions' | 'end' | 'abort' | 'leave'>
  | ({ do: 'plan'; options: BeginOptions } & Call)
  | ({ do: 'begin'; options: BeginOptions; image: Image } & Call)
  | ({ do: 'backup'; size?: number } & Call)
  | ({ do: 'write'; bytes: number; chunk: number; as: 'string' | 'array' | 'buffer' } & Call)
  /** `ota-http` updates from a server. `digest`: whether that of the first image is said; `stop`: whether `onPlan` throws. */
  | ({
      do: 'air';
      options: BeginOptions;
      image: Image;
      server: ServerName;
      /** Of all that the server does. */
      seed: number;
      digest?: boolean;
      stop?: boolean;
      /** Whether an update that fails stays open. */
      keep?: boolean;
      retries?: number;
    } & Call)
  /** A call with a wrong argument, one of `BAD`. */
  | ({ do: 'wrong'; call: 'write' | 'backup' | 'begin' | 'plan' | 'recover'; value: string } & Call)
  /** An app OTA over a slot; `torn`: sectors after which it was cut. The bootloader obeys otadata at the next boot. */
  | { do: 'ota'; slot: string; seed: number; torn?: number; entry?: Entry; isBad?: boolean }
  /** otadata is written by someone, without an app. */
  | { do: 'otadata'; entries: (Entry | undefined)[] }
  /** A tool flashes another table. */
  | { do: 'table'; rows: Row[]; isTorn?: boolean }
  /** An app or a tool writes sectors of its own; blank without a seed. `what` tells where, for the count of events. */
  | { do: 'app'; what: string; sector: number; count: number; seed?: number }
  /** An app writes a journal with valid CRCs: the records of one on the chip, moved to this sector and turned against `target`. */
  | {
      do: 'forge';
      from: number;
      sector: number;
      target: number;
      span: number;
      id: number;
      where: string;
    }
  /** Erases and programs of a sector do nothing any more; weak: every second one of them. */
  | { do: 'wear'; sector: number; weak?: boolean }
  /** Ids of all journals on the chip become higher, as if so many updates had been made; `to`: the highest becomes this. */
  | { do: 'age'; by: number; to?: number }
  /** A calm boot in which there has to be a way on: some partition can be updated. */
  | { do: 'way out'; image: Image; number: number };

export interface Life {
  chip: ChipSpec;
  steps: Step[];
}

/** Wrong arguments, by names that can be printed. */
export const BAD: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  NaN: NaN,
  '-1': -1,
  '0.5': 0.5,
  '2 ** 32': 2 ** 32,
  Infinity: Infinity,
  "'all'": 'all',
  '{}': {},
  '[1, 2]': [1, 2],
  true: true,
  '() => 1': () => 1,
  "''": '',
};
