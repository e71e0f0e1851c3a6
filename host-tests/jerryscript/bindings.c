/*
 * Calls each function of part_ota.c with good and hostile arguments, over the stand-ins for JerryScript and ESP-IDF.
 *
 * It prints how many checks it made. The exit code is 1 if one failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chip.h"
#include "engine.h"
#include "part_ota.h"
#include "sdkconfig.h"

#define CHIP_SIZE 0x100000u
#define APP 0x10000u
#define DATA 0x50000u
#define TABLE (CONFIG_PARTITION_TABLE_OFFSET + 0u)
#define TEXT_OF(number) #number
#define TEXT(macro) TEXT_OF(macro)

static unsigned s_checks;
static unsigned s_failures;

static jerry_value_t s_runtime;

static void check(bool holds, const char *what, int line)
{
    s_checks++;
    if (!holds) {
        s_failures++;
        printf("line %d: %s\n", line, what);
    }
}

#define CHECK(holds) check(holds, #holds, __LINE__)

// Values

/** @return a string of bytes, made here and not by part_ota.c. */
static jerry_value_t text_of(const uint8_t *bytes, uint32_t count)
{
    uint8_t *text = malloc(2 * (size_t) count + 1);
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (bytes[i] > 0x7f) {
            text[size++] = bytes[i] > 0xbf ? 0xc3 : 0xc2;
            text[size++] = (uint8_t) (0x80 + bytes[i] % 0x40);
        } else {
            text[size++] = bytes[i];
        }
    }
    jerry_value_t string = jerry_string(text, size, JERRY_ENCODING_CESU8);
    free(text);
    return string;
}

static jerry_value_t repeated(uint8_t byte, uint32_t count)
{
    uint8_t *bytes = malloc(count + 1);
    memset(bytes, byte, count + 1);
    jerry_value_t string = text_of(bytes, count);
    free(bytes);
    return string;
}

/** Bytes of each value, in no simple order. */
static void fill_bytes(uint8_t *bytes, uint32_t count, uint32_t seed)
{
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t) (seed >> 24);
    }
}

static bool is_same(jerry_value_t one, jerry_value_t other)
{
    uint32_t size = jerry_string_size(one, JERRY_ENCODING_CESU8);
    bool is_equal = jerry_value_is_string(one) && jerry_value_is_string(other)
                    && size == jerry_string_size(other, JERRY_ENCODING_CESU8);
    if (is_equal) {
        uint8_t *texts = malloc(2 * (size_t) size + 1);
        jerry_string_to_buffer(one, JERRY_ENCODING_CESU8, texts, size);
        jerry_string_to_buffer(other, JERRY_ENCODING_CESU8, texts + size, size);
        is_equal = memcmp(texts, texts + size, size) == 0;
        free(texts);
    }
    return is_equal;
}

// Calls

/** Calls a function of the runtime, and frees the arguments. */
static jerry_value_t call(const char *name, unsigned count, jerry_value_t first, jerry_value_t second)
{
    const jerry_value_t arguments[] = {first, second};
    jerry_value_t function = jerry_object_get_sz(s_runtime, name);
    jerry_value_t result = jerry_call(function, jerry_undefined(), arguments, count);
    jerry_value_free(function);
    jerry_value_free(first);
    jerry_value_free(second);
    return result;
}

static jerry_value_t call1(const char *name, jerry_value_t only)
{
    return call(name, 1, only, jerry_undefined());
}

/** Checks that a result is a string of these bytes. */
static void expect_bytes(jerry_value_t result, const uint8_t *bytes, uint32_t count, int line)
{
    jerry_value_t wanted = text_of(bytes, count);
    check(is_same(result, wanted), "the result is another", line);
    jerry_value_free(wanted);
    jerry_value_free(result);
}

#define BYTES(result, bytes, count) expect_bytes(result, bytes, count, __LINE__)

