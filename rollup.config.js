import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import typescript from '@rollup/plugin-typescript';
import { dts } from 'rollup-plugin-dts';
import tsBlankSpace from 'ts-blank-space';
import {
  abbreviate,
  declareConstants,
  endReturns,
  exportInPlace,
  hoistVariables,
  inlineExpressions,
  inlineStatements,
  liftVariables,
  loosen,
  mergeFunctions,
  nestFunctions,
  shareNumber,
  shareStrings,
  shareVariables,
  shortenFlags,
  shortenNames,
} from './minify.js';

/** Where TypeScript looks for its ES5 helpers. Empty on purpose: needing one fails the build. */
const noHelpers = fileURLToPath(new URL('no-helpers.js', import.meta.url));

const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const banner = `/* esp-part-ota ${version}, MIT licence */`;

/**
 * Properties of our own objects that no user sees: those of `Area` in device/chip.ts. Espruino keeps a name of up to four
 * characters in the variable itself, and every byte of the bundle takes flash.
 */
const AREA = ['first', 'kind', 'need', 'span', 'why'];

/** Functions that are smaller where they are called. */
const INLINED = [
  'wordOf',
  'rangeOf',
  'recordAt',
  'start',
  'forgetChip',
  'mix',
  'isForJournal',
  'retire',
  'failAlone',
  'failSector',
  'readSaved',
  'labelOf',
  'isQuiet',
  'sign',
  'decide',
  'checkRest',
];

const INLINED_HTTP = ['wait', 'advance', 'sourceOf', 'hashAt', 'packQueue'];

/** Functions that are called a few times in a call of the API: what only they use is in memory only then. */
const HOSTS = ['choosePlaces', 'readChip', 'open'];

/** Functions that are called rarely, and are one: that takes less memory. */
const MERGED = [
  'firm',
  'replay',
  'settle',
  'retireOthers',
  'readJournal',
  'isTarget',
  'isUsable',
  'stateOf',
  'restore$1',
  'checkUnsaved',
  'walkBackup',
  'finish',
  'look',
  'lookAll',
  'report',
  'reset',
  'tidy',
];

const MERGED_HTTP = [
  'fault',
  'wrong',
  'pause',
  'open',
  'failMemory',
  'undo',
  'complete',
  'drop',
  'later',
  'clearRoom',
  'startTimer',
  'copyTo',
  'failureOf',
  'printable',
  'homeOf',
  'takeUrl',
  'askHashes',
  'askSector',
  'prove',
];

/**
 * What terser must not do for Espruino in the end: a function that it inlines leaves its variables where it was, and
 * Espruino does not hoist them; and a function inside another is read again, and made again, each time that is called.
 */
const plain = { inline: 1, reduce_funcs: false };
/**
 * Espruino hoists neither functions nor variables, so terser has to. Functions of a module are called when all of it is
 * there.
 */
const hoist = { ...plain, hoist_vars: true };
// A raw "\xff" would be two bytes on the chip, which has no Unicode.
const format = { ascii_only: true };
const readable = {
  name: 'readable',
  renderChunk: (code) => exportInPlace(liftVariables(code)),
};
/**
 * First the constants go where they are used, and what is used once: terser leaves constants alone once functions are
 * hoisted above them. No function that runs for each sector may end up inside another by this.
 */
const inlined = {
  ecma: 5,
  toplevel: true,
  compress: {
    ...plain,
    inline: true,
    reduce_funcs: true,
    negate_iife: false,
    sequences: false,
    passes: 3,
  },
  mangle: false,
  format,
};
/** `unsafe_comps`: no comparison meets a NaN, which `checkNumber` refuses. */
const small = (internal, reserved) => ({
  ecma: 5,
  toplevel: true,
  compress: { ...hoist, passes: 3, pure_getters: true, unsafe_comps: true },
  mangle: {
    toplevel: true,
    reserved,
    properties: { regex: new RegExp(`^(${internal.join('|')})$`), builtins: true },
  },
  format,
});
const inlining = (names) => ({
  name: 'inlining',
  renderChunk: (code) => inlineStatements(inlineExpressions(code, names)),
});
/** Refuses a name that is no property any more. */
const inUse = (internal) => ({
  name: 'internal-properties-in-use',
  renderChunk(code) {
    const stale = internal.filter((name) => !new RegExp(`\\.${name}\\b`).test(code));
    if (stale.length) this.error(`no properties any more: ${stale.join(', ')}`);
  },
});
/** A name of its own for `exports`, which terser leaves as it is. */
const namedExports = {
  name: 'named-exports',
  renderChunk: (code) => `var api = exports;${code.replaceAll('exports.', 'api.')}`,
};
/** Bytes that a text in a variable has to save, which takes two JsVars. */
const SHARED = 12;
const forEspruino = (hosts, kept, merged) => ({
  name: 'for-espruino',
  renderChunk: (code) => {
    const hoisted = [4096, 255].reduce(shareNumber, hoistVariables(loosen(code)));
    const constant = declareConstants(shortenFlags(hoisted));
    const shared = abbreviate(shareVariables(shareStrings(constant, SHARED)));
    const nested = nestFunctions(shared, hosts, kept);
    return shortenNames(endReturns(mergeFunctions(nested, merged)));
  },
});
const es5 = { format: 'cjs', generatedCode: 'es5', strict: false, freeze: false, esModule: false };

