/*
 * Over the air without air: the other end of the console sends the bytes, when the board asks for them.
 *
 * `part-ota update --port /dev/ttyUSB0 --partition storage storage.bin` sends this script to a board, and answers it;
 * nothing has to be stored there but the modules. It also answers a board that runs this script by itself.
 *
 * The board prints lines, among whatever else it prints:
 *   ota? <file> <from> <to>       asks for the bytes from <= i < to of a file, 512 at most; again after two seconds in
 *                                 which they have not come. The manifest is the file "<image>.ota".
 *   ota: {"fetch": <bytes>, ...}  what the update will take, as `check` tells it
 *   ota: {"phase": "write", "done": <bytes>, "total": <bytes>}     at each percent
 *   ota: {"state": "committed", ...} or {"code": "E_...", "message": ...}     the end
 *
 * The answer is one line of JavaScript:
 *   otaPort.take(<from>, "<the bytes in base64>", <CRC-32 of the file's name and of the bytes>)
 * "\x1b[2H" before it makes Espruino forget the rest of a line that was cut; "\x10", not echo it.
 *
 * The board asks for the next bytes when it has written these. While it erases a sector, up to 0.4 s, an ESP32's UART has room for
 * 128 characters: its interrupt waits until the flash can be read again (ESP-IDF: CONFIG_UART_ISR_IN_IRAM is not set). So the
 * other end sends nothing meanwhile. What is lost or damaged the board asks for again; a board that asks for no bytes, or
 * for the same ones for ever, has been interrupted: its memory has ended.
 *
 * Without an answer for some ten minutes the old content comes back.
 *
 * `storage` is a label of partitions.csv. On a board with Espruino it is Espruino's own: write `www`, or the label in your table.
 */
/* global otaPort */
var OPTIONS = { url: 'storage.bin', partition: 'storage', timeout: 120000, retries: 4 };

(function (port) {
  /* The file, the next byte that is missing of it, and the end of the request. */
  var file;
  var next;
  var last;
  var onData;
  var onEnd;
  var timer = 0;
  var percent;

  /* The options are also what the host calls `take` of. It may replace `tell`. */
  global.otaPort = port;
  port.tell = function (what) {
    print('ota: ' + JSON.stringify(what));
  };
  /* Asks for the next bytes. If none are missing, whoever took the last ones was interrupted. */
  port.ask = function () {
    clearTimeout(timer);
    timer = next < last ? setTimeout(port.ask, 2000) : 0;
    if (timer) print('ota?', file, next, Math.min(next + 512, last));
    else onEnd();
  };
  port.take = function (from, bytes, crc) {
    bytes = atob(bytes);
    if (from === next && from < last)
      if (E.CRC32(file + bytes) === crc) {
        next += bytes.length;
        clearTimeout(timer);
        /* Later: this line is in memory now, and on the stack. */
        setTimeout(onData, 0, bytes);
        timer = setTimeout(port.ask, 1);
      } else port.ask();
  };
  port.onPlan = port.onProgress = function (what) {
    var now = Math.floor((what.done * 100) / what.total);
    if (now !== percent && what.phase !== 'backup') port.tell(what);
    percent = now;
  };
  /* Takes a result, or an error; `fresh` are modules that nothing else needs. */
  port.end = function (what) {
    delete global.otaPort;
    require('ota-http').use();
    if (port.fresh) port.fresh.forEach(Modules.removeCached);
    port.tell(what.message ? { code: what.code, message: what.message } : what);
  };

  require('ota-http').use({
    request: function (path, newFirst, newLast, onHead, newOnData, newOnEnd) {
      file = path;
      next = newFirst;
      last = newLast + 1;
      onData = newOnData;
      onEnd = newOnEnd;
      setTimeout(onHead, 0, 206, function (name) {
        return name === 'content-range' ? 'bytes ' + newFirst + '-' : undefined;
      });
      timer = setTimeout(port.ask, 1);
      return function () {
        clearTimeout(timer);
        timer = 0;
        next = last;
      };
    },
  });
})(OPTIONS);

/* What was interrupted stays open, so that the update goes on where it stopped. */
if (require('ota').status().state === 'interrupted') require('ota').recover({ resume: true });
/* By this the host knows that the update runs. */
(function (port) {
  port.id = port.partition;
  require('ota-http').update(port).then(port.end, port.end);
})(global.otaPort);
