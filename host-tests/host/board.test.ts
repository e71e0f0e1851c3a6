/**
 * The simulated board: that Espruino's functions behave here as they do on an ESP32, quirks included.
 * Where a comment names no source, the behaviour was seen on Espruino 2v29 or read in its sources.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  Board,
  type BoardOptions,
  FlashMisuse,
  Panic,
  PowerCut,
  Reboot,
  type Row,
  SECTOR,
  TABLES,
  TEARS,
  decodeTable,
  encodeTable,
} from '../../host/index.ts';
import { row } from '../../host/tables.ts';

/** Espruino's `require("Flash")`, loosely typed, as scripts are. */
interface Flash {
  read(length: unknown, address: unknown): Uint8Array | undefined;
  write(data: unknown, address: unknown): void;
  erasePage(address: unknown): void;
  getPage(address: unknown): unknown;
  getFree(): { addr: number; length: number }[];
}

/** A sector of the example table's `storage`, blank. */
const FREE = 0x210000;

/** A board whose `storage` is blank. */
function boardWith(options: BoardOptions = {}): Board {
  return new Board({ partitions: { storage: '' }, ...options });
}
function flashOf(board: Board): Flash {
  return board.require<Flash>('Flash');
}
const at = (board: Board, address: number, length: number) => [
  ...board.flash.peek(address, length),
];
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

describe('the partition table of a board', () => {
  it('finds labels by a character for each byte, as its scripts do', () => {
    const app = TABLES.example[3];
    const label = 'w\xfc \xe9\xff';
    const data = { ...row(label, 1, 0x82, 0x210000, 0x1000), encrypted: false, readonly: false };
    const rows = [
      { ...app, encrypted: false, readonly: false, flags: 0 },
      { ...data, flags: 0 },
    ];
    assert.deepEqual(decodeTable(encodeTable(rows)), rows);
    const board = new Board({ table: rows, partitions: { [label]: 'content' } });
    board.load(label, 'content');
    board.upload('ota', readFileSync(new URL('../../dist/ota.min.js', import.meta.url), 'latin1'));
    const partitions = board.require<typeof import('../../device/index.ts')>('ota').partitions();
    assert.equal(partitions[1].label, label);
    assert.equal(board.partition(label).size, 0x1000);
  });

  it('tells what of a table it does not take', () => {
    const { label, ...unnamed } = TABLES.example[0];
    const many = (count: number) => Array.from({ length: count }, () => TABLES.example[0]);
    const refused = (table: readonly object[], name: string, message: string) =>
      assert.throws(() => new Board({ table: table as Row[] }), { name, message });
    const limit = 'at most 94 fit before the MD5 row and the end';
    refused(many(95), 'RangeError', `partition table: 95 rows; ${limit}`);
    refused(
      [{ ...unnamed, label, size: -1 }],
      'RangeError',
      'partition "nvs": size -1; 0 to 4294967295',
    );
    refused(
      [{ ...unnamed, label, type: 256 }],
      'RangeError',
      'partition "nvs": type 256; 0 to 255',
    );
    refused([{ label }], 'RangeError', 'partition "nvs": type undefined; 0 to 255');
    refused([unnamed], 'TypeError', 'row 0 of the partition table: its label is no string');
    const odd = 'label "ж": "ж" is no character of one byte, up to 0xff';
    refused([{ ...unnamed, label: 'ж' }], 'RangeError', odd);
    assert.throws(() => encodeTable(many(96), false), /: 96 rows; at most 95 fit before the end$/);
    assert.equal(decodeTable(encodeTable(many(94))).length, 94);
    assert.equal(decodeTable(encodeTable(many(95), false)).length, 95);
  });
});

