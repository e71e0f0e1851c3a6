/** The scripts in examples/ run as they stand, power cuts included. */
import assert from 'node:assert/strict';
import type { Report } from '../../device/api.ts';
import { Board, type NorFlash, PowerCut, TEARS } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE as NEW, OLD_IMAGE as OLD, read } from '../support/package.ts';

const MODULE = bundleOf('ota');
const script = (name: string) => read(`examples/${name}.js`).toString('latin1');

/** A board with the old content, the module, and the new content as a file in Storage. */
function makeBoard(): Board {
  const board = new Board({ partitions: { storage: OLD } });
  board.upload('ota', MODULE);
  board.upload('image', NEW.toString('latin1'));
  return board;
}

/** Erases and programs so far. */
const work = ({ counters: { operations } }: NorFlash) => operations;
const holds = (board: Board, content: Uint8Array) =>
  Buffer.compare(board.content('storage'), content) === 0;
const status = (board: Board) => board.run('require("ota").status()') as Report;

/** Runs a script until power fails in one of its operations. */
function runAndCut(board: Board, name: string, operation: number): void {
  board.flash.cutAt(operation, TEARS.everyBit);
  assert.throws(() => board.run(script(name)), PowerCut);
  board.powerOn({ seed: 1 });
}

for (const name of ['scheme1-steps', 'scheme1']) {
  describe(`examples/${name}.js`, () => {
    it('brings the new content', () => {
      const board = makeBoard();
      board.run(script(name));
      assert.ok(holds(board, NEW));
      assert.equal(status(board).state, 'committed');
      assert.match(board.output.join('\n'), /committed/);
    });

    it('brings it after a power cut, too', () => {
      const board = makeBoard();
      runAndCut(board, name, 2000);
      board.run(script(name));
      assert.ok(holds(board, NEW));
    });
  });
}

describe('examples/scheme1-steps.js', () => {
  const broken = () => {
    const failing = 'if (position > 300000) throw new Error("no network"); var chunk =';
    return script('scheme1-steps').replace('var chunk =', failing);
  };

  it('keeps the old content when the new one stops coming in', () => {
    const board = makeBoard();
    board.run(broken());
    assert.ok(work(board.flash) > 100);
    assert.ok(holds(board, OLD));
    assert.match(board.output.join('\n'), /no network[^]*kept: restored/);
  });

  it('keeps the old content when the flash fails', () => {
    const board = makeBoard();
    // A sector in the middle of what changes does not erase, nor when that is tried again.
    let failures = 2;
    board.flash.faults.push(({ kind, address }) =>
      kind === 'erase' && address === 0x260000 && failures-- > 0 ? 'nothing' : undefined,
    );
    board.run(script('scheme1-steps'));
    assert.match(board.output.join('\n'), /E_FLASH[^]*kept: restored/);
    assert.ok(holds(board, OLD));
    assert.equal(board.uncaught.length, 0);
  });
});

describe('examples/scheme2.js', () => {
  it('brings the new content without a backup', () => {
    const board = makeBoard();
    const backup = board.content('ota_1');
    board.run(script('scheme2'));
    assert.ok(holds(board, NEW));
    assert.deepEqual(board.content('ota_1'), backup);
  });

  it('says so when it was interrupted, and does it again', () => {
    const board = makeBoard();
    runAndCut(board, 'scheme2', 500);
    board.run(script('scheme2'));
    assert.match(board.output.join('\n'), /was interrupted/);
    assert.ok(holds(board, NEW));
  });
});

describe('examples/trial.js', () => {
  it('confirms content that works', () => {
    const board = makeBoard();
    board.upload('.bootcde', script('trial'));
    board.powerOn();
    assert.ok(holds(board, NEW));
    assert.equal(status(board).state, 'committed');
    assert.match(board.output.join('\n'), /boot 1 of 3\ncommitted/);
    const before = work(board.flash);
    board.powerOn();
    assert.equal(work(board.flash), before, 'a later boot has nothing to write');
  });

  it('gives up content that does not', () => {
    const board = makeBoard();
    board.upload('.bootcde', script('trial').replace('return true', 'return false'));
    board.powerOn();
    for (let boot = 2; boot <= 3; boot++) {
      assert.ok(holds(board, NEW));
      board.powerOn();
    }
    board.powerOn();
    assert.ok(holds(board, OLD));
    assert.equal(status(board).state, 'restored');
  });
});

describe('examples/boot0.js', () => {
  it('puts the old content back before the app runs, and frees the module', () => {
    const board = makeBoard();
    board.upload('.boot0', script('boot0'));
    board.upload('.bootcde', 'print("app", recovered.state, Modules.getCached().indexOf("ota"))');
    board.powerOn();
    assert.deepEqual(board.output, ['app none -1']);
    runAndCut(board, 'scheme1', 2000);
    assert.ok(holds(board, OLD));
    assert.equal(board.output.at(-1), 'app restored -1');
  });

  it('says when a partition is not to be used', () => {
    const board = makeBoard();
    board.upload('.boot0', script('boot0'));
    runAndCut(board, 'scheme2', 500);
    assert.deepEqual(board.output.slice(-1), ['storage is incomplete: update it again']);
  });
});
