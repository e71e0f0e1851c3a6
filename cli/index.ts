/** The command `part-ota`. */
import { Command, CommanderError } from 'commander';
import { boardCommand } from './board.ts';
import { diffCommand } from './diff.ts';
import { inspectCommand } from './inspect.ts';
import { VERSION } from './files.ts';
import { packCommand } from './pack.ts';
import { endWithReader, printMessage, standardError, standardOutput } from './print.ts';
import { confirmCommand, forgetCommand, recoverCommand, restoreCommand } from './recover.ts';
import { serveCommand } from './serve.ts';
import { simulateCommand } from './simulate.ts';
import { statusCommand } from './status.ts';
import { tableCommand } from './table.ts';
import { updateCommand } from './update.ts';
import { uploadCommand } from './upload.ts';
import { verifyCommand } from './verify.ts';
import { wordingOf } from './words.ts';

/** What a command exits with when its arguments or files are wrong. */
const WRONG_INPUT = 2;

const HELP = `
Example:
  part-ota simulate                     what an update does when power fails, without a board
  part-ota <command> --help             what a command can do`;

function makeProgram(): Command {
  const program = new Command('part-ota')
    .description('updates the data partitions of an ESP32 so that power may fail at any moment')
    .version(VERSION)
    // `pack` has a --version of its own.
    .enablePositionalOptions()
    .addHelpText('after', HELP);
  for (const command of [
    simulateCommand(),
    uploadCommand(),
    statusCommand(),
    updateCommand(),
    recoverCommand(),
    restoreCommand(),
    confirmCommand(),
    forgetCommand(),
    packCommand(),
    verifyCommand(),
    diffCommand(),
    serveCommand(),
    boardCommand(),
    inspectCommand(),
    tableCommand(),
  ])
    program.addCommand(command);
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({
      writeOut: (text) => void standardOutput.write(text),
      // It quotes what was typed.
      writeErr: (text) => void standardError.write(text),
    });
  return program;
}

/** A fault of this program, which is told with its stack: what is in it may be a stranger's. */
function fail(error: unknown): void {
  printMessage(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

endWithReader();
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error: unknown) => {
    fail(error);
    process.exit();
  });

try {
  await makeProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // It has printed its message; 0 is --help and --version.
    process.exitCode = error.exitCode && WRONG_INPUT;
  } else {
    const wording = wordingOf(error);
    if (wording) {
      printMessage(`error: ${wording.message}`);
      process.exitCode = wording.exitCode;
    } else fail(error);
  }
}
