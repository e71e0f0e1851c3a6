/**
 * Ways out: wherever an app OTA, a new partition table, a chip that fails or an app that gives up again and again
 * leaves an update, the target holds one of its contents, the report is true, and a next update is possible.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Options, Progress, Report } from '../../device/api.ts';
import { SLOT } from '../../device/records.ts';
import {
  Board,
  type Mood,
  type Row,
  SECTOR,
  TABLES,
  TEARS,
  differences,
  encodeTable,
  pattern,
} from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  SECTORS,
  SMALL,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  cutIn,
  nameOf,
  record,
  row,
  tearsIn,
  update,
  letterOfType,
} from '../support/fixtures.ts';
import { type Ota, otaOf, uploadTo } from '../support/subject.ts';

const SPARE: Options = { ...STORAGE, backup: 'spare' };
const DIRECT: Options = { ...STORAGE, backup: false };
/** An update of another partition. */
const NEAR: Options = { partition: 'near', backup: 'spare' };
const NEAR_IMAGE = pattern('another', 2 * SECTOR);

/** Cuts power between two operations, and boots. */
function reboot(board: Board, mood: Mood = 'after'): Ota {
  board.flash.cut();
  return boot(board, mood);
}

/** Makes an app OTA into a slot: a new app is in its first half, and runs. The rest of the slot is as it was. */
function runAppIn(board: Board, label: string): Ota {
  board.flash.load(board.partition(label).address, pattern('new app', 8 * SECTOR));
  board.setRunning(label);
  return reboot(board);
}

/** Begins an update and leaves it there, some sectors later. */
function leaveOpen(ota: Ota, options: Options = STORAGE, sectors = 3): void {
  ota.begin(options).write(NEW.subarray(0, sectors * SECTOR));
}

/** Fills a sector of `storage` with a byte, as an app that writes there does. */
function overwrite(board: Board, sector: number, byte: number): void {
  const { address } = board.partition('storage');
  board.flash.load(address + sector * SECTOR, new Uint8Array(SECTOR).fill(byte));
}

/** The letter of a step that programs a record; nothing for others. */
function letterOf({ data }: { data?: Uint8Array }): string {
  return data?.length === SLOT ? letterOfType(data[0]) : '';
}

/** Checks that another partition can be updated, and this one. */
function assertUpdatable(board: Board, ota: Ota): void {
  const image = pattern('near, next', 2 * SECTOR);
  assert.equal(update(ota, image, NEAR).state, 'committed');
  assertHolds(board, 'near', image);
  const next = pattern('storage, next', SECTORS * SECTOR);
  assert.equal(update(ota, next, SPARE).state, 'committed');
  assertStays(board, 'committed', next);
}

/** Checks that recover reports this, at this boot and the next ones, and writes nothing. */
function assertStays(board: Board, state: Report['state'], content: Uint8Array): void {
  for (const mood of ['after', 'before', 'ones', 'zeros'] as const)
    assertIdle(`with cells that read ${mood}`, board, () => {
      assert.equal(reboot(board, mood).recover().state, state);
      assertHolds(board, 'storage', content);
    });
}

