/** `link/session.ts` over TCP: what goes wrong between a machine and a board. */
import assert from 'node:assert/strict';
import { openSession } from '../../cli/connection.ts';
import { openPort } from '../../cli/ports.ts';
import { wordingOf } from '../../cli/words.ts';
import { BoardError } from '../../link/errors.ts';
import type { Port } from '../../link/port.ts';
import { Session, type SessionOptions } from '../../link/session.ts';
import { FakeBoard, refused } from '../support/fake-board.ts';
import { type Behaviour, evaluate } from '../support/fake-port.ts';

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

/** @returns the port, with other ways to do some things. */
const changed = (port: Port, changes: Partial<Port>): Port => ({
  name: port.name,
  write: (bytes) => port.write(bytes),
  onData: (listener) => port.onData(listener),
  onClose: (listener) => port.onClose(listener),
  close: () => port.close(),
  ...changes,
});

const isHello = (line: string) => /^print\("@"\+"[^.]*=\[1\]"\)$/.test(line);

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
    ['controls of eight bits', 'AT \x9b2Jready\x85\r\n', 'E_NO_ANSWER', /but output: "AT ready"/],
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
      line.startsWith('eval(') ? it.send('Execution Interrupted\r\n') : evaluate(line, it);
    await refused(
      opened.run('return 1'),
      'E_INTERRUPTED',
      /without an answer: "Execution Interrupted"/,
    );
    board.behaviour = evaluate;
    assert.equal(await opened.run('return 2'), 2);
  });

  it('that bytes of an answer are missing', async () => {
    const board = await start();
    const opened = await open(board);
    const send = board.send.bind(board);
    board.send = (text) => send(text.replace('bcd', 'b'));
    await refused(opened.run('return "abcde"'), 'E_LINE', /the line is bad: 41 times/);
    board.send = send;
    assert.equal(await opened.run('return "abcde"'), 'abcde');
  });

  it('that bytes of an answer are others', async () => {
    const board = await start();
    const opened = await open(board);
    const send = board.send.bind(board);
    board.send = (text) => send(text.replace('abcde"', 'abcde]'));
    await refused(opened.run('return "abcde"'), 'E_LINE', /the line is bad: 41 times/);
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
        if (line.startsWith('eval(')) it.send(boot);
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

  it('sends one text at a time: lines that are sent meanwhile are not within a script', async () => {
    const board = await start();
    const opened = await open(board);
    const text = 'x'.repeat(1000);
    const sent = [opened.run(`return "${text}".length`), opened.send([`print("a${text}")`])];
    sent.push(opened.run(`return "${text}y".length`), opened.send([`print("b${text}")`]));
    const [first, , second] = await Promise.all(sent);
    assert.deepEqual([first, second], [1000, 1001]);
    const whole = (letter: string) =>
      board.lines.filter((line) => line === `print("${letter}${text}")`);
    while (whole('a').length + whole('b').length < 2)
      await new Promise((resolve) => setTimeout(resolve, 1));
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
