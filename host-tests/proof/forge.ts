/**
 * Journals that no module has written: by whoever knows the format, and means harm or nothing at all. Each record has its
 * valid CRC-32 where it lies.
 */
import { crc32 } from 'node:zlib';
import {
  AREA_AT,
  BEGIN,
  BOOT,
  COMMIT,
  CONFIRM,
  ENDING,
  END_RUN,
  FORGET,
  FORMAT,
  LIVE_AT,
  LOWER_AT,
  RECORD_NAMES,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  SLOT,
  SLOTS,
  SOLID,
} from '../../device/records.ts';
import { type NorFlash, SECTOR } from '../../host/index.ts';
import { CHIP, type Chip, type Draw, type Range, pick, rangeOf } from './chips.ts';

/** A record without its id and CRC: type, argument, two words. */
type Words = [type: number, argument: number, word1: number, word2: number];

/** What a forged journal says of itself; for the fence of the test, and for messages. */
export interface Forged {
  head: number;
  id: number;
  isLive: boolean;
  target: Range;
  backup: Range;
  /** Whether nothing lies behind the end of its log, and its backup lies neither in its target nor among journals. */
  isTidy: boolean;
  text: string;
}

/** What logs end with. */
const ENDS: number[][] = [
  [],
  [],
  [RESTORE],
  [RESTORE, SOLID],
  [RESTORE, SOLID, ENDING],
  [RESTORE, SOLID, ENDING, RESTORED],
  [RESTORE, SOLID, ENDING, RESTORED, SOLID],
  [COMMIT],
  [COMMIT, CONFIRM],
  [COMMIT, CONFIRM, SOLID],
  [COMMIT, BOOT, BOOT],
  [FORGET],
  [COMMIT, CONFIRM, FORGET, SOLID],
  [COMMIT, CONFIRM, SOLID, REOPEN],
  [COMMIT, CONFIRM, SOLID, REOPEN, RESTORE, SOLID],
];

const EDGES = [0, 1, 2, 8, 9, CHIP - 1, CHIP, 0x7fff, 0xfffe, 0xffff];
export const IDS = [0, 1, 2, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff];

/** @returns a row of sectors that a record may name: one of the chip, one beside it, or anything. */
function drawRange(below: Draw, likely: readonly Range[], all: readonly Range[]): Range {
  const { first, span } = pick(below, below(3) && likely.length ? likely : all);
  const kind = below(12);
  if (kind === 0) return { first: pick(below, EDGES), span: pick(below, EDGES) };
  if (kind === 1) return { first: first + below(3) - 1, span: Math.max(0, span + below(3) - 1) };
  if (kind === 2) return { first: first + below(span), span: 1 };
  return { first, span };
}

const wordOf = ({ first, span }: Range) => (first | (span << 16)) >>> 0;

/** Puts a record where it is to lie, with the CRC-32 that is right there. */
function put(
  flash: NorFlash,
  address: number,
  id: number,
  [type, argument, one, other]: Words,
): void {
  const bytes = Buffer.alloc(SLOT);
  bytes.writeUInt32LE((type | (argument << 8) | (id << 16)) >>> 0, 0);
  bytes.writeUInt32LE(one, 4);
  bytes.writeUInt32LE(other, 8);
  bytes.writeUInt32LE(address + FORMAT, 12);
  bytes.writeUInt32LE(crc32(bytes), 12);
  flash.load(address, bytes);
}

/** @returns the CRC-32 of a sector; of none beyond the chip. */
const checkOf = (flash: NorFlash, sector: number) =>
  sector < CHIP ? crc32(flash.peek(sector * SECTOR, SECTOR)) : 0;

/** Draws SAVED records: of sectors in order, with the slots of the backup in order; now and then with a field that is not. */
function drawSaved(below: Draw, flash: NorFlash, target: Range, backup: Range): Words[] {
  const count = below(4) ? below(Math.min(target.span, 8) + 1) : below(300);
  const isTrue = below(3) > 0;
  let used = 0;
  return Array.from({ length: count }, (_, n) => {
    let sector = target.first + (isTrue || below(4) ? n : below(0x10000));
    let slot = below(5) ? backup.first + used++ : 0;
    let number = n;
    const fault = isTrue ? 9 : below(8);
    if (fault === 0) sector = pick(below, [...EDGES, target.first + target.span]);
    if (fault === 1) slot = pick(below, [...EDGES, backup.first + backup.span]);
    if (fault === 2) number += 1 + below(3);
    const check = slot ? checkOf(flash, slot) : 0;
    return [SAVED, number & 255, ((sector & 0xffff) | (slot << 16)) >>> 0, fault === 3 ? 7 : check];
  });
}

/** @returns the check that COMMIT has: over all sectors that no SAVED names. */
function unsavedOf(flash: NorFlash, target: Range, saved: Words[]): number {
  const named = new Set(saved.map(([, , word]) => word & 0xffff));
  let check = 0;
  for (let n = target.first; n < Math.min(target.first + target.span, CHIP); n++) {
    const pair = Buffer.alloc(8);
    pair.writeUInt32LE(check, 0);
    pair.writeUInt32LE(checkOf(flash, n), 4);
    if (!named.has(n)) check = crc32(pair);
  }
  return check;
}

