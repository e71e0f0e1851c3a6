/**
 * The rules of the journal, one by one: each test is named after a rule, and goes through the situation in
 * which the protocol breaks without it. Where power fails is not fixed: every operation of the kind that
 * matters is cut, in several ways, and the cells read in several ways at every boot after that.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { BEGIN, CRC_AT, FORMAT, ID_AT, SLOT, SLOTS, SOLID } from '../../device/records.ts';
import type { Mood, Tear } from '../../host/index.ts';
import { type Board, SECTOR, TEARS, fingerprint, pattern, someBits } from '../../host/index.ts';
import {
  OLD,
  STORAGE,
  type Step,
  assertIdle,
  bootStraight,
  cutIn,
  image,
  isHead,
  letterOfType,
  nameOf,
  record,
} from '../support/fixtures.ts';
import { Life, type Moment, type World, tell } from '../support/life.ts';

const NEW = image('b0 page, b1 page, a2 blank, a3 hole, a4 page, a5 page');
/** Sector 1 is that of OLD. */
const OTHER = image('c0 page, a1 page, c2 page, c3 page, a4 page, a5 page');

/** Ways to half program, which are three, and to half erase, which are two. */
const TORN: Tear[] = [TEARS.everyBit, someBits(1), TEARS.firstHalf];
/** Each record reads whole, as it was before the cut or as it was to be after it. */
const WHOLE: Mood[] = Array.from({ length: 24 }, (_, seed) => ({ seed, whole: 16 }));
const ONES: Mood[] = ['ones'];
const ZEROS: Mood[] = ['zeros'];
const BOTH: Mood[] = ['ones', 'zeros'];

/** One boot: what happens, where power fails in it, how cells may read. */
interface Boot {
  moods?: Mood[];
  act: (life: Life) => void;
  /** Which operations are cut. */
  cut?: Where;
  /** Whether the rule leaves no such operation to cut. */
  isPrevented?: true;
  tears?: Tear[];
}
type Where = (life: Life, step: Step) => boolean;

/** @returns whether a step is on one of the areas that the plan names. */
function isOn(area: 'partition' | 'backup' | 'journal'): Where {
  return (life, { address }) => {
    const { address: first, size } = life.plan[area]!;
    return address >= first && address < first + size;
  };
}
const onTarget = isOn('partition');
const onBackup = isOn('backup');
const onJournal = isOn('journal');
const inErase: Where = (life, step) => onJournal(life, step) && step.kind === 'erase';
/** A program of BEGIN or of its SOLID, or of zero over that. */
const inBegin: Where = (life, step) => onJournal(life, step) && isHead(step);
/** A record, or zero over one. */
const inRecord: Where = (life, step) => onJournal(life, step) && step.length === 16;
const inZero: Where = (life, step) => inRecord(life, step) && step.data![0] === 0;
/** @returns whether a step programs a record of one of these types. */
const inType =
  (types: string): Where =>
  (life, step) =>
    inRecord(life, step) && types.includes(letterOfType(step.data![0]));

/** Goes through all ways in which these boots can follow each other. */
function goThrough(life: Life, boots: Boot[]): void {
  const base = life.board.flash.snapshot();
  const seen = new Set<string>();
  /** Boots in which power has failed. */
  const failed = new Set<Boot>();
  const go = (number: number, from: Moment): void => {
    if (number === boots.length) return;
    const { moods = BOTH, act, cut, tears = TORN } = boots[number];
    const { length } = life.story;
    const isStable = !life.board.flash.unstableBits();
    for (const mood of isStable ? moods.slice(0, 1) : moods) {
      life.load(from);
      life.boot(mood);
      const steps = record(
        life.board,
        () => act(life),
        () => life.world,
      );
      const cuts = cut ? steps.filter((step) => cut(life, step)) : [];
      if (!cuts.length) go(number + 1, life.save());
      life.story.length = length + 1;
      for (const step of cuts) {
        failed.add(boots[number]);
        for (const tear of tears) {
          cutIn(life.board, step, tear);
          life.world = step.note as World;
          life.story.push(nameOf(step, steps, tear));
          const key = `${number} ${fingerprint(life.board.flash.snapshot(), base)}`;
          if (!seen.has(key)) go(number + 1, life.save());
          seen.add(key);
          life.story.length = length + 1;
        }
      }
      life.story.length = length;
    }
  };
  tell(life, 'rule', () => go(0, life.save()));
  boots.forEach((boot, n) => {
    const isDue = !!boot.cut && !boot.isPrevented;
    assert.equal(failed.has(boot), isDue, `whether power fails in boot ${n + 1}`);
  });
}

