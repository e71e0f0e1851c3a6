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
    name: 'the log ends at the first blank slot',
    suites: RULES,
    edits: [['records', 'const END_RUN = 3;', 'const END_RUN = 1;']],
  },
  {
    name: 'the last record is not appended again',
    suites: RULES,
    edits: [['journal', '  if (isRepeated) appendRecord(record);\n', '']],
  },
  {
    name: 'a decision is written once',
    suites: RULES,
    edits: [
      ['journal', '  append(type);\n  append(SOLID);\n', '  append(type);\n'],
      ['journal', 'decision === CONFIRM) && isSolid;', 'decision === CONFIRM);'],
    ],
  },
  {
    name: 'a decision is written twice, without SOLID',
    suites: RULES,
    edits: [
      ['journal', '  append(type);\n  append(SOLID);\n', '  append(type);\n  append(type);\n'],
      [
        'journal',
        '    decision = type;\n    isSolid = false;\n',
        '    isSolid = decision === type;\n    decision = type;\n',
      ],
      ['journal', '& 255) === SOLID', '& 255) === RESTORE'],
    ],
  },
  {
    name: 'putting back skips sectors that read equal',
    suites: RULES,
    edits: [
      [
        'transaction',
        '        writeSector(sector, old);\n',
        '        if (readSector(sector) !== old) writeSector(sector, old);\n',
      ],
    ],
  },
  {
    name: 'a sector that reads blank is not erased',
    suites: RULES,
    edits: [
      [
        'transaction',
        '    erase(guard(sector * SECTOR));\n',
        '    if (!isBlank(readSector(sector), PIECE)) erase(guard(sector * SECTOR));\n',
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
    name: 'BEGIN is not spoiled',
    suites: RULES,
    edits: [['journal', '  spoil(1);\n', '']],
  },
  {
    name: 'the sector in flight is not erased first',
    suites: RULES,
    edits: [['transaction', '  writeSector(journal.inFlight, fill(255, SECTOR));\n', '']],
  },
  {
    name: 'SAVED is not repeated before a saved sector is erased again',
    suites: RULES,
    edits: [
      [
        'transaction',
        '    if (journal.inFlight !== sector) appendRecord(readSaved(sector));\n',
        '    void [journal.inFlight, appendRecord];\n',
      ],
    ],
  },
  {
    name: 'a torn tail is not zeroed',
    suites: RULES,
    edits: [
      [
        'journal',
        '  for (; slot < next + 2 && slot < end; slot++) spoil(slot);\n',
        '  slot = Math.min(next + 2, end);\n',
      ],
    ],
  },
  {
    name: 'only one blank slot is zeroed',
    suites: RULES,
    edits: [['journal', 'slot < next + 2 &&', 'slot < next + 1 &&']],
  },
  {
    name: 'there is no ENDING',
    suites: RULES,
    edits: [['transaction', '  append(ENDING);\n', '']],
  },
  {
    name: 'nothing is forgotten before BEGIN is spoiled',
    suites: RULES,
    edits: [['update', '  if (isForgetting) forget();\n', '']],
  },
  {
    name: 'a final decision without SOLID is believed',
    suites: RULES,
    edits: [['journal', 'decision === CONFIRM) && isSolid;', 'decision === CONFIRM);']],
  },
  {
    name: 'what is written is not read back',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', 'if (readSector(sector) === data) return;', 'return;']],
  },
  {
    name: 'what is put back is not checked',
    suites: ['device/ways-out'],
    edits: [
      [
        'transaction',
        'if (slot && crc32(old) !== words[2]) {',
        'if (onlyChecks && slot && crc32(old) !== words[2]) {',
      ],
    ],
  },
  {
    name: 'records are not read back',
    suites: ['device/api', 'device/scenarios', 'device/journal-rules'],
    edits: [['journal', 'return read(address, data.length) === data;', 'return true;']],
  },
  {
    name: 'a sector is written once',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', '(let tries = 2', '(let tries = 1']],
  },
  {
    name: 'SAVED is written before the copy is made',
    suites: ['device/power-cut'],
    edits: [
      [
        'transaction',
        '      do {\n',
        '      append(SAVED, 0, sector | (slot << 16), check);\n      do {\n',
      ],
    ],
  },
  {
    name: 'the copy in the backup is not read back',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', '} while (crc32(readSector(slot)) !== check);', '} while (false);']],
  },
  {
    name: 'the copy in the backup is made once',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', '  let tries = 2;\n', '  let tries = 1;\n']],
  },
  {
    name: 'the copy in the backup is made of nothing the second time',
    suites: ['device/scenarios', 'device/api'],
    edits: [['transaction', 'program(old || readSector(sector),', 'program(old!,']],
  },
  {
    name: 'a sector is overwritten before it is saved',
    suites: ['device/power-cut'],
    edits: [
      [
        'update',
        '    save(sector, box);\n',
        '    writeSector(sector, data);\n    save(sector, box);\n',
      ],
    ],
  },
  {
    name: 'a chunk that completes a sector is kept for later',
    suites: ['device/api'],
    edits: [['update', '+ bytes.length >= SECTOR)', '+ bytes.length > SECTOR)']],
  },
  {
    name: 'a journal in the target is told to forget',
    suites: ['device/places'],
    edits: [['update', 'isUsable() && !isIn(places.target, journal.area.first);', 'isUsable();']],
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
        "  if (places.options.crc32 != null) verify(size);\n  tick('verify', taken, taken);\n  if (ownsJournal) commit(places.options.trial || 0);\n",
        '  if (ownsJournal) commit(places.options.trial || 0);\n  if (places.options.crc32 != null) verify(size);\n',
      ],
    ],
  },
  {
    name: 'there is no fence',
    suites: ['device/fence'],
    edits: [
      [
        'journal',
        '  if (!isIn(target, sector) && !isIn(backup, sector) && !isIn(area, sector))',
        '  if (!sector)',
      ],
    ],
  },
  {
    name: 'slots are not checked before anything is put back',
    suites: ['device/scenarios'],
    edits: [
      [
        'transaction',
        'if (slot && crc32(old) !== words[2]) {',
        'if (!onlyChecks && slot && crc32(old) !== words[2]) {',
      ],
    ],
  },
  {
    name: 'a journal is believed although its places are in use for something else',
    suites: ['device/ways-out', 'device/scenarios'],
    edits: [['places', 'return area && !area.why && isIn(', 'return area && isIn(']],
  },
  {
    name: 'the running app is taken for a free slot',
    suites: ['device/places', 'device/api'],
    edits: [
      [
        'chip',
        "    if (!app || area === app || area === chosen) area.why = 'is in use';\n",
        '    void area;\n',
      ],
    ],
  },
  {
    name: 'sectors that were never saved may have changed',
    suites: ['device/scenarios', 'device/api', 'device/power-cut'],
    edits: [['transaction', '  return check;\n', '  return check && 0;\n']],
  },
  {
    name: 'trial boots are not counted',
    suites: ['device/api', 'device/power-cut'],
    edits: [['transaction', ' append(BOOT, journal.booted + 1);\n', ' isSealed = true;\n']],
  },
  {
    name: 'the room for what is erased after the image is not counted first',
    suites: ['device/api'],
    edits: [['update', '  if (size) checkRoom((size + SECTOR - 1) >>> 12);\n', '']],
  },
  {
    name: 'a partition that the firmware is using is not refused',
    suites: ['device/places', 'device/api'],
    edits: [['places', 'area.need > 1 &&', 'area.need > 2 &&']],
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
      ['records', '(HEAD_SLOTS + DECISIONS + RESERVE + SLOTS - 1)', '(HEAD_SLOTS + SLOTS - 1)'],
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
    edits: [['transaction', 'if (!isRestoring()) decide(', 'decide(']],
  },
  {
    name: 'a record that is seen twice counts twice',
    suites: ['device/golden', 'device/api'],
    edits: [['journal', '      if (!savedAt(inFlight)) {\n', '      if (last) {\n']],
  },
  {
    name: 'only the second of two overlapping rows is refused',
    suites: ['device/rows'],
    edits: [['chip', "        before.why = 'overlaps ' + area.row.label;\n", '']],
  },
  {
    name: 'only the first of two overlapping rows is refused',
    suites: ['device/rows'],
    edits: [['chip', "        area.why = 'overlaps ' + before.row.label;\n", '']],
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
    name: 'the app that otadata names runs, whatever its image',
    suites: ['device/boot'],
    edits: [['chip', ' && read(chosen.row.address, 1) === IMAGE_MAGIC', '']],
  },
  {
    name: 'an app that is not confirmed keeps no other',
    suites: ['device/boot'],
    edits: [['chip', '        isOnTrial ||\n', '']],
  },
  {
    name: 'factory is written where the chip cannot tell',
    suites: ['device/boot'],
    edits: [['chip', '(!isTold && area.kind >> 4 !== 1)', 'false']],
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
    edits: [['chip', ' && !!page', '']],
  },
  {
    name: 'the app that boots next is written',
    suites: ['device/boot'],
    edits: [['chip', '        area === chosen ||\n', '']],
  },
  {
    name: 'slots are written though otadata names one that is not there',
    suites: ['device/boot'],
    edits: [['chip', '        !chosen ||\n', '']],
  },
  {
    name: 'backup takes any size',
    suites: ['device/backup-size'],
    edits: [['update', "  checkNumber('backup', bytes, all);\n", '']],
  },
];
