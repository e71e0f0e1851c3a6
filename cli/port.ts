/** A line to a board: a serial port of this machine, or a TCP connection. Bytes only; `console.ts` knows what they mean. */
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { InputError } from './words.ts';

/** Why there is no line to a board, or none any more. Stable strings: match by these. */
export type PortCode =
  /** No port of this name, or no host. */
  | 'E_NO_PORT'
  /** Another program has the port. */
  | 'E_BUSY'
  /** The port is there but cannot be opened: refused, not permitted. */
  | 'E_REFUSED'
  /** The line ended: the cable was pulled, the other side hung up. */
  | 'E_CLOSED'
  /** Nothing came back in time. */
  | 'E_NO_ANSWER'
  /** What answers is not Espruino, or is locked. */
  | 'E_NOT_ESPRUINO'
  /** There is no partition table: not an ESP32, or its flash is encrypted. */
  | 'E_NOT_ESP32'
  /** The board restarted while a script ran. */
  | 'E_RESET'
  /** A script ended without an answer: it was interrupted, or the board is out of memory. */
  | 'E_INTERRUPTED'
  /** The answer of a script was not what it sent: bytes were lost or added. */
  | 'E_GARBLED';

/** What went wrong between this machine and the board. The message names the port, the fact and what to check. */
export class PortError extends InputError {
  override name = 'PortError';
  readonly code: PortCode;

