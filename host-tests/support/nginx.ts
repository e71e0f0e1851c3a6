/** nginx, as a second, foreign server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** @returns a port that nothing listens at. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/**
 * Starts nginx.
 * @param root - the directory that it serves
 * @param folder - is made for its own files
 */
export async function startNginx(root: string, folder: string) {
  const port = await freePort();
  mkdirSync(folder);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
  // Started by root it would give up the right to read the directory.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const config = `${user} daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
    events {}
    http {
      access_log off; ${paths} default_type application/octet-stream;
      server { listen 127.0.0.1:${port}; root ${root}; }
    }`;
  writeFileSync(join(folder, 'conf'), config);
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'conf'), '-e', 'stderr']);
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGQUIT');
    await exited;
  };
  for (let tries = 500; ; tries--) {
    if (child.exitCode !== null || !tries) throw new Error(`nginx: ${output}`);
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return { port, stop };
    } catch {
      await wait(10);
    }
  }
}
