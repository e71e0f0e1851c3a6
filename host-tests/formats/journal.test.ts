/** formats/journal.ts and the module on a chip take the same journal for the one that counts, of several. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { BEGIN, SAVED, SOLID } from '../../device/records.ts';
import { concat, words } from '../../formats/bytes.ts';
import { readJournal } from '../../formats/journal.ts';
import { Board, SECTOR } from '../../host/index.ts';
import { crc32 } from '../../host/hashes.ts';
import { row } from '../../host/tables.ts';

const MODULE = readFileSync(new URL('../../dist/ota.min.js', import.meta.url), 'latin1');
type Ota = typeof import('../../device/index.ts');

/** Each may be the target of an update; a journal tells by its target which one it is. */
const TARGETS = ['first', 'second'];
const TABLE = [
  row('nvs', 1, 2, 0x9000, 0x4000),
  row('otadata', 1, 0, 0xd000, 0x2000),
  row('ota_0', 0, 0x10, 0x10000, 0x10000),
  row('ota_1', 0, 0x11, 0x20000, 0x10000),
  row('first', 1, 0x82, 0x30000, 0x2000),
  row('second', 1, 0x82, 0x32000, 0x2000),
  row('a', 1, 6, 0x34000, 0x2000),
  row('b', 1, 6, 0x36000, 0x2000),
  row('storage', 1, 0x41, 0x320000, 0xe0000),
];

/** Where a journal may begin: the last sector of a partition, or of the free flash. */
const LAST = {
  a: 0x35,
  b: 0x37,
  nvs: 0x0c,
  otadata: 0x0e,
  ota_0: 0x1f,
  ota_1: 0x2f,
  storage: 0x3ff,
  gap: 0x31f,
};

/** A journal: where, by name or by number of the sector; its id, and what is wrong with it. */
type Planted = [
  place: keyof typeof LAST | number,
  id: number,
  flaw?: 'no SOLID' | 'torn BEGIN' | "another's SOLID",
];

function slot(address: number, id: number, type: number, word1 = 0, word2 = 0, argument = 0) {
  const body = words(type | (argument << 8) | (id << 16), word1, word2);
  return concat([body, words(crc32(concat([body, words(address)])))]);
}

/** Puts a journal on the chip, with one sector of its target saved. */
function plant({ flash, table }: Board, [place, id, flaw]: Planted, target: string): void {
  const address = (typeof place === 'string' ? LAST[place] : place) * SECTOR;
  const { address: from, size } = table.find(({ label }) => label === target)!;
  const range = (from / SECTOR) | ((size / SECTOR) << 16);
  const begin = slot(address, id, BEGIN, range, 0x20 | (1 << 16), 1);
  if (flaw === 'torn BEGIN') begin[5] ^= 1;
  const solid = slot(address + 16, flaw === "another's SOLID" ? id - 1 : id, SOLID);
  if (flaw === 'no SOLID') solid.fill(0xff);
  const saved = slot(address + 32, id, SAVED, (from / SECTOR) | (0x20 << 16));
  const blank = new Uint8Array(SECTOR).fill(0xff);
  blank.set(concat([begin, solid, saved]));
  flash.load(address, blank);
}

const statusOf = (board: Board) => {
  board.upload('ota', MODULE);
  return board.require<Ota>('ota').status();
};

const CASES: [
  what: string,
  first: Planted | undefined,
  second: Planted | undefined,
  counts: string,
][] = [
  ['none', undefined, undefined, ''],
  ['one', ['a', 7], undefined, 'first'],
  ['the higher id, in front', ['a', 8], ['b', 7], 'first'],
  ['the higher id, behind', ['a', 7], ['b', 8], 'second'],
  ['the first of the same id', ['a', 7], ['b', 7], 'first'],
  ['the higher id, after it wrapped around', ['a', 0xffff], ['b', 0], 'second'],
  ['the higher id, before it wrapped around', ['a', 0x7fff], ['b', 0xfffe], 'second'],
  ['no BEGIN without SOLID', ['a', 7], ['b', 8, 'no SOLID'], 'first'],
  ["no BEGIN with another's SOLID", ['a', 7], ['b', 8, "another's SOLID"], 'first'],
  ['no BEGIN that is torn', ['a', 7], ['b', 8, 'torn BEGIN'], 'first'],
  ['none in nvs', ['a', 7], ['nvs', 8], 'first'],
  ['none in otadata', ['a', 7], ['otadata', 8], 'first'],
  ["none in Espruino's Storage", ['a', 7], ['storage', 8], 'first'],
  ['one in an app slot', ['a', 7], ['ota_1', 8], 'second'],
  ['one in free flash', ['a', 7], ['gap', 8], 'second'],
];

