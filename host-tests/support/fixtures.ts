/** What the suites of power cuts share: small boards, images, cuts, and what must be true after one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Options, Report, Result } from '../../device/api.ts';
import { RECORD_LETTERS } from '../../device/records.ts';
import {
  Board,
  type BoardOptions,
  type BoardSnapshot,
  type Change,
  type Mood,
  NorFlash,
  PAGE,
  PowerCut,
  type Row,
  SECTOR,
  type Snapshot,
  TEARS,
  type Tear,
  differences,
  latin1,
  pattern,
  tearsOf,
} from '../../host/index.ts';
import { runtimeOf } from './runtime.ts';
import { type Ota, SUBJECT, otaOf, uploadTo } from './subject.ts';
import { tally } from './tally.ts';

/** Whether to run the larger form of the suites: `npm run test:full`. */
export const IS_FULL = process.env.CUTS === 'full';

/**
 * Whether a sample of the searches will do: these two differ only in form from ota.min.js, which is what goes on the
 * chip. Mutants are searched as thoroughly as that.
 */
export const IS_SAMPLE = !IS_FULL && ['sources', 'ota.js'].includes(SUBJECT);

/** What was simulated, to be printed at the end. */
export const counts = { cuts: 0, boots: 0 };
/** The names of the forms that operations were torn in. */
const forms = new Set<string>();

after(() => {
  if (counts.cuts)
    console.log(`  ${counts.cuts} simulated power cuts, ${counts.boots} boots (${SUBJECT})`);
  tally('cuts', { ...counts, mostForms: forms.size });
});

// Boards

/** Makes a row of a partition table. @param sector - where it begins; `count`: sectors */
export const row = (
  label: string,
  type: number,
  subtype: number,
  sector: number,
  count: number,
  flags = 0,
): Row => ({ label, type, subtype, address: sector * SECTOR, size: count * SECTOR, flags });

/** Sectors of `storage`, the target. */
export const SECTORS = 6;

/** A table for a chip of 1 MB. `near` and `beside` are the target's neighbours; nothing may touch them. */
export const SMALL: Row[] = [
  row('nvs', 1, 2, 0x09, 4),
  row('otadata', 1, 0, 0x0d, 2),
  row('phy_init', 1, 1, 0x0f, 1),
  row('ota_0', 0, 0x10, 0x10, 16),
  row('ota_1', 0, 0x11, 0x20, 16),
  row('near', 1, 0x82, 0x30, 2),
  row('storage', 1, 0x82, 0x32, SECTORS),
  row('beside', 1, 0x82, 0x38, 2),
  row('spare', 1, 0x40, 0x3a, 6),
  row('log', 1, 0x41, 0x40, 1),
];
/** The same with a partition for the journal. */
export const WITH_JOURNAL: Row[] = [...SMALL, row('ota_journal', 1, 6, 0x41, 2)];

/** The same with more sectors in the target, all that is behind it moved. */
export function withTarget(sectors: number): Row[] {
  const end = (0x32 + SECTORS) * SECTOR;
  const more = (sectors - SECTORS) * SECTOR;
  return WITH_JOURNAL.map((row) => ({
    ...row,
    address: row.address < end ? row.address : row.address + more,
    size: row.label === 'storage' ? sectors * SECTOR : row.size,
  }));
}

/** @returns a board of 1 MB with the module on it; `storage` holds OLD. */
export function boardWith(options: BoardOptions = {}): Board {
  const { partitions, ...others } = options;
  const board = new Board({
    table: WITH_JOURNAL,
    size: 0x100000,
    partitions: { storage: OLD, ...partitions },
    ...others,
  });
  uploadTo(board);
  return board;
}

// Images

type Content = 'blank' | 'hole' | 'page' | 'half' | 'full';

/** @returns a sector: blank, with a blank page in front, with one page of content, half full, full. */
function sectorOf(seed: string, content: Content): Uint8Array {
  const bytes = new Uint8Array(SECTOR).fill(0xff);
  const [from, to] = {
    blank: [0, 0],
    hole: [PAGE, 2 * PAGE - 60],
    page: [0, 200],
    half: [0, SECTOR / 2],
    full: [0, SECTOR],
  }[content];
  bytes.set(pattern(seed, SECTOR).subarray(from, to), from);
  return bytes;
}

/** @returns an image, sector by sector: a seed and how full it is, e.g. 'a full, b page'. */
export function image(text: string): Uint8Array {
  const sectors = text.split(', ').map((part) => {
    const [seed, content] = part.split(' ');
    return sectorOf(seed, content as Content);
  });
  return Buffer.concat(sectors);
}

