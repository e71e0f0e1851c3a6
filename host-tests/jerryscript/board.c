/*
 * A board that runs JavaScript: JerryScript 3.0, part_ota.c, and a chip in a file. One process is one boot.
 *
 *     [HEAP=KIB] board FLASH SCRIPT [CUT REACHED]
 *
 * runs SCRIPT with `require`, `print` and what else is registered below, then promises and timers until nothing is left
 * to do. Power fails in operation CUT, of which REACHED is done: 0 nothing, 1 its first half, 2 its second half,
 * 3 everything. HEAP is the size of JerryScript's heap, if JerryScript was built with an external context.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chip.h"
#include "jerryscript-port.h"
#include "jerryscript.h"
#include "part_ota.h"

/** Where the app lies that the firmware runs from, in every table of these tests. */
#define APP 0x10000u

// JerryScript's heap

static struct jerry_context_t *s_context;

size_t jerry_port_context_alloc(size_t context_size)
{
    const char *heap = getenv("HEAP");
    size_t size = context_size + 1024u * (heap != NULL ? strtoul(heap, NULL, 10) : 512u);
    s_context = malloc(size);
    return size;
}

struct jerry_context_t *jerry_port_context_get(void)
{
    return s_context;
}

void jerry_port_context_free(void)
{
    free(s_context);
}

// Files and values

/** Nothing runs after this, as after a power cut. */
static void end_process(void)
{
    printf("\n@{\"cut\":%u}\n", chip.operations);
    fflush(stdout);
    kill(getpid(), SIGKILL);
    pause();
}

