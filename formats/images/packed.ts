/** What is known by a few bytes at its beginning: filesystems that are only read, and compressed files. */
import {
  type Compressed,
  hasText,
  isSize,
  type Romfs,
  type Squashfs,
  u16,
  u32,
  u32BigEndian,
} from './kinds.ts';

/**
 * romfs (Linux, Documentation/filesystems/romfs.rst): `-rom1fs-`, then its length, four bytes, big-endian.
 * @returns what an image is that is one
 */
export function readRomfs(image: Uint8Array): Romfs | undefined {
  const length = u32BigEndian(image, 8);
  return hasText(image, 0, '-rom1fs-') && isSize(length) ? { kind: 'romfs', length } : undefined;
}

const SQUASHFS_SUPERBLOCK = 96;

/**
 * SquashFS (Linux, Documentation/filesystems/squashfs.rst; squashfs_fs.h): `hsqs`; at 28 the version, major and minor, two
 * bytes each; at 40 its length, eight bytes.
 * @returns what an image is that is one
 */
export function readSquashfs(image: Uint8Array): Squashfs | undefined {
  const length = u32(image, 40);
  if (!hasText(image, 0, 'hsqs') || u32(image, 44) !== 0 || length < SQUASHFS_SUPERBLOCK)
    return undefined;
  return { kind: 'squashfs', version: `${u16(image, 28)}.${u16(image, 30)}`, length };
}

/**
 * What compressed files begin with: gzip (RFC 1952) with the only method there is; zip (APPNOTE.TXT 4.3.7, 4.3.16 if it is
 * empty); xz (xz-file-format.txt 2.1.1.1); zstd (RFC 8878); bzip2, a block or the end; 7z (7zFormat.txt); lz4 (its frame).
 */
const BEGINNINGS: [Compressed['format'], RegExp][] = [
  ['gzip', /^\x1f\x8b\x08[\0-\x1f]/],
  ['zip', /^PK(?:\x03\x04|\x05\x06)/],
  ['xz', /^\xfd7zXZ\0/],
  ['zstd', /^\x28\xb5\x2f\xfd/],
  ['bzip2', /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/],
  ['7z', /^7z\xbc\xaf\x27\x1c/],
  ['lz4', /^\x04\x22\x4d\x18/],
];
const LONGEST = 10;

/** @returns what an image is that begins like a compressed file. */
export function readCompressed(image: Uint8Array): Compressed | undefined {
  const start = String.fromCharCode(...image.subarray(0, LONGEST));
  const found = BEGINNINGS.find(([, beginning]) => beginning.test(start));
  return found && { kind: 'compressed', format: found[0] };
}
