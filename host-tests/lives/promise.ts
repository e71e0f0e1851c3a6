/**
 * The promise, as a user reads it in README: what a chip must hold and what calls must say, whatever happens to the chip.
 * It knows nothing of the journal's format and nothing of how the module works: it is told what is called, what is returned,
 * which sectors are written and what others do to the chip.
 *
 * An update is *tracked* from `begin` on. Its target holds the complete old content or the complete new one whenever a call
 * has told where the update stands, unless one of `EXCUSES` has happened to it.
 */
import type { Plan, Report, Result } from '../../device/api.ts';
import { READONLY } from '../../device/partitions.ts';
import { type NorFlash, SECTOR } from '../../host/index.ts';
import type { BeginOptions, Row } from './life.ts';
import {
  FIRST,
  type Range,
  isApp,
  isIn,
  isOtadata,
  isSame,
  meet,
  overlapping,
  placesOf,
  rangeOf,
} from './world.ts';

/** What cannot be held, for which event, and why. Each is as narrow as it can be. README's table is made from these. */
export const EXCUSES = {
  direct: {
    event: 'power fails in a direct update',
    content: 'neither, until an update of the partition ends',
    report: 'incomplete, at every boot',
    why: 'no copy of the old content was made',
  },
  backup: {
    event: 'an app OTA, an app or a tool writes into the backup while an update is open',
    content: 'neither, if a copy that is needed was overwritten',
    report: 'damaged, then incomplete, at every boot',
    why: 'the old content is nowhere any more',
  },
  app: {
    event: 'an app writes to the partition while an update of it is open',
    content: 'sectors that the app has written may hold what it wrote; all others are complete',
    report: 'as ever',
    why: 'nothing tells what the app wrote from what the update wrote',
  },
  journal: {
    event: 'an app or a tool writes into ota_journal or free flash while an update is open',
    content: 'neither',
    report:
      'damaged if anything can be read of the journal; else that of an earlier update, or none',
    why: 'nothing else on the chip tells of the update',
  },
  forged: {
    event: 'an app writes a journal with valid CRCs into ota_journal or free flash',
    content: 'of partitions that may be updated: anything. No other byte is written',
    report:
      'what the forged journal says; at a later boot with read errors, also what an older one says',
    why: 'it cannot be told from a journal of this module, and its id is any',
  },
  table: {
    event:
      'a table is flashed that moves, drops or covers target or journal of an update that is open',
    content: 'neither; nothing is written',
    report:
      'damaged; none or that of an earlier update where the journal is in no place for one any more',
    why: 'the partition is not where the update has begun',
  },
  hidden: {
    event:
      'a table is flashed that hides a journal, updates are made, and a third table shows it again',
    content: 'neither, until an update ends',
    report: 'that of the journal with the highest id',
    why: 'what is in a partition is never read as a journal, so its id is not known',
  },
  worn: {
    event: 'a sector of the target keeps nothing any more',
    content: 'neither: that sector holds what it holds',
    report: 'E_FLASH, at every boot',
    why: 'no content can be put there',
  },
  wornJournal: {
    event: 'a sector of the journal keeps nothing any more',
    content: 'complete',
    report:
      'sealed: false: the old content is put back at every boot, and status says what was recorded, also of a commit that was cut; another update throws E_FLASH',
    why: 'a decision cannot be recorded',
  },
  torn: {
    event: 'an erase or a program of cells that a cut has torn does nothing',
    content: 'neither, if they read right when they are checked and wrong later',
    report:
      'damaged where they keep the old content, none where they keep the journal; else as ever',
    why: 'reading back does not tell that cells are unstable',
  },
  trouble: {
    event: 'a read error, a dropped program or a dropped erase in this boot',
    content: 'complete after the next boot without one',
    report:
      'damaged or E_FLASH, at this boot; what was committed in it stays: restore may throw E_CHANGED',
    why: 'what cannot be read may be read at the next boot, but not what was recorded of it',
  },
} as const;
type Excuse = keyof typeof EXCUSES;

/** The promise was broken. */
export class Broken extends Error {
  override name = 'Broken';
}

type State = Report['state'];

/**
 * How far an update has come, as far as a user can know.
 * - clean: nothing is written yet
 * - open: sectors are written
 * - ending: `end` was called and power failed in it
 * - undoing: `restore` of what was committed, or the end of a trial, may have begun
 * - trial, committed, restored: reported
 * - void: the content counts for nothing, which was reported
 */
type Phase = 'clean' | 'open' | 'ending' | 'undoing' | 'trial' | 'committed' | 'restored' | 'void';

/** An update. */
interface Tracked {
  label: string;
  target: Range;
  backup?: Range;
  journal?: Range;
  isDirect: boolean;
  /** Whether it may be of what the firmware is using. */
  isLive: boolean;
  phase: Phase;
  /** The content before it; whether that counts for nothing itself. */
  old: Uint8Array;
  isOldVoid: boolean;
  /** What may come back besides: see `began`. */
  also: Uint8Array[];
  /** Whether it is not known: the update was resumed when nothing was known of it. */
  isOldUnknown?: boolean;
  /** Complete new contents, of each `end` that was called. */
  news: Uint8Array[];
  /** What others have written to sectors of the target since. */
  others: Map<number, Uint8Array[]>;
  /** Sectors that were unstable before it; and those of which no journal tells that. */
  unstable: Set<number>;
  wild: Set<number>;
  /** Trial: boots there may be; boots that were counted for certain; boots that may have been counted. */
  limit: number;
  counted: number;
  begun: number;
  /** Whether `backup()` was called for all of it. */
  excuses: Set<Excuse>;
  /** What may still be reported until this update is known: the one before. */
  before?: Tracked;
  /** Updates have numbers in their order. */
  serial: number;
  /** Cuts since it began: each may take slots of the journal. */
  cuts: number;
  /** Whether the report could not be recorded: the same is done at every boot. */
  isUnsealed?: boolean;
  /** Whether power has failed in `confirm`. */
  mayBeConfirmed?: boolean;
  /** Whether it was given up in this boot: the old content is back already. */
  isOver?: boolean;
  /** Whether its target or its journal is not where it was, by the table of now. */
  isAway?: boolean;
  /** Whether it has ended in a boot with read errors: what it holds may differ from what was noted of it. */
  isMisread?: boolean;
}

/** One thing that may be true: what is reported, and what holds then. */
interface Outcome {
  states: State[];
  of?: Tracked;
  phase?: Phase;
  /** Contents that each of these may hold; none: any. */
  holds: [Tracked, Uint8Array[]][];
}

/** What may take the old content from an update that is open. */
const LOSING: Excuse[] = ['backup', 'table', 'torn'];
const SETTLED: Phase[] = ['committed', 'restored'];
const STATES: State[] = [
  'none',
  'untouched',
  'updating',
  'interrupted',
  'restored',
  'committed',
  'trial',
  'incomplete',
  'damaged',
];

