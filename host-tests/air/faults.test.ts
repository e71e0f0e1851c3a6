/**
 * Everything that a network and a server can do to an update: at every request, at every byte of small responses, one
 * after the other, and with power cuts in between. In the end the partition holds the new image, or it holds the old
 * one and the error tells why. Nothing hangs: the clock is the board's.
 */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { type BoardSnapshot, PowerCut, SECTOR, TEARS } from '../../host/index.ts';
import { type Fault, type Reply, headOf } from '../support/air-server.ts';
import {
  HEAD,
  type Site,
  assertContent,
  changedAt,
  codeOfCall,
  publish,
  siteWith,
} from '../support/air-fixtures.ts';
import { IS_FULL, NEW, OLD, counts as cutCounts, during, random } from '../support/fixtures.ts';
import { SUBJECT, otaOf } from '../support/subject.ts';

/** Whether fewer faults will do: the readable bundle has the code of the other. */
const IS_FEW = SUBJECT === 'ota.js';
/** Updates that were disturbed. */
let faults = 0;
after(() => console.log(`  ${faults} faults of network and server (${SUBJECT})`));

/** Milliseconds that an update of a few sectors may take, with default options, whatever happens. */
const LIMIT = 30 * 60 * 1000;
/** Bytes that Espruino reads at once. */
const CHUNK = 536;
/** Requests that it may make. */
const REQUESTS = 100;

const with_ = (changes: Partial<Reply>) => (reply: Reply) => ({ ...reply, ...changes });
const header =
  (name: string, value: string | number | undefined): Fault =>
  (reply) => {
    const headers = { ...reply.headers };
    if (value === undefined) delete headers[name];
    else headers[name] = value;
    return { ...reply, headers };
  };
const page = Buffer.from(`<html>${'please log in '.repeat(50)}</html>`);
const cutAt =
  (at: (reply: Reply) => number, then: Reply['then'] = 'close'): Fault =>
  (reply) => ({ ...reply, cutAt: at(reply), then });
const sizeOf = (reply: Reply) => headOf(reply).length + reply.body.length;
const chunked =
  (size: number): Fault =>
  (reply) => {
    const headers: Reply['headers'] = { ...reply.headers };
    delete headers['Content-Length'];
    const parts: Buffer[] = [];
    for (let at = 0; at < reply.body.length; at += size) {
      const part = reply.body.subarray(at, at + size);
      parts.push(
        Buffer.from(`${part.length.toString(16)}\r\n`),
        Buffer.from(part),
        Buffer.from('\r\n'),
      );
    }
    const body = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
    return { ...reply, headers: { ...headers, 'Transfer-Encoding': 'chunked' }, body };
  };
const flipped =
  (at: number): Fault =>
  (reply) => {
    const body = Buffer.from(reply.body);
    if (body.length) body[at % body.length] ^= 0x10;
    return { ...reply, body };
  };
const redirect =
  (location: string, status = 302): Fault =>
  (reply, { path }) =>
    path.includes('/there')
      ? reply
      : {
          status,
          headers: { Location: location.replace('*', path), 'Content-Length': 5 },
          body: Buffer.from('moved'),
        };

