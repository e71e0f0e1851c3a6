/* Stands in for FreeRTOS: tasks. */
#pragma once

#include "freertos/FreeRTOS.h"

typedef void *TaskHandle_t;

TickType_t xTaskGetTickCount(void);
void vTaskDelay(TickType_t ticks);