/** Every code of README's table that this module may throw. */
const CODES = [
  'E_ARGUMENT',
  'E_NO_PARTITION',
  'E_FORBIDDEN',
  'E_NO_BACKUP',
  'E_SPACE',
  'E_PENDING',
  'E_STATE',
  'E_SIZE',
  'E_VERIFY',
  'E_FLASH',
  'E_CHANGED',
];

export type Outcomes = { value?: unknown; error?: { code?: string; message: string } };

export class Promised {
  rows: Row[] = [];
  isTableTorn = false;
  /** The app that runs at this boot. */
  running: Row | undefined;
  /** The update that counts, or the one that may. */
  update: Tracked | undefined;
  /** Whether anything may be reported: see EXCUSES.forged and EXCUSES.hidden. */
  isUnknown = false;
  /**
   * Updates that power has stopped where their journals begin: the one before was reported since. Their first records may
   * read one way now and another way later, so that they are reported after all; their targets were not written.
   */
  ghosts: Tracked[] = [];
  /** Updates whose journal lies in no place of this table. */
  hidden: Tracked[] = [];
  worn = new Set<number>();
  /** Whether something goes wrong at this boot, or cells read differently at each read. */
  isTroubled = false;
  /** How many reads may err at this boot. */
  misreads = 0;
  /** Whether erases are dropped at this boot: cells that a cut has torn may then read right once, and wrong later. */
  dropsErases = false;
  /** Whether programs are dropped. */
  dropsPrograms = false;
  /** What `status` has said, until something is written or called. */
  said: State | undefined;
  places: Range[] = [];

  /** Updates that copies of the module in RAM have begun. */
  inHand: () => Tracked[] = () => [];

  readonly #flash: NorFlash;
  /** An address in the partition that the engine lives on. */
  readonly #live: number | undefined;
  #fence: Range[] = [];
  #heads: Range[] = [];
  /** Operations since the call began. */
  operations = 0;
  #isUpdating = false;

  constructor(flash: NorFlash, live: number | undefined) {
    this.#flash = flash;
    this.#live = live;
  }

  // What others do

  /** Whether others have written into the place of the journal of the update in progress. */
  isDisturbed = false;