/** Checks that a result is an exception whose message begins so, and whose code is the first word of it. */
static void expect_error(jerry_value_t result, const char *message, int line)
{
    char found[160] = "no exception";
    char code[32] = "";
    if (jerry_value_is_exception(result)) {
        jerry_value_t error = jerry_exception_value(result, true);
        jerry_value_t text = jerry_object_get_sz(error, "message");
        jerry_value_t word = jerry_object_get_sz(error, "code");
        found[jerry_string_to_buffer(text, JERRY_ENCODING_CESU8, (uint8_t *) found, sizeof(found) - 1)] = 0;
        code[jerry_string_to_buffer(word, JERRY_ENCODING_CESU8, (uint8_t *) code, sizeof(code) - 1)] = 0;
        jerry_value_free(text);
        jerry_value_free(word);
        jerry_value_free(error);
    } else {
        jerry_value_free(result);
    }
    bool holds = strcmp(found, message) == 0 && strncmp(found, code, strlen(code)) == 0 && strlen(code) > 2;
    check(holds, message, line);
    if (!holds) {
        printf("    but: %s (%s)\n", found, code);
    }
}

#define ERROR(result, message) expect_error(result, message, __LINE__)

static void expect_undefined(jerry_value_t result, int line)
{
    check(jerry_value_is_undefined(result), "the result is not undefined", line);
    jerry_value_free(result);
}

#define DONE(result) expect_undefined(result, __LINE__)

static void expect_number(jerry_value_t result, double number, int line)
{
    double found = jerry_value_is_number(result) ? jerry_value_as_number(result) : -1.0;
    check(found >= number && found <= number, "the number is another", line);
    jerry_value_free(result);
}

#define NUMBER(result, number) expect_number(result, number, __LINE__)

static jerry_value_t num(double value)
{
    return jerry_number(value);
}

static const double NO_NUMBERS[] = {-1.0, 0.5, 4096.5, 4294967296.0, 1e300, -1e300};

static double infinite(void)
{
    return strtod("inf", NULL);
}

static double not_a_number(void)
{
    return strtod("nan", NULL);
}

#define NO_BYTES 8u

/** What is no string of bytes, by number. `message` is that of program(). */
static jerry_value_t no_bytes(unsigned which, const char **message)
{
    static const uint8_t above[] = {'a', 0xc4, 0x80};
    static const uint8_t surrogate[] = {0xed, 0xa0, 0x80};
    *message = which == 4   ? "E_ARGUMENT program: data: 4097 bytes, limit 4096"
               : which > 4 ? "E_ARGUMENT program: data: a character above 255"
                           : "E_ARGUMENT program: data: not a string";
    switch (which) {
    case 0:
        return jerry_undefined();
    case 1:
        return num(5);
    case 2:
        return jerry_array(3);
    case 3:
        return jerry_arraybuffer(8);
    case 4:
        return repeated(0xff, 4097);
    case 5:
        return jerry_string(above, sizeof(above), JERRY_ENCODING_CESU8);
    case 6: {
        // The last of 4096 characters is the one that is wrong.
        uint8_t *text = malloc(2 * 4095 + 3);
        for (unsigned i = 0; i < 4095; i++) {
            text[2 * i] = 0xc3;
            text[2 * i + 1] = 0xbf;
        }
        memcpy(text + 2 * 4095, surrogate, sizeof(surrogate));
        jerry_value_t string = jerry_string(text, 2 * 4095 + 3, JERRY_ENCODING_CESU8);
        free(text);
        return string;
    }
    default:
        return jerry_string(surrogate, sizeof(surrogate), JERRY_ENCODING_CESU8);
    }
}

// Tests

