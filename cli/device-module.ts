/** `require("ota")` on the board. */
export type Ota = typeof import('../device/index.ts');
