/* eslint-disable @typescript-eslint/no-require-imports -- the board's own */
/* global counts, load, print, require, runtime, size */

/*
 * What runs in JerryScript on the board that board.c makes: timers, a network, and one job.
 *
 * `job` is defined by the line that board.ts puts before this:
 * - act: 'update', 'recover', 'status', 'air', or 'call'
 * - options: for `begin`; the image is the file `image.bin`, handed on as `chunk`
 * - air: for the `update` of `ota-http`; `faults`: the connections that end early, by number, and after how many bytes
 * - calls: names and arguments for 'call', as JavaScript
 */

var modules = {};

// Timers: time passes when nothing else is to be done.

var now = 0;
var timers = [];
var lastTimer = 0;

function setTimeout(call, ms) {
  timers.push({ id: ++lastTimer, at: now + (ms || 0), call: call });
  return lastTimer;
}

function clearTimeout(id) {
  timers = timers.filter(function (timer) {
    return timer.id !== id;
  });
}

/** Does what is to be done next. @returns whether there was something: board.c calls it until there is not */
globalThis.turn = function () {
  var next = timers[0];
  timers.forEach(function (timer) {
    if (timer.at < next.at) next = timer;
  });
  if (!next) return false;
  clearTimeout(next.id);
  now = Math.max(now, next.at);
  next.call();
  return true;
};

// The network: files, a request at a time, in pieces as TCP hands them over.

var MOST = 1436;
var requests = 0;
var served = 0;

/** As `request` of device/http/seam.ts. */
function request(url, first, last, onHead, onData, onEnd) {
  var name = url.split('/').pop();
  var number = ++requests;
  var length = size(name);
  var end = Math.min(last + 1, length);
  var limit = job.faults && job.faults[number] !== undefined ? job.faults[number] : Infinity;
  var isOpen = true;
  function send(at) {
    if (!isOpen) return;
    if (at === end || at - first >= limit) {
      onEnd(at === end ? undefined : 'reset');
      return;
    }
    var count = Math.min(end - at, MOST, limit - (at - first));
    served += count;
    onData(seam.bytes(load(name, at, count)));
    setTimeout(function () {
      send(at + count);
    });
  }
  setTimeout(function () {
    if (!isOpen) return;
    onHead(206, function (header) {
      return header === 'content-range'
        ? 'bytes ' + first + '-' + (end - 1) + '/' + length
        : undefined;
    });
    send(first);
  });
  return function () {
    isOpen = false;
  };
}

// Jobs

var seam;
var empty;
var loaded;

function report(what) {
  var found = counts();
  for (var key in found) what[key] = found[key];
  what.module = loaded - empty;
  what.served = served;
  print('\n@' + JSON.stringify(what) + '\n');
}

function fail(error) {
  report({ code: error.code, message: '' + (error.message || error) });
}

/** Updates from a file, in chunks of each kind by turns. */
function update(ota) {
  var session = ota.begin(job.options);
  var length = size('image.bin');
  var kind = 0;
  for (var at = 0; at < length; at += job.chunk) {
    var piece = load('image.bin', at, job.chunk);
    session.write([piece, piece.buffer, seam.bytes(piece)][kind++ % 3]);
  }
  return session.end();
}

function air(ota) {
  var recovered = ota.recover({ resume: true }).state;
  var http = require(job.http || 'ota-http.min');
  loaded = counts().used;
  seam.request = request;
  http.use(seam);
  http.update(job.air).then(function (result) {
    report({ result: result, recovered: recovered, requests: requests });
  }, fail);
}

/** @returns what each call of the runtime comes to. */
function call() {
  return job.calls.map(function (text) {
    try {
      var value = new Function('seam', 'return ' + text)(seam);
      return typeof value === 'string' ? escape(value) : value;
    } catch (error) {
      return error.message;
    }
  });
}

function run() {
  empty = counts().used;
  seam = runtime();
  var ota = require(job.bundle || 'ota.min');
  // ota-http asks for it by this name.
  modules.ota = ota;
  ota.use(seam);
  loaded = counts().used;
  if (job.act === 'air') return air(ota);
  if (job.act === 'call') return report({ result: call() });
  report({ result: job.act === 'update' ? update(ota) : ota[job.act]() });
}

try {
  run();
} catch (error) {
  fail(error);
}
