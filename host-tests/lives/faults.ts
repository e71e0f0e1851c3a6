/**
 * Faults that the protocol has had, each put back by edits of the sources: lives have to find every one. `on` are the events
 * that it takes.
 */
import { basename } from 'node:path';
import { rollup } from 'rollup';
import { blankTypes } from '../blank-types.js';
import { pathOf } from '../support/package.ts';
import { makerOf } from '../support/subject.ts';
import { makerOfHttp } from './air.ts';
import type { EventName } from './draw.ts';
import type { Modules } from './play.ts';
import { modulesOfSubject } from './subject.ts';

export interface Fault {
  name: string;
  on: EventName[];
  /** Whether it is one of `ota-http`. */
  isHttp?: boolean;
  /** The number of the life to begin with; default 0. What few lives find takes minutes otherwise. */
  from?: number;
  /** File, text, and what replaces it. The text has to be in the file exactly once. */
  edits: [file: string, text: string, by: string][];
}

export const FAULTS: Fault[] = [
  {
    name: 'an image with a journal in its last sector is obeyed',
    on: ['forged'],
    edits: [['places', '(area.kind > OTADATA && isForJournal(area))', 'area.kind > OTADATA']],
  },
  {
    name: 'a journal that was given up is not closed when another one opens',
    on: ['ids', 'app-writes', 'tables'],
    edits: [
      ['journal', '  retireOthers(oldHead);\n', ''],
      ['journal', '  if (oldHead) retire(oldHead);\n', ''],
    ],
  },
  {
    name: 'the remedy for damaged content forgets that it counts for nothing',
    on: ['app-writes', 'app-ota'],
    edits: [['places', '{ first: isVoid ? VOID : 0, span: 0 }', '{ first: 0, span: 0 }']],
  },
  {
    name: 'an app OTA takes the journal with it',
    on: ['app-ota'],
    edits: [['places', '(area.kind > OTADATA && isForJournal(area))', '!area.why']],
  },
  {
    name: 'ids do not wrap',
    on: ['ids', 'worn'],
    edits: [['journal', '(found - id) << 16 > 0', 'found > id']],
  },
  {
    name: 'a record that is read wrong once is none, and a missing one is not missed',
    on: ['troubles'],
    edits: [
      [
        'journal',
        'ownRecord(slot, found) || (found !== fill(0, SLOT) && recordAt(slot))',
        'ownRecord(slot, found)',
      ],
      ['journal', '(argument ^ savedCount) & 255 ||', ''],
    ],
  },
  {
    name: 'a dead journal keeps the old content from coming back',
    on: ['worn'],
    edits: [
      [
        'transaction',
        '    if (!(error as { code?: string }).code) throw error;\n',
        '    throw error;\n',
      ],
    ],
  },
  {
    name: 'the app that runs is taken for the passive one where the chip cannot tell',
    on: ['app-ota', 'otadata'],
    edits: [['chip', 'page && isIn(area, page)', 'page ? isIn(area, page) : area === chosen']],
  },
  {
    name: 'a row that begins within a sector touches none more',
    on: ['odd-tables'],
    edits: [['chip', '(((address % SECTOR) + size + SECTOR - 1)', '((size + SECTOR - 1)']],
  },
  {
    name: 'an update goes on where another copy of the module has recovered',
    on: ['copies'],
    edits: [
      [
        'journal',
        '  const wasNone = !decision;\n',
        '  const wasNone = !decision;\n  if (next) return;\n',
      ],
    ],
  },
  {
    name: 'a sector whose hash is wrong is taken',
    on: ['air'],
    isHttp: true,
    edits: [
      [
        'stream',
        'if (hash && (sink ? sink.hash() : hashLike(hash, box[0])) !== hash)',
        'if (hash && !box)',
      ],
    ],
  },
  {
    name: 'an update stays open when the server is given up',
    on: ['air'],
    isHttp: true,
    edits: [['air', '  if (!isResult && isUpdate) putBack(value as HttpError);\n', '']],
  },
  {
    name: 'the old content of an update before does not come back',
    on: ['air'],
    isHttp: true,
    edits: [['air', "if (!keep && report.state === 'interrupted' &&", 'if (!report.state &&']],
  },
  {
    name: 'what was in flight is compared before it is settled',
    on: ['air'],
    isHttp: true,
    edits: [['air', '/^[iud]|', '/^[ud]|']],
  },
  {
    name: 'what a trial has left is compared before the trial is found to be over',
    on: ['air'],
    isHttp: true,
    from: 3100,
    edits: [['air', "else if (state === 'trial')", 'else if (!state)']],
  },
  {
    name: 'a board asks for ever',
    on: ['air'],
    isHttp: true,
    edits: [['stream', 'if (++faults >= (', 'if (++faults < -(']],
  },
];

/** @returns the modules, one of them with a fault. */
export async function planted({ edits, isHttp }: Fault): Promise<Modules> {
  let left = edits.length;
  const plant = {
    name: 'plant',
    async transform(code: string, id: string) {
      for (const [file, text, by] of edits) {
        if (basename(id) !== `${file}.ts`) continue;
        const parts = code.split(text);
        if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${text}`);
        code = parts.join(by);
        left--;
      }
      return { code: await blankTypes(code), map: null };
    },
  };
  const input = pathOf(isHttp ? 'device/http/index.ts' : 'device/index.ts');
  const bundle = await rollup({ input, plugins: [plant], onLog() {} });
  const { output } = await bundle.generate({ format: 'cjs', strict: false, esModule: false });
  await bundle.close();
  if (left) throw new Error('an edit was for no source');
  const [{ code }] = output;
  const modules = modulesOfSubject();
  return isHttp ? { ...modules, http: makerOfHttp(code) } : { ...modules, ota: makerOf(code) };
}
