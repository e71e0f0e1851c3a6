/*
 * The boot script: finishes or undoes what a power loss interrupted, before the app starts, and then frees
 * the memory of the module. Espruino runs .boot0 at every boot, before the app.
 *
 * Upload, with the board at /dev/ttyUSB0:
 *   npx part-ota upload --port /dev/ttyUSB0
 */

/*
 * The app finds it as a global variable: it must not use a partition that is "incomplete", "damaged" or "interrupted".
 * This is the word until recover() ends. If memory ends before, Espruino interrupts the script: no `catch` runs.
 */
var recovered = { state: 'incomplete' };
recovered = require('ota').recover();
Modules.removeCached('ota');
if (recovered.state === 'incomplete' || recovered.state === 'damaged')
  print(recovered.partition, 'is', recovered.state + ': update it again');
