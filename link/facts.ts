/** What a board is and has, as it answers when it is asked. */
import { crc32 } from '#hashes';
import { concat, fromBase64, fromLatin1, toLatin1 } from '../formats/bytes.ts';
import { TABLE_ADDRESS, TABLE_SIZE } from '../device/partitions.ts';
import { type AppDescription, APP_HEAD, readApp } from '../formats/app.ts';
import { BOOTLOADERS, flashSizeOf, SECTOR } from '../formats/chip.ts';
import { findOtadata } from '../formats/otadata.ts';
import { rowsOf } from '../formats/table/binary.ts';
import type { Row } from '../formats/table/row.ts';
import { PortError } from './errors.ts';
import type { Memory } from './memory.ts';
import type { Session } from './session.ts';
import {
  bytesOf,
  checked,
  exactly,
  isFlag,
  isNumber,
  isText,
  listOf,
  objectOf,
  orMissing,
  orNull,
} from './shapes.ts';

/** A file in Espruino's Storage. */
export interface StoredFile {
  /** Bytes. */
  size: number;
  crc32: number;
}

/** CRC-32 of a file, as E.CRC32 gives it. @param content - a character per byte */
export const crcOf = (content: string) => crc32(fromLatin1(content));

/** What a board is and has, by its own account. */
export interface BoardFacts {
  /** `process.env` */
  board: string;
  firmware: string;
  /** JsVars, and bytes of each. */
  memory: Memory & { blockSize: number };
  /** Modules that the app has loaded. */
  loaded: string[];
  /** Bytes of Storage. `trash`: of files that were replaced; missing if the firmware does not tell. */
  storage: { free: number; total: number; trash?: number };
  /** Bytes of flash, as the header of the bootloader has it; missing if there is none. */
  flashSize?: number;
  /** Address of the partition table. */
  table: number;
  partitions: Row[];
  /** By label: what the app in a slot tells of itself; null if it tells nothing. Slots without an app are missing. */
  apps: Record<string, AppDescription | null | undefined>;
  /** The two entries of otadata, 32 bytes each; missing if there is no such partition. */
  otadata?: Uint8Array[];
  /** By name: those of the module; missing if they are not there. */
  files: Record<string, StoredFile | undefined>;
  /** How many files are in Storage. */
  stored: number;
  /** Whether an update is in progress at this moment. */
  isUpdating: boolean;
}

/** Names in Storage. */
export const OTA = 'ota';
export const OTA_HTTP = 'ota-http';
export const BOOT = '.boot0';
const FILES = [OTA, OTA_HTTP, BOOT] as const;

/** What `ASK` returns. Bytes are base64. */
interface Answer {
  env: { BOARD: string; VERSION: string; STORAGE?: number };
  free: number;
  stats: { trashBytes?: number; totalBytes?: number } | null;
  table: number;
  rows: string[];
  headers: string[];
  /** Where other tables may be, if there is none at `table`. */
  elsewhere: number[];
  files: (number[] | null)[];
  stored: number;
  isUpdating: boolean;
}

/** Length and CRC-32 of a file. */
export const isFileFacts = exactly(2, isNumber);

const isAnswer = objectOf<Answer>({
  env: objectOf<Answer['env']>({ BOARD: isText, VERSION: isText, STORAGE: orMissing(isNumber) }),
  free: isNumber,
  stats: orNull(
    objectOf<NonNullable<Answer['stats']>>({
      trashBytes: orMissing(isNumber),
      totalBytes: orMissing(isNumber),
    }),
  ),
  table: isNumber,
  rows: listOf(bytesOf(32)),
  headers: listOf(bytesOf(4)),
  elsewhere: listOf(isNumber),
  files: exactly(FILES.length, orNull(isFileFacts)),
  stored: isNumber,
  isUpdating: isFlag,
});

interface MemoryAnswer {
  memory: Memory & { blocksize?: number };
  loaded: string[];
}

const isMemoryAnswer = objectOf<MemoryAnswer>({
  memory: objectOf<MemoryAnswer['memory']>({
    free: isNumber,
    total: isNumber,
    blocksize: orMissing(isNumber),
  }),
  loaded: listOf(isText),
});

/** By itself, since a script takes memory: what is free is counted before anything else is there. */
const ASK_MEMORY =
  'var m=process.memory();' +
  'return{memory:{free:m.free,total:m.total,blocksize:m.blocksize},loaded:Modules.getCached()}';

/** How the text ends of a module that was stored for a table elsewhere, up to the address. */
const USE = 'exports.use({table:';
/** Longer than that end. */
const USE_LENGTH = 40;

/**
 * @param table - address of the partition table
 * @returns the text of the module as it is to be stored: it looks there, whoever loads it
 */
export const forTable = (ota: string, table: number) =>
  table === TABLE_ADDRESS ? ota : `${ota}${USE}${table}});\n`;

/** Where a table may begin that is not where it was looked for: up to here. */
const LAST_TABLE = 0x40000;

/**
 * Asks for a table that the caller, or the module in Storage, says is elsewhere. The row of 32 bytes that ends a table, or
 * another kind of row, does not begin like this one (esp_partition_info_t).
 */
