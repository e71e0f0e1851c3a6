/** Faults of updates from the PC: on the simulated board, by the command as it is built; else on a stand-in. */
import { type RunningBoard, startBoard } from '../../../cli/board/running.ts';
import { openSession } from '../../../cli/connection.ts';
import { makeManifest } from '../../../formats/manifest/make.ts';
import { readManifest } from '../../../formats/manifest/read.ts';
import { pattern } from '../../../host/index.ts';
import { BoardUpdate } from '../../../link/update.ts';
import { planUpload, upload } from '../../../link/upload.ts';
import { bundleOf } from '../package.ts';
import { evaluate, type FakeConsole } from '../fake-port.ts';
import { errorOf, rejected, type Scene, type Scenes } from './scene.ts';
import { standIn } from './ways.ts';

const SECTOR = 4096;
const image = pattern('new', 3 * SECTOR);
const manifest = makeManifest(image, { partition: 'www' });
const source = {
  name: 'www.bin',
  image,
  manifest,
  digest: readManifest(manifest).digest,
  /** In place of examples/air-serial.js: it takes lines, and nothing else. */
  script: '(function (port) { global.otaPort = port; })({url:"",partition:""});',
};

/** What a stand-in does when the module is called, and what becomes of its line. */
interface Setup {
  update?: (port: Record<string, unknown>, board: FakeConsole) => Promise<unknown>;
  /** JsVars that are free. */
  free?: number;
  modules?: boolean;
  /** What runs there already. */
  running?: string;
  /** Whether the update that runs is over when it is joined. */
  isOver?: boolean;
}

/** @returns what the command prints of an update that fails on a stand-in. */
const failing =
  (code: string, setup: Setup): Scene =>
  async () => {
    const session = await standIn(({ board, globals, modules, files }) => {
      if (setup.modules === false) return;
      for (const name of ['ota', 'ota-http']) files.set(name, 'here');
      const environment = globals.process as { memory: () => object };
      environment.memory = () => ({ free: setup.free ?? 2000, total: 2300 });
      if (setup.running !== undefined) globals.otaPort = { id: setup.running };
      if (setup.isOver)
        board.behaviour = (line, it) => {
          if (line.startsWith('eval(') && !line.includes('missing')) delete globals.otaPort;
          evaluate(line, it);
        };
      modules.ota = {
        partitions: () => [{ label: 'www', size: 4 * SECTOR }],
        status: () => ({ state: 'none' }),
        plan: () => ({}),
        recover: () => ({ state: 'none' }),
      };
      modules['ota-http'] = {
        use: () => undefined,
        update: (options: Record<string, unknown>) => setup.update?.(options, board),
      };
    });
    try {
      return await rejected(code, new BoardUpdate(session, { source, partition: 'www' }).run());
    } finally {
      await session.close();
    }
  };

/** The board ends the update with an error. */
const ending = (code: string, message: string) => (port: Record<string, unknown>) => {
  setTimeout(() => (port.tell as (what: unknown) => void)({ code, message }), 5);
  return new Promise(() => undefined);
};

/** The board asks for the same again and again. */
const asking = (line: string) => (port: Record<string, unknown>, board: FakeConsole) => {
  port.take = () => undefined;
  const ask = (times: number) => {
    if (times) setTimeout(() => (board.send(`${line}\r\n`), ask(times - 1)), 5);
  };
  ask(20);
  return new Promise(() => undefined);
};

let starting: Promise<RunningBoard> | undefined;
/** The last command on the board: one after the other. */
let last: Promise<unknown> = Promise.resolve();

async function startWithModules(): Promise<RunningBoard> {
  const board = await startBoard({ engine: 'simulated', port: 0 });
  const session = await openSession(`tcp://127.0.0.1:${board.port}`);
  const modules = { ota: bundleOf('ota'), otaHttp: bundleOf('ota-http') };
  const options = { http: true, resume: false, boot: false, compact: false };
  const plan = await planUpload(
    session,
    { ...modules, boot: { version: '1', script: '' } },
    options,
  );
  await upload(session, plan);
  await session.close();
  return board;
}

/** What a command says on a simulated board that has the modules. */
const onBoard =
  (...words: string[]): Scene =>
  () => {
    starting ??= startWithModules();
    const files = { 'www.bin': image, 'large.bin': pattern('large', 2 ** 20 + 1) };
    const said = last.then(async () => {
      const { port } = await starting!;
      return errorOf(files, ...words, '--port', `tcp://127.0.0.1:${port}`);
    });
    last = said.catch(() => undefined);
    return said;
  };

/** Ends the board, if one was started. */
export async function closeBoard(): Promise<void> {
  await (await starting)?.close();
}

export const UPDATES: Scenes = {
  E_NO_MODULE: [failing('E_NO_MODULE', { modules: false })],
  E_NO_PARTITION: [onBoard('status', '--partition', 'www')],
  E_SIZE: [onBoard('update', 'large.bin', '--partition', 'storage')],
  E_UPDATING: [failing('E_UPDATING', { running: 'other.bin for data' })],
  E_REFUSED: [
    onBoard('update', 'www.bin', '--partition', 'nvs'),
    onBoard('update', 'www.bin', '--partition', 'ota_0'),
  ],
  E_FAILED: [
    failing('E_FAILED', {
      update: ending('E_HTTP', 'E_HTTP http://localhost:8080/www.bin.ota: connection refused'),
    }),
    failing('E_FAILED', { update: ending('E_FLASH', 'E_FLASH www: reads wrong') }),
  ],
  E_LOST: [
    failing('E_LOST', {
      update: (_, board) => {
        board.hangUp();
        return new Promise(() => undefined);
      },
    }),
  ],
  E_MEMORY: [failing('E_MEMORY', { free: 412 })],
  E_STUCK: [
    failing('E_STUCK', { update: asking('ota? www.bin 4096 4096') }),
    failing('E_STUCK', { update: asking('ota? www.bin 512 1024') }),
  ],
  E_OVER: [failing('E_OVER', { running: 'www', isOver: true })],
};
