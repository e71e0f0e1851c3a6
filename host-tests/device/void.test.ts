/**
 * Content that counts for nothing: of a direct update in which power failed, of a damaged one, of one whose old content
 * cannot come back. That is remembered until an update of that partition ends, whatever is cut and wherever the journal
 * goes; nothing of it is compared, so that each sector is written anew.
 */
import assert from 'node:assert/strict';
import type { Options, Report } from '../../device/api.ts';
import { BEGIN } from '../../device/records.ts';
import { type Board, type Mood, SECTOR, TEARS, type Tear, encodeTable } from '../../host/index.ts';
import {
  IS_SAMPLE,
  NEW,
  OLD,
  OTHER,
  SECTORS,
  SMALL,
  STORAGE,
  type Step,
  WITH_JOURNAL,
  assertHolds,
  assertIdle,
  boardWith,
  bootStraight,
  codeOf,
  cutIn,
  during,
  everyForm,
  isHead,
  moodName,
  nameOf,
  record,
  row,
  update,
} from '../support/fixtures.ts';
import type { Ota } from '../support/subject.ts';

const DIRECT = { ...STORAGE, backup: false } as const;
const NEAR: Options = { partition: 'near', backup: 'spare' };

/** Cuts power between two operations, and boots. */
function reboot(board: Board, mood: Mood = 'after'): Ota {
  board.flash.cut();
  return bootStraight(board, mood);
}

const leaveOpen = (ota: Ota, options: Options = STORAGE) =>
  ota.begin(options).write(NEW.subarray(0, 3 * SECTOR));

/** The table with an ota_journal at the end of the chip. Without it that is the end of free flash. */
const AT_END = [...SMALL, row('ota_journal', 1, 6, 0xfe, 2)];
/** The table with an ota_journal: the next journal is there. */
const GAINED = [...SMALL, row('ota_journal', 1, 6, 0x41, 2)];

/** What a board has gone through: its content counts for nothing. */
const LIVES: Record<string, [Report['state'], (board: Board) => void]> = {
  'a direct update': ['incomplete', (board) => leaveOpen(bootStraight(board), DIRECT)],
  'a damaged update': [
    'damaged',
    (board) => {
      leaveOpen(bootStraight(board));
      board.load('ota_1', '');
    },
  ],
  'a damaged update after many': [
    'damaged',
    (board) => {
      for (const image of [NEW, OTHER, OLD]) update(reboot(board), image);
      leaveOpen(reboot(board));
      board.load('ota_1', '');
    },
  ],
  'a damaged update that a direct one has gone on with': [
    'incomplete',
    (board) => {
      leaveOpen(bootStraight(board));
      board.load('ota_1', '');
      leaveOpen(reboot(board), DIRECT);
    },
  ],
};

/** How the table changes then: where the next journal goes. */
const TABLES = {
  'the journal stays in ota_journal': [WITH_JOURNAL, WITH_JOURNAL],
  'the journal stays in free flash': [SMALL, SMALL],
  'the journal gets a partition': [SMALL, GAINED],
  'the journal loses its partition': [AT_END, SMALL],
} as const;

/** Checks that the content counts for nothing, and that nothing but a direct update of it may begin. */
function assertVoid(ota: Ota): string {
  const { state, partition } = ota.recover();
  assert.match(state, /^(incomplete|damaged)$/);
  assert.equal(partition, 'storage');
  assert.equal(ota.status().state, state);
  for (const options of [STORAGE, NEAR, { ...NEAR, backup: false } as const])
    assert.equal(
      codeOf(() => ota.plan(options)),
      'E_PENDING',
    );
  for (const call of [() => ota.restore(), () => ota.confirm()])
    assert.equal(codeOf(call), 'E_STATE');
  return state;
}

const ALL_MOODS: [Mood, Mood][] = [
  ['ones', 'zeros'],
  ['zeros', 'ones'],
  ['before', 'after'],
];
const MOODS = IS_SAMPLE ? ALL_MOODS.slice(0, 2) : ALL_MOODS;

/** @returns a board on which the content counts for nothing, and the table has changed. */
function boardAfter(life: (board: Board) => void, from: readonly object[], to: readonly object[]) {
  const board = boardWith({ table: from as typeof SMALL });
  life(board);
  board.flash.cut();
  if (from !== to) board.flash.load(0x8000, encodeTable(to as typeof SMALL));
  return board;
}

