/**
 * Tables and chips of others under the command as it is built: what lies where an update finds no place, every way out of
 * that, what a backup overwrites; tables elsewhere than at 0x8000; chips of 1 to 32 MB.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BoardSetup } from '../../cli/board/running.ts';
import { csvToTable } from '../../formats/table/csv.ts';
import type { BoardStatus } from '../../link/status.ts';
import { Bench } from '../support/link-commands-fixtures.ts';
import { type Run, scratchFolder } from '../support/tools.ts';

const SECTOR = 4096;
const MIB = 0x100000;
const folder = scratchFolder();
const IMAGE = Buffer.alloc(2 * SECTOR, 'image ');
const image = join(folder, 'image.bin');
const refused = join(folder, 'refused.bin');

const STORAGE = 'storage,data,0x41,0x320000,0xe0000,';
const APP = 'factory,app,factory,0x10000,0x180000,';

/** Runs a board with the modules on it, and ends it. @param csv - its table */
async function withBoard(
  csv: string,
  act: (bench: Bench) => Promise<void>,
  setup: Partial<BoardSetup> = {},
): Promise<void> {
  const table = csvToTable(csv, { offset: setup.tableAddress });
  const bench = await Bench.start({ engine: 'simulated', table, ...setup });
  try {
    await act(bench);
  } finally {
    await bench.board.close();
  }
}

/** Updates a partition. @returns how that was refused; nothing on the chip has changed then */
async function refusal(bench: Bench, ...words: string[]): Promise<Run> {
  const before = bench.board.flash;
  const run = await bench.command('update', refused, ...words);
  assert.equal(run.status, 2, run.stdout + run.stderr);
  assert.equal(run.stdout, '');
  assert.equal(Buffer.compare(bench.board.flash, before), 0, 'the chip has changed');
  return run;
}

/** Checks that a text has all of it, in this order. */
function assertTells(text: string, ...parts: (string | RegExp)[]): void {
  let rest = text;
  for (const part of parts) {
    const found = typeof part === 'string' ? rest.indexOf(part) : rest.search(part);
    assert.ok(found >= 0, `${String(part)} is missing in:\n${rest}\nof:\n${text}`);
    rest = rest.slice(found + (typeof part === 'string' ? part.length : 1));
  }
}

/** The first bytes of an app. */
function appHead(name: string, version: string): Buffer {
  const head = Buffer.alloc(256);
  head[0] = 0xe9;
  head.writeUInt32LE(0xabcd5432, 32);
  head.write(version, 48, 32, 'latin1');
  head.write(name, 80, 32, 'latin1');
  return head;
}

before(() => {
  writeFileSync(image, IMAGE);
  writeFileSync(refused, Buffer.alloc(2 * SECTOR, 'another '));
});

describe('where there is no place for a backup', () => {
  it('part-ota update tells what lies there, and every way out', () =>
    withBoard(
      [
        'nvs,data,nvs,0x9000,0x7000,',
        APP,
        'www,data,spiffs,0x190000,0x180000,',
        'flash,data,0x40,0x310000,0x10000,',
        STORAGE,
      ].join('\n'),
      async (bench) => {
        await bench.command('upload', '--http');
        const { stderr } = await refusal(bench, '--partition', 'www');
        assertTells(
          stderr,
          /^error: tcp:\S+: E_NO_BACKUP backup: none free\n/,
          'In use:',
          'factory  1,536 KiB at 0x10000: an app',
          "storage  896 KiB at 0x320000: Espruino's Storage: 3 files, ota, ota-http, .boot0 among them",
          '--backup flash',
          'room for 16 sectors that change; overwrites what is in it: 64 KiB at 0x310000: set aside for scripts; Espruino itself does not use it',
          'another table',
          'without flash, or with a smaller www, 1,536 KiB now',
          '--no-backup',
          'neither content',
        );
        // What it names as a way out is one, as far as the journal has a place.
        const direct = await refusal(bench, '--partition', 'www', '--backup', 'false');
        assertTells(direct.stderr, 'E_SPACE ota_journal: 8192 bytes, limit 0');
        const status = await bench.command('status');
        assertTells(
          status.stdout,
          'E_NO_BACKUP backup: none free; part-ota status --partition www tells more',
        );
        const more = await bench.command('status', '--partition', 'www');
        assertTells(more.stdout, 'E_NO_BACKUP', '--backup flash', '--no-backup');
      },
    ));
});

