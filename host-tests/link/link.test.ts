/** `link/` over a port that is nothing but calls: no Node, no TCP, no serial port. */
import assert from 'node:assert/strict';
import { encodeTable, TABLES } from '../../host/index.ts';
import { runLink } from '../support/link-run.ts';

describe('link, over a port that is nothing but calls,', () => {
  let ran: Awaited<ReturnType<typeof runLink>>;

  before(async () => {
    ran = await runLink(encodeTable(TABLES.example));
  });

  it('stores files, and knows them again', () => {
    const { files, steps, status } = ran;
    assert.deepEqual(Object.keys(files), ['ota', 'ota-http', '.boot0']);
    assert.equal(files.ota, 'exports.recover = function () { return "\xff"; };');
    assert.match(files['.boot0'], /^\/\/part-ota 1\.2\.3 begin\nrequire\('ota'\)\.recover\(\);\n/);
    assert.deepEqual(steps, ['kept', 'kept', 'kept']);
    assert.equal(status.files.ota?.version, '1.2.3');
    assert.equal(status.files.otaHttp?.version, '1.2.3');
    assert.deepEqual(
      [status.files.boot0?.recovers, status.files.boot0?.resume, status.files.boot0?.version],
      [true, false, '1.2.3'],
    );
  });

  it('tells the partitions, and what the module says of them', () => {
    const { status } = ran;
    assert.deepEqual(
      status.partitions.map(({ label }) => label),
      TABLES.example.map(({ label }) => label),
    );
    assert.equal(status.port, 'fake');
    assert.deepEqual(status.update, { state: 'none' });
    assert.ok(status.plans.length > 0);
    assert.deepEqual(status.plans[0].plan, { code: 'E_NO_BACKUP', message: 'E_NO_BACKUP' });
  });

  it('calls the module, and updates a partition', () => {
    assert.deepEqual(ran.report, { state: 'restored', partition: 'www' });
    assert.deepEqual(ran.forgotten, {
      before: { state: 'none' },
      report: { state: 'none', sealed: true },
    });
    assert.equal(ran.result.state, 'committed');
    assert.deepEqual(
      ran.heard.map(({ phase }) => phase),
      ['restore', 'write'],
    );
    assert.deepEqual(ran.rest, {
      port: 'fake',
      partition: 'www',
      holds: 'mixed',
      by: 'url',
      hasBackup: true,
      written: { phase: 'write', done: 4096, total: 4096 },
    });
  });
});
