/** Draws lives at random: what a chip is at first, and what happens in each boot, by what is on it then. */
import { type Mood, SECTOR, TEARS } from '../../host/index.ts';
import { BAD, SERVERS } from './life.ts';
import type {
  BeginOptions,
  Callback,
  ChipSpec,
  Cut,
  Entry,
  Image,
  Row,
  Step,
  Trouble,
} from './life.ts';
import type { AirStep } from './play-air.ts';
import type { Player } from './play.ts';
import { FIRST, type Range, freeRuns, isApp, isOtadata, rangeOf } from './world.ts';

type Below = (n: number) => number;

/** Events that `--only` chooses from. Calls and power cuts always happen. */
export const EVENTS = [
  'tables',
  'app-ota',
  'otadata',
  'app-writes',
  'forged',
  'worn',
  'ids',
  'troubles',
  'flicker',
  'wrong-calls',
  'callbacks',
  'copies',
  'forget',
  'odd-tables',
  'air',
] as const;
export type EventName = (typeof EVENTS)[number];

const pick = <T>(below: Below, list: readonly T[]): T => list[below(list.length)];
const chance = (below: Below, percent: number): boolean => below(100) < percent;
/** @returns 1 to `most`, small numbers as often as large ones. */
const scaled = (below: Below, most: number): number =>
  Math.max(1, Math.floor(Math.exp((below(1000) / 1000) * Math.log(most + 1))));

const row = (
  label: string,
  type: number,
  subtype: number,
  first: number,
  span: number,
  flags = 0,
): Row => ({
  label,
  type,
  subtype,
  address: first * SECTOR,
  size: span * SECTOR,
  flags,
});

const APPS: [string, number][][] = [
  [
    ['ota_0', 0x10],
    ['ota_1', 0x11],
  ],
  [
    ['ota_0', 0x10],
    ['ota_1', 0x11],
  ],
  [
    ['factory', 0],
    ['ota_0', 0x10],
    ['ota_1', 0x11],
  ],
  [['factory', 0]],
  [
    ['factory', 0],
    ['ota_0', 0x10],
  ],
  [['ota_0', 0x10]],
  [
    ['ota_0', 0x10],
    ['ota_1', 0x11],
    ['ota_2', 0x12],
  ],
];
const DATA = ['www', 'storage', 'cfg', 'model', 'certs'];

/** @returns a table of a chip with so many sectors, its rows in order. */
function drawRows(below: Below, sectors: number, isOdd: boolean): Row[] {
  const rows: Row[] = [];
  let next = FIRST;
  const add = (label: string, type: number, subtype: number, span: number, flags = 0) => {
    rows.push(row(label, type, subtype, next, span, flags));
    next += span;
  };
  const gap = () => (next += chance(below, 30) ? 1 + below(8) : 0);
  add('nvs', 1, 2, 3 + below(2));
  if (chance(below, 85)) add('otadata', 1, 0, 2);
  if (chance(below, 50)) add('phy_init', 1, 1, 1);
  const span = 4 + below(10);
  for (const [label, subtype] of pick(below, APPS)) {
    add(label, 0, subtype, span);
    if (chance(below, 10)) gap();
  }
  const labels = DATA.slice(0, 1 + below(DATA.length));
  if (chance(below, 65)) labels.splice(below(labels.length + 1), 0, 'ota_journal');
  for (const label of labels) {
    gap();
    if (label === 'ota_journal') add(label, 1, 6, chance(below, 8) ? 1 : 2 + below(4));
    else {
      const isCustom = chance(below, 15);
      const size = chance(below, 4) ? 30 + below(20) : 1 + below(9);
      add(
        label,
        isCustom ? 0x40 : 1,
        isCustom ? 1 : pick(below, [6, 0x81, 0x82, 0x83]),
        size,
        chance(below, 4) ? 2 : 0,
      );
    }
  }
  if (chance(below, 20))
    add('rest', 1, 0x82, Math.min(sectors - next, 4000) - (chance(below, 40) ? 1 + below(6) : 0));
  if (isOdd && chance(below, 25)) makeOdd(below, rows);
  return rows;
}

/** Makes a row unaligned, lets it overlap another one, or gives it the label of another one. */
function makeOdd(below: Below, rows: Row[]): void {
  const data = rows.filter(({ label }) => DATA.includes(label));
  if (!data.length) return;
  const one = pick(below, data);
  const kind = below(4);
  if (kind === 0) one.address += 0x200;
  else if (kind === 1) one.size += SECTOR;
  else if (kind === 2) one.size -= 0x300;
  else one.label = pick(below, data).label;
}

