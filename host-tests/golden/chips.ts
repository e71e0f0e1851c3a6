/**
 * What every reader has to find on the golden chips: see index.ts.
 */
import type { Report } from '../../device/api.ts';

/** A journal, as its BEGIN has it; addresses and sizes in bytes. */
export interface GoldenJournal {
  /** The area of the journal. */
  address: number;
  size: number;
  id: number;
  /** Labels. */
  target: string;
  /** Missing in a direct update. */
  backup?: string;
  /**
   * The slots up to the end of the log, each in words: `zero`, `torn`, or the record and its argument. After SAVED the sector of
   * the target, and the one that holds its old content, or `blank` or `not kept`; sectors in hex.
   */
  slots: string[];
}

/** A chip. */
export interface GoldenChip {
  /** For `readGolden`. */
  file: string;
  /** What happened to it. */
  about: string;
  /** What `status` reports, and after it `recover`. */
  status: Report;
  recover: Report;
  /** What `www` holds, as it is and after `recover`: sectors, `?` if only a part of it is a letter. */
  holds: string;
  recovered: string;
  /** The journal that counts, if there is one. */
  journal?: GoldenJournal;
}

const OLD = 'AB.DEF';
const NEW = 'a.cDef';

const JOURNAL = { address: 0x41000, size: 0x1000, id: 1, target: 'www', backup: 'ota_1' };
const THREE = ['SAVED 30 20', 'SAVED 31 21', 'SAVED 32 blank'];
const ALL = [...THREE, 'SAVED 34 22', 'SAVED 35 23'];
const RESTORED: Report = { state: 'restored', partition: 'www', sealed: true };
const COMMITTED: Report = { state: 'committed', partition: 'www', sealed: true };

export const CHIPS: GoldenChip[] = [
  {
    file: 'chips/none',
    about: 'There was no update.',
    status: { state: 'none', saved: 0 },
    recover: { state: 'none' },
    holds: OLD,
    recovered: OLD,
  },
  {
    file: 'chips/begun',
    about: 'Power failed between BEGIN and its SOLID. Nothing was written yet.',
    status: { state: 'none', saved: 0 },
    recover: { state: 'none' },
    holds: OLD,
    recovered: OLD,
  },
  {
    file: 'chips/open',
    about: 'Power failed between two operations, when three sectors were written.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'a.cDEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/torn-record',
    about: 'Power failed in the second SAVED: half of it was programmed.',
    status: { state: 'interrupted', partition: 'www', saved: 1 },
    recover: RESTORED,
    holds: 'aB.DEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', 'SAVED 30 20', 'torn'] },
  },
  {
    file: 'chips/torn-sector',
    about: 'Power failed in a page of the third sector.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'a.?DEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/resumed',
    about: 'As open; then the update went on, and power failed once more after the fifth sector.',
    status: { state: 'interrupted', partition: 'www', saved: 4 },
    recover: RESTORED,
    holds: 'a.cDeF',
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: ['BEGIN 1', 'SOLID', ...THREE, 'zero', 'zero', 'SAVED 32 blank', 'SAVED 34 22'],
    },
  },
  {
    file: 'chips/direct',
    about: 'A direct update: power failed when three sectors were written.',
    status: { state: 'incomplete', partition: 'www', saved: 3 },
    recover: { state: 'incomplete', partition: 'www', sealed: true },
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: {
      ...{ address: 0x41000, size: 0x1000, id: 1, target: 'www' },
      slots: [
        ...['BEGIN 1', 'SOLID'],
        ...['SAVED 30 not kept', 'SAVED 31 not kept', 'SAVED 32 not kept'],
      ],
    },
  },
  {
    file: 'chips/damaged',
    about: 'As open; then the first sector of the backup was overwritten.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: { state: 'damaged', partition: 'www', sealed: true },
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: { ...JOURNAL, slots: ['BEGIN 1', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/restoring',
    about:
      'As open; then power failed in recover, when the first sector was back and the second one erased.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'A.cDEF',
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'RESTORE', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/restored',
    about: 'As open; then recover put the old content back.',
    status: { state: 'restored', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: OLD,
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'RESTORE', 'SOLID'],
        ...['ENDING', 'RESTORED', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/trial',
    about: 'An update on trial for three boots; two of them have happened.',
    status: { state: 'trial', partition: 'www', saved: 5, boots: 2, trial: 3 },
    recover: { state: 'trial', partition: 'www', sealed: true, boots: 3, trial: 3 },
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT 3'],
        ...['zero', 'zero', 'COMMIT 3', 'BOOT 1'],
        ...['zero', 'zero', 'BOOT 1', 'BOOT 2'],
      ],
    },
  },
  {
    file: 'chips/confirmed',
    about: 'An update on trial for three boots; it was confirmed at the first one.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT 3'],
        ...['zero', 'zero', 'COMMIT 3', 'BOOT 1'],
        // `confirm` reads the journal anew, and takes nothing in it for its own.
        ...['zero', 'zero', 'BOOT 1', 'CONFIRM', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/committed',
    about: 'An update that ended.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: ['BEGIN 1', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
    },
  },
  {
    file: 'chips/reopened',
    about: 'As committed; then power failed in restore, after REOPEN: the restore was not decided.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
        ...['zero', 'zero', 'REOPEN'],
      ],
    },
  },
  {
    file: 'chips/begun-elsewhere',
    about:
      'As committed; then another update began, its journal in `log`, and power failed between BEGIN and its SOLID.',
    status: { state: 'committed', partition: 'www', saved: 0 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 1', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
        ...['zero', 'zero', 'FORGET'],
      ],
    },
  },
];
