/** Where an update works: its target, backup and journal, and every reason to refuse one. */

import type { Area as PlanArea, Options, Partition, Plan } from './api.ts';
import { CUSTOM } from './chip.ts';
import type { Area, Chip } from './chip.ts';
import { fail } from './errors.ts';
import { isInside, overlap } from './flash.ts';
import type { Range } from './flash.ts';
import { DIRECT, journalSectors, readJournal } from './journal.ts';
import type { Journal } from './journal.ts';
import { SECTOR } from './runtime.ts';
import { isDamaged } from './transaction.ts';

/** No sectors. */
const NONE: Range = { first: 0, count: 0 };

/** Where an update works. */
export interface Places {
  target: Range;
  /** What keeps the old content; no sectors in a direct update. */
  spare: Range;
  /** Where the journal goes; no sectors where a direct update finds no room. */
  area: Range;
  /** The transaction that is gone on with. */
  open?: Journal;
}

/** @returns the label of the area that a range lies in. */
export function labelOf(chip: Chip, range: Range): string {
  const area = chip.areas.filter((area) => isInside(range, area))[0];
  return (area && area.row.label) || 'sector ' + range.first;
}

/** @returns the partition that an option names. */
function named(chip: Chip, label: unknown, option: string): Area {
  if (typeof label !== 'string') fail('E_ARGUMENT', option, typeof label + ' is no label');
  return (
    chip.areas.filter(({ row }) => row.label === label)[0] ||
    fail('E_NO_PARTITION', option, 'no partition "' + String(label) + '"')
  );
}

/** @returns the partition that an option names, if it may hold backup or journal. */
function namedSpare(chip: Chip, target: Range, label: unknown, option: string): Area {
  const area = named(chip, label, option);
  const why =
    area.why ||
    (area.isSystem && 'belongs to the firmware') ||
    (overlap(area, target) && 'overlaps the target');
  return why ? fail('E_FORBIDDEN', option + ' ' + area.row.label, why) : area;
}

/** @returns the last `count` sectors of a range. */
function tailOf(range: Range, count: number): Range {
  return { first: range.first + range.count - count, count: count };
}

/**
 * Chooses where the journal goes: the partition that is named; else `ota_journal`; else the tail of the
 * backup if that is large enough; else free flash or Espruino's free `flash` partition; else the tail of
 * the backup all the same. A direct update does without one if it must.
 * @param ahead - sectors that are saved before it is known whether they change: these need a second record
 * @throws E_SPACE
 */
function placeJournal(chip: Chip, places: Places, options: Options, ahead: number): void {
  const { target, spare } = places;
  const count = journalSectors(target.count + ahead, options.trial || 0);
  const pick = (isWanted: (row: Partition) => boolean): Range | undefined =>
    chip.areas.filter(
      (area) =>
        isWanted(area.row) &&
        !area.why &&
        !area.isSystem &&
        area.count >= count &&
        !overlap(area, target) &&
        !overlap(tailOf(area, count), spare),
    )[0];
  let area: Range | undefined;
  if (options.journal !== undefined) area = namedSpare(chip, target, options.journal, 'journal');
  else {
    area = pick((row) => row.label === 'ota_journal');
    if (!area && spare.count < target.count + count)
      area =
        pick((row) => row.type < 0) || pick((row) => row.type === CUSTOM && row.label === 'flash');
    if (!area) area = spare;
    if (!area.count) return;
  }
  if (area.count < count)
    fail('E_SPACE', 'journal', count * SECTOR + ' bytes', area.count * SECTOR);
  places.area = tailOf(area, count);
  if (overlap(places.area, spare)) {
    places.spare = { first: spare.first, count: spare.count - count };
    if (spare.count <= count)
      fail('E_SPACE', 'backup', (count + 1) * SECTOR + ' bytes', spare.count * SECTOR);
  }
}

/** Chooses what keeps the old content. */
function placeSpare(chip: Chip, target: Range, backup: unknown): Range {
  if (backup !== undefined) return namedSpare(chip, target, backup, 'backup');
  const passive = chip.passive;
  const free = chip.areas.filter(({ row }) => row.type < 0).sort((a, b) => b.count - a.count)[0];
  return (
    (passive && !passive.why && passive) ||
    free ||
    fail(
      'E_NO_BACKUP',
      'backup',
      'no passive app slot, no free flash; name a partition or say false',
    )
  );
}

/** @returns the newest journal on the chip: it begins the last sector of some area. */
export function findJournal(chip: Chip): Journal | undefined {
  let newest: Journal | undefined;
  chip.areas.forEach((area) => {
    const journal =
      !area.isSystem && area.count
        ? readJournal(chip.runtime, area.first + area.count - 1)
        : undefined;
    // Ids wrap around.
    if (journal && (!newest || ((journal.id - newest.id) & 0xffff) < 0x8000)) newest = journal;
  });
  return newest;
}

