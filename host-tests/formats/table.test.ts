/**
 * The promise of `part-ota table`: for every CSV that ESP-IDF's gen_esp32part.py takes, the same
 * bytes; for what it refuses, the same message. Golden bytes and messages come from version 1.5 of
 * that program (ESP-IDF 10212290). With GEN_ESP32PART naming the program itself, random tables are
 * compared with what it makes of them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  convertTable,
  csvToTable,
  parseCsv,
  parseTable,
  type TableOptions,
  tableToCsv,
} from '../../formats/table/csv.ts';
import { TableError } from '../../formats/table/errors.ts';
import { wordingOf } from '../../cli/words.ts';
import { TABLE_STEPS, TABLE_WARNINGS } from '../../cli/words/table.ts';
import { tableCommand } from '../../cli/table.ts';

const ROOT = fileURLToPath(root);

/** Espruino, targets/esp32/Changes_V3.1/partitions_espruino.csv. */
const ESPRUINO = `#Name,Type,SubType,Offset,Size
nvs,data,nvs,0x9000,12K
otadata,data,ota,0xC000,8K
free,data,0x40,0xE000,8K
factory,app,factory,0x10000,1536K
ota_0,app,ota_0,0x190000,1536K
flash,data,0x40,0x310000,64K
storage,data,0x41,0x320000,896K
`;

/** Espruino, targets/esp32/IDF4/partitions.csv. */
const ESPRUINO_IDF4 = `
# Name,   Type, SubType, Offset,  Size, Flags
nvs,      data, nvs,     ,        0x6000,
phy_init, data, phy,     ,        0x1000,
factory,  app,  factory, ,        2000K,
flash,data,0x40,0x310000,64K
storage,  data, undefined,0x320000,896K
`;

/** esp_custom_part_ota, the table of its example. */
const COMPONENT = `nvs, data, nvs, , 0x4000,
otadata,  data, ota,       , 0x2000,
phy_init, data, phy,       , 0x1000,
ota_0,    app,  ota_0,     , 1M,
ota_1,    app,  ota_1,     , 1M,
storage,  data, undefined, , 0x4000,
`;

/** esp_custom_part_ota, the table of its README. */
const COMPONENT_README = `# Name,     Type,  SubType, Offset,   Size
  nvs,      data,  nvs,     0x9000,   0x6000,
  otadata,  data,  ota,           ,   0x2000,
  phy_init, data,  phy,     0xf000,   0x1000,
  ota_0,    app,   ota_0,         ,   0x100000,
  ota_1,    app,   ota_1,         ,   0x100000,
  storage,  data,  spiffs,        ,   0x100000,
`;

/** The rows of the first two tables, each with its check row. */
const GOLDEN = {
  espruino: `aa50010200900000003000006e76730000000000000000000000000000000000
aa50010000c00000002000006f74616461746100000000000000000000000000
aa50014000e00000002000006672656500000000000000000000000000000000
aa5000000000010000001800666163746f727900000000000000000000000000
aa50001000001900000018006f74615f30000000000000000000000000000000
aa5001400000310000000100666c617368000000000000000000000000000000
aa5001410000320000000e0073746f7261676500000000000000000000000000
ebebffffffffffffffffffffffffffff2726bc42cb69a6b485078dfa79d6752d`,
  idf4: `aa50010200900000006000006e76730000000000000000000000000000000000
aa50010100f00000001000007068795f696e6974000000000000000000000000
aa5000000000010000401f00666163746f727900000000000000000000000000
aa5001400000310000000100666c617368000000000000000000000000000000
aa5001060000320000000e0073746f7261676500000000000000000000000000
ebebffffffffffffffffffffffffffffd50335b7da58f8d93635d403911659db`,
};

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
/** @returns a check that an error is told to the user in these words, as what they have to change. */
const refusal = (message: string) => (error: unknown) => {
  assert.deepEqual(wordingOf(error), { message, exitCode: 2 });
  return true;
};

/** What the tool puts around a message about one line of a CSV. */
const atLine = (line: number, why: string) =>
  `Error at line ${line}: ${why}\n` +
  'Please check extra_partition_subtypes.inc file in build/config directory';

/** The table of `hex`, one row a line, filled up as the tool does. */
function tableOf(hex: string): Buffer {
  const rows = Buffer.from(hex.replace(/\s/g, ''), 'hex');
  return Buffer.concat([rows, Buffer.alloc(0xc00 - rows.length, 0xff)]);
}

