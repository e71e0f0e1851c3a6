/**
 * `forget()`: the way out where `recover` cannot help, and no image is at hand. Whatever the journal knew, none speaks
 * any more; nothing but the journal is touched. Power fails in each operation of it.
 */
import assert from 'node:assert/strict';
import type { Report } from '../../device/api.ts';
import { SLOT } from '../../device/records.ts';
import { type Board, type Mood, SECTOR, differences, encodeTable } from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  cutIn,
  during,
  moodName,
  nameOf,
  record,
  tearsIn,
  update,
} from '../support/fixtures.ts';
import { type Ota, otaOf } from '../support/subject.ts';

const DIRECT = { ...STORAGE, backup: false } as const;
const MOODS: [Mood, Mood][] = [
  ['ones', 'zeros'],
  ['zeros', 'ones'],
  ['before', 'after'],
  [
    { seed: 1, whole: 16 },
    { seed: 2, whole: 16 },
  ],
];

/** Cuts power between two operations, and boots. */
function reboot(board: Board, mood: Mood = 'after'): Ota {
  board.flash.cut();
  return boot(board, mood);
}

const leaveOpen = (ota: Ota, options: object = STORAGE) =>
  ota.begin({ ...STORAGE, ...options }).write(NEW.subarray(0, 3 * SECTOR));

/** So many trial boots that the journal is in free flash. */
const MORE = { trial: 60 };

/** What a board goes through before, and what its status is then. */
const LIVES: Record<string, [state: string, life: (board: Board) => void]> = {
  'no update at all': ['none', () => undefined],
  'an open update': ['interrupted', (board) => leaveOpen(otaOf(board))],
  'an update that was not begun': [
    'interrupted',
    (board) => {
      const open = otaOf(board).begin(STORAGE);
      open.backup(0);
    },
  ],
  'a direct update': ['incomplete', (board) => leaveOpen(otaOf(board), DIRECT)],
  'a damaged update': [
    'damaged',
    (board) => {
      leaveOpen(otaOf(board));
      board.load('ota_1', '');
    },
  ],
  'a damaged update that a direct one goes on with': [
    'incomplete',
    (board) => {
      leaveOpen(otaOf(board));
      board.load('ota_1', '');
      leaveOpen(reboot(board), DIRECT);
    },
  ],
  'a journal whose BEGIN is lost': [
    'damaged',
    (board) => {
      leaveOpen(otaOf(board));
      board.flash.load(0x42 * SECTOR, new Uint8Array(SLOT));
    },
  ],
  'a partition that is not there any more': [
    'damaged',
    (board) => {
      leaveOpen(otaOf(board));
      const moved = WITH_JOURNAL.filter(({ label }) => label !== 'near').map((row) =>
        row.label === 'storage' ? { ...row, address: row.address - SECTOR } : row,
      );
      board.flash.load(0x8000, encodeTable(moved));
    },
  ],
  'a committed update': ['committed', (board) => update(otaOf(board), NEW)],
  'an update that was put back': [
    'restored',
    (board) => {
      update(otaOf(board), NEW);
      otaOf(board).restore();
    },
  ],
  'a trial': ['trial', (board) => update(otaOf(board), NEW, { trial: 3 })],
  'many updates, with journals in two places': [
    'trial',
    (board) => {
      for (const image of [NEW, OTHER]) update(otaOf(board), image);
      update(otaOf(board), NEW, MORE);
      otaOf(board).confirm();
      update(otaOf(board), OTHER, { trial: 2 });
    },
  ],
};

/** @returns a board after one of LIVES. */
function boardAfter(life: (board: Board) => void): Board {
  const board = boardWith();
  boot(board);
  life(board);
  board.flash.cut();
  return board;
}

/** Checks that an update to an image succeeds, and that it can be undone. */
function assertUpdatable(board: Board, ota: Ota): void {
  const label = otaOf(board)
    .partitions()
    .some(({ label }) => label === 'near')
    ? 'storage'
    : 'beside';
  const options = { partition: label, backup: 'spare' };
  const before = board.content(label);
  const image = OTHER.subarray(0, board.partition(label).size);
  if (update(ota, image, options).state === 'untouched') return;
  assert.equal(reboot(board).recover().state, 'committed');
  assertHolds(board, label, image);
  assert.equal(otaOf(board).restore().state, 'restored');
  assertHolds(board, label, before);
}

