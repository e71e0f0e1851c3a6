/** What formats have to know of the chip. */

/** Bytes that are erased together. */
export const SECTOR = 4096;
