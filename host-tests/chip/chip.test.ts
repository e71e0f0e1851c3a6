/**
 * Espruino's own firmware on an emulated ESP32-C3, and power cuts in it: `npm run test:chip`.
 *
 *     QEMU_ESP32C3   the emulator: Espressif's qemu-system-riscv32, with pc-bios beside it, or installed
 *     ESPRUINO_C3    the firmware: what esptool writes to address 0, with bootloader, table at 0x8000, and Espruino
 *     CHIP_LIVES     how many lives are played, or which: 20, or 101-200; default 400
 *     SEED           of what is drawn; default 1
 *
 * In each life power fails in one change of the flash, the erase of a sector or a program of at most 64 bytes, which is
 * left half done; in every second life again while that is recovered. Then every byte is compared with README's promise.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report, Result } from '../../device/api.ts';
import { TEARS } from '../../host/chip/tears.ts';
import { scratchFolder } from '../support/tools.ts';
import { printed } from '../support/update-fixtures.ts';
import { CHANGED, layOut } from './board.ts';
import { Bench } from './bench.ts';
import { type Counts, Lives } from './lives.ts';
import { scenesOf } from './scenes.ts';

const { QEMU_ESP32C3, ESPRUINO_C3, CHIP_LIVES = '400', SEED = '1' } = process.env;
/** Lives between two lines that tell how far it has come. */
const REPORTED = 25;

let bench: Bench;

describe('Espruino on an emulated ESP32-C3', function () {
  this.timeout(0);
  const folder = scratchFolder();

  before(async function () {
    const missing = Object.entries({ QEMU_ESP32C3, ESPRUINO_C3 }).find(([, value]) => !value)?.[0];
    if (missing) {
      console.log(`    skipped: the environment variable ${missing} names no file`);
      return this.skip();
    }
    bench = await Bench.make(QEMU_ESP32C3!, layOut(readFileSync(ESPRUINO_C3!)), folder);
  });
  after(() => bench?.close());

  describeCommands();
  describeCalls();
  it('keeps the old or the new content, whenever power fails', playLives);
});

function describeCommands(): void {
  it('takes the modules by part-ota upload, and nothing else changes', async () => {
    console.log(`      ▸ ${bench.uploaded.stdout.split('\n')[0].replace(/ at .*/, ' emulated')}`);
    const { address } = bench.layout.rows.find(({ label }) => label === 'storage')!;
    assert.equal(bench.fresh.compare(bench.layout.flash, 0, address, 0, address), 0);
    await bench.boot(bench.fresh);
    assert.deepEqual(await bench.run('return recovered'), { state: 'none' });
    assert.equal(bench.changes, 0, 'changes at a boot with nothing to do');
  });

  it('tells by part-ota status what an update would use: free flash', () =>
    bench.steadily(async () => {
      await bench.boot(bench.fresh, 'real');
      const { update, plans } = printed(
        await bench.command('status', '--json'),
      ) as unknown as Status;
      assert.equal(update.state, 'none');
      const plan = plans.find(({ partition }) => partition === 'www')!.plan;
      const { address, size } = bench.layout.free;
      const end = address + size - 2 * 4096;
      assert.deepEqual(plan.backup, { address, size: end - address });
      assert.deepEqual(plan.journal, { address: end, size: 2 * 4096 });
    }));

  it('is updated by part-ota update, over the console', () =>
    bench.steadily(async () => {
      await bench.boot(bench.fresh, 'real');
      const { result } = printed(await bench.updateOverConsole());
      assert.deepEqual([result.state, result.changed], ['committed', CHANGED]);
      assert.equal(bench.content, 'new');
      const again = printed(await bench.updateOverConsole());
      assert.equal(again.result.state, 'untouched');
      await bench.reboot();
      assert.equal((await bench.recovered()).state, 'committed');
      assert.equal(bench.content, 'new');
    }));

  it('gives the old content back by part-ota restore, and keeps the new one by confirm', () =>
    bench.steadily(async () => {
      await bench.boot(bench.fresh, 'real');
      await bench.update({ trial: 3 });
      const confirmed = printed(await bench.command('confirm', '--json')) as unknown as Report;
      assert.equal(confirmed.state, 'committed');
      for (let boot = 0; boot < 4; boot++) await bench.reboot('real');
      assert.equal((await bench.recovered()).state, 'committed');
      assert.equal(bench.content, 'new');
      const restored = printed(await bench.command('restore', '--json')) as unknown as Report;
      assert.equal(restored.state, 'restored');
      assert.equal(bench.content, 'old');
    }));
}

