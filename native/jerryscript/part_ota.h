/*
 * The runtime of esp-part-ota for JerryScript 3.0 on ESP-IDF.
 *
 * See README.md beside this file for how to add it to a firmware.
 */
#pragma once

#include "jerryscript.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @brief Makes the object that `require("ota").use()` takes.
 *
 * With a function `request` added, it is also what `require("ota-http").use()` takes. What each of its functions is to
 * do is described in device/runtime.ts and device/http/seam.ts.
 *
 * Call it after jerry_init(), in the task that runs JavaScript. The functions share a buffer of 8 KiB, so only one
 * task may call them; what other tasks do to the flash meanwhile does no harm here.
 *
 * Nothing that JavaScript passes leads to a panic of ESP-IDF: what is not allowed throws, see README.md.
 *
 * @return the object, to be freed by jerry_value_free(); or an exception: flash encryption is enabled, or the flash
 *         chip was not recognised
 */
jerry_value_t part_ota_runtime(void);

#ifdef __cplusplus
}
#endif