  constructor(code: PortCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A line to a board. */
export interface Port {
  /** What it was opened by: `/dev/ttyUSB0`, `tcp://host:port`. */
  readonly name: string;
  /** Sends bytes. Resolves when they have left this machine. @throws PortError E_CLOSED */
  write: (bytes: Uint8Array) => Promise<void>;
  /** Calls back with what arrives, from now on. There is one listener. */
  onData: (listener: (bytes: Uint8Array) => void) => void;
  /** Calls back once when the line ends, unless by `close`. */
  onClose: (listener: (error: PortError) => void) => void;
  /** Ends the line. */
  close: () => Promise<void>;
}

export interface PortOptions {
  /** Bits per second of a serial line. Default: 115200, that of Espruino on an ESP32. */
  baud?: number;
  /** Milliseconds until a TCP connection has to stand. Default: 5000. */
  timeout?: number;
}

/** A serial port as `listPorts` finds it. */
export interface Listed {
  path: string;
  /** What the device says it is: manufacturer, product, serial number; may be empty. */
  description: string;
}

/** Espruino's on the ESP32 (boards/ESP32.py, default_console_baudrate). */
export const BAUD = 115200;
const CONNECT_MS = 5000;
/** Espruino's telnet port (libs/network/telnet/jswrap_telnet.c). */
const TELNET = 23;

/** The port once it is open: both kinds deliver the same events. */
class Line {
  readonly name: string;
  #data: ((bytes: Uint8Array) => void) | undefined;
  #closed: ((error: PortError) => void) | undefined;
  #end: PortError | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Why it ended, once it has. */
  get ended(): PortError | undefined {
    return this.#end;
  }

  arrived(bytes: Uint8Array): void {
    this.#data?.(bytes);
  }

  finish(error: PortError): void {
    if (this.#end) return;
    this.#end = error;
    this.#closed?.(error);
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#data = listener;
  }

  onClose(listener: (error: PortError) => void): void {
    this.#closed = listener;
  }
}

const closedBy = (name: string, why: string) =>
  new PortError('E_CLOSED', `${name}: the connection ended${why && `: ${why}`}`);

/** Why a TCP connection does not stand. */
function socketError(name: string, error: NodeJS.ErrnoException): PortError {
  switch (error.code) {
    case 'ECONNREFUSED':
      return new PortError('E_REFUSED', `${name}: connection refused; does anything listen there?`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new PortError('E_NO_PORT', `${name}: no such host`);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new PortError('E_NO_PORT', `${name}: host unreachable`);
    default:
      return new PortError('E_REFUSED', `${name}: ${error.message}`);
  }
}

function parseTcp(name: string): { host: string; port: number } {
  const url = URL.canParse(name) ? new URL(name) : undefined;
  // A URL of a scheme that it does not know keeps the brackets of an IPv6 address.
  const host = url?.hostname.replace(/^\[|\]$/g, '');
  const rest = url && url.pathname + url.search + url.hash + url.username;
  if (!url || !host || (rest && rest !== '/') || url.port === '0')
    throw new PortError('E_NO_PORT', `${name}: not of the form tcp://host:port`);
  return { host, port: Number(url.port || TELNET) };
}

function openTcp(name: string, timeout: number): Promise<Port> {
  const place = parseTcp(name);
  return new Promise((resolve, reject) => {
    const line = new Line(name);
    let isOpen = false;
    const socket: Socket = connect({ ...place, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new PortError('E_NO_PORT', `${name}: no connection within ${timeout / 1000} s`));
    }, timeout);
    socket.on('connect', () => {
      clearTimeout(timer);
      isOpen = true;
      resolve({
        name,
        onData: (listener) => line.onData(listener),
        onClose: (listener) => line.onClose(listener),
        write: (bytes) =>
          new Promise((written, failed) => {
            const gone = line.ended;
            if (gone) return failed(gone);
            socket.write(bytes, (error) => (error ? failed(closedBy(name, '')) : written()));
          }),
        close: () =>
          new Promise((ended) => {
            // What still arrives concerns nobody: the port is closed, not lost.
            line.onClose(() => undefined);
            line.onData(() => undefined);
            if (socket.destroyed) return ended();
            socket.once('close', () => ended());
            socket.end(() => socket.destroy());
          }),
      });
    });
    socket.on('data', (bytes) => line.arrived(bytes));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (isOpen) line.finish(closedBy(name, error.code === 'ECONNRESET' ? '' : error.message));
      else reject(socketError(name, error));
    });
    socket.on('close', () => line.finish(closedBy(name, 'the other side hung up')));
  });
}

/** What is used of the package `serialport`, which need not be installed. */
interface SerialStream {
  open: (done: (error: Error | null) => void) => void;
  write: (bytes: Buffer, done: (error: Error | null | undefined) => void) => boolean;
  drain: (done: (error: Error | null) => void) => void;
  close: (done: (error: Error | null) => void) => void;
  on: ((event: 'data', listener: (bytes: Buffer) => void) => void) &
    ((event: 'error' | 'close', listener: (error: Error | null) => void) => void);
  isOpen: boolean;
}
interface SerialPackage {
  SerialPort: {
    new (options: {
      path: string;
      baudRate: number;
      autoOpen: false;
      hupcl: boolean;
    }): SerialStream;
    list: () => Promise<
      { path: string; manufacturer?: string; serialNumber?: string; friendlyName?: string }[]
    >;
  };
}

function loadSerial(name: string): SerialPackage['SerialPort'] {
  try {
    return (createRequire(import.meta.url)('serialport') as SerialPackage).SerialPort;
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    throw new PortError(
      'E_NO_PORT',
      `${name}: serial ports need the package "serialport", which does not load (${why}); ` +
        'say "npm install serialport@13.0.0", or use tcp://host:port',
    );
  }
}

/** What the system says when it does not open a serial port: Linux, macOS, and Windows. */
function serialError(name: string, { message }: Error): PortError {
  if (/no such file|file not found|cannot find|unknown error code 3\b/i.test(message)) {
    return new PortError(
      'E_NO_PORT',
      `${name}: no such port; part-ota upload --list lists those there are`,
    );
  }
  if (/inappropriate ioctl|is a directory/i.test(message))
    return new PortError('E_NO_PORT', `${name}: not a serial port`);
  // Windows says "access denied" of a port that another program has.
  if (
    /lock|busy|temporarily unavailable/i.test(message) ||
    (process.platform === 'win32' && /access denied/i.test(message))
  ) {
    return new PortError(
      'E_BUSY',
      `${name}: another program has the port; close its terminal or IDE`,
    );
  }
  if (/permission denied|access denied/i.test(message)) {
    const hint = process.platform === 'linux' ? '; is your user in the group "dialout"?' : '';
    return new PortError('E_REFUSED', `${name}: permission denied${hint}`);
  }
  return new PortError('E_REFUSED', `${name}: ${message.replace(/^Error: /, '')}`);
}

async function openSerial(name: string, baud: number): Promise<Port> {
  const SerialPort = loadSerial(name);
  // Dropping DTR and RTS when it is closed would reset many boards.
  const stream = new SerialPort({ path: name, baudRate: baud, autoOpen: false, hupcl: false });
  const line = new Line(name);
  await new Promise<void>((resolve, reject) => {
    stream.open((error) => (error ? reject(serialError(name, error)) : resolve()));
  });
  stream.on('data', (bytes) => line.arrived(bytes));
  stream.on('error', (error) => line.finish(closedBy(name, error?.message ?? '')));
  stream.on('close', () => line.finish(closedBy(name, 'was the cable pulled?')));
  return {
    name,
    onData: (listener) => line.onData(listener),
    onClose: (listener) => line.onClose(listener),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        const gone = line.ended;
        if (gone) return reject(gone);
        const fail = () => reject(line.ended ?? closedBy(name, 'was the cable pulled?'));
        stream.write(Buffer.from(bytes), (error) => {
          if (error) fail();
          else stream.drain((failed) => (failed ? fail() : resolve()));
        });
      }),
    close: () =>
      new Promise((resolve) => {
        line.onClose(() => undefined);
        line.onData(() => undefined);
        if (stream.isOpen) stream.close(() => resolve());
        else resolve();
      }),
  };
}

