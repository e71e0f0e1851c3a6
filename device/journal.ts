/**
 * The journal: what a transaction has done so far, in a form that any power cut leaves readable. Its format, how it is
 * read and in which order a new one begins, records.ts describes.
 *
 * Several journals may be on the chip. That with the highest id speaks, of those that have SOLID in slot 1. Once a new
 * one has its SOLID, no older one ever speaks again.
 *
 * NOR cells of an interrupted erase or program may read one way now and another way later. So what was in flight is never
 * trusted, even if it reads right: see `settle` and SOLID.
 */

import { recordOf, sign } from './codec.ts';
import type { Words } from './codec.ts';
import { fail, failFlash, failSize } from './errors.ts';
import { PAGE, isBlank, isIn, isSectorBlank } from './flash.ts';
import type { Range } from './flash.ts';
import {
  AREA_AT,
  AREA_MASK,
  BEGIN,
  BOOT,
  COMMIT,
  END_RUN,
  FORGET,
  HEADS,
  HEAD_SLOTS,
  LIVE_AT,
  LOWER_AT,
  REOPEN,
  RESERVE,
  RESTORE,
  RESTORED,
  SAVED,
  SLOT,
  SLOTS,
  SOLID,
  VOID,
} from './records.ts';
import { SECTOR, erase, fill, program, read } from './runtime.ts';
import type { Bytes } from './runtime.ts';

// The state that the journal tells of. A board has one chip, so it is the module's: what is passed from function to
// function costs an interpreter time and memory.

// What BEGIN has. Only `reset` writes these; of a damaged head `apply` finds the target.

let begin: Words;
/** The bytes of slot 1. `firm` writes them, too. */
let solid: Bytes;
let id: number;
/** Where the journal lies: both heads of its place, and what is below them. */
export let area: Range;
export let target: Range;
/** What holds the old content. `span` may be less than the target's, and is 0 in a direct update. */
export let backup: Range;
/** Whether the caller knew that the firmware may be using the target. */
export let isLive: number;

// What the records come to: a pure fold over them. Only `reset` and `apply` write these; `lookAtHeads` begins with no
// decision.

/** The last decision; 0 without a journal. */
export let decision = 0;
/** Whether something of the journal is lost. `lookAt` may write it, too. */
export let isDamaged: boolean | 0;
/** Whether FORGET has begun this journal, or ended it: nothing is known of what the target held. */
export let isForgotten: boolean | 0;
/** Whether the last record is SOLID. */
let isSolid: boolean | 0;
/** Trial boots: how many there may be, 0 if there is no trial; how many there were. */
export let limit: number;
export let booted: number;
/** From COMMIT: one check of all sectors that were not saved. */
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
export let index: Uint16Array;
/** The slot of the last valid record, and its words; none before the log begins. */
let last: number;
let record: Words | 0;

// Its slots. Only `reset` writes these.

/** The sector of slot 0, and how many slots there are. `lookAtHeads` begins with no head, and an id of 0. */
let head: number;
export let end: number;

// Where this boot appends. Only `reset`, `replay`, `settle`, `appendRecord` and `openJournal` write these.

/** The slot that is appended to next. */
export let next: number;
/** Whether nothing that a cut left behind can come back any more. */
let isSettled: boolean | 0;

// Where journals may be. Only `readJournal` and `lookAtHeads` write these.

/** The last sector of each place. */
let tops: number[];
/** The heads that have a record in one of their first slots. */
let heads: number[] = [];

/** What a slot reads that nothing was programmed to. Only `readJournal` writes it. */
let erased: Bytes;

/** @returns an address. @throws E_FORBIDDEN if it is outside the fence */
export function guard(address: number): number {
  const sector = address >>> 12;
  if (
    heads.indexOf(sector) < 0 &&
    !isIn(target, sector) &&
    !isIn(backup, sector) &&
    !isIn(area, sector)
  )
    fail('FORBIDDEN address ' + address);
  // What is whole may still be a float, which Espruino's Flash refuses to erase.
  return address | 0;
}

/** Programs `data`, inside a sector. @returns whether it reads back */
function programAt(address: number, data: Bytes): boolean {
  program(data, guard(address));
  return read(address, data.length) === data;
}

