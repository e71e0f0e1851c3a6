/** `part-ota board` */
import { Command, Option } from 'commander';
import { FLASH_SIZES } from '../formats/table/csv.ts';
import { startBoard, type BoardSetup } from './board/running.ts';
import { tableAddress, wholeNumber } from './options.ts';
import { printLines } from './print.ts';
import { InputError } from './words.ts';
import { readTable } from './table-file.ts';

interface Flags {
  engine?: BoardSetup['engine'];
  enginePath?: string;
  port: number;
  host?: string;
  flash: string;
  table?: string;
  size?: (typeof SIZES)[number];
  tableOffset?: number;
  cutAt?: number;
  trustFlash?: true;
}

/** Of chips; the names are those of `part-ota table --flash-size`. */
const SIZES = FLASH_SIZES.slice(0, 6);

const HELP = `
What an ESP32 takes on a serial line this board takes at tcp://host:port, from part-ota,
from the espruino CLI or from nc. Each connection shows what the board prints, and can
type. The connections stay when the board boots or loses power.

The file holds the whole chip, and is made if it does not exist, with the partition
table and a pattern in every partition. Storage lies beside it. Stopping the
command acts as a power cut; started again it is the same board, which boots.

Engines:
  espruino    a real Espruino for Linux, whose path is in ESPRUINO or --engine-path
  simulated   the simulated board of this package, with node's JavaScript

Whoever can reach the port can type at the board; who speaks HTTP or TLS is dropped. Scripts
of the simulated board can do nothing to this machine. Those of a real Espruino have its
files and its network: take care with --host, and with a --flash of somebody else's.

Examples:
  part-ota board
  ESPRUINO=~/espruino part-ota board --engine espruino --port 2323 --flash flash.bin
  npx espruino --no-ble -p tcp://127.0.0.1:2323 --storage ota:dist/ota.min.js -e 'print("stored")'
  nc 127.0.0.1 2323`;

const EVENTS = {
  boot: 'boots',
  reboot: 'is reset by a script',
  cut: 'loses power',
  ended: 'interpreter ended by itself:',
  connect: 'connected:',
  drop: 'dropped:',
  disconnect: 'disconnected:',
} as const;

/** Makes the command. It throws an InputError for what the user has to change. */
export function boardCommand(): Command {
  return new Command('board')
    .description('run a board to test against: the console of a JavaScript engine at a TCP port')
    .addOption(
      new Option(
        '--engine <name>',
        'what runs JavaScript (default: espruino if there is one, else simulated)',
      ).choices(['espruino', 'simulated']),
    )
    .addOption(new Option('--engine-path <file>', 'the interpreter').env('ESPRUINO'))
    .option('--port <number>', 'TCP port; 0: any that is free', wholeNumber(0, 65535), 2323)
    .option('--host <address>', 'where to listen (default: this machine only)')
    .option('--flash <file>', 'what the chip holds', 'flash.bin')
    .option('--trust-flash', 'let Espruino run what is in a Storage that was made elsewhere')
    .option('--table <file>', 'partition table of a new chip, CSV or binary')
    .addOption(
      new Option('--size <size>', 'of the chip (default: that of the file, or 4MB)').choices(SIZES),
    )
    .option(
      '--table-offset <address>',
      'where the partition table lies (default: 0x8000)',
      tableAddress,
    )
    .option(
      '--cut-at <number>',
      'lose power in the n-th erase or page program, once',
      wholeNumber(1, 0xffffffff),
    )
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      const engine = flags.engine ?? (flags.enginePath ? 'espruino' : 'simulated');
      const board = await startBoard({
        engine,
        command: flags.enginePath || undefined,
        port: flags.port,
        host: flags.host,
        flash: flags.flash,
        isTrusted: flags.trustFlash,
        table: flags.table === undefined ? undefined : readTable(flags.table, flags.tableOffset),
        size: flags.size === undefined ? undefined : Number.parseInt(flags.size) << 20,
        tableAddress: flags.tableOffset,
        onEvent: (event, detail) => printLines([[EVENTS[event], detail].filter(Boolean).join(' ')]),
      });
      if (flags.cutAt !== undefined) void board.cutAt(flags.cutAt);
      printLines([`${flags.flash} at tcp://${flags.host ?? '127.0.0.1'}:${board.port}`]);
      const signalled = new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      try {
        await Promise.race([signalled, board.failure]);
      } catch (error) {
        throw new InputError((error as Error).message);
      } finally {
        await board.close();
      }
    });
}