/** Rows, and behind them the MD5 that belongs to them. */
function withMd5(...rows: string[]): Buffer {
  const bytes = Buffer.from(rows.join(''), 'hex');
  const md5 = createHash('md5').update(bytes).digest('hex');
  return tableOf(`${rows.join('')}ebeb${'ff'.repeat(14)}${md5}`);
}

/** Tables, and the SHA-256 of what ESP-IDF makes of them. */
const digests: [string, string, string][] = [
  [
    'the Espruino table for ESP32',
    ESPRUINO,
    '262482a5f6d74f4261f6d52cea326110b4acda552a69347a10cafc1d746ad045',
  ],
  [
    'the Espruino table for C3 and S3',
    ESPRUINO_IDF4,
    'f42c1223f77ab8ba3fc0c93a0a0b0995101f3ecc0f2b3663618192783d319bfe',
  ],
  [
    "the table of the component's example",
    COMPONENT,
    '5510dfd57b95efbce4ed7312f07efbe5d7eddede5b91d94b9a763b0aada291cf',
  ],
  [
    'the table of this project',
    readFileSync(join(ROOT, 'partitions.csv'), 'utf8'),
    '91014adfa8ad6e2e95d28bf71b6f69093ebdcec94286c8b7337d8c788d733956',
  ],
];

describe('a CSV becomes the bytes that ESP-IDF makes of it', () => {
  for (const [name, csv, digest] of digests) {
    it(`as for ${name}`, () => {
      const table = csvToTable(csv);
      assert.equal(table.length, 0xc00);
      assert.equal(sha256(table), digest);
    });
  }

  it("as partitions.csv says: that of the component's example, storage that of its README, and a journal", () => {
    const ours = parseCsv(readFileSync(join(ROOT, 'partitions.csv'), 'utf8'));
    // All of that table is refused: its rows overlap.
    const [storage] = parseCsv(/^ *storage,.*$/m.exec(COMPONENT_README)![0]);
    const theirs = parseCsv(COMPONENT).map((row) =>
      row.label === 'storage' ? { ...storage, address: row.address } : row,
    );
    assert.deepEqual(ours.slice(0, -1), theirs);
    assert.equal(ours.at(-1)!.label, 'ota_journal');
  });

  it('row by row, the check row and the end included', () => {
    assert.equal(hexOf(csvToTable(ESPRUINO)), hexOf(tableOf(GOLDEN.espruino)));
    assert.equal(hexOf(csvToTable(ESPRUINO_IDF4)), hexOf(tableOf(GOLDEN.idf4)));
    const check = csvToTable(COMPONENT).subarray(6 * 32, 7 * 32);
    assert.equal(hexOf(check), `ebeb${'ff'.repeat(14)}c5ee7c18ff076b11fc30ca16c3f62a97`);
  });

  it('without a check row if there shall be none', () => {
    const rows = GOLDEN.espruino.split('\n').slice(0, -1).join('');
    assert.equal(hexOf(csvToTable(ESPRUINO, { md5: false })), hexOf(tableOf(rows)));
  });

  it('and back, and again the same', () => {
    for (const csv of [ESPRUINO, ESPRUINO_IDF4, COMPONENT]) {
      const table = csvToTable(csv);
      assert.equal(hexOf(csvToTable(tableToCsv(table))), hexOf(table));
    }
  });

  it('in whatever encoding its byte order mark says', () => {
    const table = hexOf(csvToTable('phy_инит,data,phy,,4K'));
    const text = '\ufeffphy_инит,data,phy,,4K';
    const little = Buffer.from(text, 'utf16le');
    for (const file of [Buffer.from(text), little, Buffer.from(little).swap16()]) {
      assert.equal(hexOf(csvToTable(file)), table);
    }
  });
});

/** A row of type data with `size` and `flags`, in a CSV of its own. */
const sized = (size: string) => `p,data,0x40,0x10000,${size}`;

/** Numbers as Python takes them, and what they are. */
const numbers: [string, number][] = [
  ['4096', 4096],
  ['0x1000', 4096],
  ['0X1000', 4096],
  ['0o10000', 4096],
  ['0b1000000000000', 4096],
  ['1_000', 1000],
  ['0x_10', 16],
  ['4K', 4096],
  ['4 k', 4096],
  ['1M', 1048576],
  ['1kk', 1048576],
  ['+5', 5],
  ['00', 0],
  ['-1M', 0xf0000],
];

