/**
 * What the command prints about partition tables: the messages of ESP-IDF's gen_esp32part.py 1.5, to the letter, because people
 * search for them. Where that program dies of a traceback, they are words of our own.
 */
import type { Words } from '../../formats/errors.ts';
import type { TableError, TableFacts, TableWarnings } from '../../formats/table/errors.ts';
import { rowToCsv } from '../../formats/table/rules.ts';
import { hex } from './format.ts';

const MIB = 0x100000;

/** @returns bytes as Python prints them. */
function bytesText(bytes: Uint8Array): string {
  const characters = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  );
  return `b'${characters.join('')}'`;
}

/** @returns megabytes; a half goes to the even digit. */
const megabytes = (bytes: number) =>
  (bytes / MIB) % 1 === 0.25 ? `${Math.floor(bytes / MIB)}.2` : (bytes / MIB).toFixed(1);

const signed = (value: number) => hex(value).replace('0x-', '-0x');
const tee = (isTee: boolean) => (isTee ? 'TEE ' : '');
const orderText = (line: number, address: number) =>
  `CSV Error at line ${line}: Partitions overlap. Partition sets offset ${hex(address)}. `;
const rowText = ({ label, type, subtype }: { label: string; type: number; subtype: number }) =>
  `Partition ${label} invalid: '${label}' partition of type ${type} and subtype ${subtype}`;

/** @returns rows as lines of CSV. */
const csvOf = ({ rows, subtypes }: TableWarnings['W_LABELS']) =>
  rows.map((row) => rowToCsv(row, subtypes)).join('\n');

/** @returns what is wrong with a line of the CSV. */
function whyText<Code extends keyof TableFacts>({ code, facts }: TableError<Code>): string {
  return TABLE_WORDS[code](facts);
}

/** @returns what the tool does not tell: it takes a `#` at the start of a line only. */
function hintOf({ facts }: TableError): string {
  const { flag, text } = facts as { flag?: string; text?: string };
  return (flag ?? text)?.includes('#') ? '\nA comment needs a line of its own.' : '';
}

const CSV_WORDS = {
  E_TEXT: ({ encoding }) => `The file is neither a binary partition table nor a CSV in ${encoding}`,
  E_LINE: ({ line, why }) =>
    `Error at line ${line}: ${whyText(why)}\n` +
    `Please check extra_partition_subtypes.inc file in build/config directory${hintOf(why)}`,
  E_VARIABLE: ({ name }) => `unknown variable '${name}'`,
  E_NUMBER: ({ text }) => `Invalid field value ${text}`,
  E_NAME: ({ text, known }) => `Value '${text}' is not valid. Known keywords: ${known.join(', ')}`,
  E_NO_TYPE: () => "Field 'type' can't be left empty.",
  E_NO_SUBTYPE: () => 'App partition cannot have an empty subtype',
  E_NO_SIZE: () => "Size field can't be empty",
  E_FLAG: ({ flag }) => `CSV flag column contains unknown flag '${flag}'`,
  E_BOOTLOADER: ({ which }) =>
    `${which === 'primary' ? 'Primary' : 'Recovery'} bootloader offset is not defined. ` +
    `Please use --${which}-bootloader-offset`,
  E_ORDER: ({ line, address, end }) =>
    `${orderText(line, address)}Previous partition ends ${hex(end)}`,
  E_IN_TABLE: ({ line, address, table, end }) =>
    `${orderText(line, address)}But partition table occupies the whole sector ${hex(table)}. ` +
    `Use a free offset ${hex(end)} or higher.`,
} satisfies Partial<Words<TableFacts>>;

const OPTION_WORDS = {
  E_BOOTLOADER_PLACE: ({ bootloader, table }) =>
    'Unsupported configuration. Primary bootloader must be below partition table. ' +
    `Check --primary-bootloader-offset=${signed(bootloader)} and --offset=${signed(table)}`,
  E_SUBTYPE_FORM: ({ entry }) =>
    `Error parsing custom subtypes: '${entry}' is not 'type, name, value'`,
  E_SUBTYPE_TYPE: () => 'Error parsing custom subtypes: Invalid partition type',
  E_SUBTYPE_TWICE: () => 'Found duplicate value in partition subtype',
} satisfies Partial<Words<TableFacts>>;

