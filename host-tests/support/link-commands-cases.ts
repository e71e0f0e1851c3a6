/** The commands on a board: the same tests on a real Espruino and on the simulated board. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { BoardSetup } from '../../cli/board/running.ts';
import type { Report } from '../../device/api.ts';
import { crcOf } from '../../link/facts.ts';
import { type BoardStatus, isRefusal } from '../../link/status.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { Bench, ended } from './link-commands-fixtures.ts';
import { bundleOf } from './package.ts';

const SECTOR = 4096;
/** That of partitions.csv, but for a `storage` of 16 sectors: an interpreter takes a second for three of them. */
const table = TABLES.example.map((row) =>
  row.label === 'storage' ? { ...row, size: 16 * SECTOR } : row,
);
const TARGET = 0x210000;
const TARGET_SIZE = 16 * SECTOR;
const USER_BOOT = 'var mine = "\\xff\\x01";\nglobal.boots = (global.boots || 0) + 1;';

/** Begins an update of `storage`, and gives `sectors` to it, each with a content of its own. */
const write = (sectors: number) =>
  `var u=require("ota").begin({partition:"storage",size:${sectors * SECTOR}});` +
  `for(var i=0;i<${sectors};i++)u.write(("sector"+(100+i)+"--------").substr(0,16).repeat(256));`;

/** Bytes that a file takes in Storage: 32 for its name and size. */
const room = (text: string) => 32 + Math.ceil(text.length / 4) * 4;

/** The board that is tested, and what it had at first. */
class Tested {
  readonly setup: Pick<BoardSetup, 'engine' | 'command' | 'table'>;
  bench!: Bench;
  /** The target as it was. */
  old!: Buffer;
  /** The boot script, on a board that has no other one. */
  boot!: string;

  constructor(engine: Pick<BoardSetup, 'engine' | 'command'>) {
    this.setup = { ...engine, table: encodeTable(table) };
  }

  async start(): Promise<void> {
    this.bench = await Bench.start(this.setup);
    this.old = Buffer.from(this.target);
  }

  get target(): Buffer {
    return this.bench.board.flash.subarray(TARGET, TARGET + TARGET_SIZE);
  }

  /** CRC-32 of the chip without the target. */
  get outside(): number {
    const chip = Buffer.from(this.bench.board.flash);
    chip.fill(0, TARGET, TARGET + TARGET_SIZE);
    return crc32(chip);
  }
}

/**
 * The tests come one after the other on the same board.
 * @param engine - what runs the board
 */
export function describeCommands(engine: Pick<BoardSetup, 'engine' | 'command'>): void {
  const tested = new Tested(engine);
  before(() => tested.start());
  after(async () => tested.bench?.board.close());

  describeAnEmptyBoard(tested);
  describeUpload(tested);
  describeBootScripts(tested);
  describeAFullBoard(tested);
  describeStatus(tested);
  describeRecover(tested);
  describeRestore(tested);
  describeGivingUp(tested);
  describePowerLoss(tested);
}

function describeAnEmptyBoard(tested: Tested): void {
  it('status tells the partitions of a board without the module', async () => {
    const { status, stdout, stderr } = await tested.bench.command('status');
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.match(stdout, /^ESP32, Espruino \S+, at tcp:/);
    assert.match(stdout, /^ {2}storage +data +0x82 +0x210000 +64 KiB +░+█+░+$/m);
    assert.match(stdout, /^ {2}ota_0 +app +0x10 .* running$/m);
    assert.match(stdout, /^ {2}ota_1 +app +0x11 .* passive$/m);
    assert.match(stdout, /^ {2}\(free\) +0x314000 +944 KiB/m);
    assert.match(stdout, /^ {2}ota +not there; part-ota upload$/m);
    assert.match(stdout, /part-ota upload first\.$/m);
  });

  for (const call of ['recover', 'restore', 'confirm', 'forget']) {
    it(`${call} says that the module is not there`, async () => {
      const { status, stdout, stderr } = await tested.bench.command(call);
      assert.match(
        stderr,
        /^error: tcp:\S+: the board has no module "ota"; part-ota upload first$/m,
      );
      assert.deepEqual([status, stdout], [2, '']);
    });
  }

  it('upload --dry-run writes nothing', async () => {
    const free = await tested.bench.free();
    const { status, stdout } = await tested.bench.command('upload', '--dry-run', '--http');
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}ota +1\d,\d{3} bytes {2}to be stored$/m);
    assert.match(stdout, /^ {2}ota-http +\d,\d{3} bytes {2}to be stored$/m);
    assert.match(stdout, /^ {2}\.boot0 +\d+ bytes {2}to be stored$/m);
    assert.equal(await tested.bench.free(), free);
    assert.equal(await tested.bench.stored('ota'), undefined);
  });
}

