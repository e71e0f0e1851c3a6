/**
 * formats/ and link/ in a browser, as they are: bundled together, and given the same work as here. What comes of it is the
 * same. CHROMIUM names the browser; without it, it is where Debian puts it.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { rollup } from 'rollup';
import { Board, SimulatedConsole } from '../../host/index.ts';
import { blankTypes } from '../blank-types.js';
import { readGolden } from '../golden/read.ts';
import { OLD_IMAGE, bundleOf, pathOf, read } from '../support/package.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** It is alone: nothing is to be fetched, and nothing to be told to anybody. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage'],
];

/** What is used of playwright-core; its own types want those of a browser. */
interface Page {
  evaluate: (script: string) => Promise<unknown>;
  exposeFunction: (name: string, action: (text: string) => void) => Promise<unknown>;
  addScriptTag: (tag: { content: string }) => Promise<unknown>;
  on: (event: 'pageerror', listener: (error: Error) => void) => void;
}
interface Browser {
  newPage: () => Promise<Page>;
  close: () => Promise<void>;
}
interface Playwright {
  chromium: { launch: (options: { executablePath: string; args: string[] }) => Promise<Browser> };
}

/** @returns a browser without a window. */
async function launch(): Promise<Browser> {
  const name = 'playwright-core';
  const { chromium } = (await import(name)) as Playwright;
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** All modules of both folders, those to come included. */
const MODULES = ['formats', 'link'].flatMap((folder) =>
  readdirSync(pathOf(folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
);

/** The modules that the work is done with. */
interface Modules {
  'formats/bytes.ts': typeof import('../../formats/bytes.ts');
  'formats/hashes.ts': typeof import('../../formats/hashes.ts');
  'formats/journal.ts': typeof import('../../formats/journal.ts');
  'formats/otadata.ts': typeof import('../../formats/otadata.ts');
  'formats/manifest/make.ts': typeof import('../../formats/manifest/make.ts');
  'formats/manifest/read.ts': typeof import('../../formats/manifest/read.ts');
  'formats/table/binary.ts': typeof import('../../formats/table/binary.ts');
  'formats/table/csv.ts': typeof import('../../formats/table/csv.ts');
  'link/port.ts': typeof import('../../link/port.ts');
  'link/session.ts': typeof import('../../link/session.ts');
}

/** What a program can ask of the outside: a line to a board, a character per byte. */
type Connect = (onText: (text: string) => void) => (text: string) => void;

/** Bytes in base64. */
const INPUT = {
  csv: read('partitions.csv').toString(),
  image: OLD_IMAGE.toString('base64'),
  chip: Buffer.from(readGolden('chips/updated-again')).toString('base64'),
};

/** @returns what formats/ makes of the input. It is sent to the page as text, and knows nothing but its arguments. */
function convert(modules: Modules, input: typeof INPUT) {
  const { fromBase64, toBase64, toHex } = modules['formats/bytes.ts'];
  const { csvToTable, tableToCsv } = modules['formats/table/csv.ts'];
  const { decodeTable, rowsOf } = modules['formats/table/binary.ts'];
  const { md5, sha256, crc32 } = modules['formats/hashes.ts'];
  const { makeManifest } = modules['formats/manifest/make.ts'];
  const { readManifest } = modules['formats/manifest/read.ts'];
  const { readJournal } = modules['formats/journal.ts'];
  const { bootOf, entriesOf } = modules['formats/otadata.ts'];

  /** @returns the code and the facts of what is thrown. */
  const refusal = (action: () => unknown) => {
    try {
      return action();
    } catch (error) {
      const { name, code, facts } = error as { name: string; code?: string; facts?: object };
      return { name, code, facts };
    }
  };
  const image = fromBase64(input.image);
  const chip = fromBase64(input.chip);
  const table = csvToTable(input.csv);
  const manifest = makeManifest(image, { partition: 'storage', version: '1.0 ü' });
  const { digest, version, hashes } = readManifest(manifest);
  const rows = rowsOf(chip.subarray(0x8000));
  const spoilt = manifest.slice();
  spoilt[300] ^= 1;
  return {
    table: toHex(table),
    rows: decodeTable(table),
    csv: tableToCsv(table),
    refusedTable: refusal(() => csvToTable('a,data,phy,,4K\nb,disk,0,,4K')),
    hashes: [toHex(md5(image)), toHex(sha256(image)), crc32(image)],
    manifest: toBase64(manifest),
    read: { digest, version, hashes: toBase64(hashes) },
    refusedManifest: refusal(() => readManifest(spoilt)),
    journal: readJournal(chip, rows),
    running: bootOf(rows, entriesOf(chip, rows)).app?.label,
  };
}

/** @returns what a session on a board finds out. It is sent to the page as `convert` is. */
async function talk(modules: Modules, connect: Connect) {
  const { Line } = modules['link/port.ts'];
  const { Session } = modules['link/session.ts'];
  const { fromLatin1, toLatin1 } = modules['formats/bytes.ts'];
  const send = connect((text) => line.arrived(fromLatin1(text)));
  const line = new Line('fake', {
    write: (bytes) => Promise.resolve(send(toLatin1(bytes))),
    close: () => Promise.resolve(),
  });
  const session = await Session.open(line);
  const said: unknown[] = [];
  const answer = await session.run(
    'say("Grüße");say([1,{two:null}]);return require("ota").plan({partition:"storage"})',
    { onSay: (value) => said.push(value) },
  );
  const thrown = await session
    .run('return require("ota").plan({partition:"nvs"})')
    .catch((error: unknown) => {
      const { name, code, facts } = error as { name: string; code?: string; facts?: object };
      return { name, code, facts };
    });
  await session.close();
  return { said, answer, thrown };
}

/** Connects to a simulated board with the module on it. */
const toBoard: Connect = (onText) => {
  const board = new Board();
  board.upload('ota', bundleOf('ota'));
  const console = new SimulatedConsole(board, onText);
  return (text) => console.type(text);
};

/** @returns both folders as one script, which leaves all of their modules in `modules`. */
async function bundled(): Promise<string> {
  const entry = '\0entry';
  const imports = MODULES.map(
    (file, n) => `import * as m${n} from ${JSON.stringify(pathOf(file))};`,
  );
  const names = MODULES.map((file, n) => `${JSON.stringify(file)}: m${n}`);
  const code = `${imports.join('\n')}\nglobalThis.modules = { ${names.join(', ')} };`;
  const bundle = await rollup({
    input: entry,
    // What is not there in a browser stays outside, and fails here.
    onwarn: (warning) => assert.fail(warning.message),
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? id : null),
        load: (id) => (id === entry ? code : null),
        transform: async (text, id) =>
          id.endsWith('.ts') ? { code: await blankTypes(text), map: null } : null,
      },
      nodeResolve({ browser: true }),
    ],
  });
  const { output } = await bundle.generate({ format: 'iife' });
  await bundle.close();
  return output[0].code;
}

