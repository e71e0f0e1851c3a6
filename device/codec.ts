/** A record of the journal in its slot: from words of 4 bytes to bytes, and back. The format is that of records.ts. */

import { FORMAT } from './records.ts';
import { crc32, pack, unpack } from './runtime.ts';
import type { Bytes } from './runtime.ts';

/** A record as four numbers; the last may be missing until it is signed. */
export type Words = (number | undefined)[];

/** Puts into a record the CRC that is right at `address`. @returns the bytes of the record */
export function sign(words: Words, address: number): Bytes {
  words[3] = address + FORMAT;
  words[3] = crc32(pack(words));
  return pack(words);
}

/**
 * @param isMending - whether to take a slot with one bit the other way round for the record that it was. That is the only
 * one near: the CRC keeps records further apart.
 * @returns the words of a slot if its CRC matches
 */
export function recordOf(bytes: Bytes, address: number, isMending?: 0 | 1): Words | undefined {
  const found = unpack(bytes);
  for (let bit = -1; bit < (isMending ? 96 : 0); bit++) {
    const words: Words = [found[0], found[1], found[2], address + FORMAT];
    if (bit >= 0) words[bit >> 5] = (found[bit >> 5] ^ (1 << (bit & 31))) >>> 0;
    const wrong = crc32(pack(words)) ^ found[3];
    if (!wrong || (isMending && bit < 0 && !(wrong & (wrong - 1)))) return words;
  }
  return undefined;
}
