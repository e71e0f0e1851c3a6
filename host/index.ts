/** A simulated ESP32 that runs JavaScript, for tests of device code. */
export * from './board.ts';
export { type Mood, PAGE, SECTOR, type Snapshot, differences, fingerprint } from './cell-array.ts';
export { SimulatedConsole } from './console.ts';
export { pattern } from './espruino.ts';
export * from './flash-timing.ts';
export { type BootKind, Panic, Reboot } from './halts.ts';
export { type Network, type Peer, type Socket, type Target, tcp } from './http.ts';
export * from './nor-flash.ts';
export type { Globals } from './scripts.ts';
export { type Row, TABLES, decodeTable, encodeTable } from './tables.ts';
export { TEARS, type Change, type Tear, someBits, tearsOf } from './tears.ts';