describe('of the journals on a chip, the module and its reader take', () => {
  for (const [what, first, second, counts] of CASES)
    it(what, () => {
      const board = new Board({ table: TABLE });
      for (const label of ['a', 'b', ...TARGETS]) board.load(label, '');
      if (first) plant(board, first, 'first');
      if (second) plant(board, second, 'second');
      assert.equal(statusOf(board).partition ?? '', counts, 'the module');
      const chip = board.flash.peek(0, board.flash.size);
      const journal = readJournal(chip, board.table);
      assert.equal(journal?.target.label ?? '', counts);
      if (counts) assert.equal(journal!.slots.length, 3);
    });

  // Free flash up to 0x2f, for the module counts in sectors; `odd` ends in 0x32, for it takes as many as its size needs.
  const ODD = [
    ...TABLE.slice(0, 3),
    row('ota_1', 0, 0x11, 0x20000, 0x8000),
    row('odd', 1, 6, 0x30800, 0x2400),
    row('first', 1, 0x82, 0x34000, 0x2000),
    TABLE.at(-1)!,
  ];
  for (const [sector, counts] of [
    [0x2f, 'first'],
    [0x30, ''],
    [0x31, ''],
    [0x32, 'first'],
    [0x33, 'first'],
  ] as const)
    it(`${counts ? 'one' : 'none'} in 0x${sector.toString(16)}, by a partition that begins in the midst of 0x30`, () => {
      const board = new Board({ table: ODD });
      for (const label of ['odd', 'first']) board.load(label, '');
      plant(board, [sector, 7], 'first');
      assert.equal(statusOf(board).partition ?? '', counts, 'the module');
      const journal = readJournal(board.flash.peek(0, board.flash.size), board.table);
      assert.equal(journal?.target.label ?? '', counts);
      if (sector === 0x32) assert.equal(journal?.area.label, 'odd');
    });

  it('one with fewer sectors below it than its BEGIN has, up to the start of the chip', () => {
    const board = new Board({ table: TABLE.toSpliced(0, 1, row('nvs', 1, 2, 0xa000, 0x3000)) });
    board.load('first', '');
    plant(board, [9, 7], 'first');
    const chip = board.flash.peek(0, board.flash.size);
    const range = 0x30 | (2 << 16);
    chip.set(slot(9 * SECTOR, 7, BEGIN, range, 0x20 | (1 << 16), 255), 9 * SECTOR);
    // No blank slots end the log.
    chip.fill(0, 9 * SECTOR + 48, 10 * SECTOR);
    chip.fill(0, 0, 9 * SECTOR);
    // What free flash is there is told by the header of a chip whose bootloader begins at 0.
    chip.set([0xe9, 3, 2, 0x20]);
    // A record at the end, where an address below 0 would be taken from.
    chip.fill(0, chip.length - 246 * SECTOR);
    const { slots } = readJournal(chip, board.table)!;
    assert.equal(slots.length, 10 * 256);
    assert.equal(slots.at(-1)!.address, 255 * 16);
  });

  it('none behind the flash that the firmware reaches', () => {
    const board = new Board({ table: TABLE.slice(0, -1) });
    const chip = new Uint8Array(0x800000).fill(0xff);
    plant(board, ['storage', 7], 'first');
    chip.set(board.flash.peek(0, 0x400000));
    assert.equal(readJournal(chip, board.table)?.id, 7);
    // By its header the chip has 2 MiB.
    chip[0x1003] = 0x10;
    assert.equal(readJournal(chip, board.table), undefined);
  });
});

describe('the log of a journal ends', () => {
  /** What is behind the first SAVED: by the reader, and how many sectors are saved by then, by the module. */
  const logOf = (...slots: string[]): [log: string[], saved: number | undefined] => {
    const large = row('first', 1, 0x82, 0x30000, 0x4000);
    const board = new Board({
      table: TABLE.flatMap((row) =>
        row.label === 'first' ? [large] : row.label === 'second' ? [] : [row],
      ),
    });
    board.load('first', '');
    let sector = 0x31;
    plant(board, ['a', 7], 'first');
    slots.forEach((what, n) => {
      const address = LAST.a * SECTOR + (3 + n) * 16;
      if (what === 'SAVED') board.flash.load(address, slot(address, 7, SAVED, sector++));
      if (what === 'of another') board.flash.load(address, slot(address, 6, SAVED, 0x33));
      if (what === 'zero') board.flash.load(address, new Uint8Array(16));
    });
    const { saved } = statusOf(board);
    const chip = board.flash.peek(0, board.flash.size);
    const log = readJournal(chip, board.table)!
      .slots.slice(3)
      .map(({ record, isZeroed }) => (record ? 'record' : isZeroed ? 'zero' : 'torn'));
    return [log, saved];
  };

  it('at three blank slots, not at two', () => {
    assert.deepEqual(logOf('', '', 'SAVED', '', 'SAVED'), [['record', 'record'], 3]);
    assert.deepEqual(logOf('SAVED', '', '', '', 'SAVED'), [['record'], 2]);
  });

  it('not at slots that are zeroed, or of another transaction', () => {
    assert.deepEqual(logOf('zero', 'of another', 'SAVED'), [['zero', 'torn', 'record'], 2]);
  });
});
