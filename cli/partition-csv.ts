/**
 * Partition tables as CSV, and to and from the binary that a chip reads. Does what ESP-IDF's
 * gen_esp32part.py 1.5 does: the same bytes for every CSV it takes, the same message for what it
 * refuses. Where that program dies of a traceback, this throws a TableError in words of its own.
 */
import type { Partition } from '../device/api.ts';
import { decodeTable, encodeTable, isBinary } from './partition-binary.ts';
import {
  alignmentOf,
  APP,
  BOOTLOADER,
  hex,
  isPrimary,
  type Names,
  PARTITION_TABLE,
  type Row,
  rowToCsv,
  type Rules,
  rulesOf,
  TABLE_SIZE,
  TableError,
  type TableOptions,
  TYPES,
  UNDEFINED,
  verify,
  verifyFits,
} from './partition-rules.ts';
import { expandVariables, parseInteger, splitLines, strip } from './python.ts';

export { FLASH_SIZES, TableError, type TableOptions } from './partition-rules.ts';

/** A row of a CSV: its line, counted from 1, and no address if it shall follow the row before it. */
type CsvRow = Omit<Row, 'address'> & { address: bigint | undefined; line: number };

const HEADER = ['# ESP-IDF Partition Table', '# Name, Type, SubType, Offset, Size, Flags'];

const NO_NAMES: Names = new Map();

/** Reads a number, with any units behind it, or a name for one. */
function parseNumber(field: string, names: Names): bigint {
  let digits = field;
  let unit = 1n;
  // Units pile up, and are cut off names too: `1kk` is 1M, `disk` is looked up as `dis`.
  for (;;) {
    const last = digits.at(-1)?.toLowerCase();
    if (last !== 'k' && last !== 'm') break;
    unit *= last === 'k' ? 1024n : 1024n * 1024n;
    digits = digits.slice(0, -1);
  }
  const value = parseInteger(digits) ?? names.get(digits.toLowerCase());
  if (value !== undefined) return value * unit;
  if (names.size === 0) throw new TableError(`Invalid field value ${digits}`);
  const known = [...names.keys()].join(', ');
  throw new TableError(`Value '${digits}' is not valid. Known keywords: ${known}`);
}

function parseType(field: string): bigint {
  if (field === '') throw new TableError("Field 'type' can't be left empty.");
  return parseNumber(field, TYPES);
}

function parseSubtype(field: string, type: bigint, { subtypes }: Rules): bigint {
  if (field !== '') return parseNumber(field, subtypes.get(type) ?? NO_NAMES);
  if (type === APP) throw new TableError('App partition cannot have an empty subtype');
  return UNDEFINED;
}

/** The address of a bootloader, which is an option and not in the CSV. */
function bootloaderAddress(address: bigint | undefined, which: 'Primary' | 'Recovery'): bigint {
  if (address !== undefined) return address;
  throw new TableError(
    `${which} bootloader offset is not defined. Please use --${which.toLowerCase()}-bootloader-offset`,
  );
}

function parseAddress(field: string, type: bigint, subtype: bigint, rules: Rules) {
  const names = rules.subtypes.get(type);
  if (type === BOOTLOADER && subtype === names?.get('primary')) {
    return bootloaderAddress(rules.primaryBootloader, 'Primary');
  }
  if (type === BOOTLOADER && subtype === names?.get('recovery')) {
    return bootloaderAddress(rules.recoveryBootloader, 'Recovery');
  }
  if (type === PARTITION_TABLE && subtype === names?.get('primary')) {
    return rules.tableAddress;
  }
  return field === '' ? undefined : parseNumber(field, NO_NAMES);
}

function parseSize(field: string, type: bigint, rules: Rules): bigint {
  if (type === BOOTLOADER) {
    return rules.tableAddress - bootloaderAddress(rules.primaryBootloader, 'Primary');
  }
  if (type === PARTITION_TABLE) return TABLE_SIZE;
  if (field === '') throw new TableError("Size field can't be empty");
  return parseNumber(field, NO_NAMES);
}

function parseLine(text: string, line: number, rules: Rules): CsvRow {
  const [label = '', typeField = '', ...rest] = text.split(',').map(strip);
  const [subtypeField = '', addressField = '', sizeField = '', flagsField = ''] = rest;
  const type = parseType(typeField);
  const subtype = parseSubtype(subtypeField, type, rules);
  const address = parseAddress(addressField, type, subtype, rules);
  const size = parseSize(sizeField, type, rules);
  const flags = flagsField.split(':').filter((flag) => flag !== '');
  const unknown = flags.find((flag) => flag !== 'encrypted' && flag !== 'readonly');
  if (unknown !== undefined) {
    throw new TableError(`CSV flag column contains unknown flag '${unknown}'`);
  }
  const encrypted = flags.includes('encrypted');
  const readonly = flags.includes('readonly');
  return { label, type, subtype, address, size, encrypted, readonly, line };
}

function parseLines(csv: string, rules: Rules, options: TableOptions): CsvRow[] {
  const variables = options.variables ?? process.env;
  return splitLines(csv).flatMap((raw, index) => {
    const expanded = expandVariables(raw, variables);
    const unknown = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(expanded)?.[1];
    if (unknown !== undefined) throw new TableError(`unknown variable '${unknown}'`);
    const text = strip(expanded);
    if (text === '' || text.startsWith('#')) return [];
    try {
      return [parseLine(text, index + 1, rules)];
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
      throw new TableError(
        `Error at line ${index + 1}: ${error.message}\n` +
          'Please check extra_partition_subtypes.inc file in build/config directory',
      );
    }
  });
}

