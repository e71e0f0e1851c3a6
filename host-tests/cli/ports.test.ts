/** `cli/ports.ts`: TCP and serial ports, and the messages about those that cannot be opened. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSession } from '../../cli/connection.ts';
import { listLinuxPorts, openPort } from '../../cli/ports.ts';
import type { Session } from '../../link/session.ts';
import { FakeBoard, refused } from '../support/fake-board.ts';
import { needs } from '../support/tools.ts';

/** Milliseconds to wait for an answer: more than a slow machine needs. */
const LATE = 60_000;

/** The package is optional. */
function hasSerialPort(): boolean {
  try {
    createRequire(import.meta.url)('serialport');
    return true;
  } catch {
    return false;
  }
}

describe('openPort', () => {
  it('names the host and the port that refuse', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    await new Promise((resolve) => server.close(resolve));
    await refused(
      openPort(`tcp://127.0.0.1:${port}`),
      'E_REFUSED',
      new RegExp(`^tcp://127.0.0.1:${port}: connection refused`),
    );
  });

  it('takes no host, no path and no port that is none', async () => {
    for (const name of ['tcp://', 'tcp://host:0', 'tcp://host:99999', 'tcp://host:1/path', 'tcp:'])
      await refused(openPort(name), 'E_PORT_NAME', /not of the form tcp:\/\/host:port/);
  });

  it('says that there is no such serial port', async () => {
    await refused(
      openPort('/dev/ttyNone9'),
      hasSerialPort() ? 'E_NO_PORT' : 'E_NO_PACKAGE',
      /^\/dev\/ttyNone9: .*(no such port|serialport)/,
    );
  });

  it('lists the serial ports of Linux, with what they say they are', () => {
    const root = mkdtempSync(join(tmpdir(), 'sysfs-'));
    const usb = join(root, 'devices/usb1/1-1');
    mkdirSync(join(usb, '1-1:1.0/ttyUSB10'), { recursive: true });
    for (const [name, text] of Object.entries({
      idVendor: '10c4',
      manufacturer: 'Silicon Labs',
      product: 'CP2102 USB to UART Bridge Controller',
      serial: '0001',
    }))
      writeFileSync(join(usb, name), `${text}\n`);
    for (const name of ['ttyUSB10', 'ttyUSB9', 'ttyS0', 'tty0', 'ttyACM0'])
      mkdirSync(join(root, 'class/tty', name), { recursive: true });
    symlinkSync(join(usb, '1-1:1.0/ttyUSB10'), join(root, 'class/tty/ttyUSB10/device'));
    assert.deepEqual(listLinuxPorts(root), [
      { path: '/dev/ttyACM0', description: '' },
      { path: '/dev/ttyUSB9', description: '' },
      {
        path: '/dev/ttyUSB10',
        description: 'Silicon Labs, CP2102 USB to UART Bridge Controller, 0001',
      },
    ]);
    assert.deepEqual(listLinuxPorts(join(root, 'none')), []);
    rmSync(root, { recursive: true });
  });
});

/** Joins a pseudo terminal to a TCP port, and prints its name. */
const PTY = `
import os, pty, select, socket, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(os.ttyname(slave), flush=True)
while True:
    ready = select.select([master, line], [], [])[0]
    if master in ready: line.sendall(os.read(master, 4096))
    if line in ready: os.write(master, line.recv(4096))
`;

/** A pseudo terminal that ends with its process as soon as something has arrived, and was answered. */
const PULLED = `
import os, pty, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
os.read(master, 1)
os.write(master, b"x" * 50)
os._exit(0)
`;

describe('a serial line', () => {
  let board: FakeBoard;
  let session: Session | undefined;
  let terminal: ChildProcess;
  let name: string;

  beforeEach(async function () {
    if (process.platform === 'win32' || !hasSerialPort()) this.skip();
    needs(this, 'python3', '--version');
    board = await FakeBoard.start();
    const port = new URL(board.name).port;
    terminal = spawn('python3', ['-c', PTY, port], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(terminal.stdout!, 'data')) as [Buffer];
    name = said.toString().trim();
  });
  afterEach(async () => {
    await session?.close();
    session = undefined;
    terminal?.kill();
    await board?.stop();
  });

  it('is a line like any other', async () => {
    session = await openSession(name, { silence: LATE });
    assert.equal(await session.run(`return "${'x'.repeat(2000)}".length`), 2000);
    await refused(openPort(name), 'E_BUSY', /another program has the port/);
  });

  it('ends when the cable is pulled', async () => {
    session = await openSession(name, { silence: LATE });
    board.behaviour = () => terminal.kill();
    await refused(session.run('return 1'), 'E_CLOSED', /was the cable pulled\?/);
  });

  it('ends whenever the cable is pulled, also between two reads', async () => {
    for (let pulls = 0; pulls < 8; pulls++) {
      const pulled = spawn('python3', ['-c', PULLED], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [said] = (await once(pulled.stdout, 'data')) as [Buffer];
      const port = await openPort(said.toString().trim());
      const ended = new Promise<unknown>((resolve) => port.onClose(resolve));
      port.onData(() => undefined);
      port.write(new Uint8Array(1)).catch(() => undefined);
      assert.equal(((await ended) as { code?: string }).code, 'E_CLOSED');
      await port.close();
    }
  });

  it('is not every file', async () => {
    await refused(openPort(tmpdir()), 'E_NOT_SERIAL', /not a serial port/);
  });
});
