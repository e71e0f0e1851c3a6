/**
 * Bits of the journal that read wrong: for good, because a cell has lost its charge or is worn out, or once. Each bit of
 * each slot, in journals that are open, in the middle of a decision, and quiet, of an update of 16 sectors.
 *
 * After `recover` the partition holds all of the old or all of the new content, and the report tells which; or it is
 * `damaged`, at every boot, until the partition is updated without a backup.
 *
 * What cannot be seen, because a power cut leaves the same: that the last SAVED is lost as a whole, with more than one bit
 * wrong; and that slot 1 of the head has become zero, for that is how a journal is given up.
 *
 * `BITS=1` tries all of them, `BITS=16` every sixteenth.
 */
import assert from 'node:assert/strict';
import type { Report } from '../../device/api.ts';
import type { Runtime } from '../../device/runtime.ts';
import {
  BEGIN,
  COMMIT,
  CONFIRM,
  ENDING,
  RECORD_NAMES,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  SLOT,
  SOLID,
} from '../../device/records.ts';
import { type Board, SECTOR, type Snapshot } from '../../host/index.ts';
import {
  IS_FULL,
  IS_SAMPLE,
  type Step,
  assertHolds,
  boardWith,
  codeOf,
  during,
  image,
  random,
  record,
  update,
  withTarget,
} from '../support/fixtures.ts';
import { runtimeOf } from '../support/runtime.ts';
import { type Ota, makerOf, sourceOfOta } from '../support/subject.ts';
import { tally, timesOf } from '../support/tally.ts';

const SECTORS = 16;
const imageOf = (name: string) =>
  image(Array.from({ length: SECTORS }, (_, n) => `${name}${n} page`).join(', '));
const OLD = imageOf('old');
const NEW = imageOf('new');
const NEXT = imageOf('next');

/** One of so many is tried. */
const STEP = timesOf('BITS', IS_FULL ? 1 : IS_SAMPLE ? 400 : 40);

/** A journal at some moment: the chip, and what `recover` says if it reads right. */
interface Moment {
  name: string;
  chip: Snapshot;
  state: Report['state'];
  /** The slots of its log. */
  end: number;
  /** The slot of the last SAVED, if that sector may be in flight. */
  inFlight: number;
}

/** A cell that reads wrong. */
interface Fault {
  slot: number;
  /** Bits of the slot: 0 is bit 0 of its first byte. */
  bits: number[];
  /** Which read of the slot errs, once; 0: the cell has changed. */
  read: number;
  /** Whether the cell stays as it is whatever is done to it. */
  isStuck?: boolean;
}

const board = boardWith({ table: withTarget(SECTORS), partitions: { storage: OLD } });
const { flash } = board;
const make: () => Ota = makerOf(sourceOfOta());
/** The first slot of the journal that the moments have. */
let head = 0;
const counts = { bits: 0, boots: 0, damaged: 0 };

/** What the next read of a slot does, see `Fault`. */
let reads = 0;
let erring: Fault | undefined;

function makeRuntime(of: Board): Runtime {
  const direct = runtimeOf(of);
  return {
    ...direct,
    read: (address, length) => {
      const text = direct.read(address, length);
      if (!erring) return text;
      const at = head + erring.slot * SLOT - address;
      if (at < 0 || at + SLOT > length || ++reads !== erring.read) return text;
      const bytes = Buffer.from(text, 'latin1');
      for (const bit of erring.bits) bytes[at + (bit >> 3)] ^= 1 << (bit & 7);
      return bytes.toString('latin1');
    },
  };
}
const runtime = makeRuntime(board);

function boot(): Ota {
  const ota = make();
  ota.use(runtime);
  counts.boots++;
  return ota;
}

/** Runs what writes a journal. @returns the chip after each of its records, and what these are */
function momentsOf(act: () => void): { types: number[]; chip: Snapshot }[] {
  const { address, size } = board.partition('ota_journal');
  const moments: { types: number[]; chip: Snapshot }[] = [];
  const types: number[] = [];
  const steps = record(board, act);
  const isRecord = ({ kind, length, data, address: at }: Step) =>
    kind === 'program' && length === SLOT && data![0] && at >= address && at < address + size;
  const numbers = [...steps.keys()].filter((n) => isRecord(steps[n]));
  numbers.forEach((n, which) => {
    const { address: at, data } = steps[n];
    if (at % SECTOR === 0) {
      types.length = 0;
      head = at;
    }
    types.push(data![0]);
    // Half way to the next record: sectors may be in flight, or put back in part.
    const next = numbers[which + 1] ?? steps.length;
    const chip = steps[(n + 1 + next) >> 1]?.before ?? flash.snapshot();
    moments.push({ types: [...types], chip });
  });
  return moments;
}

