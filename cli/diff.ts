/** `part-ota diff` */
import { basename } from 'node:path';
import { Command } from 'commander';
import { diff, type Difference, readSide, type Side } from './difference.ts';
import { about, readInput } from './files.ts';
import { Given, type ImageFlags, targetIn, withStrict } from './images/given.ts';
import { concernsOfChange } from '../formats/images/concerns.ts';
import { MANIFEST_SUFFIX } from '../device/http/manifest.ts';
import { printJson, printLines } from './print.ts';
import { columns, grouped, plural, rangesOf, rangesText, secondsText } from './words/format.ts';

interface Flags extends ImageFlags {
  table?: string;
  partition?: string;
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

/** One of both, and what it is; a manifest tells nothing of that. */
interface Known extends Side {
  given?: Given;
}

function readFile(file: string): Known {
  const bytes = readInput(file);
  const isManifest = file.endsWith(MANIFEST_SUFFIX);
  const side = about(file, () => readSide(bytes, isManifest));
  return isManifest ? side : { ...side, given: new Given(file, bytes) };
}

/** Warns of the new image, and of what it is in the place of the old one. @throws InputError, ImageError */
function judge(from: Known, to: Known, flags: Flags): void {
  const target = targetIn(flags.table, flags.partition);
  const [before, after] = [from.given?.image, to.given?.image];
  to.given?.judge(flags, target, before && after ? concernsOfChange(before, after) : []);
}

function linesOf(difference: Difference, from: Known, to: Known): string[] {
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
  const holds = (name: string, { given }: Known) =>
    (given?.lines ?? []).map((line) => [name, line]);
  return columns([...holds('old', from), ...holds('new', to), ...rows]);
}

function toJson(difference: Difference, from: Known, to: Known): object {
  const { changed, sectors, copied, fetched, work, seconds } = difference;
  const sideOf = ({ size, digest, given: image }: Known) => ({ size, digest, image });
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
  return withStrict(new Command('diff'))
    .description('tell what an update over the air would fetch, erase and take')
    .argument('<old>', 'what the partition holds')
    .argument('<new>', 'what it is to hold')
    .option('--table <file>', 'partition table that has the partition, CSV or binary')
    .option('--partition <label>', 'the row of the table that the images are for')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action((oldFile: string, newFile: string, flags: Flags) => {
      const from = readFile(oldFile);
      const to = readFile(newFile);
      judge(from, to, flags);
      const difference = diff(from, to);
      if (flags.json) return printJson(toJson(difference, from, to));
      printLines([
        `${basename(oldFile)} to ${basename(newFile)}:`,
        ...linesOf(difference, from, to),
      ]);
    });
}
