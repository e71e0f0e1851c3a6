/**
 * The life of a board over many boots, with what must be true at each moment: which contents the target
 * may hold, and what may be reported.
 */
import assert from 'node:assert/strict';
import type { Options, Plan, RecoverOptions, Report } from '../../device/api.ts';
import {
  type Board,
  type BoardSnapshot,
  type Mood,
  PowerCut,
  SECTOR,
  differences,
} from '../../host/index.ts';
import {
  STORAGE,
  boardWith,
  bootStraight,
  codeOf,
  contentName,
  fenceIn,
  padded,
} from './fixtures.ts';
import { type Ota, otaOf } from './subject.ts';

/** A complete content that the target may hold. */
interface Content {
  bytes: Uint8Array;
  /** Whether it is the content before the update that is under way, or the one after it; undefined: neither. */
  isNew?: boolean;
}

/** What is known of the target. It is never changed, so that a search can go back to it. */
export interface World {
  /** One content, or after a cut all that may be there once `recover` was called. */
  may: readonly Content[];
  /** What was reported while that was certain. */
  said: Report['state'];
  /** What `restore` and an expired trial may bring back. */
  previous: readonly Uint8Array[];
  /** Whether something is under way, so that the target may hold none of these until `recover`. */
  isOpen: boolean;
}

/** Everything about a life that a search goes back to. */
export interface Moment {
  board: BoardSnapshot;
  world: World;
}

const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** Codes with which a call may be refused; nothing has changed then. */
const REFUSED = ['E_STATE', 'E_CHANGED', 'E_PENDING', 'E_SPACE'];

export class Life {
  readonly board: Board;
  readonly options: Options;
  /** Where it is updated. */
  readonly plan: Plan;
  world: World;
  /** What has happened, for messages. */
  story: string[] = [];
  #start: BoardSnapshot;
  #allowed: Set<number>;
  #ota: Ota | undefined;

  constructor(
    content: Uint8Array,
    options: Partial<Options> = {},
    board: Board = boardWith({ partitions: { storage: content } }),
    others: Options[] = [],
  ) {
    this.board = board;
    this.options = { ...STORAGE, ...options };
    this.world = { may: [{ bytes: content }], said: 'none', previous: [], isOpen: false };
    this.plan = otaOf(board).plan(this.options);
    this.#allowed = fenceIn(board, this.options, ...others);
    this.#start = board.snapshot();
  }

  save(): Moment {
    return { board: this.board.snapshot(), world: this.world };
  }

  load(moment: Moment): void {
    this.board.restore(moment.board);
    this.world = moment.world;
    this.#ota = undefined;
  }

  /** Cuts power if it is on, and boots. */
  boot(mood: Mood = 'after'): this {
    this.story.push(`boot (cells read ${JSON.stringify(mood)})`);
    this.board.flash.cut();
    this.#ota = bootStraight(this.board, mood);
    return this;
  }

  get ota(): Ota {
    return this.#ota!;
  }

  /** Whether it is known what the target holds. */
  get isCertain(): boolean {
    return !this.world.isOpen;
  }

  /** Calls `recover`: the target is complete, the report is true. */
  recover(options?: RecoverOptions): Report {
    this.story.push(options?.resume ? 'recover({resume})' : 'recover');
    const { may, said, previous } = this.world;
    if (said === 'trial') {
      // This boot may be the one at which the trial is over.
      const kept = may.map((content) => ({ isNew: true, ...content }));
      const back = previous.map((bytes) => ({ bytes, isNew: false }));
      this.world = { ...this.world, may: [...kept, ...back], isOpen: true };
    }
    const report = this.ota.recover(options);
    this.#say(report.state);
    if (report.state !== 'interrupted') this.#know(report);
    else assert.ok(options?.resume, 'recover() left the update interrupted');
    return report;
  }

