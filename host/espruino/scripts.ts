/**
 * Device code in node's JavaScript: what it finds around it, and what it does not, because Espruino has not got it.
 * Modules are functions; scripts are evaluated one after the other, and see each other's variables.
 */

/** What a browser or node has, and Espruino has not. It is undefined for device code. */
const HIDDEN = (
  'Map Set WeakMap WeakSet WeakRef Symbol Proxy Reflect BigInt Intl Atomics SharedArrayBuffer ' +
  'Buffer TextEncoder TextDecoder URL URLSearchParams fetch AbortController structuredClone ' +
  'performance queueMicrotask setImmediate clearImmediate WebAssembly navigator WebSocket'
).split(' ');
/** The prototype of globals: it hides what node has. */
export const ABSENT: object = Object.fromEntries(HIDDEN.map((name) => [name, undefined]));
Object.setPrototypeOf(ABSENT, null);
/** What Espruino has. */
const GIVEN = (
  'require E process print console setTimeout clearTimeout setInterval clearInterval getTime ' +
  'peek8 peek16 peek32 poke8 poke16 poke32 Modules ESP32 Promise url load reset global globalThis'
).split(' ');

/** What a module finds around it. */
export interface Globals {
  require: (name: string) => unknown;
  E: Record<string, unknown>;
  process: Record<string, unknown>;
  print: (...values: unknown[]) => void;
  peek32: (address: number) => number;
  setTimeout: (callback: unknown, ms?: number, ...args: unknown[]) => number;
  clearTimeout: (id?: number) => void;
  getTime: () => number;
  [name: string]: unknown;
}

/** A module that is compiled once, and run at every boot that asks for it. */
interface Compiled {
  /** The globals that its source mentions, in the order in which `run` takes them. */
  names: string[];
  run: (...args: unknown[]) => unknown;
}

/** Modules by their source. */
const compiled = new Map<string, Compiled>();

function compile(source: string): Compiled {
  let made = compiled.get(source);
  if (!made) {
    const isMentioned = (name: string) => source.includes(name);
    const names = GIVEN.filter(isMentioned);
    const parameters = ['exports', 'module', ...names, ...HIDDEN.filter(isMentioned)];
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    const run = new Function(...parameters, `${source}\n;return exports;`) as Compiled['run'];
    made = { names, run };
    compiled.set(source, made);
  }
  return made;
}

/**
 * Runs a module.
 * @param source - its text
 * @param module - its `exports` is what the module's `exports` is at first
 * @returns what it exported
 */
export function runModule(source: string, module: { exports: unknown }, globals: Globals): unknown {
  const original = module.exports;
  const { names, run } = compile(source);
  const given = names.map((name) => globals[name]);
  const exported = run.call(original, original, module, ...given);
  return module.exports === original ? exported : module.exports;
}

/** Takes a script, and returns what became of it. */
type Evaluation = Generator<{ value: unknown } | { error: unknown }, never, string>;

/**
 * Evaluates scripts one after the other. Direct eval in a generator declares their variables and
 * functions in the generator's scope, where the next script finds them, as on the board.
 */
// eslint-disable-next-line @typescript-eslint/no-implied-eval
const evaluator = new Function(
  '$globals',
  `with ($globals) return (function* () {
    var $result;
    for (;;) try { $result = { value: eval(yield $result) }; } catch ($error) { $result = { error: $error }; }
  })();`,
) as (globals: Globals) => Evaluation;

/** The scripts of one boot. */
export class Scripts {
  readonly #globals: Globals;
  readonly #evaluation: Evaluation;

  constructor(globals: Globals) {
    this.#globals = globals;
    this.#evaluation = evaluator(globals);
    this.#evaluation.next();
  }

  /** @returns the value of a script's last expression. @throws what it throws */
  evaluate(script: string): unknown {
    const known = Object.keys(globalThis);
    const result = this.#evaluation.next(script).value;
    // What a script assigns without declaring it belongs to the board, not to the host.
    for (const name of Object.keys(globalThis).slice(known.length)) {
      this.#globals[name] = Reflect.get(globalThis, name);
      Reflect.deleteProperty(globalThis, name);
    }
    if ('error' in result) throw result.error;
    return result.value;
  }
}
