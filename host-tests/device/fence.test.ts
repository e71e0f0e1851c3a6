/**
 * The fence: whatever is in a journal, nothing is written outside the target, the backup and the journal itself,
 * and nothing at all to what the board needs to boot. The journals here are forged: their CRCs are right, their
 * content is not.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  ARGUMENT_AT,
  BEGIN,
  CRC_AT,
  FORMAT,
  SAVED,
  SLOT,
  TYPE_AT,
  WORD1_AT,
  WORD2_AT,
} from '../../device/records.ts';
import { type Board, PowerCut, SECTOR, TEARS, differences } from '../../host/index.ts';
import {
  NEW,
  STORAGE,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  image,
  update,
} from '../support/fixtures.ts';
import { otaOf } from '../support/subject.ts';

/** Its first sector is blank. */
const HOLLOW = image('a0 blank, a1 page, a2 page, a3 hole, a4 page, a5 page');

/** Where the journal begins: the last sector of ota_journal. */
const JOURNAL = 0x42 * SECTOR;

/** Sectors of the running app and of the target. */
const APP = 0x10;
const TARGET = 0x32;

/** An operation after some SAVED records. */
const CUT = 13;

/** @returns a record with the CRC that it has at an address (see device/records.ts). */
function sign(record: Buffer, address: number, format = FORMAT): Buffer {
  const place = Buffer.alloc(4);
  place.writeUInt32LE(address + format);
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(Buffer.concat([record, place])));
  return Buffer.concat([record, crc]);
}

/** @returns a board on which power failed when two sectors of the target were saved. */
function interrupted(): Board {
  const board = boardWith();
  const ota = boot(board);
  const update = ota.begin(STORAGE);
  board.flash.cutAt(CUT, TEARS.nothing);
  assert.throws(() => {
    update.write(NEW);
    update.end();
  }, PowerCut);
  board.powerOn();
  return board;
}

/** Appends a record like the last one, which is a SAVED. */
function forgeSaved({ flash }: Board, change: (record: Buffer) => void): void {
  let slot = 1;
  while (flash.peek(JOURNAL + slot * SLOT, SLOT).some((byte) => byte !== 0xff)) slot++;
  const record = Buffer.from(flash.peek(JOURNAL + (slot - 1) * SLOT, CRC_AT));
  assert.equal(record[TYPE_AT], SAVED);
  // What comes next in the order of SAVED records.
  record[ARGUMENT_AT]++;
  change(record);
  flash.load(JOURNAL + slot * SLOT, sign(record, JOURNAL + slot * SLOT));
}

/** Makes BEGIN name other ranges. */
function forgeBegin({ flash }: Board, change: (begin: Buffer) => void, format?: number): void {
  const begin = Buffer.from(flash.peek(JOURNAL, CRC_AT));
  assert.equal(begin[TYPE_AT], BEGIN);
  change(begin);
  flash.load(JOURNAL, sign(begin, JOURNAL, format));
}

/** Checks that nobody obeys the journal: it is damaged for every call, and nothing is written. */
function assertDamaged(board: Board): void {
  const before = board.flash.snapshot();
  const ota = boot(board);
  assertIdle('at any call', board, () => {
    assert.equal(ota.recover().state, 'damaged');
    assert.equal(ota.recover({ resume: true }).state, 'damaged');
    assert.equal(ota.status().state, 'damaged');
    assert.equal(
      codeOf(() => ota.restore()),
      'E_STATE',
    );
  });
  assert.deepEqual(differences(board.flash.snapshot(), before), []);
  assert.deepEqual(board.panics, []);
}

/** Checks that any partition can be updated, also the one that a damaged journal was about. */
function assertUpdatable(board: Board): void {
  const ota = boot(board);
  if (codeOf(() => ota.plan(STORAGE)) === 'E_PENDING')
    assert.equal(update(ota, NEW, { backup: false }).state, 'committed');
  assert.match(update(ota, NEW).state, /committed|untouched/);
  const near = { partition: 'near', backup: 'spare' };
  assert.equal(update(ota, NEW.subarray(0, 2 * SECTOR), near).state, 'committed');
  assert.equal(boot(board).recover().state, 'committed');
}

