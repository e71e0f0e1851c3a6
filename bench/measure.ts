/** Counts what the bundle does to the simulated board's flash. */
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Options, Report, Result, Update } from '../device/api.ts';
import { Board, type Counters, FLASH_TIMING, type FlashProfile, seconds } from '../host/index.ts';
import { type Bound, boundOf } from './bound.ts';
import { type Case, LEGEND, makeCases } from './cases.ts';
import { type Reference, referenceOf, secondsByBlocks, secondsBySectors } from './reference.ts';

interface Ota {
  begin: (options: Options) => Update;
  recover: () => Report;
}

/** Bytes per call of `write`, as the reference was fed. */
const CHUNK = 1024;

/** Sectors that are erased for a journal on this board: all of its four but the head of the journal before. */
export const JOURNAL_SECTORS = 3;

export const PROFILES = Object.keys(FLASH_TIMING) as FlashProfile[];

/** Figures in seconds, for each kind of flash chip. */
type Seconds = Record<FlashProfile, number>;

export interface Measurement {
  name: string;
  what: string;
  state: Result['state'];
  /** Of a whole update, `begin` to `end`, with `size` given. */
  ours: Counters;
  /** The same with `crc32` given: `end` reads the image once more. */
  withCrc: Counters;
  bound: Bound;
  reference: Reference;
  seconds: {
    ours: Seconds;
    withCrc: Seconds;
    bound: Seconds;
    /** With sector erases only. */
    reference: Seconds;
    /** With erases of 64 KiB. */
    referenceByBlocks: Seconds;
  };
}

const bundle = () => readFileSync(new URL('../dist/ota.min.js', import.meta.url), 'latin1');

function forEachProfile(of: (profile: FlashProfile) => number): Seconds {
  return Object.fromEntries(PROFILES.map((profile) => [profile, of(profile)])) as Seconds;
}

function makeBoard(from: Uint8Array): Board {
  const board = new Board({ partitions: { storage: from } });
  board.upload('ota', bundle());
  return board;
}

/** Runs a whole update. @throws Error if the partition does not hold the image afterwards */
function update(board: Board, to: Uint8Array, options: Partial<Options>): Result {
  const ota = board.require<Ota>('ota');
  board.flash.resetCounters();
  const update = ota.begin({ partition: 'storage', size: to.length, ...options });
  for (let at = 0; at < to.length; at += CHUNK) update.write(to.slice(at, at + CHUNK));
  const result = update.end();
  const content = board.content('storage');
  const rest = content.subarray(to.length);
  if (Buffer.compare(content.subarray(0, to.length), to) || rest.some((byte) => byte !== 0xff))
    throw new Error('the partition does not hold the image');
  return result;
}

function measureCase({ name, from, to }: Case): Measurement {
  const plain = makeBoard(from);
  const { state } = update(plain, to, {});
  const checked = makeBoard(from);
  update(checked, to, { crc32: crc32(to) });
  const ours = { ...plain.flash.counters };
  const withCrc = { ...checked.flash.counters };
  const bound = boundOf(from, to);
  const reference = referenceOf(name);
  return {
    name,
    what: LEGEND[name],
    state,
    ours,
    withCrc,
    bound,
    reference,
    seconds: {
      ours: forEachProfile((profile) => seconds(ours, profile)),
      withCrc: forEachProfile((profile) => seconds(withCrc, profile)),
      bound: forEachProfile((profile) => seconds(bound, profile)),
      reference: forEachProfile((profile) => secondsBySectors(reference, profile)),
      referenceByBlocks: forEachProfile((profile) => secondsByBlocks(reference, profile)),
    },
  };
}

/** Measures every case. */
export function measure(): Measurement[] {
  return makeCases().map(measureCase);
}

/** What `recover` does at a boot that has nothing to recover. */
export interface IdleRecovery {
  name: string;
  counters: Counters;
}

function measureRecovery(name: string, board: Board): IdleRecovery {
  board.reboot();
  const ota = board.require<Ota>('ota');
  board.flash.resetCounters();
  ota.recover();
  return { name, counters: { ...board.flash.counters } };
}

/** Measures `recover` on a board that was never updated, and after updates of two sizes. */
export function measureIdleRecoveries(): IdleRecovery[] {
  const [all, , tenth] = makeCases();
  const updated = ({ from, to }: Case) => {
    const board = makeBoard(from);
    update(board, to, {});
    return board;
  };
  return [
    measureRecovery('never updated', makeBoard(all.from)),
    measureRecovery('after c', updated(tenth)),
    measureRecovery('after a', updated(all)),
  ];
}
