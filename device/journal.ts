/**
 * The journal: what a transaction has done so far, in a form that any power cut leaves readable.
 *
 * It is a row of slots of 16 bytes. Slot 0 begins its first sector; after slot 255 the journal goes on in
 * the sector *below*, so its first sector is the last one of the area that holds it. Slots are programmed
 * in order and never again, except to zero. All numbers are little-endian.
 *
 *     offset  size  field
 *          0     1  type, an ASCII letter
 *          1     1  argument: COMMIT the limit of trial boots, 0 if final; BOOT the number of this boot
 *          2     2  transaction id, one above the highest found on the chip
 *          4     2  SAVED: sector of the target, absolute
 *          6     2  SAVED: sector that holds its old content, absolute; 0xffff it is blank, 0xfffe none is kept
 *          8     4  SAVED: check of the old content; COMMIT: check of all sectors that were not saved
 *         12     4  CRC-32 of bytes 0 to 11 and of the slot's address on the chip (4 bytes)
 *
 *     letter  record     says
 *          B  BEGIN      a transaction is open; slots 0 to 2, see below
 *          S  SAVED      this sector's old content is safe; the last SAVED names the sector in flight
 *          C  COMMIT     the new content counts, for good or on trial
 *          T  BOOT       trial boot number n happened
 *          K  CONFIRM    the new content counts for good
 *          R  RESTORE    the old content will be put back
 *          E  ENDING     every sector has been put back
 *          X  RESTORED   the old content counts
 *          O  REOPEN     a restore was asked for after a commit; no effect by itself
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
 *         14     1  flags: 1 direct, no old content is kept; 2 checks are of SHA-256, not CRC-32
 *         15     1  0, high byte of the flags
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
 * NOR cells of an interrupted erase or program may read one way now and another way later. So nothing
 * that was in flight is trusted, whatever it reads: see `settle` and SOLID.
 */

import { fail } from './errors.ts';
import { get16, get32, isInside, u16, u32 } from './flash.ts';
import type { Range } from './flash.ts';
import { SECTOR } from './runtime.ts';
import type { Bytes, Runtime } from './runtime.ts';

const VERSION = 1;

/** Bytes of a slot. */
const SLOT = 16;

/** Slots that BEGIN takes. */
const BEGIN_SLOTS = 3;

/** Slots per sector. */
const SLOTS = 256;

/** Slots that only decisions may take: some eight consecutive cuts, each inside the microseconds of a decision. */
const RESERVE = 40;

/** Slots that one trial boot takes: two zeroed ones, the last record again, BOOT. */
const BOOT_SLOTS = 4;

/** Blank slots in a row that end the log. */
const END_RUN = 3;

/** Flags of BEGIN. */
export const DIRECT = 1;
export const HASHED = 2;

/** Values of `slot` in SAVED that are no sector. */
export const BLANK = 0xffff;
export const NOT_KEPT = 0xfffe;

/** A journal and the state it tells of: a pure fold over its records. */
export interface Journal {
  /** Lets erases and programs through only to the area, the target and the spare. */
  runtime: Runtime;
  /** Where it lies; its first sector is the last one of this range. Without a sector it is kept in RAM only. */
  area: Range;
  target: Range;
  /** What holds the old content: the backup. `count` may be less than the target's. */
  spare: Range;
  id: number;
  flags: number;

  /** The slot that is appended to next. */
  next: number;
  /** The slot of the last valid record, and its bytes 0 to 11. */
  last: number;
  record: Bytes;
  /** Whether nothing that a cut left behind can come back any more. */
  isSettled: boolean;

