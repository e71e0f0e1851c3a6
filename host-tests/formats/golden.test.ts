/**
 * The golden files, read by formats/ and by `part-ota inspect`: what index.ts says of chips, manifests and tables, every
 * reader finds.
 */
import assert from 'node:assert/strict';
import { inspect } from '../../cli/inspection.ts';
import { TABLE_ADDRESS } from '../../device/partitions.ts';
import { BEGIN, RECORD_NAMES, SAVED } from '../../device/records.ts';
import { type JournalSlot, readJournal } from '../../formats/journal.ts';
import { SECTOR } from '../../formats/chip.ts';
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
function wordsOf({ record, isZeroed, wrongBit }: JournalSlot): string {
  if (!record) return isZeroed ? 'zero' : 'torn';
  const { type, argument, word1, word2 } = record;
  const words = [RECORD_NAMES[type]];
  if (type === BEGIN) {
    words.push(String(argument & 0x3f));
    if (word2 === 1) words.push('VOID');
    if (argument & 0x40) words.push('LIVE');
    if (argument & 0x80) words.push('LOWER');
  } else if (type === SAVED) {
    const kept = word1 >>> 16;
    words.push((word1 & 0xffff).toString(16), kept ? kept.toString(16) : 'blank');
  } else if (argument) words.push(String(argument));
  if (wrongBit !== undefined) words.push(`bit ${wrongBit}`);
  return words.join(' ');
}

/** @returns a slot of the index in the words of `part-ota inspect`. */
function shownOf(slot: string, overwritten: string[] = []): string {
  const [, record, bit] = /^(.*?)(?: bit (\d+))?$/.exec(slot)!;
  const [name, first, ...rest] = record.split(' ');
  const address = (sector: string) => `0x${sector}000`;
  let shown = name === 'zero' ? 'zeroed' : record;
  if (name === 'SAVED') {
    const where = rest[0] === 'blank' ? 'blank' : address(rest[0]);
    const fate = overwritten.includes(rest[0]) ? ', overwritten' : '';
    shown = `SAVED ${address(first)}: ${where}${fate}`;
  }
  if (name === 'BEGIN') shown = [`BEGIN, ${first} sectors`, ...rest].join(', ');
  if (name === 'RESTORE') shown = `RESTORE of ${first} sectors`;
  if (name === 'COMMIT' && first) shown = `COMMIT for ${first} trial boots`;
  return bit ? `${shown}; bit ${bit} is wrong, and is corrected` : shown;
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
  const { area, start, id, target, backup, isBroken, saved, slots } = found;
  const overwritten = saved.filter(({ isOverwritten }) => isOverwritten);
  return {
    ...{ address: area.address, size: area.size, start, id },
    ...(target && { target: target.label! }),
    ...(backup && { backup: backup.label! }),
    ...(isBroken && { isBroken }),
    ...(overwritten.length && {
      overwritten: overwritten.map(({ copy }) => (copy! / SECTOR).toString(16)),
    }),
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
          journal && !journal.backup && journal.target !== undefined,
        ],
      );
      const said = found.records.map(({ says }) => says);
      const { slots = [], overwritten } = journal ?? {};
      assert.deepEqual(
        said,
        slots.map((slot) => shownOf(slot, overwritten)),
      );
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
