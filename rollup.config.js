import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import terser from '@rollup/plugin-terser';
import typescript from '@rollup/plugin-typescript';
import { dts } from 'rollup-plugin-dts';
import tsBlankSpace from 'ts-blank-space';

/** Where TypeScript looks for its ES5 helpers. Empty on purpose: needing one fails the build. */
const noHelpers = fileURLToPath(new URL('no-helpers.js', import.meta.url));

const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const banner = `/* esp-part-ota ${version}, MIT licence */`;

/**
 * Properties of our own objects that no user sees. Espruino keeps a name of up to four characters in the
 * variable itself, and every byte of the bundle takes flash.
 */
const internal =
  'area areas decision first flags app booted inFlight index isFree isLive isNeeded isOpen isSettled ' +
  'isSolid isSystem kept kind last limit name next passive places record row span spare target unsaved used why';

/**
 * What terser must not do for Espruino. A function that it inlines leaves its variables at the end, and Espruino
 * does not hoist them. And a function inside another is read again, and made again, each time that is called.
 */
const plain = { inline: 1, reduce_funcs: false };
/**
 * Espruino hoists neither functions nor variables, so terser has to. Functions of a module are called when all of it is there;
 * with the variables in front of them, those get the shorter names.
 */
const hoist = { ...plain, hoist_vars: true };
// A raw "\xff" would be two bytes on the chip, which has no Unicode.
const format = { ascii_only: true };
const readable = {
  ecma: 5,
  toplevel: true,
  compress: { defaults: false, ...hoist, hoist_funs: true },
  mangle: false,
  format: { ...format, beautify: true, comments: 'all' },
};
/** First the constants go where they are used: terser leaves them alone once functions are hoisted above them. */
const inlined = {
  ecma: 5,
  toplevel: true,
  compress: { ...plain, passes: 3 },
  mangle: false,
  format,
};
const small = {
  ecma: 5,
  toplevel: true,
  compress: { ...hoist, passes: 3, pure_getters: true, unsafe_comps: true },
  mangle: {
    toplevel: true,
    properties: { regex: new RegExp(`^(${internal.replaceAll(' ', '|')})$`), builtins: true },
  },
  format,
};
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
  plugins: [blankTypes],
});
const types = (input, file) => ({ input, external, output: { file }, plugins: [dts()] });

/** A module for the chip, readable and small. */
const device = (input, name) => ({
  input,
  output: [
    { ...es5, file: `dist/${name}.js`, banner, plugins: [terser(readable)] },
    { ...es5, file: `dist/${name}.min.js`, plugins: [terser(inlined), terser(small)] },
  ],
  plugins: [typescript({ tslib: noHelpers })],
});

export default [
  device('device/index.ts', 'ota'),
  device('device/http/index.ts', 'ota-http'),
  host('host/index.ts', 'dist/board.js'),
  host('cli/index.ts', 'dist/part-ota.js', { banner: '#!/usr/bin/env node' }),
  types('device/index.ts', 'dist/ota.d.ts'),
  types('device/http/index.ts', 'dist/ota-http.d.ts'),
  types('host/index.ts', 'dist/board.d.ts'),
];
