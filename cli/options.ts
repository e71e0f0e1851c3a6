/** Options that several commands have. */
import { InvalidArgumentError } from 'commander';

/** @returns a parser for an option that takes a whole number, decimal or 0x…; commander names the option. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`);
  };
}
