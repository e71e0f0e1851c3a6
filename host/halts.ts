import { FlashMisuse, PowerCut } from './chip/operations.ts';

/** The firmware has aborted: a write into a dangerous region, or the watchdog. Power is off since. */
export class Panic extends Error {
  override name = 'Panic';
}

/** How a board boots: with power, or `E.reboot()`; by `load()`; by `reset()` or `load(file)`, which run no `.bootcde`. */
export type BootKind = 'power' | 'load' | 'reset';

/** A script has called `E.reboot()`, `load()` or `reset()`. `run` and `advance` do what it asks for. */
export class Reboot extends Error {
  override name = 'Reboot';
  /** Whether it resets the chip, as `E.reboot()` does; the others only start JavaScript anew. */
  isReset: boolean;
  readonly kind: BootKind;
  /** What runs after the boot scripts: a file in Storage. */
  readonly file: string | undefined;

  constructor(kind: BootKind, file?: string) {
    super(kind === 'power' ? 'the chip resets' : 'JavaScript starts anew');
    this.isReset = kind === 'power';
    this.kind = kind;
    this.file = file;
  }
}

/** Whether no script may catch this: power is off, or the code under test has gone wrong. */
export const isFatal = (error: unknown) =>
  error instanceof PowerCut || error instanceof Panic || error instanceof FlashMisuse;
