/** `part-ota board` with the simulated engine, and what it refuses. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isOpen } from '../../host/console.ts';
import { decodeTable, TABLES } from '../../host/index.ts';
import { describeBoard } from '../support/board-command-cases.ts';
import { Line } from '../support/typed-line.ts';
import { PART_OTA, runPartOta, scratchFolder } from '../support/tools.ts';

describe('a simulated board at a TCP port', () => {
  describeBoard('simulated');
});

const folder = scratchFolder();

const path = (name: string) => join(folder, name);

let child: ChildProcess;

let said = '';

/** Starts the command. @returns its port */
const start = async (...words: string[]): Promise<number> => {
  said = '';
  const env = { ...process.env, ESPRUINO: '' };
  child = spawn(process.execPath, [PART_OTA, 'board', '--port', '0', ...words], {
    cwd: folder,
    env,
  });
  child.stdout!.setEncoding('utf8');
  for await (const text of child.stdout!.iterator({ destroyOnReturn: false })) {
    said += text as string;
    const port = /at tcp:\/\/127\.0\.0\.1:(\d+)\n/.exec(said)?.[1];
    if (port) return Number(port);
  }
  throw new Error(`it has ended: ${said}`);
};

const ended = () => new Promise<number | null>((resolve) => child.once('exit', resolve));

describe('part-ota board', () => {
  afterEach(() => {
    child?.kill('SIGKILL');
  });

  it('makes a chip with the table of partitions.csv, says where it is, and ends by SIGTERM', async () => {
    const line = await Line.open(await start());
    assert.equal(await line.ask('print(1+1)'), '2');
    await line.ask('require("Storage").write("kept","x")');
    const flash = readFileSync(path('flash.bin'));
    assert.equal(flash.length, 4 << 20);
    assert.deepEqual(
      decodeTable(flash.subarray(0x8000, 0x8c00)).map(({ label }) => label),
      TABLES.example.map(({ label }) => label),
    );
    assert.match(said, /^boots\nflash\.bin at tcp:/);
    child.kill('SIGTERM');
    assert.equal(await ended(), 0);
    assert.match(readFileSync(path('flash.bin.storage.json'), 'utf8'), /"kept":"x"/);
  });

  it('takes a partition table, and keeps it', async () => {
    writeFileSync(path('t.csv'), 'factory,app,factory,0x10000,1M\nmine,data,spiffs,,64K\n');
    const labels = async () => {
      const line = await Line.open(await start('--flash', 'own.bin', '--table', 't.csv'));
      const script = 'print(E.toString(require("Flash").read(4,32768+32+12)))';
      assert.equal(await line.ask(script), 'mine');
      child.kill('SIGINT');
      assert.equal(await ended(), 0);
    };
    await labels();
    await labels();
    const { status, stderr } = await runPartOta(
      folder,
      'board',
      '--port',
      '0',
      '--flash',
      'own.bin',
      '--table',
      join(process.cwd(), 'partitions.csv'),
    );
    assert.equal(
      stderr,
      `error: --table: ${path('own.bin')} exists, and its table is another; remove it to make a new one\n`,
    );
    assert.equal(status, 2);
  });
});

describe('part-ota board, with another chip or table,', () => {
  afterEach(() => {
    child?.kill('SIGKILL');
  });

  for (const size of [1, 2, 4, 8, 16, 32])
    it(`makes a chip of ${size} MB, and knows it again`, async () => {
      const file = `chip-${size}.bin`;
      const last = size * 0x100000 - 0x10000;
      writeFileSync(path('s.csv'), `factory,app,factory,0x10000,512K\nend,data,fat,${last},64K\n`);
      const words = ['--flash', file, '--table', 's.csv', '--size', `${size}MB`];
      const first = await Line.open(await start(...words));
      await first.ask(`require("Flash").erasePage(${last});require("Flash").write("mine",${last})`);
      child.kill('SIGTERM');
      assert.equal(await ended(), 0);
      assert.equal(readFileSync(path(file)).length, size << 20);
      const again = await Line.open(await start('--flash', file));
      const script = `print(E.toString(require("Flash").read(4,${last})),require("Flash").read(1,${last + 0x10000})[0])`;
      assert.equal(await again.ask(script), 'mine 0');
      child.kill('SIGTERM');
      assert.equal(await ended(), 0);
      const other = await runPartOta(
        folder,
        ...['board', '--port', '0', '--flash', file, '--size', size === 4 ? '8MB' : '4MB'],
      );
      assert.match(other.stderr, new RegExp(`^error: .*${file}: ${size << 20} bytes; .*--size\n$`));
      assert.equal(other.status, 2);
    });

  it('has its table where --table-offset says', async () => {
    writeFileSync(path('o.csv'), 'factory,app,factory,0x20000,512K\nmine,data,fat,,64K\n');
    const words = ['--flash', 'offset.bin', '--table-offset', '0x10000'];
    const line = await Line.open(await start(...words, '--table', 'o.csv'));
    const script = 'print(E.toString(require("Flash").read(4,65536+32+12)))';
    assert.equal(await line.ask(script), 'mine');
    child.kill('SIGTERM');
    assert.equal(await ended(), 0);
    const again = await Line.open(await start(...words));
    assert.equal(await again.ask(script), 'mine');
    child.kill('SIGTERM');
    assert.equal(await ended(), 0);
    for (const [what, ...others] of [
      [/offset\.bin: no partition table at 0x8000\n$/, '--flash', 'offset.bin'],
      [
        /'--table-offset <address>' argument '0x10001' .* not a multiple/,
        '--table-offset',
        '0x10001',
      ],
      [
        /--table: .*in front of the end of the table|--table: no |0x11000/,
        ...words.slice(2),
        '--flash',
        'n.bin',
        '--table',
        't.csv',
      ],
    ] as [RegExp, ...string[]][]) {
      const run = await runPartOta(folder, 'board', '--port', '0', ...others);
      assert.match(run.stderr, what);
      assert.equal(run.status, 2);
    }
  });
});

