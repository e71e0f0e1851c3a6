/*
 * A stand-in for the chip and for ESP-IDF: a NOR flash in memory, or in a file that outlives the process.
 *
 * It counts each sector erase and each page program as one operation, and can end the process in one of them.
 * Where ESP-IDF panics, it aborts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "esp_err.h"

#define SECTOR_SIZE 4096u
#define PAGE_SIZE 256u

/** How much of an operation is done when power fails in it. */
enum reached { NOTHING, FIRST_HALF, SECOND_HALF, EVERYTHING };

struct chip {
    uint8_t *bytes;
    uint32_t size;
    uint32_t app_address;
    /** 0: ESP-IDF does not know the running app. */
    uint32_t app_size;
    bool is_encrypted;
    /** What the functions of the chip return instead of doing anything. */
    esp_err_t fault;
    /** What mbedTLS returns. */
    int hash_fault;

    /** Erases and page programs so far, and reads. */
    unsigned operations;
    unsigned reads;
    /** The number of the operation in which power fails; 0: it does not. Called then; must not return. */
    unsigned cut;
    enum reached reached;
    void (*on_cut)(void);

    /** Milliseconds that everything has taken. */
    uint32_t now;
    /** How long IDLE had nothing of the processor, at most. */
    uint32_t longest_busy;
    bool is_watched;
    unsigned feeds;
    unsigned logged;
};

extern struct chip chip;

/** Begins with an erased chip in memory. */
void chip_make(uint32_t size);

/** Begins with the chip in a file. @return false if it cannot be opened */
bool chip_open(const char *path);

void chip_free(void);
