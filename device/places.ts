/** The places that an update works in: its target, backup and journal; and every reason to refuse one. */

import type { Area as PlanArea, Options, Plan, Report } from './api.ts';
import * as chip from './chip.ts';
import { areaAt } from './chip.ts';
import type { Area } from './chip.ts';
import { checkNumber, fail, failSize } from './errors.ts';
import { isIn } from './flash.ts';
import type { Range } from './flash.ts';
import * as journal from './journal.ts';
import { readJournal as readHeads } from './journal.ts';
import { OTADATA } from './partitions.ts';
import {
  AREA_MASK,
  BEGIN,
  FORGET,
  HEADS,
  INCOMPLETE,
  RESERVE,
  RESTORE,
  RESTORED,
  SAVED,
  VOID,
  journalSectors,
} from './records.ts';
import { SECTOR } from './runtime.ts';
import * as transaction from './transaction.ts';
import { CHECK, walkBackup } from './transaction.ts';

// What was chosen last. The journal may still be that of another update. Only `choosePlaces`, `placeJournal` and
// `followJournal` write it.

export let options: Options;
/** The partition to update. */
export let label: string;
export let target: Range;
/** What keeps the old content; no sectors in a direct update. */
export let backup: Range;
/** Where the journal goes. */
export let area: Range;
/** Whether the update goes on with the transaction in the journal. */
export let isResumed: boolean;
/** Whether what the target holds counts for nothing, and that transaction cannot go on. */
export let isVoid: boolean;

/** @returns the label of the partition that a range lies in; none in free flash. */
export function labelOf(range: Range): string | undefined {
  return (areaAt(range.first) || ({} as Area)).label;
}

/** @returns whether a journal may lie in an area. */
function isPlace(area: Area): boolean {
  return (
    !area.why &&
    !area.need &&
    area.span >= HEADS &&
    (area.kind < 0 || (area.kind > OTADATA && isForJournal(area)))
  );
}

function isForJournal(area: Area): boolean {
  return area.label === 'ota_journal';
}

/**
 * @param isTarget - whether the area is to be the target; otherwise it is to hold the backup
 * @param isLive - whether the target may be one that the firmware is using right now
 * @returns why it cannot be that, if so
 */
function whyNot(
  area: Area,
  isTarget?: boolean,
  isLive?: boolean | number,
): string | 0 | false | undefined {
  if (isForJournal(area)) return 'for the journal';
  if (isTarget) {
    if (area.kind < OTADATA) return 'an app';
    return area.why || (area.need === 2 && !isLive && 'needs overwriteLive');
  }
  return area.why || ((area.need || area === target) && 'in use');
}

/** @returns the partition that an option names. */
function named(option: 'partition' | 'backup'): Area {
  const label = options[option];
  const area =
    chip.areas.filter((area) => area.kind >= 0 && area.label === label)[0] ||
    fail('NO_PARTITION ' + option + ': no ' + label);
  const why = whyNot(area, option === 'partition', options.overwriteLive);
  if (why) fail('FORBIDDEN ' + option + ' ' + label + ': ' + why);
  return area;
}

/** @returns what keeps the old content. */
function findBackup(): Range {
  if (options.backup != null) return named('backup');
  if (chip.passive && !whyNot(chip.passive)) return chip.passive;
  return (
    chip.areas
      .filter((area) => area.kind < 0 && area.span > HEADS)
      // A sector in which a journal may begin never holds old content.
      .map((area) => ({ first: area.first, span: area.span - HEADS }))
      .sort((a, b) => b.span - a.span)[0] || fail('NO_BACKUP backup: none free')
  );
}

/**
 * Chooses where the journal goes: `ota_journal`; else the smallest run of free flash that has room, so that the backup keeps
 * the largest.
 * @throws E_SPACE
 */
function placeJournal(): void {
  const count = journalSectors(backup.span && target.span, options.trial || 0);
  const own = chip.areas.filter((area) => isForJournal(area))[0];
  const place =
    chip.areas
      // A backup must have room for more than the journal. BEGIN cannot tell of a longer one.
      .filter(
        (area) =>
          isPlace(area) &&
          count <= AREA_MASK &&
          area.span >= count + +(area.first === backup.first),
      )
      .sort((a, b) => b.kind - a.kind || a.span - b.span)[0] ||
    failSize('SPACE ota_journal', count * SECTOR, own ? own.span * SECTOR : 0);
  area = { first: place.first + place.span - count, span: count };
  if (place.first === backup.first) backup = { first: backup.first, span: place.span - count };
}

/** Reads the journal on the chip. */
export function readJournal(): void {
  readHeads(chip.areas.filter(isPlace));
  const area = journal.decision && areaAt(journal.backup.first);
  transaction.start(
    area && area.kind > OTADATA && !whyNot(area) && journal.backup.span === area.span,
  );
}

