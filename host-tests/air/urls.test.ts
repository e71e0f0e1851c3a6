/** URLs as users have them: with queries, passwords, blanks, fragments; and the headers that go with a request. */
import assert from 'node:assert/strict';
import type { UpdateOptions } from '../../device/http/api.ts';
import type { Network } from '../../host/index.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { assertContent, codeOfCall, siteWith } from '../support/air-fixtures.ts';
import { type Fault, WebServer } from '../support/air-server.ts';
import { NEW, OLD } from '../support/fixtures.ts';
import type { OtaHttp } from '../support/subject.ts';

/** A board in a network of two hosts, of which each has the image and its manifest under any path. */
function twoHosts() {
  const [host, other] = [new WebServer(), new WebServer()];
  for (const server of [host, other]) {
    const answer = server.answer.bind(server);
    server.answer = (asked) => {
      const isManifest = asked.path.split('?')[0].endsWith('.ota');
      server.files.set(asked.path.split('?')[0], isManifest ? makeManifest(NEW) : NEW);
      return answer(asked);
    };
  }
  const network: Network = (target, socket) =>
    target.host === 'host'
      ? host.network(target, socket)
      : other.network({ ...target, host: 'host' }, socket);
  const { update, board } = siteWith(NEW, { network });
  return { host, other, board, update };
}

/** @returns each path once that was asked for. */
const pathsOf = ({ asked }: WebServer) => [...new Set(asked.map(({ path }) => path))];
/** @returns each value once that a header had. */
const valuesOf = ({ asked }: WebServer, name: string) => [
  ...new Set(asked.map(({ headers }) => headers[name])),
];
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

/** URL, path of the image, path of the manifest, `Host`. */
const TAKEN: [string, string, string, string?][] = [
  ['http://host/a/i.bin', '/a/i.bin', '/a/i.bin.ota'],
  [
    'http://host/i.bin?token=s3cret&x=/y',
    '/i.bin?token=s3cret&x=/y',
    '/i.bin.ota?token=s3cret&x=/y',
  ],
  ['http://host/i.bin?a?b', '/i.bin?a?b', '/i.bin.ota?a?b'],
  ['http://host/i.bin#part', '/i.bin', '/i.bin.ota'],
  ['http://host/i.bin?a=1#b?c', '/i.bin?a=1', '/i.bin.ota?a=1'],
  ['http://host/my file.bin', '/my%20file.bin', '/my%20file.bin.ota'],
  [
    'http://host/ü€😀.bin',
    '/%C3%BC%E2%82%AC%F0%9F%98%80.bin',
    '/%C3%BC%E2%82%AC%F0%9F%98%80.bin.ota',
  ],
  ['http://host/a%20b%2fc.bin', '/a%20b%2fc.bin', '/a%20b%2fc.bin.ota'],
  ['http://host/a\r\nX: y', '/a%0D%0AX:%20y', '/a%0D%0AX:%20y.ota'],
  ['HTTP://host/i.bin', '/i.bin', '/i.bin.ota'],
  ['Http://host:80/i.bin', '/i.bin', '/i.bin.ota'],
  ['http://host:8080/i.bin', '/i.bin', '/i.bin.ota', 'host:8080'],
  ['http://host:65535/i.bin', '/i.bin', '/i.bin.ota', 'host:65535'],
  ['http://host?id=7', '/?id=7', '/.ota?id=7'],
  ['http://host/a@b:c', '/a@b:c', '/a@b:c.ota'],
  ['http://host/i.bin?mail=a@b', '/i.bin?mail=a@b', '/i.bin.ota?mail=a@b'],
];

const REFUSED = [
  'nonsense',
  'host/i.bin',
  '//host/i.bin',
  'ftp://host/i.bin',
  'file:///i.bin',
  'http:/host/i.bin',
  'http://',
  'http:///i.bin',
  'http://:80/i.bin',
  'http://[::1]/i.bin',
  'http://[::1]:8080/i.bin',
  'http://::1/i.bin',
  'http://host:0/i.bin',
  'http://host:65536/i.bin',
  'http://host:99999999999/i.bin',
  'http://host:http/i.bin',
  'http://host:-1/i.bin',
  'http://user@/i.bin',
  '\u001b[2J\u202e\u009b://host/i.bin',
];

