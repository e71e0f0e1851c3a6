/** `part-ota update` at the console of a board, and what can be done there afterwards. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openSession } from '../cli/connection.ts';
import type { Boot } from './room-process.ts';

const PART_OTA = fileURLToPath(new URL('../dist/part-ota.js', import.meta.url));

/** As `after` of room-board.js: the app makes room, and tries whether an update can begin. */
const AFTER = [
  'global.app=global.pins=undefined',
  // A module that found no room when it was loaded stays as far as it came.
  'if(!require("ota").use)Modules.removeCached("ota")',
  'return require("ota").status().state',
  'return require("ota").recover().state',
  'try{require("ota").begin({partition:"www",backup:"spare"}).abort();return true}catch(e){return e.code}',
];
/** Milliseconds in which each of these has an answer. */
const SILENCE = 5000;

/** How the command ended. */
export interface Printed {
  /** Its exit code; undefined: it was killed. */
  status: number | undefined;
  text: string;
}

/** What came of AFTER, up to the first line that failed. */
export interface After {
  status?: string;
  recovered?: string;
  /** Whether another update could begin, or why not: the code of an error. */
  begun?: boolean | string;
  /** Why it failed. */
  problem?: string;
}

/**
 * Updates a board over its console.
 * @param folder - where the image is
 * @param isOver - whether no more is needed: the command is killed then
 * @param patience - milliseconds
 */
export async function updateBy(
  boot: Boot,
  { port, folder, image }: { port: string; folder: string; image: string },
  isOver: () => boolean,
  patience: number,
): Promise<Printed> {
  const words = ['update', '--port', port, '--partition', 'www', '--backup', 'spare', image];
  const ended: { printed?: Printed } = {};
  const options = { cwd: folder };
  const child = execFile(process.execPath, [PART_OTA, ...words], options, (error, out, err) => {
    const code = error ? error.code : 0;
    const status = typeof code === 'number' ? code : undefined;
    ended.printed = { status, text: withoutBars(out + err) };
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  await boot.until(() => ended.printed !== undefined || isOver(), patience);
  if (!ended.printed) child.kill('SIGKILL');
  await closed;
  return ended.printed!;
}

/** Tries at the console what can be done after an update, in the same boot. */
export async function afterwards(port: string): Promise<After> {
  const found: unknown[] = [];
  try {
    const session = await openSession(port, { silence: SILENCE });
    try {
      for (const line of AFTER) found.push(await session.run(line));
    } finally {
      await session.close();
    }
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return { ...toAfter(found), begun: code, problem: message };
  }
  return toAfter(found);
}

const toAfter = ([, , status, recovered, begun]: unknown[]): After => ({
  status: status as string | undefined,
  recovered: recovered as string | undefined,
  begun: begun as After['begun'],
});

/** @returns what a command printed, without what a bar has drawn over. */
function withoutBars(text: string): string {
  return text
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\r') + 1))
    .join('\n');
}