/** Draws the records of a log, each with its slot. */
function drawLog(below: Draw, flash: NorFlash, target: Range, backup: Range): [number, Words][] {
  const saved = drawSaved(below, flash, target, backup);
  const words: Words[] = [...saved];
  const unsaved = unsavedOf(flash, target, saved);
  let boots = 0;
  for (const type of pick(below, ENDS)) {
    const argument = type === COMMIT ? pick(below, [0, 0, 1, 3, 255]) : type === BOOT ? ++boots : 0;
    const isOdd = !below(10);
    words.push([type, isOdd ? below(256) : argument, 0, type === COMMIT && !isOdd ? unsaved : 0]);
  }
  if (!below(12))
    words.push([pick(below, [0, 12, 255, below(256)]), below(256), below(2 ** 31), below(2 ** 31)]);
  let slot = 2;
  return words.map((record) => {
    if (!below(20)) slot += 1 + below(4);
    return [slot++, record];
  });
}

const meet = (a: Range, b: Range) => a.first < b.first + b.span && b.first < a.first + a.span;

/** Forges a journal in a place. What lies in its sectors already stays, where it writes nothing. */
export function forge(below: Draw, chip: Chip, place: Range, id: number): Forged {
  const { flash, table, targets, free, passive, keepers } = chip;
  const isLower = below(2);
  const top = place.first + place.span - 1;
  const head = top - isLower;
  const whole = [...table.map(rangeOf), ...free];
  const target = drawRange(below, targets.map(rangeOf), whole);
  const room = free.map(({ first, span }) => ({ first, span: Math.max(0, span - 2) }));
  const likely = [...passive.map(rangeOf), ...keepers.map(rangeOf), ...room];
  const backup = below(5)
    ? drawRange(below, likely.length ? likely : whole, whole)
    : { first: below(2), span: 0 };
  const sectors = below(6) ? 2 + below(Math.min(place.span, 4) - 1) : below(64);
  const isLive = !below(3);
  const flags =
    ((isLive ? 1 << LIVE_AT : 0) | ((below(10) ? isLower : 1 - isLower) << LOWER_AT)) >> AREA_AT;
  const log = drawLog(below, flash, target, backup);
  const isFull = !below(12);
  const addressOf = (slot: number) =>
    slot < SLOTS
      ? head * SECTOR + slot * SLOT
      : (top - 1 - (slot >> 8)) * SECTOR + (slot % SLOTS) * SLOT;
  const end = Math.max(1, Math.min(sectors, place.span) - 1) * SLOTS;

  const isErased = below(4) > 0;
  if (isErased) flash.load(head * SECTOR, new Uint8Array(SECTOR).fill(0xff));
  if (below(15))
    put(flash, addressOf(0), id, [BEGIN, sectors | flags, wordOf(target), wordOf(backup)]);
  if (below(10)) put(flash, addressOf(1), below(20) ? id : id ^ 1, [SOLID, 0, 0, 0]);
  // In a full log the last records fill it up: no slot is blank.
  let last = 2;
  for (const [slot, words] of log)
    if (slot < end) {
      put(flash, addressOf(slot), below(40) ? id : below(0x10000), words);
      last = slot + 1;
    }
  if (isFull)
    for (let slot = last; slot < end; slot++)
      if (below(100))
        put(flash, addressOf(slot), id, log.at(-1)?.[1] ?? [SAVED, 0, target.first, 0]);
  const spots = below(3) ? 0 : 1 + below(2);
  for (let n = 0; n < spots; n++) {
    const address = head * SECTOR + below(20) * SLOT;
    if (below(2)) flash.load(address, new Uint8Array(SLOT));
    else flash.load(address + below(SLOT), Uint8Array.of(below(256)));
  }
  const shown = (range: Range) => `${range.first}+${range.span}`;
  const names = log.map(([slot, [type]]) => `${slot}:${RECORD_NAMES[type] ?? type}`).slice(-6);
  const gap = log.reduce((most, [slot], n) => Math.max(most, slot - (log[n - 1]?.[0] ?? 1)), 0);
  const taken = [
    target,
    ...chip.places.map(({ first, span }) => ({ first: first + span - 2, span: 2 })),
  ];
  taken.push({ first: top + 1 - sectors, span: sectors });
  const isApart = !taken.some((range) => meet(range, backup));
  const isTidy = isApart && isErased && !isFull && !spots && gap <= END_RUN && last < SLOTS - 40;
  const text = `head ${head}, id ${id}, ${sectors} sectors, target ${shown(target)}, backup ${shown(backup)}${isLive ? ', LIVE' : ''}${isFull ? ', full' : ''}, ${log.length} records … ${names.join(' ')}`;
  return { head, id, isLive, target, backup, isTidy, text };
}
