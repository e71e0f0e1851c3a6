/** Faults on the way to a board, and of what is stored on it: `link/` over a line of calls, or over TCP. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { openSession } from '../../../cli/connection.ts';
import { OpenError, type OpenFacts, openPort } from '../../../cli/ports.ts';
import { encodeTable, TABLES } from '../../../host/index.ts';
import { askBoard } from '../../../link/facts.ts';
import { callModule } from '../../../link/module.ts';
import { Session } from '../../../link/session.ts';
import { planUpload, upload } from '../../../link/upload.ts';
import { FakeBoard } from '../fake-board.ts';
import { type Behaviour, evaluate, type FakeConsole, fakePort, stubs } from '../fake-port.ts';
import { errorOf, rejected, type Scene, type Scenes, told, worded } from './scene.ts';

/** What Espruino 2v29 prints when memory ends. */
const NO_ROOM =
  'OUT OF MEMORY    at c (:1:30)\r\nE.kickWatchdog(),a(b.read(d,c))\r\n          ^\r\n' +
  'Execution Interrupted\r\nNew interpreter error: LOW_MEMORY,MEMORY\r\n';

/** Milliseconds, where a board is silent. */
const SOON = 300;
const port = '/dev/ttyUSB0';

/** What a test may do to a board before it is asked. */
interface Stand {
  board: FakeConsole;
  globals: Record<string, unknown>;
  modules: Record<string, unknown>;
  files: Map<string, string>;
}

/** @returns a session on a board that is what a test says. */
export async function standIn(
  prepare: (stand: Stand) => void = () => undefined,
  table: Uint8Array = encodeTable(TABLES.example),
): Promise<Session> {
  const { port: line, board } = fakePort();
  const files = new Map<string, string>();
  const { globals, modules } = stubs(table, files);
  Object.assign(board.globals, globals, { global: board.globals });
  const session = await Session.open(line, { silence: 2000 });
  prepare({ board, globals: board.globals, modules, files });
  return session;
}

/** A board that answers to its greeting in a way of its own. */
const greeted = (code: string, says: string): Scene => {
  const { port: line } = fakePort((_, board) => {
    if (says) board.send(says);
  });
  return () => rejected(code, Session.open(line, { silence: SOON }));
};

/** A script ends in a way of its own. */
const during =
  (code: string, behaviour: Behaviour): Scene =>
  async () => {
    const session = await standIn(({ board }) => (board.behaviour = behaviour));
    return rejected(code, session.run('return "abcde"', { silence: SOON }));
  };
const onScript =
  (act: (board: FakeConsole) => void): Behaviour =>
  (line, board) =>
    line.startsWith('eval(') ? act(board) : evaluate(line, board);

const unopened = <Code extends keyof OpenFacts>(code: Code, facts: Omit<OpenFacts[Code], 'port'>) =>
  worded(code, () => new OpenError(code, { port, ...facts } as OpenFacts[Code]));

/** Without the package for serial ports the system is not asked: then what the code prints that would tell. */
async function unopenedSerial(code: 'E_NO_PORT', name: string): Promise<string> {
  const error: unknown = await openPort(name).catch((error: unknown) => error);
  const isMissing = (error as { code?: string }).code === 'E_NO_PACKAGE';
  return told(code, isMissing ? new OpenError(code, { port: name }) : error);
}

async function hungUp(): Promise<string> {
  const board = await FakeBoard.start((_, it) => it.hangUp());
  try {
    return await rejected('E_CLOSED', openSession(board.name));
  } finally {
    await board.stop();
  }
}

async function nobodyListens(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return errorOf({}, 'status', '--port', `tcp://127.0.0.1:${free}`);
}

async function badLine(): Promise<string> {
  const session = await standIn(({ board }) => {
    const send = board.send.bind(board);
    board.send = (text) => send(text.replace('bcd', 'b'));
  });
  return rejected('E_LINE', session.run('return "abcde"'));
}

async function otherAnswer(): Promise<string> {
  const session = await standIn(({ globals }) => (globals.process = { memory: () => ({}) }));
  return rejected('E_GARBLED', askBoard(session));
}

async function noTable(at?: number): Promise<string> {
  const flash = Buffer.alloc(0x38000, 0xff);
  if (at !== undefined) flash.set(encodeTable(TABLES.example), at - 0x8000);
  return rejected('E_NOT_ESP32', askBoard(await standIn(undefined, flash)));
}

