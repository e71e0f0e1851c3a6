/** What memory allows. Nothing here has state: `part-ota diff` counts with the same numbers. */

import { HASH_BYTES } from './manifest.ts';

/** How many sectors of the partition, from its first one on, are looked through for the content of others: 4 MiB. */
export const KNOWN = 1024;

/** How many hashes of sectors that change are kept in memory; the others are fetched once more. */
export const QUEUE_HASHES = 80;
export const QUEUE_BYTES = QUEUE_HASHES * HASH_BYTES;
