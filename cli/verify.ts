/** `part-ota verify` */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { Command } from 'commander';
import { about, readInput } from './files.ts';
import { parseDigest } from './options.ts';
import { printJson, printLines } from './print.ts';
import { InputError } from './words.ts';
import { MANIFEST_SUFFIX } from '../device/http/manifest.ts';
import { type Manifest, readManifest } from '../formats/manifest/read.ts';
import { differingHashes, examineImage } from '../formats/manifest/tree.ts';
import { columns, grouped, hex, plural, rangesOf, rangesText } from './words/format.ts';

interface Flags {
  manifest?: string;
  digest?: string;
  json?: true;
}

/** What an image is, beside what it has to be. */
interface Verdict {
  isRight: boolean;
  digest: string;
  size: number;
  /** Sectors that differ from the manifest, or that only the image or only the manifest has. */
  differing: number[];
  /** Sectors that the manifest has; undefined without one. */
  sectors?: number;
}

const HELP = `
Without --digest the manifest is believed. With it, and without a manifest, only
the digest of the image is compared.

Exit code: 0 the image is right, 1 it is wrong, 2 the manifest or an argument is.

Example:
  part-ota verify www.bin --digest sha256:3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95`;

/** @throws InputError if the manifest contradicts itself: it has another CRC-32 than the image that it proves */
function judge(image: Buffer, manifest: Manifest | undefined, digest?: string): Verdict {
  const facts = examineImage(image);
  const isRight = facts.digest === (manifest?.digest ?? digest);
  if (!manifest) return { isRight, digest: facts.digest, size: facts.size, differing: [] };
  if (isRight && facts.crc32 !== manifest.crc32)
    throw new InputError(
      `manifest: has CRC-32 ${hex(manifest.crc32)}, and the image it proves has ${hex(facts.crc32)}`,
    );
  return {
    isRight,
    digest: facts.digest,
    size: facts.size,
    differing: differingHashes(facts.hashes, manifest.hashes),
    sectors: manifest.hashes.length / 32,
  };
}

function linesOf(verdict: Verdict, manifest: Manifest | undefined, wanted: string): string[] {
  const { isRight, digest, size, differing, sectors } = verdict;
  const rows = [['digest', isRight ? digest : `${digest}, not ${wanted}`]];
  const isSized = !manifest || manifest.size === size;
  rows.push([
    'image',
    grouped(size) + (isSized ? ' bytes' : ` bytes, not ${grouped(manifest.size)}`),
  ]);
  if (differing.length)
    rows.push([
      'differ',
      `${plural(differing.length, 'sector')} of ${grouped(sectors!)}: ${rangesText(differing)}`,
    ]);
  if (manifest?.partition) rows.push(['partition', manifest.partition]);
  if (manifest?.version) rows.push(['version', manifest.version]);
  return columns(rows);
}

/** @returns the manifest to compare with; none if there is only a digest. */
function manifestOf(file: string, flags: Flags): Manifest | undefined {
  const beside = file + MANIFEST_SUFFIX;
  const name = flags.manifest ?? beside;
  if (flags.manifest === undefined && flags.digest !== undefined && !existsSync(beside)) return;
  const bytes = readInput(name);
  return about(name, () => readManifest(bytes, flags.digest));
}

/** Makes the command. It throws an InputError for what the user has to change. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('tell whether an image is that of its manifest, and which sectors are not')
    .argument('<image>', 'what a partition is to hold')
    .option('--manifest <file>', `its manifest (default: <image>${MANIFEST_SUFFIX})`)
    .option('--digest <digest>', 'what the digest has to be, 64 hex digits', parseDigest)
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action((file: string, flags: Flags) => {
      const image = readInput(file);
      const manifest = manifestOf(file, flags);
      const verdict = about(file, () => judge(image, manifest, flags.digest));
      const { isRight, differing, digest, size } = verdict;
      const wanted = manifest?.digest ?? flags.digest!;
      if (flags.json)
        printJson({
          ok: isRight,
          digest,
          size,
          expected: { digest: wanted, size: manifest?.size },
          partition: manifest?.partition,
          version: manifest?.version,
          differing: rangesOf(differing),
        });
      else
        printLines([
          `${basename(file)}: ${isRight ? 'right' : 'WRONG'}`,
          ...linesOf(verdict, manifest, wanted),
        ]);
      if (!isRight) process.exitCode = 1;
    });
}
