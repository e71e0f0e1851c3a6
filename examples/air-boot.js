/*
 * Over the air at boot: goes on with what a power loss interrupted, or looks for a new version; the app starts after
 * that. Needs a boot script that connects to the network, with a callback for the moment when it is connected: call this there.
 * `storage` is a label of partitions.csv. On a board with Espruino it is Espruino's own: write `www`, or the label in your table.
 *
 * Upload, with the board at /dev/ttyUSB0:
 *   npx part-ota upload --port /dev/ttyUSB0 --http --resume
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --config MODULE_URL= examples/air-boot.js
 */

/* The image, with its manifest beside it: `part-ota pack storage.bin`, `part-ota serve .` */
var URL = 'http://192.168.1.2:8080/storage.bin';

/*
 * Replace this by your app. It must not open the partition while that is neither the old nor the new content: what else
 * runs on the board finds that in `recovered`, also if memory has ended in recover(), and nothing below has run.
 */
function startApp(report) {
  recovered = report;
  var state = report.state;
  if (state === 'interrupted' || state === 'incomplete' || state === 'damaged')
    return print('not to be opened:', state);
  print('app starts:', state);
}

/* What was interrupted stays open, so that the update goes on where it stopped. */
var recovered = { state: 'incomplete' };
recovered = require('ota').recover({ resume: true });
require('ota-http')
  .update({
    url: URL,
    partition: 'storage',
    onProgress: function (progress) {
      var percent = Math.floor((progress.done * 100) / progress.total);
      if (progress.done === progress.total || percent % 25 === 0)
        print(progress.phase, percent + ' %');
    },
  })
  .then(
    function (result) {
      print(result.state + ',', result.fetched, 'bytes fetched');
      startApp(result);
    },
    function (error) {
      print(error.message);
      /* Without a network the old content comes back, if the update had begun. */
      startApp(require('ota').recover());
    },
  );
