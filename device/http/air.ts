/** The calls of the API, and the steps of an update: manifest, comparison, plan, sectors. */

import type { Options, Partition, Report, Update } from '../api.ts';
import { fail } from '../errors.ts';
import { SECTOR } from '../runtime.ts';
import type { Bytes } from '../runtime.ts';
import type { AirResult, Check, CheckOptions, HttpError, UpdateOptions } from './api.ts';
import { espruino } from './espruino.ts';
import * as head from './head.ts';
import { headLength, readHead, refuse } from './head.ts';
import { BLOCK_HASHES, CRC_BYTES, HASH_BYTES, MANIFEST_SUFFIX, METADATA_AT } from './manifest.ts';
import { CONNECTION, NEEDED, QUEUE_BYTES, QUEUE_HASHES } from './limits.ts';
import type { Seam, Source } from './seam.ts';
import * as sectors from './sectors.ts';
import { hashAt, lengthOf } from './sectors.ts';
import * as stream from './stream.ts';
import { ask, drop, failMemory, hashOf, later, options, start, takeUrl } from './stream.ts';
import type { Sink } from './stream.ts';

/** What this module uses of the core, `require("ota")`. */
interface Ota {
  partitions: () => Partition[];
  plan: (options: Options) => unknown;
  begin: (options: Options) => Update;
  status: () => Report;
  recover: () => Report;
}
type Session = Update & Sink;
declare const require: (name: string) => unknown;
declare const setTimeout: (call: () => void, ms: number) => number;
declare const clearTimeout: (id: number) => void;
declare const Promise: new <T>(
  executor: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
) => Promise<T>;

/** How many bytes are shown of what is no manifest. */
const SHOWN = 16;
/** Bytes of the manifest that are fetched first: all that is before the hashes, if there is no metadata. */
const START = METADATA_AT + CRC_BYTES;

/** The engine, if it is not Espruino, or where the bytes come from. */
let given: Seam | Source | undefined;
let ota: Ota;
let isUpdate: boolean | undefined;
/** They settle the promise of the present call; without `resolve` there is no call. */
let resolve: ((result: unknown) => void) | false;
let reject: (error: unknown) => void;
/** The update of the core: where sectors go that are fetched. */
let session: Session | false | undefined;

let manifest: string;
/** Bytes of the manifest up to its hashes. */
let headSize: number;
/** What is known of the image so far. */
let found: AirResult;
/** Where the hashes of the sectors begin in it, and where it ends. */
let hashesAt: number;
let manifestSize: number;
/** The block of hashes that is planned. */
let block: number;
/** The hashes of the blocks: as the partition holds them, and as the image has them. */
let held: Bytes;
let wanted: Bytes;

/**
 * Works over another engine, or takes the bytes from elsewhere, from the next call on.
 * @param seam - of another engine all of it; on Espruino `request` alone will do. Default: Espruino's
 * @example
 * // `seam` is what the firmware has made of its network
 * require('ota-http').use(seam);
 */
export function use(seam?: Seam | Source): void {
  given = seam;
}

/**
 * Ends the update of the core, if there is one.
 * @param isKept - whether it stays open; else the old content comes back
 * @returns whether that has failed
 */
function undo(isKept?: boolean): boolean {
  const last = session;
  session = false;
  if (last)
    try {
      last.abort(isKept);
    } catch {
      // The core has given up already, another copy of it has taken over, or memory has ended in it.
      return true;
    }
  return false;
}

/** After an error: brings the old content back, whatever was open before, or keeps the update open. */
function putBack(error: HttpError | undefined): void {
  const { keep, partition } = options;
  // Memory may end in what follows, or have ended in a callback, so that the core refuses all calls until a timer has run.
  const again = setTimeout(() => {
    try {
      if (!resolve && !keep && ota.status().partition === partition) ota.recover();
    } catch {
      // The next boot tries again.
    }
  }, 1);
  const isOther = undo(keep);
  const isMemory = error && error.code === 'E_MEMORY';
  try {
    let report = ota.status();
    // What another copy of the core has in hand is its own.
    if (!keep && report.state === 'interrupted' && report.partition === partition)
      if (!isOther || isMemory) report = ota.recover();
    clearTimeout(again);
    if (report.partition === partition) error!.state = report.state;
  } catch {
    // The first error tells more than this one.
  }
}

/** Ends the call: the connection, the timer, the promise, the update. */
function finish(value: unknown, isResult?: boolean): void {
  const resolveOrReject = isResult ? (resolve as typeof reject) : reject;
  drop();
  sectors.freeAll();
  // Before what follows: memory may end in it, too.
  resolveOrReject(value);
  resolve = false;
  if (!isResult && isUpdate) putBack(value as HttpError);
  session = false;
}

