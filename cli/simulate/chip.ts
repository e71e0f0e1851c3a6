/** The chip of a simulation: how it is made, what is done to it, what it must hold. */
import { crc32 } from 'node:zlib';
import type { Area, Options, OtaError, Plan, Progress, Report, Result } from '../../device/api.ts';
import {
  Board,
  type Counters,
  decodeTable,
  type Network,
  type NorFlash,
  SECTOR,
  seconds,
} from '../../host/index.ts';
import type { Ota } from '../device-module.ts';
import { InputError } from '../words.ts';

/** What is simulated. */
export interface Setup {
  /** The text of the device module, a character per byte. */
  bundle: string;
  /** The partition table, binary. */
  table: Uint8Array;
  /** What the partition holds before, and what it shall hold; erased flash follows either. */
  from: Uint8Array;
  to: Uint8Array;
  /** Labels. */
  partition: string;
  backup?: string;
  /** Scheme 2: no copy of the old content is kept. */
  isDirect: boolean;
  /** How often power fails. */
  cuts: number;
  /** Chooses where exactly, and what unstable bits read as. */
  seed: number;
}

/** What some work cost. */
export interface Cost {
  /** Sector erases. */
  erases: number;
  bytesProgrammed: number;
  bytesRead: number;
  /** Of flash time, for a W25Q32JV. */
  seconds: number;
}

type OnProgress = (progress: Progress) => void;

/** Bytes per call of `write`: what a network packet brings. */
const CHUNK = 1460;
const CHIP_SIZES = [4, 8, 16, 32].map((megabytes) => megabytes << 20);

/** @throws InputError if there is no such partition */
function assertLabel(setup: Setup, option: string, label: string): void {
  const labels = decodeTable(setup.table).map((row) => row.label);
  if (!labels.includes(label))
    throw new InputError(`--${option}: no partition "${label}"; there are ${labels.join(', ')}`);
}

/** @throws InputError if an image cannot be the content of the partition */
function assertImage(setup: Setup, option: 'from' | 'to'): void {
  const { size } = decodeTable(setup.table).find(({ label }) => label === setup.partition)!;
  const { length } = setup[option];
  if (length > size)
    throw new InputError(
      `--${option}: ${length} bytes do not fit "${setup.partition}", ${size} bytes`,
    );
  if (!length) throw new InputError(`--${option}: the image is empty`);
}

/**
 * Makes a board that holds the old content and the device module.
 * @param network - what it is connected to; default: nothing that is used
 * @throws InputError if something of the setup does not fit the rest
 */
export function makeBoard(setup: Setup, network?: Network): Board {
  const { table, partition, backup, from, bundle } = setup;
  assertLabel(setup, 'partition', partition);
  if (backup !== undefined) assertLabel(setup, 'backup', backup);
  assertImage(setup, 'from');
  assertImage(setup, 'to');
  const rows = decodeTable(table);
  const end = Math.max(...rows.map(({ address, size }) => address + size));
  const size = CHIP_SIZES.find((size) => size >= end);
  if (!size)
    throw new InputError(`--table: it ends at ${end} bytes; ${CHIP_SIZES.at(-1)} are simulated`);
  if (!rows.some(({ type }) => type === 0)) throw new InputError('--table: there is no app in it');
  const board = new Board({ table, size, partitions: { [partition]: from }, network });
  board.upload('ota', bundle);
  return board;
}

/** What the module is asked for. */
export function optionsOf(setup: Setup): Options {
  const { partition, backup, to, isDirect } = setup;
  return { partition, backup: isDirect ? false : backup, size: to.length, crc32: crc32(to) };
}

/** Takes what the module refuses to do for what the user has to change. */
function orRefused<T>(action: () => T, codes?: string[]): T {
  try {
    return action();
  } catch (error) {
    const { code, message } = error as OtaError;
    if (!code || (codes && !codes.includes(code))) throw error;
    throw new InputError(message);
  }
}

/** @throws InputError if the module refuses this update */
export function planOf(board: Board, setup: Setup): Plan {
  return orRefused(() => board.require<Ota>('ota').plan(optionsOf(setup)));
}

