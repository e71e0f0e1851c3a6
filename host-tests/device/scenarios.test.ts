/**
 * The scenarios in which a component for ESP-IDF that does the same job, esp_custom_part_ota, was measured to lose
 * data or to accept a wrong image. Each is named by what that one does. Here power may fail in every operation of
 * them, and the target always holds one complete content, of the right generation.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Options } from '../../device/api.ts';
import {
  type Board,
  type BoardOptions,
  type Change,
  type Mood,
  type Row,
  SECTOR,
  TEARS,
  type Tear,
  differences,
  pattern,
} from '../../host/index.ts';
import {
  NEW,
  OLD,
  OTHER,
  type Outcomes,
  SMALL,
  STORAGE,
  WITH_JOURNAL,
  type Scene,
  type Step,
  assertHolds,
  assertIdle,
  assertNeighbours,
  assertRecovers,
  assertReport,
  boardWith,
  boot,
  codeOf,
  contentName,
  during,
  everyForm,
  fenceIn,
  image,
  moodName,
  nameOf,
  record,
  update,
} from '../support/fixtures.ts';
import type { Ota } from '../support/subject.ts';

/** What the app has put into the target itself, between two updates. */
const OWN = image('e0 page, e1 half, e2 page, e3 blank, e4 hole, e5 page');

const NEAR: Options = { partition: 'near' };
const NEAR_NEW = pattern('another partition', 2 * SECTOR);

/** The image comes in this many bytes at a time. */
const CHUNK = 1000;
const CHUNKS = Math.ceil(NEW.length / CHUNK);
const chunkOf = (k: number) => NEW.subarray(k * CHUNK, (k + 1) * CHUNK);

const CUT = [TEARS.nothing, TEARS.firstHalf, TEARS.everyBit, TEARS.everything];
const MOODS: [Mood, Mood][] = [
  ['ones', 'zeros'],
  ['zeros', 'ones'],
];

/** Lets power fail in each step, in a few ways, and calls `check` with each way its cells may read. */
function everyCut(
  board: Board,
  name: string,
  steps: Step[],
  check: (moods: [Mood, Mood], step: Step) => void,
): void {
  assert.ok(steps.length > 0, `${name}: nothing to cut`);
  for (const step of steps) {
    // That nothing was done yet is the end of the step before.
    const forms = CUT.slice(step.number > 1 ? 1 : 0);
    const named = (moods: [Mood, Mood], tear: Tear) => {
      const where = () => `${name}: ${nameOf(step, steps, tear)}; ${moodName(moods)}`;
      during(where, () => check(moods, step));
    };
    everyForm(board, step, [named], forms, () =>
      board.flash.unstableBits() ? MOODS : MOODS.slice(0, 1),
    );
  }
}

/** @returns a board, what may change on it, and what `recover` may report. Call `begun` when it has a past. */
function sceneOf(outcomes: Outcomes, made: BoardOptions = {}, ...others: Options[]): Scene {
  const board = boardWith(made);
  const allowed = fenceIn(board, STORAGE, ...others);
  return {
    board,
    start: board.snapshot(),
    options: STORAGE,
    allowed,
    outcomes,
    act: (ota) => update(ota, NEW),
  };
}

/** What happens to a scene before it starts. */
function prepare(scene: Scene, act: (board: Board) => void): Scene {
  act(scene.board);
  scene.start = scene.board.snapshot();
  return scene;
}

/** @returns the steps of what is done at the next boot. */
function stepsOf({ board, start }: Scene, act: (ota: Ota) => void): Step[] {
  board.restore(start);
  const ota = boot(board);
  return record(board, () => act(ota));
}

/** Lets power fail anywhere in what is done at the next boot; the boot after that recovers. */
function everyCutRecovers(
  scene: Scene,
  name: string,
  act: (ota: Ota) => void,
  ...contents: Uint8Array[]
): void {
  everyCut(scene.board, name, stepsOf(scene, act), (moods) => {
    assertEndsWell(scene, moods, contents);
  });
}

/** Recovers at two boots: both report what may be, which is true, and the target holds one of these contents. */
function assertEndsWell(scene: Scene, moods: Mood[], contents: Uint8Array[]): void {
  const { board } = scene;
  let found: Uint8Array | undefined;
  for (const mood of moods) {
    assertReport(scene, boot(board, mood).recover());
    assertOneOf(scene, contents);
    found ??= board.content('storage');
    assertHolds(board, 'storage', found);
    board.flash.cut();
  }
}

