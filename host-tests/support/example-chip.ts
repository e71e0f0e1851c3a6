/**
 * A chip of 4 MiB for real interpreters, to be updated over the air: its partition of 1 MiB holds the first of the
 * example images, and is updated to the second.
 */
import { encodeTable } from '../../formats/table/binary.ts';
import { row } from '../../host/tables.ts';
import { OLD_IMAGE } from './package.ts';

const MEGABYTE = 0x100000;

/** The target. `spare` can be its backup. */
export const storage = row('storage', 1, 0x83, 0x110000, MEGABYTE);
const table = [
  row('nvs', 1, 2, 0x9000, 0x3000),
  row('otadata', 1, 0, 0xc000, 0x2000),
  row('factory', 0, 0, 0x10000, MEGABYTE),
  storage,
  row('spare', 1, 0x40, 0x210000, MEGABYTE),
  row('ota_journal', 1, 6, 0x310000, 0x10000),
];

/** The new content, and the sectors in which it differs from the old. */
export { NEW_IMAGE as fresh, CHANGED } from './package.ts';

/** The chip with the old content. */
export const chip = Buffer.alloc(4 * MEGABYTE, 0xff);
chip.set([0xe9, 1, 2, 0x20], 0x1000);
chip.set(encodeTable(table), 0x8000);
chip[0x10000] = 0xe9;
OLD_IMAGE.copy(chip, storage.address);

/** What the target holds. */
export const contentOf = (flash: Buffer) =>
  flash.subarray(storage.address, storage.address + storage.size);
