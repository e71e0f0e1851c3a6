/** What an update runs on a board: bodies of functions for `Session.run`, each on one line. */
import type { Report } from '../device/api.ts';
import { APP_HEAD, readApp } from '../formats/app.ts';
import { fromBase64 } from '../formats/bytes.ts';
import type { LaidOut } from './layout.ts';
import { type Memory, needScript } from './memory.ts';
import { bytesOf, type Is, isText, listOf, isNumber, objectOf, orMissing } from './shapes.ts';

/** Modules that a board lacks. */
interface Lacking {
  missing: string[];
  free?: undefined;
}

/** Too little memory for an update. */
interface Short extends Memory {
  missing?: undefined;
  fresh: string[];
}

/** What a board is before an update. */
export interface Examined {
  missing?: undefined;
  free?: undefined;
  /** Modules that are loaded for the update, and are to be freed after it. */
  fresh: string[];
  /** Bytes of the partition; missing if there is none with this label. */
  size?: number | undefined;
  /** Of the partition, as the table has them. */
  type?: number | undefined;
  subtype?: number | undefined;
  /** Those of all partitions, if there is none with this label. */
  labels: string[];
  state: Report['state'];
  /** The update that runs: `id` of its options, or the label of the partition. */
  running?: string | undefined;
  /** The app slot that the backup overwrites, if it does, and its first bytes in base64. */
  slot?: Slot | undefined;
}

interface Slot {
  label: string;
  head: string;
}

/** An app slot that the backup overwrites, and what is in it. */
export type Overwritten = Pick<LaidOut, 'label' | 'holds'>;

export const overwritten = ({ label, head }: Slot): Overwritten => ({
  label,
  holds: readApp(fromBase64(head)),
});

const isAbsent: Is<undefined> = (value) => value === undefined;
const isLacking = objectOf<Lacking>({ missing: listOf(isText), free: isAbsent });
const isShort = objectOf<Short>({
  free: isNumber,
  total: isNumber,
  fresh: listOf(isText),
  missing: isAbsent,
});
const isComplete = objectOf<Examined>({
  missing: isAbsent,
  free: isAbsent,
  fresh: listOf(isText),
  size: orMissing(isNumber),
  type: orMissing(isNumber),
  subtype: orMissing(isNumber),
  labels: listOf(isText),
  state: isText as Is<Report['state']>,
  running: orMissing(isText),
  slot: orMissing(objectOf<Slot>({ label: isText, head: bytesOf(APP_HEAD) })),
});
/** Whether it is what `examineScript` returns. */
export const isExamined: Is<Lacking | Short | Examined> = (value) =>
  isLacking(value) || isShort(value) || isComplete(value);

/** Options of `update` on the board. */
export interface UpdateOptions {
  url: string;
  partition: string;
  digest?: string | undefined;
  backup?: string | false | undefined;
  trial?: number | undefined;
  manifest?: string | undefined;
  headers?: Record<string, string> | undefined;
  keep?: boolean | undefined;
  retries?: number | undefined;
  timeout?: number | undefined;
}

