/** `part-ota inspect` on chips in every state an update can leave. */
import assert from 'node:assert/strict';
import { inspect, type Inspection } from '../../cli/inspection.ts';
import { RECORD_LETTERS, RECORD_NAMES } from '../../device/records.ts';
import type { Options } from '../../device/api.ts';
import { Board, type BoardOptions, PowerCut, TABLES, TEARS } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE, OLD_IMAGE as OLD, read } from '../support/package.ts';

const NEW = NEW_IMAGE.toString('latin1');
const MODULE = bundleOf('ota');

type Ota = typeof import('../../device/index.ts');

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
    assert.deepEqual(gaps, [{ address: 0x313000, size: 0xed000 }]);
    assert.equal(running, 'ota_0');
    assert.ok(hasMd5);
    assert.equal(status.state, 'none');
    assert.equal(journal, undefined);
    assert.equal(nextBoot.erases + nextBoot.bytesProgrammed, 0);
  });

  it('the journal that counts, while the next one begins elsewhere', () => {
    const board = updated(makeBoard());
    const elsewhere = { partition: 'storage', journal: 'ota_1', backup: false } as const;
    const next = board.require<Ota>('ota').begin(elsewhere);
    // Two slots are zeroed, FORGET, the place of SOLID is zeroed, three sectors are erased, BEGIN. SOLID is the ninth.
    board.flash.cutAt(9, TEARS.nothing);
    assert.throws(() => next.write('x'.repeat(4096)), PowerCut);
    const { status, journal, records } = inspected(board);
    assert.equal(status.state, 'committed');
    assert.deepEqual([journal?.area.label, journal?.id], ['ota_journal', 1]);
    assert.equal(records[0].letter, 'D');
  });

  it('a table that is somewhere else', () => {
    const chip = chipOf(makeBoard());
    // Nothing of this table is in the way at 0x9000 but nvs.
    chip.copyWithin(0x9000, 0x8000, 0x9000);
    chip.fill(0xff, 0x8000, 0x9000);
    assert.throws(() => inspect(chip, 0x8000, MODULE), /no partition table at 0x8000/);
    assert.equal(inspect(chip, 0x9000, MODULE).status.state, 'none');
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
    assert.match(letters(found), /^DS{20,}$/);
    assert.deepEqual(found.journal, {
      area: { label: 'ota_journal', address: 0x310000, size: 0x3000 },
      id: 1,
      target: { label: 'storage', address: 0x210000, size: 0x100000 },
      backup: { label: 'ota_1', address: 0x110000, size: 0x100000 },
      isDirect: false,
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
    assert.match(letters(found), /^DS{76}.*D$/);
    assert.equal(found.nextBoot.erases + found.nextBoot.bytesProgrammed, 0);
  });

  it('a direct update is not complete', () => {
    const { status, journal, nextBoot } = inspected(updated(makeBoard(), 500, { backup: false }));
    assert.equal(status.state, 'incomplete');
    assert.equal(journal?.isDirect, true);
    assert.equal(journal.backup, undefined);
    assert.equal(nextBoot.report.state, 'incomplete');
  });

  it('the backup is lost', () => {
    const board = updated(makeBoard(), 1000);
    board.flash.load(0x110000, new Uint8Array(4096));
    assert.equal(inspected(board).nextBoot.report.state, 'damaged');
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
