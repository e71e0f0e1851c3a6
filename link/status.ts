/** Finds out what a board is, and what an update of it would use. */
import type { Code, Plan, Report } from '../device/api.ts';
import { Fault } from '../formats/errors.ts';
import { bootOf, isSlot } from '../formats/otadata.ts';
import { CUSTOM, TABLE_ADDRESS } from '../device/partitions.ts';
import type { Row } from '../formats/table/row.ts';
import { type BootScript, readBootScript } from './boot-script.ts';
import {
  askBoard,
  BOOT,
  type BoardFacts,
  crcOf,
  forTable,
  OTA,
  OTA_HTTP,
  readStored,
  type StoredFile,
} from './facts.ts';
import { type LaidOut, type Layout, layoutOf } from './layout.ts';
import { neededFor, type Work } from './memory.ts';
import { withModule } from './module.ts';
import type { Session } from './session.ts';
import { type Is, isPlan, isReport, thrownOf } from './shapes.ts';

/** A call that the module refuses. */
export interface Refusal {
  code?: Code;
  message: string;
}

/** A module in Storage. */
export interface StoredModule extends StoredFile {
  /** That of this package if it is the same file; else it is another one. */
  version?: string;
  /** Where it looks for the partition table, if that is not where the table is. */
  looksAt?: number;
}

interface PartitionStatus extends LaidOut {
  /** `running`: the app that runs; `passive`: the slot that the next app OTA would be written to. */
  app?: 'running' | 'passive';
}

/** What some work takes of the memory. */
export interface Need {
  jsVars: number;
  fits: boolean;
}

/** What a board is, and has. Addresses and sizes in bytes. */
export interface BoardStatus extends Layout {
  port: string;
  board: string;
  firmware: string;
  memory: BoardFacts['memory'];
  /** JsVars that have to be free for each kind of work, and whether they are. */
  needs: Record<Work, Need>;
  storage: BoardFacts['storage'];
  flashSize?: number;
  partitions: PartitionStatus[];
  files: { ota?: StoredModule; otaHttp?: StoredModule; boot0?: StoredFile & BootScript };
  /** What `ota.status()` returns; missing if the module is not there. */
  update?: Report | Refusal;
  /** What `ota.plan()` returns for each partition that may be updated. */
  plans: { partition: string; plan: Plan | Refusal }[];
}

/** By which files of the board are known again: those of this package. */
export interface KnownFiles {
  version: string;
  /** Text of the module, a character per byte: as it is stored, and readable. */
  ota: string[];
  otaHttp: string[];
}

/** Why a board cannot be asked. */
export interface StatusFacts {
  E_NO_PARTITION: { label: string; labels: string[] };
}

/** Nothing can be told of what was asked for. */
export class StatusError extends Fault<StatusFacts> {
  override name = 'StatusError';
}

const OTADATA = 0;

export const isRefusal = (found: object): found is Refusal => 'message' in found;

/** @returns the label of the app that the bootloader chooses. */
function chosenApp({ partitions, otadata }: BoardFacts): string | undefined {
  return bootOf(partitions, otadata ?? []).app?.label;
}

/** @returns the partitions, and which app slots run and come next, as esp_ota_get_next_update_partition finds them. */
function withApps(partitions: LaidOut[], running: string | undefined): PartitionStatus[] {
  const slots = partitions.filter(isSlot).sort((a, b) => a.subtype - b.subtype);
  const at = slots.findIndex(({ label }) => label === running);
  const next = slots.length ? slots[(at + 1) % slots.length].label : undefined;
  return partitions.map((row) => {
    // The module says nothing where the chip cannot tell.
    if (row.type !== 0 || !running) return row;
    if (row.label === running) return { ...row, app: 'running' };
    return row.label === next ? { ...row, app: 'passive' } : row;
  });
}

function storedModule(
  file: StoredFile | undefined,
  texts: string[],
  version: string,
): StoredModule | undefined {
  if (!file) return undefined;
  return isOneOf(file, texts) ? { ...file, version } : file;
}

const isOneOf = (file: StoredFile, texts: string[]) =>
  texts.some((text) => text.length === file.size && crcOf(text) === file.crc32);

