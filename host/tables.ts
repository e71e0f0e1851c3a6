/** Partition tables of real boards. */
import type { Row } from '../formats/table/row.ts';

const APP = 0;
const DATA = 1;

/** Makes a row of a table. */
export const row = (
  label: string,
  type: number,
  subtype: number,
  address: number,
  size: number,
): Row => ({
  label,
  type,
  subtype,
  address,
  size,
});

/** Partition tables to build boards with. */
export const TABLES = {
  /** This project's partitions.csv: two app slots, a `storage` of 1 MiB, an `ota_journal`. */
  example: [
    row('nvs', DATA, 2, 0x9000, 0x4000),
    row('otadata', DATA, 0, 0xd000, 0x2000),
    row('phy_init', DATA, 1, 0xf000, 0x1000),
    row('ota_0', APP, 0x10, 0x10000, 0x100000),
    row('ota_1', APP, 0x11, 0x110000, 0x100000),
    row('storage', DATA, 0x82, 0x210000, 0x100000),
    row('ota_journal', DATA, 6, 0x310000, 0x3000),
  ],
  /** Espruino's for the ESP32 (targets/esp32/Changes_V3.1/partitions_espruino.csv): one OTA slot. */
  espruinoEsp32: [
    row('nvs', DATA, 2, 0x9000, 0x3000),
    row('otadata', DATA, 0, 0xc000, 0x2000),
    row('free', DATA, 0x40, 0xe000, 0x2000),
    row('factory', APP, 0, 0x10000, 0x180000),
    row('ota_0', APP, 0x10, 0x190000, 0x180000),
    row('flash', DATA, 0x40, 0x310000, 0x10000),
    row('storage', DATA, 0x41, 0x320000, 0xe0000),
  ],
  /** Espruino's for the ESP32-C3 and -S3 (targets/esp32/IDF4/partitions.csv): neither otadata nor OTA slot. */
  espruinoIdf4: [
    row('nvs', DATA, 2, 0x9000, 0x6000),
    row('phy_init', DATA, 1, 0xf000, 0x1000),
    row('factory', APP, 0, 0x10000, 0x1f4000),
    row('flash', DATA, 0x40, 0x310000, 0x10000),
    row('storage', DATA, 6, 0x320000, 0xe0000),
  ],
} satisfies Record<string, Row[]>;
