/** formats/journal.ts and the module on a chip read the same of the journals on it: which one counts, and what it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { randomOf } from '../../cli/simulate/cuts.ts';
import {
  AREA_AT,
  BEGIN,
  BOOT,
  COMMIT,
  CONFIRM,
  ENDING,
  FORGET,
  FORMAT,
  LIVE_AT,
  LOWER_AT,
  REOPEN,
  RESTORE,
  RESTORED,
  SAVED,
  SOLID,
  VOID,
} from '../../device/records.ts';
import { concat, words } from '../../formats/bytes.ts';
import { type Journal, readJournal } from '../../formats/journal.ts';
import { Board, pattern, SECTOR } from '../../host/index.ts';
import { crc32 } from '../../host/hashes.ts';
import { row } from '../../host/tables.ts';

const MODULE = readFileSync(new URL('../../dist/ota.min.js', import.meta.url), 'latin1');
type Ota = typeof import('../../device/index.ts');

/** A journal tells by its target, `first` or `second`, which one it is. Behind `otadata` one sector is free. */
const TABLE = [
  row('nvs', 1, 2, 0x9000, 0x4000),
  row('otadata', 1, 0, 0xd000, 0x2000),
  row('ota_0', 0, 0x10, 0x10000, 0x10000),
  row('ota_1', 0, 0x11, 0x20000, 0x10000),
  row('first', 1, 0x82, 0x30000, 0x2000),
  row('second', 1, 0x82, 0x32000, 0x2000),
  row('data', 1, 6, 0x34000, 0x2000),
  row('ota_journal', 1, 6, 0x36000, 0x4000),
  row('storage', 1, 0x41, 0x320000, 0xe0000),
];

/** The heads of both places, and other sectors in which a journal may be forged. */
const SECTORS = {
  upper: 0x39,
  lower: 0x38,
  'free upper': 0x31f,
  'free lower': 0x31e,
  body: 0x37,
  'one free sector': 0x0f,
  nvs: 0x0c,
  otadata: 0x0e,
  ota_0: 0x1f,
  ota_1: 0x2f,
  data: 0x35,
  storage: 0x3ff,
};
type Where = keyof typeof SECTORS | number;

/** The backup: the passive app slot. */
const BACKUP = 0x20;
const BACKUP_SPAN = 0x10;

/** What is wrong with a planted journal. */
type Flaw =
  | 'no SOLID'
  | 'no SOLID, no record behind it'
  | "another's SOLID"
  | 'retired'
  | 'torn BEGIN'
  | 'one bit of BEGIN'
  | 'one bit of SOLID'
  | 'two bits of BEGIN';

/** A journal: where, its id, and what is wrong with it. */
type Planted = [place: Where, id: number, flaw?: Flaw];

function slot(address: number, id: number, type: number, word1 = 0, word2 = 0, argument = 0) {
  const body = words(type | (argument << 8) | (id << 16), word1, word2);
  return concat([body, words(crc32(concat([body, words(address + FORMAT)])))]);
}

const sectorOf = (where: Where) => (typeof where === 'string' ? SECTORS[where] : where);

/** The words of a BEGIN of one of the targets. */
function begin(board: Board, target: string): [number, number] {
  const { address, size } = board.table.find(({ label }) => label === target)!;
  return [(address / SECTOR) | ((size / SECTOR) << 16), BACKUP | (BACKUP_SPAN << 16)];
}

/** The argument of a BEGIN. */
const argumentOf = (sectors: number, isLower: boolean, isLive = false) =>
  sectors | (Number(isLive) << (LIVE_AT - AREA_AT)) | (Number(isLower) << (LOWER_AT - AREA_AT));

/** @returns the check of a sector, as records.ts tells: of the CRC-32s of its quarters. */
function checkOf(sector: Uint8Array): number {
  let check = 0n;
  for (let at = 0; at < SECTOR; at += 1024)
    check = ((check * 33n) & 0xffffffffn) ^ BigInt(crc32(sector.subarray(at, at + 1024)));
  return Number(check);
}

/** The SAVED record of the first sector of a target, whose copy is the first sector of the backup. */
function savedOf({ flash }: Board, first: number): [number, number] {
  return [first | (BACKUP << 16), checkOf(flash.peek(BACKUP * SECTOR, SECTOR))];
}

