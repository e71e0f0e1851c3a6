/**
 * Holds what ARCHITECTURE.md has of the folders: what each may import, so that nothing points up; that no imports go in
 * a circle; and that `cli/` has rooms and is no heap. Prints what is wrong; the exit code is 1 then.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

/** Files of device/ that have no state, so that others may use them. */
const DESCRIPTIONS = [
  'device/partitions.ts',
  'device/records.ts',
  'device/http/manifest.ts',
  'device/http/limits.ts',
];
/** Files of device/ that others take types from, and nothing else: what they export has state. */
const TYPES = ['device/api.ts', 'device/http/api.ts', 'device/index.ts', 'device/http/index.ts'];
const OF_DEVICE = [...DESCRIPTIONS, ...TYPES];

/** What each folder may import: files and folders, beside its own; packages and all other files. */
const LAYERS = {
  device: { below: [], packages: /^$/ },
  formats: { below: OF_DEVICE, packages: /^(#hashes|@noble\/hashes\/.*)$/ },
  link: { below: [...OF_DEVICE, 'formats'], packages: /^#hashes$/ },
  host: { below: [...OF_DEVICE, 'formats'], packages: /^(#hashes|node:.*)$/ },
  cli: { below: [...OF_DEVICE, 'formats', 'link', 'host'], packages: /./ },
  bench: { below: [...OF_DEVICE, 'formats', 'link', 'host', 'cli'], packages: /./ },
  'host-tests': { below: [''], packages: /./ },
};

/** Who prints: the command in one place; the process of a simulated board speaks to the command. */
const PRINTERS = ['cli/print.ts', 'cli/board/cell.ts'];
/** What prints. Words of a comment are no code: see `codeOf`. */
const PRINTS =
  /\bprocess\s*(\?\.|\.)\s*_?(stdout|stderr|_rawDebug)\b|\bprocess\s*\[|\{[^{}]*\b(stdout|stderr)\b[^{}]*\}\s*=\s*process\b|(?<![#./\w])console\s*\.|\bfrom 'node:(process|console|tty)'|\bwrite(File)?Sync\(\s*[12]\b/;

/** Files that may lie in `cli/` itself: the commands, and what they share. */
const MOST_IN_CLI = 25;

const folderOf = (file) => file.slice(0, file.indexOf('/'));
const isIn = (file, place) => file === place || file.startsWith(place && `${place}/`);

/** @returns what a file imports, paths from the root or names of packages, and whether only types of it. */
function importsOf(file, text) {
  return ts.preProcessFile(text).importedFiles.map(({ fileName, pos }) => {
    const statement = /\b(?:import|export)\b(?![^]*\b(?:import|export)\b)[^]*/.exec(
      text.slice(0, pos),
    );
    const isType = /^\w+ type\b/.test(statement?.[0] ?? '');
    const name = fileName.startsWith('.') ? normalize(join(dirname(file), fileName)) : fileName;
    return { name, isType };
  });
}

/** @returns a text without its comments, and without what is in its quotes. */
const codeOf = (text) =>
  text
    .replace(/\/\*[^]*?\*\/|(^|\s)\/\/.*/gm, '')
    .replace(/^(?!\s*(import|export)\b.*).*$/gm, (line) => line.replace(/'[^'\n]*'/g, "''"));

/** @returns circles of files, each that was found first. */
function circlesOf(graph) {
  const circles = [];
  const done = new Set();
  const path = [];
  const visit = (file) => {
    if (done.has(file)) return;
    const start = path.indexOf(file);
    if (start >= 0) {
      circles.push([...path.slice(start), file].join(' > '));
      return;
    }
    path.push(file);
    for (const { name } of graph.get(file) ?? []) visit(name);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return circles;
}

/**
 * @param files - text by path
 * @returns what is wrong, a line each
 */
export function problemsOf(files) {
  const graph = new Map(Object.entries(files).map(([file, text]) => [file, importsOf(file, text)]));
  const problems = circlesOf(graph).map((circle) => `a circle: ${circle}`);
  const inCli = Object.keys(files).filter((file) => dirname(file) === 'cli').length;
  if (inCli > MOST_IN_CLI) problems.push(`cli/ has ${inCli} files, at most ${MOST_IN_CLI}`);
  for (const [file, text] of Object.entries(files))
    if (folderOf(file) === 'cli' && !PRINTERS.includes(file) && PRINTS.test(codeOf(text)))
      problems.push(`${file} prints; only ${PRINTERS[0]} does, which cleans it`);
  for (const [file, imports] of graph) {
    const folder = folderOf(file);
    const { below, packages } = LAYERS[folder];
    for (const { name, isType } of imports) {
      const isFile = folderOf(name) in LAYERS;
      const isAllowed = isFile
        ? [folder, ...below].some((place) => isIn(name, place))
        : packages.test(name);
      const needsType = !['device', 'host-tests'].includes(folder) && TYPES.includes(name);
      if (!isAllowed) problems.push(`${file} imports ${name}, which ${folder}/ must not`);
      else if (needsType && !isType) problems.push(`${file} imports more than types of ${name}`);
    }
  }
  return problems;
}

/** @returns all modules of the folders, by path. */
function readAll() {
  const files = Object.keys(LAYERS).flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => join(folder, name)),
  );
  const modules = files.filter((file) => /\.[jt]s$/.test(file));
  return Object.fromEntries(modules.map((file) => [file, readFileSync(file, 'utf8')]));
}

if (process.argv[1] === import.meta.filename) {
  const problems = problemsOf(readAll());
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length ? 1 : 0;
}