export const OLD = image('a0 page, a1 page, a2 blank, a3 hole, a4 page, a5 page');
/** Sector 3 stays; sector 1 becomes blank; sector 2 was blank. */
export const NEW = image('b0 page, b1 blank, b2 page, a3 hole, b4 page, b5 page');
/** Sector 0 is that of NEW, sector 4 that of OLD. */
export const OTHER = image('b0 page, c1 page, c2 blank, c3 page, a4 page, c5 hole');
/** An image of two sectors and a half. */
export const SHORT = image('d0 page, d1 page, d2 half').subarray(0, 2 * SECTOR + 1500);

/** A target of eight sectors, and images for it: pairs of cuts are a search, and want one that is not too small. */
export const WIDE = {
  sectors: 8,
  OLD: Buffer.concat([OLD, image('a6 page, a7 page')]),
  NEW: Buffer.concat([NEW, image('b6 hole, b7 page')]),
  OTHER: Buffer.concat([OTHER, image('c6 page, a7 page')]),
};

/** @returns what a partition holds once it was updated to an image. */
export function padded(image: Uint8Array, size = SECTORS * SECTOR): Uint8Array {
  if (image.length === size) return image;
  const content = new Uint8Array(size).fill(0xff);
  content.set(image);
  return content;
}

// Updates

export const STORAGE: Options = { partition: 'storage' };

/** Updates to an image, written in chunks. */
export function update(
  ota: Ota,
  image: Uint8Array,
  options: Partial<Options> = {},
  chunk = SECTOR,
): Result {
  const update = ota.begin({ ...STORAGE, size: image.length, ...options });
  for (let at = 0; at < image.length; at += chunk) update.write(image.subarray(at, at + chunk));
  return update.end();
}

/** @returns the code of the error that `call` throws, if it is one of this library's. Other errors pass through. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    const { code } = error as { code?: string };
    if (!code?.startsWith('E_')) throw error;
    return code;
  }
  return 'nothing thrown';
}

// Cuts

/** One program or erase, and the chip just before it. */
export interface Step {
  /** 1 is the first. */
  number: number;
  kind: Change;
  address: number;
  length: number;
  /** What is programmed. */
  data?: Uint8Array;
  before: Snapshot;
  /** What `note` returned. */
  note?: unknown;
}

/** Runs `act`, and notes each operation that power could fail in, with what `note` returned before it. */
export function record(board: Board, act: () => void, note?: () => unknown): Step[] {
  const { flash } = board;
  const steps: Step[] = [];
  const add = (kind: Change, address: number, length: number, data?: Uint8Array) =>
    steps.push({
      number: steps.length + 1,
      kind,
      address,
      length,
      data: data && new Uint8Array(data),
      before: flash.snapshot(),
      note: note?.(),
    });
  flash.erase = (address) => {
    add('erase', address, SECTOR);
    NorFlash.prototype.erase.call(flash, address);
  };
  flash.program = (address, data) => {
    for (let done = 0; done < data.length;) {
      const length = Math.min(PAGE - ((address + done) % PAGE), data.length - done);
      const part = data.subarray(done, done + length);
      if (part.some((byte) => byte !== 0xff)) add('program', address + done, length, part);
      NorFlash.prototype.program.call(flash, address + done, part);
      done += length;
    }
  };
  try {
    act();
  } finally {
    // In any other order V8 would make a slow dictionary of the chip.
    Reflect.deleteProperty(flash, 'program');
    Reflect.deleteProperty(flash, 'erase');
  }
  return steps;
}

/** Lets power fail in a step. The chip is off afterwards, as if all before it had been run again. */
export function cutIn(board: Board, step: Step, tear: Tear): void {
  const { flash } = board;
  flash.restore(step.before);
  flash.cutAt(1, tear);
  const { stackTraceLimit } = Error;
  // This error is never seen, and its stack would cost more time than all else.
  Error.stackTraceLimit = 0;
  try {
    if (step.data) flash.program(step.address, step.data);
    else flash.erase(step.address);
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  assert.ok(!flash.isOn);
  counts.cuts++;
  forms.add(tear.name);
}

/** @returns the ways to tear a step. That nothing was done yet is the end of the step before. */
export function tearsIn(step: Step): Tear[] {
  return tearsOf(step).filter((_, i) => i > 0 || step.number === 1);
}

/**
 * Whether a step is a program of BEGIN or of its SOLID, or of zero over that: two slots of 16 bytes, from the start
 * of a sector on. What is programmed into other sectors comes in whole pages.
 */
export function isHead({ kind, address, length }: Step): boolean {
  return kind === 'program' && length < PAGE && address % SECTOR < 32;
}

/** @returns the name of a cut, for messages. */
export function nameOf(step: Step, steps: Step[], tear: Tear): string {
  const address = `0x${step.address.toString(16)}`;
  return `cut in operation ${step.number} of ${steps.length} (${step.kind} of ${step.length} bytes at ${address}), ${tear.name}`;
}

/** Runs a check; if it fails, the message tells in which run. */
export function during<T>(name: () => string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const shown = code && !code.startsWith('ERR') ? `${code}: ${message}` : message;
    throw new Error(`${name()}: ${shown}`, { cause: error });
  }
}

