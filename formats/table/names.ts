/** The names that ESP-IDF has for types and subtypes of partitions. */
import { TableError } from './errors.ts';
import { parseInteger } from './numbers.ts';

/** Numbers by name, in the order in which ESP-IDF's tool lists them. */
export type Names = Map<string, number>;

export const APP = 0;
export const DATA = 1;
export const BOOTLOADER = 2;
export const PARTITION_TABLE = 3;
/**
 * A type that esp_secure_cert_mgr has for its partition (ESP_SECURE_CERT_TLV_PARTITION_TYPE). It is no name in a CSV: ESP-IDF's
 * tool has none for it, and prints 63.
 */
export const SECURE_CERT = 0x3f;
/** Of type data. */
export const UNDEFINED = 6;

export const TYPES: Names = new Map([
  ['bootloader', BOOTLOADER],
  ['partition_table', PARTITION_TABLE],
  ['app', APP],
  ['data', DATA],
]);

/** Makes the subtypes ESP-IDF knows, by type. */
function knownSubtypes(): Map<number, Names> {
  const slots = (name: string, first: number, count: number) =>
    Array.from({ length: count }, (_, i) => [`${name}_${i}`, first + i] as const);
  const subtypes = {
    bootloader: { primary: 0, ota: 1, recovery: 2 },
    partition_table: { primary: 0, ota: 1 },
    app: {
      factory: 0,
      test: 0x20,
      ...Object.fromEntries([...slots('ota', 0x10, 16), ...slots('tee', 0x30, 2)]),
    },
    data: {
      ...{ ota: 0, phy: 1, nvs: 2, coredump: 3, nvs_keys: 4, efuse: 5, undefined: UNDEFINED },
      ...{ esphttpd: 0x80, fat: 0x81, spiffs: 0x82, littlefs: 0x83, tee_ota: 0x90 },
    },
  };
  return new Map(
    Object.entries(subtypes).map(([type, names]) => [
      TYPES.get(type) ?? 0,
      new Map(Object.entries<number>(names)),
    ]),
  );
}

/** Adds one `type, name, value` to the names. */
function addSubtype(subtypes: Map<number, Names>, entry: string): void {
  const [typeName, name, digits = ''] = entry.split(',').map((field) => field.trim());
  const value = parseInteger(digits, 'hexadecimal');
  if (value === undefined) throw new TableError('E_SUBTYPE_FORM', { entry });
  const names = subtypes.get(TYPES.get(typeName) ?? -1);
  if (!names) throw new TableError('E_SUBTYPE_TYPE', {});
  if ([...names.values()].includes(value)) throw new TableError('E_SUBTYPE_TWICE', {});
  names.set(name, value);
}

/**
 * @param extra - names to add: `type, name, value`, the value in hexadecimal with or without 0x
 * @returns names of subtypes, by type
 * @throws TableError E_SUBTYPE_FORM, E_SUBTYPE_TYPE, E_SUBTYPE_TWICE
 */
export function subtypesWith(extra: readonly string[]): Map<number, Names> {
  const subtypes = knownSubtypes();
  for (const entry of extra) addSubtype(subtypes, entry);
  return subtypes;
}

/** @returns the name of a number; without one its decimal digits. */
export const nameOf = (value: number, names: ReadonlyMap<string, number> | undefined) =>
  [...(names ?? [])].find(([, known]) => known === value)?.[0] ?? String(value);