/** @returns `ota` in Storage, which may be for a table elsewhere. @param table - where that is */
function storedOta(
  file: StoredFile | undefined,
  { ota, version }: KnownFiles,
  table: number,
): StoredModule | undefined {
  const found = storedModule(
    file,
    ota.map((text) => forTable(text, table)),
    version,
  );
  if (!file || found?.version !== undefined || !isOneOf(file, ota)) return found;
  return { ...file, version, looksAt: TABLE_ADDRESS };
}

/** @returns what a call on the board returned, or why the module refused it. */
function foundOf<T extends object>(port: string, found: unknown, is: Is<T>): T | Refusal {
  return is(found) ? found : (thrownOf(port, found) as Refusal);
}

/** Asks the module for its status, and for a plan for each label: one by one, so that no line is too long. */
async function askModule(
  session: Session,
  labels: string[],
): Promise<{ update: Report | Refusal; plans: [string, Plan | Refusal][]; running?: string }> {
  const plans: [string, Plan | Refusal][] = [];
  let running: string | undefined;
  const { name: port } = session.port;
  const ask = (call: string) =>
    withModule(session, `try{return ${call}}catch(e){return{code:e.code,message:e.message}}`);
  for (const label of labels) {
    const call = `o.plan({partition:${JSON.stringify(label)}})`;
    const plan = foundOf(port, await ask(call), isPlan);
    plans.push([label, plan]);
    if (!isRefusal(plan)) running = plan.running;
  }
  return { update: foundOf(port, await ask('o.status()'), isReport), plans, running };
}

function needsOf({ memory, loaded }: BoardFacts): Record<Work, Need> {
  const needOf = (work: Work): Need => {
    const jsVars = neededFor(work, loaded);
    return { jsVars, fits: jsVars <= memory.free };
  };
  return {
    recover: needOf('recover'),
    ota: needOf('ota'),
    otaHttp: needOf('otaHttp'),
    console: needOf('console'),
  };
}

/** What can never be updated needs no plan: apps, and what the firmware boots by. */
const isData = ({ type, subtype }: Row) =>
  (type === 1 && subtype !== OTADATA) || (type >= CUSTOM >> 8 && type < 0xff);

/**
 * Asks a board. Writes nothing.
 * @param known - by which its modules are known again
 * @param label - the partition to plan an update of; default: each that may be updated
 * @param table - where the partition table lies; default: where the module in Storage looks
 * @throws StatusError if there is no such partition; PortError
 */
export async function askStatus(
  session: Session,
  known: KnownFiles,
  label?: string,
  table?: number,
): Promise<BoardStatus> {
  const facts = await askBoard(session, table);
  const layout = layoutOf(facts);
  const { partitions, files } = facts;
  if (label !== undefined && !partitions.some((row) => row.label === label)) {
    const labels = partitions.map((row) => row.label);
    throw new StatusError('E_NO_PARTITION', { label, labels });
  }
  const labels = label === undefined ? partitions.filter(isData).map((row) => row.label) : [label];
  const asked = files[OTA] && (await askModule(session, labels));
  const boot = files[BOOT];
  const script = boot && readBootScript(await readStored(session, BOOT, boot.size));
  const isAsked = ([, plan]: [string, Plan | Refusal]) =>
    label !== undefined || !(isRefusal(plan) && plan.code === 'E_FORBIDDEN');
  return {
    port: session.port.name,
    board: facts.board,
    firmware: facts.firmware,
    memory: facts.memory,
    needs: needsOf(facts),
    storage: facts.storage,
    flashSize: facts.flashSize,
    ...layout,
    partitions: withApps(layout.partitions, asked?.running ?? chosenApp(facts)),
    files: {
      ota: storedOta(files[OTA], known, facts.table),
      otaHttp: storedModule(files[OTA_HTTP], known.otaHttp, known.version),
      boot0: boot && script && { ...boot, ...script },
    },
    update: asked?.update,
    plans: asked?.plans.filter(isAsked).map(([partition, plan]) => ({ partition, plan })) ?? [],
  };
}
