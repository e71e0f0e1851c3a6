/**
 * A disk for an emulator, over NBD (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md): as much of the
 * protocol as QEMU's client needs, one client at a time. So each write of the emulated chip passes through here, one after
 * the other, and power can fail in the middle of one.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What is served. Addresses and lengths in bytes. */
export interface Disk {
  readonly size: number;
  read: (at: number, length: number) => Uint8Array;
  /** @returns whether there is power still; without it nothing more is answered. */
  write: (at: number, data: Uint8Array) => boolean;
}

const OPTION_MAGIC = Buffer.from('IHAVEOPT');
/** Both sides know options, and leave out 124 zeros. */
const HANDSHAKE = 3;
const REPLY_MAGIC = 0x0003e889045565a9n;
const OPTION = { exportName: 1, abort: 2, go: 7 };
const REPLY = { ack: 1, info: 3, unsupported: 0x80000001 };
const INFO = { disk: 0, blocks: 3 };
/** It has flags, and takes `flush`. */
const DISK_FLAGS = 5;
const REQUEST_MAGIC = 0x25609513;
const ANSWER_MAGIC = 0x67446698;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 };
const INVALID = 22;
/** Bytes of what a client sends: the head of an option, and of a request. */
const OPTION_HEAD = 16;
const REQUEST_HEAD = 28;
/** Bytes of a block: the least, the best, the most. */
const BLOCKS = [1, 0x1000, 0x2000000];

/** Makes bytes of numbers, big-endian: [bits, value]. */
function pack(...fields: [16 | 32 | 64, number | bigint][]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [bits]) => sum + bits / 8, 0));
  let at = 0;
  for (const [bits, value] of fields) {
    if (bits === 16) at = bytes.writeUInt16BE(Number(value), at);
    else if (bits === 32) at = bytes.writeUInt32BE(Number(value), at);
    else at = bytes.writeBigUInt64BE(BigInt(value), at);
  }
  return bytes;
}

/** One connection of an emulator. */
class Client {
  readonly #disk: Disk;
  readonly #socket: Socket;
  #input = Buffer.alloc(0);
  /** Takes the next message from `#input`. @returns whether one was there */
  #next: () => boolean = () => this.#greet();

  constructor(disk: Disk, socket: Socket) {
    this.#disk = disk;
    this.#socket = socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.#input = Buffer.concat([this.#input, bytes]);
      while (!socket.destroyed && this.#next());
    });
    socket.write(Buffer.concat([Buffer.from('NBDMAGIC'), OPTION_MAGIC, pack([16, HANDSHAKE])]));
  }

  #take(length: number): Buffer {
    const bytes = this.#input.subarray(0, length);
    this.#input = this.#input.subarray(length);
    return bytes;
  }

  #greet(): boolean {
    if (this.#input.length < 4) return false;
    this.#take(4);
    this.#next = () => this.#option();
    return true;
  }

  #option(): boolean {
    if (this.#input.length < OPTION_HEAD) return false;
    const length = this.#input.readUInt32BE(12);
    if (this.#input.length < OPTION_HEAD + length) return false;
    const option = this.#take(OPTION_HEAD + length).readUInt32BE(8);
    const { size } = this.#disk;
    const reply = (type: number, data: Uint8Array = Buffer.alloc(0)) =>
      this.#socket.write(
        Buffer.concat([pack([64, REPLY_MAGIC], [32, option], [32, type], [32, data.length]), data]),
      );
    if (option === OPTION.go) {
      reply(REPLY.info, pack([16, INFO.disk], [64, size], [16, DISK_FLAGS]));
      const [least, best, most] = BLOCKS;
      reply(REPLY.info, pack([16, INFO.blocks], [32, least], [32, best], [32, most]));
      reply(REPLY.ack);
      this.#next = () => this.#request();
    } else if (option === OPTION.exportName) {
      this.#socket.write(pack([64, size], [16, DISK_FLAGS]));
      this.#next = () => this.#request();
    } else if (option === OPTION.abort) {
      reply(REPLY.ack);
      this.#socket.end();
    } else {
      reply(REPLY.unsupported);
    }
    return true;
  }

  #request(): boolean {
    if (this.#input.length < REQUEST_HEAD) return false;
    if (this.#input.readUInt32BE(0) !== REQUEST_MAGIC) {
      this.#socket.destroy();
      return false;
    }
    const command = this.#input.readUInt16BE(6);
    const cookie = this.#input.readBigUInt64BE(8);
    const at = Number(this.#input.readBigUInt64BE(16));
    const length = this.#input.readUInt32BE(24);
    const sent = command === COMMAND.write ? length : 0;
    if (this.#input.length < REQUEST_HEAD + sent) return false;
    const data = this.#take(REQUEST_HEAD + sent).subarray(REQUEST_HEAD);
    const isInside = at + length <= this.#disk.size;
    let error = 0;
    let answer: Uint8Array = Buffer.alloc(0);
    if (command === COMMAND.read && isInside) answer = this.#disk.read(at, length);
    else if (command === COMMAND.write && isInside) {
      if (!this.#disk.write(at, data)) {
        this.#socket.destroy();
        return false;
      }
    } else if (command === COMMAND.disconnect) {
      this.#socket.end();
      return false;
    } else if (command !== COMMAND.flush) error = INVALID;
    const head = pack([32, ANSWER_MAGIC], [32, error], [64, cookie]);
    this.#socket.write(Buffer.concat([head, answer]));
    return true;
  }
}

/** Serves a disk on this machine. @returns the server, and its port */
export async function serveDisk(disk: Disk): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => void new Client(disk, socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