describe('a URL over the air', () => {
  for (const [url, image, manifest, name = 'host'] of TAKEN)
    it(`may be ${JSON.stringify(url)}`, () => {
      const { host, board, update } = twoHosts();
      assert.equal(update({ url }).state, 'committed');
      assertContent(board, NEW);
      assert.deepEqual(pathsOf(host), [manifest, image]);
      assert.deepEqual(valuesOf(host, 'host'), [name]);
      assert.deepEqual(valuesOf(host, 'authorization'), [undefined]);
    });

  for (const url of REFUSED)
    for (const name of ['url', 'manifest'])
      it(`may not be ${JSON.stringify(url)}, as ${name}`, () => {
        const { host, board, update } = twoHosts();
        const options = { url: 'http://host/i.bin', [name]: url };
        assert.throws(
          () => update(options),
          (error: Error & { code: string }) => {
            assert.equal(error.code, 'E_ARGUMENT');
            assert.match(
              error.message,
              new RegExp(`^E_ARGUMENT ${name}: [ -~]*: not http://host:port/path$`),
            );
            return true;
          },
        );
        assert.deepEqual(host.asked, []);
        assertContent(board, OLD);
      });

  it('may have a manifest of its own, and each its own query', () => {
    const { host, other, update } = twoHosts();
    const url = 'http://host/i.bin?sig=1/a';
    const manifest = 'http://other/list.ota?sig=2/b';
    assert.equal(update({ url, manifest }).state, 'committed');
    assert.deepEqual(pathsOf(host), ['/i.bin?sig=1/a']);
    assert.deepEqual(pathsOf(other), ['/list.ota?sig=2/b']);
  });
});

describe('a password over the air', () => {
  for (const [login, decoded] of [
    ['me:secret', 'me:secret'],
    ['me', 'me'],
    ['me:a:b', 'me:a:b'],
    ['me:p%40ss%2Fw%3Ard', 'me:p@ss/w:rd'],
    ['a@b:c', 'a@b:c'],
  ])
    it(`becomes Basic authorization: ${login}`, () => {
      const { host, update } = twoHosts();
      assert.equal(update({ url: `http://${login}@host/i.bin` }).state, 'committed');
      assert.deepEqual(valuesOf(host, 'authorization'), [basic(decoded)]);
      assert.deepEqual(valuesOf(host, 'host'), ['host']);
      assert.deepEqual(pathsOf(host), ['/i.bin.ota', '/i.bin']);
    });

  it('is in no message', () => {
    const { host, update } = twoHosts();
    const told: string[] = [];
    host.fault = (reply) => ({ ...reply, status: 401 });
    const options = {
      url: 'http://me:secret@host/i.bin',
      onRetry: (text: string) => told.push(text),
    };
    assert.throws(
      () => update(options),
      (error: Error) => {
        for (const text of [error.message, ...told]) assert.doesNotMatch(text, /secret|me:/);
        return told.length > 0 && /http:\/\/host\/i\.bin\.ota: .*status 401/.test(error.message);
      },
    );
  });

  for (const url of [
    'http://me:sec/ret@host/i.bin',
    'http://me:sec#ret@host/i.bin',
    'http://me:secret@host:99999/i.bin',
    'ftp://me:secret@host/i.bin',
  ])
    it(`is not in the message that refuses ${url}`, () => {
      const { update } = twoHosts();
      assert.throws(
        () => update({ url }),
        (error: Error) => !/me|sec|ret/.test(error.message.replace(/^E_ARGUMENT url: /, '')),
      );
    });

  it('goes with the manifest that has none', () => {
    const { host, other, update } = twoHosts();
    update({ url: 'http://me:secret@host/i.bin', manifest: 'http://host/x.ota' });
    assert.deepEqual(valuesOf(host, 'authorization'), [basic('me:secret')]);
    assert.deepEqual(other.asked, []);
  });

  it('does not go to the host of another manifest', () => {
    const { host, other, update } = twoHosts();
    update({ url: 'http://me:secret@host/i.bin', manifest: 'http://other/x.ota' });
    assert.deepEqual(valuesOf(host, 'authorization'), [basic('me:secret')]);
    assert.deepEqual(valuesOf(other, 'authorization'), [undefined]);
  });
});

