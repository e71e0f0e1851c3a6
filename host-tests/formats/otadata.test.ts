/** otadata: formats/otadata.ts and the module on a chip tell the same app from it, and so do all that use them. */
import assert from 'node:assert/strict';
import { runningApp } from '../../cli/board/chip.ts';
import { inspect } from '../../cli/inspection.ts';
import { bootOf, otaEntry } from '../../formats/otadata.ts';
import { Board, SECTOR, TABLES } from '../../host/index.ts';
import { row } from '../../host/tables.ts';
import { bundleOf } from '../support/package.ts';

const MODULE = bundleOf('ota');
type Ota = typeof import('../../device/index.ts');

/** Not in the order of their kinds. */
const SLOTS = [
  ...TABLES.example.filter(({ type }) => type !== 0),
  row('test', 0, 0x20, 0x360000, 0x10000),
  row('ota_1', 0, 0x11, 0x110000, 0x80000),
  row('ota_0', 0, 0x10, 0x10000, 0x100000),
  row('ota_2', 0, 0x12, 0x190000, 0x80000),
];
const WITH_FACTORY = [...SLOTS, row('factory', 0, 0, 0x350000, 0x10000)];
const GAP = SLOTS.filter(({ label }) => label !== 'ota_1');
const TWICE = [...SLOTS, row('again', 0, 0x10, 0x370000, 0x10000)];
const NO_OTADATA = SLOTS.filter(({ label }) => label !== 'otadata');
const NO_SLOT = WITH_FACTORY.filter(({ label }) => !label.startsWith('ota_'));

const NEW = 0;
const PENDING_VERIFY = 1;
const VALID = 2;
const INVALID = 3;
const ABORTED = 4;
const FUTURE = 5;
const ERASED = new Uint8Array(32).fill(0xff);
const torn = (sequence: number) => otaEntry(sequence).fill(0, 28);

const CASES: [
  what: string,
  table: typeof SLOTS,
  entries: [Uint8Array, Uint8Array],
  app: string | undefined,
  isOnTrial?: true,
][] = [
  ['erased, with factory', WITH_FACTORY, [ERASED, ERASED], 'factory'],
  ['erased, without factory', SLOTS, [ERASED, ERASED], 'ota_0'],
  ['all zeros', WITH_FACTORY, [new Uint8Array(32), new Uint8Array(32)], 'factory'],
  ['one entry, in front', WITH_FACTORY, [otaEntry(2), ERASED], 'ota_1'],
  ['one entry, behind', WITH_FACTORY, [ERASED, otaEntry(3)], 'ota_2'],
  ['two, the higher in front', SLOTS, [otaEntry(6), otaEntry(5)], 'ota_2'],
  ['two, the higher behind', SLOTS, [otaEntry(4), otaEntry(5)], 'ota_1'],
  ['two of the same number', SLOTS, [otaEntry(2, VALID), otaEntry(2, NEW)], 'ota_1'],
  ['numbers above 2^31', SLOTS, [otaEntry(0x7fffffff), otaEntry(0x80000001)], 'ota_2'],
  ['the number 0', SLOTS, [otaEntry(0), ERASED], 'ota_0'],
  ['the number of erased flash', SLOTS, [otaEntry(2), otaEntry(0xffffffff)], 'ota_1'],
  ['a slot that is there twice', TWICE, [otaEntry(1), ERASED], 'again'],
  ['a higher one that is torn', SLOTS, [otaEntry(2), torn(3)], 'ota_1'],
  ['a higher one that is invalid', SLOTS, [otaEntry(2), otaEntry(3, INVALID)], 'ota_1'],
  ['a higher one that was aborted', SLOTS, [otaEntry(3, ABORTED), otaEntry(1)], 'ota_0'],
  ['none that counts', SLOTS, [otaEntry(3, ABORTED), otaEntry(2, INVALID)], 'ota_0'],
  ['a state of the future', SLOTS, [otaEntry(1), otaEntry(2, FUTURE)], 'ota_1'],
  ['a new app', SLOTS, [otaEntry(1), otaEntry(2, NEW)], 'ota_1', true],
  ['an app on trial', SLOTS, [otaEntry(1, VALID), otaEntry(2, PENDING_VERIFY)], 'ota_1', true],
  ['a slot behind a gap', GAP, [otaEntry(3), ERASED], 'ota_0'],
  ['a slot that is not there', GAP, [otaEntry(2), ERASED], undefined],
  ['a number, and there is no slot', NO_SLOT, [otaEntry(2), ERASED], undefined],
  ['no otadata', NO_OTADATA, [otaEntry(2), ERASED], 'ota_0'],
];

/** @returns the apps beside the one that runs that the module keeps from being overwritten: some of them boot next. */
function refusedBy(board: Board): string[] | 'all' {
  const ota = board.require<Ota>('ota');
  const others = board.table.filter(({ type, label }) => type === 0 && label !== 'test');
  const refused = others.filter(({ label: backup }) => {
    try {
      ota.plan({ partition: 'storage', backup });
      return false;
    } catch (error) {
      assert.equal((error as Error).message, `E_FORBIDDEN backup ${backup}: in use`);
      return true;
    }
  });
  return refused.length === others.length ? 'all' : refused.map(({ label }) => label);
}

describe('otadata tells which app boots:', () => {
  for (const [what, table, entries, app, isOnTrial] of CASES)
    it(what, () => {
      const board = new Board({ table, running: 'test' });
      const row = table.find(({ label }) => label === 'otadata');
      if (row) entries.forEach((entry, n) => board.flash.load(row.address + n * SECTOR, entry));
      board.upload('ota', MODULE);
      assert.deepEqual(refusedBy(board), isOnTrial || !app ? 'all' : [app], 'the module');

      const boot = bootOf(table, row ? entries : []);
      assert.deepEqual([boot.app?.label, boot.isOnTrial], [app, isOnTrial ?? false]);
      const chip = Buffer.from(board.flash.peek(0, board.flash.size));
      assert.equal(inspect(chip, 0x8000, MODULE).running, app, 'inspect');
      // A board to test against has to start something.
      const first = what === 'a number, and there is no slot' ? 'factory' : 'ota_0';
      assert.equal(runningApp(chip).label, app ?? first, 'part-ota board');
    });
});