describe('numbers in a CSV', () => {
  for (const [text, size] of numbers) {
    it(`are taken: ${text} for ${size} bytes`, () => {
      assert.equal(parseCsv(sized(text))[0].size, size);
    });
  }
  for (const text of [
    '99999999999999999999',
    '0x' + 'f'.repeat(300),
    '010',
    '1__0',
    '1_',
    '0x',
    '1.5',
    '1e3',
    '4KB',
    '- 4K',
    '"4K"',
  ]) {
    it(`are not: ${text}`, () => {
      const digits = text.replace(/K$/, '');
      const message = atLine(1, `Invalid field value ${digits}`);
      assert.throws(() => csvToTable(sized(text)), refusal(message));
    });
  }

  it('are none if units make them too large', () => {
    for (const text of ['9007199254740991K', `1${'k'.repeat(200)}`, `0${'m'.repeat(100)}`])
      assert.throws(
        () => csvToTable(sized(text)),
        refusal(atLine(1, `Invalid field value ${text}`)),
      );
  });
});

describe('the fields of a CSV', () => {
  it('say nothing of order: an address left out follows the row before, aligned to its type', () => {
    const rows = parseCsv('a,data,phy,,0x1234\nb,data,phy,,1\nc,app,factory,,64K\nd,0x40,5,,1');
    const places = rows.map(({ address }) => address);
    assert.deepEqual(places, [0x9000, 0xb000, 0x10000, 0x20000]);
  });

  it('may be flags, in any order and number', () => {
    const rows = parseCsv('a,data,phy,,4K,readonly:encrypted\nb,data,phy,,4K,:readonly,ignored');
    const flags = rows.map(({ encrypted, readonly }) => [encrypted, readonly]);
    assert.deepEqual(flags, [
      [true, true],
      [false, true],
    ]);
  });

  it('are cut to 16 bytes if they are labels', () => {
    const [row] = parseCsv('a_label_that_is_too_long,data,phy,,4K');
    assert.equal(row.label, 'a_label_that_is_');
  });

  it('are of subtype undefined if they name none', () => {
    assert.deepEqual(parseCsv('a,data,,,4K'), [
      {
        label: 'a',
        type: 1,
        subtype: 6,
        address: 0x9000,
        size: 4096,
        encrypted: false,
        readonly: false,
        flags: 0,
      },
    ]);
  });

  it('may be variables, wherever they stand', () => {
    const variables = { NAME: 'a', SIZE: '4K' };
    const csv = '$NAME,data,phy,,${SIZE}\nb$NO,data,phy,,4K';
    const labels = parseCsv(csv, { variables }).map(({ label }) => label);
    assert.deepEqual(labels, ['a', 'b$NO']);
  });

  it('end where Python ends a line', () => {
    const csv = ['a', 'b', 'c', 'd'].map((label) => `${label},data,phy,,4K`);
    assert.equal(parseCsv(`${csv[0]}\r\n${csv[1]}\x0b${csv[2]}\x0c${csv[3]}`).length, 4);
  });
});

describe('bootloaders and tables as partitions', () => {
  const csv = `bootloader, bootloader, primary, N/A, N/A
partition_table, partition_table, primary, N/A, N/A
FactoryApp, app, factory, , 1M
OtaBTLDR, bootloader, ota, , N/A
OtaPrtTable, partition_table, ota, , N/A
RecoveryBTLDR, bootloader, recovery, N/A, N/A`;
  const options = {
    offset: 0x9000,
    primaryBootloaderOffset: 0x1000,
    recoveryBootloaderOffset: 0x200000,
  };

  it('are placed and sized by the options', () => {
    assert.deepEqual(
      parseCsv(csv, options).map(({ address, size }) => [address, size]),
      [
        [0x1000, 0x8000],
        [0x9000, 0x1000],
        [0x10000, 0x100000],
        [0x110000, 0x8000],
        [0x118000, 0x1000],
        [0x200000, 0x8000],
      ],
    );
  });

  it('are refused without them', () => {
    const needs = (which: string) =>
      `${which} bootloader offset is not defined. ` +
      `Please use --${which.toLowerCase()}-bootloader-offset`;
    assert.throws(() => csvToTable(csv), refusal(atLine(1, needs('Primary'))));
    const partial = { ...options, recoveryBootloaderOffset: undefined };
    assert.throws(() => csvToTable(csv, partial), refusal(atLine(6, needs('Recovery'))));
  });

  it('are refused if the bootloader is not below the table', () => {
    const message =
      'Unsupported configuration. Primary bootloader must be below partition table. ' +
      'Check --primary-bootloader-offset=0x9000 and --offset=0x8000';
    assert.throws(() => csvToTable('', { primaryBootloaderOffset: 0x9000 }), refusal(message));
  });
});

