/** A partition table as rows, and where it lies. */
import type { Area, Partition } from '../../device/api.ts';
import { ENCRYPTED, READONLY } from '../../device/partitions.ts';

/** A row of a partition table, as in ESP-IDF's "Partition Tables". */
export interface Row extends Omit<Partition, 'encrypted' | 'readonly'> {
  /** Default: from `flags`. */
  encrypted?: boolean;
  /** Default: from `flags`. */
  readonly?: boolean;
  /** All flags as the chip has them: bit 0 encrypted, bit 1 readonly. Default 0. */
  flags?: number;
}

/** A row that was read: it has all there is. */
export type TableRow = Required<Row>;

/** @returns all flags of a row, as the bits that the chip has. */
export function flagBitsOf({ encrypted, readonly, flags = 0 }: Row): number {
  const others = flags & ~(ENCRYPTED | READONLY);
  const isEncrypted = encrypted ?? (flags & ENCRYPTED) > 0;
  const isReadonly = readonly ?? (flags & READONLY) > 0;
  return (others | (isEncrypted ? ENCRYPTED : 0) | (isReadonly ? READONLY : 0)) >>> 0;
}

/** A part of the flash; in bytes. */
export type Place = Pick<Area, 'address' | 'size'>;

/**
 * @param size - bytes of the chip
 * @param from - the first address that is asked about; before it are bootloader and table
 * @returns the flash that is in no partition, in order
 */
export function gapsOf(partitions: readonly Place[], size: number, from: number): Place[] {
  const gaps: Place[] = [];
  let at = from;
  for (const row of [...partitions].sort((a, b) => a.address - b.address)) {
    if (row.address > at) gaps.push({ address: at, size: row.address - at });
    at = Math.max(at, row.address + row.size);
  }
  if (at < size) gaps.push({ address: at, size: size - at });
  return gaps;
}
