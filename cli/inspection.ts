/**
 * What is on a chip, from an image of all its flash. The device module itself tells what the next boot does
 * about a journal, on a simulated board that holds the image: nothing here decides that a second time.
 */
import { TABLE_SIZE } from '../device/partitions.ts';
import type { Area, Report } from '../device/api.ts';
import {
  AREA_AT,
  AREA_MASK,
  BEGIN,
  BLANK,
  BOOT,
  COMMIT,
  LIVE_AT,
  LOWER_AT,
  RECORD_LETTERS,
  RECORD_NAMES,
  RESTORE,
  SAVED,
  VOID,
} from '../device/records.ts';
import { SECTOR } from '../formats/chip.ts';
import {
  type Journal,
  type JournalRecord,
  type JournalSlot,
  readJournal,
} from '../formats/journal.ts';
import { bootOf, entriesOf } from '../formats/otadata.ts';
import { decodeTable, hasCheck, isBinary } from '../formats/table/binary.ts';
import { TableError } from '../formats/table/errors.ts';
import { gapsOf, type TableRow } from '../formats/table/row.ts';
import { Board, seconds } from '../host/index.ts';
import { forTable } from '../link/facts.ts';
import type { Ota } from './device-module.ts';
import { InputError, wordingOf } from './words.ts';
import { hex, plural } from './words/format.ts';

/** An entry that means "there is none": which app ran, an image cannot tell. What the module reports does not depend on it. */
const NO_MMU = 0x100;

/** What the next boot does. */
export interface NextBoot {
  /** What `recover` reports then. */
  report: Report;
  erases: number;
  bytesProgrammed: number;
  /** Of flash time, for a W25Q32JV. */
  seconds: number;
}

/** A slot that is not blank. */
interface ShownRecord {
  slot: number;
  address: number;
  /** A letter for a record, of RECORD_LETTERS; `0`: zeroed; `?`: torn, or of another transaction. */
  letter: string;
  /** In words. */
  says: string;
}

/** What is on a chip. Addresses and sizes in bytes. */
export interface Inspection {
  size: number;
  tableOffset: number;
  /** Whether the table has an MD5 row; it is right then. */
  hasMd5: boolean;
  partitions: TableRow[];
  /** Flash that is in no partition. */
  gaps: Area[];
  /** Label of the app that boots; missing if the table has none. */
  running?: string;
  status: Report;
  journal?: Omit<Journal, 'slots'> & { isDirect: boolean };
  /** Up to the end of the log; blank slots are left out. */
  records: ShownRecord[];
  /** Bits of records that read wrong, and are corrected. */
  wrongBits: number;
  nextBoot: NextBoot;
}

/** @throws InputError if this is no image of a whole chip */
function readTable(chip: Buffer, tableOffset: number): TableRow[] {
  if (isBinary(chip))
    throw new InputError('is a partition table, not an image of a whole chip; see "table"');
  if (chip.length % SECTOR || chip.length < tableOffset + SECTOR)
    throw new InputError(`is cut short: ${chip.length} bytes are no image of a whole chip`);
  const table = chip.subarray(tableOffset, tableOffset + TABLE_SIZE);
  const where = `partition table at ${hex(tableOffset)}`;
  if (!isBinary(table)) throw new InputError(`no ${where}`);
  try {
    const rows = decodeTable(table);
    const end = rows.find(({ address, size }) => address + size > chip.length);
    if (!end) return rows;
    throw new InputError(
      `is cut short: "${end.label}" ends at ${end.address + end.size} bytes, the file at ${chip.length}`,
    );
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    throw new InputError(`${where}: ${wordingOf(error)!.message}`);
  }
}

/** Makes a board with this flash. */
function boardWith(chip: Buffer, tableOffset: number, bundle: string): Board {
  const board = new Board({
    size: chip.length,
    mmu: NO_MMU,
    tableAddress: tableOffset,
    table: [{ label: 'app', type: 0, subtype: 0, address: 0, size: 0x1000 }],
  });
  board.flash.load(0, chip);
  board.upload('ota', forTable(bundle, tableOffset));
  return board;
}

const addressOf = (sector: number) => hex(sector * SECTOR);