/** What is refused: a name, the CSV, the message, and the options if there are any. */
const REFUSED: [string, string, string, TableOptions?][] = [
  [
    "the table printed in the component's README",
    COMPONENT_README,
    'CSV Error at line 4: Partitions overlap. Partition sets offset 0xf000. ' +
      'Previous partition ends 0x11000',
  ],
  [
    'a first partition inside the table',
    '\np,data,phy,0x8000,4K',
    'CSV Error at line 2: Partitions overlap. Partition sets offset 0x8000. But partition table ' +
      'occupies the whole sector 0x8000. Use a free offset 0x9000 or higher.',
  ],
  ['a type left empty', '\n\nihavenotype,', atLine(3, "Field 'type' can't be left empty.")],
  [
    'an unknown type',
    'p,disk,0,,4K',
    atLine(1, "Value 'dis' is not valid. Known keywords: bootloader, partition_table, app, data"),
  ],
  [
    'an unknown subtype of data',
    'p,data,ota_0,,4K',
    atLine(
      1,
      "Value 'ota_0' is not valid. Known keywords: ota, phy, nvs, coredump, nvs_keys, efuse, " +
        'undefined, esphttpd, fat, spiffs, littlefs, tee_ota',
    ),
  ],
  [
    'an unknown subtype of app',
    'p,app,ota_16,,1M',
    atLine(
      1,
      "Value 'ota_16' is not valid. Known keywords: factory, test, ota_0, ota_1, ota_2, ota_3, " +
        'ota_4, ota_5, ota_6, ota_7, ota_8, ota_9, ota_10, ota_11, ota_12, ota_13, ota_14, ' +
        'ota_15, tee_0, tee_1',
    ),
  ],
  ['a subtype that is no number', 'p,0x40,x,,4K', atLine(1, 'Invalid field value x')],
  ['an app without subtype', 'p,app,,,1M', atLine(1, 'App partition cannot have an empty subtype')],
  ['a size left empty', 'p,data,phy,,', atLine(1, "Size field can't be empty")],
  [
    'an unknown flag',
    'p,data,phy,,4K,encrypted: readonly',
    atLine(1, "CSV flag column contains unknown flag ' readonly'"),
  ],
  ['an unknown variable', '$NOPE,data,phy,,4K', "unknown variable 'NOPE'", { variables: {} }],
  [
    'an address that is not aligned',
    'p,app,factory,0x9000,1M',
    'Partition p invalid: Offset 0x9000 is not aligned to 0x10000',
  ],
  [
    'an app that is no multiple of 4 KiB',
    'p,app,ota_1,,0x100800',
    'Partition p invalid: Size 0x100800 is not aligned to 0x1000',
  ],
  [
    'an app that is no multiple of 64 KiB, under secure boot v1',
    'p,app,ota_0,,0x101000',
    'Partition p invalid: Size 0x101000 is not aligned to 0x10000',
    { secure: 'v1' },
  ],
  [
    'an otadata that is readonly',
    'o,data,ota,,0x2000,readonly',
    "Partition o invalid: 'o' partition of type 1 and subtype 0 is always read-write and cannot " +
      'be read-only',
  ],
  [
    'a coredump that is readonly',
    'c,data,coredump,,64K,readonly',
    "Partition c invalid: 'c' partition of type 1 and subtype 3 is always read-write and cannot " +
      'be read-only',
  ],
  [
    'an nvs too small to be written',
    'n,data,nvs,,0x2000',
    "Partition n invalid: 'n' partition of type 1 and subtype 2 of this size (0x2000) must be " +
      "flagged as 'readonly' (the size of read/write NVS has to be at least 0x3000)",
  ],
  ['a label twice', 'p,data,phy,,4K\np,data,fat,,4K', 'Partition names must be unique'],
  [
    'a primary bootloader over another partition',
    'p,data,phy,0x9000,4K\nb,bootloader,primary,,\nq,bootloader,0,,',
    'Partition at 0x1000 overlaps 0x1000-0x7fff',
    { primaryBootloaderOffset: 0x1000 },
  ],
  [
    'two otadata',
    'a,data,ota,,8K\nb,data,ota,,8K',
    'Found multiple otadata partitions. Only one partition can be defined with ' +
      'type="data"(1) and subtype="ota"(0).',
  ],
  ['an otadata of another size', 'a,data,ota,,12K', 'otadata partition must have size = 0x2000'],
  [
    'two TEE otadata',
    'a,data,tee_ota,,8K\nb,data,0x90,,8K',
    'Found multiple TEE otadata partitions. Only one partition can be defined with ' +
      'type="data"(1) and subtype="tee_ota"(0x90).',
  ],
  [
    'a TEE otadata of another size',
    'a,data,tee_ota,,12K',
    'TEE otadata partition must have size = 0x2000',
  ],
  [
    'more than the flash holds',
    'p,app,factory,0x10000,0x130000',
    'Partitions tables occupies 1.2MB of flash (1310720 bytes) which does not fit in configured ' +
      "flash size 1MB. Change the flash size in menuconfig under the 'Serial Flasher Config' menu.",
    { flashSize: '1MB' },
  ],
  [
    'more than the flash holds, the bootloader being named last',
    'p,app,factory,0x10000,1M\nb,bootloader,primary',
    'Partitions tables occupies 1.1MB of flash (1114112 bytes) which does not fit in configured ' +
      "flash size 1MB. Change the flash size in menuconfig under the 'Serial Flasher Config' menu.",
    { flashSize: '1MB', primaryBootloaderOffset: 0x1000 },
  ],
  [
    'a bootloader above a table below nothing',
    '',
    'Unsupported configuration. Primary bootloader must be below partition table. ' +
      'Check --primary-bootloader-offset=-0x1000 and --offset=-0x5000',
    { offset: -0x5000, primaryBootloaderOffset: -0x1000 },
  ],
  [
    '95 partitions and a check row',
    Array.from({ length: 95 }, (_, i) => `p${i},data,phy,,4K`).join('\n'),
    'Binary partition table length (3072) longer than max',
  ],
  [
    'a custom subtype of an unknown type',
    '',
    'Error parsing custom subtypes: Invalid partition type',
    { extraSubtypes: ['disk,x,2'] },
  ],
];

