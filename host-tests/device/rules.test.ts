/** Rules that only one situation needs: what is written down for later, and what has to be looked at once more. */
import assert from 'node:assert/strict';
import type { Progress } from '../../device/api.ts';
import { SECTOR, TEARS, pattern } from '../../host/index.ts';
import {
  NEW,
  OLD,
  STORAGE,
  WITH_JOURNAL,
  assertHolds,
  boardWith,
  boot,
  codeOf,
  cutIn,
  record,
  update,
} from '../support/fixtures.ts';
import { type Ota, makerOf, otaOf, sourceOfOta } from '../support/subject.ts';
import { runtimeOf } from '../support/runtime.ts';

describe('a rule of an update', () => {
  it('what forget() gave up may be unstable, and is written anew though it reads right', () => {
    const board = boardWith();
    const target = board.partition('storage').address;
    const steps = record(board, () => update(boot(board), NEW, { backup: false }));
    const isLast = ({ kind, address }: (typeof steps)[0]) =>
      kind === 'program' && address >= target + 4 * SECTOR && address < target + 5 * SECTOR;
    cutIn(board, steps.findLast(isLast)!, TEARS.everyBit);
    const ota = boot(board, 'after');
    assert.equal(ota.recover().state, 'incomplete');
    assert.equal(ota.forget().state, 'none');
    const forgotten = board.snapshot();
    assert.equal(update(boot(board, 'after'), NEW).state, 'committed');
    assertHolds(board, 'storage', NEW);
    // Also where that update is cut, and goes on.
    board.restore(forgotten);
    const open = boot(board, 'after').begin(STORAGE);
    open.write(NEW.subarray(0, 2 * SECTOR));
    board.flash.cut();
    assert.equal(boot(board, 'after').recover({ resume: true }).state, 'interrupted');
    assert.equal(update(boot(board, 'after'), NEW).state, 'committed');
    assertHolds(board, 'storage', NEW);
  });

  it('a commit takes no slot of the reserve: more trial boots than the journal was made for', () => {
    const board = boardWith();
    const open = boot(board).begin(STORAGE);
    open.write(NEW.subarray(0, 2 * SECTOR));
    board.flash.cut();
    const ota = boot(board);
    assert.equal(ota.recover({ resume: true }).state, 'interrupted');
    assert.equal(
      codeOf(() => update(ota, NEW, { trial: 60 })),
      'E_SPACE',
    );
    assertHolds(board, 'storage', OLD);
    assert.equal(boot(board).recover().state, 'restored');
  });

  it('a commit is not written where another copy of the module has decided meanwhile', () => {
    const board = boardWith();
    board.powerOn();
    const make: () => Ota = makerOf(sourceOfOta());
    const [one, other] = [make(), make()];
    for (const copy of [one, other]) copy.use(runtimeOf(board));
    let said: string | undefined;
    const onProgress = ({ phase }: Progress) => {
      if (phase === 'verify') said ??= other.recover().state;
    };
    assert.equal(
      codeOf(() => update(one, NEW, { onProgress })),
      'E_STATE',
    );
    assert.equal(said, 'restored');
    assertHolds(board, 'storage', OLD);
    assert.equal(boot(board).recover().state, 'restored');
  });
});

describe('a rule of a journal', () => {});

describe('a rule of a backup that may be updated itself', () => {
  const options = { backup: 'spare' };
  const torn = () => {
    const board = boardWith();
    const { address, size } = board.partition('spare');
    const steps = record(board, () => update(boot(board), NEW, options));
    const isSlot = ({ kind, address: at }: (typeof steps)[0]) =>
      kind === 'erase' && at >= address && at < address + size;
    const second = steps.filter(isSlot)[1];
    cutIn(board, second, TEARS.everyBit);
    return { board, isStable: () => board.flash.unstableBits(address, size) === 0 };
  };

  it('a slot that a cut has torn is erased when the old content is put back', () => {
    const { board, isStable } = torn();
    assert.ok(!isStable());
    assert.equal(boot(board).recover().state, 'restored');
    assert.ok(isStable());
  });

  it('a slot that a cut has torn is erased when the update goes on', () => {
    const { board, isStable } = torn();
    const ota = boot(board);
    ota.begin({ ...STORAGE, ...options });
    assert.ok(isStable());
  });
});

describe('a rule of what fails', () => {
  it('an erase that does nothing is noticed before a journal is used, in its body, too', () => {
    const table = WITH_JOURNAL.map((one) =>
      one.label === 'ota_journal' ? { ...one, size: 4 * SECTOR } : one,
    );
    const board = boardWith({ table });
    const { address } = otaOf(board).plan({ ...STORAGE, trial: 60 }).journal;
    board.flash.load(address, pattern('an older log', SECTOR));
    board.flash.faults.push(({ kind, address: at }) =>
      kind === 'erase' && at === address ? 'nothing' : undefined,
    );
    assert.equal(
      codeOf(() => update(boot(board), NEW, { trial: 60 })),
      'E_FLASH',
    );
    assertHolds(board, 'storage', OLD);
  });

  it('what counts for good is not put back where the journal does not keep that', () => {
    for (let kept = 0; kept < 12; kept++) {
      const board = boardWith();
      update(boot(board), NEW);
      const { address, size } = board.partition('ota_journal');
      let programs = 0;
      board.flash.faults.push(({ kind, address: at }) =>
        kind === 'program' && at >= address && at < address + size && ++programs > kept
          ? 'nothing'
          : undefined,
      );
      codeOf(() => boot(board).restore());
      const { state } = boot(board).recover();
      assertHolds(board, 'storage', state === 'committed' ? NEW : OLD);
    }
  });

  it('a trial that is over is finished by the update of another partition', () => {
    const board = boardWith();
    update(boot(board), NEW, { trial: 1 });
    assert.equal(boot(board).recover().state, 'trial');
    const image = pattern('spare', SECTOR);
    assert.equal(update(boot(board), image, { partition: 'spare' }).state, 'committed');
    assertHolds(board, 'storage', OLD);
  });
});
