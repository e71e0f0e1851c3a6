/** `cli/ports.ts` and `link/session.ts`: what goes wrong between a machine and a board. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSession } from '../cli/connection.ts';
import { listLinuxPorts, type OpenFacts, openPort } from '../cli/ports.ts';
import { wordingOf } from '../cli/words.ts';
import type { Port, PortFacts } from '../link/port.ts';
import { BoardError, Session, type SessionOptions } from '../link/session.ts';
import { FakeBoard } from './fake-board.ts';
import { type Behaviour, evaluate } from './fake-port.ts';
import { needs } from './tools.ts';

/** Short, where a test waits for it; long where a slow machine must not fail. */
const SOON = 300;
const LATE = 60_000;

const boards: FakeBoard[] = [];
const sessions: Session[] = [];

async function start(behaviour?: Behaviour, greeting?: string): Promise<FakeBoard> {
  const board = await FakeBoard.start(behaviour, greeting);
  boards.push(board);
  return board;
}

async function open(board: FakeBoard, options: SessionOptions = {}): Promise<Session> {
  const opened = await openSession(board.name, { silence: LATE, ...options });
  sessions.push(opened);
  return opened;
}

afterEach(async () => {
  for (const opened of sessions.splice(0)) await opened.close();
  for (const board of boards.splice(0)) await board.stop();
});

/** Fails unless a promise is rejected by an error with this code, which is told to the user like this. */
function refused(
  promise: Promise<unknown>,
  code: keyof OpenFacts | keyof PortFacts,
  message: RegExp,
): Promise<void> {
  return assert.rejects(promise, (error) => {
    const wording = wordingOf(error);
    assert.ok(wording, String(error));
    assert.equal((error as { code?: string }).code, code, wording.message);
    assert.match(wording.message, message);
    assert.equal(wording.exitCode, 2);
    return true;
  });
}

/** @returns the port, with other ways to do some things. */
const changed = (port: Port, changes: Partial<Port>): Port => ({
  name: port.name,
  write: (bytes) => port.write(bytes),
  onData: (listener) => port.onData(listener),
  onClose: (listener) => port.onClose(listener),
  close: () => port.close(),
  ...changes,
});

/** The package is optional. */
function hasSerialPort(): boolean {
  try {
    createRequire(import.meta.url)('serialport');
    return true;
  } catch {
    return false;
  }
}

const isHello = (line: string) => /^print\("@"\+"[^.]*=3:\[1\]"\)$/.test(line);

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

describe('a serial line', () => {
  let terminal: ChildProcess;
  let name: string;

  beforeEach(async function () {
    if (process.platform === 'win32' || !hasSerialPort()) this.skip();
    needs(this, 'python3', '--version');
    const board = await start();
    const port = new URL(board.name).port;
    terminal = spawn('python3', ['-c', PTY, port], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(terminal.stdout!, 'data')) as [Buffer];
    name = said.toString().trim();
  });
  afterEach(() => terminal?.kill());

  it('is a line like any other', async () => {
    const opened = await openSession(name, { silence: LATE });
    sessions.push(opened);
    assert.equal(await opened.run(`return "${'x'.repeat(2000)}".length`), 2000);
    await refused(openPort(name), 'E_BUSY', /another program has the port/);
  });

  it('ends when the cable is pulled', async () => {
    const opened = await openSession(name, { silence: LATE });
    sessions.push(opened);
    boards[0].behaviour = () => terminal.kill();
    await refused(opened.run('return 1'), 'E_CLOSED', /was the cable pulled\?/);
  });

  it('is not every file', async () => {
    await refused(openPort(tmpdir()), 'E_NOT_SERIAL', /not a serial port/);
  });
});

