/** `part-ota simulate --no-air`, run as a program; and that a simulation finds what is wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Setup } from '../../cli/simulate/chip.ts';
import { simulate } from '../../cli/simulate/simulation.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE as NEW, OLD_IMAGE as OLD, pathOf } from '../support/package.ts';
import { runPartOta, scratchFolder } from '../support/tools.ts';

const BUNDLE = bundleOf('ota');
const folder = scratchFolder();
const inFolder = (name: string) => join(folder, name);

/** Runs the command somewhere else than in the package. */
const run = (...words: string[]) => runPartOta(folder, ...words);

const setup: Setup = {
  bundle: BUNDLE,
  table: encodeTable(TABLES.example),
  from: OLD,
  to: NEW,
  partition: 'storage',
  isDirect: false,
  cuts: 3,
  seed: 1,
};
const simulated = (changes: Partial<Setup> = {}) => simulate({ ...setup, ...changes });

/** What `simulate --json` prints, as far as it is looked at here. */
interface Printed {
  ok: boolean;
  cuts: number;
  sectors: { total: number; changed: number };
  update: { erases: number; bytesProgrammed: number; seconds: number };
  total: { erases: number };
  steps: { call: string; target: string; cut?: { phase: string; tear: string } }[];
  compared: { chip: number; target: number; outside: number };
  problems: string[];
}

describe('part-ota simulate --no-air', () => {
  it('updates through three power cuts', async () => {
    const started = Date.now();
    const { status, stdout, stderr } = await run('simulate', '--no-air');
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
    assert.match(stdout, /^PASSED: 3 power cuts, no wrong byte in 4,194,304$/m);
    for (const n of [1, 2, 3]) assert.match(stdout, new RegExp(`^ +CUT ${n} +while `, 'm'));
    assert.match(stdout, /backup {2}\d+ of 76 sectors/);
    assert.match(stdout, /restore (\d+) of \1 sectors/);
    assert.match(stdout, /^One update, no cut +\d+ +[\d,]+ +[\d.]+ s$/m);
    assert.ok(Date.now() - started < 10_000, 'it takes too long');
    assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f]/, 'no control codes but line ends');
    for (const line of stdout.split('\n')) assert.ok(line.length <= 84, line);
  });

  it('draws, writes and counts what it prints', async () => {
    const [map, flash] = [inFolder('new/map.svg'), inFolder('flash.bin')];
    const files = ['--map', map, '--flash-out', flash];
    const { status, stdout } = await run('simulate', '--no-air', '--json', ...files);
    assert.equal(status, 0);
    const printed = JSON.parse(stdout) as Printed;
    assert.ok(printed.ok);
    assert.deepEqual(printed.problems, []);
    assert.deepEqual(printed.sectors, { total: 256, changed: 76 });
    assert.equal(printed.cuts, 3);
    const cuts = printed.steps.flatMap(({ cut }) => cut ?? []);
    assert.deepEqual(
      cuts.map(({ phase }) => phase),
      ['backup', 'write', 'restore'],
    );
    assert.ok(printed.update.erases <= 2 * 76 + 3);
    assert.ok(printed.total.erases > printed.update.erases);
    assert.deepEqual(printed.compared, { chip: 0x400000, target: 0x100000, outside: 0x1fc000 });

    const content = readFileSync(flash);
    assert.equal(content.length, 0x400000);
    assert.ok(content.subarray(0x210000, 0x310000).equals(NEW));
    assert.match(
      (await run('inspect', flash, '--records')).stdout,
      /state +committed: .*[^]*COMMIT/,
    );
    assertMap(readFileSync(map, 'utf8'));
  });

  it('shows what one update costs without cuts, which is the same', async () => {
    const { stdout, status } = await run('simulate', '--no-air', '--cut', '0');
    assert.equal(status, 0);
    assert.match(stdout, /PASSED: 0 power cuts/);
    assert.doesNotMatch(stdout, /CUT|cuts included/);
  });

  it('updates without a backup', async () => {
    const { stdout, status } = await run('simulate', '--no-air', '--direct');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /recover {2}incomplete/);
    assert.match(stdout, /PASSED: 3 power cuts/);
  });

  it('takes SPIFFS images', async () => {
    const [from, to] = [1, 2].map((n) => pathOf(`examples/images/storage-v${n}.spiffs.bin`));
    const images = ['--from', from, '--to', to];
    const { stdout, status } = await run('simulate', '--no-air', ...images, '--cut', '4');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /83 of 256 sectors differ[^]*CUT 4 +while committing[^]*PASSED/);
  });
});

