/* eslint max-lines-per-function: off -- a suite is a table of cases */
/** checks/layers.js finds what `npm run check` is to find. */
import assert from 'node:assert/strict';
import { problemsOf } from '../../checks/layers.js';

describe('npm run check finds', () => {
  const cases: [what: string, files: Record<string, string>, problem: RegExp][] = [
    [
      'what points up',
      { 'formats/a.ts': "import { b } from '../cli/b.ts';", 'cli/b.ts': '' },
      /^formats\/a\.ts imports cli\/b\.ts/,
    ],
    [
      'what points up for a type',
      { 'link/a.ts': "import type { B } from '../host/b.ts';", 'host/b.ts': '' },
      /^link\/a\.ts imports host\/b\.ts/,
    ],
    [
      'what points up when it runs',
      { 'host/a.ts': "const b = await import('../link/b.ts');", 'link/b.ts': '' },
      /^host\/a\.ts imports link\/b\.ts/,
    ],
    [
      'what points up to be exported',
      { 'formats/a.ts': "export { b } from '../link/b.ts';", 'link/b.ts': '' },
      /^formats\/a\.ts imports link\/b\.ts/,
    ],
    ['Node', { 'link/a/b.ts': "import { join } from 'node:path';" }, /imports node:path/],
    ['a package', { 'formats/a.ts': "import { Command } from 'commander';" }, /commander/],
    [
      'more than types of the device',
      {
        'link/a.ts':
          "import type { Plan } from '../device/api.ts';\nimport { begin } from '../device/index.ts';",
      },
      /^link\/a\.ts imports more than types of device\/index\.ts$/,
    ],
    ['state of the device', { 'formats/a.ts': "import '../device/journal.ts';" }, /journal\.ts/],
    ...[
      "process.stdout.write('x');",
      'const bar = new Bar(process.stderr);',
      "process['stdout'].write('x');",
      'const { stdout } = process;',
      "console.log('x');",
      "import { stdout } from 'node:process';",
      "writeSync(1, 'x');",
    ].map((text): [string, Record<string, string>, RegExp] => [
      `what prints beside cli/print.ts: ${text}`,
      { 'cli/a/b.ts': text },
      /^cli\/a\/b\.ts prints/,
    ]),
    [
      'a circle',
      {
        'cli/a.ts': "import './b/c.ts';",
        'cli/b/c.ts': "import { d } from '../d.ts';",
        'cli/d.ts': "export * from './a.ts';",
      },
      /^a circle: cli\/a\.ts > cli\/b\/c\.ts > cli\/d\.ts > cli\/a\.ts$/,
    ],
    [
      'a heap of files in cli/',
      Object.fromEntries(Array.from({ length: 26 }, (_, n) => [`cli/${n}.ts`, ''])),
      /^cli\/ has 26 files, at most 25$/,
    ],
  ];
  for (const [what, files, problem] of cases)
    it(what, () => {
      const problems = problemsOf(files);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0], problem);
    });

  it('nothing in what is allowed', () => {
    const files = {
      'cli/a.ts': "import '../formats/b.ts'; import 'commander'; import 'node:fs';",
      'formats/b.ts': "import '../device/records.ts'; import '#hashes';",
      'device/records.ts': '',
      'host-tests/c.test.ts': "import '../cli/a.ts'; import '../device/journal.ts';",
      'device/journal.ts': "import { SLOT } from './records.ts';",
    };
    assert.deepEqual(problemsOf(files), []);
  });
});
