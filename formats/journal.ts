/**
 * The journal on a chip: a second reader beside device/journal.ts, of what device/records.ts describes. The steps that
 * comments name are those of that description.
 */
import { crc32 } from '#hashes';
import type { Area } from '../device/api.ts';
import { BOOTLOADER, CUSTOM, OTADATA, READONLY, TABLE_ADDRESS } from '../device/partitions.ts';
import {
  AREA_AT,
  AREA_MASK,
  ARGUMENT_AT,
  BEGIN,
  BLANK,
  CONFIRM,
  CRC_AT,
  END_RUN,
  FORGET,
  FORMAT,
  HEADS,
  HEAD_SLOTS,
  ID_AT,
  LIVE_AT,
  LOWER_AT,
  PIECE,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  SLOT,
  SLOTS,
  SOLID,
  TYPE_AT,
  VOID,
  WORD1_AT,
  WORD2_AT,
  mix,
} from '../device/records.ts';
import { concat, filled, isFilled, readU16, readU32, words } from './bytes.ts';
import { BOOTLOADERS, flashSizeOf, SECTOR } from './chip.ts';
import { flagBitsOf, gapsOf, type Place, type Row } from './table/row.ts';

/** The partition in which journals lie; without it, free flash. */
export const JOURNAL_LABEL = 'ota_journal';

/** A record; what argument and words are of each type device/records.ts tells. */
export interface JournalRecord {
  type: number;
  argument: number;
  word1: number;
  word2: number;
}

/** A slot that is not blank. */
export interface JournalSlot {
  slot: number;
  address: number;
  /** Missing if it is zeroed or torn, or of another transaction. */
  record?: JournalRecord;
  isZeroed: boolean;
  /** The bit that reads wrong, if there is one: 0 to 127, the lowest of each byte first. */
  wrongBit?: number;
}

/** A sector of the target whose SAVED record counts. Addresses in bytes. */
export interface SavedSector {
  address: number;
  /** Where its old content is; missing if the sector was blank. */
  copy?: number;
  /** Whether the copy is not what was saved there: its CRC-32 is another one. */
  isOverwritten: boolean;
}

/** A journal. Addresses and sizes in bytes. */
export interface Journal {
  /** Both heads, and what the journal has below them; without BEGIN the heads alone. */
  area: Area;
  /** Which of the two last sectors of its place the journal begins in. */
  head: 'upper' | 'lower';
  /** Address of slot 0. */
  start: number;
  id: number;
  /** Missing if BEGIN cannot be read. */
  target?: Area;
  /** Missing in a direct update, and if BEGIN cannot be read. */
  backup?: Area;
  /** What the target held counted for nothing when the update began. */
  isVoid: boolean;
  /** `overwriteLive` was given. */
  isLive: boolean;
  /** Whether the last decision is final: RESTORED, CONFIRM or FORGET, with SOLID behind it. */
  isFinal: boolean;
  /**
   * Whether a record was lost, or is not of this update: the number in a SAVED or in RESTORE is not the one that has to
   * come, a SAVED names a sector outside of target or backup, or SOLID is behind REOPEN. Then the old content cannot be
   * put back.
   */
  isBroken: boolean;
  /** None in a direct update, whose SAVED tells only that it has written to the target; none after FORGET. */
  saved: SavedSector[];
  /** Up to the end of the log, BEGIN and its SOLID included; blank ones are left out. */
  slots: JournalSlot[];
}

type Found = JournalRecord & { id: number; wrongBit?: number };

/** @returns the sectors that the module takes for a partition (device/chip.ts): all that it touches. */
function inSectors({ address, size }: Place): Place {
  const start = address - (address % SECTOR);
  return { address: start, size: Math.ceil((address - start + size) / SECTOR) * SECTOR };
}

/** @returns whether a partition may be written to: it is whole sectors, unprotected, not for booting, and on its own. */
export function isWritable(row: Row, partitions: readonly Row[]): boolean {
  const kind = (row.type << 8) | row.subtype;
  if (flagBitsOf(row) & READONLY || (row.address | row.size) % SECTOR || !row.size) return false;
  if (kind <= OTADATA || (kind >= BOOTLOADER && kind < CUSTOM)) return false;
  return partitions.every((other) => {
    const { address, size } = inSectors(other);
    return other === row || address >= row.address + row.size || address + size <= row.address;
  });
}

/** @returns the places of journals, in whole sectors, in the order in which the module looks. */
function placesOf(chip: Uint8Array, partitions: readonly Row[], table: number): Place[] {
  const headers = BOOTLOADERS.map((address) => chip.subarray(address, address + 4));
  const taken = partitions.map(inSectors);
  const free = gapsOf(taken, flashSizeOf(headers) ?? 0, table + SECTOR);
  const own = partitions.filter(
    (row) => row.label === JOURNAL_LABEL && isWritable(row, partitions),
  );
  return [...own, ...free].filter(({ size }) => size >= HEADS * SECTOR);
}

