/**
 * The golden files, read by formats/ and by `part-ota inspect`: what index.ts says of chips, manifests and tables, every
 * reader finds.
 */
import { TABLE_ADDRESS } from '../../device/partitions.ts';
import assert from 'node:assert/strict';
import { inspect } from '../../cli/inspection.ts';
import { BLANK, NOT_KEPT, RECORD_NAMES, SAVED } from '../../device/records.ts';
import { type JournalSlot, readJournal } from '../../formats/journal.ts';
import { bootOf, entriesOf } from '../../formats/otadata.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { decodeTable, encodeTable, hasCheck, rowsOf } from '../../formats/table/binary.ts';
import { type Row, type TableRow } from '../../formats/table/row.ts';
import {
  CHIPS,
  CHIP_TABLE,
  DIGESTS,
  type GoldenChip,
  type GoldenJournal,
  MANIFESTS,
  TABLES,
  imageOf,
} from '../golden/index.ts';
import { digestOf, filesOf, readGolden, readText } from '../golden/read.ts';
import { readBundle } from '../../cli/files.ts';

/** @returns a slot in the words of the index. */
function wordsOf({ record, isZeroed }: JournalSlot): string {
  if (!record) return isZeroed ? 'zero' : 'torn';
  const { type, argument, word1 } = record;
  const name = RECORD_NAMES[type];
  if (type !== SAVED) return argument ? `${name} ${argument}` : name;
  const kept = word1 >>> 16;
  const where = { [BLANK]: 'blank', [NOT_KEPT]: 'not kept' }[kept] ?? kept.toString(16);
  return `${name} ${(word1 & 0xffff).toString(16)} ${where}`;
}

/** @returns a slot of the index in the words of `part-ota inspect`. */
function shownOf(slot: string): string {
  const [name, first = '', ...rest] = slot.split(' ');
  const where = rest.join(' ');
  const address = (sector: string) => `0x${sector}000`;
  if (name === 'SAVED')
    return `SAVED ${address(first)}: ${/^[0-9a-f]+$/.test(where) ? address(where) : where}`;
  if (name === 'COMMIT' && first) return `COMMIT for ${first} trial boots`;
  return name === 'zero' ? 'zeroed' : slot;
}

/** @returns rows of the index with all that is read of them. */
const readOf = (rows: Row[]): TableRow[] =>
  rows.map((row) => {
    const { flags = 0 } = row;
    return { ...row, flags, encrypted: (flags & 1) > 0, readonly: (flags & 2) > 0 };
  });

/** @returns the journal that counts, as the index has it. */
function journalOf({ file }: GoldenChip): GoldenJournal | undefined {
  const chip = readGolden(file);
  const found = readJournal(chip, rowsOf(chip.subarray(TABLE_ADDRESS)));
  if (!found) return undefined;
  const { area, id, target, backup, slots } = found;
  return {
    ...{ address: area.address, size: area.size, id, target: target.label! },
    ...(backup && { backup: backup.label! }),
    slots: slots.map(wordsOf),
  };
}

describe('golden files', () => {
  it('stay as they are, and each has its digest', () => {
    const digests = Object.fromEntries(filesOf().map((file) => [file, digestOf(readText(file))]));
    assert.deepEqual(digests, DIGESTS);
    const named = [...CHIPS, ...MANIFESTS, ...TABLES].map(({ file }) => file);
    assert.deepEqual(named.sort(), Object.keys(DIGESTS).sort());
  });
});

describe('golden chips are read', () => {
  for (const golden of CHIPS) {
    it(`by formats/journal.ts: ${golden.file}`, () => {
      assert.deepEqual(journalOf(golden), golden.journal);
    });

    it(`by part-ota inspect: ${golden.file}`, () => {
      const found = inspect(Buffer.from(readGolden(golden.file)), TABLE_ADDRESS, readBundle());
      assert.deepEqual({ ...found.status }, golden.status);
      assert.deepEqual({ ...found.nextBoot.report }, golden.recover);
      assert.equal(found.running, 'ota_0');
      const { area, id, target, backup, isDirect } = found.journal ?? {};
      const { journal } = golden;
      assert.deepEqual(
        [area?.address, area?.size, id, target?.label, backup?.label, isDirect],
        [
          ...[journal?.address, journal?.size, journal?.id, journal?.target, journal?.backup],
          journal && !journal.backup,
        ],
      );
      // BEGIN is not among them.
      const said = found.records.map(({ says }) => says);
      assert.deepEqual(said, journal?.slots.slice(1).map(shownOf) ?? []);
    });
  }

  it('by formats/table and formats/otadata.ts', () => {
    const chip = readGolden(CHIPS[0].file);
    const rows = decodeTable(chip.subarray(TABLE_ADDRESS, TABLE_ADDRESS + 0xc00));
    assert.deepEqual(rows, readOf(CHIP_TABLE));
    assert.deepEqual(rowsOf(chip.subarray(TABLE_ADDRESS)), rows);
    assert.equal(bootOf(rows, entriesOf(chip, rows)).app?.label, 'ota_0');
  });
});

describe('golden manifests are read, and made again, by formats/manifest', () => {
  for (const { file, image, fields, digest, crc32, length } of MANIFESTS)
    it(file, () => {
      const bytes = readGolden(file);
      const found = readManifest(bytes, digest);
      assert.deepEqual(
        {
          ...{ digest: found.digest, crc32: found.crc32, length: found.length, size: found.size },
          ...{ partition: found.partition, version: found.version },
          metadata: Buffer.from(found.metadata).toString(),
        },
        { digest, crc32, length, size: image.size, ...fields },
      );
      const metadata = Buffer.from(fields.metadata);
      const made = makeManifest(imageOf(image), { ...fields, metadata });
      assert.deepEqual(Buffer.from(made), Buffer.from(bytes));
    });
});

describe('golden tables are read, and made again, by formats/table', () => {
  for (const { file, hasMd5, rows } of TABLES)
    it(file, () => {
      const bytes = readGolden(file);
      const found = decodeTable(bytes, hasMd5);
      assert.equal(hasCheck(bytes, rows.length), hasMd5);
      assert.deepEqual(found, readOf(rows));
      assert.deepEqual(Buffer.from(encodeTable(rows, hasMd5)), Buffer.from(bytes));
    });
});
