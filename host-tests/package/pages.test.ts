/** The pages beside README.md: their scripts run, their figures are true, their links and commands exist. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startBoard } from '../../cli/board/running.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { csvToTable } from '../../formats/table/csv.ts';
import { startFileServer } from '../../cli/serve/server.ts';
import type { Options, Plan, Report } from '../../device/api.ts';
import { Board, SECTOR, TABLES, pattern } from '../../host/index.ts';
import { bundleOf, OLD_IMAGE, pathOf, root } from '../support/package.ts';
import {
  type CommandLine,
  PAGES,
  WEBSITE,
  blocksOf,
  commandLinesOf,
  exists,
  read,
} from '../support/pages.ts';
import { PART_OTA } from '../support/tools.ts';

const runFile = promisify(execFile);
const bundle = bundleOf('ota');

/** Runs `part-ota`. @returns what it printed */
async function partOta(words: string[], cwd = pathOf('')): Promise<string> {
  const { stdout } = await runFile(process.execPath, [PART_OTA, ...words], { cwd });
  return stdout;
}

/** @returns the only block of code of a page. */
function onlyBlock(path: string): string {
  const [block, ...others] = blocksOf(read(path));
  assert.deepEqual(others, [], `${path}: try them here, too`);
  return block;
}

describe('docs/testing.md', () => {
  it('has a unit test that passes', async () => {
    const file = new URL('dist/page-example.mjs', root);
    writeFileSync(file, onlyBlock('docs/testing.md'));
    try {
      await import(file.href);
    } finally {
      rmSync(file);
    }
  });

  it('names the file that npm pack makes', () => {
    const { name, version } = JSON.parse(read('package.json')) as Record<string, string>;
    assert.ok(read('docs/testing.md').includes(`/${name}-${version}.tgz\n`));
  });
});

