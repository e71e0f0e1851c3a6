/**
 * The journal: what a transaction has done so far, in a form that any power cut leaves readable.
 *
 * It is a row of slots of 16 bytes. Slot 0 begins its first sector; after slot 255 the journal goes on in
 * the sector *below*, so its first sector is the last one of the area that holds it. Slots are programmed
 * in order and never again, except to zero. All numbers are little-endian.
 *
 *     offset  size  field
 *          0     1  type, an ASCII letter
 *          1     1  argument: COMMIT the limit of trial boots; BOOT the number of this boot
 *          2     2  transaction id, one above the highest found on the chip
 *          4     2  SAVED: sector of the target, absolute
 *          6     2  SAVED: sector that holds its old content, absolute; 0xffff it is blank, 0xfffe none is kept
 *          8     4  SAVED: CRC-32 of the old content; COMMIT: CRC-32 of those of all sectors that were not saved
 *         12     4  CRC-32 of bytes 0 to 11 and of the slot's address on the chip (4 bytes)
 *
 *     letter  record     says
 *          B  BEGIN      a transaction is open; slots 0 to 2, counts only with SOLID in slot 3; see below
 *          S  SAVED      this sector's old content is safe; the last SAVED names the sector in flight
 *          C  COMMIT     the new content is complete, on trial for some boots; none: it is put back unless confirmed
 *          T  BOOT       trial boot number n happened
 *          K  CONFIRM    the new content counts for good
 *          R  RESTORE    the old content will be put back
 *          E  ENDING     every sector has been put back
 *          X  RESTORED   the old content counts
 *          O  REOPEN     a restore was asked for after a commit; no effect by itself
 *          F  FORGET     the old content is not kept any more: another transaction is about to begin
 *          D  SOLID      the record before this one was programmed whole, in the same boot: it cannot flicker
 *
 * BEGIN takes three slots and has one CRC:
 *
 *          0     1  B
 *          1     1  format version, 1
 *          2     2  transaction id
 *          4     4  target: first sector, number of sectors
 *          8     4  backup: first sector, number of sectors; 0, 0 none
 *         12     2  sectors of the journal
 *         14     2  flags: 1 direct, no old content is kept
 *         16     4  bytes of the image; 0 unknown
 *         20     4  CRC-32 of the image; 0 unknown
 *         24    20  0xff
 *         44     4  CRC-32 of bytes 0 to 43 and of the slot's address
 *
 * A record counts if and only if its CRC matches and its transaction id is that of BEGIN. The log ends at
 * the first run of three blank slots; single blank slots inside are holes that a power cut left.
 *
 * A new version number is due when a reader of this one would misread the journal. A journal of another
 * version is taken for none.
 *
 * Several journals may be on the chip. That with the highest id counts, of those that have SOLID in slot 3. A new
 * id is above all that can be read, counting or not; so a BEGIN is never spoiled, only its SOLID is. Ids wrap around.
 *
 * NOR cells of an interrupted erase or program may read one way now and another way later. So nothing
 * that was in flight is trusted, whatever it reads: see `settle` and SOLID.
 */

import { fail } from './errors.ts';
import { crc32, erase, fenceIn, fill, pack, program, read, unpack } from './flash.ts';
import type { Range } from './flash.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes } from './runtime.ts';

const VERSION = 1;

/** Bytes of a slot, and of its record without the CRC. */
const SLOT = 16;
const RECORD = 12;

/** Slots before the log: BEGIN and its SOLID. Bytes of BEGIN, and of it without the CRC. */
const HEAD_SLOTS = 4;
const BEGIN = 48;
const BEGIN_RECORD = 44;

/** Slots per sector. */
const SLOTS = 256;

/** Slots that only decisions may take: some eight consecutive cuts, each inside the microseconds of a decision. */
const RESERVE = 40;

/** Slots that the decisions of an undisturbed update and of its restore take. */
const DECISIONS = 12;

/** Slots that one trial boot takes: two zeroed ones, the last record again, BOOT. */
const BOOT_SLOTS = 4;

/** Blank slots in a row that end the log. */
const END_RUN = 3;

/** Flag of BEGIN. */
export const DIRECT = 1;

/** Values of `slot` in SAVED that are no sector. */
export const BLANK = 0xffff;
export const NOT_KEPT = 0xfffe;

// The state that the journal tells of: a pure fold over its records, see `apply`.

