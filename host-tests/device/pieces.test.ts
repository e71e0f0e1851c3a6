/**
 * A sector is never in memory whole: what arrives is compared, or programmed, piece by piece. These tests hold that nobody can
 * tell: any pieces make the same content, sectors are erased and pages programmed once, and the old content is safe; and what
 * `keep` and `back` promise.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Options, Update } from '../../device/api.ts';
import {
  type Board,
  type Mood,
  PAGE,
  PowerCut,
  SECTOR,
  TEARS,
  type Tear,
  pattern,
} from '../../host/index.ts';
import {
  SECTORS,
  STORAGE,
  type Scene,
  assertHolds,
  assertIdle,
  assertRecovers,
  boardWith,
  boot,
  bootStraight,
  codeOf,
  cutIn,
  during,
  everyForm,
  fenceIn,
  moodInTurn,
  moodName,
  nameOf,
  padded,
  random,
  record,
  tearsIn,
  update,
} from '../support/fixtures.ts';
import { type Ota, otaOf } from '../support/subject.ts';

const SPARE: Options = { ...STORAGE, backup: 'spare' };
const DIRECT: Options = { ...STORAGE, backup: false };
const SIZE = SECTORS * SECTOR;
/** All sectors are full, and no two pieces of them are alike. */
const OLD = pattern('old', SIZE);
const NEW = pattern('new', SIZE);

const fullBoard = (storage: Uint8Array = OLD) => boardWith({ partitions: { storage } });

/** @returns an image that differs from another one from a byte on, in one sector. */
function changedFrom(image: Uint8Array, sector: number, offset: number): Buffer {
  const changed = Buffer.from(image);
  const start = sector * SECTOR;
  const content = pattern(`from ${offset}`, SECTOR);
  changed.set(content.subarray(offset), start + offset);
  // Exactly that byte is the first one.
  changed[start + offset] = image[start + offset] ^ 0xff;
  return changed;
}

/** Writes an image in chunks; a function tells how large each of them is. */
function writeIn(open: Update, image: Uint8Array, size: () => number): void {
  for (let at = 0; at < image.length;) {
    const chunk = image.subarray(at, at + size());
    open.write(chunk);
    at += chunk.length;
  }
}

/** Where an update's target begins. */
const startOf = (board: Board) => board.partition('storage').address;

/** @returns how often each page of the target is programmed, and each sector erased, by what `act` does. */
function workIn(board: Board, act: () => void): { pages: number[]; erases: number[] } {
  const start = startOf(board);
  const pages = new Array<number>(SIZE / PAGE).fill(0);
  const erases = new Array<number>(SECTORS).fill(0);
  for (const { kind, address } of record(board, act)) {
    if (address < start || address >= start + SIZE) continue;
    if (kind === 'erase') erases[(address - start) / SECTOR]++;
    else pages[Math.floor((address - start) / PAGE)]++;
  }
  return { pages, erases };
}

/** Sizes of chunks: around a page, a piece and a sector, of a connection, odd ones. */
const CHUNKS = [100, PAGE - 1, PAGE, 512, 536, 1000, 1023, 1024, 1025, 1460, SECTOR, SIZE];
/** Offsets of the first byte that differs. */
const OFFSETS = [0, 1, PAGE - 1, PAGE, 700, 1023, 1024, 1100, 2048, 3333, SECTOR - 1];

