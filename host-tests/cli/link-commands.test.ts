/** `part-ota upload`, `status`, `recover`, `restore`, `confirm` as they are built, on the simulated board over TCP. */
import assert from 'node:assert/strict';
import { encodeTable, TABLES } from '../../host/index.ts';
import { FakeBoard } from '../support/fake-board.ts';
import { evaluate, stubs } from '../support/fake-port.ts';
import { describeCommands } from '../support/link-commands-cases.ts';
import type { BoardStatus } from '../../link/status.ts';
import { ended, startCommand } from '../support/link-commands-fixtures.ts';

describe('part-ota on the simulated board', () => {
  describeCommands({ engine: 'simulated' });
});

let board: FakeBoard;

let files: Map<string, string>;

let modules: Record<string, unknown>;

/** Starts a board with this table. */
async function start(table: Uint8Array): Promise<void> {
  files = new Map();
  board = await FakeBoard.start();
  const made = stubs(table, files);
  modules = made.modules;
  Object.assign(board.globals, made.globals);
}

const command = (...words: string[]) => ended(startCommand(...words, '--port', board.name));

describe('part-ota on a board that does as a test says', () => {
  afterEach(() => board.stop());

  it('is not an ESP32', async () => {
    await start(new Uint8Array(0xc00));
    for (const name of ['upload', 'status', 'recover']) {
      const { status, stdout, stderr } = await command(name);
      assert.match(
        stderr,
        /^error: tcp:\S+: no partition table at 0x8000; .* on "STUB": not an ESP32/,
      );
      assert.deepEqual([status, stdout, files.size], [2, '', 0]);
    }
  });

  it('keeps what is stored', async () => {
    await start(encodeTable(TABLES.example));
    const { status, stderr } = await command('upload');
    assert.equal(status, 0, stderr);
    assert.deepEqual([...files.keys()], ['ota', '.boot0']);
  });

  it('does not keep what is stored', async () => {
    await start(encodeTable(TABLES.example));
    const set = files.set.bind(files);
    files.set = (name, text) => set(name, text.replace('exports', 'exposts'));
    const { status, stderr } = await command('upload');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^error: ota reads back wrong: ([\d,]+) bytes with CRC-32 0x\w+, where \1 with 0x\w+ were sent; upload it again$/m,
    );
    assert.equal(files.has('.boot0'), false, 'a boot script without its module');
  });

  it('is disconnected in the middle of an upload', async () => {
    await start(encodeTable(TABLES.example));
    let writes = 0;
    board.behaviour = (line, it) => {
      if (line.includes('.write(') && ++writes === 4) it.hangUp();
      else evaluate(line, it);
    };
    const { status, stderr } = await command('upload');
    assert.equal(status, 2);
    assert.match(stderr, /^error: tcp:\S+: the connection ended/);
    board.behaviour = evaluate;
    assert.equal((await command('upload')).status, 0);
  });

  it('still recovers when somebody presses Ctrl-C', async () => {
    await start(encodeTable(TABLES.example));
    files.set('ota', 'here');
    modules.ota = {
      recover: ({ onProgress }: { onProgress: (p: object) => void }) => hold(onProgress),
    };
    const hold = (onProgress: (progress: object) => void) => {
      onProgress({ phase: 'restore', done: 4096, total: 8192 });
      child.kill('SIGINT');
      return new Promise(() => undefined);
    };
    const child = startCommand('recover', '--port', board.name);
    const { status, stderr } = await ended(child);
    assert.equal(status, 130);
    assert.match(stderr, /The board goes on by itself, and may lose power at any moment/);
    assert.match(stderr, /"part-ota status --port tcp:\S+" tells/);
    assert.equal(board.received.includes('\x03'), false);
  });
});

describe('part-ota on a board with little memory', () => {
  afterEach(() => board.stop());

  it('has too little memory for an update, and status says what is missing', async () => {
    await start(encodeTable(TABLES.example));
    const environment = board.globals.process as { memory: () => object };
    environment.memory = () => ({ free: 1300, total: 2300, blocksize: 14 });
    const short = await command('status');
    assert.equal(short.status, 0, short.stderr);
    assert.match(short.stdout, /^ {2}JsVars +1,300 of 2,300 free, 14 bytes each$/m);
    assert.match(
      short.stdout,
      /^ {2}update +needs about 1,250 by ota; 2,120 by ota-http, 820 too few; 2,260 over the console, 960 too few; /m,
    );
    const { needs } = JSON.parse((await command('status', '--json')).stdout) as BoardStatus;
    assert.deepEqual(needs.console, { jsVars: 2260, fits: false });
    assert.deepEqual(needs.ota, { jsVars: 1250, fits: true });
    environment.memory = () => ({ free: 2600, total: 3000, blocksize: 14 });
    assert.match(
      (await command('status')).stdout,
      /^ {2}update .* put the old content back: fits$/m,
    );
    // What the app has loaded is not needed again.
    board.globals.Modules = { getCached: () => ['ota', 'ota-http'], removeCached: () => undefined };
    modules.ota = { status: () => ({ state: 'none' }), plan: () => undefined };
    environment.memory = () => ({ free: 1300, total: 2300, blocksize: 14 });
    assert.match(
      (await command('status')).stdout,
      /^ {2}update +needs about 850 by ota; 1,400 by/m,
    );
  });
});

