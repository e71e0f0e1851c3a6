/**
 * README's promise, row by row: lives in which what the row names happens, and power cuts. Nothing else may come to pass than
 * what the oracle, promise.ts, takes from README.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { SUBJECT } from '../support/subject.ts';
import type { EventName } from './draw.ts';
import { live, seedOf } from './lives.ts';
import { scriptOf, shrink } from './shrink.ts';
import { modulesOfSubject } from './subject.ts';

interface RowOfPromise {
  /** What may happen beside calls and power cuts. */
  on: EventName[];
  /** By which names lives count what the row is about. */
  seen?: RegExp;
}

const ROWS: Record<string, RowOfPromise> = {
  'power fails, at any moment and any number of times': { on: [] },
  'power fails in a direct update': { on: [] },
  'what a cut left behind reads differently at each read': {
    on: ['flicker'],
    seen: /^cells that read differently$/,
  },
  'a read errs, or a program or an erase does nothing': { on: ['troubles'], seen: / that fails$/ },
  'an app OTA or an app writes into the backup of an open update': {
    on: ['app-ota', 'app-writes'],
    seen: /^app (OTA|writes to the backup)/,
  },
  'an app writes to the partition while its update is open': {
    on: ['app-writes'],
    seen: /^app writes to the target/,
  },
  'an app writes into `ota_journal` or free flash': {
    on: ['app-writes'],
    seen: /^app writes to the place of a journal/,
  },
  'an app forges a journal in `ota_journal` or free flash': {
    on: ['app-writes', 'forged'],
    seen: /^forged journal/,
  },
  'a new table moves, drops or covers the partition, its backup or its journal': {
    on: ['tables', 'odd-tables'],
    seen: /^table/,
  },
  'a sector keeps nothing any more': { on: ['worn'], seen: /^(worn|weak) sector/ },
  'another copy of the module recovers or updates meanwhile': {
    on: ['copies'],
    seen: /^second copy/,
  },
  'otadata changes, or the bootloader falls back to another app': {
    on: ['otadata', 'app-ota'],
    seen: /^otadata/,
  },
  'ids of journals wrap around': { on: ['ids'], seen: /^ids/ },
  'over the air, network or server do anything': {
    on: ['air'],
    seen: /^server that (?!is honest)/,
  },
  'a call is wrong, or a callback throws or calls the module': { on: ['wrong-calls', 'callbacks'] },
};

/** Rows that other suites have as a test of this name: one bit at a time, and a file made for it, are no matter of chance. */
const ELSEWHERE = [
  'a bit of the journal is wrong, for good or in one read',
  'an image has a journal in it',
];

/** Boots for each row at least, and how often at least what it is about has to be seen in them. */
const BOOTS = 500;
const SEEN = 10;

(SUBJECT === 'ota.min.js' ? describe : describe.skip)('the promise holds when', () => {
  for (const [name, { on, seen }] of Object.entries(ROWS))
    it(name, function () {
      this.timeout(60_000);
      const modules = modulesOfSubject();
      let boots = 0;
      let times = 0;
      for (let number = 0; boots < BOOTS || (seen && times < SEEN); number++) {
        const { broken, life, counts } = live(seedOf(1, number), new Set(on), modules);
        if (broken) {
          const short = shrink(life, modules);
          assert.fail(scriptOf(short.life, short.broken!.message));
        }
        boots += counts.boots;
        for (const [event, count] of Object.entries(counts.events))
          if (seen?.test(event)) times += count;
        assert.ok(boots < 100 * BOOTS, 'it never happens');
      }
    });
});

describe('the table of the promise', () => {
  it('has a test of the name of each row', () => {
    const readme = readFileSync('README.md', 'utf8');
    const section = readme.slice(readme.indexOf('## Guarantees and limits'));
    const rows = [...section.matchAll(/^\| (.+?) +\|.*\|.*\|$/gm)].map(([, when]) => when);
    assert.deepEqual(rows.slice(2).toSorted(), [...Object.keys(ROWS), ...ELSEWHERE].toSorted());
    const folder = 'host-tests/device';
    const suites = readdirSync(folder).map((file) => readFileSync(`${folder}/${file}`, 'utf8'));
    for (const name of ELSEWHERE)
      assert.ok(
        suites.some((suite) => suite.includes(`('${name}'`)),
        `no test is named '${name}'`,
      );
  });
});
