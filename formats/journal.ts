/** The journal on a chip, as device/journal.ts reads it: device/records.ts describes the format, and how to read it. */
import { crc32 } from '#hashes';
import type { Area } from '../device/api.ts';
import { OTADATA, STORAGE, SYSTEM_END, TABLE_ADDRESS } from '../device/partitions.ts';
import {
  ARGUMENT_AT,
  BEGIN,
  CRC_AT,
  END_RUN,
  ID_AT,
  SLOT,
  SLOTS,
  SOLID,
  TYPE_AT,
  WORD1_AT,
  WORD2_AT,
} from '../device/records.ts';
import { concat, equals, isFilled, readU16, readU32, words } from './bytes.ts';
import { BOOTLOADERS, flashSizeOf, SECTOR } from './chip.ts';
import { gapsOf, type Place, type Row } from './table/row.ts';

const SECTOR_BITS = Math.log2(SECTOR);

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
}

/** A journal. Addresses and sizes in bytes. */
export interface Journal {
  area: Area;
  id: number;
  target: Area;
  /** Missing in a direct update. */
  backup?: Area;
  /** Up to the end of the log, BEGIN and its SOLID included; blank ones are left out. */
  slots: JournalSlot[];
}

/**
 * @returns the sectors that the module takes for a partition (device/chip.ts): from the one that it begins in, as many as
 * its size needs
 */
const inSectors = ({ address, size }: Place): Place => ({
  address: (address >>> SECTOR_BITS) * SECTOR,
  size: ((size + SECTOR - 1) >>> SECTOR_BITS) * SECTOR,
});

/** @returns where a journal may begin, in whole sectors, in the order in which the module looks. */
function placesOf(chip: Uint8Array, partitions: readonly Row[]): Place[] {
  const headers = BOOTLOADERS.map((address) => chip.subarray(address, address + 4));
  const taken = partitions.map(inSectors);
  const free = gapsOf(taken, flashSizeOf(headers) ?? 0, TABLE_ADDRESS + SECTOR);
  const isNeeded = ({ type, subtype, address, size }: Row) => {
    const kind = (type << 8) | subtype;
    return (
      (kind >= OTADATA && kind < SYSTEM_END) || (STORAGE >= address && STORAGE < address + size)
    );
  };
  return [...taken.filter((_, n) => !isNeeded(partitions[n])), ...free];
}

const addressOf = (sector: number, slot: number) =>
  (sector - Math.floor(slot / SLOTS)) * SECTOR + (slot % SLOTS) * SLOT;

/** Whether the CRC is that of the bytes before it, and of the address. */
const isSigned = (bytes: Uint8Array, address: number) =>
  readU32(bytes, CRC_AT) === crc32(concat([bytes.subarray(0, CRC_AT), words(address)]));

/** @returns a slot that is a record of some transaction. */
function recordAt(chip: Uint8Array, address: number): (JournalRecord & { id: number }) | undefined {
  const bytes = chip.subarray(address, address + SLOT);
  if (bytes.length < SLOT || !isSigned(bytes, address)) return undefined;
  return {
    type: bytes[TYPE_AT],
    argument: bytes[ARGUMENT_AT],
    id: readU16(bytes, ID_AT),
    word1: readU32(bytes, WORD1_AT),
    word2: readU32(bytes, WORD2_AT),
  };
}

/** @returns whether SOLID is in slot 1, byte for byte. */
function isSolid(chip: Uint8Array, address: number, id: number): boolean {
  const body = words(SOLID | (id << 16), 0, 0);
  const solid = concat([body, words(crc32(concat([body, words(address)])))]);
  return equals(chip.subarray(address, address + SLOT), solid);
}

/** @returns the slots up to the end of the log that are not blank. */
function slotsOf(chip: Uint8Array, sector: number, span: number, id: number): JournalSlot[] {
  const slots: JournalSlot[] = [];
  for (let slot = 0, blanks = 0; slot < span * SLOTS && blanks < END_RUN; slot++) {
    const address = addressOf(sector, slot);
    // BEGIN may tell of more sectors than there are below it.
    if (address < 0) break;
    const bytes = chip.subarray(address, address + SLOT);
    blanks++;
    if (isFilled(bytes, 0xff)) continue;
    blanks = 0;
    const found = recordAt(chip, address);
    const isZeroed = isFilled(bytes, 0);
    if (found?.id !== id) {
      slots.push({ slot, address, isZeroed });
      continue;
    }
    const { type, argument, word1, word2 } = found;
    slots.push({ slot, address, isZeroed, record: { type, argument, word1, word2 } });
  }
  return slots;
}

/** @returns a run of sectors, as two numbers of a word, with the label of the partition it begins in. */
function areaOf(first: number, span: number, partitions: readonly Row[]): Area {
  const [address, size] = [first * SECTOR, span * SECTOR];
  const row = partitions.find((row) => {
    const taken = inSectors(row);
    return address >= taken.address && address < taken.address + taken.size;
  });
  return { ...(row && { label: row.label }), address, size };
}

/**
 * Reads the journal that counts.
 * @param chip - all of its flash
 * @param partitions - its table, as the module reads it at TABLE_ADDRESS
 * @returns undefined if no journal counts
 */
export function readJournal(chip: Uint8Array, partitions: readonly Row[]): Journal | undefined {
  let begin: (JournalRecord & { id: number }) | undefined;
  let sector = 0;
  for (const { address, size } of placesOf(chip, partitions)) {
    const last = (address + size) / SECTOR - 1;
    const found = recordAt(chip, last * SECTOR);
    if (found?.type !== BEGIN || !isSolid(chip, last * SECTOR + SLOT, found.id)) continue;
    // Ids wrap around.
    if (begin && (found.id - begin.id) << 16 <= 0) continue;
    begin = found;
    sector = last;
  }
  if (!begin) return undefined;
  const { id, argument: span, word1, word2 } = begin;
  const area = (word: number) => areaOf(word & 0xffff, word >>> 16, partitions);
  return {
    area: areaOf(sector - span + 1, span, partitions),
    id,
    target: area(word1),
    ...(word2 >>> 16 ? { backup: area(word2) } : {}),
    slots: slotsOf(chip, sector, span, id),
  };
}