/** Checks that the target holds one of these. */
function assertOneOf({ board }: Scene, contents: Uint8Array[]): void {
  const found = board.content('storage');
  const content = contents.find((content) => Buffer.compare(content, found) === 0);
  assert.ok(
    content,
    `"storage" holds ${contentName(found)}, none of ${contents.map(contentName).join(', ')}`,
  );
  assertHolds(board, 'storage', content);
}

/** Starts an update, writes the first bytes of an image, and loses power in a later operation or at its end. */
function leave(board: Board, image: Uint8Array, length: number): void {
  const update = boot(board).begin(STORAGE);
  update.write(image.subarray(0, length));
  board.flash.cut();
}

/** Gives an update up in the middle. */
function giveUp(board: Board, image: Uint8Array, isBackedUp = false): void {
  const update = boot(board).begin(STORAGE);
  if (isBackedUp) update.backup();
  update.write(image.subarray(0, 3 * SECTOR + 100));
  assert.equal(update.abort().state, 'restored');
  board.flash.cut();
}

const isIn = ({ address, size }: Row, at: number) => at >= address && at < address + size;

/** How often an operation has no effect: once; always, at its address; always, in its partition. */
type Extent = 'once' | 'ever again there' | 'ever again';

/** Lets the n-th program or erase of a partition do nothing. @returns whether that has happened */
function fail(board: Board, label: string, kind: Change, n: number, extent: Extent): () => boolean {
  const area = board.partition(label);
  let seen = 0;
  let place = -1;
  board.flash.faults.push((operation) => {
    if (operation.kind !== kind || !isIn(area, operation.address)) return undefined;
    if (++seen === n) place = operation.address;
    const isHit =
      seen === n ||
      (seen > n && extent === 'ever again') ||
      (place === operation.address && extent === 'ever again there');
    return isHit ? 'nothing' : undefined;
  });
  return () => seen >= n;
}

/** Calls `check` for each program or erase of a partition in an undisturbed update, with that one failing. */
function everyFault(
  scene: Scene,
  label: string,
  kind: Change,
  extent: Extent,
  check: (name: string, hasFailed: () => boolean) => void,
): void {
  const { board, start, act } = scene;
  const area = board.partition(label);
  const isHit = (step: Step) => step.kind === kind && isIn(area, step.address);
  const count = stepsOf(scene, act).filter(isHit).length;
  assert.ok(count > 0);
  for (let n = 1; n <= count; n++) {
    const name = `${kind} ${n} of ${count} of ${label} has no effect, ${extent}`;
    board.restore(start);
    const hasFailed = fail(board, label, kind, n, extent);
    try {
      during(
        () => name,
        () => check(name, hasFailed),
      );
    } finally {
      board.flash.faults = [];
    }
  }
}

/**
 * Updates while something fails: the image is right, or the old content is back or comes back once nothing fails any
 * more.
 * @param note - see `record`
 * @returns the steps, and the code of the error
 */
function assertUpdates(scene: Scene, note?: () => boolean): { steps: Step[]; code: string } {
  const { board } = scene;
  const ota = boot(board);
  let code = '';
  const steps = record(
    board,
    () => {
      code = codeOf(() => scene.act(ota));
    },
    note,
  );
  let expected = NEW;
  if (code === 'nothing thrown') {
    assertHolds(board, 'storage', NEW);
  } else {
    assert.equal(code, 'E_FLASH');
    const { state } = ota.status();
    // The decision was written, and only its SOLID was not: the verified image counts.
    if (state !== 'committed') expected = OLD;
    if (state === 'interrupted') {
      board.flash.cut();
      const again = boot(board);
      const next = codeOf(() => again.recover());
      assert.ok(['nothing thrown', 'E_FLASH'].includes(next), next);
      if (next === 'nothing thrown') assertHolds(board, 'storage', OLD);
    } else {
      assert.ok(['none', 'restored', 'committed'].includes(state), `status is ${state}`);
      assertHolds(board, 'storage', expected);
    }
  }
  board.flash.faults = [];
  board.flash.cut();
  assertRecovers(scene, ['after', 'before']);
  assertHolds(board, 'storage', expected);
  return { steps, code };
}

/** Lets power fail in the operation that had no effect and in each one after it; the chip is well when it is back. */
function everyCutAfter(scene: Scene, name: string, steps: Step[]): void {
  const isLater = ({ number }: Step) => number >= steps.length || steps[number].note === true;
  everyCut(scene.board, name, steps.filter(isLater), (moods) => {
    assertEndsWell(scene, moods.slice(0, 1), [OLD, NEW]);
  });
}

