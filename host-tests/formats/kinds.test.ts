/**
 * Kinds of partition tables that people have: of Arduino, ESPHome, Tasmota, Matter, of ESP-IDF's examples, and by hand. They
 * are written anew here, row for row of such a kind. Each is taken, and then the module on a board with it says of each
 * partition what README promises; or is refused by the words of ESP-IDF's tool, which tell what is wrong.
 */
import assert from 'node:assert/strict';
import type { OtaError } from '../../device/api.ts';
import { Board } from '../../host/index.ts';
import { csvToTable, parseCsv, tableToCsv, type TableOptions } from '../../formats/table/csv.ts';
import { wordingOf } from '../../cli/words.ts';
import { runtimeOf } from '../support/runtime.ts';
import type { Ota } from '../support/subject.ts';
import { bundleOf } from '../support/package.ts';

const MIB = 0x100000;

/** What becomes of an update of a partition: a code, or where its backup would be. */
type Fates = Record<string, string>;

/** A table that is taken. */
interface Kind {
  csv: string;
  /** Megabytes of the chip. */
  chip: number;
  options?: TableOptions;
  /** Of some partitions: the others are not asked about. */
  fates: Fates;
  /** Addresses that were left out, or that are odd. */
  places?: Record<string, number>;
}

const KINDS: Record<string, Kind> = {
  'Arduino, the default of 4 MB': {
    csv: `# Name,   Type, SubType, Offset,  Size, Flags
nvs,      data, nvs,     0x9000,  0x5000,
otadata,  data, ota,     0xe000,  0x2000,
app0,     app,  ota_0,   0x10000, 0x140000,
app1,     app,  ota_1,   0x150000,0x140000,
spiffs,   data, spiffs,  0x290000,0x160000,
coredump, data, coredump,0x3F0000,0x10000,`,
    chip: 4,
    // No flash is free, so a journal has no place.
    fates: {
      spiffs: 'E_SPACE',
      coredump: 'E_SPACE',
      otadata: 'E_FORBIDDEN',
      nvs: 'E_FORBIDDEN',
    },
  },
  'Arduino, one large app': {
    csv: `nvs,data,nvs,0x9000,0x5000
otadata,data,ota,0xe000,0x2000
app0,app,ota_0,0x10000,0x300000
spiffs,data,spiffs,0x310000,0xE0000
coredump,data,coredump,0x3F0000,0x10000`,
    chip: 4,
    // There is no other slot than that of the app that runs.
    fates: { coredump: 'E_NO_BACKUP', spiffs: 'E_NO_BACKUP' },
  },
  'Arduino, little SPIFFS, on a chip that is twice as large': {
    csv: `nvs,data,nvs,0x9000,0x5000,
otadata,data,ota,0xe000,0x2000,
app0,app,ota_0,0x10000,0x1E0000,
app1,app,ota_1,0x1F0000,0x1E0000,
spiffs,data,spiffs,0x3D0000,0x20000,
coredump,data,coredump,0x3F0000,0x10000,`,
    chip: 8,
    fates: { spiffs: 'app1', coredump: 'app1' },
  },
  'Arduino, no OTA, with an EEPROM of a subtype without a name': {
    csv: `nvs, data, nvs, 0x9000, 0x5000,
otadata, data, ota, 0xe000, 0x2000,
app0, app, ota_0, 0x10000, 0x200000,
eeprom, data, 0x99, 0x210000, 0x1000,
spiffs, data, spiffs, 0x211000, 0xFF000`,
    chip: 4,
    fates: { eeprom: 'free', spiffs: 'free' },
  },
  'Arduino, UF2 and FFat, on 16 MB': {
    csv: `nvs,data,nvs,0x9000,20K,
otadata,data,ota,0xe000,8K,
ota_0,app,ota_0,0x10000,2048K,
ota_1,app,ota_1,0x210000,2048K,
uf2,app,factory,0x410000,256K,
ffat,data,fat,0x450000,11968K,`,
    chip: 16,
    // The factory app is what boots where otadata is blank; the first slot is then the passive one.
    fates: { ffat: 'E_SPACE', uf2: 'E_FORBIDDEN' },
  },
  ESPHome: {
    csv: `otadata,  data, ota,     ,        0x2000,
phy_init, data, phy,     ,        0x1000,
app0,     app,  ota_0,   ,        0x1C0000,
app1,     app,  ota_1,   ,        0x1C0000,
nvs,      data, nvs,     ,        0x6D000,`,
    chip: 4,
    places: { otadata: 0x9000, phy_init: 0xb000, app0: 0x10000, app1: 0x1d0000, nvs: 0x390000 },
    fates: { phy_init: 'app1', nvs: 'E_FORBIDDEN' },
  },
  'Tasmota, with a safe app': {
    csv: `nvs,      data, nvs,     0x9000,  0x5000,
otadata,  data, ota,     0xe000,  0x2000,
safeboot, app,  factory, 0x10000, 0xD0000,
app0,     app,  ota_0,   0xE0000, 0x2D0000,
spiffs,   data, spiffs,  0x3B0000,0x50000,`,
    chip: 4,
    // The safe app runs: the only slot is passive. But no flash is free for a journal.
    fates: { spiffs: 'E_SPACE', app0: 'E_FORBIDDEN' },
  },
  'Matter: table at 0xc000, certificates of type 0x3f, keys, flags': {
    csv: `# Name, Type, SubType, Offset, Size, Flags
esp_secure_cert,  0x3F, ,0xd000,    0x2000, encrypted
nvs,      data, nvs,     0x10000,   0xC000,
nvs_keys, data, nvs_keys,,          0x1000, encrypted
otadata,  data, ota,     ,          0x2000
phy_init, data, phy,     ,          0x1000,
ota_0,    app,  ota_0,   0x20000,   0x1E0000,
ota_1,    app,  ota_1,   0x200000,  0x1E0000,
fctry,    data, nvs,     0x3E0000,  0x6000`,
    chip: 4,
    options: { offset: 0xc000 },
    places: { nvs_keys: 0x1c000, otadata: 0x1d000, phy_init: 0x1f000 },
    fates: { esp_secure_cert: 'ota_1', nvs_keys: 'ota_1', fctry: 'E_FORBIDDEN' },
  },
  'certificates, and a column more with a comment in it': {
    csv: `sec_cert,  0x3F, ,0xd000,    0x3000, ,  # never encrypted
nvs,      data, nvs,     0x10000,   0x6000,
otadata,  data, ota,     ,          0x2000
ota_0,    app,  ota_0,   0x20000,   1600K,
ota_1,    app,  ota_1,   ,          1600K,`,
    chip: 4,
    places: { otadata: 0x16000, ota_1: 0x1b0000 },
    fates: { sec_cert: 'ota_1' },
  },
  'types of one’s own, and subtypes': {
    csv: `factory, app, factory, 0x10000, 1M
first, 0x40, 0x00, , 64K
named, 64, , , 64K
last, 0xFE, 0xfe, , 64K
user, data, 0x40, , 0x8000, encrypted:readonly
open, data, , , 0x8000, readonly:encrypted
sealed, data, 0x06, , 0x8000, :encrypted:`,
    chip: 4,
    places: { first: 0x110000, named: 0x120000, last: 0x130000, user: 0x140000 },
    fates: {
      first: 'free',
      named: 'free',
      last: 'free',
      user: 'E_FORBIDDEN',
      open: 'E_FORBIDDEN',
      sealed: 'free',
    },
  },
  'ends instead of sizes, blanks, tabs, comments, no end of line': {
    csv: `

   # indented
\tnvs\t,\tdata\t,\tnvs\t,\t0x9000\t,\t0x6000\t,\t
#nvs, data, nvs, 0x9000, 0x6000,
phy_init,data,phy,,4k
factory , app , factory , 65536 , -0x200000 ,
rest,data,littlefs,,-2M,,,,,
www,data,littlefs,,1m`.replace('rest,data,littlefs,,-2M,,,,,\n', ''),
    chip: 4,
    places: { phy_init: 0xf000, factory: 0x10000, www: 0x200000 },
    fates: { www: 'free', phy_init: 'free' },
  },
  'with lines of Windows, and a byte order mark': {
    csv: '\ufefffactory,app,factory,0x10000,1M,\r\nwww,data,fat,,512K,\r\n',
    chip: 2,
    fates: { www: 'free' },
  },
  'rows out of order, and a bootloader and a table of their own': {
    csv: `bootloader, bootloader, primary, ,
table, partition_table, primary, ,
nvs, data, nvs, 0x9000, 0x6000
factory, app, factory, 0x10000, 1M
www, data, spiffs, 0x200000, 256K`,
    chip: 4,
    options: { primaryBootloaderOffset: 0x1000 },
    // What the module sees of them lies in front of its first sector: it overlaps the table.
    fates: { www: 'free', bootloader: 'E_FORBIDDEN', table: 'E_FORBIDDEN' },
  },
  'a data partition that is not whole sectors long': {
    csv: 'factory,app,factory,0x10000,1M\nodd,data,fat,,5000\nwww,data,fat,0x120000,64K',
    chip: 4,
    fates: { odd: 'E_FORBIDDEN', www: 'free' },
  },
};

