import { hash } from 'node:crypto';
import type { Work } from './flash-timing.ts';
import { type Change, type Tear, mix } from './tears.ts';

/** Bytes of a sector, the unit of erasing. */
export const SECTOR = 4096;
/** Bytes of a page: one program operation of the chip never crosses the end of one. */
export const PAGE = 256;
/** Bytes of one program command of ESP-IDF (memspi_host_driver.c, SPI_FLASH_HAL_MAX_WRITE_BYTES). */
const COMMAND = 64;

/** Power has failed, or is off since. What the device code was doing is lost. */
export class PowerCut extends Error {
  override name = 'PowerCut';
}

/** The code under test has done what no correct code does. It is thrown again by everything that follows. */
export class FlashMisuse extends Error {
  override name = 'FlashMisuse';
}

/**
 * How unstable bits read, from one restart to the next.
 * - ones, zeros: all of them so
 * - before: as before the torn operation
 * - after: as the torn operation meant them to be
 * - a seed: each bit at random, but the same at every read
 */
export type Mood = 'ones' | 'zeros' | 'before' | 'after' | { seed: number; whole?: number };

/** One operation: a page program, a sector erase, or a read of any length. */
export interface Operation {
  kind: Change | 'read';
  /** Programs and erases are counted together, reads by themselves; 1 is the first since `resetCounters`. */
  number: number;
  /** Bytes from the start of the chip. */
  address: number;
  /** Bytes. */
  length: number;
}

/**
 * What goes wrong in an operation, silently.
 * - nothing: it does nothing; a read finds zeros
 * - half: it does the first half; a read finds zeros in the second
 * - flip: a read finds its first bit wrong; programs and erases are as ever
 */
export type Fault = 'nothing' | 'half' | 'flip';

/** Decides for each operation whether it fails. Reads come along, with numbers of their own. */
export type FaultHook = (operation: Operation) => Fault | undefined;

/** What a chip has done since `resetCounters`. */
export interface Counters extends Work {
  /** Sector erases and page programs. */
  operations: number;
  erases: number;
  /** Page programs. */
  programs: number;
  /** Program commands: pieces of at most 64 bytes, as ESP-IDF sends them. */
  commands: number;
  bytesProgrammed: number;
  reads: number;
  bytesRead: number;
}

/** The unstable bits of one sector: those of its bytes `from` to `end`, which the arrays are for. */
interface Cells {
  from: number;
  end: number;
  /** Set where a bit is unstable. */
  mask: Uint8Array;
  before: Uint8Array;
  after: Uint8Array;
  /** What the sector reads as, while `mood` holds. */
  seen?: Uint8Array<ArrayBuffer>;
  mood?: Mood;
}

/** 4096 bytes of the chip. Shared between snapshots, so only its owner may change it. */
interface Sector {
  /** Which state of which chip may change it; 0: none. */
  owner: number;
  /** What is solid. Unstable bits are 1 here, for a program to clear them. */
  bytes: Uint8Array<ArrayBuffer>;
  cells: Cells | undefined;
  /** One bit per page that is known to be blank and solid. */
  blank: number;
  /** An erase of it has failed silently, so the code under test cannot know what it programs over. */
  lenient: boolean;
  /** Cache of `digestOf`. */
  digest?: string;
}

/** The state of a chip at some moment. Treat it as opaque. */
export interface Snapshot {
  readonly sectors: readonly Sector[];
  readonly isOn: boolean;
  readonly mood: Mood;
}

const ALL_PAGES = 0xffff;
const BLANK: Sector = {
  owner: 0,
  bytes: new Uint8Array(SECTOR).fill(0xff),
  cells: undefined,
  blank: ALL_PAGES,
  lenient: false,
};

const all = () => 0xff;

/** The last number given to an owner. */
let owners = 0;

/** What node's Buffers have, and its types lack. */
const methods = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, from: number, end: number): string;
};

