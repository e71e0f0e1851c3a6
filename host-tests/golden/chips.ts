/**
 * What every reader has to find on the golden chips: see index.ts.
 */
import type { Report } from '../../device/api.ts';

/** A journal, as its BEGIN has it; addresses and sizes in bytes. */
export interface GoldenJournal {
  /** The area of the journal, and where in it slot 0 is. */
  address: number;
  size: number;
  start: number;
  id: number;
  /** Labels. Missing if BEGIN is lost. */
  target?: string;
  /** Missing in a direct update, too. */
  backup?: string;
  /** Whether a SAVED is missing, or none of this update. */
  isBroken?: true;
  /** Sectors of the backup that do not hold any more what was saved there, in hex. */
  overwritten?: string[];
  /**
   * The slots up to the end of the log, each in words: `zero`, `torn`, or the record and its argument. After BEGIN the sectors
   * of the journal, and flags; after SAVED the sector of the target, and the one that holds its old content, or `blank`,
   * sectors in hex. At last `bit n`, if one is wrong.
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

const PLACE = { address: 0x40000, size: 0x2000 };
const UPPER = { ...PLACE, start: 0x41000, id: 1 };
const LOWER = { ...PLACE, start: 0x40000, id: 2 };
const JOURNAL = { ...UPPER, target: 'www', backup: 'ota_1' };
const THREE = ['SAVED 30 20', 'SAVED 31 21', 'SAVED 32 blank'];
const ALL = [...THREE, 'SAVED 34 22', 'SAVED 35 23'];
const RESTORED: Report = { state: 'restored', partition: 'www', sealed: true };
const DAMAGED: Report = { state: 'damaged', partition: 'www', sealed: true };
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
    journal: { ...JOURNAL, slots: ['BEGIN 2', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/torn-record',
    about: 'Power failed in the second SAVED: half of it was programmed.',
    status: { state: 'interrupted', partition: 'www', saved: 1 },
    recover: RESTORED,
    holds: 'aB.DEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 2', 'SOLID', 'SAVED 30 20', 'torn'] },
  },
  {
    file: 'chips/torn-sector',
    about: 'Power failed in a page of the third sector.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'a.?DEF',
    recovered: OLD,
    journal: { ...JOURNAL, slots: ['BEGIN 2', 'SOLID', ...THREE] },
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
      slots: ['BEGIN 2', 'SOLID', ...THREE, 'zero', 'zero', 'SAVED 32 blank', 'SAVED 34 22'],
    },
  },
  {
    file: 'chips/direct',
    about: 'A direct update: power failed when three sectors were written.',
    status: { state: 'incomplete', partition: 'www', saved: 0 },
    recover: { state: 'incomplete', partition: 'www', sealed: true },
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: { ...UPPER, target: 'www', slots: ['BEGIN 2', 'SOLID', 'SAVED 30 blank'] },
  },
  {
    file: 'chips/damaged',
    about: 'As open; then the first sector of the backup was overwritten.',
    status: { state: 'damaged', partition: 'www', saved: 3 },
    recover: DAMAGED,
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: { ...JOURNAL, overwritten: ['20'], slots: ['BEGIN 2', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/direct-after-damaged',
    about: 'As damaged; then a direct update, and power failed when two sectors were written.',
    status: { state: 'incomplete', partition: 'www', saved: 0 },
    recover: { state: 'incomplete', partition: 'www', sealed: true },
    holds: 'xycDEF',
    recovered: 'xycDEF',
    journal: { ...LOWER, target: 'www', slots: ['BEGIN 2 VOID LOWER', 'SOLID'] },
  },
  {
    file: 'chips/forgotten',
    about: 'As damaged; then it was given up.',
    status: { state: 'none', partition: 'www', saved: 0 },
    recover: { state: 'none', partition: 'www' },
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 2', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'FORGET', 'SOLID'],
      ],
    },
  },
  {
    file: 'chips/wrong-bits',
    about: 'As open; then one bit of BEGIN and one of a SAVED came to read the other way round.',
    status: { state: 'interrupted', partition: 'www', saved: 3 },
    recover: RESTORED,
    holds: 'a.cDEF',
    recovered: OLD,
    journal: {
      ...JOURNAL,
      slots: [
        ...['BEGIN 2 bit 35', 'SOLID'],
        ...['SAVED 30 20', 'SAVED 31 21 bit 100', 'SAVED 32 blank'],
      ],
    },
  },
  {
    file: 'chips/lost-record',
    about: 'As open; then the second SAVED was overwritten.',
    status: { state: 'damaged', partition: 'www', saved: 2 },
    recover: DAMAGED,
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: {
      ...JOURNAL,
      isBroken: true,
      slots: ['BEGIN 2', 'SOLID', 'SAVED 30 20', 'torn', 'SAVED 32 blank'],
    },
  },
  {
    file: 'chips/lost-begin',
    about: 'As open; then BEGIN was overwritten: the first SAVED tells of what it was.',
    status: { state: 'damaged', partition: 'www', saved: 0 },
    recover: DAMAGED,
    holds: 'a.cDEF',
    recovered: 'a.cDEF',
    journal: { ...UPPER, isBroken: true, slots: ['torn', 'SOLID', ...THREE] },
  },
  {
    file: 'chips/live',
    about: 'An update of nvs, which is in use: power failed when a sector was written.',
    status: { state: 'interrupted', partition: 'nvs', saved: 1 },
    recover: { state: 'restored', partition: 'nvs', sealed: true },
    holds: OLD,
    recovered: OLD,
    journal: {
      ...JOURNAL,
      target: 'nvs',
      slots: ['BEGIN 2 LIVE', 'SOLID', 'SAVED 9 blank'],
    },
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
        ...['BEGIN 2', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'RESTORE 3', 'SOLID'],
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
        ...['BEGIN 2', 'SOLID', ...THREE],
        ...['zero', 'zero', 'SAVED 32 blank', 'RESTORE 3', 'SOLID'],
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
        ...['BEGIN 2', 'SOLID', ...ALL, 'COMMIT 3'],
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
        ...['BEGIN 2', 'SOLID', ...ALL, 'COMMIT 3'],
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
      slots: ['BEGIN 2', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
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
        ...['BEGIN 2', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
        ...['zero', 'zero', 'REOPEN'],
      ],
    },
  },
  {
    file: 'chips/begun-again',
    about:
      'As committed; then another update began, in the other head, and power failed between BEGIN and its SOLID.',
    status: { state: 'committed', partition: 'www', saved: 5 },
    recover: COMMITTED,
    holds: NEW,
    recovered: NEW,
    journal: {
      ...JOURNAL,
      slots: ['BEGIN 2', 'SOLID', ...ALL, 'COMMIT', 'CONFIRM', 'SOLID'],
    },
  },
  {
    file: 'chips/updated-again',
    about: 'As committed; then another update ended, which changes one sector.',
    status: { state: 'committed', partition: 'www', saved: 1 },
    recover: COMMITTED,
    holds: 'x.cDef',
    recovered: 'x.cDef',
    journal: {
      ...LOWER,
      ...{ target: 'www', backup: 'ota_1' },
      slots: ['BEGIN 2 LOWER', 'SOLID', 'SAVED 30 20', 'COMMIT', 'CONFIRM', 'SOLID'],
    },
  },
];