const UPDATED: Outcomes = { none: OLD, restored: OLD, committed: NEW };
const toNew = (ota: Ota) => void update(ota, NEW);
const toOther = (ota: Ota) => void update(ota, OTHER);

describe('A0: loses the first update if power fails and nobody restores', () => {
  it('recovers', () => {
    const scene = sceneOf(UPDATED);
    everyCut(scene.board, 'A0', stepsOf(scene, toNew), (moods) => {
      assertRecovers(scene, moods);
      assertOneOf(scene, [OLD, NEW]);
    });
  });

  it('updates again where nobody recovers', () => {
    const scene = sceneOf({ committed: NEW, none: NEW });
    everyCut(scene.board, 'A0, begin', stepsOf(scene, toNew), ([first, second]) => {
      update(boot(scene.board, first), NEW);
      assertHolds(scene.board, 'storage', NEW);
      scene.board.flash.cut();
      assertEndsWell(scene, [second], [NEW]);
    });
  });

  it('loses nothing to a begin that nothing follows', () => {
    const scene = sceneOf(UPDATED);
    everyCut(scene.board, 'A0, begin alone', stepsOf(scene, toNew), ([first, second]) => {
      boot(scene.board, first).begin(STORAGE);
      scene.board.flash.cut();
      assertEndsWell(scene, [second], [OLD, NEW]);
    });
  });
});

describe('C1: overwrites its only backup in the update after one that was aborted', () => {
  it('keeps the old content of an update that another one follows', () => {
    const scene = prepare(sceneOf({ restored: OLD, committed: OTHER }), (board) =>
      leave(board, NEW, 3 * SECTOR),
    );
    everyCutRecovers(scene, 'C1', toOther, OLD, OTHER);
  });

  it('keeps the old content after abort()', () => {
    const scene = prepare(sceneOf({ none: OLD, restored: OLD, committed: OTHER }), (board) =>
      giveUp(board, NEW),
    );
    everyCutRecovers(scene, 'C1, abort()', toOther, OLD, OTHER);
  });
});

/** How an update may have ended before the app writes to the target. */
const ENDS: Record<string, (board: Board) => void> = {
  'an abort()': (board) => giveUp(board, NEW),
  'an abort() after a full backup': (board) => giveUp(board, NEW, true),
  'a recovery': (board) => {
    leave(board, NEW, 3 * SECTOR);
    assert.equal(boot(board).recover().state, 'restored');
    board.flash.cut();
  },
  'a committed update': (board) => {
    update(boot(board), NEW);
    board.flash.cut();
  },
};

/** @returns a scene in which an update has ended, and the app has then put data of its own into the target. */
function ownData(end: (board: Board) => void): Scene {
  return prepare(sceneOf({ none: OWN, restored: OWN, committed: undefined }), (board) => {
    end(board);
    board.load('storage', OWN);
  });
}

describe('C2: puts an outdated backup over what the app has written since', () => {
  for (const name of ['an abort() after a full backup', 'a committed update']) {
    it(`keeps what the app has written after ${name}`, () => {
      everyCutRecovers(ownData(ENDS[name]), `C2, ${name}`, toOther, OWN, OTHER);
    });
  }
});

describe('C3: loses the old content when an interrupted update is run again', () => {
  for (const length of [1, 3, 6].map((sectors) => sectors * SECTOR)) {
    it(`keeps it, after ${length} bytes`, () => {
      const scene = prepare(sceneOf({ restored: OLD, committed: NEW }), (board) =>
        leave(board, NEW, length),
      );
      everyCutRecovers(scene, `C3, ${length} bytes`, toNew, OLD, NEW);
    });
  }
});

describe('C5: puts an outdated backup over what the app has written, at any boot', () => {
  for (const [name, end] of Object.entries(ENDS)) {
    it(`leaves it alone after ${name}`, () => {
      const { board } = ownData(end);
      const ota = boot(board);
      assertIdle('at the next boot', board, () => ota.recover());
      assertHolds(board, 'storage', OWN);
    });
  }
});

describe('D1: erases what a partial backup does not hold', () => {
  it('puts everything back after a backup of a quarter', () => {
    const scene = sceneOf(UPDATED);
    const act = (ota: Ota) => {
      const update = ota.begin(STORAGE);
      update.backup(OLD.length / 4);
      update.write(NEW);
      update.end();
    };
    everyCutRecovers(scene, 'D1', act, OLD, NEW);
  });
});