/**
 * Programs what may be there already, as often as it takes.
 * @param data - zeros, if missing
 * @returns 0 if it does not read back
 */
function overwrite(address: number, data?: Bytes): number {
  let tries = 9;
  while (tries && !programAt(address, data || fill(0, SLOT))) tries--;
  return tries;
}

/**
 * Programs zero over slot 1 of a head. It does not read the slot first: what was in flight may read as zero by chance.
 * @returns 0 if it does not read back
 */
function retire(sector: number): number {
  return overwrite(sector * SECTOR + SLOT);
}

/** @returns the address of a slot. */
function addressOf(slot: number): number {
  const sectors = slot >> 8;
  // Below both heads: `area` ends with them.
  const sector = sectors ? area.first + area.span - HEADS - sectors : head;
  return sector * SECTOR + (slot & 255) * SLOT;
}

/**
 * The pure fold: brings the state to what it is once there is a record in a slot. It is idempotent over a whole log.
 */
export function apply(slot: number, words: Words): void {
  const type = words[0]! & 255;
  const argument = (words[0]! >> 8) & 255;
  const word1 = words[1]!;
  last = slot;
  record = words;
  isSolid = type === SOLID;
  if (isSolid) {
    // Nothing else has SOLID behind REOPEN: the record of a decision between them is lost.
    if (decision === REOPEN) {
      decision = RESTORE;
      isDamaged = true;
    }
  } else if (type === BOOT) booted = argument;
  else if (type && type <= FORGET) {
    decision = type;
    limit = 0;
    if (type === FORGET) {
      isForgotten = true;
      savedCount = backupUsed = 0;
      index = new Uint16Array(target.span);
    }
    if (type === SAVED) {
      inFlight = word1 & 0xffff;
      // A head that is lost does not tell what the journal was about.
      if (!target.span) target.first = inFlight;
      const n = inFlight - target.first;
      if (!index[n]) {
        const kept = word1 >>> 16;
        if (
          (argument ^ savedCount) & 255 ||
          !isIn(target, inFlight) ||
          (kept && !isIn(backup, kept))
        )
          isDamaged = true;
        if (backup.span) savedCount++;
        if (kept) backupUsed++;
      }
      index[n] = slot;
    } else if (type === RESTORE) {
      if ((argument ^ savedCount) & 255) isDamaged = true;
    } else if (type === COMMIT) {
      booted = 0;
      limit = argument;
      unsaved = words[2]!;
    }
  }
}

function rangeOf(word: number): Range {
  return { first: word & 0xffff, span: word >>> 16 };
}

function wordOf(range: Range): number {
  return range.first | (range.span << 16);
}

/** Brings the state to what it is after BEGIN in the first slot of a sector. */
function reset(newBegin: Words, sector: number): void {
  const word0 = newBegin[0]!;
  const span = (word0 >> AREA_AT) & AREA_MASK;
  begin = newBegin;
  id = word0 >>> 16;
  area = { first: sector - span + 1 + ((word0 >> LOWER_AT) & 1), span: span };
  target = rangeOf(newBegin[1]!);
  backup = rangeOf(newBegin[2]!);
  isLive = (word0 >> LIVE_AT) & 1;
  head = sector;
  // What a stranger wrote does not lead below the chip.
  end = span > 1 && span <= sector ? (span - 1) * SLOTS : SLOTS;
  // A void target is where a direct update is after its SAVED.
  decision = !backup.span && backup.first ? SAVED : BEGIN;
  next = HEAD_SLOTS;
  last = HEAD_SLOTS - 1;
  isSettled =
    isSolid =
    isDamaged =
    isForgotten =
    record =
    limit =
    booted =
    savedCount =
    backupUsed =
      0;
  index = new Uint16Array(target.span);
}

/**
 * Looks at the first slots of a head: steps 1 to 4 of records.ts.
 * @param isLast - whether to believe what reads wrong
 * @returns false if something reads wrong
 */
