import { CellArray, type Mood, type Snapshot } from './cell-array.ts';
import { latin1 } from './latin1.ts';
import {
  type Change,
  type Counters,
  type Fault,
  type FaultHook,
  FlashMisuse,
  type Operation,
  PAGE,
  PowerCut,
  SECTOR,
} from './operations.ts';
import { type Tear, reachedBy } from './tears.ts';

/** Bytes of one program command of ESP-IDF (memspi_host_driver.c, SPI_FLASH_HAL_MAX_WRITE_BYTES). */
const COMMAND = 64;

const all = () => 0xff;

const ERASED = Buffer.alloc(PAGE, 0xff);

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

/** Cuts bytes where pages end. */
function pagesIn(offset: number, data: Uint8Array): Uint8Array[] {
  const parts = [];
  for (let done = 0; done < data.length;) {
    const length = PAGE - ((offset + done) % PAGE);
    parts.push(data.subarray(done, done + length));
    done += length;
  }
  return parts;
}

/** @returns whether bytes, at most a page, are what is erased. */
function isErased(data: Uint8Array): boolean {
  return data[0] === 0xff && Buffer.compare(data, ERASED.subarray(0, data.length)) === 0;
}

/**
 * A NOR flash chip: programming clears bits, erasing sets a sector of 4096 bytes to 0xff.
 *
 * Every sector erase and every program of (a part of) a page of 256 bytes is one operation, in which
 * power may fail. To program nothing but 0xff takes its time, but is no operation: no cell is changed, so a cut in it is
 * one before the next operation. Addresses and lengths are in bytes.
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

  readonly #cells: CellArray;
  #isOn = true;
  #epoch = 0;
  /** Operations until power fails; 0: it does not. */
  #countdown = 0;
  #tear: Tear | undefined;
  #fence: [first: number, end: number][] = [];
  #misuse: FlashMisuse | undefined;

  /** @param options - `size`: bytes, a multiple of 4096. The chip is blank. */
  constructor(options: { size: number }) {
    if (!(options.size > 0) || options.size % SECTOR)
      throw new RangeError(`a chip of ${options.size} bytes: not whole sectors`);
    this.size = options.size;
    this.#cells = new CellArray(this.size);
    this.wear = new Uint32Array(this.size / SECTOR);
  }

  /** Whether there is power. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** How unstable bits read at present. */
  get mood(): Mood {
    return this.#cells.mood;
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
    this.#cells.read(address, data);
    if (this.trace || this.faults.length) {
      const fault = this.#watch({ kind: 'read', number: counters.reads, address, length });
      if (fault === 'nothing') data.fill(0);
      else if (fault === 'half') data.fill(0, length >> 1);
      else if (fault === 'flip') data[0] ^= 1;
      else if (typeof fault === 'object') data[(fault.flip >> 3) % length] ^= 1 << (fault.flip & 7);
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
    return latin1(this.#cells.seen((address - start) / SECTOR), start, start + length);
  }

  /** Reads bytes as `read` does, for the eyes of a test: not counted, never failing, even without power. */
  peek(address: number, length: number): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(length);
    this.#cells.read(address, data);
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
    this.guesses += this.#cells.met(address, data.length);
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
      this.#cells.makeLenient(number);
      if (fault === 'half') this.#cells.set(number, 0, new Uint8Array(SECTOR / 2).fill(0xff));
    } else {
      this.#cells.erase(number);
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
      this.#cells.set(number, offset, data.subarray(done, done + count));
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
    this.#cells.mood = mood;
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
    this.#cells.wearOut(address, mask);
  }

  /** @returns the state of the chip: its contents, unstable bits, power, mood. Takes microseconds. */
  snapshot(): Snapshot {
    return { sectors: this.#cells.snapshot(), isOn: this.#isOn, mood: this.mood };
  }

  /** Goes back to a state, of this or another chip of the same size. Forgets a cut that is ahead, and a misuse. */
  restore(snapshot: Snapshot): void {
    this.#cells.restore(snapshot.sectors);
    this.#isOn = snapshot.isOn;
    this.#epoch++;
    this.#cells.mood = snapshot.mood;
    this.#countdown = 0;
    this.#misuse = undefined;
  }

  /** @returns how many bits of a part of the chip are unstable. */
  unstableBits(address = 0, length = this.size): number {
    return this.#cells.unstableBits(address, length);
  }

  /** @returns whether a part of the chip holds exactly this, and will after every restart. */
  holds(address: number, data: Uint8Array): boolean {
    return this.#cells.holds(address, data);
  }

  /** Takes note that a read meets unstable bits, if it does. */
  #meet(address: number, length: number): void {
    const met = this.#cells.met(address, length);
    if (!met) return;
    this.guesses += met;
    this.#cells.stir();
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
    counters.programs++;
    counters.commands += Math.ceil(length / COMMAND);
    counters.bytesProgrammed += length;
  }

  /** The fast way to program: into blank pages, without a watcher. @returns whether it was possible */
  #programBlank(number: number, offset: number, data: Uint8Array): boolean {
    if (this.trace || this.faults.length) return false;
    if (!this.#cells.isBlank(number, offset, data.length)) return false;
    const parts = pagesIn(offset, data);
    const count = parts.filter((part) => !isErased(part)).length;
    if (this.#countdown) {
      if (this.#countdown <= count) return false;
      this.#countdown -= count;
    }
    this.#cells.fill(number, offset, data);
    this.counters.operations += count;
    for (const part of parts) this.#count(part.length);
    return true;
  }

  #programPages(number: number, offset: number, data: Uint8Array): void {
    let start = offset;
    for (const part of pagesIn(offset, data)) {
      if (this.strict) this.#assertErased(number, start, part);
      if (isErased(part)) this.#count(part.length);
      else this.#programPage(number, start, part);
      start += part.length;
    }
  }

  /** One operation: `data` lies within one page. */
  #programPage(number: number, offset: number, data: Uint8Array): void {
    const address = number * SECTOR + offset;
    this.counters.operations++;
    this.#count(data.length);
    const fault = this.#fault('program', address, data.length);
    const tear = this.#tearNow();
    if (tear) this.#tornProgram(number, offset, data, tear);
    const length = fault === 'nothing' ? 0 : fault === 'half' ? data.length >> 1 : data.length;
    if (length) this.#cells.clear(number, offset, data, length, all);
  }

  #assertErased(number: number, offset: number, data: Uint8Array): void {
    if (this.#cells.isLenient(number)) return;
    const charged = this.#cells.charged(number);
    for (let i = 0; i < data.length; i++) {
      const old = charged[offset + i];
      if (old === 0xff || data[i] === 0 || data[i] === old) continue;
      this.#fail(
        `program of ${hex(data[i])} at ${hex(number * SECTOR + offset + i)}, which holds ${hex(old)}: not erased`,
      );
    }
  }

  #tornProgram(number: number, offset: number, data: Uint8Array, tear: Tear): never {
    this.#isOn = false;
    if (tear.solid) {
      const program = (i: number, length: number) => tear.program(i, length);
      this.#cells.clear(number, offset, data, data.length, program);
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
      this.#cells.erase(number);
    }
    throw new PowerCut(`power failed in an erase at ${hex(number * SECTOR)}: ${tear.name}`);
  }

  #unsettle(number: number, offset: number, reached: Uint8Array, data?: Uint8Array): void {
    if (this.#cells.unsettle(number, offset, reached, data)) this.guesses++;
  }
}
