/** An emulated board on a bench: with the modules on it, and what suites do to it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report, Result } from '../../device/api.ts';
import type { Tear } from '../../host/chip/tears.ts';
import { type Run, runPartOta } from '../support/tools.ts';
import { contentOf, IMAGE, type Layout, updateScript } from './board.ts';
import { type Clock, Emulator } from './emulator.ts';
import { FlashChip } from './flash-chip.ts';

/** Seconds that `part-ota` waits for a board. A shared machine is slow. */
const PATIENCE = '60';
/** How often something is tried in which the emulator resets itself. */
const TIMES = 4;

/** In which change of the flash since the board was switched on power fails, from 1, and how far that one comes. */
export interface Cut {
  number: number;
  tear: Tear;
}

export class Bench {
  readonly layout: Layout;
  readonly emulator: Emulator;
  /** What `part-ota upload` has said. */
  uploaded!: Run;
  /** The flash with the modules on it. */
  fresh!: Buffer;
  /** What it held when the board was last put on the bench. */
  #start: Buffer;
  readonly #folder: string;

  private constructor(emulator: Emulator, layout: Layout, folder: string) {
    this.emulator = emulator;
    this.layout = layout;
    this.#start = layout.flash;
    this.#folder = folder;
    writeFileSync(join(folder, 'www.bin'), IMAGE);
  }

  /** Boots the firmware, and stores the modules. @param folder - for files of this bench */
  static async make(command: string, layout: Layout, folder: string): Promise<Bench> {
    const emulator = await Emulator.make(command, new FlashChip(layout.flash));
    const bench = new Bench(emulator, layout, folder);
    try {
      await bench.steadily(async () => {
        await bench.boot(layout.flash, 'real');
        bench.uploaded = await bench.command('upload', '--http');
        assert.equal(bench.uploaded.status, 0, bench.uploaded.stderr);
      });
      await emulator.switchOff();
    } catch (error) {
      await bench.close();
      throw error;
    }
    bench.fresh = Buffer.from(bench.flash.bytes);
    return bench;
  }

  get flash(): FlashChip {
    return this.emulator.flash;
  }

  /** Changes of the flash since the board was switched on. */
  get changes(): number {
    return this.flash.changes.length;
  }

  /** Which content `www` has. Fails if it has neither, or anything has changed that must not. */
  get content(): 'old' | 'new' {
    return contentOf(this.flash.bytes, this.#start, this.layout);
  }

  /** Puts a board with this flash on the bench. It is off. */
  async load(flash: Buffer): Promise<void> {
    await this.emulator.switchOff();
    this.#start = Buffer.from(flash);
    this.flash.bytes = Buffer.from(flash);
  }

  /** Switches the board off and on again, and waits for its prompt. */
  async reboot(clock: Clock = 'counted'): Promise<void> {
    await this.emulator.switchOff();
    this.emulator.switchOn(clock);
    await this.emulator.prompt();
  }

  /** Boots a board with this flash. */
  async boot(flash: Buffer, clock?: Clock): Promise<void> {
    await this.load(flash);
    await this.reboot(clock);
  }

  /** Does something from a boot on, and once more if the emulator has reset itself meanwhile. */
  async steadily<T>(act: () => Promise<T>): Promise<T> {
    for (let left = TIMES; ; left--) {
      const { resets } = this.emulator;
      try {
        return await act();
      } catch (error) {
        if (left <= 1 || this.emulator.resets === resets) throw error;
      }
    }
  }

  /** Runs a script on the board. */
  async run(script: string): Promise<unknown> {
    const session = await this.emulator.open();
    try {
      return await session.run(script);
    } finally {
      await session.close();
    }
  }

  /** @returns what the boot script has left. */
  async recovered(): Promise<Report> {
    return (await this.run('return recovered')) as Report;
  }

  /** A script that hands the image over in pieces. */
  readonly updateScript = (options?: object) => updateScript(this.layout, options);

  /** Updates `www`, in pieces that come from the board itself. */
  async update(options?: object): Promise<Result> {
    return (await this.run(this.updateScript(options))) as Result;
  }

  /** Runs a command of `part-ota` on the board. */
  command(name: string, ...words: string[]): Promise<Run> {
    const { port } = this.emulator;
    return runPartOta(this.#folder, name, '--port', port, '--timeout', PATIENCE, ...words);
  }

  updateOverConsole(): Promise<Run> {
    return this.command('update', '--partition', 'www', '--json', 'www.bin');
  }

  /**
   * Boots, and lets power fail in a change of the flash, be it in the boot. The board is off afterwards.
   * @param act - what is done at the prompt
   * @returns whether power failed; else all came to its end
   */
  async cutIn(
    { number, tear }: Cut,
    act: () => Promise<unknown> = () => Promise.resolve(),
    clock: Clock = 'counted',
  ): Promise<boolean> {
    await this.emulator.switchOff();
    this.emulator.switchOn(clock);
    const cut = new Promise<true>((resolve) => this.flash.cutAt(number, tear, () => resolve(true)));
    const done = this.emulator.prompt().then(act);
    // After a cut nothing answers any more.
    const over = done.catch(() => undefined);
    try {
      return (await Promise.race([cut, done])) === true;
    } finally {
      await this.emulator.switchOff();
      await over;
    }
  }

  async close(): Promise<void> {
    await this.emulator.close();
  }
}
