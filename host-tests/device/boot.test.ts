/**
 * The app that runs is never written, on any chip: of one that can tell which app runs, and of one that cannot, as an
 * ESP32-C3. Nor is an app that the bootloader may go back to at the next boot.
 *
 * Which apps these are, a model of the bootloader tells, for all that otadata may hold, with images that boot and images
 * that do not. What the model boots is what runs.
 */
import assert from 'node:assert/strict';
import { type Board, type Row, SECTOR, pattern } from '../../host/index.ts';
import {
  type Build,
  type Entry,
  ERASED,
  STATES,
  bootFrom,
  bytesOf,
} from '../support/bootloader.ts';
import { IS_FULL, IS_SAMPLE, STORAGE, boardWith, boot, row } from '../support/fixtures.ts';
import { runtimeOf } from '../support/runtime.ts';
import type { Ota } from '../support/subject.ts';

const OTADATA = 0x0d;
const baseWith = (otadata: number) => [row('nvs', 1, 2, 0x09, 4), row('otadata', 1, 0, otadata, 2)];
const REST = [row('storage', 1, 0x82, 0x60, 2), row('ota_journal', 1, 6, 0x62, 4)];
const app = (label: string, subtype: number, place: number) =>
  row(label, 0, subtype, place * 0x10, 4);

const TWO = [app('ota_0', 0x10, 1), app('ota_1', 0x11, 2)];
const TABLES: Record<string, Row[]> = {
  'two slots': TWO,
  'factory and two slots': [app('factory', 0, 3), ...TWO],
  'factory and a slot': [app('factory', 0, 1), app('ota_0', 0x10, 2)],
  'three slots': [...TWO, app('ota_2', 0x12, 3)],
  'slots out of their order': [app('ota_1', 0x11, 1), app('ota_0', 0x10, 2)],
  'slots with a gap': [app('ota_0', 0x10, 1), app('ota_2', 0x12, 2), app('ota_3', 0x13, 3)],
  'no slot 0': [app('ota_1', 0x11, 1), app('ota_2', 0x12, 2)],
  'a slot twice': [app('first', 0x10, 1), ...TWO.slice(1), app('second', 0x10, 3)],
  'factory twice': [app('one', 0, 1), app('two', 0, 2), app('ota_0', 0x10, 3)],
  'a test app': [...TWO, app('test', 0x20, 3)],
  'a slot at address 0': [app('low', 0x10, 0), app('ota_1', 0x11, 1), app('ota_2', 0x12, 2)],
  'a single slot': [app('ota_0', 0x10, 1)],
};

const ZEROS: Entry = { sequence: 0, state: 0, isWhole: false };

/** All that an entry may be: of each number in each state; some with a wrong CRC. */
const ENTRIES: Entry[] = [
  ERASED,
  ZEROS,
  ...[1, 2, 3].flatMap((sequence) =>
    Object.values(STATES).map((state) => ({ sequence, state, isWhole: true })),
  ),
  ...[0, 0x80000002, 0xfffffffe, 0xffffffff].map((sequence) => ({
    sequence,
    state: STATES.UNDEFINED,
    isWhole: true,
  })),
  ...[STATES.VALID, STATES.PENDING_VERIFY, STATES.UNDEFINED].map((state) => ({
    sequence: 4,
    state,
    isWhole: false,
  })),
];

/** A chip whose otadata and images are set from outside. */
class Chip {
  readonly board: Board;
  readonly ota: Ota;
  readonly apps: Row[];
  readonly table: Row[];
  /** What the chip says of where its code is; 0: nothing. */
  told = 0;

  readonly #otadata: number;

  /** @param otadata - the sector in which it begins; it may be in the middle of one */
  constructor(apps: Row[], entries = true, otadata = OTADATA) {
    this.apps = apps;
    this.#otadata = otadata;
    this.table = [...baseWith(otadata).slice(0, entries ? 2 : 1), ...apps, ...REST];
    this.board = boardWith({ table: this.table, partitions: { storage: pattern('old', 8192) } });
    this.ota = boot(this.board);
    this.ota.use({ ...runtimeOf(this.board), running: () => this.told });
  }

