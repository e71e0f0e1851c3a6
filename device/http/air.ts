/** The calls of the API, and the steps of an update: manifest, comparison, plan, sectors. */

import type { Options, Partition, Report, Update } from '../api.ts';
import { fail } from '../errors.ts';
import { SECTOR } from '../runtime.ts';
import type { Bytes } from '../runtime.ts';
import type { AirResult, Check, CheckOptions, UpdateOptions } from './api.ts';
import { espruino } from './espruino.ts';
import * as head from './head.ts';
import { headLength, readHead, refuse } from './head.ts';
import { BLOCK_HASHES, CRC_BYTES, HASH_BYTES, METADATA_AT } from './manifest.ts';
import type { Seam } from './seam.ts';
import * as sectors from './sectors.ts';
import { hashAt, lengthOf } from './sectors.ts';
import * as stream from './stream.ts';
import { ask, drop, hashOf, later, start } from './stream.ts';

/** What this module uses of the core, `require("ota")`. */
interface Ota {
  partitions: () => Partition[];
  plan: (options: Options) => unknown;
  begin: (options: Options) => Update;
  status: () => Report;
}
declare const require: (name: string) => unknown;
declare const Promise: new <T>(
  executor: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
) => Promise<T>;

/** Bytes of the manifest that are fetched first: all that is before the hashes, if there is no metadata. */
const START = METADATA_AT + CRC_BYTES;

/** The engine, if it is not Espruino. */
let given: Seam | undefined;
let ota: Ota;
let options: UpdateOptions & Options;
let isUpdate: boolean | undefined;
/** They settle the promise of the present call; without `resolve` there is no call. */
let resolve: ((result: unknown) => void) | false;
let reject: (error: unknown) => void;
/** The update of the core. */
let session: Update | false | undefined;

let manifest: string;
/** Bytes of the manifest up to its hashes. */
let headSize: number;
/** What is known of the image so far. */
let found: AirResult;
/** Where the hashes of the sectors begin in it, and where it ends. */
let hashesAt: number;
let manifestSize: number;
/** The present block of hashes. */
let block: number;
/**
 * The hashes of the blocks: as the partition holds them, and as the image has them. As long as `held` is not empty, a
 * request for hashes goes on to the end of the manifest; later no further than needed.
 */
let held: Bytes;
let wanted: Bytes;

/**
 * Works over another engine, or takes the bytes from elsewhere, from the next call on.
 * @param seam - default: Espruino's
 * @example
 * // `seam` is what the firmware has made of its network
 * require('ota-http').use(seam);
 */
export function use(seam?: Seam): void {
  given = seam;
}

/** Gives up the update: the old content comes back. */
function undo(): void {
  const last = session;
  session = false;
  if (last)
    try {
      last.abort();
    } catch {
      // The core has given up already.
    }
}

/** Ends the call: the connection, the timer, the update, the promise. */
function finish(value: unknown, isResult?: boolean): void {
  const resolveOrReject = isResult ? (resolve as typeof reject) : reject;
  drop();
  sectors.freeAll();
  if (!isResult) undo();
  session = resolve = false;
  resolveOrReject(value);
}

/** Begins with the manifest; a second time, if the image on the server has changed meanwhile. */
function askHead(): void {
  undo();
  ask(manifest, 0, START, START, (box) => {
    headSize = headLength(box[0]);
    if (headSize === START) takeHead(box[0]);
    else ask(manifest, START, headSize, headSize, (more) => takeHead(box[0] + more[0]));
  });
}

/** Takes the first part of the manifest, and checks that it is for this partition. */
function takeHead(bytes: Bytes): void {
  found = readHead(bytes) as AirResult;
  const { label, digest, size } = found;
  const name = options.partition || label;
  const partition = ota.partitions().filter((row) => row.label === name)[0];
  if (!partition) fail('NO_PARTITION ' + name);
  // Espruino's indexOf also finds what is cut off at the end.
  if (options.digest != null && options.digest.toLowerCase().split(':').pop() !== digest)
    refuse('digest: ' + digest + ', not ' + options.digest);
  if (label && label !== name) refuse('label: ' + label + ', not ' + name);
  if (size > partition.size) refuse(name + ': ' + size + ' bytes, limit ' + partition.size);
  sectors.begin(partition, found);
  options.size = size;
  options.crc32 = head.crc32;
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
  session = ota.begin(options);
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
  if (sectors.count === 1) takeHashes([wanted]);
  else if (!isTall) askBlock();
  else
    askHashes(headSize, hashesAt, wanted, (box) => {
      wanted = box[0];
      askBlock();
    });
}

