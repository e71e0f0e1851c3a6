/** What is on a chip before anything is done to it. */
import { TABLE_ADDRESS } from '../../device/partitions.ts';
import type { Row } from '../../formats/table/row.ts';
import type { Snapshot } from './cell-array.ts';
import { pattern } from './pattern.ts';
import { latin1 } from './latin1.ts';
import type { NorFlash } from './nor-flash.ts';

export const MEGABYTE = 0x100000;

/** Chips that were filled, by what they were filled for. */
const filled = new Map<string, Snapshot>();

/**
 * Puts the bootloader, the table and something into every partition; once for boards that are alike.
 * @param binary - the table
 * @param isClassic - an ESP32: its bootloader is at 0x1000, that of others at 0
 */
export function fillChip(
  flash: NorFlash,
  rows: readonly Row[],
  binary: Uint8Array,
  isClassic: boolean,
): void {
  const { size } = flash;
  const key = `${isClassic} ${size} ${latin1(binary)}`;
  const made = filled.get(key);
  if (made) return flash.restore(made);
  const bootloader = pattern('bootloader', TABLE_ADDRESS - (isClassic ? 0x1000 : 0));
  bootloader.set([0xe9, 3, 2, Math.log2(size / MEGABYTE) << 4]);
  flash.load(TABLE_ADDRESS - bootloader.length, bootloader);
  flash.load(TABLE_ADDRESS, binary);
  for (const { label, type, address, size } of rows) {
    const content = pattern(label, size);
    if (type === 0) content[0] = 0xe9;
    flash.load(address, content);
  }
  filled.set(key, flash.snapshot());
}