describe('part-ota on a board of a stranger', () => {
  afterEach(() => board.stop());

  describe('shows what it is told as text, not as commands to the terminal:', () => {
    const HOSTILE = 'x\x1b[2J\x1b]0;owned\x07\x9b2J\r\ny';
    const ESCAPED = 'x\\x1b[2J\\x1b]0;owned\\x07\\x9b2J\\x0d\\x0ay';
    const refuse = () => {
      throw Object.assign(new Error(HOSTILE), { code: HOSTILE });
    };

    for (const [words, calls, code] of [
      [['status'], { status: () => ({ state: HOSTILE, partition: HOSTILE }), plan: refuse }, 0],
      [['status'], { status: refuse, plan: refuse }, 0],
      [['upload', '--dry-run'], {}, 0],
      [['recover'], { recover: refuse }, 1],
      [['recover'], { recover: () => ({ state: HOSTILE, partition: HOSTILE }) }, 0],
      [['recover', '--json'], { recover: () => ({ state: HOSTILE, partition: HOSTILE }) }, 0],
      [
        ['update', '--partition', 'www', '--url', 'http://host/www'],
        { status: () => ({ state: 'none' }), partitions: () => [{ label: HOSTILE, size: 1 }] },
        2,
      ],
    ] as [string[], Record<string, () => unknown>, number][])
      it(`${words.join(' ')}, ${Object.keys(calls).join(', ') || 'firmware'}`, async () => {
        await start(encodeTable(TABLES.example));
        files.set('ota', 'here').set('ota-http', 'here');
        modules.ota = calls;
        const environment = board.globals.process as { env: Record<string, string> };
        environment.env.VERSION = HOSTILE;
        board.globals.global = {};
        const { status, stdout, stderr } = await command(...words);
        const text = stdout + stderr;
        assert.equal(status, code, text);
        assert.doesNotMatch(text, /(?!\n)\p{Cc}/u);
        if (words.includes('--json'))
          assert.deepEqual(JSON.parse(stdout), { state: HOSTILE, partition: HOSTILE });
        else assert.ok(text.includes(ESCAPED), text);
      });
  });

  it('has a table with more flash than the chip has', async () => {
    const rows = [
      { label: 'app', type: 0, subtype: 0, address: 0x10000, size: 0x10000 },
      { label: 'far', type: 1, subtype: 0x81, address: 0x20000, size: 0xf00000 },
    ];
    await start(encodeTable(rows));
    const { read } = modules.Flash as { read: (length: number, address: number) => Uint8Array };
    const header = Uint8Array.of(0xe9, 0, 0, 0);
    modules.Flash = {
      read: (length: number, address: number) => (length === 4 ? header : read(length, address)),
    };
    const { status, stdout, stderr } = await command('status');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^1 MiB of flash$/m);
    assert.match(stdout, /^ {2}far .* \u2591{4}\u2588{28}$/m);
  });
});

describe('part-ota without a board', () => {
  for (const [words, message] of [
    [
      ['upload', '--port', 'tcp://127.0.0.1:9'],
      /^error: tcp:\/\/127\.0\.0\.1:9: connection refused/,
    ],
    [['status', '--port', '/dev/ttyNone9'], /^error: \/dev\/ttyNone9: .*(no such port|serialport)/],
    [['recover', '--baud', '12'], /--baud/],
    [['confirm', '--timeout', 'soon', '--port', 'tcp://127.0.0.1:9'], /--timeout/],
  ] as [string[], RegExp][]) {
    it(words.join(' '), async () => {
      const { status, stdout, stderr } = await ended(startCommand(...words));
      assert.match(stderr, message);
      assert.deepEqual([status, stdout], [2, '']);
    });
  }

  it('upload --list works without one', async () => {
    const { status, stdout } = await ended(startCommand('upload', '--list'));
    assert.equal(status, 0);
    assert.match(stdout, /no serial port found|^ {2}\S+/);
  });
});
