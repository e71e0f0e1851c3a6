/*
 * The boot script: finishes or undoes what a power loss interrupted, before the app starts, and then frees
 * the memory of the module. Espruino runs .boot0 at every boot, before the app.
 *
 * Upload, with the board at /dev/ttyUSB0:
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --storage ota:dist/ota.min.js -e 'print("stored")'
 *   npx espruino -q --no-ble -b 115200 -p /dev/ttyUSB0 --config MODULE_URL= --storage .boot0:- examples/boot0.js
 * (espruino 0.1.67 does not end after a script as short as this one; Ctrl-C does no harm.)
 */

/* The app finds it as a global variable: it must not use a partition that is "incomplete" or "damaged". */
var recovered = require('ota').recover();
Modules.removeCached('ota');
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print(recovered.partition, 'is', recovered.state + ': update it again');
