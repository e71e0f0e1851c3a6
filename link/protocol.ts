/**
 * What goes over the line to Espruino's console, and comes back.
 *
 * A line that begins with 0x10 is not echoed (jsiHandleConsoleChar). Bytes are lost, doubled and changed on it, and what is
 * left may still be JavaScript. So a script is sent in base64, with its CRC-32, and evaluated only if that is right: no
 * damage of one place makes a board run anything else. A second line makes it tell if it has not run the script. It keeps number and
 * last answer of the last script in `otaLine`: a script that comes twice is not run again, its answer is repeated.
 *
 * An answer is a line with a mark that is drawn anew for each session, so that nothing which the app prints is taken for it:
 *
 *     @<mark>:<CRC-32 of what follows>:<number of the script><kind><JSON of [value]>
 *
 * kinds: `=` what it returned; `!` what it threw; `~` it goes on: it returned a promise, or `say`; `>` what it says meanwhile;
 * `?` it has not arrived; `.` it has ended without an answer. The last two have no value.
 */
import { crc32 } from '#hashes';
import { fromLatin1, toBase64 } from '../formats/bytes.ts';

const DLE = '\x10';
/** Clears what was typed and not sent: 27 91 '2' 'H' in jsiHandleConsoleChar; harmless elsewhere. */
export const CLEAR_LINE = '\x1b[2H';
/** How each line to the board begins: what is left of another one would keep it from being run, or from being silent. */
const START = `${DLE}${CLEAR_LINE}${DLE}`;
/** Stops what the board is doing. */
export const CTRL_C = '\x03';

/** By these a board asks for a pause, and ends it. */
export const XOFF = 0x13;
export const XON = 0x11;

const crcOf = (text: string) => crc32(fromLatin1(text));

/** @returns what prints an answer that is known here. The mark is put together on the board: an echo is no answer. */
const printOf = (mark: string, answer: string) => `print("@"+"${mark}:${crcOf(answer)}:${answer}")`;

/** @returns the line that greets the board: whatever it did before, it answers 1. */
export const greetingOf = (mark: string, number: number) =>
  `${START}${printOf(mark, `${number}=[1]`)}\n`;

/** Whether the script that the board has begun last is this one. */
const isLast = (mark: string, number: number) => `(global.otaLine||0).n==="${mark}:${number}"`;

/** @returns the line that makes a board tell what became of a script. @param again - the answer is repeated if there is one */
function stateOf(mark: string, number: number, again: boolean): string {
  const [missing, over] = ['?', '.'].map((kind) => printOf(mark, number + kind));
  const answered = again ? 'print(global.otaLine.a)' : '0';
  return `${START}${isLast(mark, number)}?global.otaLine.k?${answered}:${over}:${missing}\n`;
}

/** @returns the line that asks for the answer once more. */
export const askOf = (mark: string, number: number) => stateOf(mark, number, true);

/** @returns a line that is run only if it has arrived as it was sent. */
function provenLine(script: string): string {
  const text = toBase64(fromLatin1(script));
  // The text is let go of before the script runs; an "=" of the three may be lost, and the rest still compares.
  return `${START}eval((function(b,c){return E.CRC32(b)===c?atob(b):""})("${text}",${crcOf(text)}))\n`;
}

/**
 * @returns the lines by which a board runs a script. @param script - the body of a function of `say`
 *
 * Espruino copies the text of a function that it reads from a line, and that of each function in it once more. So the script
 * is none of the others' text, and `say` has no variables around it: whoever keeps it keeps nothing else.
 */
export function scriptOf(mark: string, number: number, script: string): string {
  const say =
    `function(v,k){v="${number}"+(k||">")+JSON.stringify([v]);v="@${mark}:"+E.CRC32(v)+":"+v;` +
    `if(${isLast(mark, number)}){global.otaLine.a=v;if(k)global.otaLine.k=1}print(v)}`;
  const run =
    '(function(s,r){' +
    'function f(e){s(e&&e.message?{code:e.code,message:e.message}:{message:""+e},"!")}' +
    'try{r=r(s);' +
    'if(r&&r.then){r.then(function(v){s(v,"=")},f);s(0,"~")}else if(r===s)s(0,"~");else s(r,"=")}catch(x){f(x)}' +
    `})(${say},function(say){${script}\n})`;
  // It counts as begun before anything else takes memory.
  const once =
    `if(${isLast(mark, number)}){if(global.otaLine.k)print(global.otaLine.a)}` +
    `else{global.otaLine={n:"${mark}:${number}"};${run}}`;
  return provenLine(once) + stateOf(mark, number, false);
}

/** What a session leaves on a board is removed by this line. */
export const FORGET = `${START}delete global.otaLine\n`;

/** @returns what makes a board run lines without an answer. */
export const linesOf = (lines: string[]) =>
  `${DLE}${CLEAR_LINE}${lines.map((line) => `${DLE}${line}\n`).join('')}`;

/** An answer as it has arrived. */
interface Answer {
  /** Of the script; missing if the answer was damaged on the line. */
  number?: number;
  /** See above; missing if it is none. */
  kind?: string;
  value?: unknown;
}

/**
 * @param line - what a board has printed
 * @returns what stands before the answer in it, and what follows the mark, if that is there
 */
export function splitAt(mark: string, line: string): { before: string; answer?: string } {
  const start = `@${mark}:`;
  const at = line.indexOf(start);
  if (at < 0) return { before: line };
  return { before: line.slice(0, at), answer: line.slice(at + start.length) };
}

/** @param text - what follows the mark */
export function readAnswer(text: string): Answer {
  const [, crc, body] = /^(\d+):(.*)$/.exec(text) ?? [];
  if (crc === undefined || crcOf(body) !== Number(crc)) return {};
  const [, number, kind, json] = /^(\d+)([=!~>.?])(.*)$/.exec(body) ?? [];
  if (number === undefined) return {};
  if (kind === '.' || kind === '?') return { number: Number(number), kind };
  try {
    const [value] = JSON.parse(json) as [unknown];
    return { number: Number(number), kind, value };
  } catch {
    return { number: Number(number) };
  }
}