describe('F1: goes on when it cannot note that there is a backup', () => {
  it('writes a record that has no effect again, or stops', () => {
    const scene = sceneOf(UPDATED);
    everyFault(scene, 'ota_journal', 'program', 'once', (name, hasFailed) => {
      const { steps } = assertUpdates(scene, hasFailed);
      everyCutAfter(scene, `F1, ${name}`, steps);
    });
  });

  it('stops when no record can be written any more', () => {
    const scene = sceneOf(UPDATED);
    let stopped = 0;
    everyFault(scene, 'ota_journal', 'program', 'ever again', (name, hasFailed) => {
      const { steps, code } = assertUpdates(scene, hasFailed);
      if (code === 'E_FLASH') stopped++;
      everyCutAfter(scene, `F1, ${name}`, steps);
    });
    assert.ok(stopped > 0);
  });
});

describe('G1: copies a firmware into the data partition after an app OTA', () => {
  for (const [where, table] of [
    ['a partition of its own', WITH_JOURNAL],
    ['free flash', SMALL],
  ] as const) {
    it(`touches nothing, with the journal in ${where}`, () => {
      const scene = sceneOf({}, { table });
      const { board } = scene;
      const slot = board.partition('ota_1');
      const { journal } = boot(board).plan(STORAGE);
      const firmware = pattern('firmware', slot.size);
      const steps = stepsOf(scene, toNew);
      const isTarget = ({ address }: Step) => isIn(board.partition('storage'), address);
      const isSaved = ({ address, kind }: Step) => kind === 'program' && isIn(slot, address);
      const start = steps.findIndex(isTarget);
      const end = steps.length - [...steps].reverse().findIndex(isTarget);
      assert.ok(steps.slice(0, start).some(isSaved));
      const seen = new Set<string>();
      everyCut(board, 'G1', steps, ([first, second], step) => {
        board.load('ota_1', firmware);
        board.setRunning('ota_1');
        try {
          const before = board.flash.snapshot();
          const ota = boot(board, first);
          const { state } = ota.recover();
          seen.add(state);
          const isMidway = step.number > start && step.number <= end;
          if (isMidway) assert.equal(state, 'damaged');
          const changed = differences(board.flash.snapshot(), before);
          // A decision may be finished; nothing else is written.
          assert.ok(
            changed.every(
              (sector) =>
                state !== 'damaged' &&
                sector * SECTOR >= journal.address &&
                sector * SECTOR < journal.address + journal.size,
            ),
            `reported ${state}, sectors ${changed.join(' ')} changed`,
          );
          if (state === 'restored') assertHolds(board, 'storage', OLD);
          if (state === 'committed') assertHolds(board, 'storage', NEW);
          board.flash.cut();
          const later = boot(board, second).recover().state;
          if (state === 'damaged') {
            // A record that was cut reads as such at one boot and not at the next. The content is the same.
            if (later !== 'damaged')
              assertHolds(board, 'storage', later === 'committed' ? NEW : OLD);
            update(boot(board, second), NEW, { backup: false });
            assertHolds(board, 'storage', NEW);
          }
        } finally {
          board.setRunning('ota_0');
        }
      });
      assert.deepEqual([...seen].sort(), ['committed', 'damaged', 'none', 'restored']);
    });
  }
});

describe('H1: puts the backup of one partition into another', () => {
  it('gives each what is its own', () => {
    const scene = sceneOf(UPDATED, {}, NEAR);
    const { board } = scene;
    const near = board.content('near');
    let refused = 0;
    everyCut(board, 'H1', stepsOf(scene, toNew), ([first, second]) => {
      const ota = boot(board, first);
      const { operations } = board.flash.counters;
      const code = codeOf(() => ota.begin(NEAR));
      if (code === 'nothing thrown') {
        // What was decided is finished now.
        assertOneOf(scene, [OLD, NEW]);
      } else {
        assert.equal(code, 'E_PENDING');
        assert.equal(board.flash.counters.operations, operations, 'something was written');
        refused++;
      }
      assertHolds(board, 'near', near);
      board.flash.cut();
      assertEndsWell(scene, [second], [OLD, NEW]);
      assertHolds(board, 'near', near);
      const storage = board.content('storage');
      update(boot(board, first), NEAR_NEW, NEAR);
      assertHolds(board, 'near', NEAR_NEW);
      board.flash.cut();
      assert.equal(boot(board, second).recover().partition, 'near');
      assertHolds(board, 'near', NEAR_NEW);
      assertHolds(board, 'storage', storage);
      assertNeighbours(scene);
    });
    assert.ok(refused > 0);
  });
});

