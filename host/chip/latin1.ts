/** Bytes as strings, fast. */

/** What node's Buffers have, and its types lack. */
const methods = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, from: number, end: number): string;
};

/** @returns bytes as a string, one character each. */
export function latin1(bytes: Uint8Array, from = 0, end = bytes.length): string {
  return methods.latin1Slice.call(bytes, from, end);
}
