/*
 * The seam of esp-part-ota over ESP-IDF, for JerryScript 3.0: what device/runtime.ts and device/http/seam.ts ask for.
 *
 * Bytes are strings with one character per byte, codes 0 to 255. JerryScript keeps strings as CESU-8: codes 128 to 255
 * take two bytes there, 0 takes one like any other. Both ways of the conversion are here.
 *
 * Whatever comes from JavaScript is checked before ESP-IDF sees it: ESP-IDF answers writes to bootloader, partition
 * table or running app with abort() (CONFIG_SPI_FLASH_DANGEROUS_WRITE_ABORTS), which no script can catch.
 */
#include "part_ota.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdkconfig.h"

#include "esp_err.h"
#include "esp_flash.h"
#include "esp_flash_encrypt.h"
#include "esp_idf_version.h"
#include "esp_log.h"
#include "esp_ota_ops.h"
#include "esp_partition.h"
#include "esp_rom_crc.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "mbedtls/md.h"

// ESP-IDF 4 always has it. ESP-IDF 5 leaves it out where it is not enabled.
#if ESP_IDF_VERSION_MAJOR < 5 || defined(CONFIG_ESP_TASK_WDT_EN) || defined(CONFIG_ESP_TASK_WDT_INIT)
#define HAS_TASK_WDT 1
#include "esp_task_wdt.h"
#else
#define HAS_TASK_WDT 0
#endif

/** Bytes of the smallest unit that a flash chip can erase, and the most that the library handles at once. */
#define SECTOR 4096u
/** Bytes of flash that the partition table has for itself (ESP_PARTITION_TABLE_MAX_LEN, rounded up to a sector). */
#define TABLE_SIZE 0x1000u
/** Bytes of a SHA-256. */
#define HASH_SIZE 32u
/** Milliseconds after which the tasks of lower priority get a tick: IDLE feeds the watchdog, too. */
#define YIELD_MS 500u
/** More than JerryScript 3.0 adds to the bytes of a string. */
#define STRING_HEADER 32u

#define WORD sizeof(uint32_t)

static const char *TAG = "part_ota";

/**
 * A sector as CESU-8, at its largest. As words, so that ESP-IDF reads into it without a copy; static, so that putting
 * old content back never fails for want of memory.
 */
static uint32_t s_words[2u * SECTOR / WORD];
#define SCRATCH ((uint8_t *) s_words)
/** Where bytes lie that are still to become CESU-8, which then grows from the start. */
#define UPPER (SCRATCH + SECTOR)

/** How often the buffer was taken: a getter that a script has put into an array may take it in between. */
static unsigned s_uses;

/** Bytes of the flash chip, by the bootloader's image header. */
static uint32_t s_chip_size;
/** Where the running app lies; its size is 0 if it is not known. */
static uint32_t s_app_address;
static uint32_t s_app_size;

static TickType_t s_yielded;

/** Throws an error of the library's form: the message begins with the code, which is a property, too. */
__attribute__((format(printf, 2, 3))) static jerry_value_t fail(const char *code, const char *format, ...)
{
    char message[128];
    int length = snprintf(message, sizeof(message), "%s ", code);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + length, sizeof(message) - (size_t) length, format, arguments);
    va_end(arguments);

    jerry_value_t error = jerry_error_sz(JERRY_ERROR_COMMON, message);
    jerry_value_t property = jerry_string_sz(code);
    jerry_value_free(jerry_object_set_sz(error, "code", property));
    jerry_value_free(property);
    return jerry_throw_value(error, true);
}

/**
 * Fails unless JerryScript's heap has room for a string of so many bytes of CESU-8: the engine itself would end the
 * firmware. *error is the exception then.
 */
static bool has_heap(const char *name, size_t size, jerry_value_t *error)
{
    jerry_size_t wanted = (jerry_size_t) (size + STRING_HEADER);
    void *block = size < UINT32_MAX - STRING_HEADER ? jerry_heap_alloc(wanted) : NULL;
    if (block == NULL) {
        *error = fail("E_MEMORY", "%s: JerryScript's heap has no %u bytes", name, (unsigned) size);
        return false;
    }
    jerry_heap_free(block, wanted);
    return true;
}

/** @return an argument, undefined if it is missing. It is borrowed: not to be freed. */
static jerry_value_t argument(const jerry_value_t arguments[], jerry_length_t count, jerry_length_t i)
{
    return i < count ? arguments[i] : jerry_undefined();
}

