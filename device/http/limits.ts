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
 * How many of Espruino's JsVars have to be free when an update of 1 MiB begins in which every sector changes: the least count
 * that `npm run cost -- room` finds, without what is in use by then.
 */
export const NEEDED = 1230;
/** What of these Espruino's own connection takes: not needed where the bytes come from elsewhere. */
export const CONNECTION = 130;