describe('part-ota board, what happens to it,', () => {
  afterEach(() => {
    child?.kill('SIGKILL');
  });

  it('loses power where --cut-at says', async () => {
    const line = await Line.open(await start('--flash', 'cut.bin', '--cut-at', '2'));
    line.type('f=require("Flash");f.erasePage(0x310000);f.erasePage(0x311000)\n');
    await line.until('\r\x1b[J');
    assert.equal(await line.ask('print(typeof f)'), 'undefined');
  });

  it('says that a port is in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { status, stderr } = await runPartOta(folder, 'board', '--port', String(port));
    server.close();
    assert.equal(stderr, `error: --port: ${port} is in use; 0 is any that is free\n`);
    assert.equal(status, 2);
  });
});

describe('part-ota board refuses', () => {
  afterEach(() => {
    child?.kill('SIGKILL');
  });

  it('what it cannot be made of', async () => {
    const fails = async (message: RegExp, ...words: string[]) => {
      const { status, stdout, stderr } = await runPartOta(folder, 'board', '--port', '0', ...words);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(status, 2);
    };
    writeFileSync(path('short.bin'), 'x');
    await fails(
      /^error: .*short\.bin: 1 bytes; a chip has 1, 2, 4, 8, 16 or 32 MB, all of which are in it\n$/,
      '--flash',
      'short.bin',
    );
    writeFileSync(path('blank.bin'), Buffer.alloc(4 << 20, 0xff));
    await fails(/^error: .*blank\.bin: no partition table at 0x8000\n$/, '--flash', 'blank.bin');
    await fails(
      /^error: no such\.csv: no such file\n$/,
      '--flash',
      'new.bin',
      '--table',
      'no such.csv',
    );
    writeFileSync(path('bad.csv'), 'a,b,c\n');
    await fails(/^error: bad\.csv: /, '--flash', 'new.bin', '--table', 'bad.csv');
    writeFileSync(path('large.csv'), 'factory,app,factory,0x10000,8M\n');
    await fails(
      /^error: --table: it ends at 8454144 bytes; the chip has 4194304; see --size\n$/,
      '--flash',
      'new.bin',
      '--table',
      'large.csv',
    );
    writeFileSync(path('data.csv'), 'mine,data,spiffs,0x10000,64K\n');
    await fails(
      /^error: --table: there is no app in it\n$/,
      '--flash',
      'new.bin',
      '--table',
      'data.csv',
    );
    await fails(/^error: .*: is a directory\n$/, '--flash', '.');
    await fails(
      /^error: --engine: espruino needs an interpreter/,
      '--engine',
      'espruino',
      '--engine-path',
      '',
    );
    await fails(
      /^error: .*--engine.*Allowed choices are espruino, simulated/,
      '--engine',
      'duktape',
    );
    await fails(/^error: .*--port.*65536/, '--port', '65536');
    assert.throws(() => statSync(path('new.bin')), /ENOENT/);
  });
});

describe('a line of the console', () => {
  const cases: [string, boolean][] = [
    ['1+1', false],
    ['f(', true],
    ['f({', true],
    ['f({})', false],
    [')(', false],
    ['"("', false],
    ["'('", false],
    ['"\\"("', false],
    ['"unfinished(', false],
    ['`unfinished', true],
    ['`(`', false],
    ['1 // (', false],
    ['f( // )\n', true],
    ['/* ( */ 1', false],
    ['1 /* unfinished', true],
    ['x = /[(/]/', false],
    ['x.match(/\\(/)', false],
    ['a / b / (c', true],
    ['return /(/', false],
  ];
  for (const [line, expected] of cases)
    it(`${JSON.stringify(line)} ${expected ? 'goes on' : 'is over'}`, () => {
      assert.equal(isOpen(line), expected);
    });
});