describe('a board as it comes out of the factory', () => {
  it('has a partition table as gen_esp32part.py makes it', () => {
    const digests = Object.values(TABLES).map((rows) => sha256(encodeTable(rows)));
    assert.equal(digests[1], '262482a5f6d74f4261f6d52cea326110b4acda552a69347a10cafc1d746ad045');
    assert.equal(digests[2], 'f42c1223f77ab8ba3fc0c93a0a0b0995101f3ecc0f2b3663618192783d319bfe');
    for (const rows of Object.values(TABLES)) {
      const flags = rows.map((row) => ({ ...row, encrypted: false, readonly: false, flags: 0 }));
      assert.deepEqual(decodeTable(encodeTable(rows)), flags);
      const board = new Board({ table: encodeTable(rows) });
      assert.deepEqual(board.table, flags);
      assert.deepEqual(board.flash.peek(0x8000, 0xc00), new Uint8Array(encodeTable(rows)));
    }
  });

  it('has a bootloader where its chip looks for it, with the size of the flash', () => {
    const table = TABLES.espruinoIdf4;
    assert.deepEqual(at(new Board(), 0x1000, 4), [0xe9, 3, 2, 0x20]);
    assert.deepEqual(at(new Board(), 0, 4), [0xff, 0xff, 0xff, 0xff]);
    assert.deepEqual(
      at(new Board({ board: 'ESP32C3', size: 0x800000, table }), 0, 4),
      [0xe9, 3, 2, 0x30],
    );
  });

  it('has otadata that make the bootloader choose the app that runs', () => {
    // Entries as esp_ota_ops.c writes them: sequence, label, state, CRC of the sequence.
    const label = 'ff'.repeat(24);
    const entry = (board: Board) => hex(board.content('otadata').subarray(0, 32));
    assert.equal(entry(new Board()), `01000000${label}9a984347`);
    assert.equal(entry(new Board({ running: 'ota_1' })), `02000000${label}7437f655`);
    const espruino = new Board({ table: TABLES.espruinoEsp32 });
    assert.equal(espruino.running, 'factory');
    assert.equal(entry(espruino), 'ff'.repeat(32));
    espruino.setRunning('ota_0');
    assert.equal(entry(espruino), `01000000${label}9a984347`);
    assert.equal(new Board({ table: TABLES.espruinoIdf4 }).running, 'factory');
    assert.throws(() => espruino.setRunning('nvs'), RangeError);
  });

  it('has something in every partition, the same each time, and nothing between them', () => {
    const board = new Board({ table: TABLES.espruinoIdf4 });
    const other = new Board({ table: TABLES.espruinoIdf4 });
    for (const { label } of board.table) {
      assert.ok(new Set(board.content(label).subarray(0, SECTOR)).size > 200, label);
      assert.deepEqual(board.content(label), other.content(label));
    }
    assert.equal(board.content('factory')[0], 0xe9);
    assert.ok(board.flash.holds(0x204000, new Uint8Array(0x310000 - 0x204000).fill(0xff)));
  });

  it('can have partitions filled, the rest of them erased', () => {
    const board = new Board({ partitions: { storage: Uint8Array.of(1, 2) } });
    assert.deepEqual([...board.content('storage').subarray(0, 3)], [1, 2, 0xff]);
    board.load('storage', '\x05');
    assert.deepEqual([...board.content('storage').subarray(0, 3)], [5, 0xff, 0xff]);
    assert.throws(() => board.load('phy_init', new Uint8Array(SECTOR + 1)), RangeError);
    assert.throws(() => board.load('nowhere', ''), RangeError);
  });
});