/** Begins with the manifest; a second time, if the image on the server may have changed meanwhile. */
function askHead(): void {
  // Memory has ended before it was known.
  if (!manifest) failMemory();
  ask(manifest, 0, START, START, (box) => {
    headSize = headLength(box[0]);
    if (!headSize)
      fail(stream.failureOf('no manifest, begins "' + box[0].substr(0, SHOWN) + '"', 'MANIFEST'));
    if (headSize === START) takeHead(box[0]);
    else ask(manifest, START, headSize, headSize, (more) => takeHead(box[0] + more[0]));
  });
}

/** Takes the first part of the manifest, and checks that it is for this partition. */
function takeHead(bytes: Bytes): void {
  const last = session ? found.digest : '';
  found = readHead(bytes) as AirResult;
  const { label, digest, size } = found;
  // The server has the same image, and sent something else twice: each sector was written twice at most.
  if (last === digest) fail(stream.reason);
  undo();
  const name = options.partition || label;
  const partition = ota.partitions().filter((row) => row.label === name)[0];
  if (!partition) fail('NO_PARTITION partition: no ' + (name || 'label'));
  // Espruino's indexOf also finds what is cut off at the end.
  if (options.digest != null && options.digest.toLowerCase().split(':').pop() !== digest)
    refuse('digest: ' + digest + ', not ' + options.digest);
  if (label && label !== name) refuse('label: ' + label + ', not ' + name);
  if (size > partition.size) refuse(name + ': ' + size + ' bytes, limit ' + partition.size);
  sectors.begin(partition, found);
  options.size = size;
  // It is not in the digest: what that proves by hashes is not refused for another CRC-32.
  options.crc32 = options.digest != null ? undefined : head.crc32;
  if (isUpdate) settle();
  held = '';
  later(0, hash);
}

/** Lets the core settle what is there before anything is compared. */
function settle(): void {
  const { state, partition } = ota.status();
  // A sector in flight at a power cut may read right now, and wrong at the next boot. `begin` erases it first, or makes the
  // core write all sectors anew: also if such an update was given up, then the state is none.
  if (/^[iud]|^none./.test(state + (partition || ''))) begin();
  else if (state === 'trial')
    try {
      // If the trial is over, that puts the old content back: not later, under what is proven by then.
      begin();
    } catch {
      // It is not over. What the partition holds stays, and may be the image.
    }
}

function begin(): void {
  session = ota.begin(options) as Session;
  session.hash = hashNext;
}

/** @returns the hash of what has become of the sector that is fetched. */
function hashNext(): Bytes {
  return sectors.hashHeld(sectors.sector);
}

/** Hashes the next block of what the partition holds. */
function hash(): void {
  held += sectors.hashBlock(held.length / HASH_BYTES);
  if (held.length * 4 < sectors.count) later(0, hash);
  else compare();
}

/** Compares the partition with the image. */
function compare(): void {
  const isTall = held.length > HASH_BYTES;
  wanted = head.root;
  hashesAt = headSize + (isTall ? held.length : 0);
  manifestSize = hashesAt + HASH_BYTES * sectors.count;
  found.same = sectors.isRestBlank() && (isTall ? hashOf(held) : held) === wanted;
  if (!session) {
    if (found.same) return complete('untouched');
    if (isUpdate) ota.plan(options);
  }
  block = 0;
  if (sectors.count === 1) takeBlock([wanted]);
  else if (!isTall) askBlock();
  else
    askHashes(headSize, hashesAt, wanted, (box) => {
      // Without the zeros behind it.
      wanted = box.pop()!.substr(0, held.length);
      askBlock();
    });
}

/** Ends the call with a result. */
function complete(state: AirResult['state']): void {
  found.state = state;
  found.fetched = stream.fetched;
  finish(found, true);
}

/** Fetches hashes from the manifest, a block at most. */
function askHashes(from: number, limit: number, hash: Bytes, act: (box: Bytes[]) => void): void {
  ask(manifest, from, limit, limit, act, manifestSize, hash, 'MANIFEST');
}

/** Fetches the hashes of the sectors in the block. */
function askBlock(): void {
  const from = hashesAt + block * SECTOR;
  askHashes(from, Math.min(from + SECTOR, manifestSize), hashAt(wanted, block), takeBlock);
}

/** Takes the hashes of a block; behind the last one the update begins. */
function takeBlock(box: Bytes[]): void {
  // Not now: the connection takes memory that sectors need beside the hashes.
  later(0, () => plan(box));
}

/** Plans a block. Then its hashes are free. */
function plan(box: Bytes[]): void {
  sectors.planBlock(block, box.pop()!, hashAt(held, block) === hashAt(wanted, block));
  later(0, planNext);
}