/** The letter of the last decision: B, S, C, K, O, R or X; empty without a journal. */
export let decision: string;
/** Whether SOLID follows the decision. */
let isSolid: boolean;
/** Where the journal lies; its first sector is the last one of this range. NONE: it is kept in RAM only. */
export let area: Range;
export let target: Range;
/** What holds the old content: the backup. `span` may be less than the target's. */
export let spare: Range;
let id: number;
/** The highest id that can be read on the chip. */
let highest = 0;
export let flags: number;
/** Trial boots: how many there may be, how many there were. */
export let limit: number;
export let booted: number;
/** The CRC-32 of those of all sectors that were not saved, from COMMIT. */
export let unsaved: number;
/** The sector that the last SAVED names, absolute. */
export let inFlight: number;
/** Sectors saved, and how many of them have a slot in the spare. */
export let kept: number;
export let used: number;
/**
 * For each sector of the target the journal slot of its SAVED record; 0 not saved. Arrays of 256, made when
 * they are needed.
 */
let index: Uint16Array[];

/** The slot that is appended to next. */
let next: number;
/** The slot of the last valid record, and its bytes 0 to 11. */
let last: number;
let record: Bytes;
/** Whether nothing that a cut left behind can come back any more. */
let isSettled: boolean;

/** @returns the sectors that a journal needs for some SAVED records and trial boots. */
export function journalSectors(records: number, boots: number): number {
  return Math.ceil((HEAD_SLOTS + records + DECISIONS + RESERVE + BOOT_SLOTS * boots) / SLOTS);
}

/** @returns the address of a slot of the journal at `place`. */
function addressOf(slot: number, place = area): number {
  return (place.first + place.span - 1 - (slot >> 8)) * SECTOR + (slot & 255) * SLOT;
}

/** @returns a record with the CRC that it has at `address`. */
function sign(bytes: Bytes, address: number): Bytes {
  return bytes + pack([crc32(bytes + pack([address]))]);
}

/** The pure fold: what the state is once a record, in slot number `slot`, is in the journal. */
function apply(slot: number, bytes: Bytes): void {
  const words = unpack(bytes);
  const type = bytes[0];
  const argument = (words[0] >> 8) & 255;
  last = slot;
  record = bytes;
  if (type === 'D') isSolid = true;
  else if (type === 'F') kept = 0;
  else if (type === 'T') booted = argument;
  else if (type !== 'E') {
    if (type === 'C') {
      if (decision !== 'C') booted = 0;
      limit = argument;
      unsaved = words[2];
    }
    if (type === 'S') {
      inFlight = words[1] & 0xffff;
      const place = inFlight - target.first;
      if (!savedAt(inFlight)) {
        kept++;
        if (words[1] >>> 16 < NOT_KEPT) used++;
      }
      if (!index[place >> 8]) index[place >> 8] = new Uint16Array(256);
      index[place >> 8][place & 255] = slot;
    }
    decision = type;
    isSolid = false;
  }
}

/** @returns a range from the word that names it. */
function rangeOf(word: number): Range {
  return { first: word & 0xffff, span: word >>> 16 };
}

/** The state after BEGIN at a sector, or without a journal. */
function reset(begin: Bytes, sector: number): void {
  const words = unpack(begin);
  const span = words[3] & 0xffff;
  area = { first: sector - span + 1, span: span };
  target = rangeOf(words[1]);
  spare = rangeOf(words[2]);
  fenceIn([area, target, spare]);
  id = words[0] >>> 16;
  flags = words[3] >>> 16;
  decision = begin[0];
  next = HEAD_SLOTS;
  last = next - 1;
  isSettled = isSolid = false;
  limit = booted = kept = used = 0;
  index = [];
}

/**
 * Takes the head of a journal, the bytes of its first slots, into the state.
 * @returns whether it counts
 */
function takeHead(head: Bytes, sector: number): boolean {
  const begin = head.substr(0, BEGIN);
  if (
    (unpack(begin)[0] & 0xffff) !== 66 + (VERSION << 8) ||
    sign(begin.substr(0, BEGIN_RECORD), sector * SECTOR) !== begin
  )
    return false;
  reset(begin, sector);
  if ((id - highest) << 16 > 0) highest = id;
  return validRecord(head.substr(BEGIN), HEAD_SLOTS - 1)[0] === 'D';
}

/**
 * Reads the journal on the chip into the state.
 * @param sectors - where one may begin, absolute
 * @param isFull - see `replay`
 */