/** What `part-ota status --json` prints, as far as it is looked at. */
interface Status {
  update: Report;
  plans: { partition: string; plan: { backup: object; journal: object } }[];
}

function describeCalls(): void {
  it('is updated by begin, write and end', async () => {
    await bench.boot(bench.fresh);
    const { state, changed } = await bench.update();
    assert.deepEqual([state, changed], ['committed', CHANGED]);
    assert.equal(bench.content, 'new');
    await bench.reboot();
    assert.equal((await bench.recovered()).state, 'committed');
    assert.equal((await bench.update()).state, 'untouched');
    assert.equal(bench.changes, 0, 'changes by what has nothing to do');
    assert.equal(bench.content, 'new');
  });

  it('gives the old content back when a trial ends', async () => {
    await bench.boot(bench.fresh);
    assert.equal((await bench.update({ trial: 2 })).state, 'trial');
    for (const state of ['trial', 'trial', 'restored', 'restored']) {
      await bench.reboot();
      assert.equal((await bench.recovered()).state, state);
      assert.equal(bench.content, state === 'trial' ? 'new' : 'old');
    }
  });

  it('is not touched by what is refused, and the old content comes back after a wrong CRC-32', async () => {
    await bench.boot(bench.fresh);
    const codeOf = (script: string) => `try{${script}}catch(e){return e.code}`;
    const codes = {
      E_NO_PARTITION: 'require("ota").begin({partition:"nowhere"})',
      E_FORBIDDEN: 'require("ota").begin({partition:"factory"})',
      E_SIZE: 'require("ota").begin({partition:"www",size:1e6})',
    };
    for (const [code, script] of Object.entries(codes))
      assert.equal(await bench.run(codeOf(script)), code);
    assert.equal(bench.changes, 0);
    const { updateScript } = bench;
    assert.equal(await bench.run(codeOf(updateScript({ crc32: 1 }))), 'E_VERIFY');
    assert.equal(bench.content, 'old');
    assert.equal(((await bench.run(updateScript())) as Result).state, 'committed');
  });

  it('tells that a direct update was cut, until one of the partition ends', async () => {
    await bench.load(bench.fresh);
    const cut = { number: 200, tear: TEARS.someBits };
    assert.ok(await bench.cutIn(cut, () => bench.update({ backup: false })));
    for (let boot = 0; boot < 2; boot++) {
      await bench.reboot();
      assert.equal((await bench.recovered()).state, 'incomplete');
    }
    assert.equal((await bench.update({ backup: false })).state, 'committed');
    assert.equal(bench.content, 'new');
  });
}

/** @returns the numbers of the lives that are asked for. */
function numbersOf(text: string): number[] {
  const [, first, last] = /^(?:(\d+)-)?(\d+)$/.exec(text) ?? [];
  assert.ok(last, `CHIP_LIVES=${text}: not of the form 20 or 101-200`);
  const from = Number(first ?? 1);
  return Array.from({ length: Number(last) - from + 1 }, (_, i) => from + i);
}

const summary = ({ lives, inCalls, inRecovery, ...rest }: Counts, resets: number) =>
  `${lives} lives, ${inCalls + inRecovery} power cuts (${inRecovery} in recoveries): ` +
  `${rest.old} old, ${rest.new} new, 0 lost; ${rest.updates} more updates` +
  (resets ? `; ${resets} resets by the emulator itself` : '');

async function playLives(): Promise<void> {
  const scenes = await scenesOf(bench);
  const lives = new Lives(bench, scenes, Number(SEED));
  const started = performance.now();
  for (const number of numbersOf(CHIP_LIVES)) {
    try {
      await lives.play(number);
    } catch (error) {
      const file = join(tmpdir(), `chip-life-${number}.bin`);
      writeFileSync(file, bench.flash.bytes);
      throw new Error(
        `${[...lives.story, (error as Error).message].join('\n')}\n` +
          `The flash is in ${file}. To see it again:\n` +
          `SEED=${SEED} CHIP_LIVES=${number}-${number} npm run test:chip -- --grep "power fails"`,
        { cause: error },
      );
    }
    if (lives.counts.lives % REPORTED) continue;
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`      ${summary(lives.counts, bench.emulator.resets)}; ${seconds} s`);
  }
  console.log(`      ▸ seed ${SEED}: ${summary(lives.counts, bench.emulator.resets)}`);
}
