/** What is on a chip before anything is done to it. */
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
 * @param tableAddress - where the table lies
 */
export function fillChip(
  flash: NorFlash,
  rows: readonly Row[],
  binary: Uint8Array,
  isClassic: boolean,
  tableAddress: number,
): void {
  const { size } = flash;
  const key = `${isClassic} ${tableAddress} ${size} ${latin1(binary)}`;
  const made = filled.get(key);
  if (made) return flash.restore(made);
  const bootloader = pattern('bootloader', Math.max(0, tableAddress - (isClassic ? 0x1000 : 0)));
  const header = [0xe9, 3, 2, Math.log2(size / MEGABYTE) << 4];
  bootloader.set(header.slice(0, bootloader.length));
  flash.load(tableAddress - bootloader.length, bootloader);
  flash.load(tableAddress, binary);
  for (const { label, type, address, size } of rows) {
    // A table may have rows for the bootloader and for itself.
    if (address <= tableAddress) continue;
    const content = pattern(label, size);
    if (type === 0) content[0] = 0xe9;
    flash.load(address, content);
  }
  filled.set(key, flash.snapshot());
}
