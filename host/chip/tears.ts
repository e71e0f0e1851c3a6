/** How far operations had come when power failed in them. */
import { type Change, SECTOR } from './operations.ts';

/** How far an operation had come when power failed in it. */
export interface Tear {
  /** Reads well after "when power failed with …". */
  name: string;
  /**
   * The bits of byte `index`, of the `length` bytes of a page program, that the operation had
   * reached: a mask, 0 to 255. Of these, only bits that were to go from 1 to 0 are touched.
   */
  program(index: number, length: number): number;
  /** The bits of byte `index` of the sector that a sector erase had reached: a mask, 0 to 255. */
  erase(index: number): number;
  /**
   * Whether the bits reached are as intended, for good. Else they are *unstable*: they read one way
   * now and maybe another way after the next restart (see `Mood`).
   */
  solid: boolean;
}

const none = () => 0;
const all = () => 0xff;

/** A mixture of 32 bits (the finalizer of MurmurHash3, Appleby, public domain). */
export function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** A program that has reached its first `count` bytes; chips program in any order, though. */
function first(count: number): Tear {
  return {
    name: `the first ${count} bytes reached`,
    program: (index) => (index < count ? 0xff : 0),
    erase: all,
    solid: false,
  };
}

/**
 * A tear that reaches an arbitrary half of the bits.
 * @param seed - any 32-bit integer; the same seed reaches the same bits
 */
export function someBits(seed: number): Tear {
  const bits = (index: number) => mix(seed ^ Math.imul(index + 1, 0x9e3779b1)) & 0xff;
  return { name: `some bits reached (seed ${seed})`, program: bits, erase: bits, solid: false };
}

/**
 * The forms that a torn operation can have, for tests to go through.
 * A sector erase works on all its cells at once, so that most forms leave it all unstable.
 */
export const TEARS = {
  nothing: { name: 'nothing done yet', program: none, erase: none, solid: true },
  first4: first(4),
  first16: first(16),
  first64: first(64),
  firstHalf: {
    name: 'the first half reached',
    program: (index, length) => (index < length / 2 ? 0xff : 0),
    erase: all,
    solid: false,
  },
  secondHalf: {
    name: 'the second half reached',
    program: (index, length) => (index < length / 2 ? 0 : 0xff),
    erase: all,
    solid: false,
  },
  someBits: someBits(1),
  everyBit: { name: 'every bit reached', program: all, erase: all, solid: false },
  everything: { name: 'everything done already', program: all, erase: all, solid: true },
} satisfies Record<string, Tear>;

/**
 * Lists the forms that differ for one operation: a program of 16 bytes has no 17th byte, and all
 * erases that are half way are alike.
 * @param operation - e.g. from `NorFlash.trace`
 * @returns some of `TEARS`, in their order
 */
export function tearsOf(operation: { kind: Change; length: number }): Tear[] {
  const { kind, length } = operation;
  if (kind === 'erase') return [TEARS.nothing, TEARS.someBits, TEARS.everyBit, TEARS.everything];
  const { first4, first16, first64, ...others } = TEARS;
  const prefixes = [first4, first16, first64].filter(
    (_, i) => 4 ** (i + 1) < length && 4 ** (i + 1) !== length / 2,
  );
  const { nothing, ...rest } = others;
  return [nothing, ...prefixes, ...Object.values(rest)];
}

/** Which bits operations have reached, by how they were torn and how many bytes they are for. */
const reached = new WeakMap<Tear, Map<number, Uint8Array>>();

/** @returns which bits a torn erase of a sector, or a torn program of some bytes, has reached. */
export function reachedBy(tear: Tear, length: number): Uint8Array {
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
