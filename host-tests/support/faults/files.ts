/** Faults of files: partition tables, images and manifests. The command runs as it is built. */
import { gzipSync } from 'node:zlib';
import { makeManifest } from '../../../formats/manifest/make.ts';
import { encodeTable } from '../../../formats/table/binary.ts';
import { csvToTable } from '../../../formats/table/csv.ts';
import { pattern, TABLES } from '../../../host/index.ts';
import { row } from '../../../host/tables.ts';
import { crc32 } from '../../../host/hashes.ts';
import * as make from '../images.ts';
import { errorOf, type Scene, type Scenes, warningOf } from './scene.ts';

/** What `part-ota table` says of a table. */
const refused = (table: string | Uint8Array, ...words: string[]): Scene[] => [
  () => errorOf({ table }, 'table', 'table', '-q', ...words),
];
const odd = (table: string | Uint8Array): Scene[] => [
  () => warningOf({ table }, 'table', 'table', '-q'),
];

const ROW = 32;
const LABEL_AT = 12;
const FLAGS_AT = 28;
const good = Buffer.from(csvToTable('p,data,phy,0x9000,4K'));
/** One row, and then these bytes. */
const rowAnd = (...bytes: number[]) => Buffer.concat([good.subarray(0, ROW), Buffer.from(bytes)]);
/** A table without a check row, with other bytes in its first row. */
function changed(at: number, ...bytes: number[]): Buffer {
  const table = Buffer.from(csvToTable('p,data,phy,0x9000,4K', { md5: false }));
  table.set(bytes, at);
  return table;
}

export const TABLE: Scenes = {
  E_TEXT: refused(Buffer.from([0x70, 0xff])),
  E_LINE: refused('p,disk,0,,4K # mine'),
  E_NO_TYPE: refused('p,'),
  E_NO_SUBTYPE: refused('p,app,,,1M'),
  E_NO_SIZE: refused('p,data,phy,,'),
  E_NAME: refused('p,disk,0,,4K'),
  E_NUMBER: refused('p,data,phy,,4KB'),
  E_FLAG: refused('p,data,phy,,4K,hidden'),
  E_VARIABLE: refused('$NO_SUCH_NAME_HERE,data,phy,,4K'),
  E_BOOTLOADER: refused('b,bootloader,primary,,'),
  E_ORDER: refused('a,data,phy,0x9000,8K\nb,data,phy,0xa000,4K'),
  E_IN_TABLE: refused('p,data,phy,0x8000,4K'),
  E_ALIGNMENT: refused('p,app,factory,0x9000,1M'),
  E_READONLY: refused('o,data,ota,,0x2000,readonly'),
  E_NVS_SIZE: refused('n,data,nvs,,0x2000'),
  E_LABEL_TWICE: refused('p,data,phy,,4K\np,data,fat,,4K'),
  E_BELOW: refused(encodeTable([row('p', 1, 1, 0x7000, 0x1000)])),
  E_OVERLAP: refused(encodeTable([row('p', 1, 1, 0x9000, 0x2000), row('q', 1, 1, 0xa000, 0x1000)])),
  E_OTADATA_SIZE: refused('a,data,ota,,12K'),
  E_OTADATA_TWICE: refused('a,data,ota,,8K\nb,data,ota,,8K'),
  E_FLASH_SIZE: refused('p,app,factory,0x10000,0x130000', '--flash-size', '1MB'),
  E_RANGE: refused('p,256,0,,4K'),
  E_LENGTH: refused(Array.from({ length: 95 }, (_, i) => `p${i},data,phy,,4K`).join('\n')),
  E_BOOTLOADER_PLACE: refused('', '--primary-bootloader-offset', '0x9000'),
  E_SUBTYPE_FORM: refused('', '--extra-partition-subtypes', 'data,x'),
  E_SUBTYPE_TYPE: refused('', '--extra-partition-subtypes', 'disk,x,2'),
  E_SUBTYPE_TWICE: refused('', '--extra-partition-subtypes', 'data,x,2'),
  E_MAGIC: refused(rowAnd(...Buffer.alloc(ROW))),
  E_LABEL: refused(changed(LABEL_AT, 0xff)),
  E_MD5: refused(
    Buffer.concat([good.subarray(0, LABEL_AT), Buffer.from('q'), good.subarray(LABEL_AT + 1)]),
  ),
  E_CUT: refused(rowAnd(1, 2, 3)),
  E_NO_END: refused(rowAnd()),
  W_FLAGS: odd(changed(FLAGS_AT, 4)),
  W_TYPE: odd('app,data,phy,,4K'),
  W_SUBTYPE: odd('ota_0,data,phy,,4K'),
  W_LABELS: odd('p,data,phy,,4K\np,data,fat,,4K'),
  W_OTADATA: odd('a,data,ota,,12K'),
};

