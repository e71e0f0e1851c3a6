import { u32 } from './flash.ts';
import type { Bytes, Runtime } from './runtime.ts';

/**
 * Joins CRC-32s: the chip computes that of a piece in memory, from the start, and no more.
 *
 * crc(A + B) = crc(A) * x^(8 * length of B) + crc(B), over polynomials modulo 2 (zlib's crc32_combine). The product
 * is what a CRC register that holds crc(A) becomes over as many zero bytes, which the chip can compute:
 * of four bytes that bring its register there, and the rest zero. Both start and end are inverted.
 * @param zeros - four zero bytes less than B has
 */
export function joinCrc(runtime: Runtime, crc: number, next: number, zeros: Bytes): number {
  return (~runtime.crc32(u32(~crc) + zeros) ^ next) >>> 0;
}
