/**
 * Places: where an update works, how it finds that out from the chip, and every reason to refuse a place. A
 * refusal has its code and writes nothing.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Area, Options, Plan } from '../../device/api.ts';
import {
  Board,
  type BoardOptions,
  type Row,
  SECTOR,
  TABLES,
  encodeTable,
  pattern,
  seconds,
} from '../../host/index.ts';
import {
  NEW,
  OLD,
  SECTORS,
  SMALL,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  fenceIn,
  row,
  update,
} from '../support/fixtures.ts';
import { otaOf, uploadTo } from '../support/subject.ts';

const TABLE = 0x8000;
const ROW = 32;
const OTADATA = 0x0d * SECTOR;

const NEW_STATE = 0;
const PENDING_VERIFY = 1;
const VALID = 2;
const INVALID = 3;
const ABORTED = 4;

/** @returns a table with some rows replaced by others of their label, and the rest appended. */
function withRows(table: readonly Row[], ...rows: Row[]): Row[] {
  const labels = rows.map(({ label }) => label);
  return [...table.filter(({ label }) => !labels.includes(label)), ...rows];
}

/** @returns a table without some rows. */
const without = (table: readonly Row[], ...labels: string[]) =>
  table.filter(({ label }) => !labels.includes(label));

/** @returns a board of 4 MB with the module on it. */
function largeBoard(table: readonly Row[], options: BoardOptions = {}): Board {
  const board = new Board({ table, ...options });
  uploadTo(board);
  return board;
}

/** @returns an area as text: its label, first sector, sectors. */
function shown(area: Area | undefined): string {
  if (!area) return 'none';
  const { label = 'free', address, size } = area;
  return `${label} 0x${(address / SECTOR).toString(16)}+${size / SECTOR}`;
}

/** @returns where an update would work: the app that runs, backup, journal. Sees that nothing is written. */
function placesOf(board: Board, options: Partial<Options> = {}): string {
  let plan: Plan | undefined;
  assertIdle('in plan()', board, () => {
    plan = boot(board).plan({ ...STORAGE, ...options });
  });
  const { running, backup, journal } = plan!;
  return [running, shown(backup), shown(journal)].join(', ');
}

/** Checks that both plan() and begin() refuse this, write nothing, and leave no update behind. */
function assertRefused(board: Board, options: Partial<Options>, code: string): void {
  const ota = boot(board);
  assertIdle(code, board, () => {
    assert.equal(
      codeOf(() => ota.plan({ ...STORAGE, ...options })),
      code,
    );
    assert.equal(
      codeOf(() => ota.begin({ ...STORAGE, ...options })),
      code,
    );
    assert.equal(ota.status().state, 'none');
  });
}

/** @returns an entry of otadata. */
function entry(sequence: number, state = 0xffffffff, error = 0): Uint8Array {
  const bytes = Buffer.alloc(32, 0xff);
  bytes.writeUInt32LE(sequence, 0);
  bytes.writeUInt32LE(state, 24);
  bytes.writeUInt32LE((crc32(bytes.subarray(0, 4), 0xffffffff) ^ error) >>> 0, 28);
  return bytes;
}

const ERASED = new Uint8Array(32).fill(0xff);

/** Writes both entries of otadata. */
function setEntries({ flash }: Board, one: Uint8Array, other: Uint8Array): void {
  flash.load(OTADATA, one);
  flash.load(OTADATA + SECTOR, other);
}

/** SMALL with the apps factory, ota_0, ota_1 and ota_2; from 0x56 on the chip is free. */
const THREE_SLOTS: Row[] = [
  ...SMALL.filter(({ address }) => address < 0x10 * SECTOR),
  row('factory', 0, 0, 0x10, 16),
  row('ota_0', 0, 0x10, 0x20, 16),
  row('ota_1', 0, 0x11, 0x30, 16),
  row('ota_2', 0, 0x12, 0x40, 16),
  row('storage', 1, 0x82, 0x50, SECTORS),
];

/** An app, the target, free flash for a journal and for no backup. */
const FULL: Row[] = [
  row('nvs', 1, 2, 0x09, 4),
  row('phy_init', 1, 1, 0x0d, 3),
  row('factory', 0, 0, 0x10, 0xd0),
  row('storage', 1, 0x82, 0xe0, SECTORS),
  row('other', 1, 0x82, 0xe6, 0x17),
  row('one', 1, 0x82, 0xff, 1),
];

const ODD = withRows(
  SMALL,
  row('low', 1, 0x82, 7, 1),
  row('boot', 2, 1, 0x50, 2),
  row('table', 3, 1, 0x52, 1),
  row('ro', 1, 0x82, 0x54, 2, 2),
  row('part', 1, 0x82, 0x58, 1.5),
  row('shifted', 1, 0x82, 0x5a + 0.5, 1),
  row('nothing', 1, 0x82, 0x5c, 0),
  row('on_app', 1, 0x82, 0x1f, 1),
  row('on_otadata', 1, 0x82, 0x0e, 1),
);

