/** A real Espruino at a TCP port, as a board to test against: `ESPRUINO=path/to/espruino npm run test:espruino`. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBoard } from '../../cli/board/running.ts';
import { describeBoard } from '../support/board-command-cases.ts';
import { Line } from '../support/typed-line.ts';

const command = process.env.ESPRUINO;

/** Of which both engines must show the same. */
const EXPRESSIONS = [
  ...[
    '1',
    '1.5',
    '-3',
    '1/3',
    '0.1+0.2',
    'NaN',
    '-0',
    '4294967295',
    '1e-7',
    'null',
    'undefined',
    'true',
  ],
  ...['"abc"', '"x".repeat(100)', String.raw`"a\nb\"\\\x00\x011\x07\x1b\xff"`],
  ...[
    '[]',
    '[1,2,3]',
    '["a","b"]',
    '[1,"a",2]',
    '[[1,2],[3]]',
    '[{a:1},{b:[]}]',
    '[undefined,null,true]',
  ],
  ...[
    '({})',
    '({a:1,b:2})',
    '({a:1,b:2,c:3,d:4,e:5,f:6,g:7,h:8,i:9})',
    '({a:{b:{c:[1,{d:"q"}]}},"x-y":3})',
  ],
  ...[
    'new Uint8Array(4)',
    'new Uint8Array([1,2]).buffer',
    'new Uint8Array(20).fill(1)',
    'new Uint16Array([1,500])',
  ],
  ...[
    '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]',
    'function(a,b){return a}',
    '({f:function(){}})',
  ],
  ...['Math.abs', 'require("Flash").getPage(4100)', 'require("Flash").getFree()'],
];

describe('a board with a real Espruino', function () {
  if (!command) {
    it('is run', function () {
      console.log('      ▸ not run: ESPRUINO does not name an interpreter');
      this.skip();
    });
    return;
  }
  this.timeout(60_000);
  describeBoard('espruino', command);

  describeTyping(command);
  describeFlashAndProgram(command);
});

function describeTyping(command: string): void {
  // What may get lost of it, and why: cli/board/input.ts.
  for (const timer of [0, 25])
    it(`loses nothing of 320 KB that are typed at once${timer ? ', while a timer runs' : ''}`, async () => {
      const LINES = 1600;
      const LENGTH = 190;
      const board = await startBoard({ engine: 'espruino', command, port: 0 });
      const line = await Line.open(board.port);
      await line.ask(`var n=0;${timer ? `setInterval(function(){n+=0},${timer});` : ''}`);
      const text = (n: number) => String.fromCharCode(97 + (n % 26)).repeat(LENGTH);
      const lines = Array.from({ length: LINES }, (_, n) => `\x10n+="${text(n)}".length\n`);
      line.type(lines.join(''));
      assert.equal(await line.ask('print(n)'), String(LINES * LENGTH));
      line.close();
      await board.close();
    });

  it('boots anew, and says so, when the interpreter has come to a bug', async () => {
    const events: string[] = [];
    const board = await startBoard({
      engine: 'espruino',
      command,
      port: 0,
      onEvent: (event, detail) => events.push(`${event} ${detail}`),
    });
    const line = await Line.open(board.port);
    assert.equal(await line.ask('var x=1;print(x)'), '1');
    line.type('\x10print("ASSERT(len <= "+64+") FAILED AT src/jsdevices.c:601")\n');
    await line.until('espruino.com');
    assert.equal(await line.ask('print(typeof x)'), 'undefined');
    assert.ok(events.includes('ended ASSERT(len <= 64) FAILED AT src/jsdevices.c:601'));
    line.close();
    await board.close();
  });

  it('is interrupted by Ctrl-C', async () => {
    const board = await startBoard({ engine: 'espruino', command, port: 0 });
    const line = await Line.open(board.port);
    await line.ask('');
    line.type('\x10while(true);\n');
    line.type('\x03');
    await line.until('Execution Interrupted\r\n>');
    assert.equal(await line.ask('print("alive")'), 'alive');
    line.close();
    await board.close();
  });
}

function describeFlashAndProgram(command: string): void {
  it('shows what the simulated one shows', async () => {
    const boards = [
      await startBoard({ engine: 'espruino', command, port: 0 }),
      await startBoard({ engine: 'simulated', port: 0 }),
    ];
    const lines = await Promise.all(boards.map(({ port }) => Line.open(port)));
    for (const line of lines) await line.ask('');
    for (const expression of EXPRESSIONS) {
      const [result, expected] = await Promise.all(
        lines.map((line) => line.say(`(${expression})`)),
      );
      assert.equal(expected, result);
      const print = `print((${expression}))`;
      const [printed, expectedPrint] = await Promise.all(lines.map((line) => line.ask(print)));
      assert.equal(expectedPrint, printed, print);
    }
    for (const line of lines) line.close();
    for (const board of boards) await board.close();
  });

  it('lives on when Espruino has emptied its Storage', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'board-test-'));
    const flash = join(folder, 'flash.bin');
    const board = await startBoard({ engine: 'espruino', command, port: 0, flash });
    await board.powerOff();
    const file = `${flash}.espruino/espruino.flash`;
    const bytes = readFileSync(file);
    const first = bytes.indexOf('.bootPowerOn') - 4;
    // A file that is longer than Storage.
    bytes.writeUInt32LE(0x00fffff0, first);
    writeFileSync(file, bytes);
    await board.powerOn();
    const line = await Line.open(board.port);
    assert.equal(await line.ask('print(process.env.BOARD)'), 'ESP32');
    line.close();
    await board.close();
    rmSync(folder, { recursive: true });
  });

  it('is told apart from other programs', async () => {
    const flash = join(mkdtempSync(join(tmpdir(), 'board-test-')), 'flash.bin');
    const setup = { engine: 'espruino', port: 0, flash } as const;
    await assert.rejects(
      startBoard({ ...setup, command: '/bin/cat' }),
      /^InputError: \/bin\/cat: not an Espruino for Linux; it prints "/,
    );
    await assert.rejects(
      startBoard({ ...setup, command: '/no/such' }),
      /^InputError: \/no\/such: no such file$/,
    );
    rmSync(join(flash, '..'), { recursive: true });
  });
}
