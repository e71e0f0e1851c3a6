/** What README tells of the proof is what `npm run proof` has counted. */
import assert from 'node:assert/strict';
import { toPage } from '../proof/page.ts';
import { read } from '../support/pages.ts';

/** @returns the paragraphs of README that refer to the page. */
const quotes = () =>
  read('README.md')
    .split(/\n\n/)
    .filter((part) => part.includes('(docs/proof.md)'));

/** Numbers of four digits and more, as these documents write them. */
const numbersIn = (text: string) => text.match(/\d{1,3}(?:,\d{3})+/g) ?? [];

describe('docs/proof.md', () => {
  it('has every large number that README quotes beside a link to it', () => {
    const counted = new Set(numbersIn(read('docs/proof.md')));
    for (const number of quotes().flatMap(numbersIn))
      assert.ok(counted.has(number), `${number} was not counted`);
  });

  it('leaves out what was not measured, adds up what was, and keeps the most', () => {
    const numbers = (cuts: number, mostForms: number) => ({ cuts, mostForms });
    const tallies = [
      { suite: 'cuts', subject: 'ota.min.js', numbers: numbers(1500, 9) },
      { suite: 'cuts', subject: 'ota.min.js', numbers: numbers(2500, 4) },
    ];
    const page = toPage({
      tallies,
      seed: 1,
      budget: 1,
      minutes: 2,
      node: 'v1',
      date: '2000-01-01',
    });
    assert.match(page, /power cuts, each [^|]*\| 4,000 \|/);
    assert.match(page, /torn forms[^|]*\| 9 \|/);
    assert.match(page, /boots in whole lives \| not measured in this run \|/);
    assert.match(page, /Mutants: not measured in this run/);
  });
});
