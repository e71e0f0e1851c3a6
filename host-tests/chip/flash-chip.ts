/** The flash of an emulated chip: counts what changes it, and loses power in the middle of that. */
import { SECTOR } from '../../formats/chip.ts';
import { reachedBy, type Tear } from '../../host/chip/tears.ts';
import type { Disk } from './nbd.ts';

/** A change of the flash as it happened. Bytes. */
export interface Change {
  kind: 'erase' | 'program';
  at: number;
  length: number;
}

/** NOR flash. What a cut leaves behind is solid: how cells flicker, suites on the simulated board try. */
export class FlashChip implements Disk {
  /** What it holds. */
  bytes: Buffer;
  /** What was done since `count` was last called: erases of a sector, programs within one page. */
  changes: Change[] = [];
  #cut: { number: number; tear: Tear; done: () => void } | undefined;
  #isOn = true;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes);
  }

  get size(): number {
    return this.bytes.length;
  }

  /** Power is back, and changes are counted from 1 on. */
  powerOn(): void {
    this.#isOn = true;
    this.changes = [];
    this.#cut = undefined;
  }

  /**
   * Lets power fail in a change, by number since `powerOn`.
   * @param done - called then; nothing is written any more
   */
  cutAt(number: number, tear: Tear, done: () => void): void {
    this.#cut = { number, tear, done };
  }

  read(at: number, length: number): Uint8Array {
    return Buffer.from(this.bytes.subarray(at, at + length));
  }

  /**
   * Takes what a piece of the flash holds from now on, as an emulator tells it. That is an erase of it where a bit becomes 1,
   * a program of the bytes that differ else; nothing if none does.
   */
  write(at: number, data: Uint8Array): boolean {
    if (!this.#isOn) return false;
    const old = this.bytes.subarray(at, at + data.length);
    let first = 0;
    while (first < data.length && old[first] === data[first]) first++;
    if (first === data.length) return true;
    let end = data.length;
    while (old[end - 1] === data[end - 1]) end--;
    const isErase = data.some((byte, i) => (byte & ~old[i]) > 0);
    if (isErase && data.some((byte) => byte !== 0xff))
      throw new Error(`bits of ${data.length} bytes at 0x${at.toString(16)} became 1, but not all`);
    const change: Change = isErase
      ? { kind: 'erase', at, length: data.length }
      : { kind: 'program', at: at + first, length: end - first };
    this.changes.push(change);
    if (this.changes.length === this.#cut?.number) this.#lose(change, data.subarray(first, end));
    else old.set(data);
    return this.#isOn;
  }

  /** Power fails. @param data - what is programmed */
  #lose({ kind, at, length }: Change, data: Uint8Array): void {
    const { tear, done } = this.#cut!;
    const reached = reachedBy(tear, kind === 'erase' ? SECTOR : length);
    for (let i = 0; i < length; i++) {
      const mask = reached[i % SECTOR];
      if (kind === 'erase') this.bytes[at + i] |= mask;
      else this.bytes[at + i] &= data[i] | ~mask;
    }
    this.#isOn = false;
    done();
  }
}
