/**
 * A model of esp_custom_part_ota, Espressif's component for the same job (idf-extra-components, never merged), behind the
 * API of this module: to see that lives find what it is known to lose. It keeps the length of its backup in NVS, which is
 * atomic here; it copies all of the partition to the passive app slot, erases it all, and checks nothing of what it writes.
 */
import type { Options, Partition, Plan, Report, Result, Update } from '../../device/api.ts';
import type { Runtime } from '../../device/runtime.ts';
import { SECTOR } from '../../host/index.ts';
import type { Ota } from '../support/subject.ts';

/** What NVS holds: how long the backup is; 0 none. The rest is for reports: the component has none. */
interface Record {
  length: number;
  last: Report;
}

/** One for each chip, by the chip's runtime. */
const records = new WeakMap<Runtime, Record>();

function fail(failure: string): never {
  const message = `E_${failure}`;
  throw Object.assign(new Error(message), { code: message.split(' ')[0] });
}

class Reference {
  #runtime!: Runtime;
  #record!: Record;
  #active: Update | undefined;

  use = (runtime: Runtime | { read?: undefined; table: number }): void => {
    if (!runtime.read) return;
    this.#runtime = runtime;
    const record = records.get(runtime) ?? { length: 0, last: { state: 'none' } };
    records.set(runtime, record);
    this.#record = record;
  };

  partitions = (): Partition[] => {
    const { read, unpack } = this.#runtime;
    const rows: Partition[] = [];
    for (let at = 0x8000; ; at += 32) {
      const text = read(at, 32);
      if (!text.startsWith('\xaa\x50')) return rows;
      const [word0, address, size] = unpack(text);
      const label = text.slice(12, 28).split('\0')[0];
      const flags = { encrypted: false, readonly: false };
      rows.push({
        label,
        type: (word0 >> 16) & 255,
        subtype: word0 >>> 24,
        address,
        size,
        ...flags,
      });
    }
  };

  /** `esp_ota_get_next_update_partition`, of a chip that can tell which app runs. */
  #passive(): Partition {
    const slots = this.partitions().filter(({ type, subtype }) => type === 0 && subtype >= 0x10);
    const running = slots.findIndex(({ address }) => address === this.#runtime.running());
    return slots[(running + 1) % slots.length] ?? fail('NO_BACKUP backup: no slot');
  }

  #target(label: string | undefined): Partition {
    const row = this.partitions().find((row) => row.label === label);
    if (!row || row.type === 0) return fail('NO_PARTITION partition: none');
    return row;
  }

  plan = (options: Options): Plan => {
    const { label, address, size } = this.#target(options.partition);
    const backup = this.#passive();
    if (backup.size < size) fail('SPACE backup: too small');
    return {
      partition: { label, address, size },
      backup: { label: backup.label, address: backup.address, size: backup.size },
      journal: { address: 0x9000, size: 0 },
      running: '',
      resumed: false,
      worst: { erases: 0, bytes: 0, seconds: 0 },
    };
  };

  #erase({ address, size }: { address: number; size: number }): void {
    for (let at = 0; at < size; at += SECTOR) this.#runtime.erase(address + at);
  }

  #copy(from: number, to: number, length: number): void {
    for (let at = 0; at < length; at += SECTOR)
      this.#runtime.program(this.#runtime.read(from + at, SECTOR), to + at);
  }

  begin = (options: Options): Update => {
    const { partition: target, backup } = this.plan(options);
    const record = this.#record;
    let written = 0;
    let kept = '';
    let isReady = false;
    const prepare = () => {
      if (isReady) return;
      isReady = true;
      this.#erase({ address: backup!.address, size: target.size });
      this.#copy(target.address, backup!.address, target.size);
      record.length = target.size;
      this.#erase(target);
    };
    const result = (state: Report['state']): Result => {
      record.length = 0;
      record.last = { state, partition: target.label };
      this.#active = undefined;
      const sectors = target.size / SECTOR;
      return { state, partition: target.label!, sectors, changed: sectors };
    };
    const flush = (data: string) => {
      const padded = data + '\xff'.repeat((4 - (data.length % 4)) % 4);
      this.#runtime.program(padded, target.address + written);
      written += data.length;
    };
    this.#active = {
      backup: prepare,
      write: (chunk) => {
        const bytes = typeof chunk === 'string' ? chunk : this.#runtime.bytes(chunk);
        if (bytes === false) return fail('ARGUMENT write: no bytes');
        prepare();
        kept += bytes;
        const whole = kept.length - (kept.length % SECTOR);
        for (let at = 0; at < whole; at += SECTOR) flush(kept.slice(at, at + SECTOR));
        kept = kept.slice(whole);
      },
      keep: () => fail('STATE keep: none'),
      back: () => fail('STATE back: none'),
      end: () => {
        if (!isReady) fail('SIZE image: 0 bytes, limit 1');
        if (kept) flush(kept);
        return result('committed');
      },
      // It frees what it has in memory, and says OK.
      abort: () => {
        const { length } = record;
        const aborted = result('restored');
        record.length = length;
        return aborted;
      },
    };
    return this.#active;
  };

  /** `begin` and `partition_restore`, as its README wants it at each boot; of the partition that was updated last. */
  recover = (): Report => {
    const record = this.#record;
    const target = this.#lastTarget();
    if (!record.length || !target) return { ...record.last, sealed: true };
    this.#erase(target);
    this.#copy(this.#passive().address, target.address, record.length);
    record.length = 0;
    record.last = { state: 'restored', partition: target.label };
    return { ...record.last, sealed: true };
  };

  #lastTarget(): Partition | undefined {
    return this.partitions().find(({ label, type }) => label === 'www' && type === 1);
  }

  status = (): Report => {
    if (this.#record.length) return { state: 'interrupted', partition: 'www' };
    return this.#record.last;
  };

  confirm = (): Report => fail('STATE confirm: no trial');
  restore = (): Report => (this.#record.length ? this.recover() : fail('STATE restore: none'));
  forget = (): Report => fail('STATE forget: none');
}

/** @returns the component, as a boot of a chip has it. */
export const makeReference = (): Ota => new Reference();
