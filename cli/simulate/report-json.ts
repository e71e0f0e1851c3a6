/** What `part-ota simulate --json` prints. All sizes and addresses are in bytes, times in seconds. */
import { SECTOR } from '../../host/index.ts';
import { VERSION } from '../files.ts';
import type { AirSimulation, AirStep } from './air.ts';
import type { Simulation, Step } from './simulation.ts';

function stepToJson({ boot, call, cut, report, target, progress, cost }: Step) {
  const shown = cut && { ...cut, tear: cut.tear.name };
  return { boot, call, cut: shown, report, target, ...progress, cost };
}

/** @returns what JSON is made of */
export function toJson(simulation: Simulation, from: string, to: string) {
  const { setup, plan, judge, board, uncut, steps, total, problems } = simulation;
  const size = plan.partition.size;
  return {
    version: VERSION,
    from: { file: from, size: setup.from.length },
    to: { file: to, size: setup.to.length },
    scheme: setup.isDirect ? 'direct' : 'backup',
    seed: setup.seed,
    plan,
    sectors: { total: size / SECTOR, changed: judge.changed.length },
    update: uncut,
    steps: steps.map(stepToJson),
    cuts: steps.filter(({ cut }) => cut).length,
    total,
    compared: { chip: board.flash.size, target: size, outside: judge.outside },
    ok: problems.length === 0,
    problems,
  };
}

/** The port is any that was free, and what is printed depends on nothing but the arguments. */
const withoutPort = (url: string) => url.replace(/:\d+\//, '/');

/** @returns the same, with what an update over the air has besides */
export function airToJson(simulation: AirSimulation, from: string, to: string) {
  const { traffic, check, manifest, url, steps } = simulation;
  const common = toJson(simulation, from, to);
  const withTraffic = ({ traffic, drop }: AirStep, n: number) => ({
    ...common.steps[n],
    drop,
    fetched: traffic,
  });
  return {
    ...common,
    sectors: { ...common.sectors, copied: check.copied },
    steps: steps.map(withTraffic),
    air: {
      url: withoutPort(url),
      image: simulation.setup.to.length,
      manifest,
      toFetch: check.fetch,
      fetched: { ...traffic, all: traffic.image + traffic.manifest },
      drops: steps.filter(({ drop }) => drop).length,
    },
  };
}