static void test_read(void)
{
    uint8_t zeros[8] = {0};
    fill_bytes(chip.bytes + DATA, SECTOR_SIZE, 1);
    chip.bytes[DATA + 5] = 0;
    BYTES(call("read", 2, num(DATA), num(SECTOR_SIZE)), chip.bytes + DATA, SECTOR_SIZE);
    BYTES(call("read", 2, num(DATA + 1), num(7)), chip.bytes + DATA + 1, 7);
    BYTES(call("read", 2, num(DATA), num(0)), zeros, 0);
    // Every byte twice at its longest.
    memset(chip.bytes + DATA, 0xff, SECTOR_SIZE);
    BYTES(call("read", 2, num(DATA), num(SECTOR_SIZE)), chip.bytes + DATA, SECTOR_SIZE);
    // Past the end there are zeros.
    memset(chip.bytes + CHIP_SIZE - 4, 0xaa, 4);
    const uint8_t end[8] = {0xaa, 0xaa, 0xaa, 0xaa};
    BYTES(call("read", 2, num(CHIP_SIZE - 4), num(8)), end, 8);
    BYTES(call("read", 2, num(CHIP_SIZE), num(8)), zeros, 8);
    BYTES(call("read", 2, num(4294967295.0), num(8)), zeros, 8);

    ERROR(call("read", 2, num(0), num(4097)), "E_ARGUMENT read: length: not a whole number from 0 to 4096");
    ERROR(call("read", 1, num(0), num(1)), "E_ARGUMENT read: length: not a whole number from 0 to 4096");
    ERROR(call("read", 0, num(0), num(1)), "E_ARGUMENT read: address: not a whole number from 0 to 4294967295");
    for (unsigned i = 0; i < sizeof(NO_NUMBERS) / sizeof(NO_NUMBERS[0]); i++) {
        ERROR(call("read", 2, num(0), num(NO_NUMBERS[i])),
              "E_ARGUMENT read: length: not a whole number from 0 to 4096");
        ERROR(call("read", 2, num(NO_NUMBERS[i]), num(1)),
              "E_ARGUMENT read: address: not a whole number from 0 to 4294967295");
    }
    ERROR(call("read", 2, num(0), num(infinite())), "E_ARGUMENT read: length: not a whole number from 0 to 4096");
    ERROR(call("read", 2, num(0), num(not_a_number())), "E_ARGUMENT read: length: not a whole number from 0 to 4096");
    ERROR(call("read", 2, jerry_string_sz("8"), num(1)),
          "E_ARGUMENT read: address: not a whole number from 0 to 4294967295");

    chip.fault = ESP_FAIL;
    ERROR(call("read", 2, num(DATA), num(1)), "E_FLASH read: address 0x50000: ESP_FAIL");
    chip.fault = ESP_OK;
}

