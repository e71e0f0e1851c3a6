/**
 * What once went wrong on flash on which bits flip, reads err and sectors wear out: one scenario each, with what is right by
 * the promise. The numbers are those of the cases of the issue.
 */
import assert from 'node:assert/strict';
import { ROW_SIZE, TABLE_ADDRESS } from '../../device/partitions.ts';
import { SLOT } from '../../device/records.ts';
import type { Runtime } from '../../device/runtime.ts';
import { type Board, SECTOR, TEARS, latin1 } from '../../host/index.ts';
import {
  IS_FULL,
  NEW,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  boardWith,
  boot,
  codeOf,
  cutIn,
  during,
  nameOf,
  random,
  record,
  update,
} from '../support/fixtures.ts';
import {
  FULL,
  HEAD,
  OLD_FULL,
  TARGET,
  assertTruth,
  bootReading,
  erringAt,
  interrupted,
} from '../support/others.ts';
import { otaOf } from '../support/subject.ts';

/** Slots of the journal of `interrupted`: BEGIN, SOLID, four SAVED. */
const SLOTS = 6;

/** Calls `check` with the board anew for each bit of each slot. */
function forEachBit(board: Board, check: (at: number, mask: number) => void): void {
  const start = board.snapshot();
  for (let bit = 0; bit < SLOTS * SLOT * 8; bit++) {
    board.restore(start);
    const at = HEAD * SECTOR + (bit >> 3);
    during(
      () => `bit ${bit & 7} of byte ${(bit >> 3) % SLOT} of slot ${Math.floor(bit / 8 / SLOT)}`,
      () => check(at, 1 << (bit & 7)),
    );
  }
}

/** Flips bits of a byte, for good. */
function flip({ flash }: Board, at: number, mask: number): void {
  flash.load(at, Uint8Array.of(flash.peek(at, 1)[0] ^ mask));
}

describe('08: a bit of an open journal', () => {
  it('that has changed for good loses nothing', () => {
    const board = interrupted();
    forEachBit(board, (at, mask) => {
      flip(board, at, mask);
      assertTruth(board, { restored: OLD_FULL });
    });
  });

  for (const [what, when] of [
    ['once', (n: number) => n === 1],
    ['twice', (n: number) => n < 3],
    ['every second time', (n: number) => n % 2 === 1],
    ['at every read', () => true],
  ] as const)
    it(`that is read wrong ${what} loses nothing`, () => {
      const board = interrupted();
      forEachBit(board, (at, mask) => {
        const start = () => bootReading(board, erringAt(at, mask, when));
        assertTruth(board, { restored: OLD_FULL }, start);
        assertTruth(board, { restored: OLD_FULL });
      });
    });

  it('and another one: put back, or damaged', () => {
    const board = interrupted();
    const start = board.snapshot();
    const below = random(8);
    const seen = { restored: 0, damaged: 0 };
    for (let n = 0; n < 600; n++) {
      board.restore(start);
      const slot = HEAD * SECTOR + (n % SLOTS) * SLOT;
      const bits = [below(SLOT * 8), below(SLOT * 8)];
      for (const bit of bits) flip(board, slot + (bit >> 3), 1 << (bit & 7));
      const report = during(
        () => `slot ${n % SLOTS}, bits ${bits.join()}`,
        () => assertTruth(board, { restored: OLD_FULL, damaged: undefined }),
      );
      seen[report.state as keyof typeof seen]++;
    }
    assert.ok(seen.damaged > 50, `${seen.damaged} damaged`);
  });

  it('and all others of a SAVED: damaged', () => {
    for (let slot = 2; slot < SLOTS; slot++)
      for (const byte of [0, 0xff]) {
        const board = interrupted();
        board.flash.load(HEAD * SECTOR + slot * SLOT, new Uint8Array(SLOT).fill(byte));
        const isLast = slot === SLOTS - 1;
        // The last SAVED names a sector that nothing was done to yet: it may be missing.
        const held = isLast ? { restored: OLD_FULL } : { damaged: undefined };
        assertTruth(board, held);
      }
  });
});

