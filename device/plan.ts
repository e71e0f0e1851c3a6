/** Where an update works: its target, backup and journal, and every reason to refuse one. */

import type { Area as PlanArea, Options, Plan, Report } from './api.ts';
import { app, areas, find, passive } from './chip.ts';
import type { Area } from './chip.ts';
import { fail, failSize } from './errors.ts';
import { NONE, isInside, overlap } from './flash.ts';
import type { Range } from './flash.ts';
import * as journal from './journal.ts';
import { DIRECT, decision, flags, journalSectors, limit, slotsLeft } from './journal.ts';
import type { Places } from './journal.ts';
import { SECTOR } from './runtime.ts';
import { canPutBack, outcome } from './transaction.ts';

/** @returns the label of the partition that a range lies in; none in free flash. */
export function labelOf(range: Range): string {
  const area = find((area) => isInside(range, area));
  return area ? area.name : 'sector ' + range.first;
}

/** @returns the partition that an option names. */
function named(option: string, label: string): Area {
  return (
    find((area) => area.kind >= 0 && area.name === label) ||
    fail('NO_PARTITION', option + ': no "' + label + '"')
  );
}

/** @returns why an area can hold neither backup nor journal, if so. */
function whyUnfit(area: Area, target: Range): string | false | undefined {
  return (
    area.why || (area.isSystem && 'is in use') || (overlap(area, target) && 'overlaps the target')
  );
}

/** @returns the partition that an option names, if it may hold backup or journal. */
function namedSpare(option: string, label: string, target: Range): Area {
  const area = named(option, label);
  const why = whyUnfit(area, target);
  if (why) fail('FORBIDDEN', option + ' ' + label + ': ' + why);
  return area;
}

/** @returns the last `count` sectors of a range. */
function tailOf(range: Range, count: number): Range {
  return { first: range.first + range.span - count, span: count };
}

/**
 * Chooses where the journal goes: the partition that is named; else `ota_journal`; else the tail of the
 * backup if that is large enough; else free flash; else the tail of the backup all the same. A direct
 * update does without one if it must.
 * @param ahead - sectors that are saved before it is known whether they change: these need a second record
 * @throws E_SPACE
 */
function placeJournal(places: Places, options: Options, ahead: number): void {
  const { target, spare } = places;
  const count = journalSectors(target.span + ahead, options.trial || 0);
  const pick = (isWanted: (area: Area) => boolean): Area | undefined =>
    find(
      (area) =>
        isWanted(area) &&
        !whyUnfit(area, target) &&
        area.span >= count &&
        !overlap(tailOf(area, count), spare),
    );
  const area: Range =
    options.journal != null
      ? namedSpare('journal', options.journal, target)
      : pick((area) => area.name === 'ota_journal') ||
        (spare.span < target.span + count && pick((area) => area.isFree)) ||
        spare;
  if (!area.span) return;
  if (area.span < count)
    fail('SPACE', 'journal: needs ' + count * SECTOR + ' bytes of ' + area.span * SECTOR);
  places.area = tailOf(area, count);
  if (overlap(places.area, spare)) places.spare = { first: spare.first, span: spare.span - count };
  if (spare.span && places.spare.span < 1) fail('SPACE', 'backup: has only the journal');
}

/** @returns what keeps the old content. */
function placeSpare(target: Range, backup: string | false | undefined): Range {
  if (backup === false) return NONE;
  if (backup != null) return namedSpare('backup', backup, target);
  return (
    areas
      .filter((area) => (area === passive || area.isFree) && !whyUnfit(area, target))
      .sort((a, b) => (a === passive ? -1 : b === passive ? 1 : b.span - a.span))[0] ||
    fail('NO_BACKUP', 'backup: none is free; name one or say false')
  );
}

/** Reads the journal on the chip: it begins the last sector of some area. */
export function readJournal(isFull: boolean): void {
  journal.readJournal(
    areas.filter((area) => !area.isSystem && area.span).map((area) => area.first + area.span - 1),
    isFull,
  );
}

/** @returns whether a range may be written to: it is inside one area that nothing speaks against. */
function isWritable(range: Range): boolean {
  return !range.span || !!find((area) => !area.why && isInside(range, area));
}