/** How unstable cells may read, and what they flip to at the next boot. */
const MOODS: [Mood, Mood][] = [
  ['ones', 'zeros'],
  ['zeros', 'ones'],
  ['before', 'zeros'],
  ['after', 'before'],
  [{ seed: 1 }, 'ones'],
  [
    { seed: 2, whole: 16 },
    { seed: 3, whole: 16 },
  ],
];

/** @returns the moods that differ, of a chip that has just lost power in a step. */
function differentMoods({ flash }: Board, { address, length }: Step): [Mood, Mood][] {
  const torn = flash.unstableBits(address, length);
  const total = flash.unstableBits();
  if (!total) return MOODS.slice(0, 1);
  if (total > torn) return MOODS;
  const seen = new Set<string>();
  return MOODS.filter((moods) => {
    const key = moods
      .map((mood) => {
        flash.restart(mood);
        return latin1(flash.peek(address, length));
      })
      .join();
    flash.cut();
    return seen.size < seen.add(key).size;
  });
}

/** @returns one of the moods, in turn. */
export function moodInTurn(number: number): [Mood, Mood][] {
  return [MOODS[number % MOODS.length]];
}

/**
 * Lets power fail in a step in each form, with its cells reading in each way, and calls `checks`: with the first
 * form all of them, with each other one of them in turn.
 *
 * In the first form every bit is unstable that the others may leave so. If nothing meets one of them before they
 * are erased, then whatever they hold comes to the same, and no check is made with another form.
 * @param forms - with TEARS.everyBit among them
 * @param moodsOf - the ways to read; default: all that differ
 */
export function everyForm(
  board: Board,
  step: Step,
  checks: ((moods: [Mood, Mood], tear: Tear) => void)[],
  forms: Tear[] = tearsIn(step),
  moodsOf: (number: number) => [Mood, Mood][] = () => differentMoods(board, step),
): void {
  const { flash } = board;
  const isFirst = (tear: Tear) => tear === TEARS.everyBit;
  const tears = forms.toSorted((a, b) => Number(isFirst(b)) - Number(isFirst(a)));
  let number = step.number;
  let isAlike = false;
  for (const tear of tears) {
    cutIn(board, step, tear);
    if (isAlike) continue;
    const torn = flash.snapshot();
    const { guesses } = flash;
    moodsOf(number).forEach((moods, n) => {
      if (isAlike) return;
      const isDue = isFirst(tear) && !n;
      for (const check of isDue ? checks : [checks[number % checks.length]]) {
        flash.restore(torn);
        check(moods, tear);
      }
      number++;
      isAlike = isDue && flash.guesses === guesses;
    });
  }
}

/** @returns the name of a pair of moods, for messages. */
export function moodName([first, second]: [Mood, Mood]): string {
  return `cells read ${JSON.stringify(first)}, then ${JSON.stringify(second)}`;
}

/** Boots with `mood` and @returns the module. */
export function boot(board: Board, mood: Mood = 'after'): Ota {
  counts.boots++;
  board.powerOn(mood);
  return otaOf(board);
}

/** The same without Espruino in between, for searches: see `runtime.ts`. */
export function bootStraight(board: Board, mood: Mood = 'after'): Ota {
  const ota = boot(board, mood);
  ota.use(runtimeOf(board));
  return ota;
}

// What must be true

/** What `recover` may report, and what the target holds then. `undefined`: anything. */
export type Outcomes = Partial<Record<Report['state'], Uint8Array | undefined>>;

/** A part of a life that power may fail in. */
export interface Scene {
  board: Board;
  /** How it boots. Default: with Espruino. */
  boot?: typeof boot;
  /** The chip when it starts. */
  start: BoardSnapshot;
  /** What is updated, from where to where. */
  options: Options;
  /** Sectors that may change. */
  allowed: Set<number>;
  /** What `recover` may report after a cut. */
  outcomes: Outcomes;
  /** What power fails in. */
  act: (ota: Ota) => void;
}

/** @returns the sectors that an update may change, by its plan; the chip fails when others are touched. */
export function fenceIn(board: Board, ...updates: Options[]): Set<number> {
  const sectors = new Set<number>();
  board.flash.allowAll();
  for (const options of updates) {
    const { partition, backup, journal } = otaOf(board).plan(options);
    for (const area of [partition, backup, journal]) {
      if (!area) continue;
      board.flash.allow(area.address, area.address + area.size);
      for (let at = 0; at < area.size; at += SECTOR) sectors.add((area.address + at) / SECTOR);
    }
  }
  return sectors;
}

