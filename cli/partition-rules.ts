/**
 * What ESP-IDF's gen_esp32part.py 1.5 demands of a partition table, and the names it has for types and
 * subtypes. Messages and their order are that program's, to the letter: people search for them.
 */
import type { Partition } from '../device/api.ts';
import { oneDecimal, parseInteger, strip } from './python.ts';

/** A table that is refused. The message is the tool's where the tool has one; a traceback of it has none. */
export class TableError extends Error {
  override name = 'TableError';
  /** What a command exits with. */
  readonly exitCode = 2;
}

export const FLASH_SIZES = ['1MB', '2MB', '4MB', '8MB', '16MB', '32MB', '64MB', '128MB'] as const;

/** The options of gen_esp32part.py. Addresses in bytes from the start of the chip. */
export interface TableOptions {
  /** Where the table itself lies. Default 0x8000. */
  offset?: number | bigint;
  /** The table must fit it. Default: not checked. */
  flashSize?: (typeof FLASH_SIZES)[number];
  /** Whether the binary has, and is checked against, an MD5 row. Default true. */
  md5?: boolean;
  /** Whether the rules below are applied. Default true. */
  verify?: boolean;
  /** Partitions of type bootloader are placed by these two. */
  primaryBootloaderOffset?: number | bigint;
  recoveryBootloaderOffset?: number | bigint;
  /** `v1`: apps must be whole 64 KiB. */
  secure?: 'v1' | 'v2';
  /** Names to add: `type, name, value`, the value in hexadecimal with or without 0x. */
  extraSubtypes?: readonly string[];
  /** What `$NAME` in a CSV stands for. Default: the environment. */
  variables?: Record<string, string | undefined>;
  /** Takes each line that the tool prints about a table, warnings and offending rows. */
  warn?: (line: string) => void;
  /** Takes each line that the tool prints about its progress. */
  status?: (line: string) => void;
}

/** A row as it was written: numbers of any size, for the messages. */
export type Row = {
  [K in keyof Partition]: Partition[K] extends number ? bigint : Partition[K];
};

/** Numbers by name, in the order in which the tool lists them. */
export type Names = Map<string, bigint>;

/** What the options come to. */
export interface Rules {
  tableAddress: bigint;
  /** First address behind the table's sector. */
  tableEnd: bigint;
  primaryBootloader: bigint | undefined;
  recoveryBootloader: bigint | undefined;
  /** Sizes of apps are multiples of it, in bytes. */
  appUnit: bigint;
  subtypes: Map<bigint, Names>;
  warn: (line: string) => void;
}

export const APP = 0n;
const DATA = 1n;
export const BOOTLOADER = 2n;
export const PARTITION_TABLE = 3n;
/** Of type data. */
export const UNDEFINED = 6n;

export const TYPES: Names = new Map([
  ['bootloader', BOOTLOADER],
  ['partition_table', PARTITION_TABLE],
  ['app', APP],
  ['data', DATA],
]);

/** Bytes that the table occupies in flash. */
export const TABLE_SIZE = 0x1000n;
const OTADATA_SIZE = 0x2000n;
const LEAST_WRITABLE_NVS = 0x3000n;
const MIB = 0x100000;

/** Makes the subtypes ESP-IDF knows, by type. */
function knownSubtypes(): Map<bigint, Names> {
  const slots = (name: string, first: number, count: number) =>
    Array.from({ length: count }, (_, i) => [`${name}_${i}`, first + i] as const);
  const subtypes = {
    bootloader: { primary: 0, ota: 1, recovery: 2 },
    partition_table: { primary: 0, ota: 1 },
    app: {
      factory: 0,
      test: 0x20,
      ...Object.fromEntries([...slots('ota', 0x10, 16), ...slots('tee', 0x30, 2)]),
    },
    data: {
      ...{ ota: 0, phy: 1, nvs: 2, coredump: 3, nvs_keys: 4, efuse: 5, undefined: 6 },
      ...{ esphttpd: 0x80, fat: 0x81, spiffs: 0x82, littlefs: 0x83, tee_ota: 0x90 },
    },
  };
  return new Map(
    Object.entries(subtypes).map(([type, names]) => [
      TYPES.get(type) ?? 0n,
      new Map(Object.entries<number>(names).map(([name, value]) => [name, BigInt(value)])),
    ]),
  );
}

