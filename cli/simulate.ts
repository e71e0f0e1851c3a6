/** `part-ota simulate` */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { packageFile, readBundle, readInput, writeOutput } from './files.ts';
import { wholeNumber } from './options.ts';
import { drawMap } from './simulate/map.ts';
import { AirReporter } from './simulate/report-air.ts';
import { Reporter } from './simulate/report.ts';
import { airToJson, toJson } from './simulate/report-json.ts';
import { simulateAir } from './simulate/air.ts';
import { simulate, type Simulation } from './simulate/simulation.ts';
import type { Setup } from './simulate/chip.ts';
import { printJson, standardOutput } from './print.ts';
import { printable } from './words/format.ts';
import { readTable } from './table-file.ts';

interface Flags {
  from: string;
  to: string;
  table: string;
  partition: string;
  backup?: string;
  direct?: true;
  air: boolean;
  cut?: number;
  seed: number;
  flashOut?: string;
  map?: string;
  json?: true;
}

const HELP = `
Everything that the board does is done by dist/ota.min.js and dist/ota-http.min.js,
the modules that go on the chip. It fetches what has changed over TCP from a server
on this machine. The connection drops once, power fails while the target is written,
with more cuts also while a sector is backed up and during the commit, and the
update goes on where it was.

With --no-air it is handed the image. Power fails while a sector is backed up,
while the target is written, while the old content is put back, and from four cuts
on during the commit.

After every recovery and at the end each byte of the chip is compared.

Exit code: 0 nothing is wrong; 1 a byte is, or too many were fetched; 2 an argument is.

Examples:
  part-ota simulate
  part-ota simulate --no-air --cut 3
  part-ota simulate --from old.bin --to new.bin --partition storage --cut 8
  part-ota simulate --flash-out flash.bin --map map.svg
  part-ota inspect flash.bin`;

function setupOf(flags: Flags): Setup {
  const { partition, backup, seed, direct: isDirect = false } = flags;
  const cuts = flags.cut ?? (flags.air ? 1 : 3);
  const table = readTable(flags.table);
  const from = readInput(flags.from);
  const to = readInput(flags.to);
  return { bundle: readBundle(), table, from, to, partition, backup, isDirect, cuts, seed };
}

const namesOf = ({ from, to }: Flags, bundle: string) => ({
  from: printable(basename(from)),
  to: printable(basename(to)),
  bundle,
});

async function runOverAir(flags: Flags): Promise<Simulation> {
  const setup = { ...setupOf(flags), http: readBundle('dist/ota-http.min.js') };
  if (flags.json) {
    const simulation = await simulateAir(setup);
    printJson(airToJson(simulation, flags.from, flags.to));
    return simulation;
  }
  const names = namesOf(flags, 'dist/ota-http.min.js');
  const reporter = new AirReporter(standardOutput, names);
  const simulation = await simulateAir(setup, reporter);
  reporter.finish(simulation);
  return simulation;
}

function run(flags: Flags): Simulation {
  const setup = setupOf(flags);
  if (flags.json) {
    const simulation = simulate(setup);
    printJson(toJson(simulation, flags.from, flags.to));
    return simulation;
  }
  const reporter = new Reporter(standardOutput, namesOf(flags, 'dist/ota.min.js'));
  const simulation = simulate(setup, reporter);
  reporter.finish(simulation);
  return simulation;
}

/** Makes the command. It throws an InputError for what the user has to change. */
export function simulateCommand(): Command {
  const packaged = (flags: string, what: string, name: string) =>
    new Option(flags, what).default(packageFile(name), name);
  const images = 'examples/images';
  return new Command('simulate')
    .description('update a simulated board over the air, cut its power, and compare every byte')
    .addOption(packaged('--from <image>', 'old content', `${images}/storage-v1.littlefs.bin`))
    .addOption(packaged('--to <image>', 'new content', `${images}/storage-v2.littlefs.bin`))
    .addOption(packaged('--table <file>', 'partition table, CSV or binary', 'partitions.csv'))
    .option('--partition <label>', 'the partition to update', 'storage')
    .option('--backup <label>', 'what keeps the old content (default: the passive app slot)')
    .addOption(new Option('--direct', 'keep no old content (scheme 2)').conflicts('backup'))
    .option('--air', 'fetch the new content over TCP from this machine', true)
    .option('--no-air', 'hand it to the board instead')
    .option(
      '--cut <count>',
      'power cuts; 0: none (default: 1, with --no-air 3)',
      wholeNumber(0, 1000),
    )
    .option('--seed <number>', 'chooses where they fall', wholeNumber(0, 0xffffffff), 42)
    .option('--flash-out <file>', 'write what the chip holds at the end')
    .option('--map <file>', 'draw the chip, and what was done to each sector, as SVG')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      const simulation = flags.air ? await runOverAir(flags) : run(flags);
      const { flash } = simulation.board;
      if (flags.flashOut !== undefined) writeOutput(flags.flashOut, flash.peek(0, flash.size));
      if (flags.map !== undefined) writeOutput(flags.map, drawMap(simulation));
      if (simulation.problems.length) process.exitCode = 1;
    });
}