/** @throws PowerCut, and what the module throws; InputError if the backup is too small */
export function update(board: Board, setup: Setup, onProgress?: OnProgress): Result {
  const image = Buffer.from(setup.to).toString('latin1');
  return orRefused(() => {
    const update = board.require<Ota>('ota').begin({ ...optionsOf(setup), onProgress });
    for (let at = 0; at < image.length; at += CHUNK) update.write(image.slice(at, at + CHUNK));
    return update.end();
  }, ['E_SPACE']);
}

/** @throws PowerCut, and what the module throws */
export function recover(board: Board, onProgress?: OnProgress, resume = false): Report {
  return board.require<Ota>('ota').recover({ onProgress, resume });
}

/** @returns what was done between two readings of the counters. */
export function costOf(after: Counters, before: Counters): Cost {
  const erases = after.erases - before.erases;
  const bytesProgrammed = after.bytesProgrammed - before.bytesProgrammed;
  const bytesRead = after.bytesRead - before.bytesRead;
  const commands = after.commands - before.commands;
  const work = { erases, bytesProgrammed, bytesRead, commands };
  return { erases, bytesProgrammed, bytesRead, seconds: seconds(work) };
}

/** The areas that an update may write to. */
function areasOf({ partition, backup, journal }: Plan): Area[] {
  return [partition, backup, journal].filter((area) => area !== undefined);
}

/** What follows an image in its partition is erased. */
function padded(image: Uint8Array, size: number): Uint8Array {
  const content = new Uint8Array(size).fill(0xff);
  content.set(image);
  return content;
}

/** @returns the sectors in which two contents of a partition differ, counted from its start. */
function changedSectors(a: Uint8Array, b: Uint8Array): number[] {
  const sectors = Array.from({ length: a.length / SECTOR }, (_, n) => n);
  return sectors.filter((n) => {
    const [from, to] = [n * SECTOR, (n + 1) * SECTOR];
    return Buffer.compare(a.subarray(from, to), b.subarray(from, to)) !== 0;
  });
}

/** Compares the chip with what it must hold. */
export class Judge {
  readonly old: Uint8Array;
  readonly new: Uint8Array;
  readonly changed: number[];
  readonly #flash: NorFlash;
  readonly #before: Uint8Array;
  readonly #areas: Area[];

  /** @param flash - as it is before anything is done to it */
  constructor(flash: NorFlash, setup: Setup, plan: Plan) {
    this.old = padded(setup.from, plan.partition.size);
    this.new = padded(setup.to, plan.partition.size);
    this.changed = changedSectors(this.old, this.new);
    this.#flash = flash;
    this.#before = flash.peek(0, flash.size);
    this.#areas = areasOf(plan).sort((a, b) => a.address - b.address);
  }

  /** Bytes outside of target, backup and journal. */
  get outside(): number {
    return this.#areas.reduce((bytes, { size }) => bytes - size, this.#flash.size);
  }

  /** @returns which content the target holds, for good. */
  targetOf(flash: NorFlash, { address }: Area): 'new' | 'old' | 'neither' {
    if (flash.holds(address, this.new)) return 'new';
    return flash.holds(address, this.old) ? 'old' : 'neither';
  }

  /** @returns how many of the sectors that differ are new already, and how many are neither old nor new. */
  progressOf(flash: NorFlash, { address }: Area): { new: number; torn: number } {
    const isHeld = (content: Uint8Array, n: number) =>
      flash.holds(address + n * SECTOR, content.subarray(n * SECTOR, (n + 1) * SECTOR));
    const newer = this.changed.filter((n) => isHeld(this.new, n)).length;
    const older = this.changed.filter((n) => isHeld(this.old, n)).length;
    return { new: newer, torn: this.changed.length - newer - older };
  }

  /** @returns how many bytes outside of target, backup and journal have changed, and the first of them. */
  strayOf(flash: NorFlash): { bytes: number; first: number } {
    const now = flash.peek(0, flash.size);
    const areas = [...this.#areas, { address: flash.size, size: 0 }];
    let bytes = 0;
    let first = -1;
    let at = 0;
    for (const { address, size } of areas) {
      if (Buffer.compare(now.subarray(at, address), this.#before.subarray(at, address))) {
        for (; at < address; at++) {
          if (now[at] === this.#before[at]) continue;
          if (!bytes++) first = at;
        }
      }
      at = address + size;
    }
    return { bytes, first };
  }
}
