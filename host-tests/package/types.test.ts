/** A user's device scripts type-check with what the package ships, and editors show its documentation. */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { docExamples } from '../support/doc-examples.ts';
import { root as packageRoot } from '../support/package.ts';
import { scratchFolder } from '../support/tools.ts';

const root = fileURLToPath(packageRoot);
const EXAMPLES = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.js'));

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES5,
  ignoreDeprecations: '6.0',
  lib: ['lib.es5.d.ts'],
  types: ['esp-part-ota/espruino'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  strict: true,
  noEmit: true,
  allowJs: true,
  checkJs: true,
};

const SCRIPT = `
  const update = require('ota').begin(options);
  update.write(new Uint8Array(4096));
  const result: Result = update.end();
  print(result.changed + 1, ota.recover({ resume: true }).state === 'interrupted');
  require('ota-http')
    .update({ url: 'http://192.168.1.2/www.bin', partition: 'www', retries: 3 })
    .then((done) => print(done.fetched + 1), (error: { code: string }) => print(error.code));
  E.on('init', () => print(process.memory().free, process.env.BOARD));
  setTimeout(() => load(), 1000);
  print(require('Storage').getFree() + 1, require('other').anything);`;

/** The same in the two forms of TypeScript. */
const AS_MODULE = `
  import type { Options, Result } from 'esp-part-ota';
  const ota = require('ota');
  const options: Options = { partition: 'www', backup: false, onProgress: (p) => print(p.done) };
  ${SCRIPT}`;
const AS_COMMONJS = `
  import ota = require('ota');
  type Result = ota.Result;
  const options: ota.Options = { partition: 'www', trial: 3 };
  ${SCRIPT}`;

/** Statements, and TypeScript's message about each. */
const WRONG: [statement: string, message: RegExp][] = [
  [`require('ota').begin({});`, /'partition' is missing/],
  [`require('ota').begin({ partition: 'www', sizes: 1 });`, /'sizes' does not exist/],
  [`require('ota').begin({ partition: 'www', backup: true });`, /'true' is not assignable/],
  [`require('ota').begin({ partition: 'www' }).write(7);`, /'7'|'number' is not assignable/],
  [`require('ota').recover().state === 'commited';`, /no overlap/],
  [`require('ota-http').update({ partition: 'www' });`, /'url' is missing/],
  [`require('ota').reset();`, /'reset' does not exist/],
];

const folder = scratchFolder();

/** Installs the package as npm would, once. */
function install(): void {
  const installed = join(folder, 'node_modules', 'esp-part-ota');
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    files: string[];
  };
  if (existsSync(installed)) return;
  mkdirSync(installed, { recursive: true });
  // What npm would install: nothing else of this checkout.
  for (const name of ['package.json', ...files])
    cpSync(join(root, name), join(installed, name), { recursive: true });
  mkdirSync(join(folder, 'node_modules', '@types'));
  symlinkSync(
    join(root, 'node_modules/@types/node'),
    join(folder, 'node_modules/@types/node'),
    'junction',
  );
  cpSync(join(root, 'examples'), join(folder, 'examples'), { recursive: true });
}

