/**
 * Memory ends on a board: what `link/` makes of what Espruino prints then, and what the command says. The lines are those of
 * Espruino 2v29 with 1,500 to 3,000 JsVars, in which an update did not fit.
 */
import assert from 'node:assert/strict';
import { wordingOf } from '../../cli/words.ts';
import { makeManifest } from '../../formats/manifest/make.ts';
import { readManifest } from '../../formats/manifest/read.ts';
import { crc32 } from '../../host/hashes.ts';
import { concat, fromBase64, fromLatin1 } from '../../formats/bytes.ts';
import { neededFor } from '../../link/memory.ts';
import { Session } from '../../link/session.ts';
import { BoardUpdate } from '../../link/update.ts';
import { encodeTable, pattern, TABLES } from '../../host/index.ts';
import {
  type Behaviour,
  evaluate,
  type FakeConsole,
  fakePort,
  stubs,
} from '../support/fake-port.ts';

const NO_ROOM =
  'OUT OF MEMORY    at c (:1:30)\r\nE.kickWatchdog(),a(b.read(d,c))\r\n          ^\r\n' +
  'Execution Interrupted\r\nNew interpreter error: LOW_MEMORY,MEMORY\r\n';
const FREE = 412;
const TOTAL = 2300;
/** Without 1,820 JsVars no update over the console begins: the modules take 720, and it refuses with less than 1,100. */
const ENOUGH = 1820;
const SECTOR = 4096;
const image = pattern('new', 3 * SECTOR);
const manifest = makeManifest(image, { partition: 'www' });
/** What answers in place of examples/air-serial.js: it takes lines, and nothing else. */
const SCRIPT = '(function (port) { global.otaPort = port; })({url:"",partition:""});';

/** A board whose `ota-http` does as a test says, and whose memory is told as a test says. */
interface Setup {
  /** What `E.getErrorFlags` returns, once. */
  flags?: string[];
  /** State of the journal. */
  state?: string;
  /** In place of the call; it gets the port, and what prints. */
  update?: (port: Record<string, unknown>, board: FakeConsole) => Promise<unknown>;
  behaviour?: Behaviour;
  /** JsVars that are free until the board has been asked once. */
  before?: number;
}

async function open(setup: Setup): Promise<{ session: Session; board: FakeConsole }> {
  const { port, board } = fakePort(setup.behaviour);
  const files = new Map([
    ['ota', 'here'],
    ['ota-http', 'here'],
  ]);
  const { globals, modules } = stubs(encodeTable(TABLES.example), files);
  let flags: string[] = [];
  Object.assign(board.globals, globals, { global: board.globals });
  const environment = globals.process as { memory: () => object };
  let free = setup.before ?? FREE;
  environment.memory = () => {
    const memory = { free, total: TOTAL };
    free = FREE;
    return memory;
  };
  (globals.E as Record<string, unknown>).getErrorFlags = () => {
    const found = flags;
    flags = setup.flags ?? [];
    return found;
  };
  Object.assign(modules, {
    ota: {
      partitions: () => [{ label: 'www', size: 4 * SECTOR }],
      status: () => ({ state: setup.state ?? 'none' }),
      recover: () => ({ state: setup.state }),
    },
    'ota-http': {
      use: () => undefined,
      update: (options: Record<string, unknown>) =>
        setup.update?.(options, board) ?? new Promise(() => undefined),
    },
  });
  // As where an update begins: what Espruino has seen before is forgotten.
  flags = setup.update ? [] : (setup.flags ?? []);
  return { session: await Session.open(port, { silence: 2000 }), board };
}

const source = {
  name: 'www.bin',
  image,
  manifest,
  digest: readManifest(manifest).digest,
  script: SCRIPT,
};

/** @returns the error by which an update fails, and what the command says of it. */
async function failureOf(setup: Setup): Promise<{ code: string; message: string; exit: number }> {
  const { session } = await open({ before: ENOUGH, ...setup });
  try {
    await new BoardUpdate(session, { source, partition: 'www' }).run();
  } catch (error) {
    const wording = wordingOf(error);
    assert.ok(wording, String(error));
    const { code } = error as { code: string };
    return { code, message: wording.message, exit: wording.exitCode };
  } finally {
    await session.close();
  }
  return assert.fail('it ended well');
}

/** Prints the same line again and again, as a timer on the board does. */
function asking(line: string, board: FakeConsole, times = 20): void {
  if (times) setTimeout(() => (board.send(`${line}\r\n`), asking(line, board, times - 1)), 5);
}

const says =
  (text: string): Behaviour =>
  (line, board) =>
    line.includes('return 7') ? board.send(text) : evaluate(line, board);

