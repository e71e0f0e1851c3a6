/**
 * Rows of a partition table: which sectors they touch, and which of them share one. No byte of another partition is
 * written, wherever rows begin and end; of rows that share a sector none is written, and the error names one of them.
 */
import assert from 'node:assert/strict';
import type { Options } from '../../device/api.ts';
import {
  type Board,
  type Row,
  SECTOR,
  differences,
  encodeTable,
  pattern,
} from '../../host/index.ts';
import {
  STORAGE,
  WITH_JOURNAL,
  boardWith,
  boot,
  codeOf,
  random,
  row,
} from '../support/fixtures.ts';
import { type Ota, otaOf } from '../support/subject.ts';

const TABLE = 0x8000;
/** Where an ESP32 has its bootloader, whose header tells how large the chip is. */
const BOOTLOADER = 0x1000;

/** @returns what a call says that is refused; empty if it is not. */
function refusalOf(call: () => unknown): string {
  try {
    call();
    return '';
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    assert.ok(message.startsWith(`${code}`), message);
    return message;
  }
}

const plan = (board: Board, options: Partial<Options>) =>
  otaOf(board).plan({ ...STORAGE, ...options });

/** @returns the sectors that a row has a byte in. */
function sectorsOf({ address, size }: Row): number[] {
  const sectors: number[] = [];
  for (let at = address - (address % SECTOR); at < address + size; at += SECTOR)
    sectors.push(at / SECTOR);
  return sectors;
}

/** @returns a board with these rows where the flash is free: from sector 0x43 on. */
function boardOf(...rows: Row[]): Board {
  const board = boardWith();
  board.flash.load(TABLE, encodeTable([...WITH_JOURNAL, ...rows]));
  boot(board);
  return board;
}

/** Checks that each label is refused as the target and as the backup, because it overlaps another. */
function assertOverlaps(board: Board, pairs: Record<string, string>): void {
  for (const [label, other] of Object.entries(pairs)) {
    assert.equal(
      refusalOf(() => plan(board, { partition: label, backup: false })),
      `E_FORBIDDEN partition ${label}: overlaps ${other}`,
    );
    if (label === 'storage') continue;
    assert.equal(
      refusalOf(() => plan(board, { backup: label })),
      `E_FORBIDDEN backup ${label}: overlaps ${other}`,
    );
  }
}

const www = row('www', 1, 0x82, 0x50, 8);

describe('rows that overlap are refused, both of them:', () => {
  for (const [what, cfg] of [
    ['one begins in the other', row('cfg', 1, 0x82, 0x57, 8)],
    ['one ends in the other', row('cfg', 1, 0x82, 0x4d, 4)],
    ['one lies in the other', row('cfg', 1, 0x82, 0x52, 1)],
    ['one lies around the other', row('cfg', 1, 0x82, 0x4f, 12)],
    ['they are the same', row('cfg', 1, 0x82, 0x50, 8)],
    ['they begin together', row('cfg', 1, 0x82, 0x50, 2)],
    ['they end together', row('cfg', 1, 0x82, 0x56, 2)],
    ['they share a sector, and no byte', row('cfg', 1, 0x82, 0x4f + 0.5, 0.75)],
  ] as const) {
    for (const rows of [
      [www, cfg],
      [cfg, www],
    ])
      it(`${what}, ${rows[0].label} first in the table`, () => {
        assertOverlaps(boardOf(...rows), { www: 'cfg', cfg: 'www' });
      });
  }

  it('a row across others', () => {
    const across = row('across', 1, 0x82, 0x4f, 20);
    const inner = [row('cfg', 1, 0x82, 0x58, 2), row('log2', 1, 0x82, 0x60, 2)];
    for (const rows of [
      [www, across, ...inner],
      [...inner, www, across],
    ])
      assertOverlaps(boardOf(...rows), {
        www: 'across',
        cfg: 'across',
        log2: 'across',
        across: 'log2',
      });
  });

  it('a row in the flash of the bootloader and the table', () => {
    assertOverlaps(boardOf(row('low', 1, 0x82, 8, 1)), { low: 'table' });
    assertOverlaps(boardOf(row('lowest', 1, 0x82, 0, 9)), { lowest: 'table' });
  });

  it('and none that only touch', () => {
    const board = boardOf(www, row('cfg', 1, 0x82, 0x58, 2), row('low', 1, 0x82, 0x4f, 1));
    for (const partition of ['www', 'cfg', 'low']) plan(board, { partition, backup: false });
  });
});

