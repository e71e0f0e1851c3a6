/**
 * The simulated chip itself. Simulators may be wrong: one of the two best known lets later operations succeed
 * after a power cut, against its own documentation. So everything that tests rely on is tested here.
 */
import assert from 'node:assert/strict';
import {
  FlashMisuse,
  type Mood,
  NorFlash,
  type Operation,
  PowerCut,
  SECTOR,
  TEARS,
  type Tear,
  differences,
  fingerprint,
  seconds,
  someBits,
  tearsOf,
} from '../../host/index.ts';

const MOODS: Mood[] = ['ones', 'zeros', 'before', 'after', { seed: 1 }];

const chip = () => new NorFlash({ size: 4 * SECTOR });
const filled = (byte: number, length = SECTOR) => new Uint8Array(length).fill(byte);
const bytes = (...values: number[]) => Uint8Array.from(values);

/** Loses power in an operation. */
function torn(flash: NorFlash, tear: Tear, operation: () => void, mood?: Mood): void {
  flash.cutAt(1, tear);
  assert.throws(operation, PowerCut);
  assert.equal(flash.isOn, false);
  flash.restart(mood);
}

/** @returns what the first bytes read as, in every mood. */
function moods(flash: NorFlash, length = 4): Record<string, number[]> {
  const seen: Record<string, number[]> = {};
  for (const mood of ['ones', 'zeros', 'before', 'after'] as const) {
    flash.restart(mood);
    seen[mood] = [...flash.read(0, length)];
  }
  return seen;
}

describe('a NOR flash chip', () => {
  it('is blank at first', () => {
    assert.deepEqual(chip().read(0, 4 * SECTOR), filled(0xff, 4 * SECTOR));
  });

  it('clears bits when it is programmed, and sets them when it is erased', () => {
    const flash = chip();
    flash.strict = false;
    flash.program(0, bytes(0xf0, 0xff, 0x55, 0));
    flash.program(0, bytes(0x3c, 0x0f, 0xaa, 0xff));
    assert.deepEqual([...flash.read(0, 5)], [0x30, 0x0f, 0, 0, 0xff]);
    flash.erase(0);
    assert.deepEqual(flash.read(0, SECTOR), filled(0xff));
  });

  it('programs across pages and sectors', () => {
    const flash = chip();
    const data = Uint8Array.from({ length: SECTOR + 1000 }, (_, i) => i * 7);
    flash.program(SECTOR - 100, data);
    assert.deepEqual(flash.read(SECTOR - 100, data.length), data);
    assert.equal(flash.read(SECTOR - 101, 1)[0], 0xff);
  });

  it('erases nothing but the one sector', () => {
    const flash = chip();
    flash.load(0, filled(1, 3 * SECTOR));
    flash.erase(SECTOR);
    assert.deepEqual(flash.read(0, SECTOR), filled(1));
    assert.deepEqual(flash.read(SECTOR, SECTOR), filled(0xff));
    assert.deepEqual(flash.read(2 * SECTOR, SECTOR), filled(1));
  });

  it('reads zeros past its end', () => {
    assert.deepEqual([...chip().read(4 * SECTOR - 2, 4)], [0xff, 0xff, 0, 0]);
    assert.deepEqual([...chip().read(9 * SECTOR, 2)], [0, 0]);
  });

  it('hands out copies', () => {
    const flash = chip();
    for (const length of [4, SECTOR, 2 * SECTOR]) flash.read(0, length).fill(0);
    flash.peek(0, SECTOR).fill(0);
    assert.ok(flash.holds(0, filled(0xff)));
  });

  it('reads as a string what it reads as bytes', () => {
    const flash = chip();
    flash.load(4000, bytes(0, 128, 255, 65));
    for (const [address, length] of [
      [4000, 4],
      [4090, 20],
      [4 * SECTOR - 2, 4],
    ]) {
      const text = Buffer.from(flash.read(address, length)).toString('latin1');
      assert.equal(flash.text(address, length), text);
    }
  });

  it('is loaded from outside at any alignment, and counts nothing', () => {
    const flash = chip();
    flash.load(SECTOR - 3, bytes(1, 2, 3, 4, 5));
    assert.deepEqual([...flash.peek(SECTOR - 4, 7)], [0xff, 1, 2, 3, 4, 5, 0xff]);
    assert.equal(flash.counters.operations + flash.counters.reads, 0);
    assert.throws(() => flash.load(4 * SECTOR - 1, bytes(1, 2)), RangeError);
  });
});

