/** `part-ota inspect` */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { TABLE_ADDRESS } from '../device/partitions.ts';
import { about, readBundle, readInput } from './files.ts';
import { tableAddress } from './options.ts';
import { printJson, printLines } from './print.ts';
import { type Inspection, inspect, type NextBoot } from './inspection.ts';
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
import { stateText } from './words/states.ts';
import { elsewhereText } from './words/table.ts';

interface Flags {
  tableOffset: number;
  records?: true;
  json?: true;
}

const HELP = `
The state of the journal is what dist/ota.min.js reports on a simulated
board. The file is not changed.

Examples:
  esptool read-flash 0 ALL flash.bin
  part-ota inspect flash.bin --records`;

function nextBootText({ report, erases, bytesProgrammed, seconds }: NextBoot): string {
  const work =
    erases || bytesProgrammed
      ? `${plural(erases, 'sector')} erased, ${grouped(bytesProgrammed)} bytes programmed, ${secondsText(seconds)}`
      : 'nothing is written';
  const boots = report.state === 'trial' ? `, trial boot ${report.boots} of ${report.trial}` : '';
  return `recover() reports "${report.state}"${boots}; ${work}`;
}

function tableLines(inspection: Inspection): string[] {
  const { partitions, gaps, running, tableOffset, hasMd5, size } = inspection;
  const md5 = hasMd5 ? 'MD5 right' : 'no MD5';
  return [
    `${sizeOf(size)} of flash, partition table at ${hex(tableOffset)}, ${md5}`,
    ...(tableOffset === TABLE_ADDRESS ? [] : [elsewhereText(tableOffset)]),
    '',
    ...partitionLines(partitions, gaps, (_, row) => [
      !row ? '' : row.label === running && row.type === 0 ? 'boots' : protectionOf(row),
    ]),
    '',
  ];
}

/** What the journal that counts is about. */
function journalRows(journal: NonNullable<Inspection['journal']>, wrongBits: number): string[][] {
  const { area, head, start, id, target, backup, isDirect, saved, isBroken } = journal;
  const flags = [
    journal.isVoid && '; what the partition held counted for nothing',
    journal.isLive && '; of a partition in use: overwriteLive',
  ];
  const copies = saved.filter(({ isOverwritten }) => isOverwritten).length;
  const kept = [
    plural(saved.length, 'sector'),
    copies && `${plural(copies, 'copy', 'copies')} overwritten`,
    isBroken && 'a record is missing or wrong',
  ];
  const unknown = 'unknown: BEGIN cannot be read';
  return [
    ['journal', `${place(area)}; begins at ${hex(start)}, in the ${head} head`],
    ['target', target ? place(target) : unknown],
    ['backup', backup ? place(backup) : isDirect ? 'none: direct' : unknown],
    ['saved', kept.filter(Boolean).join(', ')],
    ['update', `number ${id}${flags.filter(Boolean).join('')}`],
    ...(wrongBits ? [['bits', `${grouped(wrongBits)} wrong, corrected in what is read`]] : []),
  ];
}

function journalLines(inspection: Inspection, withRecords: boolean): string[] {
  const { status, journal, records, nextBoot, wrongBits } = inspection;
  const rows = journal ? journalRows(journal, wrongBits) : [['journal', 'none']];
  const trial = status.trial ? `, ${status.boots} of ${plural(status.trial, 'boot')} used` : '';
  rows.push(['state', stateText(status.state) + trial]);
  rows.push(['next boot', nextBootText(nextBoot)]);
  if (!withRecords || !records.length) return columns(rows);
  const listed = records.map(({ slot, address, letter, says }) => [
    String(slot),
    hex(address),
    letter,
    says,
  ]);
  return [...columns(rows), '', ...columns([['slot', 'address', '', 'record'], ...listed], [0, 1])];
}

/** Makes the command. It throws an InputError for what the user has to change. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description("tell what is on a chip: partitions, the app that boots, an update's journal")
    .argument('<flash>', 'an image of the whole flash')
    .addOption(
      new Option('--table-offset <address>', 'where the partition table is')
        .argParser(tableAddress)
        .default(TABLE_ADDRESS, hex(TABLE_ADDRESS)),
    )
    .option('--records', 'list the records of the journal')
    .option('--json', 'print JSON instead')
    .addHelpText('after', HELP)
    .action((file: string, flags: Flags) => {
      const chip = readInput(file);
      const bundle = readBundle();
      const inspection = about(file, () => inspect(chip, flags.tableOffset, bundle));
      if (flags.json) return printJson(inspection);
      printLines([
        `${basename(file)}:`,
        ...tableLines(inspection),
        ...journalLines(inspection, flags.records ?? false),
      ]);
    });
}
