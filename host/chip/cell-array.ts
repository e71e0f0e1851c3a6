/**
 * What the cells of a flash chip hold, sector by sector: bits that are solid, bits that a cut has left unstable, bits that
 * are worn out; and states to go back to. What operations there are, and how they fail, is in `nor-flash.ts`.
 */
import { hash } from 'node:crypto';
import { PAGE, SECTOR } from './operations.ts';
import { type Tear, mix } from './tears.ts';

/**
 * How unstable bits read, from one restart to the next.
 * - ones, zeros: all of them so
 * - before: as before the torn operation
 * - after: as the torn operation meant them to be
 * - a seed: each bit at random, but the same at every read; with `each`, anew at every read of the chip that meets some;
 *   `whole` bytes in a row read as before or as after, never as a mixture
 */
export type Mood =
  'ones' | 'zeros' | 'before' | 'after' | { seed: number; whole?: number; each?: boolean };

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

/** The last number given to an owner. */
let owners = 0;

/** The pages in which some bytes of a sector lie, one bit each. */
function pagesOf(offset: number, length: number): number {
  const first = Math.floor(offset / PAGE);
  const last = Math.floor((offset + length - 1) / PAGE);
  return ((2 << last) - 1) & ~((1 << first) - 1);
}

/** The pages of a sector that hold nothing, one bit each. */
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

/** The cells of a chip. Sectors go by number; addresses are in bytes from the start of the chip. */
export class CellArray {
  /** How unstable bits read at present. */
  mood: Mood = 'after';

  /** Bytes of all of them. */
  readonly size: number;
  #sectors: Sector[];
  /** Sectors with this number may be changed in place. */
  #owner = ++owners;
  /** Where they are, and buffers to make more of: allocating is what costs most. */
  #owned = new Set<number>();
  #free: Uint8Array<ArrayBuffer>[] = [];
  #stuck = new Map<number, number>();

  /** @param size - bytes, a multiple of 4096. All are blank. */
  constructor(size: number) {
    this.size = size;
    this.#sectors = new Array<Sector>(size / SECTOR).fill(BLANK);
  }

  /**
   * Makes bits of a byte read 0 whatever is done to them; they are worn out.
   * @param mask - which bits; 0: none
   */
  wearOut(address: number, mask: number): void {
    if (mask) this.#stuck.set(address, mask);
    else this.#stuck.delete(address);
  }

  /** @returns what all sectors hold. From now on it is shared, and copied before it is changed. */
  snapshot(): readonly Sector[] {
    this.#owner = ++owners;
    this.#owned.clear();
    return this.#sectors.slice();
  }