/** Ends the call with a result. */
function complete(state: AirResult['state']): void {
  found.state = state;
  found.fetched = stream.fetched;
  finish(found, true);
}

/** Fetches a block of hashes from the manifest. */
function askHashes(from: number, limit: number, hash: Bytes, act: (box: Bytes[]) => void): void {
  const until = Math.min(from + SECTOR, limit);
  ask(manifest, from, until, held ? manifestSize : until, act, manifestSize, hash, 'MANIFEST');
}

/** Fetches the hashes of the sectors in the block. */
function askBlock(): void {
  askHashes(hashesAt + block * SECTOR, manifestSize, hashAt(wanted, block), takeHashes);
}

/**
 * Takes the hashes of a block. While the update is planned: plans the block and asks for the next one; behind the last
 * one the update begins. Later: keeps the hashes that are needed next.
 */
function takeHashes(box: Bytes[]): void {
  if (held) {
    sectors.planBlock(block, box.pop()!, hashAt(held, block) === hashAt(wanted, block));
    if (++block * BLOCK_HASHES < sectors.count) return askBlock();
    if (!isUpdate) return complete('untouched');
    sectors.freePlanData();
    held = '';
    if (options.onPlan) options.onPlan(found);
    if (!session) begin();
  } else sectors.queueHashes(box.pop()!);
  step();
}

/** Takes sectors until one has to be fetched. */
function step(): void {
  while (sectors.sector < sectors.count) {
    const source = sectors.sourceOf(sectors.sector);
    const content = source === sectors.FETCH ? '' : sectors.contentOf(source % sectors.COPY);
    if (source !== sectors.sector) {
      const hash = hashAt(sectors.hashQueue, sectors.hashesUsed);
      if (!hash) {
        block = sectors.sector >> 7;
        return askBlock();
      }
      // Content that is elsewhere was found by four bytes of its hash only.
      if (!content || hashOf(content) !== hash) return askSector(hash);
    }
    put(content);
  }
  // Not now: the last sector is still in memory, and the core needs that room to verify the image.
  later(0, end);
}

function end(): void {
  const result = (session as Update).end();
  found.changed = result.changed;
  complete(result.state);
}

/** Hands the next sector to the core. */
function put(content: Bytes): void {
  const length = lengthOf(sectors.sector);
  (session as Update).write(length < SECTOR ? content.substr(0, length) : content);
  sectors.advance();
}

/** Fetches the next sector, and goes on. */
function askSector(hash: Bytes): void {
  const from = sectors.sector * SECTOR;
  const until = from + lengthOf(sectors.sector);
  const take = (box: Bytes[]) => {
    put(box.pop()!);
    step();
  };
  ask(options.url, from, until, sectors.endOfRun(), take, found.size, hash);
}

function run<T>(newOptions: UpdateOptions, isForUpdate?: boolean): Promise<T> {
  return new Promise<T>((newResolve, newReject) => {
    if (resolve) fail('STATE ota-http: busy');
    if (!newOptions.url) fail('ARGUMENT url: missing');
    options = Object.create(newOptions) as UpdateOptions;
    isUpdate = isForUpdate;
    manifest = options.url + '.ota';
    ota = require('ota') as Ota;
    start(given || espruino(), options, finish, askHead);
    resolve = newResolve as (result: unknown) => void;
    reject = newReject;
    later(0, askHead);
  });
}

/**
 * Brings a partition to the image at a URL. Only sectors that the partition has nowhere are fetched; each is proven
 * before flash is touched. If anything fails, the old content stays or is put back. After power loss the next call goes
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
