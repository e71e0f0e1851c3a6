/**
 * A process that runs `dist/part-ota.js` as often as it is asked to, loaded anew each time: to start a process for each of
 * eighty faults takes longer than all else in them.
 */
const COMMAND = new URL('../../../dist/part-ota.js', import.meta.url);

let stderr = '';
process.stderr.write = (text) => Boolean((stderr += text));
process.stdout.write = () => true;

let runs = 0;
/** Runs it once. @returns how it ended */
async function run({ folder, words }) {
  stderr = '';
  process.chdir(folder);
  process.argv = [process.execPath, COMMAND.pathname, ...words];
  process.exitCode = 0;
  await import(`${COMMAND.href}?${++runs}`);
  // What it has put there for the whole of its process.
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.removeAllListeners(event);
  process.stdout.removeAllListeners('error');
  return { status: process.exitCode, stderr };
}

let last = Promise.resolve();
process.on('message', ({ id, ...asked }) => {
  last = last.then(async () => process.send({ id, ...(await run(asked)) }));
});