const recover = (life: Life) => {
  const { state } = life.recover();
  if (state !== 'trial')
    assertIdle('again in the same boot', life.board, () =>
      assert.equal(life.recover().state, state),
    );
};
const updateTo = (image: Uint8Array) => (life: Life) => {
  life.update(image);
};
const resumeTo = (image: Uint8Array) => (life: Life) => {
  life.recover({ resume: true });
  life.update(image);
};
/** Both sectors that differ are rewritten, then the old content is put back. */
const abort = (life: Life) => {
  life.abort(NEW, 3 * SECTOR);
};
const restore = (life: Life) => {
  life.restore();
};
const appWrites = (life: Life) => {
  recover(life);
  life.write(0, pattern('app', SECTOR));
};

/** Confirms at the last boot of a trial. */
const confirmAtLast = (life: Life) => {
  life.recover();
  life.confirm();
};

/** @returns a life in which an update to NEW is committed. */
function committed(): Life {
  const life = new Life(OLD);
  assert.equal(life.boot().update(NEW), 'committed');
  return life;
}

function rule(name: string, boots: Boot[], make: () => Life = () => new Life(OLD)): void {
  it(name, () => {
    goThrough(make(), boots);
  });
}

describe('a rule of the journal: the log', () => {
  rule('does not end at its first blank slot', [
    { act: updateTo(NEW), cut: inRecord },
    { act: recover },
    { act: recover },
    { act: recover },
  ]);

  rule('has its last record repeated before anything is appended', [
    { act: (life) => life.update(NEW, { trial: 9 }), cut: inType('C'), tears: [TEARS.everyBit] },
    { act: (life) => life.recover(), moods: ZEROS },
    { act: (life) => assert.equal(life.recover().state, 'trial'), moods: ONES },
    { act: (life) => assert.equal(life.recover().boots, 3), moods: ZEROS },
    { act: restore },
  ]);

  rule('has its torn tail zeroed before anything is appended', [
    { act: updateTo(NEW), cut: inType('S') },
    { act: resumeTo(NEW), cut: onBackup, moods: [...BOTH, { seed: 1 }] },
    { act: recover },
    { act: recover },
  ]);

  rule('has two blank slots zeroed before anything is appended, not one', [
    { act: (life) => life.update(NEW, { trial: 1 }) },
    { act: confirmAtLast, cut: inType('K'), tears: [TEARS.everyBit] },
    { act: recover, cut: inType('K'), moods: ZEROS, tears: [TEARS.everyBit] },
    { act: recover, cut: inZero, moods: ZEROS, tears: [TEARS.everyBit] },
    { act: recover, moods: WHOLE },
    { act: recover, moods: WHOLE },
  ]);
});

describe('a rule of the journal: a decision', () => {
  rule('that the new content counts needs SOLID behind it', [
    { act: updateTo(NEW), cut: inType('CKD') },
    { act: recover },
    { act: recover },
    { act: recover },
  ]);

  rule('that the old content counts needs SOLID behind it', [
    { act: abort, cut: inType('XD') },
    { act: appWrites },
    { act: recover },
    { act: recover },
  ]);

  rule('to put back needs SOLID behind it', [
    { act: abort, cut: inType('RD') },
    { act: recover, cut: onTarget },
    { act: recover },
    { act: recover },
  ]);

  rule('to confirm needs SOLID behind it', [
    { act: (life) => life.update(NEW, { trial: 1 }) },
    { act: confirmAtLast, cut: inType('KD') },
    { act: (life) => life.recover() },
    { act: (life) => life.recover() },
    { act: (life) => life.recover() },
  ]);

  rule(
    'to put back what was committed needs SOLID behind it',
    [
      { act: restore, cut: inRecord },
      { act: recover },
      { act: recover },
      { act: appWrites },
      { act: recover },
    ],
    committed,
  );

  rule('is not good because it was written twice', [
    { act: (life) => life.update(NEW, { trial: 1 }) },
    { act: confirmAtLast, cut: inType('K'), tears: [TEARS.everyBit] },
    { act: recover, cut: inType('K'), moods: ZEROS, tears: [TEARS.everyBit] },
    { act: recover, moods: ZEROS },
    { act: recover, moods: ONES },
    { act: recover, moods: ZEROS },
  ]);
});

