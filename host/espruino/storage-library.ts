/** Espruino's `require("Storage")`, as it behaves on an ESP32 (firmware 2v29), beside the simulated chip. */
import { int, pointed } from './coercion.ts';
import { latin1 } from '../chip/latin1.ts';

/** Storage cuts names off here (jsflash.h, JSF_MAX_FILENAME_LENGTH). */
const NAME_LENGTH = 28;
/** Bytes before each file (jsflash.h, JsfFileHeader). */
const HEADER = 32;
/** Bytes of Storage on an ESP32. */
const ROOM = 0xe0000;

/** Espruino's Storage: files by name. Kept beside the simulated chip, not on it. */
export class Files {
  #files = new Map<string, string>();
  #isShared = false;

  /** @returns the files as they are now; not to be modified. */
  snapshot(): Map<string, string> {
    this.#isShared = true;
    return this.#files;
  }

  /** Goes back to a snapshot. */
  restore(files: Map<string, string>): void {
    this.#files = files;
    this.#isShared = true;
  }

  get(name: string): string | undefined {
    return this.#files.get(name);
  }

  /** @param content - one character per byte; undefined: remove the file */
  set(name: string, content: string | undefined): void {
    if (this.#isShared) this.#files = new Map(this.#files);
    this.#isShared = false;
    if (content === undefined) this.#files.delete(name);
    else this.#files.set(name, content);
  }

  names(): string[] {
    return [...this.#files.keys()];
  }
}

const nameOf = (name: unknown) => String(name).slice(0, NAME_LENGTH);

/** @returns Espruino's `require("Storage")`, without StorageFile. Power failures do not harm it here. */
export function storageLibrary(files: Files) {
  const read = (name: unknown, offset?: unknown, length?: unknown) => {
    const content = files.get(nameOf(name));
    const from = int(offset ?? 0);
    const count = int(length ?? 0);
    return content?.slice(from, count > 0 ? from + count : undefined);
  };
  const free = () =>
    ROOM - files.names().reduce((sum, name) => sum + HEADER + (files.get(name) ?? '').length, 0);
  return {
    read,
    readJSON(name: unknown, noExceptions?: unknown): unknown {
      const content = read(name);
      if (content === undefined) return undefined;
      try {
        return JSON.parse(content);
      } catch (error) {
        if (noExceptions) return undefined;
        throw error;
      }
    },
    readArrayBuffer(name: unknown): ArrayBuffer | undefined {
      const content = read(name);
      return content === undefined
        ? undefined
        : new Uint8Array(Buffer.from(content, 'latin1')).buffer;
    },
    /** A part of a file may be written once: what is written already may only be written again. */
    write(name: unknown, data: unknown, offset?: unknown, size?: unknown): boolean {
      const isPlain =
        typeof data === 'object' && data && !Array.isArray(data) && !ArrayBuffer.isView(data);
      const asJson = isPlain && !(data instanceof ArrayBuffer);
      const part = asJson ? JSON.stringify(data) : latin1(pointed(data));
      const at = asJson ? 0 : int(offset ?? 0);
      const old = files.get(nameOf(name));
      if (at === 0) {
        const total = Math.max(asJson ? 0 : int(size ?? 0), part.length);
        // The old file is gone before there is room for the new one (jsflash.c, jsfWriteFile).
        files.set(nameOf(name), undefined);
        if (HEADER + total > free()) throw new Error('Unable to find or create file');
        files.set(nameOf(name), part + '\xff'.repeat(total - part.length));
        return true;
      }
      if (old === undefined) throw new Error('Unable to find or create file');
      if (at + part.length > old.length) throw new Error('Too much data for file size');
      const there = old.slice(at, at + part.length);
      if (there !== part && !/^\xff*$/.test(there)) {
        throw new Error('File already written with different data');
      }
      files.set(nameOf(name), old.slice(0, at) + part + old.slice(at + part.length));
      return true;
    },
    writeJSON: (name: unknown, data: unknown) => {
      files.set(nameOf(name), JSON.stringify(data));
      return true;
    },
    erase: (name: unknown) => files.set(nameOf(name), undefined),
    eraseAll: () => files.names().forEach((name) => files.set(name, undefined)),
    list(regex?: RegExp, filter?: { sf?: boolean }): string[] {
      if (filter?.sf) return [];
      return files.names().filter((name) => !regex || name.match(regex));
    },
    compact: () => undefined,
    getFree: free,
  };
}