/**
 * Opens a line to a board.
 * @param name - `tcp://host:port` (the port may be missing: 23), or a serial port: `/dev/ttyUSB0`, `COM3`
 * @throws PortError E_NO_PORT, E_BUSY or E_REFUSED
 */
export function openPort(name: string, options: PortOptions = {}): Promise<Port> {
  if (/^tcp:/i.test(name))
    // What it throws is to be a rejection, too.
    return Promise.resolve().then(() => openTcp(name, options.timeout ?? CONNECT_MS));
  return openSerial(name, options.baud ?? BAUD);
}

/** A line of a file of sysfs, or nothing. */
function attribute(folder: string, name: string): string {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
}

/**
 * Linux: by sysfs, as the package runs udevadm for this, without which it ends this process.
 * @param root - where sysfs is; for tests
 */
export function listLinuxPorts(root = '/sys'): Listed[] {
  const folder = join(root, 'class/tty');
  if (!existsSync(folder)) return [];
  // Ports that nothing is connected to are there, too, with a driver of the platform: only those of USB count.
  return readdirSync(folder)
    .filter((name) => /^tty(USB|ACM|XRUSB)\d+$/.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => {
      const device = join(folder, name, 'device');
      if (!existsSync(device)) return { path: `/dev/${name}`, description: '' };
      // The interface of a USB device, or a port of it; what it is stands above.
      let above = realpathSync(device);
      for (let steps = 0; steps < 3 && !existsSync(join(above, 'idVendor')); steps++)
        above = join(above, '..');
      const words = ['manufacturer', 'product', 'serial'].map((file) => attribute(above, file));
      return { path: `/dev/${name}`, description: words.filter(Boolean).join(', ') };
    });
}

/** @returns the serial ports of this machine. @throws PortError if the package that lists them is missing */
export async function listPorts(): Promise<Listed[]> {
  if (process.platform === 'linux') return listLinuxPorts();
  const SerialPort = loadSerial('--list');
  return (await SerialPort.list()).map(({ path, manufacturer, friendlyName, serialNumber }) => ({
    path,
    description: [friendlyName ?? manufacturer, serialNumber].filter(Boolean).join(', '),
  }));
}