describe('a rule of the journal: putting back', () => {
  rule('rewrites every saved sector, also one that reads equal', [
    { act: abort, cut: onTarget },
    { act: recover },
    { act: recover },
  ]);

  rule('is announced by RESTORE before anything is touched', [
    { act: abort, cut: onTarget },
    { act: resumeTo(NEW), moods: [...BOTH, 'before'] },
    { act: recover },
  ]);

  rule('is followed by ENDING before RESTORED', [
    { act: abort, cut: inType('X') },
    { act: recover, cut: onTarget, moods: ONES },
    { act: recover, moods: ZEROS },
    { act: recover },
  ]);

  rule('settles the log before ENDING', [
    { act: abort, cut: inType('E') },
    { act: recover, cut: inZero, moods: ZEROS },
    { act: appWrites, moods: ONES },
    { act: recover, moods: ZEROS },
  ]);

  rule(
    'of what was committed is announced by REOPEN',
    [{ act: restore, cut: inRecord }, { act: recover }, { act: appWrites }, { act: recover }],
    committed,
  );
});

describe('a rule of the journal: BEGIN', () => {
  rule('alone is not nothing: it is closed before the app goes on', [
    { act: updateTo(NEW), cut: inType('S') },
    { act: appWrites },
    { act: recover },
    { act: recover },
  ]);

  /** An erase that has not reached BEGIN. */
  const rest: Tear = {
    name: 'all but the first 48 bytes reached',
    program: () => 0,
    erase: (i) => (i < 48 ? 0 : 0xff),
    solid: false,
  };
  rule(
    'is spoiled before its sector is erased',
    [
      { act: appWrites },
      { act: updateTo(OTHER), cut: inErase, tears: [TEARS.everyBit, rest] },
      { act: recover, moods: WHOLE },
      { act: recover },
    ],
    committed,
  );

  rule(
    'is spoiled even if it reads blank or zero',
    [
      { act: appWrites },
      { act: updateTo(OTHER), cut: inBegin, tears: [TEARS.everyBit] },
      { act: updateTo(OTHER), cut: inErase, tears: [TEARS.everyBit, rest] },
      { act: recover, moods: [...WHOLE, 'before', 'after'] },
      { act: recover },
    ],
    committed,
  );

  rule(
    'that was cut speaks no more once the journal before it is appended to',
    [
      { act: updateTo(OTHER), cut: inBegin },
      {
        act: (life) => {
          life.recover();
          life.restore();
        },
        cut: onTarget,
      },
      { act: recover },
      { act: recover },
    ],
    committed,
  );
});

describe('a rule of the journal: a sector', () => {
  rule('that was in flight is not taken for written because it reads so', [
    { act: updateTo(NEW), cut: onTarget },
    { act: resumeTo(NEW) },
    { act: recover },
  ]);

  rule('that was in flight is erased before anything else is written', [
    { act: updateTo(NEW), cut: onTarget },
    { act: resumeTo(OTHER), cut: inRecord },
    { act: resumeTo(NEW) },
    { act: recover },
  ]);

  rule('has its SAVED repeated before it is erased again', [
    { act: updateTo(NEW), cut: inType('C') },
    { act: resumeTo(OTHER), cut: onTarget },
    { act: resumeTo(OTHER) },
    { act: recover },
  ]);

  rule('of the backup is erased even if it looks blank', [
    { act: updateTo(NEW), cut: onBackup },
    { act: resumeTo(OTHER) },
    { act: (life) => assert.equal(life.restore(), 'restored') },
    { act: recover },
  ]);

  rule('of the target is erased only when SAVED is there', [
    { act: updateTo(NEW), cut: (life, step) => onTarget(life, step) && step.kind === 'erase' },
    { act: recover },
  ]);
});

