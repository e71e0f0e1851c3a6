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

/** Espruino hoists neither functions nor variables, so terser has to, in the readable bundle too. */
const hoist = {
  ecma: 5,
  toplevel: true,
  compress: { passes: 3, hoist_funs: true, hoist_vars: true },
  // A raw "\xff" would be two bytes on the chip, which has no Unicode.
  format: { ascii_only: true },
};
const readable = {
  ...hoist,
  compress: { defaults: false, hoist_funs: true, hoist_vars: true },
  mangle: false,
  format: { ascii_only: true, beautify: true, comments: 'all' },
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

export default [
  {
    input: 'device/index.ts',
    output: [
      { ...es5, file: 'dist/ota.js', banner, plugins: [terser(readable)] },
      { ...es5, file: 'dist/ota.min.js', plugins: [terser(hoist)] },
    ],
    plugins: [typescript({ tslib: noHelpers })],
  },
  host('host/index.ts', 'dist/board.js'),
  host('cli/index.ts', 'dist/part-ota.js', { banner: '#!/usr/bin/env node' }),
  types('device/index.ts', 'dist/ota.d.ts'),
  types('host/index.ts', 'dist/board.d.ts'),
];