static void test_program(void)
{
    uint8_t bytes[SECTOR_SIZE];
    const char *message;
    fill_bytes(bytes, sizeof(bytes), 2);
    memset(chip.bytes + DATA, 0xff, SECTOR_SIZE);
    unsigned operations = chip.operations;
    DONE(call("program", 2, text_of(bytes, SECTOR_SIZE), num(DATA)));
    CHECK(memcmp(chip.bytes + DATA, bytes, SECTOR_SIZE) == 0);
    CHECK(chip.operations - operations == SECTOR_SIZE / PAGE_SIZE);
    // It clears bits, and sets none.
    DONE(call("program", 2, repeated(0x0f, 8), num(DATA + 252)));
    for (unsigned i = 0; i < 8; i++) {
        CHECK(chip.bytes[DATA + 252 + i] == (bytes[252 + i] & 0x0f));
    }
    DONE(call("program", 2, repeated(0, 0), num(DATA)));

    operations = chip.operations;
    for (unsigned i = 0; i < NO_BYTES; i++) {
        jerry_value_t data = no_bytes(i, &message);
        ERROR(call("program", 2, data, num(DATA)), message);
    }
    ERROR(call("program", 2, repeated(1, 5), num(DATA)), "E_ARGUMENT program: 5 bytes at 0x50000, not whole words");
    ERROR(call("program", 2, repeated(1, 4), num(DATA + 2)),
          "E_ARGUMENT program: 4 bytes at 0x50002, not whole words");
    ERROR(call("program", 2, repeated(1, 4), num(0)), "E_FORBIDDEN program: address 0x0 is for booting");
    ERROR(call("program", 2, repeated(1, 4), num(0x8ffc)), "E_FORBIDDEN program: address 0x8ffc is for booting");
    ERROR(call("program", 2, repeated(1, 8), num(APP - 4)), "E_FORBIDDEN program: address 0xfffc is in the running app");
    ERROR(call("program", 2, repeated(1, 4), num(APP + 0x1fffc)),
          "E_FORBIDDEN program: address 0x2fffc is in the running app");
    ERROR(call("program", 2, repeated(1, 8), num(CHIP_SIZE - 4)),
          "E_FORBIDDEN program: address 0xffffc is past the end of the chip");
    ERROR(call("program", 2, repeated(1, 8), num(4294967292.0)),
          "E_FORBIDDEN program: address 0xfffffffc is past the end of the chip");
    ERROR(call("program", 2, repeated(1, 4), num(-4)),
          "E_ARGUMENT program: address: not a whole number from 0 to 4294967295");
    ERROR(call("program", 1, repeated(1, 4), num(DATA)),
          "E_ARGUMENT program: address: not a whole number from 0 to 4294967295");
    CHECK(chip.operations == operations);

    // At the very edges it is allowed.
    DONE(call("program", 2, repeated(1, 4), num(TABLE + SECTOR_SIZE)));
    DONE(call("program", 2, repeated(1, 4), num(APP - 4)));
    DONE(call("program", 2, repeated(1, 4), num(APP + 0x20000)));
    DONE(call("program", 2, repeated(1, 4), num(CHIP_SIZE - 4)));

    // The library finds out by reading back.
    chip.fault = ESP_FAIL;
    unsigned logged = chip.logged;
    DONE(call("program", 2, repeated(1, 4), num(DATA)));
    CHECK(chip.logged == logged + 1);
    chip.fault = ESP_OK;
}

static void test_erase(void)
{
    memset(chip.bytes + DATA - SECTOR_SIZE, 0, 3 * SECTOR_SIZE);
    DONE(call1("erase", num(DATA)));
    CHECK(chip.bytes[DATA - 1] == 0 && chip.bytes[DATA] == 0xff);
    CHECK(chip.bytes[DATA + SECTOR_SIZE - 1] == 0xff && chip.bytes[DATA + SECTOR_SIZE] == 0);

    unsigned operations = chip.operations;
    ERROR(call1("erase", num(DATA + 1)), "E_ARGUMENT erase: address 0x50001, not the start of a sector");
    ERROR(call1("erase", num(TABLE)), "E_FORBIDDEN erase: address " TEXT(CONFIG_PARTITION_TABLE_OFFSET) " is for booting");
    ERROR(call1("erase", num(0)), "E_FORBIDDEN erase: address 0x0 is for booting");
    ERROR(call1("erase", num(APP)), "E_FORBIDDEN erase: address 0x10000 is in the running app");
    ERROR(call1("erase", num(APP + 0x1f000)), "E_FORBIDDEN erase: address 0x2f000 is in the running app");
    ERROR(call1("erase", num(CHIP_SIZE)), "E_FORBIDDEN erase: address 0x100000 is past the end of the chip");
    ERROR(call1("erase", num(4294963200.0)), "E_FORBIDDEN erase: address 0xfffff000 is past the end of the chip");
    ERROR(call1("erase", jerry_undefined()), "E_ARGUMENT erase: address: not a whole number from 0 to 4294967295");
    ERROR(call("erase", 0, num(0), num(0)), "E_ARGUMENT erase: address: not a whole number from 0 to 4294967295");
    ERROR(call1("erase", num(not_a_number())), "E_ARGUMENT erase: address: not a whole number from 0 to 4294967295");
    CHECK(chip.operations == operations);
    DONE(call1("erase", num(TABLE + SECTOR_SIZE)));
    DONE(call1("erase", num(CHIP_SIZE - SECTOR_SIZE)));

    chip.fault = ESP_FAIL;
    unsigned logged = chip.logged;
    DONE(call1("erase", num(DATA)));
    CHECK(chip.logged == logged + 1);
    chip.fault = ESP_OK;
}