/** Takes a whole number from 0 to `most`. *error is an exception if it is none. */
static bool get_number(const char *name, jerry_value_t value, uint32_t most, uint32_t *number, jerry_value_t *error)
{
    double found = jerry_value_is_number(value) ? jerry_value_as_number(value) : -1.0;
    // Not a number is not above or equal to anything.
    if (found >= 0.0 && found <= (double) most) {
        *number = (uint32_t) found;
        if ((double) *number >= found) {
            return true;
        }
    }
    *error = fail("E_ARGUMENT", "%s: not a whole number from 0 to %" PRIu32, name, most);
    return false;
}

/**
 * Makes bytes of CESU-8, in place.
 * @param[in,out] length bytes of CESU-8, then bytes
 * @return false if a character is above 255
 */
static bool shrink(uint8_t *text, size_t *length)
{
    size_t to = 0;
    for (size_t from = 0; from < *length; from++, to++) {
        uint8_t byte = text[from];
        if (byte >= 0x80u) {
            // 128 to 255 begin with 0xc2 or 0xc3. Nothing else does.
            if ((byte & 0xfeu) != 0xc2u || ++from >= *length) {
                return false;
            }
            byte = (uint8_t) ((uint32_t) byte << 6 | (text[from] & 0x3fu));
        }
        text[to] = byte;
    }
    *length = to;
    return true;
}

/**
 * Makes CESU-8 of bytes. They may lie in the buffer that it goes to, from the `count`-th byte on or later: what is
 * written stays behind what is read.
 * @return bytes of CESU-8, at most twice as many
 */
static size_t grow(uint8_t *text, const uint8_t *bytes, size_t count)
{
    size_t to = 0;
    for (size_t from = 0; from < count; from++) {
        uint8_t byte = bytes[from];
        if (byte < 0x80u) {
            text[to++] = byte;
        } else {
            text[to++] = (uint8_t) (0xc0u | byte >> 6);
            text[to++] = (uint8_t) (0x80u | (byte & 0x3fu));
        }
    }
    return to;
}

/** @return a string of CESU-8, or an exception. */
static jerry_value_t make_text(const char *name, const uint8_t *text, size_t size)
{
    jerry_value_t error;
    if (!has_heap(name, size, &error)) {
        return error;
    }
    return jerry_string(text, (jerry_size_t) size, JERRY_ENCODING_CESU8);
}

/** @return a string of the first bytes of UPPER, or an exception. */
static jerry_value_t make_bytes(const char *name, size_t count)
{
    return make_text(name, SCRATCH, grow(SCRATCH, UPPER, count));
}

/** Puts the bytes of a string, at most a sector of them, into SCRATCH. *error is an exception if it is none. */
static bool get_bytes(const char *name, jerry_value_t value, uint32_t *count, jerry_value_t *error)
{
    s_uses++;
    if (!jerry_value_is_string(value)) {
        *error = fail("E_ARGUMENT", "%s: data: not a string", name);
        return false;
    }
    jerry_length_t length = jerry_string_length(value);
    if (length > SECTOR) {
        *error = fail("E_ARGUMENT", "%s: data: %" PRIu32 " bytes, limit %u", name, (uint32_t) length, SECTOR);
        return false;
    }
    size_t size = jerry_string_size(value, JERRY_ENCODING_CESU8);
    // What has more than two bytes for each character has one above 255, maybe where the buffer ends.
    if (size <= 2u * SECTOR) {
        size = jerry_string_to_buffer(value, JERRY_ENCODING_CESU8, SCRATCH, 2u * SECTOR);
        if (shrink(SCRATCH, &size)) {
            *count = (uint32_t) size;
            return true;
        }
    }
    *error = fail("E_ARGUMENT", "%s: data: a character above 255", name);
    return false;
}

/** Tells the watchdog that the task is alive, and lets others run from time to time. */
static void feed(void)
{
#if HAS_TASK_WDT
    // Where the task is not watched, to feed would log an error.
    if (esp_task_wdt_status(NULL) == ESP_OK) {
        esp_task_wdt_reset();
    }
#endif
    if (xTaskGetTickCount() - s_yielded >= pdMS_TO_TICKS(YIELD_MS)) {
        vTaskDelay(1);
        s_yielded = xTaskGetTickCount();
    }
}

