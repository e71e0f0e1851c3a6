/** Makes manifests: device/http/manifest.ts describes the format. */
import { crc32 } from '#hashes';
import { FREE_LIMIT, LABEL_BYTES, MAGIC, VERSION_BYTES } from '../../device/http/manifest.ts';
import { concat, fromLatin1, toUtf8, words } from '../bytes.ts';
import { ManifestError } from './errors.ts';
import { examineImage, type ImageFacts } from './tree.ts';

/** What a manifest has beside what follows from the image. */
export interface ManifestFields {
  /** Label of the partition that the image is for; '' any. At most 16 bytes of UTF-8. */
  partition: string;
  /** Version of the image; '' not given. At most 31 bytes of UTF-8. */
  version: string;
  /** Anything, at most 1024 bytes. */
  metadata: Uint8Array;
}

/** @throws ManifestError E_CONTROL */
export function checkText(field: 'partition' | 'version', text: string): void {
  if (/\p{Cc}/u.test(text)) throw new ManifestError('E_CONTROL', { field, text });
}

/** @returns a field padded with NUL. */
function makeText(field: 'partition' | 'version', text: string, size: number, limit: number) {
  const bytes = toUtf8(text);
  const { length } = bytes;
  if (length > limit) throw new ManifestError('E_TEXT_LENGTH', { field, text, length, limit });
  checkText(field, text);
  return concat([bytes], size);
}

/**
 * Makes the manifest of an image from what follows from it.
 * @throws ManifestError E_TEXT_LENGTH, E_CONTROL, E_FREE_LENGTH
 */
export function packFacts(image: ImageFacts, fields: Partial<ManifestFields> = {}): Uint8Array {
  const { partition = '', version = '', metadata = new Uint8Array() } = fields;
  const { length } = metadata;
  if (length > FREE_LIMIT)
    throw new ManifestError('E_FREE_LENGTH', { field: 'metadata', length, limit: FREE_LIMIT });
  const head = concat([
    fromLatin1(MAGIC),
    // Two bytes of it are the length of the signature: none.
    words(length, image.crc32, 0),
    makeText('partition', partition, LABEL_BYTES, LABEL_BYTES),
    makeText('version', version, VERSION_BYTES, VERSION_BYTES - 1),
    image.descriptor,
    metadata,
  ]);
  return concat([head, words(crc32(head)), ...image.levels]);
}

/**
 * Makes the manifest of an image.
 * @param image - 1 byte to 16 MiB
 * @throws ManifestError E_IMAGE_EMPTY, E_IMAGE_SIZE, and as `packFacts`
 */
export function makeManifest(image: Uint8Array, fields?: Partial<ManifestFields>): Uint8Array {
  return packFacts(examineImage(image), fields);
}
