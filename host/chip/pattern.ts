/** Content for chips. */
import { createHash } from 'node:crypto';

/** @returns bytes that look random but depend on nothing but the seed. */
export function pattern(seed: string, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = createHash('sha1').update(seed).digest().readUInt32LE() | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}