static void test_fill(void)
{
    uint8_t bytes[SECTOR_SIZE];
    for (unsigned value = 0; value < 256; value += 51) {
        memset(bytes, (int) value, sizeof(bytes));
        BYTES(call("fill", 2, num(value), num(SECTOR_SIZE)), bytes, SECTOR_SIZE);
    }
    BYTES(call("fill", 2, num(255), num(1)), bytes, 1);
    BYTES(call("fill", 2, num(255), num(0)), bytes, 0);
    ERROR(call("fill", 2, num(256), num(1)), "E_ARGUMENT fill: value: not a whole number from 0 to 255");
    ERROR(call("fill", 2, num(-1), num(1)), "E_ARGUMENT fill: value: not a whole number from 0 to 255");
    ERROR(call("fill", 2, num(1), num(4097)), "E_ARGUMENT fill: length: not a whole number from 0 to 4096");
    ERROR(call("fill", 2, num(1), num(-1)), "E_ARGUMENT fill: length: not a whole number from 0 to 4096");
}

static jerry_value_t list_of(const double *numbers, uint32_t count)
{
    jerry_value_t list = jerry_array(count);
    for (uint32_t i = 0; i < count; i++) {
        jerry_value_t number = num(numbers[i]);
        jerry_value_free(jerry_object_set_index(list, i, number));
        jerry_value_free(number);
    }
    return list;
}

static jerry_value_t throw_something(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                     const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    jerry_value_t error = jerry_error_sz(JERRY_ERROR_COMMON, "E_GETTER thrown");
    jerry_value_t code = jerry_string_sz("E_GETTER");
    jerry_value_free(jerry_object_set_sz(error, "code", code));
    jerry_value_free(code);
    return jerry_throw_value(error, true);
}

static jerry_value_t use_the_buffer(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                    const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    jerry_value_free(call("fill", 2, num(0xee), num(SECTOR_SIZE)));
    return num(7);
}

static void test_pack(void)
{
    const double words[] = {1.0, -1.0, 4294967295.0, 2147483648.0, -2147483648.0, 4294967296.0, 67305985.0};
    const uint8_t bytes[] = {1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0,
                             0, 128, 0, 0, 0, 128, 0, 0, 0, 0, 1, 2, 3, 4};
    BYTES(call1("pack", list_of(words, 7)), bytes, 28);
    const uint8_t zeros[12] = {0};
    // What is missing, undefined, or no number that a word can be.
    BYTES(call1("pack", jerry_array(3)), zeros, 12);
    const double odd[] = {not_a_number(), infinite()};
    BYTES(call1("pack", list_of(odd, 2)), zeros, 8);
    BYTES(call1("pack", jerry_array(0)), zeros, 0);
    uint8_t sector[SECTOR_SIZE] = {0};
    BYTES(call1("pack", jerry_array(1024)), sector, SECTOR_SIZE);

    ERROR(call1("pack", jerry_array(1025)), "E_ARGUMENT pack: 1025 words, limit 1024");
    ERROR(call1("pack", num(1)), "E_ARGUMENT pack: not an array");
    ERROR(call("pack", 0, num(1), num(1)), "E_ARGUMENT pack: not an array");
    jerry_value_t list = jerry_array(2);
    jerry_value_t word = jerry_string_sz("1");
    jerry_value_free(jerry_object_set_index(list, 1, word));
    jerry_value_free(word);
    ERROR(call1("pack", list), "E_ARGUMENT pack: element 1: not a number");
    list = jerry_array(2);
    engine_set_getter(list, 1, throw_something);
    ERROR(call1("pack", list), "E_GETTER thrown");
    list = jerry_array(2);
    engine_set_getter(list, 0, use_the_buffer);
    ERROR(call1("pack", list), "E_STATE pack: a getter has used the runtime");
}