/** Adds one `type, name, value` to the names. */
function addSubtype(subtypes: Map<bigint, Names>, entry: string): void {
  const [typeName, name, digits = ''] = entry.split(',').map(strip);
  const value = parseInteger(digits, 'hexadecimal');
  if (value === undefined) {
    throw new TableError(`Error parsing custom subtypes: '${entry}' is not 'type, name, value'`);
  }
  const names = subtypes.get(TYPES.get(typeName) ?? -1n);
  if (!names) throw new TableError('Error parsing custom subtypes: Invalid partition type');
  if ([...names.values()].includes(value)) {
    throw new TableError('Found duplicate value in partition subtype');
  }
  names.set(name, value);
}

const toBigInt = (value: number | bigint | undefined) =>
  value === undefined ? undefined : BigInt(value);

/** Prints a number as the tool does: `0x-10` for -16. */
export const hex = (value: bigint) => `0x${value.toString(16)}`;

/**
 * Works out the rules.
 * @throws TableError if the bootloader is not below the table, or a custom subtype is malformed
 */
export function rulesOf(options: TableOptions): Rules {
  const tableAddress = BigInt(options.offset ?? 0x8000);
  const primaryBootloader = toBigInt(options.primaryBootloaderOffset);
  if (primaryBootloader !== undefined && primaryBootloader >= tableAddress) {
    const [bootloader, table] = [primaryBootloader, tableAddress].map((address) =>
      hex(address).replace('0x-', '-0x'),
    );
    throw new TableError(
      'Unsupported configuration. Primary bootloader must be below partition table. ' +
        `Check --primary-bootloader-offset=${bootloader} and --offset=${table}`,
    );
  }
  const subtypes = knownSubtypes();
  for (const entry of options.extraSubtypes ?? []) addSubtype(subtypes, entry);
  return {
    tableAddress,
    tableEnd: tableAddress + TABLE_SIZE,
    primaryBootloader,
    recoveryBootloader: toBigInt(options.recoveryBootloaderOffset),
    appUnit: options.secure === 'v1' ? 0x10000n : 0x1000n,
    subtypes,
    warn: options.warn ?? (() => undefined),
  };
}

/** The multiple in bytes that a partition's address must be. */
export const alignmentOf = (type: bigint) => (type === APP ? 0x10000n : 0x1000n);

/** Whether a row describes the bootloader or the table that the chip starts from. */
export function isPrimary({ type, subtype }: Row, { subtypes }: Rules): boolean {
  if (type !== BOOTLOADER && type !== PARTITION_TABLE) return false;
  return subtype === subtypes.get(type)?.get('primary');
}

/** Writes a row as CSV, with names for numbers and units for sizes where they fit. */
export function rowToCsv(row: Row, rules: Rules): string {
  const nameOf = (value: bigint, names: Names | undefined) =>
    [...(names ?? [])].find(([, known]) => known === value)?.[0] ?? String(value);
  const unit = [[1n << 20n, 'M'] as const, [1n << 10n, 'K'] as const].find(
    ([bytes]) => row.size % bytes === 0n,
  );
  return [
    row.label,
    nameOf(row.type, TYPES),
    nameOf(row.subtype, rules.subtypes.get(row.type)),
    hex(row.address),
    unit ? `${row.size / unit[0]}${unit[1]}` : hex(row.size),
    [row.encrypted && 'encrypted', row.readonly && 'readonly'].filter(Boolean).join(':'),
  ].join(',');
}

/** Warns of a label that is the name of another type or subtype. */
function warnOfLabel({ label, type, subtype }: Row, { subtypes, warn }: Rules): void {
  if (TYPES.has(label) && TYPES.get(label) !== type) {
    warn(
      `WARNING: Partition has name '${label}' which is a partition type, but does not match this ` +
        `partition's type (${hex(type)}). Mistake in partition table?`,
    );
  }
  const isSubtype = [...subtypes.values()].some((names) => names.has(label));
  if (isSubtype && subtypes.get(type)?.get(label) !== subtype) {
    warn(
      `WARNING: Partition has name '${label}' which is a partition subtype, but this partition has ` +
        `non-matching type ${hex(type)} and subtype ${hex(subtype)}. Mistake in partition table?`,
    );
  }
}