  /** The letter of the last decision: B, S, C, K, O, R or X. */
  decision: string;
  /** Whether SOLID follows the decision. */
  isSolid: boolean;
  /** Trial boots: how many there may be (0: none, final), how many there were. */
  limit: number;
  booted: number;
  /** The check of all sectors that were not saved, from COMMIT. */
  unsaved: number;
  /** The sector that the last SAVED names, absolute. */
  inFlight: number;
  /** Sectors saved, and how many of them have a slot in the spare. */
  kept: number;
  used: number;
  /**
   * For each sector of the target the journal slot of its SAVED record; 0 not saved. Arrays of 2048: no
   * allocation is above 4 KB.
   */
  index: Uint16Array[];
}

/** @returns the sectors that a journal needs for some SAVED records and trial boots. */
export function journalSectors(records: number, boots: number): number {
  return Math.ceil((BEGIN_SLOTS + records + RESERVE + BOOT_SLOTS * boots) / SLOTS);
}

function slotAddress(area: Range, slot: number): number {
  return (area.first + area.count - 1 - (slot >> 8)) * SECTOR + (slot & 255) * SLOT;
}

/** @returns a record with the CRC that it has at `address`. */
function sign(runtime: Runtime, record: Bytes, address: number): Bytes {
  return record + u32(runtime.crc32(record + u32(address)));
}

/** Programs `bytes` and @returns whether they read back. */
function program(runtime: Runtime, address: number, bytes: Bytes): boolean {
  runtime.program(address, bytes);
  return runtime.read(address, bytes.length) === bytes;
}

/** The pure fold: what the state is once a record, in slot number `slot`, is in the journal. */
function apply(journal: Journal, slot: number, record: Bytes): void {
  const type = record[0];
  const argument = record.charCodeAt(1);
  journal.last = slot;
  journal.record = record;
  if (type === 'D') journal.isSolid = true;
  else if (type === 'T') journal.booted = argument;
  else if (type !== 'E') {
    if (type === 'C') {
      if (journal.decision !== 'C') journal.booted = 0;
      journal.limit = argument;
      journal.unsaved = get32(record, 8);
    }
    if (type === 'S') {
      const sector = get16(record, 4);
      const place = sector - journal.target.first;
      const index = journal.index[place >> 11];
      if (!index[place & 2047]) {
        journal.kept++;
        if (get16(record, 6) < NOT_KEPT) journal.used++;
      }
      index[place & 2047] = slot;
      journal.inFlight = sector;
    }
    journal.decision = type;
    journal.isSolid = false;
  }
}

/**
 * @returns a runtime that lets erases and programs through to some ranges only
 * @throws E_FORBIDDEN, from its `erase` and `program`
 */
function fence(runtime: Runtime, ranges: Range[]): Runtime {
  function guard(address: number): number {
    const sector = { first: Math.floor(address / SECTOR), count: 1 };
    if (!ranges.some((range) => isInside(sector, range)))
      fail('E_FORBIDDEN', 'address ' + address, 'is no part of this update');
    return address;
  }
  const fenced = Object.create(runtime) as Runtime;
  fenced.erase = (address) => runtime.erase(guard(address));
  fenced.program = (address, data) => runtime.program(guard(address), data);
  return fenced;
}

/** @returns the state of a transaction that has only begun. */
function emptyJournal(runtime: Runtime, area: Range, begin: Bytes): Journal {
  const count = get16(begin, 6);
  const target = { first: get16(begin, 4), count: count };
  const spare = { first: get16(begin, 8), count: get16(begin, 10) };
  return {
    runtime: fence(runtime, [area, target, spare]),
    area: area,
    target: target,
    spare: spare,
    id: get16(begin, 2),
    flags: begin.charCodeAt(14),
    next: BEGIN_SLOTS,
    last: BEGIN_SLOTS - 1,
    record: begin,
    isSettled: false,
    decision: 'B',
    isSolid: false,
    limit: 0,
    booted: 0,
    unsaved: 0,
    inFlight: 0,
    kept: 0,
    used: 0,
    index: [
      new Uint16Array(Math.min(2048, count)),
      new Uint16Array(count > 2048 ? count - 2048 : 0),
    ],
  };
}

/**
 * Reads the journal whose first sector is `sector`, if one is there.
 * @param sector - absolute number
 */