/** Takes comments, indentation and ends of lines out of a script that ends each statement by a semicolon. */
export function onOneLine(script: string): string {
  return script.replace(/\/\*[^]*?\*\//g, '').replace(/\s*\n\s*/g, '');
}

/**
 * Reads as little as it can: where Storage is not mapped into memory, what is read is copied. Frees `ota` unless the app
 * has it, and forgets errors that Espruino has seen before: what it counts from now on are ours.
 *
 * Loads nothing where memory will not do: an Espruino that finds none may fail in ways of its own. It looks once the line by
 * which it came is out of memory.
 * @param options - what the module will be asked for
 * @returns the script that asks for what `isExamined` takes
 */
export const examineScript = (
  { partition: label, backup, trial }: Pick<UpdateOptions, 'partition' | 'backup' | 'trial'>,
  work: 'otaHttp' | 'console',
): string =>
  onOneLine(`
  return Promise.resolve().then(function () {
  var cached = Modules.getCached();
  var fresh = ["ota", "ota-http"].filter(function (name) {
    return cached.indexOf(name) < 0;
  });
  var missing = fresh.filter(function (name) {
    return !require("Storage").read(name, 0, 1);
  });
  if (missing.length) return { missing: missing };
  ${needScript(work)}
  var memory = process.memory();
  if (!global.otaPort && memory.free < need) return { free: memory.free, total: memory.total, fresh: fresh };
  if (E.getErrorFlags) E.getErrorFlags();
  var ota = require("ota");
  var found = { fresh: fresh, labels: [], state: ota.status().state };
  var plan = {};
  if (!global.otaPort) try {
    plan = ota.plan(${JSON.stringify({ partition: label, backup, trial })});
  } catch (e) {}
  var at = !plan.resumed && plan.backup ? plan.backup.address : -1;
  ota.partitions().forEach(function (row) {
    if (!row.type && row.address === at)
      found.slot = { label: row.label, head: btoa(E.toString(require("Flash").read(${APP_HEAD}, at))) };
    if (row.label === ${JSON.stringify(label)}) {
      found.size = row.size;
      found.type = row.type;
      found.subtype = row.subtype;
    } else found.labels.push(row.label);
  });
  if (found.size) found.labels = [];
  if (global.otaPort) found.running = global.otaPort.id;
  if (fresh[0] === "ota") Modules.removeCached("ota");
  return found;
  });`);

/** What `JOIN` has for a code if the update that it should join has just ended. */
export const OVER = 'over';

/**
 * Joins an update that runs, or has just been started: the board tells how far it is, and in the end the outcome, a result
 * of the module or code and message of an error.
 */
export const JOIN = onOneLine(`
  var port = global.otaPort;
  if (!port) return { code: "${OVER}", message: "" };
  port.tell = say;
  if (port.take) port.ask();
  return say;`);

/** Loads the modules: by itself, so that no other text is in memory meanwhile. What was interrupted stays open. */
export const LOAD = onOneLine(`
  require("ota-http");
  var ota = require("ota");
  if (ota.status().state === "interrupted") ota.recover({ resume: true });`);

/** Makes `otaPort` for a board that fetches by itself. What it has in common with examples/air-serial.js is there. */
const FETCH = onOneLine(`(function (port) {
  var percent;
  global.otaPort = port;
  port.onPlan = port.onProgress = function (what) {
    var now = Math.floor((what.done * 100) / what.total);
    if (now !== percent && what.phase !== "backup") port.tell(what);
    percent = now;
  };
  port.onRetry = function (message, ms) {
    port.tell({ retry: message, ms: ms });
  };
  port.end = function (what) {
    delete global.otaPort;
    port.fresh.forEach(Modules.removeCached);
    port.tell(what.message ? { code: what.code, message: what.message, state: what.state } : what);
  };
})`);

/**
 * @param serial - examples/air-serial.js as it is built, for an update over the console; without it the board fetches
 * @returns a script that makes `otaPort`.
 */
export function portLine(options: UpdateOptions, serial?: string): string {
  // All but its options, and what it does with them.
  const code = serial === undefined ? FETCH : serial.slice(0, serial.lastIndexOf('({url:'));
  return `${code}(${JSON.stringify(options)})`;
}

/**
 * @param id - by which another run of the command knows the update again
 * @param fresh - modules that are to be freed in the end
 * @returns the script that starts the update that `otaPort` was made for, once the line by which it came is out of memory
 */
export const startScript = (id: string, fresh: string[]): string =>
  onOneLine(`
  var port = global.otaPort;
  port.id = ${JSON.stringify(id)};
  port.fresh = ${JSON.stringify(fresh)};
  port.tell = say;
  Promise.resolve().then(function () {
    return require("ota-http").update(port);
  }).then(port.end, port.end);
  return say;`);