/** @returns rows at random, whole sectors or not, in the flash from 0x50 to 0xf0. */
function randomRows(below: (n: number) => number): Row[] {
  const byte = () => [0, 0, 0.25, 0.5, 0.75][below(5)];
  return Array.from({ length: 2 + below(6) }, (_, n) =>
    row(`r${n}`, 1, 0x82, 0x50 + below(150) + byte(), below(9) + byte() + 0.25),
  );
}

/** Checks one board: which rows are refused, and where an update of `storage` writes. */
function assertRandom(board: Board, rows: Row[]): void {
  for (const one of rows) {
    const own = sectorsOf(one);
    const others = rows.filter(
      (other) => other !== one && sectorsOf(other).some((sector) => own.includes(sector)),
    );
    const refusal = refusalOf(() => plan(board, { partition: one.label, backup: false }));
    if (others.length)
      assert.ok(
        others.some(({ label }) => refusal.endsWith(`${one.label}: overlaps ${label}`)),
        `${one.label}: ${refusal}`,
      );
    else if ((one.address | one.size) % SECTOR) assert.match(refusal, /: not whole sectors$/);
    else assert.ok(!refusal.includes('E_FORBIDDEN'), refusal);
  }
}

/** Updates `storage`, and checks that no byte of a row has changed. */
function assertKept(board: Board, ota: Ota, rows: Row[]): void {
  const before = board.flash.snapshot();
  const update = ota.begin(STORAGE);
  update.write(pattern('new', 6 * SECTOR));
  assert.equal(update.end().state, 'committed');
  const written = differences(board.flash.snapshot(), before);
  assert.ok(written.length > 6);
  for (const row of rows)
    assert.ok(
      !sectorsOf(row).some((sector) => written.includes(sector)),
      `${row.label} is written`,
    );
}

/** No slot is free for the backup: it goes to free flash, between the rows. */
const NO_SLOT = WITH_JOURNAL.filter(({ label }) => label !== 'ota_1');

describe('rows anywhere', () => {
  it('are refused if they share a sector, and never written if they are no place of an update', () => {
    const below = random(16);
    for (let n = 0; n < 150; n++) {
      const rows = randomRows(below);
      const board = boardWith({ table: [...NO_SLOT, ...rows] });
      const ota = boot(board);
      assertRandom(board, rows);
      assertKept(board, ota, rows);
    }
  });
});

describe('a row of a size near 2^32', () => {
  // Sizes whose sum with an address or with a sector is 2^32 or more.
  const SIZES = [0xffffffff, 0xfffff001, 0xfffff000, 2 ** 32 - 0x50000, 0x80000000];

  for (const size of SIZES)
    it(`exceeds the chip: 0x${size.toString(16)}`, () => {
      for (const address of [0x50000, 0x50800, 0xfffff000]) {
        const board = boardOf({ label: 'huge', type: 1, subtype: 0x82, address, size, flags: 0 });
        for (const call of [() => otaOf(board).partitions(), () => plan(board, {})])
          assert.equal(codeOf(call), 'E_NO_PARTITION');
      }
    });

  it('overlaps what follows it, on a chip that does not tell its size', () => {
    for (const size of SIZES.slice(0, 4)) {
      const board = boardOf(
        { label: 'huge', type: 1, subtype: 0x82, address: 0x50000, size, flags: 0 },
        row('www', 1, 0x82, 0x70, 2),
      );
      board.flash.load(BOOTLOADER, new Uint8Array(4));
      assertOverlaps(board, { www: 'huge', huge: 'www' });
      assert.equal(plan(board, { backup: 'spare' }).partition.label, 'storage');
    }
  });
});
