/* Stands in for ESP-IDF: a partition, as far as it is used. */
#pragma once

#include <stdint.h>

typedef struct {
    uint32_t address;
    uint32_t size;
} esp_partition_t;
