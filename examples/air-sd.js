/*
 * Over the air without air: image and manifest are files on an SD card, storage.bin and storage.bin.ota. The same proof,
 * the same transaction; only where the bytes come from is another. Needs a boot script that has connected the card:
 *   SPI1.setup({ mosi: D23, miso: D19, sck: D18 });
 *   E.connectSDCard(SPI1, D5);
 *
 * Upload, with the board at /dev/ttyUSB0, and what `storage` stands for: see air-boot.js.
 */

/* What a card hands over at once: one of its blocks. */
var BLOCK = 512;

/*
 * Reads bytes `first` to `last` of a file, a block at each turn, so that other scripts run meanwhile. That there is no
 * such file is thrown: it counts as a fault, and is tried again.
 */
function request(path, first, last, onHead, onData, onEnd) {
  var file = E.openFile(path, 'r');
  var left = last + 1 - first;
  var isBegun = false;
  file.seek(first);
  var timer = setInterval(function () {
    if (!isBegun) {
      isBegun = true;
      onHead(206, function (name) {
        return name === 'content-range' ? 'bytes ' + first + '-' : undefined;
      });
    }
    var bytes = file.read(Math.min(left, BLOCK));
    if (!bytes) return onEnd('the file ends');
    left -= bytes.length;
    onData(bytes);
  }, 1);
  return function () {
    clearInterval(timer);
    file.close();
  };
}

/* What was interrupted stays open, so that the update goes on where it stopped. */
var recovered = { state: 'incomplete' };
recovered = require('ota').recover({ resume: true });
/* The app tests that, too: until the update has ended, or recover() has, the partition is not to be opened. */
if (recovered.state === 'interrupted' || recovered.state === 'incomplete')
  print(recovered.partition, 'is', recovered.state);
/* The rest is as Espruino has it. */
require('ota-http').use({ request: request });
require('ota-http')
  .update({ url: 'storage.bin', partition: 'storage', retries: 2 })
  .then(
    function (result) {
      recovered = result;
      print(result.state + ',', result.fetched, 'bytes read from the card');
    },
    function (error) {
      print(error.message);
    },
  );
