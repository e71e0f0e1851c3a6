/** The globals of Espruino on an ESP32 (firmware 2v29), for one board. All its boots inherit from them. */
import { PURE, shown } from './e-library.ts';
import { Reboot, isFatal } from '../halts.ts';
import { parseUrl } from './http.ts';
import { type Loaded, modulesLibrary } from './modules.ts';
import { promiseLibrary } from './promise.ts';
import { ABSENT, type Globals } from './scripts.ts';
import type { Files } from './storage-library.ts';

const VERSION = '2v29';
/** Bytes of the partition that Storage is in. */
const STORAGE_SIZE = 0xe0000;
/** What `process.memory` and `ESP32.getState` return: typical numbers, of the smallest boards that people report. */
const MEMORY = { free: 3100, usage: 300, total: 3400, history: 0, gc: 0, gctime: 1, blocksize: 14 };
const STATE = { sdkVersion: 'v3.3.6', freeHeap: 60000, minHeap: 50000 };

/** What the globals need of their board. */
interface GlobalsHost {
  /** As in `process.env`. */
  board: string;
  /** Names of the firmware's modules. */
  natives: string;
  files: Files;
  /** The present boot. */
  boot: () => Loaded;
  require: (name: unknown) => unknown;
  print: (...values: unknown[]) => void;
  echo: (isOn: boolean) => void;
  peek: (address: number) => number;
  /** The watchdog is told that the program is alive. */
  kick: () => void;
  /** Stops the CPU. */
  halt: (error: Error) => never;
  onInit: (handler: () => void) => void;
  /** Calls something when nothing else runs. */
  queue: (job: () => void) => void;
  /** Takes what was rejected without a listener. */
  complain: (reason: unknown) => void;
  /** `setTimeout` and what goes with it. */
  timers: object;
}

function makeE({ files, kick, halt, onInit }: GlobalsHost): Globals['E'] {
  return {
    ...PURE,
    kickWatchdog: kick,
    enableWatchdog: kick,
    reboot: () => halt(new Reboot('power')),
    on: (event: string, handler: () => void) => {
      if (event === 'init') onInit(handler);
    },
    setBootCode: (script: string | undefined, always?: boolean) => {
      files.set('.bootcde', always ? undefined : script);
      files.set('.bootrst', always ? script : undefined);
    },
  };
}

/** @returns what all boots of a board have in common. */
export function makeGlobals(host: GlobalsHost): Globals {
  const { board, natives, require, print, echo, peek, halt, queue, complain, timers, boot } = host;
  const E = makeE(host);
  const env = { VERSION, BOARD: board, FLASH: 0, STORAGE: STORAGE_SIZE, MODULES: natives };
  const globals = {
    require,
    E,
    process: { version: VERSION, env, memory: () => ({ ...MEMORY }) },
    print,
    console: { log: print, info: print, warn: print, error: print },
    ...timers,
    peek8: () => 0,
    peek16: () => 0,
    peek32: peek,
    poke8: () => undefined,
    poke16: () => undefined,
    poke32: () => undefined,
    load: (file?: unknown) =>
      halt(file === undefined ? new Reboot('load') : new Reboot('reset', shown(file))),
    reset: () => halt(new Reboot('reset')),
    echo: (isOn: unknown) => echo(Boolean(isOn)),
    ESP32: { reboot: E.reboot, getState: () => ({ ...STATE }), setOTAValid: () => undefined },
    Promise: promiseLibrary({
      queue,
      isFatal: (error) => isFatal(error) || error instanceof Reboot,
      unhandled: complain,
    }),
    url: { parse: parseUrl },
    Modules: modulesLibrary(boot),
  };
  return Object.setPrototypeOf(globals, ABSENT) as Globals;
}
