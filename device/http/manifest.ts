/**
 * The manifest: what a board has to know of an image before it fetches it. It lies beside the image, as
 * `<image>.ota`, on any web server; `part-ota pack` makes it.
 *
 * All numbers are little-endian. M and S are the bytes of the metadata and of the signature.
 *
 *     offset   size  field
 *          0      3  "OTA"
 *          3      1  format version, 1
 *          4      2  M, at most 1024
 *          6      2  S, at most 1024; 0 there is no signature
 *          8      4  CRC-32 of the image, as in zip
 *         12      4  0
 *         16     16  label of the partition that the image is for, UTF-8, padded with NUL; empty: any
 *         32     32  version of the image, UTF-8, at most 31 bytes, padded with NUL; empty: not given
 *         64     48  fs-verity descriptor of the image, all of it that is not always zero: see below
 *        112      M  metadata, free: nothing here reads it
 *      112+M      S  signature over everything before it; its form is not defined yet
 *    112+M+S      4  CRC-32 of everything before it
 *    116+M+S         hashes, to the end of the file
 *
 * Label and version are as long as in the partition table and as in ESP-IDF's esp_app_desc_t. Neither has
 * control characters in it.
 *
 * The descriptor is `struct fsverity_descriptor` of Linux (include/uapi/linux/fsverity.h):
 *
 *          0      1  its version, 1
 *          1      1  hash algorithm, 1: SHA-256
 *          2      1  logarithm of the block size, 12: 4096 bytes, a sector of the chip
 *          3      1  bytes of salt, 0
 *          4      4  0
 *          8      8  bytes of the image, 1 to 16 MiB
 *         16     32  root hash
 *         48    208  0, not stored: room for longer hashes, salt, reserved
 *
 * The SHA-256 of all 256 bytes is the image's *digest*, the same that `fsverity digest` prints
 * (https://docs.kernel.org/filesystems/fsverity.html). It proves the size, the root hash and by that every
 * hash and every byte of the image. It does not prove the fields before the descriptor, nor the metadata: those have
 * a CRC-32 against accidents, and room for a signature against others.
 *
 * The hashes are fs-verity's Merkle tree, cut into levels. Hash i of the lowest level is the SHA-256 of sector i of
 * the image; hash i of any other is the SHA-256 of the block i of the level below: 4096 bytes of it, 128 hashes.
 * The level of a single block is the highest. The SHA-256 of that block is the root hash. An image of one sector has
 * no level: its root hash is the hash of the sector. What is missing of the last sector and of the last
 * block of each level is zero when it is hashed.
 * The highest level comes first in the file, the lowest last. Unlike in the tree that Linux stores, no level is filled up
 * to whole blocks: an image of N sectors, N > 1, has 32 * N bytes of hashes, after 32 * ceil(N / 128) more if N > 128.
 *
 * So a manifest without metadata and signature has 116 bytes, 32 for each sector, and 32 for each 128 sectors if there
 * are more. That is at most 0.85 % of any image from 212 KiB on, and of one of whole sectors from 168 KiB on: 0.82 % of
 * 300 KiB, 0.80 % of 1 MiB, 0.79 % of 16 MiB.
 *
 * Everything up to the hashes is at most 2164 bytes, and a block of hashes at most 4096, so that a chip can read
 * the manifest piece by piece and prove each piece by one native SHA-256.
 *
 * A reader refuses other format versions, and a file that is shorter or longer than its fields make it.
 */

/** What the name of a manifest has behind that of its image. */
export const MANIFEST_SUFFIX = '.ota';

/** The first four bytes. */
export const MAGIC = 'OTA\x01';

/** Offsets of the fields. */
export const METADATA_LENGTH_AT = 4;
export const SIGNATURE_LENGTH_AT = 6;
export const IMAGE_CRC_AT = 8;
export const RESERVED_AT = 12;
export const LABEL_AT = 16;
export const VERSION_AT = 32;
export const DESCRIPTOR_AT = 64;
export const METADATA_AT = 112;

/** Bytes of the fields. A version is one byte shorter: it ends in NUL. A descriptor is what is stored of it. */
export const LABEL_BYTES = 16;
export const VERSION_BYTES = 32;
export const DESCRIPTOR_BYTES = 48;
export const CRC_BYTES = 4;

/** The most bytes of metadata, and of signature. */
export const FREE_LIMIT = 1024;

/** Bytes of a whole descriptor, its first eight, and offsets in it. */
export const WHOLE_DESCRIPTOR_BYTES = 256;
export const DESCRIPTOR_START = '\x01\x01\x0c\x00\x00\x00\x00\x00';
export const IMAGE_SIZE_AT = 8;
export const ROOT_HASH_AT = 16;

/** Bytes of a hash; hashes in a block. A block is as large as a sector. */
export const HASH_BYTES = 32;
export const BLOCK_HASHES = 128;

/** The most bytes of an image: what the core takes as a partition. */
export const IMAGE_LIMIT = 0x1000000;