describe('content that counts for nothing', () => {
  it('stays so when SOLID of its journal was cut, and its partition is not in the table while another one begins', () => {
    const board = boardAfter(LIVES['a damaged update'][1], WITH_JOURNAL, WITH_JOURNAL);
    const opening = record(board, () => leaveOpen(reboot(board), DIRECT));
    const solid = opening.filter(isHead)[2];
    cutIn(board, solid, TEARS.everyBit);
    const gone = WITH_JOURNAL.filter(({ label }) => label !== 'storage');
    board.flash.load(0x8000, encodeTable(gone));
    // Its SOLID reads right at this boot.
    const steps = record(board, () => reboot(board).begin(NEAR).write(NEW.subarray(0, SECTOR)));
    const begun = steps.findIndex(
      ({ data, address }) => data?.[0] === BEGIN && address >> 12 !== solid.address >> 12,
    );
    assert.ok(begun > 2);
    for (const step of steps.slice(0, begun))
      for (const tear of [TEARS.nothing, TEARS.everyBit]) {
        cutIn(board, step, tear);
        board.flash.load(0x8000, encodeTable(WITH_JOURNAL));
        during(
          () => nameOf(step, steps, tear),
          () => {
            for (const mood of ['ones', 'after'] as const) assertVoid(reboot(board, mood));
          },
        );
      }
  });

  for (const [name, [state, life]] of Object.entries(LIVES))
    for (const [where, [from, to]] of Object.entries(TABLES)) {
      it(`after ${name} stays so at every boot, and ends with a direct update: ${where}`, () => {
        const board = boardAfter(life, from, to);
        for (const mood of ['after', 'ones', 'zeros'] as const)
          assertIdle('at a boot', board, () =>
            assert.equal(assertVoid(reboot(board, mood)), state),
          );
        const ota = reboot(board);
        const { changed, state: end } = update(ota, NEW, DIRECT);
        assert.equal(end, 'committed');
        // Nothing is compared.
        assert.equal(changed, SECTORS);
        assertHolds(board, 'storage', NEW);
        assert.equal(reboot(board).recover().state, 'committed');
        assert.equal(update(reboot(board), OTHER).state, 'committed');
        assert.equal(reboot(board).restore().state, 'restored');
        assertHolds(board, 'storage', NEW);
      });

      it(`after ${name} is remembered if the update that ends it is cut anywhere: ${where}`, () => {
        const board = boardAfter(life, from, to);
        const ota = reboot(board);
        const steps = record(board, () => update(ota, NEW, DIRECT));
        for (const step of steps) {
          const check = (moods: [Mood, Mood], tear: Tear) =>
            during(
              () => `${nameOf(step, steps, tear)}; ${moodName(moods)}`,
              () => assertRemembered(board, moods),
            );
          everyForm(board, step, [check], FORMS, () => MOODS);
        }
      });

      it(`after ${name} is remembered if it is given up on the way: ${where}`, () => {
        const board = boardAfter(life, from, to);
        const open = reboot(board).begin(DIRECT);
        open.write(NEW.subarray(0, 2 * SECTOR));
        assert.equal(open.abort().state, 'incomplete');
        assert.equal(assertVoid(reboot(board)), 'incomplete');
        assert.equal(update(reboot(board), NEW, DIRECT).state, 'committed');
        assertHolds(board, 'storage', NEW);
      });
    }
});

const FORMS: Tear[] = IS_SAMPLE
  ? [TEARS.everyBit, TEARS.everything]
  : [TEARS.everyBit, TEARS.firstHalf, TEARS.nothing, TEARS.everything];

/** Checks that the content counts for nothing at each of some boots, unless it is the new one at each of them. */
function assertRemembered(board: Board, moods: Mood[]): void {
  const isNew = moods.map((mood) => {
    const ota = reboot(board, mood);
    if (ota.status().state !== 'committed') return !assertVoid(ota);
    assert.equal(ota.recover().state, 'committed');
    assertHolds(board, 'storage', NEW);
    return true;
  });
  // What was seen to be complete once stays so.
  assert.ok(!isNew[0] || isNew[1], 'committed, and then not any more');
  const ota = reboot(board, moods[0]);
  const isVoid = ota.status().state !== 'committed';
  const { changed } = update(ota, OTHER, DIRECT);
  if (isVoid) assert.equal(changed, SECTORS, 'something was compared');
  assertHolds(board, 'storage', OTHER);
}

