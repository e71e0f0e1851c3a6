/** `part-ota simulate` */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { InputError, readInput, wholeNumber, writeOutput } from './errors.ts';
import { drawMap } from './map.ts';
import { packageFile, readBundle } from './package-files.ts';
import { isBinary } from './partition-binary.ts';
import { csvToTable, parseTable, TableError } from './partition-csv.ts';
import { Reporter } from './report.ts';
import { toJson } from './report-json.ts';
import { simulate, type Simulation } from './simulate.ts';
import type { Setup } from './simulate-chip.ts';

interface Flags {
  from: string;
  to: string;
  table: string;
  partition: string;
  backup?: string;
  direct?: true;
  cut: number;
  seed: number;
  flashOut?: string;
  map?: string;
  json?: true;
}

const HELP = `
Everything that the board does is done by dist/ota.min.js, the module that goes on
the chip. Power fails while a sector is backed up, while the target is written,
while the old content is put back, and from four cuts on during the commit. After
every recovery and at the end each byte of the chip is compared.

Exit code: 0 no byte is wrong, 1 one is, 2 an argument is.

Examples:
  part-ota simulate
  part-ota simulate --from old.bin --to new.bin --partition storage --cut 8
  part-ota simulate --flash-out flash.bin --map map.svg
  part-ota inspect flash.bin`;

/** Reads a partition table, CSV or binary, as a chip would hold it. */
function readTable(file: string): Uint8Array {
  const content = readInput(file);
  try {
    if (!isBinary(content)) return csvToTable(content);
    parseTable(content);
    return content.subarray(0, 0xc00);
  } catch (error) {
    if (error instanceof TableError) throw new InputError(`${file}: ${error.message}`);
    throw error;
  }
}

function setupOf(flags: Flags): Setup {
  const { partition, backup, cut: cuts, seed, direct: isDirect = false } = flags;
  const table = readTable(flags.table);
  const from = readInput(flags.from);
  const to = readInput(flags.to);
  return { bundle: readBundle(), table, from, to, partition, backup, isDirect, cuts, seed };
}

function run(flags: Flags): Simulation {
  const setup = setupOf(flags);
  if (flags.json) {
    const simulation = simulate(setup);
    process.stdout.write(`${toJson(simulation, flags.from, flags.to)}\n`);
    return simulation;
  }
  const reporter = new Reporter(process.stdout, {
    from: basename(flags.from),
    to: basename(flags.to),
    bundle: 'dist/ota.min.js',
  });
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
    .description('update a simulated board, cut its power, recover, and compare every byte')
    .addOption(packaged('--from <image>', 'old content', `${images}/storage-v1.littlefs.bin`))
    .addOption(packaged('--to <image>', 'new content', `${images}/storage-v2.littlefs.bin`))
    .addOption(packaged('--table <file>', 'partition table, CSV or binary', 'partitions.csv'))
    .option('--partition <label>', 'the partition to update', 'storage')
    .option('--backup <label>', 'what keeps the old content (default: the passive app slot)')
    .addOption(new Option('--direct', 'keep no old content (scheme 2)').conflicts('backup'))
    .option('--cut <count>', 'power cuts; 0: none', wholeNumber(0, 1000), 3)
    .option('--seed <number>', 'chooses where they fall', wholeNumber(0, 0xffffffff), 42)
    .option('--flash-out <file>', 'write what the chip holds at the end')
    .option('--map <file>', 'draw the chip, and what was done to each sector, as SVG')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action((flags: Flags) => {
      const simulation = run(flags);
      const { flash } = simulation.board;
      if (flags.flashOut !== undefined) writeOutput(flags.flashOut, flash.peek(0, flash.size));
      if (flags.map !== undefined) writeOutput(flags.map, drawMap(simulation));
      if (simulation.problems.length) process.exitCode = 1;
    });
}
