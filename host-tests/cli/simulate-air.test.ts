/** `part-ota simulate` over the air, run as a program; and that a simulation finds what is wrong. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { makeManifest } from '../../formats/manifest/make.ts';
import type { AirSetup } from '../../cli/simulate/air-board.ts';
import { simulateAir } from '../../cli/simulate/air.ts';
import { encodeTable, SECTOR, TABLES } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE as NEW, OLD_IMAGE as OLD, pathOf, read } from '../support/package.ts';
import { runPartOta, scratchFolder } from '../support/tools.ts';

const BUNDLE = bundleOf('ota');
const HTTP = bundleOf('ota-http');
const MANIFEST = makeManifest(NEW).length;
const folder = scratchFolder();

const run = (...words: string[]) => runPartOta(folder, 'simulate', ...words);

/** What `--json` prints, as far as it is looked at here. */
interface Printed {
  ok: boolean;
  cuts: number;
  sectors: { total: number; changed: number; copied: number };
  steps: {
    boot: number;
    call: string;
    target: string;
    cut?: { phase: string };
    drop?: { after: number; resumedAt: number };
    fetched: { image: number; manifest: number; requests: number };
  }[];
  update: { erases: number; seconds: number };
  total: { erases: number; seconds: number };
  compared: { chip: number };
  air: {
    url: string;
    image: number;
    manifest: number;
    toFetch: number;
    fetched: { image: number; manifest: number; requests: number; all: number };
    drops: number;
  };
  problems: string[];
}

async function printed(...words: string[]): Promise<Printed> {
  const { status, stdout, stderr } = await run('--json', ...words);
  assert.equal(status, 0, stdout + stderr);
  return JSON.parse(stdout) as Printed;
}

const setup: AirSetup = {
  bundle: BUNDLE,
  http: HTTP,
  table: encodeTable(TABLES.example),
  from: OLD,
  to: NEW,
  partition: 'storage',
  isDirect: false,
  cuts: 1,
  seed: 1,
};
const simulated = (changes: Partial<AirSetup> = {}) => simulateAir({ ...setup, ...changes });

describe('part-ota simulate', () => {
  it('updates over TCP through a dropped connection and a power cut, without an argument', async () => {
    const { status, stdout, stderr } = await run();
    assert.equal(status, 0, stdout + stderr);
    assert.equal(stderr, '');
    assert.match(stdout, /server +http:\/\/127\.0\.0\.1:\d+\/image\.bin +311,296 bytes to fetch$/m);
    assert.match(stdout, /^ +DROP +the connection, after [\d,]+ bytes of the image$/m);
    assert.match(stdout, /^ +CUT 1 +while writing the target: operation /m);
    assert.match(stdout, /fetch {3}\d+ of 76 sectors/);
    assert.match(stdout, /sectors: 76 of 76 changed sectors +313,440$/m);
    assert.match(stdout, /all, in \d+ requests +332,232$/m);
    assert.match(stdout, /the full image; fetched 32 % of it +1,048,576$/m);
    assert.match(stdout, /^PASSED: 1 power cut, no wrong byte in 4,194,304$/m);
    assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f]/, 'no control codes but line ends');
    for (const line of stdout.split('\n')) assert.ok(line.length <= 96, line);
    assert.deepEqual(readdirSync(folder), [], 'it leaves nothing behind');
    const readme = read('README.md').toString();
    assert.match(
      readme,
      /fetches 332,232 bytes where the full image has 1,048,576: the 76 sectors/,
    );
  });

  it('goes on without cuts, after many, without a backup, with SPIFFS', async () => {
    const spiffs = [1, 2].map((n) => pathOf(`examples/images/storage-v${n}.spiffs.bin`));
    const [none, many, direct, other] = await Promise.all([
      printed('--cut', '0'),
      printed('--cut', '5'),
      printed('--direct', '--cut', '2'),
      printed('--from', spiffs[0], '--to', spiffs[1]),
    ]);
    assert.deepEqual([none.cuts, none.air.fetched.image], [0, 76 * SECTOR]);
    const phases = many.steps.flatMap(({ cut }) => cut?.phase ?? []);
    assert.deepEqual(phases.slice(0, 3), ['write', 'backup', 'write']);
    assert.deepEqual([phases.length, phases[4]], [5, 'commit']);
    assert.equal(direct.cuts, 2);
    assert.equal(other.sectors.changed, 83);
    assert.ok([none, many, direct, other].every(({ air }) => air.drops === 1));
  });

  it('refuses what does not fit, and leaves nothing behind', async () => {
    for (const [words, message] of [
      [['--air', '--partition', 'www'], /--partition: no partition "www"/],
      [['--air', '--backup', 'ota_0'], /E_FORBIDDEN backup ota_0/],
    ] as const) {
      const { status, stdout, stderr } = await run(...words);
      assert.equal(status, 2);
      assert.match(stderr, message);
      assert.equal(stdout, '');
    }
    assert.deepEqual(readdirSync(folder), []);
  });
});

