/** Espruino's `require("Flash")`, as it behaves on an ESP32 (firmware 2v29): what it coerces, what it swallows. */
import { int, pointed, typeName } from './coercion.ts';
import type { NorFlash } from '../chip/nor-flash.ts';
import { SECTOR } from '../chip/operations.ts';

/** The first address that is not hard-coded into Espruino's `Flash.getPage` (jshardware.c, FLASH_MAX). */
const FLASH_MAX = 0x400000;

/** What `Flash.read` returns: a Uint8Array with those of Espruino's quirks that bite. */
class FlashBytes extends Uint8Array {
  /** Espruino returns a plain Array. */
  override slice(start?: number, end?: number): never {
    return Array.from(this.subarray(start, end)) as never;
  }

  /** Espruino keeps byteOffset in 16 bits. */
  override subarray(start?: number, end?: number): FlashBytes {
    const view = new Uint8Array(this.buffer, this.byteOffset, this.length).subarray(start, end);
    if (view.byteOffset > 0xffff) throw new Error('byteOffset too large');
    return new FlashBytes(view.buffer, view.byteOffset, view.length);
  }
}

/** What `Flash` needs to know of its board. */
interface FlashOptions {
  flash: NorFlash;
  /** Called before everything. Throws when no code may run any more. */
  assertOn: () => void;
  /** Called before an erase or program; throws if the firmware would abort. */
  assertSafe: (address: number, length: number) => void;
}

/** @returns Espruino's `require("Flash")`. */
export function flashLibrary({ flash, assertOn, assertSafe }: FlashOptions) {
  /** ESP-IDF refuses, and Espruino does not look at what it returns. */
  const isOutside = (address: number, length: number) => address + length > flash.size;

  /** spi_flash_write: `address` and length are multiples of 4. */
  const program = (address: number, data: Uint8Array) => {
    if (isOutside(address, data.length)) return;
    assertSafe(address, data.length);
    flash.program(address, data);
  };

  /** Programs a part of a word, as jshFlashWriteAligned does: with what is there around it. */
  const programPart = (address: number, data: Uint8Array) => {
    const offset = address % 4;
    const start = address - offset;
    const word = isOutside(start, 4) ? new Uint8Array(4) : flash.read(start, 4);
    word.set(data, offset);
    program(start, word);
  };

  return {
    /** @returns a fresh array; zeros if any of it lies past the end of the chip. */
    read(length: unknown, address: unknown): Uint8Array | undefined {
      assertOn();
      const count = int(length);
      if (count <= 0) return undefined;
      const from = int(address) >>> 0;
      const bytes = new FlashBytes(count);
      if (!isOutside(from, count)) flash.readInto(bytes, from);
      return bytes;
    },
    write(data: unknown, address: unknown): void {
      assertOn();
      if (data === undefined) throw new Error('Data is not defined');
      const bytes = pointed(data);
      const start = int(address) >>> 0;
      if (!bytes.length) return;
      const head = Math.min((4 - (start % 4)) % 4, bytes.length);
      const tail = (bytes.length - head) % 4;
      const end = bytes.length - tail;
      if (head) programPart(start, bytes.subarray(0, head));
      if (end > head) program(start + head, head || tail ? bytes.subarray(head, end) : bytes);
      if (tail) programPart(start + end, bytes.subarray(end));
    },
    erasePage(address: unknown): void {
      assertOn();
      if (typeof address !== 'boolean' && !Number.isInteger(address)) {
        throw new Error(`Address should be an integer, got ${typeName(address)}`);
      }
      const start = ((int(address) >>> 0) & -SECTOR) >>> 0;
      if (isOutside(start, SECTOR)) return;
      assertSafe(start, SECTOR);
      flash.erase(start);
    },
    /** Knows of 4 MB only. */
    getPage(address: unknown): { addr: number; length: number } | undefined {
      const start = int(address) >>> 0;
      return start < FLASH_MAX ? { addr: start - (start % SECTOR), length: SECTOR } : undefined;
    },
    /** Hard-coded and wrong: the last area lies inside Storage. */
    getFree(): { addr: number; length: number }[] {
      return [
        { addr: 0xe000, length: 0x2000 },
        { addr: 0x310000, length: 0x10000 },
        { addr: 0x360000, length: 0xa0000 },
      ];
    },
  };
}
