/**
 * The table above `recover` in device/ota.ts, row by row. The chips are made by real calls that lose power between any two
 * operations; what their journals hold is read here, by the format in device/records.ts.
 */
import assert from 'node:assert/strict';
import type { Options, RecoverOptions, Report } from '../../device/api.ts';
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
} from '../../device/records.ts';
import { type Board, SECTOR, type Snapshot, encodeTable } from '../../host/index.ts';
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
  codeOf,
  during,
  record,
  update,
} from '../support/fixtures.ts';
import type { Ota } from '../support/subject.ts';

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

/** A case, in which `any` makes no difference; what `status` and `recover` report; what `recover` writes. */
type Row = [
  decision: number,
  isSolid: boolean | undefined,
  trial: Case['trial'] | undefined,
  isUsable: boolean | undefined,
  status: Report['state'],
  recover: Report['state'],
  writes: string,
];

const any = undefined;
const [yes, no] = [true, false];

/** What is written behind the sectors that are put back; the whole of it; `again`: the last record once more. */
const END = 'ENDING, RESTORED, SOLID';
const WHOLE = `RESTORE, SOLID, sectors, ${END}`;

const ROWS: Row[] = [
  [0, any, any, any, 'none', 'none', ''],
  [RESTORED, yes, any, any, 'restored', 'restored', ''],
  [RESTORED, no, any, yes, 'restored', 'restored', `zeros, ${END}`],
  [RESTORED, no, any, no, 'restored', 'restored', ''],
  [BEGIN, no, any, yes, 'interrupted', 'restored', `BEGIN, SOLID, zeros, ${END}`],
  [BEGIN, no, any, no, 'restored', 'restored', ''],
  [SAVED, no, any, yes, 'interrupted', 'restored', `zeros, again, ${WHOLE}`],
  [SAVED, no, any, no, 'damaged', 'damaged', ''],
  [RESTORE, no, any, yes, 'interrupted', 'restored', `zeros, ${WHOLE}`],
  [RESTORE, yes, any, yes, 'interrupted', 'restored', `sectors, zeros, ${END}`],
  [RESTORE, any, any, no, 'damaged', 'damaged', ''],
  [COMMIT, no, 'none', yes, 'committed', 'committed', 'zeros, again, CONFIRM, SOLID'],
  [COMMIT, no, 'left', yes, 'trial', 'trial', 'zeros, again, BOOT'],
  [COMMIT, no, 'over', yes, 'trial', 'restored', `zeros, again, ${WHOLE}`],
  [COMMIT, no, any, no, 'committed', 'committed', ''],
  [REOPEN, no, any, yes, 'committed', 'committed', 'zeros, CONFIRM, SOLID'],
  [REOPEN, no, any, no, 'committed', 'committed', ''],
  [CONFIRM, yes, any, any, 'committed', 'committed', ''],
  [CONFIRM, no, any, yes, 'committed', 'committed', 'zeros, CONFIRM, SOLID'],
  [CONFIRM, no, any, no, 'committed', 'committed', ''],
];

/** Whether a row is that of a case. */
const matches = ([decision, isSolid, trial, isUsable]: Row, found: Case) =>
  decision === found.decision &&
  (isSolid ?? found.isSolid) === found.isSolid &&
  (trial ?? found.trial) === found.trial &&
  (isUsable ?? found.isUsable) === found.isUsable;

/** Whether no journal has a case: SOLID follows no other decision. */
const isNever = ({ decision, isSolid }: Case) =>
  isSolid && [BEGIN, SAVED, COMMIT, REOPEN].includes(decision);

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
    if (step.address >= address && step.address < address + size) return 'sectors';
    assert.equal(step.length, SLOT);
    return step.data![0] ? RECORD_NAMES[step.data![0]] : 'zeros';
  });
  const isOnce = (word: string) => word === 'zeros' || word === 'sectors';
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
    (ota) => update(ota, NEW, { trial: 2 }),
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
            const rows = ROWS.filter((row) => matches(row, one));
            assert.equal(rows.length, isNever(one) ? 0 : 1, nameOf(one));
          }
  });

  for (const row of ROWS) {
    const [decision, isSolid, trial, isUsable, status, recover, writes] = row;
    it(nameOf({ decision, isSolid, trial, isUsable }), () => {
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
            assertIdle('in status', board, () => assert.equal(ota.status().state, status));
            let report: Report | undefined;
            const steps = record(board, () => (report = ota.recover()));
            assert.equal(wordsOf(board, steps), writes.replace('again', RECORD_NAMES[facts.last]));
            assert.equal(report!.state, recover);
            if (recover === 'restored') assertHolds(board, 'storage', OLD);
            if (/^(committed|trial)$/.test(recover)) assertHolds(board, 'storage', NEW);
            assertIdle('in a second call', board, () => ota.recover());
          },
        );
      }
    });
  }
});

