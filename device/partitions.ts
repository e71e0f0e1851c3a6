/**
 * The numbers of ESP-IDF's partition table and of otadata, for the device and for `formats/`. Nothing here has state, and
 * nothing is imported.
 */

/**
 * Where ESP-IDF puts the table (CONFIG_PARTITION_TABLE_OFFSET) unless it is told otherwise. Each firmware of Espruino has it
 * here (targets/esp32/Changes_V3.1/sdkconfig, IDF4/sdkconfig*).
 */
export const TABLE_ADDRESS = 0x8000;

/**
 * Where the bootloader may lie (CONFIG_BOOTLOADER_OFFSET_IN_FLASH): on an ESP32 and an S2 at 0x1000, on a C5, H4 and P4
 * at 0x2000, on all others at 0. Below it flash is blank, or a key; what lies behind it is its own.
 */
export const LAST_BOOTLOADER = 0x2000;

/** Bytes that rows may take; the rest of the sector is for a signature (esp_flash_partitions.h). */
export const TABLE_SIZE = 0xc00;
export const ROW_SIZE = 32;

/** The first two bytes of a row, of the MD5 row, and of the row after the last one. */
export const ROW_MAGIC = 0x50aa;
export const MD5_MAGIC = 0xebeb;
export const END_MAGIC = 0xffff;

/** Kinds: type << 8 | subtype (esp_partition.h). Below OTADATA they are apps. */
export const SLOT_0 = 0x10;
export const OTADATA = 0x100;
export const NVS = 0x102;
/** After otadata, phy, nvs, coredump, nvs_keys, efuse: what belongs to the firmware. */
export const SYSTEM_END = 0x106;
export const BOOTLOADER = 0x200;
/**
 * From this type on nothing belongs to ESP-IDF itself: 0x3f are certificates and keys (esp_secure_cert_mgr,
 * ESP_SECURE_CERT_TLV_PARTITION_TYPE), 0x40 to 0xfe are free to use.
 */
export const CUSTOM = 0x3f00;

/**
 * Flags of a row. Without flash encryption ESP-IDF ignores ENCRYPTED (esp_partition/partition.c). With it this module sees no
 * table at all: that is always encrypted, and what the module reads is not decrypted.
 */
export const ENCRYPTED = 1;
export const READONLY = 2;

/** States of an otadata entry (esp_flash_partitions.h): below, the app is not confirmed yet. */
export const VALID = 2;
export const INVALID = 3;
export const ABORTED = 4;

/** Where Espruino's Storage lies on every ESP32 board (boards/ESP32*.py, saved_code). */
export const STORAGE = 0x320000;