describe('content that counts for nothing: a second cut', () => {
  for (const name of ['a direct update', 'a damaged update'])
    it(`while the next journal opens is remembered, after ${name}`, () => {
      const board = boardAfter(LIVES[name][1], WITH_JOURNAL, WITH_JOURNAL);
      const first = reboot(board);
      const isTarget = ({ address, length }: Step) =>
        length > 16 && address >> 12 >= 0x32 && address >> 12 < 0x38;
      const steps = record(board, () => update(first, NEW, DIRECT));
      const opening = steps.slice(0, steps.findIndex(isTarget) + 2);
      for (const step of opening) {
        for (const tear of IS_SAMPLE ? [TEARS.everyBit] : [TEARS.everyBit, TEARS.firstHalf]) {
          for (const mood of ['ones', 'zeros'] as const) {
            cutIn(board, step, tear);
            const again = bootStraight(board, mood);
            const later = record(board, () => update(again, NEW, DIRECT));
            for (const other of later.slice(0, later.findIndex(isTarget) + 2)) {
              const check = (moods: [Mood, Mood], last: Tear) =>
                during(
                  () =>
                    `${nameOf(step, steps, tear)}; ${mood}; ${nameOf(other, later, last)}; ${moodName(moods)}`,
                  () => assertRemembered(board, moods),
                );
              everyForm(board, other, [check], FORMS, () => MOODS);
            }
          }
        }
      }
    });
});

describe('content that counts for nothing: another update', () => {
  it('of another partition is E_PENDING until forget()', () => {
    for (const [, life] of Object.values(LIVES)) {
      const board = boardAfter(life, WITH_JOURNAL, WITH_JOURNAL);
      const ota = reboot(board);
      assertIdle('begin()', board, () =>
        assert.equal(
          codeOf(() => ota.begin(NEAR)),
          'E_PENDING',
        ),
      );
      assert.equal(ota.forget().state, 'none');
      const image = NEW.subarray(0, 2 * SECTOR);
      assert.equal(update(ota, image, NEAR).state, 'committed');
      assert.equal(reboot(board).recover().partition, 'near');
    }
  });

  it('that is not direct saves the new content, after the direct one has ended', () => {
    for (const [, life] of Object.values(LIVES)) {
      const board = boardAfter(life, WITH_JOURNAL, WITH_JOURNAL);
      const ota = reboot(board);
      update(ota, OTHER, DIRECT);
      leaveOpen(reboot(board));
      assert.equal(reboot(board).recover().state, 'restored');
      assertHolds(board, 'storage', OTHER);
    }
  });

  it('after the partition is gone from the table may begin, and it stays forgotten', () => {
    for (const [, life] of Object.values(LIVES)) {
      const table = WITH_JOURNAL.map((row) =>
        row.label === 'storage' ? { ...row, size: row.size - SECTOR } : row,
      );
      const board = boardAfter(life, WITH_JOURNAL, table);
      const image = NEW.subarray(0, 2 * SECTOR);
      assert.equal(update(reboot(board), image, NEAR).state, 'committed');
      assert.deepEqual(reboot(board).recover().partition, 'near');
    }
  });
});

describe('overwriteLive', () => {
  const LIVE: Options = { partition: 'nvs', backup: 'spare', overwriteLive: true };
  const old = OLD.subarray(0, 4 * SECTOR);
  const image = NEW.subarray(0, 4 * SECTOR);
  const ofNvs = () => boardWith({ partitions: { nvs: old } });

  it('is remembered: recover() and restore() put back without being told again', () => {
    for (const call of ['recover', 'restore'] as const) {
      const board = ofNvs();
      bootStraight(board)
        .begin(LIVE)
        .write(image.subarray(0, 2 * SECTOR));
      const ota = reboot(board);
      assert.equal(ota.status().state, 'interrupted');
      assert.equal(ota[call]().state, 'restored');
      assertHolds(board, 'nvs', old);
    }
  });

  it('is asked for again by begin(), and then goes on', () => {
    const board = ofNvs();
    bootStraight(board)
      .begin(LIVE)
      .write(image.subarray(0, 2 * SECTOR));
    const ota = reboot(board);
    assert.equal(ota.recover({ resume: true }).state, 'interrupted');
    assert.equal(
      codeOf(() => ota.begin({ ...LIVE, overwriteLive: false })),
      'E_FORBIDDEN',
    );
    assert.equal(ota.plan(LIVE).resumed, true);
    assert.equal(update(ota, image, LIVE).state, 'committed');
    assertHolds(board, 'nvs', image);
    assert.equal(reboot(board).restore().state, 'restored');
    assertHolds(board, 'nvs', old);
  });

  it('is not obeyed for what became live since: another table has nvs where the target was', () => {
    const board = boardWith();
    leaveOpen(bootStraight(board));
    const table = WITH_JOURNAL.map((row) =>
      row.label === 'storage' ? { ...row, label: 'nvs2', subtype: 2 } : row,
    );
    board.flash.load(0x8000, encodeTable(table));
    assertIdle('at any call', board, () => {
      const ota = reboot(board);
      assert.equal(ota.recover().state, 'damaged');
      assert.equal(ota.status().state, 'damaged');
      assert.equal(
        codeOf(() => ota.restore()),
        'E_STATE',
      );
    });
  });
});
