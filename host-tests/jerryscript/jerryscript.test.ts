/**
 * Runs the bundles in a real JerryScript, over native/jerryscript/part_ota.c and a fake chip:
 * `JERRY=path/to/prefix npm run test:jerryscript`. The prefix is what JerryScript 3.0 was installed to: `include/` and
 * `lib/` with libjerry-core.a and libjerry-port.a.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeManifest } from '../../formats/manifest/make.ts';
import type { AirResult } from '../../device/http/api.ts';
import * as example from '../support/example-chip.ts';
import {
  BOARD,
  CHIP,
  COMPONENT,
  INCLUDES,
  SANITIZE,
  STRICT,
  Workshop,
  compilers,
} from './compiler.ts';
import {
  assertUpdated,
  changed,
  chip,
  contentOf,
  cutIn,
  cutsOf,
  forEach,
  image,
  itSaysWhatIsWrong,
  itSurvivesCuts,
  named,
  sample,
  stateOf,
  update,
} from '../support/process-cut.ts';
import { JerryBoard, type Job } from './jerry-board.ts';

const prefix = process.env.JERRY;

/** An update over the air. */
const air = { url: 'http://server/image.bin', partition: 'storage', backup: 'spare' };
const job: Job = { act: 'air', air };

/** The same of a partition of a megabyte: see example-chip.ts. */
const large: Job = {
  act: 'air',
  air: { url: 'http://server/large.bin', partition: 'storage', backup: 'spare' },
};

/** KiB of JerryScript's heap that native/jerryscript/README.md asks for. */
const HEAP = {
  'to recover': 64,
  'for an update': 72,
  'for an update over the air': 128,
  'for one of 1 MiB over the air': 128,
};

/** @returns the KiB of heap that a job needs at least. */
async function leastHeap(board: JerryBoard, flash: Buffer, job: Job): Promise<number> {
  for (let heap = 16; heap < 256; heap += 2) {
    board.flash = flash;
    try {
      stateOf(await board.run({ ...job, heap }), 'least heap');
      return heap;
    } catch {
      // JerryScript has ended the process, or the job has thrown.
    }
  }
  throw new Error('256 KiB of heap are not enough');
}

let workshop: Workshop;
let program: string;
let boards: JerryBoard[];
/** One under sanitizers, which takes ten times as long to start. */
let watched: JerryBoard;

// Not -I: its headers have warnings of their own.
const engine = () => ['-isystem', join(prefix!, 'include')];
const libraries = () => [`-L${join(prefix!, 'lib')}`, '-ljerry-core', '-ljerry-port', '-lm'];

function build(name: string, options: string[]): string {
  const own = [...STRICT, '-std=c11', '-D_POSIX_C_SOURCE=200809L', ...INCLUDES];
  const sources = [COMPONENT, CHIP, BOARD];
  const args = [...own, ...engine(), ...options, ...sources, ...libraries()];
  return workshop.build(compilers[0], name, args);
}

describe('ota.min.js in real JerryScript', function () {
  this.timeout(0);

  before(function () {
    if (!prefix || !compilers.length) {
      const why = prefix
        ? 'there is no C compiler'
        : 'the environment variable JERRY names no JerryScript';
      console.log(`    skipped: ${why}`);
      this.skip();
    }
    workshop = new Workshop();
    program = build('board', ['-O2']);
    boards = Array.from({ length: availableParallelism() }, () => new JerryBoard(program, image));
    watched = new JerryBoard(build('watched', ['-O1', ...SANITIZE]), image);
    const manifest = makeManifest(image, { partition: 'storage', version: '2' });
    for (const board of [...boards, watched]) {
      board.store('image.bin.ota', manifest);
      board.store('large.bin', example.fresh);
      board.store('large.bin.ota', makeManifest(example.fresh, { partition: 'storage' }));
    }
  });

  after(() => {
    boards?.forEach((board) => board.remove());
    watched?.remove();
    workshop?.remove();
  });

  for (const bundle of ['ota.min', 'ota'])
    it(`updates a partition with ${bundle}.js`, async () => {
      const reply = await assertUpdated(watched, () => watched.run({ ...update, bundle }));
      console.log(
        `      ▸ ${bundle}.js in JerryScript: ${reply.operations} operations, ${reply.reads} reads,`,
        `module ${reply.module} bytes of heap`,
      );
    });

  itSaysWhatIsWrong(() => watched);

  it('has a runtime that refuses what is wrong', async () => {
    watched.flash = chip;
    const calls = Object.keys(CALLS);
    const reply = await watched.run({ act: 'call', calls });
    const found = reply.result as unknown as unknown[];
    assert.deepEqual(Object.fromEntries(calls.map((call, i) => [call, found[i]])), CALLS);
    assert.equal(reply.operations, 0);
    assert.equal(Buffer.compare(watched.flash, chip), 0);
  });

  describeFirmware();
  describeHeap();
  itSurvivesCuts(() => boards, 1, 1);
  describe('over the air', () => {
    describeAir();
    describeAirAtLarge();
  });
});

