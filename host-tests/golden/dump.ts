/** Bytes as text that people can read and compare: what `hexdump -C` prints. */

const WIDTH = 16;

function lineOf(at: number, bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
  const halves = `${hex.slice(0, 8).join(' ')}  ${hex.slice(8).join(' ')}`;
  const text = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
  );
  return `${addressOf(at)}  ${halves.padEnd(49)} |${text.join('')}|`;
}

const addressOf = (at: number) => at.toString(16).padStart(8, '0');

/** @returns the bytes as `hexdump -C` prints them: lines like the one before are a `*`. */
export function dump(bytes: Uint8Array): string {
  const lines: string[] = [];
  let before: Uint8Array | undefined;
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const row = bytes.subarray(at, at + WIDTH);
    const isSame = before !== undefined && Buffer.compare(row, before) === 0;
    if (!isSame) lines.push(lineOf(at, row));
    else if (lines.at(-1) !== '*') lines.push('*');
    before = row;
  }
  return [...lines, addressOf(bytes.length), ''].join('\n');
}

/** @returns the bytes of such a text. @throws if it is none */
export function undump(text: string): Uint8Array {
  const lines = text.trimEnd().split('\n');
  const bytes = new Uint8Array(parseInt(lines.at(-1)!, 16));
  let end = 0;
  let row: number[] = [];
  let isRepeated = false;
  for (const line of lines) {
    if (line === '*') {
      isRepeated = true;
      continue;
    }
    const [, address, hex] = /^([0-9a-f]{8})(?: {2}(.{48}) {2}\|.*)?$/.exec(line) ?? [];
    const at = parseInt(address, 16);
    if (isRepeated) for (; end < at; end += row.length) bytes.set(row, end);
    if (at !== end) throw new Error(`no line of a dump, or not the next one: ${line}`);
    row = (hex ?? '')
      .split(' ')
      .filter(Boolean)
      .map((digits) => parseInt(digits, 16));
    bytes.set(row, at);
    end = at + row.length;
    isRepeated = false;
  }
  return bytes;
}
