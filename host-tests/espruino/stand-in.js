/* eslint-disable @typescript-eslint/no-require-imports -- Espruino's own modules */
/* global E, global, require, operate, standIn */

/*
 * A stand-in for Espruino's module `Flash`, over the file `flash.bin`.
 *
 * A Linux build of Espruino has a flash of its own, but of another size, and at another address, than an ESP32.
 * What uses this defines `operate(address, after)`, which each erase and page program goes through, and which has to
 * `poke` it.
 */

var SECTOR = 4096;
var PAGE = 256;

var ERASED = E.toString(new Uint8Array(SECTOR).fill(255));
var file = E.openFile('flash.bin', 'r+');
if (!file) throw new Error('flash.bin cannot be opened for reading and writing; Espruino 2v27 can');

/** @returns what the file holds: a string. */
function peek(address, length) {
  file.seek(address);
  return file.read(length) || '';
}

global.poke = function (address, data) {
  file.seek(address);
  file.write(data);
};

/** @returns the AND of two strings, byte by byte. */
function and(old, data) {
  if (old === ERASED.substr(0, old.length)) return data;
  var bytes = new Uint8Array(old.length);
  for (var i = 0; i < bytes.length; i++) bytes[i] = old.charCodeAt(i) & data.charCodeAt(i);
  return E.toString(bytes);
}

var native = require('Flash');

/** As Espruino's `Flash`: it reports no error of the chip, and reads zeros past the end. */
global.standIn = {
  /** How often it was read. */
  reads: 0,
  read: function (length, address) {
    if (length <= 0) return undefined;
    standIn.reads++;
    var found = peek(address, length);
    if (found.length === length) return E.toUint8Array(found);
    var bytes = new Uint8Array(length);
    bytes.set(found);
    return bytes;
  },
  write: function (data, address) {
    data = E.toString(data);
    for (var at = 0; at < data.length;) {
      var count = Math.min(data.length - at, PAGE - ((address + at) % PAGE));
      var page = data.substr(at, count);
      // Nothing but 0xff changes nothing: there is nothing to cut.
      if (page !== ERASED.substr(0, count))
        operate(address + at, and(peek(address + at, count), page));
      at += count;
    }
  },
  erasePage: function (address) {
    // Throws if Espruino keeps the address as a float, as what comes of a division. Scripts cannot tell.
    native.erasePage(address);
    operate(address - (address % SECTOR), ERASED);
  },
};
