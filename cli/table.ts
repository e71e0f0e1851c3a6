/** `part-ota table`: ESP-IDF's gen_esp32part.py without ESP-IDF. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { convertTable, FLASH_SIZES, type TableOptions } from '../formats/table/csv.ts';
import { isBinary } from '../formats/table/binary.ts';
import { parseInteger } from '../formats/table/numbers.ts';
import { readInput, readStandardInput, writeOutput } from './files.ts';
import { messageText, printFile } from './print.ts';
import { TABLE_STEPS, TABLE_WARNINGS } from './words/table.ts';

/** The flags as commander hands them over. */
interface Flags {
  output?: string;
  offset: number;
  flashSize?: TableOptions['flashSize'];
  disableMd5sum?: true;
  verify: boolean;
  quiet?: true;
  secure?: TableOptions['secure'];
  primaryBootloaderOffset?: number;
  recoveryBootloaderOffset?: number;
  extraPartitionSubtypes?: string[];
}

const HELP = `
The direction follows from the input. Errors are those of ESP-IDF's gen_esp32part.py, exit code 2.

Examples:
  part-ota table my-table.csv my-table.bin   then   esptool write-flash 0x8000 my-table.bin
  esptool read-flash 0x8000 0xc00 table.bin  then   part-ota table table.bin, which prints CSV

Only the table is replaced; what lies in the partitions stays where it is. Espruino's
Storage has to stay in a partition "storage" at 0x320000 with 896 KiB.`;

function parseAddress(text: string): number {
  const address = parseInteger(text);
  if (address === undefined) throw new InvalidArgumentError('It is not a whole number.');
  return address;
}

function parseSecure(text: string): string {
  const version = text.toLowerCase();
  if (version === 'v1' || version === 'v2') return version;
  throw new InvalidArgumentError('Allowed choices are v1, v2.');
}

function run(input: string, output: string, flags: Flags, print: (line: string) => void): void {
  const file = input === '-' ? readStandardInput() : readInput(input);
  const converted = convertTable(file, {
    offset: flags.offset,
    flashSize: flags.flashSize,
    md5: !flags.disableMd5sum,
    verify: flags.verify,
    secure: flags.secure,
    primaryBootloaderOffset: flags.primaryBootloaderOffset,
    recoveryBootloaderOffset: flags.recoveryBootloaderOffset,
    extraSubtypes: flags.extraPartitionSubtypes,
    variables: process.env,
    warn: (code, facts) => print(TABLE_WARNINGS[code](facts)),
    onStep: flags.quiet ? undefined : (step) => print(TABLE_STEPS[step]),
  });
  if (output === '-') printFile(converted, !isBinary(converted));
  else writeOutput(output, converted);
}

/** Makes the command. It throws a TableError; warnings go where commander writes errors. */
export function tableCommand(): Command {
  const command = new Command('table')
    .description('convert a partition table from CSV to binary, or from binary to CSV')
    .argument('<input>', 'CSV or binary; - is the standard input')
    .argument('[output]', 'the other form; - is the standard output', '-')
    .option('-o, --output <file>', 'the same as [output]')
    .addOption(
      new Option('--flash-size <size>', 'check that the partitions fit').choices(FLASH_SIZES),
    )
    .addOption(
      new Option('--offset <address>', 'where the table itself lies')
        .argParser(parseAddress)
        .default(0x8000, '0x8000'),
    )
    .option('--disable-md5sum', 'neither write nor check the MD5 row')
    .option('--no-verify', 'do not check the table')
    .option('-q, --quiet', 'print warnings only')
    .addOption(
      new Option('--secure [version]', 'apps must suit secure boot: v1, v2')
        .preset('v1')
        .argParser(parseSecure),
    )
    .option('--primary-bootloader-offset <address>', 'place bootloader, primary', parseAddress)
    .option('--recovery-bootloader-offset <address>', 'place bootloader, recovery', parseAddress)
    .option('--extra-partition-subtypes <entry...>', 'names to add, each "type,name,hex value"')
    .addHelpText('after', HELP);
  return command.action((input: string, output: string, flags: Flags) => {
    const print = (line: string) => command.configureOutput().writeErr?.(messageText(line));
    run(input, flags.output ?? output, flags, print);
  });
}
