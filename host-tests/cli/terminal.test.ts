/* eslint max-lines-per-function: off -- a suite is a table of cases */
/** What commands print of what strangers say: nothing that a terminal acts on. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleaned, paint, showLine, streamForBars } from '../../cli/print.ts';
import { UpdateBar } from '../../cli/report-progress.ts';
import { jsonText, printable } from '../../cli/words/format.ts';
import { crc32 } from '../../formats/hashes.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { row } from '../../host/tables.ts';
import { type Behaviour, evaluate, stubs } from '../support/fake-port.ts';
import { FakeBoard } from '../support/fake-board.ts';
import { runPartOta, scratchFolder } from '../support/tools.ts';

/** A title, a cleared screen, the clipboard, C1, DEL, all that turns text round or hides it, and half a character. */
const EVIL =
  '\x1b]0;PWNED\x07\x1b[2J\x9b31m\x85\x7f\r\b' +
  '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c' +
  '\u200b\u200c\u200d\u2060\ufeff\u00ad\u2028\u2029\u{e0041}\ud800';
/** What no output may have, as the terminal reads it. */
const FORBIDDEN = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

function assertClean({ stdout, stderr }: { stdout: string; stderr: string }): void {
  for (const text of [stdout, stderr])
    assert.doesNotMatch(text, FORBIDDEN, JSON.stringify(text.slice(0, 500)));
}

/** A label that is evil in UTF-8, a character per byte. */
const LABEL = Buffer.from('a\x1b[2J\u202e\x9b').toString('latin1');

const folder = scratchFolder();

