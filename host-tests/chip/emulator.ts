/**
 * An emulated ESP32-C3: QEMU, its flash served by this process, its UART on a TCP port. Switching it off is SIGKILL.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { openSession } from '../../cli/connection.ts';
import type { Session } from '../../link/session.ts';
import type { FlashChip } from './flash-chip.ts';
import { serveDisk } from './nbd.ts';

/** Milliseconds until the prompt has to be there, and in which a script has to answer. A shared machine is slow. */
const PATIENCE = 120_000;
/**
 * The clock of a board. `counted`: it counts instructions and skips all waiting, so that what the board does comes out the
 * same however busy this machine is. `real`: that of this machine, for commands that wait for a while.
 */
export type Clock = 'counted' | 'real';

/** 8 ns an instruction. */
const COUNTING = ['-icount', 'shift=3,align=off,sleep=off'];
/** What the mask ROM prints first, at each reset. */
const RESET = /ESP-ROM:/g;
/**
 * Why there was one that nobody asked for: a watchdog that ticks, by the clock of this machine, while the emulator is not
 * given a processor.
 */
const WATCHDOG = /Interrupt wdt timeout|TG[01]WDT_SYS/g;
/** Characters of what the chip has printed that an error shows. */
const SHOWN = 1500;

/** @returns the end of what the chip has printed, for an error. */
const tail = (output: string) => JSON.stringify(output.slice(-SHOWN));

const matches = (text: string, what: RegExp) => text.match(what)?.length ?? 0;

const listen = (server: Server) =>
  new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );

/** The chip, and the line to it. */
export class Emulator {
  readonly flash: FlashChip;
  readonly #command: string;
  /** All that the chip has printed since it was switched on. */
  output = '';
  #resets = 0;
  #process: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  /** What QEMU itself says. */
  #said = '';
  #chip: Socket | undefined;
  #user: Socket | undefined;
  #onOutput: () => void = () => undefined;
  /** What the chip's UART is connected to, and what `part-ota` is. */
  readonly #uart: Server;
  readonly #line: Server;
  #disk: Server | undefined;
  #args: string[] = [];
  /** For `--port`. */
  port = '';

  private constructor(command: string, flash: FlashChip) {
    this.#command = command;
    this.flash = flash;
    this.#uart = createServer((socket) => this.#connected(socket));
    this.#line = createServer((socket) => {
      this.#user?.destroy();
      this.#user = socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        if (this.#chip && !this.#chip.write(bytes)) {
          socket.pause();
          this.#chip.once('drain', () => socket.resume());
        }
      });
      socket.on('close', () => {
        if (this.#user === socket) this.#user = undefined;
      });
    });
  }

  /** @param command - QEMU with the machine esp32c3; its firmware is in pc-bios beside it, or where it was installed */
  static async make(command: string, flash: FlashChip): Promise<Emulator> {
    const made = new Emulator(command, flash);
    const { server, port } = await serveDisk(flash);
    made.#disk = server;
    // It would outlive a suite that is interrupted.
    process.once('exit', () => made.#process?.kill('SIGKILL'));
    const uart = await listen(made.#uart);
    made.port = `tcp://127.0.0.1:${await listen(made.#line)}`;
    const firmware = join(dirname(command), 'pc-bios');
    made.#args = [
      ...(existsSync(firmware) ? ['-L', firmware] : []),
      ...['-M', 'esp32c3', '-display', 'none', '-monitor', 'none'],
      ...['-drive', `file=nbd:127.0.0.1:${port},if=mtd,format=raw`],
      ...['-serial', `tcp:127.0.0.1:${uart},nodelay=on`],
    ];
    return made;
  }

  #connected(socket: Socket): void {
    this.#chip = socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.output += bytes.toString('latin1');
      this.#user?.write(bytes);
      this.#onOutput();
    });
  }

  /** Resets by a watchdog since this was made: faults of the emulator, not of what runs in it. */
  get resets(): number {
    return this.#resets + matches(this.output, WATCHDOG);
  }

  /** Switches it on. */
  switchOn(clock: Clock): void {
    this.output = this.#said = '';
    this.flash.powerOn();
    const args = clock === 'real' ? this.#args : [...this.#args, ...COUNTING];
    const child = spawn(this.#command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('latin1').on('data', (text: string) => (this.#said += text));
    this.#exited = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (signal === 'SIGKILL') return resolve();
        reject(new Error(`the emulator ended with ${code ?? signal}:\n${this.#said}`));
      });
    });
    this.#exited.catch(() => undefined);
  }

  /** Waits for the prompt. @throws if it does not come, with all that was printed */
  async prompt(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const there = new Promise<void>((resolve, reject) => {
      const look = () => {
        if (/\n>$/.test(this.output)) resolve();
      };
      this.#onOutput = look;
      timer = setTimeout(() => reject(new Error(`no prompt: ${tail(this.output)}`)), PATIENCE);
      look();
    });
    try {
      await Promise.race([there, this.#exited]);
    } finally {
      clearTimeout(timer);
      this.#onOutput = () => undefined;
    }
  }

  /** Opens a session at the prompt. */
  async open(): Promise<Session> {
    await this.prompt();
    return openSession(this.port, { silence: PATIENCE });
  }

  /** Switches it off: whatever it is doing ends here. @throws if the firmware has crashed since it was switched on */
  async switchOff(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    child.kill('SIGKILL');
    await this.#exited;
    this.#user?.destroy();
    this.#chip?.destroy();
    const { output } = this;
    this.output = '';
    const bites = matches(output, WATCHDOG);
    this.#resets += bites;
    if (matches(output, RESET) > 1 + bites)
      throw new Error(`the chip has crashed: ${tail(output)}`);
  }

  async close(): Promise<void> {
    await this.switchOff();
    for (const server of [this.#uart, this.#line, this.#disk]) server?.close();
  }
}
