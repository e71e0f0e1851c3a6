/**
 * Ids of journals have 16 bits and wrap around: real updates on chips whose last journal has any id, with old journals
 * in other heads, and power failing while the next one opens.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { CRC_AT, FORMAT, ID_AT, SLOT } from '../../device/records.ts';
import { type Board, type Mood, SECTOR, TEARS, type Tear } from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  STORAGE,
  assertHolds,
  boardWith,
  bootStraight,
  during,
  everyForm,
  moodName,
  nameOf,
  record,
  update,
} from '../support/fixtures.ts';
import type { Ota } from '../support/subject.ts';

/** So many trial boots that the journal is in free flash. */
const MORE = { trial: 60 };

/** The heads of ota_journal, of free flash. */
const HEADS = [0x41, 0x42, 0xfe, 0xff];

/** Cuts power between two operations, and boots. */
function reboot(board: Board, mood: Mood = 'after'): Ota {
  board.flash.cut();
  return bootStraight(board, mood);
}

/** Makes each record of a head one of a journal with another id, as real updates would have left it. */
function renumber({ flash }: Board, head: number, id: number): void {
  for (let address = head * SECTOR; address < (head + 1) * SECTOR; address += SLOT) {
    const record = Buffer.from(flash.peek(address, SLOT));
    // Blank slots, and those that were zeroed.
    if ([0, 0xff].includes(record[0])) continue;
    record.writeUInt16LE(id & 0xffff, ID_AT);
    const place = Buffer.alloc(4);
    place.writeUInt32LE(address + FORMAT);
    record.writeUInt32LE(crc32(Buffer.concat([record.subarray(0, CRC_AT), place])), CRC_AT);
    flash.load(address, record);
  }
}

describe('a journal id', () => {
  it('is one above that of the journal before, up to 65535, and then 0', () => {
    const board = boardWith();
    update(bootStraight(board), NEW);
    const first = Buffer.from(board.flash.peek(0x42 * SECTOR + ID_AT, 2)).readUInt16LE();
    assert.equal(first, 1);
    renumber(board, 0x42, 0xfffe);
    const ids = [OTHER, NEW, OTHER, NEW].map((image) => {
      update(reboot(board), image);
      assert.equal(reboot(board).recover().state, 'committed');
      assertHolds(board, 'storage', image);
      const found = [0x41, 0x42].filter((head) =>
        board.flash.peek(head * SECTOR + SLOT, SLOT).some((byte) => byte > 0),
      );
      assert.equal(found.length, 1, 'one journal speaks');
      return Buffer.from(board.flash.peek(found[0] * SECTOR + ID_AT, 2)).readUInt16LE();
    });
    assert.deepEqual(ids, [0xffff, 0, 1, 2]);
  });
});

/** The id of the journal that speaks when an update begins. */
const IDS = [0xfffe, 0xffff, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0];

/** Where that journal is, and where the next one goes. */
const MOVES = {
  'in ota_journal': [{}, {}],
  'from ota_journal to free flash': [{}, MORE],
  'from free flash to ota_journal': [MORE, {}],
} as const;

/** @returns a board after some updates, the last of which has an id. The content is OLD. */
function boardWithId(id: number, from: object): Board {
  const board = boardWith();
  for (const image of [NEW, OTHER, NEW]) update(reboot(board), image);
  update(reboot(board), OTHER, MORE);
  reboot(board).confirm();
  update(reboot(board), NEW);
  const ota = reboot(board);
  update(ota, OLD, from);
  if ('trial' in from) ota.confirm();
  board.flash.cut();
  // The last ones have the ids 6, 5, 4 and so on, in whichever heads they are.
  for (const head of HEADS) {
    const { flash } = board;
    if (flash.peek(head * SECTOR, SLOT).every((byte) => byte === 0xff)) continue;
    renumber(
      board,
      head,
      id - 6 + Buffer.from(flash.peek(head * SECTOR + ID_AT, 2)).readUInt16LE(),
    );
  }
  return board;
}

