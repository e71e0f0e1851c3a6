/**
 * Counts what the modules cost a chip: x86 instructions and JsVars, in a real Espruino for Linux under valgrind.
 *
 *     ESPRUINO=path/to/espruino npm run cost                       prints them beside their goals
 *     ESPRUINO=path/to/espruino npm run cost -- writes memory      some of them: writes, air, recoveries, memory
 *     ESPRUINO=path/to/espruino npm run cost -- --profile changed  which C functions of Espruino take most of it:
 *                                                                  changed, unchanged or recover
 *     ESPRUINO32=path/to/espruino npm run cost -- room             what updates take of a board with few variables: tables
 *                                                                  in Markdown; see room.ts for what ESPRUINO32 names
 *     … npm run cost -- --write                                    puts the last of these into ARCHITECTURE.md, too
 *     … npm run cost -- --json FILE                                writes all there, too
 *
 * An ESP32 runs other instructions, and waits for its flash; but what takes half of these takes about half of those.
 * Goals are for Espruino built with -Os. Built with -O0, as make does without RELEASE=1, it takes some twice as many.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeManifest } from '../formats/manifest/make.ts';
import { encodeTable } from '../formats/table/binary.ts';
import { row } from '../host/tables.ts';
import { type Job, Lab } from './espruino.ts';
import { noise } from './noise.ts';
import { fillFile, markdown } from './markdown.ts';
import { Room } from './room.ts';
import { tablesOf } from './room-measure.ts';

const SECTOR = 4096;
const MEGABYTE = 0x100000;

/** One figure beside its goal: at most so much. */
interface Figure {
  what: string;
  value: number;
  goal?: number;
}

/** What is written, over and over; and what else is in the partition. */
const fresh = noise(SECTOR, 1);
const old = noise(SECTOR, 2);
const ADDRESS = 0x110000;

/** A sector of each kind: full, blank at its beginning, blank, blank at its end. */
const kinds = [
  old,
  Buffer.concat([Buffer.alloc(SECTOR / 2, 0xff), old.subarray(SECTOR / 2)]),
  Buffer.alloc(SECTOR, 0xff),
  Buffer.concat([old.subarray(SECTOR / 2), Buffer.alloc(SECTOR / 2, 0xff)]),
];

/** @returns a chip of 4 MiB, with a partition of some sectors that hold `contents`, over and over. */
function chip(contents: Buffer | Buffer[], sectors = 256): Buffer {
  const flash = Buffer.alloc(4 * MEGABYTE, 0xff);
  flash.set([0xe9, 1, 2, 0x20], 0x1000);
  const table = [
    row('nvs', 1, 2, 0x9000, 0x3000),
    row('otadata', 1, 0, 0xc000, 0x2000),
    row('factory', 0, 0, 0x10000, MEGABYTE),
    row('storage', 1, 0x83, ADDRESS, sectors * SECTOR),
    row('spare', 1, 0x40, 0x210000, MEGABYTE),
    row('ota_journal', 1, 6, 0x310000, 0x10000),
  ];
  flash.set(encodeTable(table), 0x8000);
  const all = [contents].flat();
  for (let n = 0; n < sectors; n++) all[n % all.length].copy(flash, ADDRESS + n * SECTOR);
  return flash;
}

/** Each sector is another, or it would be copied instead of fetched. */
function airImage(sectors: number): Buffer {
  const image = Buffer.concat(Array<Buffer>(sectors).fill(fresh));
  for (let n = 0; n < sectors; n++) image.writeUInt32LE(n, n * SECTOR);
  return image;
}

/** Numbers of sectors that are compared: what the rest of an update takes is the same for both. */
const FEW = 8;
const MANY = 24;

