/**
 * Partition tables as CSV, and to and from the binary that a chip reads. Does what ESP-IDF's gen_esp32part.py 1.5
 * does: the same bytes for every CSV that it takes, and it refuses the same, in the same order.
 */
import { ENCRYPTED, READONLY } from '../../device/partitions.ts';
import { decodeText, toHex, toUtf8 } from '../bytes.ts';
import { SECTOR } from '../chip.ts';
import { decodeTable, encodeTable, isBinary } from './binary.ts';
import { TableError } from './errors.ts';
import { APP, BOOTLOADER, type Names, PARTITION_TABLE, TYPES, UNDEFINED } from './names.ts';
import { expandVariables, parseInteger, splitLines } from './numbers.ts';
import { flagBitsOf, type TableRow } from './row.ts';
import {
  alignmentOf,
  isPrimary,
  rowToCsv,
  type Rules,
  rulesOf,
  type TableOptions,
  verify,
  verifyFits,
} from './rules.ts';

export { FLASH_SIZES, type TableOptions } from './rules.ts';

/** A row of a CSV: its line, counted from 1, and no address if it shall follow the row before it. */
type CsvRow = Omit<TableRow, 'address'> & { address: number | undefined; line: number };

const HEADER = ['# ESP-IDF Partition Table', '# Name, Type, SubType, Offset, Size, Flags'];

const NO_NAMES: Names = new Map();

/** Reads a number, with any units behind it, or a name for one. */
function parseNumber(field: string, names: Names): number {
  let digits = field;
  let unit = 1;
  // Units pile up, and are cut off names too: `1kk` is 1M, `disk` is looked up as `dis`.
  for (;;) {
    const last = digits.at(-1)?.toLowerCase();
    if (last !== 'k' && last !== 'm') break;
    unit *= last === 'k' ? 1024 : 1024 * 1024;
    digits = digits.slice(0, -1);
  }
  const value = parseInteger(digits) ?? names.get(digits.toLowerCase());
  if (value !== undefined) {
    if (Number.isSafeInteger(value * unit)) return value * unit;
    throw new TableError('E_NUMBER', { text: field });
  }
  if (names.size === 0) throw new TableError('E_NUMBER', { text: digits });
  throw new TableError('E_NAME', { text: digits, known: [...names.keys()] });
}

function parseType(field: string): number {
  if (field === '') throw new TableError('E_NO_TYPE', {});
  return parseNumber(field, TYPES);
}

function parseSubtype(field: string, type: number, { subtypes }: Rules): number {
  if (field !== '') return parseNumber(field, subtypes.get(type) ?? NO_NAMES);
  if (type === APP) throw new TableError('E_NO_SUBTYPE', {});
  return UNDEFINED;
}

/** The address of a bootloader, which is an option and not in the CSV. */
function bootloaderAddress(address: number | undefined, which: 'primary' | 'recovery'): number {
  if (address !== undefined) return address;
  throw new TableError('E_BOOTLOADER', { which });
}

function parseAddress(field: string, type: number, subtype: number, rules: Rules) {
  const names = rules.subtypes.get(type);
  if (type === BOOTLOADER && subtype === names?.get('primary')) {
    return bootloaderAddress(rules.primaryBootloader, 'primary');
  }
  if (type === BOOTLOADER && subtype === names?.get('recovery')) {
    return bootloaderAddress(rules.recoveryBootloader, 'recovery');
  }
  if (type === PARTITION_TABLE && subtype === names?.get('primary')) {
    return rules.tableAddress;
  }
  return field === '' ? undefined : parseNumber(field, NO_NAMES);
}

function parseSize(field: string, type: number, rules: Rules): number {
  if (type === BOOTLOADER) {
    return rules.tableAddress - bootloaderAddress(rules.primaryBootloader, 'primary');
  }
  if (type === PARTITION_TABLE) return SECTOR;
  if (field === '') throw new TableError('E_NO_SIZE', {});
  return parseNumber(field, NO_NAMES);
}

function parseLine(text: string, line: number, rules: Rules): CsvRow {
  const [label = '', typeField = '', ...rest] = text.split(',').map((field) => field.trim());
  const [subtypeField = '', addressField = '', sizeField = '', flagsField = ''] = rest;
  const type = parseType(typeField);
  const subtype = parseSubtype(subtypeField, type, rules);
  const address = parseAddress(addressField, type, subtype, rules);
  const size = parseSize(sizeField, type, rules);
  const names = flagsField.split(':').filter((flag) => flag !== '');
  const flag = names.find((flag) => flag !== 'encrypted' && flag !== 'readonly');
  if (flag !== undefined) throw new TableError('E_FLAG', { flag });
  const encrypted = names.includes('encrypted');
  const readonly = names.includes('readonly');
  const flags = (encrypted ? ENCRYPTED : 0) | (readonly ? READONLY : 0);
  return { label, type, subtype, address, size, encrypted, readonly, flags, line };
}