describe('ways out of an app OTA into the slot that holds the backup', () => {
  for (const [name, table, place] of [
    ['free flash', SMALL, undefined],
    ['ota_journal', WITH_JOURNAL, 'ota_journal'],
  ] as const) {
    it(`updates directly as told, and keeps that when the first app runs again, with the journal in ${name}`, () => {
      const board = boardWith({ table });
      let ota = boot(board);
      assert.equal(ota.plan(STORAGE).backup?.label, 'ota_1');
      assert.equal(ota.plan(STORAGE).journal.label, place);
      leaveOpen(ota);

      ota = runAppIn(board, 'ota_1');
      assert.equal(ota.recover().state, 'damaged');
      assert.equal(
        codeOf(() => ota.begin(SPARE)),
        'E_PENDING',
      );
      assert.equal(update(ota, NEW, DIRECT).state, 'committed');
      assertHolds(board, 'storage', NEW);
      assertStays(board, 'committed', NEW);

      ota = reboot(board);
      assert.equal(update(ota, NEAR_IMAGE, NEAR).state, 'committed');
      assert.equal(update(ota, OTHER, DIRECT).state, 'committed');
      assertStays(board, 'committed', OTHER);

      board.setRunning('ota_0');
      assertStays(board, 'committed', OTHER);
      assertUpdatable(board, reboot(board));
      assert.deepEqual(board.panics, []);
    });
  }

  it('puts back what was blank: nothing of that is in the slot', () => {
    const blank = new Uint8Array(SECTORS * SECTOR).fill(255);
    const board = boardWith({ table: SMALL, partitions: { storage: blank } });
    leaveOpen(boot(board));
    assert.equal(runAppIn(board, 'ota_1').recover().state, 'restored');
    assertStays(board, 'restored', blank);
    assertUpdatable(board, reboot(board));
  });

  it('keeps a direct update when the first app runs again at once', () => {
    const board = boardWith({ table: SMALL });
    leaveOpen(boot(board));
    assert.equal(update(runAppIn(board, 'ota_1'), NEW, DIRECT).state, 'committed');
    board.setRunning('ota_0');
    assertStays(board, 'committed', NEW);
  });

  it('goes on with another backup where the old content is still whole', () => {
    const board = boardWith();
    leaveOpen(boot(board));
    // The OTA has reached what the backup does not use, and the slot must not be written to any more.
    board.setRunning('ota_1');
    const ota = reboot(board);
    assert.equal(ota.recover({ resume: true }).state, 'interrupted');
    const { resumed, backup } = ota.plan(STORAGE);
    assert.equal(resumed, false);
    assert.equal(backup?.label, 'ota_0');
    const slot = board.content('ota_1');
    assert.equal(update(ota, NEW).state, 'committed');
    assert.deepEqual(board.content('ota_1'), slot);
    assert.equal(ota.restore().state, 'restored');
    assertStays(board, 'restored', OLD);
  });
});

describe('ways out of an app OTA into the slot that holds the backup of a trial', () => {
  function onTrial(trial: number): { board: Board; ota: Ota } {
    const board = boardWith();
    const ota = boot(board);
    assert.equal(ota.plan({ ...STORAGE, trial }).backup?.label, 'ota_1');
    assert.equal(update(ota, NEW, { trial }).state, 'trial');
    return { board, ota: runAppIn(board, 'ota_1') };
  }

  it('confirms it', () => {
    const { board, ota } = onTrial(3);
    assert.equal(ota.recover().state, 'trial');
    assert.equal(
      codeOf(() => ota.restore()),
      'E_STATE',
    );
    assert.equal(ota.confirm().state, 'committed');
    assertStays(board, 'committed', NEW);
    assertUpdatable(board, reboot(board));
  });

  it('confirms it without recover()', () => {
    const { board, ota } = onTrial(3);
    assert.equal(ota.confirm().state, 'committed');
    assertStays(board, 'committed', NEW);
  });

  it('lets it expire', () => {
    const { board, ota } = onTrial(2);
    assert.equal(ota.recover().state, 'trial');
    assert.equal(reboot(board).recover().state, 'trial');
    const report = reboot(board).recover();
    assert.equal(report.state, 'committed');
    assert.equal(report.code, 'E_CHANGED');
    assertStays(board, 'committed', NEW);
    assertUpdatable(board, reboot(board));
  });
});

describe('ways out of a lost backup', () => {
  it('keeps an expired trial, says E_CHANGED once, and writes nothing from then on', () => {
    const board = boardWith();
    update(boot(board), NEW, { ...SPARE, trial: 1 });
    board.load('spare', '');
    assert.equal(reboot(board).recover().state, 'trial');
    const { state, code, sealed } = reboot(board).recover();
    assert.deepEqual(
      { state, code, sealed },
      { state: 'committed', code: 'E_CHANGED', sealed: true },
    );
    assertHolds(board, 'storage', NEW);
    assertIdle('in 120 boots', board, () => {
      for (let n = 0; n < 120; n++) {
        const report = reboot(board).recover();
        assert.equal(report.state, 'committed');
        assert.equal(report.code, undefined);
      }
    });
    assertUpdatable(board, reboot(board));
  });

  it('does not report it any more when an update has followed in the same boot', () => {
    const board = boardWith();
    leaveOpen(boot(board), SPARE);
    board.load('spare', '');
    const ota = reboot(board);
    assert.equal(ota.recover().state, 'damaged');
    assert.equal(update(ota, OLD, DIRECT).state, 'committed');
    assert.equal(update(ota, NEW, { ...SPARE, trial: 2 }).state, 'trial');
    assert.equal(ota.status().state, 'trial');
    assert.equal(ota.recover().state, 'trial');
    assert.equal(ota.confirm().state, 'committed');
    assertStays(board, 'committed', NEW);
  });

  it('does not report what it has put back once another update is on trial', () => {
    const board = boardWith();
    leaveOpen(boot(board), SPARE);
    const ota = reboot(board);
    assert.equal(ota.recover().state, 'restored');
    assert.equal(update(ota, NEW, { ...SPARE, trial: 2 }).state, 'trial');
    assert.equal(ota.status().state, 'trial');
    assert.equal(reboot(board).status().state, 'trial');
  });
});

