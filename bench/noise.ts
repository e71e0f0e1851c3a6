/**
 * @param length - bytes
 * @param seed - any whole number: the same one gives the same bytes
 * @returns bytes that look like chance
 */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}
