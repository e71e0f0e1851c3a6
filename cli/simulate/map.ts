/**
 * A picture of the chip after a simulation, as SVG: one row per 256 KiB, partitions as labelled bands, and
 * under them each sector in the colour of what was done to it.
 */
import type { Area } from '../../device/api.ts';
import { SECTOR } from '../../formats/chip.ts';
import type { Row } from '../../formats/table/row.ts';
import { grouped, hex, sizeOf } from '../words/format.ts';
import type { Simulation } from './simulation.ts';

/** Pixels. */
const CELL = 13;
const PER_ROW = 64;
const LEFT = 74;
const TOP = 64;
const BAND = 15;
const SECTORS = 17;
const ROW = BAND + SECTORS + 7;
const LEGEND = 310;
/** Of a character of the small font, about. */
const CHARACTER = 5.6;

const BANDS = [
  '#8ecae6',
  '#ffb703',
  '#b7b7a4',
  '#95d5b2',
  '#cdb4db',
  '#f4a261',
  '#e8a0bf',
  '#e9c46a',
];

/** Shades of what was done, from one erase to the most. */
const INK = {
  target: { name: 'rewritten', rgb: [214, 73, 51] },
  backup: { name: 'backed up to', rgb: [38, 110, 175] },
  journal: { name: 'journal', rgb: [110, 68, 150] },
} as const;
type Use = keyof typeof INK;

/** What is on every chip before the first partition. */
const BOOT: Pick<Row, 'label' | 'address' | 'size'>[] = [
  { label: 'bootloader', address: 0x1000, size: 0x7000 },
  { label: 'partition table', address: 0x8000, size: 0x1000 },
];
const BOOT_COLOR = '#c9ced6';

const UNTOUCHED = '#e3e6ea';
const FREE = '#f6f7f8';

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

const isIn = (address: number, area: Pick<Area, 'address' | 'size'> | undefined) =>
  area !== undefined && address >= area.address && address < area.address + area.size;

function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  rest: string,
  title = '',
): string {
  const body = title ? `><title>${escaped(title)}</title></rect>` : '/>';
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" ${rest}${body}`;
}

function text(x: number, y: number, content: string, rest = ''): string {
  return `<text x="${x}" y="${y}" ${rest}>${escaped(content)}</text>`;
}

/** @returns a colour that is the stronger the more often a sector was erased. */
function shade(use: Use, erases: number, most: number): string {
  const part = 0.4 + 0.6 * (most > 1 ? (erases - 1) / (most - 1) : 1);
  const mixed = INK[use].rgb.map((value) => Math.round(255 - (255 - value) * part));
  return `rgb(${mixed.join(',')})`;
}

const xOf = (sector: number) => LEFT + (sector % PER_ROW) * CELL;
const yOf = (sector: number) => TOP + Math.floor(sector / PER_ROW) * ROW;

/** Cuts a part of the chip where rows end. */
function pieces(first: number, end: number): [first: number, count: number][] {
  const cut: [number, number][] = [];
  for (let at = first; at < end;) {
    const next = Math.min(end, at - (at % PER_ROW) + PER_ROW);
    cut.push([at, next - at]);
    at = next;
  }
  return cut;
}

function drawPartition({ label, address, size }: (typeof BOOT)[number], color: string): string[] {
  const title = `${label}: ${hex(address)}, ${sizeOf(size)}`;
  return pieces(address / SECTOR, (address + size) / SECTOR).flatMap(([first, count]) => {
    const [x, y, width] = [xOf(first), yOf(first), count * CELL];
    const fits = label.length * CHARACTER + 6 <= width;
    const name = fits ? [text(x + 4, y + 11, label, 'class="band"')] : [];
    return [rect(x, y, width - 1, BAND - 1, `fill="${color}"`, title), ...name];
  });
}

function drawSectors({ board, plan }: Simulation): string[] {
  const { wear } = board.flash;
  const most = board.flash.maxWear;
  const areas: [Use, Area | undefined][] = [
    ['target', plan.partition],
    ['backup', plan.backup],
    ['journal', plan.journal],
  ];
  return Array.from(wear, (erases, sector) => {
    const address = sector * SECTOR;
    const use = erases ? areas.find(([, area]) => isIn(address, area))?.[0] : undefined;
    const isFree = ![...BOOT, ...board.table].some((row) => isIn(address, row));
    const color = use ? shade(use, erases, most) : isFree ? FREE : UNTOUCHED;
    const title = use && `${hex(address)}: ${INK[use].name}, erased ${erases} times`;
    const place = [xOf(sector), yOf(sector) + BAND, CELL - 1, SECTORS - 1] as const;
    return rect(...place, `fill="${color}"`, title);
  });
}

