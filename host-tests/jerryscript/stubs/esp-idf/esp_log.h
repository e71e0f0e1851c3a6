/* Stands in for ESP-IDF: its log. */
#pragma once

__attribute__((format(printf, 2, 3))) void chip_log(const char *tag, const char *format, ...);

#define ESP_LOGE(tag, ...) chip_log(tag, __VA_ARGS__)