describe('Flash.read', () => {
  const board = boardWith();
  board.flash.load(FREE + 1, Uint8Array.of(1, 2, 3));
  const flash = flashOf(board);

  it('reads any length at any alignment into an array of its own', () => {
    assert.deepEqual([...flash.read(3, FREE + 1)!], [1, 2, 3]);
    flash.read(3, FREE + 1)!.fill(9);
    assert.deepEqual([...flash.read(1, FREE + 2)!], [2]);
    assert.equal(flash.read(2, FREE)!.buffer.byteLength, 2);
    assert.ok(flash.read(2, FREE) instanceof Uint8Array);
  });
  it('gives undefined for no bytes', () => {
    assert.equal(flash.read(0, FREE), undefined);
    assert.equal(flash.read(-1, FREE), undefined);
    assert.equal(flash.read(undefined, FREE), undefined);
  });
  it('coerces its arguments', () => {
    assert.deepEqual([...flash.read('2', String(FREE + 1))!], [1, 2]);
    assert.deepEqual([...flash.read(2.9, FREE + 1.5)!], [1, 2]);
  });
  it('gives zeros for all of it when some of it is past the end', () => {
    board.flash.load(0x3ffffe, Uint8Array.of(7, 7));
    assert.deepEqual([...flash.read(4, 0x3ffffe)!], [0, 0, 0, 0]);
    assert.deepEqual([...flash.read(2, 0x3ffffe)!], [7, 7]);
    assert.deepEqual([...flash.read(2, -1)!], [0, 0]);
  });
  it('gives an array whose slice is a plain Array', () => {
    const part = flash.read(4, FREE)!.slice(1, 3);
    assert.ok(Array.isArray(part));
    assert.deepEqual(part, [1, 2]);
  });
  it('gives an array whose subarray is a view, not beyond 65535', () => {
    const long = flash.read(0x10010, FREE)!;
    const view = long.subarray(1, 3);
    assert.deepEqual([...view], [1, 2]);
    view[0] = 9;
    assert.equal(long[1], 9);
    assert.equal(long.subarray(0xffff).length, 0x11);
    assert.throws(() => long.subarray(0x10000), /byteOffset too large/);
  });
});

describe('Flash.write', () => {
  /** Writes into a blank place. */
  function written(data: unknown, offset = 0): number[] {
    const board = boardWith();
    flashOf(board).write(data, FREE + offset);
    return at(board, FREE, 8);
  }

  it('takes everything that is made of bytes', () => {
    assert.deepEqual(written('A\xff\0\x80').slice(0, 5), [65, 255, 0, 128, 255]);
    assert.deepEqual(written(Uint8Array.of(1, 2, 3, 4)).slice(0, 5), [1, 2, 3, 4, 255]);
    assert.deepEqual(written(Uint8Array.of(9, 1, 2, 9).subarray(1, 3)).slice(0, 3), [1, 2, 255]);
    assert.deepEqual(written(Uint8Array.of(1, 2).buffer).slice(0, 3), [1, 2, 255]);
    assert.deepEqual(written([1, [258, 'AB'], 3]).slice(0, 6), [1, 2, 65, 66, 3, 255]);
    assert.deepEqual(written(260).slice(0, 2), [4, 255]);
    assert.deepEqual(written({ data: [1, 2], count: 2 }).slice(0, 5), [1, 2, 1, 2, 255]);
    assert.deepEqual(written({ callback: () => 'AB' }).slice(0, 3), [65, 66, 255]);
  });
  it('takes characters over 255 for what is in their low byte', () => {
    assert.deepEqual(written('\u0141').slice(0, 2), [0x41, 255]);
  });
  it('throws for what is not', () => {
    assert.throws(() => written(undefined), /Data is not defined/);
    for (const data of [null, () => 1, new DataView(new ArrayBuffer(4)), { count: 2 }]) {
      assert.throws(() => written(data), TypeError);
    }
  });
  it('takes of wider arrays as many bytes as they have elements, which is a bug', () => {
    assert.deepEqual(written(Uint16Array.of(0x0201, 0x0403)).slice(0, 3), [1, 2, 255]);
    assert.deepEqual(written(Uint32Array.of(0x04030201, 0, 0)).slice(0, 4), [1, 2, 3, 255]);
  });
  it('writes at any alignment, and leaves what is around', () => {
    for (let offset = 0; offset < 4; offset++) {
      for (let length = 1; length < 12; length++) {
        const board = boardWith();
        const before = Uint8Array.from({ length: 20 }, (_, i) =>
          i < offset || i >= offset + length ? i : 0xff,
        );
        board.flash.load(FREE, before);
        const data = Uint8Array.from({ length }, (_, i) => 100 + i);
        flashOf(board).write(data, FREE + offset);
        before.set(data, offset);
        assert.ok(board.flash.holds(FREE, before), `${length} bytes at ${offset}`);
      }
    }
  });
  it('erases nothing', () => {
    const board = boardWith();
    board.flash.strict = false;
    flashOf(board).write(Uint8Array.of(0xf0, 0xff, 0xff, 0xff), FREE);
    flashOf(board).write(Uint8Array.of(0x3c, 0xff, 0xff, 0xff), FREE);
    assert.deepEqual(at(board, FREE, 1), [0x30]);
  });
  it('does nothing past the end of the chip, and says nothing', () => {
    const board = boardWith();
    const before = board.flash.snapshot();
    flashOf(board).write('1234', 0x400000);
    flashOf(board).write('12345678', 0x3ffffc);
    flashOf(board).write('1', -1);
    assert.deepEqual(board.flash.snapshot().sectors, before.sectors);
  });
});