const BITS = 8 * SLOT;

/**
 * By the difference between the CRC-32 that a slot has and the one that it should have: the bit that is wrong. CRC-32 is
 * linear, so the difference depends on that bit alone.
 */
const WRONG_BITS = new Map(
  Array.from({ length: BITS }, (_, bit) => {
    const bytes = filled(SLOT, 0);
    bytes[bit >> 3] = 1 << (bit & 7);
    const body = (from: Uint8Array) => crc32(concat([from.subarray(0, CRC_AT), words(0)]));
    return [(readU32(bytes, CRC_AT) ^ body(bytes) ^ body(filled(SLOT, 0))) >>> 0, bit];
  }),
);

/** Step 1. @returns a slot that is a record of some transaction, with a single wrong bit made right. */
function recordAt(chip: Uint8Array, address: number): Found | undefined {
  // A copy, also of a Buffer, whose slices are none.
  const bytes = new Uint8Array(chip.subarray(address, address + SLOT));
  if (bytes.length < SLOT) return undefined;
  const check = crc32(concat([bytes.subarray(0, CRC_AT), words(address + FORMAT)]));
  const difference = (readU32(bytes, CRC_AT) ^ check) >>> 0;
  const wrongBit = difference ? WRONG_BITS.get(difference) : undefined;
  if (difference && wrongBit === undefined) return undefined;
  if (wrongBit !== undefined) bytes[wrongBit >> 3] ^= 1 << (wrongBit & 7);
  return {
    type: bytes[TYPE_AT],
    argument: bytes[ARGUMENT_AT],
    id: readU16(bytes, ID_AT),
    word1: readU32(bytes, WORD1_AT),
    word2: readU32(bytes, WORD2_AT),
    ...(wrongBit !== undefined && { wrongBit }),
  };
}

/** @returns whether a flag of a BEGIN is set. @param at - its bit in the first word */
const isSet = (begin: JournalRecord, at: number) => ((begin.argument >> (at - AREA_AT)) & 1) > 0;

/** A head with a journal that speaks. Numbers of sectors are absolute. */
interface Head {
  sector: number;
  isLower: boolean;
  id: number;
  /** Missing if it cannot be read. */
  begin?: Found;
  /** Sectors of the journal, both heads among them; without BEGIN these alone. */
  span: number;
  /** The last sector of its place. */
  last: number;
}

/** Steps 2 and 3. @returns the journal that begins in a sector, if it speaks */
function headOf(chip: Uint8Array, sector: number, isLower: boolean): Head | undefined {
  const address = sector * SECTOR;
  const [begin, second, third] = [0, 1, 2].map((slot) => recordAt(chip, address + slot * SLOT));
  const isRight = (found?: Found) => found && found.wrongBit === undefined;
  const isRetired = isFilled(chip.subarray(address + SLOT, address + 2 * SLOT), 0);
  if (isRetired || ![begin, second, third].some(isRight)) return undefined;
  const speaks = second?.type === SOLID ? second : third;
  if (!speaks) return undefined;
  const { id } = speaks;
  if (begin?.type !== BEGIN || begin.id !== id) {
    const last = sector + (isLower ? 1 : 0);
    return { sector, isLower, id, span: HEADS, last };
  }
  // A table that was flashed anew may have moved the place: BEGIN knows where it was.
  const wasLower = isSet(begin, LOWER_AT);
  return {
    ...{ sector, isLower: wasLower, id, begin, span: begin.argument & AREA_MASK },
    last: sector + (wasLower ? 1 : 0),
  };
}

/** @returns the address of a slot: the head, then from the sector below both heads on downwards. */
const addressOf = ({ sector, last }: Head, slot: number) =>
  slot < SLOTS
    ? sector * SECTOR + slot * SLOT
    : (last - HEADS + 1 - Math.floor(slot / SLOTS)) * SECTOR + (slot % SLOTS) * SLOT;

/** Steps 5 and 6. @returns the slots up to the end of the log that are not blank. */
function slotsOf(chip: Uint8Array, head: Head): JournalSlot[] {
  const slots: JournalSlot[] = [];
  // No more sectors than there are below it, whatever BEGIN tells.
  const below = head.span > head.sector ? 0 : Math.max(head.span - HEADS, 0);
  const end = (1 + below) * SLOTS;
  for (let slot = 0, blanks = 0; slot < end && blanks < END_RUN; slot++) {
    const address = addressOf(head, slot);
    const bytes = chip.subarray(address, address + SLOT);
    // The log is what follows the first two.
    if (slot >= HEAD_SLOTS) blanks++;
    if (isFilled(bytes, 0xff)) continue;
    blanks = 0;
    const found = recordAt(chip, address);
    const isZeroed = isFilled(bytes, 0);
    if (found?.id !== head.id) {
      slots.push({ slot, address, isZeroed });
      continue;
    }
    const { type, argument, word1, word2, wrongBit } = found;
    const record = { type, argument, word1, word2 };
    slots.push({ slot, address, isZeroed, record, ...(wrongBit !== undefined && { wrongBit }) });
  }
  return slots;
}

