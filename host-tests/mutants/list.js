/**
 * Mutants: device code broken on purpose, one safety step at a time. Each must make a test fail.
 *
 * `edits` are texts of the sources and what they are replaced by; each must be found exactly once. `suites` are the
 * suites that are run until one fails.
 */
const RULES = ['journal-rules', 'power-cut', 'two-cuts'];

/** @type {{ name: string, suites: string[], edits: [file: string, text: string, by: string][] }[]} */
export const MUTANTS = [
  {
    name: 'the log ends at the first blank slot',
    suites: RULES,
    edits: [['journal', 'const END_RUN = 3;', 'const END_RUN = 1;']],
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
      ['journal', "  append(type);\n  append('D');\n", '  append(type);\n'],
      ['journal', 'return isFinal() && isSolid;', 'return isFinal();'],
    ],
  },
  {
    name: 'a decision is written twice, without SOLID',
    suites: RULES,
    edits: [
      ['journal', "  append(type);\n  append('D');\n", '  append(type);\n  append(type);\n'],
      [
        'journal',
        '    decision = type;\n    isSolid = false;\n',
        '    isSolid = decision === type;\n    decision = type;\n',
      ],
      ['journal', "record[0] === 'D'", "record[0] === 'R'"],
    ],
  },
  {
    name: 'putting back skips sectors that read equal',
    suites: RULES,
    edits: [
      [
        'transaction',
        '    writeSector(sector, old);\n',
        '    if (readSector(sector) !== old) writeSector(sector, old);\n',
      ],
    ],
  },
  {
    name: 'a sector that reads blank is not erased',
    suites: RULES,
    edits: [
      ['flash', '    erase(sector);\n', '    if (!isBlank(readSector(sector))) erase(sector);\n'],
    ],
  },
  {
    name: 'BEGIN alone is taken for nothing',
    suites: RULES,
    edits: [['ota', '!decision || isQuiet()', "!decision || decision === 'B' || isQuiet()"]],
  },
  {
    name: 'a restore after a commit is not announced by REOPEN',
    suites: RULES,
    edits: [['transaction', "    append('O');\n", '']],
  },
  {
    name: 'BEGIN is not spoiled',
    suites: RULES,
    edits: [['journal', '    spoilHead(place);\n', '']],
  },
  {
    name: 'the sector in flight is not erased first',
    suites: RULES,
    edits: [['transaction', '  writeSector(inFlight, blankSector());\n', '']],
  },
  {
    name: 'SAVED is not repeated before a saved sector is erased again',
    suites: RULES,
    edits: [['transaction', '  else if (inFlight !== sector) repeatSaved(sector);\n', '']],
  },
  {
    name: 'a torn tail is not zeroed',
    suites: RULES,
    edits: [
      [
        'journal',
        '  for (let slot = last + 1; slot < end; slot++) spoil(addressOf(slot), SLOT);\n',
        '',
      ],
    ],
  },
  {
    name: 'only one blank slot is zeroed',
    suites: RULES,
    edits: [['journal', 'Math.min(next + 2,', 'Math.min(next + 1,']],
  },
  {
    name: 'there is no ENDING',
    suites: RULES,
    edits: [['transaction', "  append('E');\n", '']],
  },
  {
    name: 'nothing is forgotten before BEGIN is spoiled',
    suites: ['two-cuts', 'journal-rules'],
    edits: [['update', '  if (isMine) forget();\n', '']],
  },
  {
    name: 'a final decision without SOLID is believed',
    suites: RULES,
    edits: [['journal', 'return isFinal() && isSolid;', 'return isFinal();']],
  },
  {
    name: 'what is written is not read back',
    suites: ['scenarios', 'api'],
    edits: [['flash', 'if (readSector(sector) === data) return;', 'return;']],
  },
  {
    name: 'what is put back is not checked',
    suites: ['ways-out'],
    edits: [
      [
        'transaction',
        "    if (slot !== BLANK && crc32(old) !== check) fail('FLASH', 'backup: flickers');\n",
        '    void check;\n',
      ],
    ],
  },
  {
    name: 'records are not read back',
    suites: ['api', 'scenarios', 'journal-rules'],
    edits: [['flash', 'return read(address, bytes.length) === bytes;', 'return true;']],
  },
  {
    name: 'nothing is tried twice',
    suites: ['scenarios', 'api'],
    edits: [['flash', 'let tries = 2', 'let tries = 1']],
  },
  {
    name: 'SAVED is written before the copy is made',
    suites: ['power-cut'],
    edits: [
      [
        'transaction',
        '      writeSector(slot, old);\n',
        "      append('S', 0, sector | (slot << 16), check);\n      writeSector(slot, old);\n",
      ],
    ],
  },
  {
    name: 'a sector is overwritten before it is saved',
    suites: ['power-cut'],
    edits: [
      [
        'transaction',
        '  if (!savedAt(sector)) save(sector);\n',
        '  if (!savedAt(sector)) {\n    const old = readSector(sector);\n    writeSector(sector, data);\n    void old;\n    save(sector);\n  }\n',
      ],
    ],
  },
  {
    name: 'the CRC-32 of the image is not compared',
    suites: ['api', 'scenarios'],
    edits: [['update', '  if (options.crc32 != null) verify();\n', '']],
  },
  {
    name: 'the update is committed before it is verified',
    suites: ['api', 'scenarios', 'power-cut'],
    edits: [
      [
        'update',
        "  if (options.crc32 != null) verify();\n  tick('verify', span, span);\n  if (isOpen) commit(options.trial || 0);\n",
        '  if (isOpen) commit(options.trial || 0);\n  if (options.crc32 != null) verify();\n',
      ],
    ],
  },
  {
    name: 'there is no fence',
    suites: ['fence'],
    edits: [['flash', '  if (!fence.some((range) => isInside(sector, range)))', '  if (!sector)']],
  },
  {
    name: 'slots are not checked before anything is put back',
    suites: ['scenarios'],
    edits: [['transaction', '!== check) isWhole = false;', '!== check) isWhole = true;']],
  },
  {
    name: 'a journal is believed although its places are in use for something else',
    suites: ['ways-out', 'scenarios'],
    edits: [['plan', '!area.why && isInside(range, area)', 'isInside(range, area)']],
  },
  {
    name: 'the running app is taken for a free slot',
    suites: ['places', 'api'],
    edits: [['chip', '    if (area) area.isNeeded = true;\n', '']],
  },
  {
    name: 'sectors that were never saved may have changed',
    suites: ['scenarios', 'api', 'power-cut'],
    edits: [['transaction', 'return checkUnsaved() !== unsaved;', 'return false;']],
  },
  {
    name: 'trial boots are not counted',
    suites: ['api', 'power-cut'],
    edits: [['transaction', "      append('T', booted + 1);\n", '']],
  },
  {
    name: 'the room for what is erased after the image is not counted first',
    suites: ['api'],
    edits: [['update', '  if (options.size) checkRoom((size + SECTOR - 1) >>> 12, span);\n', '']],
  },
  {
    name: 'a partition that the firmware is using is not refused',
    suites: ['places', 'api'],
    edits: [['plan', 'target.isLive &&', 'false &&']],
  },
];
