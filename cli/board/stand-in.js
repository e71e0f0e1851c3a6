/* eslint-disable @typescript-eslint/no-require-imports -- Espruino's own modules */
/* global E, Modules, print, process, require, chip, chipFile */

/*
 * What makes an ESP32 of an Espruino for Linux, whose flash has 256 KB at another address. It runs in Espruino, at
 * each boot before all other scripts; espruino.ts puts it there, and this before it:
 *
 *     var chip = { flash: 'file with what the chip holds', size: bytes, board: 'ESP32', mmu: page of the running app };
 *
 * It tells the bridge what happens by application program commands of ANSI, ESC _ ... ESC \, on the console.
 */

(function () {
  // `.boot0` comes after `.bootPowerOn`.
  if (process.env.BOARD !== 'LINUX') return;

  var tell = function (what) {
    print('\x1b_part-ota ' + what + '\x1b\\');
  };

  var env = process.env;
  env.BOARD = chip.board;
  env.FLASH = 0;
  // Modules see no variables but global ones, and those are the user's.
  env.CHIP = chip;
  process.env = env;
  delete global.chip;

  var restart = E.reboot;
  E.reboot = function () {
    tell('reboot');
    restart();
  };
  global.ESP32 = {
    reboot: E.reboot,
    getState: function () {
      return { sdkVersion: 'v3.3.6', freeHeap: 60000, minHeap: 50000 };
    },
    setOTAValid: function () {},
  };
  // What is elsewhere is this process's own memory, and most of it may not be read.
  global.peek32 = function (address) {
    return address === 0x3ff10134 ? env.CHIP.mmu : 0;
  };

  // What follows is the text of modules: they have no variables in common with this function.

  // The chip as a file, and what is done to it.
  var openChip = function () {
    var chip = process.env.CHIP;
    var SECTOR = 4096;
    var fs = require('fs');
    var file = E.openFile(chip.flash, 'r+');
    var it = { size: chip.size, SECTOR: SECTOR, ERASED: E.toString({ data: 255, count: SECTOR }) };

    it.peek = function (address, length) {
      file.seek(address);
      return file.read(length) || '';
    };

    // Espruino flushes what it writes.
    var poke = function (address, data) {
      file.seek(address);
      file.write(data);
    };

    // Power fails in the operation that the file `cut` names: how many are still to come, and what of it is done.
    it.operate = function (address, after) {
      var cut;
      try {
        cut = JSON.parse(fs.readFileSync('cut'));
      } catch {
        return poke(address, after);
      }
      if (--cut.left > 0) {
        fs.writeFileSync('cut', JSON.stringify(cut));
        return poke(address, after);
      }
      var half = after.length >> 1;
      if (cut.reached === 'first half') poke(address, after.substr(0, half));
      if (cut.reached === 'second half') poke(address + half, after.substr(half));
      if (cut.reached === 'everything') poke(address, after);
      print('\x1b_part-ota cut\x1b\\');
      while (true);
    };

    return it;
  };

  // `chipFile` is what openChip returned.
  var flash = function () {
    var SECTOR = chipFile.SECTOR;
    var ERASED = chipFile.ERASED;
    var PAGE = 256;
    var native = require('Flash');

    var and = function (old, data) {
      if (old === ERASED.substr(0, old.length)) return data;
      var bytes = new Uint8Array(old.length);
      for (var i = 0; i < bytes.length; i++) bytes[i] = old.charCodeAt(i) & data.charCodeAt(i);
      return E.toString(bytes);
    };

    // As on an ESP32: it reports no error of the chip, and reads zeros past the end.
    exports.read = function (length, address) {
      if (length <= 0) return undefined;
      var found = chipFile.peek(address, length);
      if (found.length === length) return E.toUint8Array(found);
      return new Uint8Array(length);
    };
    exports.write = function (data, address) {
      data = E.toString(data);
      if (address + data.length > chipFile.size) return;
      for (var at = 0; at < data.length;) {
        var count = Math.min(data.length - at, PAGE - ((address + at) % PAGE));
        var page = data.substr(at, count);
        // Nothing but 0xff changes nothing: there is nothing to cut.
        if (page !== ERASED.substr(0, count))
          chipFile.operate(address + at, and(chipFile.peek(address + at, count), page));
        at += count;
      }
    };
    exports.erasePage = function (address) {
      // Throws if Espruino keeps the address as a float, as what comes of a division. Scripts cannot tell. No build
      // has flash that far up.
      native.erasePage(0x40000000 + address);
      if (address < chipFile.size) chipFile.operate(address - (address % SECTOR), ERASED);
    };
    exports.getPage = function (address) {
      return address < 0x400000
        ? { addr: address - (address % SECTOR), length: SECTOR }
        : undefined;
    };
    exports.getFree = function () {
      return [
        { addr: 0xe000, length: 0x2000 },
        { addr: 0x310000, length: 0x10000 },
        { addr: 0x360000, length: 0xa0000 },
      ];
    };
  };

  var storage = function () {
    var native = require('Storage');
    // What loads this file. The user's have a space behind their names.
    var SCRIPTS = ['.bootPowerOn', '.boot0'];
    var nameOf = function (name) {
      return SCRIPTS.indexOf(name) < 0 ? name : name + ' ';
    };
    var own = SCRIPTS.map(function (name) {
      return native.read(name);
    });

    exports.read = function (name, offset, length) {
      return native.read(nameOf(name), offset, length);
    };
    exports.readJSON = function (name, noExceptions) {
      return native.readJSON(nameOf(name), noExceptions);
    };
    exports.readArrayBuffer = function (name) {
      return native.readArrayBuffer(nameOf(name));
    };
    exports.write = function (name, data, offset, size) {
      return native.write(nameOf(name), data, offset, size);
    };
    exports.writeJSON = function (name, data) {
      return native.writeJSON(nameOf(name), data);
    };
    exports.erase = function (name) {
      native.erase(nameOf(name));
    };
    exports.eraseAll = function () {
      native.eraseAll();
      SCRIPTS.forEach(function (name, i) {
        native.write(name, own[i]);
      });
    };
    exports.list = function (regex, filter) {
      return native
        .list(undefined, filter)
        .filter(function (name) {
          return SCRIPTS.indexOf(name) < 0;
        })
        .map(function (name) {
          var shown = name.substr(0, name.length - 1);
          return SCRIPTS.indexOf(shown) < 0 ? name : shown;
        })
        .filter(function (name) {
          return !regex || name.match(regex);
        });
    };
    exports.open = function (name, mode) {
      return native.open(nameOf(name), mode);
    };
    exports.hash = function (regex) {
      return native.hash(regex);
    };
    exports.compact = function (showMessage) {
      native.compact(showMessage);
    };
    exports.getFree = function (checkInternalFlash) {
      return native.getFree(checkInternalFlash);
    };
    exports.getStats = function (checkInternalFlash) {
      return native.getStats(checkInternalFlash);
    };
  };

  // Scripts that free their modules must not bring the native ones back.
  var removeAll = Modules.removeAllCached;
  var install = function () {
    // They take what is native for themselves, so nothing may be cached; and `removeCached` throws if nothing is.
    removeAll();
    Modules.addCached('Flash', 'var chipFile=(' + openChip + ')();(' + flash + ')();');
    Modules.addCached('Storage', storage);
  };
  Modules.removeAllCached = install;
  install();
  tell('boot');
})();
