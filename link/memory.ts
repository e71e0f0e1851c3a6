/** What the work on a board takes of its memory, and how it is told that memory has ended. */

import { CONNECTION, NEEDED as NEEDED_AIR } from '../device/http/limits.ts';

/** Memory of a board, in JsVars, as `process.memory()` has it. */
export interface Memory {
  free: number;
  total: number;
}

/**
 * JsVars that have to be free before the modules are loaded, of 14 bytes each, if every sector of 1 MiB changes: what
 * bench/budgets.ts holds, without the 500 that an app has there. `recover`: it puts the old content back; `ota`: an update
 * in chunks of 512 bytes; `otaHttp`: one over the air; `console`: `part-ota update` with an image.
 */
export const NEEDED = { recover: 900, ota: 1250, otaHttp: 2120, console: 2260 } as const;
/** What of that the modules take: it is not needed again where the app has loaded them. */
const LOADED = { ota: 400, 'ota-http': 320 } as const;

/** What can be done on a board that takes memory. */
export type Work = keyof typeof NEEDED;

/** @returns JsVars that have to be free. @param loaded - names of modules that the app has loaded */
export function neededFor(work: Work, loaded: readonly string[]): number {
  const isLoaded = (name: keyof typeof LOADED) => (loaded.includes(name) ? LOADED[name] : 0);
  const http = work === 'otaHttp' || work === 'console' ? isLoaded('ota-http') : 0;
  return NEEDED[work] - isLoaded('ota') - http;
}

/** JsVars without which `ota-http` refuses an update, once it is loaded. */
const REFUSED = { otaHttp: NEEDED_AIR, console: NEEDED_AIR - CONNECTION } as const;

/** @returns a script that makes `need` what has to be free before modules are loaded, whose names are in `fresh`. */
export const needScript = (work: keyof typeof REFUSED): string =>
  `var need=${REFUSED[work]};fresh.forEach(function(n){need+=n==="ota"?${LOADED.ota}:${LOADED['ota-http']}});`;

/**
 * The body of a script that tells of memory: JsVars that are free, all of them, and the errors that Espruino has seen since it
 * was asked before.
 */
export const ASK_MEMORY =
  'var m=process.memory();return[m.free,m.total,E.getErrorFlags?E.getErrorFlags():[]]';

/** One of these errors: a variable could not be made. `LOW_MEMORY` is only that few were left. */
export const MEMORY_FLAG = 'MEMORY';

/** What `ASK_MEMORY` returns. */
export type MemoryAnswer = [free: number, total: number, flags: string[]];
const ENDS = /\bOUT OF MEMORY\b|^New interpreter error: .*\bMEMORY\b|Not enough (stack )?memory/;
/** Whether a line that Espruino prints tells that memory has ended (jsvNewWithFlags, jsiCheckErrors). */
export const tellsOfMemory = (line: string) => ENDS.test(line);
