/** Plays a life on a simulated chip, step by step, and holds what happens against the promise. */
import { crc32 } from 'node:zlib';
import type { Options, Report, Result, Update } from '../../device/api.ts';
import type { Runtime } from '../../device/runtime.ts';
import {
  type Board,
  type FaultHook,
  NorFlash,
  SECTOR,
  TEARS,
  type Tear,
  someBits,
} from '../../host/index.ts';
import { runtimeOf } from '../support/runtime.ts';
import type { Ota } from '../support/subject.ts';
import { Air, type MakeHttp, type Settled } from './air.ts';
import { age, forge } from './forge.ts';
import { chunkOf, contentOf } from './images.ts';
import { BAD, type BeginOptions, type Callback, type ChipSpec, type Cut } from './life.ts';
import type { Entry, Row, Step, Trouble } from './life.ts';
import { type AirStep, Call, type Outcome, type Watched, serverOf } from './play-air.ts';
import { Broken, Promised } from './promise.ts';
import type { Asked } from './published.ts';
import {
  TABLE_SECTOR,
  bootedApp,
  encodeEntry,
  encodeRows,
  isApp,
  isOtadata,
  isSame,
  meet,
  random,
  rangeOf,
  isIn,
  type Range,
} from './world.ts';

/** What makes the modules anew, as a boot does: nothing of them is shared. */
export interface Modules {
  ota: () => Ota;
  http: MakeHttp;
}

/** Reads of one call: whoever needs more does not come to an end. */
const MOST_READS = 100_000;

/** An update that a copy of the module has in progress. */
interface Work {
  handle: Update;
  options: BeginOptions;
  /** Image, filled up to the partition; its length in bytes; how much of it was written. */
  content: Uint8Array;
  size: number;
  at: number;
  tracked: Promised['update'];
  /** Operations of the chip when this copy came to know what is on it. */
  known: number;
  isDead?: boolean;
  /** Whether another copy has written something, and failed. */
  isDoubtful?: boolean;
}

/** The image of an update, and the options that it was begun with. */
type ImageOf = Pick<Work, 'options' | 'content' | 'size'>;

/** A copy of the module in RAM. */
interface Copy {
  ota: Ota;
  /** Its `ota-http`. */
  air?: Air;
  work?: Work;
  hasRecovered?: boolean;
}

/** What has happened, counted. */
export interface Counts {
  boots: number;
  cuts: number;
  calls: number;
  events: Record<string, number>;
}

export class Player {
  readonly flash: NorFlash;
  readonly promise: Promised;
  readonly chip: ChipSpec;
  readonly counts: Counts = { boots: 0, cuts: 0, calls: 0, events: {} };
  /** What was done and what came of it, for people. */
  story: string[] | undefined;
  rows: Row[] = [];
  running: Row | undefined;
  copies: Copy[] = [];

  readonly #modules: Modules;
  readonly #runtime: Runtime;
  #operations = 0;
  #reads = 0;
  #worn = new Map<number, boolean>();
  #number: Record<Trouble['kind'], number> = { read: 0, program: 0, erase: 0 };

  constructor(chip: ChipSpec, modules: Modules) {
    this.chip = chip;
    this.#modules = modules;
    this.flash = new NorFlash({ size: chip.megabytes << 20 });
    this.promise = new Promised(
      this.flash,
      chip.rows.find(({ label }) => label === chip.live)?.address,
    );
    this.promise.inHand = () =>
      this.copies.flatMap(({ work }) => (work?.tracked && !work.isDead ? [work.tracked] : []));
    this.#runtime = this.#makeRuntime();
    this.#fill();
  }