/** read(address, length): past the end of the chip it reads zeros. */
static jerry_value_t flash_read(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                const jerry_length_t count)
{
    (void) info;
    uint32_t address;
    uint32_t length;
    jerry_value_t error;
    if (!get_number("read: address", argument(arguments, count, 0), UINT32_MAX, &address, &error)
            || !get_number("read: length", argument(arguments, count, 1), SECTOR, &length, &error)) {
        return error;
    }
    feed();
    s_uses++;
    uint32_t there = address < s_chip_size ? s_chip_size - address : 0u;
    if (there > length) {
        there = length;
    }
    memset(UPPER + there, 0, length - there);
    if (there != 0) {
        esp_err_t result = esp_flash_read(NULL, UPPER, address, there);
        if (result != ESP_OK) {
            return fail("E_FLASH", "read: address 0x%" PRIx32 ": %s", address, esp_err_to_name(result));
        }
    }
    return make_bytes("read", length);
}

/** Fails unless bytes lie on the chip, behind the partition table, and not in the running app. */
static bool is_writable(const char *name, uint32_t address, uint32_t length, jerry_value_t *error)
{
    const uint32_t first = CONFIG_PARTITION_TABLE_OFFSET + TABLE_SIZE;
    const char *why = NULL;
    if (address < first) {
        why = "is for booting";
    } else if (address > s_chip_size || length > s_chip_size - address) {
        why = "is past the end of the chip";
    } else if (address < s_app_address + s_app_size && address + length > s_app_address) {
        why = "is in the running app";
    }
    if (why != NULL) {
        *error = fail("E_FORBIDDEN", "%s: address 0x%" PRIx32 " %s", name, address, why);
    }
    return why == NULL;
}

/**
 * What the chip makes of an erase or program. A failure is not thrown: the library reads back, tries once more, and
 * then throws E_FLASH.
 */
static void report(const char *name, uint32_t address, esp_err_t result)
{
    if (result != ESP_OK) {
        ESP_LOGE(TAG, "%s: address 0x%" PRIx32 ": %s", name, address, esp_err_to_name(result));
    }
}

/** program(data, address) */
static jerry_value_t flash_program(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                   const jerry_length_t count)
{
    (void) info;
    uint32_t address;
    uint32_t length;
    jerry_value_t error;
    if (!get_number("program: address", argument(arguments, count, 1), UINT32_MAX, &address, &error)
            || !get_bytes("program", argument(arguments, count, 0), &length, &error)
            || !is_writable("program", address, length, &error)) {
        return error;
    }
    if (address % WORD != 0 || length % WORD != 0) {
        return fail("E_ARGUMENT", "program: %" PRIu32 " bytes at 0x%" PRIx32 ", not whole words", length, address);
    }
    if (length != 0) {
        report("program", address, esp_flash_write(NULL, SCRATCH, address, length));
    }
    return jerry_undefined();
}

/** erase(address): one sector. */
static jerry_value_t flash_erase(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                 const jerry_length_t count)
{
    (void) info;
    uint32_t address;
    jerry_value_t error;
    if (!get_number("erase: address", argument(arguments, count, 0), UINT32_MAX, &address, &error)
            || !is_writable("erase", address, SECTOR, &error)) {
        return error;
    }
    if (address % SECTOR != 0) {
        return fail("E_ARGUMENT", "erase: address 0x%" PRIx32 ", not the start of a sector", address);
    }
    report("erase", address, esp_flash_erase_region(NULL, address, SECTOR));
    return jerry_undefined();
}

/** fill(value, length) */
static jerry_value_t fill(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    uint32_t value;
    uint32_t length;
    jerry_value_t error;
    if (!get_number("fill: value", argument(arguments, count, 0), UINT8_MAX, &value, &error)
            || !get_number("fill: length", argument(arguments, count, 1), SECTOR, &length, &error)) {
        return error;
    }
    s_uses++;
    memset(UPPER, (int) value, length);
    return make_bytes("fill", length);
}

/** pack(words): an array of numbers; what is missing is 0. */
static jerry_value_t pack(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    jerry_value_t words = argument(arguments, count, 0);
    if (!jerry_value_is_array(words)) {
        return fail("E_ARGUMENT", "pack: not an array");
    }
    uint32_t length = jerry_array_length(words);
    if (length > SECTOR / WORD) {
        return fail("E_ARGUMENT", "pack: %" PRIu32 " words, limit %u", length, (unsigned) (SECTOR / WORD));
    }
    unsigned use = ++s_uses;
    for (uint32_t i = 0; i < length; i++) {
        jerry_value_t value = jerry_object_get_index(words, i);
        bool is_number = jerry_value_is_number(value);
        if (!is_number && !jerry_value_is_undefined(value)) {
            if (jerry_value_is_exception(value)) {
                return value;
            }
            jerry_value_free(value);
            return fail("E_ARGUMENT", "pack: element %" PRIu32 ": not a number", i);
        }
        uint32_t word = is_number ? jerry_value_as_uint32(value) : 0u;
        jerry_value_free(value);
        for (unsigned byte = 0; byte < WORD; byte++) {
            UPPER[WORD * i + byte] = (uint8_t) (word >> 8 * byte);
        }
    }
    if (use != s_uses) {
        return fail("E_STATE", "pack: a getter has used the runtime");
    }
    return make_bytes("pack", WORD * length);
}

