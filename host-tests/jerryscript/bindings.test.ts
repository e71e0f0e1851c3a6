/**
 * native/jerryscript/part_ota.c by itself: compiled with the strictest warnings, and run under sanitizers over
 * stand-ins for JerryScript and ESP-IDF. It needs a C compiler, and nothing else.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  BINDINGS,
  CHIP,
  COMPONENT,
  ENGINE_INCLUDE,
  INCLUDES,
  SANITIZE,
  STRICT,
  Workshop,
  compilers,
} from './compiler.ts';

describe('part_ota.c', function () {
  this.timeout(60_000);
  let workshop: Workshop;

  before(function () {
    if (!compilers.length) {
      console.log('    ▸ skipped: there is no C compiler');
      this.skip();
    }
    workshop = new Workshop();
  });

  after(() => workshop?.remove());

  it('compiles without a warning, as C11 and as C99, for ESP-IDF 4 and 5', () => {
    for (const compiler of compilers)
      for (const standard of ['c11', 'gnu99'])
        for (const version of [4, 5])
          workshop.build(compiler, 'part_ota.o', [
            ...STRICT,
            `-std=${standard}`,
            `-DESP_IDF_VERSION_MAJOR=${version}`,
            ...INCLUDES,
            ENGINE_INCLUDE,
            '-O2',
            '-c',
            COMPONENT,
          ]);
  });

  for (const [where, ...options] of [
    ['at 0x8000'],
    ['elsewhere', '-DCONFIG_PARTITION_TABLE_OFFSET=0xa000'],
  ])
    it(`takes good arguments, refuses all others, and leaks nothing, with the table ${where}`, () =>
      runBindings(options));

  function runBindings(options: string[]): void {
    const [compiler] = compilers;
    const args = [...STRICT, '-std=c11', ...options, ...INCLUDES, ENGINE_INCLUDE, '-O1'];
    const sources = [COMPONENT, CHIP, ...BINDINGS, '-lm'];
    let how = `${compiler}, address and undefined behaviour sanitizers`;
    let program: string;
    try {
      program = workshop.build(compiler, 'bindings', [...args, ...SANITIZE, ...sources]);
    } catch (error) {
      if (!/san/.test(String((error as { stderr?: Buffer }).stderr))) throw error;
      how = `${compiler}, which has no sanitizers`;
      program = workshop.build(compiler, 'bindings', [...args, ...sources]);
    }
    const { status, stdout, stderr } = spawnSync(program, { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    const [, checks] = /^(\d+) checks, 0 failed$/m.exec(stdout)!;
    assert.ok(Number(checks) > 150, stdout);
    console.log(`      ▸ ${checks} checks of part_ota.c: ${how}`);
  }
});