describe('the counters of a chip count', () => {
  it('each page and each sector as an operation', () => {
    const flash = chip();
    flash.program(200, filled(0, 512)); // Parts of three pages: 56, 256 and 200 bytes.
    flash.erase(0);
    flash.read(0, 100);
    flash.text(0, 10);
    assert.deepEqual(flash.counters, {
      operations: 4,
      erases: 1,
      programs: 3,
      commands: 1 + 4 + 4,
      bytesProgrammed: 512,
      reads: 2,
      bytesRead: 110,
    });
  });

  it('a page of nothing but 0xff, and no operation: power cannot fail in it', () => {
    const data = Buffer.concat([
      filled(0, 256),
      filled(0xff, 256),
      filled(0, 255),
      filled(0xff, 1),
    ]);
    for (const trace of [undefined, []]) {
      const flash = chip();
      flash.trace = trace;
      flash.program(SECTOR, data);
      const { operations, programs, commands, bytesProgrammed } = flash.counters;
      assert.deepEqual(
        { operations, programs, commands, bytesProgrammed },
        {
          operations: 2,
          programs: 3,
          commands: 12,
          bytesProgrammed: 768,
        },
      );
      flash.cutAt(2, TEARS.nothing);
      assert.throws(() => flash.program(2 * SECTOR, data), PowerCut);
      assert.deepEqual(
        Buffer.from(flash.peek(2 * SECTOR, 768)),
        Buffer.concat([filled(0, 256), filled(0xff, 512)]),
      );
    }
  });
});

describe('the counters of a chip', () => {
  it('are the same while somebody watches', () => {
    const [one, other] = [chip(), chip()];
    other.trace = [];
    for (const flash of [one, other]) {
      flash.program(300, filled(0, SECTOR));
      flash.program(64, filled(1, 64));
      flash.text(0, 9);
    }
    assert.deepEqual(one.counters, other.counters);
  });

  it('know the sector that was erased most, and start again when told to', () => {
    const flash = chip();
    for (const number of [0, 2, 2, 3, 2]) flash.erase(number * SECTOR);
    assert.deepEqual([...flash.wear], [1, 0, 3, 1]);
    assert.equal(flash.maxWear, 3);
    flash.resetCounters();
    assert.equal(flash.maxWear + flash.counters.operations, 0);
  });

  it('become seconds', () => {
    const work = { erases: 2, bytesProgrammed: 2 * SECTOR, commands: 128, bytesRead: 9.5e6 };
    assert.equal(seconds(work).toFixed(5), (0.09 + 0.0128 + 0.00128 + 1).toFixed(5));
    assert.equal(seconds(work, 'w25q32jv_max').toFixed(5), (0.8 + 0.096 + 0.00128 + 1).toFixed(5));
  });

  it('come with a record of every operation, on demand', () => {
    const flash = chip();
    const trace: Operation[] = (flash.trace = []);
    flash.erase(SECTOR);
    flash.program(SECTOR + 252, filled(0, 8));
    flash.read(5, 6);
    assert.deepEqual(trace, [
      { kind: 'erase', number: 1, address: SECTOR, length: SECTOR },
      { kind: 'program', number: 2, address: SECTOR + 252, length: 4 },
      { kind: 'program', number: 3, address: SECTOR + 256, length: 4 },
      { kind: 'read', number: 1, address: 5, length: 6 },
    ]);
  });
});

