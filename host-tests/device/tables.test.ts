/**
 * Tables and chips as others make them: flags that mean nothing here, a bootloader or a table elsewhere, types that are
 * nobody's, chips of 1 to 32 MB and larger ones.
 */
import assert from 'node:assert/strict';
import type { Options, OtaError, Plan } from '../../device/api.ts';
import {
  Board,
  encodeTable,
  pattern,
  type Row,
  SECTOR,
  type BoardOptions,
} from '../../host/index.ts';
import { assertHolds, boot, codeOf, NEW, OLD, row, SMALL, update } from '../support/fixtures.ts';
import { runtimeOf } from '../support/runtime.ts';
import { type Ota, otaOf, uploadTo } from '../support/subject.ts';

const MIB = 0x100000;
const ENCRYPTED = 1;
const READONLY = 2;
const STORAGE = { partition: 'storage' };

/** @returns a board of 1 MB with the module, and SMALL with some more rows. */
function boardOf(more: Row[], options: BoardOptions = {}): Board {
  const board = new Board({ table: [...SMALL, ...more], size: MIB, ...options });
  uploadTo(board);
  return board;
}

/** @returns the module at the next boot. */
function reboot(board: Board): Ota {
  board.flash.cut();
  return boot(board);
}

/** @returns why an update is refused. */
function messageOf(board: Board, options: Options): string {
  let message = 'nothing was thrown';
  try {
    boot(board).plan(options);
  } catch (error) {
    message = (error as OtaError).message;
  }
  assert.equal(
    codeOf(() => otaOf(board).begin(options)),
    message.split(' ')[0],
  );
  return message;
}

describe('tables: flags', () => {
  const flagged = [
    row('crypt', 1, 0x82, 0x50, 2, ENCRYPTED),
    row('ro', 1, 0x82, 0x52, 2, READONLY),
    row('both', 1, 0x82, 0x54, 2, ENCRYPTED | READONLY),
    row('later', 1, 0x82, 0x56, 2, 0xfffffffc),
  ];

  it('`encrypted` is no reason to refuse a target: without flash encryption it means nothing', () => {
    for (const partition of ['crypt', 'later']) {
      const board = boardOf(flagged);
      const image = pattern('new', 2 * SECTOR);
      assert.equal(update(boot(board), image, { partition }).state, 'committed', partition);
      assertHolds(board, partition, image);
    }
  });

  it('nor a backup, nor `ota_journal`', () => {
    const board = boardOf([...flagged, row('ota_journal', 1, 6, 0x60, 2, ENCRYPTED)]);
    const { backup, journal } = boot(board).plan({ ...STORAGE, backup: 'crypt' });
    assert.deepEqual([backup!.label, journal.label], ['crypt', 'ota_journal']);
  });

  it('`readonly` is one, with or without the other, and the message names it alone', () => {
    for (const partition of ['ro', 'both']) {
      const board = boardOf(flagged);
      assert.equal(
        messageOf(board, { partition, overwriteLive: true }),
        `E_FORBIDDEN partition ${partition}: readonly`,
      );
      assert.equal(
        messageOf(board, { ...STORAGE, backup: partition }),
        `E_FORBIDDEN backup ${partition}: readonly`,
      );
    }
  });

  it('are told as the table has them', () => {
    const rows = boot(boardOf(flagged)).partitions().slice(-4);
    assert.deepEqual(
      rows.map(({ encrypted, readonly }) => [encrypted, readonly]),
      [
        [true, false],
        [false, true],
        [true, true],
        [false, false],
      ],
    );
  });

  it('a chip with flash encryption has no table for this module: it reads as noise', () => {
    const board = boardOf(flagged);
    board.flash.load(0x8000, pattern('as it is encrypted', 0xc00));
    assert.match(messageOf(board, STORAGE), /^E_NO_PARTITION table: missing\/torn$/);
  });
});