/** Makes the moments: of an update that is committed, given up, on trial, and restored after it was committed. */
function makeMoments(): Moment[] {
  const fresh = flash.snapshot();
  const found: Moment[] = [];
  const add = (name: string, act: () => void, wanted: [number[], Report['state']][]) => {
    flash.restore(fresh);
    const all = momentsOf(act);
    for (const [ends, state] of wanted) {
      const isWanted = ({ types }: { types: number[] }) =>
        ends.every((type, n) => types.at(n - ends.length) === type);
      // In the middle of the target if there are several: a sector is in flight then.
      const fitting = all.filter(isWanted);
      const { types, chip } = fitting[fitting.length >> 1];
      const last = types.lastIndexOf(SAVED);
      const inFlight = last === types.length - 1 ? last : -1;
      const ending = ends.map((type) => RECORD_NAMES[type]).join(', ');
      found.push({ name: `${name}: ${ending}`, chip, state, end: types.length, inFlight });
    }
  };
  const start = (ota: Ota, trial = 0) => update(ota, NEW, { trial });
  add('an update', () => start(boot()), [
    [[BEGIN, SOLID], 'restored'],
    [[SAVED], 'restored'],
    [[COMMIT], 'committed'],
    [[CONFIRM], 'committed'],
    [[CONFIRM, SOLID], 'committed'],
  ]);
  add(
    'one that is given up',
    () => {
      const given = boot().begin({ partition: 'storage' });
      given.write(NEW.subarray(0, 9 * SECTOR));
      given.abort();
    },
    [
      [[RESTORE], 'restored'],
      [[RESTORE, SOLID], 'restored'],
      [[ENDING], 'restored'],
      [[RESTORED], 'restored'],
      [[RESTORED, SOLID], 'restored'],
    ],
  );
  add('one on trial', () => start(boot(), 2), [[[COMMIT], 'trial']]);
  add(
    'one that is restored',
    () => {
      start(boot());
      boot().restore();
    },
    [
      [[REOPEN], 'committed'],
      [[REOPEN, RESTORE], 'restored'],
      [[REOPEN, RESTORE, SOLID], 'restored'],
    ],
  );
  return found;
}

/** Lets the chip of a moment have a fault, runs a check, and mends the chip. */
function withFault({ chip }: Moment, fault: Fault, check: () => void): void {
  flash.restore(chip);
  flash.restart('after');
  const address = head + fault.slot * SLOT;
  const bytes = flash.peek(address, SLOT);
  if (!fault.read) {
    for (const bit of fault.bits) bytes[bit >> 3] ^= 1 << (bit & 7);
    flash.load(address, bytes);
  }
  if (fault.isStuck)
    for (const bit of fault.bits) flash.stuck(address + (bit >> 3), 1 << (bit & 7));
  erring = fault;
  reads = 0;
  counts.bits++;
  try {
    check();
  } finally {
    erring = undefined;
    if (fault.isStuck) for (const bit of fault.bits) flash.stuck(address + (bit >> 3), 0);
  }
}

/** Checks what the partition holds after a report. */
function assertTrue({ state, partition }: Report): void {
  if (state === 'none') return assertHolds(board, 'storage', OLD);
  // Without BEGIN and a SAVED nobody knows which partition it was; nothing was written to it.
  if (state === 'damaged' && !partition) return assertHolds(board, 'storage', OLD);
  assert.equal(partition, 'storage');
  if (state === 'damaged' || state === 'incomplete') return;
  assert.ok(['restored', 'committed', 'trial'].includes(state), `reported ${state}`);
  assertHolds(board, 'storage', state === 'restored' ? OLD : NEW);
}

/** Recovers, and again at the next boot. @returns what is said. @throws if that is not true */
function recover(moment: Moment): Report['state'] {
  const report = boot().recover();
  assertTrue(report);
  const next = boot().recover();
  assertTrue(next);
  if (moment.state !== 'trial' && report.sealed !== false) assert.equal(next.state, report.state);
  if (report.state === 'damaged' || report.state === 'incomplete') {
    counts.damaged++;
    erring = undefined;
    if (!report.partition) assert.equal(boot().forget().state, 'none');
    const result = update(boot(), NEXT, { backup: false });
    assert.equal(result.state, 'committed');
    assertHolds(board, 'storage', NEXT);
    assert.equal(boot().recover().state, 'committed');
  }
  return report.state;
}

/** Does something for one in STEP, always the same ones. */
function sampler(seed: number, step = STEP): () => boolean {
  const below = random(seed);
  return () => step === 1 || below(step) === 0;
}

/** @returns how often `recover` reads a slot. */
function readsOf(moment: Moment, slot: number): number {
  withFault(moment, { slot, bits: [], read: 1e9 }, () => boot().recover());
  return reads;
}