describe('Session.run, where memory ends,', () => {
  it('says how much there is, and what to do', async () => {
    const { session } = await open({ behaviour: says(NO_ROOM) });
    await assert.rejects(session.run('return 7'), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'E_MEMORY');
      const { message, exitCode } = wordingOf(error)!;
      assert.match(
        message,
        /^fake: E_MEMORY out of memory: 412 of 2,300 JsVars free; Espruino says "OUT OF MEMORY .*reset\(\)/,
      );
      assert.equal(exitCode, 1);
      return true;
    });
    assert.equal(await session.run('return 8'), 8, 'the session is lost');
  });

  it('takes an error without a code for that, if Espruino has seen it', async () => {
    const script = 'throw new Error("Expecting Number or iterable, got undefined")';
    const failing = await open({ flags: ['MEMORY'] });
    await assert.rejects(failing.session.run(script), (error: Error) => {
      const { message } = wordingOf(error)!;
      assert.match(message, /E_MEMORY out of memory: 412 of 2,300 .*"Expecting Number/);
      return true;
    });
    for (const flags of [[], ['LOW_MEMORY', 'FIFO_FULL']]) {
      const { session } = await open({ flags });
      await assert.rejects(session.run(script), { code: 'E_THROWN' });
    }
  });

  it('takes an error of the module for what it is', async () => {
    const { session } = await open({ flags: ['MEMORY'] });
    const script = 'var e=new Error("E_FLASH www: reads wrong");e.code="E_FLASH";throw e';
    const facts = { code: 'E_FLASH', message: 'E_FLASH www: reads wrong' };
    await assert.rejects(session.run(script), { code: 'E_THROWN', facts });
  });
});

describe('Session, where memory ends,', () => {
  it('says what to do where the module lacks memory', async () => {
    const { session } = await open({});
    const script =
      'var e=new Error("E_MEMORY begin: 1,000 JsVars, limit 1,250");e.code="E_MEMORY";throw e';
    await assert.rejects(session.run(script), (error: Error) => {
      assert.match(
        wordingOf(error)!.message,
        /^E_MEMORY begin: .*limit 1,250; make room: reset\(\)/,
      );
      return true;
    });
  });

  it('says so if the board cannot even tell how much there is', async () => {
    const { session } = await open({
      behaviour: (line, board) =>
        /return 7|process\.memory/.test(line) ? board.send(NO_ROOM) : evaluate(line, board),
    });
    await assert.rejects(session.run('return 7'), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'E_MEMORY');
      assert.match(wordingOf(error)!.message, /^fake: E_MEMORY out of memory; Espruino says "OUT/);
      return true;
    });
  });

  it('says so soon where Espruino hangs then, however long the script may take', async function () {
    this.timeout(60_000);
    const hang = NO_ROOM.slice(0, NO_ROOM.indexOf('Execution'));
    const { session } = await open({
      behaviour: (line, board) => {
        if (line.includes('return 7')) board.send(hang);
        else if (!board.lines.some((other) => other.includes('return 7'))) evaluate(line, board);
      },
    });
    const silence = 600_000;
    await assert.rejects(session.run('return 7', { silence }), { code: 'E_MEMORY' });
  });

  it('is not asked whether it is a board', async () => {
    const { port, board } = fakePort((_, it) => it.send(NO_ROOM));
    void board;
    await assert.rejects(
      Session.open(port, { silence: 300 }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'E_MEMORY');
        assert.doesNotMatch(wordingOf(error)!.message, /is it a board|is this Espruino/);
        return true;
      },
    );
  });
});

describe('part-ota update, where memory would end,', () => {
  it('loads nothing where it would be refused', async () => {
    for (const before of [ENOUGH - 1, 1464, 40]) {
      let isAsked = false;
      const update = () => Promise.resolve((isAsked = true));
      const { code, message, exit } = await failureOf({ before, update });
      assert.equal(code, 'E_MEMORY');
      const free = before.toLocaleString('en-US');
      assert.ok(
        message.includes(`${free} of 2,300 JsVars free, an update needs about 2,260; make`),
      );
      assert.match(message, /\nThe partition "www" holds what it held\.$/);
      assert.equal(exit, 1);
      assert.ok(!isAsked);
    }
  });
});

