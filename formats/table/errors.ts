/** Why a partition table is refused, and what is odd about one that is taken. */
import { Fault } from '../errors.ts';
import type { TableRow } from './row.ts';

type RowName = Pick<TableRow, 'label' | 'type' | 'subtype'>;

/** Rows, and what their subtypes are called: numbers by name, by type. */
interface NamedRows {
  rows: TableRow[];
  subtypes: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

/** Facts of each code. Addresses and sizes in bytes. */
export interface TableFacts {
  /** Not the bytes that a row begins with. */
  E_MAGIC: { magic: Uint8Array };
  /** A label that is not UTF-8. */
  E_LABEL: { label: Uint8Array };
  /** A number that does not fit its field of the binary form. */
  E_RANGE: {
    label: string;
    field: 'type' | 'subtype' | 'address' | 'size';
    value: number;
    bits: number;
  };
  /** More rows than fit; bytes of all of them. */
  E_LENGTH: { length: number };
  /** 32 hex digits each. */
  E_MD5: { computed: string; stored: string };
  /** It ends inside a row. */
  E_CUT: object;
  /** It has no row that ends it. */
  E_NO_END: object;

  /** Neither binary nor text in the encoding that its byte order mark names. */
  E_TEXT: { encoding: string };
  /** What is wrong with a line of the CSV, counted from 1. */
  E_LINE: { line: number; why: TableError };
  E_VARIABLE: { name: string };
  E_NUMBER: { text: string };
  /** Neither a number nor a name. */
  E_NAME: { text: string; known: string[] };
  E_NO_TYPE: object;
  E_NO_SUBTYPE: object;
  E_NO_SIZE: object;
  E_FLAG: { flag: string };
  /** A bootloader in the CSV, and no option gives its address. */
  E_BOOTLOADER: { which: 'primary' | 'recovery' };
  /** A row of the CSV begins before the one above it ends. */
  E_ORDER: { line: number; address: number; end: number };
  /** The first row begins inside the sector of the table. */
  E_IN_TABLE: { line: number; address: number; table: number; end: number };

  /** The primary bootloader is not below the table. */
  E_BOOTLOADER_PLACE: { bootloader: number; table: number };
  /** A custom subtype: its form, its type, or its number that another one has. */
  E_SUBTYPE_FORM: { entry: string };
  E_SUBTYPE_TYPE: object;
  E_SUBTYPE_TWICE: object;

  E_ALIGNMENT: { label: string; field: 'address' | 'size'; value: number; alignment: number };
  /** The firmware has to write to it. */
  E_READONLY: RowName;
  E_NVS_SIZE: RowName & { size: number; least: number };
  E_LABEL_TWICE: object;
  E_BELOW: { address: number; least: number };
  E_OVERLAP: { address: number; first: number; last: number };
  E_OTADATA_SIZE: { isTee: boolean };
  E_OTADATA_TWICE: { isTee: boolean };
  /** `end` of the last partition; `limit` of the flash. */
  E_FLASH_SIZE: { end: number; limit: number };
}

/** A table, or an option for one, that is refused. */
export class TableError<Code extends keyof TableFacts = keyof TableFacts> extends Fault<
  TableFacts,
  Code
> {
  override name = 'TableError';
}

/** What is odd about a table that may be right all the same, and rows that go with an error. */
export interface TableWarnings {
  /** Bits that have no meaning yet. */
  W_FLAGS: { flags: number };
  /** A label that is the name of another type, or of another subtype. */
  W_TYPE: RowName;
  W_SUBTYPE: RowName;
  /** Rows of which some have the same label; E_LABEL_TWICE follows. */
  W_LABELS: NamedRows;
  /** The rows of otadata; E_OTADATA_SIZE or E_OTADATA_TWICE follows. */
  W_OTADATA: NamedRows;
}

/** Takes a warning. */
export type Warn = <Code extends keyof TableWarnings>(
  code: Code,
  facts: TableWarnings[Code],
) => void;
