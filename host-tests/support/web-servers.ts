/** Web servers of others, as their users set them up. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathOf } from './package.ts';

/** Where a server runs. */
export interface Site {
  port: number;
  /** What it serves. */
  root: string;
  /** For its own files. */
  folder: string;
}

/** How to start a server: a program and its arguments, after it has written its configuration. */
export interface Start {
  program: string;
  args: string[];
}

/** A way to set a server up. @returns how it is started */
export type Setup = (site: Site) => Start;

const isRoot = process.getuid?.() === 0;

/** @returns where a program is: named by a variable, on the PATH or in node_modules; undefined if it is not installed. */
export function programOf(name: string): string | undefined {
  const named = process.env[name.toUpperCase().replaceAll('-', '_')];
  if (named) return named;
  const folders = [...(process.env.PATH ?? '').split(delimiter), pathOf('node_modules/.bin')];
  return folders.map((folder) => join(folder, name)).find(existsSync);
}

/** Writes a configuration. @returns its path */
function config({ folder }: Site, text: string): string {
  const path = join(folder, 'conf');
  writeFileSync(path, text);
  return path;
}

/**
 * The status of each answer goes to the file `statuses` in its folder, a line each.
 * @param lines - of its `server`; `http` has those before it
 */
export function nginx(lines = '', http = ''): Setup {
  return (site) => {
    const { folder, port, root } = site;
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const paths = temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
    // Started by root it would give up the right to read the directory.
    const user = isRoot ? 'user root;' : '';
    const path = config(
      site,
      `${user} daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        log_format status $status; access_log ${folder}/statuses status; ${paths} default_type application/octet-stream; ${http}
        server { listen 127.0.0.1:${port}; root ${root}; ${lines} }
      }`,
    );
    return { program: 'nginx', args: ['-p', folder, '-c', path, '-e', 'stderr'] };
  };
}

export function lighttpd(lines = ''): Setup {
  return (site) => {
    const path = config(
      site,
      `server.bind = "127.0.0.1"
      server.port = ${site.port}
      server.document-root = "${site.root}"
      server.upload-dirs = ( "${site.folder}" )
      ${lines}`,
    );
    return { program: 'lighttpd', args: ['-D', '-f', path] };
  };
}

/** lighttpd with a program that sends the files, so that it does not know how long they are. */
export function lighttpdByProgram(): Setup {
  return (site) => {
    const script = sender(site, 'send', '$1');
    return lighttpd(`server.modules = ( "mod_cgi" )
      server.stream-response-body = 1
      cgi.assign = ( ".bin" => "${script}", ".ota" => "${script}" )`)(site);
  };
}

/** Writes a program that sends a file, as servers call one. @returns its path */
function sender({ folder }: Site, name: string, file: string): string {
  const path = join(folder, name);
  const head = 'Content-Type: application/octet-stream\\r\\n\\r\\n';
  writeFileSync(path, `#!/bin/sh\nprintf '${head}'\nexec cat "${file}"\n`, { mode: 0o755 });
  return path;
}

const APACHE_MODULES = '/usr/lib/apache2/modules';

/** @param modules - beside those that serve files */
export function apache2(lines = '', ...modules: string[]): Setup {
  return (site) => apacheOf(site, lines, modules);
}

/** apache2 with a program that sends the files, so that it does not know how long they are. */
export function apache2ByProgram(): Setup {
  return (site) => {
    for (const ending of ['', '.ota'])
      sender(site, `send${ending}`, join(site.root, `storage.bin${ending}`));
    return apacheOf(
      site,
      '',
      ['alias', 'cgid'],
      `ScriptSock ${site.folder}/socket
      ScriptAliasMatch ^/storage.bin(.*)$ ${site.folder}/send$1
      <Directory ${site.folder}>
        Require all granted
      </Directory>`,
    );
  };
}

