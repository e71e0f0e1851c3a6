/* Stands in for ESP-IDF: flash encryption. */
#pragma once

#include <stdbool.h>

bool esp_flash_encryption_enabled(void);
