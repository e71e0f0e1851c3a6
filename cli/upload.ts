/** `part-ota upload` */
import { Command } from 'commander';
import {
  isWritten,
  planUpload,
  upload,
  type UploadPlan,
  type UploadSource,
  type Wanted,
} from '../link/upload.ts';
import { onBoard } from './connection.ts';
import { packageFile, readBundle, readInput, VERSION } from './files.ts';
import { type PortFlags, tableAddress, withPort } from './options.ts';
import { listPorts } from './ports.ts';
import { type Output, printLines, showLine, standardError } from './print.ts';
import { columns, grouped, plural } from './words/format.ts';

interface Flags extends PortFlags {
  http?: true;
  resume?: true;
  boot: boolean;
  compact?: true;
  dryRun?: true;
  list?: true;
  tableOffset?: number;
}

const HELP = `
Stored in Espruino's Storage, each under its name:
  ota        the module: require('ota')
  ota-http   with --http: updates over the air
  .boot0     runs at every boot, before the app: undoes what a power cut has
             interrupted, then frees the memory of the module. What your own .boot0
             has stays in it, and comes first.

What is there already is not written again: Storage is a log that is not erased.
Length and CRC-32 of what the board reads are compared with what was sent.

Examples:
  part-ota upload --list
  part-ota upload --port /dev/ttyUSB0 --http
  part-ota upload --port tcp://127.0.0.1:2323 --dry-run`;

async function printPorts(): Promise<void> {
  const ports = await listPorts();
  const lines = ports.length
    ? columns(ports.map(({ path, description }) => [path, description]))
    : ['no serial port found; is the board plugged in, by a cable with data lines?'];
  printLines(lines);
}

const PLANNED: Record<Wanted['step'], string> = {
  stored: 'to be stored',
  replaced: 'to replace another version',
  added: "to be put before the board's own",
  kept: 'is there already',
  foreign: "recovers already; it is the board's own, and stays as it is",
};
const DONE: Record<Wanted['step'], string> = {
  stored: 'stored',
  replaced: 'stored in place of another version',
  added: "put before the board's own",
  kept: 'was there already',
  foreign: PLANNED.foreign,
};

const fileLines = ({ files }: UploadPlan, words: Record<Wanted['step'], string>) =>
  columns(
    files.map(({ name, content, step }) => [name, `${grouped(content.length)} bytes`, words[step]]),
    [1],
  );

function headOf(port: string, { facts, files, needed }: UploadPlan): string[] {
  const { board, firmware, storage } = facts;
  const count = files.filter(isWritten).length;
  return [
    `${board}, Espruino ${firmware}, at ${port}`,
    count
      ? `${plural(count, 'file')} to write, ${grouped(needed)} of ${grouped(storage.free)} bytes of Storage`
      : `nothing to write: all of version ${VERSION} is there`,
    '',
  ];
}

/** A line that tells how far a file has come, on a terminal. */
function progressOn(output: Output): (file: Wanted, done: number) => void {
  if (!output.isTTY) return () => undefined;
  return ({ name, content }, done) => {
    const percent = Math.floor((done * 100) / content.length);
    showLine(output, percent < 100 ? `  ${name}  ${percent} %` : '');
  };
}

const readSource = (): UploadSource => ({
  ota: readBundle('dist/ota.min.js'),
  otaHttp: readBundle('dist/ota-http.min.js'),
  boot: {
    version: VERSION,
    script: readInput(packageFile('examples/boot0.js')).toString('latin1'),
  },
});

async function run(flags: Flags): Promise<void> {
  if (flags.list) return printPorts();
  await onBoard(
    flags,
    async (session) => {
      const plan = await planUpload(session, readSource(), {
        http: flags.http ?? false,
        resume: flags.resume ?? false,
        boot: flags.boot,
        compact: flags.compact ?? false,
        table: flags.tableOffset,
      });
      printLines(headOf(session.port.name, plan));
      if (flags.dryRun) return printLines(fileLines(plan, PLANNED));
      await upload(session, plan, progressOn(standardError));
      printLines([...fileLines(plan, DONE), '', ...nextSteps(plan)]);
    },
    () => 'What was being stored is incomplete: upload it again. Nothing else has changed.',
  );
}

function nextSteps({ files }: UploadPlan): string[] {
  return [
    files.some(isWritten)
      ? 'What was stored is in use from the next boot on. part-ota status tells what is on the board.'
      : 'part-ota status tells what is on the board.',
  ];
}

/** Makes the command. */
export function uploadCommand(): Command {
  return withPort(
    new Command('upload').description('store the module and its boot script on a board'),
  )
    .option('--http', 'store ota-http, too: updates over the air')
    .option(
      '--resume',
      'the boot script leaves an interrupted update open; the app has to go on with it',
    )
    .option('--no-boot', 'leave .boot0 alone: the app calls recover() itself')
    .option('--compact', 'let Espruino compact a full Storage: power must not fail in that')
    .option(
      '--table-offset <address>',
      'where the partition table lies, for a firmware that has it elsewhere than at 0x8000',
      tableAddress,
    )
    .option('--dry-run', 'tell what would be stored, and write nothing')
    .option('--list', 'list the serial ports, and do nothing')
    .addHelpText('after', HELP)
    .action(run);
}
