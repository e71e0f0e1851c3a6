/**
 * What goes over the line to Espruino's console, and comes back.
 *
 * A script is one line that begins with 0x10: Espruino then echoes nothing of it (jsiHandleConsoleChar). Its answer is
 * a line with a mark that is drawn anew for each session, so that nothing which the app prints is taken for it:
 *
 *     @<mark>:<number of the script><kind><characters>:<JSON of [value]>
 *
 * kinds: `=` what it returned; `!` what it threw; `~` it goes on: it returned a promise, or `say`; `>` what it says meanwhile. A
 * second line of its own prints `.` once the script is over, so one that ends without an answer is noticed at once.
 */

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

/** @returns the line that greets the board: whatever it did before, it answers 1. */
export const greetingOf = (mark: string, number: number) =>
  `${START}print("@"+"${mark}:${number}=3:[1]")\n`;

/**
 * @returns the lines by which a board runs a script. @param script - the body of a function of `say`
 *
 * Espruino copies the text of a function that it reads from a line, and that of each function in it once more. So the script
 * is none of the others' text, and `say` has no variables around it: whoever keeps it keeps nothing else.
 */
export function scriptOf(mark: string, number: number, script: string): string {
  const begin = `${mark}:${number}`;
  // The mark is put together on the board, so that an echo of the script is not its answer.
  return (
    `${START}(function(s,r){` +
    'function f(e){s(e&&e.message?{code:e.code,message:e.message}:{message:""+e},"!")}' +
    'try{r=r(s);' +
    'if(r&&r.then){r.then(function(v){s(v,"=")},f);s(0,"~")}else if(r===s)s(0,"~");else s(r,"=")}catch(x){f(x)}' +
    `})(function(v,k){v=JSON.stringify([v]);print("@"+"${begin}"+(k||">")+v.length+":"+v)},` +
    `function(say){${script}\n})\n` +
    `${START}print("@"+"${begin}.3:[0]")\n`
  );
}

/** @returns what makes a board run lines without an answer. */
export const linesOf = (lines: string[]) =>
  `${DLE}${CLEAR_LINE}${lines.map((line) => `${DLE}${line}\n`).join('')}`;

/** An answer as it has arrived. */
interface Answer {
  /** Of the script; missing if that cannot be read. */
  number?: number;
  /** See above; missing if the answer is damaged. */
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
  const [, number, kind, length, json] = /^(\d+)([=!~>.])(\d+):(.*)$/.exec(text) ?? [];
  if (number === undefined) return {};
  const damaged = { number: Number(number) };
  if (json.length !== Number(length)) return damaged;
  try {
    const [value] = JSON.parse(json) as [unknown];
    return { ...damaged, kind, value };
  } catch {
    return damaged;
  }
}
