/** A board to test against, without hardware: the console of a JavaScript engine at a TCP port. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { assertChip, defaultTable, makeChip, readChip, tableOf } from './chip.ts';
import { type ClientEvent, Clients } from './clients.ts';
import type { BoardEvent, Engine, EngineListener, Reached } from './engine.ts';
import { EspruinoEngine } from './espruino.ts';
import { SimulatedEngine } from './simulated.ts';
import { writeOutput } from '../files.ts';
import { InputError } from '../words.ts';

/** What a board is made of. */
export interface BoardSetup {
  /** What runs JavaScript: a real Espruino for Linux, or the simulated board. */
  engine: 'espruino' | 'simulated';
  /** The interpreter. */
  command?: string;
  /** TCP port; 0: any that is free. */
  port: number;
  /** Where it listens; default 127.0.0.1. Any machine that reaches it can run programs on the board. */
  host?: string;
  /**
   * The file with what the chip holds, all of it; is made if it does not exist. Storage lies beside it.
   * Default: in a folder of its own, which goes with the board.
   */
  flash?: string;
  /** Lets a real Espruino boot a Storage that may be a stranger's; default: it does not. */
  isTrusted?: boolean;
  /** The partition table of a chip that is made, binary. Default: that of partitions.csv. */
  table?: Uint8Array;
  /** Bytes of the chip: 1, 2, 4, 8, 16 or 32 MB. Default: those of the file, or 4 MB. */
  size?: number | undefined;
  /** Where the partition table lies; default 0x8000. */
  tableAddress?: number | undefined;
  onEvent?: (event: BoardEvent | ClientEvent, detail?: string) => void;
}

/** A board that runs. */
export interface RunningBoard {
  /** TCP port. */
  readonly port: number;
  /** The file of the chip. */
  readonly file: string;
  /** What the chip holds now. */
  readonly flash: Buffer;
  /** Writes the whole chip, as esptool does: without power for the board, which then boots. */
  load: (flash: Uint8Array) => Promise<void>;
  /** Cuts the power now, wherever the board is, and restores it. @returns when the board boots */
  kill: () => Promise<void>;
  powerOff: () => Promise<void>;
  /** @returns when the board boots */
  powerOn: () => Promise<void>;
  /**
   * Lets power fail in an erase or page program of `require("Flash")`. It comes back at once.
   * @param operation - the number of it, from 1 on: from now, or from the cut that is still ahead
   * @param reached - what of it is done; default: its first half
   * @returns when the board boots after it
   */
  cutAt: (operation: number, reached?: Reached) => Promise<void>;
  /** Ends the board, and closes all connections. */
  close: () => Promise<void>;
  /** Is rejected when the board cannot go on. */
  readonly failure: Promise<never>;
}

/** Makes the file of the chip if there is none. @throws InputError if it is none, or has another table */
function openChip(file: string, { table, ...shape }: BoardSetup): void {
  if (!existsSync(file))
    return writeOutput(file, makeChip(table ?? defaultTable(shape.tableAddress), shape));
  const chip = readChip(file, shape);
  const isSame =
    !table ||
    JSON.stringify(tableOf(chip, shape)) ===
      JSON.stringify(tableOf(makeChip(table, { ...shape, size: chip.length }), shape));
  if (!isSame)
    throw new InputError(
      `--table: ${file} exists, and its table is another; remove it to make a new one`,
    );
}

/**
 * Starts a board, and boots it.
 * @throws InputError if what it is made of cannot be used
 */
export async function startBoard(setup: BoardSetup): Promise<RunningBoard> {
  const folder =
    setup.flash === undefined ? mkdtempSync(join(tmpdir(), 'part-ota-board-')) : undefined;
  const file = resolvePath(setup.flash ?? join(folder!, 'flash.bin'));
  const removeFolder = () => folder && rmSync(folder, { recursive: true });
  try {
    openChip(file, setup);
    return await run(setup, file, removeFolder);
  } catch (error) {
    removeFolder();
    throw error;
  }
}

/** Power cuts that are ahead, the next one first. */
class Cuts {
  readonly #arm: Engine['cutAt'];
  readonly #ahead: { operation: number; reached: Reached; resolve: () => void }[] = [];
  /** Called at the next boot. */
  #onBoot: () => void = () => undefined;

  /** @param arm - tells the engine of the next one */
  constructor(arm: Engine['cutAt']) {
    this.#arm = arm;
  }

  /** @returns when the board boots after it */
  add(operation: number, reached: Reached): Promise<void> {
    return new Promise((resolve) => {
      this.#ahead.push({ operation, reached, resolve });
      if (this.#ahead.length === 1) this.#armNext();
    });
  }

  hear(event: BoardEvent): void {
    if (event === 'boot') this.#onBoot();
    if (event !== 'cut') return;
    this.#onBoot = this.#ahead.shift()!.resolve;
    this.#armNext();
  }

  #armNext(): void {
    const [next] = this.#ahead;
    if (next) this.#arm(next.operation, next.reached);
  }
}

async function run(setup: BoardSetup, file: string, onClose: () => void): Promise<RunningBoard> {
  const { port, host = '127.0.0.1', onEvent = () => undefined } = setup;
  const clients = new Clients(onEvent);
  const cuts = new Cuts((operation, reached) => engine.cutAt(operation, reached));
  let fail: (error: Error) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => (fail = reject));
  failure.catch(() => undefined);
  const engine = makeEngine(setup, file, {
    onOutput: (bytes) => clients.print(bytes),
    onDrain: () => clients.resume(),
    onEvent: (event, detail) => {
      onEvent(event, detail);
      cuts.hear(event);
    },
    onFailure: fail,
  });
  clients.onInput = (bytes) => engine.write(bytes);
  const bound = await clients.listen(port, host);
  const powerOn = async () => {
    clients.resume();
    await Promise.race([engine.start(), failure]);
  };
  try {
    await powerOn();
  } catch (error) {
    await engine.close();
    await clients.close();
    throw error;
  }
  return {
    port: bound,
    file,
    failure,
    get flash() {
      return engine.readChip();
    },
    async load(flash) {
      assertChip(flash, file);
      await engine.stop();
      engine.writeChip(flash);
      await powerOn();
    },
    async kill() {
      await engine.stop();
      await powerOn();
    },
    powerOff: () => engine.stop(),
    powerOn,
    cutAt: (operation, reached = 'first half') => cuts.add(operation, reached),
    async close() {
      await engine.close();
      await clients.close();
      onClose();
    },
  };
}

function makeEngine(
  { engine, command, flash: given, isTrusted = false, size, tableAddress }: BoardSetup,
  flash: string,
  listener: EngineListener,
): Engine {
  const shape = { size, tableAddress };
  if (engine === 'simulated') return new SimulatedEngine(flash, listener, shape);
  if (command === undefined)
    throw new InputError(
      '--engine: espruino needs an interpreter: name it by ESPRUINO or --engine-path',
    );
  // Without a file of the user's, all of it was made a moment ago.
  return new EspruinoEngine({
    command,
    flash,
    isTrusted: isTrusted || given === undefined,
    listener,
    shape,
  });
}
