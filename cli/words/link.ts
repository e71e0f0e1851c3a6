/** What the command prints about boards, and about the ways to them. */
import type { Words } from '../../formats/errors.ts';
import { PortError, type PortFacts, type ThrownFacts } from '../../link/errors.ts';
import type { ModuleFacts } from '../../link/module.ts';
import type { StatusFacts } from '../../link/status.ts';
import type { RefusalFacts, Rest, UpdateFacts } from '../../link/update.ts';
import type { UploadFacts } from '../../link/upload.ts';
import type { OpenFacts } from '../ports.ts';
import { TABLE_ADDRESS } from '../../device/partitions.ts';
import { adviceFor } from './air.ts';
import { grouped, hex, printable, sizeOf } from './format.ts';
import { waysOut } from './ways-out.ts';

/** A shortened text for a message. */
function quoted(text: string): string {
  const most = 60;
  return printable(JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text));
}

const DIALOUT = '; is your user in the group "dialout"?';

export const OPEN_WORDS: Words<OpenFacts> = {
  E_PORT_NAME: ({ port }) => `${port}: not of the form tcp://host:port`,
  E_NO_HOST: ({ port }) => `${port}: no such host`,
  E_UNREACHABLE: ({ port }) => `${port}: host unreachable`,
  E_NO_CONNECTION: ({ port, seconds }) => `${port}: no connection within ${seconds} s`,
  E_NO_PACKAGE: ({ port, why }) =>
    `${port}: serial ports need the package "serialport", which does not load (${why}); ` +
    'run "npm install serialport@13.0.0", or use tcp://host:port',
  E_NO_PORT: ({ port }) =>
    `${port}: no such port; part-ota upload --list lists the serial ports, and a TCP port is tcp://host:port`,
  E_NOT_SERIAL: ({ port }) => `${port}: not a serial port`,
  E_BUSY: ({ port }) => `${port}: another program has the port; close its terminal or IDE`,
  E_REFUSED: ({ port }) => `${port}: connection refused; does anything listen there?`,
  E_PERMISSION: ({ port, platform }) =>
    `${port}: permission denied${platform === 'linux' ? DIALOUT : ''}`,
  E_OPEN: ({ port, why }) => `${port}: ${why}`,
};

const ENDS: Record<PortFacts['E_CLOSED']['by'], string> = {
  peer: 'the connection ended: the other side hung up',
  cable: 'the connection ended: was the cable pulled?',
  caller: 'the connection was closed',
  unknown: 'the connection ended',
};

const INSTEAD: Record<PortFacts['E_NOT_ESPRUINO']['found'], (last: string) => string> = {
  locked: () => 'Espruino is locked by E.setPassword: unlock it in a terminal first',
  debugger: () => 'Espruino is in its debugger; type "quit" in a terminal first',
  MicroPython: (last) => `this is MicroPython, not Espruino: ${last}`,
  download: () =>
    'the chip waits for firmware (boot mode "download"); reset it with the boot button released',
  noise: () => 'what arrives is no text; is the baud rate right? Espruino has 115200 on an ESP32',
};

const BUSY = 'A board that is busy answers later; --interrupt stops what it is doing';

function noAnswer({ port, seconds, heard, last }: PortFacts['E_NO_ANSWER']): string {
  switch (heard) {
    case 'nothing':
      return `${port}: no answer within ${seconds} s; is it a board with Espruino, powered, at this port? ${BUSY}`;
    case 'restart':
      return `${port}: the board starts, but does not answer within ${seconds} s; the last line is ${quoted(last)}`;
    case 'output':
      return `${port}: no answer within ${seconds} s, but output: ${quoted(last)}; is this Espruino? ${BUSY}`;
  }
}

function notEsp32({ port, board, table, elsewhere }: PortFacts['E_NOT_ESP32']): string {
  const found = elsewhere.map(hex).join(', ');
  const why = found
    ? `something like one lies at ${found}: if the firmware was built so, --table-offset names it`
    : 'not an ESP32, or one with flash encryption, which is not supported';
  return `${port}: no partition table at ${hex(table)}; Espruino runs there on "${printable(board)}": ${why}`;
}

export const PORT_WORDS: Words<PortFacts> = {
  E_CLOSED: ({ port, by, detail }) => `${port}: ${ENDS[by]}${detail ? `: ${detail}` : ''}`,
  E_NO_ANSWER: noAnswer,
  E_NOT_ESPRUINO: ({ port, found, last }) => `${port}: ${INSTEAD[found](quoted(last))}`,
  E_NOT_ESP32: notEsp32,
  E_SILENT: ({ port, seconds }) =>
    `${port}: the board has been silent for ${seconds} s; part-ota status tells what became of it`,
  // The line may be one of Espruino's banner, which has no words.
  E_RESET: ({ port, line }) =>
    `${port}: the board restarted${/\w{3}.*\d/.test(line) ? `: ${quoted(line)}` : ''}`,
  E_INTERRUPTED: ({ port, line }) =>
    `${port}: a script ended without an answer${line === undefined ? '' : `: ${quoted(line)}`}`,
  E_LINE: ({ port, times }) =>
    `${port}: the line is bad: ${times} times something was damaged or lost on it; try another cable, a USB port ` +
    'without a hub, or a lower baud rate: Serial1.setup(57600) on the board, and --baud 57600',
  E_GARBLED: ({ port, text }) => `${port}: an answer arrived damaged: ${quoted(text)}`,
};

