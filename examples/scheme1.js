/*
 * An update with backup (scheme 1), in short. The backup goes to the passive app slot.
 * `storage` is a label of partitions.csv. On a board with Espruino it is Espruino's own: write `www`, or the label in your table.
 *
 * Upload, with the board at /dev/ttyUSB0:
 *   npx part-ota upload --port /dev/ttyUSB0
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --storage image:new.bin -e 'print("stored")'
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --config MODULE_URL= examples/scheme1.js
 * (espruino 0.1.67 does not end after a script as short as this one; Ctrl-C does no harm.)
 */
var ota = require('ota');

/* Replace this by whatever brings the new content, any number of bytes at a time; '' is the end. */
var position = 0;
function nextChunk() {
  var chunk = require('Storage').read('image', position, 1024);
  position += chunk.length;
  return chunk;
}

/* The app tests this before it opens the partition: until recover() ends, it is not to be opened. */
var recovered = { state: 'incomplete' };
recovered = ota.recover();
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print(recovered.partition, 'is', recovered.state);

var update = ota.begin({ partition: 'storage' });
for (var chunk = nextChunk(); chunk; chunk = nextChunk()) update.write(chunk);
print(update.end());