/** Starts an update that is given up, once, in the first callback for which `isDue` is true. */
function givenUp(options: Options, isDue: (progress: Progress) => boolean) {
  const board = boardWith();
  const ota = boot(board);
  let aborted: string | undefined;
  const started = ota.begin({
    ...options,
    onProgress: (progress) => {
      if (aborted || !isDue(progress)) return;
      aborted = 'begun';
      aborted = started.abort().state;
    },
  });
  const assertBack = () => {
    // The call itself is refused; that it throws is what stops the update.
    assert.equal(aborted, 'begun');
    assertHolds(board, 'storage', OLD);
    assert.equal(ota.status().state, 'restored');
    assertStays(board, 'restored', OLD);
    assertUpdatable(board, reboot(board));
  };
  return { board, ota, started, assertBack };
}

describe('ways out of abort() in a progress callback', () => {
  for (const at of [1, 2, SECTORS - 1]) {
    it(`stops write() after sector ${at}: E_STATE, and the old content is back`, () => {
      const { started, assertBack } = givenUp(
        STORAGE,
        ({ phase, done }) => phase === 'write' && done === at * SECTOR,
      );
      assert.equal(
        codeOf(() => started.write(NEW)),
        'E_STATE',
      );
      assertBack();
    });
  }

  for (const at of [SECTORS - 1, SECTORS]) {
    it(`stops end() after sector ${at}: E_STATE, and the old content is back`, () => {
      const { started, assertBack } = givenUp(
        STORAGE,
        ({ phase, done }) => phase === 'write' && done === at * SECTOR,
      );
      started.write(NEW.subarray(0, (SECTORS - 2) * SECTOR));
      assert.equal(
        codeOf(() => started.end()),
        'E_STATE',
      );
      assertBack();
    });
  }

  it('stops write() when a sector has been saved', () => {
    const { started, assertBack } = givenUp(
      STORAGE,
      ({ phase, done }) => phase === 'backup' && done === 2 * SECTOR,
    );
    assert.equal(
      codeOf(() => started.write(NEW)),
      'E_STATE',
    );
    assertBack();
  });

  it('stops end() while it verifies', () => {
    const { started, assertBack } = givenUp(
      { ...STORAGE, crc32: crc32(NEW) },
      ({ phase, done }) => phase === 'verify' && done < SECTORS * SECTOR,
    );
    started.write(NEW);
    // What is put back meanwhile has another CRC.
    assert.match(
      codeOf(() => started.end()),
      /^E_(STATE|VERIFY)$/,
    );
    assertBack();
  });
});

describe('ways out of calls in other progress callbacks', () => {
  it('stops backup()', () => {
    const { board, ota, started } = givenUp(
      STORAGE,
      ({ phase, done }) => phase === 'backup' && done === 2 * SECTOR,
    );
    assert.equal(
      codeOf(() => started.backup()),
      'E_STATE',
    );
    assert.equal(ota.status().state, 'restored');
    // It is over, so the app may write again.
    overwrite(board, 0, 0x33);
    assertStays(board, 'restored', board.content('storage'));
  });

  it('may come again and again, at every call of it', () => {
    const board = boardWith();
    const ota = boot(board);
    const started = ota.begin({
      ...STORAGE,
      onProgress: () => {
        started.abort();
      },
    });
    assert.equal(
      codeOf(() => started.write(NEW)),
      'E_STATE',
    );
    assert.equal(ota.status().state, 'restored');
    assertHolds(board, 'storage', OLD);
    assertStays(board, 'restored', OLD);
  });

  it('stops end() in the last call of all', () => {
    const { started, assertBack } = givenUp(
      STORAGE,
      ({ phase, done, total }) => phase === 'verify' && done === total,
    );
    started.write(NEW);
    assert.equal(
      codeOf(() => started.end()),
      'E_STATE',
    );
    assertBack();
  });

  for (const call of ['recover', 'restore', 'status'] as const) {
    it(`${call}() in that of recover() disturbs nothing, wherever power fails`, () => {
      const board = boardWith();
      leaveOpen(boot(board));
      const ota = reboot(board);
      const codes = new Set<string>();
      const steps = record(board, () => {
        const onProgress = () => codes.add(codeOf(() => ota[call]()));
        assert.equal(ota.recover({ onProgress }).state, 'restored');
      });
      assert.deepEqual([...codes], ['E_STATE']);
      for (const step of steps) {
        for (const tear of [TEARS.nothing, TEARS.someBits, TEARS.everyBit]) {
          cutIn(board, step, tear);
          assert.equal(boot(board).recover().state, 'restored', nameOf(step, steps, tear));
          assertHolds(board, 'storage', OLD);
        }
      }
    });
  }
});

