/* eslint-disable @typescript-eslint/no-require-imports -- Espruino's own modules */
/* global E, Modules, global, poke, print, process, require, standIn */

/*
 * What runs in Espruino, after stand-in.js: one job. `job` is defined by the line that interpreter.ts puts before this:
 * - act: 'update', 'recover', 'status' or 'air'
 * - options: for `begin`; the image is the file `image.bin`
 * - air: for the `update` of `ota-http`, after `recover`
 * - cut: the number of the erase or page program in which the process ends; 0: none
 * - reached: 'nothing', 'first half', 'second half' or 'everything' of that operation
 */

/** What a chip's memory can hand over at once on Espruino: TCP chunks have at most 536 bytes. */
var CHUNK = 536;

/** Erases and page programs so far. */
var operations = 0;

function report(what) {
  print('\n@' + JSON.stringify(what) + '\n');
}

/** One operation of the chip. The process may end in it, as by a power cut: nothing after it runs. */
global.operate = function (address, after) {
  operations++;
  if (job.measure) deepest = Math.max(deepest, used());
  if (operations !== job.cut) return poke(address, after);
  var half = after.length >> 1;
  if (job.reached === 'first half') poke(address, after.substr(0, half));
  if (job.reached === 'second half') poke(address + half, after.substr(half));
  if (job.reached === 'everything') poke(address, after);
  report({ cut: operations });
  E.reboot();
  throw new Error('E.reboot() did not end the process');
};

function used() {
  return process.memory().usage;
}

/** The most variables in use at an erase or page program: in the depth of a write. */
var deepest = 0;
/** The most between two events. */
var highest = 0;

function update(ota) {
  var image = E.openFile('image.bin', 'r');
  var chunk;
  var peak = 0;
  var session = ota.begin(job.options);
  while ((chunk = image.read(CHUNK))) {
    session.write(chunk);
    if (job.measure) peak = Math.max(peak, used());
  }
  var result = session.end();
  result.peak = peak;
  return result;
}

function load(name) {
  var source = require('fs').readFileSync(name + '.min.js');
  if (job.storage) require('Storage').write(name, source);
  else Modules.addCached(name, source);
  source = undefined;
  return require(name);
}

/** Updates over the air. Its reply comes later. */
function air(ota, before) {
  var http = load('ota-http');
  var loaded = used();
  var recovered = ota.recover({ resume: true });
  var options = job.air;
  // It is called when nothing else runs: between what arrives.
  if (job.measure)
    setInterval(function () {
      highest = Math.max(highest, used());
    }, 1);
  http.update(options).then(
    function (result) {
      report({
        result: result,
        recovered: recovered.state,
        operations: operations,
        reads: standIn.reads,
        module: loaded - before,
        peak: highest - loaded,
        deepest: deepest - loaded,
        engine: process.env.VERSION + ' ' + process.env.BOARD,
      });
      E.reboot();
    },
    function (error) {
      report({
        code: error.code,
        message: '' + (error.message || error),
        operations: operations,
        reads: standIn.reads,
      });
      E.reboot();
    },
  );
}

function run() {
  var before = used();
  Modules.addCached('Flash', 'exports=standIn;');
  var ota = load('ota');
  if (job.act === 'air') return air(ota, before);
  var loaded = used();
  var result = job.act === 'update' ? update(ota) : ota[job.act]();
  report({
    result: result,
    operations: operations,
    reads: standIn.reads,
    module: loaded - before,
    peak: result.peak && result.peak - loaded,
    engine: process.env.VERSION + ' ' + process.env.BOARD,
  });
  return undefined;
}

try {
  run();
} catch (error) {
  job.act = 'failed';
  report({
    code: error.code,
    message: '' + (error.message || error),
    operations: operations,
    reads: standIn.reads,
  });
}

// A process that just stops takes another 100 ms.
if (job.act !== 'air') E.reboot();