/** @returns whether the target of the journal, if there is one, is still a partition that may be written to. */
function isTarget(): boolean | 0 | undefined {
  const area = journal.decision && areaAt(journal.target.first);
  return (
    area &&
    !whyNot(area, true, journal.isLive) &&
    area.first === journal.target.first &&
    area.span === journal.target.span
  );
}

/**
 * @returns whether there is a journal, all of it lies in one place, and its target may still be written to. A new table
 * may have changed that.
 */
export function isUsable(): boolean | 0 | undefined {
  const place = isTarget() && areaAt(journal.area.first);
  return (
    place && isPlace(place) && journal.area.first + journal.area.span === place.first + place.span
  );
}

/**
 * @param isFit - whether journal and target may still be written to
 * @returns what the target holds, by the journal
 */
export function stateOf(isFit: boolean | 0 | undefined): Report['state'] {
  const { decision } = journal;
  if (!decision || decision === FORGET) return 'none';
  if (decision === RESTORED || (decision === BEGIN && !isFit)) return 'restored';
  if (decision > INCOMPLETE) return journal.limit && isFit ? 'trial' : 'committed';
  if (!journal.backup.span && !journal.isDamaged && decision > BEGIN) return 'incomplete';
  return isFit && (decision === BEGIN || walkBackup(CHECK)) ? 'interrupted' : 'damaged';
}

/**
 * Finds whether an update can go on with the transaction in the journal.
 * @throws E_PENDING if that transaction is in the way
 */
function findResumed(isDirect: boolean, isCounted?: boolean): void {
  const { decision } = journal;
  const isFit = isUsable();
  let why: string | undefined;
  isResumed = isVoid = false;
  // A trial that was over when this boot began is finished first.
  if (journal.limit && isFit && (isCounted || journal.booted < journal.limit)) why = 'on trial';
  else if (
    (decision === SAVED || decision === RESTORE) &&
    // The update of a partition that is not there any more is not in the way.
    (!journal.target.span || isTarget())
  ) {
    const isKept = isFit && walkBackup(CHECK);
    const hasRoom = journal.next < journal.end - (RESERVE + 4);
    const last = journal.backup.first + journal.backup.span - 1;
    const area = areaAt(last);
    const isWritable =
      area &&
      !whyNot(area) &&
      journal.backup.first >= area.first &&
      (area.kind < 0
        ? last < area.first + area.span - HEADS && !isIn(journal.area, last)
        : journal.backup.span === area.span);
    // A restore that is decided is finished first. An update that cannot go on is put back first.
    if (!isKept || (decision === SAVED && hasRoom && isWritable)) {
      if (areaAt(journal.target.first) !== target) why = 'unfinished';
      else if (!isKept && !isDirect) why = 'needs backup: false';
      isResumed = transaction.isSealed && !!(isKept || (isFit && hasRoom && !journal.backup.span));
      isVoid = !isResumed;
    }
  }
  if (why) fail('PENDING ' + (labelOf(journal.target) || '?') + ': ' + why);
}

/**
 * Chooses where an update works and refuses what cannot be right. Writes nothing.
 * @param isCounted - whether this boot has been counted as a trial boot
 */
export function choosePlaces(newOptions: Options, isCounted?: boolean): void {
  options = newOptions || {};
  chip.readBoot();
  const isDirect = options.backup === false;
  target = named('partition');
  label = options.partition;
  checkNumber('size', options.size, -1 >>> 0);
  checkNumber('crc32', options.crc32, -1 >>> 0);
  checkNumber('trial', options.trial, isDirect ? 0 : 255);
  if (options.size! > target.span * SECTOR)
    failSize('SIZE ' + label, options.size!, target.span * SECTOR);
  findResumed(isDirect, isCounted);
  if (isResumed) {
    backup = journal.backup;
    area = journal.area;
  } else {
    backup = isDirect ? { first: isVoid ? VOID : 0, span: 0 } : findBackup();
    placeJournal();
  }
}

/**
 * Flash time in seconds of a sector that is erased, programmed and read twice, typical of a W25Q32JV: tSE 45 ms; tPP
 * 0.4 ms for each of 16 pages, 10 us for each of 64 commands; 9.5 MB/s.
 */
const SECTOR_S = 0.053;

function areaOf(range: Range): PlanArea | undefined {
  if (range.span)
    return { label: labelOf(range), address: range.first * SECTOR, size: range.span * SECTOR };
  return undefined;
}

/** Takes the places from the journal from now on. They are the same, and held in memory once instead of twice. */
export function followJournal(): void {
  target = journal.target;
  backup = journal.backup;
  area = journal.area;
}

/** @returns what an update in the places that were chosen would use, and what it would cost at most. */
export function describe(): Plan {
  const erases = target.span * (backup.span ? 2 : 1) + area.span - 1;
  return {
    partition: areaOf(target)!,
    backup: areaOf(backup),
    journal: areaOf(area)!,
    running: chip.runningApp,
    resumed: isResumed,
    worst: {
      erases: erases,
      bytes: erases * SECTOR,
      seconds: erases * SECTOR_S,
    },
  };
}