  /** Writes otadata and the first byte of each image. */
  set(entries: Entry[], isGood: (row: Row) => boolean): void {
    const { flash } = this.board;
    if (this.table[1].label === 'otadata')
      entries.forEach((entry, n) => flash.load((this.#otadata + n) * SECTOR, bytesOf(entry)));
    for (const row of this.apps)
      flash.load(row.address, Uint8Array.of(isGood(row) ? 0xe9 : row.subtype % 2 ? 0 : 0xff));
  }

  /** Boots. @returns the apps that must not be written: that which runs, and that which may run next */
  boot(entries: Entry[], isGood: (row: Row) => boolean, build: Build): Row[] {
    const state = entries.map((entry) => ({ ...entry })) as [Entry, Entry];
    const running = bootFrom(this.table, state, isGood, build);
    if (!running) return [];
    this.set(state, isGood);
    const next = bootFrom(this.table, state, isGood, build)!;
    return running === next ? [running] : [running, next];
  }
}

/** @returns the app that an update would write its backup to, if any. */
function backupOf({ ota, apps }: Chip, backup?: string): Row | undefined {
  try {
    const label = ota.plan({ ...STORAGE, backup }).backup?.label;
    return apps.find((app) => app.label === label);
  } catch (error) {
    const { code } = error as { code?: string };
    assert.match(code ?? String(error), /^E_(FORBIDDEN|NO_BACKUP)$/);
    return undefined;
  }
}

/** How often a slot was given to the backup, and how many boots there were. */
const seen = { boots: 0, backups: 0 };

/** Checks one boot: neither by default nor by its name is an app written that has to stay. */
function assertSafe(chip: Chip, kept: Row[], what: () => string): void {
  seen.boots++;
  const chosen = backupOf(chip);
  if (chosen) seen.backups++;
  assert.ok(!chosen || !kept.includes(chosen), `${what()}: ${chosen?.label} is the backup`);
  for (const app of kept)
    assert.equal(backupOf(chip, app.label), undefined, `${what()}: ${app.label} is a backup`);
}

const BUILDS: Build[] = ['plain', 'rollback'];
/** How many of the pairs of entries are tried with all images: every n-th. */
const STEP = IS_FULL ? 1 : IS_SAMPLE ? 29 : 13;

describe('the app that runs is never written:', () => {
  for (const [name, apps] of Object.entries(TABLES)) {
    it(name, () => {
      seen.boots = seen.backups = 0;
      const chip = new Chip(apps);
      let number = 0;
      for (const one of ENTRIES)
        for (const other of ENTRIES)
          for (let images = 2 ** apps.length - 1; images; images--) {
            if (number++ % STEP) continue;
            const isGood = (row: Row) => Boolean((images >> apps.indexOf(row)) & 1);
            for (const build of [...BUILDS, 'old'] as Build[]) {
              const kept = chip.boot([one, other], isGood, build);
              if (!kept.length) continue;
              const what = () => JSON.stringify({ one, other, images, build, told: chip.told });
              // ESP-IDF 3.1 knows no chip but the ESP32, which can tell.
              for (const told of build === 'old' ? [kept[0].address] : [0, kept[0].address]) {
                chip.told = told;
                assertSafe(chip, kept, what);
              }
              // Otadata may have been written since the boot, as an app OTA does: then any app runs, and what it names is next.
              if (build === 'plain' && apps.every(isGood))
                for (const running of apps) {
                  chip.told = running.address;
                  assertSafe(chip, [running, ...kept], what);
                }
            }
          }
      assert.ok(seen.boots > 100);
      // A module that refuses everything would be safe, too.
      assert.equal(seen.backups > 20, name !== 'a single slot', `${seen.backups} backups`);
    });
  }
});

const FACTORY = TABLES['factory and two slots'];
const entry = (sequence: number, state: number = STATES.UNDEFINED): Entry => ({
  sequence,
  state,
  isWhole: true,
});

/** Checks what is the backup by default, and which apps may be one if they are named. */
function assertBackups(chip: Chip, chosen: string | undefined, named: string[]): void {
  assert.equal(backupOf(chip)?.label, chosen);
  const accepted = chip.apps.filter(({ label }) => backupOf(chip, label)).map(({ label }) => label);
  assert.deepEqual(accepted, named);
}

describe('a chip that cannot tell which app runs', () => {
  it('writes no app: the bootloader may have fallen back, and otadata may be newer than the boot', () => {
    const chip = new Chip([...FACTORY, app('test', 0x20, 4)]);
    for (const one of [entry(1), entry(2), entry(2, STATES.VALID), ERASED]) {
      chip.set([one, ERASED], () => true);
      assert.equal(chip.ota.plan(STORAGE).running, '');
      // The backup is in free flash.
      assert.equal(chip.ota.plan(STORAGE).backup!.label, undefined);
      assertBackups(chip, undefined, []);
    }
  });

  it('knows the app if there is but one', () => {
    const chip = new Chip(TABLES['a single slot']);
    chip.set([entry(1), ERASED], () => true);
    assert.equal(chip.ota.plan(STORAGE).running, 'ota_0');
    assertBackups(chip, undefined, []);
  });
});

describe('a chip that can tell which app runs', () => {
  it('may write any other, if it is named', () => {
    const chip = new Chip([...FACTORY, app('test', 0x20, 4)]);
    chip.set([entry(2), ERASED], () => true);
    chip.told = chip.board.partition('ota_1').address;
    assertBackups(chip, 'ota_0', ['factory', 'ota_0', 'test']);
  });

  it('writes none where otadata names a slot that is not there', () => {
    const chip = new Chip(TABLES['slots with a gap']);
    chip.set([entry(2), ERASED], () => true);
    chip.told = chip.board.partition('ota_2').address;
    assertBackups(chip, undefined, []);
  });
});

describe('otadata in the middle of a sector', () => {
  it('is read where the bootloader reads it', () => {
    const chip = new Chip(FACTORY, true, OTADATA + 0.5);
    chip.told = chip.board.partition('factory').address;
    chip.set([entry(1), ERASED], () => true);
    assertBackups(chip, undefined, ['ota_1']);
    chip.set([entry(2), entry(1)], () => true);
    assertBackups(chip, 'ota_0', ['ota_0']);
  });
});

describe('an app that is not confirmed yet', () => {
  for (const state of [STATES.NEW, STATES.PENDING_VERIFY])
    it(`keeps all others, in state ${state}`, () => {
      const chip = new Chip(TABLES['three slots']);
      chip.set([entry(2, state), entry(1, STATES.VALID)], () => true);
      chip.told = chip.board.partition('ota_1').address;
      assertBackups(chip, undefined, []);
      chip.set([entry(2, STATES.VALID), entry(1, STATES.VALID)], () => true);
      assertBackups(chip, 'ota_2', ['ota_0', 'ota_2']);
    });
});