describe('X1: leaves the target unusable when the connection is lost', () => {
  it('puts the old content back, after any number of chunks', () => {
    const scene = sceneOf({ none: OLD, restored: OLD });
    const { board } = scene;
    for (let k = 0; k <= CHUNKS; k++) {
      during(
        () => `X1: ${k} of ${CHUNKS} chunks`,
        () => {
          board.restore(scene.start);
          const update = boot(board).begin({ ...STORAGE, size: NEW.length });
          for (let i = 0; i < k; i++) update.write(chunkOf(i));
          const steps = record(board, () => {
            const { state } = update.abort();
            assert.equal(state, k ? 'restored' : 'untouched');
          });
          assertHolds(board, 'storage', OLD);
          assertNeighbours(scene);
          // Where no sector was completed by this chunk, what is to be put back is as before.
          if (steps.length && (k * CHUNK) % SECTOR < CHUNK)
            everyCut(board, 'abort()', steps, (moods) => {
              assertEndsWell(scene, moods, [OLD]);
            });
        },
      );
    }
  });
});

describe('E1: accepts an image of which the end is missing', () => {
  for (const [name, options] of [
    ['its size', { size: NEW.length }],
    ['its CRC-32', { crc32: crc32(NEW) }],
    ['both', { size: NEW.length, crc32: crc32(NEW) }],
  ] as const) {
    it(`refuses it by ${name}, after any number of chunks`, () => {
      const scene = sceneOf({ none: OLD, restored: OLD });
      const { board } = scene;
      for (let k = 0; k < CHUNKS; k++) {
        during(
          () => `E1: ${k} of ${CHUNKS} chunks`,
          () => {
            board.restore(scene.start);
            const update = boot(board).begin({ ...STORAGE, ...options });
            for (let i = 0; i < k; i++) update.write(chunkOf(i));
            const code = codeOf(() => update.end());
            assert.equal(code, 'size' in options || !k ? 'E_SIZE' : 'E_VERIFY');
            if (code === 'E_SIZE') update.abort();
            assertHolds(board, 'storage', OLD);
            board.flash.cut();
            assertRecovers(scene, ['after', 'before']);
            assertHolds(board, 'storage', OLD);
          },
        );
      }
    });
  }

  it('takes the whole one', () => {
    const { board } = sceneOf(UPDATED);
    update(boot(board), NEW, { crc32: crc32(NEW) }, CHUNK);
    assertHolds(board, 'storage', NEW);
  });
});

describe('E2: accepts an image of which a part was never programmed', () => {
  for (const kind of ['program', 'erase'] as const) {
    it(`repeats ${kind === 'erase' ? 'an erase' : 'a program'} that had no effect`, () => {
      const scene = sceneOf(UPDATED);
      everyFault(scene, 'storage', kind, 'once', () => {
        assert.equal(assertUpdates(scene).code, 'nothing thrown');
      });
    });

    for (const extent of ['ever again there', 'ever again'] as const) {
      it(`stops if ${kind === 'erase' ? 'an erase' : 'a program'} has no effect ${extent}`, () => {
        const scene = sceneOf(UPDATED);
        let stopped = 0;
        everyFault(scene, 'storage', kind, extent, () => {
          if (assertUpdates(scene).code === 'E_FLASH') stopped++;
        });
        assert.ok(stopped > 0);
      });
    }
  }
});

describe('E3: puts back a backup of which a part was never programmed', () => {
  it('saves again what had no effect', () => {
    const scene = sceneOf(UPDATED);
    everyFault(scene, 'ota_1', 'program', 'once', (name, hasFailed) => {
      const { steps, code } = assertUpdates(scene, hasFailed);
      assert.equal(code, 'nothing thrown');
      everyCutAfter(scene, `E3, ${name}`, steps);
    });
  });

  for (const extent of ['ever again there', 'ever again'] as const) {
    it(`touches nothing more if it has no effect ${extent}`, () => {
      const scene = sceneOf(UPDATED);
      let stopped = 0;
      everyFault(scene, 'ota_1', 'program', extent, () => {
        if (assertUpdates(scene).code === 'E_FLASH') stopped++;
      });
      assert.ok(stopped > 0);
    });
  }
});
