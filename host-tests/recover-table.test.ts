/**
 * The table above `recover` in device/ota.ts, row by row. The chips are made by real calls that lose power between any two
 * operations; what their journals hold is read here, by the format in device/records.ts.
 */
import assert from 'node:assert/strict';
import type { Options, RecoverOptions, Report } from '../device/api.ts';
import {
  BEGIN,
  BOOT,
  COMMIT,
  CONFIRM,
  RECORD_NAMES,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  SLOT,
  SLOTS,
  SOLID,
} from '../device/records.ts';
import { type Board, SECTOR, type Snapshot, encodeTable } from '../host/index.ts';
import {
  NEW,
  OLD,
  STORAGE,
  type Step,
  WITH_JOURNAL,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  during,
  record,
  update,
} from './fixtures.ts';
import type { Ota } from './subject.ts';

/** What a row is found by. */
interface Case {
  /** The last decision; 0: there is no journal. */
  decision: number;
  /** Whether SOLID follows the decision; for RESTORE: whether it ends the log. */
  isSolid: boolean;
  /** Trial boots: COMMIT allows none; some are left; all have happened. */
  trial: 'none' | 'left' | 'over';
  /** Whether target and journal may still be written to. */
  isUsable: boolean;
}

/** What is missing of its case makes no difference. */
interface Row extends Partial<Case> {
  status: Report['state'];
  recover: Report['state'];
  /** `again`: the last record once more. */
  writes: string;
}

const PUT_BACK = 'old content, zeros, ENDING, RESTORED, SOLID';
const RESTORED_ANEW = 'RESTORE, SOLID, old content, ENDING, RESTORED, SOLID';

const ROWS: Row[] = [
  { decision: 0, status: 'none', recover: 'none', writes: '' },
  { decision: RESTORED, isSolid: true, status: 'restored', recover: 'restored', writes: '' },
  {
    ...{ decision: RESTORED, isSolid: false, isUsable: true },
    ...{ status: 'restored', recover: 'restored', writes: 'zeros, ENDING, RESTORED, SOLID' },
  },
  {
    ...{ decision: RESTORED, isSolid: false, isUsable: false },
    ...{ status: 'restored', recover: 'restored', writes: '' },
  },
  {
    ...{ decision: BEGIN, isSolid: false, isUsable: true },
    ...{ status: 'interrupted', recover: 'restored', writes: 'zeros, ENDING, RESTORED, SOLID' },
  },
  {
    ...{ decision: BEGIN, isSolid: false, isUsable: false },
    ...{ status: 'damaged', recover: 'damaged', writes: '' },
  },
  {
    ...{ decision: SAVED, isSolid: false, isUsable: true },
    ...{ status: 'interrupted', recover: 'restored', writes: `zeros, again, ${RESTORED_ANEW}` },
  },
  {
    ...{ decision: SAVED, isSolid: false, isUsable: false },
    ...{ status: 'damaged', recover: 'damaged', writes: '' },
  },
  {
    ...{ decision: RESTORE, isSolid: false, isUsable: true },
    ...{ status: 'interrupted', recover: 'restored', writes: `zeros, ${RESTORED_ANEW}` },
  },
  {
    ...{ decision: RESTORE, isSolid: true, isUsable: true },
    ...{ status: 'interrupted', recover: 'restored', writes: PUT_BACK },
  },
  { decision: RESTORE, isUsable: false, status: 'damaged', recover: 'damaged', writes: '' },
  {
    ...{ decision: COMMIT, isSolid: false, trial: 'none', isUsable: true },
    ...{ status: 'committed', recover: 'committed', writes: 'zeros, again, CONFIRM, SOLID' },
  },
  {
    ...{ decision: COMMIT, isSolid: false, trial: 'left', isUsable: true },
    ...{ status: 'trial', recover: 'trial', writes: 'zeros, again, BOOT' },
  },
  {
    ...{ decision: COMMIT, isSolid: false, trial: 'over', isUsable: true },
    ...{ status: 'trial', recover: 'restored', writes: `zeros, again, ${RESTORED_ANEW}` },
  },
  {
    ...{ decision: COMMIT, isSolid: false, isUsable: false },
    ...{ status: 'committed', recover: 'committed', writes: '' },
  },
  {
    ...{ decision: REOPEN, isSolid: false, isUsable: true },
    ...{ status: 'committed', recover: 'committed', writes: 'zeros, CONFIRM, SOLID' },
  },
  {
    ...{ decision: REOPEN, isSolid: false, isUsable: false },
    ...{ status: 'committed', recover: 'committed', writes: '' },
  },
  { decision: CONFIRM, isSolid: true, status: 'committed', recover: 'committed', writes: '' },
  {
    ...{ decision: CONFIRM, isSolid: false, isUsable: true },
    ...{ status: 'committed', recover: 'committed', writes: 'zeros, CONFIRM, SOLID' },
  },
  {
    ...{ decision: CONFIRM, isSolid: false, isUsable: false },
    ...{ status: 'committed', recover: 'committed', writes: '' },
  },
];

