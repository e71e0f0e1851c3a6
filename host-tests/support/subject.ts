/**
 * What the suites run on: `SUBJECT=sources` (default), `ota.js` or `ota.min.js` in dist.
 * They see nothing but the public API and the chip, so one suite serves all three.
 */
import { readFileSync } from 'node:fs';
import type { Board } from '../../host/index.ts';
import { pathOf } from './package.ts';
import { blankTypes } from '../blank-types.js';

/** `require('ota')`. */
export type Ota = typeof import('../../device/index.ts');

/** Which form of the module is tested. */
export const SUBJECT = process.env.SUBJECT ?? 'sources';

/** `require('ota-http')`. */
export type OtaHttp = typeof import('../../device/http/index.ts');

/** @returns sources as one module, with their types blanked out and nothing else done to them. */
async function bundled(input: string): Promise<string> {
  const { rollup } = await import('rollup');
  const plugin = {
    name: 'blank-types',
    transform: async (code: string) => ({ code: await blankTypes(code), map: null }),
  };
  const bundle = await rollup({ input: pathOf(input), plugins: [plugin] });
  const { output } = await bundle.generate({ format: 'cjs', strict: false, esModule: false });
  await bundle.close();
  return output[0].code;
}

const source =
  SUBJECT === 'sources'
    ? await bundled('device/index.ts')
    : readFileSync(pathOf(`dist/${SUBJECT}`), 'latin1');
let httpSource: string | undefined;

/** @returns the source of `ota`. */
export function sourceOfOta(): string {
  return source;
}

/** @returns what makes the module of a source anew, as each boot does, and takes less time than a board. */
export function makerOf(code: string): () => Ota {
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const load = new Function('exports', code) as (exports: Ota) => void;
  return () => {
    const exports = {} as Ota;
    load(exports);
    return exports;
  };
}

/** Puts the module on a board. */
export function uploadTo(board: Board): void {
  board.upload('ota', source);
}

/** @returns a second copy of the module on a board, with state of its own, at the present boot. */
export function copyOn(board: Board): Ota {
  board.upload('ota copy', source);
  return board.require<Ota>('ota copy');
}

/** Makes `ota-http` of the same form as `ota`: once, before `uploadHttpTo`. `HTTP_SUBJECT` names another in dist. */
export async function buildHttp(): Promise<void> {
  // A mutant of the core gets the module as it is shipped.
  const own = SUBJECT.startsWith('mutants/')
    ? 'ota-http.min.js'
    : SUBJECT.replace('ota', 'ota-http');
  const file = process.env.HTTP_SUBJECT ?? own;
  httpSource ??=
    file === 'sources'
      ? await bundled('device/http/index.ts')
      : readFileSync(pathOf(`dist/${file}`), 'latin1');
}

/** @returns the source of `ota-http`. */
export function sourceOfHttp(): string {
  return httpSource!;
}

/** Puts both modules on a board. */
export function uploadHttpTo(board: Board): void {
  uploadTo(board);
  board.upload('ota-http', httpSource!);
}

/** @returns the module, as the present boot of a board sees it. */
export function otaOf(board: Board): Ota {
  return board.require<Ota>('ota');
}
