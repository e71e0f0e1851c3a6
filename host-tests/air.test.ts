/** Updates over the air: what is fetched, and what comes of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { makeManifest } from '../cli/manifest.ts';
import type { AirResult } from '../device/http/api.ts';
import { Board } from '../host/index.ts';
import { WebServer } from './air-server.ts';
import { buildHttp, uploadHttpTo } from './subject.ts';

before(buildHttp);

const image = (name: string) =>
  readFileSync(new URL(`../examples/images/${name}`, import.meta.url));

describe('an update over the air', () => {
  for (const [kind, changed] of [
    ['littlefs', 76],
    ['spiffs', 83],
  ]) {
    it(`fetches the sectors that differ of a ${kind} image`, () => {
      const [old, fresh] = [image(`storage-v1.${kind}.bin`), image(`storage-v2.${kind}.bin`)];
      const manifest = makeManifest(fresh, { partition: 'storage', version: '2' });
      const server = new WebServer();
      server.files.set('/x.bin', fresh);
      server.files.set('/x.bin.ota', manifest);
      const board = new Board({ network: server.network, partitions: { storage: old } });
      uploadHttpTo(board);
      const update = () =>
        board.settle(
          board.run(
            `require('ota-http').update({ url: 'http://host/x.bin', partition: 'storage' })`,
          ),
        ) as AirResult;
      const { state, changed: found } = update();
      assert.deepEqual([state, found], ['committed', changed]);
      assert.equal(server.sent, Number(changed) * 4096 + manifest.length);
      assert.equal(Buffer.compare(board.content('storage'), fresh), 0);
      server.sent = 0;
      assert.equal(update().state, 'untouched');
      assert.equal(server.sent, 324);
    });
  }
});