describe('places: a target', () => {
  for (const [partition, what] of [
    ['ota_0', 'the running app'],
    ['ota_1', 'the passive app'],
    ['otadata', 'otadata'],
    ['boot', 'a bootloader'],
    ['table', 'a partition table'],
    ['ro', 'readonly'],
    ['part', 'not whole sectors long'],
    ['shifted', 'not at a whole sector'],
    ['nothing', 'empty'],
    ['low', 'below 0x9000'],
    ['on_app', 'in the running app'],
    ['on_otadata', 'in otadata'],
    ['nvs', 'nvs, in use'],
  ]) {
    it(`is refused if it is ${what}`, () => {
      const board = boardWith({ table: ODD });
      assertRefused(board, { partition }, 'E_FORBIDDEN');
      assertRefused(board, { partition, backup: false }, 'E_FORBIDDEN');
      if (partition === 'nvs') return;
      assertRefused(board, { partition, overwriteLive: true }, 'E_FORBIDDEN');
    });
  }

  it('is refused if it is in no partition', () => {
    for (const partition of ['stor', 'storage ', '', 'STORAGE'])
      assertRefused(boardWith(), { partition }, 'E_NO_PARTITION');
  });

  it('may be nvs if it is told so', () => {
    const board = boardWith();
    const image = pattern('settings', 4 * SECTOR);
    const options = { partition: 'nvs', overwriteLive: true };
    assert.equal(update(boot(board), image, options).state, 'committed');
    assertHolds(board, 'nvs', image);
  });

  it("may be Espruino's Storage only if it is told so", () => {
    // The place of `flash` is free: the stock table of an ESP32 has no room for a journal.
    for (const board of [
      largeBoard(without(TABLES.espruinoEsp32, 'flash')),
      largeBoard(TABLES.espruinoIdf4, { board: 'ESP32C3' }),
    ]) {
      assertRefused(board, {}, 'E_FORBIDDEN');
      assert.match(placesOf(board, { overwriteLive: true }), /^factory, /);
    }
    const moved = [...TABLES.espruinoEsp32.slice(0, -1), row('mine', 1, 0x82, 0x31f, 2)];
    assertRefused(
      largeBoard(without(moved, 'flash')),
      { partition: 'mine', backup: 'ota_0' },
      'E_FORBIDDEN',
    );
  });

  it('may be what its address says, and not its label', () => {
    const table = withRows(
      TABLES.espruinoEsp32,
      row('storage', 1, 0x82, 0x310, 14),
      row('code', 1, 0x41, 0x320, 0xe0),
    );
    const board = largeBoard(without(table, 'flash'));
    assert.equal(placesOf(board), 'factory, ota_0 0x190+384, free 0x31e+2');
    assertRefused(board, { partition: 'code' }, 'E_FORBIDDEN');
  });
});

const CROWDED = withRows(
  WITH_JOURNAL,
  row('half', 1, 0x82, 0x37, 2),
  row('around', 1, 0x82, 0x31, 8),
  row('core', 1, 3, 0x50, 4),
  row('keys', 1, 4, 0x54, 4),
  row('efuse', 1, 5, 0x58, 4),
  row('boot', 2, 1, 0x5c, 4),
  row('table', 3, 1, 0x60, 4),
  row('ro', 1, 0x82, 0x64, 8, 2),
  row('part', 1, 0x82, 0x74, 8.5),
  row('low', 1, 0x82, 7, 1),
);

describe('places: a backup', () => {
  for (const [label, what] of [
    ['storage', 'the target'],
    ['half', 'half in the target'],
    ['around', 'around the target'],
    ['ota_0', 'the running app'],
    ['otadata', 'otadata'],
    ['nvs', 'nvs'],
    ['phy_init', 'phy data'],
    ['core', 'a core dump'],
    ['keys', 'keys'],
    ['efuse', 'eFuses'],
    ['boot', 'a bootloader'],
    ['table', 'a partition table'],
    ['ro', 'readonly'],
    ['part', 'not whole sectors long'],
    ['low', 'below 0x9000'],
    ['ota_journal', 'for the journal'],
  ]) {
    for (const overwriteLive of [false, true])
      it(`is refused if it is ${what}${overwriteLive ? ', whatever may be overwritten' : ''}`, () => {
        const board = boardWith({ table: CROWDED });
        assertRefused(board, { backup: label, overwriteLive }, 'E_FORBIDDEN');
      });
  }
});

