/** The public API of `ota-http`: types only. `air.ts` implements it. */

import type { Code as CoreCode, Options, Report, Result } from '../api.ts';

/** What `check` is asked for. */
export interface CheckOptions {
  /**
   * Of the image: `http://host:port/path?query`, or https, port up to 65535, no IPv6 address. `user:password@` before the
   * host becomes Basic authorization. What is not printable ASCII is percent-encoded, what follows `#` is dropped.
   */
  url: string;
  /** URL of the manifest. Default: `url`, with `.ota` behind its path. */
  manifest?: string;
  /** Headers of each request, by name. After a redirect to another host they are not sent. */
  headers?: Record<string, string>;
  /** Label of the partition to compare with. Default: the label in the manifest. */
  partition?: string;
  /**
   * fs-verity digest of the image, as `part-ota pack` and `fsverity digest` print it. It is all that has to be
   * trusted: neither the server nor the way to it can put in anything else. Default: any image is taken.
   */
  digest?: string;
  /** Faults in a row, without a sector in between, after which the network is given up; default 5. */
  retries?: number;
  /** Milliseconds in which each 4096 bytes have to arrive; default 15000. */
  timeout?: number;
  /**
   * Called with each fault of network or server that is survived. What it throws ends the call.
   * @param message - as that of an error: code, URL, what happened
   * @param ms - until the next request, in milliseconds
   * @example
   * require('ota-http').update({
   *   url: 'http://192.168.1.2:8080/www.bin',
   *   partition: 'www',
   *   onRetry: function (message, ms) {
   *     print(message, 'next try in ' + ms + ' ms');
   *   },
   * });
   */
  onRetry?: (message: string, ms: number) => void;
}

/** The options of `update`: those of `ota.begin`, but for size and CRC-32, which are in the manifest. */
export interface UpdateOptions extends CheckOptions, Omit<Options, 'size' | 'crc32'> {
  /** Label of the partition to update. The label in the manifest, if there is one, has to be the same. */
  partition: string;
  /**
   * Whether an update that fails stays open: the partition holds a mix then, the error's `state` is `interrupted`, and the
   * next `update` goes on. Default: false, the old content comes back.
   */
  keep?: boolean;
  /**
   * Called before the first sector is fetched. What it throws stops the update: nothing is written, or, if it would
   * have gone on with one that was interrupted, the old content is put back.
   * @example
   * require('ota-http').update({
   *   url: 'http://192.168.1.2:8080/www.bin',
   *   partition: 'www',
   *   onPlan: function (plan) {
   *     if (plan.fetch > 100000) throw new Error('too much for this network');
   *   },
   * });
   */
  onPlan?: (plan: Check) => void;
}

/** What an image is, and what an update to it would take. */
export interface Check {
  /** As given to `part-ota pack`; empty if not given. */
  version: string;
  /** Label of the partition that the image is for; empty: any. */
  label: string;
  /** Bytes of the image. */
  size: number;
  /** Its fs-verity digest, 64 hexadecimal digits. */
  digest: string;
  /** Whether the partition holds it already, and nothing behind it. */
  same: boolean;
  /** Sectors that would be rewritten. */
  changed: number;
  /** Of these, sectors whose content the partition has elsewhere. */
  copied: number;
  /** Bytes of the image that would be fetched. */
  fetch: number;
}

/** What came of an update. `changed` counts the sectors that were rewritten in this call. */
export interface AirResult extends Check {
  /** As `update.end()` of the core returns it; `untouched`: the partition held the image already. */
  state: Result['state'];
  /** Bytes that were fetched, of the manifest and of the image, without HTTP's headers. */
  fetched: number;
}

/**
 * Why a call failed.
 * - E_HTTP: the server refuses, or what it sends is not the image, again and again.
 * - E_TIMEOUT: the server or the way to it is too slow.
 * - E_MANIFEST: the manifest is damaged, of another format version or for another partition; or the image is too large.
 */
export type Code = CoreCode | 'E_HTTP' | 'E_TIMEOUT' | 'E_MANIFEST';

/** An error of this module: `code` for programs, `message` for people (thing, fact, limit). */
export interface HttpError extends Error {
  code: Code;
  /** Of `update`: what the partition holds now, as `ota.status()` tells it, if the last update was one of this partition. */
  state?: Report['state'];
}
