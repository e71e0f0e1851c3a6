/** The API: every misuse has its code and loses nothing; what each call returns, reports and costs. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Options, Progress, Report, Update } from '../../device/api.ts';
import { PIECE } from '../../device/records.ts';
import {
  Board,
  type Fault,
  PowerCut,
  SECTOR,
  TABLES,
  TEARS,
  latin1,
  pattern,
} from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  SECTORS,
  SHORT,
  STORAGE,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  image,
  padded,
  update,
} from '../support/fixtures.ts';
import { type Ota, copyOn, otaOf, uploadTo } from '../support/subject.ts';

const SIZE = SECTORS * SECTOR;
/** A backup of two sectors. */
const NARROW = { ...STORAGE, backup: 'near' };
const DIRECT = { ...STORAGE, backup: false } as const;
const NEAR = { partition: 'near', backup: 'spare' };

/** Options or chunks as JavaScript lets them pass. */
const any = (value: unknown) => value as never;

/** Cuts power between two operations, and boots. */
function reboot(board: Board): Ota {
  board.flash.cut();
  return boot(board);
}

/** Checks that a call is refused with this code, and nothing is written. */
function assertRefused(board: Board, call: () => unknown, code: string): void {
  assertIdle(code, board, () => assert.equal(codeOf(call), code));
}

/** Checks that an update goes on from here to NEW. */
function assertGoesOn(board: Board, update: Update, from = 0): void {
  update.write(NEW.subarray(from));
  assert.equal(update.end().state, 'committed');
  assertHolds(board, 'storage', NEW);
}

/** Fills a sector of `storage` with a byte, as an app that writes there does. */
function overwrite(board: Board, sector: number, byte = 0x55): void {
  const { address } = board.partition('storage');
  board.flash.load(address + sector * SECTOR, new Uint8Array(SECTOR).fill(byte));
}

describe('the API: options', () => {
  for (const [options, code] of [
    [undefined, 'E_NO_PARTITION'],
    [null, 'E_NO_PARTITION'],
    [{}, 'E_NO_PARTITION'],
    [{ partition: null }, 'E_NO_PARTITION'],
    [{ partition: 5 }, 'E_NO_PARTITION'],
    [{ backup: true }, 'E_NO_PARTITION'],
    [{ backup: 5 }, 'E_NO_PARTITION'],
    [{ size: '4096' }, 'E_ARGUMENT'],
    [{ size: -1 }, 'E_ARGUMENT'],
    [{ size: 1.5 }, 'E_ARGUMENT'],
    [{ size: NaN }, 'E_ARGUMENT'],
    [{ size: Infinity }, 'E_ARGUMENT'],
    [{ size: SIZE + 1 }, 'E_SIZE'],
    [{ crc32: -1 }, 'E_ARGUMENT'],
    [{ crc32: 0x100000000 }, 'E_ARGUMENT'],
    [{ crc32: '0' }, 'E_ARGUMENT'],
    [{ trial: -1 }, 'E_ARGUMENT'],
    [{ trial: 256 }, 'E_ARGUMENT'],
    [{ trial: true }, 'E_ARGUMENT'],
    [{ trial: 1, backup: false }, 'E_ARGUMENT'],
  ] as [Partial<Record<keyof Options, unknown>> | undefined, string][]) {
    const name = JSON.stringify(options, (_, value: unknown) =>
      Number.isNaN(value) || value === Infinity ? String(value) : value,
    );
    it(`${name} are ${code}`, () => {
      const board = boardWith();
      const ota = boot(board);
      const isWhole = !options || 'partition' in options || !Object.keys(options).length;
      const all = any(isWhole ? options : { ...STORAGE, ...options });
      assertRefused(board, () => ota.begin(all), code);
      assertRefused(board, () => ota.plan(all), code);
      assertGoesOn(board, ota.begin(STORAGE));
    });
  }

  it('of 0 and of null are as good as none', () => {
    for (const options of [{ size: 0 }, { trial: 0 }, { size: null, crc32: null, trial: null }]) {
      const board = boardWith();
      assertGoesOn(board, boot(board).begin(any({ ...STORAGE, ...options })));
    }
    const board = boardWith();
    assert.equal(update(boot(board), NEW, { trial: 0, backup: false }).state, 'committed');
  });
});

