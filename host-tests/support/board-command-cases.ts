/** What every board to test against must do, whatever its engine is. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type BoardEvent, REACHED } from '../../cli/board/engine.ts';
import { type BoardSetup, type RunningBoard, startBoard } from '../../cli/board/running.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { row } from '../../host/tables.ts';
import { bundleOf } from './package.ts';
import { Line, uploadByCli } from './typed-line.ts';

const BUNDLE = bundleOf('ota');
const SECTOR = 4096;
const storage = row('storage', 1, 0x82, 0x50000, 16 * SECTOR);
const journal = row('ota_journal', 1, 6, 0x60000, 2 * SECTOR);
/** Small: a real Espruino takes its time. */
const TABLE = encodeTable([
  ...TABLES.example.slice(0, 3),
  row('ota_0', 0, 0x10, 0x10000, 0x20000),
  row('ota_1', 0, 0x11, 0x30000, 0x20000),
  storage,
  journal,
]);

const RECOVER = `print("boot0 says",require("ota").recover().state);`;
/** Writes 3 sectors of "new " at the start of `storage`. */
const UPDATE =
  'u=require("ota").begin({partition:"storage"});for(i=0;i<24;i++)u.write(E.toString({data:"new ",count:128}));u.end();print("updated")';

/** The board that is tested, a connection to it, and what has happened to it. */
class Tested {
  readonly events: BoardEvent[] = [];
  board!: RunningBoard;
  line!: Line;
  readonly #folder = mkdtempSync(join(tmpdir(), 'board-test-'));
  readonly #setup: BoardSetup;

