/** Contents of partitions: of sectors that come from a pool, so that images have sectors in common. */
import { SECTOR, latin1, pattern } from '../../host/index.ts';
import type { Image } from './life.ts';
import { random } from './world.ts';

const VARIANTS = 5;
const PLACES = 7;

const BLANK = new Uint8Array(SECTOR).fill(0xff);

/** Sectors, by their number in an image and by variant: most have a page of content, some are full, one is blank. */
const POOL = Array.from({ length: PLACES * VARIANTS }, (_, n) => {
  const bytes = new Uint8Array(SECTOR).fill(0xff);
  const variant = n % VARIANTS;
  if (variant === 0) return bytes;
  const length = variant === 1 ? SECTOR : variant === 2 ? 600 : 200;
  const from = variant === 3 ? 300 : 0;
  bytes.set(pattern(`sector ${n}`, length), from);
  return bytes;
});

/** @returns an image, filled up with 0xff to whole sectors of a partition of so many. */
export function contentOf({ seed, size }: Image, sectors: number): Uint8Array {
  const below = random(seed);
  const content = new Uint8Array(sectors * SECTOR);
  for (let n = 0; n < sectors; n++) {
    const variant = below(VARIANTS + 2) % VARIANTS;
    const part = n * SECTOR < size ? POOL[(n % PLACES) * VARIANTS + variant] : BLANK;
    content.set(part, n * SECTOR);
  }
  if (size % SECTOR) content.fill(0xff, size, Math.ceil(size / SECTOR) * SECTOR);
  return content;
}

/** @returns a chunk in one of the forms that `write` takes. */
export function chunkOf(
  bytes: Uint8Array,
  as: 'string' | 'array' | 'buffer',
): string | Uint8Array | ArrayBuffer {
  if (as === 'string') return latin1(bytes);
  return as === 'array' ? bytes : bytes.slice().buffer;
}
