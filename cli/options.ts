/** Options that several commands have. */
import { type Command, InvalidArgumentError } from 'commander';
import { SECTOR } from '../formats/chip.ts';
import { BAUD } from './ports.ts';

/** Below the last sector of 16 MB. */
const LAST_TABLE = 0xfff000;

/** @returns a parser for an option that takes a whole number, decimal or 0x…; commander names the option. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`);
  };
}

/** Parses where a partition table lies: CONFIG_PARTITION_TABLE_OFFSET of a firmware. @returns bytes */
export function tableAddress(text: string): number {
  const address = wholeNumber(SECTOR, LAST_TABLE)(text);
  if (address % SECTOR === 0) return address;
  throw new InvalidArgumentError(`It is not a multiple of ${SECTOR}.`);
}

/** Parses the digest of an image, as `pack` or fsverity prints it. @returns 64 hex digits */
export function parseDigest(text: string): string {
  const [, digits] = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(text) ?? [];
  if (!digits) throw new InvalidArgumentError('It is not 64 hex digits.');
  return digits.toLowerCase();
}

/** The options that all commands have which work on a board. */
export interface PortFlags {
  port?: string;
  baud: number;
  timeout: number;
  interrupt?: true;
}

/** Adds the options by which a command finds its board. */
export function withPort(command: Command): Command {
  return command
    .option('-p, --port <port>', 'serial port, or tcp://host:port; default: the only port there is')
    .option('--baud <rate>', 'bits per second of a serial port', wholeNumber(300, 4_000_000), BAUD)
    .option('--timeout <seconds>', 'how long the board may be silent', wholeNumber(1, 3600), 10)
    .option('--interrupt', 'first stop what the board is doing, by Ctrl-C');
}
