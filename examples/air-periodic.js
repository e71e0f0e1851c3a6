/*
 * Over the air, every six hours: asks for the head of the manifest, 116 bytes, and updates if there is a new version.
 *
 * Upload, with the board at /dev/ttyUSB0, and what `storage` stands for: see air-boot.js.
 */
var HOUR = 3600000;
var PERIOD = 6 * HOUR;
/* The image, with its manifest beside it: `part-ota pack storage.bin`, `part-ota serve .` */
var OPTIONS = { url: 'http://192.168.1.2:8080/storage.bin', partition: 'storage' };

function look() {
  require('ota-http')
    .check(OPTIONS)
    .then(function (found) {
      if (found.same) return print('up to date');
      print('version', found.version + ':', found.fetch, 'bytes to fetch');
      /* Unmount the partition here, and mount it again below. */
      return require('ota-http')
        .update(OPTIONS)
        .then(function (result) {
          print(result.state);
        });
    })
    .then(again, function (error) {
      print(error.message);
      again();
    });
}

/* Many boards that were switched on together must not ask together. */
function again() {
  setTimeout(look, PERIOD / 2 + Math.random() * PERIOD);
}

/* The app tests this before it opens the partition: until recover() ends, it is not to be opened. */
var recovered = { state: 'incomplete' };
recovered = require('ota').recover();
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print(recovered.partition, 'is', recovered.state);
look();
