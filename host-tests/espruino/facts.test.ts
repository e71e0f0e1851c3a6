/**
 * What our documents and comments state about Espruino, tried in Espruino.
 *
 * Each statement is quoted from where it is made, so that it is corrected here when it is there, and the other way round.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Interpreter } from './interpreter.ts';

const command = process.env.ESPRUINO;

interface Statement {
  file: string;
  says: string;
}

/** An expression of ES5, and what it is there. An error is its message. */
interface Fact extends Statement {
  script: string;
  is: unknown;
}

const CALL = (body: string) => `(function () { ${body} })()`;

const FACTS: Fact[] = [
  {
    file: 'ARCHITECTURE.md',
    says: 'Espruino hoists neither functions nor variables',
    script: CALL('return typeof later; function later() {}'),
    is: 'undefined',
  },
  {
    file: 'ARCHITECTURE.md',
    says: 'Espruino hoists neither functions nor variables',
    script: CALL('if (0) { var there = 1; } return there;'),
    is: '"there" is not defined',
  },
  {
    file: 'minify.js',
    says: 'where one ends a function that is not reached, Espruino looks for a value behind it',
    script: CALL('if (0) return'),
    is: 'Unexpected end of Input',
  },
  {
    file: 'ARCHITECTURE.md',
    says: 'Espruino has no async functions',
    script: 'eval("async function f() {}")',
    is: '"async" is not defined',
  },
  {
    file: 'ARCHITECTURE.md',
    says: '`E.CRC32` takes one piece of memory and no start value',
    script: 'E.CRC32("6789", E.CRC32("12345")) === E.CRC32("6789")',
    is: true,
  },
  {
    file: 'CONTRIBUTING.md',
    says: 'Espruino has none',
    script: 'eval("a: for (;;) { break a; }")',
    is: '"a" is not defined',
  },
  {
    file: 'CONTRIBUTING.md',
    says: 'Espruino refuses it',
    script: 'eval("switch (2) { default: 1; break; case 2: 3; }")',
    is: 'CASE after DEFAULT unsupported',
  },
  {
    file: 'CONTRIBUTING.md',
    says: '`Map`, `Symbol`, `Object.freeze`, `Math.imul`, `array.length =`',
    script: '[typeof Map, typeof Symbol, typeof Object.freeze, typeof Math.imul].join()',
    is: 'undefined,undefined,undefined,undefined',
  },
  {
    file: 'CONTRIBUTING.md',
    says: '`array.length =`',
    script: CALL('var list = [1, 2]; list.length = 0;'),
    is: 'Assignment to a constant',
  },
  {
    file: 'device/journal.ts',
    says: "may still be a float, which Espruino's Flash refuses to erase",
    script: 'require("Flash").erasePage(8192 / 4096 * 4096)',
    is: 'Address should be an integer, got Number',
  },
  {
    file: 'device/runtime.ts',
    says: 'alone, an array and its string would share their memory',
    script: CALL('var a = new Uint8Array([65]); var s = E.toString(a); a[0] = 66; return s;'),
    is: 'B',
  },
  {
    file: 'device/runtime.ts',
    says: 'alone, an array and its string would share their memory',
    script: CALL('var a = new Uint8Array([65]); var s = E.toString([a]); a[0] = 66; return s;'),
    is: 'A',
  },
  {
    file: 'README.md',
    says: 'It takes 13 KB of Storage',
    script:
      'var s = require("Storage"), free = s.getFree(); s.write("ota", require("fs").readFileSync("ota.min.js"));' +
      ' Math.round((free - s.getFree()) / 1000)',
    is: 13,
  },
  {
    file: 'bench/README.md',
    says: 'the erases of 64 KiB that ESP-IDF offers and Espruino does not',
    script: 'Object.getOwnPropertyNames(require("Flash")).sort().join()',
    is: 'erasePage,getFree,getPage,read,write',
  },
];

/** What takes more than an expression: tests below. */
const MORE: Statement[] = [
  { file: 'README.md', says: 'Espruino checks no certificates' },
  { file: 'docs/ota-http.md', says: 'Espruino checks no certificates' },
  { file: 'README.md', says: 'if power fails in that, Espruino may erase all of it' },
  { file: 'cli/words/link.ts', says: 'Espruino may erase all of Storage at the next boot' },
];

/** Where Storage begins in an Espruino for Linux. */
const STORAGE = 0x10000000;