/** Checks that nothing has changed but what may. */
export function assertNeighbours({ board, start, allowed }: Scene): void {
  for (const sector of differences(board.flash.snapshot(), start.flash))
    assert.ok(allowed.has(sector), `sector 0x${sector.toString(16)} has changed`);
}

const KNOWN: [string, Uint8Array][] = [
  ...Object.entries({ OLD, NEW, OTHER, SHORT: padded(SHORT) }),
  ...Object.entries({ OLD: WIDE.OLD, NEW: WIDE.NEW, OTHER: WIDE.OTHER }),
  ['SHORT', padded(SHORT, WIDE.sectors * SECTOR)],
];
const names = new WeakMap<Uint8Array, string>();

/** @returns the name of a content, for messages. The content must not change any more. */
export function contentName(content: Uint8Array): string {
  let name = names.get(content);
  if (name === undefined) {
    const entry = KNOWN.find(([, bytes]) => Buffer.compare(bytes, content) === 0);
    name = entry?.[0] ?? `(${createHash('sha1').update(content).digest('hex').slice(0, 7)})`;
    names.set(content, name);
  }
  return name;
}

/** Checks that the target holds this and will after every restart. */
export function assertHolds(board: Board, label: string, content: Uint8Array): void {
  const { address, size } = board.partition(label);
  if (board.flash.holds(address, content)) return;
  const found = board.content(label);
  const unstable = board.flash.unstableBits(address, size);
  const wrong = Array.from({ length: size / SECTOR }, (_, n) => n).filter((n) => {
    const range = [n * SECTOR, (n + 1) * SECTOR];
    return Buffer.compare(found.subarray(...range), content.subarray(...range)) !== 0;
  });
  assert.fail(
    `"${label}" holds ${contentName(found)}, not ${contentName(content)} (sectors ${wrong.join(' ')} differ, ${unstable} unstable bits)`,
  );
}

/** Checks that a report is among those expected, and is true. */
export function assertReport(scene: Scene, report: Report): void {
  const { outcomes, board, options } = scene;
  assert.ok(report.state in outcomes, `reported ${report.state}`);
  const content = outcomes[report.state];
  during(
    () => `reported ${report.state}`,
    () => {
      if (content) assertHolds(board, options.partition, content);
      assertNeighbours(scene);
    },
  );
}

/**
 * Whether a report may follow another. A BEGIN may read as such at one boot and not at the next, because it was cut. So
 * may the first record of a direct update. The content stays the same.
 */
function mayFollow(one: Report['state'], other: Report['state']): boolean {
  const isClosed = (state: string) => ['none', 'restored', 'committed'].includes(state);
  const isVoid = (state: string) => ['incomplete', 'damaged'].includes(state);
  return (
    one === other ||
    (isClosed(other) && (isClosed(one) || one === 'incomplete')) ||
    (isVoid(one) && isVoid(other))
  );
}

/**
 * Boots a board that has lost power and recovers, again in the same boot, and at two more boots between
 * which the cells that a cut has left unstable flip: the target is complete, the report is true and stays
 * the same, and there is nothing left to do in the end.
 */
export function assertRecovers(scene: Scene, [first, second]: [Mood, Mood]): Report {
  const { board, boot: start = boot } = scene;
  const { flash } = board;
  const ota = start(board, first);
  const report = ota.recover();
  assertReport(scene, report);
  if (report.state === 'trial' || report.sealed === false) return report;
  assertIdle('again in the same boot', board, () => {
    assert.equal(ota.recover().state, report.state);
  });

  const isStable = [...scene.allowed].every((n) => !flash.unstableBits(n * SECTOR, SECTOR));
  const next = (mood: Mood) => {
    flash.cut();
    const { state } = start(board, mood).recover();
    assert.ok(mayFollow(report.state, state), `reported ${report.state}, then ${state}`);
  };
  if (isStable) {
    assertIdle('at the second boot', board, () => next(second));
  } else {
    during(
      () => 'at the second boot',
      () => {
        next(second);
        assertNeighbours(scene);
      },
    );
    assertIdle('at the third boot', board, () => next(first));
  }
  const content = scene.outcomes[report.state];
  if (content) assertHolds(board, scene.options.partition, content);
  return report;
}

/** Checks that nothing is written. */
export function assertIdle(when: string, { flash }: Board, act: () => void): void {
  const { operations } = flash.counters;
  during(() => when, act);
  assert.equal(flash.counters.operations - operations, 0, `${when} something was written`);
}

/** @returns seeded random integers: `below(n)` is 0 to n - 1 (xorshift32, Marsaglia 2003). */
export function random(seed: number): (n: number) => number {
  let state = Math.imul(seed, 0x9e3779b1) || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

/** @returns the letter of a journal record, by its type (see device/records.ts). */
export function letterOfType(type: number): string {
  return RECORD_LETTERS[type];
}
