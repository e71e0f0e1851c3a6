/** A serial line to a board at a TCP port, and what the espruino CLI types on it. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';

/** Milliseconds after which an answer will not come any more. Nothing depends on it where all is well. */
const PATIENCE = 20_000;

export class Line {
  readonly #socket: Socket;
  /** What has been heard, and not been asked for yet. */
  #heard = '';
  #onHeard: () => void = () => undefined;

  /** @returns a line that is connected. */
  static open(port: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Line(socket)));
      socket.once('error', reject);
    });
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#heard += text;
      this.#onHeard();
    });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** Types something, a character per byte. */
  type(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** @returns what is heard up to something, which is not heard again. */
  async until(end: string): Promise<string> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const at = this.#heard.indexOf(end);
      if (at >= 0) {
        const text = this.#heard.slice(0, at + end.length);
        this.#heard = this.#heard.slice(at + end.length);
        return text;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, deadline - Date.now()));
        this.#onHeard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      assert.ok(
        Date.now() < deadline,
        `no ${JSON.stringify(end)} in ${JSON.stringify(this.#heard.slice(-2000))}`,
      );
    }
  }

  #marks = 0;

  /** Types lines without echo. @returns what they print */
  async ask(script: string): Promise<string> {
    const [begin, end] = [`\x01${++this.#marks}\r\n`, `\x02${this.#marks}\r\n`];
    const print = (mark: string) => `\x10print(${JSON.stringify(mark.trimEnd())})\n`;
    this.type(`${print(begin)}\x10${script}\n${print(end)}`);
    // What comes before is not an answer to this.
    await this.until(begin);
    const heard = (await this.until(`${end}>`)).replaceAll('\r\n', '\n');
    // Each line is followed by a prompt if it has printed something.
    return heard
      .slice(0, heard.indexOf('\x02'))
      .replace(/^>|(\n)>/g, '$1')
      .trimEnd();
  }

  /** Types a line with echo. @returns what appears, up to the prompt */
  async say(script: string): Promise<string> {
    this.type(`${script}\n`);
    return (await this.until('\r\n>')).replaceAll('\r\n', '\n');
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Bytes of each piece that the CLI writes to Storage, and of the first (EspruinoTools, saveOnSend). */
const CLI_PIECE = 384;

/**
 * What the command in the help of `part-ota board` does. That itself was tried with espruino 0.1.67 on both engines.
 * @returns what espruino 0.1.67 types for `--storage name:file -e 'expression'`.
 */
export function uploadByCli(name: string, content: string, expression: string): string {
  const lines = ['\x10print()'];
  for (let at = 0, number = 1; at < content.length; at += CLI_PIECE, number++) {
    const piece = Buffer.from(content.slice(at, at + CLI_PIECE), 'latin1').toString('base64');
    const where = at ? `${at}` : `0,${content.length}`;
    const lineNumber = at ? `\x1b[${number}d` : '';
    lines.push(`\x10${lineNumber}require("Storage").write("${name}",atob("${piece}"),${where})`);
  }
  lines.push(`\x10\x1b[${lines.length + 1}d${expression}`);
  return `${lines.join('\n')}\n\n`;
}