/** Cases that no journal has: SOLID follows no other decision. */
const NEVER: Partial<Case>[] = [BEGIN, SAVED, COMMIT, REOPEN].map((decision) => ({
  decision,
  isSolid: true,
}));

const matches = (row: Partial<Case>, found: Case) =>
  (['decision', 'isSolid', 'trial', 'isUsable'] as const).every(
    (name) => row[name] === undefined || row[name] === found[name],
  );

const nameOf = ({ decision, isSolid, trial, isUsable }: Partial<Case>) =>
  [
    RECORD_NAMES[decision!] || 'no journal',
    isSolid === undefined ? [] : isSolid ? 'with SOLID' : 'without SOLID',
    trial === undefined ? [] : `trial boots: ${trial}`,
    isUsable === undefined ? [] : isUsable ? 'usable' : 'not usable',
  ]
    .flat()
    .join(', ');

/** Where the journal begins: the last sector of ota_journal. */
const JOURNAL = 0x42 * SECTOR;

/** @returns type and argument of each record; the chips here have neither holes nor torn records. */
function recordsOn({ flash }: Board): { type: number; argument: number }[] {
  const slots = Array.from({ length: SLOTS }, (_, n) => flash.peek(JOURNAL + n * SLOT, 2));
  return slots
    .map(([type, argument]) => ({ type, argument }))
    .filter(({ type }) => type > 0 && type < 255);
}

/** @returns the case of a chip. */
function caseOf(board: Board, isUsable: boolean): Case & { last: number } {
  const records = recordsOn(board);
  const [head, solid, ...log] = records;
  const none = { decision: 0, isSolid: false, trial: 'none', isUsable, last: 0 } as const;
  if (head?.type !== BEGIN || solid?.type !== SOLID) return none;
  const at = log.findLastIndex(({ type }) => type <= CONFIRM);
  const decision = log[at]?.type ?? BEGIN;
  const after = log.slice(at + 1).map(({ type }) => type);
  const commit = log.findLast(({ type }) => type === COMMIT);
  const boots = log.findLast(({ type }) => type === BOOT)?.argument ?? 0;
  const trial = !commit?.argument ? 'none' : boots < commit.argument ? 'left' : 'over';
  const isSolid = decision === RESTORE ? after.at(-1) === SOLID : after.includes(SOLID);
  return { decision, isSolid, trial, isUsable, last: log.at(-1)?.type ?? BEGIN };
}

/** @returns what some operations write, in words. */
function wordsOf(board: Board, steps: Step[]): string {
  const { address, size } = board.partition('storage');
  const words = steps.map((step) => {
    if (step.address >= address && step.address < address + size) return 'old content';
    assert.equal(step.length, SLOT);
    return step.data![0] ? RECORD_NAMES[step.data![0]] : 'zeros';
  });
  const isOnce = (word: string) => word === 'zeros' || word === 'old content';
  return words.filter((word, n) => word !== words[n - 1] || !isOnce(word)).join(', ');
}

/** Lives of a board, in calls between which it boots. All that can be in a journal happens in one of them. */
const LIVES: ((ota: Ota) => unknown)[][] = [
  [(ota) => update(ota, NEW), (ota) => ota.restore()],
  [
    (ota) => update(ota, NEW, { trial: 2 }),
    ...Array.from({ length: 3 }, () => (ota: Ota) => ota.recover()),
  ],
  [
    (ota) => update(ota, NEW, { trial: 1 }),
    (ota) => ota.recover(),
    (ota) => ota.confirm(),
    (ota) => ota.restore(),
  ],
  [(ota) => ota.begin(STORAGE).write(NEW.subarray(0, 3 * SECTOR)), (ota) => ota.recover()],
];

/** @returns the chip before each operation of a life, and after the last one. */
function chipsOf(life: ((ota: Ota) => unknown)[]): Snapshot[] {
  const board = boardWith();
  const chips = life.flatMap((call) => {
    const ota = boot(board);
    const steps = record(board, () => call(ota));
    board.flash.cut();
    return steps.map(({ before }) => before);
  });
  return [...chips, board.flash.snapshot()];
}

/** The table once `storage` must not be written to any more. */
const READONLY = WITH_JOURNAL.map((row) => ({ ...row, flags: row.label === 'storage' ? 2 : 0 }));

