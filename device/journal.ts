/**
 * The journal: what a transaction has done so far, in a form that any power cut leaves readable. Its format, and how it
 * is read, records.ts describes.
 *
 * Several journals may be on the chip. That with the highest id counts, of those that have SOLID in slot 1. A new
 * id is above all that can be read, counting or not; so a BEGIN is never spoiled, only its SOLID is.
 *
 * NOR cells of an interrupted erase or program may read one way now and another way later. So what was in flight is never
 * trusted, even if it reads right: see `settle` and SOLID.
 */

import { fail, failFlash, failSize } from './errors.ts';
import { isBlank, isIn } from './flash.ts';
import type { Range } from './flash.ts';
import {
  BEGIN,
  BOOT,
  COMMIT,
  CONFIRM,
  END_RUN,
  FORGET,
  HEAD_SLOTS,
  RESERVE,
  RESTORE,
  RESTORED,
  SAVED,
  SLOT,
  SLOTS,
  SOLID,
} from './records.ts';
import { SECTOR, crc32, erase, fill, pack, program, read, unpack } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** A record as four numbers; the last may be missing until it is signed. */
type Words = (number | undefined)[];

// The state that the journal tells of. A board has one chip, so it is the module's: what is passed from function to
// function costs an interpreter time and memory.

// What BEGIN has. Only `reset` writes these.

/** Where the journal lies; its first sector is the last one of this range. */
export let area: Range;
export let target: Range;
/** What holds the old content. `span` may be less than the target's, and is 0 in a direct update. */
export let backup: Range;
let id: number;

// What the records come to: a pure fold over them. Only `reset` and `apply` write these; `readJournal` begins with no
// decision.

/** The last decision; 0 without a journal. */
export let decision = 0;
/** Whether SOLID follows the decision. */
let isSolid: boolean;
/** Trial boots: how many there may be, how many there were. */
export let limit: number;
export let booted: number;
/** From COMMIT: one CRC-32 over those of all sectors that were not saved. */
export let unsaved: number;
/** The sector that the last SAVED names, absolute. */
export let inFlight: number;
/** Sectors that SAVED records name, and how many of them have a slot in the backup. */
export let savedCount: number;
export let backupUsed: number;
/**
 * For each sector of the target the journal slot of its SAVED record; 0 not saved. It takes more than 4 KiB of memory only
 * for a target of more than 8 MiB.
 */
let index: Uint16Array;
/** The slot of the last valid record, and its words. */
let last: number;
let record: Words;

// Its slots. Only `reset` writes these.

/** The address of slot 0, and how many slots there are. */
let start: number;
export let end: number;

// Where this boot appends. Only `reset`, `replay`, `settle`, `appendRecord` and `openJournal` write these.

/** The slot that is appended to next. */
export let next: number;
/** Whether nothing that a cut left behind can come back any more. */
let isSettled: boolean;

// What all journals on the chip come to. Only `readJournal` and `openJournal` write it.

/** The highest id that can be read on the chip. */
let highest = 0;

/** @returns an address. @throws E_FORBIDDEN if it is outside the fence */
export function guard(address: number): number {
  const sector = address >>> 12;
  if (!isIn(target, sector) && !isIn(backup, sector) && !isIn(area, sector))
    fail('FORBIDDEN address ' + address);
  // What is whole may still be a float, which Espruino's Flash refuses to erase.
  return address | 0;
}

/** Programs `data`, inside a sector. @returns whether it reads back */
function programAt(address: number, data: Bytes): boolean {
  program(data, guard(address));
  return read(address, data.length) === data;
}

/** @returns the address of a slot. */
function addressOf(slot: number): number {
  return start + slot * SLOT - (slot >> 8) * (2 * SECTOR);
}

/** Puts into a record the CRC that is right at `address`. @returns the bytes of the record */
function sign(words: Words, address: number): Bytes {
  words[3] = address;
  words[3] = crc32(pack(words));
  return pack(words);
}

/** @returns the words of a slot if its CRC matches. */
function recordOf(bytes: Bytes, address: number): number[] | false {
  const found = unpack(bytes);
  const words = [found[0], found[1], found[2]];
  return sign(words, address) === bytes && words;
}

/**
 * The pure fold: brings the state to what it is once there is a record in a slot.
 *
 * It is idempotent over the last records of a log: `replay` applies the last two, and if they are no final decision with
 * its SOLID, all of them, these two again. So it assigns what a record has, and counts a sector only at its first SAVED.
 */