/** unpack(bytes): a Uint32Array. */
static jerry_value_t unpack(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    uint32_t length;
    jerry_value_t error;
    if (!get_bytes("unpack", argument(arguments, count, 0), &length, &error)) {
        return error;
    }
    if (length % WORD != 0) {
        return fail("E_ARGUMENT", "unpack: %" PRIu32 " bytes, not whole words", length);
    }
    for (uint32_t at = 0; at < length; at += (uint32_t) WORD) {
        s_words[at / WORD] = (uint32_t) SCRATCH[at] | (uint32_t) SCRATCH[at + 1] << 8
                             | (uint32_t) SCRATCH[at + 2] << 16 | (uint32_t) SCRATCH[at + 3] << 24;
    }
    // If it is an exception, nothing can be written to it.
    jerry_value_t buffer = jerry_arraybuffer(length);
    if (jerry_arraybuffer_write(buffer, 0, SCRATCH, length) != length) {
        jerry_value_free(buffer);
        return fail("E_MEMORY", "unpack: no memory for %" PRIu32 " bytes", length);
    }
    // jerry_typedarray_with_buffer() of JerryScript 3.0 takes bytes for elements, and throws.
    jerry_value_t array = jerry_typedarray_with_buffer_span(JERRY_TYPEDARRAY_UINT32, buffer, 0,
                                                            length / (uint32_t) WORD);
    jerry_value_free(buffer);
    return array;
}

/**
 * Adds up the bytes that the strings of an array have as CESU-8; with a buffer, copies them there.
 * @param room bytes of the buffer, or the most that there may be
 */
static bool gather(jerry_value_t pieces, uint8_t *text, size_t room, size_t *total, jerry_value_t *error)
{
    *total = 0;
    for (uint32_t i = 0; i < jerry_array_length(pieces); i++) {
        jerry_value_t piece = jerry_object_get_index(pieces, i);
        if (jerry_value_is_exception(piece)) {
            *error = piece;
            return false;
        }
        bool is_string = jerry_value_is_string(piece);
        size_t size = jerry_string_size(piece, JERRY_ENCODING_CESU8);
        // A getter may return something longer the second time.
        bool fits = size <= room - *total;
        if (is_string && fits && size != 0 && text != NULL) {
            jerry_string_to_buffer(piece, JERRY_ENCODING_CESU8, text + *total, (jerry_size_t) size);
        }
        jerry_value_free(piece);
        if (!is_string) {
            *error = fail("E_ARGUMENT", "join: element %" PRIu32 ": not a string", i);
            return false;
        }
        if (!fits) {
            *error = fail("E_MEMORY", "join: over %u bytes", (unsigned) room);
            return false;
        }
        *total += size;
    }
    return true;
}

/** @return a buffer: SCRATCH if that is large enough. To be freed by free_buffer(). */
static uint8_t *get_buffer(size_t size)
{
    s_uses++;
    return size <= 2u * SECTOR ? SCRATCH : malloc(size);
}

static void free_buffer(uint8_t *buffer)
{
    if (buffer != SCRATCH) {
        free(buffer);
    }
}

/** join(pieces): of any length. */
static jerry_value_t join(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    jerry_value_t pieces = argument(arguments, count, 0);
    jerry_value_t error;
    size_t size;
    size_t copied;
    if (!jerry_value_is_array(pieces)) {
        return fail("E_ARGUMENT", "join: not an array");
    }
    if (!gather(pieces, NULL, UINT32_MAX / 2u, &size, &error)) {
        return error;
    }
    uint8_t *text = get_buffer(size);
    if (text == NULL) {
        return fail("E_MEMORY", "join: no memory for %u bytes", (unsigned) size);
    }
    unsigned use = s_uses;
    jerry_value_t result;
    if (!gather(pieces, text, size, &copied, &error)) {
        result = error;
    } else if (copied != size || use != s_uses) {
        result = fail("E_STATE", "join: the pieces have changed meanwhile");
    } else {
        result = make_text("join", text, size);
    }
    free_buffer(text);
    return result;
}

/** Tells a string of bytes from one with characters above 255. */
static void check_byte(uint32_t byte, void *is_text)
{
    // Such characters begin with one of these, and nothing else has one.
    if (byte >= 0xc4u) {
        *(bool *) is_text = true;
    }
}

