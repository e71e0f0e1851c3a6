/** `part-ota status` */
import { Command } from 'commander';
import { TABLE_ADDRESS } from '../device/partitions.ts';
import type { Row } from '../formats/table/row.ts';
import {
  askStatus,
  type BoardStatus,
  isRefusal,
  type KnownFiles,
  type StoredModule,
} from '../link/status.ts';
import type { Work } from '../link/memory.ts';
import { onBoard } from './connection.ts';
import { readBundle, VERSION } from './files.ts';
import { type PortFlags, tableAddress, withPort } from './options.ts';
import {
  columns,
  grouped,
  hex,
  partitionLines,
  place,
  plural,
  protectionOf,
  secondsText,
  sizeOf,
} from './words/format.ts';
import { printJson, printLines } from './print.ts';
import { refusalText } from './words/link.ts';
import { reportLines } from './words/states.ts';
import { appText, waysOut } from './words/ways-out.ts';

interface Flags extends PortFlags {
  partition?: string;
  tableOffset?: number;
  json?: true;
}

const HELP = `
Writes nothing. Without the module on the board it tells the partitions only.

Examples:
  part-ota status --port /dev/ttyUSB0
  part-ota status --partition www --json`;

/** Characters for the whole chip. */
const BAR = 32;

/** @returns where on the chip something lies: a bar as long as the chip, at least one character of which is full. */
function barOf({ address, size }: Pick<Row, 'address' | 'size'>, chip: number): string {
  const first = Math.min(BAR - 1, Math.floor((address * BAR) / chip));
  // A table may name flash that the chip does not have.
  const last = Math.min(BAR, Math.round(((address + size) * BAR) / chip));
  const end = Math.max(first + 1, last);
  return '\u2591'.repeat(first) + '\u2588'.repeat(end - first) + '\u2591'.repeat(BAR - end);
}

function moduleText(found: StoredModule | undefined, command: string): string {
  if (!found) return `not there; part-ota upload${command}`;
  const size = `${grouped(found.size)} bytes`;
  if (found.looksAt !== undefined)
    return `${found.version}, ${size}, looks for the table at ${hex(found.looksAt)}; part-ota upload --table-offset`;
  return found.version
    ? `${found.version}, ${size}`
    : `another version than ${VERSION}, ${size}; part-ota upload replaces it`;
}

function bootText({ files: { boot0 } }: BoardStatus): string {
  if (!boot0) return 'not there: nothing is recovered at boot; part-ota upload';
  if (!boot0.recovers) return 'does not recover; part-ota upload adds that';
  const whose = boot0.version === undefined ? 'of its own making' : boot0.version;
  return `recovers at every boot${boot0.resume ? ', leaves open what was interrupted' : ''}, ${whose}`;
}

const WORKS: Record<Work, string> = {
  ota: 'by ota',
  otaHttp: 'by ota-http',
  console: 'over the console',
  recover: 'to put the old content back',
};

/** @returns what an update needs of the memory, and whether that is there. */
function needsText({ needs, memory }: BoardStatus): string {
  const texts = Object.entries(WORKS).map(([work, how]) => {
    const { jsVars, fits } = needs[work as Work];
    return `${grouped(jsVars)} ${how}${fits ? '' : `, ${grouped(jsVars - memory.free)} too few`}`;
  });
  const isRoomy = Object.values(needs).every(({ fits }) => fits);
  return `needs about ${texts.join('; ')}${isRoomy ? ': fits' : ''}`;
}

function headLines(status: BoardStatus): string[] {
  const { memory, storage, files } = status;
  const trash = storage.trash ? `, ${grouped(storage.trash)} of replaced files` : '';
  const block = memory.blockSize ? `, ${memory.blockSize} bytes each` : '';
  return [
    `${status.board}, Espruino ${status.firmware}, at ${status.port}`,
    ...columns([
      ['JsVars', `${grouped(memory.free)} of ${grouped(memory.total)} free${block}`],
      ['update', needsText(status)],
      ['Storage', `${grouped(storage.free)} of ${grouped(storage.total)} bytes free${trash}`],
      ['ota', moduleText(files.ota, '')],
      ['ota-http', moduleText(files.otaHttp, ' --http')],
      ['.boot0', bootText(status)],
    ]),
    '',
  ];
}