/** @returns what is left of a value that a page tells: no prototypes, nothing undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('formats/ and link/ in a browser', () => {
  let browser: Browser;
  let page: Page;
  let here: Modules;
  const errors: Error[] = [];

  before(async function () {
    if (!existsSync(CHROMIUM)) {
      console.log(`      ▸ not run in a browser: there is no ${CHROMIUM}`);
      this.skip();
    }
    const loaded = MODULES.map(async (file) => [file, await import(pathOf(file))] as const);
    here = Object.fromEntries(await Promise.all(loaded)) as unknown as Modules;
    browser = await launch();
    page = await browser.newPage();
    page.on('pageerror', (error) => errors.push(error));
    await page.addScriptTag({ content: await bundled() });
  });
  after(() => browser?.close());

  /** @returns the value of an expression in the page. */
  const ask = async (expression: string): Promise<unknown> => {
    const json = await page.evaluate(`Promise.resolve(${expression}).then(JSON.stringify)`);
    return JSON.parse(json as string);
  };

  it('load all of their modules', async () => {
    assert.deepEqual(await page.evaluate('Object.keys(modules).sort()'), [...MODULES].sort());
    assert.equal(await page.evaluate('typeof process + typeof Buffer'), 'undefinedundefined');
  });

  it('make and read tables, manifests and journals as here', async () => {
    const there = await ask(`(${convert.toString()})(modules, ${JSON.stringify(INPUT)})`);
    const wanted = convert(here, INPUT);
    assert.equal(wanted.journal?.target?.label, 'www');
    assert.deepEqual(there, plain(wanted));
  });

  it('speak to a board as here', async () => {
    let send: ((text: string) => void) | undefined;
    await page.exposeFunction('send', (text: string) => {
      send ??= toBoard((said) => void page.evaluate(`hear(${JSON.stringify(said)})`));
      send(text);
    });
    const connect = '(onText) => { globalThis.hear = onText; return send; }';
    const there = await ask(`(${talk.toString()})(modules, ${connect})`);
    const wanted = await talk(here, toBoard);
    assert.equal((wanted.answer as { running: string }).running, 'ota_0');
    assert.deepEqual(there, plain(wanted));
    assert.deepEqual(errors, []);
  });
});
