/**
 * What once went wrong on chips on which others write, too: one scenario each, with what is right by the promise. The numbers
 * are those of the cases of the issue.
 */
import assert from 'node:assert/strict';
import { otaEntry } from '../../formats/otadata.ts';
import { type Board, SECTOR, differences, pattern } from '../../host/index.ts';
import {
  IS_SAMPLE,
  NEW,
  OLD,
  OTHER,
  SECTORS,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  row,
  update,
} from '../support/fixtures.ts';
import {
  FREE_HEAD,
  FULL,
  HEAD,
  OLD_FULL,
  TARGET,
  assertTruth,
  inEachStep,
  interrupted,
  openJournalAt,
  quietJournalAt,
} from '../support/others.ts';

/** Writes to a slot of an app, as an app OTA does. */
function overwriteApp(board: Board, label: string, sectors: number): void {
  const content = pattern(`another app in ${label}`, sectors * SECTOR);
  content[0] = 0xe9;
  board.flash.load(board.partition(label).address, content);
}

describe('01: ids that wrap', () => {
  const ALL = [0, 1, 2, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff];
  const IDS = IS_SAMPLE ? [1, 0x7fff, 0x8000, 0xffff] : ALL;

  for (const id of IDS)
    it(`a quiet journal elsewhere has the id 0x${id.toString(16)}: no cut loses content`, () => {
      const board = boardWith();
      board.flash.load(FREE_HEAD * SECTOR, quietJournalAt(FREE_HEAD, id, TARGET));
      const content = [OLD, NEW, OTHER, NEW];
      for (let n = 1; n < content.length; n++) {
        inEachStep(
          board,
          (ota) => update(ota, content[n]),
          () => {
            const { state } = assertTruth(board, {
              restored: content[n - 1],
              committed: undefined,
            });
            // Before the new journal speaks, the one before it says `committed`.
            const held = [content[n - 1], content[n]].some((it) =>
              board.flash.holds(TARGET.first * SECTOR, it),
            );
            assert.ok(held, state);
          },
        );
        // The last cut, with everything done, is the whole update.
        assertTruth(board, { committed: content[n] });
      }
    });

  it('a second quiet journal is as many updates away as it may be', () => {
    const board = boardWith();
    const start = board.snapshot();
    for (const [one, other] of IDS.flatMap((one) => IDS.map((other) => [one, other]))) {
      board.restore(start);
      board.flash.load(HEAD * SECTOR, quietJournalAt(HEAD, one, TARGET));
      board.flash.load(FREE_HEAD * SECTOR, quietJournalAt(FREE_HEAD, other, TARGET));
      interrupted(NEW, {}, board);
      assertTruth(board, { restored: OLD });
      assert.equal(update(boot(board), NEW).state, 'committed');
      assertTruth(board, { committed: NEW });
    }
  });
});

/** What a forged journal may be about, and what is live among it. */
const VICTIMS = { nvs: 0x09, otadata: 0x0d, ota_0: 0x10, ota_1: 0x20, near: 0x30, spare: 0x3a };

/** @returns a content that has a forged journal in each of its sectors from 1 on, as if they lay from `first` on. */
function forgedContent(first: number, victim: number): Buffer {
  const payload = pattern('payload', SECTOR);
  const content = Buffer.alloc(SECTORS * SECTOR, 0xff);
  content.set(payload);
  for (let n = 1; n < SECTORS; n++)
    content.set(
      openJournalAt(first + n, {
        id: 0x4000,
        target: { first: victim, span: 2 },
        backup: { first, span: 1 },
        saved: [victim, first, payload],
        isUpper: n % 2 === 1,
      }),
      n * SECTOR,
    );
  return content;
}

