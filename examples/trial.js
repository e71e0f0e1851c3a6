/*
 * New content on trial: unless the app confirms it within three boots, the old content comes back by itself.
 * Runs at every boot, and is the only one to call recover(): each call counts a boot.
 * `storage` is a label of partitions.csv. On a board with Espruino it is Espruino's own: write `www`, or the label in your table.
 *
 * Upload, with the board at /dev/ttyUSB0; the last line makes it the boot script:
 *   npx part-ota upload --port /dev/ttyUSB0 --no-boot
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --storage image:new.bin -e 'print("stored")'
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --config MODULE_URL= --config SAVE_ON_SEND=1 examples/trial.js
 */
var ota = require('ota');

/* Replace this by whatever brings the new content, any number of bytes at a time; '' is the end. */
var position = 0;
function nextChunk() {
  var chunk = require('Storage').read('image', position, 1024);
  position += chunk.length;
  return chunk;
}

/* Replace this by a check that the new content works: mount it, load the model, reach the server. */
function isHealthy() {
  return true;
}

/*
 * Once per boot: counts this boot, and puts the old content back when the boots are used up. What else runs on the board
 * must not open the partition while this is "incomplete": it is until recover() ends.
 */
var recovered = { state: 'incomplete' };
recovered = ota.recover();
print(recovered.state);

if (recovered.state === 'trial') {
  print('boot', recovered.boots, 'of', recovered.trial);
  if (isHealthy()) print(ota.confirm().state);
} else if (recovered.state !== 'restored') {
  /* Not after a trial that failed: the same content would fail again. */
  /* What the partition holds already costs nothing: `end` returns "untouched", and nothing was written. */
  var update = ota.begin({ partition: 'storage', trial: 3 });
  for (var chunk = nextChunk(); chunk; chunk = nextChunk()) update.write(chunk);
  if (update.end().state === 'trial') E.reboot();
}