describe('an update in pieces', () => {
  for (const [name, options] of [
    ['with a backup', SPARE],
    ['direct', DIRECT],
  ] as const)
    it(`${name} writes from the first byte that differs on, each page once, whatever comes at once`, () => {
      for (const offset of OFFSETS)
        for (const chunk of CHUNKS) {
          const image = changedFrom(OLD, 2, offset);
          const board = fullBoard();
          const ota = boot(board);
          const { pages, erases } = workIn(board, () => {
            const open = ota.begin({ ...options, size: SIZE, crc32: crc32(image) });
            writeIn(open, image, () => chunk);
            assert.equal(open.end().changed, 1);
          });
          const name = `differs from byte ${offset} on, chunks of ${chunk}`;
          during(
            () => name,
            () => assertHolds(board, 'storage', image),
          );
          assert.deepEqual(
            erases,
            erases.map((_, n) => Number(n === 2)),
            name,
          );
          assert.ok(Math.max(...pages) <= 1, `${name}: a page was programmed more than once`);
          if (options.backup) assert.equal(ota.restore().state, 'restored', name);
          if (options.backup) assertHolds(board, 'storage', OLD);
        }
    });
});

describe('an update in pieces, drawn,', () => {
  it('may come in chunks of any sizes, and end anywhere', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const below = random(seed);
      const size = 1 + below(SIZE);
      // Some pieces are blank, some are those of before.
      const image = Buffer.from(NEW.subarray(0, size));
      for (let n = 0; n < 6; n++) {
        const at = below(size);
        const end = Math.min(at + below(2 * SECTOR), size);
        if (below(2)) image.fill(0xff, at, end);
        else image.set(OLD.subarray(at, end), at);
      }
      const board = fullBoard();
      const ota = boot(board);
      const isKnown = below(2) === 0;
      const { pages, erases } = workIn(board, () => {
        const open = ota.begin({ ...SPARE, ...(isKnown && { size }), crc32: crc32(image) });
        writeIn(open, image, () => 1 + below([40, 600, 5000][seed % 3]));
        open.end();
      });
      during(
        () => `seed ${seed}`,
        () => {
          assertHolds(board, 'storage', padded(image));
          assert.ok(Math.max(...pages, ...erases) <= 1, 'a page or a sector was written twice');
          assert.equal(ota.restore().state, 'restored');
          assertHolds(board, 'storage', OLD);
        },
      );
    }
  });
});

describe('an update in pieces writes', () => {
  it('over an update that was interrupted: takes from the target what is right there, not from the backup', () => {
    for (const offset of [700, 1024, 3000])
      for (const chunk of [512, SECTOR]) {
        const board = fullBoard();
        boot(board)
          .begin(SPARE)
          .write(NEW.subarray(0, 3 * SECTOR));
        board.flash.cut();
        const ota = boot(board);
        assert.equal(ota.recover({ resume: true }).state, 'interrupted');
        // Sector 0 was saved before, and holds something else now.
        const image = changedFrom(NEW, 0, offset);
        assert.equal(update(ota, image, SPARE, chunk).state, 'committed');
        assertHolds(board, 'storage', image);
        assert.equal(ota.restore().state, 'restored');
        assertHolds(board, 'storage', OLD);
      }
  });

  it('over a sector that was saved ahead: takes what is right from the backup', () => {
    const board = fullBoard();
    const ota = boot(board);
    const image = changedFrom(OLD, 1, 2000);
    const open = ota.begin(SPARE);
    open.backup();
    writeIn(open, image, () => 500);
    assert.deepEqual([open.end().changed, ota.restore().state], [1, 'restored']);
    assertHolds(board, 'storage', OLD);
  });

  it('over a blank sector, and one that begins with blanks', () => {
    const old = Buffer.from(OLD);
    old.fill(0xff, SECTOR, 2 * SECTOR);
    old.fill(0xff, 2 * SECTOR, 2 * SECTOR + 1500);
    for (const offset of [0, 300, 1024, 1400])
      for (const chunk of [100, 1024]) {
        const image = Buffer.from(old);
        for (const sector of [1, 2]) image.set(pattern('x', 1000), sector * SECTOR + offset);
        const board = fullBoard(old);
        const ota = boot(board);
        assert.equal(update(ota, image, SPARE, chunk).changed, 2);
        assertHolds(board, 'storage', image);
        assert.equal(ota.restore().state, 'restored');
        assertHolds(board, 'storage', old);
      }
  });
});

