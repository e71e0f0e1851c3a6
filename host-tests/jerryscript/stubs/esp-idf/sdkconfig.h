/* Stands in for what ESP-IDF generates from `idf.py menuconfig`. */
#pragma once

#ifndef CONFIG_PARTITION_TABLE_OFFSET
#define CONFIG_PARTITION_TABLE_OFFSET 0x8000
#endif
#define CONFIG_ESP_TASK_WDT_EN 1
