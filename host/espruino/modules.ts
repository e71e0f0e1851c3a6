/** The modules of a board: what `require` finds, and Espruino's `Modules`. */
import { type Globals, runModule } from './scripts.ts';
import type { Files } from './storage-library.ts';

/** A module that a host function makes. */
export type Module = (globals: Globals) => unknown;

/** What a boot knows of modules. */
export interface Loaded {
  globals: Globals;
  /** Exports by module name. */
  modules: Map<string, unknown>;
}

/** Where modules come from: from the host, from the firmware, from Storage. */
export class ModuleSource {
  readonly #natives: Map<string, object>;
  readonly #files: Files;
  readonly #installed = new Map<string, Module>();

  /** @param natives - the modules of the firmware, by name */
  constructor(natives: Map<string, object>, files: Files) {
    this.#natives = natives;
    this.#files = files;
  }

  /** Names of the firmware's modules, as `process.env.MODULES` has them. */
  get natives(): string {
    return [...this.#natives.keys()].join(',');
  }

  /** Provides a module by a host function. */
  install(name: string, module: Module): void {
    this.#installed.set(name, module);
  }

  /** @returns the exports of a module. @throws Error if there is none, or what it throws */
  require(boot: Loaded, name: unknown): unknown {
    if (typeof name !== 'string') throw new TypeError('Expecting module name as a string');
    if (boot.modules.has(name)) return boot.modules.get(name);
    const installed = this.#installed.get(name);
    const native = this.#natives.get(name);
    if (installed) boot.modules.set(name, installed(boot.globals));
    else if (native) boot.modules.set(name, Object.create(native));
    else {
      const source = this.#files.get(name);
      if (source === undefined) throw new Error(`Module "${name}" not found`);
      load(boot, name, source);
    }
    return boot.modules.get(name);
  }
}

/** Runs a module. What it exported before it threw stays, as on the board. */
function load({ globals, modules }: Loaded, name: string, source: string): void {
  const module: { exports: unknown } = { exports: {} };
  modules.set(name, module.exports);
  modules.set(name, runModule(source, module, globals));
}

/** @param boot - gives the present boot. @returns Espruino's `Modules` */
export function modulesLibrary(boot: () => Loaded) {
  return {
    addCached: (name: string, source: string | (() => void)) => {
      const text = typeof source === 'string' ? source : /\{([^]*)\}\s*$/.exec(String(source))![1];
      load(boot(), name, text);
    },
    removeCached: (name: string) => {
      if (!boot().modules.delete(name)) throw new Error(`Module "${name}" not found`);
    },
    removeAllCached: () => boot().modules.clear(),
    getCached: () => [...boot().modules.keys()],
  };
}