/** What the tool has no message for: it dies of a traceback. */
const CRASHES: [string, string | Buffer, string, TableOptions?][] = [
  [
    'a type that does not fit a byte',
    'p,256,0,,4K',
    'Partition p invalid: type 0x100 does not fit 8 bits',
  ],
  [
    'an address behind 4 GiB',
    'p,data,phy,0x100000000,4K',
    'Partition p invalid: offset 0x100000000 does not fit 32 bits',
  ],
  [
    'a size below nothing',
    'p,data,phy,0x9000,-4K',
    'Partition p invalid: size 0x-8000 does not fit 32 bits',
  ],
  [
    'a file that is not text',
    Buffer.from([0x70, 0xff]),
    'The file is neither a binary partition table nor a CSV in utf-8',
  ],
  [
    'a custom subtype without a number',
    '',
    "Error parsing custom subtypes: 'data,x' is not 'type, name, value'",
    { extraSubtypes: ['data,x'] },
  ],
  [
    'a custom subtype with the number of another',
    '',
    'Found duplicate value in partition subtype',
    { extraSubtypes: ['data,x,2'] },
  ],
];

describe('gen_esp32part.py refuses, and so does this, in the same words,', () => {
  for (const [name, csv, message, options] of REFUSED) {
    it(name, () => assert.throws(() => csvToTable(csv, options), refusal(message)));
  }
});

describe('gen_esp32part.py dies of a traceback, and this explains,', () => {
  for (const [name, csv, message, options] of CRASHES) {
    it(name, () => assert.throws(() => csvToTable(csv, options), refusal(message)));
  }
});

describe('options of the table', () => {
  it('leave out all rules but those of the CSV itself', () => {
    const csv = 'p,app,factory,0x9000,100\np,data,ota,,4K,readonly';
    assert.equal(parseTable(csvToTable(csv, { verify: false }), { verify: false }).length, 2);
  });

  it('make room for 95 partitions without a check row', () => {
    const rows = Array.from({ length: 95 }, (_, i) => `p${i},data,phy,,4K`).join('\n');
    assert.equal(parseCsv(rows, { md5: false }).length, 95);
  });

  it('move the table, and the first partition with it', () => {
    assert.equal(parseCsv('p,data,phy,,4K', { offset: 0xf000 })[0].address, 0x10000);
  });

  it('take a table that just fits the flash', () => {
    const csv = 'p,app,factory,0x10000,-4M';
    assert.doesNotThrow(() => csvToTable(csv, { flashSize: '4MB' }));
  });

  it('add subtypes, which are known both ways', () => {
    const options = { extraSubtypes: ['data, model, 0x41', 'app,tiny,4f'] };
    const table = csvToTable('m,data,model,,4K\nt,app,tiny,,64K', options);
    assert.match(
      tableToCsv(table, options),
      /\nm,data,model,0x9000,4K,\nt,app,tiny,0x10000,64K,\n/,
    );
    assert.match(tableToCsv(table), /\nm,data,65,0x9000,4K,\nt,app,79,0x10000,64K,\n/);
  });
});