/** Checks a report: of what was given up it has the label, as long as a journal tells of that. */
function assertNone({ state, partition, ...rest }: Report): void {
  assert.equal(state, 'none');
  assert.ok(partition === undefined || partition === 'storage', partition);
  assert.ok(!rest.saved && rest.sealed === undefined);
}

describe('forget()', () => {
  for (const [name, [state, life]] of Object.entries(LIVES)) {
    it(`of ${name}: none from then on, and nothing but the journals has changed`, () => {
      const board = boardAfter(life);
      const ota = boot(board);
      assert.equal(ota.status().state, state);
      const before = board.flash.snapshot();
      assertNone(ota.forget());
      const journals = [0x41, 0x42, 0xfc, 0xfd, 0xfe, 0xff];
      for (const sector of differences(board.flash.snapshot(), before))
        assert.ok(journals.includes(sector), `sector 0x${sector.toString(16)} has changed`);
      assertIdle('afterwards', board, () => {
        assertNone(ota.recover());
        assertNone(reboot(board).status());
        for (const call of [() => otaOf(board).confirm(), () => otaOf(board).restore()])
          assert.equal(codeOf(call), 'E_STATE');
      });
      assertNone(otaOf(board).forget());
      assertUpdatable(board, reboot(board));
    });
  }
});

describe('forget() in which power fails', () => {
  for (const [name, [state, life]] of Object.entries(LIVES)) {
    if (state !== 'none')
      it(`of ${name}, cut anywhere: as before or none, and begin() works`, () => {
        const board = boardAfter(life);
        const ota = boot(board);
        const old = board.content('storage');
        const steps = record(board, () => ota.forget());
        const after: string[] = state === 'interrupted' ? ['restored'] : [state];
        for (const step of steps)
          for (const tear of tearsIn(step))
            for (const moods of MOODS) {
              cutIn(board, step, tear);
              during(
                () => `${nameOf(step, steps, tear)}; ${moodName(moods)}`,
                () => {
                  const found = boot(board, moods[0]).recover().state;
                  assert.ok(['none', ...after].includes(found), `reported ${found}`);
                  if (found === 'restored' && state === 'interrupted')
                    assertHolds(board, 'storage', OLD);
                  else assertHolds(board, 'storage', old);
                  const next = reboot(board, moods[1]);
                  next.recover();
                  assertNone(next.forget());
                  assertUpdatable(board, reboot(board, moods[0]));
                },
              );
            }
      });
  }

  it('that was cut, and is none at the next boot, stays so: what the app writes then stays', () => {
    for (const [state, life] of Object.values(LIVES)) {
      if (state === 'none') continue;
      const board = boardAfter(life);
      const ota = boot(board);
      const steps = record(board, () => ota.forget());
      for (const step of steps)
        for (const tear of tearsIn(step))
          for (const moods of MOODS) {
            cutIn(board, step, tear);
            if (boot(board, moods[0]).recover().state !== 'none') continue;
            board.load('storage', OTHER);
            during(
              () => `${state}: ${nameOf(step, steps, tear)}; ${moodName(moods)}`,
              () => {
                reboot(board, moods[1]).recover();
                assertHolds(board, 'storage', OTHER);
              },
            );
          }
    }
  });
});

describe('forget() where it cannot be', () => {
  it('is E_STATE while an update is in progress, and from a callback', () => {
    const board = boardWith();
    const ota = boot(board);
    const codes = new Set<string>();
    const onProgress = () => codes.add(codeOf(() => ota.forget()));
    const open = ota.begin({ ...STORAGE, onProgress });
    assertIdle('forget()', board, () =>
      assert.equal(
        codeOf(() => ota.forget()),
        'E_STATE',
      ),
    );
    open.write(NEW);
    assert.equal(open.end().state, 'committed');
    ota.restore({ onProgress });
    assert.deepEqual([...codes], ['E_STATE']);
    assertHolds(board, 'storage', OLD);
  });

  it('is E_FLASH where the journal keeps nothing more', () => {
    const board = boardAfter((board) => leaveOpen(otaOf(board)));
    board.flash.faults = [({ kind }) => (kind === 'program' ? 'nothing' : undefined)];
    assert.equal(
      codeOf(() => boot(board).forget()),
      'E_FLASH',
    );
    board.flash.faults = [];
    assert.equal(otaOf(board).forget().state, 'none');
  });
});