describe('a URL on another engine', () => {
  it('is treated alike, if it is one', () => {
    const { board } = twoHosts();
    const asked: unknown[][] = [];
    const http = board.require<OtaHttp>('ota-http');
    http.use({
      request: (...all: unknown[]) => {
        asked.push([all[0], all[6]]);
        throw new Error('enough');
      },
    });
    for (const url of ['HTTP://me:secret@host/my file.bin#x', 'my file.bin'])
      assert.throws(() => board.settle(http.update({ url, partition: 'storage', retries: 0 })), {
        code: 'E_HTTP',
      });
    assert.deepEqual(asked, [
      ['http://host/my%20file.bin.ota', { Authorization: basic('me:secret') }],
      ['my file.bin.ota', undefined],
    ]);
  });
});

/** Where to, and whether that is another host. */
const REDIRECTS = [
  ['/there.bin', false],
  ['there.bin', false],
  ['//host/there.bin', false],
  ['http://host/there.bin', false],
  ['http://host:81/there.bin', true],
  ['//other/there.bin', true],
  ['http://other/there.bin', true],
  ['http://me:mine@other/there.bin', true],
  ['http://host@other/there.bin', true],
] as const;

const redirect =
  (location: string): Fault =>
  (reply, { path }) =>
    path.startsWith('/there')
      ? undefined
      : { ...reply, status: 302, headers: { Location: location } };

describe('headers over the air', () => {
  const headers = { Authorization: 'Bearer abc', 'X-Api-Key': '42' };
  const withHeaders = (options: Partial<UpdateOptions>) => ({
    url: 'http://host/i.bin',
    headers,
    ...options,
  });

  it('go with every request', () => {
    const { host, other, update } = twoHosts();
    update(withHeaders({ manifest: 'http://other/x.ota' }));
    for (const server of [host, other]) {
      assert.ok(server.asked.length > 0);
      assert.deepEqual(valuesOf(server, 'authorization'), ['Bearer abc']);
      assert.deepEqual(valuesOf(server, 'x-api-key'), ['42']);
      assert.ok(server.asked.every(({ range }) => range));
    }
    assert.deepEqual(headers, { Authorization: 'Bearer abc', 'X-Api-Key': '42' });
  });

  it('and a password go together', () => {
    const { host, update } = twoHosts();
    update(withHeaders({ url: 'http://me:secret@host/i.bin', headers: { 'X-Api-Key': '42' } }));
    assert.deepEqual(valuesOf(host, 'authorization'), [basic('me:secret')]);
    assert.deepEqual(valuesOf(host, 'x-api-key'), ['42']);
  });

  for (const [location, isOther] of REDIRECTS)
    for (const login of ['', 'me:secret@'])
      it(`are ${isOther ? 'not ' : ''}sent after a redirect to ${location}${login && ', nor a password'}`, () => {
        const { host, other, board, update } = twoHosts();
        // Of the image only.
        host.fault = (reply, asked, n) =>
          asked.path.startsWith('/i.bin.ota') ? undefined : redirect(location)(reply, asked, n);
        const options = login ? { url: `http://${login}host/i.bin`, headers: undefined } : {};
        assert.equal(update(withHeaders(options)).state, 'committed');
        assertContent(board, NEW);
        const there = [...host.asked, ...other.asked].filter(({ path }) => path === '/there.bin');
        assert.ok(there.length > 0);
        const wanted = login ? basic('me:secret') : 'Bearer abc';
        for (const { headers, range } of there) {
          assert.equal(headers.authorization, isOther ? undefined : wanted);
          assert.equal(headers['x-api-key'], isOther || login ? undefined : '42');
          assert.ok(range);
        }
        assert.ok(
          host.asked.every(
            ({ path, headers }) => path === '/there.bin' || headers.authorization === wanted,
          ),
        );
      });
});

describe('requests over the air', () => {
  it('ask for the right bytes whatever the headers say', () => {
    const { host, board, update } = twoHosts();
    assert.equal(
      update({ url: 'http://host/i.bin', headers: { Range: 'bytes=1-2' } }).state,
      'committed',
    );
    assert.ok(host.asked.every(({ range }) => range && range.first !== 1));
    assertContent(board, NEW);
  });

  it('are not led to an address that Espruino cannot ask for', () => {
    for (const location of [
      'ftp://host/x',
      'http://[::1]/x',
      'http://host:99999/x',
      'https://:x',
    ]) {
      const { host, board, update } = twoHosts();
      host.fault = redirect(location);
      const code = codeOfCall(() => update({ url: 'http://host/i.bin' }));
      assert.equal(code, 'E_HTTP');
      assertContent(board, OLD);
    }
  });
});
