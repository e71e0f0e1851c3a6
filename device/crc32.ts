import { crc32, u32 } from './flash.ts';
import type { Bytes } from './runtime.ts';

/**
 * Joins CRC-32s: the chip computes that of a piece in memory, from the start, and no more.
 *
 * crc(A + B) = crc(A) * x^(8 * length of B) + crc(B), over polynomials modulo 2 (zlib's crc32_combine). The product
 * is what a CRC register that holds crc(A) becomes over as many zero bytes. The chip computes that, of four
 * bytes that bring its register there and zeros for the rest; it inverts its register first and last.
 * @param zeros - four zero bytes less than B has
 */
export function joinCrc(crc: number, next: number, zeros: Bytes): number {
  return (~crc32(u32(~crc) + zeros) ^ next) >>> 0;
}