  /** Updates to an image, without calling `recover` before. @returns the code of what went wrong, or the state */
  update(image: Uint8Array, options: Partial<Options> = {}, backup?: number): string {
    const bytes = padded(image, this.plan.partition.size);
    this.story.push(`update to ${contentName(bytes)} ${JSON.stringify(options)}`);
    const from = this.world;
    const code = this.#attempt(from, () => {
      const update = this.ota.begin({ ...this.options, ...options, size: image.length });
      this.world = { ...from, may: [...before(from), { bytes, isNew: true }], isOpen: true };
      if (backup !== undefined) update.backup(backup);
      for (let at = 0; at < image.length; at += 3000) update.write(image.subarray(at, at + 3000));
      const { state } = update.end();
      this.#assertHolds([bytes]);
      const replaced = from.may.map(({ bytes }) => bytes);
      const isUntouched = state === 'untouched';
      this.world = {
        may: [{ bytes }],
        said: isUntouched ? this.ota.status().state : state,
        previous: isUntouched && !from.isOpen ? from.previous : replaced,
        isOpen: false,
      };
      return state;
    });
    return code;
  }

  /** Writes half of an image, and gives up: the old content is back. */
  abort(image: Uint8Array, size = 3 * SECTOR + 5): string {
    this.story.push('abort');
    const from = this.world;
    return this.#attempt(from, () => {
      const update = this.ota.begin(this.options);
      this.world = { ...from, may: before(from), isOpen: true };
      update.write(image.subarray(0, size));
      const { state } = update.abort();
      if (state === 'untouched') this.world = from;
      else this.#know({ state });
      return state;
    });
  }

  confirm(): string {
    this.story.push('confirm');
    const from = this.world;
    return this.#attempt(from, () => {
      const { state } = this.ota.confirm();
      assert.equal(state, 'committed');
      this.#assertHolds(from.may.map(({ bytes }) => bytes));
      this.world = { ...from, said: state, isOpen: false };
      return state;
    });
  }

  restore(): string {
    this.story.push('restore');
    const from = this.world;
    return this.#attempt(from, () => {
      const back = from.previous.map((bytes) => ({ bytes, isNew: false }));
      const kept = from.may.map((content) => ({ isNew: true, ...content }));
      this.world = { ...from, may: [...kept, ...back], isOpen: true };
      const { state } = this.ota.restore();
      assert.equal(state, 'restored');
      // A BEGIN whose program was cut may be there again: nothing is saved in that journal.
      const isKept = from.isOpen || from.said === 'none';
      const open = isKept ? from.may.filter(({ isNew }) => !isNew) : [];
      this.#assertHolds([...open, ...back].map(({ bytes }) => bytes));
      this.world = { may: [{ bytes: this.#content() }], said: state, previous: [], isOpen: false };
      return state;
    });
  }

  /** The app writes to the target. */
  write(sector: number, data: Uint8Array): void {
    assert.ok(this.isCertain);
    this.story.push(`the app writes sector ${sector}`);
    const { address } = this.board.partition(this.options.partition);
    this.board.flash.load(address + sector * SECTOR, data);
    this.world = { ...this.world, may: [{ bytes: this.#content() }] };
  }

  #say(result: string): void {
    this.story.push(`${this.story.pop()} -> ${result}`);
  }

  /** Does something that may be refused, or in which power may fail. */
  #attempt(from: World, act: () => string): string {
    let result = '';
    const code = codeOf(() => (result = act()));
    // An update that gives up throws why, whatever becomes of putting back.
    if (!this.board.flash.isOn)
      throw new PowerCut('power failed while the old content was put back');
    this.#say(result || code);
    if (code === 'nothing thrown') return result;
    if (!REFUSED.includes(code)) throw new Error(`threw ${code}`);
    // Nothing has changed; an update that was open is put back.
    this.world = from;
    if (this.isCertain) this.#assertHolds(from.may.map(({ bytes }) => bytes));
    return code;
  }

  #content(): Uint8Array {
    return this.board.content(this.options.partition);
  }

  /** Checks that the target holds one of these now, and at every later boot; and all else is as it was. */
  #assertHolds(contents: readonly Uint8Array[]): void {
    const { board } = this;
    const { address, size } = this.plan.partition;
    if (!contents.some((bytes) => board.flash.holds(address, bytes))) {
      const found = this.#content();
      const wanted = contents.map(contentName).join(' or ') || 'what may be reported so';
      const unstable = board.flash.unstableBits(address, size);
      assert.fail(
        `the target holds ${contentName(found)}, not ${wanted}; ${unstable} bits are unstable`,
      );
    }
    for (const sector of differences(board.flash.snapshot(), this.#start.flash))
      assert.ok(this.#allowed.has(sector), `sector 0x${sector.toString(16)} has changed`);
  }

  /** Takes note of a report, after checking it. */
  #know({ state }: Report): void {
    const { may, said, previous, isOpen } = this.world;
    const wanted = may.filter(({ isNew }) => {
      if (isNew === undefined) return true;
      if (state === 'restored') return !isNew;
      // An update that is not known of yet leaves the report of the one before.
      return state === 'committed' || state === 'trial' ? isNew || state === said : !isNew;
    });
    try {
      this.#assertHolds(wanted.map(({ bytes }) => bytes));
    } catch (error) {
      throw new Error(`reported ${state}: ${(error as Error).message}`, { cause: error });
    }
    const { address } = this.plan.partition;
    const found = may.find((content) => this.board.flash.holds(address, content.bytes))!;
    const replaced = may.filter(({ isNew }) => !isNew).map(({ bytes }) => bytes);
    // A content that is not the new one may be that of an earlier update, which itself has replaced another.
    const more = previous.filter((bytes) => !replaced.some((other) => isSame(bytes, other)));
    const kept = found.isNew ? replaced : [...replaced, ...more];
    this.world = {
      may: [{ bytes: found.bytes }],
      said: state,
      // A BEGIN whose spoiling was cut may be there again.
      previous: state === 'restored' ? [] : isOpen && state !== 'none' ? kept : previous,
      isOpen: false,
    };
  }
}

/** @returns what may be there before an update: it is open how `begin` finishes what a cut left behind. */
function before({ may, isOpen }: World): Content[] {
  return may.map(({ bytes }) => ({ bytes, isNew: isOpen ? undefined : false }));
}

/** Runs a check; if it fails, tells the story. */
export function tell<T>(life: Life, name: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof PowerCut) throw error;
    throw new Error(`${name}: ${life.story.slice(-14).join('; ')}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