function apacheOf(site: Site, lines: string, modules: string[], server = ''): Start {
  const load = ['mpm_event', 'authz_core', ...modules].map(
    (name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`,
  );
  const path = config(
    site,
    `ServerRoot ${site.folder}
      DefaultRuntimeDir ${site.folder}
      PidFile ${site.folder}/pid
      ErrorLog ${site.folder}/errors
      ServerName localhost
      Listen 127.0.0.1:${site.port}
      ${load.join('\n')}
      ${server}
      StartServers 1
      ThreadsPerChild 25
      MaxRequestWorkers 25
      ${isRoot ? 'User nobody\nGroup nogroup' : ''}
      DocumentRoot ${site.root}
      <Directory ${site.root}>
        Require all granted
        ${lines}
      </Directory>`,
  );
  return { program: 'apache2', args: ['-DFOREGROUND', '-f', path] };
}

export function caddy(lines = ''): Setup {
  return (site) => {
    const path = config(
      site,
      `{
        admin off
        auto_https off
        storage file_system ${site.folder}/storage
      }
      http://127.0.0.1:${site.port} {
        bind 127.0.0.1
        root * ${site.root}
        ${lines}
        file_server
      }`,
    );
    return { program: 'caddy', args: ['run', '--config', path, '--adapter', 'caddyfile'] };
  };
}

export const busybox: Setup = ({ port, root }) => ({
  program: 'busybox',
  args: ['httpd', '-f', '-p', `127.0.0.1:${port}`, '-h', root],
});

export function python(...words: string[]): Setup {
  return ({ port, root }) => ({
    program: 'python3',
    args: [
      ...['-m', 'http.server', String(port), '--bind', '127.0.0.1', '--directory', root],
      ...words,
    ],
  });
}

export function httpServer(...words: string[]): Setup {
  return ({ port, root }) => ({
    program: 'http-server',
    args: [root, '-a', '127.0.0.1', '-p', String(port), '-s', ...words],
  });
}

export function serve(...words: string[]): Setup {
  return ({ port, root }) => ({
    program: 'serve',
    args: ['-l', `tcp://127.0.0.1:${port}`, '--no-clipboard', ...words, root],
  });
}

/** @returns why a setup cannot be tried here, or undefined. */
export function whyNot(setup: Setup, site: Site): string | undefined {
  const { program, args } = setup(site);
  const path = programOf(program);
  if (!path) return `${program} is not installed`;
  // A small one may have been built without its server.
  if (program === 'busybox' && !spawnSync(path, ['--list']).stdout.includes('\nhttpd\n'))
    return 'busybox has no httpd';
  const [, option] = /--(protocol)/.exec(args.join(' ')) ?? [];
  if (option && !spawnSync(path, ['-m', 'http.server', '--help']).stdout.includes(option))
    return `${program} has no --${option}`;
  return undefined;
}

/** @returns a port that nothing listens at. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Ends a server, and waits for its end. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(patience);
}

/**
 * Starts a server at a port that was free.
 * @param place - what it serves, and a folder that is there
 */
export async function startServer(setup: Setup, place: Omit<Site, 'port'>) {
  const port = await freePort();
  const { program, args } = setup({ ...place, port });
  const env = { ...process.env, HOME: place.folder, XDG_CONFIG_HOME: place.folder, LC_ALL: 'C' };
  const child = spawn(programOf(program)!, args, {
    cwd: place.folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream
      .setEncoding('utf8')
      .on('data', (text: string) => (output = (output + text).slice(-2000)));
  for (let tries = 1000; ; tries--) {
    if (child.exitCode !== null || !tries) {
      await end(child);
      throw new Error(`${program}: ${output}`);
    }
    try {
      await (await fetch(`http://127.0.0.1:${port}/ready`)).arrayBuffer();
      return { port, stop: () => end(child) };
    } catch {
      await wait(10);
    }
  }
}

/**
 * Starts nginx as it is.
 * @param root - what it serves
 * @param folder - is made for its own files
 */
export function startNginx(root: string, folder: string) {
  mkdirSync(folder);
  return startServer(nginx(), { root, folder });
}