const MORE_MEMORY =
  'make room: reset() on its console stops the app until the next boot, then run the same command again';

/** @returns that memory has ended, and what can be done. */
function memoryText({ port, memory, line, needed }: ThrownFacts['E_MEMORY']): string {
  const free = memory && `: ${grouped(memory.free)} of ${grouped(memory.total)} JsVars free`;
  const need = needed === undefined ? '' : `, an update needs about ${grouped(needed)}`;
  const says = line === undefined ? '' : `; Espruino says ${quoted(line)}`;
  return `${port}: E_MEMORY out of memory${free ?? ''}${need}${says}; ${MORE_MEMORY}`;
}

const NO_TABLE =
  `the module on the board looks at ${hex(TABLE_ADDRESS)}, as all firmware of Espruino has it; ` +
  'a firmware that was built with another CONFIG_PARTITION_TABLE_OFFSET: part-ota upload --table-offset';

/** @returns what a board has thrown, and what can be done if the module lacks memory, or finds no table. */
function thrownText({ code, message }: ThrownFacts['E_THROWN']): string {
  const remedy =
    code === 'E_MEMORY' ? MORE_MEMORY : TABLE_MISSING.test(message) ? NO_TABLE : undefined;
  return printable(message) + (remedy === undefined ? '' : `; ${remedy}`);
}

const TABLE_MISSING = /^E_NO_PARTITION table: missing/;

export const BOARD_WORDS: Words<ThrownFacts> = { E_THROWN: thrownText, E_MEMORY: memoryText };

const noModule = (port: string, names: string[], remedy: string) =>
  `${port}: the board has no module ${names.map((name) => `"${printable(name)}"`).join(' and ')}; ${remedy}`;

export const MODULE_WORDS: Words<ModuleFacts> = {
  E_NO_MODULE: ({ port, name }) => noModule(port, [name], 'part-ota upload first'),
};

const noPartition = ({ label, labels }: { label: string; labels: string[] }) =>
  `--partition: no partition "${label}"; there are ${printable(labels.join(', '))}`;

export const STATUS_WORDS: Words<StatusFacts> = { E_NO_PARTITION: noPartition };

const bytes = (count: number) => `${grouped(count)} bytes`;

function noRoom({ needed, free, trash }: UploadFacts['E_STORAGE']): string {
  const missing = needed - free;
  const remedy =
    trash >= missing
      ? `${bytes(trash)} are taken by files that were replaced. Compacting gives them back, but if power fails ` +
        'in that, Espruino may erase all of Storage at the next boot. --compact does it nevertheless'
      : "erase files that are not needed: require('Storage').list(), .erase(name)";
  return `too little Storage: ${bytes(needed)} needed, ${bytes(free)} free, ${bytes(missing)} missing; ${remedy}`;
}

export const UPLOAD_WORDS: Words<UploadFacts> = {
  E_UPDATING: () =>
    'an update is in progress on the board: wait for its end; part-ota status tells',
  E_STORAGE: noRoom,
  E_READ_BACK: ({ name, found, sent }) =>
    `${name} reads back wrong: ${bytes(found.size)} with CRC-32 ${hex(found.crc32)}, ` +
    `where ${grouped(sent.size)} with ${hex(sent.crc32)} were sent; upload it again`,
};

const NO_COPY = 'There is no copy of the old content.';

function mixedText({ port, partition, by, hasBackup, written }: Rest): string {
  const far = written ? `, ${grouped(written.done)} of ${bytes(written.total)}` : '';
  const [fate, again, undo] =
    by === 'url'
      ? [
          'The board goes on by itself',
          'to see how far it is',
          `part-ota restore --port ${port} puts the old content back, as does a boot with ota.recover().`,
        ]
      : [
          'The board waits ten minutes',
          'to go on',
          'After that it puts the old content back, as does a boot with ota.recover(); ' +
            `part-ota restore --port ${port} does so now.`,
        ];
  return (
    `The partition "${partition}" holds a mix of the old and the new content${far}. ` +
    `${fate}: run the same command again ${again}. ${hasBackup ? undo : NO_COPY}`
  );
}

function resetText({ port, partition, hasBackup }: Rest): string {
  const fate = hasBackup
    ? 'A boot script that calls ota.recover() has put the old content back; ' +
      `without one, part-ota recover --port ${port} does.`
    : NO_COPY;
  return (
    `The board was reset while the partition "${partition}" held a mix of the old and the new content. ` +
    `Run the same command again to finish the update. ${fate}`
  );
}

