/**
 * An update on a simulated board, power cuts, recoveries, and a comparison of every byte of the chip.
 *
 * Everything that the chip does is done by the device module that the board was given. A second board, the
 * scout, does each step first and without a cut: that shows which operations there are to cut.
 */
import type { Plan, Progress, Report, Result } from '../../device/api.ts';
import { type Board, type Operation, PowerCut, TEARS } from '../../host/index.ts';
import { InputError } from '../words.ts';
import {
  type Cost,
  costOf,
  Judge,
  makeBoard,
  planOf,
  recover,
  type Setup,
  update,
} from './chip.ts';
import { chooseCut, type Cut, type Phase, phasesOf, randomOf } from './cuts.ts';

/** One call of the module. */
export interface Step {
  /** Counted from 1. */
  boot: number;
  call: 'recover' | 'update';
  /** What ended it, if it did not end by itself. */
  cut?: Cut;
  /** What it reported, if it ended. */
  report?: Report | Result;
  /** What the target holds after it. */
  target: 'old' | 'new' | 'neither';
  /** Of the sectors that differ: how many are new after it, and how many are neither old nor new. */
  progress: { new: number; torn: number };
  cost: Cost;
}

/** Hears of a simulation while it runs. */
export interface Listener {
  onPlan?: (simulation: Simulation) => void;
  onStart?: (boot: number, call: Step['call']) => void;
  onProgress?: (progress: Progress) => void;
  onStep?: (step: Step) => void;
}

/** How a simulation went. */
export interface Simulation {
  setup: Setup;
  plan: Plan;
  judge: Judge;
  /** The board, at the end. */
  board: Board;
  /** What one update costs that no cut interrupts. */
  uncut: Cost;
  steps: Step[];
  /** What all steps cost. */
  total: Cost;
  /** What is wrong; nothing if all went well. */
  problems: string[];
}

export const NOTHING: Cost = { erases: 0, bytesProgrammed: 0, bytesRead: 0, seconds: 0 };

class Run implements Simulation {
  readonly setup: Setup;
  readonly plan: Plan;
  readonly judge: Judge;
  readonly board: Board;
  uncut = NOTHING;
  readonly steps: Step[] = [];
  total = NOTHING;
  readonly problems: string[] = [];
  readonly #scout: Board;
  readonly #listener: Listener;
  readonly #random: () => number;
  readonly #phases: Phase[];
  #boot = 1;

  constructor(setup: Setup, listener: Listener) {
    this.setup = setup;
    this.board = makeBoard(setup);
    this.#scout = makeBoard(setup);
    this.plan = planOf(this.board, setup);
    this.judge = new Judge(this.board.flash, setup, this.plan);
    this.#listener = listener;
    this.#random = randomOf(setup.seed);
    this.#phases = phasesOf(setup.cuts, setup.isDirect);
    this.board.flash.resetCounters();
  }

  run(): void {
    const start = { ...this.board.flash.counters };
    try {
      this.#measure();
      this.#listener.onPlan?.(this);
      while (!this.#goThroughBoot()) this.#powerOn();
      // The next boot has to find the new content, and nothing to do.
      this.#powerOn();
      this.#perform('recover', undefined);
    } catch (error) {
      if (error instanceof InputError) throw error;
      // A broken module may throw anything; what it did is for the verdict.
      this.problems.push(`boot ${this.#boot}: ${String(error)}`);
    }
    this.total = costOf(this.board.flash.counters, start);
  }

  #powerOn(): void {
    this.#boot++;
    this.board.powerOn({ seed: Math.floor(this.#random() * 2 ** 32) });
  }

  /** Recovers and updates. @returns whether it came to an end */
  #goThroughBoot(): boolean {
    const phase = this.#phases[0];
    const isRecovered = this.#perform('recover', phase === 'restore' ? phase : undefined);
    if (!isRecovered) return false;
    return this.#perform('update', this.#phases[0]);
  }

  /** Does on the scout what the board would do next. @returns its operations */
  #explore(call: Step['call']): Operation[] {
    this.#scout.restore(this.board.snapshot());
    const trace: Operation[] = (this.#scout.flash.trace = []);
    this.#call(this.#scout, call);
    this.#scout.flash.trace = undefined;
    return trace;
  }

  #call(board: Board, call: Step['call'], onProgress?: (progress: Progress) => void) {
    return call === 'recover' ? recover(board, onProgress) : update(board, this.setup, onProgress);
  }

  /** Makes the whole update on the scout. */
  #measure(): void {
    const { flash } = this.#scout;
    const before = { ...flash.counters };
    update(this.#scout, this.setup);
    this.uncut = costOf(flash.counters, before);
    if (this.judge.targetOf(flash, this.plan.partition) !== 'new')
      this.problems.push(`without a cut: "${this.setup.partition}" does not hold the new content`);
  }

  /** @returns whether it ended without a cut */
  #perform(call: Step['call'], phase: Phase | undefined): boolean {
    const { board, plan } = this;
    const trace = phase && this.#explore(call);
    const cut = phase && chooseCut(trace!, plan, phase, call === 'recover', this.#random);
    if (cut) {
      this.#phases.shift();
      board.flash.cutAt(cut.operation, cut.tear);
    }
    const before = { ...board.flash.counters };
    this.#listener.onStart?.(this.#boot, call);
    let report: Report | Result | undefined;
    try {
      report = this.#call(board, call, this.#listener.onProgress);
    } catch (error) {
      if (!(cut && error instanceof PowerCut)) throw error;
    }
    board.flash.cutAt(0, TEARS.nothing);
    const step: Step = {
      boot: this.#boot,
      call,
      ...(report ? { report } : { cut }),
      target: this.judge.targetOf(board.flash, plan.partition),
      progress: this.judge.progressOf(board.flash, plan.partition),
      cost: costOf(board.flash.counters, before),
    };
    this.steps.push(step);
    if (report) this.#check(step, report.state);
    this.#listener.onStep?.(step);
    return report !== undefined;
  }

  /** Compares the chip with what a step that ended has to leave behind. */
  #check({ call, target }: Step, state: string): void {
    const { partition, isDirect } = this.setup;
    const blame = (what: string) =>
      this.problems.push(`boot ${this.#boot}, after ${call}() reported "${state}": ${what}`);
    const stray = this.judge.strayOf(this.board.flash);
    if (stray.bytes)
      blame(
        `${stray.bytes} bytes have changed that must not, first at 0x${stray.first.toString(16)}`,
      );
    if (call === 'update' && target !== 'new')
      blame(`"${partition}" does not hold the new content`);
    if (call === 'update') return;
    const isUpdated = this.steps.at(-2)?.call === 'update' && this.steps.at(-2)?.report;
    if (isUpdated && state !== 'committed' && state !== 'none')
      blame('that is not so: the update before had come to its end');
    else if (isDirect && state === 'incomplete') return;
    if (target === 'neither') blame(`"${partition}" holds neither the old nor the new content`);
    else if (state === 'committed' && target === 'old')
      blame(`"${partition}" holds the old content`);
    else if (state === 'restored' && target === 'new' && this.judge.changed.length)
      blame(`"${partition}" holds the new content`);
  }
}

/**
 * Updates a simulated chip while power fails now and then.
 * @throws InputError if something of the setup does not fit the rest
 */
export function simulate(setup: Setup, listener: Listener = {}): Simulation {
  const run = new Run(setup, listener);
  run.run();
  return run;
}