/** Node runs what is left when the types are blanked out. */
const blankTypes = {
  name: 'blank-types',
  transform: (code, id) => (id.endsWith('.ts') ? { code: tsBlankSpace(code), map: null } : null),
};
const external = [/^node:/, ...Object.keys(dependencies)];
const host = (input, file, options) => ({
  input,
  external,
  output: { file, format: 'es', ...options },
  // `#hashes` is what package.json names for Node.
  plugins: [nodeResolve({ exportConditions: ['node'] }), blankTypes],
});
/** What the simulated board runs as where there is no Node: see cli/board/cell.ts. */
const NODE_INSIDE = fileURLToPath(new URL('cli/board/inside/node.ts', import.meta.url));
const withoutNode = {
  name: 'without-node',
  resolveId: (name) => (name.startsWith('node:') ? NODE_INSIDE : null),
};
const inside = {
  input: 'cli/board/inside/index.ts',
  output: { file: 'dist/board-inside.js', format: 'iife', name: 'board' },
  plugins: [withoutNode, nodeResolve({ exportConditions: ['default'] }), blankTypes],
};
/** Types of globals: they are for programs as they are, not modules. */
const ambient = {
  name: 'ambient-types',
  generateBundle() {
    for (const fileName of ['modules.d.ts', 'espruino.d.ts'])
      this.emitFile({ type: 'asset', fileName, source: readFileSync(`types/${fileName}`) });
  },
};
const types = (input, file) => ({ input, external, output: { file }, plugins: [dts()] });

/**
 * A module for the chip, readable and small.
 * @param internal - properties that get short names in the small one
 * @param functions - functions that are smaller where they are called
 */
const device = (input, name, internal, functions, hosts, kept, merged) => ({
  input,
  output: [
    { ...es5, file: `dist/${name}.js`, banner, plugins: [readable] },
    {
      ...es5,
      file: `dist/${name}.min.js`,
      plugins: [
        namedExports,
        terser(inlined),
        inUse(internal),
        inlining(functions),
        terser(small(internal, [...hosts, ...kept, ...merged])),
        forEspruino(hosts, kept, merged),
      ],
    },
  ],
  plugins: [typescript({ tslib: noHelpers })],
});

/** A script that is sent to a board each time it is needed. Its options, in front of it, are replaced then. */
const sent = {
  input: 'examples/air-serial.js',
  output: {
    ...es5,
    file: 'dist/air-serial.min.js',
    plugins: [
      terser({
        ecma: 5,
        compress: { ...hoist, hoist_funs: true, negate_iife: false, passes: 2 },
        format,
      }),
    ],
  },
};

export default [
  device('device/index.ts', 'ota', AREA, INLINED, HOSTS, [], MERGED),
  device(
    'device/http/index.ts',
    'ota-http',
    [],
    INLINED_HTTP,
    ['askHead'],
    ['step', 'hashNext'],
    MERGED_HTTP,
  ),
  sent,
  host('host/index.ts', 'dist/board.js'),
  inside,
  host('cli/board/cell.ts', 'dist/board-cell.js'),
  host('cli/index.ts', 'dist/part-ota.js', { banner: '#!/usr/bin/env node' }),
  { ...types('device/index.ts', 'dist/ota.d.ts'), plugins: [dts(), ambient] },
  types('device/http/index.ts', 'dist/ota-http.d.ts'),
  types('host/index.ts', 'dist/board.d.ts'),
];