/** @return the content of a file, to be freed; NULL if there is none. */
static uint8_t *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *bytes = NULL;
    long length = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        length = ftell(file);
    }
    if (length >= 0) {
        rewind(file);
        bytes = malloc((size_t) length + 1);
        *size = fread(bytes, 1, (size_t) length, file);
        bytes[*size] = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

/** Takes the text of a value, cut off to the buffer. */
static void get_text(jerry_value_t value, char *text, size_t size)
{
    jerry_value_t string = jerry_value_to_string(value);
    size_t length = 0;
    if (jerry_value_is_string(string)) {
        length = jerry_string_to_buffer(string, JERRY_ENCODING_UTF8, (jerry_char_t *) text, (jerry_size_t) size - 1);
    }
    text[length] = 0;
    jerry_value_free(string);
}

/** Ends the process if a value is an exception. @return the value */
static jerry_value_t must(jerry_value_t value)
{
    if (jerry_value_is_exception(value)) {
        char text[512];
        jerry_value_t error = jerry_exception_value(value, true);
        get_text(error, text, sizeof(text));
        fprintf(stderr, "uncaught: %s\n", text);
        exit(1);
    }
    return value;
}

/** print(text) */
static jerry_value_t print(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    static char text[16384];
    get_text(count > 0 ? arguments[0] : jerry_undefined(), text, sizeof(text));
    puts(text);
    return jerry_undefined();
}

/** require(name): the file name.js, which sees `exports`. */
static jerry_value_t require(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    char name[80];
    char path[96];
    size_t size;
    get_text(count > 0 ? arguments[0] : jerry_undefined(), name, sizeof(name));
    jerry_value_t realm = jerry_current_realm();
    jerry_value_t modules = jerry_object_get_sz(realm, "modules");
    jerry_value_free(realm);
    jerry_value_t exports = jerry_object_get_sz(modules, name);
    if (jerry_value_is_undefined(exports)) {
        snprintf(path, sizeof(path), "%s.js", name);
        uint8_t *source = read_file(path, &size);
        if (source == NULL) {
            jerry_value_free(modules);
            return jerry_throw_sz(JERRY_ERROR_COMMON, path);
        }
        exports = jerry_object();
        jerry_value_free(jerry_object_set_sz(modules, name, exports));
        jerry_parse_options_t options = {.options = JERRY_PARSE_HAS_ARGUMENT_LIST};
        options.argument_list = jerry_string_sz("exports");
        jerry_value_t function = jerry_parse(source, size, &options);
        jerry_value_free(options.argument_list);
        free(source);
        jerry_value_t result = function;
        if (!jerry_value_is_exception(function)) {
            result = jerry_call(function, jerry_undefined(), &exports, 1);
            jerry_value_free(function);
        }
        if (jerry_value_is_exception(result)) {
            jerry_value_free(exports);
            exports = result;
        } else {
            jerry_value_free(result);
        }
    }
    jerry_value_free(modules);
    return exports;
}

/** runtime(): the object that part_ota.c makes. */
static jerry_value_t runtime(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    return part_ota_runtime();
}

/** size(name): bytes of a file. */
static jerry_value_t file_size(const jerry_call_info_t *info, const jerry_value_t arguments[],
                               const jerry_length_t count)
{
    (void) info;
    char name[80];
    size_t size = 0;
    get_text(count > 0 ? arguments[0] : jerry_undefined(), name, sizeof(name));
    uint8_t *bytes = read_file(name, &size);
    if (bytes == NULL) {
        return jerry_throw_sz(JERRY_ERROR_COMMON, name);
    }
    free(bytes);
    return jerry_number((double) size);
}

/** load(name, from, length): bytes of a file, fewer at its end. */
static jerry_value_t load(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    char name[80];
    size_t size = 0;
    if (count < 3) {
        return jerry_throw_sz(JERRY_ERROR_TYPE, "load: too few arguments");
    }
    get_text(arguments[0], name, sizeof(name));
    size_t from = jerry_value_as_uint32(arguments[1]);
    size_t length = jerry_value_as_uint32(arguments[2]);
    uint8_t *bytes = read_file(name, &size);
    if (bytes == NULL) {
        return jerry_throw_sz(JERRY_ERROR_COMMON, name);
    }
    from = from < size ? from : size;
    length = length < size - from ? length : size - from;
    jerry_value_t buffer = jerry_arraybuffer((jerry_length_t) length);
    jerry_arraybuffer_write(buffer, 0, bytes + from, (jerry_size_t) length);
    free(bytes);
    jerry_value_t array = jerry_typedarray_with_buffer(JERRY_TYPEDARRAY_UINT8, buffer);
    jerry_value_free(buffer);
    return array;
}

static void set_number(jerry_value_t object, const char *name, double value)
{
    jerry_value_t number = jerry_number(value);
    jerry_value_free(jerry_object_set_sz(object, name, number));
    jerry_value_free(number);
}

/** counts(): what the chip has done, and bytes of JerryScript's heap: all, in use, and at most so far. */
static jerry_value_t counts(const jerry_call_info_t *info, const jerry_value_t arguments[], const jerry_length_t count)
{
    (void) info;
    (void) arguments;
    (void) count;
    jerry_heap_stats_t stats;
    jerry_value_t object = jerry_object();
    jerry_heap_gc(JERRY_GC_PRESSURE_HIGH);
    set_number(object, "operations", chip.operations);
    set_number(object, "reads", chip.reads);
    set_number(object, "busy", chip.longest_busy);
    if (jerry_heap_stats(&stats)) {
        set_number(object, "heap", (double) stats.size);
        set_number(object, "used", (double) stats.allocated_bytes);
        set_number(object, "peak", (double) stats.peak_allocated_bytes);
    }
    return object;
}

static void define(const char *name, jerry_external_handler_t handler)
{
    jerry_value_t realm = jerry_current_realm();
    jerry_value_t function = jerry_function_external(handler);
    jerry_value_free(must(jerry_object_set_sz(realm, name, function)));
    jerry_value_free(function);
    jerry_value_free(realm);
}

/** Runs promises and timers, which the script keeps, until turn() says that none is left. */
static void run_events(void)
{
    bool is_going = true;
    while (is_going) {
        jerry_value_free(must(jerry_run_jobs()));
        jerry_value_t realm = jerry_current_realm();
        jerry_value_t turn = jerry_object_get_sz(realm, "turn");
        jerry_value_t result = must(jerry_call(turn, realm, NULL, 0));
        is_going = jerry_value_is_true(result);
        jerry_value_free(result);
        jerry_value_free(turn);
        jerry_value_free(realm);
    }
}

int main(int argc, char **argv)
{
    size_t size;
    if (argc < 3 || !chip_open(argv[1])) {
        fprintf(stderr, "board: no flash\n");
        return 2;
    }
    uint8_t *source = read_file(argv[2], &size);
    if (source == NULL) {
        fprintf(stderr, "board: no script\n");
        return 2;
    }
    chip.app_address = APP;
    chip.app_size = 0x10000;
    chip.is_watched = true;
    chip.on_cut = end_process;
    if (argc > 4) {
        chip.cut = (unsigned) strtoul(argv[3], NULL, 10);
        chip.reached = (enum reached) strtoul(argv[4], NULL, 10);
    }

    jerry_init(JERRY_INIT_EMPTY);
    define("print", print);
    define("require", require);
    define("runtime", runtime);
    define("load", load);
    define("size", file_size);
    define("counts", counts);
    jerry_value_t script = must(jerry_parse(source, size, NULL));
    free(source);
    jerry_value_free(must(jerry_run(script)));
    jerry_value_free(script);
    run_events();
    jerry_cleanup();
    chip_free();
    return 0;
}
