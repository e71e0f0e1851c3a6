/**
 * Makes the golden files: chips, manifests and partition tables of this format version, which every version to come has to
 * read. They were made once, and stay as they are: what is there already is never written again.
 *
 *     node --import=./host-tests/register.js host-tests/golden/make.ts
 *
 * For a new kind of record, or a new format version, add a recipe here and its facts to index.ts, run this, and add the
 * digests that it prints to index.ts. A file that is missing is made again only if it is what its digest tells.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { makeManifest } from '../../formats/manifest/make.ts';
import type { Options } from '../../device/api.ts';
import { Board, PowerCut, SECTOR, TEARS, type Tear, encodeTable } from '../../host/index.ts';
import { type Ota, otaOf, uploadTo } from '../support/subject.ts';
import { dump } from './dump.ts';
import { CHIP_TABLE, DIGESTS, MANIFESTS, TABLES, imageOf, sectorsOf } from './index.ts';
import { digestOf, FOLDERS, pathOf } from './read.ts';

const NEW = sectorsOf('a.cDef');
const WWW: Options = { partition: 'www' };

/** @returns a board whose chip is blank but for what an update needs: header, table, otadata, apps, and `www`. */
function makeBoard(): Board {
  const board = new Board({ size: 0x100000, table: CHIP_TABLE });
  board.flash.load(0, new Uint8Array(0x100000).fill(0xff));
  // The header of an ESP32's bootloader: a chip of 1 MB.
  board.flash.load(0x1000, Buffer.from([0xe9, 3, 2, 0]));
  board.flash.load(0x8000, encodeTable(CHIP_TABLE));
  for (const { type, address } of CHIP_TABLE)
    if (type === 0) board.flash.load(address, Buffer.from([0xe9]));
  board.setRunning('ota_0');
  board.load('www', sectorsOf('AB.DEF'));
  uploadTo(board);
  return board;
}