  /** @throws RangeError if there were more sectors, or fewer */
  restore(sectors: readonly Sector[]): void {
    if (sectors.length !== this.#sectors.length)
      throw new RangeError('a snapshot of a chip of another size');
    for (const number of this.#owned) this.erase(number);
    this.#owned.clear();
    this.#sectors = sectors.slice();
  }

  /** Copies what lies from an address on to `data`, as far as the chip reaches. */
  read(address: number, data: Uint8Array): void {
    const end = Math.min(address + data.length, this.size);
    for (let from = address; from < end;) {
      const offset = from % SECTOR;
      const count = Math.min(SECTOR - offset, end - from);
      const bytes = this.seen((from - offset) / SECTOR);
      // A view of a part costs more than a few bytes.
      if (count > 64) data.set(bytes.subarray(offset, offset + count), from - address);
      else for (let i = 0; i < count; i++) data[from - address + i] = bytes[offset + i];
      from += count;
    }
  }

  /** What a sector reads as. Not to be modified. */
  seen(number: number): Uint8Array<ArrayBuffer> {
    const bytes = this.charged(number);
    if (!this.#stuck.size) return bytes;
    const worn = bytes.slice();
    for (const [address, mask] of this.#stuck) {
      if (Math.floor(address / SECTOR) === number) worn[address % SECTOR] &= ~mask;
    }
    return worn;
  }

  /** The same, as if no bit was worn out. */
  charged(number: number): Uint8Array<ArrayBuffer> {
    const { bytes, cells } = this.#sectors[number];
    return cells ? this.#guess(number, bytes, cells) : bytes;
  }

  /** What a sector with unstable bits reads as, in the present mood. */
  #guess(number: number, bytes: Uint8Array<ArrayBuffer>, cells: Cells): Uint8Array<ArrayBuffer> {
    const { mood } = this;
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

  /** @returns how many bits of a part of the chip are unstable. */
  unstableBits(address: number, length: number): number {
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
      const bytes = this.seen(number);
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

  /** Lets unstable bits read in another way from now on, if the mood is one that changes at each read. */
  stir(): void {
    const { mood } = this;
    if (typeof mood === 'object' && mood.each) this.mood = { ...mood, seed: mix(mood.seed + 1) };
  }

  /** @returns in how many sectors a range meets unstable bits, taken from the first to the last of each sector. */
  met(address: number, length: number): number {
    let met = 0;
    const end = Math.min(address + length, this.size);
    for (let number = Math.floor(address / SECTOR); number * SECTOR < end; number++) {
      const cells = this.#sectors[number].cells;
      const start = number * SECTOR;
      if (cells && address < start + cells.end && end > start + cells.from) met++;
    }
    return met;
  }

  /** Makes a sector blank, for good. */
  erase(number: number): void {
    const { owner, bytes } = this.#sectors[number];
    if (owner === this.#owner) this.#free.push(bytes);
    this.#sectors[number] = BLANK;
  }

  /** Sets bytes of a sector, for good. */
  set(number: number, offset: number, data: Uint8Array): void {
    if (data.length === SECTOR && Buffer.compare(data, BLANK.bytes) === 0)
      return this.erase(number);
    const sector = this.#own(number);
    const { bytes, cells } = sector;
    bytes.set(data, offset);
    if (cells) {
      const end = Math.max(offset + data.length - cells.from, 0);
      cells.mask.fill(0, Math.max(offset - cells.from, 0), end);
      this.#forgetIfSolid(sector);
    }
    sector.blank = sector.cells ? 0 : blankPages(sector.bytes);
  }

  /** Takes note that an erase of a sector has failed silently. */
  makeLenient(number: number): void {
    this.#own(number).lenient = true;
  }

  /** Whether the last erase of a sector has failed silently. */
  isLenient(number: number): boolean {
    return this.#sectors[number].lenient;
  }

  /** Whether the pages in which some bytes of a sector lie are known to be blank, and solid. */
  isBlank(number: number, offset: number, length: number): boolean {
    const pages = pagesOf(offset, length);
    return (this.#sectors[number].blank & pages) === pages;
  }

  /** Programs bytes into pages of which `isBlank` is true. */
  fill(number: number, offset: number, data: Uint8Array): void {
    const sector = this.#own(number);
    sector.bytes.set(data, offset);
    sector.blank &= ~pagesOf(offset, data.length);
  }

  /**
   * Programs zeros, for good.
   * @param data - within one page
   * @param length - how many bytes of it are programmed
   * @param reached - which bits of them
   */
  clear(
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
    sector.blank &= ~pagesOf(offset, 1);
    if (cells) this.#forgetIfSolid(sector);
  }

  /**
   * Makes bits of a sector unstable.
   * @param reached - which bits of each byte from `offset` on
   * @param data - what was programmed: only bits that are 1 and were to become 0 are touched. Default: an erase
   * @returns whether there were unstable bits before
   */
  unsettle(number: number, offset: number, reached: Uint8Array, data?: Uint8Array): boolean {
    const { length } = reached;
    // What is seen may be what is about to change.
    const seen = this.seen(number).slice(offset, offset + length);
    const sector = this.#own(number);
    const { bytes } = sector;
    const old = sector.cells;
    const cells = copyCells(old, offset, offset + length);
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
    this.#forgetIfSolid(sector);
    return old !== undefined;
  }

  /** A sector, to be changed. */
  #own(number: number): Sector {
    const sector = this.#sectors[number];
    if (sector.owner === this.#owner) {
      if (sector.cells) sector.cells.seen = undefined;
      return sector;
    }
    const bytes = this.#free.pop() ?? new Uint8Array(SECTOR);
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

  /** Forgets unstable bits when none is left. */
  #forgetIfSolid(sector: Sector): void {
    if (sector.cells?.mask.every((bits) => !bits)) sector.cells = undefined;
  }
}