describe('an update in pieces reads back', () => {
  it('each byte of each sector that it writes: E_FLASH where a cell is stuck', () => {
    for (const size of [1000, 1024, 4000, 5000, SIZE])
      for (const isKnown of [true, false])
        for (const at of [0, 999, 1010, 2047, 4000, 4071, 4072, SECTOR - 1]) {
          const board = fullBoard();
          const image = Buffer.from(NEW.subarray(0, size));
          // A cell that reads 0, in a byte that has to have it at 1.
          if (at < size) image[at] |= 1;
          board.flash.stuck(startOf(board) + at, 1);
          const open = boot(board).begin({ ...SPARE, ...(isKnown && { size }) });
          const code = codeOf(() => {
            open.write(image);
            open.end();
          });
          const name = `${size} bytes, ${isKnown ? 'as told' : 'not told'}, byte ${at} is worn`;
          assert.equal(code, 'E_FLASH', name);
        }
  });
});

describe('an update in pieces survives it', () => {
  it('when one operation does nothing, or the half', () => {
    const image = changedFrom(OLD, 2, 1500);
    const sample = fullBoard();
    const { length } = record(sample, () => update(boot(sample), image, SPARE, 512));
    for (const fault of ['nothing', 'half'] as const)
      for (let number = 1; number <= length; number++) {
        const board = fullBoard();
        const ota = boot(board);
        let left = number;
        board.flash.faults.push(({ kind }) => (kind !== 'read' && !--left ? fault : undefined));
        const code = codeOf(() => update(ota, image, SPARE, 512));
        board.flash.faults = [];
        const name = `${fault} of operation ${number}`;
        // An erase that fails may show when the sector is over: then the old content comes back.
        assert.ok(['nothing thrown', 'E_FLASH'].includes(code), `${name}: ${code}`);
        board.flash.cut();
        const { state } = boot(board).recover();
        const isNew = code === 'nothing thrown';
        assert.equal(state, isNew ? 'committed' : state, name);
        during(
          () => name,
          () => assertHolds(board, 'storage', isNew ? image : OLD),
        );
      }
  });
});

describe('an update in pieces tries', () => {
  it('once more to program what is right of a sector', () => {
    const image = changedFrom(OLD, 2, 3000);
    const board = fullBoard();
    const first = startOf(board) + 2 * SECTOR;
    let left = 1;
    board.flash.faults.push(({ kind, address }) =>
      kind === 'program' && address >= first && address < first + SECTOR && left-- > 0
        ? 'nothing'
        : undefined,
    );
    assert.equal(update(boot(board), image, SPARE, 512).state, 'committed');
    assert.ok(left < 1);
    assertHolds(board, 'storage', image);
  });

  it('once more to put a sector back, or to erase it', () => {
    const old = Buffer.from(OLD);
    old.fill(0xff, SECTOR, 2 * SECTOR);
    for (const sector of [0, 1]) {
      const board = fullBoard(old);
      boot(board)
        .begin(SPARE)
        .write(NEW.subarray(0, 3 * SECTOR));
      board.flash.cut();
      const ota = boot(board);
      const first = startOf(board) + sector * SECTOR;
      let left = 1;
      board.flash.faults.push(({ kind, address }) =>
        kind !== 'read' && address >= first && address < first + SECTOR && left-- > 0
          ? 'nothing'
          : undefined,
      );
      assert.equal(ota.recover().state, 'restored');
      assert.ok(left < 1);
      assertHolds(board, 'storage', old);
    }
  });
});

describe('an update in pieces that goes on', () => {
  it('erases the sector in flight once more where that did nothing', () => {
    const board = fullBoard();
    boot(board)
      .begin(SPARE)
      .write(NEW.subarray(0, 2 * SECTOR + 1600));
    board.flash.cut();
    const ota = boot(board);
    assert.equal(ota.recover({ resume: true }).state, 'interrupted');
    const first = startOf(board) + 2 * SECTOR;
    let left = 1;
    board.flash.faults.push(({ kind, address }) =>
      kind === 'erase' && address === first && left-- > 0 ? 'nothing' : undefined,
    );
    assert.equal(update(ota, NEW, SPARE, 512).state, 'committed');
    assert.ok(left < 1);
    assertHolds(board, 'storage', NEW);
  });
});