function drawEntry(below: Below, sequence: number): Entry {
  const state = chance(below, 75) ? 0xffffffff : below(5);
  return { sequence, state, ...(chance(below, 8) && { isTorn: true }) };
}

export function drawChip(below: Below, on: Set<EventName>): ChipSpec {
  const megabytes = chance(below, 70) ? 1 : pick(below, [2, 4, 8, 16, 32]);
  const rows = drawRows(below, megabytes << 8, on.has('odd-tables'));
  const tells = chance(below, 60);
  const sequence = 1 + below(5);
  return {
    megabytes,
    tells,
    ...(chance(below, 25) && { live: 'storage' }),
    rows,
    otadata: [
      chance(below, 80) ? drawEntry(below, sequence) : undefined,
      chance(below, 60) ? drawEntry(below, sequence + 1) : undefined,
    ],
    seed: below(1 << 30),
  };
}

const MOODS: Mood[] = ['ones', 'zeros', 'before', 'after'];

function drawMood(below: Below, on: Set<EventName>): Mood {
  if (on.has('flicker') && chance(below, 6))
    return { seed: below(1 << 30), each: true, ...(chance(below, 50) && { whole: 16 }) };
  const kind = below(6);
  if (kind < 4) return MOODS[kind];
  return { seed: below(1 << 30), ...(kind === 5 && { whole: pick(below, [4, 16, 256]) }) };
}

const TEAR_NAMES = Object.keys(TEARS);

function drawCut(below: Below, most: number): Cut {
  const tear = chance(below, 70) ? pick(below, TEAR_NAMES) : below(1 << 30);
  return { at: scaled(below, most), tear };
}

/** Draws what happens in the next boot of a life. */
export class Drawer {
  readonly #below: Below;
  readonly #on: Set<EventName>;
  readonly #player: Player;
  /** Whether few events were chosen: these happen more often then. */
  readonly #isNarrow: boolean;
  #sequence = 10;
  /** Label of the partition that was updated last. */
  #last: string | undefined;
  #lastAir: AirStep | undefined;

  constructor(below: Below, on: Set<EventName>, player: Player) {
    this.#below = below;
    this.#on = on;
    this.#player = player;
    this.#isNarrow = on.size <= 3;
  }

