/** What the CSV of a table is made of: lines, numbers and variables, as Python, in which ESP-IDF's tool is, reads them. */

const LINE_END = /\r\n|[\n-\r]/;

const VARIABLE = /\$(?:([A-Za-z0-9_]+)|\{([^}]*)\})/g;

/** Integer literals of Python 3: underscores between digits, and no leading zero but in zero itself. */
const LITERAL = {
  prefixed:
    /^[+-]?(?:0[xX](?:_?[\dA-Fa-f])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?0)*|[1-9](?:_?\d)*)$/,
  hexadecimal: /^[+-]?(?:0[xX]_?)?[\dA-Fa-f](?:_?[\dA-Fa-f])*$/,
};

export const splitLines = (text: string) => text.split(LINE_END);

/** Replaces `$NAME` and `${NAME}`; unknown names stay. */
export function expandVariables(
  text: string,
  variables: Record<string, string | undefined>,
): string {
  return text.replace(VARIABLE, (all, plain?: string, braced?: string) => {
    const name = plain ?? braced ?? '';
    return Object.hasOwn(variables, name) ? (variables[name] ?? all) : all;
  });
}

/**
 * Reads a whole number.
 * @param notation - `prefixed`: decimal, 0x, 0o or 0b; `hexadecimal`: with or without 0x
 * @returns undefined if it is none, or more than a number can hold exactly: 2^53 - 1
 */
export function parseInteger(
  text: string,
  notation: keyof typeof LITERAL = 'prefixed',
): number | undefined {
  const literal = text.trim();
  if (!LITERAL[notation].test(literal)) return undefined;
  const digits = literal.replace(/[+_-]/g, '').toLowerCase();
  const isBare = notation === 'hexadecimal' && !digits.startsWith('0x');
  const magnitude = Number(isBare ? `0x${digits}` : digits);
  if (!Number.isSafeInteger(magnitude)) return undefined;
  return literal.startsWith('-') ? -magnitude : magnitude;
}
