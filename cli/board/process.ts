/** How the processes of a real Espruino are run. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { InputError } from '../words.ts';

/** In which a process that prints something has to end. */
const MILLISECONDS = 20_000;

/** @returns a tool of util-linux and its options, if it is there: it runs the command that follows. */
function tool(name: string, ...options: string[]): string[] {
  const path = ['/usr/bin/', '/bin/'].map((folder) => folder + name).find(existsSync);
  return path ? [path, ...options] : [];
}

/**
 * Ends a process with us, even if we are killed: without its input an interpreter would take all of a processor. What it
 * starts gets no more rights than it has, as by sudo.
 */
export const TOGETHER = tool('setpriv', '--pdeathsig', 'KILL', '--no-new-privs');
/** Runs both its threads on one processor: so they do not touch the queue between them at once, see input.ts. */
const ALONE = onOneProcessor();

/** @returns what runs a command on one of the processors that we may use, best on another one than the next board. */
function onOneProcessor(): string[] {
  try {
    const status = readFileSync('/proc/self/status', 'latin1');
    const [, list] = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)!;
    const all = list.split(',').flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, n) => first + n);
    });
    return tool('taskset', '-c', String(all[process.pid % all.length]));
  } catch {
    return [];
  }
}

/** What stands before a command, so that it runs like this. */
export const CONFINED = [...ALONE, ...TOGETHER];

/** @returns what a process prints. @throws InputError if it cannot be run */
export function output(command: string, args: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: MILLISECONDS, encoding: 'latin1' as const };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code === 'string')
        reject(
          new InputError(`${command}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`),
        );
      else resolve(stdout + stderr);
    });
  });
}

/** Takes the network from a process, where the system lets its users do so: some do not. */
export const ALONE_IN_NET = ((): string[] => {
  const command = tool('unshare', '--user', '--map-current-user', '--net');
  const [path, ...options] = command;
  if (path === undefined) return [];
  return spawnSync(path, [...options, '/bin/true']).status === 0 ? command : [];
})();
