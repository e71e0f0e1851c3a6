/**
 * Power cuts in a real interpreter: the end of its process in the middle of an operation. What the suites of Espruino
 * and JerryScript share: a chip, an update of sixteen sectors, and what must be true after a cut.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Options } from '../../device/api.ts';
import { encodeTable } from '../../formats/table/binary.ts';
import { TABLES, row } from '../../host/tables.ts';

const SECTOR = 4096;

/** How much of the operation was done when the process ended. */
export const REACHED = ['nothing', 'first half', 'second half', 'everything'] as const;
export type Reached = (typeof REACHED)[number];

/** One power cut: in which operation, and how much of that was done. */
export interface Cut {
  cut: number;
  reached: Reached;
}

/** What one process does. */
export interface Job extends Partial<Cut> {
  act: 'update' | 'recover';
  options?: Options;
}

/** What a process prints at its end. */
export interface Reply {
  /** The number of the operation in which it ended. Nothing else is there then. */
  cut?: number;
  result: { state: string };
  code?: string;
  message?: string;
  operations: number;
}

/** A board: an interpreter with a flash chip in a file. Each process is a boot. */
export interface Machine {
  flash: Buffer;
  run: (job: Job) => Promise<Reply>;
}

const storage = row('storage', 1, 0x82, 0x50000, 16 * SECTOR);
// Espruino for Linux does not tell which app runs, so no app slot can be the backup.
const backup = row('spare', 1, 0x40, 0x30000, 0x20000);
const journal = row('ota_journal', 1, 6, 0x60000, 2 * SECTOR);
const table = [
  ...TABLES.example.slice(0, 3),
  row('ota_0', 0, 0x10, 0x10000, 0x20000),
  backup,
  storage,
  journal,
];

/** Bytes that look like chance. */
function noise(seed: string, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(seed).digest();
}

/** A partition with two blank sectors. */
const old = noise('old', storage.size);
for (const sector of [3, 12]) old.fill(0xff, sector * SECTOR, (sector + 1) * SECTOR);

/** An image that ends within sector 14 and leaves some sectors as they are. */
export const image = Buffer.from(old.subarray(0, 15 * SECTOR - 1000));
for (const sector of [0, 3, 4, 5, 13]) noise(`new ${sector}`, SECTOR).copy(image, sector * SECTOR);
noise('new 6', SECTOR / 2).copy(image, 6 * SECTOR);
image.fill(0xff, 6.5 * SECTOR, 7 * SECTOR);
image.fill(0xff, 10 * SECTOR, 11 * SECTOR);
image[11 * SECTOR + 100] ^= 0x10;
/** Sectors that it changes. */
export const changed = [0, 3, 4, 5, 6, 10, 11, 13, 14, 15];

const fresh = Buffer.alloc(storage.size, 0xff);
image.copy(fresh);

/** A chip of 1 MiB with the old content. */
export const chip = Buffer.alloc(0x100000, 0xff);
chip.set([0xe9, 1, 2, 0], 0x1000);
chip.set(encodeTable(table), 0x8000);
for (const { label, address, size } of [table[0], table[3], backup])
  noise(label, size).copy(chip, address);
old.copy(chip, storage.address);

/** The update to the image. */
export const update = {
  act: 'update' as const,
  options: { partition: 'storage', backup: 'spare', size: image.length, crc32: crc32(image) },
};

/** @returns which content the partition has; fails if it has neither, or if anything else has changed. */
export function contentOf(flash: Buffer, what: string): 'old' | 'new' {
  assert.equal(flash.length, chip.length, what);
  let from = 0;
  for (const { address, size } of [backup, storage, journal, row('', 0, 0, chip.length, 0)]) {
    const isSame = chip.subarray(from, address).equals(flash.subarray(from, address));
    assert.ok(isSame, `${what}: something between ${from} and ${address} has changed`);
    from = address + size;
  }
  const found = flash.subarray(storage.address, storage.address + storage.size);
  if (found.equals(old)) return 'old';
  assert.ok(found.equals(fresh), `${what}: the content is neither old nor new`);
  return 'new';
}

/** Fails unless the reply is a result. @returns its state */
export function stateOf(reply: Reply, what: string): string {
  assert.equal(reply.code ?? reply.message, undefined, `${what}: ${reply.message}`);
  return reply.result.state;
}

export const named = ({ cut, reached }: Cut) => `operation ${cut}, ${reached} done`;

/** Every cut in a run of so many operations. Before the next operation is the same as after this one. */
export function cutsOf(operations: number): Cut[] {
  const cuts: Cut[] = [];
  for (let cut = 1; cut <= operations; cut++)
    for (const reached of ['nothing', 'first half', 'second half'] as const)
      cuts.push({ cut, reached });
  return [...cuts, { cut: operations, reached: 'everything' }];
}

/** Every n-th, so that all the forms of a cut are among them. */
export const sample = (cuts: Cut[], n: number) => cuts.filter((_, i) => i % n === 0);

