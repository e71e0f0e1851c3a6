/*
 * Stands in for JerryScript 3.0: those of its functions that the C file and its test call. engine.c has them.
 *
 * They do what JerryScript's do to values; there is no JavaScript.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t jerry_value_t;
typedef uint32_t jerry_size_t;
typedef uint32_t jerry_length_t;
typedef uint8_t jerry_char_t;

typedef enum { JERRY_ENCODING_CESU8 } jerry_encoding_t;
typedef enum { JERRY_ERROR_COMMON = 1 } jerry_error_t;
typedef enum {
    JERRY_TYPEDARRAY_INVALID,
    JERRY_TYPEDARRAY_UINT8,
    JERRY_TYPEDARRAY_UINT32 = 6,
} jerry_typedarray_type_t;

typedef struct {
    jerry_value_t function;
    jerry_value_t this_value;
    jerry_value_t new_target;
} jerry_call_info_t;

typedef jerry_value_t (*jerry_external_handler_t)(const jerry_call_info_t *info, const jerry_value_t arguments[],
                                                  const jerry_length_t count);
typedef void (*jerry_string_iterate_cb_t)(uint32_t value, void *user);

void *jerry_heap_alloc(jerry_size_t size);
void jerry_heap_free(void *block, jerry_size_t size);

jerry_value_t jerry_value_copy(const jerry_value_t value);
void jerry_value_free(jerry_value_t value);
bool jerry_value_is_exception(const jerry_value_t value);
bool jerry_value_is_undefined(const jerry_value_t value);
bool jerry_value_is_boolean(const jerry_value_t value);
bool jerry_value_is_true(const jerry_value_t value);
bool jerry_value_is_number(const jerry_value_t value);
bool jerry_value_is_string(const jerry_value_t value);
bool jerry_value_is_array(const jerry_value_t value);
bool jerry_value_is_arraybuffer(const jerry_value_t value);
bool jerry_value_is_typedarray(const jerry_value_t value);
double jerry_value_as_number(const jerry_value_t value);
uint32_t jerry_value_as_uint32(const jerry_value_t value);

jerry_value_t jerry_undefined(void);
jerry_value_t jerry_boolean(bool value);
jerry_value_t jerry_number(double value);

jerry_value_t jerry_string(const jerry_char_t *text, jerry_size_t size, jerry_encoding_t encoding);
jerry_value_t jerry_string_sz(const char *text);
jerry_size_t jerry_string_size(const jerry_value_t value, jerry_encoding_t encoding);
jerry_length_t jerry_string_length(const jerry_value_t value);
jerry_size_t jerry_string_to_buffer(const jerry_value_t value, jerry_encoding_t encoding, jerry_char_t *buffer,
                                    jerry_size_t size);
void jerry_string_iterate(const jerry_value_t value, jerry_encoding_t encoding, jerry_string_iterate_cb_t callback,
                          void *user);

jerry_value_t jerry_object(void);
jerry_value_t jerry_object_set_sz(jerry_value_t object, const char *key, const jerry_value_t value);
jerry_value_t jerry_object_get_sz(const jerry_value_t object, const char *key);
jerry_value_t jerry_object_set_index(jerry_value_t object, uint32_t index, const jerry_value_t value);
jerry_value_t jerry_object_get_index(const jerry_value_t object, uint32_t index);
jerry_value_t jerry_array(jerry_length_t length);
jerry_length_t jerry_array_length(const jerry_value_t value);

jerry_value_t jerry_arraybuffer(const jerry_length_t size);
jerry_size_t jerry_arraybuffer_size(const jerry_value_t value);
jerry_size_t jerry_arraybuffer_read(const jerry_value_t value, jerry_size_t offset, uint8_t *buffer, jerry_size_t size);
jerry_size_t jerry_arraybuffer_write(jerry_value_t value, jerry_size_t offset, const uint8_t *buffer,
                                     jerry_size_t size);
jerry_value_t jerry_typedarray_with_buffer_span(jerry_typedarray_type_t type, const jerry_value_t buffer,
                                                jerry_size_t offset, jerry_size_t length);
jerry_typedarray_type_t jerry_typedarray_type(const jerry_value_t value);
jerry_value_t jerry_typedarray_buffer(const jerry_value_t value, jerry_size_t *offset, jerry_size_t *length);

jerry_value_t jerry_function_external(jerry_external_handler_t handler);
jerry_value_t jerry_call(const jerry_value_t function, const jerry_value_t this_value, const jerry_value_t *arguments,
                         jerry_size_t count);
jerry_value_t jerry_error_sz(jerry_error_t type, const char *message);
jerry_value_t jerry_throw_value(jerry_value_t value, bool take_ownership);
jerry_value_t jerry_exception_value(jerry_value_t value, bool free_exception);
