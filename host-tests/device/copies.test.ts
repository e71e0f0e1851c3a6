/**
 * Two copies of the module on one board, as where a boot script and an app each have their own. A copy that writes to the
 * journal in the middle of an update of the other ends that update: its next call throws E_STATE and does nothing any
 * more, and what the one that wrote has said holds.
 */
import assert from 'node:assert/strict';
import type { Progress, Update } from '../../device/api.ts';
import { type Board, SECTOR, pattern } from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  STORAGE,
  assertHolds,
  assertIdle,
  boardWith,
  boot,
  codeOf,
  during,
  update,
} from '../support/fixtures.ts';
import { type Ota, copyOn } from '../support/subject.ts';

const DIRECT = { ...STORAGE, backup: false } as const;

/** What the other copy does, and what the target holds then; undefined: neither content. */
const OTHERS: Record<string, [(ota: Ota) => void, Uint8Array | undefined]> = {
  'recover()': [(ota) => assert.equal(ota.recover().state, 'restored'), OLD],
  'restore()': [(ota) => assert.equal(ota.restore().state, 'restored'), OLD],
  'forget()': [(ota) => assert.equal(ota.forget().state, 'none'), undefined],
  'another update': [(ota) => assert.equal(update(ota, OTHER).state, 'committed'), OTHER],
  'the same update': [(ota) => assert.equal(update(ota, NEW).state, 'committed'), NEW],
  'an update on trial': [
    (ota) => assert.equal(update(ota, OTHER, { trial: 3 }).state, 'trial'),
    OTHER,
  ],
  'recover(), and an update': [
    (ota) => {
      ota.recover();
      update(ota, OTHER);
    },
    OTHER,
  ],
  'two updates': [
    (ota) => {
      update(ota, OTHER);
      update(ota, NEW);
    },
    NEW,
  ],
  'a direct update after recover()': [
    (ota) => {
      ota.recover();
      update(ota, OTHER, DIRECT);
    },
    OTHER,
  ],
  'an update that is given up': [
    (ota) => {
      const open = ota.begin(STORAGE);
      open.write(OTHER.subarray(0, 4 * SECTOR));
      open.abort();
    },
    OLD,
  ],
};

/** What the first copy may do next. */
const NEXT: Record<string, (update: Update, ota: Ota) => unknown> = {
  // Where it finds all as it is to be, it writes nothing, and need not notice.
  'write()': (update) => update.write(pattern('another', 3 * SECTOR)),
  'end()': (update) => update.end(),
  'abort()': (update) => update.abort(),
  'backup()': (update) => update.backup(),
  'restore()': (_, ota) => ota.restore(),
};

/** Checks that an update is over, that it writes nothing any more, and that what the other copy has left stays. */
function assertOver(board: Board, next: () => unknown, open: Update, content?: Uint8Array): void {
  const now = content ?? board.content('storage');
  assertIdle('in the next call', board, () => assert.equal(codeOf(next), 'E_STATE'));
  assertIdle('in all calls after that', board, () => {
    for (const call of [
      () => open.write(NEW.subarray(0, 2 * SECTOR)),
      () => open.end(),
      () => open.abort(),
    ])
      assert.equal(codeOf(call), 'E_STATE');
  });
  assertHolds(board, 'storage', now);
}

/** Checks that a boot leaves the content as it is, and that updates are possible. */
function assertGoesOn(board: Board, content: Uint8Array): void {
  board.flash.cut();
  const ota = boot(board);
  ota.recover();
  assertHolds(board, 'storage', content);
  if (ota.status().state === 'trial') ota.confirm();
  assert.match(update(ota, OLD).state, /^(committed|untouched)$/);
  assertHolds(board, 'storage', OLD);
}

/** What has happened on the board before. */
const PASTS: Record<string, (board: Board) => void> = {
  'on a new chip': () => undefined,
  'after other updates': (board) => {
    update(boot(board), OTHER);
    update(boot(board), OLD);
  },
};

describe('another copy of the module ends an open update', () => {
  for (const [past, prepare] of Object.entries(PASTS))
    for (const [other, [act, content]] of Object.entries(OTHERS))
      it(`with ${other}, ${past}`, () => {
        for (const [name, next] of Object.entries(NEXT)) {
          const board = boardWith();
          prepare(board);
          const ota = boot(board);
          const open = ota.begin(STORAGE);
          open.write(NEW.subarray(0, 3 * SECTOR));
          during(
            () => name,
            () => {
              act(copyOn(board));
              assertOver(board, () => next(open, ota), open, content);
              assertGoesOn(board, content ?? board.content('storage'));
            },
          );
        }
      });
});