/** Goes through cuts, several at a time, each on a board with the old content, and counts the outcomes. */
export async function forEach<M extends Machine>(
  boards: M[],
  cuts: Cut[],
  act: (board: M, cut: Cut) => Promise<string>,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const rest = cuts.values();
  const work = async (board: M) => {
    for (const cut of rest) {
      board.flash = chip;
      const outcome = await act(board, cut);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(boards.map(work));
  const list = Object.entries(counts).map(([outcome, count]) => `${count} ${outcome}`);
  console.log(`      ▸ ${cuts.length} times: ${list.join(', ')}; nothing lost`);
  return counts;
}

/** Does a job that ends in the cut. */
export async function cutIn<J>(
  board: { run: (job: J) => Promise<Reply> },
  job: NoInfer<J>,
  cut: Cut,
): Promise<void> {
  const reply = await board.run({ ...job, ...cut });
  assert.equal(reply.cut, cut.cut, `${named(cut)}: ${JSON.stringify(reply)}`);
}

/** Recovers, and checks what then is in flash. */
export async function recover(board: Machine, what: string): Promise<Reply> {
  const reply = await board.run({ act: 'recover' });
  const state = stateOf(reply, what);
  const content = contentOf(board.flash, what);
  assert.equal(content, state === 'committed' ? 'new' : 'old', `${what}: recover says ${state}`);
  if (state === 'none') assert.equal(reply.operations, 0, what);
  return reply;
}

/**
 * Fails unless a board is updated, and then has nothing left to do.
 * @param act - does the update, on the chip with the old content
 * @returns what it replied
 */
export async function assertUpdated<R extends Reply>(
  board: Machine,
  act: () => Promise<R>,
): Promise<R> {
  board.flash = chip;
  const reply = await act();
  assert.equal(stateOf(reply, 'update'), 'committed');
  assert.equal(contentOf(board.flash, 'update'), 'new');
  assert.equal((reply.result as { changed?: number }).changed, changed.length);
  const boot = await recover(board, 'update');
  assert.equal(boot.operations, 0, 'recover() with nothing to do');
  const again = await board.run(update);
  assert.equal(stateOf(again, 'the same again'), 'untouched');
  assert.equal(again.operations, 0, 'the same again');
  return reply;
}

/** Declares the test of what is refused. */
export function itSaysWhatIsWrong(machine: () => Machine): void {
  it('says what is wrong', async () => {
    const board = machine();
    board.flash = chip;
    const reply = await board.run({ ...update, options: { partition: 'nowhere' } });
    assert.equal(reply.code, 'E_NO_PARTITION');
    const wrong = await board.run({ ...update, options: { ...update.options, crc32: 1 } });
    assert.equal(wrong.code, 'E_VERIFY');
    await recover(board, 'a wrong image');
    assert.equal(contentOf(board.flash, 'a wrong image'), 'old');
  });
}

/**
 * Declares the tests of power cuts.
 * @param boards - as many as are to work at a time
 * @param second - of how many first cuts one is followed by a second one in the recovery
 * @param resumed - of how many one is followed by the same update again
 */
export function itSurvivesCuts(boards: () => Machine[], second: number, resumed: number): void {
  describe('when power fails', () => testCuts(boards, second, resumed));
}

function testCuts(boards: () => Machine[], second: number, resumed: number): void {
  /** Operations of the update when nothing goes wrong. */
  let operations: number;

  before(async () => {
    const [board] = boards();
    board.flash = chip;
    const reply = await board.run(update);
    assert.equal(stateOf(reply, 'update'), 'committed');
    ({ operations } = reply);
  });

  it('keeps the old or the new content, wherever the process ends', async () => {
    const counts = await forEach(boards(), cutsOf(operations), async (board, cut) => {
      await cutIn(board, update, cut);
      return (await recover(board, named(cut))).result.state;
    });
    assert.ok(counts.restored > 0 && counts.committed > 0);
  });

  it('keeps it when the recovery ends anywhere, too', async () => {
    await forEach(boards(), sample(cutsOf(operations), second), async (board, cut) => {
      await cutIn(board, update, cut);
      const { flash } = board;
      const total = (await board.run({ act: 'recover' })).operations;
      if (!total) return 'nothing to do';
      board.flash = flash;
      const then = cutsOf(total)[(cut.cut * 7919) % (3 * total + 1)];
      await cutIn(board, { act: 'recover' }, then);
      const what = `${named(cut)}, then in recover ${named(then)}`;
      const { state } = (await recover(board, what)).result;
      assert.equal((await recover(board, what)).operations, 0, `${what}: nothing is left to do`);
      return state;
    });
  });

  it('goes on with an interrupted update', async () => {
    await forEach(boards(), sample(cutsOf(operations), resumed), async (board, cut) => {
      await cutIn(board, update, cut);
      const state = stateOf(await board.run(update), named(cut));
      assert.equal(contentOf(board.flash, named(cut)), 'new', named(cut));
      await recover(board, named(cut));
      return state;
    });
  });
}
