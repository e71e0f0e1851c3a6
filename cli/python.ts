/**
 * What Python makes of text where JavaScript would make something else. Knows nothing of partitions:
 * it is here because ESP-IDF's partition tool is a Python program, and its CSV dialect is what
 * Python's string methods happen to do.
 */

const WIDE_SPACE = '\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
/** What `str.isspace` accepts; JavaScript's `\s` lacks the separators 0x1c to 0x1f and U+0085. */
const SPACE = `[\\t-\\r\\x1c- ${WIDE_SPACE}]`;
/** What `int` skips: for it the separators are part of the number. */
const NUMBER_SPACE = `[\\t-\\r ${WIDE_SPACE}]`;
const SPACE_AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g');
const SPACE_AROUND_NUMBER = new RegExp(`^${NUMBER_SPACE}+|${NUMBER_SPACE}+$`, 'g');

const LINE_END = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/;

const VARIABLE = /\$(?:([A-Za-z0-9_]+)|\{([^}]*)\})/g;

/** Integer literals of Python 3: underscores between digits, and no leading zero but in zero itself. */
const LITERAL = {
  prefixed:
    /^[+-]?(?:0[xX](?:_?[\dA-Fa-f])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?0)*|[1-9](?:_?\d)*)$/,
  hexadecimal: /^[+-]?(?:0[xX]_?)?[\dA-Fa-f](?:_?[\dA-Fa-f])*$/,
};

/** More decimal digits are refused since CVE-2020-10735. */
const MOST_DIGITS = 4300;

/** Cuts off what `str.strip()` cuts off. */
export function strip(text: string): string {
  return text.replace(SPACE_AROUND, '');
}

/** Splits like `str.splitlines()`, but for an empty last line. */
export function splitLines(text: string): string[] {
  return text.split(LINE_END);
}

/** Replaces `$NAME` and `${NAME}` like `os.path.expandvars` on POSIX; unknown names stay. */
export function expandVariables(text: string, variables: Record<string, string | undefined>) {
  return text.replace(VARIABLE, (all, plain?: string, braced?: string) => {
    const name = plain ?? braced ?? '';
    return Object.hasOwn(variables, name) ? (variables[name] ?? all) : all;
  });
}

/** The value of a decimal digit of any script: Unicode keeps each script's ten together. */
function digitOf(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

/**
 * Reads an integer like `int(text, 0)`, or `int(text, 16)` for `hexadecimal`.
 * @returns `undefined` where Python raises ValueError
 */
export function parseInteger(
  text: string,
  notation: keyof typeof LITERAL = 'prefixed',
): bigint | undefined {
  const literal = text.replace(SPACE_AROUND_NUMBER, '').replace(/\p{Nd}/gu, digitOf);
  if (!LITERAL[notation].test(literal)) return undefined;
  const digits = literal.replace(/[+_-]/g, '').toLowerCase();
  const isDecimal = notation === 'prefixed' && /^\d*$/.test(digits);
  if (isDecimal && digits.length > MOST_DIGITS) return undefined;
  const isBare = notation === 'hexadecimal' && !digits.startsWith('0x');
  const magnitude = BigInt(isBare ? `0x${digits}` : digits);
  return literal.startsWith('-') ? -magnitude : magnitude;
}

/** Prints bytes like `repr`. */
export function representBytes(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => {
    const named = { 9: '\\t', 10: '\\n', 13: '\\r', 92: '\\\\' }[byte];
    if (named) return named;
    if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
    return `\\x${byte.toString(16).padStart(2, '0')}`;
  }).join('');
  if (!text.includes("'")) return `b'${text}'`;
  return text.includes('"') ? `b'${text.replaceAll("'", "\\'")}'` : `b"${text}"`;
}

/** Prints a number of at least 0 like `%.1f`: halves go to the even digit. */
export function oneDecimal(value: number): string {
  if (value % 1 === 0.25) return `${Math.floor(value)}.2`;
  // From 1e21 on `toFixed` would write an exponent.
  return value < 2 ** 53 ? value.toFixed(1) : `${BigInt(Math.min(value, Number.MAX_VALUE))}.0`;
}