describe('ways out of programs that do nothing', () => {
  for (const count of [1, 2, 3, 4, 8]) {
    it(`loses no old content to ${count} in a row, wherever they begin`, () => {
      for (let from = 1; from < 12; from++) {
        const board = boardWith();
        const ota = boot(board);
        let programs = 0;
        board.flash.faults = [
          ({ kind, length }) => {
            const isRecord = kind === 'program' && length === SLOT;
            return isRecord && ++programs >= from && programs < from + count
              ? 'nothing'
              : undefined;
          },
        ];
        const open = ota.begin(STORAGE);
        const code = codeOf(() => open.write(NEW.subarray(0, 3 * SECTOR)));
        assert.match(code, /^(nothing thrown|E_FLASH)$/, `from ${from}`);
        board.flash.faults = [];
        const report = reboot(board).recover();
        assert.match(report.state, /^(restored|none)$/, `from ${from}`);
        assertHolds(board, 'storage', OLD);
      }
    });
  }

  it('gives up with E_FLASH where they never work, and has touched nothing', () => {
    const board = boardWith();
    const ota = boot(board);
    board.flash.faults = [
      ({ kind, length }) => (kind === 'program' && length === SLOT ? 'nothing' : undefined),
    ];
    assert.equal(
      codeOf(() => update(ota, NEW)),
      'E_FLASH',
    );
    assertHolds(board, 'storage', OLD);
    board.flash.faults = [];
    assert.match(reboot(board).recover().state, /^(none|restored)$/);
    assertHolds(board, 'storage', OLD);
    assertUpdatable(board, reboot(board));
  });

  it('gives up with E_FLASH where they stop working half way, and puts the old content back', () => {
    const board = boardWith();
    const ota = boot(board);
    const open = ota.begin(SPARE);
    open.write(NEW.subarray(0, 2 * SECTOR));
    board.flash.faults = [
      ({ kind, length }) => (kind === 'program' && length === SLOT ? 'nothing' : undefined),
    ];
    assert.equal(
      codeOf(() => open.write(NEW.subarray(2 * SECTOR))),
      'E_FLASH',
    );
    board.flash.faults = [];
    assert.equal(reboot(board).recover().state, 'restored');
    assertStays(board, 'restored', OLD);
  });
});

describe('ways out of erases that do nothing', () => {
  for (const options of [SPARE, DIRECT])
    it(`gives up with E_FLASH before anything is touched, also where all is blank, backup: ${options.backup}`, () => {
      const board = boardWith({ partitions: { spare: '', ota_journal: '' } });
      const ota = boot(board);
      board.flash.faults = [({ kind }) => (kind === 'erase' ? 'nothing' : undefined)];
      assert.equal(
        codeOf(() => update(ota, NEW, options)),
        'E_FLASH',
      );
      assertHolds(board, 'storage', OLD);
      board.flash.faults = [];
      assert.match(reboot(board).recover().state, /^(none|restored)$/);
      assertHolds(board, 'storage', OLD);
      assertUpdatable(board, reboot(board));
    });
});

/** Flips some reads of a partition. */
function flip(board: Board, label: string, ...numbers: number[]): void {
  const { address, size } = board.partition(label);
  let reads = 0;
  board.flash.faults.push(({ kind, address: at }) =>
    kind === 'read' && at >= address && at < address + size && numbers.includes(++reads)
      ? 'flip'
      : undefined,
  );
}

/** Calls `act` with two reads of the backup flipped, one of them a second try of the other: each pair in turn. */
function flipPairs(make: () => Board, act: (board: Board, name: string) => void): void {
  for (let first = 1; first <= 30; first++)
    for (const step of [1, 2, 4, 8]) {
      const board = make();
      flip(board, 'spare', first, first + step);
      act(board, `reads ${first} and ${first + step}`);
    }
}