static void test_unpack(void)
{
    uint8_t bytes[SECTOR_SIZE];
    uint32_t words[SECTOR_SIZE / 4];
    fill_bytes(bytes, sizeof(bytes), 3);
    jerry_value_t array = call1("unpack", text_of(bytes, SECTOR_SIZE));
    CHECK(jerry_value_is_typedarray(array) && jerry_typedarray_type(array) == JERRY_TYPEDARRAY_UINT32);
    jerry_size_t offset = 0;
    jerry_size_t length = 0;
    jerry_value_t buffer = jerry_typedarray_buffer(array, &offset, &length);
    CHECK(offset == 0 && length == SECTOR_SIZE);
    CHECK(jerry_arraybuffer_read(buffer, 0, (uint8_t *) words, sizeof(words)) == sizeof(words));
    for (unsigned i = 0; i < SECTOR_SIZE / 4; i++) {
        uint32_t word = 0;
        for (unsigned byte = 4; byte-- > 0;) {
            word = word << 8 | bytes[4 * i + byte];
        }
        if (words[i] != word) {
            CHECK(words[i] == word);
        }
    }
    jerry_value_free(buffer);
    jerry_value_free(array);
    jerry_value_free(call1("unpack", repeated(1, 0)));
    ERROR(call1("unpack", repeated(1, 6)), "E_ARGUMENT unpack: 6 bytes, not whole words");
    ERROR(call1("unpack", repeated(1, 4100)), "E_ARGUMENT unpack: data: 4100 bytes, limit 4096");
    ERROR(call1("unpack", num(1)), "E_ARGUMENT unpack: data: not a string");
    engine_limit_heap(100);
    ERROR(call1("unpack", repeated(1, 400)), "E_MEMORY unpack: no memory for 400 bytes");
    engine_limit_heap(UINT32_MAX);
}

/** How often the getter was asked: its string grows with that. */
static unsigned s_asked;

static jerry_value_t grow_each_time(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                    const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    return repeated(0xcc, 3000 * ++s_asked);
}

static jerry_value_t shrink_each_time(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                      const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    return repeated(0xcc, 3000 / ++s_asked);
}

static jerry_value_t use_the_buffer_for_text(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                             const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    return call("fill", 2, num(0xee), num(16));
}

static void test_join(void)
{
    uint8_t bytes[5 * SECTOR_SIZE];
    fill_bytes(bytes, sizeof(bytes), 4);
    const uint32_t ends[] = {0, 1, 1, 537, 1072, 4096, sizeof(bytes)};
    for (unsigned count = 0; count <= 6; count++) {
        jerry_value_t pieces = jerry_array(count);
        for (unsigned i = 0; i < count; i++) {
            jerry_value_t piece = text_of(bytes + ends[i], ends[i + 1] - ends[i]);
            jerry_value_free(jerry_object_set_index(pieces, i, piece));
            jerry_value_free(piece);
        }
        BYTES(call1("join", pieces), bytes, ends[count]);
    }
    ERROR(call1("join", num(1)), "E_ARGUMENT join: not an array");
    ERROR(call1("join", repeated(1, 4)), "E_ARGUMENT join: not an array");
    ERROR(call1("join", jerry_array(2)), "E_ARGUMENT join: element 0: not a string");
    jerry_value_t pieces = jerry_array(1);
    engine_set_getter(pieces, 0, throw_something);
    ERROR(call1("join", pieces), "E_GETTER thrown");
    // A getter that lies about the length.
    for (unsigned first = 0; first < 4; first++) {
        s_asked = first;
        pieces = jerry_array(1);
        engine_set_getter(pieces, 0, grow_each_time);
        char message[80];
        snprintf(message, sizeof(message), "E_MEMORY join: over %u bytes", 6000 * (first + 1));
        ERROR(call1("join", pieces), message);
    }
    s_asked = 0;
    pieces = jerry_array(1);
    engine_set_getter(pieces, 0, shrink_each_time);
    ERROR(call1("join", pieces), "E_STATE join: the pieces have changed meanwhile");
    pieces = jerry_array(1);
    engine_set_getter(pieces, 0, use_the_buffer_for_text);
    ERROR(call1("join", pieces), "E_STATE join: the pieces have changed meanwhile");
}

