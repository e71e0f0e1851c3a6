/**
 * The promise of `ota-http`, as a user reads it in README: in the end the partition holds an image that the server has
 * published with its manifest, the one of `digest` if that was given; or an error tells why not.
 * What the partition holds is promise.ts's matter.
 */
import type { AirResult } from '../../device/http/api.ts';
import type { Row } from './life.ts';
import { Broken } from './promise.ts';
import type { Server, Version } from './server.ts';

/** What is known of a call. */
export interface Asked {
  server: Server;
  /** The row of the partition, if there is one of that name. */
  row: Row | undefined;
  partition: string;
  digest: string | undefined;
  /** Whether an option is wrong. */
  isBad: boolean;
  /** Whether an update that fails is to stay open; missing: it may, since the chip fails. */
  isKept?: boolean;
  /** Whether reads may err: a sector that stays is read again when it is handed on, and `end` finds what was wrong then. */
  isTroubled: boolean;
}

/** Whether an image may be put into the partition. */
function mayTake({ digest, row, partition }: Asked, version: Version): boolean {
  if (digest !== undefined && digest !== version.digest) return false;
  if (version.label && version.label !== partition) return false;
  return !row || version.image.length <= row.size;
}

/** @returns the images that may be put into the partition. */
function candidates(asked: Asked): Version[] {
  return asked.server.published.filter((version) => mayTake(asked, version));
}

/** @returns why bytes must not stay, if so: README says that a sector is proven before the next one is begun. */
export function whyUnproven(
  asked: Asked,
  version: Version | undefined,
  at: number,
  bytes: string,
): string | undefined {
  if (!version || !candidates(asked).includes(version))
    return 'ota-http writes an image that was not published';
  if (asked.isTroubled) return undefined;
  if (Buffer.from(version.image.buffer).toString('latin1', at, at + bytes.length) === bytes)
    return undefined;
  return `ota-http writes what the image does not have, ${bytes.length} bytes at ${at}`;
}

/**
 * Checks what `update` has returned.
 * @param ended - what `end` of the core has said, if it was called
 */
export function assertResult(
  asked: Asked,
  result: AirResult,
  ended: string | undefined,
): Version[] {
  const { state, digest, size, label } = result;
  const versions = candidates(asked).filter(
    (version) =>
      version.digest === digest && version.image.length === size && version.label === label,
  );
  if (!versions.length) throw new Broken(`ota-http says ${state} of ${digest}, which is no image`);
  const wanted = ended ?? 'untouched';
  if (state !== wanted) throw new Broken(`ota-http says ${state}, and it is ${wanted}`);
  return versions;
}

/** Checks that README explains an error that is not one of the core's. */
export function explainAir(asked: Asked, error: { code?: string; message?: string }): void {
  const { server, row, isBad, isTroubled } = asked;
  const { code, message } = error;
  const isHostile = server.faults > 0;
  const isRefused = server.published.some((version) => !mayTake(asked, version));
  const reasons: Record<string, boolean> = {
    // What flash holds may be read wrong when it is proven, and `retries` may allow no other try.
    E_HTTP: isHostile || isTroubled,
    E_TIMEOUT: isHostile,
    E_MANIFEST: isHostile || isRefused,
    E_NO_PARTITION: !row || isBad,
    E_ARGUMENT: isBad,
  };
  if (!code || !reasons[code] || !message?.startsWith(code))
    throw new Broken(`ota-http throws ${code ?? 'no code'}: ${message}`);
}
