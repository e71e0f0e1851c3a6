/** Tables in Markdown, and where they go in a document. */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';

/** Cells by row; the first row is the head. */
export type Table = string[][];

/** @returns a table in Markdown, the first column to the left, the others to the right. */
export const markdown = (table: Table): string =>
  [table[0], table[0].map((_, column) => (column ? '--:' : '---')), ...table.slice(1)]
    .map((row) => `| ${row.join(' | ')} |\n`)
    .join('');

/**
 * Puts a text between two marks of a document, `<!-- name: begin -->` and `<!-- name: end -->`.
 * @throws Error if the marks are missing
 */
export function fill(document: string, name: string, text: string): string {
  const [begin, end] = ['begin', 'end'].map((where) => `<!-- ${name}: ${where} -->`);
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no ${begin} … ${end}`);
  return `${document.slice(0, from)}${begin}\n\n${text}\n${document.slice(to)}`;
}

/** Does so in a file. */
export async function fillFile(file: string, name: string, text: string): Promise<void> {
  const options = { ...(await resolveConfig(file)), filepath: file };
  writeFileSync(file, await format(fill(readFileSync(file, 'utf8'), name, text), options));
}
