/*
 * Over the air without air: the other end of the console sends the bytes, when the board asks for them.
 *
 * `part-ota update --port /dev/ttyUSB0 --partition storage storage.bin` sends this script to a board, and answers it;
 * nothing has to be stored there but the modules. It also answers a board that runs this script by itself.
 *
 * The board prints lines, among whatever else it prints:
 *   ota? <file> <from> <to>       asks for the bytes from <= i < to of a file, up to the end of a sector at most; again
 *                                 after two seconds in which nothing came. The manifest is the file "<image>.ota".
 *   ota: {"fetch": <bytes>, ...}  what the update will take, as `check` tells it
 *   ota: {"phase": "write", "done": <bytes>, "total": <bytes>}     at each percent
 *   ota: {"state": "committed", ...} or {"code": "E_...", "message": ...}     the end
 *
 * The answer is lines of JavaScript, 512 bytes in each but the last, without a pause between them:
 *   otaPort.take(<from>, "<the bytes in base64>", <their CRC-32>)
 * While the board writes to flash the other end sends nothing, since the board has not asked. What is lost or damaged it asks for again.
 * "\x1b[2H" before the answer makes Espruino forget the rest of a line that was cut; "\x10" before a line, not echo it.
 *
 * Without an answer for some ten minutes the old content comes back.
 *
 * `storage` is a label of partitions.csv. On a board with Espruino it is Espruino's own: write `www`, or the label in your table.
 */
var OPTIONS = { url: 'storage.bin', partition: 'storage', timeout: 120000, retries: 4 };

(function (options) {
  var flash = require('Flash');
  var sha256 = require('crypto').SHA256;
  var ota = require('ota');
  var http = require('ota-http');
  /* The file; the next byte that is missing of it, the end of what was asked for, and the end of the request. */
  var file;
  var next;
  var end;
  var last;
  var onData;
  var timer;
  var percents = {};
  /* The host calls `take`, and may replace `tell`. */
  var port = { id: options.id || options.partition };
  global.otaPort = port;

  port.tell = function (what) {
    print('ota: ' + JSON.stringify(what));
  };
  function stop() {
    clearTimeout(timer);
  }
  function wait() {
    stop();
    timer = setTimeout(port.ask, 2000);
  }
  port.ask = function () {
    wait();
    end = Math.min((next | 4095) + 1, last);
    print('ota?', file, next, end);
  };
  port.take = function (from, text, crc) {
    if (from === next && next < last) {
      text = atob(text);
      if (E.CRC32(text) === crc) {
        wait();
        next += text.length;
        onData(text);
      }
    }
    /* That was the last line of what was asked for. */
    if (from + 512 >= end && next < last) port.ask();
  };
  function close() {
    stop();
    next = last;
  }
  function request(path, newFirst, newLast, onHead, newOnData) {
    file = path;
    next = newFirst;
    last = newLast + 1;
    end = 1e9;
    onData = newOnData;
    timer = setTimeout(function () {
      onHead(206, function (name) {
        return name === 'content-range' ? 'bytes ' + newFirst + '-' : undefined;
      });
      port.ask();
    }, 0);
    return close;
  }
  function finish(what) {
    delete global.otaPort;
    http.use();
    port.tell(what);
    return what;
  }

  options.onPlan = function (plan) {
    port.tell(plan);
  };
  options.onProgress = function (progress) {
    var percent = Math.floor((progress.done * 100) / progress.total);
    if (percents[progress.phase] !== percent) port.tell(progress);
    percents[progress.phase] = percent;
  };
  http.use({
    request: request,
    /* The rest is as Espruino has it. */
    read: function (address, length) {
      E.kickWatchdog();
      return E.toString(flash.read(length, address));
    },
    sha256: function (bytes) {
      return E.toString(sha256(bytes));
    },
    crc32: E.CRC32,
    fill: function (value, length) {
      return E.toString({ data: value, count: length });
    },
    join: E.toString,
  });
  /* What was interrupted stays open, so that the update goes on where it stopped. */
  if (ota.status().state === 'interrupted') ota.recover({ resume: true });
  port.done = http.update(options).then(finish, function (error) {
    return finish({ code: error.code, message: error.message || '' + error });
  });
})(OPTIONS);
