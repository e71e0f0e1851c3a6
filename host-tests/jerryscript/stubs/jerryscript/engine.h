/* What the test asks of the stand-in for JerryScript beside its functions. */
#pragma once

#include "jerryscript.h"

/** @return how many values are alive. Those that nothing of the heap belongs to do not count. */
unsigned engine_alive(void);

/** From now on the heap has no room for blocks of more bytes than this. */
void engine_limit_heap(jerry_size_t most);

/** Makes an element of an array a getter. */
void engine_set_getter(jerry_value_t array, uint32_t index, jerry_external_handler_t getter);

/** Takes the memory away from an ArrayBuffer, as when it is sent elsewhere. */
void engine_detach(jerry_value_t buffer);