describe('where a partition is not to be written, or its backup', () => {
  it('the ways out that are told lead out', () =>
    withBoard(
      [
        APP,
        'www,data,spiffs,0x190000,0x150000,',
        'flash,data,0x40,0x2e0000,0x30000,encrypted',
        'ro,data,fat,0x310000,0x8000,readonly',
        'ota_journal,data,undefined,0x318000,0x8000,encrypted',
        STORAGE,
      ].join('\n'),
      async (bench) => {
        // Blank sectors need no copy.
        await bench.board.load(bench.board.flash.fill(0xff, 0x190000, 0x310000));
        await bench.command('upload', '--http');
        const named = await bench.command(
          'update',
          image,
          '--partition',
          'www',
          '--backup',
          'flash',
        );
        assert.equal(named.status, 0, named.stderr);
        const direct = await bench.command(
          'update',
          image,
          '--partition',
          'flash',
          '--backup',
          'false',
        );
        assert.equal(direct.status, 0, direct.stderr);
        const { stderr } = await refusal(bench, '--partition', 'ro');
        assertTells(
          stderr,
          'E_FORBIDDEN partition ro: readonly\n',
          'has the flag "readonly"',
          '--partition',
          'www, flash',
          'another table',
        );
        assert.doesNotMatch(stderr, /encrypted/);
        const live = await refusal(bench, '--partition', 'storage');
        assertTells(
          live.stderr,
          'E_FORBIDDEN partition storage: needs overwriteLive\n',
          '"storage" holds Espruino\'s Storage: 3 files, ota, ota-http, .boot0 among them.',
          '--partition',
          'www, flash',
          'overwriteLive: true',
        );
        const backup = await refusal(bench, '--partition', 'www', '--backup', 'storage');
        assertTells(backup.stderr, 'E_FORBIDDEN backup storage: in use\n', '--backup flash');
      },
    ));
});

describe('where the journal has no place', () => {
  it('part-ota update tells where it would lie, how large, and what to do', () =>
    withBoard(
      [
        'nvs,data,nvs,0x9000,0x7000,',
        APP,
        'www,data,spiffs,0x190000,0x180000,',
        'flash,data,0x40,0x310000,0xe000,',
        'ota_journal,data,undefined,0x31e000,0x2000,',
        STORAGE,
      ].join('\n'),
      async (bench) => {
        await bench.command('upload', '--http');
        const { stderr } = await refusal(bench, '--partition', 'www', '--backup', 'flash');
        assertTells(
          stderr,
          'E_SPACE ota_journal: 20480 bytes, limit 8192',
          'takes 20 KiB',
          'nowhere else',
          '"ota_journal" has 8 KiB; no flash is free',
          'another table',
          'without flash',
          'ota_journal, data, undefined, , 0x5000,',
          '--no-backup',
          '8 KiB',
        );
        const direct = await bench.command('update', image, '--partition', 'www', '--no-backup');
        assert.equal(direct.status, 0, direct.stderr);
      },
    ));
});

describe('where the backup is an app slot', () => {
  const CSV = [
    'nvs,data,nvs,0x9000,0x4000,',
    'otadata,data,ota,0xd000,0x2000,',
    'ota_0,app,ota_0,0x10000,0x100000,',
    'ota_1,app,ota_1,0x110000,0x100000,',
    'www,data,spiffs,0x210000,0x40000,',
  ].join('\n');

  it('part-ota update names the app in it before it writes, and status does', () =>
    withBoard(CSV, async (bench) => {
      await bench.command('upload', '--http');
      const chip = bench.board.flash;
      appHead('blinky', 'v1.4-3').copy(chip, 0x110000);
      await bench.board.load(chip);
      const status = await bench.command('status');
      assertTells(
        status.stdout,
        /ota_1 .*passive, an app: blinky v1\.4-3\n/,
        'backup: ota_1, 0x110000, 1 MiB, which overwrites an app: blinky v1.4-3; journal',
      );
      const json = JSON.parse((await bench.command('status', '--json')).stdout) as BoardStatus;
      const slot = json.partitions.find(({ label }) => label === 'ota_1');
      assert.deepEqual(slot!.holds, { name: 'blinky', version: 'v1.4-3' });
      // Nothing arrives of the image, so nothing is written when this is told.
      const run = await bench.command('update', image, '--partition', 'www');
      assert.equal(run.status, 0, run.stderr);
      assertTells(
        run.stderr,
        /^the backup overwrites what lies in ota_1 \(an app: blinky v1\.4-3\), if anything changes; --backup names another place\n/,
        ' to change',
      );
      // By now it holds old content of the partition, and no app.
      const again = await bench.command('update', image, '--partition', 'www');
      assertTells(again.stderr, 'what lies in ota_1 (no app)');
    }));

  it('what an app says of itself is printed safely, and nothing is said of other places', () =>
    withBoard(CSV, async (bench) => {
      await bench.command('upload', '--http');
      const chip = bench.board.flash;
      appHead('evil\x1b[2J\n\u0085', 'A'.repeat(32)).copy(chip, 0x110000);
      await bench.board.load(chip);
      const shown = `evil\\x1b[2J\\x0a\\x85 ${'A'.repeat(32)}`;
      assertTells((await bench.command('status')).stdout, `an app: ${shown}`);
      const direct = await bench.command('update', image, '--partition', 'www', '--no-backup');
      assert.equal(direct.status, 0, direct.stderr);
      assert.doesNotMatch(direct.stderr, /overwrites/);
      const named = await bench.command('update', image, '--partition', 'www', '--backup', 'ota_1');
      assertTells(named.stderr, `what lies in ota_1 (an app: ${shown})`);
      // An app that tells nothing of itself.
      chip[0x110000 + 32] = 0;
      await bench.board.load(chip);
      assertTells((await bench.command('update', image, '--partition', 'www')).stderr, '(an app)');
    }));
});

