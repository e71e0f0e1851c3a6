/** Partition tables in files that the user names. */
import { TABLE_SIZE } from '../device/partitions.ts';
import { about, readInput } from './files.ts';
import { isBinary } from '../formats/table/binary.ts';
import { csvToTable, parseTable } from '../formats/table/csv.ts';

/**
 * Reads a partition table, CSV or binary, as a chip would hold it.
 * @param offset - where it is to lie; default 0x8000
 * @throws InputError
 */
export function readTable(file: string, offset?: number): Uint8Array {
  const content = readInput(file);
  return about(file, () => {
    if (!isBinary(content)) return csvToTable(content, { variables: process.env, offset });
    parseTable(content, { offset });
    return content.subarray(0, TABLE_SIZE);
  });
}
