/** `part-ota` as a whole, run as a program: what it refuses before it does anything, and its help. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonText, printable } from '../../cli/words/format.ts';
import { reportLines } from '../../cli/words/states.ts';
import type { Report } from '../../device/api.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { read } from '../support/package.ts';
import { PART_OTA, type Run, runPartOta, scratchFolder } from '../support/tools.ts';

const folder = scratchFolder();
const inFolder = (name: string) => join(folder, name);
const run = (...words: string[]) => runPartOta(folder, ...words);

describe('part-ota refuses', () => {
  const small = inFolder('small.csv');
  const large = inFolder('large.bin');
  const none = inFolder('none.bin');
  const table = inFolder('table.bin');
  before(() => {
    writeFileSync(large, Buffer.alloc(0x100001));
    writeFileSync(inFolder('empty.bin'), '');
    writeFileSync(small, 'app, app, factory, 0x10000, 64K\nwww, data, fat, , 64K\n');
    writeFileSync(inFolder('bad.csv'), 'app, app\n');
    const damaged = Buffer.from(encodeTable(TABLES.example));
    damaged[4] ^= 1;
    writeFileSync(table, damaged);
    for (const [words] of refused) runs.set(words, run(...words));
  });
  /** All at once: most of their time is that of starting node. */
  const runs = new Map<string[], Promise<Run>>();
  const refused: [words: string[], message: RegExp][] = [
    [[], /Usage: part-ota/],
    [['nope'], /unknown command 'nope'/],
    [['simulate', 'extra'], /too many arguments/],
    [['simulate', '--nope'], /unknown option '--nope'/],
    [['simulate', '--cut', '-1'], /'--cut <count>' argument '-1' is invalid/],
    [['simulate', '--cut', '1.5'], /'--cut <count>'/],
    [['simulate', '--seed', 'x'], /'--seed <number>' argument 'x' is invalid/],
    [['simulate', '--direct', '--backup', 'ota_1'], /'--direct' cannot be used with/],
    [['simulate', '--from', none], /none\.bin: no such file/],
    [['simulate', '--to', folder], /: is a directory/],
    [['simulate', '--to', large], /--to: 1048577 bytes do not fit "storage", 1048576 bytes/],
    [['simulate', '--from', inFolder('empty.bin')], /--from: the image is empty/],
    [['simulate', '--partition', 'www'], /--partition: no partition "www"; there are nvs, otadata/],
    [['simulate', '--partition', 'ota_1', '--to', small], /E_FORBIDDEN partition ota_1: an app/],
    [['simulate', '--backup', 'x'], /--backup: no partition "x"/],
    [['simulate', '--backup', 'ota_0'], /E_FORBIDDEN backup ota_0/],
    [['simulate', '--table', inFolder('bad.csv')], /bad\.csv: Error at line 1/],
    [['simulate', '--table', table], /table\.bin: MD5 checksums don't match/],
    [['simulate', '--table', small], /no partition "storage"; there are app, www/],
    [['simulate', '--flash-out', join(small, 'x')], /small\.csv.*(EEXIST|ENOTDIR)/],
    [['inspect'], /missing required argument 'flash'/],
    [['inspect', none], /none\.bin: no such file/],
    [['inspect', large], /large\.bin: is cut short/],
    [['inspect', large, '--table-offset', 'x'], /'--table-offset <address>' argument 'x'/],
    [
      ['inspect', large, '--table-offset', '0x8001'],
      /'--table-offset <address>' argument '0x8001' .* not a multiple of 4096/,
    ],
    [['table', none], /none\.bin: no such file/],
  ];
  for (const [words, message] of refused)
    it(['part-ota', ...words].join(' ').replaceAll(folder, '…'), async () => {
      const { status, stdout, stderr } = await runs.get(words)!;
      assert.match(stderr, message);
      assert.equal(status, 2);
      if (!words.includes('--flash-out')) assert.equal(stdout, '');
    });
});

describe('words', () => {
  it('show controls as escapes, and all else as it is', () => {
    assert.equal(
      printable('a\x1b[2J\n\x9b\u202e\u2028 \xe4\u2588'),
      'a\\x1b[2J\\x0a\\x9b\\u202e\\u2028 \xe4\u2588',
    );
  });

  it('show JSON that stays the same, without controls', () => {
    const value = { a: '\x1b\x9b\u202e\n', b: [1] };
    const text = jsonText(value);
    assert.doesNotMatch(text, /(?!\n)[\p{Cc}\u202e]/u);
    assert.deepEqual(JSON.parse(text), value);
  });

  it('name a state of another version by itself', () => {
    for (const state of ['frozen', 'constructor'] as unknown as Report['state'][])
      assert.deepEqual(reportLines({ state }), [`state  ${state}`]);
  });
});

it('part-ota table refuses a standard input that cannot be read', () => {
  const input = openSync(folder, 'r');
  const { status, stderr } = spawnSync(process.execPath, [PART_OTA, 'table', '-'], {
    stdio: [input, 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  closeSync(input);
  assert.equal(stderr, 'error: -: is a directory\n');
  assert.equal(status, 2);
});

it('part-ota table shows controls in labels as escapes', async () => {
  writeFileSync(inFolder('twice.csv'), 'a\x1b[2J, data, fat, , 64K\n'.repeat(2));
  const { status, stderr } = await run('table', 'twice.csv');
  assert.equal(status, 2);
  assert.match(stderr, /^A list of partitions that have the same name:\n.*a\\x1b\[2J/m);
  assert.doesNotMatch(stderr, /\x1b/);
});

describe('part-ota helps', () => {
  it('with every command, by an example', async () => {
    for (const command of ['simulate', 'pack', 'verify', 'diff', 'serve', 'inspect', 'table']) {
      const { status, stdout } = await run(command, '--help');
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`Examples?:[^]*part-ota ${command}`));
    }
    assert.match(
      (await run('--help')).stdout,
      /simulate[^]*pack[^]*verify[^]*diff[^]*serve[^]*inspect[^]*table/,
    );
  });

  it('with its version', async () => {
    const { version } = JSON.parse(read('package.json').toString()) as { version: string };
    assert.equal((await run('--version')).stdout, `${version}\n`);
  });
});
