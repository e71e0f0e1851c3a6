/**
 * The fence: whatever is in a journal, nothing is written outside the target, the backup and the journal itself,
 * and nothing at all to what the board needs to boot. The journals here are forged: their CRCs are right, their
 * content is not.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { SLOT } from '../../device/records.ts';
import { type Board, PowerCut, SECTOR, TEARS, differences } from '../../host/index.ts';
import { NEW, STORAGE, boardWith, boot, codeOf, letterOfType } from '../support/fixtures.ts';

/** Where the journal begins: the last sector of ota_journal. */
const JOURNAL = 0x42 * SECTOR;

/** Sectors of the running app and of the target. */
const APP = 0x10;
const TARGET = 0x32;

/** An operation after some SAVED records. */
const CUT = 13;

/** @returns a record with the CRC that it has at an address (see device/records.ts). */
function sign(record: Buffer, address: number): Buffer {
  const place = Buffer.alloc(4);
  place.writeUInt32LE(address);
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

/** Appends a SAVED that names any sector. */
function forgeSaved({ flash }: Board, sector: number): void {
  let slot = 1;
  while (flash.peek(JOURNAL + slot * SLOT, SLOT).some((byte) => byte !== 0xff)) slot++;
  const record = Buffer.from(flash.peek(JOURNAL + (slot - 1) * SLOT, 12));
  assert.equal(letterOfType(record[0]), 'S');
  record.writeUInt16LE(sector, 4);
  flash.load(JOURNAL + slot * SLOT, sign(record, JOURNAL + slot * SLOT));
}

/** Makes BEGIN name other ranges. */
function forgeBegin({ flash }: Board, change: (begin: Buffer) => void): void {
  const begin = Buffer.from(flash.peek(JOURNAL, 12));
  assert.equal(letterOfType(begin[0]), 'B');
  change(begin);
  flash.load(JOURNAL, sign(begin, JOURNAL));
}

describe('the fence', () => {
  it('refuses a sector in flight that is in the running app', () => {
    const board = interrupted();
    forgeSaved(board, APP + 3);
    const before = board.flash.snapshot();
    const ota = boot(board);
    assert.equal(
      codeOf(() => ota.begin(STORAGE)),
      'E_FORBIDDEN',
    );
    const changed = differences(board.flash.snapshot(), before);
    assert.ok(
      changed.every((sector) => sector === 0x42 || (sector >= TARGET && sector < TARGET + 6)),
    );
    assert.deepEqual(board.panics, []);
  });

  it('refuses a sector in flight that is beside the target', () => {
    const board = interrupted();
    forgeSaved(board, TARGET + 6);
    const beside = board.content('beside');
    const ota = boot(board);
    assert.equal(
      codeOf(() => ota.begin(STORAGE)),
      'E_FORBIDDEN',
    );
    assert.deepEqual(board.content('beside'), beside);
  });

  for (const [what, change] of [
    ['the running app', (begin: Buffer) => begin.writeUInt16LE(APP, 4)],
    ['otadata', (begin: Buffer) => begin.writeUInt16LE(0x0d, 4)],
    ['the partition table', (begin: Buffer) => begin.writeUInt16LE(8, 4)],
    ['two partitions at once', (begin: Buffer) => begin.writeUInt16LE(7, 6)],
    ['what is past the end of the chip', (begin: Buffer) => begin.writeUInt16LE(0xfe, 4)],
  ] as const) {
    it(`puts nothing back into ${what}, and says damaged`, () => {
      const board = interrupted();
      forgeBegin(board, change);
      const before = board.flash.snapshot();
      assert.equal(boot(board).recover().state, 'damaged');
      assert.deepEqual(differences(board.flash.snapshot(), before), []);
    });
  }

  it('takes a journal of another format for none', () => {
    const board = interrupted();
    forgeBegin(board, (begin) => begin.writeUInt8(12, 0));
    assert.equal(boot(board).recover().state, 'none');
  });
});
