/* Stands in for the CRC-32 in the ROM of the chip: it inverts its register before and after. */
#pragma once

#include <stdint.h>

uint32_t esp_rom_crc32_le(uint32_t crc, const uint8_t *bytes, uint32_t length);
