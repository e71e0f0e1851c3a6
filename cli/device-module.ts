import type * as ota from '../device/index.ts';

/** `require("ota")` on the board. */
export type Ota = typeof ota;
