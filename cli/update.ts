/** `part-ota update` */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import type { AirResult } from '../device/http/api.ts';
import { QUEUE_HASHES } from '../device/http/limits.ts';
import type { Session } from '../link/session.ts';
import type { Sent } from '../link/update-pieces.ts';
import { BoardUpdate, type Outcome, type Source, type UpdateRequest } from '../link/update.ts';
import { onBoard } from './connection.ts';
import { about, readBundle, readInput } from './files.ts';
import { Given, type ImageFlags, withStrict } from './images/given.ts';
import { parseDigest, type PortFlags, wholeNumber, withPort } from './options.ts';
import { printJson, printLines, printMessage, standardError } from './print.ts';
import { InputError } from './words.ts';
import { makeManifest } from '../formats/manifest/make.ts';
import { MANIFEST_SUFFIX } from '../device/http/manifest.ts';
import { readManifest } from '../formats/manifest/read.ts';
import type { Retry } from '../link/shapes.ts';
import { parseHeaders, parseUrl } from './urls.ts';
import { adviceFor } from './words/air.ts';
import { columns, grouped, plural, secondsText } from './words/format.ts';
import { UpdateBar } from './report-progress.ts';
import { restText } from './words/link.ts';
import { appText } from './words/ways-out.ts';

interface Flags extends PortFlags, ImageFlags {
  partition: string;
  url?: string;
  manifestUrl?: string;
  header?: string[];
  keep?: true;
  digest?: string;
  trial?: number;
  backup?: string | boolean;
  version?: string;
  json?: true;
}

const HELP = `
The board compares what it has with the image, and only what differs is fetched: by the
board itself from a URL, or over the console from a file, which needs no network.
The modules have to be on the board: part-ota upload --http.
What an image from a file is, its own superblock tells; there is a warning if it was made for
another size than the partition has, or cannot be meant. --strict makes errors of them.

If the cable is pulled, run the same command again: it goes on. Ctrl-C leaves the board
as it is, and tells what it holds.

Exit code: 0 the partition holds the image; 1 it does not; 2 an argument is wrong, and
nothing was written; 130 Ctrl-C.

Examples:
  part-ota update --port /dev/ttyUSB0 --partition www www.bin
  part-ota update --port tcp://192.168.1.20 --partition www --url http://192.168.1.2:8080/www.bin`;

/**
 * Takes the manifest that lies beside an image, so that its version and label count, or makes one.
 * @throws InputError if it is for another partition
 */
function sourceOf(file: string, flags: Flags): Source {
  const { partition, version } = flags;
  const image = readInput(file);
  const made = about(file, () => makeManifest(image, { partition, version }));
  const { digest } = readManifest(made);
  if (flags.digest !== undefined && flags.digest !== digest)
    throw new InputError(`${file}: its digest is ${digest}, not ${flags.digest}`);
  const beside = file + MANIFEST_SUFFIX;
  const script = readBundle('dist/air-serial.min.js');
  const source = { name: basename(file), image, manifest: made, digest, script };
  if (version !== undefined || !existsSync(beside)) return source;
  const bytes = readInput(beside);
  const manifest = about(beside, () => readManifest(bytes));
  if (manifest.digest !== digest)
    throw new InputError(
      `${beside}: is the manifest of another image; run "part-ota pack ${file}", or remove it`,
    );
  if (manifest.partition && manifest.partition !== partition)
    throw new InputError(
      `${beside}: the image is for the partition "${manifest.partition}", not "${partition}"`,
    );
  return { ...source, manifest: bytes };
}

/** @returns where the board fetches the image. @throws InputError */
function locationOf(url: string, { manifestUrl, header, keep }: Flags) {
  const manifest = manifestUrl === undefined ? undefined : parseUrl('--manifest-url', manifestUrl);
  const headers = header && parseHeaders(header);
  return { url: parseUrl('--url', url), manifest, headers, keep };
}

/** @returns the option of the module. Its `false` is taken here, too. */
const backupOf = (backup: Flags['backup']) =>
  backup === true ? undefined : backup === 'false' ? false : backup;

/** @throws InputError */
function requestOf(file: string | undefined, flags: Flags): UpdateRequest {
  const { url, partition, trial, backup, digest, version } = flags;
  if (file === undefined && url === undefined)
    throw new InputError('update: name an image, or --url');
  if (file !== undefined && url !== undefined)
    throw new InputError('update: an image and --url: name one of them');
  if (url === undefined && (flags.manifestUrl ?? flags.header ?? flags.keep) !== undefined)
    throw new InputError('--manifest-url, --header and --keep: only with --url');
  if (url !== undefined && flags.strict)
    throw new InputError(
      '--strict: with --url the image is not here; part-ota pack --strict looks at it',
    );
  if (url !== undefined && version !== undefined)
    throw new InputError('--version: with --url it is in the manifest on the server');
  const source = url === undefined ? sourceOf(file!, flags) : { ...locationOf(url, flags), digest };
  return { source, partition, trial, backup: backupOf(backup) };
}