/** A dark frame and a number where power has failed. */
function drawCuts({ steps }: Simulation): string[] {
  const cuts = steps.flatMap(({ cut }) => cut ?? []);
  return cuts.flatMap(({ address }, n) => {
    const sector = Math.floor(address / SECTOR);
    const [x, y] = [xOf(sector), yOf(sector) + BAND];
    return [
      rect(x - 1, y - 1, CELL + 1, SECTORS + 1, 'fill="none" stroke="#111" stroke-width="2"'),
      text(x + (CELL - 1) / 2, y + 12, String(n + 1), 'class="cut"'),
    ];
  });
}

function drawLegend(simulation: Simulation, color: (row: number) => string): string[] {
  const { board, plan, judge } = simulation;
  const x = LEFT + PER_ROW * CELL + 28;
  const most = board.flash.maxWear;
  const lines: string[] = [];
  let y = TOP;
  const line = (fill: string, name: string, note = '', outline = '') => {
    lines.push(rect(x, y, 12, 12, `fill="${fill}" ${outline}`), text(x + 20, y + 10, name));
    if (note) lines.push(text(x + LEGEND - 40, y + 10, note, 'text-anchor="end" class="note"'));
    y += 19;
  };
  board.table.forEach(({ label, address, size }, n) =>
    line(color(n), label, `${hex(address)}  ${sizeOf(size)}`),
  );
  y += 14;
  for (const [use, area] of [
    ['target', plan.partition],
    ['backup', plan.backup],
    ['journal', plan.journal],
  ] as const) {
    if (!area) continue;
    const first = area.address / SECTOR;
    const touched = board.flash.wear.subarray(first, first + area.size / SECTOR).filter(Boolean);
    line(shade(use, most, most), INK[use].name, `${grouped(touched.length)} sectors`);
  }
  line(UNTOUCHED, 'untouched');
  line(FREE, 'untouched, in no partition', '', 'stroke="#ccc"');
  if (simulation.steps.some(({ cut }) => cut))
    line('none', 'power failed here', '', 'stroke="#111" stroke-width="2"');
  y += 14;
  lines.push(text(x, y + 10, `erased 1 to ${most} times`));
  const shades = Math.min(most, 12);
  for (let n = 1; n <= shades; n++)
    for (const [row, use] of (['target', 'backup', 'journal'] as const).entries())
      lines.push(
        rect(x + 130 + (n - 1) * 14, y + row * 14, 13, 13, `fill="${shade(use, n, shades)}"`),
      );
  y += 70;
  lines.push(text(x, y, `${judge.changed.length} sectors of the images differ`, 'class="note"'));
  return lines;
}

/** @returns an SVG file */
export function drawMap(simulation: Simulation): string {
  const { board, setup, uncut, steps, problems } = simulation;
  const rows = Math.ceil(board.flash.size / SECTOR / PER_ROW);
  const color = (row: number) => BANDS[row % BANDS.length];
  const cuts = steps.filter(({ cut }) => cut).length;
  const width = LEFT + PER_ROW * CELL + 28 + LEGEND;
  const used = Math.max(rows * ROW, (board.table.length + 7) * 19 + 130);
  const height = TOP + used + 16;
  const summary =
    `${setup.isDirect ? 'direct update' : 'update with backup'}, ${cuts} power cuts; ` +
    `without a cut ${uncut.erases} sector erases, ${uncut.seconds.toFixed(1)} s of flash time; ` +
    (problems.length ? 'FAILED' : 'no byte is wrong');
  const addresses = Array.from({ length: rows }, (_, row) =>
    text(LEFT - 10, TOP + row * ROW + BAND + 12, hex(row * PER_ROW * SECTOR), 'class="address"'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#222}.title{font-size:18px;font-weight:600}',
    '.note{fill:#666}.address{font:11px ui-monospace,monospace;fill:#666;text-anchor:end}',
    '.band{font-size:10px}.cut{font-size:10px;font-weight:700;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:3px}</style>',
    rect(0, 0, width, height, 'fill="#fff"'),
    text(
      LEFT,
      28,
      `"${setup.partition}" updated on ${sizeOf(board.flash.size)} of flash`,
      'class="title"',
    ),
    text(LEFT, 48, `${summary}; a cell is a sector of 4 KiB`, 'class="note"'),
    ...addresses,
    ...drawSectors(simulation),
    ...BOOT.flatMap((row) => drawPartition(row, BOOT_COLOR)),
    ...board.table.flatMap((row, n) => drawPartition(row, color(n))),
    ...drawCuts(simulation),
    ...drawLegend(simulation, color),
    '</svg>',
    '',
  ].join('\n');
}
