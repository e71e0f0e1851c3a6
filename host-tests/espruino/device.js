/* eslint-disable @typescript-eslint/no-require-imports -- Espruino's own modules */
/* global E, Modules, print, process, require */

/*
 * What runs in Espruino: a stand-in for its module `Flash` over the file `flash.bin`, then one job.
 *
 * It keeps the flash of an ESP32 in a file because a Linux build has a flash of its own, of another size,
 * at another address. `job` is defined by the line that interpreter.ts puts before this:
 * - act: 'update', 'recover', 'status' or 'air'
 * - options: for `begin`; the image is the file `image.bin`
 * - air: for the `update` of `ota-http`, after `recover`
 * - cut: the number of the erase or page program in which the process ends; 0: none
 * - reached: 'nothing', 'first half', 'second half' or 'everything' of that operation
 */

var SECTOR = 4096;
var PAGE = 256;
/** What a chip's memory can hand over at once on Espruino: TCP chunks have at most 536 bytes. */
var CHUNK = 536;

var ERASED = E.toString(new Uint8Array(SECTOR).fill(255));
var file = E.openFile('flash.bin', 'r+');
if (!file) throw new Error('flash.bin cannot be opened for reading and writing; Espruino 2v27 can');

/** Erases and page programs so far, and reads. */
var operations = 0;
var reads = 0;

function report(what) {
  print('\n@' + JSON.stringify(what) + '\n');
}

/** @returns what the file holds: a string. */
function peek(address, length) {
  file.seek(address);
  return file.read(length) || '';
}

function poke(address, data) {
  file.seek(address);
  file.write(data);
}

/** One operation of the chip. The process may end in it, as by a power cut: nothing after it runs. */
function operate(address, after) {
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
}

/** @returns the AND of two strings, byte by byte. */
function and(old, data) {
  if (old === ERASED.substr(0, old.length)) return data;
  var bytes = new Uint8Array(old.length);
  for (var i = 0; i < bytes.length; i++) bytes[i] = old.charCodeAt(i) & data.charCodeAt(i);
  return E.toString(bytes);
}

var native = require('Flash');

/** As Espruino's `Flash`: it reports no error of the chip, and reads zeros past the end. */
global.standIn = {
  read: function (length, address) {
    if (length <= 0) return undefined;
    reads++;
    var found = peek(address, length);
    if (found.length === length) return E.toUint8Array(found);
    var bytes = new Uint8Array(length);
    bytes.set(found);
    return bytes;
  },
  write: function (data, address) {
    data = E.toString(data);
    for (var at = 0; at < data.length;) {
      var count = Math.min(data.length - at, PAGE - ((address + at) % PAGE));
      operate(address + at, and(peek(address + at, count), data.substr(at, count)));
      at += count;
    }
  },
  erasePage: function (address) {
    // Throws if Espruino keeps the address as a float, as what comes of a division. Scripts cannot tell.
    native.erasePage(address);
    operate(address - (address % SECTOR), ERASED);
  },
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
  var started = getTime();
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
        reads: reads,
        module: loaded - before,
        peak: highest - loaded,
        deepest: deepest - loaded,
        seconds: getTime() - started,
        engine: process.env.VERSION + ' ' + process.env.BOARD,
      });
      E.reboot();
    },
    function (error) {
      report({
        code: error.code,
        message: '' + (error.message || error),
        operations: operations,
        reads: reads,
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
    reads: reads,
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
    reads: reads,
  });
}

// A process that just stops takes another 100 ms.
if (job.act !== 'air') E.reboot();
