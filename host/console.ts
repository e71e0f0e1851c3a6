/** The console of a simulated board, as Espruino's is on a serial line (jsinteractive.c). */
import type { Board } from './board.ts';
import { resultText } from './espruino/json.ts';
import { shown } from './espruino/e-library.ts';
import { type BootKind, isFatal } from './halts.ts';

const BANNER = [
  '',
  ' ____                 _ ',
  '|  __|___ ___ ___ _ _|_|___ ___ ',
  '|  __|_ -| . |  _| | | |   | . |',
  '|____|___|  _|_| |___|_|_|_|___|',
  '         |_| simulated board',
  '',
];
/** From the cursor on. */
const ERASE = '\x1b[J';
const UP = '\x1b[A';
const BACKSPACE = '\b \b';

/** Whether a line waits for more: a bracket, a comment or a template is open (jsiCountBracketsInInput). */
export function isOpen(line: string): boolean {
  let depth = 0;
  for (let at = 0; at < line.length && depth >= 0; at++) {
    const two = line.slice(at, at + 2);
    const one = line[at];
    if ('([{'.includes(one)) depth++;
    else if (')]}'.includes(one)) depth--;
    else if (two === '//') at = endOf(line, '\n', at);
    else if (two === '/*') {
      const end = line.indexOf('*/', at + 2);
      if (end < 0) return true;
      at = end + 1;
    } else if (one === '`') {
      at = closing(line, at);
      if (at < 0) return true;
    } else if (one === '"' || one === "'") {
      at = closing(line, at);
      // It runs, and throws.
      if (at < 0) return false;
    } else if (one === '/' && isRegExp(line.slice(0, at))) at = endOfRegExp(line, at);
  }
  return depth > 0;
}

function endOf(line: string, end: string, from: number): number {
  const at = line.indexOf(end, from);
  return at < 0 ? line.length : at;
}

/** @returns where a string ends that begins at `from`, or -1. */
function closing(line: string, from: number): number {
  for (let at = from + 1; at < line.length; at++) {
    if (line[at] === '\\') at++;
    else if (line[at] === line[from]) return at;
  }
  return -1;
}