/** So many trial boots that ota_journal has no room for them: the journal is in free flash, and has sectors below its heads. */
const MORE = { trial: 70 };
const FREE_HEADS = [0xfe, 0xff];
const BELOW_HEADS = [0xfc, 0xfd];

const isIn =
  (...sectors: number[]): Where =>
  (_, { address }) =>
    sectors.includes((address / SECTOR) >>> 0);
const inFreeHead: Where = (life, step) => isIn(...FREE_HEADS)(life, step) && isHead(step);

/** What is done before the first sector is saved. */
const whileItOpens: Where = (life, step) =>
  isIn(...FREE_HEADS, ...BELOW_HEADS)(life, step) && (isHead(step) || step.kind === 'erase');

/** Recovers: after a first update there is always a journal that speaks. */
const speaks = (life: Life) => {
  const { state } = life.recover();
  assert.notEqual(state, 'none', 'no journal speaks');
};
const elsewhere = (image: Uint8Array) => (life: Life) => {
  life.update(image, MORE);
};

/** @returns a life on a board whose journal may be in ota_journal and in free flash. */
function lifeInTwoPlaces(): Life {
  return new Life(OLD, {}, undefined, [{ ...STORAGE, ...MORE }]);
}

/** @returns a life in which an update to NEW is committed, and its journal is in free flash. */
function committedElsewhere(): Life {
  const life = lifeInTwoPlaces();
  assert.equal(life.boot().update(NEW, MORE), 'trial');
  assert.equal(life.boot().confirm(), 'committed');
  return life;
}

/** @returns a life whose last journal is in free flash, and ends in a sector below its heads. */
function committedLate(): Life {
  const life = lifeInTwoPlaces();
  life.boot().update(NEW, MORE);
  for (let n = 0; n < MORE.trial; n++) assert.equal(life.boot().recover().state, 'trial');
  assert.equal(life.confirm(), 'committed');
  return life;
}

describe('a rule of the journal: one that begins', () => {
  rule(
    'leaves the one before it alone until it is firm itself',
    [
      { act: updateTo(OTHER), cut: inBegin, tears: [TEARS.everyBit] },
      { act: updateTo(OTHER), cut: inBegin, moods: ZEROS, tears: [TEARS.everything] },
      { act: speaks },
      { act: speaks },
    ],
    committed,
  );

  rule(
    'is firm before it is closed',
    [
      { act: updateTo(OTHER), cut: inBegin, tears: [TEARS.everyBit] },
      { act: recover, cut: inRecord, moods: ZEROS },
      { act: speaks },
      { act: speaks },
    ],
    committed,
  );

  rule(
    'silences others that were cut, wherever they are',
    [
      { act: updateTo(OTHER), cut: inBegin, tears: [TEARS.everyBit] },
      { act: elsewhere(OTHER), cut: onTarget, moods: ONES },
      { act: speaks },
      { act: speaks },
    ],
    committedElsewhere,
  );

  rule(
    'in free flash is silenced, too',
    [
      { act: elsewhere(OTHER), cut: inFreeHead, tears: [TEARS.everyBit] },
      { act: updateTo(OTHER), cut: onTarget, moods: ONES },
      { act: speaks },
      { act: speaks },
    ],
    () => {
      const life = lifeInTwoPlaces();
      life.boot().update(NEW);
      return life;
    },
  );

  rule(
    'leaves what is below the heads alone until it speaks',
    [
      { act: elsewhere(OTHER), cut: whileItOpens },
      // Without what is there the trial would not be over.
      { act: (life) => assert.match(life.recover().state, /^(committed|restored)$/) },
      { act: speaks },
    ],
    committedLate,
  );
});