  boot(running: Row | undefined, isTroubled: boolean): void {
    this.running = running;
    this.isTroubled = isTroubled;
    this.said = undefined;
    this.#isUpdating = this.isDisturbed = false;
    // Ids do not tell the order any more: a journal that is over speaks if its zeros are read wrong.
    if (isTroubled && this.#forged.length) this.#loseTrack();
    if (this.update?.phase === 'clean') this.update = this.update.before;
  }

  /** A tool has flashed a table. */
  flashed(rows: Row[], isTorn: boolean): void {
    this.#isShaky ||= this.rows.length > 0;
    this.rows = rows;
    this.isTableTorn = isTorn || rows.some((row) => row.address + row.size > this.#flash.size);
    this.places = placesOf(rows, this.#flash.size / SECTOR, (row) => this.isLive(row));
    const before = this.#heads;
    this.#heads = this.places.map(({ first, span }) => ({ first: first + span - 2, span: 2 }));
    const isForged = (sector: number) => this.places.some((place) => isIn(place, sector));
    if (this.planted.some(isForged)) this.#forged.push(...this.planted);
    if (this.#forged.some(isForged)) this.#loseTrack();
    // What is hidden when nothing is known may be any journal.
    if (this.isUnknown) this.#forged.push(...before.map(({ first }) => first));
    const isShown = (tracked: Tracked) =>
      !tracked.journal || this.#heads.some((head) => endOf(head) === endOf(tracked.journal!));
    // A place that ends elsewhere may begin with the lower head of another one, or end with it.
    const isShownAgain = ({ journal }: Tracked) =>
      this.#heads.some((head) => meet(head, { first: endOf(journal!) - 2, span: 2 }));
    if (this.hidden.some((tracked) => isShownAgain(tracked))) this.isUnknown = true;
    for (const tracked of [...this.#known(), ...this.#forgotten]) {
      const isThere = rows.some(
        (row) =>
          isSame(rangeOf(row), tracked.target) &&
          this.#whyNotTarget(row, tracked.isLive) === undefined,
      );
      tracked.isAway = !isThere || !isShown(tracked);
      if (!tracked.isAway && this.#isBackupKept(tracked)) continue;
      tracked.excuses.add('table');
      if (!isShown(tracked)) this.hidden.push(tracked);
    }
  }

  /** A forged journal may speak, until an update ends that begins from now on. */
  #loseTrack(): void {
    this.isUnknown = true;
    this.#forgedAt = this.#serial;
  }

  /** Updates that may be reported, and those before them; `more`: those that copies of the module have in hand. */
  #known(more: readonly Tracked[] = this.inHand()): Set<Tracked> {
    const known = new Set<Tracked>();
    for (const last of [this.update, ...this.ghosts, ...more])
      for (let tracked = last; tracked; tracked = tracked.before) known.add(tracked);
    return known;
  }

  #isBackupKept({ backup }: Tracked): boolean {
    // A row that was laid over it may be written to by others; then these are told of.
    return !backup || backup.span > 0;
  }

  /** An app or a tool is about to write sectors; `isForged`: a journal with valid CRCs. */
  written(range: Range, isForged = false): void {
    this.said = undefined;
    for (const tracked of this.#known()) {
      if (tracked.backup && meet(tracked.backup, range)) tracked.excuses.add('backup');
      if (tracked.journal && meet(tracked.journal, range)) tracked.excuses.add('journal');
      for (let n = 0; n < range.span; n++)
        if (isIn(tracked.target, range.first + n)) tracked.excuses.add('app');
    }
    for (const tracked of this.#forgotten)
      if (tracked.journal && meet(tracked.journal, range)) tracked.excuses.add('journal');
    const isPlace = this.places.some((place) => meet(place, range));
    if (isPlace) this.#isShaky = true;
    if (isForged) this.#forged.push(range.first);
    if (isPlace && isForged) this.#loseTrack();
    if (isPlace && this.update) this.update.excuses.add('journal');
    if (isPlace) this.isDisturbed = this.#isUpdating;
  }

  /** After that: notes what others have put into the target of an update. */
  wrote(range: Range): void {
    for (const tracked of this.#known())
      for (let n = 0; n < range.span; n++) {
        const sector = range.first + n;
        if (!isIn(tracked.target, sector)) continue;
        const bytes = this.#flash.peek(sector * SECTOR, SECTOR);
        tracked.others.set(sector, [...(tracked.others.get(sector) ?? []), bytes]);
      }
  }

  wear(sector: number): void {
    this.worn.add(sector);
  }

  // What is written

  /** Before a call: where it may write. */
  #allow(ranges: (Range | undefined)[]): void {
    this.#fence = ranges.filter((range) => range !== undefined);
    this.operations = 0;
  }

  /** What recover, confirm, restore and begin may write of updates that are known. */
  #recoverable(isRestore = false): (Range | undefined)[] {
    if (this.isUnknown) return this.#anywhere();
    const ranges = [...this.ghosts, ...this.#speaking].flatMap(({ journal, target, backup }) => [
      journal,
      target,
      backup,
    ]);
    for (let tracked = this.update; tracked; tracked = tracked.before) {
      ranges.push(tracked.journal);
      const isThere = this.rows.some((row) => isSame(rangeOf(row), tracked.target));
      const isSettled = SETTLED.includes(tracked.phase) || tracked.phase === 'clean';
      if (isThere && (isRestore || !isSettled || tracked.isUnsealed))
        ranges.push(tracked.target, tracked.backup);
    }
    return ranges;
  }

  /** Where a journal that nobody here has written may send the module. */
  #anywhere(): Range[] {
    const rows = this.rows.filter((row) => this.#whyNotTarget(row, true) === undefined);
    return [...this.places, ...rows.map(rangeOf)];
  }

  /** Checks an operation before it is done. */
  operate(kind: 'erase' | 'program', address: number, length: number): void {
    this.operations++;
    this.said = undefined;
    const sector = Math.floor(address / SECTOR);
    const name = () => `${kind} of ${length} bytes at 0x${address.toString(16)}`;
    if (sector < FIRST) throw new Broken(`${name()}: bootloader or table`);
    for (const row of this.rows) {
      if (!isIn(rangeOf(row), sector)) continue;
      if (isOtadata(row)) throw new Broken(`${name()}: otadata`);
      if (row === this.running) throw new Broken(`${name()}: the app that runs, ${row.label}`);
    }
    if (this.#fence.some((range) => isIn(range, sector))) return;
    if (kind === 'program' && this.#heads.some((range) => isIn(range, sector))) return;
    throw new Broken(`${name()}: outside of target, backup and journal`);
  }

  #passive(): Range[] {
    return this.rows.filter((row) => isApp(row) && row !== this.running).map(rangeOf);
  }

  // What is in the target

  /** @returns whether the target of an update holds one of these, for good. */
  #holds(
    tracked: Pick<Tracked, 'target' | 'others' | 'wild' | 'unstable'> & { old?: Uint8Array },
    contents: Uint8Array[],
  ): boolean {
    const { first, span } = tracked.target;
    return contents.some((content) => {
      if (!tracked.others.size && !tracked.wild.size && !tracked.unstable.size)
        return this.#flash.holds(first * SECTOR, content);
      for (let n = 0; n < span; n++) {
        if (tracked.wild.has(first + n)) continue;
        // The copy has one of its contents.
        if (content === tracked.old && tracked.unstable.has(first + n)) continue;
        const own = content.subarray(n * SECTOR, (n + 1) * SECTOR);
        const some = [own, ...(tracked.others.get(first + n) ?? [])];
        if (!some.some((bytes) => this.#flash.holds((first + n) * SECTOR, bytes))) return false;
      }
      return true;
    });
  }

  #contentOf({ first, span }: Range): Uint8Array {
    return this.#flash.peek(first * SECTOR, span * SECTOR);
  }

  /** What may be true of the update that counts, and of those before it. */
  #outcomes(tracked: Tracked | undefined, isResuming = false, isRestore = false): Outcome[] {
    if (!tracked) return [{ states: ['none'], holds: [] }];
    const { phase, old, also, isOldVoid, news } = tracked;
    const back: Outcome = {
      states: ['restored'],
      of: tracked,
      phase: 'restored',
      holds: tracked.isOldUnknown ? [] : [[tracked, [old, ...also]]],
    };
    const lost: Outcome = {
      states: ['incomplete', 'damaged'],
      of: tracked,
      phase: 'void',
      holds: [],
    };
    // Until the journal of this update speaks, the one before does; nothing of the target is written then.
    const earlier = () =>
      this.#outcomes(tracked.before, isResuming, isRestore).map((outcome) => {
        // What holds the backup of the one before is written when that is restored.
        const isOther =
          !isAnyOf(tracked.before, tracked.target) && !isBackupIn(tracked.before, tracked.target);
        // Nor was it recorded what the one before has come to, if its journal keeps nothing.
        const isUndoing =
          isAnyIn(tracked.before, 'undoing') ||
          (this.worn.size > 0 && isAnyIn(tracked.before, 'ending'));
        const stays: Outcome['holds'] =
          isOldVoid || ((isRestore || isUndoing) && !isOther) ? [] : [[tracked, [old, ...also]]];
        return { ...outcome, holds: [...outcome.holds, ...stays] };
      });
    const open: Outcome[] = [];
    const returning: Outcome[] = [];
    if (!isOldVoid) returning.push(back);
    else if (also.length) returning.push({ ...back, holds: [[tracked, also]] });
    if (!tracked.isDirect) open.push(...returning);
    if (tracked.isDirect || isOldVoid) open.push(lost);
    if (isResuming) open.push({ states: ['interrupted'], of: tracked, phase, holds: [] });
    const kept: Outcome = {
      states: [tracked.limit ? 'trial' : 'committed'],
      of: tracked,
      phase: tracked.limit ? 'trial' : 'committed',
      holds: [[tracked, news]],
    };
    const confirmed: Outcome = { ...kept, states: ['committed'], phase: 'committed' };
    // Nothing of the target of a direct update was written.
    const untouched = tracked.isDirect ? returning : [];
    const all: Record<Phase, () => Outcome[]> = {
      clean: earlier,
      open: () => [...open, ...earlier(), ...untouched],
      ending: () => [
        kept,
        ...(tracked.mayBeConfirmed ? [confirmed] : []),
        ...open,
        ...earlier(),
        ...untouched,
      ],
      undoing: () => [kept, confirmed, back],
      trial: () => [kept, back, confirmed],
      committed: () => [confirmed, ...(isRestore ? [back] : [])],
      restored: () => [back],
      // What `end` has made may be found complete after all.
      void: () => [
        lost,
        ...(tracked.isDirect || isOldVoid ? [] : open),
        ...(news.length ? [kept] : []),
        // Nothing of the target was written, and its journal reads as none now.
        ...earlier(),
        ...untouched,
      ],
    };
    const outcomes = all[phase]();
    this.#excuse(tracked, outcomes, lost);
    return outcomes;
  }

