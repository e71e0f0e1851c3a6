/** What the operations of one kind of flash chip cost. */
export interface FlashTiming {
  /** Milliseconds to erase a sector of 4096 bytes. */
  se: number;
  /** Milliseconds to erase a block of 64 KiB. Espruino never does; here for lower bounds. */
  be64: number;
  /** Milliseconds to program a page of 256 bytes. */
  pp: number;
  /** Milliseconds of overhead per program command, of at most 64 bytes (ESP-IDF: SPI_FLASH_HAL_MAX_WRITE_BYTES). */
  command: number;
  /** Megabytes read per second (ESP-IDF v4.4 idf_performance_target.h, ESP32, 2 KiB calls). */
  readMBps: number;
}

/** Overhead and read speed do not depend on the chip but on the ESP32. */
const ESP32 = { command: 0.01, readMBps: 9.5 };

/**
 * Chips found on ESP32 modules. `typ` and `max` are columns of the datasheets' AC tables.
 * Not in the model: ESP-IDF yields up to a tick (10 ms) after 20 ms of uninterrupted flash work.
 */
export const FLASH_TIMING = {
  /** Winbond W25Q32JV: 0.4 ms and 45 ms; tBE2 150 ms. */
  w25q32jv_typ: { se: 45, be64: 150, pp: 0.4, ...ESP32 },
  /** GigaDevice GD25Q32C: features list. */
  gd25q32c_typ: { se: 50, be64: 250, pp: 0.6, ...ESP32 },
  /** Zbit ZB25VQ32: STMicroelectronics' component header ZB25VQ32.h. */
  zb25vq32_typ: { se: 45, be64: 250, pp: 0.5, ...ESP32 },
  /** XMC XM25QH128A, first page of the datasheet; the family of XM25QH32B. */
  xmc_xm25qh_typ: { se: 40, be64: 300, pp: 0.5, ...ESP32 },
  /** Eon EN25QH256, first page of the datasheet; the family of EN25QH32. */
  en25qh_typ: { se: 50, be64: 400, pp: 0.8, ...ESP32 },
  /** ESP-IDF v4.4 components/idf_test/include/esp32/idf_performance_target.h: thresholds / 0.7. */
  idf_ci_esp32: { se: 63.3, be64: 1012.8, pp: 0.238, ...ESP32, command: 0 },
  /** Winbond W25Q32JV, maxima of the same tables. */
  w25q32jv_max: { se: 400, be64: 2000, pp: 3, ...ESP32 },
} satisfies Record<string, FlashTiming>;

/** The name of a chip in `FLASH_TIMING`. */
export type FlashProfile = keyof typeof FLASH_TIMING;

/** The part of the counters of a `NorFlash` that costs time. */
export interface Work {
  erases: number;
  bytesProgrammed: number;
  commands: number;
  bytesRead: number;
}

/**
 * Tells how long a chip is busy with some work.
 * @param work - e.g. `flash.counters`
 * @param profile - which chip; default W25Q32JV, typical
 * @returns seconds, without the time that JavaScript takes
 */
export function seconds(work: Work, profile: FlashProfile = 'w25q32jv_typ'): number {
  const { se, pp, command, readMBps } = FLASH_TIMING[profile];
  const changing = work.erases * se + (work.bytesProgrammed / 256) * pp + work.commands * command;
  return changing / 1000 + work.bytesRead / (readMBps * 1e6);
}