function describeFirmware(): void {
  it('runs in the firmware that its README shows', () => {
    const source = (name: string) => JSON.stringify(readFileSync(name, 'latin1'));
    const bundle = fileURLToPath(new URL('../../dist/ota.min.js', import.meta.url));
    const readme = readFileSync(join(dirname(COMPONENT), 'README.md'), 'utf8');
    const sketch = /^```c\n(.*?)^```$/ms.exec(readme)![1];
    const app = `
      var ota = require('ota');
      ota.use(flash);
      if (ota.recover().state !== 'none') throw new Error('recover');
      var update = ota.begin({ partition: 'storage' });
      update.write('from app.js');
      update.end();`;
    const files = {
      'sketch.c': sketch,
      'app.js': app,
      'embedded.c': `
        extern const char ota_js[] __asm__("_binary_ota_min_js_start");
        const char ota_js[] = ${source(bundle)};
        extern const char app_js[] __asm__("_binary_app_js_start");
        const char app_js[] = ${JSON.stringify(app)};`,
      'firmware.c': `
        #include "chip.h"
        void app_main(void);
        int main(int argc, char **argv) {
          if (argc < 2 || !chip_open(argv[1])) return 2;
          chip.app_address = 0x10000;
          chip.app_size = 0x10000;
          app_main();
          chip_free();
          return 0;
        }`,
      'flash.bin': chip,
    };
    const path = (name: string) => join(workshop.folder, name);
    for (const [name, content] of Object.entries(files)) writeFileSync(path(name), content);
    const sources = ['sketch.c', 'embedded.c', 'firmware.c'].map(path);
    const firmware = workshop.build(compilers[0], 'firmware', [
      '-std=c11',
      '-O1',
      ...SANITIZE,
      ...INCLUDES,
      `-I${dirname(CHIP)}`,
      ...engine(),
      COMPONENT,
      CHIP,
      ...sources,
      ...libraries(),
    ]);
    const { status, stderr } = spawnSync(firmware, [path('flash.bin')], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    const found = readFileSync(path('flash.bin')).subarray(0x50000, 0x50000 + 12);
    assert.equal(found.toString('latin1'), 'from app.js\xff');
  });
}

function describeHeap(): void {
  it('needs no more heap than its README says', async function () {
    const [board] = boards;
    board.flash = chip;
    const { heap } = await board.run({ act: 'status', heap: 128 });
    if (!heap || heap > 128 * 1024) {
      console.log('      ▸ skipped: JerryScript has no external context, or no heap statistics');
      this.skip();
    }
    await cutIn(board, update, { cut: 150, reached: 'first half' });
    const cut = board.flash;
    const needs = {
      'to recover': await leastHeap(board, cut, { act: 'recover' }),
      'for an update': await leastHeap(board, cut, update),
      'for an update over the air': await leastHeap(board, cut, job),
      'for one of 1 MiB over the air': await leastHeap(board, example.chip, large),
    };
    const list = Object.entries(needs).map(([what, kib]) => `${kib} KiB ${what}`);
    console.log(`      ▸ least heap: ${list.join(', ')}`);
    for (const [what, kib] of Object.entries(needs))
      assert.ok(kib <= HEAP[what as keyof typeof HEAP], `${kib} KiB ${what}`);
  });
}

function describeAir(): void {
  for (const http of ['ota-http.min', 'ota-http'])
    it(`fetches what differs, with ${http}.js`, async () => {
      watched.flash = chip;
      const reply = await watched.run({ ...job, http });
      assert.equal(stateOf(reply, http), 'committed');
      assert.equal(contentOf(watched.flash, http), 'new');
      const { changed: count, fetched } = reply.result as AirResult;
      assert.equal(count, changed.length);
      assert.equal(reply.served, fetched);
      const again = await watched.run({ ...job, http });
      assert.equal(stateOf(again, http), 'untouched');
      assert.equal(again.operations, 0);
    });

  it('goes on when connections are cut', async () => {
    watched.flash = chip;
    const reply = await watched.run({ ...job, faults: { 1: 100, 3: 0, 4: 5000, 5: 4096 } });
    assert.equal(stateOf(reply, 'faults'), 'committed');
    assert.equal(contentOf(watched.flash, 'faults'), 'new');
    assert.ok(reply.requests! >= 6, `${reply.requests} requests`);
  });

  it('refuses an image that is not that of the digest', async () => {
    watched.flash = chip;
    const reply = await watched.run({ ...job, air: { ...air, digest: '00'.repeat(32) } });
    assert.equal(reply.code, 'E_MANIFEST');
    assert.equal(Buffer.compare(watched.flash, chip), 0);
  });
}

function describeAirAtLarge(): void {
  it('goes on after its process was killed, wherever that was', async () => {
    const [board] = boards;
    board.flash = chip;
    const { operations } = await board.run(job);
    await forEach(boards, sample(cutsOf(operations), 3), async (board, cut) => {
      await cutIn(board, job, cut);
      const reply = await board.run(job);
      const state = stateOf(reply, named(cut));
      assert.equal(contentOf(board.flash, named(cut)), 'new', named(cut));
      return state;
    });
  });

  it('updates a partition of a megabyte', async () => {
    const [board] = boards;
    board.flash = example.chip;
    const reply = await board.run(large);
    assert.equal(stateOf(reply, 'large'), 'committed');
    assert.equal(Buffer.compare(example.contentOf(board.flash), example.fresh), 0);
    const { changed, fetched } = reply.result as AirResult;
    assert.equal(changed, example.CHANGED);
    // Below what ESP-IDF's watchdog waits for, by far.
    assert.ok(reply.busy < 1000, `nothing else ran for ${reply.busy} ms`);
    console.log(
      `      ▸ 1 MiB over the air: ${changed} sectors, ${fetched} bytes, ${reply.operations} operations;`,
      `bytes of heap: both modules ${reply.module}`,
    );
  });
}

/** What is called on the runtime in JerryScript, and what comes of it: a value, or a message. */
const CALLS: Record<string, unknown> = {
  'seam.read(0x8000, 4)': '%AAP%01%02',
  'seam.read(0x50000, 4097)': 'E_ARGUMENT read: length: not a whole number from 0 to 4096',
  'seam.read(-1, 1)': 'E_ARGUMENT read: address: not a whole number from 0 to 4294967295',
  'seam.read()': 'E_ARGUMENT read: address: not a whole number from 0 to 4294967295',
  'seam.read(0xffffffff, 2)': '%00%00',
  'seam.program("abcd", 0x8000)': 'E_FORBIDDEN program: address 0x8000 is for booting',
  'seam.program("abcd", 0x18000)': 'E_FORBIDDEN program: address 0x18000 is in the running app',
  'seam.program("abc", 0x50000)': 'E_ARGUMENT program: 3 bytes at 0x50000, not whole words',
  'seam.program("\u0100bcd", 0x50000)': 'E_ARGUMENT program: data: a character above 255',
  'seam.program("\ud83d\ude00", 0x50000)': 'E_ARGUMENT program: data: a character above 255',
  'seam.program(new Uint8Array(4), 0x50000)': 'E_ARGUMENT program: data: not a string',
  'seam.program("abcd".repeat(1025), 0x50000)': 'E_ARGUMENT program: data: 4100 bytes, limit 4096',
  'seam.erase(0)': 'E_FORBIDDEN erase: address 0x0 is for booting',
  'seam.erase(0x50001)': 'E_ARGUMENT erase: address 0x50001, not the start of a sector',
  'seam.erase(0x100000)': 'E_FORBIDDEN erase: address 0x100000 is past the end of the chip',
  'seam.erase(NaN)': 'E_ARGUMENT erase: address: not a whole number from 0 to 4294967295',
  'seam.fill(255, 3)': '%FF%FF%FF',
  'seam.fill(0, 2) === "\0\0"': true,
  'seam.fill(256, 1)': 'E_ARGUMENT fill: value: not a whole number from 0 to 255',
  'seam.pack([0x80ff0001, ~0, undefined])': '%01%00%FF%80%FF%FF%FF%FF%00%00%00%00',
  'seam.pack(["1"])': 'E_ARGUMENT pack: element 0: not a number',
  'seam.pack([, 1]).length': 8,
  'seam.pack(Object.defineProperty([], 0, { get: function () { throw new Error("mine"); } }))':
    'mine',
  'seam.pack(Object.defineProperty([], 0, { get: function () { return seam.fill(1, 4).length; } }))':
    'E_STATE pack: a getter has used the runtime',
  'seam.unpack("\x01\x00\xff\x80")[0]': 0x80ff0001,
  'seam.unpack("") instanceof Uint32Array': true,
  'seam.unpack("abc")': 'E_ARGUMENT unpack: 3 bytes, not whole words',
  'seam.join(["\xff", "", "a\0"])': '%FFa%00',
  'seam.join([1])': 'E_ARGUMENT join: element 0: not a string',
  'seam.join("ab")': 'E_ARGUMENT join: not an array',
  'seam.join([seam.fill(200, 4096), seam.fill(0, 4096)]).length': 8192,
  'seam.bytes("\xff\0")': '%FF%00',
  'seam.bytes("\u0100")': false,
  'seam.bytes(new Uint8Array([1, 255, 0, 128]).subarray(1, 3))': '%FF%00',
  'seam.bytes(new Uint8Array([200]).buffer)': '%C8',
  'seam.bytes(new Uint8Array(10000)).length': 10000,
  'seam.bytes(new Uint16Array(2))': false,
  'seam.bytes([1, 2])': false,
  'seam.bytes(null)': false,
  'seam.crc32("123456789")': 0xcbf43926,
  'seam.crc32("\xff\xff\xff\xff")': 0xffffffff,
  'seam.crc32(5)': 'E_ARGUMENT crc32: data: not a string',
  'seam.sha256("abc")':
    '%BAx%16%BF%8F%01%CF%EAAA@%DE%5D%AE%22%23%B0%03a%A3%96%17z%9C%B4%10%FFa%F2%00%15%AD',
  'seam.running()': 0x10000,
  'seam.live': 0,
};
