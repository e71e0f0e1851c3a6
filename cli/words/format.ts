/** How numbers, places and tables look in what the commands print. */
import type { Area } from '../../device/api.ts';

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
export const plural = (count: number, noun: string) =>
  `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

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
export const typeOf = (type: number) => ['app', 'data'][type] ?? hex(type);

/** @returns where something lies. */
export function place({ label, address, size }: Area): string {
  return `${label ?? 'free flash'}, ${hex(address)}, ${sizeOf(size)}`;
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