describe('a partition table elsewhere than at 0x8000', () => {
  const AT = 0x10000;
  const CSV = [
    'nvs,data,nvs,0x11000,0x4000,',
    'factory,app,factory,0x20000,0x100000,',
    'www,data,spiffs,0x120000,0x40000,',
  ].join('\n');

  it('is told once, to upload; all commands, the boot script and the app find it then', () =>
    withBoard(
      CSV,
      async (bench) => {
        for (const words of [['upload', '--http'], ['status']]) {
          const blind = await bench.command(...words);
          assert.equal(blind.status, 2);
          assertTells(
            blind.stderr,
            'no partition table at 0x8000; ',
            'something like one lies at 0x10000: if the firmware was built so, --table-offset names it',
          );
        }
        const upload = await bench.command('upload', '--http', '--table-offset', '0x10000');
        assert.equal(upload.status, 0, upload.stderr);
        assertTells((await bench.command('upload')).stdout, 'nothing to write');
        const { stdout } = await bench.command('status');
        assertTells(stdout, /ota +\S+, [\d,]+ bytes\n/, ', partition table at 0x10000', 'www');
        const run = await bench.command('update', image, '--partition', 'www');
        assert.equal(run.status, 0, run.stderr);
        assert.equal(Buffer.compare(bench.board.flash.subarray(0x120000, 0x122000), IMAGE), 0);
        // The app needs no more than `require`; power fails in its update, and the boot script undoes it.
        await bench.run(
          'var u=require("ota").begin({partition:"www"});' +
            'for(var i=0;i<9;i++)u.write("x".repeat(1024));return 0',
        );
        assert.notEqual(bench.board.flash[0x120000], IMAGE[0]);
        await bench.board.kill();
        assert.match((await bench.command('status')).stdout, /state +restored: /);
        assert.equal(Buffer.compare(bench.board.flash.subarray(0x120000, 0x122000), IMAGE), 0);
        assert.equal((await bench.command('forget')).status, 0);
        assert.equal((await bench.command('recover')).status, 0);
      },
      { tableAddress: AT },
    ));

  it('a module that was stored for another place is told of', () =>
    withBoard(
      CSV,
      async (bench) => {
        const { bundleOf } = await import('../support/package.ts');
        for (const name of ['ota', 'ota-http'] as const) await bench.store(name, bundleOf(name));
        const status = await bench.command('status', '--table-offset', '0x10000');
        assertTells(
          status.stdout,
          'looks for the table at 0x8000; part-ota upload --table-offset',
          'E_NO_PARTITION table: missing/torn',
        );
        const run = await bench.command('update', image, '--partition', 'www');
        assertTells(
          run.stderr,
          'E_NO_PARTITION table: missing/torn; the module on the board looks at 0x8000',
          'part-ota upload --table-offset',
        );
      },
      { tableAddress: AT },
    ));
});

describe('chips of 1 to 32 MB', () => {
  for (const megabytes of [1, 2, 4, 8, 16, 32])
    it(`part-ota board of ${megabytes} MB: an update at its end`, () => {
      const size = megabytes * MIB;
      const www = size - 0x20000;
      const csv = [
        'nvs,data,nvs,0x9000,0x4000,',
        'factory,app,factory,0x10000,0x80000,',
        `www,data,spiffs,0x${www.toString(16)},0x8000,`,
        `spare,data,fat,0x${(www + 0x8000).toString(16)},0x16000,`,
        `ota_journal,data,undefined,0x${(www + 0x1e000).toString(16)},0x2000,`,
      ].join('\n');
      return withBoard(
        csv,
        async (bench) => {
          assert.equal(bench.board.flash.length, size);
          await bench.command('upload', '--http');
          const { stdout } = await bench.command('status');
          assertTells(stdout, `${megabytes} MiB of flash\n`);
          const words = ['--partition', 'www', '--backup', 'spare'];
          const run = await bench.command('update', image, ...words);
          assert.equal(run.status, 0, run.stderr);
          assert.equal(
            Buffer.compare(bench.board.flash.subarray(www, www + IMAGE.length), IMAGE),
            0,
          );
        },
        { size },
      );
    });
});