describe('docs/part-ota.md', () => {
  it('has a boot script', () => {
    const board = new Board();
    board.upload('ota', bundle);
    board.upload('.boot0', onlyBlock('docs/part-ota.md'));
    board.powerOn();
    assert.deepEqual(board.uncaught, []);
    assert.equal((board.run('recovered') as Report).state, 'none');
  });

  it('names every command', async () => {
    const text = read('docs/part-ota.md');
    const [, commands] = (await partOta(['--help'])).split('\nCommands:\n');
    const names = [...commands.matchAll(/^ {2}(\w+) \[/gm)].map(([, name]) => name);
    assert.ok(names.length > 10);
    for (const name of names)
      if (name !== 'help') assert.match(text, new RegExp(`^\\| .*\`part-ota ${name}\``, 'm'));
  });
});

describe('docs/over-the-air.md', () => {
  it('names every option', () => {
    const text = read('docs/over-the-air.md');
    const http = read('device/http/api.ts');
    const options = /interface CheckOptions {(.*?)\n}.*interface UpdateOptions [^{]*{(.*?)\n}/s;
    const [, check, update] = options.exec(http)!;
    for (const [, name] of (check + update).matchAll(/^ {2}(\w+)\??:/gm))
      assert.match(text, new RegExp(`^\\| \`${name}\``, 'm'));
  });
});

describe('docs/manifests.md', () => {
  it('tells what a manifest costs', () => {
    const size = 0x100000;
    const { length } = makeManifest(pattern('image', size));
    const percent = ((length / size) * 100).toFixed(2);
    const bytes = length.toLocaleString('en-US');
    assert.ok(
      read('docs/manifests.md').includes(`${bytes} bytes for an image of 1 MiB, ${percent} %,`),
    );
  });

  it('has command lines that work', async () => {
    const [pack, verify, diff, serve, ...others] = commandLinesOf('docs/manifests.md').filter(
      ({ words }) => words.length > 1,
    );
    assert.deepEqual([serve.words, others], [['serve', 'build'], []]);
    const folder = mkdtempSync(join(tmpdir(), 'part-ota-pages-'));
    const image = (version: number) => pathOf(`examples/images/storage-v${version}.spiffs.bin`);
    try {
      copyFileSync(image(2), join(folder, 'www.bin'));
      copyFileSync(image(1), join(folder, 'www-1.3.bin'));
      copyFileSync(image(2), join(folder, 'www-1.4.bin'));
      const printed = await partOta(pack.words, folder);
      const { digest, partition } = readManifest(readFileSync(join(folder, 'www.bin.ota')));
      assert.ok(printed.includes(digest));
      assert.equal(partition, 'www');
      await partOta(verify.words, folder);
      assert.match(await partOta(diff.words, folder), /\b83\b/);
      const spoiled = readFileSync(join(folder, 'www.bin'));
      spoiled[5000] ^= 1;
      writeFileSync(join(folder, 'www.bin'), spoiled);
      await assert.rejects(partOta(verify.words, folder), { code: 1 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('docs/backup-and-journal.md', () => {
  it('computes the journal', () => {
    const text = read('docs/backup-and-journal.md');
    const [, perSector, more] = /takes (\d+) bytes for each sector .* and ([\d,]+) bytes more/.exec(
      text,
    )!;
    const rest = more.replace(',', '');
    const sectors = 0x100000 / SECTOR;
    const bytes = Math.ceil((sectors * +perSector + +rest) / SECTOR) * SECTOR;
    const board = new Board();
    board.upload('ota', bundle);
    const { plan } = board.require<{ plan: (options: Options) => Plan }>('ota');
    assert.equal(plan({ partition: 'storage' }).journal.size, bytes);
    assert.ok(text.includes(`${bytes / 1024} KiB for 1 MiB`));
    const [, direct] = /`backup: false`, need (\d+) KiB/.exec(text)!;
    const options: Options = { partition: 'storage', backup: false };
    assert.equal(plan(options).journal.size, +direct * 1024);
  });
});

describe('docs/board.md', () => {
  it('leads to an updated board, without a board', async () => {
    const text = read('docs/board.md');
    const [start, serve, ...lines] = commandLinesOf('docs/board.md', text.split('\nThe label')[0])
      .map(({ words }) => words)
      .filter((words) => words.length > 1);
    assert.equal(start.join(' '), 'board --flash flash.bin');
    assert.equal(serve.join(' '), 'serve --host 127.0.0.1 examples/images');
    assert.ok(lines.length >= 5);
    const board = await startBoard({ engine: 'simulated', port: 0 });
    const directory = pathOf('examples/images');
    const server = await startFileServer({ directory, port: 0 });
    const here = (word: string) =>
      word.replace(':2323', `:${board.port}`).replace(':8080', `:${server.port}`);
    try {
      const outputs: string[] = [];
      for (const words of lines) outputs.push(await partOta(words.map(here)));
      const sent = /sends ([\d,]+) of ([\d,]+) bytes/.exec(text)!;
      assert.ok(outputs[2].includes(`${sent[1]} bytes`) && outputs[2].includes(sent[2]));
      assert.match(
        outputs[1],
        /^ +sent again +7,168 bytes of manifest: the board keeps the hashes of 32 sectors$/m,
      );
      assert.match(
        outputs[2],
        /^ +sent again +2,048 bytes of manifest: the board keeps the hashes of 32 sectors$/m,
      );
      assert.match(outputs.at(-1)!, /committed/);
      const { address } = TABLES.example.find(({ label }) => label === 'storage')!;
      assert.ok(board.flash.subarray(address, address + OLD_IMAGE.length).equals(OLD_IMAGE));
    } finally {
      await board.close();
      await server.close();
    }
  });

  it('tells what becomes of an update of `storage` on a real board', () => {
    const board = new Board({ table: TABLES.espruinoEsp32 });
    board.upload('ota', bundle);
    const begin = () => board.run(`require('ota').begin({ partition: 'storage' })`);
    assert.throws(begin, /E_FORBIDDEN .* needs overwriteLive/);
    assert.match(read('docs/board.md'), /throws E_FORBIDDEN, "needs overwriteLive"/);
  });
});

describe('the documents', () => {
  it('are short enough to be read', () =>
    assert.ok(read('ARCHITECTURE.md').split('\n').length <= 241));

  it('have no example that no test tries', () => {
    const tried = [
      'README.md',
      'docs/testing.md',
      'docs/editor.md',
      'docs/part-ota.md',
      'docs/espruino-cli.md',
    ];
    for (const path of PAGES)
      if (!tried.includes(path)) assert.deepEqual(blocksOf(read(path)), [], path);
  });

  it('have command lines that part-ota takes', async () => {
    const native = ['native/jerryscript/README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'];
    const website = WEBSITE.map((name) => `docs/${name}`);
    const lines = [...PAGES, ...native].flatMap((path) => commandLinesOf(path));
    for (const path of website)
      for (const block of blocksOf(read(path)))
        lines.push(...commandLinesOf(path, block.replace(/^/gm, '    ')));
    assert.ok(lines.length > 30);
    const helps = new Map<string, string>();
    for (const command of new Set(
      lines.map(({ words }) => words[0]).filter((word) => /^\w/.test(word)),
    ))
      helps.set(command, await partOta([command, '--help']));
    const isWrong = ({ words: [command, ...more] }: CommandLine) =>
      more.some(
        (word) => /^--?\w/.test(word) && !new RegExp(`${word}(?![\\w-])`).test(helps.get(command)!),
      );
    assert.deepEqual(lines.filter(isWrong), []);
  });

  it('make a partition table as README.md does', async () => {
    const [line] = commandLinesOf('README.md').filter(({ words }) => words[0] === 'table');
    const csv = blocksOf(read('README.md'))[2];
    const folder = mkdtempSync(join(tmpdir(), 'part-ota-pages-'));
    try {
      writeFileSync(join(folder, line.words[1]), csv);
      await partOta(line.words, folder);
      const table = readFileSync(join(folder, line.words[2]));
      assert.deepEqual(table, Buffer.from(csvToTable(Buffer.from(csv))));
      const back = await partOta(['table', line.words[2]], folder);
      assert.match(back, /^www,data,littlefs,0x190000,768K,$/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the names in the documents', () => {
  it('are those of scripts of npm that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const path of [...PAGES, 'CONTRIBUTING.md', 'ARCHITECTURE.md'])
      for (const [, name] of read(path).matchAll(/npm run ([\w:]+)/g))
        assert.ok(scripts[name], `${path}: npm run ${name}`);
  });

  it('are those of files and folders that exist', () => {
    const places =
      'device|formats|link|cli|host|host-tests|checks|native|bench|examples|types|docs';
    const file = new RegExp(`\`((?:${places})/[\\w./-]*)\``, 'g');
    for (const page of ['ARCHITECTURE.md', 'CONTRIBUTING.md'])
      for (const [, name] of read(page).matchAll(file)) assert.ok(exists(name), `${page}: ${name}`);
  });

  it('lead to nothing that is missing, neither here nor in the package', () => {
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    const isPacked = (path: string) =>
      path === 'README.md' || files.some((file) => path === file || path.startsWith(`${file}/`));
    const others = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'native/jerryscript/README.md'];
    for (const document of [...PAGES, ...others]) {
      assert.ok(isPacked(document), `${document} is not in the package`);
      const base = new URL(document, root);
      for (const [, link, anchor] of read(document).matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
        const { pathname } = link ? new URL(link, base) : base;
        const path = pathname.slice(root.pathname.length);
        assert.ok(exists(path), `${document}: ${link}`);
        assert.ok(isPacked(path), `${document}: ${path} is not in the package`);
        if (anchor !== undefined)
          assert.ok(anchorsOf(path).includes(anchor), `${document}: #${anchor}`);
      }
    }
  });
});

/** @returns what links to a document may name, as GitHub makes it of its headings. */
function anchorsOf(path: string): string[] {
  return [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replace(/ /g, '-'),
  );
}
