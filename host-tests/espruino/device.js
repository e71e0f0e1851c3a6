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
  if (job.measure) {
    deep();
    if (isResting) return undefined;
  }
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

/** The most variables in use when something large was made, or at an erase or page program: in the depth of a call. */
var deepest = 0;
/** The most between two events. */
var highest = 0;
/** Both while nothing is done. */
var deepLoaded = 0;
var loaded = 0;
/** Whether it is only measured what this script itself needs in the depth of a call. */
var isResting = false;
var page = E.toString(new Uint8Array(256));

function deep() {
  var now = used();
  if (now > deepest) deepest = now;
}

/** All that is large comes from here. */
var toText = E.toString;
if (job.measure)
  E.toString = function (data) {
    var bytes = toText(data);
    deep();
    return bytes;
  };

function rest() {
  isResting = true;
  standIn.write(page, 0);
  isResting = false;
  operations = 0;
  deepLoaded = deepest;
  watch();
  loaded = highest;
  deepest = highest = 0;
}

/** It is called when nothing else runs: between what arrives. */
function watch() {
  var now = used();
  if (now > highest) highest = now;
}

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

/** What an update over the air comes to. */
var recovered;
var started;
var module;

function succeed(result) {
  report({
    result: result,
    recovered: recovered.state,
    operations: operations,
    reads: standIn.reads,
    module: module,
    peak: highest - loaded,
    deepest: deepest - deepLoaded,
    seconds: getTime() - started,
    engine: process.env.VERSION + ' ' + process.env.BOARD,
  });
  E.reboot();
}

function stop(error) {
  report({
    code: error.code,
    message: '' + (error.message || error),
    operations: operations,
    reads: standIn.reads,
  });
  E.reboot();
}

/** Updates over the air. Its reply comes later. */
function air(ota, before) {
  var http = load('ota-http');
  module = used() - before;
  started = getTime();
  if (job.measure) {
    setInterval(watch, 1);
    rest();
  }
  recovered = ota.recover({ resume: true });
  http.update(job.air).then(succeed, stop);
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

function start() {
  try {
    run();
  } catch (error) {
    return stop(error);
  }
  // A process that just stops takes another 100 ms.
  if (job.act !== 'air') E.reboot();
  return undefined;
}

// An update over the air goes on when this script has ended, and its text has left memory; so it also begins then.
if (job.act === 'air') setTimeout(start, 0);
else start();