/** Refuses an address inside of what comes before it. */
function refuseOverlap(row: CsvRow & Row, first: Row, previousEnd: bigint, rules: Rules): never {
  const fields = ['label', 'type', 'subtype', 'address', 'size'] as const;
  const problem =
    `CSV Error at line ${row.line}: Partitions overlap. ` +
    `Partition sets offset ${hex(row.address)}. `;
  if (!fields.every((field) => row[field] === first[field])) {
    throw new TableError(`${problem}Previous partition ends ${hex(previousEnd)}`);
  }
  throw new TableError(
    `${problem}But partition table occupies the whole sector ${hex(rules.tableAddress)}. ` +
      `Use a free offset ${hex(previousEnd)} or higher.`,
  );
}

/** Gives each row its address, and a size to those that name an end: -2M is "up to 2M". */
function placeRows(parsed: CsvRow[], rules: Rules): Row[] {
  const rows: Row[] = [];
  let end = rules.tableEnd;
  for (const csvRow of parsed) {
    const row = { ...csvRow, address: csvRow.address ?? end };
    rows.push(row);
    if (isPrimary(row, rules)) continue;
    if (row.address < end) refuseOverlap(row, rows[0] ?? row, end, rules);
    if (csvRow.address === undefined) {
      const alignment = alignmentOf(row.type);
      const beyond = ((end % alignment) + alignment) % alignment;
      if (beyond !== 0n) row.address += alignment - beyond;
    }
    if (row.size < 0n) row.size = -row.size - row.address;
    end = row.address + row.size;
  }
  return rows;
}

/** UTF-32 has no decoder in JavaScript; the tool takes it with a big-endian mark only. */
function decodeUtf32(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const code = view.getUint32(at);
    if (code >> 11 === 0xd800 >> 11) throw new RangeError('a surrogate');
    text += String.fromCodePoint(code);
  }
  return text;
}

/**
 * Decodes the bytes of a CSV file by its byte order mark; without one it is UTF-8.
 * @throws TableError if it is not what the mark says
 */
function decodeCsv(file: Uint8Array): string {
  const marks = { 'utf-8': 'efbbbf', 'utf-16le': 'fffe', 'utf-16be': 'feff', 'utf-32': '0000feff' };
  const start = Buffer.from(file.subarray(0, 4)).toString('hex');
  const [encoding, mark] = Object.entries(marks).find(([, mark]) => start.startsWith(mark)) ?? [
    'utf-8',
    '',
  ];
  const content = file.subarray(mark.length / 2);
  try {
    if (encoding === 'utf-32') return decodeUtf32(content);
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new TableError(`The file is neither a binary partition table nor a CSV in ${encoding}`);
  }
}

/** Checks rows as far as the options ask for it. */
function verifyRows(rows: Row[], rules: Rules, options: TableOptions): void {
  if (options.verify ?? true) {
    options.status?.('Verifying table...');
    verify(rows, rules);
  }
  if (options.flashSize) verifyFits(rows, options.flashSize);
}

/**
 * Builds the binary table that a CSV describes.
 * @param csv - text, or the bytes of a file
 * @returns 0xc00 bytes
 * @throws TableError with the tool's message
 */
export function csvToTable(csv: string | Uint8Array, options: TableOptions = {}): Uint8Array {
  const rules = rulesOf(options);
  const text = typeof csv === 'string' ? csv : decodeCsv(csv);
  options.status?.('Parsing CSV input...');
  const rows = placeRows(parseLines(text, rules, options), rules);
  verifyRows(rows, rules, options);
  return encodeTable(rows, options.md5 ?? true);
}

function readTable(binary: Uint8Array, options: TableOptions) {
  const rules = rulesOf(options);
  options.status?.('Parsing binary partition input...');
  const rows = decodeTable(binary, options.md5 ?? true, rules);
  verifyRows(rows, rules, options);
  return { rows, rules };
}

/**
 * Writes a binary table as CSV.
 * @throws TableError with the tool's message; also if the MD5 row does not match
 */
export function tableToCsv(binary: Uint8Array, options: TableOptions = {}): string {
  const { rows, rules } = readTable(binary, options);
  return [...HEADER, ...rows.map((row) => rowToCsv(row, rules)), ''].join('\n');
}

/**
 * Reads the rows of a binary table.
 * @throws TableError with the tool's message; also if the MD5 row does not match
 */
export function parseTable(binary: Uint8Array, options: TableOptions = {}): Partition[] {
  return readTable(binary, options).rows.map((row) => ({
    ...row,
    type: Number(row.type),
    subtype: Number(row.subtype),
    address: Number(row.address),
    size: Number(row.size),
  }));
}

/**
 * Reads the rows of a CSV as a chip would find them: placed, and with labels cut to 16 bytes.
 * @throws TableError with the tool's message, or if a label is cut inside a character
 */
export function parseCsv(csv: string | Uint8Array, options: TableOptions = {}): Partition[] {
  return parseTable(csvToTable(csv, options), { ...options, verify: false, status: undefined });
}

/**
 * Converts a file to the other form, which is how the command and the tool are used.
 * @throws TableError with the tool's message
 */
export function convertTable(file: Uint8Array, options: TableOptions = {}): Uint8Array {
  if (isBinary(file)) return Buffer.from(tableToCsv(file, options));
  return csvToTable(file, options);
}