function tableLines({ partitions, gaps, flashSize, table }: BoardStatus): string[] {
  const ends = [...partitions, ...gaps].map(({ address, size }) => address + size);
  const chip = flashSize ?? Math.max(...ends);
  return [
    (flashSize === undefined ? 'Flash of unknown size' : `${sizeOf(flashSize)} of flash`) +
      (table === TABLE_ADDRESS ? '' : `, partition table at ${hex(table)}`),
    ...partitionLines(partitions, gaps, (area, row) => [barOf(area, chip), row ? noteOf(row) : '']),
    '',
  ];
}

/** @returns what an app slot is and holds, or what protects another partition. */
function noteOf(row: BoardStatus['partitions'][number]): string {
  if (row.type !== 0) return flagsOf(row);
  const { app, holds } = row;
  return [app, holds && appText(holds)].filter(Boolean).join(', ');
}

const flagsOf = ({ flags = 0 }: Row) =>
  protectionOf({ encrypted: (flags & 1) !== 0, readonly: (flags & 2) !== 0 });

/** @param isAsked - whether this partition was asked for: then every way out is told */
function planText(
  { partition, plan }: BoardStatus['plans'][number],
  status: BoardStatus,
  isAsked: boolean,
): string[] {
  if (isRefusal(plan)) {
    const ways = waysOut(plan.message, status, partition);
    const more =
      ways.length && !isAsked ? `; part-ota status --partition ${partition} tells more` : '';
    return [refusalText(plan.message) + more, ...(isAsked ? ways : [])];
  }
  const { backup, journal, worst } = plan;
  const slot = status.partitions.find(
    ({ type, address }) => type === 0 && address === backup?.address,
  );
  const lost = slot && !plan.resumed ? `, which overwrites ${appText(slot.holds)}` : '';
  return [
    `backup: ${backup ? place(backup) : 'none'}${lost}; journal: ${place(journal)}` +
      (plan.resumed ? '; goes on with what was interrupted' : ''),
    `at most ${plural(worst.erases, 'erase')}, ${grouped(worst.bytes)} bytes, ${secondsText(worst.seconds)} of flash time`,
  ];
}

function updateLines(status: BoardStatus, isAsked: boolean): string[] {
  const { update, plans } = status;
  if (!update) return ['The module is not on the board: part-ota upload first.'];
  const report = isRefusal(update) ? [update.message] : reportLines(update);
  return [
    'The last update',
    ...report.map((line) => `  ${line}`),
    ...(plans.length ? ['', 'An update would use'] : []),
    ...columns(
      plans.flatMap((found) =>
        planText(found, status, isAsked).map((line, n) => [n ? '' : found.partition, line]),
      ),
    ),
  ];
}

const readKnown = (): KnownFiles => ({
  version: VERSION,
  ota: [readBundle('dist/ota.min.js'), readBundle('dist/ota.js')],
  otaHttp: [readBundle('dist/ota-http.min.js'), readBundle('dist/ota-http.js')],
});

/** Makes the command. */
export function statusCommand(): Command {
  return withPort(
    new Command('status').description(
      'tell what is on a board: partitions, the last update, what an update would use',
    ),
  )
    .option('--partition <label>', 'plan an update of this one only')
    .option(
      '--table-offset <address>',
      'where the partition table lies (default: where the module on the board looks)',
      tableAddress,
    )
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      const status = await onBoard(
        flags,
        (session) => askStatus(session, readKnown(), flags.partition, flags.tableOffset),
        () => 'Nothing has changed on the board.',
      );
      if (flags.json) return printJson(status);
      const isAsked = flags.partition !== undefined;
      printLines([...headLines(status), ...tableLines(status), ...updateLines(status, isAsked)]);
    });
}
