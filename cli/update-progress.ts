/** One bar for an update of a board: it begins anew with each phase. Not on a terminal: a line per phase once it is over. */
import { SingleBar } from 'cli-progress';
import type { Progress } from '../device/api.ts';
import { SECTOR } from '../host/index.ts';
import { plural } from './report-format.ts';
import type { Output } from './report-progress.ts';

/** What is shown. Sectors are backed up one by one while others are written, which is no phase of its own. */
type Phase = Exclude<Progress['phase'], 'backup'>;

const NAMES: Record<Phase, string> = { write: 'write  ', verify: 'verify ', restore: 'restore' };

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
    this.#note = text;
    this.#bar?.update({ note: text });
  }

  show(progress: Progress): void {
    if (progress.phase === 'backup') return;
    if (progress.phase !== this.#last?.phase) this.#endPhase();
    this.#last = progress;
    if (!this.#output.isTTY) return;
    const { total, done } = progress;
    const payload = { phase: NAMES[progress.phase], note: this.#note };
    if (this.#bar) {
      this.#bar.setTotal(total / SECTOR);
      this.#bar.update(done / SECTOR, payload);
    } else {
      this.#bar = makeBar(this.#output);
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
    if (!this.#last || this.#output.isTTY) return;
    const { phase, done, total } = this.#last;
    const name = NAMES[phase as Phase];
    this.#output.write(`${name} ${done / SECTOR} of ${plural(total / SECTOR, 'sector')}\n`);
  }
}

function makeBar(output: Output): SingleBar {
  return new SingleBar({
    stream: output as NodeJS.WriteStream,
    format: '{phase} {bar} {value} of {total} sectors{note}',
    barsize: 32,
    barCompleteChar: '\u2588',
    barIncompleteChar: '\u2591',
    hideCursor: true,
    autopadding: true,
    emptyOnZero: true,
  });
}
