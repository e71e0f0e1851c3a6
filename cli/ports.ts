/** Lines to boards: serial ports of this machine, and TCP connections. */
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Fault } from '../formats/errors.ts';
import { PortError, type PortFacts } from '../link/errors.ts';
import { Line, type Port } from '../link/port.ts';

/** Why a port cannot be opened. `port`: its name. */
export interface OpenFacts {
  /** Not of the form `tcp://host:port`. */
  E_PORT_NAME: { port: string };
  E_NO_HOST: { port: string };
  E_UNREACHABLE: { port: string };
  /** A TCP connection did not come about in time. */
  E_NO_CONNECTION: { port: string; seconds: number };
  /** The package for serial ports does not load; `why` is Node's reason. */
  E_NO_PACKAGE: { port: string; why: string };
  E_NO_PORT: { port: string };
  E_NOT_SERIAL: { port: string };
  /** Another program has the port. */
  E_BUSY: { port: string };
  /** Nothing listens there. */
  E_REFUSED: { port: string };
  E_PERMISSION: { port: string; platform: string };
  /** Anything else; `why` is the system's reason. */
  E_OPEN: { port: string; why: string };
}

/** A port cannot be opened. */
export class OpenError<Code extends keyof OpenFacts = keyof OpenFacts> extends Fault<
  OpenFacts,
  Code
> {
  override name = 'OpenError';
}

export interface PortOptions {
  /** Bits per second of a serial line. Default: 115200, that of Espruino on an ESP32. */
  baud?: number;
  /** Milliseconds until a TCP connection has to stand. Default: 5000. */
  timeout?: number;
}

/** A serial port as `listPorts` finds it. */
interface Listed {
  path: string;
  /** What the device calls itself: manufacturer, product, serial number; may be empty. */
  description: string;
}

/** Espruino's on the ESP32 (boards/ESP32.py, default_console_baudrate). */
export const BAUD = 115200;
const CONNECT_MS = 5000;
/** Between two looks whether a serial port is still there. */
const LOOK_MS = 500;
/** Espruino's telnet port (libs/network/telnet/jswrap_telnet.c). */
const TELNET = 23;

/** Why a TCP connection does not stand. */
function socketError(port: string, error: NodeJS.ErrnoException): OpenError {
  switch (error.code) {
    case 'ECONNREFUSED':
      return new OpenError('E_REFUSED', { port });
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new OpenError('E_NO_HOST', { port });
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new OpenError('E_UNREACHABLE', { port });
    default:
      return new OpenError('E_OPEN', { port, why: error.message });
  }
}

function parseTcp(name: string): { host: string; port: number } {
  const url = URL.canParse(name) ? new URL(name) : undefined;
  // A URL of a scheme that it does not know keeps the brackets of an IPv6 address.
  const host = url?.hostname.replace(/^\[|\]$/g, '');
  const rest = url && url.pathname + url.search + url.hash + url.username;
  if (!url || !host || (rest && rest !== '/') || url.port === '0')
    throw new OpenError('E_PORT_NAME', { port: name });
  return { host, port: Number(url.port || TELNET) };
}

const lost = (port: string, by: PortFacts['E_CLOSED']['by'], detail?: string) =>
  new PortError('E_CLOSED', { port, by, detail });

/** @param socket - is connected */
function lineOver(socket: Socket, name: string): Line {
  const line = new Line(name, {
    write: (bytes) =>
      new Promise((written, failed) =>
        socket.write(bytes, (error) => (error ? failed(lost(name, 'unknown')) : written())),
      ),
    close: () =>
      new Promise((ended) => {
        if (socket.destroyed) return ended();
        socket.once('close', () => ended());
        socket.end(() => socket.destroy());
      }),
  });
  socket.on('data', (bytes) => line.arrived(bytes));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    line.ended(lost(name, 'unknown', error.code === 'ECONNRESET' ? undefined : error.message)),
  );
  socket.on('close', () => line.ended(lost(name, 'peer')));
  return line;
}

async function openTcp(name: string, timeout: number): Promise<Port> {
  const place = parseTcp(name);
  return new Promise((resolve, reject) => {
    const socket = connect({ ...place, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new OpenError('E_NO_CONNECTION', { port: name, seconds: timeout / 1000 }));
    }, timeout);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(socketError(name, error));
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(lineOver(socket, name));
    });
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
    throw new OpenError('E_NO_PACKAGE', { port: name, why });
  }
}

/** The system's message when it does not open a serial port: Linux, macOS, and Windows. */
function serialError(port: string, { message }: Error): OpenError {
  const { platform } = process;
  if (/no such file|file not found|cannot find|unknown error code 3\b/i.test(message))
    return new OpenError('E_NO_PORT', { port });
  if (/inappropriate ioctl|is a directory/i.test(message))
    return new OpenError('E_NOT_SERIAL', { port });
  // Windows reports "access denied" for a port that another program has.
  if (
    /lock|busy|temporarily unavailable/i.test(message) ||
    (platform === 'win32' && /access denied/i.test(message))
  )
    return new OpenError('E_BUSY', { port });
  if (/permission denied|access denied/i.test(message))
    return new OpenError('E_PERMISSION', { port, platform });
  return new OpenError('E_OPEN', { port, why: message.replace(/^Error: /, '') });
}

async function openSerial(name: string, baud: number): Promise<Port> {
  const SerialPort = loadSerial(name);
  // Dropping DTR and RTS when it is closed would reset many boards.
  const stream = new SerialPort({ path: name, baudRate: baud, autoOpen: false, hupcl: false });
  await new Promise<void>((resolve, reject) => {
    stream.open((error) => (error ? reject(serialError(name, error)) : resolve()));
  });
  const line = new Line(name, {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        const done = (error: Error | null | undefined) =>
          error ? reject(lost(name, 'cable')) : resolve();
        stream.write(Buffer.from(bytes), (error) => (error ? done(error) : stream.drain(done)));
      }),
    close: () =>
      new Promise((resolve) => {
        clearInterval(looking);
        if (stream.isOpen) stream.close(() => resolve());
        else resolve();
      }),
  });
  // A port that hangs up just before it is read gives 0 bytes. The package reads on then, for ever, and tells nobody; but
  // such a port refuses to be drained.
  let isLooking = false;
  const ended = () => {
    clearInterval(looking);
    line.ended(lost(name, 'cable'));
  };
  const looking = setInterval(() => {
    if (isLooking || !stream.isOpen) return;
    isLooking = true;
    stream.drain((error) => {
      isLooking = false;
      if (error) ended();
    });
  }, LOOK_MS);
  stream.on('data', (bytes) => line.arrived(bytes));
  stream.on('error', (error) => line.ended(lost(name, 'unknown', error?.message)));
  stream.on('close', ended);
  return line;
}

/**
 * Opens a line to a board.
 * @param name - `tcp://host:port` (the port may be missing: 23), or a serial port: `/dev/ttyUSB0`, `COM3`
 * @throws OpenError
 */
export function openPort(name: string, options: PortOptions = {}): Promise<Port> {
  if (/^tcp:/i.test(name)) return openTcp(name, options.timeout ?? CONNECT_MS);
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

/** @returns the serial ports of this machine. @throws OpenError if the package that lists them is missing */
export async function listPorts(): Promise<Listed[]> {
  if (process.platform === 'linux') return listLinuxPorts();
  const SerialPort = loadSerial('--list');
  return (await SerialPort.list()).map(({ path, manufacturer, friendlyName, serialNumber }) => ({
    path,
    description: [friendlyName ?? manufacturer, serialNumber].filter(Boolean).join(', '),
  }));
}
