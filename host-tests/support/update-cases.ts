/** What `part-ota update` does, on whatever engine runs the board. */
import assert from 'node:assert/strict';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { makeManifest } from '../../formats/manifest/make.ts';
import { type FileServer, type RequestRecord, startFileServer } from '../../cli/serve/server.ts';
import { type Run, runPartOta } from './tools.ts';
import {
  CHANGED,
  HEAD,
  MANIFEST,
  NEW,
  printed,
  type Running,
  SECTOR,
  type Site,
} from './update-fixtures.ts';

const IMAGE_BYTES = CHANGED * SECTOR;
/** The hashes of two times 32 sectors are fetched once more: the board keeps no more of them. */
const HASHES = 64 * 32;
const MANIFEST_BYTES = MANIFEST.length + HASHES;
/** What is in the way when a line is cut, at most. */
const WINDOW = 512;
/** After a power cut: the sector that was on its way to the flash, and the one before it, which may be torn. */
const TORN = 2 * SECTOR;

/** Waits until so many bytes of image and manifest have passed to the board. */
async function passed(site: Site, bytes: number, running: Running): Promise<void> {
  let isOver = false;
  void running.done.then(() => (isOver = true));
  while (site.line.pieces < bytes) {
    assert.ok(!isOver, `it ended early: ${running.text}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Checks that a command refused something, and left the chip alone. */
function assertRefused(site: Site, run: Run, what: RegExp, status = 2): void {
  assert.match(run.stderr, what);
  assert.equal(run.status, status, run.stderr);
  assert.equal(run.stdout, '');
  assert.equal(Buffer.compare(site.board.flash, site.chip), 0, 'the chip has changed');
}

/** An image over the console. */
export function describeFiles(siteOf: () => Site): void {
  describeTransfer(siteOf);
  describeInterruptions(siteOf);
  describeStops(siteOf);
}

function describeTransfer(siteOf: () => Site): void {
  it('sends what differs over the console, each byte once', async () => {
    const site = siteOf();
    const { result, sent, seconds } = printed(await site.update('storage.bin', '--json'));
    site.assertUpdated();
    assert.deepEqual([result.state, result.changed], ['committed', CHANGED]);
    assert.deepEqual(
      [sent?.image, sent?.manifest, sent?.again],
      [IMAGE_BYTES, MANIFEST_BYTES, HASHES],
    );
    assert.equal(site.line.pieces, IMAGE_BYTES + MANIFEST_BYTES);
    const rate = result.fetched / seconds / 1000;
    console.log(
      `      ${sent!.line} characters, ${Math.round(sent!.line / CHANGED)} per changed sector,`,
      `${seconds.toFixed(1)} s, ${rate.toFixed(1)} kB/s`,
    );
    site.line.calm();
    const again = await site.update('storage.bin');
    assert.equal(again.status, 0);
    assert.match(again.stdout, /^"storage" held this image already: nothing was written\n/);
    assert.equal(site.line.pieces, HEAD);
  });

  it('sends again what was lost or damaged on the line', async () => {
    const site = siteOf();
    let faults = 0;
    let count = 0;
    site.line.toBoard = (bytes) => {
      // Only within the base64 of a piece: anything else would be another command.
      const at = bytes.toString('latin1').search(/[\w+/]{60}/) + 10;
      if (at < 10 || ++count % 101) return bytes;
      const other = Buffer.from(bytes);
      other[at] = other[at] === 0x41 ? 0x42 : 0x41;
      return [other, bytes.subarray(0, at), Buffer.alloc(0)][faults++ % 3];
    };
    const { sent } = printed(await site.update('storage.bin', '--json'));
    site.assertUpdated();
    assert.ok(faults >= 3, `${faults} faults`);
    const again = sent!.again - HASHES;
    assert.ok(again > 0 && again <= faults * WINDOW, `${again} bytes again, ${faults} faults`);
    console.log(`      ${faults} faults, ${sent!.again} bytes sent again`);
  });
}

function describeInterruptions(siteOf: () => Site): void {
  it('goes on when the cable was pulled, and sends nothing twice', async () => {
    const site = siteOf();
    const first = site.start('storage.bin');
    await passed(site, 120_000, first);
    site.line.cut();
    const cut = await first.done;
    assert.equal(cut.status, 1, cut.stderr);
    assert.match(cut.stderr, /connection ended.*\nThe partition "storage" holds a mix of the old/);
    assert.match(cut.stderr, /run the same command again to go on/);
    const rest = await site.update('storage.bin');
    assert.equal(rest.status, 0, rest.stderr);
    assert.match(rest.stderr, /^the board is at it already/);
    site.assertUpdated();
    const most = IMAGE_BYTES + MANIFEST_BYTES + WINDOW;
    assert.ok(site.line.pieces <= most, `${site.line.pieces} bytes, at most ${most}`);
  });

  it('goes on when the board was reset', async () => {
    const site = siteOf();
    const first = site.start('storage.bin');
    await passed(site, 120_000, first);
    await site.board.kill();
    const cut = await first.done;
    assert.equal(cut.status, 1, cut.stderr);
    assert.match(
      cut.stderr,
      /The board was reset while the partition "storage" held a mix of the old and the new content/,
    );
    const rest = await site.update('storage.bin');
    assert.equal(rest.status, 0, rest.stderr);
    site.assertUpdated();
    const most = IMAGE_BYTES + 2 * MANIFEST_BYTES + TORN + WINDOW;
    assert.ok(site.line.pieces <= most, `${site.line.pieces} bytes, at most ${most}`);
  });

  it('begins anew when a boot script has put the old content back', async () => {
    const site = siteOf();
    await site.store('.boot0', 'require("ota").recover();Modules.removeCached("ota");');
    try {
      await site.reset();
      const first = site.start('storage.bin');
      await passed(site, 60_000, first);
      await site.board.kill();
      assert.equal((await first.done).status, 1);
      const rest = printed(await site.update('storage.bin', '--json'));
      site.assertUpdated();
      assert.equal(rest.result.changed, CHANGED);
      assert.deepEqual([rest.sent?.image, rest.sent?.again], [IMAGE_BYTES, HASHES]);
    } finally {
      await site.run('require("Storage").erase(".boot0")');
    }
  });
}

function describeStops(siteOf: () => Site): void {
  it('stops by Ctrl-C, says what the board holds, and goes on', async () => {
    const site = siteOf();
    const first = site.start('storage.bin');
    await passed(site, 120_000, first);
    first.child.kill('SIGINT');
    const stopped = await first.done;
    assert.equal(stopped.status, 130, stopped.stderr);
    assert.match(stopped.stderr, /^The partition "storage" holds a mix/m);
    assert.match(
      stopped.stderr,
      /run the same command again to go on.*part-ota restore --port tcp/,
    );
    const rest = await site.update('storage.bin');
    assert.equal(rest.status, 0, rest.stderr);
    site.assertUpdated();
    assert.ok(site.line.pieces <= IMAGE_BYTES + MANIFEST_BYTES + WINDOW);
  });

  it('begins anew after part-ota restore has put the old content back', async () => {
    const site = siteOf();
    const first = site.start('storage.bin');
    await passed(site, 60_000, first);
    first.child.kill('SIGINT');
    assert.equal((await first.done).status, 130);
    const restored = await runPartOta(site.folder, 'restore', '--port', site.port);
    assert.equal(restored.status, 0, restored.stderr);
    site.assertOld();
    const rest = await site.update('storage.bin');
    assert.equal(rest.status, 0, rest.stderr);
    site.assertUpdated();
  });
}

/** Serves an image and its manifest. @returns its URL, and how many bytes of both were sent */
function serveFiles(siteOf: () => Site): { url: () => string; fetched: () => number } {
  let files: FileServer;
  let requests: RequestRecord[];
  beforeEach(async () => {
    requests = [];
    writeFileSync(siteOf().path('storage.bin.ota'), MANIFEST);
    files = await startFileServer({
      directory: siteOf().folder,
      port: 0,
      host: '127.0.0.1',
      // So that there is time to break something.
      rate: 400_000,
      onRequest: (request) => requests.push(request),
    });
  });
  afterEach(async () => {
    await files?.close();
    rmSync(siteOf().path('storage.bin.ota'), { force: true });
  });
  return {
    url: () => `http://127.0.0.1:${files.port}/storage.bin`,
    fetched: () => requests.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** An image that the board fetches itself. */
export function describeUrls(siteOf: () => Site): void {
  const { url, fetched } = serveFiles(siteOf);

  it('lets the board fetch what differs', async () => {
    const site = siteOf();
    const { result, sent, seconds } = printed(await site.update('--url', url(), '--json'));
    site.assertUpdated();
    assert.deepEqual([result.state, result.changed], ['committed', CHANGED]);
    assert.equal(result.fetched, IMAGE_BYTES + MANIFEST_BYTES);
    assert.equal(fetched(), result.fetched);
    assert.equal(sent, undefined);
    console.log(
      `      ${result.fetched} bytes in ${seconds.toFixed(1)} s, ${(result.fetched / seconds / 1000).toFixed(1)} kB/s`,
    );
    const again = await site.update('--url', url());
    assert.match(again.stdout, /^"storage" held this image already/);
  });

  it('leaves the board at it when the cable is pulled, and shows the rest', async () => {
    const site = siteOf();
    const first = site.start('--url', url());
    while (fetched() < 60_000) await new Promise((resolve) => setTimeout(resolve, 5));
    site.line.cut();
    const cut = await first.done;
    assert.equal(cut.status, 1, cut.stderr);
    const rest = await site.update('--url', url());
    assert.equal(rest.status, 0, rest.stderr);
    site.assertUpdated();
  });

  it('goes on when the board was reset', async () => {
    const site = siteOf();
    const first = site.start('--url', url());
    while (fetched() < 60_000) await new Promise((resolve) => setTimeout(resolve, 5));
    await site.board.kill();
    const cut = await first.done;
    assert.equal(cut.status, 1, cut.stderr);
    assert.match(
      cut.stderr,
      /the board restarted.*\nThe board was reset while the partition "storage" held a mix/,
    );
    const before = fetched();
    const { result } = printed(await site.update('--url', url(), '--json'));
    site.assertUpdated();
    assert.ok(before + result.fetched <= IMAGE_BYTES + 2 * MANIFEST_BYTES + TORN + 0x10000);
  });

  it('refuses a manifest for another partition, and an image that is not that of the digest', async () => {
    const site = siteOf();
    const other = makeManifest(NEW, { partition: 'www' });
    writeFileSync(site.path('storage.bin.ota'), other);
    assertRefused(site, await site.update('--url', url()), /E_MANIFEST label: www, not storage/);
    assertRefused(
      site,
      await site.update('--url', url(), '--digest', '0'.repeat(64)),
      /E_MANIFEST digest: 06f519/,
    );
  });

  it('says that there is no such file', async () => {
    const site = siteOf();
    const run = await site.update('--url', `${url()}x`);
    assertRefused(site, run, /E_HTTP .*storage\.binx\.ota: no manifest.* \(status 404/, 1);
  });
}

export function describeRefusals(siteOf: () => Site): void {
  describeWrongImages(siteOf);
  describeWrongMoments(siteOf);
}

function describeWrongImages(siteOf: () => Site): void {
  it('refuses a partition that the board does not have', async () => {
    const site = siteOf();
    const run = await site.update('--partition', 'nowhere', 'storage.bin');
    assertRefused(site, run, /--partition: no partition "nowhere"; there are nvs, otadata,/);
  });

  it('refuses an image that is larger than the partition', async () => {
    const site = siteOf();
    const run = await site.update('--partition', 'ota_journal', 'storage.bin');
    assertRefused(
      site,
      run,
      /storage\.bin: 1,048,576 bytes; the partition "ota_journal" has 16 KiB/,
    );
  });

  it('refuses a manifest beside the image that is for another partition or image', async () => {
    const site = siteOf();
    copyFileSync(site.path('storage.bin'), site.path('other.bin'));
    writeFileSync(site.path('other.bin.ota'), makeManifest(NEW, { partition: 'www' }));
    const label = await site.update('other.bin');
    assertRefused(
      site,
      label,
      /other\.bin\.ota: the image is for the partition "www", not "storage"/,
    );
    writeFileSync(site.path('other.bin.ota'), makeManifest(NEW.subarray(1)));
    const image = await site.update('other.bin');
    assertRefused(site, image, /other\.bin\.ota: is the manifest of another image/);
    assertRefused(
      site,
      await site.update('storage.bin', '--digest', '0'.repeat(64)),
      /storage\.bin: its digest is 06f5/,
    );
  });
}

function describeWrongMoments(siteOf: () => Site): void {
  it('refuses while the board is at another update', async () => {
    const site = siteOf();
    await site.run('global.otaPort={id:"the one for www"}');
    const run = await site.update('storage.bin');
    assertRefused(site, run, /the board is busy with another update, the one for www/);
  });

  it('refuses while the app on the board updates something', async () => {
    const site = siteOf();
    await site.run('global.session=require("ota").begin({partition:"storage"})');
    assertRefused(site, await site.update('storage.bin'), /E_STATE/, 1);
  });

  it('says what is missing on the board', async () => {
    const site = siteOf();
    await site.run('require("Storage").erase("ota-http")');
    const run = await site.update('storage.bin');
    await site.storeModules();
    assertRefused(site, run, /has no module "ota-http"; part-ota upload --http --port tcp/);
  });

  it('refuses what makes no sense', async () => {
    const site = siteOf();
    const cases: [string[], RegExp][] = [
      [[], /name an image, or --url/],
      [['storage.bin', '--url', 'http://a/b'], /an image and --url: name one of them/],
      [['--url', 'ftp://a/b'], /--url: ftp:\/\/a\/b: ftp is not what a board fetches/],
      [['storage.bin', '--trial', '0'], /not a whole number from 1 to 255/],
      [['storage.bin', '--digest', 'abc'], /--digest .*'abc' is invalid\. It is not 64 hex digits/],
      [['--url', 'http://a/b', '--version', '1'], /--version: with --url/],
      [['nothing.bin'], /nothing\.bin: no such file/],
    ];
    for (const [words, what] of cases) assertRefused(site, await site.update(...words), what);
  });
}

/** These write small images: what is tried is what is handed on. */
export function describeOptions(siteOf: () => Site): void {
  const small = Buffer.from(NEW.subarray(0, 5 * SECTOR));

  it('updates on trial, and without a backup', async () => {
    const site = siteOf();
    writeFileSync(site.path('small.bin'), small);
    const trial = await site.update('small.bin', '--trial', '3', '--version', '7');
    assert.equal(trial.status, 0, trial.stderr);
    assert.match(trial.stdout, /on trial: after 3 boots the old content comes back/);
    assert.match(trial.stdout, /version +7\n/);
    assert.equal(await site.run('return require("ota").status().state'), 'trial');
    const pending = await site.update('storage.bin');
    assert.equal(pending.status, 2);
    assert.match(pending.stderr, /E_PENDING storage: on trial; part-ota confirm keeps/);
    await site.run('require("ota").confirm()');
    const direct = printed(await site.update('storage.bin', '--no-backup', '--json'));
    assert.equal(direct.result.state, 'committed');
    site.assertUpdated();
  });

  it('names a backup that does not exist', async () => {
    const site = siteOf();
    const run = await site.update('storage.bin', '--backup', 'nowhere');
    assertRefused(site, run, /E_NO_PARTITION backup: no nowhere/);
  });
}
