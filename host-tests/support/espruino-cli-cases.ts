/** The real `espruino` command on a board, as README.md and docs/espruino-cli.md call it: the same tests on each engine. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type BoardSetup, type RunningBoard, startBoard } from '../../cli/board/running.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { bundleOf, pathOf, read as readBytes } from './package.ts';
import { blocksOf, read } from './pages.ts';
import type { Run } from './tools.ts';
import { Line } from './typed-line.ts';

const ESPRUINO_CLI = pathOf('node_modules/espruino/bin/espruino-cli.js');
const SECTOR = 4096;
const MODULES = ['ota', 'ota-http'] as const;
const PAGE = 'docs/espruino-cli.md';

/** That of partitions.csv, but for a small partition with the label of README's: a real Espruino takes its time. */
const table = TABLES.example.map((row) =>
  row.label === 'storage' ? { ...row, label: 'www', size: 4 * SECTOR } : row,
);
const www = table.find(({ label }) => label === 'www')!;

/** @returns the words behind `npx espruino` in the only such line of a document. */
function wordsOf(path: string): string[] {
  const [line, ...others] = [...read(path).matchAll(/^ {4,}npx espruino (.*)$/gm)];
  assert.deepEqual(others, [], path);
  return line[1].split(' ');
}

/** @returns the script that the page has. */
function scriptOf(path: string): string {
  const [script, ...others] = blocksOf(read(path));
  assert.deepEqual(others, [], path);
  return script;
}

