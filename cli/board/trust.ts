/**
 * Whose programs a real Espruino runs. It has files and sockets, and nothing takes them from it: so it boots no Storage that
 * has come from somebody else, in an archive, say. What this command has made is kept in mind in a file of the user's:
 * device, number and time of making of each folder, which no copy has.
 */
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Folders that are kept in mind; the oldest go. */
const MOST = 1000;

/** Where the XDG Base Directory Specification has what a program keeps of its state. */
const noteFile = () =>
  join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'part-ota', 'boards');

/** @returns what a folder has, and no copy of it; undefined: it is none, but a link or a file. */
function traitOf(folder: string): string | undefined {
  const { dev, ino, birthtimeNs, isFolder } = (() => {
    const stats = lstatSync(folder, { bigint: true });
    return { ...stats, isFolder: stats.isDirectory() };
  })();
  return isFolder ? `${dev}-${ino}-${birthtimeNs}` : undefined;
}

function notes(): string[] {
  try {
    return readFileSync(noteFile(), 'latin1').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

/** @returns whether a folder is not there yet, or was made by `makeOurs`. */
export function isOurs(folder: string): boolean {
  if (!existsSync(folder)) return true;
  const trait = traitOf(folder);
  return trait !== undefined && notes().includes(trait);
}

/** Makes a folder if it is not there, and keeps in mind that it was made here. */
export function makeOurs(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const trait = traitOf(folder)!;
  const known = notes();
  if (known.includes(trait)) return;
  mkdirSync(dirname(noteFile()), { recursive: true });
  writeFileSync(noteFile(), [...known, trait].slice(-MOST).join('\n') + '\n', { mode: 0o600 });
}

/** @returns why a folder is not used. */
export const distrustOf = (folder: string) =>
  `--flash: ${folder} was not made here by this command; its scripts would run on this machine, with your rights: ` +
  'use --engine simulated, which lets them do nothing to it; --trust-flash if you trust whoever made it; or remove it';