/** @returns whether the target of the journal is still a partition. */
function isTarget(): boolean {
  const { first, span } = journal.target;
  return !!find((area) => area.kind >= 0 && area.first === first && area.span === span);
}

/**
 * @returns whether the journal and its target may still be written to. A new table or an app OTA may have changed
 * that.
 */
export function isUsable(): boolean {
  return isTarget() && isWritable(journal.target) && isWritable(journal.area);
}

/** @returns what the journal says. */
export function stateOf(): Report['state'] {
  if (!decision) return 'none';
  if (decision === 'X') return 'restored';
  if (decision === 'K' || decision === 'O') return 'committed';
  if (decision === 'C' && limit) return isUsable() ? 'trial' : 'committed';
  if (!isUsable()) return 'damaged';
  return decision !== 'B' && flags & DIRECT ? 'incomplete' : outcome;
}

/**
 * @returns whether an update goes on with the transaction in the journal
 * @throws E_PENDING if that is in the way
 */
function isOpen(target: Range, isDirect: boolean): boolean {
  const label = labelOf(journal.target);
  // A partition that is not there any more is in nobody's way.
  if (!decision || 'SCR'.indexOf(decision) < 0 || !isTarget()) return false;
  if (decision === 'C' && limit && isUsable()) fail('PENDING', label + ': is on trial');
  const wasDirect = flags & DIRECT;
  const isKept = isUsable() && (wasDirect > 0 || canPutBack());
  // What is decided is finished first. What cannot go on, for lack of room, is put back first.
  const isStuck = !isWritable(journal.spare) || slotsLeft() < 4;
  if (decision === 'C' || (isKept && !wasDirect && (decision === 'R' || isStuck))) return false;
  if (journal.target.first !== target.first || journal.target.span !== target.span)
    fail('PENDING', label + ': is unfinished');
  if (!isDirect && (wasDirect || !isKept))
    fail('PENDING', label + ': is half written; say backup: false');
  return isKept && decision === 'S' && !isStuck;
}

function checkNumber(name: 'size' | 'crc32' | 'trial', options: Options, to: number): void {
  const value = options[name];
  if (value != null && !(typeof value === 'number' && value >= 0 && value <= to && value % 1 === 0))
    fail('ARGUMENT', name + ': ' + value + ', limit ' + to);
}

/**
 * Chooses where an update works and refuses what cannot be right. Writes nothing.
 * @param ahead - see `placeJournal`
 */
export function choosePlaces(options: Options, ahead: number): Places {
  if (!options) fail('ARGUMENT', 'options: missing');
  const label = options.partition;
  const isDirect = options.backup === false;
  const target = named('partition', label);
  const why =
    (target.kind < 256 && 'is an app') ||
    target.why ||
    (target.isLive && !options.overwriteLive && 'is in use; say overwriteLive: true');
  checkNumber('size', options, 0xffffffff);
  checkNumber('crc32', options, 0xffffffff);
  checkNumber('trial', options, isDirect ? 0 : 255);
  if (why) fail('FORBIDDEN', label + ': ' + why);
  if (options.size! > target.row.size) failSize(label, options.size!, target.row.size);
  if (isOpen(target, isDirect))
    return { target: journal.target, spare: journal.spare, area: journal.area, isOpen: true };
  const places = {
    target: target,
    spare: placeSpare(target, options.backup),
    area: NONE,
    isOpen: false,
  };
  placeJournal(places, options, ahead);
  return places;
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

/** @returns what an update in these places would use, and cost at most. */
export function describe({ target, spare, area, isOpen }: Places): Plan {
  // Without a journal the first sector is erased once to see that the chip erases.
  const erases = target.span * (spare.span ? 2 : 1) + (area.span || 1);
  return {
    partition: areaOf(target)!,
    backup: areaOf(spare),
    journal: areaOf(area),
    running: app ? app.name : '',
    resumed: isOpen,
    worst: {
      erases: erases,
      bytes: erases * SECTOR,
      seconds: erases * SECTOR_S,
    },
  };
}