function openText({ port, partition, hasBackup }: Rest): string {
  const fate = hasBackup
    ? `part-ota recover --port ${port} puts the old content back, as does a boot with ota.recover().`
    : NO_COPY;
  return (
    `The partition "${partition}" holds a mix of the old and the new content, and the board has stopped. ` +
    `The same command goes on. ${fate}`
  );
}

const RESTS: Record<Rest['holds'], (rest: Rest) => string> = {
  old: ({ partition }) => `The partition "${partition}" holds what it held.`,
  mixed: mixedText,
  reset: resetText,
  open: openText,
  told: ({ port }) =>
    `part-ota status --port ${port} tells what the partition holds: the old content, if there was a copy of it.`,
};

/** @returns what the partition of an update holds, and what to do. */
export const restText = (rest: Rest) => RESTS[rest.holds](rest);

/** @returns what the line to a board, or a script there, ended by. */
function whyText(why: UpdateFacts['E_LOST']['why']): string {
  return why instanceof PortError
    ? (PORT_WORDS[why.code] as (facts: object) => string)(why.facts)
    : (BOARD_WORDS[why.code] as (facts: object) => string)(why.facts);
}

/** Errors of Espruino's that tell of lost characters (E.getErrorFlags). */
const LOST_FLAGS = ['FIFO_FULL', 'UART_OVERFLOW'];

/** @returns what a board asks for in vain, how often, and what to do. */
function stuckText({ port, stuck, memory, flags }: UpdateFacts['E_STUCK']): string {
  const { why, file, from, to, times } = stuck;
  const asked = `bytes ${grouped(from)} to ${grouped(to)} of ${quoted(file)}`;
  const free = memory
    ? `; ${grouped(memory.free)} of ${grouped(memory.total)} JsVars are free`
    : '; it does not tell what memory it has';
  const lost = LOST_FLAGS.filter((flag) => flags?.includes(flag));
  const told = lost.length ? `; Espruino has seen ${lost.join(' and ')}` : '';
  const ends =
    why === 'again'
      ? 'they were sent each time: they are lost on the way, or it has no memory for them'
      : 'the line takes no answer';
  return why === 'empty'
    ? `${port}: the board has asked ${times} times for ${asked}, which are none: its script was interrupted, ` +
        `most likely out of memory${free}; ${MORE_MEMORY}`
    : `${port}: the board has asked ${times} times for ${asked}, and ${ends}${free}${told}; ` +
        'try another cable or port, or reset the board, and run the same command again';
}

/** @returns what the module has thrown in an update, and what to do. */
function failedText(thrown: ThrownFacts['E_THROWN']): string {
  const advice = adviceFor(thrown.message);
  return thrownText(thrown) + (advice === undefined ? '' : `; ${advice}`);
}

export const UPDATE_WORDS: Words<UpdateFacts> = {
  E_LOST: ({ why, rest }) => `${whyText(why)}\n${restText(rest)}`,
  E_FAILED: ({ rest, ...thrown }) => `${failedText(thrown)}\n${restText(rest)}`,
  E_MEMORY: ({ rest, ...facts }) => `${memoryText(facts)}\n${restText(rest)}`,
  E_STUCK: (facts) => `${stuckText(facts)}\n${restText(facts.rest)}`,
  E_OVER: ({ rest }) => `the update is over\n${restText(rest)}`,
};

/** What to do when the module refuses an update, by its message. */
const REMEDIES: [message: RegExp, remedy: string][] = [
  [/^E_PENDING .* needs backup: false$/, '--no-backup updates it, part-ota forget gives it up'],
  [
    /^E_PENDING .*: unfinished$/,
    'part-ota recover undoes that update, part-ota forget gives it up',
  ],
  [/^E_PENDING .*: on trial$/, 'part-ota confirm keeps the new content, part-ota restore the old'],
  [/^E_MEMORY /, MORE_MEMORY],
  [/^E_SPACE ota_journal/, 'docs/backup-and-journal.md tells how to make room'],
  [TABLE_MISSING, NO_TABLE],
];

/** @returns why the module refuses an update, and what to do. */
export function refusalText(message: string): string {
  const [, known] = REMEDIES.find(([pattern]) => pattern.test(message)) ?? [];
  const remedy = known ?? adviceFor(message);
  return printable(message) + (remedy === undefined ? '' : `; ${remedy}`);
}

export const REFUSAL_WORDS: Words<RefusalFacts> = {
  E_UPDATING: ({ port, running }) =>
    `${port}: the board is busy with another update, ${printable(running)}; ` +
    'reset it to put the old content back',
  E_NO_MODULE: ({ port, missing }) =>
    noModule(port, missing, `part-ota upload --http --port ${port}`),
  E_NO_PARTITION: noPartition,
  E_SIZE: ({ name, size, label, limit }) =>
    `${name}: ${bytes(size)}; the partition "${label}" has ${sizeOf(limit)}`,
  E_REFUSED: ({ port, message, partition, layout }) =>
    [
      `${port}: ${refusalText(message)}`,
      // Labels may have ends of lines in them.
      ...(layout ? waysOut(message, layout, partition).map(printable) : []),
    ].join('\n'),
};