/** Fetches the hashes around that of the next sector once more. */
function askQueue(): void {
  const from = hashesAt + (sectors.sector - (sectors.sector % QUEUE_HASHES)) * HASH_BYTES;
  askHashes(from, Math.min(from + QUEUE_BYTES, manifestSize), sectors.checkOfHashes(), takeQueue);
}

function takeQueue(box: Bytes[]): void {
  sectors.queueHashes(box.pop()!);
  step();
}

function planNext(): void {
  if (++block * BLOCK_HASHES < sectors.count) return askBlock();
  if (!isUpdate) return complete('untouched');
  sectors.freePlanData();
  held = '';
  if (options.onPlan) options.onPlan(found);
  if (!session) begin();
  later(0, step);
}

/** Takes sectors until one has to be fetched. */
function step(): void {
  while (sectors.sector < sectors.count) {
    const { sector } = sectors;
    const source = sectors.sourceOf(sector);
    if (source === sector) (session as Session).keep(lengthOf(sector));
    else {
      const hash = hashAt(sectors.hashQueue, sectors.hashesUsed);
      if (!hash) return askQueue();
      if (source === sectors.FETCH) return askSector(hash);
      sectors.copyTo(session as Update, source - sectors.COPY);
      // Content that is elsewhere was found by four bytes of its hash only.
      if (sectors.hashHeld(sector) !== hash) {
        (session as Session).back();
        return askSector(hash);
      }
    }
    sectors.advance();
  }
  // Not now: the last piece is still in memory, and the core needs that room to verify the image.
  later(0, end);
}

function end(): void {
  const result = (session as Session).end();
  found.changed = result.changed;
  complete(result.state);
}

/** Fetches the next sector, and goes on. */
function askSector(hash: Bytes): void {
  const from = sectors.sector * SECTOR;
  const take = () => {
    sectors.advance();
    step();
  };
  const until = from + lengthOf(sectors.sector);
  ask(options.url, from, until, sectors.endOfRun(), take, found.size, hash, '', session as Session);
}

/** @returns a URL of the options as it is asked for. Another source of bytes may have names of its own. */
function nameOf(name: string, text: string): string {
  return given && !/:\/\//.test(text) ? text : takeUrl(text, name, options.headers)!;
}

/** Checks memory and options. */
function prepare(): void {
  const needed = given ? NEEDED - CONNECTION : NEEDED;
  if (isUpdate && stream.seam.free && stream.seam.free() < needed) failMemory(needed);
  if (!options.url) fail('ARGUMENT url: missing');
  const url = nameOf('url', options.url);
  const path = url.split('?')[0];
  options.url = url;
  manifest = nameOf(
    'manifest',
    options.manifest || path + MANIFEST_SUFFIX + url.substr(path.length),
  );
}

function run<T>(newOptions: UpdateOptions, isForUpdate?: boolean): Promise<T> {
  return new Promise<T>((newResolve, newReject) => {
    if (resolve) fail('STATE ota-http: busy');
    ota = require('ota') as Ota;
    start(
      (given && (given as Seam).read ? given : espruino(given)) as Seam,
      Object.create(newOptions) as UpdateOptions,
      finish,
      askHead,
    );
    isUpdate = isForUpdate;
    session = false;
    resolve = newResolve as (result: unknown) => void;
    reject = newReject;
    manifest = '';
    // Before the options are read: should memory end in that, this timer tells.
    later(0, askHead);
    try {
      prepare();
    } catch (error) {
      finish(error);
    }
  });
}

/**
 * Brings a partition to the image at a URL. Only sectors that the partition has nowhere are fetched; each is read back and
 * proven before the next one begins. If anything fails, the old content stays or is put back. After power loss the next call goes
 * on where the last one was, if `ota.recover({ resume: true })` was called at boot.
 * @param options - `url` of the image, `partition`, its label; best also `digest`
 * @returns a promise of the result; it is rejected with an HttpError
 * @example
 * require('ota-http')
 *   .update({ url: 'http://192.168.1.2:8080/www.bin', partition: 'www' })
 *   .then(
 *     function (result) {
 *       print(result.state, result.changed + ' sectors');
 *     },
 *     function (error) {
 *       print(error.message); // the old content is in place
 *     },
 *   );
 */
export function update(options: UpdateOptions): Promise<AirResult> {
  return run(options, true);
}

/**
 * Tells what an update would fetch. Writes nothing.
 * @param options - `url` of the image
 * @returns a promise of version, size and digest of the image, and of what an update to it would take
 * @example
 * require('ota-http')
 *   .check({ url: 'http://192.168.1.2:8080/www.bin', partition: 'www' })
 *   .then(function (found) {
 *     print(found.version, found.same ? 'is there already' : found.fetch + ' bytes to fetch');
 *   });
 */
export function check(options: CheckOptions): Promise<Check> {
  return run(options as UpdateOptions);
}