/** Boots, and does something; power fails in an operation, if one is given. */
function life(board: Board, act: (ota: Ota) => void, cutAt?: [operation: number, tear: Tear]) {
  board.powerOn();
  const ota = otaOf(board);
  if (cutAt) board.flash.cutAt(...cutAt);
  try {
    act(ota);
    if (cutAt) throw new Error(`there is no operation ${cutAt[0]}`);
    board.flash.cut();
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
}

/** @returns what writes the new content, or some of its sectors, and leaves the update open. */
const write =
  (sectors: number, options: Partial<Options> = {}) =>
  (ota: Ota) =>
    ota.begin({ ...WWW, ...options }).write(NEW.subarray(0, sectors * SECTOR));

/** @returns what updates to the new content, or another one. */
const update =
  (options: Partial<Options> = {}, image = NEW) =>
  (ota: Ota) => {
    const open = ota.begin({ ...WWW, ...options });
    open.write(image);
    open.end();
  };

/** Changes a slot of the journal in the upper head of `ota_journal`. */
function change(board: Board, slot: number, how: (record: Uint8Array) => void): void {
  const address = board.partition('ota_journal').address + SECTOR + 16 * slot;
  const record = board.flash.peek(address, 16);
  how(record);
  board.flash.load(address, record);
}

/** Interrupts an update, and overwrites the first sector of its backup. */
function makeDamaged(board: Board): void {
  life(board, write(3));
  board.flash.load(board.partition('ota_1').address, sectorsOf('Z'));
}

/**
 * By the name of the file. The operations of an update: 1 zero over SOLID, 2 the head is erased, 3 BEGIN, 4 SOLID; then
 * for each sector that is not blank 1 erase and 16 pages of its copy, SAVED, 1 erase and up to 16 pages.
 */
const CHIPS: Record<string, (board: Board) => void> = {
  none: () => undefined,
  begun: (board) => life(board, write(1), [4, TEARS.nothing]),
  open: (board) => life(board, write(3)),
  // In the SAVED of the second sector.
  'torn-record': (board) => life(board, write(3), [57, TEARS.firstHalf]),
  // In the sixth page of the third sector.
  'torn-sector': (board) => life(board, write(3), [66, TEARS.first64]),
  resumed: (board) => {
    life(board, write(3));
    life(board, (ota) => {
      ota.recover({ resume: true });
      write(5)(ota);
    });
  },
  direct: (board) => life(board, write(3, { backup: false })),
  damaged: makeDamaged,
  'direct-after-damaged': (board) => {
    makeDamaged(board);
    const options = { ...WWW, backup: false } as const;
    life(board, (ota) => ota.begin(options).write(sectorsOf('xy')));
  },
  forgotten: (board) => {
    makeDamaged(board);
    life(board, (ota) => ota.forget());
  },
  'wrong-bits': (board) => {
    life(board, write(3));
    change(board, 0, (record) => (record[4] ^= 0x08));
    change(board, 3, (record) => (record[12] ^= 0x10));
  },
  'lost-record': (board) => {
    life(board, write(3));
    change(board, 3, (record) => record.fill(0x5a));
  },
  'lost-begin': (board) => {
    life(board, write(3));
    change(board, 0, (record) => record.fill(0x5a));
  },
  live: (board) => {
    const options = { partition: 'nvs', overwriteLive: true };
    life(board, (ota) => ota.begin(options).write(sectorsOf('N')));
  },
  restoring: (board) => {
    life(board, write(3));
    // RESTORE is the fourth operation, SOLID the fifth; the first sector is back.
    life(board, (ota) => ota.recover(), [24, TEARS.nothing]);
  },
  restored: (board) => {
    life(board, write(3));
    life(board, (ota) => ota.recover());
  },
  trial: (board) => {
    life(board, update({ trial: 3 }));
    life(board, (ota) => ota.recover());
    life(board, (ota) => ota.recover());
  },
  confirmed: (board) => {
    life(board, update({ trial: 3 }));
    life(board, (ota) => {
      ota.recover();
      ota.confirm();
    });
  },
  committed: (board) => life(board, update()),
  reopened: (board) => {
    life(board, update());
    // After two zeros and REOPEN.
    life(board, (ota) => ota.restore(), [4, TEARS.nothing]);
  },
  'begun-again': (board) => {
    life(board, update());
    // Zero, the erase and BEGIN in the other head.
    life(board, (ota) => ota.begin(WWW).write(sectorsOf('x')), [4, TEARS.nothing]);
  },
  'updated-again': (board) => {
    life(board, update());
    life(board, update({}, sectorsOf('x.cDef')));
  },
};

let made = 0;

/** Writes a file, unless it is there. @throws Error if another file of that name had been there */
function store(name: string, bytes: Uint8Array): void {
  const path = pathOf(name);
  if (existsSync(path)) return;
  const text = dump(bytes);
  const digest = digestOf(text);
  if (name in DIGESTS && DIGESTS[name] !== digest)
    throw new Error(`${name} is missing, and would be made otherwise now: ${digest}`);
  writeFileSync(path, text);
  console.log(`made ${name}: ${digest}`);
  made++;
}

for (const folder of FOLDERS) mkdirSync(pathOf(folder, ''), { recursive: true });
for (const [name, make] of Object.entries(CHIPS)) {
  const board = makeBoard();
  make(board);
  board.flash.restart('after');
  store(`chips/${name}`, board.flash.peek(0, board.flash.size));
}
for (const { file, image, fields } of MANIFESTS)
  store(file, makeManifest(imageOf(image), { ...fields, metadata: Buffer.from(fields.metadata) }));
for (const { file, rows, hasMd5 } of TABLES) {
  const table = encodeTable(rows);
  if (!hasMd5) table.fill(0xff, rows.length * 32);
  store(file, table);
}
console.log(`${made} made; what was there is left as it is`);