function apply(slot: number, words: Words): void {
  const type = words[0]! & 255;
  const argument = (words[0]! >> 8) & 255;
  const word1 = words[1]!;
  last = slot;
  record = words;
  if (type > CONFIRM) {
    if (type === SOLID) isSolid = true;
    if (type === FORGET) savedCount = 0;
    if (type === BOOT) booted = argument;
  } else {
    decision = type;
    isSolid = false;
    if (type === SAVED) {
      inFlight = word1 & 0xffff;
      if (!savedAt(inFlight)) {
        savedCount++;
        // Neither BLANK nor NOT_KEPT.
        if (word1 >>> 17) backupUsed++;
      }
      index[inFlight - target.first] = slot;
    } else if (type === COMMIT) {
      booted = 0;
      limit = argument;
      unsaved = words[2]!;
    }
  }
}

/** Brings the state to what it is after BEGIN in the first slot of a sector. */
function reset(begin: Words, sector: number): void {
  const span = (begin[0]! >> 8) & 255;
  area = { first: sector - span + 1, span: span };
  target = { first: begin[1]! & 0xffff, span: begin[1]! >>> 16 };
  backup = { first: begin[2]! & 0xffff, span: begin[2]! >>> 16 };
  start = sector * SECTOR;
  end = span * SLOTS;
  id = begin[0]! >>> 16;
  decision = BEGIN;
  next = HEAD_SLOTS;
  last = HEAD_SLOTS - 1;
  isSettled = isSolid = false;
  limit = booted = savedCount = backupUsed = 0;
  index = new Uint16Array(target.span);
}

/**
 * Reads the journal on the chip into the state: steps 1 to 4 of records.ts.
 * @param places - a journal may begin in the last sector of each one that the firmware does not need
 */
export function readJournal(places: (Range & { need: number })[]): void {
  decision = 0;
  places.forEach((place) => {
    if (place.need) return;
    const sector = place.first + place.span - 1;
    const address = sector * SECTOR;
    const head = read(address, HEAD_SLOTS * SLOT);
    const begin = recordOf(head.substr(0, SLOT), address);
    if (begin && (begin[0] & 255) === BEGIN) {
      const found = begin[0] >>> 16;
      if ((found - highest) << 16 > 0) highest = found;
      if (
        head.substr(SLOT) === sign([SOLID | (found << 16)], address + SLOT) &&
        (!decision || (found - id) << 16 > 0)
      )
        reset(begin, sector);
    }
  });
  replay(false);
}

/**
 * Replays the log into the state: steps 5 to 7 of records.ts. Leaves `next` after its last slot that is not blank.
 *
 * At most boots the log ends with a final decision and its SOLID. Then the records before them need not be looked at.
 * @param isFull - look at all records in any case: the caller wants to know what is saved
 */
export function replay(isFull: boolean): void {
  if (!decision) return;
  let text: Bytes;
  let before: Bytes;
  let bytes: Bytes;
  text = before = bytes = '';
  for (let slot = HEAD_SLOTS, blanks = 0; slot < end && blanks < END_RUN; slot++) {
    const offset = (slot & 255) * SLOT;
    if (!text || !offset) text = read(addressOf(slot) - offset, SECTOR);
    const found = text.substr(offset, SLOT);
    blanks++;
    // The first byte saves a call for almost every slot.
    if (found[0] !== '\xff' || !isBlank(found, SLOT)) {
      blanks = 0;
      next = slot + 1;
      before = bytes;
      bytes = found;
      if (isFull) replaySlot(slot, bytes);
    }
  }
  if (isFull) return;
  replaySlot(next - 2, before);
  replaySlot(next - 1, bytes);
  if (!isQuiet()) replay(true);
}

/** Applies a slot, if it holds a record that counts. */
function replaySlot(slot: number, bytes: Bytes): void {
  const words = recordOf(bytes, addressOf(slot));
  if (words && words[0] >>> 16 === id) apply(slot, words);
}

/** @returns whether the new content is on trial. */
export function isTrial(): boolean {
  return decision === COMMIT && limit > 0;
}

/** @returns whether the new or the old content counts for good, and no cut can change that: nothing is left to do. */
export function isQuiet(): boolean {
  return (decision === RESTORED || decision === CONFIRM) && isSolid;
}