const CSV = `
nvs,  data, nvs,      0x9000,  0x6000,
app,  app,  factory,  0x10000, 0x100000,
www,  data, littlefs, 0x110000, 0x80000,
fat,  data, fat,      0x190000, 0x40000,
`;
/** What `part-ota pack` says of an image. @param label - where it is to go */
const warned = (image: Uint8Array, label?: string): Scene[] => [
  () => {
    const to = label === undefined ? [] : ['--table', 'table.csv', '--partition', label];
    return warningOf({ 'www.bin': image, 'table.csv': CSV }, 'pack', 'www.bin', ...to);
  },
];
const unpackable = (image: Uint8Array, ...words: string[]): Scene[] => [
  () => errorOf({ 'www.bin': image, more: Buffer.alloc(1025) }, 'pack', 'www.bin', ...words),
];
const changedTo = (from: Uint8Array, to: Uint8Array): Scene[] => [
  () => warningOf({ 'old.bin': from, 'www.bin': to }, 'diff', 'old.bin', 'www.bin'),
];

const image = pattern('image', 3 * 4096);
const manifest = Buffer.from(makeManifest(image, { partition: 'www', version: '1.4' }));
const HEAD_CRC_AT = 112;
/** A manifest with other bytes, and with the CRC-32 of these. */
function spoiled(at: number, bytes: string | number[]): Buffer {
  const copy = Buffer.from(manifest);
  copy.set(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, at);
  const end = HEAD_CRC_AT + copy.readUInt16LE(4) + copy.readUInt16LE(6);
  if (end + 4 <= copy.length) copy.writeUInt32LE(crc32(copy.subarray(0, end)), end);
  return copy;
}
/** What `part-ota verify` says of a manifest. */
const unproven = (bytes: Uint8Array, ...words: string[]): Scene[] => [
  () => errorOf({ 'www.bin': image, 'www.bin.ota': bytes }, 'verify', 'www.bin', ...words),
];
const withBit = Buffer.from(manifest);
withBit[20] ^= 1;

const entries = make.superblock(0x20001, 4096, 128);
const damaged = make.imageOfBlocks(4096, 128, {
  0: make.littleFsBlock(4096, 2, [entries], 0),
  1: make.littleFsBlock(4096, 1, [entries], 0),
});
const longer = Buffer.concat([make.littleFs(4096, 64), Buffer.alloc(8192, 0xff)]);

export const IMAGES: Scenes = {
  W_APP: warned(make.app()),
  W_DUMP: warned(make.dump(0x1000)),
  W_TABLE: warned(encodeTable(TABLES.example)),
  W_MANIFEST: warned(manifest),
  W_COMPRESSED: warned(gzipSync('hello')),
  W_DAMAGED: warned(damaged),
  W_CUT: warned(make.romfs(8192, 4096)),
  W_SIZE: warned(make.littleFs(4096, 64), 'www'),
  W_LONGER: warned(longer),
  W_NVS: warned(make.nvs([0xfffffffe]), 'www'),
  W_SUBTYPE: warned(make.spiffs(64), 'fat'),
  W_OTHER_KIND: changedTo(make.fat({ sectors: 64 }), make.wearLevelled({ sectors: 64 })),
  W_OTHER_SIZE: changedTo(make.littleFs(4096, 128), make.littleFs(4096, 64)),
  E_IMAGE: unpackable(gzipSync('hello'), '--strict'),
  E_IMAGE_EMPTY: unpackable(Buffer.alloc(0)),
  E_IMAGE_SIZE: unpackable(Buffer.alloc(2 ** 24 + 1)),
  E_TEXT_LENGTH: unpackable(image, '--partition', 'a_label_that_is_long'),
  E_CONTROL: unpackable(image, '--version', '1\t4'),
  E_FREE_LENGTH: unpackable(image, '--metadata', 'more'),
  E_MAGIC: unproven(Buffer.from('<!DOCTYPE html>')),
  E_FORMAT: unproven(spoiled(3, [2])),
  E_CUT: unproven(manifest.subarray(0, 115)),
  E_CUT_HEAD: unproven(spoiled(4, [0, 4])),
  E_CRC: unproven(withBit),
  E_RESERVED: unproven(spoiled(15, [1])),
  E_DESCRIPTOR: unproven(spoiled(65, [2])),
  E_DIGEST: unproven(manifest, '--digest', '0'.repeat(64)),
  E_TREE_LENGTH: unproven(manifest.subarray(0, -32)),
  E_TREE: unproven(spoiled(manifest.length - 1, [manifest.at(-1)! ^ 1])),
  E_AFTER_NUL: unproven(spoiled(20, 'x')),
  E_NOT_UTF8: unproven(spoiled(16, [0xff])),
  E_NO_NUL: unproven(spoiled(32, 'x'.repeat(32))),
};
