/** `part-ota diff` */
import { basename } from 'node:path';
import { Command } from 'commander';
import { diff, type Difference, readSide, type Side } from './difference.ts';
import { about, readInput } from './files.ts';
import { MANIFEST_SUFFIX } from '../formats/manifest/make.ts';
import { printJson, printLines } from './print.ts';
import { columns, grouped, plural, rangesOf, rangesText, secondsText } from './words/format.ts';

interface Flags {
  json?: true;
}

const HELP = `
Each is an image or a manifest. Of a manifest only hashes are known, so where an
image ends inside a sector, that sector counts as changed if the sizes differ.

The estimate is for a transaction with backup, in a partition that the larger image
fills. Seconds are of flash time, for a W25Q32JV, without the network.

Example:
  part-ota diff www-1.3.bin www-1.4.bin
  part-ota diff www-1.3.bin.ota www-1.4.bin.ota --json`;

function readFile(file: string): Side {
  const bytes = readInput(file);
  return about(file, () => readSide(bytes, file.endsWith(MANIFEST_SUFFIX)));
}

function linesOf(difference: Difference, to: Side): string[] {
  const { changed, sectors, copied, fetched, work, seconds } = difference;
  const manifest = fetched.manifest + fetched.again;
  const bytes = fetched.image + manifest;
  const share = ((bytes / to.size) * 100).toFixed(1);
  const where = changed.length ? `: ${rangesText(changed)}` : '';
  const rows = [
    ['change', `${plural(changed.length, 'sector')} of ${grouped(sectors)}${where}`],
    [
      'fetch',
      `${grouped(bytes)} bytes, ${share} % of the image: ${plural(fetched.sectors.length, 'sector')} and ${grouped(manifest)} bytes of manifest`,
    ],
    [
      'flash',
      `${plural(work.erases, 'erase')}, ${grouped(work.bytesProgrammed)} bytes programmed, about ${secondsText(seconds)}`,
    ],
  ];
  if (copied.length)
    rows.splice(1, 0, [
      'copy',
      `${plural(copied.length, 'sector')}, blank or elsewhere in the partition`,
    ]);
  return columns(rows);
}

function toJson(difference: Difference, from: Side, to: Side): object {
  const { changed, sectors, copied, fetched, work, seconds } = difference;
  const sideOf = ({ size, digest }: Side) => ({ size, digest });
  return {
    from: sideOf(from),
    to: sideOf(to),
    sectors,
    changed: { count: changed.length, ranges: rangesOf(changed) },
    copied: { count: copied.length, ranges: rangesOf(copied) },
    fetched: {
      bytes: fetched.image + fetched.manifest + fetched.again,
      manifestBytes: fetched.manifest + fetched.again,
      count: fetched.sectors.length,
      ranges: rangesOf(fetched.sectors),
    },
    estimate: { erases: work.erases, bytesProgrammed: work.bytesProgrammed, seconds },
  };
}

/** Makes the command. It throws an InputError for what the user has to change. */
export function diffCommand(): Command {
  return new Command('diff')
    .description('tell what an update over the air would fetch, erase and take')
    .argument('<old>', 'what the partition holds')
    .argument('<new>', 'what it is to hold')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action((oldFile: string, newFile: string, flags: Flags) => {
      const from = readFile(oldFile);
      const to = readFile(newFile);
      const difference = diff(from, to);
      if (flags.json) return printJson(toJson(difference, from, to));
      printLines([`${basename(oldFile)} to ${basename(newFile)}:`, ...linesOf(difference, to)]);
    });
}
