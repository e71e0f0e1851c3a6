/** Faults of the module on the board, and of updates over the air: on the simulated board. */
import type { Options } from '../../../device/api.ts';
import type { UpdateOptions } from '../../../device/http/api.ts';
import { makeManifest } from '../../../formats/manifest/make.ts';
import { Board, type BoardOptions, pattern, SECTOR, TABLES } from '../../../host/index.ts';
import { row } from '../../../host/tables.ts';
import { type Fault, type Reply, WebServer } from '../air-server.ts';
import { bundleOf } from '../package.ts';
import { runtimeOf } from '../runtime.ts';
import type { Ota, OtaHttp } from '../subject.ts';
import { type Scenes, thrown } from './scene.ts';

const NEW = pattern('new', 2 * SECTOR);
const STORAGE = { partition: 'storage' };
const TABLE = [...TABLES.example, row('www', 1, 0x82, 0x314000, 2 * SECTOR)];
/** Without a passive slot, and without free flash. */
const FULL = [
  ...TABLES.example.filter(({ label }) => label !== 'ota_1'),
  row('other', 1, 0x82, 0x110000, 0x100000),
  row('rest', 1, 0x82, 0x314000, 0xec000),
];

function start(options: BoardOptions = {}): { board: Board; ota: Ota } {
  const board = new Board({ table: TABLE, partitions: { storage: pattern('old', 9) }, ...options });
  board.upload('ota', bundleOf('ota'));
  return { board, ota: board.require<Ota>('ota') };
}

function update(ota: Ota, options: Partial<Options> = {}): unknown {
  const open = ota.begin({ ...STORAGE, ...options });
  open.write(NEW);
  return open.end();
}

/** @returns the module at the boot after an update was cut, which stays open. */
function interrupted(options: Partial<Options> = {}): Ota {
  const { board, ota } = start();
  ota.begin({ ...STORAGE, ...options }).write(NEW);
  board.flash.cut();
  board.powerOn();
  const next = board.require<Ota>('ota');
  next.recover({ resume: true });
  return next;
}

function onTrial(): Ota {
  const { board, ota } = start();
  update(ota, { trial: 2 });
  board.flash.cut();
  board.powerOn();
  const next = board.require<Ota>('ota');
  next.recover();
  return next;
}

function withoutTable(): Ota {
  const { board } = start();
  board.flash.load(0x8000, Buffer.alloc(SECTOR, 0xff));
  board.flash.cut();
  board.powerOn();
  return board.require<Ota>('ota');
}

function withLittleMemory(): Ota {
  const { board, ota } = start();
  ota.use({ ...runtimeOf(board), free: () => 100 });
  return ota;
}

function onWornFlash(): Ota {
  const { board, ota } = start();
  const { address } = board.partition('storage');
  board.flash.faults = [
    (operation) =>
      operation.kind === 'program' && operation.address >= address && operation.address < 0x310000
        ? 'nothing'
        : undefined,
  ];
  return ota;
}

function changedByTheApp(): Ota {
  const { board, ota } = start();
  update(ota);
  const { address } = board.partition('storage');
  board.flash.load(address + 9 * SECTOR, pattern('app', SECTOR));
  board.flash.cut();
  board.powerOn();
  return board.require<Ota>('ota');
}

const begin = (code: string, options: Partial<Options>, ota = start().ota) =>
  thrown(code, () => ota.begin({ ...STORAGE, ...options }));