const askScript = (table: number | undefined): string =>
  'var S=require("Storage"),e=process.env,F,r=[],h=[],w=[],a,b;' +
  'try{F=require("Flash")}catch(x){}' +
  `var f=${JSON.stringify(FILES)}.map(function(n){var d=S.read(n);return d===undefined?null:[d.length,E.CRC32(d)]});` +
  `var n=f[0]?f[0][0]:0,m=n>${USE_LENGTH}?S.read("${OTA}",n-${USE_LENGTH},${USE_LENGTH}):"",i=m.indexOf(${JSON.stringify(USE)});` +
  `var t=${table ?? 0}||(i<0?0:parseInt(m.substr(i+${USE.length})))||${TABLE_ADDRESS};` +
  'function y(a){var b=E.toString(F.read(32,a));return b.charCodeAt(0)==0xaa&&b.charCodeAt(1)==0x50?b:""}' +
  `if(F){for(a=t;a<t+${TABLE_SIZE}&&(b=y(a));a+=32)r.push(btoa(b));` +
  `if(!r.length)for(a=${SECTOR};a<${LAST_TABLE};a+=${SECTOR})if(y(a))w.push(a);` +
  `${JSON.stringify(BOOTLOADERS)}.forEach(function(a){h.push(btoa(E.toString(F.read(4,a))))})}` +
  `var u=Modules.getCached().indexOf("${OTA}")>=0&&require("${OTA}").status().state=="updating";` +
  'return{env:{BOARD:e.BOARD,VERSION:e.VERSION,STORAGE:e.STORAGE},' +
  'free:S.getFree(),stats:S.getStats?S.getStats():null,table:t,rows:r,headers:h,elsewhere:w,files:f,' +
  'stored:S.list?S.list().length:0,isUpdating:u}';

/**
 * Asks a board what it is and has.
 * @param table - where its partition table lies. Default: where the module in its Storage looks, else 0x8000
 * @throws PortError; E_NOT_ESP32 if there is no partition table
 */
export async function askBoard(session: Session, table?: number): Promise<BoardFacts> {
  const { name: port } = session.port;
  const { memory, loaded } = checked(port, await session.run(ASK_MEMORY), isMemoryAnswer);
  const answer = checked(port, await session.run(askScript(table)), isAnswer);
  const { env, stats } = answer;
  const partitions = rowsOf(concat(answer.rows.map(fromBase64)));
  if (!partitions.length) {
    const { table, elsewhere } = answer;
    throw new PortError('E_NOT_ESP32', { port, board: env.BOARD, table, elsewhere });
  }
  const files = FILES.map((name, n) => {
    const found = answer.files[n];
    return [name, found ? { size: found[0], crc32: found[1] } : undefined] as const;
  });
  const total = stats?.totalBytes ?? env.STORAGE ?? 0;
  return {
    board: env.BOARD,
    firmware: env.VERSION,
    memory: { free: memory.free, total: memory.total, blockSize: memory.blocksize ?? 0 },
    loaded,
    storage: { free: answer.free, total, trash: stats?.trashBytes },
    flashSize: flashSizeOf(answer.headers.map(fromBase64)),
    table: answer.table,
    partitions,
    apps: await readApps(session, partitions),
    otadata: await readOtadata(session, partitions),
    files: Object.fromEntries(files),
    stored: answer.stored,
    isUpdating: answer.isUpdating,
  };
}

async function readOtadata(session: Session, partitions: Row[]): Promise<Uint8Array[] | undefined> {
  const row = findOtadata(partitions);
  if (!row) return undefined;
  const addresses = JSON.stringify([row.address, row.address + SECTOR]);
  const entries = await session.run(
    `return ${addresses}.map(function(a){return btoa(E.toString(require("Flash").read(32,a)))})`,
  );
  return checked(session.port.name, entries, exactly(2, bytesOf(32))).map(fromBase64);
}

/** One by one, so that no line is too long. @returns what the apps in the slots tell of themselves, by label. */
async function readApps(session: Session, partitions: Row[]): Promise<BoardFacts['apps']> {
  const slots = partitions.filter(({ type }) => type === 0);
  const apps: [string, AppDescription | null | undefined][] = [];
  for (const { label, address } of slots) {
    const script = `return btoa(E.toString(require("Flash").read(${APP_HEAD},${address})))`;
    const head = checked(session.port.name, await session.run(script), bytesOf(APP_HEAD));
    apps.push([label, readApp(fromBase64(head))]);
  }
  return Object.fromEntries(apps);
}

/** Bytes of Storage that are read at a time. */
const PIECE = 512;

/** @returns a file of Storage, a character per byte. */
export async function readStored(session: Session, name: string, size: number): Promise<string> {
  let text = '';
  for (let at = 0; at < size; at += PIECE) {
    const length = Math.min(PIECE, size - at);
    const read = `return btoa(require("Storage").read(${JSON.stringify(name)},${at},${length}))`;
    const piece = checked(session.port.name, await session.run(read), bytesOf(length));
    text += toLatin1(fromBase64(piece));
  }
  return text;
}