export function readJournal(sectors: number[], isFull: boolean): void {
  let best = '';
  let at = 0;
  let newest = 0;
  sectors.forEach((sector) => {
    const head = read(sector * SECTOR, HEAD_SLOTS * SLOT);
    if (takeHead(head, sector) && (!best || (id - newest) << 16 > 0)) {
      best = head;
      at = sector;
      newest = id;
    }
  });
  if (best) {
    takeHead(best, at);
    replay(isFull);
  } else {
    reset(fill(0, SLOT), 0);
    decision = '';
  }
}

/** @returns bytes 0 to 11 of what slot number `slot` holds, if it is a record that counts; else nothing. */
function validRecord(bytes: Bytes, slot: number): Bytes {
  const record = bytes.substr(0, RECORD);
  return unpack(record)[0] >>> 16 === id && sign(record, addressOf(slot)) === bytes ? record : '';
}

/** Walks over the log, and leaves `next` after its last slot that is not blank. */
function walk(visit: (slot: number, bytes: Bytes) => void): void {
  const none = fill(255, SLOT);
  let text = '';
  let blanks = 0;
  for (let slot = HEAD_SLOTS; slot < area.span * SLOTS && blanks < END_RUN; slot++) {
    const offset = (slot & 255) * SLOT;
    if (!text || !offset) text = read(addressOf(slot) - offset, SECTOR);
    blanks++;
    if (text[offset] !== '\xff' || text.substr(offset, SLOT) !== none) {
      blanks = 0;
      next = slot + 1;
      visit(slot, text.substr(offset, SLOT));
    }
  }
}

/**
 * Replays the log into the state.
 *
 * At most boots it ends with a final decision and its SOLID. Then no record before them needs a look,
 * unless the caller wants to know what is saved.
 */
function replay(isFull: boolean): void {
  let before = '';
  let final = '';
  walk((slot, bytes) => {
    if (isFull) replaySlot(slot, bytes);
    before = final;
    final = bytes;
  });
  if (isFull || !final) return;
  replaySlot(next - 2, before);
  replaySlot(next - 1, final);
  if (!isQuiet()) replay(true);
}

function replaySlot(slot: number, bytes: Bytes): void {
  const record = bytes && validRecord(bytes, slot);
  if (record) apply(slot, record);
}

/** @returns whether the new or the old content counts for good. */
export function isFinal(): boolean {
  return decision === 'X' || decision === 'K';
}

/** @returns whether it does, and no cut can change that: nothing is to be done. */
export function isQuiet(): boolean {
  return isFinal() && isSolid;
}

/** @returns the journal slot of a sector's SAVED record; 0 if it is not saved. */
export function savedAt(sector: number): number {
  const place = sector - target.first;
  const part = index[place >> 8];
  return part ? part[place & 255] : 0;
}

/**
 * Calls `visit` with each sector that is saved.
 * @param slot - the sector that holds its old content; or BLANK, or NOT_KEPT
 * @param check - the CRC-32 of that
 * @throws E_FLASH if a record reads differently than before
 */
export function eachSaved(visit: (sector: number, slot: number, check: number) => void): void {
  for (let sector = target.first; sector < target.first + target.span; sector++)
    if (savedAt(sector)) {
      const words = unpack(readSaved(sector));
      visit(sector, words[1] >>> 16, words[2]);
    }
}

/** @returns the SAVED record of a sector. */
function readSaved(sector: number): Bytes {
  const slot = savedAt(sector);
  return validRecord(read(addressOf(slot), SLOT), slot) || fail('FLASH', 'journal: flickers');
}

/** Appends the SAVED record of a sector again: the last SAVED always names the sector in flight. */
export function repeatSaved(sector: number): void {
  needSlots(1, 0);
  appendRecord(readSaved(sector));
}

/**
 * Makes sure that there is room for some records beside the reserve that only decisions may take.
 * @param boots - trial boots to come
 * @throws E_SPACE
 */
export function needSlots(records: number, boots: number): void {
  if (area.span && slotsLeft() < records + boots * BOOT_SLOTS) fail('SPACE', 'journal: full');
}

/** @returns the slots left beside the reserve. */
export function slotsLeft(): number {
  return area.span * SLOTS - RESERVE - next;
}