  /** What may be true besides, because of what has happened to an update. */
  #excuse(tracked: Tracked, outcomes: Outcome[], lost: Outcome): void {
    const { phase, excuses } = tracked;
    const isOpen = !SETTLED.includes(phase) && phase !== 'clean';
    if (isOpen && (LOSING.some((name) => excuses.has(name)) || this.isTroubled))
      outcomes.push(lost);
    // What could not be recorded is done again, and said again.
    if (tracked.isUnsealed || this.worn.size)
      outcomes.push({ states: ['interrupted'], of: tracked, phase, holds: [] });
    if (tracked.isUnsealed) outcomes.push(lost);
    // Nor was it recorded that a COMMIT which was cut does not count: it may be read after all.
    if (tracked.isUnsealed && tracked.news.length)
      outcomes.push({
        states: [tracked.limit ? 'trial' : 'committed'],
        of: tracked,
        phase,
        holds: [[tracked, [tracked.old, ...tracked.news]]],
      });
    // Nor that it does count.
    if (tracked.isUnsealed && !tracked.isDirect && !tracked.isOldVoid)
      outcomes.push({
        states: ['restored'],
        of: tracked,
        phase: 'restored',
        holds: [[tracked, [tracked.old]]],
      });
    if (excuses.has('torn')) {
      const isAny = isOpen || tracked.isOldVoid;
      outcomes.push({
        states: ['none'],
        holds: isAny ? [] : [[tracked, [tracked.old, ...tracked.news]]],
      });
    }
    if (excuses.has('table') || excuses.has('journal'))
      for (const state of STATES)
        if (state !== 'updating' && state !== 'untouched')
          outcomes.push({
            states: [state],
            of: state === 'none' ? undefined : tracked,
            phase: isOpen ? 'void' : phase,
            holds: [],
          });
    if (this.#isForgetting) outcomes.push({ states: ['none'], holds: [] });
  }