describe('a chip that is misused', () => {
  const misuses: Record<string, (flash: NorFlash) => void> = {
    'a program at an odd address': (flash) => flash.program(2, filled(0, 4)),
    'a program of an odd length': (flash) => flash.program(0, filled(0, 6)),
    'a program past the end': (flash) => flash.program(4 * SECTOR - 4, filled(0, 8)),
    'an erase inside a sector': (flash) => flash.erase(256),
    'an erase past the end': (flash) => flash.erase(4 * SECTOR),
    'a negative address': (flash) => flash.erase(-SECTOR),
    'a program over what is not erased': (flash) => flash.program(8, filled(0x11, 4)),
    'a program that would set bits': (flash) => flash.program(8, filled(0xff, 4)),
    'a program outside the fence': (flash) => {
      flash.allow(SECTOR, 2 * SECTOR);
      flash.program(2 * SECTOR - 4, filled(0, 8));
    },
    'an erase outside the fence': (flash) => {
      flash.allow(0, SECTOR);
      flash.allow(2 * SECTOR, 3 * SECTOR);
      flash.erase(SECTOR);
    },
  };
  for (const [name, misuse] of Object.entries(misuses)) {
    it(`refuses ${name}, and works no more`, () => {
      const flash = chip();
      flash.load(8, filled(0x33, 4));
      const snapshot = flash.snapshot();
      assert.throws(() => misuse(flash), FlashMisuse);
      assert.ok(flash.misuse);
      assert.throws(() => flash.read(0, 4), FlashMisuse);
      assert.throws(() => flash.restart(), FlashMisuse);
      assert.deepEqual(differences(flash.snapshot(), snapshot), []);
      flash.restore(snapshot);
      assert.equal(flash.read(8, 1)[0], 0x33);
    });
  }

  it('lets zeros, and what is there, be programmed over anything', () => {
    const flash = chip();
    flash.load(0, bytes(1, 2, 3, 0xff));
    flash.program(0, bytes(1, 0, 3, 9));
    assert.deepEqual([...flash.read(0, 4)], [1, 0, 3, 9]);
  });

  it('finds out in every page, whoever watched it being programmed', () => {
    for (const isWatched of [false, true]) {
      const flash = chip();
      flash.trace = isWatched ? [] : undefined;
      flash.program(256, filled(0x33, 8));
      flash.trace = undefined;
      const snapshot = flash.snapshot();
      assert.throws(() => flash.program(256, filled(0x11, 4)), FlashMisuse);
      flash.restore(snapshot);
      assert.throws(() => flash.program(0, filled(0x11, 768)), FlashMisuse);
    }
  });

  it('lets everything be erased and programmed inside the fence, and anywhere without one', () => {
    const flash = chip();
    flash.allow(SECTOR, 3 * SECTOR);
    flash.program(SECTOR, filled(0, 2 * SECTOR));
    flash.erase(2 * SECTOR);
    flash.allowAll();
    flash.erase(0);
  });
});

describe('power that fails in an operation', () => {
  it('stays off for everything until the restart', () => {
    const flash = chip();
    flash.cutAt(1, TEARS.nothing);
    assert.throws(() => flash.erase(0), PowerCut);
    assert.equal(flash.isOn, false);
    for (let again = 0; again < 2; again++) {
      assert.throws(() => flash.read(0, 4), PowerCut);
      assert.throws(() => flash.text(0, 4), PowerCut);
      assert.throws(() => flash.program(0, filled(0, 4)), PowerCut);
      assert.throws(() => flash.erase(0), PowerCut);
    }
    flash.restart();
    flash.erase(0);
    flash.program(0, filled(0, 4));
  });

  it('fails in exactly the operation that was named', () => {
    for (let at = 1; at <= 33; at++) {
      const flash = chip();
      flash.erase(0);
      flash.cutAt(at, TEARS.nothing);
      assert.throws(() => {
        flash.program(0, filled(0));
        flash.erase(SECTOR);
        flash.program(SECTOR, filled(0));
      }, PowerCut);
      const programmed = at - 1 - (at > 17 ? 1 : 0);
      assert.ok(flash.holds(0, filled(0, Math.min(programmed, 16) * 256)), `operation ${at}`);
      const zeros = flash.peek(0, 2 * SECTOR).filter((byte) => byte === 0).length;
      assert.equal(zeros, programmed * 256, `operation ${at}`);
    }
  });

  it('fails no more once the cut is called off', () => {
    const flash = chip();
    flash.cutAt(2, TEARS.nothing);
    flash.erase(0);
    flash.cutAt(0, TEARS.nothing);
    flash.erase(0);
    flash.cutAt(1, TEARS.nothing);
    flash.restore(flash.snapshot());
    flash.erase(0);
  });

  it('can fail between operations', () => {
    const flash = chip();
    flash.cut();
    assert.throws(() => flash.read(0, 1), PowerCut);
  });
});

/** How many of 256 programmed bytes each form has reached: from, to. */
const REACH: Record<string, [from: number, to: number]> = {
  nothing: [0, 0],
  first4: [0, 4],
  first16: [0, 16],
  first64: [0, 64],
  firstHalf: [0, 128],
  secondHalf: [128, 256],
  everyBit: [0, 256],
  everything: [0, 256],
};