/** @returns whether an area has a sector. */
const isIn = (area: Area | undefined, sector: number) =>
  area !== undefined &&
  sector * SECTOR >= area.address &&
  sector * SECTOR < area.address + area.size;

/** Step 7. @returns what the records come to */
function foldOf(
  chip: Uint8Array,
  { slots, target, backup }: Pick<Journal, 'slots' | 'target' | 'backup'>,
): Pick<Journal, 'isFinal' | 'isBroken' | 'saved'> {
  const saved = new Map<number, SavedSector>();
  let [decision, isSolid, isBroken] = [0, false, false];
  for (const { record } of slots) {
    if (!record) continue;
    const { type, argument, word1, word2 } = record;
    if (type === SOLID) isSolid = true;
    // Only RESTORE can have been between them.
    if (type === SOLID && decision === REOPEN) isBroken = true;
    if (type > FORGET || !type) continue;
    decision = type;
    isSolid = false;
    // What is given up is never put back.
    if (type === FORGET) saved.clear();
    if (type === RESTORE && argument !== (saved.size & 0xff)) isBroken = true;
    if (type !== SAVED) continue;
    const [sector, copy] = [word1 & 0xffff, word1 >>> 16];
    // One that is saved ahead is recorded once more, with its number, when it is overwritten.
    const hasCopy = copy !== BLANK;
    const isRight =
      argument === (saved.size & 0xff) && isIn(target, sector) && (!hasCopy || isIn(backup, copy));
    if (!saved.has(sector)) isBroken ||= !isRight;
    if (!backup) continue;
    const bytes = chip.subarray(copy * SECTOR, (copy + 1) * SECTOR);
    saved.set(sector, {
      address: sector * SECTOR,
      ...(hasCopy && { copy: copy * SECTOR }),
      isOverwritten: hasCopy && checkOf(bytes) !== word2,
    });
  }
  const isFinal = isSolid && [RESTORED, CONFIRM, FORGET].includes(decision);
  return { isFinal, isBroken, saved: [...saved.values()] };
}

/** @returns the check of a sector, as a SAVED record has it. */
export function checkOf(sector: Uint8Array): number {
  let check = 0;
  for (let at = 0; at < SECTOR; at += PIECE)
    check = mix(check, crc32(sector.subarray(at, at + PIECE)));
  return check;
}

/** @returns a run of sectors with the label of the partition that it begins in. */
function areaOf(first: number, span: number, partitions: readonly Row[]): Area {
  const [address, size] = [first * SECTOR, span * SECTOR];
  const row = partitions.find((row) => {
    const taken = inSectors(row);
    return address >= taken.address && address < taken.address + taken.size;
  });
  return { ...(row && { label: row.label }), address, size };
}

/** Steps 1 to 4. @returns the head whose journal counts */
function newestHead(chip: Uint8Array, partitions: readonly Row[], table: number): Head | undefined {
  let newest: Head | undefined;
  for (const place of placesOf(chip, partitions, table)) {
    const last = (place.address + place.size) / SECTOR - 1;
    for (const isLower of [false, true]) {
      const found = headOf(chip, last - (isLower ? 1 : 0), isLower);
      // Ids wrap around.
      if (found && (!newest || (found.id - newest.id) << 16 > 0)) newest = found;
    }
  }
  return newest;
}

/**
 * Reads the journal that counts.
 * @param chip - all of its flash
 * @param partitions - its table, as the module reads it
 * @param table - where that lies, in bytes
 * @returns undefined if no journal counts
 */
export function readJournal(
  chip: Uint8Array,
  partitions: readonly Row[],
  table = TABLE_ADDRESS,
): Journal | undefined {
  const head = newestHead(chip, partitions, table);
  if (!head) return undefined;
  const { sector, isLower, id, begin, span, last } = head;
  const slots = slotsOf(chip, head);
  const area = (word: number) => {
    const count = word >>> 16;
    return count ? areaOf(word & 0xffff, count, partitions) : undefined;
  };
  const [target, backup] = begin ? [area(begin.word1), area(begin.word2)] : [];
  return {
    area: areaOf(last - span + 1, span, partitions),
    head: isLower ? 'lower' : 'upper',
    start: sector * SECTOR,
    id,
    ...(target && { target }),
    ...(backup && { backup }),
    isVoid: begin?.word2 === VOID,
    isLive: begin !== undefined && isSet(begin, LIVE_AT),
    ...foldOf(chip, { slots, target, backup }),
    slots,
  };
}