  /** Takes note of an update that may be heard of again, although another one was reported, or none. */
  #haunt(update: Tracked | undefined, reported: Tracked | undefined): void {
    if (reported) {
      this.ghosts = this.ghosts.filter(({ serial }) => serial >= reported.serial);
      // What has begun since is reported: that was not forgotten.
      if (reported.serial > this.#forgettingAt) this.#isForgetting = false;
    }
    for (let one = update; one && one !== reported; one = one.before) {
      // Of those before it: one whose SOLID a cut has torn.
      const wasOpen = one.phase === 'open' || one.phase === 'ending';
      const isExcused = one.phase === 'void' || one.excuses.size > 0;
      // Where reads err, a journal that was retired may have spoken.
      if (
        (wasOpen && (one === update || one.cuts)) ||
        (one === update && (isExcused || this.#isForgetting || this.isTroubled))
      )
        this.ghosts = [...this.ghosts, one].slice(-4);
    }
  }

  /** What may be reported of an update that has not been heard of yet. */
  #ghostly(): Outcome[] {
    return [...this.ghosts, ...this.#speaking].flatMap((ghost) => this.#outcomesOf(ghost));
  }

  /** Updates that were forgotten: the zeros over their journals may be read wrong twice. */
  get #speaking(): Tracked[] {
    return this.misreads > 1 ? this.#forgotten : [];
  }

  #outcomesOf(ghost: Tracked): Outcome[] {
    // The ones before it have been reported in its place.
    const isKept = ghost.before !== undefined && ghost.before.excuses.size > 0;
    const alone = isKept ? ghost : { ...ghost, before: undefined };
    return this.#outcomes(this.#isForgetting ? ghost : alone).map((outcome) => ({
      ...outcome,
      of: outcome.of === alone ? ghost : outcome.of,
    }));
  }

  /** @returns the label that a report has to have. */
  #labelOf(tracked: Tracked | undefined): string | undefined {
    if (!tracked) return undefined;
    const { rows } = this;
    const own = rows.find((row) => isSame(rangeOf(row), tracked.target));
    return (own ?? rows.find((row) => isIn(rangeOf(row), tracked.target.first)))?.label;
  }

  /** Takes note of what was reported, if it is true. */
  #settle(report: Report, what: string, isResuming = false, isRestore = false): void {
    const { state, partition } = report;
    if (!STATES.includes(state)) throw new Broken(`${what} says ${state}`);
    if (this.isUnknown) return this.#adopt(report);
    if (this.dropsErases && this.update) this.#bewilder(this.update);
    // Zeros of a retired head that are read wrong, or that a cut has torn, let it speak, if no later one does.
    const isAny = (tracked?: Tracked) =>
      tracked?.excuses.has('table') ||
      (tracked?.excuses.has('journal') && (this.isTroubled || tracked !== this.update));
    const isSaid = (outcome: Outcome) =>
      (outcome.states.includes(state) ||
        (what === 'confirm' && outcome.states.includes('trial'))) &&
      // What was given up may be named.
      (state === 'none' || isAny(outcome.of) || partition === this.#labelOf(outcome.of));
    const { update } = this;
    const said = [...this.#outcomes(update, isResuming, isRestore), ...this.#ghostly()].filter(
      isSaid,
    );
    const isOwn = ({ of }: Outcome) => partition === this.#labelOf(of);
    const fits = said
      .filter(({ holds }) =>
        holds.every(
          ([tracked, contents]) => this.#holds(tracked, contents) || this.#isWorn(tracked),
        ),
      )
      .sort((a, b) => +isOwn(b) - +isOwn(a));
    // That an update was put back may be said of the one before: then this one may be heard of at another boot.
    // So may that the one before was committed, if nothing was written.
    const isOpen =
      (state === 'restored' || (state === 'committed' && !this.operations)) &&
      (update?.phase === 'open' || update?.phase === 'ending');
    const isBefore = ({ of }: Outcome) => of && of !== update && !this.ghosts.includes(of);
    const fit = (isOpen && fits.find(isBefore)) || fits[0];
    if (!fit)
      throw new Broken(
        `${what} says ${state} of ${partition}, and ${said.length ? `it holds ${this.#describe()}` : `that cannot be: ${this.#describe()}`}`,
      );
    if (fit.of && this.#forgotten.includes(fit.of)) return;
    this.update = fit.of;
    if (this.dropsPrograms && fit.of?.cuts) fit.of.excuses.add('torn');
    this.#haunt(update, fit.of);
    // Nothing is done to it until another table shows it again.
    if (!fit.of || fit.of.isAway) return;
    this.update!.phase = what === 'confirm' ? 'committed' : fit.phase!;
    const isSettled = state !== 'interrupted' && !['void', 'open', 'ending'].includes(fit.of.phase);
    if (isSettled) this.#forgetBefore(fit.of);
  }

  /** From now on no earlier update is reported any more. */
  #forgetBefore(tracked: Tracked): void {
    tracked.before = undefined;
    if (tracked.phase === 'trial') return;
    // What others wrote is content now.
    if (tracked.phase === 'committed' && tracked.news.length)
      tracked.news = [this.#contentOf(tracked.target)];
    if (tracked.phase !== 'restored') return;
    tracked.old = this.#contentOf(tracked.target);
    tracked.others.clear();
    // What was not written is as it was.
    const now = this.#unstableIn(tracked.target);
    for (const sector of tracked.unstable) if (!now.has(sector)) tracked.unstable.delete(sector);
  }

  /** What is reported is taken as it is: nothing is known of what was before. */
  #adopt({ state }: Report): void {
    if (state === 'interrupted') return;
    this.update = undefined;
  }

  #isWorn({ target }: Tracked): boolean {
    return [...this.worn].some((sector) => isIn(target, sector));
  }

  /** @returns what the target of the update holds, for messages: sector by sector `o`ld, `n`ew, `=` both, `?` neither. */
  #describe(): string {
    const { update } = this;
    if (!update) return 'no update was made';
    const { first, span } = update.target;
    const part = (content: Uint8Array | undefined, n: number) =>
      content !== undefined &&
      this.#flash.holds((first + n) * SECTOR, content.subarray(n * SECTOR, (n + 1) * SECTOR));
    let text = '';
    for (let n = 0; n < span; n++) {
      const isOld = part(update.old, n);
      const isNew = part(update.news.at(-1), n);
      text += isOld && isNew ? '=' : isOld ? 'o' : isNew ? 'n' : '?';
    }
    const excuses = [...update.excuses].join(' ');
    return `${update.label} ${text}, ${update.phase}${update.isDirect ? ', direct' : ''}${update.isOldVoid ? ', old void' : ''}${excuses ? `, excused: ${excuses}` : ''}${update.before ? `, before: ${update.before.label} ${update.before.phase}` : ''}`;
  }

  // Calls

  /** Before recover, confirm, restore or forget. `isFirst`: the first recover of this copy of the module in this boot. */
  beforeRecover(isFirst: boolean, isRestore = false): void {
    this.#allow(this.#recoverable(isRestore));
    const { update } = this;
    if (
      update &&
      isFirst &&
      (update.phase === 'trial' || update.phase === 'undoing' || update.phase === 'ending')
    )
      update.begun++;
  }

  /** Power has failed in a call. */
  cut(name: string): void {
    this.#isUpdating = false;
    if (this.update) this.update.cuts++;
    if (this.update && name === 'confirm') this.update.mayBeConfirmed = true;
    if (name === 'restore') this.#stopRestoring();
  }

  /** `restore` was cut, or has failed. */
  #stopRestoring(): void {
    const { update } = this;
    // The restored one is the last of which a journal tells.
    for (let tracked: Tracked | undefined = update; tracked; tracked = tracked.before)
      if (tracked.phase === 'committed' || tracked.phase === 'trial') {
        tracked.phase = 'undoing';
        return;
      } else if (!['clean', 'open', 'ending'].includes(tracked.phase)) return;
  }

  recovered(report: Report, isResuming: boolean): void {
    const { said } = this;
    const { state } = report;
    const { update } = this;
    if (state === 'interrupted' && !isResuming && !this.isUnknown)
      throw new Broken('recover says interrupted');
    this.#settle(report, 'recover', isResuming);
    const tracked = this.update;
    if (tracked && state !== 'interrupted') tracked.isUnsealed = report.sealed === false;
    if (said) this.#assertSame(said, state, isResuming);
    if (!tracked || this.isUnknown || update !== tracked) return;
    if (state === 'trial') {
      const { boots, trial } = report;
      if (trial !== tracked.limit || !(boots! >= tracked.counted && boots! <= tracked.begun))
        throw new Broken(
          `recover says boot ${boots} of ${trial}, and it is ${tracked.counted} to ${tracked.begun} of ${tracked.limit}`,
        );
      tracked.counted = boots!;
      // What could not be recorded may be counted by the next call.
      tracked.begun = boots! + (report.sealed === false ? 1 : 0);
    } else if (tracked.limit && tracked.phase === 'restored' && tracked.begun <= tracked.limit) {
      // A boot that cannot be counted ends a trial.
      if (tracked.news.length && this.wasTrial && !this.isTroubled && !this.worn.size)
        throw new Broken(`the trial ended at boot ${tracked.begun} of ${tracked.limit}`);
    }
  }

  /** Whether the update was certainly on trial before the call. */
  wasTrial = false;

  /** What `status` says, and then `recover` in the same boot. */
  #assertSame(said: State, state: State, isResuming: boolean): void {
    const may: Partial<Record<State, State[]>> = {
      trial: ['trial', 'restored', 'committed'],
      interrupted: isResuming ? ['interrupted', 'restored'] : ['restored'],
    };
    if (!(may[said] ?? [said]).includes(state))
      throw new Broken(`status says ${said}, then recover says ${state}`);
  }

  /** After a recover in the same boot as another. */
  again(first: Report, second: Report, operations: number): void {
    if (this.isUnknown) return;
    if (first.state !== second.state)
      throw new Broken(`recover says ${first.state}, then ${second.state}`);
    if (operations && first.sealed !== false && !this.worn.size)
      throw new Broken(`recover wrote something again, ${operations} operations`);
  }

  /** `status` outside of an update. */
  looked(report: Report): void {
    const { state } = report;
    if (this.operations) throw new Broken('status writes');
    // What could not be recorded is not told either: see EXCUSES.wornJournal.
    if (this.isUnknown || this.isTroubled || this.update?.isUnsealed) return;
    // Nothing is decided yet: an update that was cut is interrupted.
    const { update } = this;
    const all = [...this.#outcomes(update, true), ...this.#ghostly()];
    const may = new Set(all.flatMap(({ states }) => states));
    if (this.ghosts.length) may.add('interrupted');
    for (let tracked = update; tracked; tracked = tracked.before) {
      const isExpired = tracked.phase === 'trial' && tracked.begun > tracked.limit;
      const isUntouched = tracked.phase === 'void' && tracked.isDirect;
      if (['ending', 'undoing'].includes(tracked.phase) || isExpired || isUntouched)
        may.add('interrupted');
    }
    if (update?.phase === 'ending' || update?.phase === 'undoing')
      may.add('committed').add('trial');
    if (!may.has(state)) throw new Broken(`status says ${state}: ${this.#describe()}`);
    this.said = state;
  }

  confirmed(report: Report): void {
    if (report.state !== 'committed') throw new Broken(`confirm says ${report.state}`);
    if (this.isUnknown) return this.#adopt(report);
    this.#settle(report, 'confirm');
  }

  restored(report: Report): void {
    if (report.state !== 'restored' && !this.isTroubled)
      if (!(
        report.state === 'incomplete' ||
        report.state === 'damaged' ||
        report.state === 'untouched'
      ))
        throw new Broken(`restore says ${report.state}`);
    if (this.isUnknown) return this.#adopt(report);
    // An update of this copy that was over already.
    if (report.state === 'untouched' && !this.operations) return;
    // What an app has written into an open update is not told from what the update wrote.
    if (this.update?.excuses.has('app')) this.update.wild = sectorsOf(this.update.target);
    this.#settle(report, 'restore', false, true);
    if (this.update && (this.worn.size || this.isTroubled)) this.update.isUnsealed = true;
  }

  forgot(report: Report): void {
    // Zeros that are read wrong once, or that a worn head does not take, leave it as if power had failed.
    const mayStay = this.isTroubled || this.worn.size > 0;
    if (report.state !== 'none' && mayStay) return this.maybeForgotten();
    if (report.state !== 'none') throw new Broken(`forget says ${report.state}`);
    this.#isShaky = true;
    if (this.update) this.#forgotten = [...this.#known()];
    this.update = undefined;
  }

  /** `forget` was cut: it is forgotten, or not. */
  maybeForgotten(): void {
    if (!this.update) return;
    this.#isForgetting = true;
    this.#forgettingAt = this.#serial;
  }
  #isForgetting = false;
  /** The number of the last update that had begun then. */
  #forgettingAt = 0;
  /** Whether anything has happened that may keep a journal from telling of cells that are unstable. */
  #isShaky = false;
  /** Updates that were forgotten: a journal still lies there, which has an id. */
  #forgotten: Tracked[] = [];
  #serial = 0;
  /** Sectors of partitions that may hold forged journals, as parts of images: nothing where they are, see `flashed`. */
  planted: number[] = [];
  /** Sectors that hold forged journals. */
  #forged: number[] = [];
  /** The number of the last update that had begun when one came to be where a journal may be. */
  #forgedAt = 0;

  // Updates

  /** Another copy of the module goes on with its update. */
  turnTo(tracked: Tracked): void {
    const { update } = this;
    if (update && update.phase !== 'clean') {
      // What has not written is not before what has.
      const isClean = tracked.phase === 'clean';
      for (let later: Tracked | undefined = update; later; later = later.before)
        if (later.before === tracked && (isClean || later === update))
          later.before = tracked.before;
      if (isClean ? update !== tracked : !this.#known([]).has(tracked)) tracked.before = update;
    }
    // Until it writes, what others write is the content before it.
    if (tracked.phase === 'clean') tracked.old = this.#contentOf(tracked.target);
    this.update = tracked;
  }

  /** `ota-http` says that a partition holds one of these images already. */
  found(row: Row, contents: Uint8Array[]): void {
    const target = rangeOf(row);
    if ([...this.worn].some((sector) => isIn(target, sector))) return;
    // Where a row begins within a sector, nothing is written, and it may hold the image all the same.
    const isHeld = (content: Uint8Array) =>
      this.#flash.holds(row.address, content.subarray(0, row.size));
    if ((row.address | row.size) % SECTOR && contents.some(isHeld)) return;
    const isAny = this.isUnknown || this.isTroubled || this.#isLost(target);
    const wild = isAny ? this.#unstableIn(target) : this.#stillWild(target);
    if (!this.#holds({ target, wild, others: new Map(), unstable: new Set() }, contents))
      throw new Broken(`ota-http says that ${row.label} holds the image: ${this.#describe()}`);
  }

  /** Before `begin`. */
  beforeBegin(): void {
    const { update } = this;
    // A trial that is over is finished first.
    if (update?.phase === 'trial' && update.begun >= update.limit) update.begun = update.limit + 1;
    this.#allow(this.#recoverable());
  }

  /** `begin` has returned an update in the places that `plan` has named. */
  began(plan: Plan, options: BeginOptions, row: Row): void {
    const target = rangeOf(row);
    this.#isUpdating = true;
    if (!this.inHand().length) this.isDisturbed = false;
    for (const area of [plan.backup, plan.journal, plan.partition])
      if (area) this.#assertMayUse(area, area === plan.partition, target);
    const { update } = this;
    if (plan.resumed) {
      if (update && isSame(update.target, target)) {
        // `plan` may have read wrong that it was not committed.
        const mayBeKept = this.isTroubled && update.phase === 'ending';
        if (!mayBeKept) update.phase = 'open';
        // What `plan` cannot know: a journal that keeps nothing more is not gone on with.
        if (this.worn.size && options.backup === false) update.isDirect = true;
        update.label = row.label;
        update.limit = options.trial ?? 0;
        update.counted = update.begun = 0;
        this.#allowUpdate(update);
        return;
      }
      if (!this.isUnknown) throw new Broken('begin resumes what was not begun');
    } else this.#settleSilently();
    const before = this.update;
    const isVoid =
      before !== undefined &&
      isSame(before.target, target) &&
      (before.phase === 'void' || !(this.#isComplete(before) || this.#isWorn(before)));
    const tracked: Tracked = {
      label: row.label,
      target,
      backup: plan.backup && rangeOf(plan.backup),
      journal: plan.journal && rangeOf(plan.journal),
      isDirect: options.backup === false,
      isLive: options.overwriteLive === true,
      phase: plan.resumed ? 'open' : 'clean',
      old: this.#contentOf(target),
      isOldUnknown: plan.resumed,
      also: before && isSame(before.target, target) ? this.#alsoIn(before) : [],
      isOldVoid: isVoid || plan.resumed || (this.isUnknown && options.backup === false),
      news: [],
      others: new Map(),
      unstable: this.#unstableIn(target),
      wild: new Set(),
      limit: options.trial ?? 0,
      counted: 0,
      begun: 0,
      excuses: new Set(),
      before,
      serial: ++this.#serial,
      cuts: 0,
    };
    if (this.isUnknown || this.#isLost(target)) this.#bewilder(tracked);
    for (const sector of this.#stillWild(target)) tracked.wild.add(sector);
    this.update = tracked;
    this.#allowUpdate(tracked);
  }

  /**
   * @returns what else may be the old content of an update of the same partition: where reads err, `begin` may have
   * resumed the one before against its plan; and what was found incomplete may be found complete after all
   */
  #alsoIn({ phase, old, isOldVoid, isDirect, news }: Tracked): Uint8Array[] {
    const isOpen = !SETTLED.includes(phase) && !isDirect && !isOldVoid;
    return [...(this.isTroubled && isOpen ? [old] : []), ...(phase === 'void' ? news : [])];
  }

  /** Takes note of sectors whose cells are unstable. */
  #bewilder({ target, wild }: Tracked): void {
    for (const sector of this.#unstableIn(target)) wild.add(sector);
  }

  /** @returns whether the journal that would tell of unstable cells of a partition may not be read any more. */
  #isLost(target: Range): boolean {
    const isFresh = ({ target: other, excuses }: Tracked) => isSame(other, target) && !excuses.size;
    return this.#isShaky && (this.update !== undefined || !this.#forgotten.some(isFresh));
  }

  /** @returns sectors that no journal tells to be unstable: what was put back where erases are dropped may be so. */
  #stillWild(target: Range): Set<number> {
    const now = this.#unstableIn(target);
    const same = [...this.#known()].filter((tracked) => isSame(tracked.target, target));
    return new Set(same.flatMap(({ wild }) => [...wild].filter((sector) => now.has(sector))));
  }

  #unstableIn(target: Range): Set<number> {
    const sectors = [...sectorsOf(target)];
    return new Set(sectors.filter((n) => this.#flash.unstableBits(n * SECTOR, SECTOR)));
  }

  #assertMayUse(
    { address, size, label }: Plan['partition'],
    isTarget: boolean,
    target: Range,
  ): void {
    const range = rangeOf({ address, size });
    const name = `plan names ${label ?? 'free flash'} at sector ${range.first}`;
    if (range.first < FIRST) throw new Broken(`${name}: bootloader or table`);
    if (!isTarget && meet(range, target)) throw new Broken(`${name}: that is the target`);
    for (const row of this.rows)
      if (meet(rangeOf(row), range) && (isOtadata(row) || row === this.running))
        throw new Broken(`${name}: ${row.label} is in use`);
  }

  #allowUpdate(tracked: Tracked): void {
    const { target, backup, journal, before } = tracked;
    this.#allow([target, backup, journal, ...(before ? [before.journal] : [])]);
    if (this.isUnknown) this.#fence.push(...this.places);
    // `plan` may have read wrong that the one before can be resumed, or that it cannot.
    if (this.isTroubled && before?.backup) this.#fence.push(before.backup);
    // Nor can it know that a journal keeps nothing more: then another update begins in place of this one.
    if (this.worn.size || this.isTroubled)
      this.#fence.push(...this.#anywhere(), ...this.#passive());
  }

  /** Before a call of an update. */
  beforeUpdate(): void {
    if (this.update) this.#allowUpdate(this.update);
    else this.#allow([]);
  }

  /** `begin` finishes what was interrupted, and says nothing: the content must be complete all the same. */
  #settleSilently(): void {
    const { update } = this;
    if (!update || this.isUnknown || this.isTroubled) return;
    if (update.phase === 'clean') {
      this.update = update.before;
      return this.#settleSilently();
    }
    if (SETTLED.includes(update.phase) || update.phase === 'void') return;
    const isLost = update.isDirect || update.isOldVoid || update.excuses.size > 0;
    if (!isLost && !this.#isComplete(update) && !this.#isWorn(update))
      throw new Broken(`begin left it mixed: ${this.#describe()}`);
  }

  /** Whether the target of an update holds one of the contents that it may hold. */
  #isComplete(tracked: Tracked): boolean {
    return this.#outcomes(tracked).some(
      ({ phase, holds }) =>
        phase !== 'void' && holds.every(([other, contents]) => this.#holds(other, contents)),
    );
  }

  /** After a write, a backup: something may have been written. */
  advanced(): void {
    const { update } = this;
    if (this.dropsErases && this.operations) update?.excuses.add('torn');
    if (update?.phase === 'clean' && this.operations) update.phase = 'open';
  }

  /** Before `end`: the complete content that the update makes. */
  ending(content: Uint8Array): void {
    this.update?.news.push(content);
  }

  /** `end` was cut, or has thrown. */
  maybeEnded(): void {
    const { update } = this;
    if (!update || (!this.operations && update.phase === 'clean')) return;
    update.phase = 'ending';
    update.isMisread ||= this.isTroubled;
  }

  ended(result: Result, content: Uint8Array): void {
    const update = this.update!;
    const { state } = result;
    this.#isUpdating = false;
    const { span } = update.target;
    if (result.sectors !== span || !(result.changed <= span))
      throw new Broken(
        `end says ${result.changed} of ${result.sectors} sectors, and there are ${span}`,
      );
    if (result.partition !== update.label) throw new Broken(`end says ${result.partition}`);
    if (this.dropsErases) this.#bewilder(update);
    if (!this.#holds(update, [content]) && !this.#isWorn(update))
      throw new Broken(`end says ${state}: ${this.#describe()}`);
    if (state === 'untouched') {
      if (update.phase !== 'clean' && !this.worn.size)
        throw new Broken('end says untouched, and something was written');
      if (update.phase === 'clean') this.update = update.before;
      else update.isUnsealed = true;
      return;
    }
    const wanted = update.limit ? 'trial' : 'committed';
    if (state !== wanted) throw new Broken(`end says ${state}, not ${wanted}`);
    update.news = [content];
    update.phase = wanted;
    update.isMisread = this.isTroubled;
    // No journal of before speaks any more, whoever wrote it: but for one that is worn out, where ids were forged.
    const isKept = this.worn.size > 0 && this.#forged.length > 0;
    if (update.serial > this.#forgedAt && !isKept) this.isUnknown = false;
    this.#forgetBefore(update);
    this.#forgotten = [];
  }

  /** An update was left open by `abort(true)`: as by a power cut, but no cell was torn. */
  left({ state }: Result): void {
    const { update } = this;
    this.#isUpdating = false;
    if (this.operations) throw new Broken('abort(true) writes');
    if (!update || this.isUnknown) return;
    const isClean = update.phase === 'clean';
    if (isClean) this.update = update.before;
    const isLost = update.isDirect || update.isOldVoid || update.excuses.size > 0;
    const may = isClean
      ? ['untouched']
      : ['interrupted', ...(isLost ? ['incomplete', 'damaged'] : [])];
    if (!may.includes(state) && !this.isTroubled && !this.worn.size)
      throw new Broken(`abort(true) says ${state}`);
  }

  /** An update is over without `end`: by abort, or because a part of it has failed. */
  gaveUp(result?: Result): void {
    const { update } = this;
    this.#isUpdating = false;
    if (!update || this.isUnknown) return;
    if (update.phase === 'clean' && !this.operations) {
      if (result && result.state !== 'untouched') throw new Broken(`abort says ${result.state}`);
      this.update = update.before;
      return;
    }
    if (update.phase === 'clean') update.phase = 'open';
    // A journal that keeps nothing is not resumed: begin has put the old content back.
    const mayFail = this.worn.size > 0 || this.isTroubled;
    if (result?.state === 'untouched' && mayFail && !this.operations) return;
    if (result?.state === 'untouched')
      throw new Broken('abort says untouched, and something was written');
    if (result?.state === 'interrupted' && (this.isTroubled || this.worn.size)) return;
    const isUnsealed = this.worn.size > 0 || this.isTroubled;
    if (!result) update.isUnsealed = isUnsealed;
    else {
      this.#settle({ state: result.state, partition: result.partition }, 'abort');
      if (this.update) this.update.isUnsealed = isUnsealed;
      return;
    }
    update.isOver = true;
    // It has thrown: the old content is back all the same, unless the chip fails.
    if (update.isDirect || update.isOldVoid || this.isTroubled || this.worn.size) return;
    if (update.excuses.size) return;
    if (!this.#holds(update, [update.old]))
      throw new Broken(`the old content was not put back: ${this.#describe()}`);
  }

  // Errors

  /** @returns why a row cannot be a target, if so; with `overwriteLive` all that are in use may be. */
  #whyNotTarget(row: Row, isLiveToo = false): string | undefined {
    if (isApp(row)) return 'is an app';
    if (isOtadata(row) || row.type === 2 || row.type === 3) return 'is for booting';
    if (row.label === 'ota_journal') return 'holds journals';
    if (row.flags & READONLY) return 'is readonly';
    if ((row.address | row.size) % SECTOR || !row.size) return 'is not whole sectors';
    if (overlapping(this.rows).has(row)) return 'overlaps';
    if (!isLiveToo && this.isLive(row)) return 'needs overwriteLive';
    return undefined;
  }

  isLive(row: Row): boolean {
    const live = this.#live ?? -1;
    const isNvs = row.type === 1 && row.subtype === 2;
    return isNvs || (live >= row.address && live < row.address + row.size);
  }

  whyNot(row: Row): string | undefined {
    return this.#whyNotTarget(row);
  }

  /** Whether a row may be a target. */
  isTarget(row: Row, overwriteLive = false): boolean {
    return this.#whyNotTarget(row, overwriteLive) === undefined;
  }

  /** Checks that README's table explains an error. */
  explain(call: string, error: { code?: string; message: string }): string {
    const { code, message } = error;
    if (!code || !CODES.includes(code))
      throw new Broken(`${call} throws ${code ?? 'no code'}: ${message}`);
    if (!message.startsWith(code)) throw new Broken(`${call} throws ${code} with ${message}`);
    // A forged journal may name places that do not keep what they should.
    // What an app writes into the sector in hand is not erased.
    const isWild = !!this.update?.wild.size;
    const isFlash = this.isTroubled || this.isUnknown || this.worn.size > 0 || isWild;
    if (code === 'E_FLASH' && !isFlash) throw new Broken(`${call} throws ${message}`);
    if (code === 'E_NO_PARTITION' && /table/.test(message) && !this.isTableTorn && !this.isTroubled)
      throw new Broken(`${call} throws ${message}`);
    return code;
  }

  /** Checks that a call that takes no options may throw this. */
  refused(call: string, error: { code?: string; message: string }): void {
    const code = this.explain(call, error);
    const { update } = this;
    if (call === 'restore' && code === 'E_FLASH') this.#stopRestoring();
    const mayFail = this.isTroubled || this.isUnknown || !update || this.#isWorn(update);
    // A journal that is worn out does not keep the old content from coming back.
    if (call === 'recover' && code === 'E_FLASH' && !mayFail && !update.before)
      throw new Broken(`recover throws ${error.message}: ${this.#describe()}`);
    const isOdd =
      this.isUnknown ||
      this.isTroubled ||
      [...this.#known()].some(({ excuses }) => excuses.size > 0);
    if (code === 'E_NO_PARTITION' || code === 'E_FLASH' || isOdd) return;
    if (call === 'recover' || call === 'status' || call === 'partitions')
      throw new Broken(`${call} throws ${error.message}`);
    if (
      call === 'confirm' &&
      code === 'E_STATE' &&
      !this.#isForgetting &&
      update?.phase === 'trial' &&
      update.begun < update.limit
    )
      throw new Broken(`confirm throws ${error.message}: ${this.#describe()}`);
    if (call !== 'restore') return;
    if (code === 'E_CHANGED' && !update?.isMisread && !update?.wild.size)
      throw new Broken(`restore throws ${error.message}`);
    const isKept =
      update !== undefined &&
      !update.isDirect &&
      !update.isOldVoid &&
      !update.isOver &&
      update.phase === 'open';
    if (code === 'E_STATE' && isKept && !update.before && !this.#holds(update, [update.old]))
      throw new Broken(`restore throws ${error.message}: ${this.#describe()}`);
  }

  /** Checks that `begin` or `plan` may throw this. */
  refusedBegin(
    options: BeginOptions,
    size: number,
    error: { code?: string; message: string },
  ): void {
    const code = this.explain('begin', error);
    if (options.bad || this.isTroubled || this.isTableTorn) return;
    const { update, rows } = this;
    const row = rows.find(({ label }) => label === options.partition);
    const named = rows.find(({ label }) => label === options.backup);
    const longest = Math.max(0, ...this.places.map(({ span }) => span));
    const need = row
      ? Math.ceil((2 * rangeOf(row).span + 4 * (options.trial ?? 0) + 56) / 256) + 1
      : 0;
    const isOpen = update && (update.isUnsealed || !SETTLED.includes(update.phase));
    const isTwice = (label: string | false | undefined) =>
      rows.filter((other) => other.label === label).length > 1;
    const reasons: Record<string, () => boolean | undefined> = {
      E_NO_PARTITION: () => !row || (typeof options.backup === 'string' && !named),
      E_FORBIDDEN: () =>
        (row && !this.isTarget(row, options.overwriteLive)) ||
        (named &&
          (!this.isTarget(named) || named === row || (named.type === 1 && named.subtype < 6))) ||
        isTwice(options.partition) ||
        isTwice(options.backup),
      E_NO_BACKUP: () => options.backup === undefined && !this.#hasBackup(),
      // The backup may have to share a run of free flash with the journal.
      E_SPACE: () => longest < need + (options.backup === undefined ? 2 : 0),
      E_PENDING: () => isOpen || this.isUnknown || this.ghosts.length > 0 || this.worn.size > 0,
      E_SIZE: () => row && options.size && size > row.size,
      E_ARGUMENT: () => options.backup === false && options.trial !== undefined,
      E_FLASH: () => true,
      // The rest of a forged journal.
      E_STATE: () => this.isUnknown,
    };
    if (!reasons[code]?.()) throw new Broken(`begin throws ${error.message}: ${this.#describe()}`);
  }

  /** Whether there is an app slot or a run of free flash that certainly keeps a backup. */
  #hasBackup(): boolean {
    return this.places.some(({ first, span }) => {
      const isFree = !this.rows.some((row) => isIn(rangeOf(row), first));
      return isFree && span > 8;
    });
  }

  /** Whether an update is in progress in this boot. */
  get isUpdating(): boolean {
    return this.#isUpdating;
  }
}

function sectorsOf({ first, span }: Range): Set<number> {
  return new Set(Array.from({ length: span }, (_, n) => first + n));
}

/** Whether an update or one before it is of a partition. */
function isAnyOf(tracked: Tracked | undefined, target: Range): boolean {
  return (
    tracked !== undefined && (isSame(tracked.target, target) || isAnyOf(tracked.before, target))
  );
}

/** Whether an update or one before it has its backup in a partition. */
function isBackupIn(tracked: Tracked | undefined, target: Range): boolean {
  return (
    tracked !== undefined &&
    ((tracked.backup !== undefined && meet(tracked.backup, target)) ||
      isBackupIn(tracked.before, target))
  );
}

/** Whether an update or one before it is in a phase. */
function isAnyIn(tracked: Tracked | undefined, phase: Phase): boolean {
  return tracked !== undefined && (tracked.phase === phase || isAnyIn(tracked.before, phase));
}

/** @returns the sector behind a range. */
function endOf({ first, span }: Range): number {
  return first + span;
}