describe('10: a journal that keeps nothing more', () => {
  /** Lets erases and programs of some sectors do nothing. */
  const killed = (board: Board, sectors: number[]) =>
    board.flash.faults.push(({ kind, address }) =>
      kind !== 'read' && sectors.includes(Math.floor(address / SECTOR)) ? 'nothing' : undefined,
    );

  it('does not stop the old content from coming back, at each boot', () => {
    const board = interrupted();
    killed(board, [HEAD]);
    for (let n = 0; n < 4; n++) {
      const report = boot(board).recover();
      assert.deepEqual(report, { state: 'restored', partition: 'storage', sealed: false });
      assertHolds(board, 'storage', OLD_FULL);
      board.flash.cut();
    }
  });

  it('is not resumed: the next update puts the old content back, and has another head', () => {
    for (const resume of [false, true]) {
      const board = interrupted();
      killed(board, [HEAD]);
      boot(board).recover({ resume });
      const next = otaOf(board).begin(STORAGE);
      assertHolds(board, 'storage', OLD_FULL);
      next.write(NEW);
      assert.equal(next.end().state, 'committed');
      assertTruth(board, { committed: NEW });
    }
  });

  it('is no place for another one: E_FLASH, and the old content stays', () => {
    const board = interrupted();
    killed(board, [HEAD, HEAD - 1]);
    assert.equal(boot(board).recover().sealed, false);
    for (const backup of [undefined, 'spare'])
      assert.equal(
        codeOf(() => update(boot(board), NEW, { backup })),
        'E_FLASH',
      );
    assertTruth(board, { restored: OLD_FULL });
  });
});

describe('a read that errs while a sector is saved', () => {
  // Each byte that is tried is one of the old content, of its first sector that is saved.
  for (const n of [1, 2, 3, 4, 5, 6])
    it(`read ${n} of it: the backup holds what the target held, or nothing is touched`, () => {
      for (const at of [0, 100, 2000, 4095]) {
        const board = boardWith({ partitions: { storage: OLD_FULL } });
        const address = TARGET.first * SECTOR + at;
        const ota = bootReading(
          board,
          erringAt(address, 0x10, (count) => count === n),
        );
        const code = codeOf(() => {
          const open = ota.begin(STORAGE);
          open.write(FULL);
        });
        assert.ok(['nothing thrown', 'E_FLASH'].includes(code), code);
        board.flash.cut();
        assertTruth(board, { none: OLD_FULL, restored: OLD_FULL });
      }
    });

  it('each read that another way: the old content is back, or the new one is complete', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const board = boardWith({ partitions: { storage: OLD_FULL } });
      const below = random(seed);
      const address = TARGET.first * SECTOR + below(TARGET.span * SECTOR);
      const ota = bootReading(
        board,
        erringAt(address, 1 << below(8), () => !below(3)),
      );
      const code = codeOf(() => update(ota, FULL));
      assert.ok(['nothing thrown', 'E_FLASH'].includes(code), `seed ${seed}: ${code}`);
      board.flash.cut();
      during(
        () => `seed ${seed}`,
        () => assertTruth(board, { none: OLD_FULL, restored: OLD_FULL, committed: FULL }),
      );
    }
  });
});

/** @returns a `read` before which all unstable cells of the chip flip, each as it likes. */
function flickering({ flash }: Board, seed: number) {
  const below = random(seed);
  return (direct: Runtime['read']): Runtime['read'] =>
    (address, length) => {
      if (flash.unstableBits(address, length))
        flash.restart({ seed: below(2 ** 30), whole: below(2) ? 16 : undefined });
      return direct(address, length);
    };
}