describe('an update that begins in the middle of a page', () => {
  it('is right whichever read errs once', () => {
    // The first bytes stay, and what follows the image is erased.
    const image = OLD.subarray(0, SECTOR + 802);
    for (const options of [STORAGE, DIRECT])
      for (let wrong = 1; ; wrong++) {
        const board = fullBoard();
        const ota = boot(board);
        let reads = 0;
        board.flash.faults.push(({ kind }) =>
          kind === 'read' && ++reads === wrong ? 'flip' : undefined,
        );
        during(
          () => `read ${wrong} errs`,
          () => assert.equal(update(ota, image, options).state, 'committed'),
        );
        board.flash.faults = [];
        if (reads < wrong) break;
        during(
          () => `read ${wrong} errs`,
          () => assertHolds(board, 'storage', padded(image)),
        );
      }
  });
});

describe('backup() in the middle of a sector', () => {
  it('leaves that sector the one in flight', () => {
    const image = pattern('image', NEW.length);
    const run = (board: Board) => {
      const open = otaOf(board).begin(STORAGE);
      open.write(image.subarray(0, 1500));
      open.backup();
      for (let at = 1500; at < image.length; at += 512) open.write(image.subarray(at, at + 512));
      return open.end();
    };
    const board = fullBoard();
    const steps = record(board, () => run(board));
    const first = startOf(board);
    let cuts = 0;
    for (const step of steps.filter(({ address }) => address >= first && address < first + SECTOR))
      for (const tear of tearsIn(step))
        for (const mood of ['before', 'zeros', 'ones'] as const) {
          cutIn(board, step, tear);
          // What was torn reads right now, and otherwise at the next boot.
          const ota = bootStraight(board, 'after');
          if (ota.recover({ resume: true }).state !== 'interrupted') continue;
          assert.equal(update(ota, image).state, 'committed');
          board.powerOn(mood);
          during(
            () => nameOf(step, steps, tear),
            () => assertHolds(board, 'storage', image),
          );
          cuts++;
        }
    assert.ok(cuts > 100, `${cuts} cuts`);
  });
});

describe('the backup of an update in pieces', () => {
  it('is right although the old content is read wrong, each second time', () => {
    for (const isOdd of [0, 1])
      for (let most = 2; most <= 12; most++)
        for (const piece of [0, 1024, 3072]) {
          const board = fullBoard();
          const ota = boot(board);
          const at = startOf(board) + SECTOR + piece;
          const open = ota.begin(SPARE);
          let reads = 0;
          board.flash.faults.push(({ kind, address }) =>
            kind === 'read' && address === at && ++reads <= most && reads % 2 === isOdd
              ? 'flip'
              : undefined,
          );
          open.backup(2 * SECTOR);
          board.flash.faults = [];
          open.write(NEW);
          const name = `${most} reads of piece ${piece / 1024}, ${isOdd ? 'odd' : 'even'} ones wrong`;
          assert.ok(reads >= 2, name);
          assert.equal(open.abort().state, 'restored', name);
          during(
            () => name,
            () => assertHolds(board, 'storage', OLD),
          );
        }
  });

  it('is damaged if a byte of any piece of it has changed: nothing is touched', () => {
    for (let piece = 0; piece < SECTOR; piece += 1024)
      for (const at of [piece, piece + 1023]) {
        const board = fullBoard();
        boot(board)
          .begin(SPARE)
          .write(NEW.subarray(0, 2 * SECTOR));
        board.flash.cut();
        const slot = board.partition('spare').address + SECTOR;
        board.flash.load(slot + at, Uint8Array.of(board.flash.peek(slot + at, 1)[0] ^ 1));
        const held = board.content('storage');
        assertIdle(`byte ${at} is another`, board, () =>
          assert.equal(boot(board).recover().state, 'damaged'),
        );
        assertHolds(board, 'storage', held);
      }
  });

  it('is damaged if two of its pieces have changed places', () => {
    const board = fullBoard();
    boot(board)
      .begin(SPARE)
      .write(NEW.subarray(0, 2 * SECTOR));
    board.flash.cut();
    const slot = board.partition('spare').address + SECTOR;
    const [one, other] = [board.flash.peek(slot, 1024), board.flash.peek(slot + 1024, 1024)];
    board.flash.load(slot, other);
    board.flash.load(slot + 1024, one);
    assert.equal(boot(board).recover().state, 'damaged');
  });
});