/** @returns a value in DER. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag, 0x82, body.length >> 8, body.length & 255), body]);
}

/** @returns a certificate that no client should take: signed by itself, for "nobody", and out of date since 2001. */
function makeCertificate(): ServerOptions {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const sha256WithRsa = Buffer.from('300d06092a864886f70d01010b0500', 'hex');
  const commonName = Buffer.from('0603550403', 'hex');
  const name = der(0x30, der(0x31, der(0x30, commonName, der(0x0c, Buffer.from('nobody')))));
  const date = (text: string) => der(0x17, Buffer.from(text));
  const validity = der(0x30, date('000101000000Z'), date('010101000000Z'));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const content = der(0x30, Buffer.of(2, 1, 1), sha256WithRsa, name, validity, name, spki);
  const signature = der(0x03, Buffer.of(0), sign('sha256', content, privateKey));
  const text = der(0x30, content, sha256WithRsa, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`,
  };
}

/** What a server may put before a body of 5000 bytes, and what arrives of that. */
const HEADS: [head: string, least: number, most: number][] = [
  ['', 900, 1100],
  ['Content-Length: 5000\r\n', 5000, 5000],
  ['content-length: 5000\r\n', 5000, 5000],
  ['Transfer-Encoding: chunked\r\n', 5000, 5000],
  // Lost on the way.
  ['Content-Length: 6000\r\n', 5000, 5000],
];

let interpreter: Interpreter;

describe('what we say of Espruino', () => {
  before(function () {
    if (!command) {
      console.log('    skipped: ESPRUINO does not name an interpreter');
      this.skip();
    }
    interpreter = new Interpreter(command, new Uint8Array(0));
  });
  after(() => interpreter?.remove());

  it('is what it does', async () => {
    const script = FACTS.map(
      ({ script }, n) =>
        `try { found[${n}] = eval(${JSON.stringify(script)}); } catch (e) { found[${n}] = e.message; }`,
    ).join('\n');
    const found = (await interpreter.evaluate(`var found = [];\n${script}\nreport(found);`)) as [];
    FACTS.forEach(({ is, says, script: text }, n) =>
      assert.equal(found[n] ?? undefined, is, `${says}: ${text}`),
    );
  });

  it('is said where it is said to be', () => {
    for (const { file, says } of [...FACTS, ...MORE]) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
      assert.ok(text.replace(/\n \* /g, ' ').includes(says), `${file}: ${says}`);
    }
  });

  describeHttp();
  describeStorage();
});

function describeHttp(): void {
  it('in HTTP: a length is needed, its absence is not told, nor is a lost connection', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', (request) => {
        const n = Number(/GET \/(\d)/.exec(request.toString())![1]);
        const body = 'x'.repeat(5000);
        const [head] = HEADS[n];
        socket.end(
          `HTTP/1.1 206 Partial Content\r\n${head}\r\n${head.includes('chunked') ? `1388\r\n${body}\r\n0\r\n\r\n` : body}`,
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const found = (await interpreter.evaluate(`
      var found = [];
      function ask(n) {
        if (n === ${HEADS.length}) return report(found);
        var bytes = 0, events = [];
        require('http').get('http://127.0.0.1:${port}/' + n, function (response) {
          events.push(typeof response.statusCode);
          response.on('data', function (data) { bytes += data.length; });
          response.on('error', function () { events.push('error'); });
          response.on('end', function () { events.push('end'); });
          response.on('close', function (isError) {
            found.push([bytes, events.join() + ',' + isError]);
            ask(n + 1);
          });
        });
      }
      ask(0);`)) as [number, string][];
    server.close();
    HEADS.forEach(([head, least, most], n) => {
      const [bytes, events] = found[n];
      assert.ok(bytes >= least && bytes <= most, `${head}: ${bytes} bytes`);
      assert.equal(events, 'string,end,false', head);
    });
  });

  it('in HTTPS: any certificate is taken', async () => {
    const server = createSecureServer(makeCertificate(), (_, response) => response.end('content'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const address = `https://127.0.0.1:${port}/`;
    await assert.rejects(fetch(address), 'node takes it');
    const found = await interpreter.evaluate(`
      require('http').get('${address}', function (response) {
        response.on('data', function (data) { report(data); });
      }).on('error', report);`);
    server.close();
    assert.equal(found, 'content');
  });
}

function describeStorage(): void {
  it('of Storage: without its first page, as a power cut in compact() may leave it, all is erased', async function () {
    const page = await interpreter.evaluate(`report(require('Flash').getPage(${STORAGE}));`);
    if (!page) {
      console.log('      ▸ skipped: this Espruino has its Storage elsewhere');
      return this.skip();
    }
    const write = `
      var s = require('Storage');
      s.eraseAll();
      ['one', 'two', 'three'].forEach(function (name) { s.write(name, name.repeat(1000)); });`;
    const list = `report(require('Storage').list().sort().join());`;
    await interpreter.evaluate(`${write} report(0);`);
    assert.equal(await interpreter.evaluate(list), 'one,three,two');
    // compact() erases a page, and writes it anew from memory.
    await interpreter.evaluate(`require('Flash').erasePage(${STORAGE}); report(0);`);
    assert.equal(await interpreter.evaluate(list), '');
  });
}