const leaveOpen = (ota: Ota, options: Partial<Options> = {}) =>
  ota.begin({ ...STORAGE, ...options }).write(NEW.subarray(0, 3 * SECTOR));

/** Overwrites a sector, as an app does or an app OTA. */
const overwrite = (board: Board, label: string, sector: number) =>
  board.flash.load(board.partition(label).address + sector * SECTOR, new Uint8Array(SECTOR));

/** Lets all trial boots of an update happen. */
const expire = (ota: Ota, board: Board) => {
  update(ota, NEW, { trial: 1 });
  board.flash.cut();
  assert.equal(boot(board).recover().boots, 1);
};

/** Where slot `slot` of the journal that began in the last sector is. */
const slotAt = (slot: number) => JOURNAL + slot * SLOT;

/** Makes a slot of the journal read as zero. */
const zero = (board: Board, slot: number) => board.flash.load(slotAt(slot), new Uint8Array(SLOT));

/** An update that is damaged, and a direct one after it that has not come to its first sector. */
function leaveVoid(board: Board): void {
  leaveOpen(boot(board));
  overwrite(board, 'ota_1', 0);
  const ota = boot(board);
  const steps = record(board, () => update(ota, NEW, { backup: false }));
  const { address, size } = board.partition('storage');
  const isTarget = (step: Step) => step.address >= address && step.address < address + size;
  board.flash.restore(steps.find(isTarget)!.before);
}

/** @returns what a report has. */
const known = (report: Partial<Report>) =>
  Object.fromEntries(Object.entries(report).filter(([, value]) => value !== undefined));

/** What a board goes through before power fails; what `status` and `recover` report, and what is written then. */
function exception(
  name: string,
  life: (ota: Ota, board: Board) => void,
  report: Partial<Report> & { status?: Report['state'] },
  writes: string,
  options?: RecoverOptions,
): void {
  it(name, () => {
    const board = boardWith();
    life(boot(board), board);
    board.flash.cut();
    const ota = boot(board);
    const { status = report.state, ...expected } = report;
    assertIdle('in status', board, () => assert.equal(ota.status().state, status));
    let found: Report | undefined;
    const steps = record(board, () => (found = ota.recover(options)));
    assert.deepEqual(known(found!), known({ partition: 'storage', sealed: true, ...expected }));
    assert.equal(wordsOf(board, steps), writes);
    if (report.sealed === false) return;
    assertIdle('in status, afterwards', board, () => {
      const { state, partition } = ota.status();
      assert.deepEqual(
        known({ state, partition }),
        known({ state: found!.state, partition: found!.partition }),
      );
    });
  });
}

describe('the table of recover does not hold for', () => {
  exception('resume: true', (ota) => leaveOpen(ota), { state: 'interrupted' }, '', {
    resume: true,
  });
  exception(
    'a direct update',
    (ota) => leaveOpen(ota, { backup: false }),
    { state: 'incomplete' },
    '',
  );
  exception('BEGIN with VOID', (_, board) => leaveVoid(board), { state: 'incomplete' }, '');
  exception(
    'an update whose backup was changed',
    (ota, board) => {
      leaveOpen(ota);
      overwrite(board, 'ota_1', 0);
    },
    { state: 'damaged' },
    '',
  );
  exception(
    'an update of which a SAVED is lost',
    (ota, board) => {
      leaveOpen(ota);
      zero(board, 3);
    },
    { state: 'damaged' },
    '',
  );
  exception(
    'an update whose BEGIN is lost',
    (ota, board) => {
      leaveOpen(ota);
      zero(board, 0);
    },
    { state: 'damaged' },
    '',
  );
  for (const [state, end] of [
    ['committed', () => undefined],
    ['restored', (ota: Ota) => ota.restore()],
  ] as const)
    exception(
      `an update that was ${state} and whose BEGIN is lost, except that it is still so`,
      (ota, board) => {
        update(ota, NEW);
        end(ota);
        zero(board, 0);
      },
      { state },
      '',
    );
});

