/** `ota-http` on the simulated board downloads from nginx, over TCP, where nginx is installed. */
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Board } from '../../host/index.ts';
import { startNginx } from '../support/nginx.ts';
import { buildHttp, type OtaHttp, uploadHttpTo } from '../support/subject.ts';
import { needs } from '../support/tools.ts';
import { CHANGED, HEAD, MANIFEST, NEW, OLD, SECTOR } from '../support/update-fixtures.ts';

describe('ota-http and nginx', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'part-ota-nginx-'));
  const root = join(folder, 'www');
  let nginx: Awaited<ReturnType<typeof startNginx>>;
  let board: Board;
  let http: OtaHttp;

  before(async function () {
    needs(this, 'nginx', '-v');
    await buildHttp();
    mkdirSync(root);
    writeFileSync(join(root, 'storage.bin'), NEW);
    writeFileSync(join(root, 'storage.bin.ota'), MANIFEST);
    nginx = await startNginx(root, join(folder, 'nginx'));
  });
  beforeEach(() => {
    board = new Board({ partitions: { storage: OLD } });
    uploadHttpTo(board);
    http = board.require<OtaHttp>('ota-http');
  });
  after(async () => {
    await nginx?.stop();
    rmSync(folder, { recursive: true });
  });

  const options = () => ({
    url: `http://127.0.0.1:${nginx.port}/storage.bin`,
    partition: 'storage',
  });

  it('downloads the LittleFS image, each byte once but for the hashes of 64 sectors', async () => {
    const result = await board.wait(http.update(options()));
    assert.equal(Buffer.compare(board.content('storage'), NEW), 0);
    assert.deepEqual([result.state, result.changed], ['committed', CHANGED]);
    assert.equal(result.fetched, CHANGED * SECTOR + MANIFEST.length + 64 * 32);
    const again = await board.wait(http.update(options()));
    assert.deepEqual([again.state, again.fetched], ['untouched', HEAD]);
  });

  it('says what is there, and that something is not', async () => {
    const check = await board.wait(http.check(options()));
    assert.deepEqual([check.version, check.fetch], ['2', CHANGED * SECTOR]);
    const missing = http.update({ ...options(), url: `${options().url}x`, retries: 1 });
    await assert.rejects(async () => board.wait(missing), /^Error: E_HTTP .*x\.ota: status 404/);
    assert.equal(Buffer.compare(board.content('storage'), OLD), 0);
  });
});
