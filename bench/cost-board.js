/* eslint-disable @typescript-eslint/no-require-imports -- Espruino's own modules */
/* global E, Modules, global, watched, print, process, require, job, setTimeout */

/*
 * What runs in Espruino, to be counted: one job. Unless Espruino has the flash of an ESP32 itself, stand-in.js goes
 * before this. `job` is defined by the line that espruino.ts puts before it all:
 * - act: 'write' to write sectors, 'feed' to do no more than cut them, 'recover', 'air' for an update by `ota-http`,
 *   'serve' for no more than what the server of that does, 'replay' for no more than what the stand-in does
 * - sectors: how many to write. What is written is in sector.bin and, for 'air', in image.ota
 * - chunk: bytes of each piece
 * - calls: of `recover`
 * - operations: what to replay, in pairs of length and address; 'trace' lists them: 0 is an erase, below 0 are writes
 * - storage: run the modules from Espruino's Storage
 * - measure: count variables, in use between two events and in the depth of calls
 */

var text = require('fs').readFileSync('sector.bin');
var pieces = [];
for (var at = 0; at < text.length; at += job.chunk)
  pieces.push(E.toFlatString(text.substr(at, job.chunk)));
text = undefined;

/** The first piece of a sector, and its first word: a number that makes the sector another. */
var first = E.toFlatString([pieces[0]]);
var sector = new Uint32Array(E.toArrayBuffer(first), 0, 1);

/** What comes out. */
var reply = { between: 0, depth: 0, reads: 0 };

function used() {
  return process.memory().usage;
}

global.operate = function (address, after) {
  poke(address, after);
};

var flash = job.standIn ? standIn : require('Flash');
var trace = [];

function deep() {
  var now = used();
  if (job.measure && now > reply.depth) reply.depth = now;
}

function between() {
  var now = used();
  if (job.measure && now > reply.between) reply.between = now;
}

/** Flash, with a look at the memory when most is in it. */
global.watched = {
  read: function (length, address) {
    var bytes = flash.read(length, address);
    reply.reads++;
    if (job.trace) trace.push(length, address);
    deep();
    return bytes;
  },
  write: function (data, address) {
    if (job.trace) trace.push(-data.length, address);
    deep();
    flash.write(data, address);
  },
  erasePage: function (address) {
    if (job.trace) trace.push(0, address);
    deep();
    flash.erasePage(address);
  },
  /** As deep as the others: what this script itself needs there is no part of what is measured. */
  rest: function () {
    E.toString('');
    deep();
    reply.deepLoaded = reply.depth;
    reply.depth = 0;
  },
};

/** What is in use while nothing is done. */
function rest() {
  watched.rest(0);
  between();
  reply.loaded = reply.between;
  reply.between = 0;
}

/** All that is large comes from here: when it is there, most is in memory. */
var toText = E.toString;
if (job.measure)
  E.toString = function (data) {
    var bytes = toText(data);
    deep();
    return bytes;
  };

if (job.measure || job.trace) Modules.addCached('Flash', 'exports=watched;');
else if (job.standIn) Modules.addCached('Flash', 'exports=standIn;');

function load(name) {
  var before = used();
  var source = require('fs').readFileSync(name + '.min.js');
  if (job.storage) require('Storage').write(name, source);
  else Modules.addCached(name, source);
  source = undefined;
  var module = require(name);
  reply[name] = used() - before;
  return module;
}

function write(ota) {
  var session = ota.begin({ partition: 'storage', backup: 'spare' });
  for (var n = 0; n < job.sectors; n++)
    for (var i = 0; i < pieces.length; i++) {
      // Where memory is measured, the chunk is part of it.
      session.write(job.measure ? toText([pieces[i]]) : pieces[i]);
      between();
    }
  reply.saved = ota.status().saved;
}

/** What `write` does beside `session.write`. */
function feed() {
  for (var n = 0; n < job.sectors; n++)
    for (var i = 0; i < pieces.length; i++) {
      void pieces[i];
      between();
    }
}

/** Hands bytes of the image to `data`: whole sectors, each begins with its number. */
function send(from, until, data, isOver) {
  for (var n = from >> 12; n < until >> 12; n++) {
    sector[0] = n;
    for (var i = 0; i < pieces.length; i++) {
      if (isOver()) return;
      data(toText([i ? pieces[i] : first]));
      between();
    }
  }
}

/**
 * As Espruino's module `http`, and a server. All there is of it is here before the memory is measured: the board has
 * one connection, and its server is not on the board.
 */
var answer;
var handlers = {};
var nothing = function () {};
var on = function (event, handler) {
  handlers[event] = handler;
};
var request = {
  on: nothing,
  end: function () {
    setTimeout(serve, 0);
  },
};

function isOver() {
  return request.clsNow;
}

function serve() {
  var range = answer.range.substr(6).split('-');
  var from = +range[0];
  var until = +range[1] + 1;
  answer.call({
    statusCode: '206',
    headers: { 'Content-Range': 'bytes ' + from + '-' + (until - 1) + '/*' },
    on: on,
  });
  if (answer.path === '/image') send(from, until, handlers.data, isOver);
  else {
    var file = E.openFile('image.ota', 'r');
    file.seek(from);
    for (var at = from; at < until && !isOver(); at += 512)
      handlers.data(E.toFlatString(file.read(Math.min(512, until - at))));
    file.close();
  }
  handlers.close();
}

global.server = {
  request: function (target, call) {
    answer = { range: target.headers.Range, path: target.path, call: call };
    request.clsNow = false;
    return request;
  },
};

/** What `ota-http` comes to. */
function succeed(result) {
  reply.saved = result.changed;
  reply.fetched = result.fetched;
  finish();
}

function stop(error) {
  print(error.message || error);
  E.reboot();
}

function air(ota) {
  var http = load('ota-http');
  Modules.addCached('http', 'exports=server;');
  rest();
  ota.recover();
  http
    .update({ url: 'http://board/image', partition: 'storage', backup: 'spare' })
    .then(succeed, stop);
}

function replay() {
  var data = E.toFlatString(pieces.join(''));
  for (var i = 0; i < job.operations.length; i += 2) {
    var length = job.operations[i];
    var address = job.operations[i + 1];
    if (length > 0) flash.read(length, address);
    else if (length) flash.write(data.substr(0, -length), address);
    else flash.erasePage(address);
  }
}

function finish() {
  if (job.trace) reply.trace = trace;
  print('\n@' + JSON.stringify(reply) + '\n');
  // A process that just stops takes another 100 ms.
  E.reboot();
}

function run() {
  if (job.act === 'feed') return feed();
  if (job.act === 'serve')
    return send(
      0,
      job.sectors * 4096,
      function () {},
      function () {},
    );
  if (job.act === 'replay') return replay();
  var ota = load('ota');
  rest();
  if (job.act === 'air') return air(ota);
  if (job.act === 'write') write(ota);
  else for (var n = 0; n < job.calls; n++) reply.state = ota.recover().state;
  return undefined;
}

/** Once this script has run, its text is in memory no more. An update over the air goes on then, others do not. */
function start() {
  run();
  if (job.act !== 'air') finish();
}

if (job.act === 'air') setTimeout(start, 0);
else start();
