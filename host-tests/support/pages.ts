/** The documents that users read, and the examples in them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { pathOf, read as readBytes } from './package.ts';

/** Pages for Espruino's website, in its form: website.test.ts. */
export const WEBSITE = ['ota.md', 'ota-http.md'];

/** The others, as paths in the repository. */
export const PAGES = [
  'README.md',
  'bench/README.md',
  ...readdirSync(pathOf('docs'))
    .filter((name) => name.endsWith('.md') && !WEBSITE.includes(name))
    .map((name) => `docs/${name}`),
];

export const read = (path: string) => readBytes(path).toString();
export const exists = (path: string) => existsSync(pathOf(path));

/** @returns the fenced blocks of code of a text, without their fences. */
export const blocksOf = (text: string): string[] =>
  [...text.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block);

/** @returns what is under a heading, up to the next one. */
export function section(path: string, heading: string): string {
  const [, rest] = read(path).split(`\n${heading}\n`);
  assert.ok(rest, `${path}: no heading "${heading}"`);
  return rest.split(/^#+ /m)[0];
}

/** A command line of `part-ota` in a document. */
export interface CommandLine {
  path: string;
  /** What follows `part-ota`, without a comment. */
  words: string[];
}

/** @returns the command lines of a text: those in blocks, and those in backticks. */
export function commandLinesOf(path: string, text = read(path)): CommandLine[] {
  const blocks = text.matchAll(/^ {4,}(?:npx|node) (?:dist\/)?part-ota(?:\.js)? (.*)$/gm);
  const inline = text.matchAll(/`(?:npx )?part-ota ([^`]*)`/g);
  return [...blocks, ...inline].map(([, line]) => ({
    path,
    words: line.replace(/ +#.*$/, '').split(' '),
  }));
}
