/** docs/faults.md: it has every code, no other one, and messages that are printed so. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { ENTRIES } from '../../cli/words.ts';
import { CONCERN_WORDS, IMAGE_WORDS } from '../../cli/words/images.ts';
import * as link from '../../cli/words/link.ts';
import { MANIFEST_WORDS } from '../../cli/words/manifest.ts';
import { TABLE_WARNINGS, TABLE_WORDS } from '../../cli/words/table.ts';
import { AIR, DEVICE } from '../support/faults/device.ts';
import { IMAGES, TABLE } from '../support/faults/files.ts';
import { closeRunner, type Scene, type Scenes } from '../support/faults/scene.ts';
import { closeBoard, UPDATES } from '../support/faults/updates.ts';
import { UPLOAD, WAYS } from '../support/faults/ways.ts';
import { pathOf } from '../support/package.ts';
import { read } from '../support/pages.ts';

const PAGE = 'docs/faults.md';
/** Faults that are made at a time: some of them wait for a board that is silent. */
const AT_ONCE = 8;
/** The fewest characters of a message by which it is known. */
const FEWEST = 8;
/** Codes whose messages are whatever others say: the system, the module, and what is wrong with a line of a table. */
const HANDED_ON = ['E_OPEN', 'E_LINE', 'E_THROWN'];

/** @returns the codes of the union `Code` of a file: those that the module on the board throws. */
function codesIn(file: string): string[] {
  const [, union] = /^export type Code =([^;]*);/m.exec(read(file))!;
  return [...union.matchAll(/'(E_\w+)'/g)].map(([, code]) => code);
}

/** What is under a heading: the words of which codes, and how each of them comes about. */
interface Group {
  heading: string;
  words?: object[];
  codes?: string[];
  scenes: Scenes;
}

const GROUPS: Group[] = [
  { heading: 'The module on the board', codes: codesIn('device/api.ts'), scenes: DEVICE },
  { heading: 'Over the air', codes: codesIn('device/http/api.ts'), scenes: AIR },
  {
    heading: 'The way to a board',
    words: [link.OPEN_WORDS, link.PORT_WORDS, link.BOARD_WORDS, link.MODULE_WORDS],
    scenes: WAYS,
  },
  { heading: 'Upload and Storage', words: [link.UPLOAD_WORDS], scenes: UPLOAD },
  { heading: 'Partition tables', words: [TABLE_WORDS, TABLE_WARNINGS], scenes: TABLE },
  {
    heading: 'Images and manifests',
    words: [CONCERN_WORDS, IMAGE_WORDS, MANIFEST_WORDS],
    scenes: IMAGES,
  },
  {
    heading: 'Update from the PC',
    words: [link.UPDATE_WORDS, link.REFUSAL_WORDS, link.STATUS_WORDS],
    scenes: UPDATES,
  },
];

interface Row {
  code: string;
  sees: string;
}

/** @returns the rows of the table under a heading. */
function rowsOf(heading: string): Row[] {
  const [, text] = read(PAGE).split(`\n## ${heading}\n`);
  assert.ok(text, `${PAGE}: no heading "${heading}"`);
  const lines = text.split('\n## ')[0].split('\n');
  return lines
    .filter((line) => /^\| [EW]_/.test(line))
    .map((line) => {
      const cells = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      const [code, quoted, why, todo] = cells;
      assert.equal(cells.length, 4, line);
      assert.match(quoted, /^`[^`]+`$/, line);
      assert.ok(why.length > 3 && todo.length > 3, line);
      return { code, sees: quoted.slice(1, -1) };
    });
}

/** @returns what a message of the table stands for: `…` for any text. */
const patternOf = ({ sees }: Row) => {
  const parts = sees.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
};

const onOneLine = (text: string) => text.trim().replace(/\s+/g, ' ');
const unique = (codes: string[]) => [...new Set(codes)].sort();

/** Runs all scenes, some at a time. @returns what each of them will print */
function startAll(scenes: Scene[]): Map<Scene, Promise<string>> {
  const printed = new Map<Scene, Promise<string>>();
  const running: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
  scenes.forEach((scene, n) => {
    const text = running[n % AT_ONCE].then(scene).then(onOneLine);
    printed.set(scene, text);
    // Its own test tells of what is thrown.
    running[n % AT_ONCE] = text.catch(() => undefined);
  });
  return printed;
}

let printed: Map<Scene, Promise<string>>;
before(() => {
  printed = startAll(GROUPS.flatMap(({ scenes }) => Object.values(scenes).flat()));
});
after(async () => {
  closeRunner();
  await closeBoard();
});

describe(PAGE, () => {
  it('has tables for all words of the command', () => {
    const known = new Set(GROUPS.flatMap(({ words = [] }) => words));
    for (const { kind, words } of ENTRIES) assert.ok(known.has(words), kind.name);
  });

  it('has each code that the sources of the modules throw', () => {
    const codes = new Set([...codesIn('device/api.ts'), ...codesIn('device/http/api.ts')]);
    const files = readdirSync(pathOf('device'), { recursive: true, encoding: 'utf8' });
    const found = files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [...read(`device/${file}`).matchAll(/\bfail(?:Size)?\(\s*'([A-Z_]+) /g)]);
    assert.ok(found.length > 20);
    for (const [call, code] of found) assert.ok(codes.has(`E_${code}`), call);
  });

  for (const { heading, words = [], codes = [], scenes } of GROUPS)
    describe(heading, () => {
      const rows = rowsOf(heading);
      /** Those of the sources. */
      const all = unique([...codes, ...words.flatMap((one) => Object.keys(one))]);

      it('has every code, and no other one', () => {
        assert.deepEqual(unique(rows.map(({ code }) => code)), all);
      });

      it('has a row for each fault that is made', () => {
        const made = Object.entries(scenes).flatMap(([code, { length }]) =>
          Array.from({ length }, () => code),
        );
        assert.deepEqual(rows.map(({ code }) => code).sort(), made.sort());
      });

      rows.forEach((row, n) => {
        const { code, sees } = row;
        it(`${code}: ${sees}`, async () => {
          const nth = rows.slice(0, n).filter((other) => other.code === code).length;
          const text = await printed.get(scenes[code][nth])!;
          assert.match(text, patternOf(row));
          if (HANDED_ON.includes(code)) return;
          const known = sees.replace(/…/g, '').trim();
          assert.ok(known.length >= FEWEST, 'the row does not tell what it is');
          // Who looks for a message finds its code, or a row that is for more than this one.
          for (const other of rows)
            if (other.code !== code && !HANDED_ON.includes(other.code))
              assert.ok(!patternOf(other).test(text) || patternOf(other).test(sees), other.code);
        });
      });
    });
});
