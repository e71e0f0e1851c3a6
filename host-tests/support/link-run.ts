/**
 * All that `link/` does, on a board that does as a test says: the same in Node and in a browser, as nothing here needs
 * either.
 */
import type { Progress } from '../../device/api.ts';
import { callModule, forgetJournal } from '../../link/module.ts';
import { Session } from '../../link/session.ts';
import { askStatus } from '../../link/status.ts';
import { BoardUpdate } from '../../link/update.ts';
import { planUpload, upload } from '../../link/upload.ts';
import { fakePort, stubs } from './fake-port.ts';

const SOURCE = {
  ota: 'exports.recover = function () { return "\xff"; };',
  otaHttp: 'exports.update = function () {};',
  boot: { version: '1.2.3', script: "require('ota').recover();\n" },
};
const KNOWN = { version: '1.2.3', ota: [SOURCE.ota], otaHttp: [SOURCE.otaHttp] };
const CHECK = {
  version: '2',
  label: 'www',
  size: 4096,
  digest: '',
  same: false,
  changed: 1,
  copied: 0,
  fetch: 4096,
};
const RESULT = { ...CHECK, state: 'committed', fetched: 4212 };

/** The modules on the board, as far as they are asked. */
const MODULES = {
  ota: {
    partitions: () => [{ label: 'www', size: 8192 }],
    status: () => ({ state: 'none' }),
    plan: () => {
      throw Object.assign(new Error('E_NO_BACKUP'), { code: 'E_NO_BACKUP' });
    },
    recover: ({ onProgress }: { onProgress: (progress: Progress) => void }) => {
      onProgress({ phase: 'restore', done: 4096, total: 4096 });
      return { state: 'restored', partition: 'www' };
    },
    forget: () => ({ state: 'none', sealed: true }),
  },
  'ota-http': {
    update: (options: {
      onPlan: (plan: object) => void;
      onProgress: (progress: Progress) => void;
    }) => {
      // As over a network: not before the script has ended.
      return Promise.resolve().then(() => {
        options.onPlan(CHECK);
        options.onProgress({ phase: 'write', done: 4096, total: 4096 });
        return RESULT;
      });
    },
  },
};

/**
 * Stores files on a board, asks it, makes a call, updates it.
 * @param table - of the board, binary
 * @returns what came of it
 */
export async function runLink(table: Uint8Array) {
  const files = new Map<string, string>();
  const { port, board } = fakePort();
  const { globals, modules } = stubs(table, files);
  Object.assign(board.globals, globals, { global: {} });
  Object.assign(modules, MODULES);
  const session = await Session.open(port);
  const heard: Progress[] = [];
  const hear = (progress: Progress) => void heard.push(progress);
  const options = { http: true, resume: false, boot: true, compact: false };
  await upload(session, await planUpload(session, SOURCE, options));
  const again = await planUpload(session, SOURCE, options);
  const status = await askStatus(session, KNOWN);
  const report = await callModule(session, 'recover', hear);
  const forgotten = await forgetJournal(session);
  const source = { url: 'http://host/www.bin', digest: undefined };
  const update = new BoardUpdate(session, { source, partition: 'www' }, { onProgress: hear });
  const { result } = await update.run();
  await session.close();
  return {
    files: Object.fromEntries(files),
    steps: again.files.map(({ step }) => step),
    status,
    report,
    forgotten,
    heard,
    result,
    rest: update.rest,
  };
}