describe('part-ota update, where memory ends,', () => {
  it('says so where the update is interrupted, and that nothing was written', async () => {
    const { code, message, exit } = await failureOf({
      update: (_, board) => {
        board.send(NO_ROOM);
        throw new Error('interrupted');
      },
    });
    assert.equal(code, 'E_MEMORY');
    assert.match(
      message,
      /out of memory: 412 of 2,300 JsVars free, an update needs about 2,260; .*\nThe partition "www" holds what it held\.$/,
    );
    assert.equal(exit, 1);
  });

  it('says so where a promise is rejected without a code', async () => {
    const thrown = { message: 'Expecting Number or iterable, got undefined' };
    const update = (port: Record<string, unknown>) => {
      setTimeout(() => (port.tell as (what: unknown) => void)(thrown), 5);
      return new Promise(() => undefined);
    };
    const { code, message } = await failureOf({ flags: ['MEMORY'], update });
    assert.equal(code, 'E_MEMORY');
    assert.match(message, /412 of 2,300 JsVars free.*Expecting Number/);
    assert.equal((await failureOf({ flags: [], update })).code, 'E_FAILED');
  });

  it('shows what the module says, and what the partition holds', async () => {
    const thrown = { code: 'E_MEMORY', message: 'E_MEMORY update: 1200 JsVars, limit 1600' };
    const update = (port: Record<string, unknown>) => {
      setTimeout(() => (port.tell as (what: unknown) => void)(thrown), 5);
      return new Promise(() => undefined);
    };
    const { code, message } = await failureOf({ update });
    assert.equal(code, 'E_FAILED');
    assert.match(
      message,
      /^E_MEMORY update: .*limit 1600; make room: reset\(\).*\n.*holds what it held/,
    );
  });

  it('says what to do with a mix', async () => {
    const { message } = await failureOf({
      state: 'interrupted',
      update: (_, board) => {
        board.send(NO_ROOM);
        throw new Error('interrupted');
      },
    });
    assert.match(
      message,
      /\nThe partition "www" holds a mix of the old and the new content, and the board has stopped\. .*part-ota recover --port fake/,
    );
  });
});

describe('part-ota update, where the board asks for the same again and again,', () => {
  /** Asks for some bytes whatever it is sent. */
  const stuckAt = (line: string) => (port: Record<string, unknown>, board: FakeConsole) => {
    port.take = () => undefined;
    asking(line, board);
    return new Promise(() => undefined);
  };

  it('understands an empty range, and does not call it silence', async () => {
    const update = stuckAt('ota? www.bin 4096 4096');
    const { code, message } = await failureOf({ update });
    assert.equal(code, 'E_STUCK');
    assert.match(
      message,
      /^fake: the board has asked 3 times for bytes 4,096 to 4,096 of "www\.bin", which are none: .*out of memory; 412 of 2,300 JsVars are free; .*reset\(\).*\nThe partition "www" holds what it held\.$/,
    );
    const known = await failureOf({ update, flags: ['MEMORY'] });
    assert.equal(known.code, 'E_MEMORY');
    assert.match(known.message, /out of memory: 412 of 2,300 JsVars free, an update needs about/);
  });

  it('understands one that ends before it begins, or behind the image', async () => {
    for (const line of [
      'ota? www.bin 4096 512',
      `ota? www.bin ${image.length} ${image.length + 9}`,
    ])
      assert.equal((await failureOf({ update: stuckAt(line) })).code, 'E_STUCK');
  });

  it('understands that what it sends does not arrive', async () => {
    const { code, message } = await failureOf({
      flags: ['FIFO_FULL'],
      update: stuckAt('ota? www.bin 512 1024'),
    });
    assert.equal(code, 'E_STUCK');
    assert.match(
      message,
      /^fake: the board has asked 16 times for bytes 512 to 1,024 of "www\.bin", and they were sent each time: .*412 of 2,300 JsVars are free; Espruino has seen FIFO_FULL; try another cable/,
    );
  });

  it('goes on where a line only lost a digit, or was asked for some times', async () => {
    const SAME = Array.from({ length: 7 }, () => 'ota? www.bin 512 1024');
    const asked = ['ota? www.bin 512 0', 'ota? www.bin 512 0', ...SAME];
    const taken: number[] = [];
    const update = (port: Record<string, unknown>, board: FakeConsole) => {
      const next = () => {
        const line = asked.shift();
        if (line === undefined) return (port.tell as (what: unknown) => void)(RESULT);
        board.send(`${line}\r\n`);
        if (line.endsWith(' 0')) setTimeout(next, 1);
      };
      port.take = (from: number, text: string, crc: number) => {
        const bytes = fromBase64(text);
        assert.equal(crc, crc32(concat([fromLatin1('www.bin'), bytes])));
        assert.deepEqual([...bytes], [...image.slice(from, from + bytes.length)]);
        taken.push(from);
        setTimeout(next, 1);
      };
      setTimeout(next, 5);
      return new Promise(() => undefined);
    };
    const { session } = await open({ before: ENOUGH, update });
    const { result } = await new BoardUpdate(session, { source, partition: 'www' }).run();
    assert.equal(result.state, 'committed');
    assert.deepEqual(taken, Array(7).fill(512));
  });
});

const RESULT = {
  version: '',
  label: 'www',
  size: image.length,
  digest: source.digest,
  same: false,
  changed: 1,
  copied: 0,
  fetch: SECTOR,
  state: 'committed',
  fetched: SECTOR,
};

it('what an app has loaded is not needed again', () => {
  assert.ok(neededFor('console', ['ota', 'ota-http']) < neededFor('console', ['ota']));
  assert.ok(neededFor('console', ['ota']) < neededFor('console', []));
  assert.equal(neededFor('ota', ['ota-http']), neededFor('ota', []));
});
