/**
 * A chip on which strangers have forged journals, with valid CRCs, and what the module does to it. What must be true is
 * README's promise and what the table allows; see `chips.ts`:
 *
 * - No byte is written but in places of journals, in a partition that may be updated, and in what may keep a backup.
 * - No call throws anything but an error with a code, and each one ends.
 * - `status` and `recover` say the same; `recover` says it again, and at the next boot; then it writes nothing.
 * - After `recover` there is a way to update every partition that could be updated without the journals: at once; or once
 *   the partition that counts for nothing was updated; or after `confirm`, or `forget`.
 * - An update ends with its image in the partition, and no power cut leaves anything but the old or the new content.
 */
import assert from 'node:assert/strict';
import type { Options, Report } from '../../device/api.ts';
import type { Runtime } from '../../device/runtime.ts';
import { type Board, PowerCut, type Row, SECTOR, TEARS, pattern } from '../../host/index.ts';
import { codeOf, random } from '../support/fixtures.ts';
import { runtimeOf } from '../support/runtime.ts';
import type { Ota } from '../support/subject.ts';
import {
  type Chip,
  type Draw,
  type Range,
  drawChip,
  pick,
  rangeOf,
  shownTable,
  shuffled,
} from './chips.ts';
import { type Forged, IDS, forge } from './forge.ts';

/** Calls of the chip that one call of the API may take. A log of 64 sectors has 16,384 slots. */
const MOST_CALLS = 200000;

/** What was done to some chips. */
export interface Counts {
  chips: number;
  journals: number;
  boots: number;
  cuts: number;
  updates: number;
}

/** The state that `recover` may report after what `status` has said. */
const AFTER: Record<string, string[]> = {
  none: ['none'],
  restored: ['restored'],
  committed: ['committed'],
  trial: ['trial', 'restored', 'committed'],
  interrupted: ['restored'],
  incomplete: ['incomplete'],
  damaged: ['damaged'],
};

/** One chip, and all that is tried on it. */
class Trial {
  readonly story: string[] = [];
  readonly chip: Chip;
  readonly forged: Forged[] = [];
  readonly #below: Draw;
  readonly #make: () => Ota;
  readonly #counts: Counts;
  readonly #runtime: Runtime;
  /** What `plan` says of each partition, with and without a backup, on the same chip without journals. */
  readonly #clean: Map<string, string>;
  #calls = 0;
  #ota!: Ota;
  /** The rows that the present call may write beside places and targets. */
  #allowed: Range[] = [];

  constructor(seed: number, make: () => Ota, counts: Counts) {
    const below = random(seed);
    this.#below = below;
    this.#make = make;
    this.#counts = counts;
    this.chip = drawChip(below);
    const { chip } = this;
    this.#runtime = this.#makeRuntime();
    this.boot();
    this.#clean = this.#plans();
    const count = chip.places.length ? 1 + below(4) : 0;
    const base = pick(below, [1, 1, 0x7ffe, 0xfffe]);
    for (let n = 0; n < count; n++) {
      const id = below(3) ? (base + n) & 0xffff : pick(below, IDS);
      this.forged.push(forge(below, chip, pick(below, chip.places), id));
    }
    counts.chips++;
    counts.journals += count;
  }

  /** @returns all that there is to know of a failure. */
  get told(): string {
    const { table, running, isTold, live } = this.chip;
    return [
      `table: ${shownTable(table)}`,
      `running: ${running.label}${isTold ? '' : ', which the chip cannot tell'}, live ${live}`,
      ...this.forged.map(({ text }) => `forged: ${text}`),
      ...this.story,
    ].join('\n  ');
  }

