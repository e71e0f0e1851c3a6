/** `part-ota recover`, `restore` and `confirm`: the calls of the module, on the board. */
import { Command } from 'commander';
import type { Report } from '../device/api.ts';
import { type Call, callModule } from '../link/module.ts';
import { onBoard } from './connection.ts';
import { type PortFlags, withPort } from './options.ts';
import { printJson, printLines } from './print.ts';
import { barsOn } from './report-progress.ts';
import { reportLines } from './words/states.ts';

interface Flags extends PortFlags {
  json?: true;
}

const DESCRIPTIONS: Record<Call, string> = {
  recover: 'on a board: finish or undo what a power cut has interrupted',
  restore: 'on a board: put the old content back, of an update that is open, on trial or committed',
  confirm: 'on a board: end the trial of new content; it stays',
};

const HELP: Record<Call, string> = {
  recover: `
The boot script of part-ota upload does the same at every boot.
Counts as a boot if new content is on trial.`,
  restore: `
The app must not use the partition meanwhile: unmount it first.`,
  confirm: '',
};

const EXITS = `
Exit code: 0 done; 1 the board refuses, or the partition holds neither old nor new
content; 2 no board, or no module on it.`;

/** The board does it without this machine, so this is true whenever it is printed. */
const ON_CTRL_C: Record<Call, (port: string) => string> = {
  recover: (port) =>
    `The board goes on by itself, and may lose power at any moment. "part-ota status --port ${port}" ` +
    'tells what has become of it; after a reset "part-ota recover" begins anew.',
  restore: (port) =>
    `The board goes on by itself, and may lose power at any moment. "part-ota status --port ${port}" ` +
    'tells what has become of it; after a reset "part-ota recover" finishes it.',
  confirm: (port) => `"part-ota status --port ${port}" tells whether it was confirmed.`,
};

/** @returns what a command exits with after a report. */
const exitCodeOf = ({ state }: Report) => (state === 'damaged' || state === 'incomplete' ? 1 : 0);

async function run(call: Call, flags: Flags): Promise<void> {
  await onBoard(
    flags,
    async (session) => {
      const bars = barsOn(process.stderr, () => '');
      let report: Report;
      try {
        report = await callModule(session, call, (progress) => bars.show(progress));
      } finally {
        bars.stop();
      }
      if (flags.json) printJson(report);
      else printLines(reportLines(report));
      process.exitCode = exitCodeOf(report);
    },
    ON_CTRL_C[call],
  );
}

function makeCommand(call: Call): Command {
  return withPort(new Command(call).description(DESCRIPTIONS[call]))
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP[call] + EXITS)
    .action((flags: Flags) => run(call, flags));
}

export const recoverCommand = () => makeCommand('recover');
export const restoreCommand = () => makeCommand('restore');
export const confirmCommand = () => makeCommand('confirm');
