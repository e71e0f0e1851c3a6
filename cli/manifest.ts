/** Manifests, made and read: device/http/manifest.ts describes the format. */
import { crc32 } from 'node:zlib';
import {
  CRC_BYTES,
  DESCRIPTOR_AT,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_START,
  FREE_LIMIT,
  HASH_BYTES,
  IMAGE_CRC_AT,
  IMAGE_SIZE_AT,
  LABEL_AT,
  LABEL_BYTES,
  MAGIC,
  METADATA_AT,
  METADATA_LENGTH_AT,
  RESERVED_AT,
  ROOT_HASH_AT,
  SIGNATURE_LENGTH_AT,
  VERSION_AT,
  VERSION_BYTES,
} from '../device/http/manifest.ts';
import { InputError } from './words.ts';
import {
  checkImageSize,
  digestOf,
  examineImage,
  type ImageFacts,
  proveTree,
  treeBytes,
} from './manifest-tree.ts';
import { grouped, hex } from './report-format.ts';

/** What is appended to the name of an image for that of its manifest. */
export const MANIFEST_SUFFIX = '.ota';

/** What a manifest says beside what follows from the image. */
export interface ManifestFields {
  /** Label of the partition that the image is for; '' any. At most 16 bytes of UTF-8. */
  partition: string;
  /** Version of the image; '' not given. At most 31 bytes of UTF-8. */
  version: string;
  /** Anything, at most 1024 bytes. */
  metadata: Uint8Array;
}

/** What a manifest says. */
export interface Manifest extends ManifestFields {
  /** At most 1024 bytes; none if there is no signature. It is not checked. */
  signature: Uint8Array;
  /** Bytes of the image. */
  size: number;
  /** CRC-32 of the image. */
  crc32: number;
  /** fs-verity digest of the image: SHA-256, 64 hex digits. */
  digest: string;
  /** SHA-256 of each sector of the image, 32 bytes each. */
  hashes: Buffer;
  /** Bytes of the manifest. */
  length: number;
}

function refuse(thing: string, what: string): never {
  throw new InputError(`${thing}: ${what}`);
}

/** @returns a field padded with NUL. */
function makeText(thing: string, text: string, length: number, limit: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > limit) refuse(thing, `"${text}" has ${bytes.length} bytes, limit ${limit}`);
  if (/\p{Cc}/u.test(text)) refuse(thing, `${JSON.stringify(text)} has control characters`);
  return Buffer.concat([bytes], length);
}

/** @returns a word of four bytes. */
function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Makes the manifest of an image. @throws InputError if a field is too long */
export function packFacts(image: ImageFacts, fields: Partial<ManifestFields> = {}): Buffer {
  const { partition = '', version = '', metadata = new Uint8Array() } = fields;
  if (metadata.length > FREE_LIMIT)
    refuse('metadata', `${grouped(metadata.length)} bytes, limit ${grouped(FREE_LIMIT)}`);
  const head = Buffer.concat([
    Buffer.from(MAGIC, 'latin1'),
    // Two bytes of it are the length of the signature: none.
    word(metadata.length),
    word(image.crc32),
    word(0),
    makeText('partition', partition, LABEL_BYTES, LABEL_BYTES),
    makeText('version', version, VERSION_BYTES, VERSION_BYTES - 1),
    image.descriptor,
    metadata,
  ]);
  return Buffer.concat([head, word(crc32(head)), ...image.levels]);
}

/**
 * Makes the manifest of an image.
 * @throws InputError if the image is empty or larger than 16 MiB, or a field is too long
 */
export function makeManifest(image: Uint8Array, fields?: Partial<ManifestFields>): Buffer {
  return packFacts(examineImage(image), fields);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads a field that is padded with NUL. */
function readText(thing: string, field: Buffer): string {
  const length = field.indexOf(0);
  const bytes = length < 0 ? field : field.subarray(0, length);
  if (field.subarray(bytes.length).some((byte) => byte)) refuse(thing, 'goes on after a NUL');
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    refuse(thing, 'is not UTF-8');
  }
  if (/\p{Cc}/u.test(text)) refuse(thing, `${JSON.stringify(text)} has control characters`);
  return text;
}

