/**
 * What answers of a board have to be. Anything may be at the other end of a line, so the types of what it sends are
 * checked once, where it arrives.
 */
import type { Area, Plan, Progress, Report } from '../device/api.ts';
import type { AirResult, Check } from '../device/http/api.ts';
import { PortError, type ThrownFacts } from './errors.ts';

/** Whether a value is of a type. */
export type Is<T> = (value: unknown) => value is T;

/** Characters of a text, and elements of a list: more than anything that the module or Espruino tells. */
const LONGEST_TEXT = 4096;
const LONGEST_LIST = 1024;

export const isText: Is<string> = (value): value is string =>
  typeof value === 'string' && value.length <= LONGEST_TEXT;
/** All numbers that a board tells are bytes, sectors, JsVars, seconds, CRCs: none is below 0, or as large as 2^53. */
export const isNumber: Is<number> = (value): value is number =>
  typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
export const isFlag: Is<boolean> = (value) => typeof value === 'boolean';

export const orMissing =
  <T>(is: Is<T>): Is<T | undefined> =>
  (value) =>
    value === undefined || is(value);

export const orNull =
  <T>(is: Is<T>): Is<T | null> =>
  (value) =>
    value === null || is(value);

export const listOf =
  <T>(is: Is<T>): Is<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.length <= LONGEST_LIST && value.every(is);

/** @param count - how many there are */
export const exactly =
  <T>(count: number, is: Is<T>): Is<T[]> =>
  (value): value is T[] =>
    listOf(is)(value) && value.length === count;

/**
 * @param fields - what is checked of an object; it may have more. Only what is its own counts: `__proto__` in JSON is a
 * name like any other, and nothing is inherited.
 */
export const objectOf =
  <T extends object>(fields: { [Field in keyof T]-?: Is<T[Field]> }): Is<T> =>
  (value): value is T =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries<Is<unknown>>(fields).every(([field, is]) =>
      is(Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined),
    );

/** Base64 of bytes. @param length - of the bytes */
export const bytesOf =
  (length: number): Is<string> =>
  (value): value is string =>
    isText(value) &&
    /^[A-Za-z0-9+/]*={0,2}$/.test(value) &&
    value.length === 4 * Math.ceil(length / 3) &&
    value.replace(/=+$/, '').length === Math.ceil((length * 4) / 3);

const garbled = (port: string, value: unknown) =>
  new PortError('E_GARBLED', { port, text: String(JSON.stringify(value)) });

/**
 * @param port - its name
 * @returns what a board has sent
 * @throws PortError E_GARBLED if it is of another type
 */
export function checked<T>(port: string, value: unknown, is: Is<T>): T {
  if (is(value)) return value;
  throw garbled(port, value);
}

interface Thrown {
  code?: unknown;
  message: string;
  state?: unknown;
}
const isThrown = objectOf<{ message: string }>({ message: isText });

/**
 * @returns an error as a board has sent it: code and message. Codes that are numbers are those of Espruino's network, and
 * none of the module's.
 * @throws PortError E_GARBLED if it is something else
 */
export function thrownOf(port: string, value: unknown): ThrownFacts['E_THROWN'] {
  const { code, message, state } = checked<Thrown>(port, value, isThrown);
  return {
    ...(isText(code) ? { code } : {}),
    message,
    ...(isText(state) ? { state } : {}),
  };
}

/** A module of another version may have a state or a code that is not known here. */
const isState = isText as Is<Report['state']>;
const isCode = isText as Is<NonNullable<Report['code']>>;

export const isReport = objectOf<Report>({
  state: isState,
  partition: orMissing(isText),
  sealed: orMissing(isFlag),
  saved: orMissing(isNumber),
  boots: orMissing(isNumber),
  trial: orMissing(isNumber),
  code: orMissing(isCode),
});

/** Whether it can be a place in flash: a whole number, below 4 GB. */
const isAddress: Is<number> = (value): value is number =>
  isNumber(value) && Number.isInteger(value) && value < 2 ** 32;

export const isProgress = objectOf<Progress>({
  phase: isText as Is<Progress['phase']>,
  done: isAddress,
  total: isAddress,
});

/** What a board tells of a fault of the network that it survives: the message, and milliseconds until the next request. */
export interface Retry {
  retry: string;
  ms: number;
}
export const isRetry = objectOf<Retry>({ retry: isText, ms: isNumber });

const isArea = objectOf<Area>({ label: orMissing(isText), address: isAddress, size: isAddress });

export const isPlan = objectOf<Plan>({
  partition: isArea,
  backup: orMissing(isArea),
  journal: isArea,
  running: isText,
  resumed: isFlag,
  worst: objectOf({ erases: isNumber, bytes: isNumber, seconds: isNumber }),
});

const CHECK = {
  version: isText,
  label: isText,
  size: isAddress,
  digest: isText,
  same: isFlag,
  changed: isNumber,
  copied: isNumber,
  fetch: isNumber,
};

/** What an update over the air will take. */
export const isCheck = objectOf<Check>(CHECK);
/** What it has come to. */
export const isAirResult = objectOf<AirResult>({ ...CHECK, state: isState, fetched: isNumber });