describe('ways out of a read that fails once', () => {
  for (const call of ['abort', 'recover', 'restore'] as const) {
    it(`${call}() puts back the right content all the same`, () => {
      for (let number = 1; number <= 2 * SECTORS; number++) {
        const board = boardWith();
        let ota = boot(board);
        const open = ota.begin(SPARE);
        open.write(NEW);
        if (call !== 'abort') ota = reboot(board);
        flip(board, 'spare', number);
        const { state } = call === 'abort' ? open.abort() : ota[call]();
        board.flash.faults = [];
        assert.equal(state, 'restored', `read ${number}`);
        assertHolds(board, 'storage', OLD);
        assert.equal(reboot(board).recover().state, 'restored', `read ${number}`);
        assertHolds(board, 'storage', OLD);
      }
    });
  }

  it('says E_FLASH when a slot reads otherwise twice while it is put back', () => {
    const board = boardWith();
    const open = boot(board).begin(SPARE);
    open.write(NEW.subarray(0, 2 * SECTOR));
    // Two slots are kept: eight reads check all of their pieces, the next ones put the first slot back, twice.
    flip(board, 'spare', ...Array.from({ length: 16 }, (_, n) => 9 + n));
    assert.equal(
      codeOf(() => open.abort()),
      'E_FLASH',
    );
    board.flash.faults = [];
    assert.equal(reboot(board).recover().state, 'restored');
    assertStays(board, 'restored', OLD);
  });

  it('in an update: what is saved, written and committed is right, whichever read it is', () => {
    for (const label of ['storage', 'spare'])
      for (let number = 1; number <= 4 * SECTORS; number++)
        for (const isAhead of [false, true]) {
          const board = boardWith();
          const ota = boot(board);
          flip(board, label, number);
          const open = ota.begin(SPARE);
          if (isAhead) open.backup();
          open.write(NEW);
          const { state } = open.end();
          board.flash.faults = [];
          const name = `read ${number} of ${label}`;
          assert.equal(state, 'committed', name);
          assertHolds(board, 'storage', NEW);
          const next = reboot(board);
          const code = codeOf(() => next.restore());
          // A sector that stayed and was read wrong by the commit looks as if the app had written to it since.
          if (label === 'storage' && code === 'E_CHANGED') assertStays(board, 'committed', NEW);
          else assert.equal(code, 'nothing thrown', name);
          if (code === 'nothing thrown') assertStays(board, 'restored', OLD);
        }
  });
});

describe('ways out of two reads that fail', () => {
  it('restore() that throws nothing has put the old content back', () => {
    for (const isCommitted of [false, true])
      flipPairs(
        () => {
          const board = boardWith();
          const open = boot(board).begin(SPARE);
          open.write(isCommitted ? NEW : NEW.subarray(0, 2 * SECTOR));
          if (isCommitted) open.end();
          reboot(board);
          return board;
        },
        (board, name) => {
          let state: string | undefined;
          const code = codeOf(() => ({ state } = otaOf(board).restore()));
          board.flash.faults = [];
          assert.match(code, /^(nothing thrown|E_FLASH|E_STATE)$/, name);
          if (code !== 'nothing thrown') return;
          assert.equal(state, 'restored', name);
          assertHolds(board, 'storage', OLD);
        },
      );
  });

  it('begin() that does not go on with an update has put the old content back', () => {
    flipPairs(
      () => {
        const board = boardWith();
        boot(board)
          .begin(SPARE)
          .write(NEW.subarray(0, 2 * SECTOR));
        // Its journal keeps nothing more: it cannot go on.
        const { address } = board.partition('ota_journal');
        const dead = address + SECTOR;
        reboot(board);
        board.flash.faults = [
          ({ kind, address: at }) =>
            kind !== 'read' && at >= dead && at < dead + SECTOR ? 'nothing' : undefined,
        ];
        otaOf(board).recover({ resume: true });
        return board;
      },
      (board, name) => {
        const code = codeOf(() => otaOf(board).begin(SPARE));
        assert.match(code, /^(nothing thrown|E_FLASH|E_PENDING)$/, name);
        if (code === 'nothing thrown') assertHolds(board, 'storage', OLD);
        board.flash.faults = [];
      },
    );
  });
});