function describeUpload(tested: Tested): void {
  it('upload stores the module and its boot script, byte by byte, and touches no flash', async () => {
    const before = crc32(tested.bench.board.flash);
    const { status, stdout, stderr } = await tested.bench.command('upload');
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}ota +[\d,]+ bytes {2}stored$/m);
    assert.equal(crcOf((await tested.bench.stored('ota')) ?? ''), crcOf(bundleOf('ota')));
    assert.equal(await tested.bench.stored('ota-http'), undefined);
    tested.boot = (await tested.bench.stored('.boot0')) ?? '';
    assert.match(tested.boot, /^\/\/part-ota \S+ begin\n[^]*recover\(\)[^]*\/\/part-ota end\n$/);
    assert.equal(crc32(tested.bench.board.flash), before);
  });

  it('a second upload writes nothing', async () => {
    const free = await tested.bench.free();
    const { status, stdout } = await tested.bench.command('upload');
    assert.equal(status, 0);
    assert.match(stdout, /^nothing to write: all of version \S+ is there$/m);
    assert.equal(await tested.bench.free(), free);
  });

  it('upload --http adds what is missing, and nothing else', async () => {
    const free = await tested.bench.free();
    const { status, stdout } = await tested.bench.command('upload', '--http');
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}ota +[\d,]+ bytes {2}was there already$/m);
    assert.equal(await tested.bench.stored('ota-http'), bundleOf('ota-http'));
    const taken = free - (await tested.bench.free());
    // The simulated Storage does not begin files at multiples of 4.
    assert.equal(Math.ceil(taken / 4) * 4, room(bundleOf('ota-http')));
  });

  it('the boot script recovers, frees the module, and leaves what it found to the app', async () => {
    await tested.bench.board.kill();
    const found = await tested.bench.run<unknown>(
      'return [recovered.state,Modules.getCached().indexOf("ota")]',
    );
    assert.deepEqual(found, ['none', -1]);
  });

  it('upload puts an older version right', async () => {
    await tested.bench.store('ota', 'exports.recover = function () { return {}; };');
    await tested.bench.store(
      '.boot0',
      '//part-ota 0.0.9 begin\nprint("old part");\n//part-ota end\n',
    );
    const told = await tested.bench.command('status');
    assert.match(told.stdout, /^ {2}ota +another version than \S+, 45 bytes; part-ota upload/m);
    const { status, stdout } = await tested.bench.command('upload');
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}ota +[\d,]+ bytes {2}stored in place of another version$/m);
    assert.equal(await tested.bench.stored('ota'), bundleOf('ota'));
    assert.equal(await tested.bench.stored('.boot0'), tested.boot);
  });
}

function describeBootScripts(tested: Tested): void {
  it("upload goes before the board's own boot script, once, and replaces its part in the middle", async () => {
    await tested.bench.store('.boot0', USER_BOOT);
    const first = await tested.bench.command('upload');
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /^ {2}\.boot0 +\d+ bytes {2}put before the board's own$/m);
    assert.equal(await tested.bench.stored('.boot0'), `${tested.boot}${USER_BOOT}`);
    const free = await tested.bench.free();
    assert.equal((await tested.bench.command('upload')).status, 0);
    assert.equal(await tested.bench.free(), free);

    await tested.bench.store('.boot0', `${USER_BOOT}\n${tested.boot}print("after");`);
    const resumed = await tested.bench.command('upload', '--resume');
    assert.equal(resumed.status, 0, resumed.stderr);
    assert.equal(
      await tested.bench.stored('.boot0'),
      `${USER_BOOT}\n${tested.boot.replace('recover()', 'recover({resume:true})')}print("after");`,
    );
    assert.match((await tested.bench.command('status')).stdout, /leaves open what was interrupted/);
    assert.equal((await tested.bench.command('upload')).status, 0);
    assert.equal(
      await tested.bench.stored('.boot0'),
      `${USER_BOOT}\n${tested.boot}print("after");`,
    );
  });

  it("upload leaves a board's own boot script alone that recovers already", async () => {
    const own = "require('ota').recover();\n";
    await tested.bench.store('.boot0', own);
    const { status, stdout } = await tested.bench.command('upload');
    assert.equal(status, 0);
    assert.match(stdout, /\.boot0 .* recovers already/);
    assert.equal(await tested.bench.stored('.boot0'), own);
    await tested.bench.store('.boot0', 'print(1)');
    assert.equal((await tested.bench.command('upload', '--no-boot')).status, 0);
    assert.equal(await tested.bench.stored('.boot0'), 'print(1)');
    await tested.bench.run('require("Storage").erase(".boot0")');
    assert.equal((await tested.bench.command('upload')).status, 0);
  });
}