/** Checks a map of the chip. */
function assertMap(svg: string): void {
  assertXml(svg);
  for (const label of ['nvs', 'storage', 'ota_journal', 'power failed here'])
    assert.ok(svg.includes(`>${label}<`), label);
}

/** As far as a parser is needed to see it: every element is closed by its own name. */
function assertXml(xml: string): void {
  const open: string[] = [];
  for (const [, end, name, empty] of xml.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (end) assert.equal(name, open.pop());
    else if (!empty) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.match(xml, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="[\d. ]+"/);
}

describe('a simulation', () => {
  it('passes with any seed, any image that fits, and a table in binary', () => {
    for (let seed = 2; seed < 4; seed++)
      assert.deepEqual(simulated({ seed, cuts: 4 }).problems, []);
    const half = { from: OLD.subarray(0, 300_000), to: NEW.subarray(0, 123_457) };
    assert.deepEqual(simulated(half).problems, []);
    assert.deepEqual(simulated({ ...half, isDirect: true, seed: 7 }).problems, []);
    assert.deepEqual(simulated({ backup: 'ota_1', cuts: 1 }).problems, []);
  });

  it('cuts nothing where nothing is written', () => {
    const { steps, problems, uncut } = simulated({ to: OLD });
    assert.deepEqual(problems, []);
    assert.equal(uncut.erases + uncut.bytesProgrammed, 0);
    assert.ok(steps.every(({ cut }) => !cut));
  });

  it('works with a small table, an image that is no whole sectors, and the journal in free flash', () => {
    const app = { label: 'app', type: 0, subtype: 0x10, address: 0x10000, size: 0x10000 };
    const table = encodeTable([
      app,
      { ...app, label: 'spare', subtype: 0x11, address: 0x20000, size: 0x20000 },
      { ...app, label: 'www', type: 1, subtype: 0x81, address: 0x40000 },
    ]);
    const from = OLD.subarray(0, 60_000);
    const to = NEW.subarray(1, 30_002);
    const { problems, plan } = simulated({ table, partition: 'www', from, to, cuts: 4 });
    assert.deepEqual(problems, []);
    assert.deepEqual([plan.journal?.label, plan.journal?.address], [undefined, 0xe000]);
  });

  it('is the same for the same seed', () => {
    const told = () => JSON.stringify(simulated({ seed: 9, cuts: 1 }).steps);
    assert.equal(told(), told());
  });

  const broken: [what: string, code: string, problem: RegExp][] = [
    [
      'a module that reports a recovery it has not made',
      'exports.recover = function () { return { state: "restored" }; };',
      /after recover\(\) reported "restored": "storage" holds neither/,
    ],
    [
      'a module that writes where it must not',
      `var begin = exports.begin;
       exports.begin = function (options) {
         require("Flash").write("\\0\\0\\0\\0", 0x9000);
         return begin(options);
       };`,
      /[1-4] bytes have changed that must not, first at 0x900[0-3]/,
    ],
    [
      'a module that mistakes a letter',
      `var begin = exports.begin;
       exports.begin = function (options) {
         var update = begin({ partition: options.partition });
         var write = update.write;
         update.write = function (chunk) { write.call(update, chunk.replace(/a/g, "b")); };
         return update;
       };`,
      /"storage" does not hold the new content/,
    ],
    ['a module that throws', 'exports.recover = function () { null.x; };', /TypeError/],
  ];
  for (const [what, code, problem] of broken)
    it(`finds ${what}`, () => {
      const { problems } = simulated({ bundle: `${BUNDLE}\n${code}` });
      assert.match(problems.join('\n'), problem);
    });
});
