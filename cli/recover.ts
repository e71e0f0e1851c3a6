/** `part-ota recover`, `restore`, `confirm` and `forget`: the calls of the module, on the board. */
import { Command } from 'commander';
import type { Report } from '../device/api.ts';
import { type Call, callModule, forgetJournal } from '../link/module.ts';
import type { Session } from '../link/session.ts';
import { onBoard } from './connection.ts';
import { type PortFlags, withPort } from './options.ts';
import { printJson, printLines, standardError } from './print.ts';
import { barsOn } from './report-progress.ts';
import { forgottenLines, reportLines } from './words/states.ts';

interface Flags extends PortFlags {
  json?: true;
}

type Name = Call | 'forget';

const DESCRIPTIONS: Record<Name, string> = {
  recover: 'on a board: finish or undo what a power cut has interrupted',
  restore: 'on a board: put the old content back, of an update that is open, on trial or committed',
  confirm: 'on a board: end the trial of new content; it stays',
  forget: 'on a board: give up what the journal knows; the partition stays as it is',
};

const HELP: Record<Name, string> = {
  recover: `
The boot script of part-ota upload does the same at every boot.
Counts as a boot if new content is on trial.`,
  restore: `
The app must not use the partition meanwhile: unmount it first.`,
  confirm: '',
  forget: `
For a partition that is "damaged" or "incomplete" and is not to be updated again. The old
content of an update that is open cannot come back after that, nor can recover tell that
the partition holds neither content. It does not ask; part-ota status tells before what
would be given up.`,
};

const EXITS = `
Exit code: 0 done; 1 the board refuses, or the partition holds neither old nor new
content; 2 no board, or no module on it.`;

const FORGET_EXITS = `
Exit code: 0 done; 1 the board refuses; 2 no board, or no module on it.`;

/** The board does it without this machine, so this is true whenever it is printed. */
const ON_CTRL_C: Record<Name, (port: string) => string> = {
  recover: (port) =>
    `The board goes on by itself, and may lose power at any moment. "part-ota status --port ${port}" ` +
    'tells what has become of it; after a reset "part-ota recover" begins anew.',
  restore: (port) =>
    `The board goes on by itself, and may lose power at any moment. "part-ota status --port ${port}" ` +
    'tells what has become of it; after a reset "part-ota recover" finishes it.',
  confirm: (port) => `"part-ota status --port ${port}" tells whether it was confirmed.`,
  forget: (port) => `"part-ota status --port ${port}" tells whether it was given up.`,
};

/** @returns what a command exits with after a report. */
const exitCodeOf = ({ state }: Report) => (state === 'damaged' || state === 'incomplete' ? 1 : 0);

async function call(session: Session, name: Call, flags: Flags): Promise<void> {
  const bars = barsOn(standardError, () => '');
  let report: Report;
  try {
    report = await callModule(session, name, (progress) => bars.show(progress));
  } finally {
    bars.stop();
  }
  if (flags.json) printJson(report);
  else printLines(reportLines(report));
  process.exitCode = exitCodeOf(report);
}

async function forget(session: Session, flags: Flags): Promise<void> {
  const { before, report } = await forgetJournal(session);
  if (flags.json) printJson({ ...report, forgotten: before });
  // The partition is named already.
  else printLines([...forgottenLines(before), ...reportLines({ ...report, partition: undefined })]);
}

function makeCommand(name: Name): Command {
  const exits = name === 'forget' ? FORGET_EXITS : EXITS;
  return withPort(new Command(name).description(DESCRIPTIONS[name]))
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP[name] + exits)
    .action((flags: Flags) => {
      const act = (session: Session) =>
        name === 'forget' ? forget(session, flags) : call(session, name, flags);
      return onBoard(flags, act, ON_CTRL_C[name]);
    });
}

export const recoverCommand = () => makeCommand('recover');
export const restoreCommand = () => makeCommand('restore');
export const confirmCommand = () => makeCommand('confirm');
export const forgetCommand = () => makeCommand('forget');
