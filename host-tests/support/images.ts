/**
 * Images as the specifications have them, made byte by byte, without a look at what reads them. The CRC-32s are zlib's;
 * formats/images/ tells where each format is specified.
 */
import { crc32 } from 'node:zlib';
import { encodeTable, type Row, TABLES } from '../../host/index.ts';

/** Bytes that are blank, then some numbers of four bytes at some offsets. */
function blank(size: number, numbers: Record<number, number> = {}): Buffer {
  const bytes = Buffer.alloc(size, 0xff);
  for (const [at, value] of Object.entries(numbers)) bytes.writeUInt32LE(value >>> 0, Number(at));
  return bytes;
}

/** The CRC-32 of the chip's ROM from 0xffffffff on. */
const romCrc = (bytes: Uint8Array) => crc32(bytes, 0xffffffff);

/** An entry of a commit of LittleFS. */
type Entry = [type: number, id: number, data: Uint8Array];

const superblockOf = (version: number, blockSize: number, blocks: number): Buffer =>
  blank(24, { 0: version, 4: blockSize, 8: blocks, 12: 255, 16: 0x7fffffff, 20: 1022 });

/** The entries of a superblock. */
export const superblock = (version: number, blockSize: number, blocks: number): Entry[] => [
  [0x0ff, 0, Buffer.from('littlefs')],
  [0x201, 0, superblockOf(version, blockSize, blocks)],
];
/** An entry that leads on to another pair. */
export const tail = (type: number, a: number, b: number): Entry => [
  type,
  0x3ff,
  blank(8, { 0: a, 4: b }),
];

/** @returns a block of LittleFS. @param spoiled - the commit whose CRC-32 is wrong */
export function littleFsBlock(
  size: number,
  revision: number,
  commits: readonly Entry[][],
  spoiled = -1,
): Buffer {
  const block = blank(size, { 0: revision });
  let before = 0xffffffff;
  let at = 4;
  let start = 0;
  const addTag = (type: number, id: number, length: number) => {
    const tag = ((type << 20) | (id << 10) | length) >>> 0;
    block.writeUInt32BE((tag ^ before) >>> 0, at);
    before = tag;
    at += 4;
  };
  commits.forEach((entries, n) => {
    for (const [type, id, data] of entries) {
      addTag(type, id, data.length);
      block.set(data, at);
      at += data.length;
    }
    // The lowest bit of the type makes that what is blank behind it reads as no commit.
    addTag(0x501, 0x3ff, 4);
    const crc = ~crc32(block.subarray(start, at)) >>> 0;
    block.writeUInt32LE(n === spoiled ? (crc ^ 1) >>> 0 : crc, at);
    before = (before ^ 0x80000000) >>> 0;
    at += 4;
    start = at;
  });
  return block;
}

/** @returns an image of some blocks, those that are not given blank. */
export function imageOfBlocks(
  size: number,
  count: number,
  blocks: Record<number, Uint8Array>,
): Buffer {
  const image = Buffer.alloc(size * count, 0xff);
  for (const [n, block] of Object.entries(blocks)) image.set(block, Number(n) * size);
  return image;
}

/** @returns a LittleFS with both blocks of its superblock. */
export function littleFs(blockSize: number, blocks: number, version = 0x20001): Buffer {
  const entries = superblock(version, blockSize, blocks);
  return imageOfBlocks(blockSize, blocks, {
    0: littleFsBlock(blockSize, 2, [entries]),
    1: littleFsBlock(blockSize, 1, [entries]),
  });
}

/** @returns a SPIFFS without files. @param withLength - SPIFFS_USE_MAGIC_LENGTH */
export function spiffs(
  blocks: number,
  blockSize = 4096,
  pageSize = 256,
  withLength = true,
): Buffer {
  const image = Buffer.alloc(blocks * blockSize, 0xff);
  const pages = Math.max(1, Math.floor(((blockSize / pageSize) * 2) / pageSize));
  for (let n = 0; n < blocks; n++) {
    const magic = 0x20140529 ^ pageSize ^ (withLength ? blocks - n : 0);
    image.writeUInt16LE(magic & 0xffff, n * blockSize + pages * pageSize - 4);
  }
  return image;
}

/** What the boot sector of a FAT has. */
export interface Volume {
  sectorSize?: number;
  sectors?: number;
  jump?: number;
  cluster?: number;
  fatSectors?: number;
  isFat32?: boolean;
  signed?: boolean;
}

/** @returns a FAT without files. */
export function fat(volume: Volume = {}): Buffer {
  const { sectorSize = 4096, sectors = 60, jump = 0xeb, cluster = 1, fatSectors = 1 } = volume;
  const { isFat32 = false, signed = true } = volume;
  const image = Buffer.alloc(Math.min(sectorSize * sectors, 0x40000));
  image.set([jump, 0xfe, 0x90]);
  image.writeUInt16LE(sectorSize, 11);
  image[13] = cluster;
  image.writeUInt16LE(1, 14);
  image[16] = 1;
  image.writeUInt16LE(isFat32 ? 0 : 512, 17);
  if (sectors < 0x10000 && !isFat32) image.writeUInt16LE(sectors, 19);
  else image.writeUInt32LE(sectors, 32);
  image[21] = 0xf8;
  if (isFat32) image.writeUInt32LE(fatSectors, 36);
  else image.writeUInt16LE(fatSectors, 22);
  if (signed) image.writeUInt16LE(0xaa55, 510);
  return image;
}

