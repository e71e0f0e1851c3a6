#include "chip.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp_flash.h"
#include "esp_flash_encrypt.h"
#include "esp_log.h"
#include "esp_ota_ops.h"
#include "esp_rom_crc.h"
#include "esp_task_wdt.h"
#include "freertos/task.h"
#include "mbedtls/md.h"

/** Milliseconds: of a tick, and about what the chip takes for a sector. */
#define TICK 10u
#define READ_TIME 1u
#define ERASE_TIME 45u
#define PROGRAM_TIME 1u

struct chip chip;

static FILE *s_file;
/** When IDLE was last given time. */
static uint32_t s_idle;

void chip_make(uint32_t size)
{
    memset(&chip, 0, sizeof(chip));
    s_idle = 0;
    chip.size = size;
    chip.bytes = malloc(size);
    memset(chip.bytes, 0xff, size);
}

bool chip_open(const char *path)
{
    s_file = fopen(path, "r+b");
    if (s_file == NULL || fseek(s_file, 0, SEEK_END) != 0) {
        return false;
    }
    long size = ftell(s_file);
    if (size <= 0) {
        return false;
    }
    chip_make((uint32_t) size);
    rewind(s_file);
    return fread(chip.bytes, 1, chip.size, s_file) == chip.size;
}

void chip_free(void)
{
    free(chip.bytes);
    chip.bytes = NULL;
    if (s_file != NULL) {
        fclose(s_file);
        s_file = NULL;
    }
}

static void spend(uint32_t ms)
{
    chip.now += ms;
    if (chip.now - s_idle > chip.longest_busy) {
        chip.longest_busy = chip.now - s_idle;
    }
}

/** Puts a part of an operation's outcome into the flash. */
static void store(uint32_t address, const uint8_t *after, uint32_t length)
{
    memcpy(chip.bytes + address, after, length);
    if (s_file != NULL
            && (fseek(s_file, (long) address, SEEK_SET) != 0 || fwrite(after, 1, length, s_file) != length
                || fflush(s_file) != 0)) {
        perror("flash");
        abort();
    }
}

/** One operation of the chip. */
static void operate(uint32_t address, const uint8_t *after, uint32_t length)
{
    uint32_t from = 0;
    uint32_t to = length;
    bool is_cut = ++chip.operations == chip.cut;
    if (is_cut) {
        from = chip.reached == SECOND_HALF ? length / 2 : 0;
        to = chip.reached == NOTHING ? 0 : chip.reached == FIRST_HALF ? length / 2 : length;
    }
    store(address + from, after + from, to - from);
    if (is_cut) {
        chip.on_cut();
        abort();
    }
}

/** What ESP-IDF does before it writes: CONFIG_SPI_FLASH_DANGEROUS_WRITE_ABORTS is its default. */
static void refuse_danger(uint32_t address, uint32_t length)
{
    bool is_app = chip.app_size != 0 && address < chip.app_address + chip.app_size
                  && address + length > chip.app_address;
    if (address < 0x9000 || is_app) {
        fprintf(stderr, "ESP-IDF panics: %u bytes at 0x%x\n", (unsigned) length, (unsigned) address);
        abort();
    }
}

static bool is_past_end(uint32_t address, uint32_t length)
{
    return address > chip.size || length > chip.size - address;
}

esp_err_t esp_flash_get_size(esp_flash_t *which, uint32_t *size)
{
    if (which != NULL || chip.fault != ESP_OK) {
        return which != NULL ? ESP_ERR_INVALID_ARG : chip.fault;
    }
    *size = chip.size;
    return ESP_OK;
}

esp_err_t esp_flash_read(esp_flash_t *which, void *buffer, uint32_t address, uint32_t length)
{
    if (which != NULL || chip.fault != ESP_OK || is_past_end(address, length)) {
        return chip.fault != ESP_OK ? chip.fault : ESP_ERR_INVALID_ARG;
    }
    if ((uintptr_t) buffer % sizeof(uint32_t) != 0) {
        // It would work, and take a detour that costs time and memory.
        fprintf(stderr, "read into a buffer that DMA cannot use\n");
        abort();
    }
    chip.reads++;
    spend(READ_TIME);
    memcpy(buffer, chip.bytes + address, length);
    return ESP_OK;
}

esp_err_t esp_flash_write(esp_flash_t *which, const void *buffer, uint32_t address, uint32_t length)
{
    const uint8_t *bytes = buffer;
    refuse_danger(address, length);
    if (which != NULL || chip.fault != ESP_OK || is_past_end(address, length)) {
        return chip.fault != ESP_OK ? chip.fault : ESP_ERR_INVALID_ARG;
    }
    while (length != 0) {
        uint8_t after[PAGE_SIZE];
        uint32_t count = PAGE_SIZE - address % PAGE_SIZE;
        if (count > length) {
            count = length;
        }
        bool is_erased = true;
        for (uint32_t i = 0; i < count; i++) {
            after[i] = (uint8_t) (chip.bytes[address + i] & bytes[i]);
            is_erased = is_erased && bytes[i] == 0xff;
        }
        // Nothing but 0xff changes nothing: there is nothing to cut.
        if (!is_erased) {
            operate(address, after, count);
        }
        spend(PROGRAM_TIME);
        address += count;
        bytes += count;
        length -= count;
    }
    return ESP_OK;
}