describe('places: a backup that is named', () => {
  it('is refused if it is the app that boots next', () => {
    const board = boardWith({ mmu: 1 });
    board.setRunning('ota_1');
    for (const label of ['ota_0', 'ota_1']) assertRefused(board, { backup: label }, 'E_FORBIDDEN');
    assert.equal(placesOf(board), 'ota_0, free 0x43+187, ota_journal 0x41+2');
  });

  it("is refused if it is Espruino's Storage", () => {
    const board = largeBoard(TABLES.espruinoEsp32);
    const target = { partition: 'free', overwriteLive: true };
    assertRefused(board, { ...target, backup: 'storage' }, 'E_FORBIDDEN');
  });

  it('is refused if there is no such partition', () => {
    assertRefused(boardWith(), { backup: 'none' }, 'E_NO_PARTITION');
    assertRefused(boardWith(), { backup: '' }, 'E_NO_PARTITION');
  });
});

describe('places: a backup in free flash', () => {
  it('is missed if there is none at all', () => {
    const board = boardWith({ table: FULL });
    assertRefused(board, {}, 'E_NO_BACKUP');
    assert.equal(placesOf(board, { backup: false }), 'factory, none, free 0xfd+2');
    assert.equal(placesOf(board, { backup: 'other' }), 'factory, other 0xe6+23, free 0xfd+2');
  });

  it('in free flash leaves out the heads at its end, wherever the journal is', () => {
    const table = without(WITH_JOURNAL, 'ota_1');
    assert.equal(placesOf(boardWith({ table })), 'ota_0, free 0x43+187, ota_journal 0x41+2');
    const filled = [...table, row('filler', 1, 0x82, 0x43, 0xba)];
    // 0x20 to 0x30 is the larger one; of 0xfd to 0x100 one sector is left.
    assert.equal(placesOf(boardWith({ table: filled })), 'ota_0, free 0x20+14, ota_journal 0x41+2');
    const least = [...filled, row('more', 1, 0x82, 0x20, 16)];
    assert.equal(placesOf(boardWith({ table: least })), 'ota_0, free 0xfd+1, ota_journal 0x41+2');
    const none = withRows(least, row('filler', 1, 0x82, 0x43, 0xbb));
    assertRefused(boardWith({ table: none }), {}, 'E_NO_BACKUP');
  });

  it('in free flash leaves out the journal, too, if that is there', () => {
    const table = [...without(SMALL, 'ota_1'), row('filler', 1, 0x82, 0x20, 16)];
    assert.equal(placesOf(boardWith({ table })), 'ota_0, free 0x41+189, free 0xfe+2');
    assert.equal(
      placesOf(boardWith({ table }), { trial: 255 }),
      'ota_0, free 0x41+185, free 0xfa+6',
    );
    assert.equal(
      placesOf(boardWith({ table }), { backup: 'spare', trial: 255 }),
      'ota_0, spare 0x3a+6, free 0xfa+6',
    );
  });
});

describe('places: the backup that is chosen', () => {
  for (const [running, backup] of [
    ['factory', 'ota_0 0x20+16, free 0xfe+2'],
    ['ota_0', 'ota_1 0x30+16, free 0xfe+2'],
    ['ota_1', 'ota_2 0x40+16, free 0xfe+2'],
    ['ota_2', 'ota_0 0x20+16, free 0xfe+2'],
  ]) {
    it(`is the passive slot when ${running} runs on an ESP32`, () => {
      const board = boardWith({ table: THREE_SLOTS, running });
      assert.equal(placesOf(board), `${running}, ${backup}`);
    });

    for (const name of ['ESP32C3', 'ESP32S3'] as const)
      it(`is no app slot when ${running} runs on an ${name}, which does not tell`, () => {
        const board = boardWith({ table: THREE_SLOTS, running, board: name });
        assert.equal(placesOf(board), ', free 0x56+168, free 0xfe+2');
        for (const label of ['factory', 'ota_0', 'ota_1', 'ota_2'])
          assertRefused(board, { backup: label }, 'E_FORBIDDEN');
      });
  }

  it('is not the only slot when that runs', () => {
    const table = without(THREE_SLOTS, 'ota_1', 'ota_2');
    const board = boardWith({ table, running: 'ota_0' });
    assert.equal(placesOf(board), 'ota_0, free 0x56+168, free 0x4e+2');
  });

  for (const state of [NEW_STATE, PENDING_VERIFY])
    it(`is not the slot that an app in state ${state} may be given up for`, () => {
      const board = boardWith();
      setEntries(board, entry(1, state), ERASED);
      assert.equal(placesOf(board), 'ota_0, free 0x43+187, ota_journal 0x41+2');
      setEntries(board, entry(1, VALID), ERASED);
      assert.equal(placesOf(board), 'ota_0, ota_1 0x20+16, ota_journal 0x41+2');
    });

  it('is the largest part of the free flash', () => {
    const table = [
      ...without(WITH_JOURNAL, 'ota_1'),
      row('middle', 1, 0x82, 0x90, 4),
      row('end', 1, 0x82, 0xfe, 2),
    ];
    // 0x20 to 0x30, 0x43 to 0x90, 0x94 to 0xfe
    assert.equal(placesOf(boardWith({ table })), 'ota_0, free 0x94+104, ota_journal 0x41+2');
  });

  it('is no free flash that a partition overlaps', () => {
    const table = [...without(SMALL, 'ota_1'), row('most', 1, 0x82, 0x38, 0xc7)];
    assert.equal(placesOf(boardWith({ table })), 'ota_0, free 0x20+14, free 0x2e+2');
  });
});