/**
 * @returns whether a journal's ranges are still what they were: inside one area, and writable. A new table
 * or an app OTA may have changed that.
 */
export function isUsable(chip: Chip, journal: Journal): boolean {
  return [journal.area, journal.target, journal.spare].every((range) =>
    chip.areas.some((area) => !range.count || (!area.why && isInside(range, area))),
  );
}

/**
 * @returns the transaction that an update of `target` goes on with
 * @throws E_PENDING if one is in the way; E_CHANGED if its backup is lost
 */
function findOpen(
  chip: Chip,
  journal: Journal,
  target: Range,
  isDirect: boolean,
): Journal | undefined {
  const label = labelOf(chip, journal.target);
  const decision = journal.decision;
  if (decision === 'C' && journal.limit) fail('E_PENDING', label, 'is on trial');
  if (decision !== 'S' && decision !== 'R') return undefined;
  const wasDirect = (journal.flags & DIRECT) > 0;
  const isKept = isUsable(chip, journal) && (wasDirect || !isDamaged(journal));
  // What is being put back is finished first.
  if (decision === 'R' && isKept) return undefined;
  if (journal.target.first !== target.first || journal.target.count !== target.count)
    fail('E_PENDING', label, 'has an unfinished update');
  if (!isDirect && wasDirect)
    fail('E_PENDING', label, 'holds half an image; update it with backup: false');
  if (!isDirect && !isKept)
    fail('E_CHANGED', label, 'lost its backup; update it with backup: false');
  return isKept ? journal : undefined;
}

function checkNumber(name: string, value: unknown, from: number, to: number): void {
  if (
    value !== undefined &&
    !(typeof value === 'number' && value >= from && value <= to && value % 1 === 0)
  )
    fail('E_ARGUMENT', name, value, from + ' to ' + to);
}

/**
 * Chooses where an update works and refuses what cannot be right. Writes nothing.
 * @param journal - the journal on the chip, replayed
 * @param ahead - see `placeJournal`
 */
export function choosePlaces(
  chip: Chip,
  options: Options,
  journal: Journal | undefined,
  ahead: number,
): Places {
  if (!options) fail('E_ARGUMENT', 'options', 'missing');
  checkNumber('size', options.size, 1, 0xffffffff);
  checkNumber('crc32', options.crc32, 0, 0xffffffff);
  checkNumber('trial', options.trial, 1, 255);
  const label = options.partition;
  const isDirect = options.backup === false;
  const target = named(chip, label, 'partition');
  const why =
    (!target.row.type && 'is an app') ||
    target.why ||
    (target.isLive &&
      !options.overwriteLive &&
      'is in use by the firmware; say overwriteLive: true');
  if (why) fail('E_FORBIDDEN', label, why);
  if (isDirect && options.trial) fail('E_ARGUMENT', 'trial', 'needs a backup');
  if (options.size && options.size > target.count * SECTOR)
    fail('E_SIZE', label, options.size + ' bytes', target.count * SECTOR);
  const open = journal && findOpen(chip, journal, target, isDirect);
  if (open) return { target: open.target, spare: open.spare, area: open.area, open: open };
  const places = {
    target: target,
    spare: isDirect ? NONE : placeSpare(chip, target, options.backup),
    area: NONE,
  };
  placeJournal(chip, places, options, ahead);
  return places;
}

/**
 * Flash time in seconds, typical of a W25Q32JV (tSE 45 ms; tPP 0.4 ms for each of 16 pages, 10 us for each
 * of 64 commands): a sector erased, a sector programmed.
 */
const ERASE_S = 0.045;
const PROGRAM_S = 0.00704;

/** @returns what an update in these places would use, and cost at most. */
export function describe(chip: Chip, places: Places): Plan {
  const areaOf = (range: Range): PlanArea | undefined =>
    range.count
      ? { label: labelOf(chip, range), address: range.first * SECTOR, size: range.count * SECTOR }
      : undefined;
  const programs = places.target.count * (places.spare.count ? 2 : 1);
  const erases = programs + places.area.count;
  return {
    partition: areaOf(places.target) as PlanArea,
    backup: areaOf(places.spare),
    journal: areaOf(places.area),
    running: chip.app ? chip.app.row.label : '',
    resumed: !!places.open,
    worst: {
      erases: erases,
      bytes: programs * SECTOR,
      seconds: erases * ERASE_S + programs * PROGRAM_S,
    },
  };
}
