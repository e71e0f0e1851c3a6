/**
 * The entry file.
 *
 * `require("ota")` works over stock Espruino. On another engine call `require("ota").use(runtime)` first.
 */

export type * from './api.ts';
export type { Bytes, Runtime } from './runtime.ts';
export { begin, confirm, forget, partitions, plan, recover, restore, status, use } from './ota.ts';
