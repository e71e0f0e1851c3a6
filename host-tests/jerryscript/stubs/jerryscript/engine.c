/*
 * Values as JerryScript 3.0 has them, each in memory of its own, so that a sanitizer sees every step too far.
 *
 * A value that is used after it was freed, or freed twice, ends the process.
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 65536u
#define NAMES 16u

enum kind { FREE, UNDEFINED, BOOLEAN, NUMBER, STRING, OBJECT, ARRAY, BUFFER, TYPED, FUNCTION, EXCEPTION };

struct value {
    enum kind kind;
    unsigned references;
    /** BOOLEAN, NUMBER. */
    double number;
    /** STRING, BUFFER: exactly `size` bytes. */
    uint8_t *bytes;
    uint32_t size;
    /** ARRAY: elements; OBJECT: properties by name. 0 is none. */
    jerry_value_t *elements;
    const char *names[NAMES];
    /** TYPED: the buffer; EXCEPTION: what was thrown. */
    jerry_value_t inner;
    uint32_t offset;
    jerry_typedarray_type_t type;
    jerry_external_handler_t handler;
    /** A function that is called when it is read as an element. */
    bool is_getter;
};

/** The first is none; the next three are never freed. */
static struct value *s_values[VALUES];
static struct value s_undefined = {.kind = UNDEFINED};
static struct value s_false = {.kind = BOOLEAN, .number = 0.0};
static struct value s_true = {.kind = BOOLEAN, .number = 1.0};
static unsigned s_alive;
static jerry_size_t s_limit = UINT32_MAX;

#define FIRST_OWN 4u

static struct value *at(jerry_value_t index)
{
    struct value *value = NULL;
    if (index < FIRST_OWN) {
        struct value *const fixed[FIRST_OWN] = {NULL, &s_undefined, &s_false, &s_true};
        value = fixed[index];
    } else if (index < VALUES) {
        value = s_values[index];
    }
    if (value == NULL) {
        fprintf(stderr, "value %u is used and is none\n", index);
        abort();
    }
    return value;
}

static jerry_value_t make(enum kind kind)
{
    for (jerry_value_t i = FIRST_OWN; i < VALUES; i++) {
        if (s_values[i] == NULL) {
            s_values[i] = calloc(1, sizeof(struct value));
            s_values[i]->kind = kind;
            s_values[i]->references = 1;
            s_alive++;
            return i;
        }
    }
    abort();
}

static bool is(jerry_value_t value, enum kind kind)
{
    return at(value)->kind == kind;
}

unsigned engine_alive(void)
{
    return s_alive;
}

void engine_limit_heap(jerry_size_t most)
{
    s_limit = most;
}

/** The size of the block that was allocated last. */
static jerry_size_t s_block;

void *jerry_heap_alloc(jerry_size_t size)
{
    s_block = size;
    return size <= s_limit ? malloc(size) : NULL;
}

void jerry_heap_free(void *block, jerry_size_t size)
{
    // This corrupts JerryScript's heap.
    if (size != s_block) {
        abort();
    }
    free(block);
}

// References

jerry_value_t jerry_value_copy(const jerry_value_t value)
{
    struct value *found = at(value);
    if (value >= FIRST_OWN) {
        found->references++;
    }
    return value;
}

void jerry_value_free(jerry_value_t value)
{
    struct value *found = at(value);
    if (value < FIRST_OWN || --found->references > 0) {
        return;
    }
    for (uint32_t i = 0; found->elements != NULL && i < (found->kind == ARRAY ? found->size : NAMES); i++) {
        if (found->elements[i] != 0) {
            jerry_value_free(found->elements[i]);
        }
    }
    if (found->inner != 0) {
        jerry_value_free(found->inner);
    }
    free(found->elements);
    free(found->bytes);
    free(found);
    s_values[value] = NULL;
    s_alive--;
}

// Kinds

bool jerry_value_is_exception(const jerry_value_t value)
{
    return is(value, EXCEPTION);
}

bool jerry_value_is_undefined(const jerry_value_t value)
{
    return is(value, UNDEFINED);
}

bool jerry_value_is_boolean(const jerry_value_t value)
{
    return is(value, BOOLEAN);
}

bool jerry_value_is_true(const jerry_value_t value)
{
    return is(value, BOOLEAN) && at(value)->number > 0.0;
}

bool jerry_value_is_number(const jerry_value_t value)
{
    return is(value, NUMBER);
}

bool jerry_value_is_string(const jerry_value_t value)
{
    return is(value, STRING);
}

bool jerry_value_is_array(const jerry_value_t value)
{
    return is(value, ARRAY);
}

bool jerry_value_is_arraybuffer(const jerry_value_t value)
{
    return is(value, BUFFER);
}

