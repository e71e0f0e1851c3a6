/**
 * What an app in flash tells of itself (ESP-IDF, esp_app_desc.h and esp_app_format.h). An image begins with a header of 24
 * bytes, the first of which is IMAGE_MAGIC; that of its first segment takes 8, and then there is, since ESP-IDF 3.2:
 *
 *     offset  size  field
 *         32     4  DESCRIPTION_MAGIC
 *         48    32  version, padded with 0
 *         80    32  name of the project, padded with 0
 */
import { readU32, toLatin1 } from './bytes.ts';

const IMAGE_MAGIC = 0xe9;
const DESCRIPTION_MAGIC = 0xabcd5432;
const DESCRIPTION_AT = 32;
const VERSION_AT = 48;
const NAME_AT = 80;
const TEXT = 32;

/** Bytes of an app slot that `readApp` looks at. */
export const APP_HEAD = NAME_AT + TEXT;

/** An app, by its own account: a character for each byte, which may be anything. */
export interface AppDescription {
  /** Of the project. */
  name: string;
  version: string;
}

/** @returns text up to the first zero. */
function textAt(head: Uint8Array, at: number): string {
  const text = toLatin1(head.subarray(at, at + TEXT));
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/**
 * @param head - the first APP_HEAD bytes of an app slot
 * @returns what the app there tells of itself; null of an app that tells nothing; undefined if there is none
 */
export function readApp(head: Uint8Array): AppDescription | null | undefined {
  if (head[0] !== IMAGE_MAGIC) return undefined;
  if (head.length < APP_HEAD || readU32(head, DESCRIPTION_AT) !== DESCRIPTION_MAGIC) return null;
  return { name: textAt(head, NAME_AT), version: textAt(head, VERSION_AT) };
}
