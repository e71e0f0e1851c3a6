/**
 * All that commands print goes through here, as any of it may come from a board, a server, an image or a client: nothing
 * that a terminal acts on gets out but the ends of lines, and what is made here. checks/layers.js holds that no other file of
 * cli/ prints.
 */
import { randomBytes } from 'node:crypto';
import { styleText } from 'node:util';
import { jsonText, printable } from './words/format.ts';

/** Where a command prints to. */
export interface Output {
  write: (text: string) => unknown;
  isTTY?: boolean;
}

/** A colour. */
export type Style = 'red' | 'green' | 'yellow';

/** Stands around the name of a colour in a text. Nobody else knows it. */
const MARK = randomBytes(8).toString('hex');
const MARKED = new RegExp(`(${MARK}(?:red|green|yellow){[^]*?}${MARK})`);

/** @returns a text that is coloured when it is printed, where colours are wanted. */
export function paint(output: Output, style: Style, text: string): string {
  const isPlain = !output.isTTY || process.env.NO_COLOR;
  return isPlain ? text : `${MARK}${style}{${text}}${MARK}`;
}

/** @returns a text of several lines as it can be printed. */
export function cleaned(text: string): string {
  return text
    .split(MARKED)
    .map((part, n) => {
      if (n % 2 === 0) return part.split('\n').map(printable).join('\n');
      const inner = part.slice(MARK.length, -MARK.length - 1);
      const at = inner.indexOf('{');
      return styleText(inner.slice(0, at) as Style, cleaned(inner.slice(at + 1)), {
        validateStream: false,
      });
    })
    .join('');
}

const streams = new Map<Output, NodeJS.WriteStream>();

/** An output that lets nothing through but clean text. */
function cleaning(stream: NodeJS.WriteStream): Output {
  const output = {
    get isTTY() {
      return stream.isTTY;
    },
    write: (text: string) => stream.write(cleaned(text)),
  };
  streams.set(output, stream);
  return output;
}

export const standardOutput = cleaning(process.stdout);
export const standardError = cleaning(process.stderr);

/** What moves the cursor, hides it, and erases: all that bars and `showLine` need. */
const MOVES = /(\r|\x1b[78]|\x1b\[(?:\?25[hl]|\?7[hl]|\d*[ABCDGJK]|\d*;\d*H))/;

/** @returns an output as the library for bars takes it. What goes into a bar is clean before: see report-progress.ts. */
export function streamForBars(output: Output): NodeJS.WriteStream {
  const stream = streams.get(output);
  if (!stream) return output as NodeJS.WriteStream;
  const write = (text: string) => {
    const parts = text.split(MOVES).map((part, n) => (n % 2 ? part : cleaned(part)));
    return stream.write(parts.join(''));
  };
  return Object.create(stream, { write: { value: write } }) as NodeJS.WriteStream;
}

/** Replaces the line that the cursor is on, on a terminal. */
export function showLine(output: Output, text: string): void {
  if (output.isTTY) streams.get(output)?.write(`\r\x1b[K${printable(text)}`);
}

const textOf = (lines: string[]) => lines.map((line) => `${printable(line)}\n`).join('');

/** Prints lines to the standard output. */
export function printLines(lines: string[]): void {
  standardOutput.write(textOf(lines));
}

/** Prints a value to the standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${jsonText(value)}\n`);
}

/** Prints a file to the standard output: as it is for a program, and clean for a terminal. @param isText - it is for people, too */
export function printFile(content: Uint8Array, isText: boolean): void {
  if (isText || process.stdout.isTTY)
    standardOutput.write(Buffer.from(content).toString(isText ? 'utf8' : 'latin1'));
  else process.stdout.write(content);
}

/** @returns a message as it is printed. @param message - may have several lines */
export const messageText = (message: string) => textOf(message.split('\n'));

/** Prints a message to the standard error. @param message - may have several lines */
export function printMessage(message: string): void {
  standardError.write(messageText(message));
}

/** Ends the process without a word when the reader of the standard output has seen enough, such as `| head`. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}