async function thrownThere(): Promise<string> {
  const session = await standIn(({ modules, files }) => {
    files.set('ota', 'here');
    const confirm = () => {
      throw Object.assign(new Error('E_STATE confirm: no trial'), { code: 'E_STATE' });
    };
    modules.ota = { confirm, status: () => ({ state: 'none' }) };
  });
  return rejected(
    'E_THROWN',
    callModule(session, 'confirm', () => undefined),
  );
}

export const WAYS: Scenes = {
  E_PORT_NAME: [() => errorOf({}, 'status', '--port', 'tcp://host:99999')],
  E_NO_HOST: unopened('E_NO_HOST', {}),
  E_UNREACHABLE: unopened('E_UNREACHABLE', {}),
  E_NO_CONNECTION: unopened('E_NO_CONNECTION', { seconds: 5 }),
  E_REFUSED: [nobodyListens],
  E_NO_PACKAGE: unopened('E_NO_PACKAGE', { why: "Cannot find module 'serialport'" }),
  E_NO_PORT: [() => unopenedSerial('E_NO_PORT', '/dev/ttyNone9')],
  E_NOT_SERIAL: unopened('E_NOT_SERIAL', {}),
  E_BUSY: unopened('E_BUSY', {}),
  E_PERMISSION: unopened('E_PERMISSION', { platform: 'linux' }),
  E_OPEN: unopened('E_OPEN', { why: 'Input/output error' }),
  E_CLOSED: [
    during(
      'E_CLOSED',
      onScript((board) => board.hangUp()),
    ),
    hungUp,
  ],
  E_NO_ANSWER: [
    greeted('E_NO_ANSWER', ''),
    greeted('E_NO_ANSWER', 'rst:0x3 (SW_RESET)\r\nboot\r\n'),
    greeted('E_NO_ANSWER', 'AT ready\r\n'),
  ],
  E_NOT_ESPRUINO: [
    greeted('E_NOT_ESPRUINO', '>>> '),
    greeted('E_NOT_ESPRUINO', 'password>'),
    greeted('E_NOT_ESPRUINO', 'debugger>'),
    greeted('E_NOT_ESPRUINO', 'waiting for download\r\n'),
    greeted('E_NOT_ESPRUINO', '\xf0\xe0\x80\xfe\xff\x9c'),
  ],
  E_NOT_ESP32: [() => noTable(), () => noTable(0x10000)],
  E_SILENT: [during('E_SILENT', () => undefined)],
  E_RESET: [
    during(
      'E_RESET',
      onScript((board) => board.send('rst:0x1 (POWERON_RESET),boot:0x13\r\n')),
    ),
  ],
  E_INTERRUPTED: [
    during(
      'E_INTERRUPTED',
      onScript((board) => board.send('Execution Interrupted\r\n')),
    ),
  ],
  E_LINE: [badLine],
  E_GARBLED: [otherAnswer],
  E_THROWN: [thrownThere],
  E_MEMORY: [
    during('E_MEMORY', (line, board) =>
      line.includes('abcde') ? board.send(NO_ROOM) : evaluate(line, board),
    ),
  ],
  E_NO_MODULE: [
    async () =>
      rejected(
        'E_NO_MODULE',
        callModule(await standIn(), 'recover', () => undefined),
      ),
  ],
};

const SOURCE = { ota: 'x'.repeat(1000), otaHttp: '', boot: { version: '1', script: '' } };
const OPTIONS = { http: false, resume: false, boot: false, compact: false };
const plan = (session: Session) => planUpload(session, SOURCE, OPTIONS);

const full = (trash: number) => async () => {
  const session = await standIn(({ modules }) => {
    Object.assign(modules.Storage as object, {
      getFree: () => 500,
      getStats: () => ({ trashBytes: trash, totalBytes: 9000 }),
    });
  });
  return rejected('E_STORAGE', plan(session));
};

export const UPLOAD: Scenes = {
  E_UPDATING: [
    async () => {
      const session = await standIn(({ globals, modules }) => {
        globals.Modules = { getCached: () => ['ota'], removeCached: () => undefined };
        modules.ota = { status: () => ({ state: 'updating' }) };
      });
      return rejected('E_UPDATING', plan(session));
    },
  ],
  E_STORAGE: [full(0), full(2000)],
  E_READ_BACK: [
    async () => {
      const session = await standIn(({ modules, files }) => {
        (modules.Storage as Record<string, unknown>).write = (name: string) =>
          void files.set(name, 'torn');
      });
      return rejected('E_READ_BACK', upload(session, await plan(session)));
    },
  ],
};