/** The folder where the command is called: it has what README's command names. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'espruino-cli-'));

  constructor() {
    for (const name of ['dist', 'examples']) symlinkSync(pathOf(name), join(this.folder, name));
    // What it would ask Espruino's website for. It takes a folder, too.
    mkdirSync(join(this.folder, 'boards'));
    for (const name of ['ESP32', 'undefined'])
      writeFileSync(join(this.folder, `boards/${name}.json`), '{}');
  }

  write(name: string, text: string): void {
    mkdirSync(join(this.folder, name, '..'), { recursive: true });
    writeFileSync(join(this.folder, name), text);
  }

  /** Calls the command at a TCP port in place of a serial one. */
  call(port: number, words: string[]): Promise<Run> {
    const all = words.map((word) => (word === '/dev/ttyUSB0' ? `tcp://127.0.0.1:${port}` : word));
    const offline = ['--config', `BOARD_JSON_URL=${join(this.folder, 'boards')}`];
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [ESPRUINO_CLI, ...offline, ...all],
        { cwd: this.folder, maxBuffer: 1 << 26 },
        (error, stdout, stderr) =>
          resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Of the command, without files: quick, since it does not wait after each piece. */
const CALL = [
  '--no-ble',
  ...['-p', '/dev/ttyUSB0'],
  ...['--config', 'MODULE_URL=', '--config', 'STORAGE_UPLOAD_METHOD=1'],
];

/** The board that is tested, and a connection to it. */
class Tested {
  readonly place = new Place();
  readonly #setup: BoardSetup;
  board!: RunningBoard;
  line!: Line;

  constructor(engine: BoardSetup['engine'], command?: string) {
    this.#setup = { engine, command, port: 0, table: encodeTable(table) };
  }

  async start(): Promise<void> {
    this.board = await startBoard(this.#setup);
    this.line = await Line.open(this.board.port);
    await this.line.ask('');
  }

  async stop(): Promise<void> {
    this.line?.close();
    await this.board?.close();
    this.place.remove();
  }

  /** Calls the command, which has to say that all went well: it says so in any case. */
  async call(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.place.call(this.board.port, words);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Upload Complete/m, stdout + stderr);
    assert.doesNotMatch(stdout + stderr, /getURL\(/, 'it asked a website');
    return stdout.replaceAll('\r', '');
  }

  /** Waits for what the board prints, also after the command has ended. A real Espruino takes its time. */
  async hears(end: string): Promise<void> {
    for (let tries = 3; ; tries--) {
      try {
        await this.line.until(end);
        return;
      } catch (error) {
        if (!tries) throw error;
      }
    }
  }

  /** @returns length and CRC-32 of a file as the board reads it. */
  stored(name: string): Promise<string> {
    return this.line.ask(
      `f=require("Storage").read(${JSON.stringify(name)});print(f&&f.length,f&&E.CRC32(f))`,
    );
  }

  get content(): Buffer {
    return this.board.flash.subarray(www.address, www.address + www.size);
  }
}

const sumOf = (text: Uint8Array | string) =>
  `${text.length} ${crc32(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)}`;

/** Describes what it does to a board. */
export function describeEspruinoCli(engine: BoardSetup['engine'], command?: string): void {
  const tested = new Tested(engine, command);
  before(() => tested.start());
  after(() => tested.stop());

  it('is told of in README.md as on its page', () => {
    assert.deepEqual(wordsOf('README.md'), wordsOf(PAGE));
  });

  it('stores both modules as they are, and its script updates a partition', async () => {
    tested.place.write('script.js', scriptOf(PAGE));
    const printed = await tested.call(...wordsOf('README.md'));
    const labels = table.map(({ label }) => label).join();
    assert.match(printed, new RegExp(`^--\\] (>|\\x1b\\[J)*${labels}$`, 'm'));
    await tested.hears('committed\r\n');
    const expected = Buffer.alloc(www.size, 0xff).fill('new ', 0, 3 * SECTOR);
    assert.ok(tested.content.equals(expected));
    assert.equal(await tested.line.ask('print(require("ota").status().state)'), 'committed');
    for (const name of MODULES) assert.equal(await tested.stored(name), sumOf(bundleOf(name)));
    assert.equal(await tested.stored('.boot0'), 'undefined undefined');
  });

  it('stores what is there already once more', async () => {
    const free = async () => Number(await tested.line.ask('print(require("Storage").getFree())'));
    const before = await free();
    await tested.call(...CALL, '--storage', 'ota:dist/ota.min.js', '-e', 'print(1)');
    assert.equal(await tested.stored('ota'), sumOf(bundleOf('ota')));
    // The Storage of the simulated board has no log.
    const used = engine === 'espruino' ? bundleOf('ota').length : 0;
    assert.ok(before - (await free()) >= used);
  });

  describeBootScript(tested);
}

/** A script that is long enough for the command to end. */
const AT_BOOT = `print("at boot", recovered.state, "${'-- '.repeat(200)}".length);\n`;

function describeBootScript(tested: Tested): void {
  it('stores the boot script, which the reset before a script runs', async () => {
    const [, words] = /`(--storage \.boot0:\S+)`/.exec(read(PAGE))!;
    await tested.line.ask('require("Storage").write(".boot0","var mine = 1;")');
    await tested.call(...CALL, ...words.split(' '), '-e', 'print(1)');
    assert.equal(await tested.stored('.boot0'), sumOf(readBytes('examples/boot0.js')));
    tested.place.write('script.js', AT_BOOT);
    await tested.call(...CALL, 'script.js');
    await tested.hears('at boot committed 600\r\n');
  });

  it('uses up a boot of a trial by that reset', async () => {
    const old = Buffer.from(tested.content);
    const script =
      'u=require("ota").begin({partition:"www",trial:1});u.write("on trial");print(u.end().state)';
    assert.equal(await tested.line.ask(script), 'trial');
    await tested.call(...CALL, 'script.js');
    await tested.hears('at boot trial 600\r\n');
    assert.equal(tested.content.toString('latin1', 0, 8), 'on trial');
    await tested.call(...CALL, 'script.js');
    await tested.hears('at boot restored 600\r\n');
    assert.ok(tested.content.equals(old));
  });
}

/** Describes what it does not tell; the simulated board is quick in that. */
export function describeSilence(): void {
  const tested = new Tested('simulated');
  before(() => tested.start());
  after(() => tested.stop());

  it('says nothing of a Storage without room', async () => {
    const fill = 's=require("Storage");s.write("x","x",0,s.getFree()-4096);print(s.getFree())';
    assert.equal(await tested.line.ask(fill), String(4096 - 32));
    await tested.call(...CALL, '--storage', 'ota:dist/ota.min.js', '-e', 'print("done")');
    assert.equal(await tested.stored('ota'), 'undefined undefined');
  });

  it('puts what a website has in the place of a module in Storage', async () => {
    await tested.line.ask('require("Storage").eraseAll()');
    tested.place.write('website/ota.js', 'exports.other = "not that of Storage";');
    const words = ['--storage', 'ota:dist/ota.min.js', '-e', 'print(require("ota").other)'];
    const website = ['--config', `MODULE_URL=${join(tested.place.folder, 'website')}`];
    await tested.call(...CALL, ...website, ...words);
    assert.equal(await tested.stored('ota'), sumOf(bundleOf('ota')));
    assert.equal(await tested.line.ask('print(require("ota").other)'), 'not that of Storage');
  });

  it('refuses a name of more than 28 characters', async () => {
    const words = [...CALL, '--storage', `${'n'.repeat(29)}:dist/ota.min.js`, '-e', 'print(1)'];
    const { status, stderr } = await tested.place.call(tested.board.port, words);
    assert.notEqual(status, 0);
    assert.match(stderr, /Invalid filename length/);
  });

  it('types Ctrl-C at a board that does not answer, and says that all is well', async () => {
    let typed = '';
    const mute = createServer((socket) => {
      socket.setEncoding('latin1').on('data', (text: string) => (typed += text));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    const { status, stdout } = await tested.place.call(port, [...CALL, '-e', 'print("unheard")']);
    mute.close();
    assert.match(typed, /\x03[^]*print\("unheard"\)/);
    assert.deepEqual([status, /^Upload Complete/m.test(stdout)], [0, true]);
  });
}
