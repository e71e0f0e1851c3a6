/**
 * An update over the air on a simulated board: over TCP from a server on this machine, with a connection that drops
 * and power cuts, resumed after each, and a comparison of every byte of the chip.
 *
 * As in `simulate.ts` a scout does each call first, and shows which operations there are to cut.
 */
import type { Plan } from '../../device/api.ts';
import type { Check } from '../../device/http/api.ts';
import { type Board, type Operation, PowerCut, SECTOR, TEARS } from '../../host/index.ts';
import { InputError } from '../words.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { AirBoard, type AirListener, type AirSetup, steadyTcp, type Traffic } from './air-board.ts';
import { AirServer, isManifest } from './air-server.ts';
import { costOf, Judge, makeBoard, planOf } from './chip.ts';
import { airPhasesOf, chooseCut, type Cut, type Phase, randomOf } from './cuts.ts';
import { NOTHING, type Simulation, type Step } from './simulation.ts';

/** A connection that the server has dropped. */
export interface Drop {
  /** Bytes of the image that had been sent by then. */
  after: number;
  /** Where in the image the next request began. */
  resumedAt: number;
}

/** One call of a module. */
export interface AirStep extends Step {
  /** What it has fetched; none of that for `recover`. */
  traffic: Traffic;
  drop?: Drop;
}

/** How a simulation over the air went. */
export interface AirSimulation extends Simulation {
  setup: AirSetup;
  steps: AirStep[];
  url: string;
  /** Bytes of the manifest. */
  manifest: number;
  /** What the board has found out before. */
  check: Check;
  /** What all steps have fetched. */
  traffic: Traffic;
}

/** Sums up what steps have fetched. */
function sumOf(steps: AirStep[]): Traffic {
  const sum = (what: keyof Traffic) => steps.reduce((all, { traffic }) => all + traffic[what], 0);
  return { image: sum('image'), manifest: sum('manifest'), requests: sum('requests') };
}

/**
 * Chooses after how many bytes of the image the connection drops: in the first half, and amid a sector.
 * @returns nothing if too little is fetched
 */
function chooseDrop(fetch: number, random: () => number): number | undefined {
  const sector = Math.floor((random() * fetch) / SECTOR / 2);
  const bytes = sector * SECTOR + 1 + Math.floor(random() * (SECTOR - 1));
  return fetch > 1 ? Math.min(bytes, fetch - 1) : undefined;
}

class AirRun implements AirSimulation {
  readonly setup: AirSetup;
  readonly plan: Plan;
  readonly judge: Judge;
  readonly board: Board;
  readonly url: string;
  readonly manifest: number;
  check!: Check;
  uncut = NOTHING;
  readonly steps: AirStep[] = [];
  total = NOTHING;
  traffic = sumOf([]);
  readonly problems: string[] = [];
  readonly #server: AirServer;
  readonly #airBoard: AirBoard;
  readonly #scout: AirBoard;
  readonly #listener: AirListener;
  readonly #random: () => number;
  readonly #phases: Phase[];
  #drop: number | undefined;
  #boot = 1;

  constructor(
    [board, scout]: [Board, Board],
    setup: AirSetup,
    [server, manifest]: [AirServer, Uint8Array],
    listener: AirListener,
  ) {
    const { digest } = readManifest(manifest);
    this.setup = setup;
    this.board = board;
    this.url = server.url;
    this.manifest = manifest.length;
    this.plan = planOf(board, setup);
    this.judge = new Judge(board.flash, setup, this.plan);
    this.#server = server;
    this.#airBoard = new AirBoard(board, setup, server.url, digest);
    this.#scout = new AirBoard(scout, setup, server.url, digest);
    this.#listener = listener;
    this.#random = randomOf(setup.seed);
    this.#phases = airPhasesOf(setup.cuts, setup.isDirect);
    board.flash.resetCounters();
  }