describe('update.keep', () => {
  it('leaves what the partition holds, writes nothing, and is proven by the CRC-32', () => {
    const board = fullBoard();
    const ota = boot(board);
    const image = changedFrom(OLD, 3, 0);
    assertIdle('before anything differs', board, () => {
      const open = ota.begin({ ...SPARE, size: SIZE, crc32: crc32(OLD) });
      open.keep(SIZE);
      assert.equal(open.end().state, 'untouched');
    });
    const open = ota.begin({ ...SPARE, size: SIZE, crc32: crc32(image) });
    open.keep(2 * SECTOR);
    open.keep(0);
    open.keep(SECTOR);
    open.write(image.subarray(3 * SECTOR, 4 * SECTOR));
    open.keep(2 * SECTOR);
    assert.deepEqual([open.end().state, open === undefined], ['committed', false]);
    assertHolds(board, 'storage', image);
    const wrong = ota.begin({ ...SPARE, size: SIZE, crc32: crc32(NEW) });
    wrong.keep(5 * SECTOR);
    wrong.write(NEW.subarray(5 * SECTOR));
    assert.equal(
      codeOf(() => wrong.end()),
      'E_VERIFY',
    );
    assertHolds(board, 'storage', image);
  });

  it('counts what it keeps: the image is as long as told, and what is behind it is erased', () => {
    for (const size of [SECTOR, SECTOR + 100, 2 * SECTOR - 1]) {
      const board = fullBoard();
      const ota = boot(board);
      const open = ota.begin({ ...SPARE, size, crc32: crc32(OLD.subarray(0, size)) });
      open.keep(SECTOR);
      if (size > SECTOR) open.keep(size - SECTOR);
      assert.deepEqual(
        [codeOf(() => open.write('x')), codeOf(() => open.keep(1))],
        ['E_SIZE', 'E_SIZE'],
        `${size} bytes`,
      );
      assert.equal(open.end().state, 'committed');
      assertHolds(board, 'storage', padded(OLD.subarray(0, size)));
    }
  });
});

describe('update.keep, with other calls,', () => {
  it('may end in a sector that goes on with other bytes', () => {
    for (const offset of [1, 100, PAGE, 1000, 1024, 2500])
      for (const chunk of [100, SECTOR]) {
        const board = fullBoard();
        const ota = boot(board);
        const image = changedFrom(OLD, 1, offset);
        const open = ota.begin({ ...SPARE, crc32: crc32(image) });
        open.keep(SECTOR + offset);
        writeIn(open, image.subarray(SECTOR + offset), () => chunk);
        assert.equal(open.end().changed, 1);
        assertHolds(board, 'storage', image);
      }
  });

  it('begins where a sector does, not behind back(), with a number of bytes', () => {
    const board = fullBoard();
    const ota = boot(board);
    const open = ota.begin({ ...SPARE, size: 3 * SECTOR });
    assertIdle('wrong calls', board, () => {
      for (const size of [-1, 0.5, '4096', NaN, undefined, null, SIZE + 1])
        assert.equal(
          codeOf(() => open.keep(size as number)),
          size === SIZE + 1 ? 'E_SIZE' : 'E_ARGUMENT',
          `${size}`,
        );
      open.write(OLD.subarray(0, 10));
      assert.equal(
        codeOf(() => open.keep(SECTOR - 10)),
        'E_STATE',
      );
      open.back();
      assert.equal(
        codeOf(() => open.keep(SECTOR)),
        'E_STATE',
      );
    });
    // Nothing is lost by that.
    open.write(NEW.subarray(0, SECTOR));
    open.keep(2 * SECTOR);
    assert.equal(open.end().changed, 4);
    const image = Buffer.from(OLD);
    image.set(NEW.subarray(0, SECTOR));
    assertHolds(board, 'storage', padded(image.subarray(0, 3 * SECTOR)));
  });
});