/** What became of the partition. */
function stateText(
  { state }: AirResult,
  { trial, partition }: UpdateRequest,
  port: string,
): string {
  if (state === 'untouched') return `"${partition}" held this image already: nothing was written`;
  if (state !== 'trial') return `"${partition}" holds the image: ${state}`;
  return (
    `"${partition}" holds the image on trial: after ${plural(trial ?? 1, 'boot')} the old content comes back, ` +
    `unless the app confirms it, or part-ota confirm --port ${port}`
  );
}

/** What was sent more than once: hashes that the board had no room for, and what was lost on the line. */
function againText({ again, manifestAgain }: Sent, changed: number): string[][] {
  const why =
    changed > QUEUE_HASHES ? `: the board keeps the hashes of ${QUEUE_HASHES} sectors` : '';
  const manifest = manifestAgain && `${grouped(manifestAgain)} bytes of manifest${why}`;
  const image = again > manifestAgain && `${grouped(again - manifestAgain)} bytes of image`;
  const text = [image, manifest].filter(Boolean).join(', ');
  return text ? [['sent again', text]] : [];
}

function report(
  { result, sent, seconds }: Outcome,
  request: UpdateRequest,
  port: string,
  given: Given | undefined,
): string[] {
  const { size, fetched, changed, copied, version } = result;
  const rows = [
    ...(given?.lines ?? []).map((line) => ['image', line]),
    [
      'changed',
      plural(changed, 'sector') + (copied ? `, ${copied} of them copied on the chip` : ''),
    ],
    sent
      ? [
          'sent',
          `${grouped(sent.image + sent.manifest)} bytes, ${grouped(sent.manifest)} of them manifest; ` +
            `the full image has ${grouped(size)}`,
        ]
      : ['fetched', `${grouped(fetched)} bytes; the full image has ${grouped(size)}`],
  ];
  if (sent)
    rows.push(...againText(sent, changed), ['on the line', `${grouped(sent.line)} characters`]);
  rows.push(['time', secondsText(seconds)]);
  if (version) rows.push(['version', version]);
  return [stateText(result, request, port), ...columns(rows)];
}

/** @param told - what was told already: then what to do is not said again */
function retryText({ retry, ms }: Retry, told: ReadonlySet<string>): string {
  const advice = told.has(retry) ? undefined : adviceFor(retry);
  return `the board asks again in ${secondsText(ms / 1000)}: ${retry}${advice === undefined ? '' : `; ${advice}`}`;
}

async function update(file: string | undefined, flags: Flags): Promise<void> {
  const request = requestOf(file, flags);
  const { source } = request;
  const given = 'url' in source ? undefined : new Given(source.name, source.image);
  const bar = new UpdateBar(standardError);
  let running: BoardUpdate | undefined;
  const told = new Set<string>();
  const act = async (session: Session) => {
    running = new BoardUpdate(session, request, {
      onTarget: (target) => given?.judge(flags, target),
      onOverwrite: ({ label, holds }) =>
        printMessage(
          `the backup overwrites what lies in ${label} (${appText(holds)}), if anything changes; ` +
            '--backup names another place',
        ),
      onJoin: () => printMessage('the board is at it already: here is the rest'),
      onPlan: ({ changed, fetch }) =>
        printMessage(
          `${plural(changed, 'sector')} to change, ${grouped(fetch)} bytes of image to fetch`,
        ),
      onProgress: (progress) => bar.show(progress),
      onRetry: (retry) => {
        bar.stop();
        printMessage(retryText(retry, told));
        told.add(retry.retry);
      },
      onSent: ({ image, manifest }) => {
        bar.note = `, ${grouped(image + manifest)} bytes sent`;
      },
    });
    try {
      const outcome = await running.run();
      bar.stop();
      if (flags.json) printJson({ ...outcome, image: given });
      else printLines(report(outcome, request, session.port.name, given));
    } finally {
      bar.stop();
    }
  };
  await onBoard(flags, act, () => {
    bar.stop();
    return running ? restText(running.rest) : 'Nothing was asked of the board yet.';
  });
}

/** Makes the command. It throws an InputError for what the user has to change. */
export function updateCommand(): Command {
  return withStrict(withPort(new Command('update')))
    .description('on a board: update a partition, from a URL or over the console')
    .argument('[image]', 'what the partition is to hold; without --url')
    .requiredOption('--partition <label>', 'the partition to update')
    .option(
      '--url <url>',
      'where the board fetches the image; its manifest has ".ota" behind the path',
    )
    .option('--manifest-url <url>', 'with --url: where its manifest is')
    .option(
      '--header <name: value>',
      'with --url: goes with each request; may be given again',
      (text: string, all: string[] = []) => [...all, text],
    )
    .option('--keep', 'with --url: leave an update open that fails, to go on with it later')
    .option(
      '--digest <digest>',
      'what the image has to be, as part-ota pack prints it',
      parseDigest,
    )
    .option(
      '--trial <boots>',
      'the old content comes back after so many boots without confirm',
      wholeNumber(1, 255),
    )
    .option(
      '--backup <label>',
      'what keeps the old content (default: the passive app slot, else free flash)',
    )
    .addOption(new Option('--no-backup', 'keep no old content (scheme 2)'))
    .option('--version <text>', 'version of the image, at most 31 bytes')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action(update);
}
