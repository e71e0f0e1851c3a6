/** What lies where the module finds no place, and every way out of that. */
import { NVS, OTADATA } from '../../device/partitions.ts';
import { AREA_MASK } from '../../device/records.ts';
import { SECTOR } from '../../formats/chip.ts';
import { JOURNAL_LABEL } from '../../formats/journal.ts';
import { SECURE_CERT } from '../../formats/table/names.ts';
import { backupsOf, hasStorage, type LaidOut, type Layout, targetsOf } from '../../link/layout.ts';
import { columns, grouped, hex, plural, printable, sizeOf } from './format.ts';

/** Labels of Espruino's own tables, of partitions that it does not use itself (targets/esp32/jshardware.c, getFree). */
const SET_ASIDE = ['free', 'flash'];
/** The most sectors that a journal may have. */
const LONGEST_JOURNAL = AREA_MASK;
/** A table is no list of everything: so many of a kind are named. */
const MOST = 6;

const listed = (names: string[]) =>
  names.length > MOST
    ? `${names.slice(0, MOST).join(', ')} and ${names.length - MOST} more`
    : names.join(', ');

const kindOf = ({ type, subtype }: LaidOut) => (type << 8) | subtype;

/** @returns what an app slot holds; without control characters, as the app may say anything. */
export function appText(holds: LaidOut['holds']): string {
  if (holds === undefined) return 'no app';
  const text = holds ? `${holds.name} ${holds.version}`.trim() : '';
  return text ? printable(`an app: ${text}`) : 'an app';
}

/** @returns what lies in a partition, if that is known. */
function holdsText(row: LaidOut, { stored }: Layout): string | undefined {
  if (hasStorage(row)) {
    const ours = stored.ours.length ? `, ${stored.ours.join(', ')} among them` : '';
    const storage = `Espruino's Storage: ${plural(stored.count, 'file')}${ours}`;
    return row.type === 0 ? `${appText(row.holds)}; in its midst lies ${storage}` : storage;
  }
  if (row.type === 0) return appText(row.holds);
  if (kindOf(row) === NVS) return 'settings of the firmware, such as those of Wi-Fi';
  if (kindOf(row) === OTADATA) return 'which app boots';
  if (row.type === SECURE_CERT) return 'certificates and keys';
  if (row.label === JOURNAL_LABEL) return 'the journal, and nothing else';
  if (SET_ASIDE.includes(row.label) && row.type === 1)
    return 'set aside for scripts; Espruino itself does not use it';
  return undefined;
}

/** @returns how large a partition is, where it is, and what lies in it. */
function rowText(row: LaidOut, layout: Layout): string {
  const holds = holdsText(row, layout);
  return `${sizeOf(row.size)} at ${hex(row.address)}${holds ? `: ${holds}` : ''}`;
}

type Way = [how: string, what: string];

/** @returns that another table is one. @param what - what it makes room for */
function tableWay(what: string, layout: Layout, target: string): Way {
  const spare = layout.partitions.filter(
    ({ label, type }) => type === 1 && SET_ASIDE.includes(label),
  );
  const row = layout.partitions.find(({ label }) => label === target);
  const ways = [
    spare.length && `without ${spare.map(({ label }) => label).join(' and ')}`,
    row && `with a smaller ${target}, ${sizeOf(row.size)} now`,
  ];
  return ['another table', `${ways.filter(Boolean).join(', or ')}: ${what}`];
}

const backupWays = (layout: Layout, target: string, least = 0): Way[] =>
  backupsOf(layout, target)
    .filter(({ size }) => size > least)
    .slice(0, MOST)
    .map((row) => [
      `--backup ${row.label}`,
      `room for ${plural(row.size / SECTOR, 'sector')} that change; overwrites what is in it: ${rowText(row, layout)}`,
    ]);

const DIRECT: Way = [
  '--no-backup',
  'keeps no copy: if power fails, the partition holds neither content until an update of it ends',
];

/** @returns what cannot hold the old content, and what is in it. */
function takenLines(layout: Layout): string[] {
  const rows = layout.partitions
    .filter((row) => row.type === 0 || hasStorage(row))
    .map((row) => [row.label, rowText(row, layout)]);
  return rows.length ? ['In use:', ...columns(rows)] : [];
}

function backupLines(layout: Layout, target: string, least?: number): string[] {
  const room = 'flash in no partition becomes the backup';
  const ways = [...backupWays(layout, target, least), tableWay(room, layout, target), DIRECT];
  return ['Ways out:', ...columns(ways)];
}