describe('update.keep of what was given up', () => {
  it('writes it anew: cells that a cut has left may be unstable', () => {
    for (const tail of [0, 100]) {
      const board = fullBoard();
      const steps = record(board, () => update(boot(board), NEW, DIRECT));
      const { address } = steps.filter(({ kind }) => kind === 'program').at(-8)!;
      board.restore(fullBoard().snapshot());
      const cut = steps.findIndex((step) => step.address === address && step.kind === 'program');
      board.flash.cutAt(cut + 1, TEARS.everyBit);
      assert.throws(() => update(boot(board), NEW, DIRECT), PowerCut);
      const ota = boot(board, 'after');
      assert.equal(ota.recover().state, 'incomplete');
      board.flash.load(startOf(board), NEW.subarray(0, SECTOR));
      const held = Buffer.from(board.flash.peek(startOf(board), SIZE));
      const open = ota.begin({ ...DIRECT, crc32: crc32(held) });
      open.keep(SIZE - SECTOR);
      open.keep(SECTOR - tail);
      if (tail) open.write(held.subarray(SIZE - tail));
      const result = open.end();
      assert.deepEqual([result.state, result.changed], ['committed', SECTORS]);
      assert.equal(board.flash.unstableBits(startOf(board), SIZE), 0);
      assertHolds(board, 'storage', held);
    }
  });
});

describe('update.back', () => {
  it('begins the sector of the last byte again, and counts it once', () => {
    for (const written of [1, 100, 1024, 2000, SECTOR - 1, SECTOR])
      for (const chunk of [100, 1024, SECTOR]) {
        const board = fullBoard();
        const ota = boot(board);
        const open = ota.begin({ ...SPARE, size: SIZE, crc32: crc32(NEW) });
        open.write(NEW.subarray(0, SECTOR));
        for (let n = 0; n < 2; n++) {
          open.write(pattern(`wrong ${n}`, written));
          open.back();
        }
        writeIn(open, NEW.subarray(SECTOR), () => chunk);
        const name = `${written} bytes, then chunks of ${chunk}`;
        assert.deepEqual(
          { ...open.end() },
          {
            state: 'committed',
            partition: 'storage',
            sectors: SECTORS,
            changed: SECTORS,
          },
          name,
        );
        assertHolds(board, 'storage', NEW);
        assert.equal(ota.restore().state, 'restored', name);
        assertHolds(board, 'storage', OLD);
      }
  });

  it('has a sector written anew that reads right, too', () => {
    const board = fullBoard();
    const open = boot(board).begin({ ...SPARE, size: SIZE });
    open.write(OLD.subarray(0, 2 * SECTOR));
    open.back();
    const { erases } = workIn(board, () => open.write(OLD.subarray(SECTOR)));
    assert.deepEqual(erases, [0, 1, 0, 0, 0, 0]);
    assert.equal(open.end().changed, 1);
    assertHolds(board, 'storage', OLD);
  });
});