function lookAt(sector: number, isLast: boolean): Words | boolean | 0 | undefined {
  const address = sector * SECTOR;
  const text = read(address, 3 * SLOT);
  const newSolid = text.substr(SLOT, SLOT);
  const third = text.substr(2 * SLOT);
  // Almost always these are no records. One that is right makes it worth to mend the others.
  if (
    !recordOf(text.substr(0, SLOT), address) &&
    !recordOf(newSolid, address + SLOT) &&
    !recordOf(third, address + 2 * SLOT)
  )
    return isBlank(text);
  heads.push(sector);
  if (newSolid === fill(0, SLOT)) return true;
  // Zeros that are read wrong once do not let a retired journal speak.
  const witness =
    recordOf(newSolid, address + SLOT, 1) || (isLast && recordOf(third, address + 2 * SLOT, 1));
  if (!witness) return isLast;
  const found = witness[0]! >>> 16;
  let words: Words | 0 | undefined = recordOf(text.substr(0, SLOT), address, 1);
  if (words && ((words[0]! & 255) !== BEGIN || words[0]! >>> 16 !== found)) words = 0;
  if ((words || isLast) && (!decision || (found - id) << 16 > 0)) {
    // Without its BEGIN it is one of which nothing can be put back.
    reset(words || [found << 16, 0, VOID], sector);
    isDamaged = !words;
    solid = newSolid;
  }
  return words;
}

/** Finds the journal that speaks: brings the state to what its BEGIN tells. */
function lookAtHeads(): void {
  decision = head = id = 0;
  heads = [];
  // Not by forEach: nowhere is the stack deeper.
  for (let n = 0; n < tops.length; n++)
    for (let sector = tops[n]; sector > tops[n] - HEADS; sector--)
      if (!lookAt(sector, false)) lookAt(sector, true);
}

/**
 * Reads the journal on the chip into the state.
 * @param places - where a journal may lie
 */
export function readJournal(places: Range[]): void {
  erased = fill(255, SLOT);
  tops = places.map((place) => place.first + place.span - 1);
  lookAtHeads();
  replay(false);
  if (!isQuiet() || isDamaged) replay(true);
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
    const offset = (slot * SLOT) % PAGE;
    if (!text || !offset) text = read(addressOf(slot) - offset, PAGE);
    const found = text.substr(offset, SLOT);
    blanks++;
    if (found !== erased) {
      blanks = 0;
      next = slot + 1;
      before = bytes;
      bytes = found;
      // What does not read right is read once more: it may have been read wrong.
      if (isFull) {
        const words = ownRecord(slot, found) || (found !== fill(0, SLOT) && recordAt(slot));
        if (words) apply(slot, words);
      }
    }
  }
  if (isFull) return;
  const final = ownRecord(next - 2, before);
  const solid = ownRecord(next - 1, bytes);
  if (final && solid && (solid[0]! & 255) === SOLID && (final[0]! & 255) !== RESTORE) {
    apply(next - 2, final);
    apply(next - 1, solid);
  }
}

/** @returns the words of a slot if it holds a record of this journal. */
function ownRecord(slot: number, bytes: Bytes, isMending?: 1): Words | false | undefined {
  const words = recordOf(bytes, addressOf(slot), isMending);
  return words && words[0]! >>> 16 === id && words;
}

/** @returns the same of what the slot reads now, with one bit of it mended. */
function recordAt(slot: number): Words | false | undefined {
  return ownRecord(slot, read(addressOf(slot), SLOT), 1);
}

/** @returns whether the new or the old content counts for good, and no cut can change that: nothing is left to do. */
export function isQuiet(): boolean | 0 {
  return (decision === RESTORED || decision > REOPEN) && isSolid;
}

/**
 * @returns the SAVED record in a slot
 * @throws E_FLASH if it reads differently than before
 */
export function readSaved(slot: number): Words {
  // The last record may have been cut, and read otherwise now.
  return (slot === last && record) || recordAt(slot) || failFlash();
}

/**
 * Makes sure that there is room for more records, without the reserve that only decisions may take.
 * @throws E_SPACE
 */
export function needSlots(records: number): void {
  const need = next + records + RESERVE;
  if (need > end) failSize('SPACE journal', need * SLOT, end * SLOT);
}

/**
 * Makes sure that no other copy of this module has written to the journal since this one read it, or has begun one.
 * @throws E_STATE
 */
export function checkAlone(): void {
  const wasNone = !decision;
  if (wasNone) lookAtHeads();
  // A read may err.
  for (let tries = 3; tries--;)
    if (
      wasNone
        ? !decision
        : read(head * SECTOR + SLOT, SLOT) === solid &&
          (next >= end || read(addressOf(next), SLOT) === erased)
    )
      return;
  failAlone();
}