describe('part-ota simulate counts', () => {
  it('what it prints, the same for the same seed', async () => {
    const [first, again] = await Promise.all([printed('--seed', '7'), printed('--seed', '7')]);
    assert.deepEqual(first, again);
    assert.equal(first.air.url, 'http://127.0.0.1/image.bin');
    const { air, steps, sectors } = first;
    assert.ok(first.ok);
    assert.deepEqual(sectors, { total: 256, changed: 76, copied: 0 });
    assert.deepEqual(
      [air.image, air.manifest, air.toFetch, air.drops, first.cuts],
      [NEW.length, MANIFEST, 76 * SECTOR, 1, 1],
    );
    // What had arrived of the sector that power failed in is fetched again, and the manifest; and in one call the hashes of
    // two times 32 sectors.
    const more = air.fetched.image - 76 * SECTOR;
    assert.ok(more > 0 && more <= SECTOR, `${more} bytes again`);
    assert.equal(air.fetched.manifest, 2 * MANIFEST + 2 * 1024);
    assert.equal(air.fetched.all, air.fetched.image + air.fetched.manifest);
    assert.deepEqual(
      steps.map(({ boot, call, target }) => `${boot} ${call} ${target}`),
      ['1 recover old', '1 update neither', '2 recover neither', '2 update new', '3 recover new'],
    );
    const [, cut, , update] = steps;
    assert.equal(cut.cut?.phase, 'write');
    const { after, resumedAt } = cut.drop!;
    assert.ok(after < cut.fetched.image && after % SECTOR && resumedAt % SECTOR === after % SECTOR);
    assert.equal(cut.fetched.image + update.fetched.image, air.fetched.image);
    assert.ok(first.total.erases > first.update.erases && first.update.seconds > 1);
    assert.equal(first.compared.chip, 0x400000);
  });
});

describe('a simulation over the air', () => {
  it('passes with any seed, and any image that fits', async () => {
    for (let seed = 2; seed < 6; seed++)
      assert.deepEqual((await simulated({ seed, cuts: seed })).problems, []);
    const half = { from: OLD.subarray(0, 300_000), to: NEW.subarray(1, 123_457) };
    assert.deepEqual((await simulated(half)).problems, []);
  });

  it('drops and cuts nothing where nothing is fetched', async () => {
    const { steps, problems, traffic } = await simulated({ to: OLD });
    assert.deepEqual(problems, []);
    assert.equal(traffic.image, 0);
    assert.ok(steps.every(({ cut, drop }) => !cut && !drop));
  });

  it('copies what the partition has elsewhere', async () => {
    const to = Buffer.from(OLD);
    NEW.copy(to, 200 * SECTOR, 0, SECTOR);
    OLD.copy(to, 3 * SECTOR, 0, SECTOR);
    const { check, problems, traffic } = await simulated({ to, cuts: 2 });
    assert.deepEqual(problems, []);
    assert.ok(check.copied > 0);
    assert.ok(traffic.image <= check.fetch + 3 * SECTOR);
  });
});

describe('a simulation over the air finds', () => {
  const broken: [what: string, changes: Partial<AirSetup>, problem: RegExp][] = [
    [
      'a module that begins anew after each cut',
      {
        bundle: `${BUNDLE}\nvar all = exports.recover; exports.recover = function () { return all(); };`,
      },
      /bytes of the image were fetched, limit/,
    ],
    [
      'a module that writes where it must not',
      {
        bundle: `${BUNDLE}
          var begin = exports.begin;
          exports.begin = function (options) {
            require("Flash").write("\\0\\0\\0\\0", 0x9000);
            return begin(options);
          };`,
      },
      /[1-4] bytes have changed that must not, first at 0x900[0-3]/,
    ],
    [
      'a module that says it is done',
      {
        http: `${HTTP}
          exports.update = function () { return Promise.resolve({ state: "committed", fetched: 0 }); };`,
      },
      /"storage" does not hold the new content/,
    ],
    [
      'a module that miscounts',
      {
        http: `${HTTP}
          var update = exports.update;
          exports.update = function (options) {
            return update(options).then(function (result) { result.fetched--; return result; });
          };`,
      },
      /it reports \d+ bytes as fetched/,
    ],
    ['a module that throws', { http: 'exports.check = function () { null.x; };' }, /TypeError/],
  ];
  for (const [what, changes, problem] of broken)
    it(`${what}`, async () => {
      const { problems } = await simulated(changes);
      assert.match(problems.join('\n'), problem);
    });
});