  constructor(engine: BoardSetup['engine'], command?: string) {
    const flash = join(this.#folder, 'flash.bin');
    this.#setup = { engine, command, port: 0, flash, table: TABLE };
  }

  async start(): Promise<void> {
    this.board = await startBoard({
      ...this.#setup,
      onEvent: (event) => {
        if (event !== 'connect' && event !== 'drop' && event !== 'disconnect')
          this.events.push(event);
      },
    });
    this.line = await Line.open(this.board.port);
    await this.line.ask('');
    this.events.length = 0;
  }

  async stop(): Promise<void> {
    this.line.close();
    await this.board.close();
  }

  contentOf({ address, size }: { address: number; size: number }): Buffer {
    return this.board.flash.subarray(address, address + size);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Describes an engine. */
export function describeBoard(engine: BoardSetup['engine'], command?: string): void {
  const tested = new Tested(engine, command);
  before(() => tested.start());
  after(async () => {
    await tested.stop();
    tested.remove();
  });
  afterEach(() => {
    assert.equal(tested.events.includes('ended'), false, 'the engine has ended by itself');
    tested.events.length = 0;
  });

  describe('its console', () => {
    describeEcho(tested);
    describeTraffic(tested);
  });
  describe('its chip', () => describeChip(tested));
  describe('its Storage', () => {
    describeFiles(tested);
    describeBootFiles(tested);
  });
  describeEvents(tested);
  describe('when power fails', () => {
    describeCuts(tested);
    describeRecovery(tested);
  });
}

function describeEcho(tested: Tested): void {
  it('echoes what is typed, and shows what it is', async () => {
    assert.equal(await tested.line.say('1+2'), '1+2\n=3\n>');
    assert.equal(
      await tested.line.say('({a:1,b:"x"})'),
      '({a:1,b:"x"})\n={ a: 1, \n  b: "x"\n }\n>',
    );
  });

  it('waits for brackets to be closed', async () => {
    tested.line.type('(function() {\n');
    assert.equal(await tested.line.until(':'), '(function() {\r\n:');
    assert.equal(await tested.line.say('return "}"; })()'), 'return "}"; })()\n="}"\n>');
  });

  it('is silent about a line that begins with \\x10, but for what it prints', async () => {
    tested.line.type('\x10"nothing"\n\x10print("something")\n');
    assert.equal(await tested.line.until('>'), 'something\r\n>');
  });

  it('prints what is thrown, and goes on', async () => {
    assert.match(
      await tested.line.say('throw new Error("on purpose")'),
      /\nUncaught Error: on purpose\n/,
    );
    assert.match(await tested.line.say('2'), /=2\n>$/);
  });

  it('clears the line at Ctrl-C, and nothing else', async () => {
    tested.line.type('throw 1;\x03\x03\x03');
    await tested.line.until('\r\x1b[J>');
    assert.equal(await tested.line.say('3'), '3\n=3\n>');
    assert.deepEqual(tested.events, []);
  });

  it('says who it is', async () => {
    tested.line.type('\x05');
    assert.match(await tested.line.until('\r\n'), /^Espruino 2v\d+\S* \w+\r\n$/);
    // The prompt does not come back by itself.
    await tested.line.ask('');
  });

  it('is silent after echo(0), and echoes again after echo(1)', async () => {
    tested.line.type('echo(0)\n');
    await tested.line.until('echo(0)\r\n');
    tested.line.type('1+2\nprint("said")\n');
    assert.equal(await tested.line.until('said\r\n'), 'said\r\n');
    tested.line.type('echo(1)\n');
    await tested.line.until('>');
    await tested.line.ask('');
    assert.equal(await tested.line.say('4'), '4\n=4\n>');
  });
}

function describeTraffic(tested: Tested): void {
  it('loses nothing of 20 KB in one go', async () => {
    const numbers = Array.from({ length: 460 }, (_, i) => (i * 7919) % 10007);
    const lines = numbers.map((n, i) => `\x10s=(s+${n}*${i})|0;"${'filling '.repeat(3)}";`);
    const text = ['\x10s=0', ...lines, ''].join('\n');
    assert.ok(text.length > 20_000, `${text.length}`);
    tested.line.type(text);
    const sum = numbers.reduce((sum, n, i) => (sum + n * i) | 0, 0);
    assert.equal(await tested.line.ask('print(s)'), String(sum));
  });

  it('is open to several at a time', async () => {
    const other = await Line.open(tested.board.port);
    other.type('print("to all")\n');
    await tested.line.until('to all\r\n=undefined\r\n>');
    await other.until('to all\r\n=undefined\r\n>');
    other.close();
    assert.equal(await tested.line.ask('print("still here")'), 'still here');
  });
}

function describeChip(tested: Tested): void {
  it('is that of an ESP32', async () => {
    assert.equal(await tested.line.ask('print(process.env.BOARD)'), 'ESP32');
    assert.equal(
      await tested.line.ask('print(require("Flash").read(4,4096).join())'),
      '233,3,2,32',
    );
    assert.equal(await tested.line.ask('print(require("Flash").read(2,32768).join())'), '170,80');
    assert.equal(await tested.line.ask('print(require("Flash").read(2,4194304).join())'), '0,0');
  });

  it('becomes the AND of what is programmed twice, and 0xff at an erase', async () => {
    const script = `f=require("Flash");f.erasePage(${journal.address + 5});f.write("\\x0f\\x55",${journal.address});f.write("\\xf3\\x54",${journal.address});print(f.read(3,${journal.address}).join())`;
    assert.equal(await tested.line.ask(script), '3,84,255');
    assert.deepEqual([...tested.contentOf(journal).subarray(0, 3)], [3, 84, 255]);
    await tested.line.ask(`f.erasePage(${journal.address})`);
    assert.ok(
      tested
        .contentOf(journal)
        .subarray(0, SECTOR)
        .every((byte) => byte === 255),
    );
  });

  it('refuses to erase at an address that is no whole number', async () => {
    assert.match(
      await tested.line.say('require("Flash").erasePage(1.5)'),
      /Uncaught Error: Address should be an integer/,
    );
  });

  it('is written from outside while the board has no power', async () => {
    const flash = tested.board.flash;
    flash.write('from outside', journal.address);
    await tested.board.load(flash);
    assert.equal(
      await tested.line.ask(`print(E.toString(require("Flash").read(12,${journal.address})))`),
      'from outside',
    );
    flash.fill(0xff, journal.address, journal.address + SECTOR);
    await tested.board.load(flash);
  });

  it('has 4 MB', async () => {
    await assert.rejects(tested.board.load(Buffer.alloc(1000)), /1000 bytes; the chip has 4194304/);
  });
}

function describeFiles(tested: Tested): void {
  it('takes a module from the espruino CLI', async () => {
    tested.line.type('\n');
    await tested.line.until('>');
    tested.line.type('\x10print("<","<<",JSON.stringify(process.env),">>",">")\n');
    const env = /<< (.*) >>/.exec(await tested.line.until('>> >\r\n>'))![1];
    assert.equal((JSON.parse(env) as { BOARD: string }).BOARD, 'ESP32');
    tested.line.type(
      uploadByCli('ota', BUNDLE, 'print("stored",E.CRC32(require("Storage").read("ota")))'),
    );
    await tested.line.until(`stored ${crc32(Buffer.from(BUNDLE, 'latin1'))}\r\n>`);
    assert.equal(await tested.line.ask('print(require("ota").status().state)'), 'none');
  });

  it('shows the user nothing but what is theirs', async () => {
    await tested.line.ask(
      'require("Storage").write(".boot0","1");require("Storage").write(".bootPowerOn","2")',
    );
    assert.equal(
      await tested.line.ask('print(require("Storage").list().sort().join())'),
      '.boot0,.bootPowerOn,ota',
    );
    assert.equal(await tested.line.ask('print(require("Storage").list(/boot0/).join())'), '.boot0');
    assert.equal(await tested.line.ask('print(require("Storage").read(".boot0"))'), '1');
    await tested.line.ask('require("Storage").erase(".bootPowerOn")');
    assert.equal(
      await tested.line.ask('print(require("Storage").read(".bootPowerOn"))'),
      'undefined',
    );
  });
}

function describeBootFiles(tested: Tested): void {
  it('has the scripts of a boot, whatever boots it', async () => {
    const boot0 = 'print("boot0 reads",require("Flash").read(1,4096)[0])';
    await tested.line.ask(`require("Storage").write(".boot0",${JSON.stringify(boot0)})`);
    for (const script of ['load()', 'reset()', 'E.reboot()', 'ESP32.reboot()']) {
      tested.line.type(`\x10${script}\n`);
      await tested.line.until('boot0 reads 233\r\n');
      await tested.line.ask('');
    }
    assert.deepEqual(tested.events, ['boot', 'boot', 'reboot', 'boot', 'reboot', 'boot']);
    await tested.board.kill();
    await tested.line.until('boot0 reads 233\r\n');
    assert.ok(tested.line.isOpen);
  });

  it('has a .bootcde, which reset() and load(file) leave out', async () => {
    const says = (name: string) => `require("Storage").write("${name}","print('${name} ran')");`;
    await tested.line.ask(`${says('.boot0')}${says('.bootcde')}${says('app')}print()`);
    tested.line.type('\x10load()\n');
    await tested.line.until('.boot0 ran\r\n.bootcde ran\r\n');
    tested.line.type('\x10reset()\n');
    await tested.line.until('.boot0 ran\r\n');
    tested.line.type('\x10load("app")\n');
    assert.doesNotMatch(await tested.line.until('app ran\r\n'), /bootcde/);
    await tested.line.ask('');
    await tested.line.ask('require("Storage").erase(".bootcde");require("Storage").erase("app")');
  });

  it('goes on when .boot0 throws', async () => {
    await tested.line.ask('require("Storage").write(".boot0","nope()")');
    await tested.board.kill();
    await tested.line.until('Uncaught ReferenceError');
    assert.equal(await tested.line.ask('print(require("Flash").read(1,4096)[0])'), '233');
  });

  it('can be emptied', async () => {
    await tested.line.ask('require("Storage").eraseAll();Modules.removeAllCached()');
    assert.equal(await tested.line.ask('print(require("Storage").list().length)'), '0');
    await tested.board.kill();
    assert.equal(await tested.line.ask('print(require("Flash").read(1,4096)[0])'), '233');
  });
}

function describeEvents(tested: Tested): void {
  it('runs timers and promises', async () => {
    tested.line.type('setTimeout(function() { Promise.resolve("later").then(print) }, 5);\n');
    await tested.line.until('later\r\n');
    await tested.line.until('>');
  });

  it('reaches the network', async () => {
    const server = createServer((request, response) =>
      response.end(`you asked for ${request.url}`),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    tested.line.type(
      `\x10require("http").get("http://127.0.0.1:${port}/x",function(r){r.on("data",function(d){print(d)})})\n`,
    );
    await tested.line.until('you asked for /x\r\n>');
    await new Promise((resolve) => server.close(resolve));
  });
}

function describeCuts(tested: Tested): void {
  before(async () => {
    tested.line.type(uploadByCli('ota', BUNDLE, 'print("stored")'));
    await tested.line.until('stored\r\n');
    await tested.line.ask(`require("Storage").write(".boot0",${JSON.stringify(RECOVER)})`);
  });

  it('is off until it comes back', async () => {
    await tested.board.powerOff();
    tested.line.type('print("nobody hears this")\n');
    await tested.board.powerOn();
    assert.match(await tested.line.until('boot0 says none\r\n'), /^((?!nobody)[^])*$/);
  });

  for (const reached of REACHED)
    it(`in an operation, ${reached} of it is done`, async () => {
      await tested.line.ask(`require("Flash").erasePage(${journal.address})`);
      const isCut = tested.board.cutAt(2, reached);
      const write = (text: string) => `require("Flash").write("${text}",${journal.address});`;
      tested.line.type(`\x10${write('\\x7f')}${write('abcdefgh')}print("not reached")\n`);
      await isCut;
      assert.match(await tested.line.until('boot0 says none\r\n'), /^((?!not reached)[^])*$/);
      assert.deepEqual(tested.events, ['cut', 'boot']);
      const expected = {
        nothing: '\x7f'.padEnd(8, '\xff'),
        'first half': 'abcd'.padEnd(8, '\xff'),
        'second half': `\x7f\xff\xff\xffefgh`,
        everything: 'abcdefgh',
      };
      assert.equal(tested.contentOf(journal).toString('latin1', 0, 8), expected[reached]);
      await tested.line.ask(`require("Flash").erasePage(${journal.address})`);
    });
}

function describeRecovery(tested: Tested): void {
  it('in a timer, boots as well', async () => {
    const isCut = tested.board.cutAt(1, 'everything');
    const erase = `require("Flash").erasePage(${journal.address})`;
    tested.line.type(`\x10setTimeout(function(){${erase};print("not reached")},1)\n`);
    await isCut;
    assert.match(await tested.line.until('boot0 says none\r\n'), /^((?!not reached)[^])*$/);
  });

  it('in an update, recovers at the next boot', async () => {
    const old = Buffer.from(tested.contentOf(storage));
    // BEGIN and SOLID, then sectors are saved and overwritten.
    const isCut = tested.board.cutAt(60);
    tested.line.type(`\x10${UPDATE}\n`);
    await isCut;
    await tested.line.until('boot0 says restored\r\n');
    assert.ok(tested.contentOf(storage).equals(old));
    assert.equal(await tested.line.ask('print(require("ota").status().state)'), 'restored');
  });

  it('in an update and in the recovery, recovers at the boot after that', async () => {
    const old = Buffer.from(tested.contentOf(storage));
    const cuts = [
      tested.board.cutAt(60),
      tested.board.cutAt(3),
      tested.board.cutAt(1, 'everything'),
    ];
    tested.line.type(`\x10${UPDATE}\n`);
    await Promise.all(cuts);
    await tested.line.until('boot0 says restored\r\n');
    assert.ok(tested.contentOf(storage).equals(old));
  });

  it('after an update, keeps what is new', async () => {
    assert.equal(await tested.line.ask(UPDATE), 'updated');
    await tested.board.kill();
    await tested.line.until('boot0 says committed\r\n');
    assert.equal(
      tested.contentOf(storage).toString('latin1', 0, 3 * SECTOR),
      'new '.repeat(3 * 1024),
    );
  });

  it('survives the end of the command', async () => {
    await tested.stop();
    await tested.start();
    assert.equal(
      await tested.line.ask('print(require("Storage").list().sort().join())'),
      '.boot0,ota',
    );
    assert.equal(tested.contentOf(storage).toString('latin1', 0, 4), 'new ');
  });
}
