/** What formats have to know of the flash chip. */

/** Bytes that are erased together. */
export const SECTOR = 4096;

/** Where the bootloader may lie, in the order in which device/chip.ts looks; see LAST_BOOTLOADER in device/partitions.ts. */
export const BOOTLOADERS = [0, 0x1000, 0x2000] as const;

/** What the header of an app or a bootloader begins with (esp_app_format.h). */
const MAGIC = 0xe9;
const LEAST_SIZE = 0x100000;

/**
 * @param headers - the first four bytes at each of BOOTLOADERS
 * @returns bytes of flash that the firmware reaches, as the bootloader's header has it; undefined without a bootloader
 */
export function flashSizeOf(headers: readonly Uint8Array[]): number | undefined {
  const header = headers.find((bytes) => bytes[0] === MAGIC);
  // The high nibble of byte 3: 0 is 1 MB, each step doubles it.
  return header && LEAST_SIZE * 2 ** (header[3] >> 4);
}