describe('what a board says is printed clean', () => {
  /** What each kind of answer is instead of what it is. */
  const evil = (value: unknown): unknown => {
    if (typeof value === 'string') return /^[A-Za-z0-9+/=]{6,}$/.test(value) ? value : value + EVIL;
    if (Array.isArray(value)) return (value as unknown[]).map(evil);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .map(([name, inner]) => [name + EVIL, inner as unknown])
        .concat(Object.entries(value).map(([name, inner]) => [name, evil(inner)])),
    );
  };
  const ascii = (value: unknown) =>
    JSON.stringify([value]).replace(
      /[\x7f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  const THROWN = { code: `E_X${EVIL}`, message: `x ${EVIL}` };

  const modes: Record<string, (line: string) => [kind: string, json: string] | undefined> = {
    'an error': () => ['!', ascii(THROWN)],
    'a module that is refused': (line) =>
      line.includes('o.plan(') || line.includes('.recover')
        ? ['=', ascii({ state: `none${EVIL}`, partition: `www${EVIL}`, code: `E${EVIL}` })]
        : undefined,
    'an answer of another shape': () => ['=', ascii({ state: EVIL, [EVIL]: EVIL })],
    'no JSON': () => ['=', `[${EVIL.replace(/[\r\n]/g, '')}`],
  };
  const start = async (mode: string): Promise<FakeBoard> => {
    const behaviour: Behaviour = (line, board) => {
      const [, mark] = /print\("@"\+"(\w+:\d+)"\+\(/.exec(line) ?? [];
      const instead = mark === undefined ? undefined : modes[mode]?.(line);
      if (!instead) return evaluate(line, board);
      board.send(
        `${Buffer.from(EVIL).toString('latin1')}\r\n@${mark}${instead[0]}${instead[1].length}:${instead[1]}\r\n`,
      );
    };
    const board = await FakeBoard.start(behaviour, `${EVIL.replace(/[^\0-\xff]/g, '')}\r\n`);
    const table = encodeTable([...TABLES.example, row(LABEL, 1, 0x82, 0x3f0000, 0x1000)]);
    const { globals, modules } = stubs(
      table,
      new Map([
        ['ota', 'x'],
        ['ota-http', 'x'],
      ]),
    );
    const env = evil({ BOARD: 'ESP32', VERSION: '2v29', STORAGE: 1000 });
    Object.assign(board.globals, globals, {
      global: {},
      process: { ...(globals.process as object), env },
    });
    Object.assign(modules, {
      ota: {
        partitions: () => [{ label: 'www', size: 8192 }],
        status: () => evil({ state: 'committed', partition: 'www' }),
        plan: () => {
          throw Object.assign(new Error(`no ${EVIL}`), { code: `E_${EVIL}` });
        },
        recover: () => evil({ state: 'committed', partition: 'www' }),
      },
      'ota-http': {},
    });
    return board;
  };
  const commands = [
    ['status'],
    ['status', '--json'],
    ['recover'],
    ['recover', '--json'],
    ['upload', '--dry-run'],
    ['update', '--partition', 'www', 'www.bin'],
    ['confirm'],
    ['forget'],
  ];
  for (const mode of ['the truth', ...Object.keys(modules())])
    it(mode, async () => {
      writeFileSync(join(folder, 'www.bin'), 'new');
      const board = await start(mode);
      try {
        for (const words of commands) {
          const run = await runPartOta(folder, ...words, '--port', board.name, '--timeout', '3');
          assertClean(run);
          assert.ok(run.stdout + run.stderr, words.join(' '));
          if (words.includes('--json') && run.status === 0) JSON.parse(run.stdout);
        }
      } finally {
        await board.stop();
      }
    });
  function modules() {
    return modes;
  }
});

describe('what a file or an argument says is printed clean', () => {
  const name = `evil${EVIL.replace(/\ud800/g, '')}.bin`;

  before(() => {
    writeFileSync(join(folder, name), Buffer.alloc(8192, 1));
    writeFileSync(join(folder, 'table.bin'), encodeTable([row(LABEL, 1, 0x82, 0x10000, 0x1000)]));
    const manifest = Buffer.from(
      makeManifest(Buffer.alloc(8192, 1), { version: 'AAAAAA', partition: 'BBBBBB' }),
    );
    manifest.write('\x1b[2J\x07\x7f', manifest.indexOf('AAAAAA'), 'latin1');
    manifest.write('\u202e\x1b[A', manifest.indexOf('BBBBBB'), 'utf8');
    // Its first 116 bytes have a CRC-32 of all but the last four.
    const head = manifest.indexOf(Buffer.alloc(0)) + 112;
    manifest.writeUInt32LE(crc32(manifest.subarray(0, head)), head);
    writeFileSync(join(folder, `${name}.ota`), manifest);
  });

  const runs: string[][] = [
    ['pack', name, '--partition', 'www', '-o', 'x.ota'],
    ['pack', `no such ${name}`],
    ['verify', name],
    ['verify', name, '--json'],
    ['inspect', name],
    ['inspect', 'table.bin'],
    ['table', 'table.bin'],
    ['table', 'table.bin', '-'],
    ['table', name],
    ['diff', name, name],
    ['diff', name, name, '--json'],
    ['simulate', '--from', name, '--to', name],
    ['simulate', '--from', name, '--to', name, '--json'],
    ['simulate', `--${EVIL}`],
    ['update', '--port', EVIL.replace(/\0/g, ''), '--partition', 'x', name],
    ['update', '--port', 'tcp://127.0.0.1:1', '--partition', EVIL, name],
    ['board', '--port', EVIL],
    ['board', '--flash', name, '--port', '0'],
    ['serve', `${name}/`],
    [EVIL],
    ['status', '--timeout', EVIL],
  ];
  for (const words of runs)
    it(words.map((word) => printable(word).slice(0, 30)).join(' '), async () => {
      const run = await runPartOta(folder, ...words);
      assertClean(run);
      assert.ok(run.stdout + run.stderr);
    });
});

describe('the output', () => {
  it('escapes all that a terminal acts on, and keeps the rest', () => {
    assert.doesNotMatch(cleaned(EVIL), FORBIDDEN);
    assert.equal(cleaned('a\nb \xe4\u20ac\u2588 \u{1f600}'), 'a\nb \xe4\u20ac\u2588 \u{1f600}');
    assert.equal(printable('\u{e0041}\ud800\x1b\u200b'), '\\u{e0041}\\ud800\\x1b\\u200b');
  });

  it('leaves JSON what it was', () => {
    const value = { [EVIL]: [EVIL] };
    assert.doesNotMatch(jsonText(value), FORBIDDEN);
    assert.deepEqual(JSON.parse(jsonText(value)), value);
  });

  it('colours nothing but what is painted here', () => {
    const terminal = { isTTY: true, write: () => undefined };
    const { NO_COLOR } = process.env;
    delete process.env.NO_COLOR;
    const painted = cleaned(paint(terminal, 'red', `x${EVIL}`));
    if (NO_COLOR !== undefined) process.env.NO_COLOR = NO_COLOR;
    assert.equal(painted.replace('\x1b[31m', '').replace('\x1b[39m', ''), cleaned(`x${EVIL}`));
    assert.match(painted, /^\x1b\[31mx/);
    assert.equal(paint({ write: () => undefined }, 'red', 'x'), 'x');
  });

  it('of a bar has no more than what a bar needs', () => {
    let shown = '';
    const output = {
      isTTY: true,
      write: (text: string) => (shown += text),
      on: () => 0,
      removeListener: () => 0,
      columns: 200,
    };
    const bar = new UpdateBar(output);
    bar.note = EVIL;
    bar.show({ phase: `write${EVIL}` as 'write', done: 4096, total: 8192 });
    bar.note = EVIL;
    bar.stop();
    const rest = shown.replace(/\x1b[78]|\x1b\[(\?25[hl]|\?7[hl]|\d*[ABCDGJK])|\r/g, '');
    assert.match(rest, /write/);
    assert.doesNotMatch(rest, FORBIDDEN);
    showLine(output, EVIL);
    assert.equal(streamForBars(output), output);
  });
});