bool jerry_value_is_typedarray(const jerry_value_t value)
{
    return is(value, TYPED);
}

double jerry_value_as_number(const jerry_value_t value)
{
    return at(value)->number;
}

/** As ECMAScript's ToUint32, for what the test passes: up to 2^53 in size. */
uint32_t jerry_value_as_uint32(const jerry_value_t value)
{
    double number = at(value)->number;
    return number >= -9007199254740992.0 && number <= 9007199254740992.0 ? (uint32_t) (int64_t) number : 0u;
}

jerry_value_t jerry_undefined(void)
{
    return 1;
}

jerry_value_t jerry_boolean(bool value)
{
    return value ? 3 : 2;
}

jerry_value_t jerry_number(double value)
{
    jerry_value_t number = make(NUMBER);
    at(number)->number = value;
    return number;
}

// Strings

jerry_value_t jerry_string(const jerry_char_t *text, jerry_size_t size, jerry_encoding_t encoding)
{
    (void) encoding;
    jerry_value_t string = make(STRING);
    struct value *value = at(string);
    value->bytes = malloc(size != 0 ? size : 1);
    value->size = size;
    memcpy(value->bytes, text, size);
    return string;
}

jerry_value_t jerry_string_sz(const char *text)
{
    return jerry_string((const jerry_char_t *) text, (jerry_size_t) strlen(text), JERRY_ENCODING_CESU8);
}

jerry_size_t jerry_string_size(const jerry_value_t value, jerry_encoding_t encoding)
{
    (void) encoding;
    return is(value, STRING) ? at(value)->size : 0;
}

jerry_length_t jerry_string_length(const jerry_value_t value)
{
    jerry_length_t length = 0;
    for (uint32_t i = 0; i < jerry_string_size(value, JERRY_ENCODING_CESU8); i++) {
        // What goes on with a character is not one.
        length += (at(value)->bytes[i] & 0xc0u) != 0x80u;
    }
    return length;
}

jerry_size_t jerry_string_to_buffer(const jerry_value_t value, jerry_encoding_t encoding, jerry_char_t *buffer,
                                    jerry_size_t size)
{
    jerry_size_t there = jerry_string_size(value, encoding);
    if (there > size) {
        there = size;
        while (there > 0 && (at(value)->bytes[there] & 0xc0u) == 0x80u) {
            there--;
        }
    }
    if (there != 0) {
        memcpy(buffer, at(value)->bytes, there);
    }
    return there;
}

void jerry_string_iterate(const jerry_value_t value, jerry_encoding_t encoding, jerry_string_iterate_cb_t callback,
                          void *user)
{
    for (uint32_t i = 0; i < jerry_string_size(value, encoding); i++) {
        callback(at(value)->bytes[i], user);
    }
}

// Objects

jerry_value_t jerry_object(void)
{
    jerry_value_t object = make(OBJECT);
    at(object)->elements = calloc(NAMES, sizeof(jerry_value_t));
    return object;
}

static unsigned find(const struct value *object, const char *key)
{
    unsigned i = 0;
    while (i < NAMES && object->names[i] != NULL && strcmp(object->names[i], key) != 0) {
        i++;
    }
    return i;
}

jerry_value_t jerry_object_set_sz(jerry_value_t object, const char *key, const jerry_value_t value)
{
    struct value *found = at(object);
    unsigned i = find(found, key);
    if (i == NAMES) {
        abort();
    }
    if (found->elements[i] != 0) {
        jerry_value_free(found->elements[i]);
    }
    found->names[i] = key;
    found->elements[i] = jerry_value_copy(value);
    return jerry_boolean(true);
}

jerry_value_t jerry_object_get_sz(const jerry_value_t object, const char *key)
{
    const struct value *found = at(object);
    unsigned i = find(found, key);
    return i < NAMES && found->elements[i] != 0 ? jerry_value_copy(found->elements[i]) : jerry_undefined();
}

jerry_value_t jerry_array(jerry_length_t length)
{
    jerry_value_t array = make(ARRAY);
    at(array)->elements = calloc(length != 0 ? length : 1, sizeof(jerry_value_t));
    at(array)->size = length;
    return array;
}

jerry_length_t jerry_array_length(const jerry_value_t value)
{
    return is(value, ARRAY) ? at(value)->size : 0;
}

jerry_value_t jerry_object_set_index(jerry_value_t object, uint32_t index, const jerry_value_t value)
{
    struct value *array = at(object);
    if (index >= array->size) {
        abort();
    }
    if (array->elements[index] != 0) {
        jerry_value_free(array->elements[index]);
    }
    array->elements[index] = jerry_value_copy(value);
    return jerry_boolean(true);
}