describe('a torn program', () => {
  for (const [name, [from, to]] of Object.entries(REACH)) {
    const tear: Tear = TEARS[name as keyof typeof TEARS];
    it(`leaves exactly what it says: ${tear.name}`, () => {
      const flash = chip();
      torn(flash, tear, () => flash.program(256, filled(0x0f, 256)), 'after');
      const expected = filled(0xff).fill(0x0f, 256 + from, 256 + to);
      assert.deepEqual(flash.read(0, SECTOR), expected);
      assert.equal(flash.unstableBits(), tear.solid ? 0 : (to - from) * 4);
      flash.restart('before');
      assert.deepEqual(flash.read(0, SECTOR), tear.solid ? expected : filled(0xff));
    });
  }

  it('can reach any seeded subset of its bits, the same for the same seed', () => {
    const read = (seed: number) => {
      const flash = chip();
      torn(flash, someBits(seed), () => flash.program(0, filled(0x0f, 256)));
      return flash.read(0, 256);
    };
    assert.deepEqual(read(1), read(1));
    assert.notDeepEqual(read(1), read(2));
    assert.ok(read(1).every((byte) => (byte & 0x0f) === 0x0f));
    assert.ok(read(1).some((byte) => byte !== 0x0f) && read(1).some((byte) => byte !== 0xff));
  });

  it('touches no bit that was to stay or was 0 before', () => {
    const flash = chip();
    flash.strict = false;
    flash.load(0, bytes(0b11110000));
    torn(flash, TEARS.everyBit, () => flash.program(0, bytes(0b10101010, 255, 255, 255)));
    assert.deepEqual(moods(flash, 1), {
      ones: [0b11110000],
      zeros: [0b10100000],
      before: [0b11110000],
      after: [0b10100000],
    });
  });

  it('leaves the pages before it programmed and those after it alone', () => {
    const flash = chip();
    flash.cutAt(2, TEARS.nothing);
    assert.throws(() => flash.program(0, filled(0, 768)), PowerCut);
    flash.restart();
    assert.deepEqual(flash.read(0, 768), filled(0xff, 768).fill(0, 0, 256));
  });

  it('is a guess for what meets its bytes, not for what is beside them', () => {
    const flash = chip();
    torn(flash, TEARS.everyBit, () => flash.program(16, bytes(1, 2, 3, 4)));
    flash.read(0, 16);
    flash.text(20, 100);
    flash.program(20, bytes(0, 0, 0, 0));
    assert.equal(flash.guesses, 0);
    flash.read(19, 1);
    assert.equal(flash.guesses, 1);
    flash.program(12, filled(0, 8));
    assert.equal(flash.guesses, 2);
    flash.read(0, 100);
    assert.equal(flash.guesses, 2, 'they are solid by now');
  });
});

describe('a torn program that is read, or programmed again,', () => {
  it('is seen to become solid at once', () => {
    const flash = chip();
    torn(flash, TEARS.everyBit, () => flash.program(0, bytes(0, 0, 0, 0)), 'ones');
    assert.deepEqual([...flash.read(0, 4)], [255, 255, 255, 255]);
    flash.program(0, bytes(0, 255, 0, 255));
    assert.deepEqual([...flash.read(0, 4)], [0, 255, 0, 255]);
  });

  it('becomes solid when the same is programmed again', () => {
    for (const mood of MOODS) {
      const flash = chip();
      const record = bytes(1, 2, 3, 4);
      torn(flash, TEARS.everyBit, () => flash.program(0, record), mood);
      flash.strict = false;
      flash.program(0, record);
      assert.ok(flash.holds(0, record));
      assert.equal(flash.unstableBits(), 0);
    }
  });

  it('may be programmed again in strict mode where it happens to read blank', () => {
    const flash = chip();
    torn(flash, TEARS.everyBit, () => flash.program(0, bytes(1, 2, 3, 4)), 'ones');
    flash.program(0, bytes(9, 9, 9, 9));
    // Bits that the torn program had reached, and this one was to leave, are as they were.
    assert.deepEqual(moods(flash).zeros, [1 & 9, 2 & 9, 3 & 9, 4 & 9]);
    assert.deepEqual(moods(flash).ones, [9, 9, 9, 9]);
  });
});

/** A chip with an old content. */
const old = () => {
  const flash = chip();
  flash.load(0, filled(0x5a));
  return flash;
};