describe('places: otadata', () => {
  /** The MMU's page of factory, which runs. */
  const BOTH = { table: THREE_SLOTS, mmu: 1 };
  const SLOTS = ['ota_0', 'ota_1', 'ota_2'];
  for (const [what, one, other, next] of [
    ['is erased', ERASED, ERASED, 'factory'],
    ['has one entry, in front', entry(2), ERASED, 'ota_1'],
    ['has one entry, behind', ERASED, entry(3), 'ota_2'],
    ['has two, the higher in front', entry(6), entry(5), 'ota_2'],
    ['has two, the higher behind', entry(4), entry(5), 'ota_1'],
    ['has two that are the same', entry(2, VALID), entry(2, NEW_STATE), 'ota_1'],
    ['has numbers above 2^31', entry(0x7fffffff), entry(0x80000001), 'ota_2'],
    ['has a higher one of a bad CRC', entry(2), entry(3, VALID, 1), 'ota_1'],
    ['has but one of a bad CRC', entry(2, VALID, 1), ERASED, 'factory'],
    ['has a higher one that is invalid', entry(2), entry(3, INVALID), 'ota_1'],
    ['has a higher one that was aborted', entry(3, ABORTED), entry(1), 'ota_0'],
    ['has two that are invalid', entry(1, INVALID), entry(2, ABORTED), 'factory'],
    ['is all zeros', new Uint8Array(32), new Uint8Array(32), 'factory'],
  ] as const) {
    it(`keeps ${next} for the next boot when it ${what}`, () => {
      const board = boardWith(BOTH);
      setEntries(board, one, other);
      for (const backup of SLOTS) {
        if (backup === next) assertRefused(board, { backup }, 'E_FORBIDDEN');
        else assert.match(placesOf(board, { backup }), new RegExp(`^factory, ${backup} `));
      }
    });
  }

  it('keeps the first slot without a factory app when it is erased', () => {
    const board = boardWith({ mmu: 2 });
    setEntries(board, ERASED, ERASED);
    assert.equal(placesOf(board), 'ota_1, free 0x43+187, ota_journal 0x41+2');
    for (const backup of ['ota_0', 'ota_1']) assertRefused(board, { backup }, 'E_FORBIDDEN');
  });

  it('counts slots whose numbers have gaps', () => {
    const board = boardWith({ table: without(THREE_SLOTS, 'ota_1'), mmu: 1 });
    // Two slots: sequence 3 is the first again.
    setEntries(board, entry(3), ERASED);
    assertRefused(board, { backup: 'ota_0' }, 'E_FORBIDDEN');
    assert.equal(placesOf(board, { backup: 'ota_2' }), 'factory, ota_2 0x40+16, free 0x3e+2');
    // Sequence 2 would be ota_1, which is not there: any may boot.
    setEntries(board, entry(2), ERASED);
    for (const backup of ['ota_0', 'ota_2']) assertRefused(board, { backup }, 'E_FORBIDDEN');
  });

  it('has less to say than the MMU about slots whose numbers have gaps', () => {
    const board = boardWith({ table: without(THREE_SLOTS, 'ota_1'), running: 'ota_2' });
    // It boots ota_0 next.
    assert.equal(placesOf(board), 'ota_2, free 0x56+168, free 0x3e+2');
    assertRefused(board, { backup: 'ota_0' }, 'E_FORBIDDEN');
  });
});

describe('places: the MMU', () => {
  it('knows better than otadata which app runs', () => {
    const board = boardWith({ mmu: 2 });
    assert.equal(placesOf(board), 'ota_1, free 0x43+187, ota_journal 0x41+2');
    assertRefused(board, { backup: 'ota_0' }, 'E_FORBIDDEN');
    assertRefused(board, { backup: 'ota_1' }, 'E_FORBIDDEN');
  });

  for (const mmu of [0x100, 0x102, 9])
    it(`tells nothing when its entry is 0x${mmu.toString(16)}: no app slot is written`, () => {
      const board = boardWith({ mmu });
      assert.equal(placesOf(board), ', free 0x43+187, ota_journal 0x41+2');
      for (const backup of ['ota_0', 'ota_1']) assertRefused(board, { backup }, 'E_FORBIDDEN');
    });

  it('is asked on an ESP32 only', () => {
    for (const name of ['ESP32C3', 'ESP32S3'] as const) {
      const board = boardWith({ mmu: 2, board: name });
      assert.equal(placesOf(board), ', free 0x43+187, ota_journal 0x41+2');
    }
  });
});

