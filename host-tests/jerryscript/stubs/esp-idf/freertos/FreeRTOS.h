/* Stands in for FreeRTOS: ticks, of 10 ms as ESP-IDF has them. */
#pragma once

#include <stdint.h>

typedef uint32_t TickType_t;

#define pdMS_TO_TICKS(ms) ((TickType_t) ((ms) / 10u))
