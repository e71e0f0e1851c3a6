/**
 * The entry file: the one place where the runtime binding is chosen.
 *
 * `require("ota")` is the API over stock Espruino. On another engine `require("ota").create(runtime)` is.
 */

import type { Ota } from './api.ts';
import { espruino } from './espruino.ts';
import { makeOta } from './ota.ts';
import type { Runtime } from './runtime.ts';

export type * from './api.ts';
export type { Bytes, Runtime } from './runtime.ts';

export const { partitions, plan, begin, recover, confirm, restore, status } = makeOta(espruino);

/** @returns the API over another runtime: the seam for engines other than Espruino. */
export function create(runtime: Runtime): Ota {
  return makeOta(function () {
    return runtime;
  });
}
