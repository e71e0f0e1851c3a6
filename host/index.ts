/** A simulated ESP32 that runs JavaScript, for tests of device code. */
export { encodeTable, rowsOf as decodeTable } from '../formats/table/binary.ts';
export type { Row, TableRow } from '../formats/table/row.ts';
export { Board } from './board.ts';
export type * from './board-options.ts';
export { type Mood, type Snapshot, differences, fingerprint } from './cell-array.ts';
export { SimulatedConsole } from './console.ts';
export { pattern } from './pattern.ts';
export * from './flash-timing.ts';
export { type BootKind, Panic, Reboot } from './halts.ts';
export { type Network, type Peer, type Socket, type Target, tcp } from './network.ts';
export { latin1 } from './latin1.ts';
export { NorFlash } from './nor-flash.ts';
export * from './operations.ts';
export type { Globals } from './scripts.ts';
export { TABLES } from './tables.ts';
export { TEARS, type Tear, someBits, tearsOf } from './tears.ts';