export function readJournal(runtime: Runtime, sector: number): Journal | undefined {
  const address = sector * SECTOR;
  const begin = runtime.read(address, SLOT * BEGIN_SLOTS);
  const record = begin.substr(0, 44);
  const count = get16(begin, 12);
  return begin[0] === 'B' &&
    begin.charCodeAt(1) === VERSION &&
    sign(runtime, record, address) === begin
    ? emptyJournal(runtime, { first: sector - count + 1, count: count }, record)
    : undefined;
}

/** @returns bytes 0 to 11 of a slot, if it holds a record that counts. */
function validRecord(journal: Journal, slot: number, bytes: Bytes): Bytes | undefined {
  const record = bytes.substr(0, 12);
  return get16(bytes, 2) === journal.id &&
    sign(journal.runtime, record, slotAddress(journal.area, slot)) === bytes
    ? record
    : undefined;
}

function readSlot(journal: Journal, slot: number): Bytes {
  return (
    validRecord(journal, slot, journal.runtime.read(slotAddress(journal.area, slot), SLOT)) || ''
  );
}

/**
 * Walks over the log and leaves `journal.next` at the slot after the last one that is not blank.
 * @param visit - called with each slot that is not blank
 * @returns the last two slots that are not blank
 */
function walk(journal: Journal, visit?: (slot: number, bytes: Bytes) => void): number[] {
  const none = journal.runtime.fill(255, SLOT);
  let before = 0;
  let last = 0;
  let blanks = 0;
  let text = '';
  for (let slot = BEGIN_SLOTS; slot < journal.area.count * SLOTS && blanks < END_RUN; slot++) {
    const offset = (slot & 255) * SLOT;
    if (!text || !offset)
      text = journal.runtime.read(slotAddress(journal.area, slot) - offset, SECTOR);
    blanks++;
    if (text[offset] !== '\xff' || text.substr(offset, SLOT) !== none) {
      blanks = 0;
      before = last;
      last = slot;
      journal.next = slot + 1;
      if (visit) visit(slot, text.substr(offset, SLOT));
    }
  }
  return [before, last];
}

/** @returns whether the new or the old content counts for good, as far as this decision says. */
export function isFinal(decision: string, limit: number): boolean {
  return decision === 'X' || decision === 'K' || (decision === 'C' && !limit);
}

/**
 * Replays the log.
 *
 * At most boots it ends with a final decision and its SOLID. Then no record before them needs a look,
 * unless the caller wants to know what is saved.
 */
export function replay(journal: Journal, isFull: boolean): void {
  const ends = isFull ? [] : walk(journal);
  const records = ends.map((slot) => readSlot(journal, slot));
  if (!isFull && isFinal(records[0][0], records[0].charCodeAt(1)) && records[1][0] === 'D')
    ends.forEach((slot, n) => apply(journal, slot, records[n]));
  else
    walk(journal, (slot, bytes) => {
      const record = validRecord(journal, slot, bytes);
      if (record) apply(journal, slot, record);
    });
}

/** @returns the journal slot of a sector's SAVED record; 0 if it is not saved. */
export function savedAt(journal: Journal, sector: number): number {
  const place = sector - journal.target.first;
  return journal.index[place >> 11][place & 2047];
}

/**
 * @param slot - as `savedAt` gave it
 * @returns bytes 4 to 11: the sector, where its old content is, the check of it
 * @throws E_FLASH if the record reads differently than before
 */
export function readSaved(journal: Journal, slot: number): Bytes {
  return (
    readSlot(journal, slot) || fail('E_FLASH', 'journal', 'slot ' + slot + ' flickers')
  ).substr(4);
}

/**
 * Makes sure that there is room for some records beside the reserve that only decisions may take.
 * @param boots - trial boots to come
 * @throws E_SPACE
 */