/** Puts a journal on the chip, with one sector of its target saved. */
function plant(board: Board, [where, id, flaw]: Planted, target: string): void {
  const address = sectorOf(where) * SECTOR;
  const isLower = typeof where === 'string' && where.endsWith('lower');
  const [word1, word2] = begin(board, target);
  const first = slot(address, id, BEGIN, word1, word2, argumentOf(2, isLower));
  const solid = slot(address + 16, flaw === "another's SOLID" ? id - 1 : id, SOLID);
  const saved = slot(address + 32, id, SAVED, ...savedOf(board, word1 & 0xffff));
  if (flaw === 'torn BEGIN') first.fill(0xff, 8);
  if (flaw === 'one bit of BEGIN') first[5] ^= 1;
  if (flaw === 'two bits of BEGIN') first[5] ^= 3;
  if (flaw === 'one bit of SOLID') solid[2] ^= 0x40;
  if (flaw?.startsWith('no SOLID')) solid.fill(0xff);
  if (flaw === 'no SOLID, no record behind it') saved.fill(0xff);
  if (flaw === 'retired') solid.fill(0);
  const blank = new Uint8Array(SECTOR).fill(0xff);
  blank.set(concat([first, solid, saved]));
  board.flash.load(address, blank);
}

const statusOf = (board: Board) => {
  board.upload('ota', MODULE);
  return board.require<Ota>('ota').status();
};

function boardWith(table = TABLE): Board {
  const board = new Board({ table });
  for (const { label } of table) if (label !== 'storage' && label !== 'nvs') board.load(label, '');
  board.flash.load(BACKUP * SECTOR, pattern('old content', SECTOR));
  return board;
}

const chipOf = ({ flash }: Board) => flash.peek(0, flash.size);
const readOf = (board: Board) => readJournal(chipOf(board), board.table);

const CASES: [
  what: string,
  first: Planted | undefined,
  second: Planted | undefined,
  counts: string,
][] = [
  ['none', undefined, undefined, ''],
  ['one', ['upper', 7], undefined, 'first'],
  ['one in the lower head', ['lower', 7], undefined, 'first'],
  ['the higher id, in the upper head', ['upper', 8], ['lower', 7], 'first'],
  ['the higher id, in the lower head', ['upper', 7], ['lower', 8], 'second'],
  ['the higher id, in free flash', ['upper', 7], ['free upper', 8], 'second'],
  ['the higher id, in the lower head of free flash', ['upper', 7], ['free lower', 8], 'second'],
  ['the first of the same id', ['upper', 7], ['lower', 7], 'first'],
  ['the higher id, after it wrapped around', ['upper', 0xffff], ['lower', 0], 'second'],
  ['the higher id, before it wrapped around', ['upper', 0x7fff], ['lower', 0xfffe], 'second'],
  ['one above a high id that is alone', ['upper', 0xfffe], undefined, 'first'],
  ['none that a later one has retired', ['upper', 7], ['lower', 8, 'retired'], 'first'],
  [
    'none without SOLID and without records',
    ['upper', 7],
    ['lower', 8, 'no SOLID, no record behind it'],
    'first',
  ],
  [
    'one whose SOLID is lost, by the record behind it',
    ['upper', 7],
    ['lower', 8, 'no SOLID'],
    'second',
  ],
  ['one with a wrong bit in BEGIN', ['upper', 7], ['lower', 8, 'one bit of BEGIN'], 'second'],
  ['one with a wrong bit in SOLID', ['upper', 7], ['lower', 8, 'one bit of SOLID'], 'second'],
  [
    'one whose BEGIN is lost, though nobody knows of what',
    ['upper', 7],
    ['lower', 8, 'torn BEGIN'],
    '?',
  ],
  ["one whose BEGIN is another's, likewise", ['upper', 6], ['lower', 9, "another's SOLID"], '?'],
  [
    'one with two wrong bits in BEGIN, likewise',
    ['upper', 7],
    ['lower', 8, 'two bits of BEGIN'],
    '?',
  ],
  ['the one after such a one', ['upper', 9], ['lower', 8, 'torn BEGIN'], 'first'],
  ['none in the body of a place', ['upper', 7], ['body', 8], 'first'],
  ['none in free flash of one sector', ['upper', 7], ['one free sector', 8], 'first'],
  ['none in nvs', ['upper', 7], ['nvs', 8], 'first'],
  ['none in otadata', ['upper', 7], ['otadata', 8], 'first'],
  ["none in Espruino's Storage", ['upper', 7], ['storage', 8], 'first'],
  ['none in the app that runs', ['upper', 7], ['ota_0', 8], 'first'],
  ['none in the other app slot', ['upper', 7], ['ota_1', 8], 'first'],
  ['none in another data partition', ['upper', 7], ['data', 8], 'first'],
];