describe('a rule of the journal: one that has begun', () => {
  it('leaves no other with a SOLID', () => {
    const life = lifeInTwoPlaces();
    const { flash } = life.board;
    const typeAt = (head: number, slot: number) => flash.peek(head * SECTOR + slot * SLOT, 1)[0];
    const speaking = () =>
      [0x41, 0x42, ...FREE_HEADS].filter(
        (head) => typeAt(head, 0) === BEGIN && typeAt(head, 1) === SOLID,
      );
    for (const act of [
      updateTo(NEW),
      updateTo(OTHER),
      elsewhere(NEW),
      (life: Life) => life.confirm(),
      updateTo(OTHER),
      elsewhere(OLD),
      (life: Life) => life.restore(),
      updateTo(NEW),
    ]) {
      act(life.boot());
      assert.equal(speaking().length, 1, life.story.at(-1));
    }
  });

  it('below the heads has nothing of an older one', () => {
    const life = committedLate();
    // Records of an older journal are there, in slots that the next one will come to.
    elsewhere(OTHER)(life.boot());
    const { flash } = life.board;
    const below = BELOW_HEADS.slice(1).map((sector) => flash.peek(sector * SECTOR, SECTOR));
    assert.ok(below.every((bytes) => bytes.every((byte) => byte === 0xff)));
  });
});

/** Writes a journal that is valid at a sector, and newer than all, as an image may have one. */
function forge({ flash }: Board, from: number, to: number): void {
  const bytes = Buffer.from(flash.peek(from * SECTOR, SECTOR));
  for (let slot = 0; slot < SLOTS; slot++) {
    const record = bytes.subarray(slot * SLOT, (slot + 1) * SLOT);
    if ([0, 0xff].includes(record[0])) continue;
    record.writeUInt16LE(record.readUInt16LE(ID_AT) + 9, ID_AT);
    const place = Buffer.alloc(4);
    place.writeUInt32LE(to * SECTOR + slot * SLOT + FORMAT);
    record.writeUInt32LE(crc32(Buffer.concat([record.subarray(0, CRC_AT), place])), CRC_AT);
  }
  flash.load(to * SECTOR, bytes);
}

describe('a rule of the journal: a place', () => {
  // An update that is open, so that a journal which is obeyed writes.
  const open = () => {
    const life = new Life(OLD);
    life
      .boot()
      .ota.begin(STORAGE)
      .write(NEW.subarray(0, 2 * SECTOR));
    life.board.flash.allowAll();
    return life.board;
  };
  const SECTORS_OF: Record<string, number[]> = {
    'the target': [0x32, 0x36, 0x37],
    'the passive app': [0x20, 0x2e, 0x2f],
    'the app that runs': [0x1e, 0x1f],
    'a data partition': [0x3e, 0x3f, 0x31],
    'a data partition of one sector': [0x40],
    'free flash before its last two sectors': [0x43, 0xfd],
  };
  for (const [where, sectors] of Object.entries(SECTORS_OF))
    it(`is not ${where}: what looks like a journal there is none`, () => {
      for (const sector of sectors) {
        const board = open();
        forge(board, 0x42, sector);
        // Nothing else speaks.
        board.flash.load(0x41 * SECTOR, new Uint8Array(2 * SECTOR).fill(0xff));
        board.flash.cut();
        const ota = bootStraight(board);
        assertIdle('at any call', board, () => {
          assert.equal(ota.recover().state, 'none');
          assert.equal(ota.status().state, 'none');
          assert.equal(ota.plan(STORAGE).resumed, false);
        });
      }
    });

  it('is each head of ota_journal and of free flash', () => {
    for (const head of [0x41, ...FREE_HEADS]) {
      const board = open();
      forge(board, 0x42, head);
      board.flash.load(0x42 * SECTOR, new Uint8Array(SECTOR).fill(0xff));
      board.flash.cut();
      // One that tells where it lies otherwise than it is cannot be obeyed, but is seen.
      assert.notEqual(bootStraight(board).recover().state, 'none');
    }
  });
});