describe('the API: the length of an image', () => {
  it('of 0 is E_SIZE, and abort() works', () => {
    for (const options of [STORAGE, DIRECT, { ...STORAGE, size: SIZE }]) {
      const board = boardWith();
      const update = boot(board).begin(options);
      update.write('');
      assertRefused(board, () => update.end(), 'E_SIZE');
      assert.equal(update.abort().state, 'untouched');
      assert.equal(otaOf(board).status().state, 'none');
      assertHolds(board, 'storage', OLD);
    }
  });

  it('below `size` is E_SIZE, and the rest may follow', () => {
    const board = boardWith();
    const update = boot(board).begin({ ...STORAGE, size: SIZE });
    update.write(NEW.subarray(0, SIZE - 1));
    assertRefused(board, () => update.end(), 'E_SIZE');
    assertGoesOn(board, update, SIZE - 1);
  });

  it('above `size` or the partition is E_SIZE, and end() may follow', () => {
    const board = boardWith();
    const update = boot(board).begin(STORAGE);
    update.write(NEW.subarray(0, 5000));
    assertRefused(board, () => update.write(new Uint8Array(SIZE)), 'E_SIZE');
    assertRefused(board, () => update.write(NEW.subarray(4999)), 'E_SIZE');
    assertGoesOn(board, update, 5000);

    const other = otaOf(board).begin({ ...STORAGE, size: SHORT.length });
    other.write(SHORT);
    assertRefused(board, () => other.write('x'), 'E_SIZE');
    assert.equal(other.end().state, 'committed');
    assertHolds(board, 'storage', padded(SHORT));
  });

  it('does not matter to the CRC-32 of what is there already', () => {
    const board = boardWith();
    const ota = boot(board);
    assertIdle('unchanged', board, () => {
      assert.equal(update(ota, OLD, { crc32: crc32(OLD) }).state, 'untouched');
    });
    assertRefused(board, () => update(ota, OLD, { crc32: 1 }), 'E_VERIFY');
  });
});

describe('the API: an image', () => {
  for (const length of [1, 4095, 4096, 4097, 3 * 4096 + 5, SIZE]) {
    it(`of ${length} bytes: what follows is erased, and the CRC-32 counts`, () => {
      const bytes = pattern('image', length);
      const board = boardWith();
      const result = update(boot(board), bytes, { crc32: crc32(bytes) });
      assert.equal(result.state, 'committed');
      assert.equal(result.partition, 'storage');
      assert.equal(result.sectors, SECTORS);
      assertHolds(board, 'storage', padded(bytes));
    });

    it(`of ${length} bytes: a wrong CRC-32 is E_VERIFY`, () => {
      const bytes = pattern('image', length);
      for (const wrong of [(crc32(bytes) ^ 1) >>> 0, 0, 0xffffffff]) {
        const board = boardWith();
        const ota = boot(board);
        assert.equal(
          codeOf(() => update(ota, bytes, { crc32: wrong })),
          'E_VERIFY',
        );
        assertHolds(board, 'storage', OLD);
        assert.equal(ota.status().state, 'restored');
        assert.equal(reboot(board).recover().state, 'restored');
        assertHolds(board, 'storage', OLD);
      }
    });
  }
});