describe("places: Espruino's own tables", () => {
  it('have no room for a journal on an ESP32, and back up to its other slot once they have', () => {
    const target = { partition: 'free' };
    assertRefused(largeBoard(TABLES.espruinoEsp32), target, 'E_SPACE');
    const table = withRows(TABLES.espruinoEsp32, row('flash', 1, 0x40, 0x310, 0xe));
    const board = largeBoard(table);
    assert.equal(placesOf(board, target), 'factory, ota_0 0x190+384, free 0x31e+2');
    board.setRunning('ota_0');
    assertRefused(board, target, 'E_NO_BACKUP');
    assert.equal(
      placesOf(board, { ...target, backup: 'flash' }),
      'ota_0, flash 0x310+14, free 0x31e+2',
    );
  });

  it('back up to free flash where a partition takes the place of the slot', () => {
    const board = largeBoard(
      withRows(
        without(TABLES.espruinoEsp32, 'ota_0', 'flash', 'free'),
        row('www', 1, 0x83, 0x190, 0xc0),
        row('ota_journal', 1, 6, 0x310, 0x10),
      ),
    );
    const target = { partition: 'www' };
    assert.equal(placesOf(board, target), 'factory, free 0x250+190, ota_journal 0x31d+3');
  });

  it('back up to the free flash of an ESP32-C3', () => {
    const table = withRows(TABLES.espruinoIdf4, row('www', 1, 0x83, 0x204, 0x80));
    for (const name of ['ESP32C3', 'ESP32S3', 'ESP32'] as const) {
      const board = largeBoard(table, { board: name });
      const places = placesOf(board, { partition: 'www' });
      assert.equal(places, 'factory, free 0x284+137, free 0x30d+3');
    }
  });
});

describe('places: the journal', () => {
  it('is at the end of ota_journal if that is large enough, else in free flash', () => {
    const board = boardWith();
    assert.equal(placesOf(board), 'ota_0, ota_1 0x20+16, ota_journal 0x41+2');
    assert.equal(placesOf(board, { trial: 100 }), 'ota_0, ota_1 0x20+16, free 0xfd+3');
    assert.equal(placesOf(board, { backup: false }), 'ota_0, none, ota_journal 0x41+2');
    const table = withRows(WITH_JOURNAL, row('ota_journal', 1, 6, 0x41, 3));
    assert.equal(
      placesOf(boardWith({ table }), { trial: 100 }),
      'ota_0, ota_1 0x20+16, ota_journal 0x41+3',
    );
    const long = withRows(WITH_JOURNAL, row('ota_journal', 1, 6, 0x41, 16));
    assert.equal(placesOf(boardWith({ table: long })), 'ota_0, ota_1 0x20+16, ota_journal 0x4f+2');
  });

  it('takes 32 bytes for each sector, 64 for each trial boot, and 4,960 more, in whole sectors', () => {
    const table = withRows(WITH_JOURNAL, row('ota_journal', 1, 6, 0x41, 16));
    for (const trial of [0, 1, 47, 48, 111, 112, 175, 176, 255]) {
      const bytes = 32 * SECTORS + 64 * trial + 4960;
      const { journal } = boot(boardWith({ table })).plan({ ...STORAGE, trial });
      assert.equal(journal.size, Math.ceil(bytes / SECTOR) * SECTOR, `${trial} boots`);
    }
  });

  it('is no ota_journal that must not be written to', () => {
    for (const journal of [
      row('ota_journal', 1, 6, 0x41, 2, 2),
      row('ota_journal', 1, 6, 0x41, 2.5),
      row('ota_journal', 1, 6, 0x41 + 0.5, 2),
      row('ota_journal', 1, 6, 0x40, 3),
    ])
      assert.match(
        placesOf(boardWith({ table: [...SMALL, journal] })),
        /, ota_1 0x20\+16, free 0xfe\+2$/,
      );
  });

  it('is no ota_journal, nor a run of free flash, of one sector', () => {
    const table = [...SMALL, row('ota_journal', 1, 6, 0x41, 1)];
    assert.equal(placesOf(boardWith({ table })), 'ota_0, ota_1 0x20+16, free 0xfe+2');
    const filled = [...table, row('filler', 1, 0x82, 0x43, 0xbd)];
    // 0x42 is free.
    assertRefused(boardWith({ table: filled }), {}, 'E_SPACE');
    assertRefused(boardWith({ table: filled }), { backup: false }, 'E_SPACE');
  });
});

