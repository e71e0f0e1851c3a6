/** Prints what commands tell. All of it goes through here, as any of it may come from a board, an image or a client. */
import { jsonText, printable } from './words/format.ts';

const textOf = (lines: string[]) => lines.map((line) => `${printable(line)}\n`).join('');

/** Prints lines to the standard output. */
export function printLines(lines: string[]): void {
  process.stdout.write(textOf(lines));
}

/** Prints a value to the standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${jsonText(value)}\n`);
}

/** @returns a message as it is printed. @param message - may have several lines */
export const messageText = (message: string) => textOf(message.split('\n'));

/** Prints a message to the standard error. @param message - may have several lines */
export function printMessage(message: string): void {
  process.stderr.write(messageText(message));
}