/** Checks one row by itself. */
function verifyRow(row: Row, rules: Rules): void {
  const { label, type, subtype, address, size } = row;
  const refuse = (why: string) => new TableError(`Partition ${label} invalid: ${why}`);
  const alignment = alignmentOf(type);
  if (address % alignment !== 0n) {
    throw refuse(`Offset ${hex(address)} is not aligned to ${hex(alignment)}`);
  }
  if (type === APP && size % rules.appUnit !== 0n) {
    throw refuse(`Size ${hex(size)} is not aligned to ${hex(rules.appUnit)}`);
  }
  warnOfLabel(row, rules);
  if (type !== DATA) return;
  const data = rules.subtypes.get(DATA);
  const what = `'${label}' partition of type ${type} and subtype ${subtype}`;
  if (row.readonly && (subtype === data?.get('ota') || subtype === data?.get('coredump'))) {
    throw refuse(`${what} is always read-write and cannot be read-only`);
  }
  if (!row.readonly && subtype === data?.get('nvs') && size < LEAST_WRITABLE_NVS) {
    throw refuse(
      `${what} of this size (${hex(size)}) must be flagged as 'readonly' ` +
        `(the size of read/write NVS has to be at least ${hex(LEAST_WRITABLE_NVS)})`,
    );
  }
}

function verifyLabels(rows: Row[], rules: Rules): void {
  const seen = new Map<string, Row[]>();
  for (const row of rows) seen.set(row.label, [...(seen.get(row.label) ?? []), row]);
  const repeated = [...seen].filter(([, same]) => same.length > 1);
  if (repeated.length === 0) return;
  rules.warn('A list of partitions that have the same name:');
  // UTF-8 sorts like code points, which UTF-16 does not.
  repeated.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const row of repeated.flatMap(([, same]) => same)) rules.warn(rowToCsv(row, rules));
  throw new TableError('Partition names must be unique');
}

function verifyPlaces(rows: Row[], rules: Rules): void {
  const byAddress = rows.toSorted((a, b) =>
    a.address < b.address ? -1 : Number(a.address > b.address),
  );
  let last: Row | undefined;
  for (const row of byAddress) {
    if (row.address < rules.tableEnd && !isPrimary(row, rules)) {
      throw new TableError(`Partition offset ${hex(row.address)} is below ${hex(rules.tableEnd)}`);
    }
    if (last && row.address < last.address + last.size) {
      const end = last.address + last.size - 1n;
      throw new TableError(
        `Partition at ${hex(row.address)} overlaps ${hex(last.address)}-${hex(end)}`,
      );
    }
    last = row;
  }
}

/** Checks that there is at most one otadata, of the size the bootloader expects. */
function verifyOtadata(rows: Row[], rules: Rules, name: string, tee: string): void {
  const subtype = rules.subtypes.get(DATA)?.get(name);
  const found = rows.filter((row) => row.type === DATA && row.subtype === subtype);
  if (found.length === 0 || (found.length === 1 && found[0]?.size === OTADATA_SIZE)) return;
  for (const row of found) rules.warn(rowToCsv(row, rules));
  if (found.length === 1) throw new TableError(`${tee}otadata partition must have size = 0x2000`);
  const number = name === 'ota' ? '0' : '0x90';
  throw new TableError(
    `Found multiple ${tee}otadata partitions. Only one partition can be defined with ` +
      `type="data"(1) and subtype="${name}"(${number}).`,
  );
}

/** @throws TableError at the first rule that the table breaks */
export function verify(rows: Row[], rules: Rules): void {
  for (const row of rows) verifyRow(row, rules);
  verifyLabels(rows, rules);
  verifyPlaces(rows, rules);
  verifyOtadata(rows, rules, 'ota', '');
  verifyOtadata(rows, rules, 'tee_ota', 'TEE ');
}

/** @throws TableError if the partition that begins last ends behind the flash */
export function verifyFits(rows: Row[], flashSize: string): void {
  const last = rows.reduce<Row | undefined>(
    (latest, row) => (latest && latest.address >= row.address ? latest : row),
    undefined,
  );
  const end = last ? last.address + last.size : 0n;
  const mib = Number.parseInt(flashSize);
  if (end <= mib * MIB) return;
  throw new TableError(
    `Partitions tables occupies ${oneDecimal(Number(end) / MIB)}MB of flash (${end} bytes) which ` +
      `does not fit in configured flash size ${mib}MB. ` +
      "Change the flash size in menuconfig under the 'Serial Flasher Config' menu.",
  );
}
