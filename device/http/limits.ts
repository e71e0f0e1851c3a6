/** What memory allows. Nothing here has state: `part-ota diff` counts with the same numbers. */

import { HASH_BYTES } from './manifest.ts';

/** How many sectors of the partition, from its first one on, are looked through for the content of others: 4 MiB. */
export const KNOWN = 1024;

/**
 * How many hashes of sectors that change are kept in memory. The others are fetched once more, as many at a time as their
 * manifest has from a multiple of this on.
 */
export const QUEUE_HASHES = 32;
export const QUEUE_BYTES = QUEUE_HASHES * HASH_BYTES;

/**
 * How many of Espruino's JsVars an update takes at most, beside the modules: `npm run cost room` measures it, of 1 MiB in which
 * every sector changes.
 */
export const NEEDED = 1260;