describe('tables: types', () => {
  // The label, and what a target of it is refused for.
  const KINDS: [label: string, type: number, subtype: number, why?: string][] = [
    ['esp_secure_cert', 0x3f, 6],
    ['secure_cert_0', 0x3f, 0],
    ['cert_in_data', 1, 0x3f],
    ['nvs_keys', 1, 4],
    ['first_custom', 0x40, 0],
    ['last_custom', 0xfe, 0xfe],
    ['bootloader_ota', 2, 1, 'for booting'],
    ['table_ota', 3, 1, 'for booting'],
    ['not_yet_known', 0x3e, 0, 'for booting'],
    ['an_app', 0, 0x30, 'an app'],
  ];
  for (const [label, type, subtype, why] of KINDS)
    it(`${label}, 0x${type.toString(16)}, is ${why ? `refused: ${why}` : 'data'}`, () => {
      const board = boardOf([row(label, type, subtype, 0x50, 2)]);
      if (why) {
        assert.equal(
          messageOf(board, { partition: label, overwriteLive: true }),
          `E_FORBIDDEN partition ${label}: ${why}`,
        );
        return;
      }
      const image = pattern('new', 2 * SECTOR);
      assert.equal(update(boot(board), image, { partition: label }).state, 'committed');
      assertHolds(board, label, image);
    });
});

describe('chips: where the bootloader lies', () => {
  const header = (size: number) => Uint8Array.of(0xe9, 3, 2, size << 4);
  /** @returns what is at the end of the chip as the module sees it: the journal is there. */
  const endOf = ({ journal }: Plan) => journal.address + journal.size;

  /** @returns a chip of 4 MB without a bootloader but at these places: sizes by address, as the header has them. */
  function boardWithBootloaders(sizes: Record<number, number>): Board {
    const board = boardOf([], { size: 4 * MIB });
    board.flash.load(0, new Uint8Array(0x8000).fill(0xff));
    for (const [address, size] of Object.entries(sizes))
      board.flash.load(Number(address), header(size));
    return board;
  }

  for (const [what, sizes, end] of [
    ['at 0x2000, on an ESP32-C5 or -P4', { 0x2000: 1 }, 2 * MIB],
    ['at 0x1000, whatever is at 0x2000', { 0x1000: 0, 0x2000: 2 }, MIB],
    ['at 0, whatever is at 0x1000 and 0x2000', { 0: 2, 0x1000: 0, 0x2000: 1 }, 4 * MIB],
  ] as const)
    it(`is found ${what}`, () => {
      const board = boardWithBootloaders(sizes);
      assert.equal(endOf(boot(board).plan(STORAGE)), end);
    });

  it('is found nowhere else: then no flash is known to be free', () => {
    const board = boardWithBootloaders({ 0x3000: 2 });
    const table = SMALL.filter(({ label }) => label !== 'near');
    board.flash.load(0x8000, encodeTable(table));
    // What lies between two partitions is free all the same: two sectors, for a journal.
    assert.equal(endOf(boot(board).plan(STORAGE)), 0x32 * SECTOR);
  });
});

const AT = 0x11000;
/** All that is in front of the table moves behind it. */
const moved = SMALL.map((one) => ({ ...one, address: one.address + 0x10 * SECTOR }));
const options = { table: moved, tableAddress: AT, size: 2 * MIB };

/** @returns a board whose table lies at AT, and a sector of noise at 0x8000. */
function movedBoard(): Board {
  const board = new Board({ ...options, partitions: { storage: OLD } });
  uploadTo(board);
  return board;
}

describe('chips: a table elsewhere than at 0x8000', () => {
  it('is found by `use`, on Espruino and through a runtime; nothing in front of it is free', () => {
    for (const isEspruino of [true, false]) {
      const board = movedBoard();
      const rows = () => otaOf(board).partitions();
      const begin = () => {
        const ota = boot(board);
        ota.use(isEspruino ? { table: AT } : { ...runtimeOf(board), table: AT });
        return ota;
      };
      begin();
      assert.deepEqual(
        rows().map(({ label, address }) => [label, address]),
        moved.map(({ label, address }) => [label, address]),
      );
      const { journal } = otaOf(board).plan(STORAGE);
      // The smallest free flash that has room lies between the table and nvs.
      assert.equal(journal.address + journal.size, 0x19 * SECTOR);
      assert.ok(journal.address > AT);
      assert.equal(update(begin(), NEW).state, 'committed');
      assertHolds(board, 'storage', NEW);
      assert.equal(otaOf(board).recover().state, 'committed');
    }
  });

  it('is not found without it, and found at 0x8000 by default', () => {
    const board = movedBoard();
    assert.equal(
      codeOf(() => boot(board).plan(STORAGE)),
      'E_NO_PARTITION',
    );
    // A boot makes a new module, which knows nothing of it.
    otaOf(board).use({ table: AT });
    assert.equal(otaOf(board).status().state, 'none');
    assert.equal(
      codeOf(() => reboot(board).status()),
      'E_NO_PARTITION',
    );
    const usual = boardOf([]);
    const ota = boot(usual);
    ota.use({ table: AT });
    assert.equal(
      codeOf(() => ota.status()),
      'E_NO_PARTITION',
    );
    ota.use({ table: 0x8000 });
    assert.equal(ota.status().state, 'none');
    ota.use({ table: AT });
    ota.use(runtimeOf(usual));
    assert.equal(ota.status().state, 'none');
  });
});

