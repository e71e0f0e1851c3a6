/** What `part-ota simulate` prints: what it works on, each step as it happens, the sums, the verdict. */
import type { Progress, Report, Result } from '../../device/api.ts';
import { SECTOR } from '../../host/index.ts';
import { columns, grouped, hex, plural, secondsText, sizeOf } from '../words/format.ts';
import { type Output, paint, type Style } from '../print.ts';
import { type Bars, barsOn } from '../report-progress.ts';
import type { Listener, Simulation, Step } from './simulation.ts';
import type { Cost } from './chip.ts';
import type { Cut, Phase } from './cuts.ts';

/** The names of what is simulated, for people. */
export interface Names {
  from: string;
  to: string;
  bundle: string;
}

export const INDENT = ' '.repeat(18);

const DOING: Record<Phase, string> = {
  backup: 'while backing up a sector',
  write: 'while writing the target',
  restore: 'while putting the old content back',
  journal: 'while writing the journal',
  commit: 'while committing',
};

/** What is worked on. @param more - further rows */
export function headOf(
  { setup, plan, judge, board }: Simulation,
  names: Names,
  more: string[][] = [],
): string[] {
  const { partition, from, to, isDirect, cuts, seed } = setup;
  const size = plan.partition.size;
  const differ = `${judge.changed.length} of ${plural(size / SECTOR, 'sector')} differ`;
  const place = (area = plan.backup) =>
    area ? [area.label ?? 'free flash', hex(area.address), sizeOf(area.size)] : ['none'];
  return [
    `Updates "${partition}" on a simulated ESP32, ${sizeOf(board.flash.size)} of flash, by ${names.bundle}`,
    '',
    ...columns([
      ['from', names.from, '', sizeOf(from.length)],
      ['to', names.to, '', `${sizeOf(to.length)}; ${differ}`],
      ['target', ...place(plan.partition)],
      ['backup', ...(isDirect ? ['none: direct'] : place(plan.backup))],
      ['journal', ...place(plan.journal)],
      ...more,
      ['cuts', cuts ? `${cuts}, seed ${seed}` : 'none'],
    ]),
    '',
  ];
}

/** Puts parts on one line if a terminal of 80 columns has room for it. */
function fitted(...parts: string[]): string[] {
  const line = parts.join('; ');
  return INDENT.length + line.length <= 80 ? [line] : parts;
}