/** Checks that no call obeys what is forged: nothing is written, and nothing is refused for it. */
function assertNotObeyed(board: Board, content: Uint8Array, state: string): void {
  const ota = boot(board);
  assertIdle('at boot', board, () => {
    for (const call of [ota.recover, ota.status]) assert.equal(call().state, state);
    assert.equal(
      codeOf(() => ota.plan({ partition: 'near' })),
      'nothing thrown',
    );
  });
  assertHolds(board, 'storage', content);
  const near = pattern('near, updated', 2 * SECTOR);
  assert.equal(update(ota, near, { partition: 'near' }).state, 'committed');
  assertHolds(board, 'storage', content);
}

describe('an image has a journal in it', () => {
  it('is one: where journals lie it would be obeyed', () => {
    const board = boardWith();
    const payload = pattern('payload', SECTOR);
    board.flash.load(0x3a * SECTOR, payload);
    board.flash.load(
      HEAD * SECTOR,
      openJournalAt(HEAD, {
        id: 0x4000,
        target: { first: 0x30, span: 2 },
        backup: { first: 0x3a, span: 6 },
        saved: [0x30, 0x3a, payload],
      }),
    );
    assert.deepEqual(boot(board).recover(), { state: 'restored', partition: 'near', sealed: true });
    assert.ok(board.flash.holds(0x30 * SECTOR, payload));
  });

  for (const [label, victim] of Object.entries(VICTIMS)) {
    it(`about ${label} in an image is content`, () => {
      const board = boardWith();
      const content = forgedContent(TARGET.first, victim);
      assert.equal(update(boot(board), content).state, 'committed');
      assertNotObeyed(board, content, 'committed');
    });

    it(`about ${label} in an app slot is an app`, () => {
      const board = boardWith();
      board.flash.load(0x2a * SECTOR, forgedContent(0x2a, victim));
      assertNotObeyed(board, OLD, 'none');
    });

    for (const backup of ['ota_1', 'spare', undefined])
      it(`about ${label} in content that goes to the backup is old content: ${backup ?? 'free flash'}`, () => {
        const table = backup ? WITH_JOURNAL : WITH_JOURNAL.filter((row) => row.label !== 'ota_1');
        const first =
          boot(boardWith({ table })).plan({ ...STORAGE, backup }).backup!.address / SECTOR;
        const content = forgedContent(first, victim);
        const board = boardWith({ table, partitions: { storage: content } });
        inEachStep(
          board,
          (ota) => update(ota, NEW, { backup }),
          () => assertTruth(board, { none: content, restored: content, committed: NEW }),
        );
      });
  }
});

describe('03: a damaged update', () => {
  for (const [what, image] of [
    ['the same image', FULL],
    ['another image', OTHER],
    ['the old content', OLD_FULL],
  ] as const)
    it(`is incomplete until a direct one ends, wherever that is cut: ${what}`, () => {
      const board = interrupted();
      overwriteApp(board, 'ota_1', 2);
      assertTruth(board, { damaged: undefined });
      inEachStep(
        board,
        (ota) => update(ota, image, { backup: false }),
        () => {
          const first = assertTruth(board, {
            damaged: undefined,
            incomplete: undefined,
            committed: image,
          });
          assert.equal(first.partition, 'storage');
          const torn = board.flash.snapshot();
          const ota = boot(board);
          if (first.state !== 'committed') {
            assert.equal(
              codeOf(() => ota.begin({ partition: 'near' })),
              'E_PENDING',
            );
            assert.equal(update(ota, image, { backup: false }).state, 'committed');
            assertTruth(board, { committed: image });
          }
          board.flash.restore(torn);
        },
      );
      assertTruth(board, { committed: image });
    });
});

describe('04: an app OTA over the whole passive slot', () => {
  const NO_PLACE = WITH_JOURNAL.filter(({ label }) => label !== 'ota_journal');
  for (const [where, table] of [
    ['in ota_journal', WITH_JOURNAL],
    ['in free flash', NO_PLACE],
  ] as const)
    for (const hasOlder of [false, true])
      it(`damages an open update, the journal ${where}${hasOlder ? ', with an older one' : ''}`, () => {
        const board = boardWith({ table, partitions: { storage: OLD_FULL } });
        if (hasOlder) {
          update(boot(board), OTHER);
          update(boot(board), OLD_FULL);
        }
        interrupted(FULL, {}, board);
        overwriteApp(board, 'ota_1', 16);
        const before = board.flash.snapshot();
        const report = assertTruth(board, { damaged: undefined });
        assert.equal(report.partition, 'storage');
        assert.deepEqual(differences(board.flash.snapshot(), before), []);
      });
});

