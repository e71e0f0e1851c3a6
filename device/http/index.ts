/**
 * The entry file of `ota-http`: the one place where its seam is chosen.
 *
 * `require("ota-http")` works over stock Espruino. On another engine say `require("ota-http").use(makeSeam)` first.
 */

import { use } from './air.ts';
import { espruino } from './espruino.ts';

export type * from './api.ts';
export type { Header, Seam } from './seam.ts';
export type { Bytes } from '../runtime.ts';
export { check, update, use } from './air.ts';

use(espruino);
