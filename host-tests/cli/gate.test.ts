/** Who may type at the console of `part-ota board`. */
import assert from 'node:assert/strict';
import { Gate } from '../../cli/board/gate.ts';
import { greetingOf, linesOf, scriptOf } from '../../link/protocol.ts';
import { uploadByCli } from '../support/typed-line.ts';

/** Gives a text to a gate in pieces. @returns what was typed, and what it is said to be */
function pass(text: string, length = Infinity): { typed: string; speaks?: string } {
  const gate = new Gate();
  let typed = '';
  for (let at = 0; at < text.length; at += Math.min(length, text.length)) {
    const passed = gate.pass(text.slice(at, at + length));
    if ('speaks' in passed) return { typed, speaks: passed.speaks };
    typed += passed.typed;
  }
  return { typed };
}

const BODY = 'print("run by a web page")\n';
const requestOf = (line: string) =>
  `${line}\r\nHost: 127.0.0.1:2323\r\nContent-Type: text/plain\r\n\r\n\x03\n${BODY}`;

describe('the gate of the console', () => {
  const lines = [
    'GET / HTTP/1.1',
    'POST / HTTP/1.1',
    'OPTIONS /x?y=1 HTTP/1.1',
    'HEAD * HTTP/1.0',
    'BREW /pot HTTP/1.1',
    "M-SEARCH'! * HTTP/1.1",
    'get / http/1.1',
    'GET  /\tHTTP/1.1',
    'CONNECT 127.0.0.1:2323 HTTP/1.1',
    'PRI * HTTP/2.0',
    `GET /${'a'.repeat(100_000)} HTTP/1.1`,
  ];
  const leads = ['', '\r\n\r\n', '\x03', '\x03\n \x10', '\x1b[2H', 'print(1)\n', 'x\x03'];
  for (const line of lines)
    it(`drops ${line.slice(0, 30)}, whatever stands before it, in any pieces`, () => {
      for (const lead of leads)
        for (const length of line.length > 1000 ? [1460, Infinity] : [1, 2, 3, 7, Infinity]) {
          const { typed, speaks } = pass(lead + requestOf(line), length);
          assert.equal(speaks, 'HTTP', JSON.stringify([lead, length]));
          assert.ok(lead.startsWith(typed), JSON.stringify(typed));
        }
    });

  it('drops TLS and STUN at their first bytes', () => {
    for (const length of [1, Infinity]) {
      assert.deepEqual(pass(`\x16\x03\x01\x02\0${BODY}`, length), { typed: '', speaks: 'TLS' });
      const stun = `\0\x03\0\x08\x21\x12\xa4\x42${BODY}`;
      assert.deepEqual(pass(stun, length), { typed: '', speaks: 'STUN' });
    }
  });

  it('drops a line that is no JavaScript and does not end', () => {
    assert.equal(pass(`GET /${'a'.repeat(4 << 20)}`, 65536).speaks, 'no JavaScript');
  });

  it('lets through all that consoles are typed at with, byte for byte', () => {
    const texts = [
      greetingOf('abcd', 1),
      scriptOf('abcd', 2, 'return 1'),
      linesOf(['var x = HTTP', 'GET = 1; HTTP/1']),
      `\x03${uploadByCli('ota', 'x'.repeat(1000), 'print("stored")')}`,
      'var HTTP = require("http")\nGET / 2\nnew Date\nE.reboot()\n1+2\r\n',
      'x = y / HTTP/1.1\n',
      '\x05\x10print("GET / HTTP/1.1")\n',
      'text = `\nhello world\n`\n',
      '\x1b[A\x1b[2H1\n',
    ];
    for (const text of texts)
      for (const length of [1, 2, 5, 64, Infinity])
        assert.deepEqual(pass(text, length), { typed: text }, JSON.stringify([text, length]));
  });

  it('does not hold back a key that stops what runs', () => {
    assert.deepEqual(pass('\x03'), { typed: '\x03' });
    assert.deepEqual(pass('print(\x03'), { typed: 'print(\x03' });
    assert.deepEqual(pass('throw 1;\x03'), { typed: 'throw 1;\x03' });
    assert.deepEqual(pass('word\n'), { typed: 'word\n' });
  });
});