/** @returns a name for messages. */
const nameOf = (moment: Moment, { slot, bits, read, isStuck }: Fault) =>
  `${moment.name}, slot ${slot} of ${moment.end}, bits ${bits.join(' ')}, ${read ? `read ${read}` : isStuck ? 'stuck' : 'changed'}`;

/** Tries a fault. @throws with its name */
function tryFault(moment: Moment, fault: Fault, check: () => void): void {
  withFault(moment, fault, () => during(() => nameOf(moment, fault), check));
}

/** @returns the faults that one bit of a slot may have. */
function faultsOf(slot: number, bit: number, reads: number): Fault[] {
  const bits = [bit];
  const faults: Fault[] = [{ slot, bits, read: 0 }];
  const byte = flash.peek(head + slot * SLOT + (bit >> 3), 1)[0];
  if (byte & (1 << (bit & 7))) faults.push({ slot, bits, read: 0, isStuck: true });
  for (let read = 1; read <= reads; read++) faults.push({ slot, bits, read });
  return faults;
}

/** One bit: it is mended, so that all is as if it read right. */
function tryOne(moment: Moment): void {
  const isDue = sampler(moment.name.length);
  for (let slot = 0; slot < moment.end + 3; slot++) {
    const most = readsOf(moment, slot);
    flash.restore(moment.chip);
    flash.restart('after');
    const faults = Array.from({ length: 8 * SLOT }, (_, bit) => faultsOf(slot, bit, most)).flat();
    for (const fault of faults.filter(isDue))
      tryFault(moment, fault, () => assert.equal(recover(moment), moment.state));
  }
}

/** Two bits of a slot. */
function tryTwo(moment: Moment): void {
  const below = random(moment.end);
  const isDue = sampler(moment.end, Math.ceil(STEP / 4));
  for (let slot = 0; slot < moment.end + 3; slot++)
    for (let n = 0; n < 64; n++) {
      const bit = below(8 * SLOT);
      const bits = [bit, (bit + 1 + below(8 * SLOT - 1)) % (8 * SLOT)];
      if (slot !== moment.inFlight && isDue())
        tryFault(moment, { slot, bits, read: 0 }, () => recover(moment));
    }
}

/** A slot that is lost in one read: it is read once more, or the call fails, and the next one reads right. */
function tryOnce(moment: Moment): void {
  const below = random(moment.end);
  const isDue = sampler(moment.end, Math.ceil(STEP / 40));
  for (let slot = 0; slot < moment.end + 3; slot++) {
    const most = readsOf(moment, slot);
    for (let read = 1; read <= most; read++) {
      const bits = Array.from({ length: 8 * SLOT }, (_, bit) => bit).filter(() => below(2));
      if (isDue())
        tryFault(moment, { slot, bits, read }, () => {
          const code = codeOf(() => {
            const state = recover(moment);
            // Without a record behind it, BEGIN tells nothing where its SOLID is not read; nothing was written yet.
            if (state !== 'none' || moment.end > 2) assert.equal(state, moment.state);
          });
          if (code !== 'nothing thrown') assert.equal(code, 'E_FLASH');
          erring = undefined;
          // Each boot of a trial counts.
          if (moment.state !== 'trial') assert.equal(recover(moment), moment.state);
        });
    }
  }
}

/** A whole slot: each way to lose it is bits that differ from what it holds. */
function tryAll(moment: Moment): void {
  const below = random(moment.end);
  for (let slot = 0; slot < moment.end + 3; slot++)
    for (const content of [0, 255, undefined]) {
      if (slot === moment.inFlight || (slot === 1 && content === 0)) continue;
      if (IS_SAMPLE && slot % 4) continue;
      const lost = Uint8Array.from({ length: SLOT }, () => content ?? below(256));
      flash.restore(moment.chip);
      const held = flash.peek(head + slot * SLOT, SLOT);
      const differs = (bit: number) => ((held[bit >> 3] ^ lost[bit >> 3]) >> (bit & 7)) & 1;
      const bits = Array.from({ length: 8 * SLOT }, (_, bit) => bit).filter(differs);
      tryFault(moment, { slot, bits, read: 0 }, () => recover(moment));
    }
}

describe('a bit of the journal is wrong, for good or in one read', () => {
  flash.strict = false;
  after(() => {
    tally('bits', counts);
  });

  for (const moment of makeMoments()) {
    const { name } = moment;
    const add = (title: string, check: (moment: Moment) => void) =>
      it(title, function () {
        this.timeout(0);
        check(moment);
      });
    add(`is mended if it is one bit: ${name}`, tryOne);
    add(`leaves no mixture if it is two bits of a slot: ${name}`, tryTwo);
    add(`is read again if it is a slot in one read: ${name}`, tryOnce);
    add(`leaves no mixture if it is a slot: ${name}`, tryAll);
  }
});
