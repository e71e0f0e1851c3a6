/** What an update runs on a board: bodies of functions for `Session.run`, each on one line. */
import type { Partition, Report } from '../device/api.ts';
import { type Is, isText, listOf, isNumber, objectOf, orMissing } from './shapes.ts';

/** Modules that a board lacks. */
interface Lacking {
  missing: string[];
}

/** What a board is before an update. */
export interface Examined {
  missing?: undefined;
  partitions: Pick<Partition, 'label' | 'size'>[];
  state: Report['state'];
  /** The update that runs: `id` of its options, or the label of the partition. */
  running?: string;
}

const isLacking = objectOf<Lacking>({ missing: listOf(isText) });
const isComplete = objectOf<Examined>({
  missing: (value) => value === undefined,
  partitions: listOf(objectOf({ label: isText, size: isNumber })),
  state: isText as Is<Report['state']>,
  running: orMissing(isText),
});
/** Whether it is what `EXAMINE` returns. */
export const isExamined: Is<Lacking | Examined> = (value) => isLacking(value) || isComplete(value);

/** What both scripts take: options of `update`, and a name by which another run of the command knows the update again. */
export interface ScriptOptions {
  id: string;
  url: string;
  partition: string;
  digest?: string | undefined;
  backup?: string | false | undefined;
  trial?: number | undefined;
  retries?: number | undefined;
  timeout?: number | undefined;
}

/** Takes comments, indentation and ends of lines out of a script that ends each statement by a semicolon. */
function onOneLine(script: string): string {
  return script.replace(/\/\*[^]*?\*\//g, '').replace(/\s*\n\s*/g, '');
}

/**
 * Reads as little as it can: where Storage is not mapped into memory, what is read is copied. Frees `ota` unless the app
 * has it.
 */
export const EXAMINE = onOneLine(`
  var cached = Modules.getCached();
  var storage = require("Storage");
  var missing = ["ota", "ota-http"].filter(function (name) {
    return cached.indexOf(name) < 0 && !storage.read(name, 0, 1);
  });
  if (missing.length) return { missing: missing };
  var ota = require("ota");
  var found = {
    partitions: ota.partitions(),
    state: ota.status().state,
    running: global.otaPort && global.otaPort.id
  };
  if (cached.indexOf("ota") < 0) Modules.removeCached("ota");
  return found;`);

/** What `JOIN` has for a code if the update that it should join has just ended. */
export const OVER = 'over';

/**
 * Joins an update that runs, or has just been started: the board tells how far it is, and returns the outcome, a result
 * of the module or code and message of an error.
 */
export const JOIN = onOneLine(`
  var port = global.otaPort;
  if (!port) return { code: "${OVER}", message: "" };
  port.tell = say;
  if (port.take) port.ask();
  return port.done;`);

/** @returns a built examples/air-serial.js without its options: an expression that is a function of them. */
function withoutOptions(script: string): string {
  return script.slice(0, script.lastIndexOf('({url:')).trim();
}

/** Fetches by itself, through the module's own seam. What it has in common with examples/air-serial.js is there. */
const FETCH = `(function (options) {
  var ota = require("ota");
  var percents = {};
  var port = { id: options.id };
  global.otaPort = port;
  options.onPlan = function (plan) {
    port.tell(plan);
  };
  options.onProgress = function (progress) {
    var percent = Math.floor((progress.done * 100) / progress.total);
    if (percents[progress.phase] !== percent) port.tell(progress);
    percents[progress.phase] = percent;
  };
  function finish(what) {
    delete global.otaPort;
    return what;
  }
  if (ota.status().state === "interrupted") ota.recover({ resume: true });
  port.done = require("ota-http").update(options).then(finish, function (error) {
    return finish({ code: error.code, message: error.message || "" + error });
  });
})`;

/** Frees the modules in the end, unless the app has them. */
const [BEFORE, AFTER] = [
  `
  var fresh = ["ota", "ota-http"].filter(function (name) {
    return Modules.getCached().indexOf(name) < 0;
  });`,
  `
  var port = global.otaPort;
  port.tell = say;
  port.done = port.done.then(function (what) {
    fresh.forEach(function (name) {
      Modules.removeCached(name);
    });
    return what;
  });
  return port.done;`,
].map(onOneLine);

/**
 * @param serial - examples/air-serial.js as it is built, for an update over the console; without it the board fetches
 * @returns the script that starts an update
 */
export function updateScript(options: ScriptOptions, serial?: string): string {
  const code = serial === undefined ? onOneLine(FETCH) : withoutOptions(serial);
  return `${BEFORE}${code}(${JSON.stringify(options)});${AFTER}`;
}
