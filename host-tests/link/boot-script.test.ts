/** The boot script that `part-ota upload` stores, and examples/boot0.js: what an app finds where recover() has not ended. */
import assert from 'node:assert/strict';
import { Board } from '../../host/index.ts';
import { planBoot, readBootScript } from '../../link/boot-script.ts';
import { read } from '../support/package.ts';

const script = read('examples/boot0.js').toString('latin1');
const storedBy = (resume: boolean) => planBoot({ version: '1.2.3', script }, resume).content;

const APPS: [how: string, test: string][] = [
  ['by what it must be', 'recovered.state === "committed" || recovered.state === "none"'],
  [
    'by what it must not be',
    '!(recovered.state === "incomplete" || recovered.state === "damaged")',
  ],
  ['whether it is there at all', '!(recovered && recovered.state === "incomplete")'],
];

/** @returns whether an app opens the partition, on a board where `recover` is this. */
function opens(boot: string, recover: string, test: string): boolean {
  const board = new Board();
  board.upload('ota', `exports.recover = ${recover};`);
  board.upload('.boot0', boot);
  board.upload('.bootcde', `print(${test} ? "opens" : "leaves")`);
  board.powerOn();
  assert.match(board.output.at(-1)!, /^(opens|leaves)$/);
  return board.output.at(-1) === 'opens';
}

for (const [what, boot] of [
  ['examples/boot0.js', script],
  ['the boot script of upload', storedBy(false)],
  ['the boot script of upload --resume', storedBy(true)],
])
  describe(what, () => {
    for (const [how, test] of APPS) {
      it(`leaves a word where recover() has not ended: an app that tests ${how} opens nothing`, () => {
        // Nothing that follows runs then, as where Espruino interrupts it.
        assert.equal(opens(boot, 'function () { throw new Error("interrupted"); }', test), false);
        assert.equal(opens(boot, 'function () { return { state: "none" }; }', test), true);
      });
    }

    it('is one that recovers', () => assert.equal(readBootScript(boot).recovers, true));
  });

it('goes before the own part of a boot script, whatever that throws', () => {
  const own = 'print("own", recovered.state);throw new Error("of the own part")';
  const { content, step } = planBoot({ version: '1.2.3', script }, false, own);
  assert.equal(step, 'added');
  const board = new Board();
  board.upload('ota', 'exports.recover = function () { return { state: "none" }; }');
  board.upload('.boot0', content);
  board.upload('.bootcde', 'print("app", recovered.state)');
  board.powerOn();
  assert.deepEqual(
    board.output.filter((line) => /^(own|app) /.test(line)),
    ['own none', 'app none'],
  );
});
