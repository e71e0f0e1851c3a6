/**
 * The process that a simulated board runs in: its scripts may be anybody's. `simulated.ts` starts it, without any right
 * that Node can take from it, and hands it its orders line by line.
 *
 * 1. The simulation runs in a context of its own, with nothing of Node in it. What goes in and out is text.
 * 2. Out of that context leads one function, which takes text. Should a script get hold of it, or of an error of Node's, its
 *    `constructor` makes no functions: the process was told to make none of strings, but in that context.
 * 3. What would be of use outside of it is removed here: it loads no modules, and has no network.
 * 4. Node's permission model lets the process read no files, write none, and start nothing, neither processes nor workers nor
 *    addons.
 */
import { writeSync } from 'node:fs';
import { constants, createContext, runInContext } from 'node:vm';

/** Milliseconds of the longest pause. */
const LONGEST = 1000;

/** By these a process gets at modules of Node, at native code, and at other processes. */
const REMOVED = [
  'binding',
  '_linkedBinding',
  'getBuiltinModule',
  'dlopen',
  'kill',
  '_kill',
  '_debugProcess',
  'mainModule',
  'moduleLoadList',
  'env',
];
/** The same of the globals. */
const REMOVED_GLOBALS = ['fetch', 'WebSocket', 'EventSource', 'require', 'module', 'WebAssembly'];

const { stdin } = process;
const exit = process.exit.bind(process);
// Else it would open the inspector.
process.on('SIGUSR1', () => undefined);
// Of native promises, which no board has: an async function of a script may throw.
process.on('unhandledRejection', () => undefined);
for (const name of REMOVED) Reflect.deleteProperty(process, name);
for (const name of REMOVED_GLOBALS) Reflect.deleteProperty(globalThis, name);
Reflect.deleteProperty(globalThis, 'process');

function writeAll(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}

/** Takes what the simulation tells. */
function tell(line: unknown): void {
  if (typeof line === 'string' && !line.includes('\n')) writeAll(`${line}\n`);
}

/** @param code - the simulation: a script that makes the variable `board` */
function makeInside(code: string): (line: string) => unknown {
  const context = createContext(constants.DONT_CONTEXTIFY, {
    codeGeneration: { strings: true, wasm: false },
  });
  // It has the function in a closure, where nothing but the simulation's own code is.
  const begin = runInContext(`(function(){${code};return board.begin})()`, context) as (
    wrapped: unknown,
  ) => (line: string) => unknown;
  const wrap = runInContext('"use strict";(f=>l=>{f(`${l}`)})', context) as (f: unknown) => unknown;
  return begin(wrap(tell));
}

let inside: ((line: string) => unknown) | undefined;
let next: NodeJS.Timeout | undefined;
let soon: NodeJS.Immediate | undefined;
const started = performance.now();

function take(line: string): void {
  let wait: unknown;
  try {
    if (inside) wait = inside(line);
    else inside = makeInside(JSON.parse(line) as string);
  } catch {
    // A script has spoiled what the simulation needs.
    writeAll('{"failed":"a script has changed what the simulation is made of"}\n');
  }
  clearTimeout(next);
  clearImmediate(soon);
  if (typeof wait === 'number' && wait > 0) next = setTimeout(turn, Math.min(wait, LONGEST));
  else soon = setImmediate(turn);
}

function turn(): void {
  if (inside) take(JSON.stringify({ turn: performance.now() - started }));
}

let pending = '';
stdin.setEncoding('utf8');
stdin.on('data', (text: string) => {
  const lines = (pending + text).split('\n');
  pending = lines.pop()!;
  for (const line of lines) take(line);
});
stdin.on('end', () => exit());