describe('warnings', () => {
  /** The warnings about `csv`, on the way to a binary or a refusal. */
  function said(csv: string): string[] {
    const lines: string[] = [];
    try {
      csvToTable(csv, {
        warn: (code, facts) => lines.push(...TABLE_WARNINGS[code](facts).split('\n')),
      });
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
    }
    return lines;
  }

  it('tell of a label that is the name of another type', () => {
    assert.deepEqual(said('app,data,nvs,,1M'), [
      "WARNING: Partition has name 'app' which is a partition type, but does not match this " +
        "partition's type (0x1). Mistake in partition table?",
    ]);
  });

  it('tell of a label that is the name of another subtype', () => {
    assert.deepEqual(said('ota_0,app,ota_1,,1M'), [
      "WARNING: Partition has name 'ota_0' which is a partition subtype, but this partition has " +
        'non-matching type 0x0 and subtype 0x11. Mistake in partition table?',
    ]);
  });

  it('list the rows that are refused for their labels, sorted', () => {
    assert.deepEqual(said('z,data,phy,,4K\nb,data,fat,,1M\nb,app,test,,64K,readonly\nz,9,9,,5'), [
      'A list of partitions that have the same name:',
      'b,data,fat,0xa000,1M,',
      'b,app,test,0x110000,64K,readonly',
      'z,data,phy,0x9000,4K,',
      'z,9,9,0x120000,0x5,',
    ]);
  });

  it('are not there for an ordinary table', () => {
    assert.deepEqual(said(ESPRUINO_IDF4), []);
  });
});

/** A row of a binary table. */
const row = 'aa50010200900000003000006e76730000000000000000000000000000000000';

describe('a binary table', () => {
  it('becomes the CSV that ESP-IDF prints', () => {
    const csv = `# ESP-IDF Partition Table
# Name, Type, SubType, Offset, Size, Flags
nvs,data,nvs,0x9000,12K,
otadata,data,ota,0xc000,8K,
free,data,64,0xe000,8K,
factory,app,factory,0x10000,1536K,
ota_0,app,ota_0,0x190000,1536K,
flash,data,64,0x310000,64K,
storage,data,65,0x320000,896K,
`;
    assert.equal(tableToCsv(tableOf(GOLDEN.espruino)), csv);
    assert.equal(hexOf(convertTable(tableOf(GOLDEN.espruino))), hexOf(Buffer.from(csv)));
  });

  it('needs no check row', () => {
    assert.equal(parseTable(tableOf(row)).length, 1);
  });

  it('may fill all 16 bytes of a label', () => {
    const [full] = parseTable(withMd5(row.slice(0, 24) + '61'.repeat(16) + '00000000'));
    assert.equal(full.label, 'a'.repeat(16));
  });

  it('is warned of if it has flags of the future', () => {
    const lines: string[] = [];
    const table = withMd5(row.slice(0, 56) + '070000f0');
    const [future] = parseTable(table, {
      warn: (code, facts) => lines.push(TABLE_WARNINGS[code](facts)),
    });
    assert.deepEqual([future.encrypted, future.readonly], [true, true]);
    assert.deepEqual(lines, [
      'WARNING: Partition definition had unknown flag(s) 0xf0000004. Newer binary format?',
    ]);
  });
});

describe('a damaged binary table', () => {
  const flipped = tableOf(GOLDEN.espruino);
  flipped[9] ^= 0x10;
  const damaged: [string, Uint8Array, string, TableOptions?][] = [
    [
      'whose MD5 is not that of its rows',
      flipped,
      "MD5 checksums don't match! (computed: 0xf6fae49015f2a70d1f3e2a1efc7b805f, " +
        "parsed: 0xb'2726bc42cb69a6b485078dfa79d6752d')",
    ],
    [
      'that is cut inside a row',
      tableOf(row).subarray(0, 40),
      'Partition table length must be a multiple of 32 bytes',
    ],
    [
      'without an end',
      tableOf(row).subarray(0, 32),
      'Partition table is missing an end-of-table marker',
    ],
    [
      'with a row of another kind',
      tableOf(`${row}4f54${row.slice(4)}`),
      "Invalid magic bytes (b'OT') for partition definition",
    ],
    [
      'with a label that is not UTF-8',
      tableOf(`${row.slice(0, 24)}61ff00${row.slice(30)}`),
      "Partition label b'a\\xff' is not UTF-8",
    ],
    [
      'whose check row is not expected',
      tableOf(GOLDEN.espruino),
      "Invalid magic bytes (b'\\xeb\\xeb') for partition definition",
      { md5: false },
    ],
    [
      'with partitions that overlap',
      withMd5(row, row.replace('6e7673', '6e7674')),
      'Partition at 0x9000 overlaps 0x9000-0xbfff',
    ],
    [
      'with a partition inside the table',
      withMd5(row.replace('00900000', '00800000')),
      'Partition offset 0x8000 is below 0x9000',
    ],
  ];
  for (const [name, table, message, options] of damaged) {
    it(`${name} is refused`, () => {
      assert.throws(() => tableToCsv(table, options), refusal(message));
    });
  }
});