describe('update.back, with other calls,', () => {
  it('goes back over what was kept, and further with each call', () => {
    const board = fullBoard();
    const open = boot(board).begin({ ...SPARE, size: SIZE });
    assert.equal(
      codeOf(() => open.back()),
      'E_STATE',
    );
    open.keep(2 * SECTOR);
    open.write(NEW.subarray(2 * SECTOR, 2 * SECTOR + 1));
    open.back();
    open.back();
    open.write(NEW.subarray(SECTOR));
    assert.equal(open.end().changed, SECTORS - 1);
    const image = Buffer.from(NEW);
    image.set(OLD.subarray(0, SECTOR));
    assertHolds(board, 'storage', image);
  });

  it('lets the old content come back', () => {
    const board = fullBoard();
    const ota = boot(board);
    const open = ota.begin({ ...SPARE, size: SIZE });
    open.write(NEW.subarray(0, SECTOR + 1000));
    open.back();
    open.write(NEW.subarray(SECTOR, SECTOR + 300));
    open.back();
    assert.equal(
      codeOf(() => open.end()),
      'E_SIZE',
    );
    assert.equal(open.abort().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });

  it('is refused when the update is over', () => {
    const open = boot(fullBoard()).begin(SPARE);
    open.write(NEW.subarray(0, 100));
    open.abort();
    for (const call of ['keep', 'back'] as const)
      assert.equal(
        codeOf(() => open[call](0)),
        'E_STATE',
      );
  });
});

/** What power fails in, in an update to an image. */
const ACTS: [name: string, act: (open: Update, image: Uint8Array) => void, isAgain?: boolean][] = [
  ['in chunks of 512', (open, image) => writeIn(open, image, () => 512)],
  ['in chunks of 1000', (open, image) => writeIn(open, image, () => 1000)],
  [
    'over one that was interrupted within a sector',
    (open, image) => writeIn(open, image, () => 512),
    true,
  ],
  [
    'that keeps what is right, and begins sectors again',
    (open, image) => {
      for (let n = 0; n < SECTORS; n++) {
        const range = [n * SECTOR, (n + 1) * SECTOR] as const;
        const part = image.subarray(...range);
        if (!Buffer.compare(part, OLD.subarray(...range))) open.keep(SECTOR);
        else {
          open.write(pattern(`wrong ${n}`, 1500));
          open.back();
          writeIn(open, part, () => 700);
        }
      }
    },
  ],
];
/** Three sectors change: from the start, from within a page, and but for the last bytes. */
const WANTED = changedFrom(changedFrom(changedFrom(OLD, 1, 0), 2, 1100), 4, SECTOR - 90);

describe('power may fail', () => {
  for (const [name, act, isAgain] of ACTS)
    it(`in an update ${name}`, () => {
      const board = fullBoard();
      const first = boot(board);
      const allowed = fenceIn(board, SPARE);
      if (isAgain) first.begin(SPARE).write(NEW.subarray(0, 3 * SECTOR + 700));
      board.flash.cut();
      const start = board.snapshot();
      const run = (ota: Ota) => {
        if (isAgain) ota.recover({ resume: true });
        const open = ota.begin({ ...SPARE, size: SIZE, crc32: crc32(WANTED) });
        act(open, WANTED);
        assert.equal(open.end().state, 'committed');
      };
      const outcomes = { none: OLD, restored: OLD, committed: WANTED };
      const scene: Scene = { board, start, options: SPARE, allowed, outcomes, act: run };
      const steps = record(board, () => run(boot(board)));
      assert.ok(steps.length > 50);
      const seen = new Set<string>();
      steps.forEach((step, n) => {
        const check = (moods: [Mood, Mood], tear: Tear) =>
          during(
            () => `${nameOf(step, steps, tear)}, ${moodName(moods)}`,
            () => seen.add(assertRecovers(scene, moods).state),
          );
        // Each way to read takes its turn.
        everyForm(board, step, [check], undefined, () => moodInTurn(n));
      });
      assert.ok(seen.has('restored') && seen.has('committed'), [...seen].join());
    });
});