class Costs {
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
    lab.put('sector.bin', fresh);
  }

  /** @returns the instructions of a job over a chip, without those of the stand-in for Flash. */
  #count(flash: Buffer, job: Job): number {
    const lab = this.#lab;
    lab.flash = flash;
    const all = lab.count(job);
    if (lab.engine.hasFlash) return all;
    lab.flash = flash;
    const operations = lab.run({ ...job, trace: true }).trace!;
    lab.flash = flash;
    const standIn = lab.count({ act: 'replay', operations });
    return all - (standIn - lab.count({ act: 'replay', operations: [] }));
  }

  /** @returns the instructions for one more sector, without what the script itself does. */
  #perSector(flash: Buffer, job: Job, own: Job): number {
    const [few, many] = [FEW, MANY].map(
      (sectors) => this.#count(flash, { ...job, sectors }) - this.#lab.count({ ...own, sectors }),
    );
    return (many - few) / (MANY - FEW);
  }

  writes(): Figure[] {
    return [512, SECTOR].flatMap((chunk) =>
      [
        { what: 'changed', content: old, goal: 5.5e6 },
        { what: 'unchanged', content: fresh, goal: 2.2e6 },
      ].map(({ what, content, goal }) => {
        const job: Job = { act: 'write', chunk };
        this.#assertSaved(chip(content), { ...job, sectors: FEW }, content === old ? FEW : 0);
        const value = this.#perSector(chip(content), job, { act: 'feed', chunk });
        const figure = { what: `${what} sector, in chunks of ${chunk} bytes`, value };
        return chunk === SECTOR ? figure : { ...figure, goal };
      }),
    );
  }

  /** Fails unless a job saves so many sectors: else it would not be what is to be counted. */
  #assertSaved(flash: Buffer, job: Job, saved: number): void {
    this.#lab.flash = flash;
    const reply = this.#lab.run(job);
    if (reply.saved !== saved)
      throw new Error(`${JSON.stringify(job)}: ${reply.saved} sectors, not ${saved}`);
  }

  #air(sectors: number, chunk: number, isSame: boolean): number {
    const image = airImage(sectors);
    const flash = chip(old, sectors);
    if (isSame) image.copy(flash, ADDRESS);
    this.#lab.put('image.ota', makeManifest(image));
    const job: Job = { act: 'air', chunk };
    this.#assertSaved(flash, job, isSame ? 0 : sectors);
    const all = this.#count(flash, job);
    return isSame ? all : all - this.#lab.count({ act: 'serve', sectors, chunk });
  }

  air(): Figure[] {
    const small = this.#air(FEW, 256, false);
    const few = this.#air(FEW, 512, false);
    const many = this.#air(MANY, 512, false);
    const same = [FEW, MANY].map((sectors) => this.#air(sectors, 512, true));
    return [
      { what: 'one chunk more, over the air', value: (small - few) / (FEW * (SECTOR / 512)) },
      {
        what: 'sector over the air, from plan to flash, in chunks of 512 bytes',
        value: (many - few) / (MANY - FEW),
        goal: 9.3e6,
      },
      {
        what: 'sector that is right already, over the air',
        value: (same[1] - same[0]) / (MANY - FEW),
        goal: 0.8e6,
      },
    ];
  }

  recoveries(): Figure[] {
    const lab = this.#lab;
    lab.flash = chip(old, 64);
    lab.put('image.ota', makeManifest(airImage(64)));
    lab.run({ act: 'air' });
    return [
      { what: 'without a journal', flash: chip(old) },
      { what: 'after an update of 64 sectors', flash: lab.flash },
    ].flatMap(({ what, flash }) => {
      const [none, one, two] = [0, 1, 2].map((calls) =>
        this.#count(flash, { act: 'recover', calls }),
      );
      lab.flash = flash;
      const { reads } = lab.run({ act: 'recover', calls: 1, measure: true });
      return [
        { what: `recover() ${what}, first call`, value: one - none },
        { what: `recover() ${what}, second call`, value: two - one },
        { what: `recover() ${what}, reads`, value: reads, goal: 12 },
      ];
    });
  }

  memory(): Figure[] {
    const lab = this.#lab;
    const measured = (job: Job, flash: Buffer) => {
      lab.flash = flash;
      return lab.run({ ...job, storage: true, measure: true });
    };
    lab.put('image.ota', makeManifest(airImage(256)));
    const air = measured({ act: 'air', chunk: 512 }, chip(kinds));
    const core = [512, SECTOR].flatMap((chunk) => {
      const reply = measured({ act: 'write', chunk, sectors: FEW }, chip(kinds));
      return [
        {
          what: `ota at its peak, chunks of ${chunk}, between two`,
          value: reply.between - reply.loaded,
        },
        {
          what: `ota at its peak, chunks of ${chunk}, in depth`,
          value: reply.depth - reply.deepLoaded,
        },
      ];
    });
    return [
      { what: 'ota, loaded', value: air.ota },
      { what: 'ota-http, loaded', value: air['ota-http'] },
      ...core,
      {
        what: 'ota-http at its peak, chunks of 512, between two',
        value: air.between - air.loaded,
      },
      {
        what: 'ota-http at its peak, chunks of 512, in depth',
        value: air.depth - air.deepLoaded,
      },
    ];
  }
}

