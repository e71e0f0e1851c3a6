/* eslint-disable @typescript-eslint/no-require-imports -- Espruino's own modules */
/* global E, Modules, global, print, process, require, job, setTimeout */

/*
 * What runs on the board of room.ts, from Storage as `.bootcde`: an app that fills so much memory, and does one job.
 * `job` is defined by the line that room.ts puts before it all:
 * - act: one of `jobs`; 'console': to wait for what is typed
 * - runs: free JsVars may lie in runs of so many at most; 0: as they come
 * - after: when it is over, the app makes room, and tries whether an update can begin
 * - sectors: of the image, which is in image.bin
 * - url: of the same image
 *
 * It prints lines that begin with @ and a word. Nothing catches errors here: Espruino prints them.
 */

var fs = require('fs');
/** JsVars in use once the app is there: 500, and what is too much where Espruino does not obey JSVARS. */
var goal = 500 + process.memory(false).total - fs.readFileSync('count');

function used() {
  return process.memory(false).usage;
}

function say(word, what) {
  print('\n@' + word + ' ' + JSON.stringify(what) + '\n');
}

/** What is done after the update, in the same boot, once the app has made room. */
function after() {
  global.app = global.pins = undefined;
  say('after', true);
  var ota = require('ota');
  // A module that found no room when it was loaded stays as far as it came.
  if (!ota.use) {
    Modules.removeCached('ota');
    ota = require('ota');
  }
  say('status', ota.status().state);
  say('recovered', ota.recover().state);
  try {
    ota.begin({ partition: 'www', backup: 'spare' }).abort();
    say('begun', true);
  } catch (error) {
    say('begun', error.code);
  }
}

function over(what) {
  what.total = process.memory(false).total;
  say('end', what);
}

/** Whether a promise is awaited. */
var isPending = false;

/** A promise was settled, or it was none. */
function settled() {
  if (job.after && isPending) setTimeout(after, 10);
  isPending = false;
}

function committed(result) {
  over({ state: result.state });
  settled();
}

function failed(error) {
  over({ code: error && error.code, message: '' + ((error && error.message) || error) });
  settled();
}

/** What a user may do in a callback: as in device/api.ts. */
function progress(at) {
  print(at.phase, at.done, at.total);
}

// What follows is called by timers, without any call in between: the stack is measured.

/** @returns what writes the image in pieces of a length. */
function writer(length, options) {
  return function () {
    var update = require('ota').begin(options);
    var file = E.openFile('image.bin', 'r');
    for (var left = job.sectors * 4096; left > 0; left -= length) update.write(file.read(length));
    file.close();
    committed(update.end());
  };
}

var jobs = {
  nothing: function () {},
  loaded: function () {
    var before = process.memory().usage;
    var ota = require('ota');
    var both = process.memory().usage;
    var http = require('ota-http');
    over({ ota: both - before, 'ota-http': process.memory().usage - both, kept: !!(ota && http) });
  },
  chunks: function () {
    var ota = require('ota');
    ota.recover();
    var update = ota.begin({ partition: 'www', backup: 'spare' });
    var file = E.openFile('image.bin', 'r');
    for (var n = job.sectors * 8; n > 0; n--) update.write(file.read(512));
    file.close();
    committed(update.end());
  },
  http: function () {
    require('ota').recover();
    require('ota-http')
      .update({ url: job.url, partition: 'www', backup: 'spare', retries: 1, timeout: 5000 })
      .then(committed, failed);
    isPending = true;
    say('pending', true);
  },
  recover: function () {
    committed(require('ota').recover());
  },
  /** Leaves an update open in which every sector is saved. */
  interrupt: function () {
    var update = require('ota').begin({ partition: 'www', backup: 'spare' });
    var file = E.openFile('image.bin', 'r');
    for (var n = job.sectors; n > 0; n--) update.write(file.read(4096));
    over({});
  },
  trial: writer(4096, { partition: 'www', backup: 'spare', trial: 3 }),
  // Calls whose stack is measured.
  partitions: function () {
    over({ found: require('ota').partitions().length });
  },
  status: function () {
    over({ found: require('ota').status() });
  },
  plan: function () {
    over({ found: require('ota').plan({ partition: 'www', backup: 'spare' }) });
  },
  write: writer(512, { partition: 'www', backup: 'spare' }),
  'write with onProgress': writer(512, {
    partition: 'www',
    backup: 'spare',
    onProgress: progress,
  }),
  'write, sectors whole': writer(4096, { partition: 'www', backup: 'spare', onProgress: progress }),
  'write, direct': writer(512, { partition: 'www', backup: false, onProgress: progress }),
  backup: function () {
    var options = { partition: 'www', backup: 'spare', onProgress: progress };
    require('ota').begin(options).backup();
    over({});
  },
  'keep and back': function () {
    var options = { partition: 'www', backup: 'spare', onProgress: progress };
    var update = require('ota').begin(options);
    var file = E.openFile('image.bin', 'r');
    update.keep(8192);
    for (var n = 8; n > 0; n--) update.write(file.read(4096));
    update.back();
    update.write(file.read(4096));
    over({});
  },
  abort: function () {
    var options = { partition: 'www', backup: 'spare', onProgress: progress };
    var update = require('ota').begin(options);
    var file = E.openFile('image.bin', 'r');
    for (var n = 8; n > 0; n--) update.write(file.read(4096));
    committed(update.abort());
  },
  restore: function () {
    committed(require('ota').restore({ onProgress: progress }));
  },
  confirm: function () {
    committed(require('ota').confirm());
  },
  forget: function () {
    committed(require('ota').forget());
  },
  check: function () {
    require('ota-http').check({ url: job.url, partition: 'www' }).then(committed, failed);
  },
  update: function () {
    require('ota-http')
      .update({
        url: job.url,
        partition: 'www',
        backup: 'spare',
        onPlan: function (plan) {
          print(plan.version, plan.changed, plan.fetch);
        },
        onProgress: progress,
      })
      .then(committed, failed);
  },
};

/** The rest is not kept, so that the app is what most of the memory is for. */
var todo = jobs[job.act];
jobs = undefined;

var app = [];
/** Each of them is one JsVar that stays. */
var pins = [];

/** Takes what is free, and gives it back but for one JsVar after each run. */
function scatter() {
  var taken = [];
  while (process.memory(false).free > 40) {
    taken.push(1);
    if (taken.length % job.runs === 0) pins.push(1);
  }
  // The last run ends where what this loop needs itself begins.
  pins.push(1);
}

function fill() {
  var few = job.runs ? goal - Math.ceil((process.memory(false).total - goal) / job.runs) : goal;
  while (used() < few) app.push({});
  if (job.runs) scatter();
  process.memory();
  while (used() < goal) app.push({});
}

fill();
say('ready', {
  used: used(),
  total: process.memory(false).total,
  /** Whether what needs a run that is longer finds no room in one. */
  isScattered: !E.getAddressOf(new Uint8Array(job.runs * 14 + 14), true),
});
if (job.act !== 'console') {
  setTimeout(todo, 50);
  // What was interrupted has no end of its own. Where two timers are due at once, Espruino prints errors behind both.
  if (job.after)
    setTimeout(function () {
      if (!isPending) after();
    }, 400);
}