  /** @returns whether an event happens, with a chance in percent. */
  #happens(name: EventName, percent: number): boolean {
    return this.#on.has(name) && chance(this.#below, percent);
  }

  boot(): Step[] {
    const below = this.#below;
    const steps: Step[] = [];
    if (this.#happens('ids', 5))
      steps.push({
        do: 'age',
        by: pick(below, [1, 32767, 32768, 65535, below(65536)]),
        // The next one wraps.
        ...(chance(below, 60) && { to: 0xffff }),
      });
    if (this.#happens('tables', 5)) steps.push(this.#table());
    this.#addOthers(steps, 12);
    steps.push({
      do: 'boot',
      mood: drawMood(below, this.#on),
      ...(this.#happens('troubles', this.#isNarrow ? 40 : 6) && { troubles: this.#troubles() }),
    });
    if (chance(below, 12)) steps.push({ do: 'status' });
    if (chance(below, 5)) steps.push({ do: 'plan', options: this.#options() });
    if (chance(below, 85)) steps.push(this.#recover());
    const activities = below(4);
    for (let n = 0; n < activities; n++) this.#addActivity(steps);
    return steps;
  }

  #recover(copy?: number): Step {
    const below = this.#below;
    return {
      do: 'recover',
      ...(copy && { copy }),
      ...(chance(below, 20) && { resume: true }),
      ...(this.#happens('callbacks', 4) && { onProgress: this.#callback() }),
      ...(chance(below, 22) && { cut: drawCut(below, 40) }),
    };
  }

  #callback(): Callback {
    const kinds: Callback[] = ['counts', 'throws', 'calls', 'not a function'];
    return pick(this.#below, kinds);
  }

  #addActivity(steps: Step[]): void {
    const below = this.#below;
    const cut = chance(below, 15) ? { cut: drawCut(below, 30) } : {};
    const kind = below(20);
    if (kind < 10)
      if (this.#happens('air', this.#isNarrow ? 50 : 15)) steps.push(this.#air());
      else this.#addUpdate(steps);
    else if (kind < 12) steps.push({ do: 'confirm', ...cut });
    else if (kind < 14) steps.push({ do: 'restore', ...cut });
    else if (kind < 15) steps.push({ do: 'status' });
    else if (kind < 16) steps.push({ do: 'partitions' });
    else if (kind < 17) {
      if (this.#happens('forget', 30)) steps.push({ do: 'forget', ...cut });
    } else if (kind < 18) {
      if (this.#on.has('wrong-calls')) steps.push(this.#wrong());
    } else this.#addOthers(steps, 100);
  }

  #wrong(): Step {
    const calls = ['write', 'backup', 'begin', 'plan'] as const;
    return {
      do: 'wrong',
      call: pick(this.#below, calls),
      value: pick(this.#below, Object.keys(BAD)),
    };
  }

  #target(): Row | undefined {
    const below = this.#below;
    const { rows, promise } = this.#player;
    if (chance(below, 70) && this.#last) {
      const last = rows.find(({ label }) => label === this.#last);
      if (last) return last;
    }
    const fine = rows.filter(
      (row) => promise.isTarget(row, chance(below, 30)) && rangeOf(row).span <= 50,
    );
    return chance(below, 4) || !fine.length ? pick(below, rows) : pick(below, fine);
  }

  #options(): BeginOptions {
    const below = this.#below;
    const { promise, rows } = this.#player;
    const target = this.#target();
    const partition = !target || chance(below, 1) ? 'nowhere' : target.label;
    this.#last = partition;
    const isVoid = promise.update?.phase === 'void';
    const options: BeginOptions = { partition };
    if (chance(below, isVoid ? 75 : 18)) options.backup = false;
    else if (chance(below, 18))
      options.backup = pick(below, [...rows.map(({ label }) => label), 'nowhere']);
    if (chance(below, 65)) options.size = true;
    if (chance(below, 25)) options.crc32 = chance(below, 12) ? 'wrong' : 'right';
    if (options.backup !== false && chance(below, 18)) options.trial = 1 + below(3);
    if (target && (chance(below, 5) || (promise.isLive(target) && chance(below, 80))))
      options.overwriteLive = true;
    if (this.#happens('callbacks', 6)) options.onProgress = this.#callback();
    if (this.#happens('wrong-calls', 2))
      options.bad = [
        pick(below, ['partition', 'size', 'crc32', 'trial', 'backup']),
        pick(below, Object.keys(BAD)),
      ];
    return options;
  }

  #image(options: BeginOptions): Image {
    const below = this.#below;
    const target = this.#player.rows.find(({ label }) => label === options.partition);
    const most = Math.min(target?.size ?? SECTOR, 50 * SECTOR);
    const size = chance(below, 55)
      ? most
      : chance(below, 3)
        ? most + 1 + below(SECTOR)
        : 1 + below(most);
    // Few images, so that one comes again.
    return { seed: below(chance(below, 50) ? 3 : 1000), size };
  }

  #addUpdate(steps: Step[]): void {
    const below = this.#below;
    const options = this.#options();
    const image = this.#image(options);
    const most = 8 + Math.ceil(image.size / SECTOR) * 7;
    const isCut = chance(below, 40);
    const where = isCut ? below(10) : -1;
    // What counts for nothing is most in danger where its remedy begins.
    const isVoid = this.#player.promise.update?.phase === 'void';
    const cut = (n: number) =>
      isVoid && n > 0 && n < 4 && chance(below, 20)
        ? { cut: drawCut(below, 9) }
        : where === n
          ? { cut: drawCut(below, most) }
          : {};
    const copy = this.#happens('copies', 4) ? { copy: 1 } : {};
    steps.push({ do: 'begin', options, image, ...copy, ...cut(0) });
    if (chance(below, 12))
      steps.push({
        do: 'backup',
        ...(chance(below, 50) && { size: below(most * 600) }),
        ...copy,
        ...cut(1),
      });
    const parts = 1 + below(3);
    const chunk = pick(below, [SECTOR, 3000, 5000, 1000, 20000]);
    for (let n = 0; n < parts; n++) {
      const bytes = n < parts - 1 ? below(image.size) + 1 : image.size;
      steps.push({
        do: 'write',
        bytes,
        chunk,
        as: pick(below, ['string', 'array', 'buffer']),
        ...copy,
        ...(n < 3 && cut(2 + n)),
      });
      if (chance(below, 5)) steps.push({ do: 'backup', ...copy });
      if (this.#happens('copies', 4)) this.#addCopy(steps);
      if (this.#happens('wrong-calls', 4)) steps.push(this.#wrong());
      this.#addOthers(steps, 3);
      if (chance(below, 2)) steps.push({ do: 'status' });
    }
    const end = below(100);
    if (end < 80)
      steps.push({
        do: 'end',
        ...copy,
        ...(where > 4 && { cut: drawCut(below, chance(below, 60) ? 6 : most) }),
      });
    else if (end < 90)
      steps.push({
        do: chance(below, 25) ? 'leave' : 'abort',
        ...copy,
        ...(where > 4 && { cut: drawCut(below, most) }),
      });
    if (chance(below, 3)) steps.push({ do: 'end', ...copy });
  }

  #air(): Step {
    const below = this.#below;
    const last = this.#lastAir;
    const step = last && chance(below, 40) ? last : this.#newAir();
    // After power loss the next call goes on with the same image.
    this.#lastAir = step;
    const most = 20 + Math.ceil(step.image.size / SECTOR) * 7;
    return {
      ...step,
      server: pick(below, SERVERS),
      seed: below(1 << 30),
      ...(chance(below, 40) && { cut: drawCut(below, most) }),
    };
  }

  #newAir(): AirStep {
    const below = this.#below;
    const options = this.#options();
    // The manifest says these.
    if (options.bad && ['size', 'crc32'].includes(options.bad[0])) delete options.bad;
    return {
      do: 'air',
      options,
      image: this.#image(options),
      server: 'is honest',
      seed: 0,
      ...(chance(below, 40) && { digest: true }),
      ...(chance(below, 4) && { stop: true }),
      ...(chance(below, 15) && { keep: true }),
      ...(chance(below, 20) && { retries: below(3) }),
      ...(this.#happens('copies', 4) && { copy: 1 }),
    };
  }

  /** A second copy of the module, in the middle of an update of the first one. */
  #addCopy(steps: Step[]): void {
    const below = this.#below;
    const kind = below(4);
    if (kind === 0) steps.push({ do: 'status', copy: 1 });
    else if (kind === 1) steps.push(this.#recover(1));
    else if (kind === 2) steps.push({ do: 'restore', copy: 1 });
    else {
      const options = this.#options();
      const image = this.#image(options);
      steps.push({ do: 'begin', options, image, copy: 1 });
      steps.push({ do: 'write', bytes: image.size, chunk: 5000, as: 'string', copy: 1 });
      steps.push({ do: chance(below, 70) ? 'end' : 'abort', copy: 1 });
    }
  }

  #troubles(): Trouble[] {
    const below = this.#below;
    return Array.from({ length: 1 + below(2) }, (): Trouble => {
      const kind = pick(below, ['read', 'program', 'erase'] as const);
      const most = kind === 'read' ? 300 : kind === 'program' ? 60 : 12;
      return {
        kind,
        at: scaled(below, most),
        // What five reads in a row say of a sector is believed.
        times: Math.min(kind === 'read' ? 4 : 20, 1 + below(chance(below, 20) ? 20 : 2)),
        ...(kind === 'read' && { bit: below(chance(below, 60) ? 1024 : 32768) }),
      };
    });
  }

  // What others do

  #addOthers(steps: Step[], percent: number): void {
    const below = this.#below;
    if (!chance(below, percent)) return;
    const kinds = [
      this.#otaStep,
      this.#otadataStep,
      this.#appStep,
      this.#forgeStep,
      this.#wearStep,
    ];
    const names: EventName[] = ['app-ota', 'otadata', 'app-writes', 'forged', 'worn'];
    const n = below(kinds.length);
    const chosen = this.#isNarrow ? names.filter((name) => this.#on.has(name)) : names;
    const name = chosen[n % chosen.length];
    if (!name || !this.#on.has(name)) return;
    const step = kinds[names.indexOf(name)].call(this);
    if (step) steps.push(step);
  }

  #otaStep(): Step | undefined {
    const below = this.#below;
    const { rows, running } = this.#player;
    const slots = rows
      .filter((row) => isApp(row) && row.subtype >= 0x10)
      .sort((a, b) => a.subtype - b.subtype);
    const passive = slots.filter((row) => row !== running);
    if (!passive.length) return undefined;
    const slot = pick(below, passive);
    const isTorn = chance(below, 20);
    while (this.#sequence++ % slots.length !== slots.indexOf(slot));
    const entry = drawEntry(below, this.#sequence);
    return {
      do: 'ota',
      slot: slot.label,
      seed: below(1000),
      ...(isTorn ? { torn: below(rangeOf(slot).span) } : chance(below, 75) && { entry }),
      ...(chance(below, 8) && { isBad: true }),
    };
  }

  #otadataStep(): Step {
    const below = this.#below;
    const entries = [0, 1].map(() =>
      chance(below, 75) ? drawEntry(below, ++this.#sequence) : undefined,
    );
    return { do: 'otadata', entries };
  }

  #appStep(): Step | undefined {
    const below = this.#below;
    const { rows, promise } = this.#player;
    const kind = below(8);
    const one = (what: string, { first, span }: Range): Step => {
      const count = 1 + below(Math.min(span, 3));
      const sector = first + below(Math.min(span, 60) - count + 1);
      return { do: 'app', what, sector, count, ...(chance(below, 85) && { seed: below(1000) }) };
    };
    const data = rows.filter((row) => DATA.includes(row.label) && promise.isTarget(row));
    if (kind < 4) return data.length ? one('the target', rangeOf(pick(below, data))) : undefined;
    const backup = promise.update?.backup;
    if (kind < 6) return backup && this.#mayWrite(backup) ? one('the backup', backup) : undefined;
    const { places } = promise;
    if (kind < 7 || !places.length) return undefined;
    const { first, span } = pick(below, places);
    return one('the place of a journal', {
      first: first + Math.max(0, span - 4),
      span: Math.min(span, 4),
    });
  }

  /** Whether others may write to a range: neither the app that runs nor otadata nor the table is in it. */
  #mayWrite({ first, span }: Range): boolean {
    const { rows, running } = this.#player;
    return !rows.some((row) => {
      const range = rangeOf(row);
      const isHit = range.first < first + span && first < range.first + range.span;
      return isHit && (isOtadata(row) || row === running);
    });
  }

  #forgeStep(): Step | undefined {
    const below = this.#below;
    const { rows, promise, running } = this.#player;
    const victim = rangeOf(pick(below, rows));
    const { places } = promise;
    const heads = places.flatMap(({ first, span }) => [first + span - 1, first + span - 2]);
    const from = heads.length ? pick(below, heads) : FIRST;
    const isInPlace = chance(below, 25) && heads.length > 0;
    const hosts = rows.filter((row) => !isOtadata(row) && row !== running && rangeOf(row).span > 1);
    if (!hosts.length) return undefined;
    const host = pick(below, hosts);
    const { first, span } = rangeOf(host);
    return {
      do: 'forge',
      from,
      sector: isInPlace ? pick(below, heads) : first + span - 1 - below(2),
      target: victim.first,
      span: victim.span,
      id: below(65536),
      where: isInPlace
        ? 'the place of a journal'
        : isApp(host)
          ? 'an app slot'
          : 'a data partition',
    };
  }

  #wearStep(): Step | undefined {
    const below = this.#below;
    if (!chance(below, 25)) return undefined;
    const { promise, rows } = this.#player;
    const { update } = promise;
    const ranges = [update?.target, update?.backup, update?.journal, ...rows.map(rangeOf)].filter(
      (range) => range !== undefined,
    );
    const { first, span } = pick(below, ranges);
    return {
      do: 'wear',
      sector: first + below(Math.min(span, 20)),
      ...(chance(below, 40) && { weak: true }),
    };
  }

  /** Another table: rows move, are renamed, shrink, go, overlap; `ota_journal` comes. */
  #table(): Step {
    const below = this.#below;
    const { rows: old, flash } = this.#player;
    const sectors = flash.size / SECTOR;
    const rows = old.map((row) => ({ ...row }));
    const data = rows.filter(({ label }) => [...DATA, 'ota_journal'].includes(label));
    const one = data.length ? pick(below, data) : rows[0];
    const kind = below(9);
    const runs = freeRuns(rows, sectors).filter(({ span }) => span >= 2);
    const addTo = (label: string, most: number) => {
      if (!runs.length || rows.length > 12) return;
      const run = pick(below, runs);
      const span = Math.min(run.span, 2 + below(most));
      const first = chance(below, 50) ? run.first : run.first + run.span - span;
      rows.push(row(label, 1, 6, first, span));
    };
    if (kind === 0 && data.length) rows.splice(rows.indexOf(one), 1);
    else if (kind === 1 && data.length) one.label = pick(below, DATA);
    else if (kind === 2) one.size = Math.max(SECTOR, one.size - SECTOR);
    else if (kind === 3) addTo(pick(below, DATA), 6);
    else if (kind === 4 && !rows.some(({ label }) => label === 'ota_journal'))
      addTo('ota_journal', 4);
    else if (kind === 5 && data.length && runs.length) {
      const run = pick(below, runs);
      if (run.span * SECTOR >= one.size) one.address = run.first * SECTOR;
    } else if (kind === 6 && this.#on.has('odd-tables')) makeOdd(below, rows);
    else if (kind === 7) return { do: 'table', rows: this.#player.chip.rows };
    const isTorn = chance(below, 2);
    return { do: 'table', rows, ...(isTorn && { isTorn }) };
  }
}
