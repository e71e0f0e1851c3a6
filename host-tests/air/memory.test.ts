/** Too little memory for an update over the air: it says so before anything is written, and where memory ends all the same. */
import assert from 'node:assert/strict';
import type { AirResult, HttpError, UpdateOptions } from '../../device/http/api.ts';
import type { Runtime } from '../../device/runtime.ts';
import { pattern, SECTOR } from '../../host/index.ts';
import { type Site, siteWith, URL_OF_IMAGE } from '../support/air-fixtures.ts';
import { assertHolds, assertIdle, SECTORS } from '../support/fixtures.ts';
import { leave, stay, Trap } from '../support/leave.ts';
import { runtimeOf } from '../support/runtime.ts';
import type { Ota } from '../support/subject.ts';

const OLD = pattern('old', SECTORS * SECTOR);
const NEW = pattern('new', SECTORS * SECTOR);

interface Modules {
  ota: Ota;
  http: { update: (options: UpdateOptions) => Promise<AirResult> };
}

/** @returns a site, its modules, and a trap for the flash of the core. */
function trapped(): Modules & { site: Site; trap: Trap; runtime: Runtime } {
  const site = siteWith(NEW, { partitions: { storage: OLD } });
  const ota = site.board.require<Ota>('ota');
  const trap = new Trap();
  const runtime = runtimeOf(site.board);
  ota.use(trap.on(runtime));
  return { site, trap, ota, runtime, http: site.board.require('ota-http') };
}

const OPTIONS: UpdateOptions = { url: URL_OF_IMAGE, partition: 'storage' };

/** @returns the error that a promise is rejected with, while the board lives on. */
function rejection(site: Site, promise: Promise<AirResult>): HttpError {
  try {
    site.board.settle(promise);
  } catch (error) {
    return error as HttpError;
  }
  throw new Error('not rejected');
}

describe('with too little memory', () => {
  it('update() says so, with both numbers, and writes nothing; check() needs less', () => {
    const { site } = trapped();
    const { board } = site;
    board.run('process.memory = function () { return { free: 700 }; }');
    assertIdle('update()', board, () => {
      const { code, message } = rejection(
        site,
        board.require<Modules['http']>('ota-http').update(OPTIONS),
      );
      assert.equal(code, 'E_MEMORY');
      assert.match(message, /^E_MEMORY ota-http: 700 JsVars free, \d{4} needed$/);
    });
    assert.equal(site.check({ partition: 'storage' }).changed, SECTORS);
  });
});

describe('where memory ends in an update over the air', () => {
  it('in the core: E_MEMORY, the old content is back, and the next update is done', () => {
    // From the first read of the table to the last sector, which the last of some 330 operations belong to.
    for (let n = 1; n < 330; n += 1 + (n >> 2)) {
      const { site, trap, http, ota, runtime } = trapped();
      const promise = http.update(OPTIONS);
      trap.left = n;
      trap.isAfter = n % 2 > 0;
      leave(() => {
        site.board.settle(promise);
        stay();
      });
      const isReached = trap.left <= 0;
      trap.left = Infinity;
      if (!isReached) {
        assert.equal(site.board.settle(promise).state, 'committed');
        continue;
      }
      assert.equal(rejection(site, promise).code, 'E_MEMORY', `operation ${n}`);
      assertHolds(site.board, 'storage', OLD);
      ota.use(runtime);
      assert.equal(site.update().state, 'committed', `operation ${n}`);
      assertHolds(site.board, 'storage', NEW);
    }
  });

  it('in onPlan, which a timer has called: E_MEMORY all the same', () => {
    const { site, http } = trapped();
    const promise = http.update({ ...OPTIONS, onPlan: stay });
    leave(() => site.board.settle(promise));
    assert.equal(rejection(site, promise).code, 'E_MEMORY');
    assertHolds(site.board, 'storage', OLD);
    assert.equal(site.update().state, 'committed');
  });
});
