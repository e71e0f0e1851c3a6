/**
 * The golden files, read by the module on the chip: chips, manifests and partition tables of earlier versions, which every
 * version has to read. What has to be found is in golden/index.ts, written by hand.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { Board, differences } from '../../host/index.ts';
import { WebServer } from '../support/air-server.ts';
import { assertIdle, boot, random } from '../support/fixtures.ts';
import { dump, undump } from '../golden/dump.ts';
import {
  CHIPS,
  CHIP_TABLE,
  type GoldenChip,
  MANIFESTS,
  TABLES,
  imageOf,
  sectorsOf,
} from '../golden/index.ts';
import { readGolden } from '../golden/read.ts';
import { pathOf } from '../support/package.ts';
import { buildHttp, uploadHttpTo, uploadTo } from '../support/subject.ts';

/** @returns a board with a golden chip. */
function boardOf({ file }: GoldenChip): Board {
  const board = new Board({ size: 0x100000, table: CHIP_TABLE });
  board.flash.load(0, readGolden(file));
  uploadTo(board);
  board.flash.cut();
  return board;
}

/** Checks what `www` holds, by letters; of a `?` nothing is known. */
function assertLetters(board: Board, letters: string): void {
  const found = Buffer.from(board.content('www'));
  const wanted = Buffer.from(sectorsOf(letters));
  Array.from(letters, (letter, n) => {
    if (letter === '?') return;
    const range = [n * 4096, (n + 1) * 4096];
    assert.ok(
      found.subarray(...range).equals(wanted.subarray(...range)),
      `sector ${n} is not ${letter}`,
    );
  });
}

describe('golden chips', () => {
  for (const golden of CHIPS)
    it(golden.file, () => {
      const board = boardOf(golden);
      const start = board.flash.snapshot();
      assertLetters(board, golden.holds);
      const ota = boot(board);
      assertIdle('in status', board, () => assert.deepEqual({ ...ota.status() }, golden.status));
      assert.deepEqual({ ...ota.recover() }, golden.recover);
      assertLetters(board, golden.recovered);

      const { start: head, target } = golden.journal ?? {};
      const { address, size } = board.partition(target ?? 'www');
      for (const sector of differences(board.flash.snapshot(), start)) {
        const at = sector * 4096;
        const isTarget = at >= address && at < address + size;
        assert.ok(isTarget || at === head, `sector 0x${sector.toString(16)} has changed`);
      }
      board.flash.cut();
      const { state } = boot(board).recover();
      // A trial is over now: the old content is back.
      assert.equal(state, golden.recover.state === 'trial' ? 'restored' : golden.recover.state);
      if (state === 'restored') assertLetters(board, 'AB.DEF');
    });

  it('take the next update', () => {
    for (const golden of CHIPS) {
      if (golden.recover.state === 'trial') continue;
      const board = boardOf(golden);
      const ota = boot(board);
      ota.recover();
      const isDirect = /^(damaged|incomplete)$/.test(golden.recover.state);
      const update = ota.begin({ partition: 'www', ...(isDirect && { backup: false }) });
      update.write(sectorsOf('uvwxyz'));
      assert.equal(update.end().state, 'committed', golden.file);
      assertLetters(board, 'uvwxyz');
    }
  });
});

/** A table with room for the largest image of a manifest. */
const WIDE = CHIP_TABLE.filter(({ label }) => label !== 'log' && label !== 'ota_journal').map(
  (row) => (row.label === 'www' ? { ...row, size: 130 * 4096 } : row),
);

describe('golden manifests', () => {
  before(buildHttp);

  for (const { file, image, fields, digest } of MANIFESTS)
    it(file, () => {
      const server = new WebServer();
      const partitions = { www: '' };
      const board = new Board({ size: 0x400000, table: WIDE, partitions, network: server.network });
      uploadHttpTo(board);
      server.files.set('/image.bin', imageOf(image));
      server.files.set('/image.bin.ota', readGolden(file));
      const call = (name: string) =>
        board.settle(
          board.require<Record<string, (options: object) => unknown>>('ota-http')[name]({
            url: 'http://host/image.bin',
            partition: 'www',
            digest,
          }),
        ) as Record<string, unknown>;
      const { version, label, size, digest: found } = call('check');
      assert.deepEqual(
        { version, label, size, found },
        {
          // The device takes text as bytes.
          version: Buffer.from(fields.version).toString('latin1'),
          label: fields.partition,
          size: image.size,
          found: digest,
        },
      );
      assert.equal(call('update').state, 'committed');
      const content = Buffer.from(board.content('www')).subarray(0, image.size);
      assert.ok(content.equals(imageOf(image)));
    });
});

describe('golden tables', () => {
  for (const { file, rows } of TABLES)
    it(file, () => {
      const board = new Board({ size: 0x400000, table: readGolden(file) });
      uploadTo(board);
      const found = boot(board).partitions();
      assert.deepEqual(
        found.map((row) => ({ ...row })),
        rows.map(({ flags = 0, ...row }) => ({
          ...row,
          encrypted: (flags & 1) > 0,
          readonly: (flags & 2) > 0,
        })),
      );
    });
});

describe('golden files', () => {
  it('are all in the index', () => {
    const files = readdirSync(pathOf('host-tests/golden'), { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      files.filter((name) => name.endsWith('.txt')).sort(),
      [...CHIPS, ...MANIFESTS, ...TABLES].map(({ file }) => `${file}.txt`).sort(),
    );
  });

  it('are read as they were written', () => {
    const below = random(7);
    for (let n = 0; n < 200; n++) {
      const bytes = Uint8Array.from({ length: below(200) }, () => (below(9) ? 0x41 : below(256)));
      assert.deepEqual(undump(dump(bytes)), bytes);
    }
    assert.throws(() => undump('00000000  61\n00000001\n'), /no line of a dump/);
  });
});