const directory = scratchFolder();

const file = (name: string) => join(directory, name);

/** Runs the command in this process. Returns what it wrote on the error output. */
async function table(...args: string[]): Promise<string> {
  let errors = '';
  const command = tableCommand()
    .exitOverride()
    .configureOutput({ writeErr: (text) => (errors += text) });
  await command.parseAsync(args, { from: 'user' });
  return errors;
}

describe('the command `part-ota table`', () => {
  it('converts a file, says what it does, and makes the directory', async () => {
    writeFileSync(file('a.csv'), ESPRUINO);
    const said = await table(file('a.csv'), file('new/a.bin'));
    assert.equal(said, 'Parsing CSV input...\nVerifying table...\n');
    assert.equal(hexOf(readFileSync(file('new/a.bin'))), hexOf(tableOf(GOLDEN.espruino)));
  });

  it('converts back, quietly', async () => {
    writeFileSync(file('b.bin'), tableOf(GOLDEN.espruino));
    assert.equal(await table('-q', file('b.bin'), '-o', file('b.csv')), '');
    assert.equal(readFileSync(file('b.csv'), 'utf8'), tableToCsv(tableOf(GOLDEN.espruino)));
  });

  it('has all flags of the tool', async () => {
    writeFileSync(file('c.csv'), 'p,app,mine,,0x1001\nb,bootloader,primary\nr,bootloader,recovery');
    const flags = ['--offset', '0x9000', '--disable-md5sum', '--no-verify', '--quiet'];
    flags.push('--flash-size', '4MB', '--secure', 'V2', '--primary-bootloader-offset', '4096');
    flags.push('--recovery-bootloader-offset', '0x200000', '--extra-partition-subtypes');
    flags.push('app,mine,7f', 'data,other,0x7e', '--');
    await table(...flags, file('c.csv'), file('c.bin'));
    const expected = csvToTable(readFileSync(file('c.csv')), {
      ...{ offset: 0x9000, md5: false, verify: false, secure: 'v2', flashSize: '4MB' },
      ...{ primaryBootloaderOffset: 4096, recoveryBootloaderOffset: 0x200000 },
      extraSubtypes: ['app,mine,7f'],
    });
    assert.equal(hexOf(readFileSync(file('c.bin'))), hexOf(expected));
  });

  it('takes --secure alone for v1', async () => {
    writeFileSync(file('d.csv'), 'p,app,ota_0,,0x101000');
    const message = 'Partition p invalid: Size 0x101000 is not aligned to 0x10000';
    await assert.rejects(table(file('d.csv'), file('d.bin'), '--secure'), refusal(message));
    assert.equal(existsSync(file('d.bin')), false);
  });

  it('refuses a file that does not exist', async () => {
    await assert.rejects(table(file('no.csv')), refusal(`${file('no.csv')}: no such file`));
  });

  it('refuses numbers and sizes that are none', async () => {
    for (const flags of [
      ['--offset', '08000'],
      ['--offset', '9007199254740992'],
      ['--flash-size', '3MB'],
      ['--secure', 'v3'],
    ]) {
      await assert.rejects(table('x.csv', ...flags), { code: 'commander.invalidArgument' });
    }
  });

  it('has an example in its help', () => {
    let help = '';
    tableCommand()
      .configureOutput({ writeOut: (text) => (help += text) })
      .outputHelp();
    assert.match(help, /Examples:\n +part-ota table my-table\.csv my-table\.bin/);
  });

  it('reads the standard input and writes the standard output', () => {
    const run = spawnSync(process.execPath, [PART_OTA, 'table', '-', '-q'], { input: ESPRUINO });
    assert.equal(run.stderr.toString(), '');
    assert.equal(hexOf(run.stdout), hexOf(tableOf(GOLDEN.espruino)));
  });
});