const MOODS: [Mood, Mood][] = [
  ['ones', 'zeros'],
  ['zeros', 'ones'],
];
const FORMS: Tear[] = [TEARS.everyBit, TEARS.firstHalf, TEARS.everything];

describe('ids that wrap around', () => {
  for (const [where, [from, to]] of Object.entries(MOVES))
    for (const id of IDS)
      it(`after 0x${id.toString(16)}: whenever power fails, one journal speaks, ${where}`, () => {
        const board = boardWithId(id, from);
        assert.equal(reboot(board).recover().state, 'committed');
        assertHolds(board, 'storage', OLD);
        const ota = reboot(board);
        const open = ota.begin({ ...STORAGE, ...to });
        const steps = record(board, () => open.write(NEW.subarray(0, 2 * SECTOR)));
        for (const step of steps) {
          const check = (moods: [Mood, Mood], tear: Tear) =>
            during(
              () => `${nameOf(step, steps, tear)}; ${moodName(moods)}`,
              () => {
                for (const mood of moods) {
                  assert.match(reboot(board, mood).recover().state, /^(committed|restored)$/);
                  assertHolds(board, 'storage', OLD);
                }
                update(reboot(board, moods[0]), OTHER, to);
                assert.match(reboot(board, moods[1]).recover().state, /^(committed|trial)$/);
                assertHolds(board, 'storage', OTHER);
              },
            );
          everyForm(board, step, [check], FORMS, () => MOODS);
        }
      });
});

describe('an old journal as far behind as ids reach', () => {
  for (const distance of [1, 2, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xffff])
    it(`whose id is 0x${distance.toString(16)} below never speaks again`, () => {
      const board = boardWith();
      // Its SOLID was zeroed when the next one began.
      update(bootStraight(board), NEW);
      update(reboot(board), OTHER);
      renumber(board, 0x42, 5 - distance);
      renumber(board, 0x41, 5);
      const ota = reboot(board);
      const steps = record(board, () => update(ota, OLD));
      for (const step of steps) {
        const check = (moods: [Mood, Mood], tear: Tear) =>
          during(
            () => `${nameOf(step, steps, tear)}; ${moodName(moods)}`,
            () => {
              const { state } = reboot(board, moods[0]).recover();
              const isNew = Buffer.compare(board.content('storage'), OLD) === 0;
              assertHolds(board, 'storage', isNew ? OLD : OTHER);
              assert.match(state, isNew ? /^committed$/ : /^(committed|restored)$/);
              update(reboot(board, moods[1]), NEW);
              assert.equal(reboot(board).recover().state, 'committed');
              assertHolds(board, 'storage', NEW);
            },
          );
        everyForm(board, step, [check], FORMS, () => MOODS);
      }
    });
});

describe('a journal whose sector keeps nothing more, and cannot be zeroed', () => {
  for (const id of [...IDS, 5])
    it(`does not speak once a later one has begun elsewhere, after 0x${id.toString(16)}`, () => {
      const board = boardWithId(id, {});
      const dead = HEADS.find((head) => isSpeaking(board, head))!;
      assert.ok([0x41, 0x42].includes(dead));
      board.flash.faults = [
        ({ kind, address }) => (kind !== 'read' && address >> 12 === dead ? 'nothing' : undefined),
      ];
      assert.equal(update(reboot(board), NEW, MORE).state, 'trial');
      assert.ok(isSpeaking(board, dead), 'it was zeroed');
      assert.deepEqual(
        [reboot(board).recover().state, reboot(board).status().trial],
        ['trial', 60],
      );
      assert.equal(reboot(board).confirm().state, 'committed');
      const open = reboot(board).begin({ ...STORAGE, ...MORE });
      open.write(OTHER.subarray(0, 3 * SECTOR));
      assert.equal(reboot(board).recover().state, 'restored');
      assertHolds(board, 'storage', NEW);
    });
});

/** @returns whether a head has a BEGIN and a slot 1 that was not zeroed. */
function isSpeaking({ flash }: Board, head: number): boolean {
  return [0, 1].every((slot) => ![0, 0xff].includes(flash.peek(head * SECTOR + slot * SLOT, 1)[0]));
}
