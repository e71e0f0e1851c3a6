/**
 * Mutants: device code broken on purpose, one safety step at a time. Each must make a test fail.
 *
 * `edits` are texts of the sources and what they are replaced by; each must be found exactly once. `suites` are the
 * suites that are run until one fails.
 */
const RULES = ['device/journal-rules', 'device/power-cut', 'device/two-cuts'];

/** @type {{ name: string, suites: string[], edits: [file: string, text: string, by: string][] }[]} */
export const MUTANTS = [
  {
    name: 'the bytes of a page that stay are read once',
    suites: ['device/pieces'],
    edits: [
      ['update', 'do rest = readTwice(at, odd);', 'do rest = read(at, odd);'],
      ['update', 'while (read(at, odd) !== rest && tries--);', 'while (!tries);'],
    ],
  },
  {
    name: 'a backup in the middle of a sector leaves another one in flight',
    suites: ['device/pieces'],
    edits: [
      [
        'update',
        '  if (isRewritten && received % SECTOR) save(places.target.first + (received >>> 12));\n',
        '',
      ],
    ],
  },
  {
    name: 'an update that is left open is undone',
    suites: ['device/api'],
    edits: [['update', '  if (!isKept) restore(', '  restore(']],
  },
  {
    name: 'an update is left open that another copy of the module has ended',
    suites: ['device/api'],
    edits: [
      ['update', '  checkAlone();\n  if (!isKept)', '  if (!isKept) checkAlone();\n  if (!isKept)'],
    ],
  },
  {
    name: 'the log ends at the first blank slot',
    suites: RULES,
    edits: [['records', 'const END_RUN = 3;', 'const END_RUN = 1;']],
  },
  {
    name: 'the last record is not appended again',
    suites: RULES,
    edits: [['journal', '  if (isRepeated && record) appendRecord(record);\n', '']],
  },
  {
    name: 'a decision is written once',
    suites: RULES,
    edits: [
      [
        'journal',
        '  append(type, type === RESTORE ? savedCount : 0);\n  append(SOLID);\n',
        '  append(type, type === RESTORE ? savedCount : 0);\n',
      ],
      [
        'journal',
        'return (decision === RESTORED || decision > REOPEN) && isSolid;',
        'return decision === RESTORED || decision > REOPEN;',
      ],
    ],
  },
  {
    name: 'a decision is written twice, without SOLID',
    suites: RULES,
    edits: [
      [
        'journal',
        '  append(type, type === RESTORE ? savedCount : 0);\n  append(SOLID);\n',
        '  append(type, type === RESTORE ? savedCount : 0);\n  append(type, type === RESTORE ? savedCount : 0);\n',
      ],
      [
        'journal',
        '    decision = type;\n    limit = 0;\n',
        '    isSolid = decision === type;\n    decision = type;\n    limit = 0;\n',
      ],
      [
        'journal',
        'decision === RESTORE && isSolid && next',
        'decision === RESTORE && ((record as Words)[0]! & 255) === RESTORE && next',
      ],
    ],
  },
  {
    name: 'putting back skips sectors that read equal',
    suites: RULES,
    edits: [
      [
        'transaction',
        '        copy(slot, journal.target.first + n, slot && SECTOR',
        '        const target = journal.target.first + n;\n        if (slot ? checkOf(target) !== words[2] : !isSectorBlank(target))\n          copy(slot, journal.target.first + n, slot && SECTOR',
      ],
    ],
  },
  {
    name: 'a sector that reads blank is not erased',
    suites: RULES,
    edits: [
      [
        'transaction',
        '    erase(guard(to * SECTOR));\n',
        '    if (!isSectorBlank(to)) erase(guard(to * SECTOR));\n',
      ],
    ],
  },
  {
    name: 'BEGIN alone is taken for nothing',
    suites: RULES,
    edits: [['ota', '    isQuiet() ||\n', '    isQuiet() || decision === BEGIN ||\n']],
  },
  {
    name: 'a final commit that was cut is put back',
    suites: ['device/api'],
    edits: [['transaction', '(!journal.limit || !walkBackup', '(!walkBackup']],
  },
  {
    name: 'a restore after a commit is not announced by REOPEN',
    suites: RULES,
    edits: [['transaction', '    append(REOPEN);\n', '']],
  },
  {
    name: 'the sector in flight is not erased first',
    suites: RULES,
    edits: [
      ['transaction', '  if (journal.backup.span) copy(BLANK, journal.inFlight, 0, 2);\n', ''],
    ],
  },
  {
    name: 'SAVED is not repeated before a saved sector is erased again',
    suites: RULES,
    edits: [
      [
        'transaction',
        '    if (journal.inFlight !== sector) appendRecord(words);\n',
        '    void [journal.inFlight, appendRecord];\n',
      ],
    ],
  },
  {
    name: 'a torn tail is not zeroed',
    suites: RULES,
    edits: [['journal', ' if (!overwrite(addressOf(slot))) failFlash();\n', ' void failFlash;\n']],
  },
  {
    name: 'only one blank slot is zeroed',
    suites: RULES,
    edits: [['journal', 'slot < next + 2 &&', 'slot < next + 1 &&']],
  },
  {
    name: 'there is no ENDING',
    suites: RULES,
    edits: [['transaction', 'seal(false, RESTORED, ENDING);', 'seal(false, RESTORED);']],
  },
  {
    name: 'a final decision without SOLID is believed',
    suites: RULES,
    edits: [
      [
        'journal',
        'return (decision === RESTORED || decision > REOPEN) && isSolid;',
        'return decision === RESTORED || decision > REOPEN;',
      ],
    ],
  },
  {
    name: 'a piece is not read back',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', 'if (read(address, data.length) === data) return;', 'return;']],
  },
  {
    name: 'a sector that is erased is not read back',
    suites: ['device/pieces', 'device/scenarios', 'device/api'],
    edits: [
      [
        'transaction',
        '    isRight = size > 0 || (from ? isBlank',
        '    isRight = true || (from ? isBlank',
      ],
    ],
  },
  {
    name: 'what is put back is not checked',
    suites: ['device/ways-out', 'device/scenarios'],
    edits: [['transaction', 'slot ? words[2] : undefined', 'undefined']],
  },
  {
    name: 'records are not read back',
    suites: ['device/api', 'device/scenarios', 'device/journal-rules'],
    edits: [['journal', 'return read(address, data.length) === data;', 'return true;']],
  },
  {
    name: 'a piece is programmed once',
    suites: ['device/scenarios', 'device/api'],
    edits: [
      [
        'transaction',
        '(let tries = 2; tries--;) {\n    if (data[0]',
        '(let tries = 1; tries--;) {\n    if (data[0]',
      ],
    ],
  },
  {
    name: 'the sector in flight is erased once',
    suites: ['device/pieces', 'device/api'],
    edits: [
      ['transaction', 'copy(BLANK, journal.inFlight, 0, 2)', 'copy(BLANK, journal.inFlight, 0, 1)'],
    ],
  },
  {
    name: 'the prefix of a sector is programmed once',
    suites: ['device/pieces'],
    edits: [['transaction', 'right ? 3 : 2', 'right ? 1 : 2']],
  },
  {
    name: 'a sector is put back once',
    suites: ['device/ways-out', 'device/pieces'],
    edits: [['transaction', 'slot && SECTOR, 2, slot', 'slot && SECTOR, 1, slot']],
  },
  {
    name: 'SAVED is written before the copy is made',
    suites: ['device/power-cut'],
    edits: [
      [
        'transaction',
        '    check = copy(sector, slot, SECTOR, 9);\n',
        '    append(SAVED, journal.savedCount, sector | (slot << 16), checkOf(sector));\n    check = copy(sector, slot, SECTOR, 9);\n',
      ],
    ],
  },
  {
    name: 'the copy in the backup is not read back',
    suites: ['device/scenarios', 'device/api'],
    edits: [
      [
        'transaction',
        '      isRight =\n        read(to * SECTOR + at, data.length) === data &&\n',
        '      isRight =\n',
      ],
    ],
  },
  {
    name: 'a slot of the backup that keeps nothing stops a recover',
    suites: ['lives/found'],
    edits: [
      [
        'transaction',
        '    } catch {\n      // One that keeps nothing more does not keep the old content from coming back.\n',
        '    } catch (error) {\n      throw error;\n',
      ],
    ],
  },
  {
    name: 'zeros that are read wrong once let a retired journal speak',
    suites: ['lives/found'],
    edits: [
      [
        'journal',
        '(isLast && recordOf(third, address + 2 * SLOT, 1))',
        'recordOf(third, address + 2 * SLOT, 1)',
      ],
    ],
  },
  {
    name: 'a head that does not take zeros is taken as erased',
    suites: ['device/dead-journal'],
    edits: [['journal', 'if (isMarked && isSectorBlank', 'if (isSectorBlank']],
  },
  {
    name: 'a trial that is half undone can be confirmed',
    suites: ['lives/found'],
    edits: [['ota', '  isCounted = false;\n', '']],
  },
  {
    name: 'begin goes on over a mix when the backup reads wrong',
    suites: ['device/ways-out', 'lives/found'],
    edits: [['ota', 'finish(!places.isVoid)', 'finish(false)']],
  },
  {
    name: 'restore says what it has not done when the backup reads wrong',
    suites: ['device/ways-out', 'lives/found'],
    edits: [
      [
        'transaction',
        'restore(journal.decision > INCOMPLETE, true)',
        'restore(journal.decision > INCOMPLETE, false)',
      ],
    ],
  },
  {
    name: 'the copy in the backup is made three times',
    suites: ['device/pieces', 'lives/found'],
    edits: [['transaction', 'copy(sector, slot, SECTOR, 9)', 'copy(sector, slot, SECTOR, 3)']],
  },
  {
    name: 'the copy in the backup is made once',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', 'copy(sector, slot, SECTOR, 9)', 'copy(sector, slot, SECTOR, 1)']],
  },
  {
    name: 'the check of a copy goes on from that of the first one',
    suites: ['device/scenarios', 'device/api', 'device/ways-out'],
    edits: [
      ['transaction', '  let check: number;\n', '  let check = 0;\n'],
      ['transaction', '    check = 0;\n', ''],
    ],
  },
  {
    name: 'a sector is overwritten before it is saved',
    suites: ['device/power-cut'],
    edits: [
      [
        'transaction',
        '  const slot = save(sector);\n',
        '  erase(guard(sector * SECTOR));\n  const slot = save(sector);\n',
      ],
    ],
  },
  {
    name: 'the last bytes of an image wait for their page',
    suites: ['device/pieces', 'air/update'],
    edits: [['update', ' && received !== most) rest', ') rest']],
  },
  {
    name: 'the prefix is not programmed from the backup',
    suites: ['device/pieces', 'device/api'],
    edits: [['transaction', 'slot && !kept ? size : 0', '0']],
  },
  {
    name: 'what a direct update keeps of a sector is not programmed again',
    suites: ['device/pieces'],
    edits: [['transaction', '  if (kept) put(address, kept);\n', '']],
  },
  {
    name: 'a prefix that the backup has otherwise is taken from there',
    suites: ['device/pieces'],
    edits: [['transaction', '      kept = read(address, size);\n', '      void kept;\n']],
  },
  {
    name: 'a piece is compared with the wrong offset',
    suites: ['device/pieces', 'device/api'],
    edits: [
      [
        'update',
        'SECTOR + received, room) !== piece',
        'SECTOR + received - offset, room) !== piece',
      ],
    ],
  },
  {
    name: 'the last bytes of an image are taken for a whole number of pages',
    suites: ['device/pieces'],
    edits: [['update', 'const odd = received % PAGE;', 'const odd = 0;']],
  },
  {
    name: 'what has waited for a whole piece is programmed behind its place',
    suites: ['device/pieces'],
    edits: [['update', 'received - rest.length - piece', 'received - piece']],
  },
  {
    name: 'what waits for a whole piece is forgotten',
    suites: ['device/pieces'],
    edits: [['update', 'rest += piece;', 'rest = piece;']],
  },
  {
    name: 'write() goes on where memory has ended, and in a progress callback',
    suites: ['device/memory'],
    edits: [['update', 'this !== active || isBusy', 'this !== active']],
  },
  {
    name: 'the pages of a prefix that is odd are lost',
    suites: ['device/pieces'],
    edits: [['update', '  if (odd) {', '  if (odd < 0) {']],
  },
  {
    name: 'a sector that is wrong is left as it is',
    suites: ['device/pieces'],
    edits: [['update', '  isWrong = true;\n', '  isWrong = false;\n']],
  },
  {
    name: 'a sector that was written anew is one more that changed',
    suites: ['device/pieces'],
    edits: [['update', '  if (isRewritten) changed--;\n', '']],
  },
  {
    name: 'bytes are kept in the middle of a sector',
    suites: ['device/pieces'],
    edits: [['update', 'if (isWrong || received % SECTOR)', 'if (isWrong)']],
  },
  {
    name: 'a sector that is wrong is kept',
    suites: ['device/pieces'],
    edits: [['update', 'if (isWrong || received % SECTOR)', 'if (received % SECTOR)']],
  },
  {
    name: 'what counts for nothing is kept',
    suites: ['device/pieces'],
    edits: [['update', '(isSuspect ||\n', '((isSuspect && data) ||\n']],
  },
  {
    name: 'the check in SAVED is over fewer pieces',
    suites: ['device/pieces', 'device/ways-out'],
    edits: [
      [
        'flash',
        'for (let at = 0; at < SECTOR; at += PIECE)\n    check',
        'for (let at = 0; at < SECTOR - PIECE; at += PIECE)\n    check',
      ],
      [
        'transaction',
        '      check = mix(check, crc32(data));\n',
        '      if (at < SECTOR - PIECE) check = mix(check, crc32(data));\n',
      ],
    ],
  },
  {
    name: 'pieces in another order have the same check',
    suites: ['device/pieces', 'device/golden'],
    edits: [['records', '((check * 33) ^ crc)', '(check ^ crc)']],
  },
  {
    name: 'the CRC-32 of the image is not compared',
    suites: ['device/api', 'device/scenarios'],
    edits: [['update', '  if (places.options.crc32 != null) verify(size);\n', '']],
  },
  {
    name: 'the update is committed before it is verified',
    suites: ['device/api', 'device/scenarios', 'device/power-cut'],
    edits: [
      [
        'update',
        "  if (places.options.crc32 != null) verify(size);\n  tick('verify', places.target.span, places.target.span);\n",
        "  if (ownsJournal) commit(places.options.trial || 0);\n  if (places.options.crc32 != null) verify(size);\n  tick('verify', places.target.span, places.target.span);\n",
      ],
      ['update', '  checkAlone();\n  if (ownsJournal) commit(places.options.trial || 0);\n', ''],
    ],
  },
  {
    name: 'slots are not checked before anything is put back',
    suites: ['device/scenarios', 'device/ways-out'],
    edits: [
      [
        'transaction',
        'else if (slot && checkOf(slot) !== words[2]',
        'else if (slot === 1 && checkOf(slot) !== words[2]',
      ],
    ],
  },
  {
    name: 'a journal is believed although its places are in use for something else',
    suites: ['device/ways-out', 'device/scenarios', 'device/hostile'],
    edits: [
      [
        'places',
        'isPlace(place) && journal.area.first + journal.area.span === place.first + place.span',
        'true',
      ],
    ],
  },
  {
    name: 'the running app is taken for a free slot',
    suites: ['device/places', 'device/api'],
    edits: [
      [
        'chip',
        "if (!app || !chosen || isOnTrial || area === app || area === chosen) area.why = 'in use';",
        'void isOnTrial;',
      ],
    ],
  },
  {
    name: 'sectors that were never saved may have changed',
    suites: ['device/scenarios', 'device/api', 'device/power-cut'],
    edits: [
      [
        'transaction',
        '    if (!journal.index[n]) check = mix(check, checkOf(journal.target.first + n));\n',
        '    void mix;\n',
      ],
    ],
  },
  {
    name: 'trial boots are not counted',
    suites: ['device/api', 'device/power-cut'],
    edits: [['transaction', 'booted < journal.limit && BOOT,', 'false && BOOT,']],
  },
  {
    name: 'the room for what is erased after the image is not counted first',
    suites: ['device/api'],
    edits: [['update', '  if (size) checkRoom((size + SECTOR - 1) >>> 12);\n', '']],
  },
  {
    name: 'a partition that the firmware is using is not refused',
    suites: ['device/places', 'device/api'],
    edits: [['places', 'area.need === 2 &&', 'false &&']],
  },
  {
    name: 'a record has another number',
    suites: ['device/golden'],
    edits: [['records', 'export const SOLID = 11;', 'export const SOLID = 12;']],
  },
  {
    name: 'a slot of the head belongs to the log',
    suites: ['device/golden'],
    edits: [['records', 'export const HEAD_SLOTS = 2;', 'export const HEAD_SLOTS = 3;']],
  },
  {
    name: 'a sector is taken for half as many slots',
    suites: ['device/places', 'device/ways-out'],
    edits: [['records', 'export const SLOTS = 256;', 'export const SLOTS = 128;']],
  },
  {
    name: 'a journal has no room for its reserve',
    suites: ['device/places', 'device/ways-out'],
    edits: [
      [
        'records',
        '(HEAD_SLOTS + DECISIONS + RESERVE + 2 * SLOTS - 1)',
        '(HEAD_SLOTS + 2 * SLOTS - 1)',
      ],
    ],
  },
  {
    name: 'no slots are left to decisions',
    suites: ['device/ways-out', 'device/scenarios'],
    edits: [['records', 'export const RESERVE = 40;', 'export const RESERVE = 0;']],
  },
  {
    name: 'a restore that is decided is decided again',
    suites: ['device/recover-table'],
    edits: [['transaction', 'if (!isRestoring()) seal(', 'seal(']],
  },
  {
    name: 'a record that is seen twice counts twice',
    suites: ['device/golden', 'device/api'],
    edits: [['journal', '      if (!index[n]) {\n', '      if (last) {\n']],
  },
  {
    name: 'only the second of two overlapping rows is refused',
    suites: ['device/rows'],
    edits: [['chip', "      before.why = 'overlaps ' + area.label;\n", '']],
  },
  {
    name: 'only the first of two overlapping rows is refused',
    suites: ['device/rows'],
    edits: [['chip', "      area.why = 'overlaps ' + before.label;\n", '']],
  },
  {
    name: 'a row that begins within a sector touches none more',
    suites: ['device/rows'],
    edits: [['chip', '((address % SECTOR) + size + SECTOR - 1)', '(size + SECTOR - 1)']],
  },
  {
    name: 'the size of a row wraps at 2^32',
    suites: ['device/rows'],
    edits: [
      [
        'chip',
        '(((address % SECTOR) + size + SECTOR - 1) / SECTOR) | 0',
        '((address % SECTOR) + size + SECTOR - 1) >>> 12',
      ],
    ],
  },
  {
    name: 'otadata is read from the beginning of its sector on',
    suites: ['device/boot'],
    edits: [
      [
        'chip',
        'unpack(read(otadata + offset, 32))',
        'unpack(read((otadata & -SECTOR) + offset, 32))',
      ],
    ],
  },
  {
    name: 'the app that otadata names runs where the chip cannot tell',
    suites: ['device/boot'],
    edits: [
      [
        'chip',
        '.filter((area) => apps.length < 2 || (page && isIn(area, page)))[0]',
        '.filter((area) => isIn(area, page))[0] || chosen',
      ],
    ],
  },
  {
    name: 'an app that is not confirmed keeps no other',
    suites: ['device/boot'],
    edits: [['chip', ' || isOnTrial', '']],
  },
  {
    name: 'apps are written where the chip cannot tell which one runs',
    suites: ['device/boot'],
    edits: [['chip', 'if (!app || !chosen', 'if (!chosen']],
  },
  {
    name: 'free flash is taken for an app',
    suites: ['device/boot'],
    edits: [['chip', '!(area.kind >> 8)', 'area.kind < OTADATA']],
  },
  {
    name: 'the table is read once',
    suites: ['device/red-flash'],
    edits: [['chip', 'readTwice(start + at, ROWS)', 'read(start + at, ROWS)']],
  },
  {
    name: 'the size of the chip is read once',
    suites: ['device/red-flash'],
    edits: [['chip', 'readTwice(at, 4)', 'read(at, 4)']],
  },
  {
    name: 'no bootloader is looked for at 0x2000',
    suites: ['device/tables'],
    edits: [['partitions', 'LAST_BOOTLOADER = 0x2000', 'LAST_BOOTLOADER = 0x1000']],
  },
  {
    name: 'the bootloader that lies last counts',
    suites: ['device/tables'],
    edits: [
      ['chip', 'let at = 0; !chip && at <= LAST_BOOTLOADER;', 'let at = 0; at <= LAST_BOOTLOADER;'],
    ],
  },
  {
    name: 'the flag `encrypted` refuses a partition',
    suites: ['device/tables'],
    edits: [['chip', 'words[7] & READONLY\n', 'words[7] & (READONLY | ENCRYPTED)\n']],
  },
  {
    name: 'a readonly partition is written',
    suites: ['device/tables'],
    edits: [['chip', 'words[7] & READONLY\n', 'words[7] & 0\n']],
  },
  {
    name: 'what lies between 0x9000 and a table elsewhere is free',
    suites: ['device/tables'],
    edits: [['chip', 'let next = (start >>> 12) + 1;', 'let next = 9;']],
  },
  {
    name: 'where a table lies is kept for the next runtime',
    suites: ['device/tables'],
    edits: [['runtime', 'table = runtime.table;', 'table = runtime.table || table;']],
  },
  {
    name: 'a journal is longer than its BEGIN can tell',
    suites: ['device/tables'],
    edits: [['places', '          count <= AREA_MASK &&\n', '']],
  },
  {
    name: 'certificates are for booting',
    suites: ['device/tables'],
    edits: [['partitions', 'CUSTOM = 0x3f00', 'CUSTOM = 0x4000']],
  },
  {
    name: 'an entry of the number 0xffffffff counts',
    suites: ['device/boot'],
    edits: [['chip', '        ~entry[0] &&\n', '']],
  },
  {
    name: 'an entry of the number 0 does not count',
    suites: ['device/boot'],
    edits: [['chip', 'let sequence = -1;', 'let sequence = 0;']],
  },
  {
    name: 'the first of two apps of a kind boots',
    suites: ['device/boot'],
    edits: [['chip', 'area.kind === kind).pop()', 'area.kind === kind)[0]']],
  },
  {
    name: 'any slot boots where there is no slot 0',
    suites: ['device/boot'],
    edits: [['chip', 'lastOf(0) || lastOf(SLOT_0)', 'lastOf(0) || slots[0]']],
  },
  {
    name: 'address 0 tells which app runs',
    suites: ['device/boot'],
    edits: [['chip', 'page && isIn(area, page)', 'isIn(area, page)']],
  },
  {
    name: 'the app that boots next is written',
    suites: ['device/boot'],
    edits: [['chip', ' || area === chosen', '']],
  },
  {
    name: 'slots are written though otadata names one that is not there',
    suites: ['device/boot'],
    edits: [['chip', ' || !chosen', '']],
  },
  {
    name: 'backup takes any size',
    suites: ['device/backup-size'],
    edits: [['update', "  checkNumber('backup', bytes, size);\n", '']],
  },
  {
    name: 'the source of the copy is read once',
    suites: ['device/ways-out', 'device/scenarios'],
    edits: [
      ['transaction', ' &&\n        (!tries || read(source, data.length) === data);\n', ';\n'],
    ],
  },
  {
    name: 'where the chip cannot tell, the app that otadata names runs',
    suites: ['device/boot', 'device/hostile'],
    edits: [
      [
        'chip',
        '.filter((area) => apps.length < 2 || (page && isIn(area, page)))[0]',
        '.filter((area) => isIn(area, page))[0] || chosen',
      ],
    ],
  },
  {
    name: 'a journal in a data partition is obeyed',
    suites: ['device/red', 'device/hostile'],
    edits: [['places', 'area.kind > OTADATA && isForJournal(area)', 'area.kind > OTADATA']],
  },
  {
    name: 'a journal lies in an app that is called ota_journal',
    suites: ['device/hostile'],
    edits: [
      [
        'places',
        '(area.kind < 0 || (area.kind > OTADATA && isForJournal(area)))',
        '(area.kind < 0 || isForJournal(area))',
      ],
    ],
  },
  {
    name: 'a journal lies where the firmware writes',
    suites: ['device/hostile'],
    edits: [
      [
        'places',
        '    !area.why &&\n    !area.need &&\n    area.span',
        '    !area.why &&\n    area.span',
      ],
    ],
  },
  {
    name: 'ota_journal may be a target and a backup',
    suites: ['device/places'],
    edits: [['places', "  if (isForJournal(area)) return 'for the journal';\n", '']],
  },
  {
    name: 'the backup takes the heads of a place',
    suites: ['device/places', 'device/hostile', 'device/journal-rules'],
    edits: [
      ['places', 'span: area.span - HEADS }', 'span: area.span }'],
      ['places', 'last < area.first + area.span - HEADS && ', ''],
    ],
  },
  {
    name: 'LIVE in BEGIN is not looked at',
    suites: ['device/hostile', 'device/ways-out'],
    edits: [['places', 'whyNot(area, true, journal.isLive)', 'whyNot(area, true, true)']],
  },
  {
    name: 'a journal is obeyed whose target has another size',
    suites: ['device/ways-out', 'device/hostile'],
    edits: [['places', ' &&\n    area.span === journal.target.span\n', '\n']],
  },
  {
    name: 'an update goes on into a backup that may not be written',
    suites: ['device/hostile', 'device/ways-out'],
    edits: [['places', 'hasRoom && isWritable)', 'hasRoom)']],
  },
  {
    name: 'ids are compared without wrapping',
    suites: ['device/ids', 'device/red', 'device/hostile'],
    edits: [['journal', '(found - id) << 16 > 0', 'found - id > 0']],
  },
  {
    name: 'BEGIN and SOLID of the journal that speaks are not written again before another begins',
    suites: ['device/void'],
    edits: [['journal', '  if (decision && !record && !isSettled && !isDamaged) firm();\n', '']],
  },
  {
    name: 'other heads are not retired before a journal begins',
    suites: ['device/journal-rules', 'device/two-cuts', 'device/power-cut'],
    edits: [['journal', '  retireOthers(oldHead);\n', '']],
  },
  {
    name: 'a head is erased before its slot 1 is zero',
    suites: ['device/journal-rules', 'device/two-cuts', 'device/power-cut'],
    edits: [
      ['journal', 'const isMarked = retire(sector);', 'const isMarked = true;'],
      ['journal', 'if (other !== own) retire(', 'if (other !== own && other !== head) retire('],
    ],
  },
  {
    name: 'an erase that does nothing is not noticed when a journal begins',
    suites: ['device/rules', 'device/dead-journal', 'device/journal-rules'],
    edits: [['journal', '    if (isMarked && isSectorBlank(sector)) return;\n', '    return;\n']],
  },
  {
    name: 'the head of the journal before is not retired',
    suites: ['device/journal-rules', 'device/two-cuts', 'device/power-cut'],
    edits: [['journal', '  if (oldHead) retire(oldHead);\n', '']],
  },
  {
    name: 'the body is erased before the journal has its SOLID',
    suites: ['device/journal-rules', 'device/two-cuts', 'device/power-cut'],
    edits: [
      [
        'journal',
        '  eraseSector(head);\n  firm();\n',
        '  eraseSector(head);\n  for (let n = span; --n >= HEADS;) eraseSector(top - n);\n  firm();\n',
      ],
      ['journal', '  while (--span >= HEADS) eraseSector(top - span);\n', ''],
    ],
  },
  {
    name: 'the body is not erased',
    suites: ['device/journal-rules', 'device/two-cuts', 'device/power-cut'],
    edits: [['journal', '  while (--span >= HEADS) eraseSector(top - span);\n', '']],
  },
  {
    name: 'later heads stay when a journal is appended to',
    suites: ['device/journal-rules', 'device/two-cuts', 'device/power-cut'],
    edits: [['journal', '  retireOthers(head);\n  let slot', '  let slot']],
  },
  {
    name: 'a zeroed slot is not read back',
    suites: ['device/journal-rules', 'device/scenarios', 'device/dead-journal', 'device/hostile'],
    edits: [
      [
        'journal',
        '  return overwrite(sector * SECTOR + SLOT);\n',
        '  program(fill(0, SLOT), guard(sector * SECTOR + SLOT));\n  return 1;\n',
      ],
      [
        'journal',
        ' if (!overwrite(addressOf(slot))) failFlash();\n',
        ' program(fill(0, SLOT), guard(addressOf(slot)));\n',
      ],
    ],
  },
  {
    name: 'that content counts for nothing is forgotten by the next update',
    suites: ['device/void', 'device/red'],
    edits: [['places', 'isVoid ? VOID : 0', '0']],
  },
  {
    name: 'a direct update is resumed with compares',
    suites: ['device/void', 'device/two-cuts'],
    edits: [
      [
        'update',
        '(!ownsJournal || !journal.backup.span || journal.isForgotten) &&',
        '(!ownsJournal || journal.isForgotten) &&',
      ],
    ],
  },
  {
    name: 'the first slot of the backup stays torn where nothing was saved',
    suites: ['lives/found'],
    edits: [
      [
        'transaction',
        '\n  tidy();\n  if (!isUntouched',
        '\n  if (!isUntouched) tidy();\n  if (!isUntouched',
      ],
    ],
  },
  {
    name: 'begin leaves a journal that has only begun',
    suites: ['lives/found'],
    edits: [
      [
        'ota',
        'if (isUsable() && !isResumed',
        'if (isUsable() && journal.decision !== 2 && !isResumed',
      ],
    ],
  },
  {
    name: 'a torn slot of the backup stays torn when the old content is put back',
    suites: ['device/rules'],
    edits: [['transaction', 'failFlash();\n  tidy();\n', 'failFlash();\n']],
  },
  {
    name: 'a torn slot of the backup stays torn when the update goes on',
    suites: ['device/rules'],
    edits: [['transaction', '  settle(true);\n  tidy();\n', '  settle(true);\n']],
  },
  {
    name: 'what forget gave up is compared when its update goes on',
    suites: ['device/rules'],
    edits: [['update', '  if (isSuspect && places.backup.span) append(FORGET);\n', '']],
  },
  {
    name: 'what forget gave up is compared',
    suites: ['device/rules'],
    edits: [
      [
        'update',
        '(journal.decision < REOPEN || journal.decision === FORGET)',
        'journal.decision < REOPEN',
      ],
    ],
  },
  {
    name: 'forget leaves nothing behind',
    suites: ['device/forget'],
    edits: [['ota', '  if (isUsable()) seal(true, FORGET);\n', '']],
  },
  {
    name: 'no bit is mended',
    suites: ['device/bits'],
    edits: [
      ['codec', '(isMending ? 96 : 0)', '0'],
      ['codec', '(isMending && bit < 0 && ', '(bit > 0 && '],
    ],
  },
  {
    name: 'only bits of the CRC are mended',
    suites: ['device/bits'],
    edits: [['codec', '(isMending ? 96 : 0)', '0']],
  },
  {
    name: 'bits of the CRC are not mended',
    suites: ['device/bits'],
    edits: [['codec', '(isMending && bit < 0 && ', '(bit > 0 && ']],
  },
  {
    name: 'the numbers in SAVED are not compared',
    suites: ['device/bits', 'device/red'],
    edits: [['journal', '          (argument ^ savedCount) & 255 ||\n', '']],
  },
  {
    name: 'RESTORE does not tell how many sectors were saved',
    suites: ['device/bits'],
    edits: [['journal', 'if ((argument ^ savedCount) & 255) isDamaged = true;', 'void isDamaged;']],
  },
  {
    name: 'SOLID behind REOPEN tells nothing',
    suites: ['device/bits'],
    edits: [['journal', '    if (decision === REOPEN) {\n', '    if (!type) {\n']],
  },
  {
    name: 'a journal without BEGIN tells nothing',
    suites: ['device/bits', 'device/hostile'],
    edits: [['journal', 'if ((words || isLast) && (', 'if (words && (']],
  },
  {
    name: 'BEGIN may have another id than what follows it',
    suites: ['device/hostile', 'device/bits'],
    edits: [
      [
        'journal',
        'if (words && ((words[0]! & 255) !== BEGIN || words[0]! >>> 16 !== found)) words = 0;',
        'words = words && words;',
      ],
    ],
  },
  {
    name: 'what reads wrong in the log is not read again',
    suites: ['device/bits'],
    edits: [['journal', ' || (found !== fill(0, SLOT) && recordAt(slot))', '']],
  },
  {
    name: 'a head that reads wrong is not read again',
    suites: ['device/bits'],
    edits: [
      ['journal', 'if (!lookAt(sector, false)) lookAt(sector, true)', 'lookAt(sector, true)'],
    ],
  },
  {
    name: 'a backup that reads wrong is not read again',
    suites: ['device/ways-out', 'device/scenarios'],
    edits: [
      [
        'transaction',
        ' && checkOf(slot) !== words[2] && checkOf(slot) !== words[2]',
        ' && checkOf(slot) !== words[2]',
      ],
    ],
  },
  {
    name: 'a record of type 0 is a decision',
    suites: ['device/hostile'],
    edits: [['journal', 'else if (type && type <= FORGET) {', 'else if (type <= FORGET) {']],
  },
  {
    name: 'a dead journal keeps the old content from coming back',
    suites: ['device/dead-journal', 'device/red'],
    edits: [
      [
        'transaction',
        '    if (!(error as { code?: string }).code) throw error;\n',
        '    throw error;\n',
      ],
    ],
  },
  {
    name: 'an update goes on although its journal is dead',
    suites: ['device/dead-journal'],
    edits: [
      [
        'ota',
        'const isResumed = places.isResumed && transaction.isSealed;',
        'const isResumed = places.isResumed;',
      ],
      ['places', 'isResumed = transaction.isSealed && !!(', 'isResumed = !!('],
    ],
  },
  {
    name: 'a new journal is taken for the dead one',
    suites: ['device/hostile', 'device/dead-journal'],
    edits: [
      [
        'update',
        '  start(false);\n  ownsJournal = true;\n',
        '  void start;\n  ownsJournal = true;\n',
      ],
    ],
  },
  {
    name: 'a committed update is put back although the journal does not keep that',
    suites: ['device/rules'],
    edits: [['transaction', '  if (hasToSeal && !isSealed) failFlash();\n', '']],
  },
  {
    name: 'a full journal puts back what stays',
    suites: ['device/ways-out', 'device/dead-journal'],
    edits: [['transaction', 'if (isStaying()) seal(', 'if (isStaying() && isSealed) seal(']],
  },
  {
    name: 'commit takes the reserve',
    suites: ['device/rules'],
    edits: [['transaction', '  needSlots(3 + BOOT_SLOTS * boots);\n', '']],
  },
  {
    name: 'status does not check the backup',
    suites: ['device/ways-out', 'device/recover-table'],
    edits: [['places', 'walkBackup(CHECK)) ? ', 'true) ? ']],
  },
  {
    name: 'recover names no partition where BEGIN is lost',
    suites: ['device/recover-table'],
    edits: [
      ['journal', 'if (!isQuiet() || isDamaged) replay(true);', 'if (!isQuiet()) replay(true);'],
    ],
  },
  {
    name: 'a trial boot that was not counted counts in the same boot',
    suites: ['device/hostile', 'device/dead-journal'],
    edits: [['ota', 'isCounted = isIdle || transaction.isSealed;', 'isCounted = true;']],
  },
  {
    name: 'a trial that is over stands in the way of updates',
    suites: ['device/rules'],
    edits: [['places', ' && (isCounted || journal.booted < journal.limit)', '']],
  },
  {
    name: 'another copy of the module may go on with the journal',
    suites: ['device/copies', 'device/red'],
    edits: [['journal', "  fail('STATE update: another copy wrote');\n", '  isSettled = true;\n']],
  },
  {
    name: 'another copy of the module may begin a journal',
    suites: ['device/copies'],
    edits: [
      ['journal', '  if (wasNone) lookAtHeads();\n', ''],
      ['journal', '  if (head !== oldHead || id !== oldId) failAlone();\n', ''],
    ],
  },
  {
    name: 'another copy may write within a sector',
    suites: ['device/copies', 'device/pieces'],
    edits: [['update', '  if (isBegun) checkAlone();\n', '']],
  },
  {
    name: 'another copy may write before the commit',
    suites: ['device/rules'],
    edits: [
      ['progress', '    checkAlone();\n', '    void checkAlone;\n'],
      ['update', '  checkAlone();\n  if (ownsJournal) commit(', '  if (ownsJournal) commit('],
    ],
  },
  {
    name: 'begin does not look whether memory will do',
    suites: ['device/memory'],
    edits: [['ota', '  if (room < NEEDED) fail(', '  if (room < 0) fail(']],
  },
  {
    name: 'an update that memory has ended stays open',
    suites: ['device/memory'],
    edits: [['update', '  if (isBusy) active = 0;\n', '']],
  },
  {
    name: 'onProgress that memory has ended refuses all calls from then on',
    suites: ['device/memory'],
    edits: [['progress', '      isCalling = false;\n    }, 0);', '    }, 0);']],
  },
  {
    name: 'keep takes no number for none',
    suites: ['device/pieces'],
    edits: [['update', 'size == null ? NaN : size', 'size']],
  },
  {
    name: 'an image of no bytes is taken',
    suites: ['device/api'],
    edits: [['update', 'places.options.size || 1;', 'places.options.size || 0;']],
  },
];
