/** What the command says of boards, and of the ways to them. */
import type { Words } from '../../formats/errors.ts';
import type { PortFacts } from '../../link/port.ts';
import type { ThrownFacts } from '../../link/session.ts';
import type { OpenFacts } from '../ports.ts';

/** A shortened text for a message. */
function quoted(text: string): string {
  const most = 60;
  return JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text);
}

const DIALOUT = '; is your user in the group "dialout"?';

export const OPEN_WORDS: Words<OpenFacts> = {
  E_PORT_NAME: ({ port }) => `${port}: not of the form tcp://host:port`,
  E_NO_HOST: ({ port }) => `${port}: no such host`,
  E_UNREACHABLE: ({ port }) => `${port}: host unreachable`,
  E_NO_CONNECTION: ({ port, seconds }) => `${port}: no connection within ${seconds} s`,
  E_NO_PACKAGE: ({ port, why }) =>
    `${port}: serial ports need the package "serialport", which does not load (${why}); ` +
    'say "npm install serialport@13.0.0", or use tcp://host:port',
  E_NO_PORT: ({ port }) => `${port}: no such port; part-ota upload --list lists those there are`,
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
  debugger: () => 'Espruino is in its debugger; say "quit" in a terminal first',
  MicroPython: (last) => `this is MicroPython, not Espruino; it says ${last}`,
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

export const PORT_WORDS: Words<PortFacts> = {
  E_CLOSED: ({ port, by, detail }) => `${port}: ${ENDS[by]}${detail ? `: ${detail}` : ''}`,
  E_NO_ANSWER: noAnswer,
  E_NOT_ESPRUINO: ({ port, found, last }) => `${port}: ${INSTEAD[found](quoted(last))}`,
  E_NOT_ESP32: ({ port, board }) =>
    `${port}: no partition table at 0x8000; Espruino runs there on "${board}": ` +
    'not an ESP32, or one with flash encryption, which is not supported',
  E_SILENT: ({ port, seconds }) =>
    `${port}: the board has been silent for ${seconds} s; part-ota status tells what became of it`,
  E_RESET: ({ port, line }) => `${port}: the board restarted: ${quoted(line)}`,
  E_INTERRUPTED: ({ port, line }) =>
    `${port}: a script ended without an answer${line === undefined ? '' : `: ${quoted(line)}`}`,
  E_GARBLED: ({ port, text }) => `${port}: an answer arrived damaged: ${quoted(text)}`,
};

export const BOARD_WORDS: Words<ThrownFacts> = { E_THROWN: ({ message }) => message };