  #fill(): void {
    const { flash, chip } = this;
    const header = Uint8Array.of(0xe9, 3, 2, Math.log2(chip.megabytes) << 4);
    flash.load(chip.tells ? 0x1000 : 0, header);
    for (const [n, row] of chip.rows.entries()) {
      const { first, span } = rangeOf(row);
      if ((first + span) * SECTOR > flash.size || isOtadata(row)) continue;
      // Of what is large, only the first sectors hold something.
      const sectors = Math.min(span, 24);
      const content = contentOf({ seed: chip.seed + n, size: sectors * SECTOR }, sectors);
      if (isApp(row)) content[0] = 0xe9;
      flash.load(first * SECTOR, content);
    }
    this.#writeOtadata(chip.rows, chip.otadata);
    this.#flash(chip.rows, false);
  }

  #flash(rows: Row[], isTorn: boolean): void {
    const table = encodeRows(rows);
    if (isTorn) table.fill(0, 32, 64);
    this.flash.load(TABLE_SECTOR * SECTOR, table);
    this.rows = rows;
    this.#isForged ||= this.#isPlanted;
    this.promise.flashed(rows, isTorn);
  }

  #writeOtadata(rows: Row[], entries: (Entry | undefined)[]): void {
    const row = rows.find(isOtadata);
    if (!row) return;
    entries.forEach((entry, n) => {
      const sector = new Uint8Array(SECTOR).fill(0xff);
      if (entry) sector.set(encodeEntry(entry));
      this.flash.load(row.address + n * SECTOR, sector);
    });
  }

  #makeRuntime(): Runtime {
    const { flash, chip } = this;
    const direct = runtimeOf({ flash } as unknown as Board);
    return {
      ...direct,
      read: (address, length) => {
        if (++this.#reads > MOST_READS)
          throw (this.#broken ??= new Broken('the call does not end'));
        return direct.read(address, length);
      },
      program: (data, address) => {
        if (flash.isOn) {
          this.#operations++;
          this.#operate('program', address, data.length);
        }
        direct.program(data, address);
      },
      erase: (address) => {
        if (flash.isOn) {
          this.#operations++;
          this.#operate('erase', address, SECTOR);
        }
        direct.erase(address);
      },
      bytes: (chunk) => direct.bytes(chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : chunk),
      running: () => (chip.tells && this.running ? this.running.address : 0),
      live: this.chip.rows.find(({ label }) => label === this.chip.live)?.address ?? 0,
    };
  }

  /** Checks an operation; what the module catches is not forgotten. */
  #operate(kind: 'erase' | 'program', address: number, length: number): void {
    try {
      this.promise.operate(kind, address, length);
    } catch (error) {
      this.#broken ??= error as Broken;
      throw error;
    }
  }

  /** Counts an event. */
  #count(name: string): void {
    this.counts.events[name] = (this.counts.events[name] ?? 0) + 1;
  }

  #tell(text: string): void {
    this.story?.push(text);
  }

  /**
   * Does a step.
   * @throws Broken if the promise does not hold
   */
  do(step: Step): void {
    try {
      this.#do(step);
      this.#assertNoMisuse();
    } catch (error) {
      if (error instanceof Broken) this.#tell(`BROKEN: ${error.message}`);
      throw error;
    }
  }

  #assertNoMisuse(): void {
    if (this.flash.misuse) throw new Broken(this.flash.misuse.message);
  }

  #do(step: Step): void {
    switch (step.do) {
      case 'boot':
        return this.#boot(step);
      case 'ota':
        return this.#appOta(step);
      case 'otadata':
        this.#count('otadata');
        this.#tell(`otadata becomes ${JSON.stringify(step.entries)}`);
        return this.#writeOtadata(this.rows, step.entries);
      case 'table':
        this.#count(step.isTorn ? 'table torn' : 'table');
        this.#tell(`another table is flashed: ${describeRows(step.rows)}`);
        return this.#flash(step.rows, step.isTorn ?? false);
      case 'app':
        return this.#write(step.what, step.sector, step.count, step.seed);
      case 'forge':
        return this.#forge(step);
      case 'wear':
        this.#count(step.weak ? 'weak sector' : 'worn sector');
        this.#tell(`sector ${step.sector} is ${step.weak ? 'weak' : 'worn out'} from now on`);
        this.#worn.set(step.sector, step.weak ?? false);
        this.promise.wear(step.sector);
        return this.#setFaults();
      case 'way out':
        return this.#findWayOut(step);
      case 'age':
        this.#count('ids');
        this.#tell(
          `the ids of all journals are ${step.to === undefined ? `${step.by} higher` : `up to ${step.to}`}`,
        );
        return age(this.flash, this.promise.places, step);
      default:
        if (!this.copies.length || !this.flash.isOn) return;
        return this.#call(step);
    }
  }

  // What others do

  #troubles: Trouble[] = [];

  #boot({ mood, troubles = [] }: Extract<Step, { do: 'boot' }>): void {
    const { flash } = this;
    flash.cut();
    flash.restart(mood);
    this.counts.boots++;
    const isFlickering = typeof mood === 'object' && mood.each === true;
    if (isFlickering) this.#count('cells that read differently');
    for (const { kind } of troubles) this.#count(`${kind} that fails`);
    this.running = bootedApp(flash, this.rows);
    this.#tell(
      `--- boot, ${this.running ? `${this.running.label} runs` : 'no app runs'}, cells read ${JSON.stringify(mood)}${troubles.length ? `, ${JSON.stringify(troubles)}` : ''}`,
    );
    this.promise.boot(this.running, isFlickering || troubles.length > 0);
    this.promise.misreads = troubles
      .filter(({ kind }) => kind === 'read')
      .reduce((sum, { times }) => sum + times, isFlickering ? Infinity : 0);
    this.promise.dropsPrograms = troubles.some(({ kind }) => kind === 'program');
    this.promise.dropsErases = troubles.some(({ kind }) => kind === 'erase');
    this.#troubles = troubles;
    this.#number = { read: 0, program: 0, erase: 0 };
    flash.strict = !isFlickering && !troubles.length && !this.#worn.size && !this.#isForged;
    this.#setFaults();
    this.copies = [{ ota: this.#load() }];
  }

  #load(): Ota {
    const ota = this.#modules.ota();
    ota.use(this.#runtime);
    return ota;
  }

  #setFaults(): void {
    const worn = this.#worn;
    const troubles = this.#troubles;
    if (!worn.size && !troubles.length) {
      this.flash.faults = [];
      return;
    }
    const hook: FaultHook = (operation) => {
      const { address, length } = operation;
      const kind: Trouble['kind'] = operation.kind;
      // What the boot is found by may not be misread: see world.ts.
      if (kind === 'read' && (address < 0x9000 || length < 4)) return undefined;
      const isWeak = kind === 'read' ? undefined : worn.get(Math.floor(address / SECTOR));
      const number = ++this.#number[kind];
      if (isWeak === false || (isWeak && number % 2)) return 'nothing';
      if (kind === 'read' && this.rows.some((row) => isOtadata(row) && isNear(row, address)))
        return undefined;
      const trouble = troubles.find(
        ({ kind: other, at, times }) => other === kind && number >= at && number < at + times,
      );
      if (!trouble) return undefined;
      return kind === 'read' ? { flip: trouble.bit ?? 0 } : 'nothing';
    };
    this.flash.faults = [hook];
  }

  #write(what: string, sector: number, count: number, seed: number | undefined): void {
    this.#count(`app writes to ${what}`);
    this.#tell(`${count} sectors from ${sector} on, ${what}, are written by others`);
    const bytes =
      seed === undefined
        ? new Uint8Array(count * SECTOR).fill(0xff)
        : contentOf({ seed, size: count * SECTOR }, count);
    // A partition of the table may lie outside of the chip.
    if ((sector + count) * SECTOR > this.flash.size) return;
    this.promise.written({ first: sector, span: count });
    this.flash.load(sector * SECTOR, bytes);
    const range = { first: sector, span: count };
    this.promise.wrote(range);
    this.#spoil(range);
    if (this.promise.places.some((place) => meet(place, range))) this.#revive();
  }

  /** Notes updates whose sector in hand others have written: a part of it was compared before, or written. */
  #spoil(range: Range): void {
    for (const { work } of this.copies) {
      const first = work?.tracked?.target.first;
      if (
        first !== undefined &&
        work!.at % SECTOR &&
        isIn(range, first + Math.floor(work!.at / SECTOR))
      ) {
        work!.tracked!.wild.add(first + Math.floor(work!.at / SECTOR));
        // What is programmed there next meets what the app has written, and does not read back.
        this.flash.strict = false;
      }
    }
  }

  /** Nothing on the chip tells any more that another copy has written: an update may go on after all. */
  #revive(): void {
    for (const { work } of this.copies)
      if (work && !work.isDead && work.known < 0) {
        work.known = this.#operations;
        work.isDoubtful = true;
      }
  }

  #forge(step: Extract<Step, { do: 'forge' }>): void {
    this.#count(`forged journal in ${step.where}`);
    this.#tell(
      `an app writes a journal of sectors ${step.target}+${step.span} to sector ${step.sector}, ${step.where}`,
    );
    // A partition of the table may lie outside of the chip.
    if (step.sector * SECTOR >= this.flash.size) return;
    const bytes = forge(this.flash, step);
    this.promise.written({ first: step.sector, span: 1 }, true);
    this.#isForged = true;
    this.flash.strict = false;
    this.flash.load(step.sector * SECTOR, bytes);
    const range = { first: step.sector, span: 1 };
    this.promise.wrote(range);
    this.#spoil(range);
  }

  #appOta({ slot, seed, torn, entry, isBad }: Extract<Step, { do: 'ota' }>): void {
    const row = this.rows.find(({ label }) => label === slot);
    if (!row || !isApp(row)) return;
    this.#count(torn === undefined ? 'app OTA' : 'app OTA torn');
    this.#tell(`app OTA over ${slot}${torn === undefined ? '' : `, torn after ${torn} sectors`}`);
    const { first, span } = rangeOf(row);
    const sectors = Math.min(span, 24);
    const content = contentOf({ seed, size: (torn ?? sectors) * SECTOR }, sectors);
    content[0] = isBad ? 0 : 0xe9;
    this.promise.written({ first, span: sectors });
    this.flash.load(first * SECTOR, content);
    this.promise.wrote({ first, span: sectors });
    const otadata = this.rows.find(isOtadata);
    if (!entry || !otadata) return;
    const sector = new Uint8Array(SECTOR).fill(0xff);
    sector.set(encodeEntry(entry));
    this.flash.load(otadata.address + (entry.sequence % 2 ? 0 : SECTOR), sector);
  }

  // Calls

  /** Calls the module; power fails in what it does, or in what is called within that. */
  #attempt(act: () => unknown, cut?: Cut): Outcome {
    const { flash } = this;
    const isWithin = this.#depth > 0;
    this.counts.calls++;
    this.#reads = 0;
    if (cut) flash.cutAt(cut.at, tearOf(cut));
    let outcome: Outcome = {};
    this.#depth++;
    try {
      outcome = { value: act() };
    } catch (error) {
      if (error instanceof Broken) throw error;
      outcome = { error: error as Error };
    } finally {
      this.#depth--;
    }
    if (!isWithin) flash.cutAt(0, TEARS.nothing);
    this.#assertNoMisuse();
    // The module may have caught what the promise threw.
    if (this.#broken) throw this.#broken;
    if (flash.isOn) return outcome;
    if (!isWithin) this.counts.cuts++;
    return { isCut: true };
  }
  /** How many calls are going on, one within the other. */
  #depth = 0;
  #broken: Broken | undefined;
  /** Whether others have written journals: nothing is known of what these are appended to. */
  #isForged = false;

  #copy(n = 0): Copy {
    this.copies[n] ??= { ota: this.#load() };
    return this.copies[n];
  }

  #call(
    step: Exclude<
      Step,
      { do: 'boot' | 'ota' | 'otadata' | 'table' | 'app' | 'forge' | 'wear' | 'age' | 'way out' }
    >,
  ): void {
    const copy = this.#copy(step.copy);
    if (step.copy) this.#count('second copy');
    const text = describe(step);
    switch (step.do) {
      case 'recover':
      case 'confirm':
      case 'forget':
      case 'restore':
        return void this.#decide(copy, step, text);
      case 'status':
      case 'partitions':
        return void this.#look(copy, step.do, text);
      case 'plan':
        return void this.#plan(copy, step.options, text);
      case 'begin':
        return this.#begin(copy, step, text);
      case 'wrong':
        return this.#wrong(copy, step, text);
      case 'air':
        return this.#air(copy, step, text);
      default:
        if (copy.work) this.#advance(copy, copy.work, step, text);
    }
  }

  #say(text: string, { value, error, isCut }: Outcome): void {
    if (!this.story) return;
    const shown = isCut ? 'power fails' : error ? error.message : JSON.stringify(value);
    this.#tell(`${text} -> ${shown}`);
  }

  /** Whether a copy has an update in progress; then most calls throw E_STATE. */
  #isBusy(copy: Copy): boolean {
    return copy.work !== undefined && !copy.work.isDead;
  }

  /** Checks that a call has been refused because an update is in progress. */
  #assertRefused(call: string, { error }: Outcome): void {
    if (error?.code !== 'E_STATE')
      throw new Broken(`${call} in an update: ${error?.message ?? 'nothing thrown'}`);
  }

  #decide(
    copy: Copy,
    step: Extract<Step, { do: 'recover' | 'confirm' | 'restore' | 'forget' }>,
    text: string,
  ): Outcome {
    const { promise } = this;
    const name = step.do;
    const { ota } = copy;
    if (name === 'restore' && copy.work && this.#isBusy(copy))
      return this.#advance(copy, copy.work, { do: 'abort', cut: step.cut }, text);
    const isFirst = name === 'recover' && !copy.hasRecovered;
    const isBusy = this.#isBusy(copy);
    const options =
      step.do === 'recover'
        ? { resume: step.resume, onProgress: this.#callback(copy, step.onProgress) }
        : undefined;
    if (!isBusy) promise.beforeRecover(isFirst, name === 'restore');
    promise.wasTrial = promise.update?.phase === 'trial';
    const before = this.#operations;
    const outcome = this.#attempt(
      () => (options ? ota.recover(options as object) : ota[name as 'confirm']()),
      step.cut,
    );
    this.#say(text, outcome);
    if (outcome.isCut) {
      if (name === 'forget') promise.maybeForgotten();
      promise.cut(name);
      return outcome;
    }
    if (isBusy && this.#isAlive(copy)) {
      this.#assertRefused(name, outcome);
      return outcome;
    }
    // An update of this copy that another copy has taken over.
    if (isBusy && outcome.error?.code === 'E_STATE') return outcome;
    const isBad = step.do === 'recover' && step.onProgress === 'not a function';
    if (isBad && outcome.error?.code === 'E_ARGUMENT') {
      this.#assertNothingWritten(name);
      return outcome;
    }
    if (outcome.error) {
      this.#abandon(copy, before, outcome.error.code === 'E_FLASH');
      promise.refused(name, outcome.error);
      return outcome;
    }
    if (isBad) throw new Broken('recover takes a callback that is none');
    const report = outcome.value as Report;
    if (name === 'recover') {
      copy.hasRecovered = true;
      promise.recovered(report, step.do === 'recover' && step.resume === true);
    } else if (name === 'confirm') promise.confirmed(report);
    else if (name === 'restore') promise.restored(report);
    else promise.forgot(report);
    // What could not be recorded may not be noticed.
    const mayBeUnsealed = report.sealed === false || promise.isTroubled || this.#worn.size > 0;
    this.#abandon(copy, before, mayBeUnsealed);
    if (name === 'recover' && !promise.isTroubled) this.#again(copy, options!, report);
    return outcome;
  }

  #assertNothingWritten(name: string): void {
    if (this.promise.operations) throw new Broken(`${name} writes, and refuses its argument`);
  }

  /** Every other copy that had an update in progress is out of it, if something was written. */
  #abandon(copy: Copy, before: number, isFailed = false): void {
    if (this.#operations === before) return;
    for (const other of this.copies)
      if (other !== copy && other.work) {
        // What has failed may have come to nothing.
        if (isFailed) other.work.isDoubtful = true;
        else other.work.known = -1;
      }
  }

  /** Whether the update of a copy is still that of the chip. */
  #isAlive({ work }: Copy): boolean {
    return work !== undefined && work.known >= 0;
  }

  /** Recovers again: nothing is written, the same is said. */
  #again(copy: Copy, options: object, first: Report): void {
    const { promise } = this;
    promise.beforeRecover(false);
    const { value, error } = this.#attempt(() => copy.ota.recover(options));
    if (error) return promise.refused('recover', error);
    promise.again(first, value as Report, promise.operations);
  }

  #look(copy: Copy, name: 'status' | 'partitions', text: string): Outcome {
    const { promise } = this;
    promise.beforeRecover(false);
    const isBusy = this.#isBusy(copy);
    const outcome = this.#attempt(() => copy.ota[name]());
    this.#say(text, outcome);
    if (promise.operations) throw new Broken(`${name} writes`);
    if (outcome.error) promise.refused(name, outcome.error);
    else if (name === 'status') {
      const report = outcome.value as Report;
      if (!isBusy) promise.looked(report);
      else if (this.#isAlive(copy) && report.state !== 'updating')
        throw new Broken(`status says ${report.state} in an update`);
    }
    return outcome;
  }

  #options({ options, content, size }: ImageOf, copy: Copy): Options {
    const { partition, backup, trial, overwriteLive, onProgress, crc32: check, bad } = options;
    const made: Record<string, unknown> = { partition };
    if (backup !== undefined) made.backup = backup;
    if (options.size) made.size = size;
    if (check) made.crc32 = (crc32(content.subarray(0, size)) ^ (check === 'wrong' ? 1 : 0)) >>> 0;
    if (trial) made.trial = trial;
    if (overwriteLive) made.overwriteLive = true;
    if (onProgress) made.onProgress = this.#callback(copy, onProgress);
    if (bad) made[bad[0]] = BAD[bad[1]];
    return made as unknown as Options;
  }

  #callback(copy: Copy, kind: Callback | undefined): unknown {
    if (!kind) return undefined;
    if (kind === 'not a function') return 5;
    let calls = 0;
    const refusesAll = () => {
      for (const call of [
        () => copy.ota.status(),
        () => copy.ota.recover(),
        () => copy.work?.handle.end(),
      ])
        try {
          if (call() !== undefined)
            this.#broken ??= new Broken('a call in the callback was not refused');
        } catch (error) {
          const { code, message } = error as { code?: string; message: string };
          if (code !== 'E_STATE') this.#broken ??= new Broken(`a call in the callback: ${message}`);
        }
    };
    return () => {
      calls++;
      // `status` tells about an update in progress also here.
      if (kind === 'calls' && !copy.work) refusesAll();
      if (kind === 'throws' && calls === 3) throw new Error('callback');
    };
  }

  /** @param given - options that are handed on as they are */
  #plan(copy: Copy, options: BeginOptions, text: string, given?: Options): Outcome {
    const { promise } = this;
    promise.beforeRecover(false);
    const isBusy = this.#isBusy(copy);
    const image = { options, content: new Uint8Array(0), size: 0 };
    const outcome = this.#attempt(() => copy.ota.plan(given ?? this.#options(image, copy)));
    this.#say(text, outcome);
    if (promise.operations) throw new Broken('plan writes');
    if (isBusy) {
      if (this.#isAlive(copy)) this.#assertRefused('plan', outcome);
    } else if (options.onProgress !== 'not a function' && outcome.error)
      promise.refusedBegin(options, 0, outcome.error);
    return outcome;
  }

  #begin(copy: Copy, step: Extract<Step, { do: 'begin' }>, text: string): void {
    const { options } = step;
    const row = this.#rowOf(options);
    const sectors = row ? Math.min(rangeOf(row).span, 400) : 1;
    const size = Math.min(step.image.size, sectors * SECTOR) || step.image.size;
    const image = { options, content: contentOf({ ...step.image, size }, sectors), size };
    this.#start(copy, image, () => this.#options(image, copy), text, step.cut);
  }

  #rowOf({ partition }: BeginOptions): Row | undefined {
    return this.rows.find(({ label }) => label === partition);
  }

  /** What a call of `ota-http` gets of the core. */
  #watched(copy: Copy, options: BeginOptions, text: string): Watched {
    // The module may catch what the promise throws.
    const noted =
      <A extends unknown[]>(act: (...all: A) => Outcome) =>
      (...all: A): Outcome => {
        try {
          return act(...all);
        } catch (error) {
          if (error instanceof Broken) this.#broken ??= error;
          throw error;
        }
      };
    const name = (call: string) => `${text.split('(')[0]}: ${call}`;
    const advance = (call: 'end' | 'abort' | 'leave') =>
      noted(() => this.#advance(copy, copy.work!, { do: call }, name(call)));
    return {
      look: noted((call) => this.#look(copy, call, name(call))),
      plan: noted((given) => this.#plan(copy, options, name('plan'), given as Options)),
      begin: noted((given, { content, size, isCrcWrong }) => {
        const crc32 = isCrcWrong ? 'wrong' : 'right';
        const image: ImageOf = { options: { ...options, crc32 }, content, size };
        return this.#start(copy, image, () => given as Options, name('begin'));
      }),
      write: noted((bytes) => {
        const work = copy.work!;
        const step: Step = { do: 'write', bytes: bytes.length, chunk: SECTOR, as: 'string' };
        return this.#advance(copy, work, step, name(`write ${bytes.length} bytes`), () => {
          work.handle.write(bytes);
          work.at += bytes.length;
        });
      }),
      keep: noted((size) => {
        const work = copy.work!;
        const step: Step = { do: 'write', bytes: size, chunk: SECTOR, as: 'string' };
        return this.#advance(copy, work, step, name(`keep ${size} bytes`), () => {
          work.handle.keep(size);
          work.at += size;
        });
      }),
      back: noted(() => {
        const work = copy.work!;
        const step: Step = { do: 'write', bytes: 0, chunk: SECTOR, as: 'string' };
        return this.#advance(copy, work, step, name('back'), () => {
          work.handle.back();
          work.at = Math.floor((work.at - 1) / SECTOR) * SECTOR;
        });
      }),
      end: advance('end'),
      abort: (isKept) => (isKept ? advance('leave') : advance('abort'))(),
      recover: noted(() => this.#decide(copy, { do: 'recover' }, name('recover'))),
      note: (broken) => (this.#broken ??= broken),
      isOver: () => this.#isOver,
    };
  }

  /** Whether nothing more can happen: power has failed, or the promise is broken. */
  get #isOver(): boolean {
    return !this.flash.isOn || this.#broken !== undefined || this.flash.misuse !== undefined;
  }

  /** Puts a journal into the last whole sector of an image. */
  #plantJournal(content: Uint8Array, row: Row, seed: number): void {
    const { first, span } = rangeOf(row);
    const number = content.length / SECTOR - 1;
    const sector = first + number;
    if (sector * SECTOR >= this.flash.size) return;
    const heads = this.promise.places.flatMap(({ first, span }) => [
      first + span - 1,
      first + span - 2,
    ]);
    const below = random(seed);
    const from = heads.length ? heads[below(heads.length)] : first;
    const victim = rangeOf(this.rows[below(this.rows.length)]);
    const target = below(2) ? { first, span } : victim;
    content.set(
      forge(this.flash, {
        from,
        sector,
        target: target.first,
        span: target.span,
        id: below(65536),
      }),
      number * SECTOR,
    );
    this.promise.planted.push(sector);
    this.#isPlanted = true;
  }
  /** Whether an image had a journal in it: another table may bring that to where journals lie. */
  #isPlanted = false;

  /** Begins an update. @param given - makes the options */
  #start(copy: Copy, image: ImageOf, given: () => Options, text: string, cut?: Cut): Outcome {
    const { promise } = this;
    const { ota } = copy;
    const isBusy = this.#isBusy(copy);
    promise.beforeRecover(false);
    const planned = this.#attempt(() => ota.plan(given()));
    if (!isBusy) promise.beforeBegin();
    const before = this.#operations;
    const outcome = this.#attempt(() => ota.begin(given()), cut);
    this.#say(text, outcome.value ? { value: planned.value } : outcome);
    if (outcome.isCut) promise.cut('begin');
    else if (!isBusy) this.#started(copy, image, planned, outcome, before);
    else if (this.#isAlive(copy)) this.#assertRefused('begin', outcome);
    return outcome;
  }

  #started(copy: Copy, image: ImageOf, planned: Outcome, outcome: Outcome, before: number): void {
    const { promise } = this;
    const { options, size } = image;
    const row = this.#rowOf(options);
    const mayFail = promise.isTroubled || this.#worn.size > 0;
    this.#abandon(copy, before, outcome.error?.code === 'E_FLASH' || mayFail);
    const isCalm = !mayFail;
    if (options.onProgress === 'not a function' && outcome.error?.code === 'E_ARGUMENT')
      return this.#assertNothingWritten('begin');
    if (outcome.error) {
      promise.refusedBegin(options, size, outcome.error);
      const isForged = promise.isUnknown && outcome.error.code === 'E_STATE';
      if (isCalm && !planned.error && outcome.error.code !== 'E_FLASH' && !isForged)
        throw new Broken(`plan promises, and begin throws ${outcome.error.message}`);
      return;
    }
    if (planned.error && isCalm)
      throw new Broken(`plan throws ${planned.error.message}, and begin begins`);
    if (options.bad && !['undefined', 'null'].includes(options.bad[1]) && isWrong(options.bad))
      throw new Broken(`begin takes ${options.bad.join(': ')}`);
    if (options.onProgress === 'not a function')
      throw new Broken('begin takes a callback that is none');
    if (!row) throw new Broken('begin updates what is not in the table');
    if (isCalm && !promise.isTarget(row, options.overwriteLive))
      throw new Broken(`begin updates ${row.label}, which ${promise.whyNot(row)}`);
    const plan = planned.value as ReturnType<Ota['plan']>;
    // Options that were replaced by something that says nothing.
    const spoiled = options.bad && { [options.bad[0]]: undefined };
    if (planned.error) return;
    promise.began(plan, { ...options, ...spoiled }, row);
    copy.work = {
      handle: outcome.value as Update,
      ...image,
      options: { ...options, ...spoiled },
      at: 0,
      tracked: promise.update,
      known: this.#operations,
    };
  }

  /** `ota-http` updates; what it calls of the core is judged as if it were steps. */
  #air(copy: Copy, step: AirStep, text: string): void {
    const { promise } = this;
    const row = this.#rowOf(step.options);
    this.#count(`server that ${step.server}`);
    const { bad } = step.options;
    const options = { ...step.options, size: true };
    const server = serverOf(step, row, (content) => this.#plantJournal(content, row!, step.seed));
    const { digest } = server.first;
    const asked: Asked = {
      server,
      row,
      partition: options.partition,
      digest: step.digest ? digest : undefined,
      isBad: bad !== undefined,
      isTroubled: promise.isTroubled,
      ...(!promise.isTroubled &&
        !promise.isUnknown &&
        !this.#worn.size && { isKept: step.keep === true }),
    };
    const given = {
      ...this.#options(
        { options: { ...options, crc32: undefined }, content: new Uint8Array(0), size: 0 },
        copy,
      ),
      url: 'http://host/image.bin',
      ...(step.digest && { digest }),
      ...(step.keep && { keep: true }),
      ...(step.retries !== undefined && { retries: step.retries }),
      ...(step.stop && {
        onPlan: () => {
          throw new Error('onPlan');
        },
      }),
    };
    const wasBusy = this.#isBusy(copy);
    const call = new Call(this.#watched(copy, options, text), asked);
    const air = (copy.air ??= new Air(this.#modules.http, this.#runtime));
    const limits = Call.limitsOf(asked, step.image);
    const outcome = this.#attempt(
      () => air.update(given, call.ota, server, () => this.#isOver, limits),
      step.cut,
    );
    if (outcome.error) throw outcome.error as Error;
    if (outcome.isCut) return this.#say(text, outcome);
    const settled = outcome.value as Settled;
    const { state, code } = settled.value as { state?: string; code?: string };
    this.#count(`over the air: ${state ?? code ?? 'a callback throws'}`);
    this.#say(text, settled.state === 'rejected' ? { error: settled.value as Error } : settled);
    if (!wasBusy && copy.work) {
      if (this.#isUpdating(copy.work)) throw new Broken('ota-http leaves its update open');
      copy.work.isDead = true;
    }
    if (wasBusy && settled.state === 'fulfilled')
      throw new Broken(`ota-http in an update: ${JSON.stringify(settled.value)}`);
    if (settled.value instanceof Error && ['callback', 'onPlan'].includes(settled.value.message))
      return;
    const contents = call.judge(settled);
    if (contents) promise.found(row!, contents);
  }

  #wrong(copy: Copy, step: Extract<Step, { do: 'wrong' }>, text: string): void {
    const { promise } = this;
    const value = BAD[step.value];
    const { call } = step;
    const { work } = copy;
    const isAlive = this.#isBusy(copy) && this.#isAlive(copy);
    const isUpdate = call === 'write' || call === 'backup';
    if (isUpdate && (!work || !isAlive)) return;
    if (isUpdate && isFine(call, value)) return;
    if (call === 'recover' && value !== undefined) return;
    if (isUpdate) promise.beforeUpdate();
    else promise.beforeRecover(false);
    const act: Record<string, () => unknown> = {
      write: () => work!.handle.write(value as string),
      backup: () => work!.handle.backup(value as number),
      begin: () => copy.ota.begin(value as Options),
      plan: () => copy.ota.plan(value as Options),
      recover: () => undefined,
    };
    const before = this.#operations;
    const outcome = this.#attempt(act[call]);
    this.#say(text, outcome);
    if (call === 'recover') return;
    if (!outcome.error) throw new Broken(`${call}(${step.value}) is taken`);
    const code = promise.explain(`${call}(${step.value})`, outcome.error);
    if (this.#operations !== before) throw new Broken(`${call}(${step.value}) writes`);
    // Without a label nothing is updated.
    if (!isUpdate || isAlive) return;
    if (code !== 'E_ARGUMENT') throw new Broken(`${call}(${step.value}) throws ${code}`);
  }

  /**
   * There is no refusal for ever: in a calm boot, after `recover`, a direct update of the partition that it names commits;
   * of any other one, if it names none that counts for nothing.
   */
  #findWayOut({ image, number }: Extract<Step, { do: 'way out' }>): void {
    const { promise } = this;
    this.#boot({ do: 'boot', mood: 'after' });
    if (promise.isTableTorn || this.#worn.size) return;
    const longest = Math.max(0, ...promise.places.map(({ span }) => span));
    const rows = this.rows.filter(
      (row) =>
        promise.isTarget(row, true) &&
        rangeOf(row).span <= 64 &&
        this.rows.filter(({ label }) => label === row.label).length === 1,
    );
    if (!rows.length || longest < 3) return;
    this.#call({ do: 'recover' });
    const [copy] = this.copies;
    if (promise.isUnknown) this.#call({ do: 'forget' });
    if (promise.update?.phase === 'trial') this.#call({ do: 'confirm' });
    const { update } = promise;
    const lost =
      update?.phase === 'void' && rows.find((row) => isSame(rangeOf(row), update.target));
    if ((update?.phase === 'void' && !lost) || update?.isAway) this.#call({ do: 'forget' });
    const { label: partition } = lost || rows[number % rows.length];
    const options = { partition, backup: false as const, overwriteLive: true };
    this.#call({ do: 'begin', options, image });
    this.#call({ do: 'write', bytes: image.size, chunk: 5000, as: 'array' });
    this.#call({ do: 'end' });
    if (copy.work?.isDead !== true) throw new Broken('there is no way on');
  }

  // Calls of an update

  /** @param act - does the step, if it is not one of the life */
  #advance(
    copy: Copy,
    work: Work,
    step: Step & { cut?: Cut },
    text: string,
    act = () => this.#callUpdate(work, step),
  ): Outcome {
    const { promise } = this;
    const isAlive = this.#isAlive(copy) && !work.isDead;
    const { update } = promise;
    if (isAlive && update !== work.tracked) promise.turnTo(work.tracked!);
    if (isAlive) promise.beforeUpdate();
    else promise.beforeRecover(false);
    if (step.do === 'end' && isAlive) promise.ending(this.#paddedOf(work));
    const before = this.#operations;
    const outcome = this.#attempt(act, step.cut);
    this.#say(text, outcome);
    if (isAlive) this.#advanced(copy, work, step, outcome, before);
    else {
      this.#assertDead(work, step.do, outcome, before);
      if (!outcome.isCut && !this.#isUpdating(work)) work.isDead = true;
    }
    return outcome;
  }

  #advanced(copy: Copy, work: Work, step: Step, outcome: Outcome, before: number): void {
    const { promise } = this;
    const { update } = promise;
    if (outcome.isCut) {
      work.isDead = true;
      promise.advanced();
      if (step.do === 'end') promise.maybeEnded();
      return promise.cut(step.do);
    }
    this.#abandon(copy, before, outcome.error?.code === 'E_FLASH');
    promise.advanced();
    if (outcome.error?.code === 'E_STATE' && work.isDoubtful && !promise.operations)
      promise.update = update;
    if (outcome.error) return this.#failed(work, step, outcome.error);
    if (step.do === 'end') {
      work.isDead = true;
      this.#assertMayEnd(work);
      promise.ended(outcome.value as Result, this.#paddedOf(work));
    } else if (step.do === 'abort') {
      work.isDead = true;
      promise.gaveUp(outcome.value as Result);
    } else if (step.do === 'leave') {
      work.isDead = true;
      promise.left(outcome.value as Result);
    }
  }

  /** @returns what the partition holds if the update ends now. */
  #paddedOf({ content, at }: Work): Uint8Array {
    if (at >= content.length) return content;
    const padded = content.slice();
    padded.fill(0xff, at);
    return padded;
  }

  #callUpdate(work: Work, step: Step): unknown {
    const { handle, content, size } = work;
    if (step.do === 'backup') return handle.backup(step.size);
    if (step.do === 'end') return handle.end();
    if (step.do === 'abort') return handle.abort();
    if (step.do === 'leave') return handle.abort(true);
    if (step.do !== 'write') return undefined;
    const end = Math.min(work.at + step.bytes, size);
    while (work.at < end) {
      const part = content.subarray(work.at, Math.min(work.at + step.chunk, end));
      handle.write(chunkOf(part, step.as));
      work.at += part.length;
    }
    return undefined;
  }

  /** Another copy of the module has written since, or the update is over: nothing happens any more. */
  #assertDead(work: Work, name: string, { error, isCut, value }: Outcome, before: number): void {
    if (isCut || this.#operations !== before)
      throw new Broken(`${name} of an update that is over writes`);
    // What it wanted to write is there already.
    const isUntouched = (value as Result | undefined)?.state === 'untouched';
    if (!error && (name === 'write' || isUntouched)) return;
    // Nothing was written, and this is true, too.
    const { code, message } = error ?? {};
    if (message === 'callback' && work.options.onProgress === 'throws') return;
    if (['E_SPACE', 'E_VERIFY', 'E_ARGUMENT', 'E_SIZE'].includes(code!)) return;
    if (code !== 'E_STATE')
      throw new Broken(
        `${name} of an update that is over: ${error?.message ?? JSON.stringify(value) ?? 'nothing thrown'}`,
      );
  }

  #assertMayEnd({ options, size, at }: Work): void {
    if (options.crc32 === 'wrong') throw new Broken('end takes an image with another CRC-32');
    if (options.size && at < size) throw new Broken(`end takes ${at} of ${size} bytes`);
    if (!at) throw new Broken('end takes an image of no bytes');
  }

  /** Whether the module says that it goes on with an update. */
  #isUpdating(work: Work): boolean {
    const copy = this.copies.find((copy) => copy.work === work);
    const { value } = this.#attempt(() => copy?.ota.status());
    return (value as Report | undefined)?.state === 'updating';
  }

  #failed(work: Work, step: Step, error: { code?: string; message: string }): void {
    const { promise } = this;
    const name = step.do;
    const { options, size, at, content } = work;
    const { update } = promise;
    if (error.message === 'callback' && options.onProgress === 'throws') {
      work.isDead = true;
      return promise.gaveUp();
    }
    const code = promise.explain(name, error);
    // The journal on the chip is not this update's any more: nothing more is done.
    const isDisturbed =
      promise.isDisturbed || promise.isTroubled || promise.isUnknown || work.isDoubtful;
    const isDirectBackup = name === 'backup' && options.backup === false;
    const isShort = at < (options.size ? size : 1);
    const reasons: Record<string, () => boolean | undefined> = {
      E_ARGUMENT: () => step.do === 'backup' && step.size! > content.length,
      E_STATE: () => isDirectBackup || isDisturbed,
      E_SIZE: () => name === 'end' && isShort,
      E_VERIFY: () =>
        name === 'end' &&
        (options.crc32 === 'wrong' ||
          // It is that of the whole image.
          at < size ||
          promise.isTroubled ||
          work.isDoubtful ||
          update?.excuses.has('app')),
      E_FLASH: () => true,
      // Where a journal keeps nothing more, another one begins, with a backup of its own.
      E_SPACE: () =>
        this.#worn.size > 0 ||
        (update && (update.cuts > 0 || !update.backup || update.backup.span < update.target.span)),
    };
    if (!reasons[code]?.() && !promise.isUnknown)
      throw new Broken(`${name} throws ${error.message}`);
    // What could not be recorded in the end may be found complete.
    if (name === 'end' && code === 'E_FLASH') promise.maybeEnded();
    else if (name === 'end') update?.news.pop();
    const isChecked = code === 'E_ARGUMENT' || code === 'E_STATE' || code === 'E_SIZE';
    if (code === 'E_STATE' && isDisturbed && !isDirectBackup) {
      work.isDead = true;
      return;
    }
    if (isChecked && promise.operations) throw new Broken(`${name} throws ${code}, and writes`);
    // `backup` looks whether there is room before anything is written; then the update may go on.
    if (isChecked || (name === 'backup' && !promise.operations && this.#isUpdating(work))) return;
    work.isDead = true;
    promise.gaveUp();
  }
}

const tears: Record<string, Tear> = TEARS;
const someBitsOf = new Map<number, Tear>();
function tearOf({ tear }: Cut): Tear {
  if (typeof tear === 'string') return tears[tear];
  const known = someBitsOf.get(tear) ?? someBits(tear);
  someBitsOf.set(tear, known);
  return known;
}

/** Whether a value is none of those that an option takes. */
function isWrong([option, name]: [string, string]): boolean {
  const value = BAD[name];
  if (option === 'size' || option === 'crc32')
    return !(Number.isInteger(value) && (value as number) >= 0);
  if (option === 'trial') return !(Number.isInteger(value) && (value as number) >= 0);
  return option === 'partition';
}

/** Whether `write` or `backup` may take a value. */
function isFine(call: string, value: unknown): boolean {
  if (call === 'write') return typeof value === 'string';
  // What is larger than the partition is all of it.
  return value === undefined || value === null || value === 2 ** 32;
}

function isNear(row: Row, address: number): boolean {
  return address >= row.address && address < row.address + row.size;
}

function describeRows(rows: readonly Row[]): string {
  return rows
    .map(({ label, address, size }) => `${label} ${address / SECTOR}+${size / SECTOR}`)
    .join(', ');
}

export function describe(step: Step): string {
  const { do: name, copy, cut, ...others } = step as Step & { copy?: number; cut?: Cut };
  const options = Object.keys(others).length ? JSON.stringify(others) : '';
  return `${copy ? 'second copy: ' : ''}${name}(${options})${cut ? `, power fails in operation ${cut.at}, ${cut.tear}` : ''}`;
}