function parseLines(csv: string, rules: Rules, { variables = {} }: TableOptions): CsvRow[] {
  return splitLines(csv).flatMap((raw, index) => {
    const expanded = expandVariables(raw, variables);
    const unknown = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(expanded)?.[1];
    if (unknown !== undefined) throw new TableError('E_VARIABLE', { name: unknown });
    const text = expanded.trim();
    if (text === '' || text.startsWith('#')) return [];
    try {
      return [parseLine(text, index + 1, rules)];
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
      throw new TableError('E_LINE', { line: index + 1, why: error as TableError });
    }
  });
}

/** Refuses an address inside of what comes before it. */
function refuseOverlap(row: CsvRow & TableRow, first: TableRow, end: number, rules: Rules): never {
  const { line, address } = row;
  const fields = ['label', 'type', 'subtype', 'address', 'size'] as const;
  if (!fields.every((field) => row[field] === first[field]))
    throw new TableError('E_ORDER', { line, address, end });
  throw new TableError('E_IN_TABLE', { line, address, table: rules.tableAddress, end });
}

/** Gives each row its address, and a size to those that name an end: -2M is "up to 2M". */
function placeRows(parsed: CsvRow[], rules: Rules): TableRow[] {
  const rows: TableRow[] = [];
  let end = rules.tableEnd;
  for (const csvRow of parsed) {
    const row = { ...csvRow, address: csvRow.address ?? end };
    rows.push(row);
    if (isPrimary(row, rules)) continue;
    if (row.address < end) refuseOverlap(row, rows[0] ?? row, end, rules);
    if (csvRow.address === undefined) {
      const alignment = alignmentOf(row.type);
      const beyond = ((end % alignment) + alignment) % alignment;
      if (beyond !== 0) row.address += alignment - beyond;
    }
    if (row.size < 0) row.size = -row.size - row.address;
    end = row.address + row.size;
  }
  return rows;
}

/** Byte order marks, in hexadecimal, and what they are marks of. */
const MARKS = { 'utf-8': 'efbbbf', 'utf-16le': 'fffe', 'utf-16be': 'feff' };

/**
 * Decodes the bytes of a CSV file by its byte order mark; without one it is UTF-8.
 * @throws TableError E_TEXT if it is not in the encoding of the mark
 */
function decodeCsv(file: Uint8Array): string {
  const start = toHex(file.subarray(0, 3));
  const marked = Object.entries(MARKS).find(([, mark]) => start.startsWith(mark));
  const [encoding, mark] = marked ?? ['utf-8', ''];
  try {
    return decodeText(file.subarray(mark.length / 2), encoding);
  } catch {
    throw new TableError('E_TEXT', { encoding });
  }
}

/** Checks rows as far as the options ask for it. */
function verifyRows(rows: TableRow[], rules: Rules, options: TableOptions): void {
  if (options.verify ?? true) {
    options.onStep?.('verify');
    verify(rows, rules);
  }
  if (options.flashSize) verifyFits(rows, options.flashSize);
}

/**
 * Builds the binary table that a CSV describes.
 * @param csv - text, or the bytes of a file
 * @returns 0xc00 bytes
 * @throws TableError
 */
export function csvToTable(csv: string | Uint8Array, options: TableOptions = {}): Uint8Array {
  const rules = rulesOf(options);
  const text = typeof csv === 'string' ? csv : decodeCsv(csv);
  options.onStep?.('csv');
  const rows = placeRows(parseLines(text, rules, options), rules);
  verifyRows(rows, rules, options);
  return encodeTable(rows, options.md5);
}

function readTable(binary: Uint8Array, options: TableOptions) {
  const rules = rulesOf(options);
  options.onStep?.('binary');
  const rows = decodeTable(binary, options.md5);
  for (const row of rows) {
    const flags = flagBitsOf({ ...row, encrypted: false, readonly: false });
    if (flags) rules.warn('W_FLAGS', { flags });
  }
  verifyRows(rows, rules, options);
  return { rows, rules };
}

/**
 * Writes a binary table as CSV.
 * @throws TableError; also if the MD5 row does not match
 */
export function tableToCsv(binary: Uint8Array, options: TableOptions = {}): string {
  const { rows, rules } = readTable(binary, options);
  return [...HEADER, ...rows.map((row) => rowToCsv(row, rules.subtypes)), ''].join('\n');
}

/**
 * Reads the rows of a binary table, and checks them.
 * @throws TableError; also if the MD5 row does not match
 */
export function parseTable(binary: Uint8Array, options: TableOptions = {}): TableRow[] {
  return readTable(binary, options).rows;
}

/**
 * Reads the rows of a CSV as a chip would find them: placed, and with labels cut to 16 bytes.
 * @throws TableError; also if a label is cut inside a character
 */
export function parseCsv(csv: string | Uint8Array, options: TableOptions = {}): TableRow[] {
  return decodeTable(csvToTable(csv, options), options.md5);
}

/**
 * Converts a file to the other form, which is how the command and the tool are used.
 * @throws TableError
 */
export function convertTable(file: Uint8Array, options: TableOptions = {}): Uint8Array {
  return isBinary(file) ? toUtf8(tableToCsv(file, options)) : csvToTable(file, options);
}
