/* eslint max-lines-per-function: off -- a suite is a table of cases */
/** What scripts of a simulated board can do to the machine: nothing. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningBoard, startBoard } from '../../cli/board/running.ts';
import { newsOf } from '../../cli/board/inside/messages.ts';
import { Line } from '../support/typed-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'cell-test-'));
const pwned = join(folder, 'pwned');

/** Ways to a function that makes functions elsewhere, or to an object from there: each is an expression. */
const WAYS: Record<string, string> = {
  'the constructor of a function': '(function(){}).constructor',
  'that of a function of Espruino': 'require.constructor',
  'that of what prints': 'print.constructor',
  'that of the globals': 'this.constructor.constructor',
  'that of a library': 'require("Flash").read.constructor',
  'that of an async function': '(async function(){}).constructor',
  'that of a generator': '(function*(){}).constructor',
  'that of an arrow function in a class': '(class { static f = () => 1 }).f.constructor',
  'what a failing library throws':
    '(function(){try{require("Flash").read(-1,-1)}catch(e){return e}try{require("no")}catch(e){return e}})().constructor.constructor',
  'what is thrown when the stack ends':
    '(function(){function f(){print.call(null,{toString:f});f()}try{f()}catch(e){return e.constructor.constructor}})()',
  'what import() is rejected with':
    '(globalThis.rejected&&rejected.constructor.constructor||function(){return function(){throw 1}})',
  'frames of the stack':
    '(function(){var o=Error.prepareStackTrace;Error.prepareStackTrace=function(e,s){return s};' +
    'try{var s=new Error().stack;return s[0].constructor.constructor}finally{Error.prepareStackTrace=o}})()',
  'what frames of the stack run':
    '(function(){var o=Error.prepareStackTrace;Error.prepareStackTrace=function(e,s){return s};try{var s=new Error().stack;' +
    'for(var i=0;i<s.length;i++){var f=s[i].getFunction();if(f){try{if(f.caller)f=f.caller}catch(e){}}' +
    'if(f&&f.constructor("return typeof process")()=="object")return f.constructor}' +
    'return s.constructor.constructor}finally{Error.prepareStackTrace=o}})()',
  'a trap of a proxy':
    '(function(){var c;var P=Function("return Proxy")(),p=new P(function(){},{get:function(t,k,r){c=c||(r&&r.constructor);return t[k]},' +
    'apply:function(t,s,a){c=a.constructor.constructor;return ""}});try{print(p);setTimeout(p,0);E.on("init",p)}catch(e){c=e.constructor.constructor}return c||Function})()',
  'a getter that the simulation reads':
    '(function(){var c;Object.defineProperty(Object.prototype,"isTls",{configurable:true,get:function(){c=this.constructor.constructor}});' +
    'try{require("http").get("http://127.0.0.1:1/",function(){})}catch(e){}delete Object.prototype.isTls;return c||Function})()',
};

/** What is done from there. `process` is what the way leads to. Each is true if it was possible. */
const CRIMES: Record<string, string> = {
  'get at process': 'typeof process=="object"&&!!process.versions',
  'write a file': `(process.getBuiltinModule("fs").writeFileSync(${JSON.stringify(pwned)},"x"),true)`,
  'read a file': '!!process.binding("fs").readFileUtf8("/etc/passwd",0)',
  'start a process': '!!process.binding("spawn_sync").spawn({file:"/bin/true",args:["true"]})',
  'get at modules': '!!process.mainModule.require("fs")',
};