const shown = (value: number) => Math.round(value).toLocaleString('en-US');

function toText(title: string, figures: Figure[]): string {
  const width = Math.max(...figures.map(({ what }) => what.length));
  const lines = figures.map(({ what, value, goal }) => {
    const verdict = goal === undefined ? '' : value <= goal ? 'met' : 'missed';
    const limit = goal === undefined ? '' : shown(goal);
    return `  ${what.padEnd(width)} ${shown(value).padStart(11)} ${limit.padStart(10)}   ${verdict}`;
  });
  return `\n${title}\n\n${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

const PARTS = {
  memory: 'JsVars, run from Storage',
  writes: 'x86 instructions of update.write',
  air: 'x86 instructions of ota-http',
  recoveries: 'recover() with nothing to do',
} as const;
type Part = keyof typeof PARTS;

function print(lab: Lab, parts: Part[]): Record<string, Figure[]> {
  const { version, board, blockSize, hasFlash } = lab.engine;
  console.log(`Espruino ${version}, ${board}, JsVars of ${blockSize} bytes`);
  console.log('Goals are for Espruino built with -Os; how this one was built, it does not tell.');
  console.log(
    hasFlash
      ? 'Its own Flash is that of an ESP32: what that executes is counted, too.'
      : 'Its own Flash is not that of an ESP32. What its stand-in takes is subtracted, and nothing counted for Flash.',
  );
  const costs = new Costs(lab);
  const all: Record<string, Figure[]> = {};
  for (const part of parts) {
    const figures = (all[part] = costs[part]());
    process.stdout.write(toText(PARTS[part], figures));
  }
  return all;
}

function profile(lab: Lab, what: string): void {
  lab.put('sector.bin', fresh);
  lab.flash = chip(what === 'unchanged' ? fresh : old);
  const act = what === 'recover' ? 'recover' : 'write';
  process.stdout.write(lab.profile({ act, chunk: 512, sectors: MANY, calls: 10 }));
}

/** Prints the tables of a board with few variables. @param command - see Room.open. @returns the last one, in Markdown */
async function printRoom(command: string): Promise<string> {
  const room = await Room.open(command);
  try {
    const { version, blockSize } = room.engine;
    console.log(`\nEspruino ${version}, 32 bits, JsVars of ${blockSize} bytes`);
    if (!room.obeys) console.log('It knows no JSVARS: the app takes what is too much.');
    let text = '';
    for await (const table of tablesOf(room)) {
      text = markdown(table);
      console.log(`\n${text}`);
    }
    return text;
  } finally {
    await room.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    profile: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const { ESPRUINO: command, ESPRUINO32: command32 } = process.env;
const parts = Object.keys(PARTS) as Part[];
const isWanted = (part: string) => !positionals.length || positionals.includes(part);
const wanted = command ? parts.filter(isWanted) : [];
const hasRoom = !!command32 && !values.profile && isWanted('room');
const unknown = positionals.filter((word) => ![...parts, 'room'].includes(word));

async function main(): Promise<void> {
  if (unknown.length) throw new Error(`there is: ${[...parts, 'room'].join(', ')}`);
  if (!wanted.length && !hasRoom)
    throw new Error(
      'ESPRUINO names no interpreter: ESPRUINO=path/to/espruino npm run cost; for "room": ESPRUINO32',
    );
  const all: Record<string, Figure[] | string> = {};
  if (wanted.length) {
    const lab = new Lab(command!);
    try {
      if (values.profile) return profile(lab, values.profile);
      Object.assign(all, print(lab, wanted));
    } finally {
      lab.remove();
    }
  }
  if (hasRoom) all.room = await printRoom(command32);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
  if (values.write && hasRoom) {
    const file = fileURLToPath(new URL('../ARCHITECTURE.md', import.meta.url));
    await fillFile(file, 'room', all.room as string);
  }
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