/** Faults that an update survives however often they come: what they send is right. */
const HARMLESS: Record<string, Fault> = {
  'chunks of 1 byte': chunked(1),
  'chunks of 1000 bytes': chunked(1000),
  'one byte at a time': with_({ pace: { bytes: 1, ms: 1 } }),
  'packets of 7 bytes': with_({ pace: { bytes: 7, ms: 10 } }),
  'no Content-Range total': (reply, asked) =>
    header('Content-Range', `bytes ${asked.range!.first}-${asked.range!.last}/*`)(reply, asked, 0),
  'more than was asked for': (reply) => ({ ...reply, body: Buffer.concat([reply.body, page]) }),
  'headers in lower case': (reply) => ({
    ...reply,
    headers: Object.fromEntries(
      Object.entries(reply.headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
  }),
  'a header that is binary': header('X-\x01\x80', '\xff\x00'),
  'a body that looks like headers': (reply) => reply,
  'another ETag each time': (reply, asked, n) => header('ETag', `"${n}"`)(reply, asked, n),
  'no ETag': header('ETag', undefined),
};

/** Faults that an update survives if they do not come again and again. */
const TRANSIENT: Record<string, Fault> = {
  'closed before anything is sent': cutAt(() => 0),
  'closed in the headers': cutAt(() => 20),
  'closed behind the headers': cutAt((reply) => headOf(reply).length),
  'closed in the body': cutAt((reply) => headOf(reply).length + reply.body.length / 2),
  'closed before the last byte': cutAt((reply) => sizeOf(reply) - 1),
  'silent from the start': cutAt(() => 0, 'stall'),
  'silent in the headers': cutAt(() => 20, 'stall'),
  'silent behind the headers': cutAt((reply) => headOf(reply).length, 'stall'),
  'silent in the body': cutAt((reply) => headOf(reply).length + reply.body.length / 2, 'stall'),
  'silent before the last byte': cutAt((reply) => sizeOf(reply) - 1, 'stall'),
  'a slow loris': with_({ pace: { bytes: 1, ms: 500 } }),
  'status 500': with_({ status: 500 }),
  'status 408': with_({ status: 408 }),
  'status 425': with_({ status: 425 }),
  'status 429': with_({ status: 429 }),
  'status 503 with a page': with_({
    status: 503,
    body: page,
    headers: { 'Content-Length': page.length },
  }),
  'status 429, and when to come back': (reply, asked, n) =>
    header('Retry-After', 60)({ ...reply, status: 429 }, asked, n),
  'status 100': with_({ status: 100 }),
  'a status that is none': with_({ status: NaN }),
  'no Content-Range': header('Content-Range', undefined),
  'a Content-Range that begins elsewhere': header('Content-Range', 'bytes 1-4096/24576'),
  'a Content-Range of another file': (reply, asked, n) =>
    header('Content-Range', `bytes ${asked.range!.first}-${asked.range!.last}/99999`)(
      reply,
      asked,
      n,
    ),
  'a Content-Range that is none': header('Content-Range', 'rows 5'),
  'a page instead of the file': () => ({
    status: 200,
    headers: { 'Content-Length': page.length, 'Content-Type': 'text/html' },
    body: page,
  }),
  'no Content-Length': header('Content-Length', undefined),
  'a Content-Length that is too small': header('Content-Length', 10),
  'a Content-Length that is too large': header('Content-Length', 1e6),
  'a Content-Length that is none': header('Content-Length', 'many'),
  'a body that is too short': (reply) => ({ ...reply, body: reply.body.subarray(0, 100) }),
  'a body that begins later': (reply) => ({ ...reply, body: reply.body.subarray(1) }),
  'a bit that is flipped': flipped(77),
  'zeros instead of the body': (reply) => ({ ...reply, body: Buffer.alloc(reply.body.length) }),
  gzip: (reply) => {
    const body = gzipSync(reply.body);
    const headers = { ...reply.headers, 'Content-Length': body.length, 'Content-Encoding': 'gzip' };
    return { ...reply, headers, body };
  },
  'a redirect to nowhere': redirect('http://nowhere/x'),
  'no HTTP': with_({ status: 0, cutAt: 9 }),
};

/** @returns a fault that comes at some requests only. */
const at =
  (fault: Fault, isAt: (n: number) => boolean): Fault =>
  (reply, asked, n) =>
    isAt(n) ? fault(reply, asked, n) : undefined;

/** A board and a server, which can be put back to the start. */
function setUp(image: Uint8Array = NEW) {
  const site = siteWith(image, { fields: { partition: 'storage' } });
  const { board, server } = site;
  // Every timer that is set and not cleared is known.
  board.install('timers', (globals) => {
    const live = new Set<number>();
    const { setTimeout, clearTimeout } = globals;
    globals.setTimeout = (call, ms) => {
      const id = setTimeout(() => {
        live.delete(id);
        (call as () => void)();
      }, ms);
      live.add(id);
      return id;
    };
    globals.clearTimeout = (id) => {
      live.delete(id!);
      clearTimeout(id);
    };
    return live;
  });
  let start = board.snapshot();
  return {
    ...site,
    save: () => (start = board.snapshot()),
    reset: (snapshot: BoardSnapshot = start) => {
      board.restore(snapshot);
      board.require('timers');
      server.asked = [];
      server.sent = 0;
    },
  };
}

/**
 * Updates with a fault.
 * @returns what came of it: the state, or the code of the error
 */
function disturb(
  site: Site,
  fault: Fault | undefined,
  wanted: Uint8Array = NEW,
  old = OLD,
): string {
  const { board, server } = site;
  const from = board.now;
  let outcome: string;
  faults++;
  server.fault = fault;
  try {
    outcome = site.update().state;
    assertContent(board, wanted, outcome);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (!code?.startsWith('E_')) throw error;
    outcome = code;
    assertContent(board, old, `${code} ${message}`);
    const { state } = otaOf(board).status();
    assert.ok(['none', 'restored', 'committed'].includes(state), `left ${state}`);
  }
  server.fault = undefined;
  assert.ok(board.now - from < LIMIT, `took ${board.now - from} ms`);
  assert.ok(server.asked.length <= REQUESTS, `${server.asked.length} requests`);
  assert.equal(board.require<Set<number>>('timers').size, 0, 'timers are left');
  board.advance(1);
  assert.equal(server.open, 0, 'connections are left');
  assert.deepEqual(board.uncaught, []);
  return outcome;
}

/** @returns a function that makes the site when it is first used: the modules are built by then. */
function setUpLater(image?: Uint8Array) {
  let site: ReturnType<typeof setUp> | undefined;
  return () => (site ??= setUp(image));
}

/** Requests of an undisturbed update to NEW: head, hashes, and three runs of sectors. */
const REQUESTS_OF_NEW = 5;
/** Faults whose answer to the first request is taken for a manifest: they are refused, not survived. */
const REFUSED = /page instead|begins later|flipped|zeros|gzip/;

describe('a fault', () => {
  const site = setUpLater();

  for (const [name, fault] of Object.entries(HARMLESS))
    it(`is harmless: ${name}`, () => {
      site().reset();
      assert.equal(disturb(site(), fault), 'committed');
    });

  for (const [name, fault] of Object.entries(TRANSIENT))
    it(`is survived at any request: ${name}`, () => {
      for (let n = 1; n <= REQUESTS_OF_NEW; n++) {
        site().reset();
        const outcome = during(
          () => `at request ${n}`,
          () =>
            disturb(
              site(),
              at(fault, (at) => at === n),
            ),
        );
        const isRefused = n === 1 && REFUSED.test(name);
        assert.equal(outcome, isRefused ? 'E_MANIFEST' : 'committed', `at request ${n}`);
      }
    });

  for (const [name, fault] of Object.entries(TRANSIENT))
    it(`is given up in the end: ${name}`, () => {
      for (let n = 1; n <= REQUESTS_OF_NEW; n++) {
        site().reset();
        const outcome = during(
          () => `from request ${n} on`,
          () =>
            disturb(
              site(),
              at(fault, (at) => at >= n),
            ),
        );
        // A response of 1 KB, for want of a Content-Length, is cut short but not wrong.
        const isSlow = /no Content-Length|Content-Length that is|closed in the body/.test(name);
        if (isSlow && outcome === 'committed') continue;
        assert.match(outcome, /^(E_HTTP|E_TIMEOUT|E_MANIFEST)$/, `from request ${n} on`);
      }
    });

  for (const status of [304, 400, 401, 403, 404, 410, 416])
    it(`is given up soon: status ${status}`, () => {
      for (let n = 1; n <= REQUESTS_OF_NEW; n++) {
        site().reset();
        const fault = at(with_({ status }), (at) => at >= n);
        assert.equal(disturb(site(), fault), 'E_HTTP');
        // Once more, and once more from the start.
        assert.equal(site().server.asked.length, n + 2);
      }
    });
});

describe('a fault comes', () => {
  const site = setUpLater();

  it('at every byte of every response: the connection is lost', () => {
    // One sector of a page differs: three small responses.
    const wanted = changedAt(OLD, [4]);
    const site = setUp(wanted);
    assert.equal(disturb(site, undefined, wanted), 'committed');
    const replies = site.server.asked.map((asked) => site.server.answer(asked));
    assert.equal(replies.length, 3);
    for (const [i, reply] of replies.entries()) {
      const [head, length] = [headOf(reply).length, sizeOf(reply)];
      for (let bytes = 0; bytes <= length; bytes++) {
        // In the middle of the sector: where Espruino cuts it, and around.
        const isNear =
          bytes < head + 20 || bytes > length - 20 || Math.abs((bytes % CHUNK) - 1) < 2;
        const isSample = isNear ? !IS_FEW || bytes % 5 === 0 : bytes % 31 === 0;
        if (!isSample && !IS_FULL) continue;
        site.reset();
        const fault = at(
          cutAt(() => bytes),
          (n) => n === i + 1,
        );
        during(
          () => `response ${i + 1} ends behind byte ${bytes} of ${length}`,
          () => {
            assert.equal(disturb(site, fault, wanted), 'committed');
            // What has arrived is not fetched again.
            assert.equal(site.server.sent, HEAD + 32 * 6 + SECTOR);
          },
        );
      }
    }
  });

  it('with others, in any order', () => {
    const all = Object.entries({ ...HARMLESS, ...TRANSIENT });
    const outcomes: Record<string, number> = {};
    const runs = IS_FULL ? 5000 : IS_FEW ? 60 : 300;
    for (let seed = 1; seed <= runs; seed++) {
      const next = random(seed);
      const odds = 2 + next(6);
      site().reset();
      const outcome = during(
        () => `seed ${seed}`,
        () =>
          disturb(site(), (reply, asked, n) =>
            next(odds) ? undefined : all[next(all.length)][1](reply, asked, n),
          ),
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
    console.log(`      ${JSON.stringify(outcomes)}`);
    assert.ok(outcomes.committed > runs / 3);
  });
});

describe('a redirect', () => {
  const site = setUpLater();
  const start = () => {
    const { server, reset } = site();
    for (const path of ['/image.bin', '/image.bin.ota'])
      for (const folder of ['/there', '/./there'])
        server.files.set(folder + path, server.files.get(path)!);
    reset();
  };

  for (const location of [
    'http://host/there*',
    'http://host:80/there*?a=b',
    '//host/there*',
    '/there*',
    'there*',
    './there*',
  ])
    it(`is followed to ${location}`, () => {
      for (const status of [301, 302, 303, 307, 308]) {
        start();
        assert.equal(disturb(site(), redirect(location, status)), 'committed');
        assert.equal(site().server.asked.length, 2 * REQUESTS_OF_NEW);
      }
    });

  /** Redirects so many times before it answers. */
  const chain =
    (length: number): Fault =>
    (reply, { path }) => {
      const hops = /^\/(h*)/.exec(path)![1].length;
      if (hops >= length) {
        const asked = site().server.asked.at(-1)!;
        return site().server.answer({ ...asked, path: path.replace(/^\/h*/, '/') });
      }
      return {
        ...reply,
        status: 302,
        headers: { Location: `/h${path.slice(1)}`, 'Content-Length': 0 },
      };
    };

  it('is followed three times', () => {
    start();
    assert.equal(disturb(site(), chain(3)), 'committed');
    assert.equal(site().server.asked.length, 4 * REQUESTS_OF_NEW);
  });

  it('is not followed a fourth time', () => {
    start();
    assert.equal(disturb(site(), chain(4)), 'E_HTTP');
    assert.equal(site().server.asked.length, 3 * 4);
  });

  it('is not followed in a circle', () => {
    start();
    assert.equal(disturb(site(), redirect('http://host*')), 'E_HTTP');
    assert.equal(site().server.asked.length, 3 * 4);
  });

  it('that leads nowhere is an error', () => {
    start();
    assert.equal(disturb(site(), with_({ status: 302, headers: {} })), 'E_HTTP');
  });
});

describe('a server without ranges', () => {
  const site = setUpLater();
  const whole: Fault = (_, { path }) => site().server.answer({ method: 'GET', path, headers: {} });

  it('sends the whole file, once', () => {
    site().reset();
    assert.equal(disturb(site(), whole), 'committed');
    const paths = site().server.asked.map(({ path }) => path);
    assert.deepEqual(paths, ['/image.bin.ota', '/image.bin.ota', '/image.bin']);
  });

  it('may lose the connection anywhere', () => {
    const length = sizeOf(
      whole(undefined!, { method: 'GET', path: '/image.bin', headers: {} }, 1)!,
    );
    for (let bytes = 0; bytes < length; bytes += IS_FULL ? 97 : 1531) {
      site().reset();
      during(
        () => `behind byte ${bytes}`,
        () => {
          const fault: Fault = (reply, asked, n) => {
            const answer = whole(reply, asked, n)!;
            return n === 3 ? { ...answer, cutAt: bytes } : answer;
          };
          assert.equal(disturb(site(), fault), 'committed');
        },
      );
    }
  });

  it('may be found out in the middle', () => {
    for (let n = 1; n <= REQUESTS_OF_NEW; n++) {
      site().reset();
      assert.equal(
        disturb(
          site(),
          at(whole, (at) => at >= n),
        ),
        'committed',
      );
    }
  });
});

describe('a file that changes while it is fetched', () => {
  const other = changedAt(NEW, [0, 2, 4]);
  const fields = { partition: 'storage' };

  /** Publishes something when so many requests have been answered. */
  function change(n: number, publishIt: (site: Site) => void) {
    const site = setUp(NEW);
    let isDone = false;
    const outcome = disturb(
      site,
      (_, asked, at) => {
        if (at > n && !isDone) publishIt(site);
        isDone ||= at > n;
        return site.server.answer(asked);
      },
      other,
    );
    return { outcome, site };
  }

  it('is fetched as it is now, if its manifest has changed, too', () => {
    for (let n = 1; n < REQUESTS_OF_NEW; n++) {
      const { outcome } = during(
        () => `behind request ${n}`,
        () => change(n, ({ server }) => publish(server, other, fields)),
      );
      assert.equal(outcome, 'committed', `behind request ${n}`);
    }
  });

  it('is fetched as it is now, if it is longer or shorter', () => {
    for (const length of [1, 100, 4096, 20_000])
      for (let n = 1; n < REQUESTS_OF_NEW; n++) {
        const site = setUp(NEW);
        const short = other.subarray(0, length);
        const fault: Fault = (_, asked, at) => {
          if (at === n + 1) publish(site.server, short, fields);
          return site.server.answer(asked);
        };
        assert.equal(disturb(site, fault, short), 'committed', `${length} bytes, request ${n}`);
      }
  });

  it('is an error if its manifest has not changed', () => {
    for (let n = 1; n < REQUESTS_OF_NEW - 1; n++) {
      const { outcome, site } = change(n, ({ server }) => server.files.set('/image.bin', other));
      assert.equal(outcome, 'E_HTTP', `behind request ${n}`);
      assert.ok(site.server.asked.length < 20);
    }
  });

  it('is an error if it is gone', () => {
    for (let n = 1; n < REQUESTS_OF_NEW; n++)
      assert.equal(change(n, ({ server }) => server.files.clear()).outcome, 'E_HTTP');
  });

  it('is not taken if it is not what the digest is of', () => {
    const site = setUp(NEW);
    const { digest } = site.check();
    site.reset();
    site.server.fault = (_, asked, n) => {
      if (n === 4) publish(site.server, other, fields);
      return site.server.answer(asked);
    };
    assert.equal(
      codeOfCall(() => site.update({ digest })),
      'E_MANIFEST',
    );
    assertContent(site.board, OLD);
  });
});

describe('a fault and a power cut', () => {
  it('leave the old content or the new one, and the next update fetches only what is missing', () => {
    const site = setUp(NEW);
    const { board, server } = site;
    board.require('timers');
    const { operations } = board.flash.counters;
    site.update();
    const total = board.flash.counters.operations - operations;
    const list = Object.entries(TRANSIENT);
    const runs = IS_FULL ? 4000 : IS_FEW ? 50 : 200;
    for (let seed = 1; seed <= runs; seed++) {
      const next = random(seed);
      const cut = 1 + (seed % total);
      const [name, fault] = list[next(list.length)];
      const request = 1 + next(REQUESTS_OF_NEW);
      const tear = [TEARS.nothing, TEARS.someBits, TEARS.everyBit, TEARS.everything][next(4)];
      const isResumed = next(3) > 0;
      site.reset();
      during(
        () =>
          `${name} at request ${request}, ${tear.name} at operation ${cut}, resume ${isResumed}`,
        () => {
          server.fault = at(fault, (n) => n === request);
          board.flash.cutAt(cut, tear);
          faults++;
          try {
            site.update();
          } catch (error) {
            // An answer that is taken for a manifest may be refused before power fails.
            if (error instanceof PowerCut) cutCounts.cuts++;
            else assert.ok(request === 1 && REFUSED.test(name), String(error));
          }
          board.flash.cutAt(0, tear);
          board.powerOn(next(2) ? 'ones' : 'zeros');
          cutCounts.boots++;
          const { state } = otaOf(board).recover(isResumed ? { resume: true } : undefined);
          if (!isResumed) assertContent(board, state === 'committed' ? NEW : OLD, state);
          board.require('timers');
          server.asked = [];
          server.sent = 0;
          assert.match(disturb(site, undefined), /committed|untouched/);
          assert.ok(server.sent <= HEAD + 32 * 6 + 4 * SECTOR);
        },
      );
    }
  });
});

describe('a fault and a power cut do not make the board', () => {
  it('fetch a sector twice', () => {
    const wanted = changedAt(OLD, [0, 1, 3, 4, 5]);
    const site = setUp(wanted);
    const { board, server } = site;
    const paced = with_({ pace: { bytes: 536, ms: 1 } });
    const sectors = () => Math.floor((server.sent - HEAD - 32 * 6) / SECTOR);
    const before = board.flash.counters.operations;
    site.update();
    const total = board.flash.counters.operations - before;
    let resumed = 0;
    for (let cut = 1; cut <= total; cut++) {
      site.reset();
      server.fault = paced;
      board.flash.cutAt(cut, TEARS.someBits);
      assert.throws(() => site.update(), PowerCut);
      cutCounts.cuts++;
      const fetched = sectors();
      board.powerOn();
      cutCounts.boots++;
      const { state } = otaOf(board).recover({ resume: true });
      // Before the first sector there is nothing to go on with.
      if (state === 'none' || state === 'restored') {
        assert.ok(fetched <= 2);
        continue;
      }
      resumed++;
      board.require('timers');
      server.sent = 0;
      assert.match(disturb(site, paced, wanted), /committed|untouched/);
      // The last sector that was saved is not to be believed, and the next was in memory only.
      assert.ok(
        sectors() + fetched <= 5 + 2,
        `${fetched} sectors, then ${sectors()}, cut at ${cut}`,
      );
    }
    assert.ok(resumed > 10);
  });
});

const TARGET = 'storage';

/** @returns how often each sector of the target was erased since `site` was made. */
const erasesOf = ({ board }: Site) => {
  const { address, size } = board.partition(TARGET);
  return [...board.flash.wear.subarray(address / SECTOR, (address + size) / SECTOR)];
};
const isImage = ({ path }: { path: string }) => !path.endsWith('.ota');
/** Spoils a byte of one sector of the image where `isDue`. */
const spoiled =
  (sector: number, at: number, isDue: () => boolean): Fault =>
  (reply, asked) => {
    const { range } = asked;
    const start = sector * SECTOR + at - (range?.first ?? 0);
    if (!isImage(asked) || start < 0 || start >= reply.body.length || !isDue()) return reply;
    return flipped(start)(reply, asked, 0);
  };

describe('a server that sends something else costs erases, never content:', () => {
  it('a sector that is wrong once is written twice, and the update ends well', () => {
    for (const sector of [0, 1, 4, 5])
      for (const at of [0, 700, 2048, SECTOR - 1]) {
        const site = siteWith(changedAt(OLD, [0, 1, 4, 5]));
        let left = 1;
        site.server.fault = spoiled(sector, at, () => left-- > 0);
        site.board.flash.resetCounters();
        const { state, changed } = site.update();
        assert.deepEqual([state, changed], ['committed', 4], `byte ${at} of sector ${sector}`);
        assertContent(site.board, changedAt(OLD, [0, 1, 4, 5]));
        const wanted = [1, 1, 0, 0, 1, 1];
        wanted[sector]++;
        assert.deepEqual(erasesOf(site), wanted, `byte ${at} of sector ${sector}`);
      }
  });

  it('each sector that is wrong once is written twice', () => {
    const wanted = changedAt(OLD, [0, 1, 2, 3, 4, 5]);
    const site = siteWith(wanted);
    const seen = new Set<number>();
    site.server.fault = (reply, asked, n) => {
      const first = asked.range!.first;
      if (!isImage(asked) || seen.has(first)) return reply;
      seen.add(first);
      return flipped(SECTOR - 1)(reply, asked, n);
    };
    site.board.flash.resetCounters();
    assert.equal(site.update().state, 'committed');
    assertContent(site.board, wanted);
    assert.ok(Math.max(...erasesOf(site)) <= 2, erasesOf(site).join());
  });
});

describe('a server that never sends what it should costs erases, never content:', () => {
  it('a sector that is always wrong is written twice, then the old content comes back with E_HTTP', () => {
    for (const sector of [0, 1, 4, 5])
      for (const at of [0, 2000, SECTOR - 1]) {
        const site = siteWith(changedAt(OLD, [0, 1, 4, 5]));
        site.server.fault = spoiled(sector, at, () => true);
        site.board.flash.resetCounters();
        const name = `byte ${at} of sector ${sector}`;
        assert.equal(
          codeOfCall(() => site.update()),
          'E_HTTP',
          name,
        );
        assertContent(site.board, OLD, name);
        // Twice for the server, once to put the old content back.
        assert.ok(Math.max(...erasesOf(site)) <= 3, `${name}: ${erasesOf(site).join()}`);
        assert.ok(site.server.asked.length < 12, `${site.server.asked.length} requests`);
      }
  });

  it('so does one that sends more and more, less and less, or another image', () => {
    const other = changedAt(OLD, [0, 1, 2, 3, 4, 5], 'other');
    const faulty: Record<string, Fault> = {
      'another image': (reply, asked) =>
        isImage(asked) && asked.range
          ? { ...reply, body: other.subarray(asked.range.first, asked.range.last + 1) }
          : reply,
      'another image, a half of it each time': (reply, asked) =>
        isImage(asked) && asked.range
          ? cutAt((reply) => headOf(reply).length + 3000)(
              { ...reply, body: other.subarray(asked.range.first, asked.range.last + 1) },
              asked,
              0,
            )
          : reply,
      'a page in place of the second half': (reply, asked) =>
        isImage(asked)
          ? { ...reply, body: Buffer.concat([reply.body.subarray(0, 2048), page]) }
          : reply,
    };
    for (const [name, fault] of Object.entries(faulty)) {
      const site = siteWith(changedAt(OLD, [0, 1, 4, 5]));
      site.server.fault = fault;
      site.board.flash.resetCounters();
      const code = codeOfCall(() => site.update());
      assert.equal(code, 'E_HTTP', name);
      assertContent(site.board, OLD, name);
      assert.ok(Math.max(...erasesOf(site)) <= 3, `${name}: ${erasesOf(site).join()}`);
    }
  });
});