function describeAFullBoard(tested: Tested): void {
  it('upload says how much Storage is missing, and compacts nothing', async () => {
    const full = await Bench.start(tested.setup);
    try {
      await full.run(`require("Storage").write("big","x",0,${(await full.free()) - 3000})`);
      await full.store('ota', 'too old');
      const left = await full.free();
      const { status, stderr } = await full.command('upload');
      const missing = (room(bundleOf('ota')) + room(tested.boot) - left).toLocaleString('en-US');
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`^error: too little Storage: .* ${missing} bytes missing; `));
      assert.match(stderr, /erase files that are not needed/);
      assert.equal(await full.free(), left);
      assert.equal(await full.stored('ota'), 'too old');
      // What is erased is not free before Storage is compacted. The simulated one is no log.
      if (tested.setup.engine === 'simulated') return;
      await full.run('require("Storage").erase("big")');
      const trash = await full.command('upload');
      assert.equal(trash.status, 1);
      assert.match(
        trash.stderr,
        /are taken by files that were replaced\. .* may erase all of Storage/,
      );
      assert.equal(await full.free(), left);
      const compacted = await full.command('upload', '--compact');
      assert.equal(compacted.status, 0, compacted.stderr);
      assert.equal(await full.stored('ota'), bundleOf('ota'));
    } finally {
      await full.board.close();
    }
  });
}

function describeStatus(tested: Tested): void {
  it('status tells what a backup would use, of one partition', async () => {
    const { stdout } = await tested.bench.command('status', '--partition', 'storage', '--json');
    const { plans, files, update, memory } = JSON.parse(stdout) as BoardStatus;
    assert.equal(plans.length, 1);
    const { plan } = plans[0];
    assert.ok(!isRefusal(plan));
    assert.equal(plan.backup?.label, 'ota_1');
    assert.equal(plan.journal?.label, 'ota_journal');
    assert.equal(files.boot0?.recovers, true);
    assert.equal(files.ota?.crc32, crcOf(bundleOf('ota')));
    assert.ok(update && !isRefusal(update));
    assert.equal(update.state, 'none');
    assert.ok(memory.free > 0 && memory.free <= memory.total);
    const wrong = await tested.bench.command('status', '--partition', 'nope');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /no partition "nope"; there are nvs, .*storage/);
  });
}

function describeRecover(tested: Tested): void {
  it('power fails in an update: the boot script puts the old content back, and status says so', async () => {
    await tested.bench.run(`${write(5)}return 0`);
    assert.notDeepEqual(tested.target, tested.old);
    const busy = await tested.bench.command('upload');
    assert.equal(busy.status, 1);
    assert.match(busy.stderr, /an update is in progress on the board/);
    const forget = await tested.bench.command('forget');
    assert.deepEqual([forget.status, forget.stderr], [1, 'error: E_STATE ota: updating\n']);
    await tested.bench.board.kill();
    const { stdout } = await tested.bench.command('status');
    assert.match(stdout, /^ {2}partition {2}storage\n {2}state +restored: /m);
    assert.deepEqual(tested.target, tested.old);
  });

  it('recover does the same without a boot script, with its progress', async () => {
    await tested.bench.run('require("Storage").erase(".boot0")');
    await tested.bench.run(`${write(5)}return 0`);
    await tested.bench.board.kill();
    assert.match((await tested.bench.command('status')).stdout, /state +interrupted: power failed/);
    assert.notDeepEqual(tested.target, tested.old);
    const { status, stdout, stderr } = await tested.bench.command('recover');
    assert.equal(status, 0);
    assert.equal(stderr, 'restore 5 of 5 sectors\n');
    assert.match(stdout, /^partition {2}storage\nstate +restored: /);
    assert.deepEqual(tested.target, tested.old);
    const again = await tested.bench.command('recover', '--json');
    assert.deepEqual(JSON.parse(again.stdout), {
      state: 'restored',
      partition: 'storage',
      sealed: true,
    });
  });
}