/** @returns what becomes of an update of each partition that is asked about. */
function fatesOf(board: Board, { fates, options = {} }: Kind): Fates {
  board.powerOn();
  const ota = board.require<Ota>('ota');
  // Not Espruino, whose Storage would lie in the second app of some of them.
  ota.use({ ...runtimeOf(board), live: 0, table: options.offset });
  return Object.fromEntries(
    Object.keys(fates).map((partition) => {
      try {
        return [partition, ota.plan({ partition }).backup!.label ?? 'free'];
      } catch (error) {
        return [partition, (error as OtaError).code];
      }
    }),
  );
}

describe('kinds of partition tables that people have are taken:', () => {
  for (const [name, kind] of Object.entries(KINDS))
    it(name, () => {
      const { csv, chip, options = {}, places = {} } = kind;
      const bytes = Buffer.from(csv, 'utf8');
      const table = csvToTable(bytes, options);
      const rows = parseCsv(bytes, options);
      for (const [label, address] of Object.entries(places))
        assert.equal(rows.find((row) => row.label === label)!.address, address, label);
      // There and back, and there again, with and without an MD5 row.
      assert.deepEqual(csvToTable(tableToCsv(table, options), options), table);
      const plain = csvToTable(bytes, { ...options, md5: false });
      assert.deepEqual(parseCsv(bytes, { ...options, md5: false }), rows);
      for (const binary of [table, plain]) {
        const tableAddress = options.offset;
        const board = new Board({ table: binary, size: chip * MIB, tableAddress });
        board.upload('ota', bundleOf('ota'));
        assert.deepEqual(fatesOf(board, kind), kind.fates);
      }
    });
});