jerry_value_t jerry_object_get_index(const jerry_value_t object, uint32_t index)
{
    const struct value *array = at(object);
    if (index >= array->size || array->elements[index] == 0) {
        return jerry_undefined();
    }
    jerry_value_t element = array->elements[index];
    return at(element)->is_getter ? jerry_call(element, object, NULL, 0) : jerry_value_copy(element);
}

void engine_set_getter(jerry_value_t array, uint32_t index, jerry_external_handler_t getter)
{
    jerry_value_t function = jerry_function_external(getter);
    at(function)->is_getter = true;
    jerry_value_free(jerry_object_set_index(array, index, function));
    jerry_value_free(function);
}

// Arrays of bytes

jerry_value_t jerry_arraybuffer(const jerry_length_t size)
{
    if (size > s_limit) {
        return jerry_throw_value(jerry_error_sz(JERRY_ERROR_COMMON, "RangeError"), true);
    }
    jerry_value_t buffer = make(BUFFER);
    at(buffer)->bytes = calloc(1, size != 0 ? size : 1);
    at(buffer)->size = size;
    return buffer;
}

void engine_detach(jerry_value_t buffer)
{
    free(at(buffer)->bytes);
    at(buffer)->bytes = NULL;
    at(buffer)->size = 0;
}

jerry_size_t jerry_arraybuffer_size(const jerry_value_t value)
{
    return at(value)->size;
}

/** @return how many bytes of a buffer lie from an offset on, at most `size`. */
static jerry_size_t clip(jerry_value_t buffer, jerry_size_t offset, jerry_size_t size)
{
    jerry_size_t length = at(buffer)->size;
    jerry_size_t there = offset < length ? length - offset : 0;
    return there < size ? there : size;
}

jerry_size_t jerry_arraybuffer_read(const jerry_value_t value, jerry_size_t offset, uint8_t *buffer, jerry_size_t size)
{
    jerry_size_t count = clip(value, offset, size);
    if (count != 0) {
        memcpy(buffer, at(value)->bytes + offset, count);
    }
    return count;
}

jerry_size_t jerry_arraybuffer_write(jerry_value_t value, jerry_size_t offset, const uint8_t *buffer,
                                     jerry_size_t size)
{
    jerry_size_t count = clip(value, offset, size);
    if (count != 0) {
        memcpy(at(value)->bytes + offset, buffer, count);
    }
    return count;
}

/** @param length elements */
jerry_value_t jerry_typedarray_with_buffer_span(jerry_typedarray_type_t type, const jerry_value_t buffer,
                                                jerry_size_t offset, jerry_size_t length)
{
    jerry_size_t width = type == JERRY_TYPEDARRAY_UINT32 ? 4 : 1;
    if (offset % width != 0 || length > at(buffer)->size / width || clip(buffer, offset, UINT32_MAX) < length * width) {
        return jerry_throw_value(jerry_error_sz(JERRY_ERROR_COMMON, "Invalid length"), true);
    }
    jerry_value_t array = make(TYPED);
    struct value *value = at(array);
    value->type = type;
    value->inner = jerry_value_copy(buffer);
    value->offset = offset;
    value->size = length * width;
    return array;
}

jerry_typedarray_type_t jerry_typedarray_type(const jerry_value_t value)
{
    return at(value)->type;
}

jerry_value_t jerry_typedarray_buffer(const jerry_value_t value, jerry_size_t *offset, jerry_size_t *length)
{
    *offset = at(value)->offset;
    *length = at(value)->size;
    return jerry_value_copy(at(value)->inner);
}

// Functions and errors

jerry_value_t jerry_function_external(jerry_external_handler_t handler)
{
    jerry_value_t function = make(FUNCTION);
    at(function)->handler = handler;
    return function;
}

jerry_value_t jerry_call(const jerry_value_t function, const jerry_value_t this_value, const jerry_value_t *arguments,
                         jerry_size_t count)
{
    const jerry_call_info_t info = {function, this_value, jerry_undefined()};
    return at(function)->handler(&info, arguments, count);
}

jerry_value_t jerry_error_sz(jerry_error_t type, const char *message)
{
    (void) type;
    jerry_value_t error = jerry_object();
    jerry_value_t text = jerry_string_sz(message);
    jerry_value_free(jerry_object_set_sz(error, "message", text));
    jerry_value_free(text);
    return error;
}

jerry_value_t jerry_throw_value(jerry_value_t value, bool take_ownership)
{
    jerry_value_t exception = make(EXCEPTION);
    at(exception)->inner = take_ownership ? value : jerry_value_copy(value);
    return exception;
}

jerry_value_t jerry_exception_value(jerry_value_t value, bool free_exception)
{
    jerry_value_t thrown = jerry_value_copy(at(value)->inner);
    if (free_exception) {
        jerry_value_free(value);
    }
    return thrown;
}
