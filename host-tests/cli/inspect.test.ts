/** `part-ota inspect` on chips in every state an update can leave. */
import assert from 'node:assert/strict';
import { inspect, type Inspection } from '../../cli/inspection.ts';
import { RECORD_LETTERS, RECORD_NAMES } from '../../device/records.ts';
import type { Options } from '../../device/api.ts';
import { Board, type BoardOptions, PowerCut, SECTOR, TABLES, TEARS } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE, OLD_IMAGE as OLD, read } from '../support/package.ts';

const NEW = NEW_IMAGE.toString('latin1');
const MODULE = bundleOf('ota');

type Ota = typeof import('../../device/index.ts');

/** The upper head of `ota_journal`. */
const UPPER = 0x313000;

function makeBoard(options: BoardOptions = {}): Board {
  const board = new Board({ partitions: { storage: OLD }, ...options });
  board.upload('ota', MODULE);
  return board;
}

/** Updates `storage`; `cutAt` names an operation that power fails in, `0` lets it end. */
function updated(board: Board, cutAt = 0, options: Partial<Options> = {}): Board {
  board.flash.cutAt(cutAt, TEARS.nothing);
  try {
    const update = board.require<Ota>('ota').begin({ partition: 'storage', ...options });
    update.write(NEW);
    update.end();
    assert.equal(cutAt, 0);
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  return board;
}

const chipOf = ({ flash }: Board) => Buffer.from(flash.peek(0, flash.size));
const inspected = (board: Board): Inspection => inspect(chipOf(board), 0x8000, MODULE);
const letters = ({ records }: Inspection) => records.map(({ letter }) => letter).join('');

describe('inspect tells of', () => {
  it('a chip that was never updated', () => {
    const { partitions, gaps, running, status, journal, nextBoot, hasMd5 } = inspected(makeBoard());
    assert.deepEqual(
      partitions.map(({ label }) => label),
      TABLES.example.map(({ label }) => label),
    );
    assert.deepEqual(gaps, [{ address: 0x314000, size: 0xec000 }]);
    assert.equal(running, 'ota_0');
    assert.ok(hasMd5);
    assert.equal(status.state, 'none');
    assert.equal(journal, undefined);
    assert.equal(nextBoot.erases + nextBoot.bytesProgrammed, 0);
  });

  it('the journal that counts, while the next one begins in the other head', () => {
    const board = updated(makeBoard());
    const next = board.require<Ota>('ota').begin({ partition: 'storage', backup: false });
    // A slot is zeroed, the lower head erased, BEGIN. SOLID is the fourth operation.
    board.flash.cutAt(4, TEARS.nothing);
    assert.throws(() => next.write('x'.repeat(SECTOR)), PowerCut);
    const { status, journal, records } = inspected(board);
    assert.equal(status.state, 'committed');
    assert.deepEqual(
      [journal?.area.label, journal?.start, journal?.head, journal?.id, journal?.isFinal],
      ['ota_journal', UPPER, 'upper', 1, true],
    );
    assert.equal(records[1].letter, 'D');
    // The next one is in the lower head, once SOLID is there.
    board.powerOn();
    const again = board.require<Ota>('ota').begin({ partition: 'storage', backup: false });
    again.write('x'.repeat(SECTOR));
    const found = inspected(board);
    assert.deepEqual(
      [found.journal?.start, found.journal?.head, found.journal?.id, found.journal?.isFinal],
      [UPPER - SECTOR, 'lower', 2, false],
    );
    assert.equal(found.records[0].says, 'BEGIN, 2 sectors, LOWER');
  });

  it('a table that is somewhere else', () => {
    const chip = chipOf(makeBoard());
    // Nothing of this table is in the way at 0x9000 but nvs.
    chip.copyWithin(0x9000, 0x8000, 0x9000);
    chip.fill(0xff, 0x8000, 0x9000);
    assert.throws(() => inspect(chip, 0x8000, MODULE), /no partition table at 0x8000/);
    assert.equal(inspect(chip, 0x9000, MODULE).status.state, 'none');
  });

  it('a chip whose table lies elsewhere: its journal, and what lies free', () => {
    const tableAddress = 0x10000;
    const table = TABLES.example
      .filter(({ label }) => label !== 'ota_journal')
      .map((row) => ({ ...row, address: row.address + 0x10000 }));
    const board = makeBoard({ table, tableAddress });
    board.require<Ota>('ota').use({ table: tableAddress });
    const chip = chipOf(updated(board));
    const { status, journal, gaps, nextBoot } = inspect(chip, tableAddress, MODULE);
    assert.equal(status.state, 'committed');
    assert.equal(journal!.target!.label, 'storage');
    assert.deepEqual(gaps, [
      { address: 0x11000, size: 0x8000 },
      { address: 0x320000, size: 0xe0000 },
    ]);
    // The smaller place that has room for it: behind the table.
    assert.equal(journal!.area.address + journal!.area.size, 0x19000);
    assert.equal(nextBoot.report.state, 'committed');
    assert.throws(() => inspect(chip, 0x8000, MODULE), /no partition table at 0x8000/);
  });
});

describe('inspect tells', () => {
  it('which app boots', () => {
    assert.equal(inspected(makeBoard({ running: 'ota_1' })).running, 'ota_1');
    assert.equal(inspected(updated(makeBoard(), 0, { trial: 2 })).running, 'ota_0');
    const table = TABLES.espruinoIdf4;
    const plain = new Board({ table, board: 'ESP32C3' });
    assert.equal(inspect(chipOf(plain), 0x8000, MODULE).running, 'factory');
  });

  it('what a power cut left, and what the next boot does about it', () => {
    const board = updated(makeBoard(), 1000);
    const found = inspected(board);
    assert.equal(found.status.state, 'interrupted');
    assert.equal(found.status.saved, found.records.filter(({ letter }) => letter === 'S').length);
    assert.match(letters(found), /^BDS{20,}$/);
    const { saved, ...journal } = found.journal!;
    assert.equal(saved.length, found.status.saved);
    assert.deepEqual(journal, {
      area: { label: 'ota_journal', address: 0x310000, size: 0x4000 },
      head: 'upper',
      start: UPPER,
      id: 1,
      target: { label: 'storage', address: 0x210000, size: 0x100000 },
      backup: { label: 'ota_1', address: 0x110000, size: 0x100000 },
      isDirect: false,
      isVoid: false,
      isLive: false,
      isFinal: false,
      isBroken: false,
    });
    assert.equal(found.nextBoot.report.state, 'restored');
    assert.ok(found.nextBoot.erases >= 20);
    board.powerOn();
    board.flash.resetCounters();
    assert.deepEqual(board.require<Ota>('ota').recover(), found.nextBoot.report);
    assert.equal(board.flash.counters.erases, found.nextBoot.erases);
    assert.equal(inspected(board).status.state, 'restored');
  });

  it('how a trial stands', () => {
    const board = updated(makeBoard(), 0, { trial: 3 });
    const { status, nextBoot, records } = inspected(board);
    assert.deepEqual([status.state, status.boots, status.trial], ['trial', 0, 3]);
    assert.deepEqual([nextBoot.report.state, nextBoot.report.boots], ['trial', 1]);
    assert.ok(records.some(({ says }) => says === 'COMMIT for 3 trial boots'));
  });
});

describe('inspect tells that', () => {
  it('the new content counts', () => {
    const found = inspected(updated(makeBoard(), 0, { size: NEW.length, crc32: 0xec69e630 }));
    assert.equal(found.status.state, 'committed');
    assert.match(letters(found), /^BDS{76}CKD$/);
    assert.equal(found.nextBoot.erases + found.nextBoot.bytesProgrammed, 0);
  });

  it('a direct update is not complete', () => {
    const { status, journal, nextBoot } = inspected(updated(makeBoard(), 500, { backup: false }));
    assert.equal(status.state, 'incomplete');
    assert.equal(journal?.isDirect, true);
    assert.equal(journal.backup, undefined);
    assert.equal(nextBoot.report.state, 'incomplete');
  });

  it('the backup is lost, and which copies', () => {
    const board = updated(makeBoard(), 1000);
    board.flash.load(0x111000, new Uint8Array(SECTOR));
    const { status, nextBoot, journal, records } = inspected(board);
    assert.equal(status.state, 'damaged');
    assert.equal(nextBoot.report.state, 'damaged');
    assert.deepEqual(
      journal?.saved.filter(({ isOverwritten }) => isOverwritten).map(({ copy }) => copy),
      [0x111000],
    );
    const told = records.filter(({ says }) => says.endsWith(', overwritten'));
    assert.equal(told.length, 1);
    assert.match(told[0].says, /^SAVED 0x2\w+: 0x111000, overwritten$/);
  });

  it('the update after that is not complete, either', () => {
    const board = updated(makeBoard(), 1000);
    board.flash.load(0x111000, new Uint8Array(SECTOR));
    board.powerOn();
    const { status, journal, records, nextBoot } = inspected(
      updated(board, 200, { backup: false }),
    );
    assert.deepEqual([status.state, nextBoot.report.state], ['incomplete', 'incomplete']);
    assert.deepEqual([journal?.isVoid, journal?.isDirect, journal?.head], [true, true, 'lower']);
    assert.equal(records[0].says, 'BEGIN, 2 sectors, VOID, LOWER');
  });

  it('the partition is one that the firmware uses', () => {
    const board = makeBoard();
    const { address } = board.partition('nvs');
    const options = { partition: 'nvs', overwriteLive: true };
    board.require<Ota>('ota').begin(options).write('x'.repeat(SECTOR));
    assert.ok(board.flash.holds(address, Buffer.alloc(SECTOR, 'x')));
    const { journal, records } = inspected(board);
    assert.deepEqual([journal?.isLive, journal?.target?.label], [true, 'nvs']);
    assert.equal(records[0].says, 'BEGIN, 2 sectors, LIVE');
  });
});

describe('inspect tells of a journal that reads wrong,', () => {
  const open = () => updated(makeBoard(), 1000);
  const flip = ({ flash }: Board, address: number, bit: number) => {
    const bytes = flash.peek(address, 16);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    flash.load(address, bytes);
  };

  it('that a single bit is corrected', () => {
    const board = open();
    flip(board, UPPER, 37);
    flip(board, UPPER + 4 * 16, 101);
    const { status, journal, records, wrongBits } = inspected(board);
    assert.equal(status.state, 'interrupted');
    assert.deepEqual([journal?.target?.label, journal?.isBroken, wrongBits], ['storage', false, 2]);
    assert.equal(records[0].says, 'BEGIN, 4 sectors; bit 37 is wrong, and is corrected');
    assert.match(records[4].says, /^SAVED .*; bit 101 is wrong, and is corrected$/);
  });

  it('that a record is missing', () => {
    const board = open();
    board.flash.load(UPPER + 4 * 16, Buffer.alloc(16, 0x5a));
    const { status, journal, records, nextBoot } = inspected(board);
    assert.equal(status.state, 'damaged');
    assert.equal(nextBoot.report.state, 'damaged');
    assert.equal(journal?.isBroken, true);
    assert.equal(records[4].says, 'torn');
  });

  it('that BEGIN is lost', () => {
    const board = open();
    board.flash.load(UPPER, Buffer.alloc(16, 0x5a));
    const { status, journal, records } = inspected(board);
    assert.equal(status.state, 'damaged');
    assert.deepEqual(
      [journal?.target, journal?.backup, journal?.isDirect, journal?.start],
      [undefined, undefined, false, UPPER],
    );
    assert.equal(records[0].says, 'torn');
  });
});

describe('inspect --records', () => {
  it('names the records as the table in device/records.ts does', () => {
    const comment = read('device/records.ts').toString();
    const rows = [...comment.matchAll(/^ \* {7,8}(\d+) {2}([A-Z]+) {2}/gm)];
    assert.deepEqual(
      rows.map(([, type, name]) => [Number(type), name]),
      RECORD_NAMES.map((name, type) => [type, name]).slice(1),
    );
    assert.equal(RECORD_LETTERS.length, RECORD_NAMES.length);
  });
});

describe('inspect refuses', () => {
  const chip = chipOf(makeBoard());
  const broken = (at: number, bytes: number[]) => {
    const copy = Buffer.from(chip);
    copy.set(bytes, at);
    return copy;
  };
  const refused: [what: string, chip: Buffer, why: RegExp][] = [
    ['a table whose MD5 is wrong', broken(0x8004, [0x55]), /0x8000: MD5 checksums don't match/],
    ['a table that is torn', broken(0x8040, [0x12, 0x34]), /0x8000: Invalid magic bytes/],
    ['a chip without a table', broken(0x8000, [0xff, 0xff]), /no partition table at 0x8000/],
    ['half a file', chip.subarray(0, 0x200000), /cut short: "ota_1" ends at/],
    ['a file that ends within a sector', chip.subarray(0, 0x3fff00), /cut short/],
    ['an empty file', Buffer.alloc(0), /cut short/],
    ['a partition table', chip.subarray(0x8000, 0x8c00), /is a partition table/],
  ];
  for (const [what, image, why] of refused)
    it(what, () => {
      assert.throws(() => inspect(image, 0x8000, MODULE), { name: 'InputError', message: why });
    });
});