/** @returns the state of a wear levelling. */
function wearState(positions: number, rounds: number, version: number): Buffer {
  const state = blank(64, { 0: 0, 4: positions, 8: rounds, 12: 3, 16: 16, 20: 4096, 24: version });
  state.writeUInt32LE(0x12345678, 28);
  state.fill(0, 32, 60);
  state.writeUInt32LE(romCrc(state.subarray(0, 60)), 60);
  if (version === 1) state.writeUInt32LE(romCrc(state.subarray(0, 28)), 28);
  return state;
}

/** What became of a wear levelling. */
export interface Wear {
  /** Sectors of the partition. */
  sectors: number;
  /** How often the dummy has moved, and been all around. */
  moves?: number;
  rounds?: number;
  version?: number;
  /** Which of its two states are there. */
  states?: readonly [boolean, boolean];
}

/** @returns a FAT in wear levelling, as a chip has it. */
export function wearLevelled({ sectors, moves = 0, rounds = 0, ...rest }: Wear): Buffer {
  const { version = 2, states = [true, true] } = rest;
  const image = Buffer.alloc(sectors * 4096, 0xff);
  const length = Math.ceil((64 + 16 * sectors) / 4096);
  const positions = sectors - 2 * length - 1;
  const levelled = positions - 1;
  // WL_Flash::calcAddr, for the first sector.
  const place = (levelled - (rounds % levelled)) % levelled;
  image.set(
    fat({ sectors: levelled }).subarray(0, 4096),
    (place < moves ? place : place + 1) * 4096,
  );
  states.forEach((isThere, n) => {
    const at = (positions + n * length) * 4096;
    if (isThere) image.set(wearState(positions, rounds, version), at);
    for (let move = 0; move < moves && isThere; move++)
      image.fill(0, at + 64 + 16 * move, at + 80 + 16 * move);
  });
  return image;
}

/** @returns a romfs without files. */
export function romfs(length: number, fileSize = length): Buffer {
  const image = Buffer.alloc(fileSize);
  image.write('-rom1fs-');
  image.writeUInt32BE(length, 8);
  return image;
}

/** @returns the superblock of a SquashFS 4.0 in front of zeros. */
export function squashfs(length: number, fileSize = length): Buffer {
  const image = Buffer.alloc(fileSize);
  image.write('hsqs');
  image.writeUInt16LE(4, 28);
  image.writeBigUInt64LE(BigInt(length), 40);
  return image;
}

/** @returns pages of NVS by their states; -1 is a blank page. @param version - the byte of it */
export function nvs(states: readonly number[], version = 0xfe): Buffer {
  const pages = states.map((state, n) => {
    const page = Buffer.alloc(4096, 0xff);
    if (state < 0) return page;
    page.writeUInt32LE(state, 0);
    page.writeUInt32LE(n, 4);
    page[8] = version;
    page.writeUInt32LE(romCrc(page.subarray(4, 28)), 28);
    return page;
  });
  return Buffer.concat(pages);
}

/** What an app has. */
export interface Program {
  chip?: number;
  segments?: readonly [address: number, length: number][];
  isApp?: boolean;
}

/** @returns an app, with a checksum and a hash that are zeros. */
export function app(program: Program = {}): Buffer {
  const {
    chip = 5,
    segments = [
      [0x3c000020, 512],
      [0, 16],
      [0x40380000, 2048],
    ],
    isApp = true,
  } = program;
  const header = Buffer.alloc(24);
  header.set([0xe9, segments.length, 2, 0x2f]);
  header.writeUInt32LE(0x40380000, 4);
  header.writeUInt16LE(chip, 12);
  header[23] = 1;
  const parts = segments.map(([address, length], n) => {
    const part = Buffer.alloc(8 + length);
    part.writeUInt32LE(address, 0);
    part.writeUInt32LE(length, 4);
    if (n === 0 && isApp) part.writeUInt32LE(0xabcd5432, 8);
    return part;
  });
  const body = Buffer.concat([header, ...parts]);
  return Buffer.concat([body, Buffer.alloc(16 - (body.length % 16)), Buffer.alloc(32)]);
}

/** @returns a chip of 512 KiB. @param bootloader - its address; undefined: there is none */
export function dump(
  bootloader: number | undefined,
  tableAt = 0x8000,
  rows: Row[] = TABLES.example,
): Buffer {
  const chip = Buffer.alloc(0x80000, 0xff);
  if (bootloader !== undefined) chip.set(app({ isApp: false }), bootloader);
  chip.set(encodeTable(rows), tableAt);
  return chip;
}