describe('05: an update that was given up as damaged', () => {
  for (const partition of ['storage', 'near'])
    it(`never speaks again, though a direct update of ${partition} is cut while it begins`, () => {
      // 1. An update is cut. 2. An app OTA takes its backup, and that app runs. 3. The remedy.
      const board = interrupted();
      overwriteApp(board, 'ota_1', 16);
      board.setRunning('ota_1');
      assertTruth(board, { damaged: undefined });
      assert.equal(update(boot(board), NEW, { backup: false }).state, 'committed');
      // 4. The next app OTA, back in the first slot.
      overwriteApp(board, 'ota_0', 16);
      board.setRunning('ota_0');
      assertTruth(board, { committed: NEW });
      // 5. Any further direct update, cut anywhere.
      const isSame = partition === 'storage';
      const next = pattern('next', board.partition(partition).size);
      inEachStep(
        board,
        (ota) => update(ota, next, { partition, backup: false }),
        () => {
          if (isSame)
            assertTruth(board, { committed: undefined, incomplete: undefined, restored: NEW });
          const { state } = boot(board).recover();
          const held = isSame && state === 'committed' ? [NEW, next] : isSame ? [] : [NEW];
          const { address } = board.partition('storage');
          assert.ok(!held.length || held.some((it) => board.flash.holds(address, it)), state);
        },
      );
    });
});

describe('13: the app', () => {
  it('that the bootloader fell back to is not written, though no chip tells that it runs', () => {
    const board = boardWith({ board: 'ESP32C3' });
    // otadata names ota_1, which no longer begins as an image; the bootloader has started ota_0.
    board.flash.load(0x0d * SECTOR, otaEntry(2));
    board.flash.load(board.partition('ota_1').address, Uint8Array.of(0));
    const apps = ['ota_0', 'ota_1'].map((label) => Uint8Array.from(board.content(label)));
    const plan = boot(board).plan(STORAGE);
    assert.equal(plan.running, '');
    assert.equal(plan.backup?.label, undefined);
    assert.equal(update(boot(board), NEW).state, 'committed');
    for (const backup of ['ota_0', 'ota_1'])
      assert.throws(() => boot(board).begin({ ...STORAGE, backup }), { code: 'E_FORBIDDEN' });
    assert.deepEqual(
      ['ota_0', 'ota_1'].map((label) => Uint8Array.from(board.content(label))),
      apps,
    );
  });
});

describe('16: a row', () => {
  it('that begins within a sector keeps its last bytes', () => {
    // From 0x43800 to 0x46800 it touches four sectors. Without a slot the backup is the free flash behind them.
    const cal = row('cal', 1, 0x40, 0x43 + 0.5, 3);
    const table = [
      ...WITH_JOURNAL.filter(({ label }) => label !== 'ota_1'),
      cal,
      row('end', 1, 0x40, 0x60, 0xa0),
    ];
    const content = pattern('calibration', 3 * SECTOR);
    const board = boardWith({ table, partitions: { cal: content } });
    // Free are 0x20 to 0x30, and 0x47 to 0x60, which is larger.
    assert.equal(boot(board).plan(STORAGE).backup?.address, 0x47 * SECTOR);
    const start = board.flash.snapshot();
    assert.equal(update(boot(board), pattern('all new', SECTORS * SECTOR)).state, 'committed');
    assert.deepEqual(Uint8Array.from(board.content('cal')), content);
    const written = differences(board.flash.snapshot(), start);
    assert.ok(written.includes(0x47));
  });
});