describe('Flash.erasePage', () => {
  it('erases the sector that an address lies in', () => {
    const board = new Board();
    flashOf(board).erasePage(FREE + SECTOR + 5);
    assert.ok(board.flash.holds(FREE + SECTOR, new Uint8Array(SECTOR).fill(0xff)));
    assert.equal(board.flash.counters.operations, 1);
  });
  it('throws for what is not an integer', () => {
    for (const address of [1.5, '4096', undefined, null, {}]) {
      assert.throws(() => flashOf(new Board()).erasePage(address), /should be an integer/);
    }
  });
  it('does nothing past the end of the chip, and says nothing', () => {
    const board = new Board();
    flashOf(board).erasePage(0x400000);
    assert.equal(board.flash.counters.operations, 0);
  });
});

describe('Flash.getPage and Flash.getFree', () => {
  it('know of 4 MB only', () => {
    const flash = flashOf(new Board({ size: 0x800000 }));
    assert.deepEqual(flash.getPage(0x3fffff), { addr: 0x3ff000, length: 4096 });
    assert.equal(flash.getPage(0x400000), undefined);
    assert.equal(flash.read(1, 0x400000)![0], 0xff);
  });
  it('call a part of Storage free', () => {
    assert.deepEqual(flashOf(new Board()).getFree()[2], { addr: 0x360000, length: 0xa0000 });
  });
});

describe('the firmware aborts', () => {
  const deeds: Record<string, (flash: Flash) => void> = {
    'a write to the bootloader': (flash) => flash.write('1234', 0x1000),
    'a write to the partition table': (flash) => flash.write('1234', 0x8c00),
    'an erase of the partition table': (flash) => flash.erasePage(0x8fff),
    'a write to the running app': (flash) => flash.write('1234', 0x10000),
    'an erase of the last sector of the running app': (flash) => flash.erasePage(0x10ffff),
    'a write that reaches into the running app': (flash) => flash.write('\xff'.repeat(8), 0xfffc),
  };
  for (const [name, deed] of Object.entries(deeds)) {
    it(`at ${name}, and it changes nothing`, () => {
      const board = new Board();
      const before = board.flash.snapshot();
      const flash = flashOf(board);
      assert.throws(() => deed(flash), Panic);
      assert.equal(board.panics.length, 1);
      assert.equal(board.isOn, false);
      assert.throws(() => flash.read(1, 0), Panic);
      assert.deepEqual(board.flash.snapshot().sectors, before.sectors);
      board.powerOn();
      assert.equal(flashOf(board).read(1, 0x1000)![0], 0xe9);
    });
  }
  it('even if the script catches everything', () => {
    const board = new Board();
    assert.throws(() => board.run('try { require("Flash").erasePage(0) } catch (e) {}'), Panic);
    board.upload('.boot0', 'try { require("Flash").erasePage(0) } catch (e) {}');
    assert.throws(() => board.powerOn(), Panic);
    assert.equal(board.panics.length, 2);
  });
  it('not at nvs, otadata or the other app', () => {
    const flash = flashOf(new Board());
    for (const address of [0x9000, 0xd000, 0xf000, 0x110000, 0x3ff000]) flash.erasePage(address);
  });
  it('where the app is that runs since the last update', () => {
    const board = new Board();
    board.setRunning('ota_1');
    flashOf(board).erasePage(0x10000);
    assert.throws(() => flashOf(board).erasePage(0x110000), Panic);
  });
  it('when the watchdog is not fed', () => {
    const board = new Board({ watchdogMs: 100 });
    const script = (kick: string) =>
      `for (var i = 0; i < 5; i++) { require("Flash").erasePage(0x210000); ${kick} }`;
    board.run(script('E.kickWatchdog()'));
    assert.throws(() => board.run(script('')), /watchdog/);
  });
});

