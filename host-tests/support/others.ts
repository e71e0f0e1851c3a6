/** What the suites of other writers share: journals that are forged, flash that reads wrong, cuts in every step. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  AREA_AT,
  BEGIN,
  COMMIT,
  CONFIRM,
  FORMAT,
  LIVE_AT,
  LOWER_AT,
  SAVED,
  SLOT,
  SOLID,
} from '../../device/records.ts';
import type { Report } from '../../device/api.ts';
import type { Runtime } from '../../device/runtime.ts';
import { type Board, SECTOR, TEARS, type Tear, latin1 } from '../../host/index.ts';
import { checkOf } from '../../formats/journal.ts';
import {
  type Outcomes,
  SECTORS,
  type Step,
  assertHolds,
  boardWith,
  boot,
  bootStraight,
  cutIn,
  during,
  image,
  nameOf,
  record,
  tearsIn,
  update,
} from './fixtures.ts';
import { runtimeOf } from './runtime.ts';
import { type Ota, makerOf, sourceOfOta } from './subject.ts';

/** A row of sectors. */
export interface Sectors {
  first: number;
  span: number;
}

/** A record without id and CRC: type, argument, two words. */
type Words = [type: number, argument?: number, word1?: number, word2?: number];

/** @returns the bytes of a record that is right at an address. */
function signed(id: number, [type, argument = 0, one = 0, other = 0]: Words, address: number) {
  const bytes = Buffer.alloc(SLOT);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt8(argument, 1);
  bytes.writeUInt16LE(id & 0xffff, 2);
  bytes.writeUInt32LE(one >>> 0, 4);
  bytes.writeUInt32LE(other >>> 0, 8);
  bytes.writeUInt32LE(address + FORMAT, 12);
  bytes.writeUInt32LE(crc32(bytes), 12);
  return bytes;
}

/** @returns the content of a sector that begins with records. */
function slotsOf(sector: number, id: number, records: Words[]): Buffer {
  const content = Buffer.alloc(SECTOR, 0xff);
  records.forEach((words, n) =>
    content.set(signed(id, words, sector * SECTOR + n * SLOT), n * SLOT),
  );
  return content;
}

const wordOf = ({ first, span }: Sectors) => first | (span << 16);

/** What a journal says that is forged. */
export interface Forgery {
  id: number;
  target: Sectors;
  backup: Sectors;
  /** Which sector of the target is saved where, and the content there. */
  saved?: [sector: number, slot: number, content: Uint8Array];
  /** Whether it is that of the upper head. */
  isUpper?: boolean;
}

/** BEGIN has its sectors and its flags in its argument and what lies behind: bits 8 to 15. */
const argumentOf = (span: number, isLower: boolean) =>
  (span | (1 << (LIVE_AT - AREA_AT)) | (Number(isLower) << (LOWER_AT - AREA_AT))) & 0xff;

/** @returns an open journal in a head: what stands in the sector `sector`. It may write to what is live. */
export function openJournalAt(sector: number, forgery: Forgery): Buffer {
  const { id, target, backup, saved, isUpper = true } = forgery;
  const records: Words[] = [
    [BEGIN, argumentOf(2, !isUpper), wordOf(target), wordOf(backup)],
    [SOLID],
  ];
  if (saved) records.push([SAVED, 0, saved[0] | (saved[1] << 16), checkOf(saved[2])]);
  return slotsOf(sector, id, records);
}

/** @returns a journal in the upper head whose update was committed, long ago: nothing is left to do. */
export function quietJournalAt(sector: number, id: number, target: Sectors): Buffer {
  return slotsOf(sector, id, [
    [BEGIN, argumentOf(2, false), wordOf(target), wordOf({ first: 0x20, span: 16 })],
    [SOLID],
    [COMMIT],
    [CONFIRM],
    [SOLID],
  ]);
}

/** Lets power fail in each step of what `act` does, in each form, and calls `check` on the chip, which is off. */
export function inEachStep(
  board: Board,
  act: (ota: Ota) => void,
  check: (step: Step, tear: Tear) => void,
): void {
  const steps = record(board, () => act(bootStraight(board)));
  assert.ok(steps.length > 2);
  for (const step of steps)
    for (const tear of tearsIn(step)) {
      cutIn(board, step, tear);
      during(
        () => nameOf(step, steps, tear),
        () => check(step, tear),
      );
    }
}

/**
 * Boots and recovers, twice: both reports are among those expected, and `storage` holds what each says.
 * @returns the first report
 */
export function assertTruth(board: Board, outcomes: Outcomes, start = bootStraight): Report {
  const reports = ['at this boot', 'at the next boot'].map((when) =>
    during(
      () => when,
      () => {
        const report = start(board).recover();
        assert.ok(report.state in outcomes, `reported ${report.state}`);
        const content = outcomes[report.state];
        if (content) assertHolds(board, 'storage', content);
        board.flash.cut();
        return report;
      },
    ),
  );
  return reports[0];
}

/** Boots with a module that reads through `read`. */
export function bootReading(board: Board, read: (direct: Runtime['read']) => Runtime['read']): Ota {
  const ota = boot(board);
  const runtime = runtimeOf(board);
  ota.use({ ...runtime, read: read(runtime.read) });
  return ota;
}

/**
 * @param when - whether the n-th read of that byte errs, from 1 on
 * @returns a `read` that has bits of a byte the other way round
 */
export function erringAt(at: number, mask: number, when: (n: number) => boolean) {
  let reads = 0;
  return (direct: Runtime['read']): Runtime['read'] =>
    (address, length) => {
      const text = direct(address, length);
      if (at < address || at >= address + length || !when(++reads)) return text;
      const bytes = Buffer.from(text, 'latin1');
      bytes[at - address] ^= mask;
      return latin1(bytes);
    };
}

/** @returns another copy of the module in the same boot, as a bundle has it that takes the module in. */
export function secondCopy(board: Board): Ota {
  const ota = makerOf(sourceOfOta())();
  ota.use(runtimeOf(board));
  return ota;
}

/** Sectors of the target. */
export const TARGET = { first: 0x32, span: SECTORS };
/** The upper heads of the places: of ota_journal, and of the free flash up to the end of the chip. */
export const HEAD = 0x42;
export const FREE_HEAD = 0xff;

/** Nothing of OLD is blank or a part of NEW: every sector is saved, and every sector changes. */
export const OLD_FULL = image('a0 page, a1 page, a2 page, a3 page, a4 page, a5 page');
export const FULL = image('b0 page, b1 page, b2 page, b3 page, b4 page, b5 page');

/** @returns a board on which power failed when some sectors of an update to `content` were written. */
export function interrupted(
  content = FULL,
  options = {},
  board = boardWith({ partitions: { storage: OLD_FULL } }),
) {
  const steps = record(board, () => update(boot(board), content, options));
  // Before the sector after the third one.
  const writes = steps.filter(
    ({ kind, address }) =>
      kind === 'erase' &&
      address >= TARGET.first * SECTOR &&
      address < (TARGET.first + SECTORS) * SECTOR,
  );
  cutIn(board, writes[3], TEARS.nothing);
  return board;
}
