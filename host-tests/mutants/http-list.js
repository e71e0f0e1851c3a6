/** Mutants of `ota-http`, as those of the core in list.js. */
const FAULTS = ['air/faults', 'air/update'];

/** @type {{ name: string, suites: string[], edits: [file: string, text: string, by: string][] }[]} */
const LIST = [
  {
    name: 'an update over the air does not look whether memory will do',
    suites: ['air/memory'],
    edits: [['air', 'stream.seam.free() < needed', 'stream.seam.free() < 0']],
  },
  {
    name: 'memory that ends in an event is told by nobody',
    suites: ['air/memory'],
    edits: [['stream', '        if (isBusy) failMemory();\n', '']],
  },
  {
    name: 'memory that ends in what a timer calls is told by nobody',
    suites: ['air/memory'],
    edits: [['stream', '    wait();\n    act();\n', '    act();\n']],
  },
  {
    name: 'the old content stays away where memory has ended in the core, or of an update before',
    suites: ['air/memory', 'air/rejected'],
    edits: [['air', "if (!keep && report.state === 'interrupted' &&", 'if (!report.state &&']],
  },
  {
    name: 'an update that is to stay open is undone',
    suites: ['air/rejected'],
    edits: [['air', 'undo(keep);', 'undo();']],
  },
  {
    name: 'a check puts the old content back',
    suites: ['air/rejected'],
    edits: [['air', '  if (!isResult && isUpdate) putBack(', '  if (!isResult) putBack(']],
  },
  {
    name: 'an update of another partition is undone',
    suites: ['air/rejected'],
    edits: [['air', ' && report.partition === partition)\n', ')\n']],
  },
  {
    name: 'the CRC-32 of a manifest decides although a digest was given',
    suites: ['air/answers'],
    edits: [['air', 'options.digest != null ? undefined : head.crc32', 'head.crc32']],
  },
  {
    name: 'a password goes to another host after a redirect',
    suites: ['air/urls'],
    edits: [['stream', 'homes[homeOf(address)],', 'homes[homeOf(url)],']],
  },
  {
    name: 'what another copy of the core has in hand is undone',
    suites: ['air/rejected'],
    edits: [['air', 'if (!isOther || isMemory)', 'if (ota)']],
  },
  {
    name: 'memory that ends in onProgress keeps the old content away',
    suites: ['air/rejected'],
    edits: [['air', 'if (!resolve && !keep && ota', 'if (resolve && !keep && ota']],
  },
  {
    name: 'Retry-After may ask for no time at all',
    suites: ['air/answers'],
    edits: [['stream', 'Math.max(SHORTEST, Math.min(ms, WAIT))', 'Math.min(ms, WAIT)']],
  },
  {
    name: 'Retry-After is waited for for ever',
    suites: ['air/answers'],
    edits: [['stream', '      patience -= ms;\n', '']],
  },
  {
    name: 'Retry-After may ask for any time',
    suites: ['air/answers'],
    edits: [['stream', 'Math.min(ms, WAIT)', 'ms']],
  },
  {
    name: 'what a server sent is told as it is',
    suites: ['air/answers'],
    edits: [['stream', "': ' + printable(message) + answer", "': ' + message + answer"]],
  },
  {
    name: 'a manifest that is wrong twice is the fault of HTTP',
    suites: ['air/update'],
    edits: [['stream', "(kind || 'HTTP') + ' ' + address", "'HTTP ' + address"]],
  },
  {
    name: 'what is fetched is not proven',
    suites: FAULTS,
    edits: [
      [
        'stream',
        'if (hash && (sink ? sink.hash() : hashLike(hash, box[0])) !== hash)',
        'if (hash && !box)',
      ],
    ],
  },
  {
    name: 'a sector that fails its hash is left as it is',
    suites: FAULTS,
    edits: [['stream', '  if (sink && from > first) sink.back();\n', '']],
  },
  {
    name: 'a copy that is another is left as it is',
    suites: ['air/update'],
    edits: [['air', '        (session as Session).back();\n', '']],
  },
  {
    name: 'a server that sends something else may do so for ever',
    suites: ['air/faults', 'air/pieces'],
    edits: [['air', '  if (last === digest) fail(stream.reason);\n', '  void last;\n']],
  },
  {
    name: 'what is copied is not proven',
    suites: ['air/update'],
    edits: [['air', 'if (sectors.hashHeld(sector) !== hash) {', 'if (!hash) {']],
  },
  {
    name: 'the CRC-32 of the head is not compared',
    suites: ['air/manifest'],
    edits: [
      [
        'head',
        'seam.crc32(bytes.substr(0, end)) !== numberAt(bytes, end, format.CRC_BYTES) ||\n',
        '\n',
      ],
    ],
  },
  {
    name: 'the descriptor may be any',
    suites: ['air/manifest'],
    edits: [
      ['head', 'descriptor.substr(0, format.IMAGE_SIZE_AT) !== format.DESCRIPTOR_START ||\n', '\n'],
    ],
  },
  {
    name: 'the digest is that of the stored part of the descriptor',
    suites: ['air/manifest'],
    edits: [
      [
        'head',
        'descriptor + seam.fill(0, format.WHOLE_DESCRIPTOR_BYTES - format.DESCRIPTOR_BYTES)',
        'descriptor',
      ],
    ],
  },
  {
    name: 'metadata may be of any length',
    suites: ['air/manifest'],
    edits: [
      [
        'head',
        'metadata > format.FREE_LIMIT ||\n    signature > format.FREE_LIMIT',
        'metadata < 0',
      ],
    ],
  },
  {
    name: 'the digest is not compared',
    suites: ['air/update', 'air/manifest'],
    edits: [['air', 'if (options.digest != null &&', 'if (!options &&']],
  },
  {
    name: 'an empty digest counts as none',
    suites: ['air/update'],
    edits: [['air', 'options.digest != null && options', 'options.digest && options']],
  },
  {
    name: 'the label is not compared',
    suites: ['air/update', 'air/manifest'],
    edits: [['air', 'if (label && label !== name)', 'if (!name)']],
  },
  {
    name: 'an image may be larger than the partition',
    suites: ['air/update', 'air/manifest'],
    edits: [['air', 'if (size > partition.size)', 'if (!size)']],
  },
  {
    name: 'only the first block of hashes is proven',
    suites: ['air/update', 'air/manifest', 'air/faults'],
    edits: [
      ['air', 'act, manifestSize, hash, ', "act, manifestSize, from > headSize ? '' : hash, "],
    ],
  },
  {
    name: 'no time is kept',
    suites: FAULTS,
    edits: [['stream', '  drop();\n  wait();\n', '  drop();\n']],
  },
  {
    name: 'the time is kept from the last bytes, not from the last 4096',
    suites: FAULTS,
    edits: [['stream', 'start >> 12 < at >> 12', 'start < at']],
  },
  {
    name: 'a fault is forgiven for ever',
    suites: FAULTS,
    edits: [['stream', 'if (++faults >= (', 'if (++faults < -(']],
  },
  {
    name: 'faults are never forgiven',
    suites: ['air/update', 'air/faults'],
    edits: [['stream', '    faults = wrongs = 0;\n', '    wrongs = 0;\n']],
  },
  {
    name: 'there is no pause',
    suites: ['air/update'],
    edits: [['stream', '(PAUSE <<', '(0 <<']],
  },
  {
    name: 'what has arrived of a sector is fetched again',
    suites: FAULTS,
    edits: [
      [
        'stream',
        '  pause(request, failure);\n',
        '  if (sink && from > first) sink.back();\n  from = first;\n  clearRoom();\n  pause(request, failure);\n',
      ],
    ],
  },
  {
    name: 'it begins again for ever',
    suites: FAULTS,
    edits: [['stream', '  restart = false;\n', '']],
  },
  {
    name: 'it never begins again',
    suites: FAULTS,
    edits: [['stream', '  if (!wrongs++)', '  restart = undefined;\n  if (!wrongs++)']],
  },
  {
    name: 'a whole file is taken for the part',
    suites: FAULTS,
    edits: [['stream', 'at = isPart ? from : 0;', 'at = from;']],
  },
  {
    name: 'a server without ranges is asked again and again',
    suites: FAULTS,
    edits: [['stream', 'limit = isPart ? stop : 1e9;', 'limit = stop;']],
  },
  {
    name: 'the length of the file is not looked at',
    suites: ['air/faults', 'air/manifest'],
    edits: [['stream', 'size && length && length !== size', 'size && length < 0']],
  },
  {
    name: 'redirects are followed for ever',
    suites: FAULTS,
    edits: [['stream', '++redirects > REDIRECTS', '++redirects > 1e9']],
  },
  {
    name: 'redirects are not followed',
    suites: FAULTS,
    edits: [['stream', '++redirects > REDIRECTS', '++redirects']],
  },
  {
    name: 'a late word of an old connection counts',
    suites: FAULTS,
    edits: [['stream', '    if (mine === current)\n      try {', '    if (mine)\n      try {']],
  },
  {
    name: 'the connection stays open',
    suites: FAULTS,
    edits: [['stream', '  if (last) last();\n', '']],
  },
  {
    name: 'the timer stays',
    suites: FAULTS,
    edits: [['stream', '  close = false;\n  clearTimeout(timer);\n', '  close = false;\n']],
  },
  {
    name: 'giving up leaves the new content half written',
    suites: FAULTS,
    edits: [['air', '  if (!isResult && isUpdate) putBack(value as HttpError);\n', '']],
  },
  {
    name: 'the next call is refused after an error',
    suites: ['air/update'],
    edits: [
      ['air', '  resolveOrReject(value);\n  resolve = false;\n', '  resolveOrReject(value);\n'],
    ],
  },
  {
    name: 'what was in flight is compared before it is settled',
    suites: ['air/update', 'air/faults'],
    edits: [['air', '/^[iud]|^none./', '/^none./']],
  },
  {
    name: 'what was given up is compared',
    suites: ['air/update'],
    edits: [['air', '/^[iud]|^none./', '/^[iud]/']],
  },
  {
    name: 'a trial that is over comes back when all is compared',
    suites: ['air/update'],
    edits: [['air', "else if (state === 'trial')", 'else if (!state)']],
  },
  {
    name: 'what is behind the image is not looked at',
    suites: ['air/update'],
    edits: [['air', 'sectors.isRestBlank() && ', '']],
  },
  {
    name: 'what is behind the image in its last sector is not looked at',
    suites: ['air/update'],
    edits: [
      [
        'sectors',
        'length === SECTOR || isBlank(seam.fill(255, PIECE), check.size, (sector + 1) * SECTOR)',
        'length > 0',
      ],
    ],
  },
  {
    name: 'content is looked for where it was, not where it will be',
    suites: ['air/update'],
    edits: [['sectors', '      known[n] = short;\n', '']],
  },
  {
    name: 'a sector may be its own copy',
    suites: ['air/update'],
    edits: [['sectors', 'known.indexOf(short)) | COPY;', 'known.indexOf(short)) & 0xffff;']],
  },
  {
    name: 'blank sectors are fetched',
    suites: ['air/update'],
    edits: [['sectors', 'hash === blank ? BLANK :', 'hash === short + blank ? BLANK :']],
  },
  {
    name: 'hashes that are fetched once more are not proven',
    suites: ['air/update', 'air/manifest', 'air/faults'],
    edits: [['air', 'sectors.checkOfHashes(), takeQueue', "'', takeQueue"]],
  },
  {
    name: 'hashes that are fetched once more are of the wrong sectors',
    suites: ['air/update'],
    edits: [['sectors', 'hashAt(hashes, n % QUEUE_HASHES);', 'hashAt(hashes, n - sector);']],
  },
  {
    name: 'the last hashes of a block are proven with the zeros behind them',
    suites: ['air/update'],
    edits: [['sectors', 'Math.min(QUEUE_BYTES, (count - n) * HASH_BYTES)', 'QUEUE_BYTES']],
  },
  {
    name: 'a source of bytes is taken for all of another engine',
    suites: ['air/update'],
    edits: [['air', 'given && (given as Seam).read ?', 'given ?']],
  },
  {
    name: 'a source of bytes needs room for a connection',
    suites: ['air/update'],
    edits: [['air', 'given ? NEEDED - CONNECTION : NEEDED', 'NEEDED']],
  },
  {
    name: 'all hashes are kept in memory',
    suites: ['air/update'],
    edits: [['sectors', 'if (hashQueue.length < QUEUE_BYTES) hashQueue', 'hashQueue']],
  },
  {
    name: 'each sector is a request of its own',
    suites: ['air/update'],
    edits: [['sectors', 'sourceOf(runEnd) === FETCH', 'sourceOf(runEnd) < 0']],
  },
  {
    name: 'the image is not compared with its CRC-32 in the end',
    suites: ['air/update', 'air/faults'],
    edits: [['air', 'options.digest != null ? undefined : head.crc32', 'undefined']],
  },
  {
    name: 'wrong pieces are never forgiven',
    suites: ['air/pieces'],
    edits: [['stream', '    faults = wrongs = 0;\n', '    faults = 0;\n']],
  },
  {
    name: 'nothing is planned before hashes are fetched',
    suites: ['air/pieces'],
    edits: [['air', '    if (isUpdate) ota.plan(options);\n', '']],
  },
];

export const HTTP_MUTANTS = LIST.map((mutant) => ({ ...mutant, input: 'device/http/index.ts' }));
