/** Reads manifests, and proves them: device/http/manifest.ts describes the format. */
import { crc32 } from '#hashes';
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
} from '../../device/http/manifest.ts';
import { decodeText, isFilled, readU16, readU32, readU64, toLatin1 } from '../bytes.ts';
import { ManifestError } from './errors.ts';
import { checkText, type ManifestFields } from './make.ts';
import { checkImageSize, digestOf, proveTree, treeBytes } from './tree.ts';

/** What a manifest has. */
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
  hashes: Uint8Array;
  /** Bytes of the manifest. */
  length: number;
}

/** Whether bytes begin like a manifest of this format version. */
export const isManifest = (bytes: Uint8Array) => startOf(bytes, MAGIC.length) === MAGIC;

const startOf = (bytes: Uint8Array, length: number) => toLatin1(bytes.subarray(0, length));

/** Reads a field that is padded with NUL. */
function readText(field: 'partition' | 'version', padded: Uint8Array): string {
  const end = padded.indexOf(0);
  const bytes = end < 0 ? padded : padded.subarray(0, end);
  if (!isFilled(padded.subarray(bytes.length), 0))
    throw new ManifestError('E_AFTER_NUL', { field });
  let text: string;
  try {
    text = decodeText(bytes);
  } catch {
    throw new ManifestError('E_NOT_UTF8', { field });
  }
  checkText(field, text);
  return text;
}

/** @returns the lengths of the metadata and of the signature, of a manifest that has all bytes up to the hashes. */
function readLengths(bytes: Uint8Array): { metadata: number; signature: number } {
  const { length } = bytes;
  if (!startOf(bytes, MAGIC.length).startsWith(MAGIC.slice(0, -1)))
    throw new ManifestError('E_MAGIC', {});
  const least = METADATA_AT + CRC_BYTES;
  if (length < least) throw new ManifestError('E_CUT', { length, least });
  const version = bytes[MAGIC.length - 1];
  const known = MAGIC.charCodeAt(MAGIC.length - 1);
  if (version !== known) throw new ManifestError('E_FORMAT', { version, known });
  const metadata = readU16(bytes, METADATA_LENGTH_AT);
  const signature = readU16(bytes, SIGNATURE_LENGTH_AT);
  const limit = FREE_LIMIT;
  if (metadata > limit)
    throw new ManifestError('E_FREE_LENGTH', { field: 'metadata', length: metadata, limit });
  if (signature > limit)
    throw new ManifestError('E_FREE_LENGTH', { field: 'signature', length: signature, limit });
  const head = least + metadata + signature;
  if (length < head) throw new ManifestError('E_CUT_HEAD', { length, head });
  return { metadata, signature };
}

/** @returns size and root hash, if the descriptor is of the one kind that is used. */
function readDescriptor(descriptor: Uint8Array): { size: number; root: Uint8Array } {
  if (startOf(descriptor, DESCRIPTOR_START.length) !== DESCRIPTOR_START)
    throw new ManifestError('E_DESCRIPTOR', {});
  const size = Number(readU64(descriptor, IMAGE_SIZE_AT));
  checkImageSize(size);
  return { size, root: descriptor.subarray(ROOT_HASH_AT, ROOT_HASH_AT + HASH_BYTES) };
}

/** Checks what the head is checked by. @param crcAt - where its CRC-32 is */
function checkHead(bytes: Uint8Array, crcAt: number): void {
  const stored = readU32(bytes, crcAt);
  const computed = crc32(bytes.subarray(0, crcAt));
  if (stored !== computed) throw new ManifestError('E_CRC', { computed, stored });
  if (readU32(bytes, RESERVED_AT))
    throw new ManifestError('E_RESERVED', { first: RESERVED_AT, last: RESERVED_AT + 3 });
}

/**
 * Reads a manifest, and proves all of it.
 * @param bytes - the whole file; the result refers to it
 * @param digest - what the image's digest has to be, 64 hex digits; undefined: the manifest is believed
 * @throws ManifestError
 */
export function readManifest(bytes: Uint8Array, digest?: string): Manifest {
  const { metadata, signature } = readLengths(bytes);
  const signatureAt = METADATA_AT + metadata;
  const crcAt = signatureAt + signature;
  checkHead(bytes, crcAt);
  const descriptor = bytes.subarray(DESCRIPTOR_AT, DESCRIPTOR_AT + DESCRIPTOR_BYTES);
  const { size, root } = readDescriptor(descriptor);
  const found = digestOf(descriptor);
  const wanted = digest?.toLowerCase() ?? found;
  if (found !== wanted) throw new ManifestError('E_DIGEST', { found, wanted });
  const tree = bytes.subarray(crcAt + CRC_BYTES);
  const [{ length }, needed] = [tree, treeBytes(size)];
  if (length !== needed) throw new ManifestError('E_TREE_LENGTH', { length, needed, size });
  const version = bytes.subarray(VERSION_AT, VERSION_AT + VERSION_BYTES);
  const versionText = readText('version', version);
  if (version[VERSION_BYTES - 1]) throw new ManifestError('E_NO_NUL', { field: 'version' });
  return {
    partition: readText('partition', bytes.subarray(LABEL_AT, LABEL_AT + LABEL_BYTES)),
    version: versionText,
    metadata: bytes.subarray(METADATA_AT, signatureAt),
    signature: bytes.subarray(signatureAt, crcAt),
    size,
    crc32: readU32(bytes, IMAGE_CRC_AT),
    digest: found,
    hashes: proveTree(root, size, tree),
    length: bytes.length,
  };
}