describe('a torn erase', () => {
  it('has done nothing, or everything, in the forms that say so', () => {
    for (const mood of MOODS) {
      const [before, after] = [old(), old()];
      torn(before, TEARS.nothing, () => before.erase(0), mood);
      torn(after, TEARS.everything, () => after.erase(0), mood);
      assert.ok(before.holds(0, filled(0x5a)));
      assert.ok(after.holds(0, filled(0xff)));
    }
  });

  it('is a guess for whatever meets it until it is erased, and for nothing else', () => {
    const met = (act: (flash: NorFlash) => void) => {
      const flash = chip();
      torn(flash, TEARS.everyBit, () => flash.erase(SECTOR));
      const { guesses } = flash;
      act(flash);
      return flash.guesses > guesses;
    };
    assert.ok(met((flash) => flash.read(SECTOR + 100, 1)));
    assert.ok(met((flash) => flash.text(2 * SECTOR - 4, 4)));
    assert.ok(met((flash) => flash.read(0, 4 * SECTOR)));
    assert.ok(met((flash) => flash.program(SECTOR, bytes(0, 0, 0, 0))));
    assert.ok(met((flash) => torn(flash, TEARS.everyBit, () => flash.erase(SECTOR))));
    const isMet = met((flash) => {
      flash.read(0, SECTOR);
      flash.text(2 * SECTOR, 4);
      flash.program(0, filled(0));
      flash.peek(SECTOR, SECTOR);
      flash.holds(SECTOR, filled(0));
      flash.erase(SECTOR);
      flash.read(SECTOR, SECTOR);
      flash.program(SECTOR, filled(0));
    });
    assert.equal(isMet, false);
  });

  it('becomes solid by a whole erase only', () => {
    const flash = old();
    torn(flash, TEARS.everyBit, () => flash.erase(0));
    flash.program(0, filled(0, 4));
    assert.equal(flash.unstableBits(), 8 * (SECTOR - 4));
    torn(flash, TEARS.nothing, () => flash.erase(0));
    assert.equal(flash.unstableBits(), 8 * (SECTOR - 4));
    flash.erase(0);
    assert.equal(flash.unstableBits(), 0);
    assert.ok(flash.holds(0, filled(0xff)));
  });

  it('torn again remembers what was read before the second time', () => {
    const flash = old();
    torn(flash, TEARS.everyBit, () => flash.erase(0), 'zeros');
    torn(flash, TEARS.everyBit, () => flash.erase(0));
    assert.deepEqual(moods(flash, 1).before, [0]);
    assert.equal(flash.unstableBits(), 8 * SECTOR);
  });

  it('is settled by loading from outside', () => {
    const flash = old();
    torn(flash, TEARS.everyBit, () => flash.erase(0));
    flash.load(0, filled(7));
    assert.ok(flash.holds(0, filled(7)));
  });
});

describe('a torn erase half way', () => {
  it('leaves every cell open: old, erased, zero or anything', () => {
    const flash = old();
    torn(flash, TEARS.everyBit, () => flash.erase(0));
    assert.equal(flash.unstableBits(0, SECTOR), 8 * SECTOR);
    assert.deepEqual(moods(flash, 2), {
      ones: [255, 255],
      zeros: [0, 0],
      before: [0x5a, 0x5a],
      after: [255, 255],
    });
    flash.restart({ seed: 5 });
    const seen = flash.read(0, SECTOR);
    assert.ok(new Set(seen).size > 200);
    assert.deepEqual(flash.read(0, SECTOR), seen, 'the same within one boot');
    flash.restart({ seed: 5 });
    assert.deepEqual(flash.read(0, SECTOR), seen, 'the same for the same seed');
    flash.restart({ seed: 6 });
    assert.notDeepEqual(flash.read(0, SECTOR), seen, 'another for another');
  });

  it('leaves the neighbours alone', () => {
    const flash = chip();
    flash.load(0, filled(0x77, 3 * SECTOR));
    torn(flash, TEARS.everyBit, () => flash.erase(SECTOR), 'zeros');
    assert.ok(flash.holds(0, filled(0x77)));
    assert.ok(flash.holds(2 * SECTOR, filled(0x77)));
  });

  it('reads blank and is not erased', () => {
    const flash = old();
    torn(flash, TEARS.everyBit, () => flash.erase(0), 'ones');
    assert.deepEqual(flash.read(0, SECTOR), filled(0xff));
    assert.equal(flash.holds(0, filled(0xff)), false);
    flash.program(0, filled(0x33, 4));
    flash.restart('zeros');
    assert.deepEqual([...flash.read(0, 5)], [0, 0, 0, 0, 0]);
    flash.restart('ones');
    assert.deepEqual([...flash.read(0, 5)], [0x33, 0x33, 0x33, 0x33, 0xff]);
  });
});

