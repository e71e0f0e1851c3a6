/** What ESP-IDF's gen_esp32part.py 1.5 demands of a partition table, in its order. */
import { SECTOR } from '../chip.ts';
import { TableError, type TableWarnings, type Warn } from './errors.ts';
import {
  APP,
  BOOTLOADER,
  DATA,
  nameOf,
  type Names,
  PARTITION_TABLE,
  subtypesWith,
  TYPES,
} from './names.ts';
import type { TableRow } from './row.ts';

export const FLASH_SIZES = ['1MB', '2MB', '4MB', '8MB', '16MB', '32MB', '64MB', '128MB'] as const;

/** The options of gen_esp32part.py. Addresses in bytes from the start of the chip. */
export interface TableOptions {
  /** Where the table itself lies. Default 0x8000. */
  offset?: number;
  /** The table must fit it. Default: not checked. */
  flashSize?: (typeof FLASH_SIZES)[number];
  /** Whether the binary has, and is checked against, an MD5 row. Default true. */
  md5?: boolean;
  /** Whether the rules below are applied. Default true. */
  verify?: boolean;
  /** Partitions of type bootloader are placed by these two. */
  primaryBootloaderOffset?: number;
  recoveryBootloaderOffset?: number;
  /** `v1`: apps must be whole 64 KiB. */
  secure?: 'v1' | 'v2';
  /** Names to add: `type, name, value`, the value in hexadecimal with or without 0x. */
  extraSubtypes?: readonly string[];
  /** What `$NAME` in a CSV stands for. Default: there are no variables. */
  variables?: Record<string, string | undefined>;
  /** Takes what is odd, and rows that go with an error. */
  warn?: Warn;
  /** Called before each step. */
  onStep?: (step: 'csv' | 'binary' | 'verify') => void;
}

/** What the options come to. */
export interface Rules {
  tableAddress: number;
  /** First address behind the table's sector. */
  tableEnd: number;
  primaryBootloader: number | undefined;
  recoveryBootloader: number | undefined;
  /** Sizes of apps are multiples of it, in bytes. */
  appUnit: number;
  subtypes: Map<number, Names>;
  warn: Warn;
}

const OTADATA_SIZE = 0x2000;
const LEAST_WRITABLE_NVS = 0x3000;
const KIB = 1024;
const MIB = KIB * KIB;

/**
 * Works out the rules.
 * @throws TableError E_BOOTLOADER_PLACE, and what is wrong with a custom subtype
 */
export function rulesOf(options: TableOptions): Rules {
  const { offset = 0x8000, primaryBootloaderOffset: bootloader } = options;
  if (bootloader !== undefined && bootloader >= offset)
    throw new TableError('E_BOOTLOADER_PLACE', { bootloader, table: offset });
  return {
    tableAddress: offset,
    tableEnd: offset + SECTOR,
    primaryBootloader: bootloader,
    recoveryBootloader: options.recoveryBootloaderOffset,
    appUnit: options.secure === 'v1' ? 0x10000 : SECTOR,
    subtypes: subtypesWith(options.extraSubtypes ?? []),
    warn: options.warn ?? (() => undefined),
  };
}

/** The multiple in bytes that a partition's address must be. */
export const alignmentOf = (type: number) => (type === APP ? 0x10000 : SECTOR);

/** Whether a row describes the bootloader or the table that the chip starts from. */
export function isPrimary({ type, subtype }: TableRow, { subtypes }: Rules): boolean {
  if (type !== BOOTLOADER && type !== PARTITION_TABLE) return false;
  return subtype === subtypes.get(type)?.get('primary');
}

/** Prints a number as the tool does: `0x-10` for -16. */
const hex = (value: number) => `0x${value.toString(16)}`;

/** Writes a row as CSV, with names for numbers and units for sizes where they fit. */
export function rowToCsv(row: TableRow, subtypes: TableWarnings['W_LABELS']['subtypes']): string {
  const unit = (
    [
      [MIB, 'M'],
      [KIB, 'K'],
    ] as const
  ).find(([bytes]) => row.size % bytes === 0);
  return [
    row.label,
    nameOf(row.type, TYPES),
    nameOf(row.subtype, subtypes.get(row.type)),
    hex(row.address),
    unit ? `${row.size / unit[0]}${unit[1]}` : hex(row.size),
    [row.encrypted && 'encrypted', row.readonly && 'readonly'].filter(Boolean).join(':'),
  ].join(',');
}