  /** The chip as the module sees it: each call of it is counted, and each write has to be in the fence. */
  #makeRuntime(): Runtime {
    const { flash, running, isTold, live } = this.chip;
    const direct = runtimeOf({ flash } as unknown as Board);
    const count = () => assert.ok(++this.#calls < MOST_CALLS, 'the call does not end');
    const guard = (address: number) => {
      count();
      const sector = Math.floor(address / SECTOR);
      const isIn = ({ first, span }: Range) => sector >= first && sector < first + span;
      if (!this.#allowed.some(isIn)) this.#outside ??= sector;
    };
    return {
      ...direct,
      read: (address, length) => {
        count();
        return direct.read(address, length);
      },
      program: (data, address) => {
        guard(address);
        direct.program(data, address);
      },
      erase: (address) => {
        guard(address);
        direct.erase(address);
      },
      running: () => (isTold ? running.address : 0),
      live,
    };
  }

  /** A sector that was written and may not be, if there is one. */
  #outside: number | undefined;
  /** Rows that were updated although the firmware is using them, as the caller has asked for. */
  readonly #overwritten = new Set<Row>();

  /** @returns what may be written by whatever a journal asks for. */
  #asked(): Range[] {
    const { places, targets, inUse } = this.chip;
    const isAsked = (row: Row) => {
      const { first, span } = rangeOf(row);
      if (this.#overwritten.has(row)) return true;
      return this.forged.some(
        ({ isLive, target }) => isLive && target.first === first && target.span === span,
      );
    };
    return [...places, ...targets.filter((row) => !inUse.has(row) || isAsked(row)).map(rangeOf)];
  }

  /** @returns the same, and what an update of a partition may write. */
  #asking(label: string): Range[] {
    const { free, keepers, passive, targets } = this.chip;
    const named = targets.filter((row) => row.label === label).map(rangeOf);
    // Data holds a backup only if a journal of this partition says so: then the update goes on with it.
    const kept = keepers
      .map(rangeOf)
      .filter(({ first, span }) =>
        this.forged.some(
          ({ target, backup }) =>
            backup.first === first &&
            backup.span === span &&
            named.some((range) => range.first === target.first && range.span === target.span),
        ),
      );
    return [...this.#asked(), ...free, ...passive.map(rangeOf), ...named, ...kept];
  }

  /**
   * Makes a call. @returns what it returns, or the code of its error
   * @throws what breaks the promise
   */
  call<T>(name: string, allowed: Range[], act: (ota: Ota) => T): T | string {
    this.#calls = 0;
    this.#allowed = allowed;
    let result: T | undefined;
    const code = codeOf(() => {
      result = act(this.#ota);
    });
    this.story.push(`${name}: ${code === 'nothing thrown' ? JSON.stringify(result) : code}`);
    assert.equal(this.#outside, undefined, `${name} has written to sector ${this.#outside}`);
    return code === 'nothing thrown' ? result! : code;
  }

  boot(): void {
    this.#ota = this.#make();
    this.#ota.use(this.#runtime);
    this.#counts.boots++;
    this.story.push('boot');
  }

  /** @returns the state that a call reports, or the code of its error, and the partition. */
  #stateOf(name: 'status' | 'recover' | 'confirm' | 'restore' | 'forget'): [string, string?] {
    const allowed = name === 'status' ? [] : this.#asked();
    const report = this.call<Report>(name, allowed, (ota) => ota[name]());
    return typeof report === 'string' ? [report] : [report.state, report.partition];
  }

  #optionsOf(row: Row, isDirect: boolean): Options {
    const options: Options = { partition: row.label };
    if (this.chip.inUse.has(row)) options.overwriteLive = true;
    if (isDirect) options.backup = false;
    return options;
  }

  /** @returns for each partition whether an update of it may begin, with and without a backup. */
  #plans(): Map<string, string> {
    const found = new Map<string, string>();
    for (const row of this.chip.targets)
      for (const isDirect of [false, true]) {
        const plan = this.call(`plan ${row.label}${isDirect ? ' direct' : ''}`, [], (ota) => {
          ota.plan(this.#optionsOf(row, isDirect));
          return 'ok';
        });
        found.set(`${row.label} ${isDirect}`, plan);
      }
    return found;
  }

  /** @returns whether every update may begin that could without the journals. */
  #isOpen(): boolean {
    const found = this.#plans();
    const refused = [...this.#clean].find(
      ([name, plan]) => plan === 'ok' && found.get(name) !== 'ok',
    );
    // Records of strangers behind the end of a log join it once it reaches them; then all has to be forgotten.
    if (refused && this.#isTidy) assert.fail(`an update of ${refused[0]} is refused`);
    return !refused;
  }

  /** @returns what a partition holds. */
  #content({ address, size }: Row): Uint8Array {
    return this.chip.flash.peek(address, size);
  }

