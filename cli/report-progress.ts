/** Progress bars on a terminal; elsewhere a line per phase once it is over. */
import { MultiBar, type SingleBar } from 'cli-progress';
import type { Progress } from '../device/api.ts';
import { SECTOR } from '../host/index.ts';
import { plural } from './report-format.ts';

/** Where a command prints to. */
export type Output = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean };

/** How far a phase has come, in bytes: those of the device module, and what is fetched. */
export type Shown = Omit<Progress, 'phase'> & { phase: Progress['phase'] | 'fetch' };

/** Shows how far the phases of one call have come. */
export interface Bars {
  show: (progress: Shown) => void;
  /** Leaves on the screen where it came to. */
  stop: () => void;
}

/** Milliseconds between two drawings; simulated sectors take less than one. */
const FRAME_MS = 40;

type Draw = { update: () => void };

/** Hardly anything is asynchronous in a simulation, so the bars are drawn from here and not by their timer. */
function barsOnTerminal(output: Output, head: () => string): Bars {
  const options = {
    stream: output as NodeJS.WriteStream,
    format: '{head}{phase} {bar} {value} of {total} sectors',
    barsize: 32,
    barCompleteChar: '\u2588',
    barIncompleteChar: '\u2591',
    hideCursor: true,
    forceRedraw: true,
    autopadding: true,
    emptyOnZero: true,
  };
  let multi: MultiBar | undefined;
  const bars = new Map<string, SingleBar>();
  let drawn = 0;
  return {
    show({ phase, done, total }) {
      multi ??= new MultiBar(options);
      let bar = bars.get(phase);
      if (!bar) {
        bar = multi.create(total / SECTOR, 0, { head: head(), phase: phase.padEnd(7) });
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
      for (const { phase, done, total } of last.values()) {
        const count = `${done / SECTOR} of ${plural(total / SECTOR, 'sector')}`;
        output.write(`${head()}${phase.padEnd(7)} ${count}\n`);
      }
      last.clear();
    },
  };
}

/** @param head - gives what the next line begins with */
export function barsOn(output: Output, head: () => string): Bars {
  return output.isTTY ? barsOnTerminal(output, head) : linesElsewhere(output, head);
}