describe('E', () => {
  const board = new Board();
  const run = (script: string) => board.run(script);

  it('computes the CRC-32 of each element & 255', () => {
    assert.equal(run('E.CRC32("123456789")'), 0xcbf43926);
    assert.equal(run('E.CRC32(new Uint8Array([49,50,51,52,53,54,55,56,57]))'), 0xcbf43926);
    assert.equal(run('E.CRC32(new Uint16Array([0x131,50,51,52,53,54,55,56,57]))'), 0xcbf43926);
    assert.equal(run('E.CRC32([49,50,51,52,53,54,55,56,57].buffer)'), undefined);
    assert.equal(run('E.CRC32("")'), 0);
  });
  it('makes strings of bytes', () => {
    assert.equal(run('E.toString(new Uint8Array([65,0,255]))'), 'A\0\xff');
    assert.equal(run('E.toString(new Uint8Array([1,65,66]).subarray(1))'), 'AB');
    assert.equal(run('E.toString("abc")'), 'abc');
    assert.equal(run('E.toString(0,[1,"Hi"],{data:3,count:2})'), '\0\x01Hi\x03\x03');
    assert.equal(run('E.toString(new Uint32Array([0x141]))'), 'A');
  });
  it('makes bytes of strings', () => {
    assert.deepEqual(run('E.toUint8Array("A\\xff")'), Uint8Array.of(65, 255));
    assert.deepEqual(run('E.toArrayBuffer("A\\xff")'), Uint8Array.of(65, 255).buffer);
    assert.equal(run('E.toArrayBuffer(5)'), undefined);
    assert.equal(run('E.sum(new Uint32Array([4294967295, 1]))'), 4294967296);
  });
  it('reboots', () => {
    run('var earlier = 1');
    assert.equal(run('try { E.reboot() } catch (e) {} earlier'), undefined);
    assert.equal(run('typeof earlier'), 'undefined');
    board.install('again', (globals) => ({ go: () => (globals.E.reboot as () => void)() }));
    assert.throws(() => board.require<{ go(): void }>('again').go(), Reboot);
    assert.equal(board.isOn, false);
    assert.equal(run('1'), 1);
  });
});

describe('crypto', () => {
  it('hashes strings and arrays into an ArrayBuffer', () => {
    const board = new Board();
    const digest = board.run('require("crypto").SHA256("abc")') as ArrayBuffer;
    assert.ok(digest instanceof ArrayBuffer);
    assert.equal(hex(new Uint8Array(digest)), sha256(Buffer.from('abc')));
    for (const [name, size] of Object.entries({ SHA1: 20, SHA224: 28, SHA384: 48, SHA512: 64 })) {
      assert.equal(board.run(`require("crypto").${name}(new Uint8Array(4096)).byteLength`), size);
    }
  });
  it('hashes too little of wider arrays, as Flash.write writes too little', () => {
    const digest = new Board().run('require("crypto").SHA256(new Uint16Array([0x6261]))');
    assert.equal(hex(new Uint8Array(digest as ArrayBuffer)), sha256(Buffer.from('a')));
  });
  it('is missing from some builds', () => {
    assert.throws(
      () => new Board({ crypto: false }).require('crypto'),
      /Module "crypto" not found/,
    );
  });
});

