/** The places that an update works in: its target, backup and journal; and every reason to refuse one. */

import type { Area as PlanArea, Options, Plan, Report } from './api.ts';
import * as chip from './chip.ts';
import { areaAt, find } from './chip.ts';
import type { Area } from './chip.ts';
import { fail, failSize } from './errors.ts';
import { isIn } from './flash.ts';
import type { Range } from './flash.ts';
import * as journal from './journal.ts';
import { isTrial, readJournal as readHeads } from './journal.ts';
import { OTADATA } from './partitions.ts';
import {
  COMMIT,
  INCOMPLETE,
  RESERVE,
  RESTORE,
  RESTORED,
  SAVED,
  UNTOUCHED,
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

/** @returns the label of the partition that a range lies in; none in free flash. */
export function labelOf(range: Range): string | undefined {
  const area = areaAt(range.first);
  return area && area.row.label;
}

/**
 * @param isTarget - whether the area is to be the target; otherwise it is to hold backup or journal
 * @returns why it cannot be that, if so
 */
function whyNot(area: Area, isTarget?: boolean): string | 0 | false | undefined {
  if (isTarget) {
    if (area.kind < OTADATA) return 'is an app';
    return area.why || (area.need > 1 && !options.overwriteLive && 'needs overwriteLive');
  }
  return area.why || ((area.need || area === target) && 'is in use');
}

/** @returns the partition that an option names. */
function named(option: 'partition' | 'backup' | 'journal'): Area {
  const label = options[option];
  const area =
    find((area) => area.kind >= 0 && area.row.label === label) ||
    fail('NO_PARTITION ' + option + ': no ' + label);
  const why = whyNot(area, option === 'partition');
  if (why) fail('FORBIDDEN ' + option + ' ' + label + ': ' + why);
  return area;
}

/** @returns what keeps the old content. */
function findBackup(): Range {
  if (options.backup != null) return named('backup');
  if (chip.passive && !whyNot(chip.passive)) return chip.passive;
  return (
    chip.areas
      .filter((area) => area.kind < 0 && !whyNot(area))
      .sort((a, b) => b.span - a.span)[0] || fail('NO_BACKUP backup: none is free')
  );
}

/**
 * Chooses where the journal goes: the partition that is named; else `ota_journal`; else the end of the backup, if the
 * rest of it is as large as the target; else free flash; else the end of the backup.
 * @throws E_SPACE
 */
function placeJournal(): void {
  const count = journalSectors(target.span, options.trial || 0);
  const fits = (area: Area): boolean => !whyNot(area) && area.span >= count && area !== backup;
  const place =
    options.journal != null
      ? named('journal')
      : find((area) => area.row.label === 'ota_journal' && fits(area)) ||
        (backup.span < target.span + count && find((area) => area.kind < 0 && fits(area))) ||
        backup;
  // A backup must have room for more than the journal.
  if (place.span - count < (place === backup ? 1 : 0))
    failSize('SPACE journal', count * SECTOR, place.span * SECTOR);
  area = { first: place.first + place.span - count, span: count };
  if (place === backup) backup = { first: backup.first, span: backup.span - count };
}

/** Reads the journal on the chip: it begins the last sector of some area. */
export function readJournal(): void {
  readHeads(chip.areas);
}

/** @returns the area that a range lies in, if it may be written to. */
function writableAt(range: Range): Area | undefined | false {
  const area = areaAt(range.first);
  return area && !area.why && isIn(area, range.first + range.span - 1) && area;
}

/** @returns whether the target of the journal, if there is one, is still a partition that may be written to. */
function isTarget(): boolean | undefined | 0 {
  const area = journal.decision && writableAt(journal.target);
  return (
    area &&
    area.kind >= 0 &&
    area.first === journal.target.first &&
    area.span === journal.target.span
  );
}

/**
 * @returns whether there is a journal, and it and its target may still be written to. A new table or an app OTA may have
 * changed that.
 */
export function isUsable(): boolean {
  return !!isTarget() && !!writableAt(journal.area);
}

/**
 * @param isFit - whether journal and target may still be written to
 * @returns what the target holds, by the journal
 */
export function stateOf(isFit: boolean): Report['state'] {
  if (!journal.decision) return 'none';
  if (journal.decision === RESTORED) return 'restored';
  if (journal.decision > INCOMPLETE && !(isTrial() && isFit)) return 'committed';
  if (!isFit) return 'damaged';
  return isTrial()
    ? 'trial'
    : journal.decision > UNTOUCHED && !journal.backup.span
      ? 'incomplete'
      : transaction.outcome || 'interrupted';
}

/**
 * @returns whether an update can go on with the transaction in the journal
 * @throws E_PENDING if that transaction is in the way
 */
function canResume(isDirect: boolean): boolean | undefined {
  let why: string | false | undefined;
  let isResumable: boolean | undefined;
  const isFit = isUsable();
  // The update of a partition that is not there any more is not in the way.
  if (journal.decision < SAVED || journal.decision > COMMIT || !isTarget()) return false;
  if (journal.decision === COMMIT) why = isTrial() && isFit && 'is on trial';
  else {
    const isKept = isFit && writableAt(journal.backup) && walkBackup(CHECK);
    const hasRoom = journal.next < journal.end - (RESERVE + 4);
    // A restore that is decided is finished first. An update that has no room to go on is put back first.
    if (isKept && (journal.decision === RESTORE || !hasRoom)) return false;
    isResumable =
      isFit && hasRoom && journal.decision === SAVED && (isKept || !journal.backup.span);
    why =
      journal.target.first !== target.first
        ? 'is unfinished'
        : !isDirect && !isKept && 'needs backup: false';
  }
  if (why) fail('PENDING ' + labelOf(journal.target) + ': ' + why);
  return isResumable;
}

function checkNumber(name: 'size' | 'crc32' | 'trial', limit: number): void {
  const value = options[name];
  if (value != null && (value >>> 0 !== value || value > limit))
    fail('ARGUMENT ' + name + ': ' + value + ', limit ' + limit);
}

/** Chooses where an update works and refuses what cannot be right. Writes nothing. */
export function choosePlaces(newOptions: Options): void {
  options = newOptions || {};
  const isDirect = options.backup === false;
  target = named('partition');
  label = options.partition;
  checkNumber('size', -1 >>> 0);
  checkNumber('crc32', -1 >>> 0);
  checkNumber('trial', isDirect ? 0 : 255);
  if (options.size! > target.span * SECTOR)
    failSize('SIZE ' + label, options.size!, target.span * SECTOR);
  isResumed = !!canResume(isDirect);
  if (isResumed) {
    backup = journal.backup;
    area = journal.area;
  } else {
    backup = isDirect ? { first: 0, span: 0 } : findBackup();
    placeJournal();
  }
}

/**
 * Flash time in seconds of a sector that is erased, programmed and read twice, typical of a W25Q32JV: tSE 45 ms; tPP
 * 0.4 ms for each of 16 pages, 10 us for each of 64 commands; 9.5 MB/s.
 */
const SECTOR_S = 0.053;

function areaOf(range: Range): PlanArea | undefined {
  return range.span
    ? { label: labelOf(range), address: range.first * SECTOR, size: range.span * SECTOR }
    : undefined;
}

/** Takes the places from the journal from now on. They are the same, and held in memory once instead of twice. */
export function followJournal(): void {
  target = journal.target;
  backup = journal.backup;
  area = journal.area;
}

/** @returns what an update in the places that were chosen would use, and what it would cost at most. */
export function describe(): Plan {
  const erases = target.span * (backup.span ? 2 : 1) + area.span;
  return {
    partition: areaOf(target)!,
    backup: areaOf(backup),
    journal: areaOf(area),
    running: chip.app ? chip.app.row.label : '',
    resumed: isResumed,
    worst: {
      erases: erases,
      bytes: erases * SECTOR,
      seconds: erases * SECTOR_S,
    },
  };
}
