/** `part-ota serve` */
import { Command } from 'commander';
import { wholeNumber } from './options.ts';
import { printLines } from './print.ts';
import { grouped } from './words/format.ts';
import {
  addressesOf,
  isForAll,
  nameInUrl,
  type RequestRecord,
  startFileServer,
} from './serve/server.ts';

interface Flags {
  port: number;
  host?: string;
  rate?: number;
  quiet?: true;
  hostName: string[];
}

const HELP = `
The page at / lists the images with a script for the board. For an image without a
manifest, or with that of another image, the server makes one; the log tells it.
Files whose names begin with a dot, and links that lead out, are not served.

Example:
  part-ota serve build --port 8000 --rate 50`;

/** @returns the line of the log for a request. */
function lineOf(request: RequestRecord): string {
  const { client, method, path, status, range, bytes, isCut, note } = request;
  const words = [
    new Date().toISOString(),
    client,
    method,
    path,
    status,
    range ?? '-',
    `${grouped(bytes)} bytes`,
    isCut && 'CUT OFF',
    note && `(${note})`,
  ];
  return words.filter(Boolean).join(' ');
}

/** @returns where to reach a server that listens at `host`. */
function urlsOf(host: string | undefined, port: number): string[] {
  const hosts = isForAll(host) ? ['localhost', ...addressesOf()] : [nameInUrl(host!)];
  return hosts.map((name) => `http://${name}:${port}/`);
}

/** Makes the command. It throws an InputError for what the user has to change. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('serve images and their manifests to boards')
    .argument('<directory>', 'where the images are')
    .option('--port <number>', 'TCP port; 0: any that is free', wholeNumber(0, 65535), 8080)
    .option('--host <address>', 'listen at this address only (default: all of this machine)')
    .option('--rate <kB/s>', 'send no faster, 1000 bytes per second', wholeNumber(1, 1000000))
    .option(
      '--host-name <name...>',
      'names, beside those of this machine, that requests may call it by',
      [],
    )
    .option('-q, --quiet', 'do not log requests')
    .addHelpText('after', HELP)
    .action(async (directory: string, flags: Flags) => {
      const { port, host, rate, quiet, hostName } = flags;
      const server = await startFileServer({
        directory,
        port,
        host,
        names: hostName,
        rate: rate === undefined ? undefined : rate * 1000,
        onRequest: quiet ? undefined : (request) => printLines([lineOf(request)]),
      });
      printLines([`${directory} at ${urlsOf(host, server.port).join(' and ')}`]);
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.once(signal, () => void server.close());
    });
}
