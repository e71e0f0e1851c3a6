/** How numbers, places and tables look in what the commands print. */
import type { Area } from '../../device/api.ts';
import { SECURE_CERT } from '../../formats/table/names.ts';

/**
 * What a terminal would act on, would show in another order than it stands here, or not at all: controls, separators of lines,
 * what is for the format only (bidirectional text, zero width, tags), halves of characters.
 */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** Those that JSON.stringify leaves as they are. */
const CONTROLS_IN_JSON = /(?![\0-\x1f])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const digitsOf = (number: number, count: number) => number.toString(16).padStart(count, '0');

/** @returns a control character as JavaScript writes it. */
function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  if (code <= 0xff) return `\\x${digitsOf(code, 2)}`;
  return code <= 0xffff ? `\\u${digitsOf(code, 4)}` : `\\u{${digitsOf(code, 5)}}`;
}

/** The same as JSON writes it, which knows no others. */
const escapedInJson = (character: string) =>
  character
    .split('')
    .map((unit) => `\\u${digitsOf(unit.charCodeAt(0), 4)}`)
    .join('');

/** @returns a line as it can be printed wherever it comes from: each control character, ends of lines too, as an escape. */
export const printable = (line: string) => line.replace(CONTROLS, escaped);

/** @returns a value as JSON that can be printed. */
export const jsonText = (value: unknown) =>
  JSON.stringify(value, null, 2).replace(CONTROLS_IN_JSON, escapedInJson);

/** 1,234,567 */
export const grouped = (value: number) => value.toLocaleString('en-US');

/** 0x9000 */
export const hex = (value: number) => `0x${value.toString(16)}`;

/** @returns a size as people write it, exactly: 1 MiB, 16 KiB, 100 bytes. */
export function sizeOf(bytes: number): string {
  if (bytes && bytes % 0x100000 === 0) return `${bytes / 0x100000} MiB`;
  if (bytes && bytes % 1024 === 0) return `${grouped(bytes / 1024)} KiB`;
  return `${grouped(bytes)} bytes`;
}

/** 1 sector, 2 sectors */
export const plural = (count: number, noun: string, nouns = `${noun}s`) =>
  `${grouped(count)} ${count === 1 ? noun : nouns}`;

/** @returns numbers in ascending order as people write them: 3, 7-9, 12; no more than some ranges. */
export function rangesText(numbers: number[], most = 12): string {
  const texts = rangesOf(numbers).map(([first, last]) =>
    first === last ? `${first}` : `${first}-${last}`,
  );
  const more = texts.length - most;
  return texts.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more ranges` : '');
}

/** @returns numbers in ascending order as ranges, first and last. */
export function rangesOf(numbers: number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const n of numbers) {
    const range = ranges.at(-1);
    if (range && range[1] === n - 1) range[1] = n;
    else ranges.push([n, n]);
  }
  return ranges;
}

/** 8.1 s */
export const secondsText = (seconds: number) => `${seconds.toFixed(1)} s`;

/** @returns the type of a partition in words. */
export const typeOf = (type: number) =>
  type === SECURE_CERT ? 'esp_secure_cert' : (['app', 'data'][type] ?? hex(type));

/** @returns where something lies. */
export function place({ label, address, size }: Area): string {
  return `${label ?? 'free flash'}, ${hex(address)}, ${sizeOf(size)}`;
}

/** @returns what protects a partition, in words. */
export const protectionOf = ({ encrypted, readonly }: { encrypted: boolean; readonly: boolean }) =>
  [encrypted && 'encrypted', readonly && 'readonly'].filter(Boolean).join(' ');

/** A partition of a list. */
interface Listed extends Area {
  label: string;
  type: number;
  subtype: number;
}

/**
 * Lays out partitions and what is free between them, by address.
 * @param notesOf - the last columns of what is there; `row` is missing for what is free
 */
export function partitionLines<Row extends Listed>(
  partitions: readonly Row[],
  gaps: readonly Area[],
  notesOf: (area: Area, row?: Row) => string[],
): string[] {
  const rows = partitions.map((row) => ({
    area: row,
    first: [row.label, typeOf(row.type), hex(row.subtype)],
    notes: notesOf(row, row),
  }));
  const free = gaps.map((area) => ({ area, first: ['(free)', '', ''], notes: notesOf(area) }));
  const sorted = [...rows, ...free].sort((a, b) => a.area.address - b.area.address);
  return columns(
    sorted.map(({ area, first, notes }) => [
      ...first,
      hex(area.address),
      sizeOf(area.size),
      ...notes,
    ]),
    [3, 4],
  );
}

/**
 * Lays out a table in columns two spaces apart.
 * @param right - the columns that are flush right
 * @returns lines without trailing spaces
 */
export function columns(rows: string[][], right: number[] = [], indent = '  '): string[] {
  const widths = rows.reduce<number[]>((most, row) => {
    row.forEach((cell, n) => (most[n] = Math.max(most[n] ?? 0, cell.length)));
    return most;
  }, []);
  return rows.map((row) => {
    const cells = row.map((cell, n) =>
      right.includes(n) ? cell.padStart(widths[n]) : cell.padEnd(widths[n]),
    );
    return (indent + cells.join('  ')).trimEnd();
  });
}