  async run(): Promise<void> {
    const start = { ...this.board.flash.counters };
    try {
      this.check = await this.#scout.check();
      this.#drop = chooseDrop(this.check.fetch, this.#random);
      this.#listener.onPlan?.(this);
      do this.#recover();
      while (!(await this.#update()));
      // The next boot has to find the new content, and nothing to do.
      this.#recover();
    } catch (error) {
      if (error instanceof InputError) throw error;
      // A broken module may throw anything; what it did is for the verdict.
      this.problems.push(`boot ${this.#boot}: ${String(error)}`);
    }
    this.total = costOf(this.board.flash.counters, start);
    this.traffic = sumOf(this.steps);
    this.#checkTraffic();
  }

  #powerOn(): void {
    this.#boot++;
    this.board.powerOn({ seed: Math.floor(this.#random() * 2 ** 32) });
  }

  #recover(): void {
    const before = { ...this.board.flash.counters };
    if (this.steps.length) this.#powerOn();
    this.#listener.onStart?.(this.#boot, 'recover');
    const report = this.#airBoard.recover(this.#listener);
    const step = this.#end('recover', before, { report });
    const { state } = report;
    const isOpen = state === 'interrupted' || state === 'incomplete';
    const isUpdated = this.steps.at(-2)?.report !== undefined;
    if (isUpdated && state !== 'committed' && state !== 'none')
      this.#blame(step, 'that is not so: the update before had come to its end');
    if (step.target === 'neither' && !isOpen)
      this.#blame(step, `"${this.setup.partition}" holds neither the old nor the new content`);
    this.#listener.onStep?.(step);
  }

  /** @returns whether it ended without a cut */
  async #update(): Promise<boolean> {
    const { board } = this;
    const cut = await this.#explore();
    if (cut) {
      this.#phases.shift();
      board.flash.cutAt(cut.operation, cut.tear);
    }
    const before = { ...board.flash.counters };
    this.#server.dropAfter(this.#drop);
    this.#listener.onStart?.(this.#boot, 'update');
    let result: AirStep['report'];
    let fetched = 0;
    try {
      const { fetched: all, changed, state } = await this.#airBoard.update(this.#listener);
      fetched = all;
      result = { changed, state };
    } catch (error) {
      if (!(cut && error instanceof PowerCut)) throw error;
    }
    board.flash.cutAt(0, TEARS.nothing);
    const step = this.#end('update', before, result ? { report: result } : { cut });
    const { traffic, target } = step;
    if (result && fetched !== traffic.image + traffic.manifest)
      this.#blame(step, `it reports ${fetched} bytes as fetched`);
    if (result && target !== 'new')
      this.#blame(step, `"${this.setup.partition}" does not hold the new content`);
    this.#drop = undefined;
    this.#listener.onStep?.(step);
    return result !== undefined;
  }

  /**
   * Does on the scout what the board will do next. The connection drops there, too.
   * @returns the operation that power is to fail in, behind the drop
   */
  async #explore(): Promise<Cut | undefined> {
    const phase = this.#phases[0];
    const isFirst = this.steps.length === 1;
    if (!phase && !isFirst) return undefined;
    const { flash } = this.#scout.board;
    this.#scout.board.restore(this.board.snapshot());
    this.#server.dropAfter(this.#drop);
    const before = { ...flash.counters };
    const trace: Operation[] = (flash.trace = []);
    await this.#scout.update();
    flash.trace = undefined;
    if (isFirst) this.uncut = costOf(flash.counters, before);
    const earliest = this.#askedAfterDrop(this.#scout)?.operations;
    return phase && chooseCut(trace, this.plan, phase, false, this.#random, earliest);
  }

  /** @returns the first request after the connection has dropped. */
  #askedAfterDrop({ asked }: AirBoard) {
    const { dropped } = this.#server;
    if (dropped === undefined) return undefined;
    return asked.filter(({ path }) => !isManifest(path)).at(dropped + 1);
  }

  #end(
    call: Step['call'],
    before: Parameters<typeof costOf>[1],
    how: Pick<Step, 'cut' | 'report'>,
  ): AirStep {
    const { board, judge, plan } = this;
    const next = call === 'update' ? this.#askedAfterDrop(this.#airBoard) : undefined;
    const step: AirStep = {
      boot: this.#boot,
      call,
      ...how,
      target: judge.targetOf(board.flash, plan.partition),
      progress: judge.progressOf(board.flash, plan.partition),
      cost: costOf(board.flash.counters, before),
      traffic: this.#airBoard.traffic,
      ...(next && { drop: { after: this.#drop!, resumedAt: next.first } }),
    };
    this.steps.push(step);
    const { bytes, first } = judge.strayOf(board.flash);
    if (bytes)
      this.#blame(
        step,
        `${bytes} bytes have changed that must not, first at 0x${first.toString(16)}`,
      );
    return step;
  }

  #blame({ boot, call, report }: Step, what: string): void {
    const how = report ? `reported "${report.state}"` : 'was cut';
    this.problems.push(`boot ${boot}, after ${call}() ${how}: ${what}`);
  }

  /** Nothing that was right, and has stayed, may be fetched twice. */
  #checkTraffic(): void {
    const faults = this.steps.filter(({ cut, drop }) => cut ?? drop);
    const both = this.steps.filter(({ cut, drop }) => cut && drop);
    const sectors = (faults.length + both.length) * SECTOR;
    const limit = this.check?.fetch + sectors;
    if (this.traffic.image > limit)
      this.problems.push(`${this.traffic.image} bytes of the image were fetched, limit ${limit}`);
  }
}

/**
 * Updates a simulated chip over the air while the network and power fail.
 * @throws InputError if something of the setup does not fit the rest
 */
export async function simulateAir(
  setup: AirSetup,
  listener: AirListener = {},
): Promise<AirSimulation> {
  const boards: [Board, Board] = [makeBoard(setup, steadyTcp), makeBoard(setup, steadyTcp)];
  planOf(boards[0], setup);
  const manifest = makeManifest(setup.to, { partition: setup.partition });
  const server = await AirServer.start(setup.to, manifest);
  try {
    const run = new AirRun(boards, setup, [server, manifest], listener);
    await run.run();
    return run;
  } finally {
    await server.close();
  }
}