describe('kinds of mistakes in partition tables are refused, and the words tell them:', () => {
  const MISTAKES: [what: string, csv: string, message: RegExp][] = [
    [
      'a comment behind a row, where the flags are',
      'nvs, data, nvs, 0x9000, 0x6000,   # 24KB - settings',
      /^Error at line 1: CSV flag column contains unknown flag '# 24KB - settings'\n[^]*\nA comment needs a line of its own\.$/,
    ],
    [
      'a comment behind a size',
      'nvs, data, nvs, 0x9000, 0x6000 # settings',
      /^Error at line 1: Invalid field value 0x6000 # settings\n[^]*\nA comment needs a line of its own\.$/,
    ],
    [
      'a note in brackets',
      'app0, app, ota_0, 0x10000, 0x140000, (1,310,720 bytes)',
      /^Error at line 1: CSV flag column contains unknown flag '\(1'\n(?![^]*comment)/,
    ],
    [
      'an app that is not at 64 KiB',
      'app0, app, ota_0, 0x11000, 0x180000',
      /^Partition app0 invalid: Offset 0x11000 is not aligned to 0x10000$/,
    ],
    [
      'partitions that overlap, by hand',
      'otadata,data,ota,0xf000,0x2000\napp0,app,ota_0,0x10000,1M',
      /^CSV Error at line 2: Partitions overlap\. Partition sets offset 0x10000\. Previous partition ends 0x11000$/,
    ],
    [
      'a size that is none',
      'www,data,fat,0x10000,1MB',
      /^Error at line 1: Invalid field value 1MB\n/,
    ],
    [
      'a type that is none',
      'www,file,fat,,1M',
      /^Error at line 1: Value 'file' is not valid\. Known/,
    ],
    [
      'a name that ESP-IDF does not have for a type',
      'cert,esp_secure_cert,,,8K',
      /^Error at line 1: Value 'esp_secure_cert' is not valid\./,
    ],
    [
      'a subtype that is none',
      'www,data,little_fs,,1M',
      /^Error at line 1: Value 'little_fs' is not valid\. Known keywords: ota, phy, /,
    ],
    ['an app without a subtype', 'app0,app,,,1M', /^Error at line 1: App partition cannot have an/],
    ['no size', 'www,data,fat,0x10000,', /^Error at line 1: Size field can't be empty\n/],
    [
      'columns by semicolons',
      'nvs;data;nvs;0x9000;0x6000',
      /^Error at line 1: Field 'type' can't be/,
    ],
    ['two of a name', 'a,data,fat,,4K\na,data,fat,,4K', /^Partition names must be unique$/],
    ['a readonly otadata', 'o,data,ota,,8K,readonly', /always read-write and cannot be read-only$/],
  ];
  for (const [what, csv, message] of MISTAKES)
    it(what, () => {
      assert.throws(
        () => csvToTable(csv),
        (error) => {
          const wording = wordingOf(error)!;
          assert.match(wording.message, message);
          assert.equal(wording.exitCode, 2);
          return true;
        },
      );
    });
});