function describeRestore(tested: Tested): void {
  it('restore puts the old content of a committed update back', async () => {
    const before = tested.outside;
    const result = await tested.bench.run<{ state: string }>(`${write(5)}return u.end()`);
    assert.equal(result.state, 'committed');
    assert.notDeepEqual(tested.target, tested.old);
    assert.match((await tested.bench.command('status')).stdout, /state +committed: /);
    const { status, stdout, stderr } = await tested.bench.command('restore');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^restore (\d+) of \1 sectors\n$/);
    assert.match(stdout, /state +restored: /);
    assert.deepEqual(tested.target, tested.old);
    assert.notEqual(tested.outside, before, 'the journal and the backup were used');
    const again = await tested.bench.command('restore');
    assert.deepEqual([again.status, again.stderr], [1, 'error: E_STATE restore: no backup\n']);
  });

  it('confirm ends a trial, and says that there is none', async () => {
    const none = await tested.bench.command('confirm');
    assert.deepEqual([none.status, none.stderr], [1, 'error: E_STATE confirm: no trial\n']);
    await tested.bench.run(
      `var u=require("ota").begin({partition:"storage",trial:3});u.write("on trial");return u.end()`,
    );
    assert.match((await tested.bench.command('status')).stdout, /trial +0 of 3 boots used/);
    assert.match((await tested.bench.command('recover')).stdout, /trial +1 of 3 boots used/);
    const { status, stdout } = await tested.bench.command('confirm');
    assert.equal(status, 0);
    assert.match(stdout, /state +committed: /);
    assert.equal((await tested.bench.command('restore')).status, 0);
    assert.deepEqual(tested.target, tested.old);
  });
}

function describeGivingUp(tested: Tested): void {
  it('the exit code of recover is 1 if the partition holds neither content', async () => {
    await tested.bench.run(
      'var u=require("ota").begin({partition:"storage",backup:false});u.write("x".repeat(9000))',
    );
    await tested.bench.board.kill();
    const { status, stdout } = await tested.bench.command('recover');
    assert.equal(status, 1);
    assert.match(
      stdout,
      /state +incomplete: .* part-ota update --no-backup, or .* part-ota forget$/m,
    );
  });

  it('forget gives up what the journal knows, and tells what that was', async () => {
    const before = Buffer.from(tested.target);
    assert.match(
      (await tested.bench.command('status')).stdout,
      /^ {2}storage +E_PENDING storage: needs backup: false; --no-backup .*part-ota forget/m,
    );
    const { status, stdout, stderr } = await tested.bench.command('forget');
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /^partition {2}storage, was incomplete\ngiven up {3}that .*\nstate {2}none: /,
    );
    assert.match((await tested.bench.command('status')).stdout, /state +none: /);
    assert.deepEqual(tested.target, before);
    const again = await tested.bench.command('forget', '--json');
    assert.equal(again.status, 0);
    const { state, forgotten } = JSON.parse(again.stdout) as Report & { forgotten: Report };
    assert.deepEqual([state, forgotten.state], ['none', 'none']);
    // The next update saves what is there, and is undone.
    await tested.bench.run(`${write(5)}return 0`);
    await tested.bench.board.kill();
    assert.equal((await tested.bench.command('recover')).status, 0);
    assert.deepEqual(tested.target, before);
  });
}

function describePowerLoss(tested: Tested): void {
  it('power fails while the board recovers: the command says so, and the next one finishes it', async () => {
    await tested.bench.run(
      'var u=require("ota").begin({partition:"storage",backup:false});' +
        'for(var i=0;i<16;i++)u.write(("base"+(100+i)+"--------").substr(0,8).repeat(512));return u.end()',
    );
    const base = Buffer.from(tested.target);
    await tested.bench.run(`${write(16)}return 0`);
    await tested.bench.board.kill();
    const cut = tested.bench.board.cutAt(100);
    const child = ended(tested.bench.spawn('recover'));
    await cut;
    const { status, stderr } = await child;
    assert.equal(status, 2);
    assert.match(stderr, /error: tcp:\S+: the board restarted$/m);
    assert.notDeepEqual(tested.target, base);
    const again = await tested.bench.command('recover');
    assert.equal(again.status, 0, again.stderr);
    assert.deepEqual(tested.target, base);
  });

  // The simulated board is done before a key could be pressed.
  if (tested.setup.engine === 'espruino')
    it('Ctrl-C leaves the board at work, and says so', async () => {
      await tested.bench.run(`${write(16)}return 0`);
      const interrupted = Buffer.from(tested.target);
      await tested.bench.board.kill();
      const child = tested.bench.spawn('recover');
      const run = ended(child);
      while (tested.target.equals(interrupted))
        await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill('SIGINT');
      const { status, stderr } = await run;
      assert.equal(status, 130);
      assert.match(
        stderr,
        /The board goes on by itself.*part-ota status --port tcp:.*part-ota recover/,
      );
      const told = await tested.bench.command('status', '--timeout', '100');
      assert.match(told.stdout, /state +restored: /);
    });
}
