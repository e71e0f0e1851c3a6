/* Stands in for ESP-IDF: which one it is. The tests compile the C file as for version 4, too. */
#pragma once

#ifndef ESP_IDF_VERSION_MAJOR
#define ESP_IDF_VERSION_MAJOR 5
#endif