export const DEVICE: Scenes = {
  E_ARGUMENT: [() => begin('E_ARGUMENT', { trial: 1000 })],
  E_NO_PARTITION: [
    () => begin('E_NO_PARTITION', { partition: 'data' }),
    () => begin('E_NO_PARTITION', {}, withoutTable()),
  ],
  E_FORBIDDEN: [
    () => begin('E_FORBIDDEN', { partition: 'ota_0' }),
    () => begin('E_FORBIDDEN', { partition: 'nvs' }),
  ],
  E_NO_BACKUP: [() => begin('E_NO_BACKUP', {}, start({ table: FULL }).ota)],
  E_SPACE: [
    () =>
      begin(
        'E_SPACE',
        { partition: 'free' },
        start({ table: TABLES.espruinoEsp32, partitions: {} }).ota,
      ),
    () => {
      const { ota } = start({ partitions: { storage: pattern('old', 3 * SECTOR) } });
      return thrown('E_SPACE', () => ota.begin({ ...STORAGE, backup: 'www' }).backup());
    },
  ],
  E_PENDING: [
    () => begin('E_PENDING', {}, onTrial()),
    () => begin('E_PENDING', { partition: 'www' }, interrupted()),
    () => begin('E_PENDING', {}, interrupted({ backup: false })),
  ],
  E_STATE: [
    () => thrown('E_STATE', () => start().ota.confirm()),
    () =>
      thrown('E_STATE', () => {
        const { ota } = start();
        ota.begin(STORAGE).write(NEW);
        ota.recover();
      }),
  ],
  E_SIZE: [() => thrown('E_SIZE', () => update(start().ota, { size: SECTOR }))],
  E_VERIFY: [() => thrown('E_VERIFY', () => update(start().ota, { crc32: 1 }))],
  E_FLASH: [() => thrown('E_FLASH', () => update(onWornFlash()))],
  E_CHANGED: [() => thrown('E_CHANGED', () => changedByTheApp().restore())],
  E_MEMORY: [() => begin('E_MEMORY', {}, withLittleMemory())],
};

/** Updates a board from a server. @returns the message of the error */
function air(code: string, options: Partial<UpdateOptions>, fault?: Fault, files?: object): string {
  const server = new WebServer();
  const { board } = start({ network: server.network });
  board.upload('ota-http', bundleOf('ota-http'));
  server.files.set('/www.bin', NEW);
  server.files.set('/www.bin.ota', makeManifest(NEW, { partition: 'storage' }));
  for (const [path, content] of Object.entries(files ?? {}))
    server.files.set(path, content as Uint8Array);
  server.fault = fault;
  const url = 'http://host/www.bin';
  const http = board.require<OtaHttp>('ota-http');
  return thrown(code, () => board.settle(http.update({ url, ...STORAGE, retries: 1, ...options })));
}

/** Spoils what is answered for the image. */
const ofImage =
  (change: (reply: Reply) => Partial<Reply>): Fault =>
  (reply, { path }) =>
    path === '/www.bin' ? { ...reply, ...change(reply) } : undefined;
const status = (number: number, headers: Reply['headers'] = {}): Fault =>
  ofImage(() => ({
    status: number,
    headers: { ...headers, 'Content-Length': 0 },
    body: NEW.subarray(0, 0),
  }));

export const AIR: Scenes = {
  E_HTTP: [
    () => air('E_HTTP', { url: 'http://nobody/www.bin' }),
    () => air('E_HTTP', {}, (reply) => ({ ...reply, cutAt: 0 })),
    () => air('E_HTTP', { manifest: 'http://host/none' }),
    () => air('E_HTTP', {}, status(404)),
    () => air('E_HTTP', {}, status(401)),
    () => air('E_HTTP', {}, status(503)),
    () => air('E_HTTP', {}, status(302, { Location: 'ftp://host/www.bin' })),
    () =>
      air(
        'E_HTTP',
        {},
        ofImage(({ headers }) => ({ headers, cutAt: 300 })),
      ),
    () => air('E_HTTP', {}, undefined, { '/www.bin': pattern('later', 2 * SECTOR) }),
    () => air('E_HTTP', {}, undefined, { '/www.bin': pattern('longer', 3 * SECTOR) }),
  ],
  E_TIMEOUT: [
    () =>
      air(
        'E_TIMEOUT',
        {},
        ofImage(() => ({ cutAt: 300, then: 'stall' })),
      ),
  ],
  E_MANIFEST: [
    () =>
      air('E_MANIFEST', {}, undefined, { '/www.bin.ota': Buffer.from(`<html>${'x'.repeat(200)}`) }),
    () => {
      const spoiled = Buffer.from(makeManifest(NEW));
      spoiled[20] ^= 1;
      return air('E_MANIFEST', {}, undefined, { '/www.bin.ota': spoiled });
    },
    () => air('E_MANIFEST', { digest: '0'.repeat(64) }),
    () => air('E_MANIFEST', { partition: 'www' }),
    () =>
      air('E_MANIFEST', { partition: 'www' }, undefined, {
        '/www.bin.ota': makeManifest(pattern('large', 3 * SECTOR)),
      }),
  ],
};