describe('the list of tears', () => {
  it('leaves out what makes no difference', () => {
    const names = (kind: 'erase' | 'program', length: number) =>
      tearsOf({ kind, length }).map(
        (tear) => Object.entries(TEARS).find(([, t]) => t === tear)![0],
      );
    assert.deepEqual(names('erase', SECTOR), ['nothing', 'someBits', 'everyBit', 'everything']);
    assert.deepEqual(names('program', 256), Object.keys(TEARS));
    const small = ['firstHalf', 'secondHalf', 'someBits', 'everyBit', 'everything'];
    assert.deepEqual(names('program', 16), ['nothing', 'first4', ...small]);
    assert.deepEqual(names('program', 4), ['nothing', ...small]);
  });

  it('leaves nothing out that does', () => {
    for (const length of [4, 8, 16, 32, 64, 128, 256]) {
      const outcome = (tear: Tear) => {
        const flash = chip();
        const blank = flash.snapshot();
        torn(flash, tear, () => flash.program(0, filled(0, length)));
        return fingerprint(flash.snapshot(), blank);
      };
      const listed = new Set(tearsOf({ kind: 'program', length }).map(outcome));
      assert.equal(listed.size, tearsOf({ kind: 'program', length }).length, `${length} bytes`);
      for (const tear of Object.values(TEARS)) assert.ok(listed.has(outcome(tear)), tear.name);
    }
  });
});

/** Changes a chip in every way. */
function change(flash: NorFlash): void {
  flash.program(0, filled(0, 16));
  flash.erase(SECTOR);
  flash.load(2 * SECTOR, filled(5));
  torn(flash, TEARS.everyBit, () => flash.erase(3 * SECTOR), 'zeros');
}

describe('a snapshot', () => {
  it('is not changed by what happens later, however often', () => {
    const flash = chip();
    flash.load(0, filled(1, 4 * SECTOR));
    const first = flash.snapshot();
    for (let again = 0; again < 3; again++) {
      change(flash);
      const second = flash.snapshot();
      assert.deepEqual(differences(first, second), [0, 1, 2, 3]);
      flash.erase(0);
      flash.program(0, filled(9));
      assert.deepEqual(differences(second, flash.snapshot()), [0]);
      flash.restore(second);
      assert.deepEqual([...flash.peek(3 * SECTOR, 1)], [0]);
      flash.restore(first);
      assert.deepEqual(flash.read(0, 4 * SECTOR), filled(1, 4 * SECTOR));
    }
  });

  it('can be given to another chip', () => {
    const [one, other] = [chip(), chip()];
    one.load(0, filled(3));
    other.restore(one.snapshot());
    other.erase(0);
    assert.ok(one.holds(0, filled(3)));
    one.erase(0);
    one.program(0, filled(4));
    assert.ok(other.holds(0, filled(0xff)));
    assert.throws(() => new NorFlash({ size: SECTOR }).restore(one.snapshot()), RangeError);
  });

  it('equals another that was reached in another way', () => {
    const flash = chip();
    const blank = flash.snapshot();
    flash.program(0, filled(0x12, 256));
    const one = flash.snapshot();
    flash.erase(0);
    flash.program(0, filled(0x12, 256));
    assert.deepEqual(differences(one, flash.snapshot()), []);
    assert.equal(fingerprint(one, blank), fingerprint(flash.snapshot(), blank));
    assert.equal(fingerprint(blank, blank), '');
  });

  it('differs from one that reads the same but is not solid', () => {
    const flash = chip();
    const blank = flash.snapshot();
    torn(flash, TEARS.first4, () => flash.program(0, filled(0, 8)), 'ones');
    const shaky = flash.snapshot();
    assert.deepEqual(differences(blank, shaky), [0]);
    flash.restore(blank);
    torn(flash, TEARS.everyBit, () => flash.program(0, filled(0, 8)), 'ones');
    assert.deepEqual(differences(flash.snapshot(), shaky), [0]);
    assert.notEqual(fingerprint(flash.snapshot(), blank), fingerprint(shaky, blank));
  });
});