/** @returns what a BEGIN has: how many sectors the journal has, and its flags as device/records.ts calls them. */
function beginText({ argument, word2 }: JournalRecord): string {
  const isSet = (at: number) => (argument >> (at - AREA_AT)) & 1;
  const flags = [
    word2 === VOID ? ', VOID' : '',
    isSet(LIVE_AT) ? ', LIVE' : '',
    isSet(LOWER_AT) ? ', LOWER' : '',
  ];
  return plural(argument & AREA_MASK, 'sector') + flags.join('');
}

/** @returns a record as people read it. @param overwritten - addresses whose copies are not what was saved there */
function recordText(record: JournalRecord, overwritten: ReadonlySet<number>): string {
  const { type, argument, word1 } = record;
  const name = RECORD_NAMES[type] ?? `type ${type}`;
  if (type === BEGIN) return `${name}, ${beginText(record)}`;
  if (type === BOOT) return `${name} ${argument}`;
  if (type === RESTORE) return `${name} of ${plural(argument, 'sector')}`;
  if (type === COMMIT && argument) return `${name} for ${plural(argument, 'trial boot')}`;
  if (type !== SAVED) return name;
  const kept = word1 >>> 16;
  const where = kept === BLANK ? 'blank' : addressOf(kept);
  const fate = overwritten.has((word1 & 0xffff) * SECTOR) ? ', overwritten' : '';
  return `${name} ${addressOf(word1 & 0xffff)}: ${where}${fate}`;
}

/** @returns a slot as people read it. */
function shownRecord(slot: JournalSlot, overwritten: ReadonlySet<number>): ShownRecord {
  const { record, isZeroed, wrongBit } = slot;
  const at = { slot: slot.slot, address: slot.address };
  if (!record) return { ...at, letter: isZeroed ? '0' : '?', says: isZeroed ? 'zeroed' : 'torn' };
  const corrected = wrongBit === undefined ? '' : `; bit ${wrongBit} is wrong, and is corrected`;
  const says = recordText(record, overwritten) + corrected;
  return { ...at, letter: RECORD_LETTERS[record.type] ?? '?', says };
}

/** @returns the journal that counts, if any does, and its slots. */
function journalOf(
  chip: Buffer,
  partitions: TableRow[],
  tableOffset: number,
): Pick<Inspection, 'journal' | 'records' | 'wrongBits'> {
  const found = readJournal(chip, partitions, tableOffset);
  if (!found) return { records: [], wrongBits: 0 };
  const { slots, ...journal } = found;
  const lost = journal.saved.filter(({ isOverwritten }) => isOverwritten);
  const overwritten = new Set(lost.map(({ address }) => address));
  return {
    journal: { ...journal, isDirect: journal.target !== undefined && !journal.backup },
    records: slots.map((slot) => shownRecord(slot, overwritten)),
    wrongBits: slots.filter(({ wrongBit }) => wrongBit !== undefined).length,
  };
}

/** Lets the board boot, on flash that is thrown away afterwards. */
function nextBootOf(board: Board): NextBoot {
  const { flash } = board;
  flash.resetCounters();
  const report = board.require<Ota>('ota').recover();
  const { erases, bytesProgrammed } = flash.counters;
  return { report, erases, bytesProgrammed, seconds: seconds(flash.counters) };
}

/**
 * Tells what is on a chip.
 * @param chip - all of its flash
 * @param tableOffset - where the partition table is
 * @param bundle - the text of the device module
 * @throws InputError if there is no intact partition table, or the image is cut short
 */
export function inspect(chip: Buffer, tableOffset: number, bundle: string): Inspection {
  const partitions = readTable(chip, tableOffset);
  const gaps = gapsOf(partitions, chip.length, tableOffset + SECTOR);
  const board = boardWith(chip, tableOffset, bundle);
  let status: Report;
  try {
    status = board.require<Ota>('ota').status();
  } catch (error) {
    throw new InputError(`the module on the board stops: ${(error as Error).message}`);
  }
  return {
    size: chip.length,
    tableOffset,
    hasMd5: hasCheck(chip.subarray(tableOffset), partitions.length),
    partitions,
    gaps,
    running: bootOf(partitions, entriesOf(chip, partitions)).app?.label,
    status,
    ...journalOf(chip, partitions, tableOffset),
    nextBoot: nextBootOf(board),
  };
}