describe('Storage', () => {
  it('keeps files over reboots and power cuts', () => {
    const board = new Board();
    assert.equal(board.run('require("Storage").write("a", "x\\xff")'), true);
    board.flash.cut();
    board.powerOn();
    assert.equal(board.run('require("Storage").read("a")'), 'x\xff');
    assert.equal(board.run('require("Storage").read("a", 1, 1)'), '\xff');
    assert.deepEqual(board.run('require("Storage").list(/a/)'), ['a']);
    assert.deepEqual(
      board.run('require("Storage").readArrayBuffer("a")'),
      Uint8Array.of(120, 255).buffer,
    );
    board.run('require("Storage").erase("a")');
    assert.equal(board.run('require("Storage").read("a")'), undefined);
  });
  it('writes objects as JSON', () => {
    const board = new Board();
    board.run('require("Storage").write("o", {a: [1]})');
    assert.deepEqual(board.run('require("Storage").readJSON("o")'), { a: [1] });
    board.upload('o', '{');
    assert.equal(board.run('require("Storage").readJSON("o", true)'), undefined);
    assert.throws(() => board.run('require("Storage").readJSON("o")'));
  });
  it('lets a file be filled in once', () => {
    const board = new Board();
    board.run('var S = require("Storage"); S.write("f", "Hello", 0, 8); S.write("f", "!", 5)');
    assert.equal(board.run('S.read("f")'), 'Hello!\xff\xff');
    assert.throws(() => board.run('S.write("f", "?", 5)'), /already written with different data/);
    assert.throws(() => board.run('S.write("f", "1234", 6)'), /Too much data for file size/);
    assert.throws(() => board.upload('n'.repeat(29), ''), RangeError);
  });
});

describe('a boot', () => {
  it('runs the boot files in order, then the init handlers, then onInit', () => {
    const board = new Board();
    const names = ['.bootcde', '.boot3', '.boot1', '.boot0', '.boot2', '.bootPowerOn'];
    for (const name of names)
      board.upload(name, `print("${name}"); E.on("init", function() { print("init") });`);
    board.upload('.boot1', 'function onInit() { print("onInit") } print(".boot1")');
    board.powerOn();
    const inits = ['init', 'init', 'init', 'init', 'onInit'];
    const files = ['.boot0', '.boot1', '.boot2', '.boot3', '.bootcde'];
    assert.deepEqual(board.output.splice(0), ['.bootPowerOn', ...files, 'init', ...inits]);
    board.reboot();
    assert.equal(board.output.splice(0)[0], '.bootPowerOn');
    board.run('load()');
    assert.deepEqual(board.output.splice(0), [...files, 'init', ...inits.slice(1)]);
    board.upload('.bootrst', 'print(".bootrst")');
    board.reboot();
    assert.equal(board.output[5], '.bootrst');
  });
  it('goes on when a boot file throws, and prints what it threw', () => {
    const board = new Board();
    board.upload('.boot0', 'var a = 1; throw new Error("no")');
    board.upload('.boot1', 'print("still here", a)');
    board.upload('.boot2', 'syntax error');
    board.upload('.bootcde', 'print({b: [a]})');
    board.powerOn();
    assert.deepEqual(
      board.output.filter((line) => !line.includes('SyntaxError')),
      ['Uncaught Error: no', 'still here 1', '{ ', '  "b": [ 1 ]', ' }'],
    );
    assert.equal(board.uncaught.length, 2);
  });
  it('gives each boot a world of its own, which its scripts share', () => {
    const board = new Board();
    board.upload(
      '.boot0',
      'var a = 1; function f() { return a + b } b = 2; E.mark = 3; require("Flash").mark = 4',
    );
    assert.deepEqual(board.run('[f(), E.mark, require("Flash").mark, global.b]'), [3, 3, 4, 2]);
    assert.equal('b' in globalThis, false);
    board.upload('.boot0', '');
    board.reboot();
    assert.deepEqual(board.run('[typeof f, typeof b, E.mark, require("Flash").mark]'), [
      'undefined',
      'undefined',
      undefined,
      undefined,
    ]);
  });
});

describe('a boot that does not come to its end', () => {
  it('stops when power fails in it', () => {
    const board = boardWith();
    board.upload('.boot0', 'try { require("Flash").erasePage(0x210000) } catch (e) {}');
    board.upload('.boot1', 'print("never")');
    board.flash.cutAt(1, TEARS.nothing);
    assert.throws(() => board.powerOn(), PowerCut);
    assert.equal(board.isOn, false);
    assert.deepEqual(board.output, []);
    board.powerOn();
    assert.deepEqual(board.output, ['never']);
  });
  it('starts again when a boot file reboots, but not for ever', () => {
    const board = new Board();
    const count =
      'var S = require("Storage"), n = (S.readJSON("n", 1) || 0) + 1; S.writeJSON("n", n); ';
    board.upload('.boot0', `${count} if (n < 3) E.reboot()`);
    board.powerOn();
    assert.equal(board.run('n'), 3);
    board.upload('.boot0', 'load()');
    assert.throws(() => board.powerOn(), /boots in a row/);
  });
});