describe('chips: with a table elsewhere', () => {
  it('a power cut is recovered from, once the boot script has told where it is', () => {
    const board = movedBoard();
    const ota = boot(board);
    ota.use({ table: AT });
    const open = ota.begin(STORAGE);
    open.write(
      Buffer.from(NEW)
        .toString('latin1')
        .slice(0, 3 * SECTOR),
    );
    board.flash.cut();
    const next = boot(board);
    next.use({ table: AT });
    assert.equal(next.recover().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });

  it('a row in front of the table overlaps it', () => {
    const board = movedBoard();
    board.flash.load(AT, encodeTable([...moved, row('low', 1, 0x82, 0x0a, 2)]));
    const ota = boot(board);
    ota.use({ table: AT });
    assert.throws(() => ota.plan({ partition: 'low' }), /^Error: E_FORBIDDEN .*: overlaps table$/);
  });
});

describe('chips of 1 to 32 MB', () => {
  for (const megabytes of [1, 2, 4, 8, 16, 32])
    it(`of ${megabytes} MB: partition, backup and journal at its end`, () => {
      const size = megabytes * MIB;
      const last = size / SECTOR;
      const table = [
        ...SMALL.slice(0, 4),
        row('storage', 1, 0x82, last - 20, 6),
        row('spare', 1, 0x40, last - 14, 6),
        row('ota_journal', 1, 6, last - 8, 8),
      ];
      const board = new Board({ table, size, partitions: { storage: OLD } });
      uploadTo(board);
      const options = { ...STORAGE, backup: 'spare' };
      const { journal } = boot(board).plan(options);
      assert.equal(journal.address + journal.size, size);
      assert.equal(update(boot(board), NEW, { ...options, trial: 2 }).state, 'trial');
      assertHolds(board, 'storage', NEW);
      assert.equal(reboot(board).restore().state, 'restored');
      assertHolds(board, 'storage', OLD);
      const before = board.flash.peek(0, (last - 20) * SECTOR);
      const open = boot(board).begin(options);
      open.write(
        Buffer.from(NEW)
          .toString('latin1')
          .slice(0, 4 * SECTOR + 1),
      );
      assert.notDeepEqual(board.content('storage'), OLD);
      board.flash.cut();
      assert.equal(boot(board).recover().state, 'restored');
      assertHolds(board, 'storage', OLD);
      assert.deepEqual(board.flash.peek(0, (last - 20) * SECTOR), before);
    });

  it('a partition of which a journal cannot keep a copy is refused, and not updated wrong', () => {
    // BEGIN has six bits for the sectors of the journal: 63 of them, 32 bytes for each sector of the partition.
    for (const [sectors, isTaken] of [
      [7909, true],
      [7910, false],
    ] as const) {
      const table = [
        row('nvs', 1, 2, 9, 4),
        row('factory', 0, 0, 0x10, 16),
        row('spare', 1, 0x40, 0x20, 16),
        row('storage', 1, 0x82, 0x30, sectors),
        row('ota_journal', 1, 6, 0x30 + sectors, 80),
      ];
      const board = new Board({ table, size: 32 * MIB });
      uploadTo(board);
      // Espruino's Storage would lie in it.
      const options = { ...STORAGE, backup: 'spare', overwriteLive: true };
      const sector = 'x'.repeat(SECTOR);
      if (!isTaken) assert.match(messageOf(board, options), /^E_SPACE ota_journal: 262144 bytes/);
      else {
        const old = board.content('storage');
        boot(board).begin(options).write(sector);
        board.flash.cut();
        assert.equal(boot(board).recover().state, 'restored');
        assert.deepEqual(board.content('storage'), old);
      }
      // Without a copy it needs no more than the heads.
      const direct = boot(board).begin({ ...options, backup: false, size: SECTOR });
      direct.write(sector);
      assert.equal(direct.end().state, 'committed');
    }
  });
});
