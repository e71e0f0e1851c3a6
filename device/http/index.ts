/**
 * The entry file of `ota-http`.
 *
 * `require("ota-http")` works over stock Espruino. On another engine call `require("ota-http").use(seam)` first.
 */

export type * from './api.ts';
export type { Header, Seam } from './seam.ts';
export type { Bytes } from '../runtime.ts';
export { check, update, use } from './air.ts';