/** Warns of a label that is the name of another type or subtype. */
function warnOfLabel({ label, type, subtype }: TableRow, { subtypes, warn }: Rules): void {
  if (TYPES.has(label) && TYPES.get(label) !== type) warn('W_TYPE', { label, type, subtype });
  const isSubtype = [...subtypes.values()].some((names) => names.has(label));
  if (isSubtype && subtypes.get(type)?.get(label) !== subtype)
    warn('W_SUBTYPE', { label, type, subtype });
}

/** Checks one row by itself. */
function verifyRow(row: TableRow, rules: Rules): void {
  const { label, type, subtype, address, size } = row;
  const assertAligned = (field: 'address' | 'size', value: number, alignment: number) => {
    if (value % alignment) throw new TableError('E_ALIGNMENT', { label, field, value, alignment });
  };
  assertAligned('address', address, alignmentOf(type));
  if (type === APP) assertAligned('size', size, rules.appUnit);
  warnOfLabel(row, rules);
  if (type !== DATA) return;
  const data = rules.subtypes.get(DATA);
  if (row.readonly && (subtype === data?.get('ota') || subtype === data?.get('coredump')))
    throw new TableError('E_READONLY', { label, type, subtype });
  if (!row.readonly && subtype === data?.get('nvs') && size < LEAST_WRITABLE_NVS) {
    const least = LEAST_WRITABLE_NVS;
    throw new TableError('E_NVS_SIZE', { label, type, subtype, size, least });
  }
}

function verifyLabels(rows: TableRow[], rules: Rules): void {
  const seen = new Map<string, TableRow[]>();
  for (const row of rows) seen.set(row.label, [...(seen.get(row.label) ?? []), row]);
  const repeated = [...seen].filter(([, same]) => same.length > 1);
  if (repeated.length === 0) return;
  repeated.sort(([a], [b]) => (a < b ? -1 : 1));
  const { subtypes } = rules;
  rules.warn('W_LABELS', { rows: repeated.flatMap(([, same]) => same), subtypes });
  throw new TableError('E_LABEL_TWICE', {});
}

function verifyPlaces(rows: TableRow[], rules: Rules): void {
  const byAddress = rows.toSorted((a, b) => a.address - b.address);
  let last: TableRow | undefined;
  for (const row of byAddress) {
    const { address } = row;
    if (address < rules.tableEnd && !isPrimary(row, rules))
      throw new TableError('E_BELOW', { address, least: rules.tableEnd });
    if (last && address < last.address + last.size) {
      const end = last.address + last.size;
      throw new TableError('E_OVERLAP', { address, first: last.address, last: end - 1 });
    }
    last = row;
  }
}

/** Checks that there is at most one otadata, of the size the bootloader expects. */
function verifyOtadata(rows: TableRow[], rules: Rules, isTee: boolean): void {
  const subtype = rules.subtypes.get(DATA)?.get(isTee ? 'tee_ota' : 'ota');
  const found = rows.filter((row) => row.type === DATA && row.subtype === subtype);
  if (found.length === 0 || (found.length === 1 && found[0].size === OTADATA_SIZE)) return;
  rules.warn('W_OTADATA', { rows: found, subtypes: rules.subtypes });
  throw new TableError(found.length === 1 ? 'E_OTADATA_SIZE' : 'E_OTADATA_TWICE', { isTee });
}

/** @throws TableError at the first rule that the table breaks */
export function verify(rows: TableRow[], rules: Rules): void {
  for (const row of rows) verifyRow(row, rules);
  verifyLabels(rows, rules);
  verifyPlaces(rows, rules);
  verifyOtadata(rows, rules, false);
  verifyOtadata(rows, rules, true);
}

/** @throws TableError E_FLASH_SIZE if the partition that begins last ends behind the flash */
export function verifyFits(rows: TableRow[], flashSize: string): void {
  const last = rows.reduce<TableRow | undefined>(
    (latest, row) => (latest && latest.address >= row.address ? latest : row),
    undefined,
  );
  const end = last ? last.address + last.size : 0;
  const limit = Number.parseInt(flashSize) * MIB;
  if (end > limit) throw new TableError('E_FLASH_SIZE', { end, limit });
}