/** @returns the lengths of the metadata and of the signature, of a manifest that has all bytes up to the hashes. */
function readLengths(bytes: Buffer): { metadata: number; signature: number } {
  const start = bytes.toString('latin1', 0, MAGIC.length);
  if (!start.startsWith(MAGIC.slice(0, 3))) refuse('manifest', 'does not begin with "OTA"');
  const least = METADATA_AT + CRC_BYTES;
  if (bytes.length < least) refuse('manifest', `ends after ${bytes.length} bytes, least ${least}`);
  if (start !== MAGIC)
    refuse('manifest', `is of format version ${bytes[3]}, not ${MAGIC.charCodeAt(3)}`);
  const metadata = bytes.readUInt16LE(METADATA_LENGTH_AT);
  const signature = bytes.readUInt16LE(SIGNATURE_LENGTH_AT);
  for (const [thing, length] of Object.entries({ metadata, signature }))
    if (length > FREE_LIMIT) refuse(thing, `${length} bytes, limit ${FREE_LIMIT}`);
  const needed = least + metadata + signature;
  if (bytes.length < needed)
    refuse('manifest', `ends after ${bytes.length} bytes, before its hashes at ${needed}`);
  return { metadata, signature };
}

/** @returns size and root hash, if the descriptor is of the one kind that is used. */
function readDescriptor(descriptor: Buffer): { size: number; root: Buffer } {
  const start = descriptor.toString('latin1', 0, DESCRIPTOR_START.length);
  const size = descriptor.readBigUInt64LE(IMAGE_SIZE_AT);
  const root = descriptor.subarray(ROOT_HASH_AT, ROOT_HASH_AT + HASH_BYTES);
  if (start !== DESCRIPTOR_START)
    refuse('descriptor', 'not of fs-verity version 1, SHA-256, blocks of 4096 bytes, without salt');
  checkImageSize(Number(size));
  return { size: Number(size), root };
}

/**
 * Reads a manifest, and proves all of it.
 * @param bytes - the whole file; the result refers to it
 * @param digest - what the image's digest has to be, 64 hex digits; undefined: the manifest is believed
 * @throws InputError that names what is wrong
 */
export function readManifest(bytes: Buffer, digest?: string): Manifest {
  const { metadata, signature } = readLengths(bytes);
  const signatureAt = METADATA_AT + metadata;
  const crcAt = signatureAt + signature;
  const stored = bytes.readUInt32LE(crcAt);
  const computed = crc32(bytes.subarray(0, crcAt));
  if (stored !== computed)
    refuse('manifest', `its CRC-32 is ${hex(computed)}, and it says ${hex(stored)}`);
  if (bytes.readUInt32LE(RESERVED_AT)) refuse('manifest', `byte ${RESERVED_AT} to 15: not zero`);
  const descriptor = bytes.subarray(DESCRIPTOR_AT, DESCRIPTOR_AT + DESCRIPTOR_BYTES);
  const { size, root } = readDescriptor(descriptor);
  const found = digestOf(descriptor);
  if (digest !== undefined && found !== digest.toLowerCase())
    refuse('digest', `is ${found}, not ${digest.toLowerCase()}`);
  const tree = bytes.subarray(crcAt + CRC_BYTES);
  if (tree.length !== treeBytes(size))
    refuse(
      'hashes',
      `${grouped(tree.length)} bytes, not ${grouped(treeBytes(size))} as for ${grouped(size)} bytes of image`,
    );
  const version = readText('version', bytes.subarray(VERSION_AT, VERSION_AT + VERSION_BYTES));
  if (Buffer.byteLength(version) === VERSION_BYTES) refuse('version', 'does not end in NUL');
  return {
    partition: readText('partition', bytes.subarray(LABEL_AT, LABEL_AT + LABEL_BYTES)),
    version,
    metadata: bytes.subarray(METADATA_AT, signatureAt),
    signature: bytes.subarray(signatureAt, crcAt),
    size,
    crc32: bytes.readUInt32LE(IMAGE_CRC_AT),
    digest: found,
    hashes: proveTree(root, size, tree),
    length: bytes.length,
  };
}
