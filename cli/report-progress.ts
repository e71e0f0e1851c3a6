/** Progress on a terminal, as bars; elsewhere a line per phase once it is over. */
import { createRequire } from 'node:module';
import type * as CliProgress from 'cli-progress';
import type { MultiBar, SingleBar } from 'cli-progress';
import type { Progress } from '../device/api.ts';
import { SECTOR } from '../formats/chip.ts';
import { type Output, streamForBars } from './print.ts';
import { plural, printable } from './words/format.ts';

/** The library, which is of no use but on a terminal: most commands never load it. */
const library = () => createRequire(import.meta.url)('cli-progress') as typeof CliProgress;

/** How far a phase has come, in bytes: those of the device module, and what is fetched. */
type Shown = Omit<Progress, 'phase'> & { phase: Progress['phase'] | 'fetch' };

/** Shows how far the phases of one call have come. */
export interface Bars {
  show: (progress: Shown) => void;
  /** Leaves on the screen where it came to. */
  stop: () => void;
}

/** @returns how a bar looks. */
const optionsOf = (output: Output, head: string, tail: string) => ({
  stream: streamForBars(output),
  format: `${head}{phase} {bar} {value} of {total} sectors${tail}`,
  barsize: 32,
  barCompleteChar: '\u2588',
  barIncompleteChar: '\u2591',
  hideCursor: true,
  autopadding: true,
  emptyOnZero: true,
});

/** Phases stand below each other. */
const nameOf = (phase: Shown['phase']) => printable(phase).padEnd(7);

/** @returns the line that stands for a phase where there is no terminal. */
const lineOf = ({ phase, done, total }: Shown) =>
  `${nameOf(phase)} ${done / SECTOR} of ${plural(total / SECTOR, 'sector')}\n`;

/** Milliseconds between two drawings; simulated sectors take less than one. */
const FRAME_MS = 40;

type Draw = { update: () => void };

/** Hardly anything is asynchronous in a simulation, so the bars are drawn from here and not by their timer. */
function barsOnTerminal(output: Output, head: () => string): Bars {
  const options = { ...optionsOf(output, '{head}', ''), forceRedraw: true };
  let multi: MultiBar | undefined;
  const bars = new Map<string, SingleBar>();
  let drawn = 0;
  return {
    show({ phase, done, total }) {
      multi ??= new (library().MultiBar)(options);
      let bar = bars.get(phase);
      if (!bar) {
        bar = multi.create(total / SECTOR, 0, { head: head(), phase: nameOf(phase) });
        bars.set(phase, bar);
      }
      bar.update(done / SECTOR);
      const now = Date.now();
      if (now - drawn < FRAME_MS) return;
      drawn = now;
      (multi as unknown as Draw).update();
    },
    stop() {
      multi?.stop();
      multi = undefined;
      bars.clear();
    },
  };
}

function linesElsewhere(output: Output, head: () => string): Bars {
  const last = new Map<string, Shown>();
  return {
    show(progress) {
      last.set(progress.phase, progress);
    },
    stop() {
      for (const progress of last.values()) output.write(head() + lineOf(progress));
      last.clear();
    },
  };
}

/** @param head - gives what the next line begins with */
export function barsOn(output: Output, head: () => string): Bars {
  return output.isTTY ? barsOnTerminal(output, head) : linesElsewhere(output, head);
}

/** The bar of an update of a board: it is one, and begins anew with each phase. */
export class UpdateBar {
  readonly #output: Output;
  #bar: SingleBar | undefined;
  #last: Progress | undefined;
  #note = '';

  constructor(output: Output) {
    this.#output = output;
  }

  /** What stands behind the bar: what was sent. */
  set note(text: string) {
    this.#note = printable(text);
    this.#bar?.update({ note: this.#note });
  }

  show(progress: Progress): void {
    // Sectors are backed up one by one while others are written, which is no phase of its own.
    if (progress.phase === 'backup') return;
    if (progress.phase !== this.#last?.phase) this.#endPhase();
    this.#last = progress;
    if (!this.#output.isTTY) return;
    const { total, done } = progress;
    const payload = { phase: nameOf(progress.phase), note: this.#note };
    if (this.#bar) {
      this.#bar.setTotal(total / SECTOR);
      this.#bar.update(done / SECTOR, payload);
    } else {
      this.#bar = new (library().SingleBar)(optionsOf(this.#output, '', '{note}'));
      this.#bar.start(total / SECTOR, done / SECTOR, payload);
    }
  }

  /** Leaves on the screen where it came to. */
  stop(): void {
    this.#bar?.stop();
    this.#endPhase();
    this.#bar = this.#last = undefined;
  }

  #endPhase(): void {
    if (this.#last && !this.#output.isTTY) this.#output.write(lineOf(this.#last));
  }
}