/** Appends bytes 0 to 11 of a record, in the next slot that keeps it. */
function appendRecord(bytes: Bytes): void {
  for (let tries = 9; tries--;) {
    const address = addressOf(next);
    if (area.span && next >= area.span * SLOTS) fail('SPACE', 'journal: full');
    if (!area.span || program(address, sign(bytes, address))) {
      apply(next++, bytes);
      return;
    }
    // A slot that holds something else now is left behind. One that is blank is not: three would end the log.
    if (read(address, SLOT) !== fill(255, SLOT)) next++;
  }
  fail('FLASH', 'journal: does not program');
}

/**
 * Appends a record.
 * @param argument - its argument and its words 1 and 2; 0 if missing
 * @throws E_SPACE if the journal is full, E_FLASH
 */
export function append(type: string, argument?: number, word1?: number, word2?: number): void {
  appendRecord(pack([type.charCodeAt(0) | (argument! << 8) | (id << 16), word1! | 0, word2! | 0]));
}

/** Appends a decision and, because it reads back in this very boot, SOLID. */
export function decide(type: string): void {
  append(type);
  append('D');
}

/** Programs zero over `length` bytes, whatever they read. */
function spoil(address: number, length: number): void {
  if (!program(address, fill(0, length)))
    fail('FLASH', 'address ' + address + ': does not program');
}

/**
 * Makes sure that nothing that a cut left half-written can come back as a ghost. Due once per boot, before
 * the first append to a journal that an earlier boot has written to.
 *
 * Programs zero over every invalid slot after the last valid record, and over the first two that look blank.
 * @param isRepeated - whether to append the last record again: it may have been cut itself
 * @throws E_FLASH, E_SPACE
 */
export function settle(isRepeated: boolean): void {
  if (isSettled) return;
  const end = Math.min(next + 2, area.span * SLOTS);
  for (let slot = last + 1; slot < end; slot++) spoil(addressOf(slot), SLOT);
  next = end;
  isSettled = true;
  if (isRepeated) appendRecord(record);
}

/** @returns whether RESTORE and SOLID end the log, and an earlier boot has written them. */
export function isRestoring(): boolean {
  return !isSettled && decision === 'R' && record[0] === 'D' && next === last + 1;
}

/**
 * Makes sure that nothing of this journal is put back any more. Its SOLID is about to be spoiled: if a cut leaves
 * that half done, the journal may count once more, and not again when half of the old content is back.
 */
export function forget(): void {
  // Where there is no room to say so, there is none to reopen the journal either.
  if (decision !== 'K' || slotsLeft() < 1) return;
  settle(false);
  append('F');
}

/** Where an update works. */
export interface Places {
  target: Range;
  /** What keeps the old content; no sectors in a direct update. */
  spare: Range;
  /** Where the journal goes; no sectors: it is kept in RAM only. */
  area: Range;
  /** Whether the transaction in the journal is gone on with. */
  isOpen: boolean;
}

function wordOf(range: Range): number {
  return range.first | (range.span << 16);
}

/** Spoils the SOLID of BEGIN, so that a journal counts no more. */
function spoilHead(place: Range): void {
  spoil((place.first + place.span - 1) * SECTOR + BEGIN, SLOT);
}

/**
 * Begins a journal.
 * @param size - bytes of the image; 0 unknown
 * @param crc - CRC-32 of the image; 0 unknown
 * @param old - another journal, which counts no more from then on
 * @throws E_FLASH if the chip does not erase or program
 */
export function openJournal(places: Places, size: number, crc: number, old: Range | false): void {
  const place = places.area;
  const first = place.first + place.span - 1;
  const begin =
    pack([
      66 | (VERSION << 8) | ((highest + 1) << 16),
      wordOf(places.target),
      wordOf(places.spare),
      place.span | ((places.spare.span ? 0 : DIRECT) << 16),
      size,
      crc,
    ]) + fill(255, 20);
  reset(begin, first);
  isSettled = true;
  if (place.span) {
    highest = id;
    // An erase that loses power half way can leave some records readable. Without SOLID none of them counts.
    spoilHead(place);
    for (let n = 0; n < place.span; n++) erase(first - n);
    next--;
    // Zero was programmed where SOLID goes, so it also proves that the chip erases.
    if (!program(addressOf(0), sign(begin, addressOf(0)))) fail('FLASH', 'journal: does not erase');
    append('D');
    if (next !== HEAD_SLOTS) fail('FLASH', 'journal: does not erase');
  }
  if (old) {
    fenceIn([old]);
    spoilHead(old);
    fenceIn([area, target, spare]);
  }
}