describe('scripts of a simulated board', () => {
  let board: RunningBoard;
  let line: Line;
  const events: string[] = [];

  before(async () => {
    board = await startBoard({
      engine: 'simulated',
      port: 0,
      flash: join(folder, 'flash.bin'),
      onEvent: (event, detail) => events.push([event, detail].filter(Boolean).join(' ')),
    });
    line = await Line.open(board.port);
    await line.ask(
      'import("node:fs").then(function(m){print("GOT IT");globalThis.fs=m},function(e){globalThis.rejected=e})',
    );
  });
  after(async () => {
    line.close();
    await board.close();
    rmSync(folder, { recursive: true });
  });

  for (const [way, expression] of Object.entries(WAYS))
    it(`cannot get out by ${way}`, async () => {
      for (const [crime, what] of Object.entries(CRIMES)) {
        const body = JSON.stringify(`return ${what}`);
        const script = `try{print("result",(${expression})(${body})())}catch(e){print("result",String(e))}`;
        const heard = await line.ask(script);
        // An async function answers by a promise, which print shows as an object.
        assert.match(heard, /result/, `${crime}: ${heard}`);
        assert.doesNotMatch(heard, /result true/, crime);
      }
      assert.equal(existsSync(pwned), false);
    });

  it('have nothing of Node around them', async () => {
    const names =
      'process.versions,typeof globalThis.Worker,typeof Function("return typeof Buffer==\\"undefined\\"?0:Buffer.poolSize")(),' +
      'Function("return typeof WebAssembly+typeof SharedArrayBuffer+typeof Atomics+typeof setImmediate+typeof fetch+typeof structuredClone")()';
    const found = await line.ask(`print([${names}].join())`);
    assert.equal(found, `,undefined,undefined,${'undefined'.repeat(6)}`);
    assert.match(await line.ask('print(String(globalThis.rejected))'), /dynamic import/i);
    assert.equal(await line.ask('print(typeof globalThis.fs)'), 'undefined');
  });

  it('cannot open a connection but by the network of the board', async () => {
    let count = 0;
    const server = createServer((socket) => {
      count++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    for (const way of Object.values(WAYS))
      await line.ask(
        `try{(${way})("return process.getBuiltinModule('net').connect(${port})")()}catch(e){}` +
          `try{(${way})("return fetch('http://127.0.0.1:${port}/')")()}catch(e){}print(1)`,
      );
    assert.equal(count, 0);
    server.close();
  });

  it('are ended by Ctrl-C if they never end, which is a power cut', async () => {
    await line.ask('require("Storage").write("kept","yes")');
    events.length = 0;
    line.type('\x10for(;;);\n\x03');
    await line.until('simulated board');
    assert.deepEqual(events, ['ended a script that does not end was interrupted', 'boot']);
    assert.equal(await line.ask('print(require("Storage").read("kept"))'), 'yes');
  });

  it('cannot take all memory', async () => {
    events.length = 0;
    line.type('\x10a=[];for(;;)a.push(new Uint8Array(1<<24).fill(1))\n');
    await line.until('simulated board');
    line.type('\x10a=[];for(;;)a.push({},{},{},[a.length])\n');
    await line.until('simulated board');
    assert.equal(events.filter((event) => event === 'boot').length, 2, events.join('\n'));
    assert.equal(await line.ask('print(1+1)'), '2');
  });

  it('that spoil what the simulation is made of cost a boot, and nothing else', async () => {
    events.length = 0;
    line.type('\x10JSON.parse=function(){throw 1};JSON.stringify=function(){return "{}"}\n');
    await line.until('simulated board');
    assert.equal(events.at(-1), 'boot');
    assert.equal(await line.ask('print(1+1)'), '2');
  });

  it('are not run for a web page', async () => {
    events.length = 0;
    const body = '\x03\nprint("run by a web page")\n'.repeat(100);
    for (const method of ['POST', 'PUT', 'BREW']) {
      const options = { host: '127.0.0.1', port: board.port, method: method as 'POST' };
      await new Promise<void>((resolve) => {
        const socket = request(options).on('error', () => resolve());
        socket.on('close', () => resolve()).end(body);
      });
    }
    assert.doesNotMatch(await line.ask('print("own")'), /web page/);
    assert.equal(events.filter((event) => /^drop .* it speaks HTTP$/.test(event)).length, 3);
  });
});

describe('what a cell tells', () => {
  const right = [
    { print: 'x\xff' },
    { event: 'boot' },
    { event: 'ended', detail: 'why' },
    { sector: 0, bytes: '\xff'.repeat(4096) },
    { file: '.boot0', content: null },
    { net: 1, host: 'h', port: 80, isTls: false },
    { net: 1, bytes: 'x' },
    { net: 1 },
    { failed: 'x' },
    { done: true },
  ];
  for (const news of right)
    it(`is taken: ${JSON.stringify(news).slice(0, 60)}`, () => {
      assert.deepEqual(newsOf(JSON.stringify(news)), news);
    });

  const wrong = [
    '',
    'x',
    'null',
    '[]',
    '{}',
    '{"print":1}',
    '{"print":"\u20ac"}',
    '{"print":"x","done":true}',
    '{"event":"connect"}',
    `{"event":"ended","detail":"${'x'.repeat(1001)}"}`,
    '{"sector":-1,"bytes":""}',
    '{"sector":0,"bytes":"x"}',
    `{"sector":1e308,"bytes":"${'x'.repeat(4096)}"}`,
    `{"file":"${'x'.repeat(29)}","content":""}`,
    '{"file":"x","content":1}',
    '{"net":1,"host":"h","port":65536,"isTls":false}',
    '{"net":1,"host":{"path":"/run/docker.sock"},"port":1,"isTls":false}',
    '{"net":1e9999}',
    '{"__proto__":{"done":true}}',
    '{"done":1}',
  ];
  for (const line of wrong)
    it(`makes no sense: ${line.slice(0, 60)}`, () => {
      assert.equal(newsOf(line), undefined);
    });
});

it('a file of Storage that the command has not written is refused', async () => {
  const own = mkdtempSync(join(tmpdir(), 'cell-test-'));
  const flash = join(own, 'flash.bin');
  await (await startBoard({ engine: 'simulated', port: 0, flash })).close();
  assert.ok(readFileSync(flash).length);
  for (const text of ['x', '[]', 'null', '{"a":1}', '{"a":"\u20ac"}']) {
    writeFileSync(`${flash}.storage.json`, text);
    await assert.rejects(
      startBoard({ engine: 'simulated', port: 0, flash }),
      /storage\.json: not what/,
    );
  }
  rmSync(own, { recursive: true });
});