describe('the table of recover', () => {
  const board = boardWith();
  const found = new Map<Row, { chip: Snapshot; facts: ReturnType<typeof caseOf> }[]>();

  before(() => {
    for (const chip of LIVES.flatMap(chipsOf))
      for (const isUsable of [true, false]) {
        board.flash.restore(chip);
        const facts = caseOf(board, isUsable);
        const row = ROWS.find((row) => matches(row, facts));
        assert.ok(row, `no row for ${nameOf(facts)}`);
        found.set(row, [...(found.get(row) ?? []), { chip, facts }]);
      }
  });

  it('has one row for each case', () => {
    for (let decision = 0; decision <= CONFIRM; decision++)
      for (const isSolid of [true, false])
        for (const trial of ['none', 'left', 'over'] as const)
          for (const isUsable of [true, false]) {
            const one = { decision, isSolid, trial, isUsable };
            const rows = [...ROWS, ...NEVER].filter((row) => matches(row, one));
            assert.equal(rows.length, 1, nameOf(one));
          }
  });

  for (const row of ROWS)
    it(nameOf(row), () => {
      const chips = found.get(row) ?? [];
      assert.ok(chips.length, 'no chip is one of this row');
      for (const { chip, facts } of chips) {
        board.flash.restore(chip);
        if (!facts.isUsable) board.flash.load(0x8000, encodeTable(READONLY));
        board.flash.cut();
        const ota = boot(board);
        during(
          () => `${nameOf(facts)}, ${chips.length} chips`,
          () => {
            assertIdle('in status', board, () => assert.equal(ota.status().state, row.status));
            let report: Report | undefined;
            const steps = record(board, () => (report = ota.recover()));
            const writes = row.writes.replace('again', RECORD_NAMES[facts.last]);
            assert.equal(wordsOf(board, steps), writes);
            assert.equal(report!.state, row.recover);
            if (row.recover === 'restored') assertHolds(board, 'storage', OLD);
            if (/^(committed|trial)$/.test(row.recover)) assertHolds(board, 'storage', NEW);
            assertIdle('in a second call', board, () => ota.recover());
          },
        );
      }
    });
});

/** What the rows do not tell: more of the flash or of the call than a case has. */
interface Exception {
  name: string;
  /** What the board goes through before power fails. */
  life: (ota: Ota, board: Board) => void;
  options?: RecoverOptions;
  report: Partial<Report>;
  writes: string;
}

const leaveOpen = (ota: Ota, options: Partial<Options> = {}) =>
  ota.begin({ ...STORAGE, ...options }).write(NEW.subarray(0, 3 * SECTOR));

/** Spoils the copy of the first sector that was saved: as an app OTA does. */
const spoilBackup = (board: Board) =>
  board.flash.load(board.partition('ota_1').address, new Uint8Array(SECTOR));

/** Lets all trial boots of an update happen. */
const expire = (ota: Ota, board: Board) => {
  update(ota, NEW, { trial: 1 });
  board.flash.cut();
  assert.equal(boot(board).recover().boots, 1);
};

const EXCEPTIONS: Exception[] = [
  {
    name: 'resume: true leaves an open update open',
    life: (ota) => leaveOpen(ota),
    options: { resume: true },
    report: { state: 'interrupted', sealed: true },
    writes: '',
  },
  {
    name: 'a direct update has nothing to put back',
    life: (ota) => leaveOpen(ota, { backup: false }),
    report: { state: 'incomplete', sealed: true },
    writes: '',
  },
  {
    name: 'nothing is put back from a backup that was changed',
    life: (ota, board) => {
      leaveOpen(ota);
      spoilBackup(board);
    },
    report: { state: 'damaged', sealed: true },
    writes: '',
  },
  {
    name: 'a trial that is over stays if its backup was changed',
    life: (ota, board) => {
      expire(ota, board);
      spoilBackup(board);
    },
    report: { state: 'committed', sealed: true, code: 'E_CHANGED' },
    writes: 'zeros, BOOT, CONFIRM, SOLID',
  },
  {
    name: 'a trial that is over stays if the app has changed a sector that was not saved',
    life: (ota, board) => {
      expire(ota, board);
      const { address } = board.partition('storage');
      board.flash.load(address + 3 * SECTOR, new Uint8Array(16));
    },
    report: { state: 'committed', sealed: true, code: 'E_CHANGED' },
    writes: 'zeros, BOOT, CONFIRM, SOLID',
  },
];

describe('where the table of recover is not all', () => {
  for (const { name, life, options, report, writes } of EXCEPTIONS)
    it(name, () => {
      const board = boardWith();
      life(boot(board), board);
      board.flash.cut();
      const ota = boot(board);
      let found: Report | undefined;
      const steps = record(board, () => (found = ota.recover(options)));
      assert.deepEqual({ ...found }, { partition: 'storage', ...report });
      assert.equal(wordsOf(board, steps), writes);
    });
});