describe('the fence: a SAVED', () => {
  for (const [what, sector] of [
    ['in the running app', APP + 3],
    ['beside the target', TARGET + 6],
    ['below the target', TARGET - 1],
    ['at the end of all', 0xffff],
  ] as const)
    it(`of a sector ${what} makes the journal damaged`, () => {
      const board = interrupted();
      forgeSaved(board, (record) => record.writeUInt16LE(sector, WORD1_AT));
      assertDamaged(board);
      assertUpdatable(board);
    });

  for (const [what, slot] of [
    ['in the running app', APP + 3],
    ['in the target', TARGET + 5],
    ['in the journal', JOURNAL / SECTOR],
    ['behind the backup', 0x30],
    ['in the bootloader', 2],
  ] as const)
    it(`whose old content is ${what} makes the journal damaged`, () => {
      const board = interrupted();
      forgeSaved(board, (record) => {
        record.writeUInt16LE(TARGET + 4, WORD1_AT);
        record.writeUInt16LE(slot, WORD1_AT + 2);
      });
      assertDamaged(board);
      assertUpdatable(board);
    });
});

describe('the fence: a BEGIN', () => {
  for (const [what, change] of [
    ['the running app', (begin) => begin.writeUInt16LE(APP, WORD1_AT)],
    ['the passive app', (begin) => begin.writeUInt16LE(0x20, WORD1_AT)],
    ['otadata', (begin) => begin.writeUInt16LE(0x0d, WORD1_AT)],
    ['nvs, which is in use', (begin) => begin.writeUInt32LE(0x00040009, WORD1_AT)],
    ['the partition table', (begin) => begin.writeUInt16LE(8, WORD1_AT)],
    ['ota_journal itself', (begin) => begin.writeUInt32LE(0x00020041, WORD1_AT)],
    ['a part of a partition', (begin) => begin.writeUInt16LE(5, WORD1_AT + 2)],
    ['two partitions at once', (begin) => begin.writeUInt16LE(7, WORD1_AT + 2)],
    ['what is past the end of the chip', (begin) => begin.writeUInt16LE(0xfe, WORD1_AT)],
    ['nothing', (begin) => begin.writeUInt16LE(0, WORD1_AT + 2)],
  ] as [string, (begin: Buffer) => void][]) {
    it(`puts nothing back into ${what}, and is damaged`, () => {
      const board = interrupted();
      forgeBegin(board, change);
      assertDamaged(board);
      assertUpdatable(board);
    });
  }

  for (const [what, word] of [
    ['the running app', 0x00100010],
    ['the journal', 0x00020041],
    ['nvs', 0x00040009],
    ['half of a slot', 0x00080020],
    ['flash that is in no partition, up to its end', 0x00bd0043],
  ] as const)
    it(`saves nothing to ${what}`, () => {
      // Nothing is in the backup yet: what was saved is blank.
      const board = boardWith({ partitions: { storage: HOLLOW } });
      boot(board).begin(STORAGE).write(NEW.subarray(0, SECTOR));
      forgeBegin(board, (begin) => begin.writeUInt32LE(word, WORD2_AT));
      board.flash.cut();
      const before = board.flash.snapshot();
      assert.equal(update(boot(board), NEW).state, 'committed');
      const mayChange = (sector: number) =>
        (sector >= TARGET && sector < TARGET + 6) ||
        // The journal, and the passive slot: the backup of a new update.
        [0x41, 0x42].includes(sector) ||
        (sector >= 0x20 && sector < 0x30);
      for (const sector of differences(board.flash.snapshot(), before))
        assert.ok(mayChange(sector), `sector 0x${sector.toString(16)} has changed`);
      assert.equal(otaOf(board).restore().state, 'restored');
      assertHolds(board, 'storage', HOLLOW);
    });

  it('of another format is none', () => {
    for (const format of [0, 1, 3]) {
      const board = interrupted();
      board.flash.load(JOURNAL + SLOT, new Uint8Array(2 * SLOT).fill(0xff));
      forgeBegin(board, () => undefined, format);
      assert.equal(boot(board).recover().state, 'none');
    }
  });
});