describe('of the journals on a chip, the module and its reader take', () => {
  for (const [what, first, second, counts] of CASES)
    it(what, () => {
      const board = boardWith();
      if (first) plant(board, first, 'first');
      if (second) plant(board, second, 'second');
      const journal = readOf(board);
      assert.equal(journal && (journal.target?.label ?? '?'), counts || undefined);
      const { state, partition } = statusOf(board);
      const isKnown = !['', '?'].includes(counts);
      if (counts !== '?') assert.equal(partition, counts || undefined, 'the module');
      assert.equal(state, isKnown ? 'interrupted' : counts ? 'damaged' : 'none', 'the module');
      if (!isKnown) return;
      assert.equal(journal!.saved.length, 1);
      assert.deepEqual([journal!.isBroken, journal!.saved[0].isOverwritten], [false, false]);
    });

  it('none in an `ota_journal` that may not be written, or lies over another partition', () => {
    const journal = TABLE.find(({ label }) => label === 'ota_journal')!;
    const others = TABLE.filter((row) => row !== journal);
    for (const [what, own, ...more] of [
      ['readonly', { ...journal, flags: 2 }],
      ['not whole sectors', { ...journal, address: 0x36800, size: 0x3800 }],
      ['one that overlaps', journal, row('over', 1, 6, 0x38000, 0x4000)],
    ] as const) {
      const board = boardWith([...others, own, ...more]);
      plant(board, ['upper', 7], 'first');
      plant(board, ['lower', 7], 'first');
      assert.equal(readOf(board), undefined, what);
      assert.equal(statusOf(board).state, 'none', what);
    }
  });

  // Free flash up to 0x2f, for the module counts in sectors; `odd` touches 0x30 to 0x32.
  const ODD = [
    ...TABLE.slice(0, 3),
    row('ota_1', 0, 0x11, 0x20000, 0x8000),
    row('odd', 1, 6, 0x30800, 0x2400),
    row('first', 1, 0x82, 0x36000, 0x2000),
    TABLE.at(-1)!,
  ];
  for (const [sector, counts] of [
    [0x2f, 'first'],
    [0x30, ''],
    [0x31, ''],
    [0x32, ''],
    [0x35, 'first'],
  ] as const)
    it(`${counts ? 'one' : 'none'} in 0x${sector.toString(16)}, by a partition that begins in the midst of 0x30`, () => {
      const board = boardWith(ODD);
      plant(board, [sector, 7], 'first');
      assert.equal(readOf(board)?.target?.label ?? '', counts);
      assert.equal(statusOf(board).partition ?? '', counts, 'the module');
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

/** Appends records to the log of a journal in one of the heads of `ota_journal`. */
class Log {
  readonly board: Board;
  readonly isLower: boolean;
  readonly id = 7;
  next = 2;

  /** @param direct - whether there is no backup; VOID: because the target's content counts for nothing already */
  constructor(
    isLower: boolean,
    sectors = 4,
    isLive = false,
    direct: false | 0 | typeof VOID = false,
  ) {
    this.board = boardWith();
    this.isLower = isLower;
    const [word1, word2] = begin(this.board, 'first');
    const start = this.addressOf(0);
    const argument = argumentOf(sectors, isLower, isLive);
    this.load(
      start,
      slot(start, this.id, BEGIN, word1, direct === false ? word2 : direct, argument),
    );
    this.load(start + 16, slot(start + 16, this.id, SOLID));
  }

  /** The head, then from the sector below both heads on downwards. */
  addressOf(slot: number): number {
    const head = this.isLower ? SECTORS.lower : SECTORS.upper;
    const sector = slot < 256 ? head : SECTORS.lower - (slot >> 8);
    return sector * SECTOR + (slot % 256) * 16;
  }

  load(address: number, bytes: Uint8Array): void {
    this.board.flash.load(address, bytes);
  }

  record(type: number, word1 = 0, word2 = 0, argument = 0, id = this.id): void {
    const address = this.addressOf(this.next++);
    this.load(address, slot(address, id, type, word1, word2, argument));
  }

  /** SAVED of a sector of `first` without a copy, and with a number. */
  saved(sector: number, number: number): void {
    this.record(SAVED, 0x30 + sector, 0, number);
  }
}

describe('a log', () => {
  /** @returns what is behind the first two slots, and how many sectors are saved. */
  const told = ({ board }: Log): [log: string[], saved: number] => {
    const { slots, saved } = readOf(board)!;
    assert.equal(statusOf(board).saved, saved.length, 'the module');
    const log = slots.slice(2);
    return [
      log.map(({ record, isZeroed }) => (record ? 'record' : isZeroed ? 'zero' : 'torn')),
      saved.length,
    ];
  };

  it('ends at three blank slots, not at two', () => {
    const log = new Log(false);
    log.next += 2;
    log.saved(0, 0);
    log.next += 2;
    log.saved(1, 1);
    assert.deepEqual(told(log), [['record', 'record'], 2]);
    const ended = new Log(false);
    ended.saved(0, 0);
    ended.next += 3;
    ended.saved(1, 1);
    assert.deepEqual(told(ended), [['record'], 1]);
  });

  it('does not end at slots that are zeroed, torn or of another transaction', () => {
    const log = new Log(true);
    log.load(log.addressOf(log.next++), new Uint8Array(16));
    log.load(log.addressOf(log.next++), new Uint8Array(16).fill(0x5a));
    log.record(SAVED, 0x31, 0, 0, 6);
    log.saved(0, 0);
    assert.deepEqual(told(log), [['zero', 'torn', 'torn', 'record'], 1]);
  });

  for (const isLower of [false, true])
    it(`goes on below both heads, from the ${isLower ? 'lower' : 'upper'} one`, () => {
      const log = new Log(isLower);
      for (let n = 2; n < 3 * 256; n++) log.saved(n === 2 ? 0 : 1, n === 2 ? 0 : 1);
      // Neither the other head nor what is below the journal belongs to it.
      const { slots, saved, area } = readOf(log.board)!;
      assert.equal(slots.length, 3 * 256);
      assert.equal(slots[255].address, (isLower ? 0x39 : 0x3a) * SECTOR - 16);
      assert.equal(slots[256].address, 0x37 * SECTOR);
      assert.equal(slots[512].address, 0x36 * SECTOR);
      assert.equal(saved.length, 2);
      assert.deepEqual(area, { label: 'ota_journal', address: 0x36000, size: 0x4000 });
      assert.equal(statusOf(log.board).saved, 2, 'the module');
    });

  it('ends in its head, if BEGIN tells of more sectors than there are below it', () => {
    const chip = new Uint8Array(0x400000).fill(0xff);
    // What free flash is there is told by the header of a chip whose bootloader begins at 0.
    chip.set([0xe9, 3, 2, 0x20]);
    const table = [row('first', 1, 0x82, 0xb000, 0x2000), row('rest', 1, 6, 0xd000, 0x3f3000)];
    const head = 10 * SECTOR;
    chip.set(slot(head, 7, BEGIN, 0x0b | (2 << 16), 0, 11), head);
    chip.set(slot(head + 16, 7, SOLID), head + 16);
    // No blank slots end the log.
    chip.fill(0, head + 32, 11 * SECTOR);
    chip.fill(0, 4, 9 * SECTOR);
    const { slots } = readJournal(chip, table)!;
    assert.equal(slots.length, 256);
    assert.equal(slots.at(-1)!.address, head + 255 * 16);
  });
});

describe('what a log tells', () => {
  it('is broken if a SAVED record is missing, or names what is not of this update', () => {
    const isBroken = (add: (log: Log) => void) => {
      const log = new Log(false);
      log.saved(0, 0);
      add(log);
      const isDamaged = statusOf(log.board).state === 'damaged';
      const found = readOf(log.board)!;
      assert.equal(found.isBroken, isDamaged, 'the module');
      return found.isBroken;
    };
    assert.equal(
      isBroken((log) => log.saved(1, 1)),
      false,
    );
    // Saved ahead, and recorded once more.
    assert.equal(
      isBroken((log) => [1, 0, 1].forEach((n) => log.saved(n, n))),
      false,
    );
    for (const [count, wanted] of [
      [1, false],
      [2, true],
    ] as const)
      assert.equal(
        isBroken((log) => log.record(RESTORE, 0, 0, count)),
        wanted,
      );
    assert.equal(
      isBroken((log) => [REOPEN, SOLID].forEach((type) => log.record(type))),
      true,
    );
    assert.equal(
      isBroken((log) => log.saved(1, 2)),
      true,
    );
    assert.equal(
      isBroken((log) => log.saved(1, 0)),
      true,
    );
    assert.equal(
      isBroken((log) => log.record(SAVED, 0x32, 0, 1)),
      true,
    );
    assert.equal(
      isBroken((log) => log.record(SAVED, 0x31 | (0x30 << 16), 0, 1)),
      true,
    );
  });
});

describe('a log with copies and flags', () => {
  it('has each copy that is not what was saved', () => {
    const log = new Log(false);
    log.record(SAVED, ...savedOf(log.board, 0x30));
    log.board.flash.load(BACKUP * SECTOR + 100, new Uint8Array([1]));
    assert.deepEqual(readOf(log.board)!.saved, [
      { address: 0x30000, copy: BACKUP * SECTOR, isOverwritten: true },
    ]);
    assert.equal(statusOf(log.board).state, 'damaged', 'the module');
  });

  for (const [what, isLive, isLower] of [
    ['the upper head', false, false],
    ['the lower head', false, true],
    ['a target that the firmware uses', true, false],
    ['both', true, true],
  ] as const)
    it(`has the flags of BEGIN: ${what}`, () => {
      const journal = readOf(new Log(isLower, 2, isLive).board)!;
      assert.deepEqual([journal.isLive, journal.head], [isLive, isLower ? 'lower' : 'upper']);
      assert.deepEqual(journal.area, { label: 'ota_journal', address: 0x38000, size: 0x2000 });
      assert.deepEqual(journal.target, { label: 'first', address: 0x30000, size: 0x2000 });
      assert.deepEqual(journal.backup, { label: 'ota_1', address: 0x20000, size: 0x10000 });
    });
});

describe('the target of a direct update counts for nothing', () => {
  for (const [what, direct, saves, state] of [
    ['from its SAVED on', 0, true, 'incomplete'],
    ['not before', 0, false, 'interrupted'],
    ['from its BEGIN on, if that says so', VOID, false, 'incomplete'],
  ] as const)
    it(what, () => {
      const log = new Log(false, 2, false, direct);
      if (saves) log.saved(1, 0);
      const journal = readOf(log.board)!;
      assert.deepEqual(
        [journal.isVoid, journal.backup, journal.isBroken, journal.saved],
        [direct === VOID, undefined, false, []],
      );
      const { state: found, saved } = statusOf(log.board);
      assert.deepEqual([found, saved], [state, 0], 'the module');
    });
});

describe('a wrong bit', () => {
  it('is corrected in each of 128 places of each record, and two are not', () => {
    const log = new Log(false);
    log.saved(0, 0);
    log.saved(1, 1);
    const chip = chipOf(log.board);
    const right = readJournal(chip, TABLE)!;
    for (const { slot: number, address } of right.slots)
      for (let bit = 0; bit < 128; bit++) {
        const at = address + (bit >> 3);
        chip[at] ^= 1 << (bit & 7);
        const found = readJournal(chip, TABLE)!;
        assert.deepEqual(
          found.slots.map(({ wrongBit }) => wrongBit),
          right.slots.map((slot) => (slot.slot === number ? bit : undefined)),
        );
        assert.deepEqual(
          found.slots.map(({ record }) => record),
          right.slots.map(({ record }) => record),
        );
        const other = address + (((bit + 37) & 127) >> 3);
        chip[other] ^= 1 << ((bit + 37) & 7);
        const torn = readJournal(chip, TABLE)!.slots.find(({ slot }) => slot === number);
        assert.equal(torn?.record, undefined);
        chip[other] ^= 1 << ((bit + 37) & 7);
        chip[at] ^= 1 << (bit & 7);
      }
    assert.deepEqual(readJournal(chip, TABLE), right);
  });
});

/** @returns what README promises that `status` tells of a journal whose places are as they were. */
function stateOf(journal: Journal | undefined): string {
  if (!journal) return 'none';
  let [type, argument] = [BEGIN, 0];
  for (const { record } of journal.slots) {
    if (record && record.type <= FORGET) ({ type, argument } = record);
    // RESTORE was between them.
    if (record?.type === SOLID && type === REOPEN) type = RESTORE;
  }
  if (type === RESTORED) return 'restored';
  if (type === FORGET) return 'none';
  if (type === COMMIT && argument && journal.target) return 'trial';
  if (type >= COMMIT) return 'committed';
  if (!journal.target || journal.isBroken) return 'damaged';
  if (!journal.backup && (journal.isVoid || type > BEGIN)) return 'incomplete';
  return journal.saved.some(({ isOverwritten }) => isOverwritten) ? 'damaged' : 'interrupted';
}

describe('of chips drawn at random, the module and its reader tell the same', () => {
  const TYPES = [
    SAVED,
    SAVED,
    SAVED,
    RESTORE,
    COMMIT,
    REOPEN,
    CONFIRM,
    BOOT,
    ENDING,
    SOLID,
    RESTORED,
    FORGET,
  ];
  for (let seed = 1; seed <= 6; seed++)
    it(`seed ${seed}`, () => {
      const random = randomOf(seed);
      const below = (count: number) => Math.floor(random() * count);
      const seen = new Set<string>();
      for (let round = 0; round < 50; round++) {
        const [isDirect, isLower] = [!below(4), below(2) > 0];
        const log = new Log(
          isLower,
          2 + below(3),
          below(8) === 0,
          isDirect && (below(2) ? VOID : 0),
        );
        if (!below(3))
          plant(log.board, [below(2) ? 'free upper' : 'free lower', 5 + below(5)], 'second');
        let [saved, last, isGivenUp, isDecided] = [0, 0, false, false];
        for (let n = below(10); n--;) {
          // SOLID does not follow SAVED, and nothing else follows FORGET.
          let type = TYPES[below(TYPES.length)];
          if (isGivenUp) type = SOLID;
          else if (type === SOLID && last === SAVED) type = CONFIRM;
          isGivenUp ||= type === FORGET;
          last = type;
          // Nothing is saved any more once something was decided.
          isDecided ||= type !== SAVED;
          const isNew = type === SAVED && saved < 2 && !isDecided;
          // A direct update has one SAVED.
          if (isNew && isDirect) log.saved(0, 0);
          else if (isNew) log.record(SAVED, ...savedOf(log.board, 0x30 + saved), saved++);
          else if (type === RESTORE)
            log.record(type, 0, 0, isDirect ? 0 : saved + (below(8) ? 0 : 1));
          else if (type !== SAVED) log.record(type, 0, 0, type === COMMIT ? 2 * below(2) : 0);
          if (!below(8)) log.next += 1 + below(2);
        }
        if (!below(6)) log.board.flash.load(BACKUP * SECTOR, new Uint8Array(4));
        for (let n = below(3); n--;) {
          const slot = below(log.next);
          const bytes = log.board.flash.peek(log.addressOf(slot), 16);
          if (below(4)) bytes[below(16)] ^= 1 << below(8);
          else bytes.fill(below(2) ? 0 : 0xa5);
          log.load(log.addressOf(slot), bytes);
        }
        const journal = readOf(log.board);
        const { state, partition, saved: count } = statusOf(log.board);
        const where = `round ${round}`;
        assert.equal(state, stateOf(journal), where);
        // Without its BEGIN a journal tells of no target, so nothing can be counted in it.
        if (!journal || journal.target) {
          assert.equal(partition, journal?.target?.label, where);
          assert.equal(count, journal?.saved.length ?? 0, where);
        }
        seen.add(state);
      }
      assert.ok(seen.size >= 6, [...seen].join());
    });
});