/** @return a view of an ArrayBuffer with some bytes. */
static jerry_value_t view_of(const uint8_t *bytes, uint32_t total, uint32_t offset, uint32_t count,
                             jerry_typedarray_type_t type)
{
    jerry_value_t buffer = jerry_arraybuffer(total);
    jerry_arraybuffer_write(buffer, 0, bytes, total);
    jerry_value_t view = jerry_typedarray_with_buffer_span(type, buffer, offset, count);
    jerry_value_free(buffer);
    return view;
}

static void test_bytes(void)
{
    uint8_t bytes[3 * SECTOR_SIZE];
    const char *message;
    fill_bytes(bytes, sizeof(bytes), 5);
    const uint32_t lengths[] = {0, 1, 536, SECTOR_SIZE, SECTOR_SIZE + 1, sizeof(bytes)};
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        BYTES(call1("bytes", text_of(bytes, lengths[i])), bytes, lengths[i]);
        BYTES(call1("bytes", view_of(bytes, lengths[i], 0, lengths[i], JERRY_TYPEDARRAY_UINT8)), bytes, lengths[i]);
        jerry_value_t buffer = jerry_arraybuffer(lengths[i]);
        jerry_arraybuffer_write(buffer, 0, bytes, lengths[i]);
        BYTES(call1("bytes", buffer), bytes, lengths[i]);
    }
    BYTES(call1("bytes", view_of(bytes, 1000, 3, 500, JERRY_TYPEDARRAY_UINT8)), bytes + 3, 500);
    for (unsigned i = 0; i <= NO_BYTES; i++) {
        // A string that is too long for the others is none for this one.
        if (i == 3 || i == 4) {
            continue;
        }
        jerry_value_t chunk = i == NO_BYTES ? view_of(bytes, 8, 0, 2, JERRY_TYPEDARRAY_UINT32) : no_bytes(i, &message);
        jerry_value_t result = call1("bytes", chunk);
        CHECK(jerry_value_is_boolean(result) && !jerry_value_is_true(result));
        jerry_value_free(result);
    }
    jerry_value_t none = call("bytes", 0, num(1), num(1));
    CHECK(jerry_value_is_boolean(none) && !jerry_value_is_true(none));
    jerry_value_t view = view_of(bytes, 1000, 3, 500, JERRY_TYPEDARRAY_UINT8);
    jerry_size_t offset;
    jerry_size_t length;
    jerry_value_t buffer = jerry_typedarray_buffer(view, &offset, &length);
    engine_detach(buffer);
    jerry_value_free(buffer);
    ERROR(call1("bytes", view), "E_ARGUMENT write: the array has lost its memory");
    // A copy: later changes of the array do not reach it.
    jerry_value_t live = jerry_arraybuffer(8);
    jerry_arraybuffer_write(live, 0, bytes, 8);
    jerry_value_t copy = call1("bytes", jerry_value_copy(live));
    jerry_arraybuffer_write(live, 0, bytes + 8, 8);
    jerry_value_free(live);
    BYTES(copy, bytes, 8);
}

