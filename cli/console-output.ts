/** What boards print beside answers, and what it tells of them. */
import { PortError } from './port.ts';

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
    .replace(/\x1b\[[0-9;]*[A-Za-z]/g, '')
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '')
    .replace(/^>+(?=.)|^>$/, '');
}

/** A shortened text for a message. */
export function quoted(text: string): string {
  const most = 60;
  return JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text);
}

/**
 * Says why a board has not answered, by what it sent instead.
 * @param name - of the port
 * @param seconds - how long it had
 * @param text - all that arrived
 */
export function whyNoAnswer(name: string, seconds: number, text: string): PortError {
  if (!text) {
    return new PortError(
      'E_NO_ANSWER',
      `${name}: no answer within ${seconds} s; is it a board with Espruino, powered, at this port? ` +
        'A board that is busy answers later; --interrupt stops what it is doing',
    );
  }
  const lines = text
    .split(/\r?\n|\r/)
    .map(plain)
    .filter((line) => line.trim());
  const last = quoted(lines.at(-1) ?? text);
  const not = (why: string) => new PortError('E_NOT_ESPRUINO', `${name}: ${why}`);
  if (text.includes('password>'))
    return not('Espruino is locked by E.setPassword: unlock it in a terminal first');
  if (text.includes('debugger>'))
    return not('Espruino is in its debugger; say "quit" in a terminal first');
  if (/>>> |MicroPython|Traceback/.test(text))
    return not(`this is MicroPython, not Espruino; it says ${last}`);
  if (/waiting for download/i.test(text))
    return not(
      'the chip waits for firmware (boot mode "download"); reset it with the boot button released',
    );
  const strange = [...text].filter((character) => character > '~').length;
  if (strange > text.length / 4)
    return not('what arrives is no text; is the baud rate right? Espruino has 115200 on an ESP32');
  if (lines.some((line) => isRestart(line))) {
    return new PortError(
      'E_NO_ANSWER',
      `${name}: the board starts, but does not answer within ${seconds} s; the last line is ${last}`,
    );
  }
  return new PortError(
    'E_NO_ANSWER',
    `${name}: no answer within ${seconds} s, but output: ${last}; is this Espruino? ` +
      'A board that is busy answers later; --interrupt stops what it is doing',
  );
}