const BINARY_WORDS = {
  E_MAGIC: ({ magic }) => `Invalid magic bytes (${bytesText(magic)}) for partition definition`,
  E_LABEL: ({ label }) => `Partition label ${bytesText(label)} is not UTF-8`,
  E_RANGE: ({ label, field, value, bits }) =>
    `Partition ${label} invalid: ${field === 'address' ? 'offset' : field} ${hex(value)} ` +
    `does not fit ${bits} bits`,
  E_LENGTH: ({ length }) => `Binary partition table length (${length}) longer than max`,
  E_MD5: ({ computed, stored }) =>
    `MD5 checksums don't match! (computed: 0x${computed}, parsed: 0xb'${stored}')`,
  E_CUT: () => 'Partition table length must be a multiple of 32 bytes',
  E_NO_END: () => 'Partition table is missing an end-of-table marker',
} satisfies Partial<Words<TableFacts>>;

const RULE_WORDS = {
  E_ALIGNMENT: ({ label, field, value, alignment }) =>
    `Partition ${label} invalid: ${field === 'address' ? 'Offset' : 'Size'} ${hex(value)} ` +
    `is not aligned to ${hex(alignment)}`,
  E_READONLY: (row) => `${rowText(row)} is always read-write and cannot be read-only`,
  E_NVS_SIZE: ({ size, least, ...row }) =>
    `${rowText(row)} of this size (${hex(size)}) must be flagged as 'readonly' ` +
    `(the size of read/write NVS has to be at least ${hex(least)})`,
  E_LABEL_TWICE: () => 'Partition names must be unique',
  E_BELOW: ({ address, least }) => `Partition offset ${hex(address)} is below ${hex(least)}`,
  E_OVERLAP: ({ address, first, last }) =>
    `Partition at ${hex(address)} overlaps ${hex(first)}-${hex(last)}`,
  E_OTADATA_SIZE: ({ isTee }) => `${tee(isTee)}otadata partition must have size = 0x2000`,
  E_OTADATA_TWICE: ({ isTee }) =>
    `Found multiple ${tee(isTee)}otadata partitions. Only one partition can be defined with ` +
    `type="data"(1) and subtype=${isTee ? '"tee_ota"(0x90)' : '"ota"(0)'}.`,
  E_FLASH_SIZE: ({ end, limit }) =>
    `Partitions tables occupies ${megabytes(end)}MB of flash (${end} bytes) which ` +
    `does not fit in configured flash size ${limit / MIB}MB. ` +
    "Change the flash size in menuconfig under the 'Serial Flasher Config' menu.",
} satisfies Partial<Words<TableFacts>>;

export const TABLE_WORDS: Words<TableFacts> = {
  ...BINARY_WORDS,
  ...CSV_WORDS,
  ...OPTION_WORDS,
  ...RULE_WORDS,
};

/** What is printed of a warning: some lines. */
export const TABLE_WARNINGS: Words<TableWarnings> = {
  W_FLAGS: ({ flags }) => {
    const digits = flags.toString(16).padStart(8, '0');
    return `WARNING: Partition definition had unknown flag(s) 0x${digits}. Newer binary format?`;
  },
  W_TYPE: ({ label, type }) =>
    `WARNING: Partition has name '${label}' which is a partition type, but does not match this ` +
    `partition's type (${hex(type)}). Mistake in partition table?`,
  W_SUBTYPE: ({ label, type, subtype }) =>
    `WARNING: Partition has name '${label}' which is a partition subtype, but this partition has ` +
    `non-matching type ${hex(type)} and subtype ${hex(subtype)}. Mistake in partition table?`,
  W_LABELS: (facts) => `A list of partitions that have the same name:\n${csvOf(facts)}`,
  W_OTADATA: csvOf,
};

/** @returns how the module finds a table that is not where all firmware of Espruino has it. */
export const elsewhereText = (table: number) =>
  `The module on a board finds it there after part-ota upload --table-offset ${hex(table)}, or ota.use({ table: ${hex(table)} }).`;

/** What is printed before each step. */
export const TABLE_STEPS = {
  csv: 'Parsing CSV input...',
  binary: 'Parsing binary partition input...',
  verify: 'Verifying table...',
};