describe('Session.open', () => {
  it('finds Espruino behind a boot log, and half a line that somebody has typed', async () => {
    const board = await start(
      evaluate,
      'ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n>1+',
    );
    const opened = await open(board);
    assert.equal(await opened.run('return 1 + 1'), 2);
  });

  it('says hello until a board that starts can hear it', async () => {
    let heard = 0;
    const board = await start((line, it) => {
      if (++heard > 2) evaluate(line, it);
    });
    const opened = await open(board);
    assert.equal(await opened.run('return "up"'), 'up');
    assert.ok(heard >= 4);
  });

  it('does not interrupt the board unless it is told to', async () => {
    const board = await start();
    await open(board);
    assert.equal(board.received.includes('\x03'), false);
  });

  for (const [what, says, code, message] of [
    ['nothing', '', 'E_NO_ANSWER', /no answer within 0\.3 s; is it a board with Espruino/],
    ['MicroPython', '>>> ', 'E_NOT_ESPRUINO', /MicroPython/],
    ['a locked console', 'password>', 'E_NOT_ESPRUINO', /E\.setPassword/],
    ['the debugger', 'debugger>', 'E_NOT_ESPRUINO', /debugger/],
    ['a chip that waits for firmware', 'waiting for download\r\n', 'E_NOT_ESPRUINO', /download/],
    ['another baud rate', '\xf0\xe0\x80\xfe\xff\x9c', 'E_NOT_ESPRUINO', /baud rate/],
    ['a board that starts all the time', 'rst:0x3 (SW_RESET)\r\nboot\r\n', 'E_NO_ANSWER', /starts/],
    ['other firmware', 'AT ready\r\n', 'E_NO_ANSWER', /but output: "AT ready"/],
  ] as const) {
    it(`recognizes ${what}`, async () => {
      const board = await start(() => undefined, says);
      await refused(open(board, { silence: SOON }), code, message);
    });
  }

  it('says that the other side hung up', async () => {
    const board = await start((_, it) => it.hangUp());
    await refused(open(board), 'E_CLOSED', /the connection ended/);
  });
});

describe('Session.run', () => {
  it('returns what the script returns', async () => {
    const opened = await open(await start());
    for (const value of [0, -1.5, '', 'a"b\\c\n', null, true, [1, [2]], { a: { b: 'c' } }])
      assert.deepEqual(await opened.run(`return ${JSON.stringify(value)}`), value);
    assert.equal(await opened.run(''), null);
  });

  it('runs one script after the other', async () => {
    const opened = await open(await start());
    const answers = ['a', 'b', 'c'].map((text) => opened.run(`return "${text}"`));
    assert.deepEqual(await Promise.all(answers), ['a', 'b', 'c']);
  });

  it('waits for a promise, and hears what is said meanwhile', async () => {
    const board = await start();
    board.globals.setTimeout = setTimeout;
    const opened = await open(board);
    const said: unknown[] = [];
    const script =
      'say({ done: 1 }); return new Promise(function (ok) { setTimeout(function () { say({ done: 2 }); ok("end"); }, 5); })';
    assert.equal(await opened.run(script, { onSay: (value) => said.push(value) }), 'end');
    assert.deepEqual(said, [{ done: 1 }, { done: 2 }]);
  });

  it('throws what the script throws, with its code', async () => {
    const opened = await open(await start());
    const script = 'var e = new Error("E_STATE confirm: no trial"); e.code = "E_STATE"; throw e';
    await assert.rejects(opened.run(script), (error) => {
      assert.ok(error instanceof BoardError);
      assert.deepEqual(error.facts, { code: 'E_STATE', message: 'E_STATE confirm: no trial' });
      assert.deepEqual(wordingOf(error), { message: 'E_STATE confirm: no trial', exitCode: 1 });
      return true;
    });
    await assert.rejects(opened.run('throw "text"'), { facts: { message: 'text' } });
    assert.equal(await opened.run('return 1'), 1);
  });

  it('interrupts the board if it is told to', async () => {
    const board = await start();
    const through = await openPort(board.name);
    let first = '';
    const port = changed(through, {
      write: (bytes) => {
        first ||= Buffer.from(bytes).toString('latin1');
        return through.write(bytes);
      },
    });
    sessions.push(await Session.open(port, { silence: LATE, interrupt: true }));
    assert.equal(first, '\x03');
  });
});

describe('Session.run, whatever the app prints,', () => {
  it('tells an answer from what the app prints', async () => {
    const board = await start();
    const opened = await open(board);
    const lines: string[] = [];
    opened.onLine((line) => lines.push(line));
    board.behaviour = (line, it) => {
      it.send('\x1b[J{"v":1}\r\ntemperature ');
      evaluate(line, it);
      it.send('>@0badf00d:1=3:[9]\r\n');
    };
    assert.equal(await opened.run('print("=1"); return 7'), 7);
    assert.deepEqual(
      lines.slice(0, 4),
      ['{"v":1}', 'temperature =1', '@0badf00d:1=3:[9]', '{"v":1}'].slice(0, lines.length),
    );
    assert.ok(lines.length >= 2);
  });

  it('takes no echo for an answer', async () => {
    const board = await start();
    board.isEchoing = true;
    const opened = await open(board);
    assert.equal(await opened.run('return "echo"'), 'echo');
  });

  it('puts an answer together that arrives a byte at a time', async () => {
    const board = await start();
    const opened = await open(board);
    const send = board.send.bind(board);
    board.behaviour = (line, it) => {
      let answer = '';
      it.send = (text) => (answer += text);
      evaluate(line, it);
      it.send = send;
      for (const character of answer) send(character);
    };
    assert.equal(await opened.run('return "slow"'), 'slow');
  });

  it('shows no hello among the lines', async () => {
    const board = await start((line, it) => {
      if (isHello(line)) evaluate(line, it);
      evaluate(line, it);
    });
    const opened = await open(board);
    const lines: string[] = [];
    opened.onLine((line) => lines.push(line));
    assert.equal(await opened.run('return 5'), 5);
    assert.deepEqual(lines, []);
  });
});