describe('the API: a chunk', () => {
  const buffer = new Uint8Array(2 * SIZE);
  buffer.set(NEW, 333);
  const kinds: Record<string, (bytes: Uint8Array) => string | Uint8Array | ArrayBuffer> = {
    string: latin1,
    Uint8Array: (bytes) => new Uint8Array(bytes),
    'subarray with an offset': (bytes) => bytes,
    ArrayBuffer: (bytes) => new Uint8Array(bytes).buffer,
  };
  for (const [kind, make] of Object.entries(kinds)) {
    it(`may be a ${kind} of any length`, () => {
      for (const length of [7, 255, 4095, 4096, 4097, 10001, SIZE]) {
        const board = boardWith();
        const update = boot(board).begin(STORAGE);
        for (let at = 0; at < SIZE; at += length) {
          update.write(make(buffer.subarray(333 + at, 333 + Math.min(SIZE, at + length))));
          update.write(make(new Uint8Array(0)));
        }
        assert.equal(update.end().state, 'committed');
        assertHolds(board, 'storage', NEW);
      }
    });
  }

  it('may be a single byte', () => {
    const board = boardWith();
    const bytes = SHORT.subarray(0, SECTOR + 10);
    update(boot(board), bytes, {}, 1);
    assertHolds(board, 'storage', padded(bytes));
  });

  it('may be of 100 KB', () => {
    const board = new Board();
    uploadTo(board);
    const bytes = pattern('large', 0x100000);
    const update = boot(board).begin(STORAGE);
    for (let at = 0; at < bytes.length; at += 102400) update.write(bytes.subarray(at, at + 102400));
    assert.equal(update.end().state, 'committed');
    assertHolds(board, 'storage', bytes);
  });

  it('may be reused by its owner at once', () => {
    for (const length of [100, 4000, SECTOR, 5000, 3 * SECTOR]) {
      const board = boardWith();
      const update = boot(board).begin(STORAGE);
      const chunk = new Uint8Array(length);
      for (let at = 0; at < SIZE; at += length) {
        const part = chunk.subarray(0, Math.min(length, SIZE - at));
        part.set(NEW.subarray(at, at + part.length));
        update.write(part);
        chunk.fill(0xaa);
      }
      update.end();
      assertHolds(board, 'storage', NEW);
    }
  });

  it('may come through a callback that lacks its object', () => {
    const board = boardWith();
    const { write, end } = boot(board).begin(STORAGE);
    [NEW.subarray(0, 5000), NEW.subarray(5000)].forEach((chunk) => write(chunk));
    assert.equal(end().state, 'committed');
    assertHolds(board, 'storage', NEW);
  });
});

describe('the API: a chunk of another kind', () => {
  for (const value of [
    5,
    [1, 2],
    undefined,
    null,
    true,
    { length: 3 },
    new DataView(new ArrayBuffer(4)),
    new Uint16Array(2),
    new Int8Array(2),
    () => 'bytes',
  ]) {
    it(`is E_ARGUMENT: ${Object.prototype.toString.call(value)}`, () => {
      const board = boardWith();
      const update = boot(board).begin(STORAGE);
      assertRefused(board, () => update.write(any(value)), 'E_ARGUMENT');
      update.write(NEW.subarray(0, 5000));
      assertRefused(board, () => update.write(any(value)), 'E_ARGUMENT');
      assertGoesOn(board, update, 5000);
    });
  }
});

describe('the API: the order of calls', () => {
  it('keeps a second update and all else out: E_STATE', () => {
    const board = boardWith();
    const ota = boot(board);
    const update = ota.begin(STORAGE);
    update.write(NEW.subarray(0, 5000));
    for (const call of [
      () => ota.begin(STORAGE),
      () => ota.begin(NEAR),
      () => ota.plan(STORAGE),
      () => ota.recover(),
      () => ota.recover({ resume: true }),
      () => ota.confirm(),
    ])
      assertRefused(board, call, 'E_STATE');
    assertIdle('status()', board, () => assert.equal(ota.status().state, 'updating'));
    assert.ok(ota.partitions().length);
    assertGoesOn(board, update, 5000);
  });

  for (const [how, finish] of [
    ['end()', (update: Update) => update.end()],
    ['abort()', (update: Update) => update.abort()],
    ['restore()', (_, ota: Ota) => ota.restore()],
    ['an error', (update: Update) => codeOf(() => update.end())],
  ] as [string, (update: Update, ota: Ota) => unknown][]) {
    it(`ends with ${how}: any call is E_STATE, also while another update is on`, () => {
      const board = boardWith();
      const ota = boot(board);
      const over = ota.begin({ ...STORAGE, ...(how === 'an error' && { crc32: 1 }) });
      over.write(NEW);
      finish(over, ota);
      const calls = [
        () => over.write('x'),
        () => over.write(new Uint8Array(SIZE)),
        () => over.backup(),
        () => over.end(),
        () => over.abort(),
      ];
      for (const call of calls) assertRefused(board, call, 'E_STATE');
      const update = ota.begin(STORAGE);
      update.write(OTHER.subarray(0, 5000));
      for (const call of calls) assertRefused(board, call, 'E_STATE');
      update.write(OTHER.subarray(5000));
      update.end();
      assertHolds(board, 'storage', OTHER);
    });
  }

  it('has nothing to confirm or restore at first: E_STATE', () => {
    const board = boardWith();
    const ota = boot(board);
    assertRefused(board, () => ota.confirm(), 'E_STATE');
    assertRefused(board, () => ota.restore(), 'E_STATE');
    update(ota, NEW, { backup: false });
    assertRefused(board, () => ota.restore(), 'E_STATE');
  });
});

