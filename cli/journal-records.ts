/**
 * Lists the records of a journal, for people to look at. What they mean for the next boot only the device
 * module says; the format is described, and decided, in device/records.ts.
 */
import { crc32 } from 'node:zlib';
import type { Area, Partition } from '../device/api.ts';
import { BEGIN, RECORD_LETTERS, RECORD_NAMES, SLOT, SLOTS, SOLID } from '../device/records.ts';
import { SECTOR } from '../host/index.ts';

/** Where a journal is, and what BEGIN says. Addresses and sizes in bytes. */
export interface Journal {
  area: Area;
  id: number;
  target: Area;
  /** Missing in a direct update. */
  backup?: Area;
  isDirect: boolean;
}

/** A slot that is not blank. */
export interface JournalRecord {
  slot: number;
  address: number;
  /** A letter for a record, of RECORD_LETTERS; `0`: zeroed; `?`: torn, or of another transaction. */
  letter: string;
  /** In words. */
  says: string;
}

/** Whether the last four bytes are the CRC-32 of the ones before, and of the address. */
function isSigned(bytes: Buffer, address: number): boolean {
  const at = Buffer.alloc(4);
  at.writeUInt32LE(address);
  const body = bytes.subarray(0, -4);
  return crc32(Buffer.concat([body, at])) === bytes.readUInt32LE(body.length);
}

/** @returns a run of sectors as an area. */
function areaOf(first: number, count: number, partitions: Partition[]): Area {
  const [address, size] = [first * SECTOR, count * SECTOR];
  const row = partitions.find((row) => address >= row.address && address < row.address + row.size);
  return { ...(row && { label: row.label }), address, size };
}

function readBegin(chip: Buffer, address: number, partitions: Partition[]): Journal | undefined {
  const begin = chip.subarray(address, address + SLOT);
  if (begin.length < SLOT || begin[0] !== BEGIN || !isSigned(begin, address)) return undefined;
  const solid = chip.subarray(address + SLOT, address + 2 * SLOT);
  const words = Buffer.alloc(SLOT - 4);
  words.set([SOLID, 0, begin[2], begin[3]]);
  if (!solid.subarray(0, -4).equals(words) || !isSigned(solid, address + SLOT)) return undefined;
  const area = (at: number) =>
    areaOf(begin.readUInt16LE(at), begin.readUInt16LE(at + 2), partitions);
  const count = begin[1];
  const isDirect = begin.readUInt16LE(10) === 0;
  return {
    area: areaOf(address / SECTOR - count + 1, count, partitions),
    id: begin.readUInt16LE(2),
    target: area(4),
    ...(isDirect ? {} : { backup: area(8) }),
    isDirect,
  };
}

/**
 * Finds the newest journal that counts: its BEGIN is in the last sector of some area, and SOLID behind it.
 * @param areas - partitions and free flash
 */
export function findJournal(
  chip: Buffer,
  areas: Area[],
  partitions: Partition[],
): Journal | undefined {
  return areas
    .map(({ address, size }) => readBegin(chip, address + size - SECTOR, partitions))
    .filter((journal) => journal !== undefined)
    .reduce<Journal | undefined>((newest, journal) => {
      const isNewer = newest && ((journal.id - newest.id) & 0xffff) < 0x8000;
      return !newest || isNewer ? journal : newest;
    }, undefined);
}

function describe(letter: string, bytes: Buffer): string {
  const name = RECORD_NAMES[bytes[0]];
  const argument = bytes[1];
  if (letter === 'T') return `${name} ${argument}`;
  if (letter === 'C') return argument ? `${name} for ${argument} trial boots` : name;
  if (letter !== 'S') return name;
  const slot = bytes.readUInt16LE(6);
  const where = ['blank', 'not kept'][slot] ?? `0x${(slot * SECTOR).toString(16)}`;
  return `${name} 0x${(bytes.readUInt16LE(4) * SECTOR).toString(16)}: ${where}`;
}

/** @returns the slots after BEGIN that are not blank, in order. */
export function recordsOf(chip: Buffer, { area, id }: Journal): JournalRecord[] {
  const records: JournalRecord[] = [];
  const last = area.address / SECTOR + area.size / SECTOR - 1;
  for (let slot = 1; slot < (area.size / SECTOR) * SLOTS; slot++) {
    const address = (last - Math.floor(slot / SLOTS)) * SECTOR + (slot % SLOTS) * SLOT;
    const bytes = chip.subarray(address, address + SLOT);
    if (bytes.every((byte) => byte === 0xff)) continue;
    const letter = RECORD_LETTERS[bytes[0]];
    if (bytes.every((byte) => byte === 0))
      records.push({ slot, address, letter: '0', says: 'zeroed' });
    else if (letter && bytes.readUInt16LE(2) === id && isSigned(bytes, address))
      records.push({ slot, address, letter, says: describe(letter, bytes) });
    else records.push({ slot, address, letter: '?', says: 'torn' });
  }
  return records;
}