describe('the world of a boot', () => {
  it('has none of what Espruino lacks', () => {
    const board = new Board();
    board.upload(
      'm',
      'exports.types = [typeof Map, typeof Symbol, typeof Buffer, typeof fetch, typeof Promise]',
    );
    const types = ['undefined', 'undefined', 'undefined', 'undefined', 'function'];
    assert.deepEqual(board.require<{ types: string[] }>('m').types, types);
    assert.deepEqual(
      board.run('[typeof Map, typeof Symbol, typeof Buffer, typeof fetch, typeof Promise]'),
      types,
    );
    assert.throws(() => board.run('nothing'), ReferenceError);
  });
  it('names the chip and the firmware', () => {
    const board = new Board({ board: 'ESP32C3', table: TABLES.espruinoIdf4 });
    assert.equal(board.run('process.env.BOARD'), 'ESP32C3');
    assert.equal(board.run('peek32(0x3FF10000 + 77 * 4)'), 0);
    assert.ok(board.run('process.memory().free'));
  });
  it('tells by the MMU of an ESP32 which app runs', () => {
    const entry = 'peek32(0x3FF10000 + 77 * 4)';
    for (const running of ['ota_0', 'ota_1']) {
      const board = new Board({ running });
      const { address, size } = board.partition(running);
      const page = (board.run(entry) as number) << 16;
      assert.ok(page >= address && page < address + size);
    }
    assert.equal(new Board({ mmu: 0x100 }).run(entry), 0x100);
  });
});

describe('require', () => {
  it('loads a file of Storage by its exact name, once per boot', () => {
    const board = new Board();
    board.upload('m', 'print("loaded"); exports.n = 1; this.t = typeof module');
    board.run('require("m"); require("m")');
    assert.deepEqual(board.require('m'), { n: 1, t: 'object' });
    assert.deepEqual(board.output, ['loaded']);
    board.reboot();
    board.require('m');
    assert.equal(board.output.length, 2);
    assert.throws(() => board.run('require("M")'), /Module "M" not found/);
  });
  it('takes exports, exports = and module.exports =', () => {
    const board = new Board();
    board.upload('a', 'exports = {a: 1} // the end');
    board.upload('b', 'module.exports = function () { return 2 }');
    assert.deepEqual(board.require('a'), { a: 1 });
    assert.equal(board.require<() => number>('b')(), 2);
  });
  it('keeps what a module exported before it threw', () => {
    const board = new Board();
    board.upload('m', 'exports.a = 1; throw new Error("no"); exports.b = 2');
    assert.throws(() => board.require('m'), /no/);
    assert.deepEqual(board.require('m'), { a: 1 });
  });
  it('prefers the cache to what is built in, and that to Storage', () => {
    const board = new Board();
    board.upload('Flash', 'exports.mine = 1');
    assert.equal(board.run('require("Flash").mine'), undefined);
    board.run('Modules.addCached("Flash", "exports.mine = 2")');
    assert.equal(board.run('require("Flash").mine'), 2);
    board.run('Modules.addCached("Flash", function () { exports.mine = 3 })');
    assert.equal(board.run('require("Flash").mine'), 3);
    assert.deepEqual(board.run('Modules.getCached()'), ['Flash']);
    board.run('Modules.removeCached("Flash")');
    assert.equal(board.run('require("Flash").mine'), undefined);
    assert.throws(() => board.run('Modules.removeCached("x")'), /not found/);
  });
  it('finds modules of the host, made anew at every boot', () => {
    const board = new Board();
    board.install('ota', ({ E, require }) => ({ E, flash: require('Flash') }));
    const first = board.require<{ flash: unknown }>('ota');
    assert.equal(board.require('ota'), first);
    assert.equal(board.require('Flash'), first.flash);
    board.reboot();
    assert.notEqual(board.require('ota'), first);
  });
});