function failAlone(): void {
  fail('STATE update: another copy wrote');
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
    if (read(address, SLOT) !== erased) next++;
  }
  failFlash();
}

/**
 * Appends a record of this transaction.
 * @param argument - modulo 256; this and the two words are 0 if missing
 * @throws E_SPACE if the journal is full, E_FLASH
 */
export function append(type: number, argument?: number, word1?: number, word2?: number): void {
  appendRecord([type | ((argument! & 255) << 8) | (id << 16), word1, word2]);
}

/**
 * Appends a decision and, because it was read back in this same boot, SOLID.
 * @param isRepeated - see `settle`
 */
export function decide(type: number, isRepeated: boolean): void {
  settle(isRepeated);
  append(type, type === RESTORE ? savedCount : 0);
  append(SOLID);
}

/**
 * Programs BEGIN and its SOLID: also again, where an earlier boot wrote them and a cut may have fallen into that.
 * @throws E_FLASH
 */
function firm(): void {
  [begin, [SOLID | (id << 16)]].forEach((words, slot) => {
    solid = sign(words, addressOf(slot));
    if (!overwrite(addressOf(slot), solid)) failFlash();
  });
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
  if (!record) firm();
  // The SOLID of a later journal may flicker: it was cut, and this one speaks again.
  retireOthers(head);
  let slot = last + 1;
  for (; slot < next + 2 && slot < end; slot++) if (!overwrite(addressOf(slot))) failFlash();
  next = slot;
  isSettled = true;
  if (isRepeated && record) appendRecord(record);
}

/** @returns whether RESTORE and SOLID end the log, and an earlier boot has written them. */
export function isRestoring(): boolean | 0 {
  return !isSettled && decision === RESTORE && isSolid && next === last + 1;
}

/** Erases a sector of a new journal. @throws E_FLASH if it does not get blank */
function eraseSector(sector: number): void {
  const address = guard(sector * SECTOR);
  // Zeros tell whether the chip erases. Where a head has its SOLID, they retire it: a cut in the erase leaves no journal.
  for (let tries = 3; tries--;) {
    const isMarked = retire(sector);
    erase(address);
    if (isMarked && isSectorBlank(sector)) return;
  }
  failFlash();
}

/** Zeroes slot 1 of every head but that of one journal. A head that keeps nothing more can stay: its id is lower. */
function retireOthers(own: number): void {
  heads.forEach((other) => {
    if (other !== own) retire(other);
  });
}

/**
 * Zeroes slot 1 of every head: no journal speaks any more.
 * @throws E_FLASH
 */
export function retireAll(): void {
  // Also where none speaks: the SOLID of one may flicker.
  retireOthers(head);
  if (head && !retire(head)) failFlash();
}

/**
 * Begins a journal, in the order that records.ts tells.
 * @param newBackup - what keeps the old content; no sectors in a direct update, from VOID on if the target is void
 * @param newArea - the last sectors of a place
 * @param newIsLive - whether the caller knows that the firmware may be using the target
 * @throws E_FLASH if the chip does not erase or program
 */
export function openJournal(
  newTarget: Range,
  newBackup: Range,
  newArea: Range,
  newIsLive: boolean | undefined,
): void {
  let { span } = newArea;
  const newBegin = [
    BEGIN | (span << AREA_AT) | (+!!newIsLive << LIVE_AT),
    wordOf(newTarget),
    wordOf(newBackup),
  ];
  const top = newArea.first + span - 1;
  const oldHead = head;
  const oldId = id;
  if (decision && !record && !isSettled && !isDamaged) firm();
  // Another copy's journal may not have retired the one that is known here: its sector may have failed.
  lookAtHeads();
  if (head !== oldHead || id !== oldId) failAlone();
  const isLower = +(oldHead === top);
  newBegin[0] |= (isLower << LOWER_AT) | ((id + 1) << 16);
  reset(newBegin, top - isLower);
  isSettled = true;
  retireOthers(oldHead);
  eraseSector(head);
  firm();
  if (oldHead) retire(oldHead);
  while (--span >= HEADS) eraseSector(top - span);
}