describe('a snapshot keeps', () => {
  it('unstable bits, power and mood', () => {
    const flash = chip();
    flash.load(0, filled(1));
    torn(flash, TEARS.everyBit, () => flash.erase(0), 'zeros');
    flash.cut();
    const off = flash.snapshot();
    flash.restart('ones');
    flash.erase(0);
    flash.restore(off);
    assert.equal(flash.isOn, false);
    assert.equal(flash.unstableBits(), 8 * SECTOR);
    assert.deepEqual([...flash.peek(0, 1)], [0]);
    flash.restart('before');
    assert.deepEqual([...flash.read(0, 1)], [1]);
  });

  it('unstable bits unstable, whatever settles them later', () => {
    const flash = chip();
    torn(flash, TEARS.everyBit, () => flash.program(0, filled(0, 8)), 'before');
    const shaky = flash.snapshot();
    const settle: (() => void)[] = [
      () => flash.program(0, filled(0, 8)),
      () => flash.program(0, filled(0, 4)),
      () => flash.erase(0),
      () => flash.load(0, filled(1)),
      () => torn(flash, TEARS.everyBit, () => flash.erase(0), 'zeros'),
    ];
    for (const operation of settle) {
      flash.restart('zeros');
      operation();
      assert.deepEqual(differences(flash.snapshot(), shaky), [0]);
      flash.restore(shaky);
      assert.equal(flash.unstableBits(), 64);
      assert.deepEqual(moods(flash, 1), { ones: [255], zeros: [0], before: [255], after: [0] });
      flash.restore(shaky);
    }
  });
});

describe('a chip with a fault', () => {
  it('silently does not erase, not program, or half of it', () => {
    const flash = chip();
    flash.load(0, filled(0x11));
    flash.faults = [({ number }) => (number <= 2 ? 'nothing' : number <= 4 ? 'half' : undefined)];
    flash.erase(0);
    assert.ok(flash.holds(0, filled(0x11)));
    flash.program(SECTOR, filled(0, 8));
    assert.ok(flash.holds(SECTOR, filled(0xff)));
    flash.erase(0);
    assert.ok(flash.holds(0, filled(0x11).fill(0xff, 0, SECTOR / 2)));
    flash.program(SECTOR, filled(0, 8));
    assert.ok(flash.holds(SECTOR, filled(0xff).fill(0, 0, 4)));
    flash.erase(0);
    assert.ok(flash.holds(0, filled(0xff)));
  });

  it('takes programs over a sector that it has not erased, until it erases it', () => {
    const flash = chip();
    flash.load(0, filled(0x11));
    flash.faults = [
      ({ kind, number }) => (kind !== 'read' && number === 1 ? 'nothing' : undefined),
    ];
    flash.erase(0);
    flash.snapshot();
    flash.program(0, filled(0x35, 4));
    flash.program(0, filled(0x2a, 4));
    assert.deepEqual([...flash.read(0, 1)], [0]);
    flash.erase(0);
    flash.program(0, filled(0x35, 4));
    assert.throws(() => flash.program(0, filled(0x11, 4)), FlashMisuse);
  });

  it('reads wrong once, and right again', () => {
    const flash = chip();
    flash.load(0, filled(0xf1));
    const kinds = ['nothing', 'half', 'flip'] as const;
    flash.faults = [({ kind, number }) => (kind === 'read' ? kinds[number - 1] : undefined)];
    const reads = [0, 1, 2, 3].map(() => [...flash.read(0, 4)]);
    assert.deepEqual(reads, [
      [0, 0, 0, 0],
      [0xf1, 0xf1, 0, 0],
      [0xf0, 0xf1, 0xf1, 0xf1],
      [0xf1, 0xf1, 0xf1, 0xf1],
    ]);
  });

  it('has bits stuck at 0, whatever is done to them', () => {
    const flash = chip();
    flash.stuck(SECTOR + 5, 0x81);
    flash.erase(SECTOR);
    assert.deepEqual([...flash.read(SECTOR + 4, 3)], [0xff, 0x7e, 0xff]);
    assert.equal(flash.holds(SECTOR, filled(0xff)), false);
    flash.program(SECTOR + 4, filled(0xff, 4));
    flash.stuck(SECTOR + 5, 0);
    assert.ok(flash.holds(SECTOR, filled(0xff)));
  });
});
