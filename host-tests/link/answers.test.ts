/* eslint max-lines-per-function: off -- a suite is a table of cases */
/** What `link/` does with answers that are well-formed and not what a script returns. */
import assert from 'node:assert/strict';
import { fromLatin1 } from '../../formats/bytes.ts';
import { crc32 } from '../../host/hashes.ts';
import { encodeTable, TABLES } from '../../host/index.ts';
import type { Fault } from '../../formats/errors.ts';
import { askBoard } from '../../link/facts.ts';
import { callModule, forgetJournal } from '../../link/module.ts';
import { Session } from '../../link/session.ts';
import { askStatus } from '../../link/status.ts';
import { BoardUpdate } from '../../link/update.ts';
import { planUpload, upload } from '../../link/upload.ts';
import { type Behaviour, evaluate, fakePort, stubs } from '../support/fake-port.ts';

/** What a board sends instead of an answer: kind and JSON of the value. Nothing: the right one. */
type Instead = [kind: '=' | '!' | '>', value: unknown] | undefined;

/** A board that has a table and `ota`. @param insteadOf - gets a script. @param times - how often that is sent */
async function open(insteadOf: (script: string) => Instead, times = 1): Promise<Session> {
  const behaviour: Behaviour = (line, board) => {
    const [, mark, number] = /global\.otaLine=\{n:"(\w+):(\d+)"/.exec(line) ?? [];
    const instead = mark === undefined ? undefined : insteadOf(line);
    if (!instead) return evaluate(line, board);
    const lineOf = (value: unknown) => {
      const answer = `${number}${instead[0]}${JSON.stringify([value])}`;
      return `@${mark}:${crc32(fromLatin1(answer))}:${answer}\r\n`;
    };
    const values = Array.from({ length: times }, (_, i) =>
      times > 1 ? { ...(instead[1] as object), total: i } : instead[1],
    );
    board.send(values.map(lineOf).join(''));
  };
  const { port, board } = fakePort(behaviour);
  const files = new Map([
    ['ota', 'here'],
    ['ota-http', 'here'],
  ]);
  const { globals, modules } = stubs(encodeTable(TABLES.example), files);
  Object.assign(board.globals, globals, { global: {} });
  Object.assign(modules, {
    ota: {
      partitions: () => [{ label: 'www', size: 8192 }],
      status: () => ({ state: 'none' }),
      recover: () => ({ state: 'none' }),
      forget: () => ({ state: 'none' }),
    },
    'ota-http': {},
  });
  return Session.open(port);
}

const KNOWN = { version: '1', ota: [], otaHttp: [] };
const UPLOAD = { http: false, resume: false, boot: false, compact: false };
const SOURCE = { ota: 'ota', otaHttp: '', boot: { version: '1', script: '' } };
const REQUEST = { source: { url: 'http://host/a', digest: undefined }, partition: 'www' };

const ask = (session: Session) => askBoard(session);
const call = (session: Session) => callModule(session, 'recover', () => undefined);
const forget = (session: Session) => forgetJournal(session);
const status = (session: Session) => askStatus(session, KNOWN);
const store = async (session: Session) =>
  upload(session, await planUpload(session, SOURCE, UPLOAD));
const update = (session: Session) => new BoardUpdate(session, REQUEST).run();

const FACTS = {
  env: { BOARD: 'b', VERSION: 'v' },
  memory: { free: 1, total: 1 },
  free: 1,
  stats: null,
  table: 0x8000,
  rows: [],
  headers: [],
  elsewhere: [],
  files: [null, null, null],
  stored: 0,
  isUpdating: false,
};
const isAsk = (script: string) => script.includes('getFree');

describe('an answer of another form is refused as damaged', () => {
  for (const [what, act, isMeant, instead] of [
    ['nothing, to what it is', ask, isAsk, ['=', null]],
    ['text', ask, isAsk, ['=', 'x']],
    ['a place of the table that is text', ask, isAsk, ['=', { ...FACTS, table: '0x8000' }]],
    ['places of tables that are text', ask, isAsk, ['=', { ...FACTS, elsewhere: ['x'] }]],
    ['a count of files that is text', ask, isAsk, ['=', { ...FACTS, stored: '3' }]],
    ['an app that is no base64', ask, (script) => script.includes('read(112,'), ['=', '*']],
    ['rows that are no base64', ask, isAsk, ['=', { ...FACTS, rows: ['*'] }]],
    ['rows of another length', ask, isAsk, ['=', { ...FACTS, rows: ['AAAA'] }]],
    ['a name that is a number', ask, isAsk, ['=', { ...FACTS, env: { BOARD: 1, VERSION: 'v' } }]],
    ['too few files', ask, isAsk, ['=', { ...FACTS, files: [null] }]],
    ['sizes that are text', ask, isAsk, ['=', { ...FACTS, files: [null, null, ['1', 2]] }]],
    ['nothing, for an error', ask, isAsk, ['!', null]],
    ['an error without a message', ask, isAsk, ['!', { code: 'E_STATE' }]],
    ['otadata that is no base64', ask, (script) => script.includes('.map(function(a)'), ['=', '*']],
    ['nothing, for a report', call, (script) => script.includes('o.recover('), ['=', null]],
    ['nothing, for progress', call, (script) => script.includes('o.recover('), ['>', null]],
    [
      'nothing, for what is given up',
      forget,
      (script) => script.includes('o.forget('),
      ['=', null],
    ],
    [
      'one report instead of two',
      forget,
      (script) => script.includes('o.forget('),
      ['=', [{ state: 'none' }]],
    ],
    ['numbers beyond all', ask, isAsk, ['=', { ...FACTS, free: 1e308 }]],
    ['a number below 0', ask, isAsk, ['=', { ...FACTS, free: -1 }]],
    ['a list of a million', ask, isAsk, ['=', { ...FACTS, rows: Array(1e5).fill(FACTS.rows[0]) }]],
    [
      'a text of a million characters',
      ask,
      isAsk,
      ['=', { ...FACTS, env: { BOARD: 'x'.repeat(1e5), VERSION: 'v' } }],
    ],
    ['a prototype', ask, isAsk, ['=', JSON.parse(`{"__proto__":${JSON.stringify(FACTS)}}`)]],
    ['a list, for an object', ask, isAsk, ['=', Object.values(FACTS)]],
    [
      'progress of half a byte',
      call,
      (script) => script.includes('o.recover('),
      ['>', { phase: 'write', done: 0.5, total: 1 }],
    ],
    [
      'progress of more than a chip',
      call,
      (script) => script.includes('o.recover('),
      ['>', { phase: 'write', done: 0, total: 2 ** 40 }],
    ],
    ['nothing, for a plan', status, (script) => script.includes('o.plan('), ['=', null]],
    ['nothing, for a file', store, (script) => script.includes('.read("ota")'), ['=', [1]]],
    ['nothing, for what an update needs', update, (s) => s.includes('missing'), ['=', null]],
    [
      'an app slot without its bytes',
      update,
      (s) => s.includes('missing'),
      [
        '=',
        { fresh: [], labels: [], size: 8192, state: 'none', slot: { label: 'ota_1', head: '' } },
      ],
    ],
    ['no partitions', update, (s) => s.includes('missing'), ['=', { state: 'none' }]],
  ] as [string, (session: Session) => Promise<unknown>, (script: string) => boolean, Instead][])
    it(what, async () => {
      const session = await open((script) => (isMeant(script) ? instead : undefined));
      await assert.rejects(act(session), { name: 'PortError', code: 'E_GARBLED' });
    });

  it('progress without end', async () => {
    const progress: Instead = ['>', { phase: 'write', done: 0, total: 4096 }];
    const session = await open(
      (script) => (script.includes('o.recover(') ? progress : undefined),
      150_000,
    );
    await assert.rejects(call(session), { name: 'PortError', code: 'E_GARBLED' });
  });

  for (const [what, instead] of [
    ['nothing, for the outcome', ['=', null]],
    ['no message', ['=', { code: 'E_HTTP' }]],
    ['nothing, for how far it is', ['>', null]],
  ] as [string, Instead][])
    it(`in an update: ${what}`, async () => {
      const session = await open((script) =>
        script.includes('.then(port.end') ? instead : undefined,
      );
      await assert.rejects(
        update(session),
        (error: Fault<{ E_LOST: { why: { code: string } } }>) => {
          assert.equal(error.code, 'E_LOST');
          assert.equal(error.facts.why.code, 'E_GARBLED');
          return true;
        },
      );
    });
});

it('an error of the network has no code of the module', async () => {
  const session = await open((script) =>
    isAsk(script) ? ['!', { code: -7, message: 'no host' }] : undefined,
  );
  await assert.rejects(askBoard(session), {
    code: 'E_THROWN',
    facts: { message: 'no host' },
  });
});

it('an update that ends before it is joined is over', async () => {
  const running = { fresh: [], labels: [], size: 8192, state: 'updating', running: 'www' };
  const session = await open((script) => (script.includes('missing') ? ['=', running] : undefined));
  await assert.rejects(update(session), { name: 'UpdateError', code: 'E_OVER' });
});