describe('ways out of a cut in a decision', () => {
  it('right after REOPEN: restore() without recover() mixes nothing with what the app wrote', () => {
    const board = boardWith();
    const ota = boot(board);
    update(ota, NEW, SPARE);
    const records = record(board, () => ota.restore()).filter((step) => letterOf(step));
    const reopen = records.findIndex((step) => letterOf(step) === 'O');
    assert.ok(reopen >= 0);
    board.flash.restore(records[reopen + 1].before);
    // Sector 3 is the same in OLD and NEW, so it was never saved.
    overwrite(board, 3, 0x11);
    const content = board.content('storage');
    const next = reboot(board);
    assert.equal(
      codeOf(() => next.restore()),
      'E_CHANGED',
    );
    assertHolds(board, 'storage', content);
    assert.equal(next.recover().state, 'committed');
    assertStays(board, 'committed', content);
  });

  it('in CONFIRM: confirm() alone seals it', () => {
    const board = boardWith();
    const ota = boot(board);
    update(ota, NEW, { ...SPARE, trial: 1 });
    const steps = record(board, () => ota.confirm());
    const confirm = steps.find((step) => letterOf(step) === 'K')!;
    for (const tear of tearsIn(confirm)) {
      for (const [first, second] of [
        ['after', 'before'],
        ['before', 'after'],
        ['ones', 'zeros'],
        ['zeros', 'ones'],
      ] as const) {
        cutIn(board, confirm, tear);
        assert.equal(boot(board, first).confirm().state, 'committed');
        for (let n = 0; n < 3; n++)
          assertIdle(nameOf(confirm, steps, tear), board, () => {
            const report = reboot(board, n % 2 ? first : second).recover();
            assert.deepEqual([report.state, report.sealed], ['committed', true]);
            assert.equal(report.code, undefined);
          });
        assertHolds(board, 'storage', NEW);
      }
    }
  });

  for (const options of [SPARE, DIRECT])
    it(`between COMMIT and CONFIRM, backup: ${options.backup}: committed, and no code`, () => {
      const board = boardWith();
      const ota = boot(board);
      const steps = record(board, () => update(ota, NEW, options));
      board.flash.restore(steps.find((step) => letterOf(step) === 'K')!.before);
      const report = reboot(board).recover();
      assert.deepEqual([report.state, report.code], ['committed', undefined]);
      assertStays(board, 'committed', NEW);
    });
});

describe('ways out of a journal that is used up', () => {
  for (let count = 209; count <= 216; count++) {
    it(`changes all of ${count} sectors, and back`, () => {
      const sector = 0x30;
      const table: Row[] = [
        ...SMALL.slice(0, 5),
        row('storage', 1, 0x82, sector, count),
        row('spare', 1, 0x40, sector + count, count),
        row('ota_journal', 1, 6, sector + 2 * count, 2),
      ];
      const old = new Uint8Array(count * SECTOR).fill(0x5a);
      const board = boardWith({ table, size: 0x400000, partitions: { storage: old } });
      const ota = boot(board);
      const image = new Uint8Array(count * SECTOR).fill(0xa5);
      assert.equal(update(ota, image, SPARE, 64 * SECTOR).changed, count);
      assertHolds(board, 'storage', image);
      assert.equal(ota.restore().state, 'restored');
      assertHolds(board, 'storage', old);
      assert.equal(reboot(board).recover().sealed, true);
    });
  }
});

describe('ways out of a journal that is used up by what came to nothing', () => {
  it('updates after 120 boots that resumed and came no further', () => {
    const board = boardWith();
    const options = { ...STORAGE, size: NEW.length };
    leaveOpen(boot(board), options, 2);
    for (let n = 0; n < 120; n++) {
      const ota = reboot(board);
      assert.match(ota.recover({ resume: true }).state, /^(interrupted|restored)$/);
      ota.begin(options);
    }
    const ota = reboot(board);
    ota.recover({ resume: true });
    assert.equal(update(ota, NEW).state, 'committed');
    assertStays(board, 'committed', NEW);
    assertUpdatable(board, reboot(board));
  });

  it('has the old content after 120 boots that resumed and came no further', () => {
    const board = boardWith();
    const options = { ...STORAGE, size: NEW.length };
    leaveOpen(boot(board), options, 2);
    for (let n = 0; n < 120; n++) {
      const ota = reboot(board);
      ota.recover({ resume: true });
      ota.begin(options);
    }
    assert.equal(reboot(board).recover().state, 'restored');
    assertStays(board, 'restored', OLD);
  });

  it('updates directly after 60 direct updates that were given up', () => {
    const board = boardWith();
    const ota = boot(board);
    let previous = '';
    for (let n = 1; n <= 60; n++) {
      const code = codeOf(() => {
        const open = ota.begin(DIRECT);
        open.write(new Uint8Array(5 * SECTOR + 1).fill(n));
        assert.equal(open.abort().state, 'incomplete');
      });
      // One that has found the journal full makes the next begin another.
      assert.match(
        code,
        previous === 'E_SPACE' ? /^nothing thrown$/ : /^(nothing thrown|E_SPACE)$/,
      );
      previous = code;
    }
    const next = reboot(board);
    assert.equal(next.recover().state, 'incomplete');
    assert.equal(update(next, NEW, DIRECT).state, 'committed');
    assertStays(board, 'committed', NEW);
    assertUpdatable(board, reboot(board));
  });
});