describe('the API: a backup that is small', () => {
  it('is found out by backup() before anything is written', () => {
    const board = boardWith();
    const update = boot(board).begin(NARROW);
    assertRefused(board, () => update.backup(), 'E_SPACE');
    assert.equal(update.abort().state, 'untouched');
  });

  it('is enough for few sectors, or for blank ones', () => {
    const board = boardWith();
    const bytes = new Uint8Array(OLD);
    bytes.set(pattern('little', 3 * SECTOR), SECTOR);
    bytes.set(OLD.subarray(3 * SECTOR, 4 * SECTOR), 3 * SECTOR);
    bytes[4 * SECTOR] ^= 1;
    assert.equal(update(boot(board), bytes, NARROW).changed, 4 - 1);
    assertHolds(board, 'storage', bytes);
    assert.equal(otaOf(board).restore().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });

  it('is E_SPACE at the sector that does not fit, and the old content is back', () => {
    const board = boardWith();
    const ota = boot(board);
    const update = ota.begin(NARROW);
    // Sector 2 was blank: it takes no room. Sector 3 stays.
    update.write(NEW.subarray(0, 4 * SECTOR));
    assert.equal(
      codeOf(() => update.write(NEW.subarray(4 * SECTOR))),
      'E_SPACE',
    );
    assertHolds(board, 'storage', OLD);
    assert.equal(ota.status().state, 'restored');
  });

  it('is E_SPACE before anything is written if what follows an image of known size is too much', () => {
    const board = boardWith();
    const ota = boot(board);
    const first = NEW.subarray(0, SECTOR);
    assertRefused(board, () => update(ota, first, NARROW), 'E_SPACE');
    assert.equal(ota.status().state, 'none');
    // Without `size` it shows at end().
    const open = ota.begin(NARROW);
    open.write(first);
    assert.equal(
      codeOf(() => open.end()),
      'E_SPACE',
    );
    assertHolds(board, 'storage', OLD);
  });
});

describe('the API: the cost', () => {
  it('of the same content is nothing', () => {
    const board = boardWith();
    for (const options of [{}, { size: undefined }, { backup: false, size: SIZE }] as const)
      assertIdle('unchanged', board, () => {
        const result = update(boot(board), OLD, options);
        assert.deepEqual(
          { ...result },
          { state: 'untouched', partition: 'storage', sectors: SECTORS, changed: 0 },
        );
      });
  });

  it('is two erases for each sector that changes, and those of the journal', () => {
    for (const bytes of [NEW, OTHER, SHORT, image('a0 page, a1 page, a2 blank, x3 full')]) {
      const board = boardWith();
      const ota = boot(board);
      board.flash.resetCounters();
      const { changed } = update(ota, bytes);
      const { erases } = board.flash.counters;
      assert.ok(erases <= 2 * changed + 1, `${erases} erases for ${changed} sectors`);
      board.flash.resetCounters();
      const direct = update(ota, OLD, { backup: false });
      assert.ok(board.flash.counters.erases <= direct.changed + 1);
    }
  });

  it('does not include programs of a piece that is blank', () => {
    const board = boardWith();
    const ota = boot(board);
    board.flash.resetCounters();
    const { changed } = update(ota, NEW);
    assert.equal(changed, 5);
    // Sector 1 becomes blank, sector 2 was blank; of the others all but the first piece is. A record for each, and six others;
    // one of these is programmed over.
    const records = 6 + changed;
    assert.equal(board.flash.counters.bytesProgrammed, 2 * (changed - 1) * PIECE + 16 * records);
  });
});

const onTrial = (trial = 2) => {
  const board = boardWith();
  assert.equal(update(boot(board), NEW, { trial }).state, 'trial');
  return board;
};

describe('the API: a trial', () => {
  it('counts its boots once each, and expires', () => {
    const board = onTrial();
    for (const boots of [1, 2]) {
      const ota = reboot(board);
      for (let again = 0; again < 2; again++) {
        const report = ota.recover();
        assert.equal(report.state, 'trial');
        assert.equal(report.boots, boots);
        assert.equal(report.trial, 2);
      }
      assertHolds(board, 'storage', NEW);
    }
    const report = reboot(board).recover();
    assert.equal(report.state, 'restored');
    assert.equal(report.code, undefined);
    assertHolds(board, 'storage', OLD);
  });

  it('may have 255 boots', () => {
    const board = onTrial(255);
    assert.equal(reboot(board).recover().boots, 1);
    assert.equal(otaOf(board).status().trial, 255);
  });

  it('is kept by confirm()', () => {
    const board = onTrial();
    reboot(board).recover();
    assert.equal(otaOf(board).confirm().state, 'committed');
    assertIdle('again', board, () => assert.equal(otaOf(board).confirm().state, 'committed'));
    for (let boots = 0; boots < 4; boots++)
      assert.equal(reboot(board).recover().state, 'committed');
    assertHolds(board, 'storage', NEW);
  });

  it('is given up by restore()', () => {
    const board = onTrial();
    assert.equal(otaOf(board).restore().state, 'restored');
    assertHolds(board, 'storage', OLD);
    assert.equal(reboot(board).recover().state, 'restored');
  });

  it('is in the way of any other update: E_PENDING', () => {
    const board = onTrial();
    for (const options of [STORAGE, NEAR, DIRECT])
      assertRefused(board, () => otaOf(board).begin(options), 'E_PENDING');
    otaOf(board).confirm();
    assert.equal(update(otaOf(board), OTHER).state, 'committed');
  });
});

describe('the API: a trial that expires over what the app has changed', () => {
  it('is kept: E_CHANGED', () => {
    const board = onTrial(1);
    reboot(board).recover();
    overwrite(board, 3);
    const now = board.content('storage');
    assertRefused(board, () => otaOf(board).restore(), 'E_CHANGED');
    const report = reboot(board).recover();
    assert.equal(report.state, 'committed');
    assert.equal(report.code, 'E_CHANGED');
    assertHolds(board, 'storage', now);
  });

  it('is put back after a full backup()', () => {
    const board = boardWith();
    const update = boot(board).begin({ ...STORAGE, trial: 1 });
    update.backup();
    update.write(NEW);
    update.end();
    reboot(board).recover();
    overwrite(board, 3);
    assert.equal(reboot(board).recover().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });
});

describe('the API: restore()', () => {
  it('puts back what was committed, once', () => {
    const board = boardWith();
    update(boot(board), NEW);
    const ota = reboot(board);
    assert.equal(ota.restore().state, 'restored');
    assertHolds(board, 'storage', OLD);
    assertRefused(board, () => ota.restore(), 'E_STATE');
    assert.equal(reboot(board).recover().state, 'restored');
  });

  it('is E_CHANGED after the app has written, but not after a full backup()', () => {
    for (const isFull of [false, true]) {
      const board = boardWith();
      const update = boot(board).begin(STORAGE);
      if (isFull) update.backup();
      update.write(NEW);
      update.end();
      const ota = reboot(board);
      overwrite(board, 3);
      if (isFull) {
        overwrite(board, 0);
        assert.equal(ota.restore().state, 'restored');
        assertHolds(board, 'storage', OLD);
      } else {
        assertRefused(board, () => ota.restore(), 'E_CHANGED');
        assert.equal(ota.status().state, 'committed');
      }
    }
  });
});

describe('the API: abort(true)', () => {
  /** Leaves an update open, some sectors of which were written. */
  function leave() {
    const board = boardWith();
    const update = otaOf(board).begin(STORAGE);
    update.write(NEW.subarray(0, 10000));
    const { operations } = board.flash.counters;
    assert.equal(update.abort(true).state, 'interrupted');
    assert.equal(board.flash.counters.operations, operations);
    return { board, update };
  }

  it('leaves the update open: begin goes on with it, in the same boot', () => {
    const { board, update } = leave();
    const ota = otaOf(board);
    assert.equal(ota.status().state, 'interrupted');
    assert.throws(() => update.write('more'), { code: 'E_STATE' });
    assert.equal(ota.plan(STORAGE).resumed, true);
    const next = ota.begin(STORAGE);
    next.write(NEW);
    assert.equal(next.end().state, 'committed');
    assertHolds(board, 'storage', NEW);
  });

  it('leaves the old content in the backup: recover puts it back, whenever power fails in that', () => {
    for (let n = 1; ; n++) {
      const { board } = leave();
      board.flash.cutAt(n, TEARS.everyBit);
      try {
        assert.equal(otaOf(board).recover().state, 'restored');
        assert.ok(n > 5, `${n} operations`);
        break;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      board.powerOn();
      assert.equal(otaOf(board).recover().state, 'restored');
      assertHolds(board, 'storage', OLD);
    }
  });

  it('is untouched where nothing was written', () => {
    const ota = otaOf(boardWith());
    assert.equal(ota.begin(STORAGE).abort(true).state, 'untouched');
    assert.equal(ota.status().state, 'none');
  });

  it('is incomplete without a backup', () => {
    const ota = otaOf(boardWith());
    const update = ota.begin({ ...STORAGE, backup: false });
    update.write(NEW);
    assert.equal(update.abort(true).state, 'incomplete');
    assert.equal(ota.recover().state, 'incomplete');
  });

  it('is E_STATE where another copy of the module has ended the update', () => {
    const board = boardWith();
    const first = otaOf(board).begin(STORAGE);
    first.write(NEW.subarray(0, 10000));
    const other = copyOn(board);
    assert.equal(other.recover().state, 'restored');
    assert.throws(() => first.abort(true), { code: 'E_STATE' });
    assertHolds(board, 'storage', OLD);
  });
});

describe('the API: abort()', () => {
  it('puts the old content back, and the next update works', () => {
    for (const sectors of [1, 3, SECTORS]) {
      const board = boardWith();
      const ota = boot(board);
      const first = ota.begin(STORAGE);
      first.write(NEW.subarray(0, sectors * SECTOR));
      assert.equal(first.abort().state, 'restored');
      assertHolds(board, 'storage', OLD);
      assert.equal(update(ota, NEW).state, 'committed');
      assertHolds(board, 'storage', NEW);
    }
  });
});

describe('the API: status()', () => {
  it('has every state, and writes nothing', () => {
    const board = boardWith();
    const is = (state: Report['state'], saved: number) =>
      assertIdle(`status ${state}`, board, () => {
        const report = otaOf(board).status();
        assert.equal(report.state, state);
        assert.equal(report.saved, saved);
        if (state !== 'none') assert.equal(report.partition, 'storage');
      });
    boot(board);
    is('none', 0);
    const first = otaOf(board).begin(STORAGE);
    is('updating', 0);
    first.write(NEW.subarray(0, 3 * SECTOR));
    is('updating', 3);
    reboot(board);
    is('interrupted', 3);
    otaOf(board).recover();
    is('restored', 3);
    update(otaOf(board), NEW);
    is('committed', 5);
    update(otaOf(board), OTHER, { trial: 1 });
    is('trial', 5);
    otaOf(board).confirm();
    is('committed', 5);
    otaOf(board)
      .begin(DIRECT)
      .write(OLD.subarray(0, 2 * SECTOR));
    reboot(board);
    // Nothing keeps the old content of these.
    is('incomplete', 0);
  });
});

const interrupted = (options: Options = STORAGE) => {
  const board = boardWith();
  boot(board)
    .begin(options)
    .write(NEW.subarray(0, 4 * SECTOR));
  reboot(board);
  return board;
};

describe('the API: an interrupted update', () => {
  it('is put back by recover()', () => {
    const board = interrupted();
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => seen.push({ ...progress });
    assert.equal(otaOf(board).recover({ onProgress }).state, 'restored');
    assertHolds(board, 'storage', OLD);
    assert.deepEqual(
      seen,
      [1, 2, 3].map((n) => ({ phase: 'restore', done: n * SECTOR, total: 3 * SECTOR })),
    );
  });

  it('goes on after recover({resume: true}), and rewrites no sector that was done', () => {
    const board = interrupted();
    const ota = otaOf(board);
    assertIdle('recover', board, () =>
      assert.equal(ota.recover({ resume: true }).state, 'interrupted'),
    );
    board.flash.resetCounters();
    const { changed } = update(ota, NEW);
    assertHolds(board, 'storage', NEW);
    const first = board.partition('storage').address / SECTOR;
    // The last sector may have been in flight when power failed, so it is erased and written again.
    assert.deepEqual([...board.flash.wear.slice(first, first + SECTORS)], [0, 0, 2, 0, 1, 1]);
    assert.equal(changed, 3);
    assert.equal(ota.restore().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });

  it('whose commit was cut goes forward, from COMMIT on', () => {
    const whole = boardWith();
    update(boot(whole), NEW);
    const last = whole.flash.counters.operations;
    for (const tear of Object.values(TEARS))
      for (const [cut, reached] of [
        [last, 'CONFIRM'],
        [last - 1, 'COMMIT'],
        [last - 2, 'SAVED'],
      ] as const)
        for (const options of [{}, { resume: true }]) {
          const board = boardWith();
          board.flash.cutAt(cut, tear);
          assert.throws(() => update(boot(board), NEW), PowerCut);
          const { state } = reboot(board).recover(options);
          const name = `${tear.name} behind ${reached}`;
          if (reached !== 'SAVED') assert.equal(state, 'committed', name);
          else assert.match(state, options.resume ? /interrupted|comm/ : /restored|comm/, name);
          if (state !== 'interrupted')
            assertHolds(board, 'storage', state === 'committed' ? NEW : OLD);
        }
  });

  it('is in the way of an update of another partition: E_PENDING', () => {
    for (const options of [STORAGE, DIRECT]) {
      const board = interrupted(options);
      assertRefused(board, () => otaOf(board).begin(NEAR), 'E_PENDING');
      assertRefused(board, () => otaOf(board).plan(NEAR), 'E_PENDING');
    }
    const board = interrupted();
    otaOf(board).recover();
    assert.equal(otaOf(board).begin(NEAR).abort().state, 'untouched');
  });
});

describe('the API: an interrupted update that was direct', () => {
  it('is incomplete until one ends', () => {
    const board = interrupted(DIRECT);
    for (let boots = 0; boots < 3; boots++) {
      assert.equal(reboot(board).recover().state, 'incomplete');
      assert.equal(otaOf(board).status().state, 'incomplete');
    }
    assertRefused(board, () => otaOf(board).begin(STORAGE), 'E_PENDING');
    assert.equal(update(otaOf(board), NEW, DIRECT).state, 'committed');
    assert.equal(reboot(board).recover().state, 'committed');
    assertHolds(board, 'storage', NEW);
  });
});

describe('the API: a chip that does nothing', () => {
  for (const kind of ['erase', 'program'] as const)
    for (const [how, options] of [
      ['with a backup', STORAGE],
      ['with a backup, after another update', STORAGE],
      ['directly', DIRECT],
    ] as const) {
      it(`when it should ${kind} is E_FLASH: ${how}`, () => {
        const board = boardWith();
        if (how.includes('after')) {
          update(boot(board), NEW);
          update(otaOf(board), OLD);
        }
        const ota = reboot(board);
        const fault = (operation: { kind: string }): Fault | undefined =>
          operation.kind === kind ? 'nothing' : undefined;
        board.flash.faults = [fault];
        assert.equal(
          codeOf(() => update(ota, NEW, options)),
          'E_FLASH',
        );
        assertHolds(board, 'storage', OLD);
        board.flash.faults = [];
        assert.equal(update(reboot(board), NEW, options).state, 'committed');
        assertHolds(board, 'storage', NEW);
      });
    }
});

describe('the API: progress', () => {
  it('rises in each phase, up to its total', () => {
    for (const options of [STORAGE, DIRECT]) {
      const board = boardWith();
      const seen: Progress[] = [];
      update(boot(board), NEW, {
        ...options,
        crc32: crc32(NEW),
        onProgress: (progress) => seen.push({ ...progress }),
      });
      const phases = [...new Set(seen.map(({ phase }) => phase))];
      const expected = options === STORAGE ? ['backup', 'write', 'verify'] : ['write', 'verify'];
      assert.deepEqual(phases, expected);
      for (const phase of phases) {
        const done = seen.filter((progress) => progress.phase === phase);
        for (const [i, progress] of done.entries()) {
          assert.equal(progress.total, SIZE);
          assert.ok(progress.done <= SIZE);
          assert.ok(!i || progress.done >= done[i - 1].done);
        }
        if (phase !== 'backup') assert.equal(done.at(-1)!.done, SIZE);
      }
    }
  });

  it('keeps all other calls out: E_STATE', () => {
    const board = boardWith();
    const ota = boot(board);
    const codes = new Set<string>();
    const attempts = (calls: (() => unknown)[]) => () =>
      calls.forEach((call) => codes.add(codeOf(call)));
    const others = [() => ota.recover(), () => ota.begin(STORAGE), () => ota.restore()];
    const calls: (() => unknown)[] = [...others];
    const onProgress = attempts(calls);
    const first = ota.begin({ ...STORAGE, onProgress });
    calls.push(
      () => first.abort(),
      () => first.write('x'),
      () => first.end(),
    );
    first.write(NEW);
    assert.equal(first.end().state, 'committed');
    assertHolds(board, 'storage', NEW);
    assert.equal(ota.restore({ onProgress: attempts(others) }).state, 'restored');
    assertHolds(board, 'storage', OLD);
    assert.deepEqual([...codes], ['E_STATE']);
  });
});

describe('the API: progress that throws', () => {
  it('stops the update in any phase, and the old content is back', () => {
    for (const phase of ['backup', 'write', 'verify'] as const)
      for (const trial of [0, 1]) {
        const board = boardWith();
        const ota = boot(board);
        const error = new Error('no screen');
        const onProgress = (progress: Progress) => {
          if (progress.phase === phase && progress.done >= 3 * SECTOR) throw error;
        };
        const options = { onProgress, trial, crc32: crc32(NEW) };
        assert.throws(() => update(ota, NEW, options), error);
        assertHolds(board, 'storage', OLD);
        assert.equal(ota.status().state, 'restored');
        assert.equal(reboot(board).recover().state, 'restored');
        assert.equal(update(otaOf(board), NEW).state, 'committed');
      }
  });

  it('does not stop what puts back', () => {
    const board = boardWith();
    const onProgress = () => {
      throw new Error('no screen');
    };
    update(boot(board), NEW);
    assert.equal(otaOf(board).restore({ onProgress }).state, 'restored');
    assertHolds(board, 'storage', OLD);
    otaOf(board).begin(STORAGE).write(NEW);
    assert.equal(reboot(board).recover({ onProgress }).state, 'restored');
    assertHolds(board, 'storage', OLD);
  });
});

describe('the API: on the board', () => {
  it('a whole update passes a watchdog of 200 ms', () => {
    const old = pattern('old', 0x40000);
    const table = TABLES.example.map((row) =>
      row.label === 'storage' ? { ...row, size: 0x40000 } : row,
    );
    const board = new Board({ table, watchdogMs: 200, partitions: { storage: old } });
    uploadTo(board);
    const bytes = pattern('new', 0x40000);
    const first = boot(board).begin({ ...STORAGE, crc32: crc32(bytes), trial: 1 });
    first.backup();
    first.write(bytes);
    assert.equal(first.end().state, 'trial');
    reboot(board).recover();
    assert.equal(reboot(board).recover().state, 'restored');
    assertHolds(board, 'storage', old);
    assert.equal(update(otaOf(board), bytes, DIRECT).state, 'committed');
    assert.deepEqual(board.panics, []);
  });

  it('no read is longer than a sector', () => {
    const board = boardWith();
    const ota = boot(board);
    board.flash.trace = [];
    const first = ota.begin({ ...STORAGE, crc32: crc32(SHORT) });
    first.backup();
    first.write(SHORT);
    first.end();
    ota.restore();
    reboot(board).recover();
    const reads = board.flash.trace.filter(({ kind }) => kind === 'read');
    assert.ok(reads.length > 50);
    assert.ok(reads.every(({ length }) => length <= SECTOR));
  });

  it('recover() with nothing to do reads little and writes nothing', () => {
    const board = new Board();
    uploadTo(board);
    const assertQuick = (state: Report['state']) => {
      const ota = reboot(board);
      board.flash.resetCounters();
      assert.equal(ota.recover().state, state);
      const { reads, bytesRead, operations } = board.flash.counters;
      assert.equal(operations, 0);
      // Each four rows of the table twice, otadata and the bootloader; four heads in two places, those with other bytes twice;
      // the log, once or twice.
      assert.ok(reads <= 40 && bytesRead <= 2 * SECTOR, `${reads} reads, ${bytesRead} bytes`);
    };
    assertQuick('none');
    update(otaOf(board), NEW);
    assertQuick('committed');
    otaOf(board).restore();
    assertQuick('restored');
  });

  it('a build without crypto will do', () => {
    const board = boardWith({ crypto: false });
    assert.equal(update(boot(board), NEW, { crc32: crc32(NEW) }).state, 'committed');
    assert.equal(otaOf(board).restore().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });
});