describe('Session.run notices', () => {
  it('at once that a script has ended without an answer', async () => {
    const board = await start();
    const opened = await open(board);
    board.behaviour = (line, it) =>
      line.startsWith('(function') ? it.send('Execution Interrupted\r\n') : evaluate(line, it);
    await refused(
      opened.run('return 1'),
      'E_INTERRUPTED',
      /without an answer: "Execution Interrupted"/,
    );
    board.behaviour = evaluate;
    await refused(opened.run('return ((1)'), 'E_INTERRUPTED', /without an answer/);
    assert.equal(await opened.run('return 2'), 2);
  });

  it('that bytes of an answer are missing', async () => {
    const board = await start();
    const opened = await open(board);
    const send = board.send.bind(board);
    board.send = (text) => send(text.replace('bcd', 'b'));
    await refused(opened.run('return "abcde"'), 'E_GARBLED', /arrived damaged/);
    board.send = send;
    assert.equal(await opened.run('return "abcde"'), 'abcde');
  });

  it('a restart, and finds the board again', async () => {
    const board = await start();
    const opened = await open(board);
    for (const boot of [
      'ESP-ROM:esp32c3-api1-20210207\r\n',
      'rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n',
      '\r\n ____                 _ \r\n|  __|___ ___ ___ _ _|_|___ ___ \r\n',
    ]) {
      board.behaviour = (line, it) => {
        if (line.startsWith('(function')) it.send(boot);
      };
      await refused(opened.run('return 1'), 'E_RESET', /the board restarted/);
      board.behaviour = evaluate;
      await opened.greet();
      assert.equal(await opened.run('return 1'), 1);
    }
  });
});

describe('Session.run on a board that is silent or wants a pause', () => {
  it('gives up when the board is silent, and ignores the answer that comes too late', async () => {
    const board = await start();
    const opened = await open(board);
    let late = '';
    board.behaviour = (line) => (late = line);
    await refused(opened.run('return "late"', { silence: SOON }), 'E_SILENT', /silent for 0\.3 s/);
    assert.ok(late);
    board.behaviour = (line, it) => {
      for (const old of board.lines.slice(-4, -2)) evaluate(old, it);
      evaluate(line, it);
    };
    assert.equal(await opened.run('return "in time"'), 'in time');
  });

  it('sends no more while the board wants a pause', async () => {
    const board = await start();
    let sent = 0;
    let isPaused = false;
    let toSession: (bytes: Uint8Array) => void = () => undefined;
    const through = await openPort(board.name);
    const port = changed(through, {
      onData: (listener) => {
        toSession = listener;
        through.onData(listener);
      },
      write: async (bytes) => {
        assert.equal(isPaused, false, 'bytes in a pause');
        assert.ok(bytes.length <= 192);
        sent += bytes.length;
        await through.write(bytes);
        if (sent > 1000 && sent < 1200) {
          toSession(Uint8Array.of(0x13));
          isPaused = true;
          setTimeout(() => {
            isPaused = false;
            toSession(Uint8Array.of(0x11));
          }, 20);
        }
      },
    });
    const opened = await Session.open(port, { silence: LATE });
    sessions.push(opened);
    assert.equal(await opened.run(`return "${'x'.repeat(3000)}".length`), 3000);
    assert.ok(sent > 3000);
  });
});

describe('Session.run at the end of the line', () => {
  it('says that the line has ended', async () => {
    const board = await start();
    const opened = await open(board);
    board.behaviour = (_, it) => it.hangUp();
    await refused(opened.run('return 1'), 'E_CLOSED', /the connection ended/);
    await refused(opened.run('return 1'), 'E_CLOSED', /the connection ended/);
  });

  it('leaves no half of a script behind when it is closed', async () => {
    const board = await start();
    const through = await openPort(board.name);
    // No faster than a serial line is.
    const write = async (bytes: Uint8Array) => {
      await through.write(bytes);
      await new Promise((resolve) => setImmediate(resolve));
    };
    const opened = await Session.open(changed(through, { write }), { silence: LATE });
    const run = opened.run(`return "${'x'.repeat(100_000)}"`);
    while (board.received.length < 1000) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([opened.close(), refused(run, 'E_CLOSED', /the connection was closed/)]);
    while (!board.received.endsWith('\x1b[2H'))
      await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(board.received.length < 100_000);
  });
});
