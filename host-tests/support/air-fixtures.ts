/** What the suites of updates over the air share: a board, a server with an image, and what must be true at the end. */
import assert from 'node:assert/strict';
import { makeManifest, type ManifestFields } from '../../formats/manifest/make.ts';
import type { AirResult, Check, CheckOptions, UpdateOptions } from '../../device/http/api.ts';
import { type Board, type BoardOptions, pattern } from '../../host/index.ts';
import { WebServer } from './air-server.ts';
import { boardWith, padded } from './fixtures.ts';
import { buildHttp, uploadHttpTo } from './subject.ts';

before(buildHttp);

export const URL_OF_IMAGE = 'http://host/image.bin';
/** Bytes of a manifest without metadata before its hashes. */
export const HEAD = 116;

/** @returns bytes of the hashes over so many sectors. */
export function treeBytes(sectors: number): number {
  return sectors < 2 ? 0 : 32 * (sectors + (sectors > 128 ? Math.ceil(sectors / 128) : 0));
}

/** Puts an image and its manifest on a server. */
export function publish(server: WebServer, image: Uint8Array, fields?: Partial<ManifestFields>) {
  server.files.set('/image.bin', image);
  server.files.set('/image.bin.ota', makeManifest(image, fields));
}

/** A board, and a server with an image for it. */
export interface Site {
  server: WebServer;
  board: Board;
  update: (options?: Partial<UpdateOptions>) => AirResult;
  check: (options?: Partial<CheckOptions>) => Check;
}

/** Makes a server with this image, and a board that reaches it. */
export function siteWith(
  image: Uint8Array,
  options: BoardOptions & { fields?: Partial<ManifestFields>; make?: typeof boardWith } = {},
): Site {
  const { fields, make = boardWith, ...boardOptions } = options;
  const server = new WebServer();
  const board = make({ network: server.network, ...boardOptions });
  publish(server, image, fields);
  uploadHttpTo(board);
  const call = (name: string, options: object) =>
    board.settle(
      board.require<Record<string, (options: object) => unknown>>('ota-http')[name](options),
    );
  return {
    server,
    board,
    update: (options) =>
      call('update', { url: URL_OF_IMAGE, partition: 'storage', ...options }) as AirResult,
    check: (options) => call('check', { url: URL_OF_IMAGE, ...options }) as Check,
  };
}

/** @returns content with so many of its sectors changed, spread evenly. */
export function changedAt(content: Uint8Array, sectors: Iterable<number>, seed = 'new'): Buffer {
  const image = Buffer.from(content);
  for (const n of sectors)
    image.set(pattern(`${seed} ${n}`, 4096).subarray(0, image.length - n * 4096), n * 4096);
  return image;
}

/** Checks what the target holds, up to its end. */
export function assertContent(board: Board, image: Uint8Array, what = ''): void {
  const { size } = board.partition('storage');
  const isRight = Buffer.compare(board.content('storage'), padded(image, size)) === 0;
  assert.ok(isRight, `${what} the partition does not hold the image`);
}

/** @returns the code of the error that an update or a check is rejected with. */
export function codeOfCall(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (!code?.startsWith('E_')) throw error;
    assert.ok(message.length > 5 && message.length < 250, message);
    return code;
  }
  return 'nothing thrown';
}