describe('ways out of a new partition table', () => {
  const MOVED = WITH_JOURNAL.map((row) =>
    row.label === 'storage'
      ? { ...row, address: row.address + SECTOR, size: row.size - SECTOR }
      : row,
  );

  it('updates another partition, and what has moved', () => {
    const board = boardWith();
    leaveOpen(boot(board), { ...STORAGE, size: NEW.length }, 2);
    board.flash.load(0x8000, encodeTable(MOVED));
    let ota = reboot(board);
    assert.equal(ota.recover().state, 'damaged');
    assert.equal(
      codeOf(() => ota.restore()),
      'E_STATE',
    );
    assert.equal(update(ota, NEAR_IMAGE, NEAR).state, 'committed');
    assertHolds(board, 'near', NEAR_IMAGE);
    ota = reboot(board);
    assert.equal(ota.recover().state, 'committed');
    const moved = pattern('moved', (SECTORS - 1) * SECTOR);
    assert.equal(update(ota, moved).state, 'committed');
    const { address } = board.partition('storage');
    assert.ok(board.flash.holds(address + SECTOR, moved));
  });

  it('touches nothing where the partition begins as before and has another size', () => {
    for (const sectors of [1, SECTORS - 1, SECTORS + 1, SECTORS + 2]) {
      const board = boardWith();
      leaveOpen(boot(board), SPARE, 3);
      const table = WITH_JOURNAL.filter(({ label }) => label !== 'beside').map((row) =>
        row.label === 'storage' ? { ...row, size: sectors * SECTOR } : row,
      );
      board.flash.load(0x8000, encodeTable(table));
      const held = board.flash.snapshot();
      const ota = reboot(board);
      assertIdle(`${sectors} sectors`, board, () => {
        assert.equal(ota.recover().state, 'damaged', `${sectors} sectors`);
        assert.equal(
          codeOf(() => ota.restore()),
          'E_STATE',
        );
      });
      assert.deepEqual(differences(board.flash.snapshot(), held), []);
      assert.equal(update(ota, NEAR_IMAGE, { ...NEAR, backup: undefined }).state, 'committed');
    }
  });

  it('updates what has moved at once', () => {
    const board = boardWith();
    leaveOpen(boot(board), { ...STORAGE, size: NEW.length }, 2);
    board.flash.load(0x8000, encodeTable(MOVED));
    const ota = reboot(board);
    const moved = pattern('moved', (SECTORS - 1) * SECTOR);
    assert.equal(update(ota, moved).state, 'committed');
    const report = reboot(board).recover();
    assert.deepEqual([report.state, report.sealed], ['committed', true]);
  });
});

describe('ways out of what a chip seems to be', () => {
  it('takes the bootloader at 0 of an ESP32-C3, whatever is at 0x1000', () => {
    for (const size of [0x0f, 0x00, 0x50, 0xf0]) {
      const board = new Board({ table: TABLES.espruinoIdf4, board: 'ESP32C3' });
      board.flash.load(0x1000, Uint8Array.of(0xe9, 1, 2, size));
      uploadTo(board);
      const ota = boot(board);
      assert.equal(ota.recover().state, 'none');
      assert.equal(ota.partitions().length, TABLES.espruinoIdf4.length);
      const { backup, journal } = ota.plan({ partition: 'flash' });
      // Free flash, from the app to `flash`: the journal is in its last sector.
      assert.equal(backup!.address, 0x204000);
      assert.equal(journal.address, backup!.address + backup!.size);
      assert.equal(journal.address + journal.size, 0x310000);
    }
  });

  it('chooses no app slot when it cannot tell which app runs', () => {
    const table: Row[] = [
      ...SMALL.slice(0, 4),
      row('ota_2', 0, 0x12, 0x20, 16),
      row('storage', 1, 0x82, 0x30, SECTORS),
    ];
    const board = boardWith({ table, board: 'ESP32C3' });
    // otadata names ota_1, which is not there; the bootloader goes on with some other slot.
    const entry = Buffer.alloc(32, 0xff);
    entry.writeUInt32LE(2, 0);
    entry.writeUInt32LE(crc32(entry.subarray(0, 4), 0xffffffff), 28);
    board.load('otadata', entry);
    const before = board.flash.snapshot();
    const ota = boot(board);
    const { running, backup, journal } = ota.plan(STORAGE);
    assert.equal(running, '');
    for (const area of [backup!, journal]) assert.ok(area.address >= 0x36 * SECTOR);
    assert.equal(update(ota, NEW).state, 'committed');
    const changed = differences(board.flash.snapshot(), before);
    assert.ok(changed.every((sector) => sector >= 0x30));
  });
});