describe('the table of recover does not hold either for', () => {
  exception(
    'a journal of which SOLID in slot 1 reads zero',
    (ota, board) => {
      leaveOpen(ota);
      zero(board, 1);
    },
    { state: 'none', partition: undefined, sealed: undefined },
    '',
  );
  for (const [label, sector] of [['ota_1', 0] as const, ['storage', 3] as const])
    exception(
      `a trial that is over, if a sector of ${label} was changed`,
      (ota, board) => {
        expire(ota, board);
        overwrite(board, label, sector);
      },
      { status: 'trial', state: 'committed', code: 'E_CHANGED' },
      'zeros, BOOT, CONFIRM, SOLID',
    );
  exception(
    'a trial that is over, if a SAVED is lost',
    (ota, board) => {
      expire(ota, board);
      zero(board, 3);
    },
    { status: 'trial', state: 'committed', code: 'E_CHANGED' },
    'zeros, BOOT, CONFIRM, SOLID',
  );
  exception(
    'a journal whose sector keeps nothing more',
    (ota, board) => {
      leaveOpen(ota);
      board.flash.faults = [
        ({ kind, address }) =>
          kind === 'program' && address >= JOURNAL && address < JOURNAL + SECTOR
            ? 'nothing'
            : undefined,
      ];
    },
    { status: 'interrupted', state: 'restored', sealed: false },
    'zeros, sectors',
  );
});

/** Other lives: what they leave is not in the table. */
const MORE_LIVES: ((board: Board) => void)[] = [
  (board) => leaveOpen(boot(board), { backup: false }),
  leaveVoid,
  (board) => {
    leaveOpen(boot(board));
    overwrite(board, 'ota_1', 0);
  },
  (board) => {
    leaveOpen(boot(board));
    zero(board, 3);
  },
  (board) => {
    leaveOpen(boot(board));
    zero(board, 0);
  },
  (board) => {
    expire(boot(board), board);
    overwrite(board, 'ota_1', 0);
  },
  (board) => {
    update(boot(board), NEW);
    zero(board, 0);
  },
];

const board = boardWith();
const chips: Snapshot[] = [];

/** Makes the chips of all lives, each with `storage` as it was, and once it must not be written to any more. */
function makeChips(): void {
  for (const chip of LIVES.flatMap(chipsOf)) chips.push(chip);
  for (const life of MORE_LIVES) {
    const other = boardWith();
    life(other);
    other.flash.cut();
    chips.push(other.flash.snapshot());
  }
  for (const chip of [...chips]) {
    board.flash.restore(chip);
    board.flash.load(0x8000, encodeTable(READONLY));
    board.flash.cut();
    chips.push(board.flash.snapshot());
  }
}

/** Calls a check with each chip, and what starts a boot with it. */
function everyChip(check: (start: () => Ota) => void): void {
  for (const [n, chip] of chips.entries()) {
    const start = () => {
      board.flash.restore(chip);
      board.flash.cut();
      return boot(board);
    };
    during(
      () => `chip ${n} of ${chips.length}, ${start().status().state}`,
      () => check(start),
    );
  }
}

describe('status, plan, begin and recover say the same', () => {
  before(makeChips);

  it('begin() throws what plan() throws, and goes where plan() says', () => {
    everyChip((start) => {
      for (const options of [
        STORAGE,
        { ...STORAGE, backup: false } as const,
        { partition: 'near', backup: 'spare' },
      ]) {
        const planned = codeOf(() => start().plan(options));
        const ota = start();
        assert.equal(
          codeOf(() => ota.begin(options)),
          planned,
        );
      }
    });
  });

  it('status() is the same before and after, and what recover() reports is what status() says then', () => {
    everyChip((start) => {
      const ota = start();
      const before = ota.status();
      codeOf(() => ota.plan(STORAGE));
      assertIdle('in status', board, () => assert.deepEqual(ota.status(), before));
      const { state, partition, boots } = ota.recover();
      if (before.state === 'damaged' || before.state === 'incomplete' || before.state === 'none')
        assert.equal(state, before.state);
      for (const next of [() => ota, () => otaAfter(board)]) {
        const report = next().status();
        assert.deepEqual([report.state, report.partition, report.boots], [state, partition, boots]);
      }
    });
  });

  it('begin() is E_PENDING for all but a direct update while recover() says incomplete or damaged', () => {
    everyChip((start) => {
      const ota = start();
      const { state } = ota.recover();
      const isVoid = state === 'incomplete' || state === 'damaged';
      // A partition that must not be written to is refused first.
      const code = codeOf(() => ota.plan(STORAGE));
      if (code !== 'E_FORBIDDEN')
        assert.equal(code === 'E_PENDING', isVoid || state === 'trial', state);
      if (code === 'E_PENDING' && isVoid)
        assert.equal(
          codeOf(() => ota.plan({ ...STORAGE, backup: false })),
          'nothing thrown',
        );
    });
  });
});

/** @returns the module at the next boot. */
function otaAfter(board: Board): Ota {
  board.flash.cut();
  return boot(board);
}
