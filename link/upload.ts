/** Stores the modules and the boot script on a board. */
import { Fault } from '../formats/errors.ts';
import { type BootPlan, type BootSource, planBoot } from './boot-script.ts';
import { BoardError } from './errors.ts';
import {
  askBoard,
  BOOT,
  type BoardFacts,
  crcOf,
  forTable,
  OTA,
  isFileFacts,
  OTA_HTTP,
  readStored,
  type StoredFile,
} from './facts.ts';
import type { Session } from './session.ts';
import { checked, orNull } from './shapes.ts';

/** What can be stored: text of files, a character per byte. */
export interface UploadSource {
  ota: string;
  otaHttp: string;
  boot: BootSource;
}

/** What the user wants. */
interface UploadOptions {
  /** Stores `ota-http`, too. */
  http: boolean;
  /** The boot script leaves an interrupted update open, for the app to go on with. */
  resume: boolean;
  /** Whether there is to be a boot script. */
  boot: boolean;
  /** Lets Espruino compact Storage if there is no room otherwise. */
  compact: boolean;
  /** Where the partition table lies, in bytes. Default: where the module in Storage looks, else 0x8000. */
  table?: number | undefined;
}

/** A file that is to be in Storage. */
export interface Wanted {
  name: string;
  content: string;
  /** What is there. */
  found?: StoredFile;
  /** What becomes of it. `kept`: it is there already. */
  step: BootPlan['step'];
  /** For the boot script, what of the old one stays. */
  keep?: BootPlan['keep'];
}

export interface UploadPlan {
  facts: BoardFacts;
  files: Wanted[];
  /** Bytes that they take in Storage. */
  needed: number;
}

/** Why files are not on the board. Sizes in bytes. */
export interface UploadFacts {
  E_UPDATING: object;
  /** `trash`: what compacting would give back. */
  E_STORAGE: { needed: number; free: number; trash: number };
  /** A file reads back other than it was sent. */
  E_READ_BACK: { name: string; found: StoredFile; sent: StoredFile };
}

/** The board cannot take it, or has taken it wrong. */
export class UploadError extends Fault<UploadFacts> {
  override name = 'UploadError';
}

/** Before each file in Storage; files begin at multiples of 4 (JsfFileHeader in src/jsflash.h). */
const HEADER = 32;
const inStorage = (size: number) => HEADER + Math.ceil(size / 4) * 4;

/** Bytes that are sent at a time: a line of Espruino's input takes a JsVar for each 12 bytes, and arrives whole, or anew. */
const PIECE = 512;

const storedAs = (content: string): StoredFile => ({ size: content.length, crc32: crcOf(content) });

const isSame = (content: string, found: StoredFile | undefined) =>
  found?.size === content.length && found.crc32 === crcOf(content);

/**
 * Looks at the board, and finds out what is to be stored. Writes nothing.
 * @throws UploadError if it does not fit, or an update is in progress; PortError
 */
export async function planUpload(
  session: Session,
  source: UploadSource,
  options: UploadOptions,
): Promise<UploadPlan> {
  const facts = await askBoard(session, options.table);
  if (facts.isUpdating) throw new UploadError('E_UPDATING', {});
  // The two belong together, so one that is there goes along.
  const withHttp = options.http || facts.files[OTA_HTTP] !== undefined;
  const modules = [
    { name: OTA, content: forTable(source.ota, facts.table) },
    ...(withHttp ? [{ name: OTA_HTTP, content: source.otaHttp }] : []),
  ].map(({ name, content }): Wanted => {
    const found = facts.files[name];
    const step = isSame(content, found) ? 'kept' : found ? 'replaced' : 'stored';
    return { name, content, found, step };
  });
  const files = [...modules];
  if (options.boot) {
    const found = facts.files[BOOT];
    const old = found && (await readStored(session, BOOT, found.size));
    files.push({ name: BOOT, ...planBoot(source.boot, options.resume, old), found });
  }
  const needed = files
    .filter(isWritten)
    .reduce((sum, { content }) => sum + inStorage(content.length), 0);
  checkRoom(facts, needed, options.compact);
  return { facts, files, needed };
}

export const isWritten = ({ step }: Wanted) => step !== 'kept' && step !== 'foreign';

/** Storage that is full is compacted by Espruino without a word; after a power cut in that it may erase all of it. */
function checkRoom({ storage }: BoardFacts, needed: number, mayCompact: boolean): void {
  const missing = needed - storage.free;
  if (missing <= 0) return;
  const trash = storage.trash ?? 0;
  if (trash >= missing && mayCompact) return;
  throw new UploadError('E_STORAGE', { needed, free: storage.free, trash });
}

/** @returns a literal of Espruino's. @param text - a character per byte */
function literal(text: string): string {
  const escaped = text.replace(/[\\"]|[^ -~]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${escaped}"`;
}

/** Sends a file, piece by piece. The first one makes it, the others are written into it. */
async function send(
  session: Session,
  { name, content }: Wanted,
  onProgress: (done: number) => void = () => undefined,
): Promise<void> {
  for (let at = 0; at < content.length; at += PIECE) {
    const piece = literal(content.slice(at, at + PIECE));
    await session.run(
      `require("Storage").write(${literal(name)},${piece},${at},${content.length})`,
    );
    onProgress(Math.min(at + PIECE, content.length));
  }
}

/**
 * Puts a boot script together on the board, where what stays of it is: so it is missing for a moment only, and not for as
 * long as it takes to send it. Storage does not erase the old one, so that can still be read.
 */
async function sendBoot(session: Session, { name, content, found, keep }: Wanted): Promise<void> {
  const { first, from } = keep!;
  const end = found!.size;
  const ours = content.slice(first, content.length - (end - from));
  const script =
    `var S=require("Storage"),n=${literal(name)},o=S.read(n),w=0;` +
    'function put(s,a,e){for(;a<e;a+=512){var p=s.substr(a,Math.min(512,e-a));' +
    `S.write(n,p,w,${content.length});w+=p.length}}` +
    `var u=${literal(ours)};put(o,0,${first});put(u,0,u.length);put(o,${from},${end})`;
  try {
    await session.run(script);
  } catch (error) {
    if (!(error instanceof BoardError)) throw error;
    // It may lack memory for that. Here is all of it.
    await send(session, { name, content, step: 'stored' });
  }
}

/** @returns length and CRC-32 of what the board reads. */
async function readBack(session: Session, name: string): Promise<StoredFile> {
  const read = `var d=require("Storage").read(${literal(name)});return d===undefined?null:[d.length,E.CRC32(d)]`;
  const found = checked(session.port.name, await session.run(read), orNull(isFileFacts));
  const [size, crc32] = found ?? [0, 0];
  return { size, crc32 };
}

/**
 * Stores what is planned, and compares length and CRC-32 of what the board then reads.
 * @throws UploadError if it reads back wrong; PortError, BoardError
 */
export async function upload(
  session: Session,
  { files }: UploadPlan,
  onProgress: (file: Wanted, done: number) => void = () => undefined,
): Promise<void> {
  for (const file of files.filter(isWritten)) {
    if (file.keep) await sendBoot(session, file);
    else await send(session, file, (done) => onProgress(file, done));
    const { name, content } = file;
    const found = await readBack(session, name);
    if (!isSame(content, found))
      throw new UploadError('E_READ_BACK', { name, found, sent: storedAs(content) });
    onProgress(file, content.length);
  }
}
