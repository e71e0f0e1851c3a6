/** `part-ota pack` */
import { basename } from 'node:path';
import { Command } from 'commander';
import { about, readInput, writeOutput } from './files.ts';
import { Given, type ImageFlags, targetIn, withStrict } from './images/given.ts';
import { makeManifest } from '../formats/manifest/make.ts';
import { MANIFEST_SUFFIX } from '../device/http/manifest.ts';
import { readManifest } from '../formats/manifest/read.ts';
import { printJson, printLines } from './print.ts';
import { columns, grouped, hex, plural } from './words/format.ts';
import { SECTOR } from '../formats/chip.ts';

interface Flags extends ImageFlags {
  table?: string;
  partition?: string;
  version?: string;
  metadata?: string;
  output?: string;
  json?: true;
}

const HELP = `
The manifest goes beside the image, on any web server. The digest is what a board
has to be told, and all that it has to trust. It is that of "fsverity digest".

What the image is, its own superblock tells. There is a warning if that cannot be meant: an
app, a dump, a compressed file; or, with --table, an image made for another size.

Example:
  part-ota pack www.bin --partition www --version 1.4.0
  part-ota verify www.bin`;

/** Makes the command. It throws an InputError for what the user has to change. */
export function packCommand(): Command {
  return withStrict(new Command('pack'))
    .description('make the manifest of an image, which a board reads before it fetches the image')
    .argument('<image>', 'what the partition is to hold')
    .option('--partition <label>', 'refuse to write it to any other partition')
    .option('--version <text>', 'version of the image, at most 31 bytes')
    .option('--metadata <file>', 'anything more, at most 1024 bytes')
    .option('-o, --output <file>', `the manifest (default: <image>${MANIFEST_SUFFIX})`)
    .option('--table <file>', 'partition table that has the partition, CSV or binary')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action((file: string, flags: Flags) => {
      const image = readInput(file);
      const output = flags.output ?? file + MANIFEST_SUFFIX;
      const { partition, version } = flags;
      const target = targetIn(flags.table, partition);
      const metadata = flags.metadata === undefined ? undefined : readInput(flags.metadata);
      const bytes = about(file, () => makeManifest(image, { partition, version, metadata }));
      const given = new Given(file, image);
      given.judge(flags, target);
      // What is written is what a reader takes.
      const { digest, size, crc32 } = readManifest(bytes);
      writeOutput(output, bytes);
      if (flags.json) {
        const result = { manifest: output, digest, size, crc32, length: bytes.length };
        return printJson({ ...result, partition, version, image: given });
      }
      const overhead = ((bytes.length / size) * 100).toFixed(2);
      const sectors = plural(Math.ceil(size / SECTOR), 'sector');
      const rows = [
        ['digest', digest],
        ['image', `${grouped(size)} bytes, ${sectors}, CRC-32 ${hex(crc32)}`],
        ...given.lines.map((line) => ['kind', line]),
        ['manifest', `${grouped(bytes.length)} bytes, ${overhead} % of the image`],
      ];
      if (partition) rows.push(['partition', partition]);
      if (version) rows.push(['version', version]);
      printLines([`${basename(output)}:`, ...columns(rows)]);
    });
}
