/** What the command prints about images and manifests that are refused. */
import type { Words } from '../../formats/errors.ts';
import type { ManifestFacts } from '../../formats/manifest/errors.ts';
import { grouped, hex } from './format.ts';

export const MANIFEST_WORDS: Words<ManifestFacts> = {
  E_IMAGE_EMPTY: () => 'image: is empty',
  E_IMAGE_SIZE: ({ size, limit }) => `image: ${grouped(size)} bytes, limit ${grouped(limit)}`,

  E_TEXT_LENGTH: ({ field, text, length, limit }) =>
    `${field}: "${text}" has ${length} bytes, limit ${limit}`,
  E_CONTROL: ({ field, text }) => `${field}: ${JSON.stringify(text)} has control characters`,
  E_FREE_LENGTH: ({ field, length, limit }) =>
    `${field}: ${grouped(length)} bytes, limit ${grouped(limit)}`,

  E_MAGIC: () => 'manifest: does not begin with "OTA"',
  E_FORMAT: ({ version, known }) => `manifest: is of format version ${version}, not ${known}`,
  E_CUT: ({ length, least }) => `manifest: ends after ${length} bytes, least ${least}`,
  E_CUT_HEAD: ({ length, head }) =>
    `manifest: ends after ${length} bytes, before its hashes at ${head}`,
  E_CRC: ({ computed, stored }) =>
    `manifest: its CRC-32 is ${hex(computed)}, and ${hex(stored)} stands in it`,
  E_RESERVED: ({ first, last }) => `manifest: byte ${first} to ${last}: not zero`,
  E_DESCRIPTOR: () =>
    'descriptor: not of fs-verity version 1, SHA-256, blocks of 4096 bytes, without salt',
  E_DIGEST: ({ found, wanted }) => `digest: is ${found}, not ${wanted}`,
  E_TREE_LENGTH: ({ length, needed, size }) =>
    `hashes: ${grouped(length)} bytes, not ${grouped(needed)} as for ${grouped(size)} bytes of image`,
  E_TREE: ({ level, levels, block }) =>
    `hashes: level ${level} of ${levels}, block ${block}: do not match ` +
    (level > 1 ? 'the level above' : 'the root hash'),
  E_AFTER_NUL: ({ field }) => `${field}: goes on after a NUL`,
  E_NOT_UTF8: ({ field }) => `${field}: is not UTF-8`,
  E_NO_NUL: ({ field }) => `${field}: does not end in NUL`,
};
