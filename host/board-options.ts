/** What a board is made of, and what it tells. */
import type { Snapshot } from './chip/cell-array.ts';
import type { FlashProfile } from './chip/flash-timing.ts';
import type { BootKind } from './halts.ts';
import type { Network } from './espruino/network.ts';
import type { Row } from '../formats/table/row.ts';

/** Hears of what a board does that its console shows. */
export interface BoardConsole {
  /** Something is printed; a line end belongs behind it. */
  print: (text: string) => void;
  /** A boot begins; the boot scripts run next. */
  boot: (kind: BootKind) => void;
  /** The boot scripts have run. @param hasCode - there was a `.bootcde` or `.bootrst` among them */
  booted: (kind: BootKind, hasCode: boolean) => void;
  /** A script has called `echo`. */
  echo: (isOn: boolean) => void;
}

/** What a board is made of. */
export interface BoardOptions {
  /** The partition table: rows, or its binary form. Default: `TABLES.example`. */
  table?: readonly Row[] | Uint8Array;
  /** Where the table lies, as a firmware of one's own may have it; a multiple of 4096. Default 0x8000. */
  tableAddress?: number;
  /** Bytes of the flash chip; default 4 MB. */
  size?: number;
  /** Which chip, as in `process.env.BOARD`; default ESP32. */
  board?: 'ESP32' | 'ESP32C3' | 'ESP32S3';
  /** Label of the app that runs. Default: factory, else the first OTA slot. */
  running?: string;
  /** What partitions hold, by label, as `load` does. Those not named hold a pattern. */
  partitions?: Record<string, Uint8Array | string>;
  /** false: a build without `require("crypto")`. */
  crypto?: boolean;
  /** What the MMU's entry for the app's code reads as on an ESP32. Default: the page of the running app. */
  mmu?: number;
  /** Milliseconds of flash work between two kicks after which the watchdog bites. Default: there is none. */
  watchdogMs?: number;
  /** Which chip the watchdog's clock is for. */
  profile?: FlashProfile;
  /** What `require("http")` reaches. Default: the real network. */
  network?: Network;
}

/** Everything about a board that survives a reboot. */
export interface BoardSnapshot {
  readonly flash: Snapshot;
  readonly files: Map<string, string>;
  readonly running: string;
}
