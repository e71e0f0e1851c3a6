/** Boards that `part-ota update` updates over TCP, on a line that can be cut and disturbed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BoardSetup, type RunningBoard, startBoard } from '../../cli/board/running.ts';
import { makeChip } from '../../cli/board/chip.ts';
import { openSession } from '../../cli/connection.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import { bundleOf, NEW_IMAGE as NEW, OLD_IMAGE as OLD } from './package.ts';
import { PART_OTA, type Run } from './tools.ts';

export { CHANGED, NEW_IMAGE as NEW, OLD_IMAGE as OLD } from './package.ts';

export const SECTOR = 4096;
export const MANIFEST = makeManifest(NEW, { partition: 'storage', version: '2' });
/** Bytes of the head of a manifest, which is fetched in any case. */
export const HEAD = 116;

const storage = TABLES.example.find(({ label }) => label === 'storage')!;
/** What may change in an update: the partition, its backup and its journal. */
const TOUCHED = ['storage', 'ota_1', 'ota_journal'];

function piecesIn(line: string): number {
  const text = /otaPort\.take\(\d+,"([^"]*)"/.exec(line)?.[1] ?? '';
  return Buffer.from(text, 'base64').length;
}

/** A line on which bytes can be changed, and which can be cut. */
export class DisturbedLine {
  port = 0;
  /** Bytes that have passed to the board: all, and those of the image and of its manifest. */
  passed = 0;
  pieces = 0;
  /** Called with what goes to the board. @returns what arrives there */
  toBoard: (bytes: Buffer) => Buffer = (bytes) => bytes;
  toHost: (bytes: Buffer) => Buffer = (bytes) => bytes;
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((socket) => {
      const board = connect(this.#target, '127.0.0.1').setNoDelay();
      this.#sockets.add(socket.setNoDelay());
      this.#sockets.add(board);
      let rest = '';
      socket.on('data', (bytes) => {
        this.passed += bytes.length;
        const lines = (rest + bytes.toString('latin1')).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.pieces += piecesIn(line);
        board.write(this.toBoard(bytes));
      });
      board.on('data', (bytes) => socket.write(this.toHost(bytes)));
      for (const one of [socket, board]) {
        one.on('error', () => undefined);
        one.on('close', () => {
          socket.destroy();
          board.destroy();
        });
      }
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
  }

  /** Ends all connections at once, as when the cable is pulled. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  calm(): void {
    this.passed = this.pieces = 0;
    this.toBoard = this.toHost = (bytes) => bytes;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** `part-ota` while it runs. */
export interface Running {
  child: ChildProcess;
  /** What it has printed so far. */
  readonly text: string;
  done: Promise<Run>;
}

/** A board with the modules, and the line to it. */
export class Site {
  readonly board: RunningBoard;
  readonly line: DisturbedLine;
  readonly folder = mkdtempSync(join(tmpdir(), 'part-ota-update-'));
  /** What the chip holds before an update. */
  readonly chip: Buffer;

  private constructor(board: RunningBoard, line: DisturbedLine, chip: Buffer) {
    this.board = board;
    this.line = line;
    this.chip = chip;
    writeFileSync(this.path('storage.bin'), NEW);
  }

  static async start(setup: Pick<BoardSetup, 'engine' | 'command'>): Promise<Site> {
    const chip = Buffer.from(makeChip(encodeTable(TABLES.example)));
    OLD.copy(chip, storage.address);
    const board = await startBoard({ ...setup, port: 0, table: encodeTable(TABLES.example) });
    const line = new DisturbedLine(board.port);
    await line.listen();
    return new Site(board, line, chip);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get port(): string {
    return `tcp://127.0.0.1:${this.line.port}`;
  }

  /** Stores a file on the board. */
  async store(name: string, text: string): Promise<void> {
    const PIECE = 1024;
    const session = await openSession(this.port);
    for (let at = 0; at < text.length; at += PIECE) {
      const piece = JSON.stringify(text.slice(at, at + PIECE));
      await session.run(
        `require("Storage").write(${JSON.stringify(name)},${piece},${at},${text.length})`,
      );
    }
    await session.close();
  }

  /** Runs a script on the board. */
  async run(script: string): Promise<unknown> {
    const session = await openSession(this.port);
    try {
      return await session.run(script);
    } finally {
      await session.close();
    }
  }

  /** Types a script at the board's console. @returns the line that it prints in the end */
  async type(script: string, last: RegExp): Promise<string> {
    const session = await openSession(this.port);
    try {
      const printed = new Promise<string>((resolve) =>
        session.onLine((line) => (last.test(line) ? resolve(line) : undefined)),
      );
      await session.run(script);
      return await Promise.race([printed, this.board.failure]);
    } finally {
      await session.close();
    }
  }

  async storeModules(): Promise<void> {
    for (const name of ['ota', 'ota-http'] as const) await this.store(name, bundleOf(name));
  }

  /** Boots with the old content. */
  async reset(): Promise<void> {
    this.line.calm();
    await this.board.load(this.chip);
  }

  /** Starts `part-ota update` of `storage`. */
  start(...words: string[]): Running {
    const all = [PART_OTA, 'update', '--port', this.port, '--partition', 'storage', ...words];
    const child = spawn(process.execPath, all, { cwd: this.folder });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const done = new Promise<Run>((resolve) =>
      child.on('close', (code, signal) =>
        resolve({ status: code ?? -1, stdout, stderr: stderr + (signal ?? '') }),
      ),
    );
    return {
      child,
      done,
      get text() {
        return stdout + stderr;
      },
    };
  }

  update(...words: string[]): Promise<Run> {
    return this.start(...words).done;
  }

  get content(): Buffer {
    return this.board.flash.subarray(storage.address, storage.address + storage.size);
  }

  /** Checks that the image is there, and that nothing has changed that must not. */
  assertUpdated(): void {
    const { flash } = this.board;
    assert.equal(Buffer.compare(this.content, NEW), 0, 'the content is another');
    this.assertFenced(flash);
  }

  /** Checks that the old content is there. */
  assertOld(): void {
    assert.equal(Buffer.compare(this.content, OLD), 0, 'the content is another');
  }

  assertFenced(flash = this.board.flash): void {
    for (const { label, address, size } of TABLES.example) {
      const [was, is] = [this.chip, flash].map((one) => one.subarray(address, address + size));
      if (!TOUCHED.includes(label))
        assert.equal(Buffer.compare(was, is), 0, `${label} has changed`);
    }
  }

  async close(): Promise<void> {
    this.line.close();
    await this.board.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** What `--json` prints. */
export interface Printed {
  result: { state: string; changed: number; fetched: number; fetch: number };
  sent?: { image: number; manifest: number; again: number; manifestAgain: number; line: number };
  seconds: number;
}

/** @returns what a run that has to be successful printed. */
export function printed(run: Run): Printed {
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as Printed;
}