describe('cells that flip from read to read, in one boot', () => {
  for (const [what, options] of [
    ['an update', {}],
    ['an update on trial', { trial: 2 }],
    ['a direct update', { backup: false }],
  ] as const)
    it(`${what}, cut in each operation: no content is lost`, () => {
      const board = boardWith({ partitions: { storage: OLD_FULL } });
      const steps = record(board, () => update(boot(board), NEW, options));
      // A record that was torn is programmed again in place, over cells that may read otherwise at that moment.
      board.flash.strict = false;
      for (const step of steps)
        for (let seed = 1; seed <= (IS_FULL ? 20 : 3); seed++) {
          cutIn(board, step, TEARS.everyBit);
          let number = seed;
          const start = () => bootReading(board, flickering(board, number++ * 1000 + step.number));
          during(
            () => `${nameOf(step, steps, TEARS.everyBit)}, seed ${seed}`,
            () => {
              const outcomes = { none: OLD_FULL, restored: OLD_FULL, committed: NEW, trial: NEW };
              const isVoid = 'backup' in options && { incomplete: undefined };
              assertTruth(board, { ...outcomes, ...isVoid }, start);
            },
          );
        }
    });
});

/** @returns a `read` whose n-th result has one bit the other way round, and how many reads there were. */
function erringOnce(n: number, below: (n: number) => number) {
  const seen = { reads: 0 };
  const read =
    (direct: Runtime['read']): Runtime['read'] =>
    (address, length) => {
      const text = direct(address, length);
      if (++seen.reads !== n) return text;
      const bytes = Buffer.from(text, 'latin1');
      bytes[below(length)] ^= 1 << below(8);
      return latin1(bytes);
    };
  return { seen, read };
}

/** Where the journal lies in free flash, the size of the chip tells where that is. */
const IN_FREE_FLASH = WITH_JOURNAL.filter(({ label }) => label !== 'ota_journal');

describe('one read that errs, whichever it is', () => {
  it('of the table, in any byte: what recover() says is true', () => {
    const board = interrupted();
    const torn = board.flash.snapshot();
    for (let byte = 0; byte < WITH_JOURNAL.length * ROW_SIZE; byte++) {
      board.flash.restore(torn);
      const read = erringAt(TABLE_ADDRESS + byte, 1 << (byte % 8), (n) => n === 1);
      during(
        () => `byte ${byte % ROW_SIZE} of row ${Math.floor(byte / ROW_SIZE)}`,
        () => assertTruth(board, { restored: OLD_FULL }, () => bootReading(board, read)),
      );
    }
  });

  for (const [where, table] of [
    ['in ota_journal', WITH_JOURNAL],
    ['in free flash', IN_FREE_FLASH],
  ] as const) {
    it(`in recover(): what it says is true, the journal ${where}`, () => {
      const board = boardWith({ table, partitions: { storage: OLD_FULL } });
      interrupted(FULL, {}, board);
      const torn = board.flash.snapshot();
      for (let n = 1, isLast = false; !isLast; n++)
        for (let seed = 1; seed <= (IS_FULL ? 200 : 12); seed++) {
          board.flash.restore(torn);
          const { seen, read } = erringOnce(n, random(1000 * n + seed));
          during(
            () => `read ${n}, seed ${seed}`,
            () => assertTruth(board, { restored: OLD_FULL }, () => bootReading(board, read)),
          );
          isLast = seen.reads < n;
        }
    });

    it(`in an update: the content is complete, the journal ${where}`, () => {
      const board = boardWith({ table, partitions: { storage: OLD_FULL } });
      update(boot(board), NEW);
      update(boot(board), OLD_FULL);
      const start = board.flash.snapshot();
      for (let n = 1, isLast = false; !isLast; n++)
        for (let seed = 1; seed <= (IS_FULL ? 100 : 4); seed++) {
          board.flash.restore(start);
          const { seen, read } = erringOnce(n, random(1000 * n + seed));
          const code = codeOf(() => update(bootReading(board, read), FULL));
          board.flash.cut();
          const content = code === 'nothing thrown' ? FULL : OLD_FULL;
          during(
            () => `read ${n}, seed ${seed}, ${code}`,
            () => assertTruth(board, { restored: OLD_FULL, committed: content }),
          );
          isLast = seen.reads < n;
        }
    });
  }
});
