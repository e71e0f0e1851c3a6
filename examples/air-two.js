/*
 * Over the air, two partitions in turn. Only one update is open at a time, and each partition is whole at any time;
 * the two may be of different versions in between.
 *
 * Upload, with the board at /dev/ttyUSB0, and what `storage` stands for: see air-boot.js.
 */
var SERVER = 'http://192.168.1.2:8080/';
var PARTITIONS = ['storage', 'assets'];

function updateFrom(n) {
  if (n === PARTITIONS.length) return print('done');
  var label = PARTITIONS[n];
  return require('ota-http')
    .update({ url: SERVER + label + '.bin', partition: label })
    .then(function (result) {
      print(label + ':', result.state);
      return updateFrom(n + 1);
    });
}

/* The app tests this before it opens the partition that it names: until recover() ends, none is to be opened. */
var recovered = { state: 'incomplete' };
recovered = require('ota').recover();
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print(recovered.partition, 'is', recovered.state);
updateFrom(0).then(null, function (error) {
  /* What is done stays done; the rest at the next boot. */
  print(error.message);
});