describe('places: the journal of more than one place', () => {
  it('is in the first ota_journal of two that is large enough', () => {
    const more = [...WITH_JOURNAL, row('ota_journal', 1, 6, 0x50, 8)];
    const board = boardWith({ table: more });
    assert.equal(placesOf(board), 'ota_0, ota_1 0x20+16, ota_journal 0x41+2');
    assert.equal(placesOf(board, { trial: 100 }), 'ota_0, ota_1 0x20+16, ota_journal 0x55+3');
    assertRefused(board, { partition: 'ota_journal' }, 'E_FORBIDDEN');
    assertRefused(board, { backup: 'ota_journal' }, 'E_FORBIDDEN');
    update(boot(board), NEW, { trial: 100 });
    assert.equal(boot(board).recover().state, 'trial');
    assert.equal(otaOf(board).confirm().state, 'committed');
    update(otaOf(board), OLD);
    assert.equal(boot(board).recover().state, 'committed');
    assertHolds(board, 'storage', OLD);
    assert.equal(otaOf(board).restore().state, 'restored');
    assertHolds(board, 'storage', NEW);
  });

  it('is in the smallest run of free flash that has room', () => {
    const table = without(SMALL, 'ota_1');
    // 0x20 to 0x30; 0x41 to 0x100
    assert.equal(placesOf(boardWith({ table })), 'ota_0, free 0x41+189, free 0x2e+2');
    assert.equal(
      placesOf(boardWith({ table }), { trial: 255 }),
      'ota_0, free 0x41+189, free 0x2a+6',
    );
    const three = [...table, row('filler', 1, 0x82, 0x28, 4)];
    // 0x20 to 0x28; 0x2c to 0x30; 0x41 to 0x100
    assert.equal(placesOf(boardWith({ table: three })), 'ota_0, free 0x41+189, free 0x2e+2');
    assert.equal(
      placesOf(boardWith({ table: three }), { trial: 255 }),
      'ota_0, free 0x41+189, free 0x22+6',
    );
    const small = [...table, row('filler', 1, 0x82, 0x20, 14)];
    assert.equal(placesOf(boardWith({ table: small })), 'ota_0, free 0x41+189, free 0x2e+2');
    assert.equal(
      placesOf(boardWith({ table: small }), { trial: 255 }),
      'ota_0, free 0x41+185, free 0xfa+6',
    );
  });

  it('leaves at least one sector of the run to a backup there', () => {
    const table = [...without(FULL, 'other'), row('other', 1, 0x82, 0xe6, 0x16)];
    // 0xfc to 0xff
    assert.equal(placesOf(boardWith({ table })), 'factory, free 0xfc+1, free 0xfd+2');
    assertRefused(boardWith({ table }), { trial: 100 }, 'E_SPACE');
    assert.equal(
      placesOf(boardWith({ table }), { backup: 'other', trial: 100 }),
      'factory, other 0xe6+22, free 0xfc+3',
    );
  });
});

