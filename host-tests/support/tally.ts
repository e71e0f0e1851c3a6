/**
 * What suites have done, told to the program that runs them: lines of JSON in the file that the environment variable PROOF
 * names. Without it nothing is told.
 */
import { appendFileSync } from 'node:fs';

/** Numbers by their names. */
export type Numbers = Record<string, number>;

/** One line of the file. */
export interface Tally {
  /** What has counted. */
  suite: string;
  /** What it ran on: `ota.min.js`, say. */
  subject: string;
  numbers: Numbers;
}

/** Tells numbers. Those of the same suite and name are added up; of one that begins with `most`, the largest counts. */
export function tally(suite: string, numbers: Numbers): void {
  const { PROOF, SUBJECT = 'sources' } = process.env;
  const line: Tally = { suite, subject: SUBJECT, numbers };
  if (PROOF) appendFileSync(PROOF, `${JSON.stringify(line)}\n`);
}

/** @returns how often to do what is drawn at random: what the environment variable says, else a default. */
export function timesOf(variable: string, usual: number): number {
  return Number(process.env[variable] ?? usual);
}
