/** Journals that this module has not written: valid ones, made by whoever knows the format; and old ones. */
import { crc32 } from 'node:zlib';
import {
  AREA_MASK,
  BEGIN,
  FORMAT,
  HEADS,
  SAVED,
  SLOT,
  SLOTS,
  SOLID,
} from '../../device/records.ts';
import { checkOf } from '../../formats/journal.ts';
import { type NorFlash, SECTOR } from '../../host/index.ts';
import type { Range } from './world.ts';

/** Sectors that a journal has at most, with the other head of its place. */
const MOST_SECTORS = AREA_MASK + 1;

/** A record: three words, the CRC is found by where it lies. */
type Words = [number, number, number];

/** @returns a record, signed for an address. */
function sign(words: Words, address: number): Buffer {
  const bytes = Buffer.alloc(SLOT);
  words.forEach((word, n) => bytes.writeUInt32LE(word >>> 0, n * 4));
  bytes.writeUInt32LE(address + FORMAT, 12);
  bytes.writeUInt32LE(crc32(bytes), 12);
  return bytes;
}

/** @returns the words of a record, if one lies there. */
function recordAt(flash: NorFlash, address: number): Words | undefined {
  const bytes = Buffer.from(flash.peek(address, SLOT));
  const words = [0, 4, 8].map((at) => bytes.readUInt32LE(at)) as Words;
  return Buffer.compare(sign(words, address), bytes) === 0 ? words : undefined;
}

/** Shifts the ids of all journals in some places; with `to` so that the highest becomes this. */
export function age(
  flash: NorFlash,
  places: readonly Range[],
  { by, to }: { by: number; to?: number },
): void {
  const countOf = ({ span }: Range) => Math.min(span, MOST_SECTORS);
  // What a cut has torn would be made whole by this.
  const isTorn = places.some((place) => {
    const { first, span } = place;
    const count = countOf(place);
    return flash.unstableBits((first + span - count) * SECTOR, count * SECTOR) > 0;
  });
  if (isTorn) return;
  if (to !== undefined) by = to - Math.max(0, ...places.map((place) => highestId(flash, place)));
  for (const place of places)
    for (let n = 1; n <= countOf(place); n++) {
      const sector = (place.first + place.span - n) * SECTOR;
      // Below the heads, a log goes on where it has come to the end of a sector.
      if (n > HEADS && flash.peek(sector, SLOT).every((byte) => byte === 0xff)) break;
      for (let slot = 0; slot < SLOTS; slot++) {
        const address = sector + slot * SLOT;
        const words = recordAt(flash, address);
        if (!words) continue;
        words[0] = (words[0] & 0xffff) | (((words[0] >>> 16) + by) << 16);
        flash.load(address, sign(words, address));
      }
    }
}

/** @returns the highest id in the first slots of the last two sectors of a place; -1 none. */
function highestId(flash: NorFlash, { first, span }: Range): number {
  const heads = [1, 2].map((n) => recordAt(flash, (first + span - n) * SECTOR));
  return Math.max(-1, ...heads.map((words) => (words ? words[0] >>> 16 : -1)));
}

/**
 * Makes a sector that begins a journal of `target`.
 * @param from - a sector that begins a journal, whose records are taken; where none does, the least is made: one that puts
 * back the first sector of the target from the sector before the journal
 */
export function forge(
  flash: NorFlash,
  {
    from,
    sector,
    target,
    span,
    id,
  }: { from: number; sector: number; target: number; span: number; id: number },
): Uint8Array {
  const bytes = Buffer.alloc(SECTOR, 0xff);
  const first = recordAt(flash, from * SECTOR);
  const records: (Words | undefined)[] = [];
  if (first) {
    const shift = target - (first[1] & 0xffff);
    for (let slot = 0; slot < SLOTS; slot++) {
      const words = recordAt(flash, from * SECTOR + slot * SLOT);
      if (words && slot === 0) words[1] = (target | (span << 16)) >>> 0;
      if (words && (words[0] & 255) === SAVED) words[1] = (words[1] + shift) >>> 0;
      records.push(words);
    }
  } else {
    const check = checkOf(flash.peek((sector - 1) * SECTOR, SECTOR));
    records.push([
      BEGIN | (2 << 8),
      (target | (span << 16)) >>> 0,
      ((sector - 1) | (1 << 16)) >>> 0,
    ]);
    records.push([SOLID, 0, 0]);
    records.push([SAVED, (target | ((sector - 1) << 16)) >>> 0, check]);
  }
  records.forEach((words, slot) => {
    if (!words) return;
    words[0] = (words[0] & 0xffff) | (id << 16);
    bytes.set(sign(words, sector * SECTOR + slot * SLOT), slot * SLOT);
  });
  return bytes;
}