describe('places: the journal without a place', () => {
  it('has no room: E_SPACE names ota_journal, what it needs, and what there is', () => {
    const messageOf = (table: Row[], options: Partial<Options> = {}) => {
      const board = boardWith({ table });
      assertRefused(board, options, 'E_SPACE');
      try {
        boot(board).plan({ ...STORAGE, ...options });
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    };
    const full = [...SMALL, row('filler', 1, 0x82, 0x41, 0xbf)];
    const message = (need: number, limit: number) =>
      `E_SPACE ota_journal: ${need * SECTOR} bytes, limit ${limit * SECTOR}`;
    assert.equal(messageOf(full), message(2, 0));
    assert.equal(messageOf(full, { backup: 'spare' }), message(2, 0));
    assert.equal(messageOf(full, { backup: false }), message(2, 0));
    assert.equal(messageOf(full, { trial: 255 }), message(6, 0));
    const filled = withRows(WITH_JOURNAL, row('filler', 1, 0x82, 0x43, 0xba));
    assert.equal(messageOf(filled, { trial: 255 }), message(6, 2));
    assert.equal(messageOf(filled, { trial: 150 }), message(4, 2));
    assert.match(placesOf(boardWith({ table: filled }), { trial: 100 }), /, free 0xfd\+3$/);
  });

  it('is never in an app slot or a data partition, whatever lies there', () => {
    // Each of these is large enough, and nothing else is.
    for (const label of ['ota_1', 'spare', 'near', 'filler']) {
      const table = [...SMALL, row('filler', 1, 0x82, 0x41, 0xbf)];
      assertRefused(boardWith({ table }), { backup: label }, 'E_SPACE');
    }
  });
});

describe('places: a journal where none may be', () => {
  for (const label of ['ota_1', 'spare', 'near', 'storage'])
    it(`of an earlier time is content if it lies in ${label}`, () => {
      const board = boardWith();
      update(boot(board), NEW, { trial: 9 });
      const from = board.partition('ota_journal');
      const to = board.partition(label);
      // The same chip once ota_journal is called otherwise: its journal is valid there.
      const renamed = WITH_JOURNAL.map((row) =>
        row.label === 'ota_journal' ? { ...row, label: 'renamed' } : row,
      );
      board.flash.load(TABLE, encodeTable(renamed));
      board.flash.cut();
      assertIdle('in recover()', board, () => assert.equal(boot(board).recover().state, 'none'));
      board.load(label, board.flash.peek(from.address, from.size));
      board.flash.load(
        to.address + to.size - 2 * SECTOR,
        board.flash.peek(from.address, from.size),
      );
      board.flash.cut();
      assertIdle('in recover()', board, () => assert.equal(boot(board).recover().state, 'none'));
    });
});

/** Checks that with this partition table every call is refused with this code. */
function assertTable(table: Uint8Array, code: string): void {
  const board = boardWith();
  board.flash.load(TABLE, table);
  const ota = boot(board);
  assertIdle(code, board, () => {
    for (const call of [
      () => ota.partitions(),
      () => ota.plan(STORAGE),
      () => ota.begin(STORAGE),
      () => ota.recover(),
      () => ota.confirm(),
      () => ota.restore(),
      () => ota.status(),
    ])
      assert.equal(codeOf(call), code);
  });
}

/** Adds the rows of a table up to so many, without the MD5 row. */
function longTable(count: number): Buffer {
  const rows = Array.from(
    { length: count },
    (_, i) => WITH_JOURNAL[i] ?? row(`p${i}`, 1, 0x82, 0x43 + i, 1),
  );
  const table = Buffer.alloc(SECTOR, 0xff);
  Buffer.from(encodeTable(rows.slice(0, 90))).copy(table, 0, 0, 90 * ROW);
  Buffer.from(encodeTable(rows.slice(90))).copy(table, 90 * ROW, 0, (count - 90) * ROW);
  return table;
}

describe('places: the partition table', () => {
  it('that is missing is E_NO_PARTITION', () => {
    assertTable(new Uint8Array(SECTOR).fill(0xff), 'E_NO_PARTITION');
    assertTable(new Uint8Array(SECTOR), 'E_NO_PARTITION');
    assertTable(pattern('ciphertext', SECTOR), 'E_NO_PARTITION');
  });

  it('that is torn is E_NO_PARTITION', () => {
    const torn = Buffer.from(encodeTable(WITH_JOURNAL));
    torn[ROW] = 0xab;
    assertTable(torn, 'E_NO_PARTITION');
    const cut = Buffer.from(encodeTable(WITH_JOURNAL));
    cut.fill(0, 4 * ROW);
    assertTable(cut, 'E_NO_PARTITION');
  });

  it('that has no end is E_NO_PARTITION', () => {
    const rows = Array.from({ length: 96 }, (_, i) => row(`p${i}`, 1, 0x82, 0x43 + i, 1));
    const table = Buffer.alloc(SECTOR, 0xff);
    for (const from of [0, 48])
      Buffer.from(encodeTable(rows.slice(from, from + 48))).copy(table, from * ROW, 0, 48 * ROW);
    assertTable(table, 'E_NO_PARTITION');
  });

  it('that is larger than the chip is E_NO_PARTITION', () => {
    const last = (count: number) =>
      encodeTable([...WITH_JOURNAL, row('last', 1, 0x82, 0xff, count)]);
    assertTable(last(2), 'E_NO_PARTITION');
    assertTable(last(0xfffff), 'E_NO_PARTITION');
    const board = boardWith();
    board.flash.load(TABLE, last(1));
    assert.equal(boot(board).plan(STORAGE).running, 'ota_0');
  });

  it('is what partitions() returns', () => {
    const flagged = [
      ...WITH_JOURNAL,
      row('ro', 1, 0x82, 0x50, 1, 2),
      row('crypt', 0x40, 0xfe, 0x51, 1, 1),
      row('both', 0xfe, 0, 0x52, 1.25, 3),
      row('', 1, 0x82, 0x54, 1),
    ];
    const boards = [boardWith({ table: flagged })];
    for (const table of Object.values(TABLES)) boards.push(largeBoard(table));
    for (const board of boards) {
      let found: unknown[] = [];
      assertIdle('in partitions()', board, () => {
        found = boot(board)
          .partitions()
          .map((row) => ({ ...row, flags: Number(row.encrypted) + 2 * Number(row.readonly) }));
      });
      assert.deepEqual(found, board.table);
    }
  });
});

describe('places: the partition table may have', () => {
  it('95 rows', () => {
    const board = boardWith();
    board.flash.load(TABLE, longTable(95));
    const partitions = boot(board).partitions();
    assert.equal(partitions.length, 95);
    assert.equal(partitions[94].label, 'p94');
    assert.equal(placesOf(board, { partition: 'p94' }), 'ota_0, ota_1 0x20+16, ota_journal 0x41+2');
  });

  it('an MD5 row or not', () => {
    const board = boardWith();
    const { length } = boot(board).partitions();
    const table = Buffer.from(encodeTable(WITH_JOURNAL));
    table.fill(0xff, length * ROW);
    board.flash.load(TABLE, table);
    assert.equal(boot(board).partitions().length, length);
    assert.equal(placesOf(board), 'ota_0, ota_1 0x20+16, ota_journal 0x41+2');
  });

  it('labels of 16 characters', () => {
    const label = 'sixteen letters!';
    const table = [...WITH_JOURNAL, row(label, 1, 0x82, 0x43, 3)];
    const board = boardWith({ table });
    assert.equal(boot(board).plan({ partition: label }).partition.label, label);
    const image = pattern('long', 3 * SECTOR);
    assert.equal(update(otaOf(board), image, { partition: label }).partition, label);
    assertHolds(board, label, image);
    assertRefused(boardWith({ table }), { partition: label.slice(0, 15) }, 'E_NO_PARTITION');
  });
});

describe('places: plan() says', () => {
  it('what begin() then uses', () => {
    for (const [options, table] of [
      [{}, WITH_JOURNAL],
      [{}, SMALL],
      [{ backup: 'spare' }, SMALL],
      [{ backup: 'spare', trial: 3 }, WITH_JOURNAL],
      [{ trial: 100 }, WITH_JOURNAL],
      [{}, without(SMALL, 'ota_1')],
      [{ backup: false }, SMALL],
      [{ backup: false }, WITH_JOURNAL],
    ] as [Partial<Options>, Row[]][]) {
      const content = pattern('old', SECTORS * SECTOR);
      const board = boardWith({ table, partitions: { storage: content } });
      const all = { ...STORAGE, ...options };
      const { partition, backup, journal, worst } = boot(board).plan(all);
      const { flash } = board;
      const sectors = fenceIn(board, all);
      flash.resetCounters();
      const image = pattern('new', SECTORS * SECTOR);
      assert.equal(update(otaOf(board), image, options).changed, SECTORS);
      assert.equal(partition.label, 'storage');
      for (const area of [partition, backup])
        for (let n = 0; area && n < SECTORS && n < area.size / SECTOR; n++)
          assert.ok(flash.wear[area.address / SECTOR + n], `${shown(area)}: ${n}`);
      // A first journal begins in the last sector; the head below it is left alone.
      const top = (journal.address + journal.size) / SECTOR - 1;
      assert.deepEqual([flash.wear[top - 1], flash.wear[top]], [0, 1]);
      flash.wear.forEach((count, sector) => assert.ok(!count || sectors.has(sector)));
      const { counters } = flash;
      assert.ok(counters.erases <= worst.erases);
      assert.ok(counters.bytesProgrammed <= worst.bytes);
      assert.ok(seconds(counters, 'w25q32jv_typ') <= worst.seconds);
      assert.equal(flash.misuse, undefined);
    }
  });

  it('whether begin() resumes, and where', () => {
    const board = boardWith();
    boot(board)
      .begin({ ...STORAGE, backup: 'spare' })
      .write(NEW);
    board.flash.cut();
    const { resumed, backup, journal } = boot(board).plan(STORAGE);
    assert.equal(resumed, true);
    assert.equal(shown(backup), 'spare 0x3a+6');
    assert.equal(shown(journal), 'ota_journal 0x41+2');
  });
});

describe('places: plan()', () => {
  it('counts what is erased and programmed', () => {
    const board = boardWith();
    const { worst, resumed, partition } = boot(board).plan(STORAGE);
    assert.equal(resumed, false);
    assert.equal(shown(partition), 'storage 0x32+6');
    assert.equal(worst.erases, 2 * SECTORS + 1);
    const direct = otaOf(board).plan({ ...STORAGE, backup: false }).worst;
    assert.equal(direct.erases, SECTORS + 1);
    for (const { erases, bytes, seconds } of [worst, direct]) {
      assert.ok(bytes >= (erases - 1) * SECTOR && bytes <= erases * SECTOR);
      // tSE 45 ms, tPP 0.4 ms of a W25Q32JV
      assert.ok(seconds > erases * 0.045 && seconds < erases * 0.055);
    }
  });

  it('leaves no update behind', () => {
    const board = boardWith();
    const ota = boot(board);
    ota.plan(STORAGE);
    ota.plan({ ...STORAGE, backup: false });
    assert.equal(ota.status().state, 'none');
    assert.equal(update(ota, NEW).state, 'committed');
  });

  it('follows an app OTA between two calls', () => {
    const board = boardWith();
    assert.equal(placesOf(board), 'ota_0, ota_1 0x20+16, ota_journal 0x41+2');
    board.setRunning('ota_1');
    assert.equal(placesOf(board), 'ota_1, ota_0 0x10+16, ota_journal 0x41+2');
  });
});
