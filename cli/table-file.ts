/** Partition tables in files that the user names. */
import { readInput } from './files.ts';
import { InputError } from './words.ts';
import { isBinary, TABLE_SIZE } from './partition-binary.ts';
import { csvToTable, parseTable, TableError } from './partition-csv.ts';

/** Reads a partition table, CSV or binary, as a chip would hold it. @throws InputError */
export function readTable(file: string): Uint8Array {
  const content = readInput(file);
  try {
    if (!isBinary(content)) return csvToTable(content);
    parseTable(content);
    return content.subarray(0, TABLE_SIZE);
  } catch (error) {
    if (error instanceof TableError) throw new InputError(`${file}: ${error.message}`);
    throw error;
  }
}