function freeText({ gaps }: Layout): string {
  const [largest] = [...gaps].sort((a, b) => b.size - a.size);
  return largest
    ? `the largest free run has ${sizeOf(largest.size)}, at ${hex(largest.address)}`
    : 'no flash is free';
}

function journalLines(needed: number, layout: Layout, target: string): string[] {
  if (needed > LONGEST_JOURNAL * SECTOR)
    return [
      `A journal has ${LONGEST_JOURNAL * 4} KiB at most: "${target}" is too large for a copy of its old content.`,
      'Ways out:',
      ...columns([tableWay('30 MiB can be kept', layout, target), DIRECT]),
    ];
  const own = layout.partitions.find(({ label }) => label === JOURNAL_LABEL);
  const room = own
    ? `"${JOURNAL_LABEL}" has ${sizeOf(own.size)}`
    : `there is no "${JOURNAL_LABEL}"`;
  const row = `with a row  ${JOURNAL_LABEL}, data, undefined, , ${hex(needed)},`;
  return [
    `The journal takes ${sizeOf(needed)}, in the partition "${JOURNAL_LABEL}" or at the end of free flash, and ` +
      `nowhere else: only there nobody else writes. Here ${room}; ${freeText(layout)}.`,
    'Ways out:',
    ...columns([
      tableWay(`${row} in that place`, layout, target),
      ['--no-backup', `its journal takes 8 KiB. It ${DIRECT[1]}`],
    ]),
  ];
}

function liveLines(layout: Layout, target: string): string[] {
  const row = layout.partitions.find(({ label }) => label === target);
  const holds = row && holdsText(row, layout);
  const others = targetsOf(layout).map((other) => other.label);
  const ways: Way[] = [
    ...(others.length ? [['--partition', listed(others)] satisfies Way] : []),
    [
      'a script',
      `ota.begin({ partition: ${JSON.stringify(target)}, overwriteLive: true }), on the board: what the firmware ` +
        'has there is lost, while it runs',
    ],
  ];
  return [...(holds ? [`"${target}" holds ${holds}.`] : []), 'Ways out:', ...columns(ways)];
}

/** Why a partition is refused, and what that means. */
const REASONS: Record<string, string> = {
  readonly: 'Its row in the partition table has the flag "readonly".',
  'for booting': 'The bootloader needs what is in it.',
  'an app': 'This updates data; apps are updated by an app OTA.',
  'for the journal': 'It holds the journal of updates, and nothing else.',
  'not whole sectors': `It does not begin, or end, at a multiple of ${SECTOR} bytes.`,
  'in use': 'The app that runs, or that may boot next, or the firmware itself is using it.',
};

function forbiddenLines(option: string, why: string, layout: Layout, target: string): string[] {
  const reason = Object.hasOwn(REASONS, why) ? [REASONS[why]] : [];
  if (option === 'backup') return [...reason, ...backupLines(layout, target)];
  const others = targetsOf(layout).filter(({ label }) => label !== target);
  const ways: Way[] = [];
  if (others.length) ways.push(['--partition', listed(others.map(({ label }) => label))]);
  if (/^(readonly|not whole|overlaps)/.test(why))
    ways.push(['another table', `in which "${target}" is not like that`]);
  return [...reason, ...(ways.length ? ['Ways out:', ...columns(ways)] : [])];
}

/**
 * @param message - by which the module refuses an update
 * @param layout - what lies where on the board
 * @param target - the label of the partition to update
 * @returns lines that name what lies there, and every way out; none where there is nothing to add
 */
export function waysOut(message: string, layout: Layout, target: string): string[] {
  if (/^E_NO_BACKUP /.test(message)) return [...takenLines(layout), ...backupLines(layout, target)];
  const [, place, needed, limit] =
    /^E_SPACE (ota_journal|backup): (\d+) bytes, limit (\d+)$/.exec(message) ?? [];
  if (place === 'ota_journal') return journalLines(Number(needed), layout, target);
  if (place === 'backup')
    return [
      `The backup takes at least ${grouped(Number(needed))} bytes: a sector for each that changes and is not blank.`,
      ...backupLines(layout, target, Number(limit)),
    ];
  const [, option, why] = /^E_FORBIDDEN (partition|backup) .*: ([^:]*)$/s.exec(message) ?? [];
  if (why === 'needs overwriteLive') return liveLines(layout, target);
  return option ? forbiddenLines(option, why, layout, target) : [];
}
