/**
 * The entry file: the one place where the runtime binding is chosen.
 *
 * `require("ota")` works over stock Espruino. On another engine say `require("ota").use(makeRuntime)` first.
 */

import { espruino } from './espruino.ts';
import { use } from './ota.ts';

export type * from './api.ts';
export type { Bytes, Runtime } from './runtime.ts';
export { begin, confirm, partitions, plan, recover, restore, status, use } from './ota.ts';

use(espruino);