const messageOf = ({ messageText, start, file }: ts.Diagnostic) =>
  `${file?.text.slice(start).split('\n')[0] ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;

/** @returns TypeScript's messages about some files. */
function check(
  scripts: Record<string, string> | string[],
  options: ts.CompilerOptions = {},
  base = OPTIONS,
) {
  const names = Array.isArray(scripts) ? scripts : Object.keys(scripts);
  if (!Array.isArray(scripts))
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(folder, name), text);
  const paths = names.map((name) => join(folder, name));
  // Where it looks for `types`.
  const all = { ...base, ...options };
  const host = ts.createCompilerHost(all);
  host.getCurrentDirectory = () => folder;
  const program = ts.createProgram(paths, all, host);
  // The script and our types; those of others are large.
  const isOurs = ({ fileName }: ts.SourceFile) =>
    paths.includes(fileName) || fileName.includes('/esp-part-ota/dist/');
  const files = program.getSourceFiles().filter(isOurs);
  return [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => program.getSyntacticDiagnostics(file)),
    ...files.flatMap((file) => program.getSemanticDiagnostics(file)),
  ].map(messageOf);
}

describe('the types', () => {
  before(install);

  it('fit a TypeScript script, with nothing else installed', () => {
    assert.deepEqual(check({ 'good.ts': AS_MODULE }), []);
    const module = ts.ModuleKind.Node16;
    const moduleResolution = ts.ModuleResolutionKind.Node16;
    assert.deepEqual(check({ 'good.cts': AS_COMMONJS }, { module, moduleResolution }), []);
  });

  it('come with what docs/editor.md shows', () => {
    const page = readFileSync(join(root, 'docs/editor.md'), 'utf8');
    const json = /```json\n(\{ "compilerOptions".*)\n/.exec(page)![1];
    const { compilerOptions } = JSON.parse(json) as { compilerOptions: object };
    const { options, errors } = ts.convertCompilerOptionsFromJson(compilerOptions, folder);
    assert.deepEqual(errors, []);
    const { allowJs, checkJs, noEmit } = OPTIONS;
    const all = { ...options, allowJs, checkJs, noEmit };
    assert.deepEqual(check({ 'editor.ts': AS_MODULE }, all, {}), []);
    const [wrong] = check({ 'editor.js': `require('ota').begin({ size: 1 });` }, all, {});
    assert.match(wrong, /'partition' is missing/);
  });

  it('fit beside those of Node and of browsers', () => {
    const lib = ['lib.es2023.d.ts', 'lib.dom.d.ts'];
    assert.deepEqual(check({ 'good.ts': AS_MODULE }, { lib }), []);
    const types = ['node', 'esp-part-ota/modules'];
    const modules = `const ota = require('ota'); ota.begin({ partition: 'www' }).end().changed + 1;`;
    assert.deepEqual(check({ 'node.ts': modules }, { types, lib: ['lib.es2023.d.ts'] }), []);
  });

  it('find what is wrong in a script', () => {
    const found = check({ 'wrong.ts': WRONG.map(([statement]) => statement).join('\n') });
    assert.equal(found.length, WRONG.length, found.join('\n'));
    WRONG.forEach(([statement, message], n) => {
      assert.ok(
        found[n].startsWith(statement.slice(statement.indexOf('.') + 1, -1)) ||
          message.test(found[n]),
      );
      assert.match(found[n], message);
    });
  });

  for (const example of EXAMPLES)
    // As an editor checks JavaScript.
    it(`fit examples/${example}`, () =>
      assert.deepEqual(check([join('examples', example)], { strict: false }), []));

  for (const file of ['ota.d.ts', 'ota-http.d.ts'])
    it(`fit the examples in dist/${file}`, () => {
      const given = `declare const runtime: import('esp-part-ota').Runtime;
        declare const seam: import('esp-part-ota/ota-http').Seam;`;
      const scripts = docExamples(file).map(({ script }) => `{\n${script}}`);
      const text = [given, ...scripts].join('\n').replaceAll('var ', 'let ');
      assert.deepEqual(check({ 'examples.ts': text }), []);
    });
});

describe('the types in an editor', () => {
  before(install);

  it('show the documentation, in JavaScript, too', () => {
    const text = `var ota = require('ota');\nvar update = ota.begin({ partition: 'www', trial: 3 });\nupdate.write('');\nrequire('ota-http').check({ url: '' });\n`;
    const path = join(folder, 'hover.js');
    writeFileSync(path, text);
    const service = ts.createLanguageService({
      getCompilationSettings: () => OPTIONS,
      getScriptFileNames: () => [path],
      getScriptVersion: () => '1',
      getScriptSnapshot: (name) =>
        ts.sys.fileExists(name)
          ? ts.ScriptSnapshot.fromString(readFileSync(name, 'utf8'))
          : undefined,
      getCurrentDirectory: () => folder,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      fileExists: (name) => ts.sys.fileExists(name),
      readFile: (name) => ts.sys.readFile(name),
      directoryExists: (name) => ts.sys.directoryExists(name),
    });
    const hover = (word: string) => {
      const info = service.getQuickInfoAtPosition(path, text.indexOf(word) + 1);
      const tags = (info?.tags ?? []).map(
        (tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`,
      );
      return `${ts.displayPartsToString(info?.documentation)}\n${tags.join('\n')}`;
    };
    assert.match(hover('begin'), /Starts an update, or resumes.*@throws E_NO_PARTITION/s);
    assert.match(hover('write'), /any number of them, in order/);
    assert.match(hover('trial'), /1 to 255/);
    assert.match(hover('check'), /Writes nothing/);
  });
});