esp_err_t esp_flash_erase_region(esp_flash_t *which, uint32_t start, uint32_t length)
{
    uint8_t erased[SECTOR_SIZE];
    memset(erased, 0xff, sizeof(erased));
    refuse_danger(start, length);
    if (which != NULL || chip.fault != ESP_OK || is_past_end(start, length) || start % SECTOR_SIZE != 0
            || length % SECTOR_SIZE != 0) {
        return chip.fault != ESP_OK ? chip.fault : ESP_ERR_INVALID_ARG;
    }
    for (uint32_t at = 0; at < length; at += SECTOR_SIZE) {
        operate(start + at, erased, SECTOR_SIZE);
        spend(ERASE_TIME);
        // ESP-IDF lets other tasks run while it waits (CONFIG_SPI_FLASH_YIELD_DURING_ERASE).
        s_idle = chip.now;
    }
    return ESP_OK;
}

bool esp_flash_encryption_enabled(void)
{
    return chip.is_encrypted;
}

const char *esp_err_to_name(esp_err_t code)
{
    return code == ESP_FAIL ? "ESP_FAIL" : code == ESP_ERR_INVALID_ARG ? "ESP_ERR_INVALID_ARG" : "ESP_ERR";
}

void chip_log(const char *tag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", tag);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    chip.logged++;
}

const esp_partition_t *esp_ota_get_running_partition(void)
{
    static esp_partition_t app;
    app.address = chip.app_address;
    app.size = chip.app_size;
    return app.size != 0 ? &app : NULL;
}

TickType_t xTaskGetTickCount(void)
{
    return chip.now / TICK;
}

void vTaskDelay(TickType_t ticks)
{
    spend(ticks * TICK);
    s_idle = chip.now;
}

esp_err_t esp_task_wdt_status(TaskHandle_t task)
{
    return task == NULL && chip.is_watched ? ESP_OK : ESP_ERR_NOT_FOUND;
}

esp_err_t esp_task_wdt_reset(void)
{
    chip.feeds++;
    return ESP_OK;
}

/** CRC-32 as in zip (IEEE 802.3), bit by bit. */
uint32_t esp_rom_crc32_le(uint32_t crc, const uint8_t *bytes, uint32_t length)
{
    crc = ~crc;
    for (uint32_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

// SHA-256, after FIPS 180-4

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32u - bits);
}

/** The first 32 bits of what a root has behind its point. */
static uint32_t fraction(double root)
{
    return (uint32_t) ((root - floor(root)) * 4294967296.0);
}

/** The constants are made of the roots of the first primes. */
static void constants(uint32_t k[64], uint32_t state[8])
{
    unsigned count = 0;
    for (unsigned number = 2; count < 64; number++) {
        bool is_prime = true;
        for (unsigned factor = 2; factor * factor <= number; factor++) {
            is_prime = is_prime && number % factor != 0;
        }
        if (is_prime) {
            if (count < 8) {
                state[count] = fraction(sqrt(number));
            }
            k[count++] = fraction(cbrt(number));
        }
    }
}

static void hash_block(const uint32_t k[64], uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64];
    uint32_t v[8];
    for (unsigned i = 0; i < 16; i++) {
        w[i] = (uint32_t) block[4 * i] << 24 | (uint32_t) block[4 * i + 1] << 16 | (uint32_t) block[4 * i + 2] << 8
               | block[4 * i + 3];
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t early = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t late = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + early + w[i - 7] + late;
    }
    memcpy(v, state, sizeof(v));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t upper = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t first = v[7] + upper + choice + k[i] + w[i];
        uint32_t lower = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += first;
        v[0] = first + lower + majority;
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

const mbedtls_md_info_t *mbedtls_md_info_from_type(mbedtls_md_type_t type)
{
    static const char info = 0;
    return type == MBEDTLS_MD_SHA256 ? (const mbedtls_md_info_t *) (const void *) &info : NULL;
}

int mbedtls_md(const mbedtls_md_info_t *info, const unsigned char *bytes, size_t length, unsigned char *hash)
{
    uint32_t k[64];
    uint32_t state[8];
    if (info == NULL || chip.hash_fault != 0) {
        return info == NULL ? -0x5100 : chip.hash_fault;
    }
    constants(k, state);
    // Behind the bytes come a bit, zeros, and how many bits they are.
    for (size_t at = 0; at < length + 9; at += 64) {
        uint8_t block[64] = {0};
        for (size_t i = 0; i < 64; i++) {
            if (at + i < length) {
                block[i] = bytes[at + i];
            } else if (at + i == length) {
                block[i] = 0x80;
            }
        }
        if (at + 64 >= length + 9) {
            for (unsigned i = 0; i < 8; i++) {
                block[63 - i] = (uint8_t) ((uint64_t) length * 8 >> 8 * i);
            }
        }
        hash_block(k, state, block);
    }
    for (unsigned i = 0; i < 32; i++) {
        hash[i] = (uint8_t) (state[i / 4] >> 8 * (3 - i % 4));
    }
    return 0;
}