/** @returns bytes as a string, one character each. */
export function latin1(bytes: Uint8Array, from = 0, end = bytes.length): string {
  return methods.latin1Slice.call(bytes, from, end);
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

/** The pages of a sector that hold nothing. */
function blankPages(bytes: Uint8Array): number {
  let pages = 0;
  for (let page = 0; page < SECTOR / PAGE; page++) {
    const part = bytes.subarray(page * PAGE, (page + 1) * PAGE);
    if (Buffer.compare(part, BLANK.bytes.subarray(0, PAGE)) === 0) pages |= 1 << page;
  }
  return pages;
}

/** @returns the same unstable bits, with room for those of a range; none at first. */
function copyCells(cells: Cells | undefined, first: number, last: number): Cells {
  const from = cells ? Math.min(cells.from, first) : first;
  const end = cells ? Math.max(cells.end, last) : last;
  const copy = (bytes: Uint8Array | undefined) => {
    const wide = new Uint8Array(end - from);
    if (bytes) wide.set(bytes, cells!.from - from);
    return wide;
  };
  const { mask, before, after } = cells ?? {};
  return { from, end, mask: copy(mask), before: copy(before), after: copy(after) };
}

/** Whether two sectors cannot be told apart, now or after any restart. */
function isSameSector(a: Sector, b: Sector): boolean {
  if (a === b) return true;
  if (Buffer.compare(a.bytes, b.bytes) !== 0) return false;
  if (!a.cells || !b.cells) return !a.cells && !b.cells;
  return digestOf(a) === digestOf(b);
}

/** Which bits operations have reached, by how they were torn and how many bytes they are for. */
const reached = new WeakMap<Tear, Map<number, Uint8Array>>();

/** @returns which bits a torn erase of a sector, or a torn program of some bytes, has reached. */
function reachedBy(tear: Tear, length: number): Uint8Array {
  const known = reached.get(tear) ?? new Map<number, Uint8Array>();
  reached.set(tear, known);
  let bits = known.get(length);
  if (!bits) {
    const isErase = length === SECTOR;
    bits = Uint8Array.from({ length }, (_, i) =>
      isErase ? tear.erase(i) : tear.program(i, length),
    );
    known.set(length, bits);
  }
  return bits;
}

/** Names what a sector of a snapshot holds. */
function digestOf(sector: Sector): string {
  if (sector.digest !== undefined) return sector.digest;
  const { bytes, cells } = sector;
  let data = bytes;
  if (cells) {
    const { from, end, mask, before, after } = cells;
    // What is outside of the mask means nothing, and no more does where the arrays begin and end.
    data = new Uint8Array(4 * SECTOR);
    data.set(bytes);
    for (let i = from; i < end; i++) {
      const bits = mask[i - from];
      data[SECTOR + i] = bits;
      data[2 * SECTOR + i] = before[i - from] & bits;
      data[3 * SECTOR + i] = after[i - from] & bits;
    }
  }
  sector.digest = hash('sha1', data, 'base64');
  return sector.digest;
}

/**
 * Lists the sectors that differ between two states of a chip, unstable bits included.
 * Costs next to nothing where one state came from the other.
 * @returns sector numbers, ascending
 */
export function differences(a: Snapshot, b: Snapshot): number[] {
  const numbers: number[] = [];
  const count = Math.max(a.sectors.length, b.sectors.length);
  for (let number = 0; number < count; number++) {
    const one = a.sectors[number];
    const other = b.sectors[number];
    if (one !== other && !(one && other && isSameSector(one, other))) numbers.push(number);
  }
  return numbers;
}

/**
 * Names a state by what differs from another, for a search that must not visit a state twice.
 * @returns equal strings for states that no code can tell apart, now or after any restart
 */
export function fingerprint(state: Snapshot, base: Snapshot): string {
  return differences(state, base)
    .map((number) => `${number}:${digestOf(state.sectors[number])}`)
    .join(' ');
}

/**
 * A NOR flash chip: programming clears bits, erasing sets a sector of 4096 bytes to 0xff.
 *
 * Every sector erase and every program of (a part of) a page of 256 bytes is one operation, in which
 * power may fail. Addresses and lengths are in bytes.
 */
export class NorFlash {
  /** Bytes of the chip. */
  readonly size: number;
  /**
   * Throw `FlashMisuse` when a byte that is not erased is programmed, unless to 0 or to what it holds.
   * Sectors whose last erase was made to fail are exempt. `false`: it becomes the AND of both.
   */
  strict = true;
  /** What goes wrong; the first hook to answer decides. */
  faults: FaultHook[] = [];
  /** Set it to `[]` to record every operation; it costs time. */
  trace: Operation[] | undefined;
  /** What was done since `resetCounters`. */
  readonly counters: Counters = {
    operations: 0,
    erases: 0,
    programs: 0,
    commands: 0,
    bytesProgrammed: 0,
    reads: 0,
    bytesRead: 0,
  };
  /** Erases of each sector since `resetCounters`. */
  readonly wear: Uint32Array;
  /**
   * How often something has met unstable bits since the chip was made: a read, a program, or a cut erase. As long as
   * it stays the same, all that is done would be the same in any other mood, and with any other content of these bits.
   */
  guesses = 0;

  #sectors: Sector[];
  /** Sectors with this number may be changed in place. */
  #owner = ++owners;
  /** Where they are, and buffers to make more of: allocating is what costs most. */
  #owned = new Set<number>();
  #spare: Uint8Array<ArrayBuffer>[] = [];
  #isOn = true;
  #epoch = 0;
  #mood: Mood = 'after';
  /** Operations until power fails; 0: it does not. */
  #countdown = 0;
  #tear: Tear | undefined;
  #fence: [first: number, end: number][] = [];
  #stuck = new Map<number, number>();
  #misuse: FlashMisuse | undefined;

  /** @param options - `size`: bytes, a multiple of 4096. The chip is blank. */
  constructor(options: { size: number }) {
    if (!(options.size > 0) || options.size % SECTOR)
      throw new RangeError(`a chip of ${options.size} bytes: not whole sectors`);
    this.size = options.size;
    this.#sectors = new Array<Sector>(this.size / SECTOR).fill(BLANK);
    this.wear = new Uint32Array(this.size / SECTOR);
  }

  /** Whether there is power. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** How unstable bits read at present. */
  get mood(): Mood {
    return this.#mood;
  }

  /** A number that changes when power comes back and when a snapshot does: RAM is lost then. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The first misuse, if there was one. */
  get misuse(): FlashMisuse | undefined {
    return this.#misuse;
  }

  /** The most erases of a single sector since `resetCounters`. */
  get maxWear(): number {
    return this.wear.reduce((most, count) => Math.max(most, count), 0);
  }

  /** Sets `counters` and `wear` to 0. */
  resetCounters(): void {
    const counters = this.counters;
    counters.operations = counters.erases = counters.programs = counters.commands = 0;
    counters.bytesProgrammed = counters.reads = counters.bytesRead = 0;
    this.wear.fill(0);
  }

  /**
   * Reads bytes.
   * @returns a copy; zeros for what lies past the end of the chip
   * @throws PowerCut while power is off
   */
  read(address: number, length: number): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(length);
    this.readInto(data, address);
    return data;
  }

  /** Reads as many bytes as `data` has, which are zeros, as `read` does. */
  readInto(data: Uint8Array, address: number): void {
    this.#assertOn();
    const { length } = data;
    const counters = this.counters;
    counters.reads++;
    counters.bytesRead += length;
    this.#meet(address, length);
    this.#copy(address, data);
    if (this.trace || this.faults.length) {
      const fault = this.#watch({ kind: 'read', number: counters.reads, address, length });
      if (fault === 'nothing') data.fill(0);
      else if (fault === 'half') data.fill(0, length >> 1);
      else if (fault === 'flip') data[0] ^= 1;
    }
  }

  /** Reads bytes as `read` does, as a string with one character per byte: three times as fast. */
  text(address: number, length: number): string {
    const start = address % SECTOR;
    const isWatched = this.trace || this.faults.length || !this.#isOn || this.#misuse;
    if (isWatched || start + length > SECTOR || address >= this.size)
      return latin1(this.read(address, length));
    this.counters.reads++;
    this.counters.bytesRead += length;
    this.#meet(address, length);
    return latin1(this.#seen((address - start) / SECTOR), start, start + length);
  }

  /** Reads bytes as `read` does, for the eyes of a test: not counted, never failing, even without power. */
  peek(address: number, length: number): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(length);
    this.#copy(address, data);
    return data;
  }

  /**
   * Clears bits: each byte becomes the AND of old and new. One operation per page, in ascending order.
   * @param address - a multiple of 4
   * @param data - a multiple of 4 bytes; not modified
   * @throws PowerCut if power fails or is off
   * @throws FlashMisuse on bad alignment, outside the chip or the fence, over what is not erased
   */
  program(address: number, data: Uint8Array): void {
    this.#assertOn();
    this.#assertAllowed('program', address, data.length, 4);
    this.#meet(address, data.length);
    for (let done = 0; done < data.length;) {
      const offset = (address + done) % SECTOR;
      const count = Math.min(SECTOR - offset, data.length - done);
      const part = count === data.length ? data : data.subarray(done, done + count);
      const number = (address + done - offset) / SECTOR;
      if (!this.#programBlank(number, offset, part)) this.#programPages(number, offset, part);
      done += count;
    }
  }

  /**
   * Sets a sector to 0xff. One operation.
   * @param address - where the sector starts
   * @throws PowerCut if power fails or is off
   * @throws FlashMisuse on bad alignment, outside the chip or the fence
   */
  erase(address: number): void {
    this.#assertOn();
    this.#assertAllowed('erase', address, SECTOR, SECTOR);
    const counters = this.counters;
    const number = address / SECTOR;
    counters.operations++;
    counters.erases++;
    this.wear[number]++;
    const fault = this.#fault('erase', address, SECTOR);
    const tear = this.#tearNow();
    if (tear) this.#tornErase(number, tear);
    if (fault === 'nothing' || fault === 'half') {
      const sector = this.#own(number);
      sector.lenient = true;
      if (fault === 'half') this.#set(sector, 0, BLANK.bytes.subarray(SECTOR / 2));
    } else {
      this.#drop(number);
    }
  }

  /**
   * Puts bytes on the chip from outside, as esptool does: not counted, at any alignment, solid.
   * @throws RangeError past the end of the chip
   */
  load(address: number, data: Uint8Array): void {
    if (address < 0 || address + data.length > this.size) {
      throw new RangeError(
        `${data.length} bytes at ${hex(address)} do not fit in a chip of ${this.size} bytes`,
      );
    }
    for (let done = 0; done < data.length;) {
      const offset = (address + done) % SECTOR;
      const count = Math.min(SECTOR - offset, data.length - done);
      const number = (address + done - offset) / SECTOR;
      const part = data.subarray(done, done + count);
      if (count === SECTOR && Buffer.compare(part, BLANK.bytes) === 0) this.#drop(number);
      else this.#set(this.#own(number), offset, part);
      done += count;
    }
  }

  /**
   * Lets power fail in an operation, counted from now: 1 is the next program or erase. Replaces a cut
   * that is still ahead. It survives `restart`, not `restore`.
   * @param operation - 1 or more; 0: no cut
   * @param tear - how far that operation comes, e.g. one of `TEARS`
   */
  cutAt(operation: number, tear: Tear): void {
    this.#countdown = operation;
    this.#tear = tear;
  }

  /** Cuts power now, between operations. */
  cut(): void {
    this.#isOn = false;
  }

  /**
   * Restores power.
   * @param mood - how unstable bits read from now on
   * @throws FlashMisuse if there was one: no restart may hide it
   */
  restart(mood: Mood = 'after'): void {
    if (this.#misuse) throw this.#misuse;
    this.#isOn = true;
    this.#epoch++;
    this.#mood = mood;
  }

  /**
   * Adds a range in which programs and erases are allowed. Without any, all of the chip is.
   * @param end - the first address behind the range
   */
  allow(first: number, end: number): void {
    this.#fence.push([first, end]);
  }

  /** Removes all ranges that were given to `allow`. */
  allowAll(): void {
    this.#fence = [];
  }

  /**
   * Makes bits of a byte read 0 whatever is done to them; they are worn out.
   * @param mask - which bits; 0: none
   */
  stuck(address: number, mask: number): void {
    if (mask) this.#stuck.set(address, mask);
    else this.#stuck.delete(address);
  }

  /** @returns the state of the chip: its contents, unstable bits, power, mood. Takes microseconds. */
  snapshot(): Snapshot {
    this.#owner = ++owners;
    this.#owned.clear();
    return { sectors: this.#sectors.slice(), isOn: this.#isOn, mood: this.#mood };
  }

  /** Goes back to a state, of this or another chip of the same size. Forgets a cut that is ahead, and a misuse. */
  restore(snapshot: Snapshot): void {
    if (snapshot.sectors.length !== this.#sectors.length)
      throw new RangeError('a snapshot of a chip of another size');
    for (const number of this.#owned) this.#drop(number);
    this.#owned.clear();
    this.#sectors = snapshot.sectors.slice();
    this.#isOn = snapshot.isOn;
    this.#epoch++;
    this.#mood = snapshot.mood;
    this.#countdown = 0;
    this.#misuse = undefined;
  }

  /** @returns how many bits of a part of the chip are unstable. */
  unstableBits(address = 0, length = this.size): number {
    let bits = 0;
    for (let number = Math.floor(address / SECTOR); number * SECTOR < address + length; number++) {
      const cells = this.#sectors[number].cells;
      if (!cells) continue;
      const from = Math.max(address - number * SECTOR - cells.from, 0);
      const end = Math.min(address + length - number * SECTOR, cells.end) - cells.from;
      for (let i = from; i < end; i++)
        for (let byte = cells.mask[i]; byte; byte &= byte - 1) bits++;
    }
    return bits;
  }

  /** @returns whether a part of the chip holds exactly this, and will after every restart. */
  holds(address: number, data: Uint8Array): boolean {
    for (let done = 0; done < data.length;) {
      const offset = (address + done) % SECTOR;
      const count = Math.min(SECTOR - offset, data.length - done);
      const number = (address + done - offset) / SECTOR;
      const bytes = this.#seen(number);
      if (
        Buffer.compare(
          bytes.subarray(offset, offset + count),
          data.subarray(done, done + count),
        ) !== 0
      )
        return false;
      if (this.#sectors[number].cells && this.unstableBits(address + done, count)) return false;
      done += count;
    }
    return true;
  }

  #assertOn(): void {
    if (this.#misuse) throw this.#misuse;
    if (!this.#isOn) throw new PowerCut('power is off');
  }

  #assertAllowed(kind: Change, address: number, length: number, unit: number): void {
    const isAligned = address % unit === 0 && length % unit === 0;
    if (!isAligned || address < 0 || address + length > this.size) {
      const fault = isAligned
        ? `past the end of the chip, ${hex(this.size)}`
        : `not a multiple of ${unit}`;
      this.#fail(`${kind} of ${length} bytes at ${hex(address)}: ${fault}`);
    }
    if (!this.#fence.length) return;
    if (this.#fence.some(([first, end]) => address >= first && address + length <= end)) return;
    this.#fail(`${kind} of ${length} bytes at ${hex(address)}: outside the fence`);
  }

  #fail(message: string): never {
    this.#misuse = new FlashMisuse(message);
    throw this.#misuse;
  }

  /** Takes note if there are unstable bits. */
  #meet(address: number, length: number): void {
    const end = Math.min(address + length, this.size);
    for (let number = Math.floor(address / SECTOR); number * SECTOR < end; number++) {
      const cells = this.#sectors[number].cells;
      const start = number * SECTOR;
      if (cells && address < start + cells.end && end > start + cells.from) this.guesses++;
    }
  }

  /** Copies what lies from an address on to `data`, as far as the chip reaches. */
  #copy(address: number, data: Uint8Array): void {
    const end = Math.min(address + data.length, this.size);
    for (let from = address; from < end;) {
      const offset = from % SECTOR;
      const count = Math.min(SECTOR - offset, end - from);
      const bytes = this.#seen((from - offset) / SECTOR);
      // A view of a part costs more than a few bytes.
      if (count > 64) data.set(bytes.subarray(offset, offset + count), from - address);
      else for (let i = 0; i < count; i++) data[from - address + i] = bytes[offset + i];
      from += count;
    }
  }

  /** What a sector reads as. Not to be modified. */
  #seen(number: number): Uint8Array<ArrayBuffer> {
    const sector = this.#sectors[number];
    const bytes = sector.cells ? this.#guess(number, sector.bytes, sector.cells) : sector.bytes;
    if (!this.#stuck.size) return bytes;
    const worn = bytes.slice();
    for (const [address, mask] of this.#stuck) {
      if (Math.floor(address / SECTOR) === number) worn[address % SECTOR] &= ~mask;
    }
    return worn;
  }

  /** What a sector with unstable bits reads as, in the present mood. */
  #guess(number: number, bytes: Uint8Array<ArrayBuffer>, cells: Cells): Uint8Array<ArrayBuffer> {
    const mood = this.#mood;
    if (cells.seen && cells.mood === mood) return cells.seen;
    // Unstable bits are 1 there.
    if (mood === 'ones') return bytes;
    const { from, end, mask, before, after } = cells;
    const seen = bytes.slice();
    for (let i = from; i < end; i++) {
      const n = i - from;
      if (!mask[n]) continue;
      let bits: number;
      if (mood === 'zeros') bits = 0;
      else if (mood === 'before') bits = before[n];
      else if (mood === 'after') bits = after[n];
      else if (mood.whole === undefined)
        bits = mix(mood.seed ^ Math.imul(number * SECTOR + i + 1, 0x9e3779b1));
      else {
        const run = Math.floor((number * SECTOR + i) / mood.whole);
        bits = mix(mood.seed ^ Math.imul(run + 1, 0x9e3779b1)) & 1 ? before[n] : after[n];
      }
      seen[i] &= bits | ~mask[n];
    }
    cells.seen = seen;
    cells.mood = mood;
    return seen;
  }

  /** The sector, to be changed. */
  #own(number: number): Sector {
    const sector = this.#sectors[number];
    if (sector.owner === this.#owner) {
      if (sector.cells) sector.cells.seen = undefined;
      return sector;
    }
    const bytes = this.#spare.pop() ?? new Uint8Array(SECTOR);
    bytes.set(sector.bytes);
    const copy: Sector = {
      owner: this.#owner,
      bytes,
      cells: sector.cells && copyCells(sector.cells, sector.cells.from, sector.cells.end),
      blank: sector.blank,
      lenient: sector.lenient,
    };
    this.#sectors[number] = copy;
    this.#owned.add(number);
    return copy;
  }

  /** Makes a sector blank. */
  #drop(number: number): void {
    const { owner, bytes } = this.#sectors[number];
    if (owner === this.#owner) this.#spare.push(bytes);
    this.#sectors[number] = BLANK;
  }

  /** Sets bytes of a sector for good. */
  #set(sector: Sector, offset: number, data: Uint8Array): void {
    const { bytes, cells } = sector;
    bytes.set(data, offset);
    if (cells) {
      const end = Math.max(offset + data.length - cells.from, 0);
      cells.mask.fill(0, Math.max(offset - cells.from, 0), end);
      this.#settle(sector);
    }
    sector.blank = sector.cells ? 0 : blankPages(sector.bytes);
  }

  /** Forgets unstable bits when none is left. */
  #settle(sector: Sector): void {
    if (sector.cells?.mask.every((bits) => !bits)) sector.cells = undefined;
  }

  /** The tear, if power fails in the operation that begins now. */
  #tearNow(): Tear | undefined {
    return this.#countdown && --this.#countdown === 0 ? this.#tear : undefined;
  }

  #watch(operation: Operation): Fault | undefined {
    this.trace?.push(operation);
    for (const hook of this.faults) {
      const fault = hook(operation);
      if (fault) return fault;
    }
    return undefined;
  }

  #fault(kind: Change, address: number, length: number): Fault | undefined {
    if (!this.trace && !this.faults.length) return undefined;
    return this.#watch({ kind, number: this.counters.operations, address, length });
  }

  #count(length: number): void {
    const counters = this.counters;
    counters.operations++;
    counters.programs++;
    counters.commands += Math.ceil(length / COMMAND);
    counters.bytesProgrammed += length;
  }

  /** The fast way to program: into blank pages, while nobody watches. @returns whether it was possible */
  #programBlank(number: number, offset: number, data: Uint8Array): boolean {
    const first = offset >> 8;
    const last = (offset + data.length - 1) >> 8;
    const pages = ((2 << last) - 1) & ~((1 << first) - 1);
    const count = last - first + 1;
    if ((this.#sectors[number].blank & pages) !== pages || this.trace || this.faults.length)
      return false;
    if (this.#countdown) {
      if (this.#countdown <= count) return false;
      this.#countdown -= count;
    }
    const sector = this.#own(number);
    sector.bytes.set(data, offset);
    sector.blank &= ~pages;
    for (let done = 0; done < data.length;) {
      const length = Math.min(PAGE - ((offset + done) % PAGE), data.length - done);
      this.#count(length);
      done += length;
    }
    return true;
  }

  #programPages(number: number, offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const start = offset + done;
      const length = Math.min(PAGE - (start % PAGE), data.length - done);
      this.#programPage(number, start, data.subarray(done, done + length));
      done += length;
    }
  }

  /** One operation: `data` lies within one page. */
  #programPage(number: number, offset: number, data: Uint8Array): void {
    const address = number * SECTOR + offset;
    if (this.strict) this.#assertErased(number, offset, data);
    this.#count(data.length);
    const fault = this.#fault('program', address, data.length);
    const tear = this.#tearNow();
    if (tear) this.#tornProgram(number, offset, data, tear);
    const length = fault === 'nothing' ? 0 : fault === 'half' ? data.length >> 1 : data.length;
    if (length) this.#clear(number, offset, data, length, all);
  }

  #assertErased(number: number, offset: number, data: Uint8Array): void {
    const sector = this.#sectors[number];
    if (sector.lenient) return;
    const seen = sector.cells ? this.#guess(number, sector.bytes, sector.cells) : sector.bytes;
    for (let i = 0; i < data.length; i++) {
      const old = seen[offset + i];
      if (old === 0xff || data[i] === 0 || data[i] === old) continue;
      this.#fail(
        `program of ${hex(data[i])} at ${hex(number * SECTOR + offset + i)}, which holds ${hex(old)}: not erased`,
      );
    }
  }

  /** Programs the zeros of `data` where `reached` lets it, for good. */
  #clear(
    number: number,
    offset: number,
    data: Uint8Array,
    length: number,
    reached: Tear['program'],
  ): void {
    const sector = this.#own(number);
    const { bytes, cells } = sector;
    for (let i = 0; i < length; i++) {
      const kept = data[i] | ~reached(i, data.length);
      bytes[offset + i] &= kept;
      if (cells && offset + i >= cells.from && offset + i < cells.end)
        cells.mask[offset + i - cells.from] &= kept;
    }
    sector.blank &= ~(1 << (offset >> 8));
    if (cells) this.#settle(sector);
  }

  #tornProgram(number: number, offset: number, data: Uint8Array, tear: Tear): never {
    this.#isOn = false;
    if (tear.solid) {
      this.#clear(number, offset, data, data.length, (i, length) => tear.program(i, length));
    } else {
      this.#unsettle(number, offset, reachedBy(tear, data.length), data);
    }
    throw new PowerCut(
      `power failed in a program at ${hex(number * SECTOR + offset)}: ${tear.name}`,
    );
  }

  #tornErase(number: number, tear: Tear): never {
    this.#isOn = false;
    if (!tear.solid) {
      this.#unsettle(number, 0, reachedBy(tear, SECTOR));
    } else if (tear.erase(0)) {
      this.#drop(number);
    }
    throw new PowerCut(`power failed in an erase at ${hex(number * SECTOR)}: ${tear.name}`);
  }

  /**
   * Makes bits unstable.
   * @param reached - which bits of each byte from `offset` on
   * @param data - what was programmed: only bits that are 1 and were to become 0 are touched. Default: an erase
   */
  #unsettle(number: number, offset: number, reached: Uint8Array, data?: Uint8Array): void {
    const { length } = reached;
    // What is seen may be what is about to change.
    const seen = this.#seen(number).slice(offset, offset + length);
    const sector = this.#own(number);
    const { bytes } = sector;
    if (sector.cells) this.guesses++;
    const cells = copyCells(sector.cells, offset, offset + length);
    const { from, mask, before, after } = cells;
    const meant = data ? 0 : 0xff;
    for (let n = 0; n < length; n++) {
      const i = offset + n;
      const c = i - from;
      const bits = data ? reached[n] & ~data[n] & bytes[i] : reached[n];
      mask[c] |= bits;
      before[c] = (before[c] & ~bits) | (seen[n] & bits);
      after[c] = (after[c] & ~bits) | (meant & bits);
      bytes[i] |= bits;
    }
    sector.cells = cells;
    sector.blank = 0;
    this.#settle(sector);
  }
}
