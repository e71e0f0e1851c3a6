/** The C compiler: what it is, and the warnings that the C file has to pass. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The C file, or a mutant of it. */
export const COMPONENT = process.env.PART_OTA ?? here('../../native/jerryscript/part_ota.c');
/** What stands in for ESP-IDF, and for a board. */
export const CHIP = here('chip.c');
export const BOARD = here('board.c');
export const BINDINGS = [here('stubs/jerryscript/engine.c'), here('bindings.c')];
export const INCLUDES = [`-I${here('../../native/jerryscript')}`, `-I${here('stubs/esp-idf')}`];
export const ENGINE_INCLUDE = `-I${here('stubs/jerryscript')}`;

/** Both gcc and clang know these. */
const WARNINGS = [
  'all',
  'extra',
  'pedantic',
  'conversion',
  'sign-conversion',
  'shadow',
  'undef',
  'vla',
  'cast-qual',
  'cast-align',
  'strict-prototypes',
  'missing-prototypes',
  'old-style-definition',
  'write-strings',
  'format=2',
  'double-promotion',
  'float-equal',
  'null-dereference',
  'error',
];
/** A mutant has to be found by what it does, not by a warning. */
export const STRICT = process.env.PART_OTA ? ['-w'] : WARNINGS.map((name) => `-W${name}`);
export const SANITIZE = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** @returns the version that a compiler prints of itself, behind its name; undefined: there is none. */
function versionOf(name: string): string | undefined {
  const { stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  return stdout?.split('\n')[0].replace(/^\S+ /, '');
}

/** The compilers that there are, each by one of its names. CC in the environment names the first. */
export const compilers: string[] = [];
const versions: (string | undefined)[] = [undefined];
for (const name of [process.env.CC ?? 'cc', 'gcc', 'clang']) {
  const version = versionOf(name);
  if (!versions.includes(version)) compilers.push(name);
  versions.push(version);
}

/** A folder for what is built. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'part-ota-c-'));

  /**
   * Compiles.
   * @returns the program
   * @throws with what the compiler prints
   */
  build(compiler: string, name: string, args: string[]): string {
    const program = join(this.folder, name);
    execFileSync(compiler, [...args, '-o', program], { stdio: ['ignore', 'pipe', 'pipe'] });
    return program;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