describe('ways out of calls that come twice, too early or without reason', () => {
  it('counts a trial boot once, and reports the same again', () => {
    const board = boardWith();
    update(boot(board), NEW, { trial: 2 });
    for (let boots = 1; boots <= 2; boots++) {
      const ota = reboot(board);
      const report = ota.recover();
      assert.deepEqual([report.state, report.boots, report.trial], ['trial', boots, 2]);
      assertIdle('again in the same boot', board, () => {
        assert.deepEqual(ota.recover(), report);
        assert.deepEqual(ota.recover(), report);
      });
    }
    assert.equal(reboot(board).recover().state, 'restored');
    assertStays(board, 'restored', OLD);
  });

  it('counts no boot in which recover() came before the trial', () => {
    const board = boardWith();
    const ota = boot(board);
    ota.recover();
    update(ota, NEW, { trial: 2 });
    const report = ota.recover();
    assert.deepEqual([report.state, report.boots, report.trial], ['trial', 0, 2]);
    assert.deepEqual(ota.recover(), report);
  });

  it('has a code for expired trials that are kept, and for nothing else', () => {
    const board = boardWith();
    update(boot(board), NEW, SPARE);
    // Sector 3 is the same in OLD and NEW, so it is never saved.
    overwrite(board, 3, 0x22);
    assert.equal(reboot(board).recover().code, undefined, 'committed');
    board.load('storage', OLD);
    update(reboot(board), NEW, { ...SPARE, trial: 1 });
    assert.equal(reboot(board).recover().code, undefined, 'on trial');
    const restored = reboot(board).recover();
    assert.deepEqual([restored.state, restored.code], ['restored', undefined]);
    update(reboot(board), NEW, { ...SPARE, trial: 1 });
    assert.equal(reboot(board).recover().code, undefined, 'on trial');
    overwrite(board, 3, 0x22);
    const kept = reboot(board).recover();
    assert.deepEqual([kept.state, kept.code], ['committed', 'E_CHANGED']);
    assert.equal(reboot(board).recover().code, undefined, 'committed');
  });
});

describe('ways out of calls that come out of turn, or with wrong options', () => {
  it('status() and restore() of an update that has written nothing leave the one before it alone', () => {
    const board = boardWith();
    const ota = boot(board);
    update(ota, NEW, SPARE);
    assertIdle('before the first write', board, () => {
      ota.begin(NEAR);
      assert.deepEqual(ota.status(), { state: 'updating', partition: 'near', saved: 0 });
      assert.deepEqual(ota.restore(), {
        state: 'untouched',
        partition: 'near',
        sectors: 2,
        changed: 0,
      });
    });
    assert.equal(ota.status().state, 'committed');
    assertHolds(board, 'storage', NEW);
    assert.equal(ota.restore().state, 'restored');
    assertStays(board, 'restored', OLD);
  });

  it('backup() of a direct update is E_STATE, resumed or not', () => {
    const board = boardWith();
    const open = boot(board).begin(DIRECT);
    open.write(NEW.subarray(0, SECTOR));
    assert.equal(
      codeOf(() => open.backup()),
      'E_STATE',
    );
    const ota = reboot(board);
    assert.equal(ota.plan(DIRECT).resumed, true);
    const resumed = ota.begin(DIRECT);
    assert.equal(
      codeOf(() => resumed.backup()),
      'E_STATE',
    );
    resumed.write(NEW);
    assert.equal(resumed.end().state, 'committed');
    assertStays(board, 'committed', NEW);
  });

  it('refuses options that are missing or of another type by code', () => {
    const ota = boot(boardWith());
    const refused = (options?: unknown) =>
      [ota.begin, ota.plan].map((call) => codeOf(() => call(options as Options)));
    for (const options of [undefined, null, {}])
      assert.deepEqual(refused(options), ['E_NO_PARTITION', 'E_NO_PARTITION']);
    for (const name of ['size', 'crc32', 'trial'])
      for (const value of ['4096', -1, 0.5, NaN, Infinity, true, {}])
        assert.deepEqual(refused({ ...STORAGE, [name]: value }), ['E_ARGUMENT', 'E_ARGUMENT']);
    assert.equal(ota.recover(null as never).state, 'none');
    assert.equal(ota.status().state, 'none');
  });
});
