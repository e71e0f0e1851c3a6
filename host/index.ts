/** A simulated ESP32 that runs JavaScript, for tests of device code. */
export type { Row, TableRow } from '../formats/table/row.ts';
export { Board } from './board.ts';
export type * from './board-options.ts';
export { type Mood, type Snapshot, differences, fingerprint } from './chip/cell-array.ts';
export { SimulatedConsole } from './console.ts';
export { pattern } from './chip/pattern.ts';
export * from './chip/flash-timing.ts';
export { type BootKind, Panic, Reboot } from './halts.ts';
export { type Network, type Peer, type Socket, type Target, tcp } from './espruino/network.ts';
export { latin1 } from './chip/latin1.ts';
export { NorFlash } from './chip/nor-flash.ts';
export * from './chip/operations.ts';
export type { Globals } from './espruino/scripts.ts';
export { decodeTable, encodeTable, TABLES } from './tables.ts';
export { TEARS, type Tear, someBits, tearsOf } from './chip/tears.ts';