  #isHeld(row: Row, content: Uint8Array): boolean {
    return Buffer.compare(this.#content(row), content) === 0;
  }

  /** Updates a partition. @returns the state in the end, or a code */
  update(row: Row, isDirect: boolean): string {
    const size = 1 + this.#below(row.size);
    const image = pattern(`new ${this.story.length} ${this.#below(99)}`, size);
    const options = this.#optionsOf(row, isDirect);
    this.#overwritten.add(row);
    const result = this.call(
      `update ${row.label}${isDirect ? ' direct' : ''}`,
      this.#asking(row.label),
      (ota) => {
        const update = ota.begin(options);
        if (!isDirect && !this.#below(4)) update.backup();
        for (let at = 0; at < size; at += 3000) update.write(image.subarray(at, at + 3000));
        return update.end().state;
      },
    );
    this.#counts.updates++;
    if (result !== 'committed') {
      this.boot();
      return result;
    }
    const content = new Uint8Array(row.size).fill(0xff);
    content.set(image);
    assert.ok(this.#isHeld(row, content), 'committed, and the image is not there');
    return result;
  }

  /** Lets power fail in an update with a backup, until it ends: the partition holds one content or the other. */
  cutUpdate(row: Row): void {
    const { flash } = this.chip;
    const old = this.#content(row);
    const cuts = 1 + this.#below(3);
    const allowed = this.#asking(row.label);
    const image = new Uint8Array(row.size);
    image.set(pattern(`cut ${this.story.length}`, row.size));
    let state: string | undefined;
    let isCut = false;
    this.#overwritten.add(row);
    for (let n = 0; n <= cuts; n++) {
      flash.cutAt(
        n < cuts ? 1 + this.#below(n ? 12 : 60) : 0,
        pick(this.#below, Object.values(TEARS)),
      );
      try {
        if (n) [state] = this.#stateOf('recover');
        else
          this.call(`update ${row.label}, until power fails`, allowed, (ota) => {
            const update = ota.begin(this.#optionsOf(row, false));
            update.write(image);
            return update.end().state;
          });
        flash.cut();
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        isCut = true;
        this.#counts.cuts++;
        this.story.push(`cut: ${error.message}`);
      }
      flash.restart(pick(this.#below, ['ones', 'zeros', 'before', 'after', { seed: n }]));
      flash.cutAt(0, TEARS.everything);
      this.boot();
    }
    const isOld = this.#isHeld(row, old);
    const isNew = this.#isHeld(row, image);
    assert.ok(isOld || isNew, 'neither the old nor the new content');
    if (isCut && state === 'committed' && !isNew) assert.ok(isOld);
    // A forged journal that is full may have its backup where its target is: what a cut leaves of that is damaged.
    const isLost = state === 'damaged' || state === 'incomplete';
    if (isLost && this.#isTidy) assert.fail(`${state} after power cuts`);
    if (isLost) this.#stateOf('forget');
  }

  /** Recovers, and again, and at the next boot. @returns what is said */
  recover(): [string, string?] {
    const [said] = this.#below(2) ? this.#stateOf('status') : [''];
    const [state, partition] = this.#stateOf('recover');
    if (said in AFTER && this.#isTidy)
      assert.ok(AFTER[said].includes(state), `status ${said}, recover ${state}`);
    const { operations } = this.chip.flash.counters;
    const same = (name: 'recover' | 'status', when: string) => {
      // What was put back and could not be written down is put back again. Records of strangers behind the end of a log
      // may have joined it by now.
      if (!this.#isTidy) this.#stateOf(name);
      else assert.deepEqual(this.#stateOf(name), [state, partition], `said at first, and ${when}`);
    };
    same('recover', 'again');
    if (!state.startsWith('E_')) same('status', 'by status');
    this.boot();
    if (state === 'trial') return [state, partition];
    same('recover', 'at the next boot');
    if (this.#isTidy && !state.startsWith('E_'))
      assert.equal(this.chip.flash.counters.operations, operations, 'written again');
    return [state, partition];
  }

  get #isUnsealed(): boolean {
    return this.story.some((line) => line.includes('"sealed":false'));
  }

  /** Whether the log of each journal ends where it seems to end, and has room. */
  get #isTidy(): boolean {
    return this.forged.every(({ isTidy }) => isTidy) && !this.#isUnsealed;
  }

  /** After `recover`: what has to be done until every partition can be updated again. @returns whether that was enough */
  settle(state: string, partition: string | undefined): boolean {
    const below = this.#below;
    const isClosed = ['none', 'restored', 'committed'].includes(state);
    if (isClosed) return this.#isOpen();
    if (state === 'trial') return this.#stateOf('confirm')[0] === 'committed' && this.#isOpen();
    const lost = this.chip.targets.find((row) => row.label === partition);
    const isPossible = lost && this.#clean.get(`${partition} true`) === 'ok';
    if (!isPossible || !below(3)) return false;
    return this.update(lost, true) === 'committed' && this.#isOpen();
  }

  /** After `recover`: goes a way on which every partition can be updated again. */
  goOn(state: string, partition: string | undefined): void {
    const below = this.#below;
    const isOpen = below(8) > 0 && this.settle(state, partition);
    if (!isOpen) {
      assert.equal(this.#stateOf('forget')[0], 'none');
      this.boot();
      assert.equal(this.#stateOf('recover')[0], 'none');
      assert.ok(this.#isOpen(), 'an update is refused although all is forgotten');
    }
    for (const row of shuffled(below, this.chip.targets).slice(0, 1 + below(2))) {
      const isDirect = below(3) === 0;
      if (this.#clean.get(`${row.label} ${isDirect}`) !== 'ok') continue;
      const isCut = !isDirect && below(2) > 0;
      if (isCut) this.cutUpdate(row);
      let result = this.update(row, isDirect);
      // What lies behind the end of a log looks as if another copy of the module went on with it.
      const isOdd = result === 'E_STATE' && !this.#isTidy;
      // Zeros over a forged head, torn by a cut, may let it speak again at another boot.
      if (isOdd || (result === 'E_PENDING' && isCut)) {
        this.#stateOf('forget');
        result = this.update(row, isDirect);
      }
      // The backup may be smaller than what changes.
      if (result === 'E_SPACE' && !isDirect) continue;
      assert.equal(result, 'committed');
      this.boot();
      assert.deepEqual(this.#stateOf('recover'), ['committed', row.label]);
      if (below(2)) this.#stateOf('restore');
    }
  }

  /** Calls without `recover` before them. */
  skipRecover(): void {
    const { targets } = this.chip;
    const name = pick(this.#below, ['restore', 'confirm', 'forget', 'update', 'update'] as const);
    if (name !== 'update') this.#stateOf(name);
    else if (targets.length) this.update(pick(this.#below, targets), !this.#below(2));
    this.boot();
  }

  run(): void {
    if (!this.#below(4)) this.#plans();
    if (!this.#below(4)) this.skipRecover();
    const [state, partition] = this.recover();
    this.goOn(state, partition);
  }
}

/**
 * Tries one chip.
 * @param make - makes the module anew, as a boot does
 * @throws AssertionError with all that happened, if the promise is broken
 */
export function tryChip(seed: number, make: () => Ota, counts: Counts): void {
  const trial = new Trial(seed, make, counts);
  try {
    trial.run();
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`${message}\n  chip ${seed}, ${trial.told}`, { cause: error });
  }
}
