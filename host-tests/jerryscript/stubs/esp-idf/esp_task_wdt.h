/* Stands in for ESP-IDF: the task watchdog. */
#pragma once

#include "esp_err.h"
#include "freertos/task.h"

esp_err_t esp_task_wdt_status(TaskHandle_t task);
esp_err_t esp_task_wdt_reset(void);
