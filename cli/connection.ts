/** How commands come to a board, and what Ctrl-C does then. */
import { Session, type SessionOptions } from '../link/session.ts';
import type { PortFlags } from './options.ts';
import { listPorts, openPort, type PortOptions } from './ports.ts';
import { printMessage } from './print.ts';
import { plural } from './words/format.ts';
import { InputError } from './words.ts';

/** Opens a port, and waits until Espruino answers there. @throws OpenError, PortError */
export async function openSession(
  name: string,
  options: PortOptions & SessionOptions = {},
): Promise<Session> {
  return Session.open(await openPort(name, options), options);
}

/** @returns the port that is meant. @throws InputError unless it is named, or there is but one */
async function choosePort(named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const ports = await listPorts();
  if (ports.length === 1) return ports[0].path;
  const found = ports.map(({ path }) => path).join(', ');
  throw new InputError(
    ports.length
      ? `--port: which of ${plural(ports.length, 'port')}: ${found}?`
      : '--port: no serial port found; is the board plugged in, by a cable with data lines?',
  );
}

/**
 * Does something on the board, and hangs up. What is running there when the user presses Ctrl-C goes on.
 * @param onCtrlC - gets the port's name, returns what the user is told then
 * @throws PortError, BoardError
 */
export async function onBoard<T>(
  flags: PortFlags,
  action: (session: Session) => Promise<T>,
  onCtrlC: (port: string) => string,
): Promise<T> {
  const name = await choosePort(flags.port);
  const options = {
    baud: flags.baud,
    silence: flags.timeout * 1000,
    interrupt: flags.interrupt ?? false,
  };
  const session = await openSession(name, options);
  const stop = () => {
    printMessage(`\n${onCtrlC(name)}`);
    // A shell has the same exit code for a program that SIGINT has ended.
    void session.close().then(() => process.exit(130));
  };
  process.once('SIGINT', stop);
  try {
    return await action(session);
  } finally {
    process.off('SIGINT', stop);
    await session.close();
  }
}