describe('timers', () => {
  it('are called when they are due, in order', () => {
    const board = new Board();
    board.run(
      'setTimeout(function (a) { print(a, getTime()) }, 20, "b"); setTimeout("print(\'a\')", 10)',
    );
    board.run(
      'var i = setInterval(function () { print("i") }, 15); setTimeout(function () { throw "x" }, 1)',
    );
    board.advance(9);
    assert.deepEqual(board.output.splice(0), ['Uncaught x']);
    board.advance(11);
    assert.deepEqual(board.output.splice(0), ['a', 'i', 'b 0.02']);
    board.advance(15);
    board.run('clearInterval(i)');
    board.advance(100);
    assert.deepEqual(board.output, ['i']);
    assert.equal(board.now, 135);
  });
  it('are forgotten at a reboot', () => {
    const board = new Board();
    board.run('setTimeout(function () { print("never") }, 10); setTimeout(E.reboot, 5)');
    board.advance(20);
    assert.deepEqual(board.output, []);
    assert.equal(board.isOn, true);
  });
  it('stop when power fails in one', () => {
    const board = boardWith();
    board.run('setInterval(function () { require("Flash").erasePage(0x210000) }, 5)');
    board.flash.cutAt(2, TEARS.everything);
    assert.throws(() => board.advance(100), PowerCut);
    board.advance(100);
    assert.equal(board.flash.counters.erases, 2);
  });
});

describe('a snapshot of a board', () => {
  it('holds the chip, the files and which app runs, not the variables', () => {
    const board = boardWith();
    board.upload('f', '1');
    board.run('var a = 1');
    const snapshot = board.snapshot();
    for (let again = 0; again < 2; again++) {
      board.run('require("Storage").write("f", "2"); require("Flash").write("1234", 0x210000)');
      board.setRunning('ota_1');
      board.restore(snapshot);
      assert.equal(board.run('typeof a + require("Storage").read("f")'), 'undefined1');
      assert.equal(board.running, 'ota_0');
      assert.deepEqual(at(board, FREE, 4), [255, 255, 255, 255]);
    }
  });
  it('revives a board that had stopped', () => {
    const board = new Board();
    const snapshot = board.snapshot();
    assert.throws(() => flashOf(board).erasePage(0), Panic);
    assert.equal(board.isOn, false);
    board.restore(snapshot);
    assert.equal(board.isOn, true);
    assert.equal(board.run('1'), 1);
  });
});

describe('a board under test', () => {
  it('does not let a script hide that power has failed', () => {
    const board = boardWith();
    board.flash.cutAt(1, TEARS.nothing);
    assert.throws(
      () => board.run('try { require("Flash").erasePage(0x210000) } catch (e) {} 1'),
      PowerCut,
    );
  });
  it('does not let a script, or a reboot, hide that it left the fence', () => {
    const board = boardWith();
    board.flash.allow(FREE, FREE + SECTOR);
    const script = 'try { require("Flash").erasePage(0x211000) } catch (e) {}';
    assert.throws(() => board.run(script), FlashMisuse);
    assert.throws(() => board.reboot(), FlashMisuse);
    assert.throws(() => board.run('1'), FlashMisuse);
  });
  it('boots by itself when it is used without power', () => {
    const board = boardWith();
    board.flash.cut();
    assert.equal(board.run('1'), 1);
  });
  it('forgets its variables when power comes back in any way', () => {
    const board = boardWith();
    const snapshot = board.snapshot();
    const losses: (() => void)[] = [
      () => board.restore(snapshot),
      () => board.flash.restore(snapshot.flash),
      () => board.flash.restart(),
      () => board.powerOn(),
      () => board.reboot(),
    ];
    for (const lose of losses) {
      board.run('var a = 1');
      assert.equal(board.run('a'), 1);
      lose();
      assert.equal(board.run('typeof a'), 'undefined');
    }
  });
  it('keeps a cut ahead over a reboot', () => {
    const board = boardWith();
    board.flash.cutAt(1, TEARS.nothing);
    board.reboot();
    assert.throws(() => flashOf(board).erasePage(FREE), PowerCut);
  });
});