/** Runs each line of its input, `[CSV, options]` as JSON, through the tool; prints what came of it. */
const ORACLE = `
import io, json, os, sys, tempfile, types
try:
    import rich_click, esp_pylib
except ImportError:
    # Only its command line needs them.
    import unittest.mock as mock
    for name in ('rich_click', 'esp_pylib', 'esp_pylib.cli_options', 'esp_pylib.cli_types', 'esp_pylib.logger'):
        sys.modules[name] = mock.MagicMock()
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[1])))
import gen_esp32part as tool
out = os.path.join(tempfile.mkdtemp(), 'out')
for line in sys.stdin:
    csv, options = json.loads(line)
    sys.stderr = io.StringIO()
    result = {}
    try:
        tool.run_gen(io.BytesIO(csv.encode()), output=out, **options)
        with open(out, 'rb') as f: result['table'] = f.read().hex()
    except tool.InputError as error: result['refused'] = str(error)
    except Exception: result['refused'] = None
    result['said'] = sys.stderr.getvalue()
    print(json.dumps(result))
`;
import { root } from '../support/package.ts';
import { PART_OTA, scratchFolder } from '../support/tools.ts';

/** Makes \`count\` CSVs and options, the same ones every time. */
function randomTables(count: number): [string, TableOptions][] {
  let state = 1;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const pick = <T>(...choices: T[]) => choices[below(choices.length)];
  const row = (_: unknown, i: number) =>
    [
      pick(`p${i}`, `p${i}`, `p${i}`, 'nvs', 'app', 'phy_инит_и_ещё'),
      pick('app', 'data', 'data', 'data', '0x40', '1', 'bootloader', 'disk'),
      pick('ota_1', 'nvs', 'phy', 'ota', '0x40', '5', '', 'test', 'spiffs'),
      pick('', '', '', '', '', `0x${below(400).toString(16)}000`, '0x9200', '64k'),
      pick('4K', '0x2000', '64K', '1M', `-${i + 1}M`, '0x6000', '010', '1_000', '', 'K'),
      pick('', '', '', 'encrypted', 'readonly', 'encrypted:readonly', 'other'),
    ].join(pick(',', ', ', ' ,\t'));
  return Array.from({ length: count }, () => [
    Array.from({ length: below(4) }, row).join(pick('\n', '\r\n', '\n\n# more\n', '\x0c')),
    {
      offset: pick(0x8000, 0x8000, 0x9000),
      flashSize: pick(undefined, undefined, '2MB'),
      md5: pick(true, true, false),
      verify: pick(true, true, false),
      secure: pick(undefined, 'v1', 'v2'),
    },
  ]);
}

describe('gen_esp32part.py itself, named by GEN_ESP32PART,', () => {
  const tool = process.env.GEN_ESP32PART;

  it('makes the same of 600 random tables, and of those above', function () {
    const python = tool && spawnSync('python3', ['--version']).status === 0;
    if (!python) {
      this.test!.title += tool ? ' (there is no python3)' : ' (GEN_ESP32PART is not set)';
      this.skip();
    }
    const refused = REFUSED.map(([, csv, , options]): [string, TableOptions] => [
      csv,
      { offset: 0x8000, ...options },
    ]);
    // The tool keeps a bootloader's address for the next table, so those that name one come last.
    const tables = [...randomTables(600), ...refused];
    const input = tables.map(([csv, options]) =>
      JSON.stringify([
        csv,
        {
          offset: options.offset,
          flash_size: options.flashSize,
          secure_arg: options.secure,
          disable_md5sum: options.md5 === false,
          no_verify: options.verify === false,
          primary_bootloader_offset_arg: options.primaryBootloaderOffset,
          extra_partition_subtypes: options.extraSubtypes,
        },
      ]),
    );
    const run = spawnSync('python3', ['-c', ORACLE, tool], {
      input: input.join('\n'),
      maxBuffer: 2 ** 24,
    });
    const results = run.stdout.toString().trim().split('\n');
    assert.equal(results.length, tables.length, run.stderr.toString());
    const taken = results.filter((line, i) => {
      const theirs = JSON.parse(line) as { table?: string; refused?: string | null; said: string };
      const [csv, options] = tables[i];
      let said = '';
      const print = (text: string) => (said += `${text}\n`);
      const convert = () =>
        csvToTable(csv, {
          ...options,
          warn: (code, facts) => print(TABLE_WARNINGS[code](facts)),
          onStep: (step) => print(TABLE_STEPS[step]),
        });
      if (theirs.table !== undefined) assert.equal(hexOf(convert()), theirs.table, csv);
      else assert.throws(convert, theirs.refused === null ? TableError : refusal(theirs.refused!));
      if (theirs.refused !== null) assert.equal(said, theirs.said, csv);
      return theirs.table !== undefined;
    });
    assert.ok(taken.length > 60, `only ${taken.length} tables were taken`);
  });
});
