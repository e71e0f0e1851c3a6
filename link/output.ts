/** What boards print beside answers, and what it tells of them. */
import { BoardError, PortError } from './errors.ts';
import { tellsOfMemory } from './memory.ts';

/** What boards print when they start: the ROM of each ESP32, its bootloader, Espruino's banner. */
const RESTARTS = [
  /^ets [A-Z][a-z]{2} +\d+ \d{4}/,
  /^ESP-ROM:esp32/,
  /^rst:0x[0-9a-f]+ \(/,
  /^\|  __\|___ ___ ___ _ _\|_\|/,
];

/** Whether a line is one that boards print when they start. */
export const isRestart = (line: string) => RESTARTS.some((start) => start.test(line));

/** @returns what a terminal would show of a line: no escape sequences, no prompt. */
export function plain(line: string): string {
  return line
    .replace(/(?:\x1b\[|\x9b)[0-9;]*[A-Za-z]/g, '')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '')
    .replace(/^>+(?=.)|^>$/, '');
}

/**
 * Finds out why a board has not answered, by what it sent instead.
 * @param port - its name
 * @param seconds - how long it had
 * @param text - all that arrived
 */
export function whyNoAnswer(port: string, seconds: number, text: string): PortError | BoardError {
  const lines = text
    .split(/\r?\n|\r/)
    .map(plain)
    .filter((line) => line.trim());
  const last = lines.at(-1) ?? text;
  const found = otherThanEspruino(text);
  if (found) return new PortError('E_NOT_ESPRUINO', { port, found, last });
  const line = lines.find(tellsOfMemory);
  if (line !== undefined) return new BoardError('E_MEMORY', { port, line });
  const heard = !text ? 'nothing' : lines.some(isRestart) ? 'restart' : 'output';
  return new PortError('E_NO_ANSWER', { port, seconds, heard, last });
}

/** @returns what is at the port, if that is not Espruino as it answers to scripts. */
function otherThanEspruino(text: string) {
  if (text.includes('password>')) return 'locked';
  if (text.includes('debugger>')) return 'debugger';
  if (/>>> |MicroPython|Traceback/.test(text)) return 'MicroPython';
  if (/waiting for download/i.test(text)) return 'download';
  const strange = [...text].filter((character) => character > '~').length;
  return strange > text.length / 4 ? 'noise' : undefined;
}