static void test_hashes(void)
{
    const uint8_t abc[] = {'a', 'b', 'c'};
    const uint8_t digest[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                              0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                              0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    const char *message;
    BYTES(call1("sha256", text_of(abc, 3)), digest, 32);
    NUMBER(call1("crc32", jerry_string_sz("123456789")), 3421780262.0);
    NUMBER(call1("crc32", jerry_string_sz("")), 0.0);
    // CRC-32 of four times 255, which takes eight bytes in the engine.
    NUMBER(call1("crc32", repeated(0xff, 4)), 4294967295.0);
    for (unsigned i = 0; i < NO_BYTES; i++) {
        for (unsigned which = 0; which < 2; which++) {
            jerry_value_t result = call1(which != 0 ? "crc32" : "sha256", no_bytes(i, &message));
            CHECK(jerry_value_is_exception(result));
            jerry_value_free(result);
        }
    }
    chip.hash_fault = -0x5180;
    ERROR(call1("sha256", text_of(abc, 3)), "E_MEMORY sha256: mbedTLS says -0x5180");
    chip.hash_fault = 0;
}

/** A heap that is full throws. */
static void test_memory(void)
{
    engine_limit_heap(4000);
    ERROR(call("fill", 2, num(1), num(SECTOR_SIZE)), "E_MEMORY fill: JerryScript's heap has no 4096 bytes");
    ERROR(call("read", 2, num(DATA), num(SECTOR_SIZE)), "E_MEMORY read: JerryScript's heap has no 8192 bytes");
    jerry_value_t pieces = jerry_array(1);
    jerry_value_t piece = repeated(1, 5000);
    jerry_value_free(jerry_object_set_index(pieces, 0, piece));
    jerry_value_free(piece);
    ERROR(call1("join", pieces), "E_MEMORY join: JerryScript's heap has no 5000 bytes");
    engine_limit_heap(UINT32_MAX);
}

static void test_watchdog(void)
{
    chip.is_watched = false;
    unsigned feeds = chip.feeds;
    jerry_value_free(call("read", 2, num(DATA), num(1)));
    CHECK(chip.feeds == feeds);
    chip.is_watched = true;
    jerry_value_free(call("read", 2, num(DATA), num(1)));
    CHECK(chip.feeds == feeds + 1);
    chip.longest_busy = 0;
    for (unsigned i = 0; i < 5000; i++) {
        jerry_value_free(call("read", 2, num(DATA), num(4)));
    }
    // Five seconds of reading; IDLE had its turn every half second.
    CHECK(chip.longest_busy > 400 && chip.longest_busy < 600);
}

static void test_start(void)
{
    chip.app_address = APP;
    chip.app_size = 0x20000;
    chip.is_encrypted = true;
    ERROR(part_ota_runtime(), "E_FORBIDDEN flash: is encrypted, which is not supported");
    chip.is_encrypted = false;
    chip.fault = ESP_ERR_INVALID_ARG;
    ERROR(part_ota_runtime(), "E_FLASH flash: ESP_ERR_INVALID_ARG");
    chip.fault = ESP_OK;

    chip.app_size = 0;
    s_runtime = part_ota_runtime();
    NUMBER(call("running", 0, num(0), num(0)), 0.0);
    jerry_value_free(s_runtime);
    chip.app_size = 0x20000;
    s_runtime = part_ota_runtime();
    NUMBER(call("running", 0, num(0), num(0)), APP);
    NUMBER(jerry_object_get_sz(s_runtime, "live"), 0.0);
    NUMBER(jerry_object_get_sz(s_runtime, "table"), TABLE);
}

int main(void)
{
    chip_make(CHIP_SIZE);
    chip.bytes[DATA] = 0;
    test_start();
    test_read();
    test_program();
    test_erase();
    test_fill();
    test_pack();
    test_unpack();
    test_join();
    test_bytes();
    test_hashes();
    test_memory();
    test_watchdog();
    jerry_value_free(s_runtime);
    CHECK(engine_alive() == 0);
    chip_free();
    printf("%u checks, %u failed\n", s_checks, s_failures);
    return s_failures != 0;
}