/** Whether a slash behind this begins a regular expression: there is no value to divide. */
function isRegExp(before: string): boolean {
  return /(^|[([{,;=:?!&|+\-*%<>~^]|\breturn|\btypeof)\s*$/.test(before);
}

function endOfRegExp(line: string, from: number): number {
  let isInClass = false;
  for (let at = from + 1; at < line.length && line[at] !== '\n'; at++) {
    if (line[at] === '\\') at++;
    else if (line[at] === '[') isInClass = true;
    else if (line[at] === ']') isInClass = false;
    else if (line[at] === '/' && !isInClass) return at;
  }
  return from;
}

/**
 * What Espruino prints and understands on a serial line:
 *
 *     const console = new SimulatedConsole(board, (text) => process.stdout.write(text));
 *     console.type('1+2\n'); // prints 1+2, =3 and the prompt
 *
 * What is typed is echoed, and runs at the end of a line unless a bracket is open. `\x10` at the beginning of a line
 * switches echo and result off for it, `\x03` clears the line, `\x05` asks for Espruino's name. There are no cursor keys, no
 * history, no debugger, and no packets; a script that never ends cannot be interrupted.
 */
export class SimulatedConsole {
  readonly #board: Board;
  readonly #write: (text: string) => void;
  #line = '';
  /** Whether the prompt and the line are not on the screen. */
  #isRemoved = true;
  #isEcho = true;
  #isEchoOffForLine = false;
  /** What an escape sequence has so far. */
  #escape = '';
  /** The last character was \r: a \n behind it is part of it. */
  #isAfterReturn = false;
  #boots = 0;
  /** Whether something runs that shows the prompt when it is done. */
  #isBusy = false;

  /**
   * @param board - tells this console what it prints from now on, and keeps nothing of it in `output`
   * @param write - takes what appears on the line, a character per byte
   * @param onBoot - called at each boot, before the boot scripts
   */
  constructor(
    board: Board,
    write: (text: string) => void,
    onBoot: (kind: BootKind) => void = () => undefined,
  ) {
    this.#board = board;
    this.#write = write;
    board.console = {
      print: (text) => this.#print(text),
      boot: (kind) => {
        onBoot(kind);
        this.#boot(kind);
      },
      booted: (kind, hasCode) => this.#booted(kind, hasCode),
      echo: (isOn) => {
        this.#isEcho = isOn;
      },
    };
  }

  /**
   * Takes what was typed, a character per byte.
   * @throws PowerCut, Panic or FlashMisuse if a script runs into one; what was typed behind it is lost
   */
  type(text: string): void {
    for (const character of text) this.#take(character);
  }

  /** Shows the prompt if it is not there. */
  showLine(): void {
    if (!this.#isRemoved) return;
    this.#isRemoved = false;
    if (this.#hasEcho) this.#put(`>${this.#line.replaceAll('\n', '\n:')}`);
  }

  get #hasEcho(): boolean {
    return this.#isEcho && !this.#isEchoOffForLine;
  }

  /** Whether what is typed appears. */
  get #isShown(): boolean {
    return this.#hasEcho && !this.#isRemoved;
  }

  #put(text: string): void {
    this.#write(text.replaceAll('\n', '\r\n'));
  }

  #print(text: string): void {
    this.#board.output.length = 0;
    this.#removeLine();
    this.#put(`${text}\n`);
    if (!this.#isBusy) queueMicrotask(() => this.#isBusy || this.showLine());
  }

  #removeLine(): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    const lines = this.#line.split('\n').length - 1;
    if (this.#hasEcho) this.#put(`${UP.repeat(lines)}\r${ERASE}`);
  }

  #boot(kind: BootKind): void {
    this.#boots++;
    this.#line = '';
    this.#escape = '';
    this.#isEchoOffForLine = false;
    this.#isEcho = true;
    this.#isBusy = true;
    if (kind === 'power') {
      this.#isRemoved = false;
      this.#removeLine();
    }
    this.#isRemoved = true;
  }

  #booted(kind: BootKind, hasCode: boolean): void {
    this.#isBusy = false;
    if (!this.#isEcho) return;
    if (kind !== 'load' && !hasCode) this.#put(BANNER.join('\n'));
    if (kind !== 'load') this.#put('\n');
    queueMicrotask(() => this.showLine());
  }

  #take(character: string): void {
    const isSecond = this.#isAfterReturn && character === '\n';
    this.#isAfterReturn = character === '\r';
    if (isSecond) return;
    if (this.#escape) return this.#takeEscape(character);
    if (character === '\x1b') this.#escape = character;
    else if (character === '\x10') this.#isEchoOffForLine ||= !this.#line;
    else if (character === '\x03') this.#clear();
    else if (character === '\x05') this.#sayWho();
    else if (character === '\b' || character === '\x7f') this.#deleteLast();
    else if (character === '\r' || character === '\n') this.#endLine();
    else if (character === '\t') this.#append('    ');
    else if (character >= ' ') this.#append(character);
  }

  /** Of these only `\x1b[2H` does anything: it clears the line. */
  #takeEscape(character: string): void {
    this.#escape += character;
    const isDone = /^\x1b(\[\d*[^\d]|O.|[^[O])$/.test(this.#escape);
    if (this.#escape === '\x1b[2H') this.#clear();
    if (isDone) this.#escape = '';
  }

  #append(text: string): void {
    this.#line += text;
    if (this.#isShown) this.#put(text);
  }

  #deleteLast(): void {
    if (!this.#line || this.#line.endsWith('\n')) return;
    this.#line = this.#line.slice(0, -1);
    if (this.#isShown) this.#put(BACKSPACE);
  }

  #clear(): void {
    if (this.#line) {
      this.#removeLine();
      this.#line = '';
    }
    this.#isEchoOffForLine = false;
    this.showLine();
  }

  #sayWho(): void {
    if (this.#line) return;
    const { VERSION, BOARD } = this.#board.run('process.env') as { VERSION: string; BOARD: string };
    this.#put(`Espruino ${VERSION} ${BOARD}\n`);
  }

  #endLine(): void {
    if (isOpen(this.#line)) {
      if (this.#isShown) this.#put('\n:');
      this.#line += '\n';
      return;
    }
    if (this.#isShown) this.#put('\n');
    if (!this.#isEchoOffForLine) this.#isRemoved = true;
    const script = this.#line.trimEnd();
    this.#line = '';
    this.#execute(script);
    this.#isEchoOffForLine = false;
    this.showLine();
  }

  #execute(script: string): void {
    if (!script) return;
    const boots = this.#boots;
    this.#isBusy = true;
    try {
      const value = this.#board.run(script);
      if (this.#hasEcho && boots === this.#boots) this.#put(`=${resultText(value)}\n`);
    } catch (error) {
      if (isFatal(error)) throw error;
      this.#print(`Uncaught ${shown(error)}`);
    } finally {
      this.#isBusy = false;
    }
  }
}
