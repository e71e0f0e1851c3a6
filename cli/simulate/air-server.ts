/** The server of an update over the air: `part-ota serve` on this machine, with a connection that drops. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MANIFEST_SUFFIX } from '../../device/http/manifest.ts';
import { type FileServer, startFileServer } from '../serve/server.ts';

const HOST = '127.0.0.1';
const IMAGE = 'image.bin';

/** Whether a URL or a path is that of a manifest. */
export const isManifest = (path: string) => path.endsWith(MANIFEST_SUFFIX);

/** Serves an image and its manifest from a folder of its own. */
export class AirServer {
  readonly url: string;
  /** Of the requests for the image since `dropAfter`, the one whose connection was dropped; counted from 0. */
  dropped: number | undefined;
  readonly #server: FileServer;
  readonly #folder: string;
  /** Bytes of the image until a connection drops; undefined: none does. */
  #left: number | undefined;
  #requests = 0;

  private constructor(server: FileServer, folder: string) {
    this.#server = server;
    this.#folder = folder;
    this.url = `http://${HOST}:${server.port}/${IMAGE}`;
    server.server.prependListener('request', this.#watch);
  }

  static async start(image: Uint8Array, manifest: Uint8Array): Promise<AirServer> {
    const folder = mkdtempSync(join(tmpdir(), 'part-ota-'));
    try {
      writeFileSync(join(folder, IMAGE), image);
      writeFileSync(join(folder, IMAGE + MANIFEST_SUFFIX), manifest);
      return new AirServer(
        await startFileServer({ directory: folder, port: 0, host: HOST }),
        folder,
      );
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#server.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** Drops the connection once so many bytes of the image have been sent; undefined: none. */
  dropAfter(bytes: number | undefined): void {
    this.#left = bytes;
    this.#requests = 0;
    this.dropped = undefined;
  }

  /** Sends what is due until then, so that as many bytes arrive in every run; then closes the socket. */
  readonly #watch = (request: IncomingMessage, response: ServerResponse): void => {
    if (isManifest(request.url!)) return;
    const number = this.#requests++;
    const write = response.write.bind(response) as (chunk: Buffer, done?: () => void) => boolean;
    response.write = (chunk: Buffer) => {
      if (this.dropped === number) return false;
      if (this.#left === undefined || (this.#left -= chunk.length) > 0) return write(chunk);
      const due = chunk.subarray(0, chunk.length + this.#left);
      this.#left = undefined;
      this.dropped = number;
      write(due, () => request.socket.destroy());
      return false;
    };
  };
}