describe('another copy of the module ends an open update within a sector', () => {
  const full = pattern('full', 6 * SECTOR);
  /** The last one has its journal where the open one has its own, and a shorter one. */
  const short: (typeof OTHERS)[string] = [
    (ota) => {
      for (const end of ['', 'one', 'two'])
        update(ota, Buffer.concat([OTHER.subarray(0, 5 * SECTOR), pattern(end, SECTOR)]));
    },
    undefined,
  ];
  const others = Object.entries({ ...OTHERS, 'three updates, the last one short': short });
  for (const [other, [act, content]] of others)
    for (const backup of [undefined, false] as const) {
      // Others are refused as long as a direct one is open.
      if (backup === false && !/^forget|direct/.test(other)) continue;
      it(`with ${other}, ${backup === false ? 'direct' : 'with a backup'}`, () => {
        for (const sectors of [0, 5]) {
          const board = boardWith();
          const ota = boot(board);
          const open = ota.begin({ ...STORAGE, backup });
          open.write(full.subarray(0, sectors * SECTOR + 700));
          act(copyOn(board));
          const now = board.content('storage');
          const next = () => open.write(full.subarray(sectors * SECTOR + 700));
          during(
            () => `behind ${sectors} sectors`,
            () => {
              assertOver(board, next, open, now);
              assertGoesOn(board, content ?? now);
            },
          );
        }
      });
    }
});

describe('another copy of the module ends an update that has not written yet', () => {
  const writing = Object.entries(OTHERS).filter(([name]) => name.includes('update'));
  for (const [past, prepare] of Object.entries(PASTS))
    for (const [other, [act, content]] of writing)
      it(`with ${other}, ${past}`, () => {
        for (const name of ['write()', 'backup()']) {
          const board = boardWith();
          prepare(board);
          const ota = boot(board);
          const open = ota.begin(STORAGE);
          during(
            () => name,
            () => {
              act(copyOn(board));
              // The first sector may be as it is to be already.
              const image = content === NEW ? OTHER.subarray(SECTOR) : NEW;
              const next = name === 'write()' ? () => open.write(image) : () => open.backup();
              assertOver(board, next, open, content);
              assertGoesOn(board, content!);
            },
          );
        }
      });

  it('but not with what writes nothing', () => {
    for (const call of ['recover', 'status', 'forget'] as const) {
      const board = boardWith();
      const open = boot(board).begin(STORAGE);
      assertIdle(call, board, () => assert.equal(copyOn(board)[call]().state, 'none'));
      open.write(NEW);
      assert.equal(open.end().state, 'committed');
      assertHolds(board, 'storage', NEW);
    }
  });
});

describe('another copy of the module that writes in a callback ends the update', () => {
  for (const [other, [act, content]] of Object.entries(OTHERS))
    for (const phase of ['backup', 'write', 'verify'] as const)
      it(`with ${other}, in phase ${phase}`, () => {
        const board = boardWith();
        const ota = boot(board);
        let now: Uint8Array | undefined;
        const onProgress = (progress: Progress) => {
          if (now || progress.phase !== phase || progress.done < 3 * SECTOR) return;
          act(copyOn(board));
          now = content ?? board.content('storage');
          operations = board.flash.counters.operations;
        };
        let operations = 0;
        const open = ota.begin({ ...STORAGE, onProgress, crc32: 0 });
        assert.equal(
          codeOf(() => {
            open.write(NEW);
            open.end();
          }),
          'E_STATE',
        );
        assert.ok(now);
        assert.equal(board.flash.counters.operations, operations, 'something was written');
        assertOver(board, () => open.write(''), open, now);
        assertGoesOn(board, now);
      });
});

describe('another copy of the module ends a trial', () => {
  it('and the first one sees that at its next call', () => {
    const board = boardWith();
    const ota = boot(board);
    update(ota, NEW, { trial: 3 });
    assert.equal(copyOn(board).confirm().state, 'committed');
    assert.equal(ota.status().state, 'committed');
    assert.equal(ota.restore().state, 'restored');
    assert.equal(copyOn(board).status().state, 'restored');
    assertHolds(board, 'storage', OLD);
  });

  it('while the first one has begun another update: E_STATE', () => {
    for (const call of ['restore', 'forget'] as const) {
      const board = boardWith();
      const ota = boot(board);
      update(ota, NEW);
      const open = ota.begin(STORAGE);
      copyOn(board)[call]();
      const now = board.content('storage');
      assertOver(board, () => open.write(OTHER), open, now);
      assertGoesOn(board, now);
    }
  });
});