function cutLines(cut: Cut): string[] {
  const what =
    cut.kind === 'erase'
      ? `erase of sector ${cut.sector}`
      : `program of ${cut.length} bytes in sector ${cut.sector}`;
  return [
    `${DOING[cut.phase]}: operation ${grouped(cut.operation)} of ${grouped(cut.of)}`,
    ...fitted(`${what} of ${cut.label}, ${hex(cut.address)}`, cut.tear.name.replace(/ \(.*/, '')),
  ];
}

/** What the target holds, in words. */
function holding({ target, progress }: Step, { setup, judge }: Simulation): string {
  const name = `"${setup.partition}" holds`;
  const of = plural(judge.changed.length, 'sector');
  const torn = progress.torn ? `, ${progress.torn} torn` : '';
  if (target === 'neither') return `${name} ${progress.new} of ${of} of the new content${torn}`;
  return `${name} the complete ${target} content`;
}

function outcome(report: Report | Result): string {
  const { state } = report;
  if (state === 'none') return 'no journal';
  if ('changed' in report) return `${state}, ${plural(report.changed, 'sector')} rewritten`;
  return state;
}

/** @returns a row of the table of sums. */
export const costRow = (name: string, { erases, bytesProgrammed, seconds }: Cost) => [
  name,
  grouped(erases),
  grouped(bytesProgrammed),
  secondsText(seconds),
];

function sums({ uncut, total, steps }: Simulation): string[] {
  const rows = [
    ['', 'sectors erased', 'bytes programmed', 'flash time'],
    costRow('One update, no cut', uncut),
  ];
  if (steps.some(({ cut }) => cut)) rows.push(costRow('This run, cuts included', total));
  return [
    ...columns(rows, [1, 2, 3], ''),
    '',
    'Flash time is modelled: W25Q32JV, typical, erased by sectors of 4 KiB.',
  ];
}

/** Whether all went well. @param promise - what was kept between the cuts */
export function verdict(
  { judge, board, setup, plan, steps, problems }: Simulation,
  promise?: string,
): string[] {
  if (problems.length) return ['FAILED', ...problems.map((problem) => `  ${problem}`)];
  const cuts = steps.filter(({ cut }) => cut).length;
  const spare = board.flash.size - judge.outside - plan.partition.size;
  const free = setup.isDirect ? 'journal' : 'backup and journal';
  const never = setup.isDirect
    ? 'No old content was kept: what a cut left incomplete the next update completed.'
    : 'After every recovery it held the complete old or the complete new content.';
  return [
    `PASSED: ${plural(cuts, 'power cut')}, no wrong byte in ${grouped(board.flash.size)}`,
    ...columns(
      [
        [grouped(plan.partition.size), `bytes of "${setup.partition}" are the new content`],
        [grouped(judge.outside), 'bytes outside are what they were'],
        [grouped(spare), `bytes of ${free} are free to change`],
      ],
      [0],
    ),
    ...(cuts ? [promise ?? never] : []),
    ...(setup.cuts && !cuts ? ['Nothing was written, so there was nothing to cut.'] : []),
  ];
}

/** Prints a simulation while it runs, and its sums when it is over. */
export class Reporter<S extends Simulation = Simulation> implements Listener {
  readonly #output: Output;
  protected readonly names: Names;
  /** What is wrong, and what is right, in colour where there is any. */
  protected readonly paint: (style: Style, text: string) => string;
  protected readonly bars: Bars;
  protected simulation: S | undefined;
  #cuts = 0;
  #head = '';

  constructor(output: Output, names: Names) {
    this.#output = output;
    this.names = names;
    this.paint = (style, text) => paint(output, style, text);
    this.bars = barsOn(output, () => this.#takeHead());
  }

  onPlan = (simulation: Simulation): void => {
    this.simulation = simulation as S;
    this.#print(this.head(this.simulation));
  };

  onStart = (boot: number, call: Step['call']): void => {
    this.#head = `${(call === 'recover' ? `boot ${boot}` : '').padEnd(8)} ${call.padEnd(9)}`;
    const { setup, judge } = this.simulation!;
    const hasBackup = call === 'update' && !setup.isDirect && judge.changed.length > 0;
    if (hasBackup) this.onProgress({ phase: 'backup', done: 0, total: 0 });
  };

  onProgress = ({ phase, done, total }: Progress): void => {
    const { setup, judge } = this.simulation!;
    const changed = judge.changed.length;
    if (phase === 'backup' && setup.isDirect) return;
    // The module cannot know how many sectors it will have to save.
    const most = phase === 'backup' ? Math.max(changed * SECTOR, done) : total;
    this.bars.show({ phase, done, total: most });
  };

  onStep = (step: Step): void => {
    this.bars.stop();
    const time = secondsText(step.cost.seconds);
    const lines = step.cut
      ? [...cutLines(step.cut), holding(step, this.simulation!)]
      : fitted(`${outcome(step.report!)}, ${time}`, holding(step, this.simulation!));
    const [first, ...rest] = [...lines, ...this.more(step)];
    this.#print(this.between(step));
    if (step.cut) {
      // A cut before the first sector of a phase leaves the call to be named.
      if (this.#head) this.#print([this.#takeHead().trimEnd()]);
      this.#head = `${' '.repeat(9)}${this.paint('yellow', `CUT ${++this.#cuts}`.padEnd(9))}`;
    }
    this.#print([this.#takeHead() + first, ...rest.map((line) => INDENT + line)]);
  };

  /** Prints what it all came to. */
  finish(simulation: S): void {
    this.bars.stop();
    const [first, ...rest] = this.verdict(simulation);
    const style = simulation.problems.length ? 'red' : 'green';
    this.#print(['', ...this.sums(simulation), '', this.paint(style, first), ...rest]);
  }

  protected head(simulation: S): string[] {
    return headOf(simulation, this.names);
  }

  /** What else there is to tell about a step: what came in between, and what it was besides. */
  protected between: (step: Step) => string[] = () => [];
  protected more: (step: Step) => string[] = () => [];

  protected sums(simulation: S): string[] {
    return sums(simulation);
  }

  protected verdict(simulation: S): string[] {
    return verdict(simulation);
  }

  /** The first line of a call begins with its name, the others are indented. */
  #takeHead(): string {
    const head = this.#head || INDENT;
    this.#head = '';
    return head;
  }

  #print(lines: string[]): void {
    this.#output.write(lines.map((line) => `${line}\n`).join(''));
  }
}