/** @returns the journal slot of a sector's SAVED record; 0 if it is not saved. */
export function savedAt(sector: number): number {
  return index[sector - target.first];
}

/**
 * @returns the SAVED record of a sector
 * @throws E_FLASH if it reads differently than before
 */
export function readSaved(sector: number): number[] {
  const address = addressOf(savedAt(sector));
  return recordOf(read(address, SLOT), address) || failFlash('journal');
}

/**
 * Makes sure that there is room for more records, without the reserve that only decisions may take.
 * @throws E_SPACE
 */
export function needSlots(records: number): void {
  const need = next + records + RESERVE;
  if (need > end) failSize('SPACE journal', need * SLOT, end * SLOT);
}

/** Appends a record, in the next slot that keeps it. */
export function appendRecord(words: Words): void {
  for (let tries = 9; tries--;) {
    const address = addressOf(next);
    if (next >= end) needSlots(1 - RESERVE);
    if (programAt(address, sign(words, address))) {
      return apply(next++, words);
    }
    // A slot that holds something else now is left behind. A blank one is tried again: three of them would end the log.
    if (!isBlank(read(address, SLOT), SLOT)) next++;
  }
  failFlash('journal');
}

/**
 * Appends a record of this transaction.
 * @param argument - this and the two words are 0 if missing
 * @throws E_SPACE if the journal is full, E_FLASH
 */
export function append(type: number, argument?: number, word1?: number, word2?: number): void {
  appendRecord([type | (argument! << 8) | (id << 16), word1, word2]);
}

/**
 * Appends a decision and, because it was read back in this same boot, SOLID.
 * @param isRepeated - see `settle`
 */
export function decide(type: number, isRepeated: boolean): void {
  settle(isRepeated);
  append(type);
  append(SOLID);
}

/** Programs zero over a slot. It does not read the slot first: what was in flight may read as zero by chance. */
function spoil(slot: number): void {
  if (!programAt(addressOf(slot), fill(0, SLOT))) failFlash('journal');
}

/**
 * Makes sure that no record that a cut left half-written turns valid at a later boot. Has to be called before the first
 * append to a journal that was read from flash: an earlier boot may have written to it.
 *
 * Programs zero over every invalid slot after the last valid record, and over the first two that look blank.
 * @param isRepeated - whether to append the last record again: a cut may have fallen into that one, too
 * @throws E_FLASH, E_SPACE
 */
export function settle(isRepeated: boolean): void {
  if (isSettled) return;
  let slot = last + 1;
  for (; slot < next + 2 && slot < end; slot++) spoil(slot);
  next = slot;
  isSettled = true;
  if (isRepeated) appendRecord(record);
}

/** @returns whether RESTORE and SOLID end the log, and an earlier boot has written them. */
export function isRestoring(): boolean {
  return !isSettled && decision === RESTORE && (record[0]! & 255) === SOLID && next === last + 1;
}

/**
 * Makes sure that nothing of this journal is put back any more. Its SOLID is about to be spoiled. A cut in that may let
 * the journal count at one boot and not at the next, when half of the old content is back.
 */
export function forget(): void {
  // If there is no room for FORGET, there is none for putting anything back either.
  if (decision !== CONFIRM || next > end - RESERVE) return;
  settle(false);
  append(FORGET);
}

/**
 * Begins a journal.
 * @param newBackup - what keeps the old content; no sectors in a direct update
 * @throws E_FLASH if the chip does not erase or program
 */
export function openJournal(newTarget: Range, newBackup: Range, newArea: Range): void {
  const { span } = newArea;
  const first = newArea.first + span - 1;
  const begin = [
    BEGIN | (span << 8) | ((highest + 1) << 16),
    newTarget.first | (newTarget.span << 16),
    newBackup.first | (newBackup.span << 16),
  ];
  reset(begin, first);
  isSettled = true;
  highest = id;
  // A cut in an erase can leave some records readable. Without SOLID none of them counts.
  spoil(1);
  for (let n = 0; n < span; n++) erase(guard((first - n) * SECTOR));
  next = 0;
  appendRecord(begin);
  append(SOLID);
  // SOLID is where zero was programmed: if it reads back there, the chip does erase.
  if (next !== HEAD_SLOTS) failFlash('journal');
}