/** bytes(chunk): of any length; false of what is no chunk. */
static jerry_value_t bytes(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    jerry_value_t chunk = argument(arguments, count, 0);
    if (jerry_value_is_string(chunk)) {
        bool is_text = false;
        jerry_string_iterate(chunk, JERRY_ENCODING_CESU8, check_byte, &is_text);
        return is_text ? jerry_boolean(false) : jerry_value_copy(chunk);
    }
    jerry_length_t offset = 0;
    jerry_length_t length = 0;
    jerry_value_t buffer;
    if (jerry_value_is_arraybuffer(chunk)) {
        length = jerry_arraybuffer_size(chunk);
        buffer = jerry_value_copy(chunk);
    } else if (jerry_value_is_typedarray(chunk) && jerry_typedarray_type(chunk) == JERRY_TYPEDARRAY_UINT8) {
        buffer = jerry_typedarray_buffer(chunk, &offset, &length);
    } else {
        return jerry_boolean(false);
    }
    uint8_t *text = get_buffer(2u * (size_t) length);
    jerry_value_t result;
    if (text == NULL) {
        result = fail("E_MEMORY", "write: no memory for %" PRIu32 " bytes", (uint32_t) length);
    } else if (jerry_arraybuffer_read(buffer, offset, text + length, length) != length) {
        result = fail("E_ARGUMENT", "write: the array has lost its memory");
    } else {
        result = make_text("write", text, grow(text, text + length, length));
    }
    free_buffer(text);
    jerry_value_free(buffer);
    return result;
}

/** crc32(data) */
static jerry_value_t crc32(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    uint32_t length;
    jerry_value_t error;
    if (!get_bytes("crc32", argument(arguments, count, 0), &length, &error)) {
        return error;
    }
    // It inverts its register before and after.
    return jerry_number((double) esp_rom_crc32_le(0, SCRATCH, length));
}

/** sha256(data): 32 bytes. */
static jerry_value_t sha256(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    uint32_t length;
    jerry_value_t error;
    if (!get_bytes("sha256", argument(arguments, count, 0), &length, &error)) {
        return error;
    }
    uint8_t hash[HASH_SIZE];
    // This one has the same form in mbedTLS 2 (ESP-IDF 4) and 3 (ESP-IDF 5).
    int result = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), SCRATCH, length, hash);
    if (result != 0) {
        return fail("E_MEMORY", "sha256: mbedTLS says -0x%x", (unsigned) -result);
    }
    return make_text("sha256", SCRATCH, grow(SCRATCH, hash, HASH_SIZE));
}

/** running(): an address in the running app; 0 if it is not known. */
static jerry_value_t running(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    return jerry_number((double) s_app_address);
}

static const struct {
    const char *name;
    jerry_external_handler_t handler;
} FUNCTIONS[] = {
    {"read", flash_read}, {"program", flash_program}, {"erase", flash_erase}, {"fill", fill},
    {"pack", pack},       {"unpack", unpack},         {"join", join},         {"bytes", bytes},
    {"crc32", crc32},     {"sha256", sha256},         {"running", running},
};

jerry_value_t part_ota_runtime(void)
{
    if (esp_flash_encryption_enabled()) {
        return fail("E_FORBIDDEN", "flash: is encrypted, which is not supported");
    }
    esp_err_t result = esp_flash_get_size(NULL, &s_chip_size);
    if (result != ESP_OK) {
        return fail("E_FLASH", "flash: %s", esp_err_to_name(result));
    }
    const esp_partition_t *app = esp_ota_get_running_partition();
    s_app_address = app != NULL ? app->address : 0u;
    s_app_size = app != NULL ? app->size : 0u;
    s_yielded = xTaskGetTickCount();

    jerry_value_t runtime = jerry_object();
    for (size_t i = 0; i < sizeof(FUNCTIONS) / sizeof(FUNCTIONS[0]); i++) {
        jerry_value_t function = jerry_function_external(FUNCTIONS[i].handler);
        jerry_value_free(jerry_object_set_sz(runtime, FUNCTIONS[i].name, function));
        jerry_value_free(function);
    }
    // No partition is the engine's own. A firmware that keeps its scripts in one may set this to its address.
    jerry_value_t live = jerry_number(0.0);
    jerry_value_free(jerry_object_set_sz(runtime, "live", live));
    jerry_value_free(live);
    jerry_value_t table = jerry_number((double) CONFIG_PARTITION_TABLE_OFFSET);
    jerry_value_free(jerry_object_set_sz(runtime, "table", table));
    jerry_value_free(table);
    return runtime;
}
