/*
 * An update with backup (scheme 1), step by step. Power may fail at any line: run it again, and at the
 * latest then the partition holds the complete old or the complete new content.
 * `storage` is a label of partitions.csv. On a board with Espruino it is Espruino's own: write `www`, or the label in your table.
 *
 * Upload, with the board at /dev/ttyUSB0:
 *   npx part-ota upload --port /dev/ttyUSB0
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --storage image:new.bin -e 'print("stored")'
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --config MODULE_URL= examples/scheme1-steps.js
 */
var ota = require('ota');

/* Replace this by whatever brings the new content, any number of bytes at a time; '' is the end. */
var position = 0;
function nextChunk() {
  var chunk = require('Storage').read('image', position, 1024);
  position += chunk.length;
  return chunk;
}

/* 1. After a power loss: put back what an interrupted update has begun. Belongs in .boot0, see boot0.js. */
/* The app tests `recovered` before it opens the partition: "incomplete" until recover() ends, then what it reports. */
var recovered = { state: 'incomplete' };
recovered = ota.recover();
print('recover:', recovered.state);
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print('not to be opened:', recovered.partition);

/* 2. Choose the places. Without `backup` it is the passive app slot. Nothing is written yet. */
var update = ota.begin({
  partition: 'storage',
  backup: 'ota_1',
  onProgress: function (p) {
    if (p.done === p.total) print(p.phase, p.done);
  },
});

try {
  /* 3. Optional: copy all of the old content now. Else each sector is copied just before it changes. */
  update.backup();

  /* 4. Write the new content as it comes in. */
  var chunk = nextChunk();
  while (chunk) {
    update.write(chunk);
    chunk = nextChunk();
  }

  /* 5. Compare it with what is in flash, and commit. */
  print('end:', update.end().state);
} catch (error) {
  /* What fails inside the update has put the old content back already; what fails outside has not. */
  print(error.code, error.message);
  if (ota.status().state === 'updating') update.abort();
  print('kept:', ota.status().state);
}
