/** Programs that tests run, `part-ota` as it is built and those of others where they are installed; and folders. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { pathOf } from './package.ts';

/** The command as it is built. */
export const PART_OTA = pathOf('dist/part-ota.js');

/** How a run of the command ended. */
export interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs `part-ota` in a folder; what it makes for itself goes there, too. */
export function runPartOta(folder: string, ...words: string[]): Promise<Run> {
  const options = { cwd: folder, maxBuffer: 1 << 26, env: { ...process.env, TMPDIR: folder } };
  return new Promise((resolve) => {
    execFile(process.execPath, [PART_OTA, ...words], options, (error, stdout, stderr) => {
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

/** @returns whether a program is on the PATH. */
function isInstalled(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).error === undefined;
}

/** Skips the test or suite unless a program is on the PATH, and prints so. */
export function needs(context: Context, program: string, ...args: string[]): void {
  if (isInstalled(program, ...args)) return;
  console.log(`      ▸ not compared with ${program}: it is not installed`);
  context.skip();
}

/** @returns a folder for what a suite makes; it is removed when the suite is over. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'part-ota-'));
  after(() => rmSync(folder, { recursive: true }));
  return folder;
}
