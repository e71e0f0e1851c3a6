/*
 * The boot script: finishes or undoes what a power loss interrupted, before the app starts, and then frees
 * the memory of the module. Espruino runs .boot0 at every boot, before the app.
 *
 * Upload, with the board at /dev/ttyUSB0:
 *   npx part-ota upload --port /dev/ttyUSB0
 */

/* The app finds it as a global variable: it must not use a partition that is "incomplete" or "damaged". */
var recovered = require('ota').recover();
Modules.removeCached('ota');
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print(recovered.partition, 'is', recovered.state + ': update it again');