export function needSlots(journal: Journal, records: number, boots: number): void {
  const left = journal.area.count * SLOTS - RESERVE - journal.next;
  const need = records + boots * BOOT_SLOTS;
  if (journal.area.count && left < need) fail('E_SPACE', 'journal', need + ' slots', left);
}

/**
 * Appends a record, in the next slot that keeps it.
 * @param head - its type; its argument, 0 if missing
 * @param rest - bytes 4 to 11
 * @throws E_SPACE if the journal is full
 */
export function append(journal: Journal, type: string, argument: number, rest?: Bytes): void {
  const head = type + String.fromCharCode(argument) + u16(journal.id);
  appendRecord(journal, head + (rest || journal.runtime.fill(255, 8)));
}

function appendRecord(journal: Journal, record: Bytes): void {
  const { area, runtime } = journal;
  let slot;
  let address;
  do {
    slot = journal.next++;
    address = slotAddress(area, slot);
    if (area.count && slot >= area.count * SLOTS) fail('E_SPACE', 'journal', slot + ' slots', slot);
    // A slot that does not keep the record is left behind; the log goes on after it.
  } while (area.count && !program(runtime, address, sign(runtime, record, address)));
  apply(journal, slot, record);
}

/** Appends a decision and, because it reads back in this very boot, SOLID. */
export function decide(journal: Journal, type: string, rest?: Bytes): void {
  append(journal, type, 0, rest);
  append(journal, 'D', 0);
}

/** Programs zero over `length` bytes, whatever they read. */
function spoil(runtime: Runtime, address: number, length: number): void {
  if (!program(runtime, address, runtime.fill(0, length)))
    fail('E_FLASH', 'journal', 'address ' + address + ' does not program');
}

/** Spoils the BEGIN of a journal, so that it is none any more. */
export function spoilBegin(runtime: Runtime, area: Range): void {
  spoil(runtime, slotAddress(area, 0), SLOT * BEGIN_SLOTS);
}

/**
 * Makes sure that nothing that a cut left half-written can come back as a ghost. Due once per boot, before
 * the first append to a journal that an earlier boot has written to.
 *
 * Programs zero over every invalid slot after the last valid record, and over the first two that look blank.
 * @param repeat - whether to append the last record again: it may have been cut itself
 * @throws E_FLASH, E_SPACE
 */
export function settle(journal: Journal, repeat: boolean): void {
  if (journal.isSettled) return;
  const end = Math.min(journal.next + 2, journal.area.count * SLOTS);
  for (let slot = journal.last + 1; slot < end; slot++)
    spoil(journal.runtime, slotAddress(journal.area, slot), SLOT);
  journal.next = end;
  journal.isSettled = true;
  if (repeat && journal.decision !== 'B') appendRecord(journal, journal.record);
}

/**
 * Begins a journal.
 * @param area - where; without a sector the journal is kept in RAM only
 * @throws E_FLASH if the chip does not erase or program
 */
export function openJournal(
  runtime: Runtime,
  area: Range,
  id: number,
  target: Range,
  spare: Range,
  flags: number,
  size: number,
  crc32: number,
): Journal {
  const begin =
    'B' +
    String.fromCharCode(VERSION) +
    [id, target.first, target.count, spare.first, spare.count, area.count, flags]
      .map(u16)
      .join('') +
    u32(size) +
    u32(crc32) +
    runtime.fill(255, 20);
  const journal = emptyJournal(runtime, area, begin);
  const address = slotAddress(area, 0);
  journal.isSettled = true;
  if (area.count) {
    // An erase that loses power half way can leave later records readable. Without BEGIN none of them counts.
    spoilBegin(journal.runtime, area);
    for (let n = 0; n < area.count; n++) journal.runtime.erase((area.first + n) * SECTOR);
    // Zero was programmed there, so this also proves that the chip erases.
    if (!program(journal.runtime, address, sign(runtime, begin, address)))
      fail('E_FLASH', 'journal', 'address ' + address + ' does not erase');
  }
  return journal;
}
