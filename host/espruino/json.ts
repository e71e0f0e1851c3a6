/** How Espruino shows values on its console (jswrap_json.c, jsfGetJSONWithCallback). */

/** What `=` shows of a value that is long (jswrap_json.c, JSON_LIMIT…). */
const LIMIT = { items: 15, shownItems: 5, characters: 60, shownCharacters: 27 };
const GAP = ' ... ';
/** Of numbers that are not whole. */
const DIGITS = 11;
/** Properties on one line (JSON_ITEMS_ON_LINE_OBJECT). */
const ITEMS_ON_LINE = 4;
const ESCAPES: Record<string, string> = {
  '\n': '\\n',
  '\t': '\\t',
  '\b': '\\b',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\\': '\\\\',
  '"': '\\"',
};

/** Escapes a character (jsutils.c, escapeCharacter). */
function escaped(character: string, next: string | undefined): string {
  const known = ESCAPES[character];
  if (known) return known;
  const code = character.charCodeAt(0);
  if (code < 8 && !/[0-7]/.test(next ?? '')) return `\\${code}`;
  if (code >= 32 && code < 127) return character;
  const hex = code.toString(16).toUpperCase();
  return code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`;
}

function quoted(text: string): string {
  return `"${[...text.split('')].map((character, i) => escaped(character, text[i + 1])).join('')}"`;
}

/** Whether a value has a line of its own. */
function isLong(value: unknown): boolean {
  return (
    value !== undefined && value !== null && typeof value !== 'number' && typeof value !== 'boolean'
  );
}

/** What is shown of one value. */
class Shower {
  /** For what `=` shows: long values are cut, and names have quotes only where they need them. */
  readonly #isResult: boolean;
  /** What is being shown, from the outside in. */
  readonly #around: object[] = [];

  constructor(isResult: boolean) {
    this.#isResult = isResult;
  }

  show(value: unknown): string {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value === 'function') return this.#function(value as () => unknown);
    if (typeof value === 'number') return this.#number(value);
    if (typeof value !== 'object' || value === null) return String(value);
    if (this.#around.includes(value)) return GAP;
    this.#around.push(value);
    const shown = this.#object(value);
    this.#around.pop();
    return shown;
  }

  get #newLine(): string {
    return `\n${'  '.repeat(this.#around.length)}`;
  }

  /** The end of the present value is one step further out than what is in it. */
  get #lastLine(): string {
    return `\n${'  '.repeat(this.#around.length - 1)}`;
  }

  #text(text: string): string {
    const { characters, shownCharacters } = LIMIT;
    if (!this.#isResult || text.length <= characters) return quoted(text);
    return quoted(text.slice(0, shownCharacters)) + GAP + quoted(text.slice(-shownCharacters));
  }

  #number(value: number): string {
    return String(Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS)));
  }

  #function(call: (...args: never[]) => unknown): string {
    const [, parameters = '', body = ''] =
      /^[^(]*\(([^)]*)\)\s*\{([^]*)\}$/.exec(String(call)) ?? [];
    if (body.trim() === '[native code]') return 'function () { [native code] }';
    const isShown = !this.#isResult || !body.trim();
    return `function (${parameters}) ${isShown ? `{${body}}` : '{ ... }'}`;
  }

  #object(value: object): string {
    if (value instanceof ArrayBuffer)
      return `${this.#bytes('Uint8Array', new Uint8Array(value))}.buffer`;
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      const name = Object.prototype.toString.call(value).slice('[object '.length, -1);
      return this.#bytes(name, value as Uint8Array);
    }
    if (value instanceof Error || Object.prototype.toString.call(value) === '[object Error]')
      return this.#error(value as Error);
    return Array.isArray(value) ? this.#array(value) : this.#properties(value, '{ ', ' }');
  }

  #error(error: Error): string {
    // Its class, and what its toString returns.
    return `${error.name}: ${String(error)}`;
  }

  #bytes(name: string, elements: Uint8Array): string {
    if (elements.every((element) => element === 0)) return `new ${name}(${elements.length})`;
    const all = [...elements].map(String);
    const shown = all.slice(0, LIMIT.shownItems);
    const isCut = this.#isResult && all.length > LIMIT.items;
    if (!isCut) return `new ${name}([${all.join(', ')}])`;
    const [first, ...others] = all.slice(-LIMIT.shownItems);
    return `new ${name}([${[...shown, GAP + first, ...others].join(', ')}])`;
  }

  #array(values: unknown[]): string {
    const isCut = this.#isResult && values.length > LIMIT.items;
    const lastPart = values.length - LIMIT.shownItems;
    let text = '[ ';
    let isAfterLong = false;
    for (let i = 0; i < values.length; i++) {
      if (isCut && i >= LIMIT.shownItems && i < lastPart) continue;
      if (i) text += ', ';
      if (isCut && i === lastPart) text += GAP;
      const isLongItem = isLong(values[i]);
      if (isAfterLong || isLongItem) text += this.#newLine;
      text += this.show(values[i]);
      isAfterLong = isLongItem;
    }
    return `${text}${isAfterLong ? this.#lastLine : ''} ]`;
  }

  #properties(object: object, open: string, close: string): string {
    let text = open;
    let isAfterLong = false;
    let onLine = 0;
    Object.entries(object).forEach(([name, value], i) => {
      onLine++;
      if (i) text += ', ';
      if (isAfterLong || isLong(value) || onLine > ITEMS_ON_LINE) {
        text += this.#newLine;
        onLine = 0;
      }
      const isPlain = this.#isResult && /^([A-Za-z_$][\w$]*|\d+)$/.test(name) && name.length < 63;
      text += `${isPlain ? name : quoted(name)}: ${this.show(value)}`;
      isAfterLong = isLong(value);
    });
    return `${text}${isAfterLong ? this.#lastLine : ''}${close}`;
  }
}

/** @returns what `print` shows of a value that is no string. */
export function printed(value: unknown): string {
  return new Shower(false).show(value);
}

/** @returns what the console shows behind `=`. */
export function resultText(value: unknown): string {
  return new Shower(true).show(value);
}
