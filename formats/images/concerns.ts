/** What is odd about an image, and about where it is to go. */
import { DATA } from '../table/names.ts';
import { SECTOR } from '../chip.ts';
import { Fault } from '../errors.ts';
import type { App, Compressed, Dump, Image, Table } from './kinds.ts';

/** A partition that an image is to go to. */
export interface Target {
  label: string;
  /** Bytes. */
  size: number;
  /** Missing where they are not known. */
  type?: number | undefined;
  subtype?: number | undefined;
}

/** What may be wrong with an image. Sizes are bytes. */
export interface ConcernFacts {
  W_APP: { app: App };
  W_DUMP: { dump: Dump };
  W_TABLE: { table: Table };
  W_MANIFEST: object;
  W_COMPRESSED: Pick<Compressed, 'format'>;
  /** The checksum of its superblock is wrong. */
  W_DAMAGED: { image: Image };
  /** The file ends before what is in it does. */
  W_CUT: { image: Image; length: number; size: number };
  /** It was made for a partition of another size. */
  W_SIZE: { image: Image; made: number; label: string; size: number };
  /** The file goes on behind the partition that it was made for. */
  W_LONGER: { image: Image; made: number; size: number };
  /** NVS in a partition in which nobody looks for it. */
  W_NVS: { label: string; subtype: number };
  /** Something else than the table says. */
  W_SUBTYPE: { image: Image; label: string; subtype: number };
  /** Another kind than the image before it. */
  W_OTHER_KIND: { from: Image; to: Image };
  /** Made for another size than the image before it. */
  W_OTHER_SIZE: { to: Image; from: number; made: number };
}

/** One thing that may be wrong. */
export type Concern = {
  [Code in keyof ConcernFacts]: { code: Code; facts: ConcernFacts[Code] };
}[keyof ConcernFacts];

/** An image was refused for what is odd about it, because the user wants that. */
export interface ImageFacts {
  E_IMAGE: { name: string; concerns: Concern[] };
}

export class ImageError<Code extends keyof ImageFacts = keyof ImageFacts> extends Fault<
  ImageFacts,
  Code
> {
  override name = 'ImageError';
}

const NVS = 2;
/**
 * What suits the subtypes of ESP-IDF that tell what is in them. `spiffs` is much used for whatever is no FAT, LittleFS
 * above all. To all others anything may go.
 */
const SUITED: Record<number, Image['kind'][]> = {
  0x00: [],
  0x01: [],
  [NVS]: [],
  0x03: [],
  0x04: [],
  0x05: [],
  0x81: ['fat', 'wl-fat'],
  0x82: ['spiffs', 'littlefs', 'romfs', 'squashfs'],
  0x83: ['littlefs'],
};
const FILESYSTEMS: Image['kind'][] = ['littlefs', 'spiffs', 'fat', 'wl-fat', 'romfs', 'squashfs'];

/** Whether a partition of some bytes will not do for what was made for others. */
function isMisfit(image: Image, made: number, size: number): boolean {
  // A plain volume may be smaller than what it lies in: it has its own size, and nothing at the end.
  return image.kind === 'fat' ? made > size : made !== size;
}

/** @returns bytes of the partition that an image was made for, if it tells. */
export const madeFor = (image: Image) => ('made' in image ? image.made : undefined);

/** Whether it is NVS in a partition that is not, or anything else that the row does not say. */
function concernsOfRow(image: Image, { label, type, subtype }: Target): Concern[] {
  if (subtype === undefined || (type !== undefined && type !== DATA)) return [];
  if (image.kind === 'nvs')
    return subtype === NVS ? [] : [{ code: 'W_NVS', facts: { label, subtype } }];
  const suited = SUITED[subtype] as Image['kind'][] | undefined;
  if (!suited || suited.includes(image.kind) || !FILESYSTEMS.includes(image.kind)) return [];
  return [{ code: 'W_SUBTYPE', facts: { image, label, subtype } }];
}

/** What goes to no data partition, as far as this can know. */
function concernsOfKind(image: Image): Concern[] {
  switch (image.kind) {
    case 'app':
      return [{ code: 'W_APP', facts: { app: image } }];
    case 'dump':
      return [{ code: 'W_DUMP', facts: { dump: image } }];
    case 'table':
      return [{ code: 'W_TABLE', facts: { table: image } }];
    case 'manifest':
      return [{ code: 'W_MANIFEST', facts: {} }];
    case 'compressed':
      return [{ code: 'W_COMPRESSED', facts: { format: image.format } }];
    case 'littlefs':
      return image.isDamaged ? [{ code: 'W_DAMAGED', facts: { image } }] : [];
    default:
      return [];
  }
}

function concernsOfSize(image: Image, size: number, target: Target | undefined): Concern[] {
  const concerns: Concern[] = [];
  if ((image.kind === 'romfs' || image.kind === 'squashfs') && image.length > size)
    concerns.push({ code: 'W_CUT', facts: { image, length: image.length, size } });
  const made = madeFor(image);
  if (made === undefined) return concerns;
  if (target) {
    const { label } = target;
    if (isMisfit(image, made, target.size))
      concerns.push({ code: 'W_SIZE', facts: { image, made, label, size: target.size } });
  } else if (size >= made + SECTOR && image.kind !== 'fat') {
    concerns.push({ code: 'W_LONGER', facts: { image, made, size } });
  }
  return concerns;
}

/**
 * @param size - bytes of the file
 * @param target - the partition that it is to go to, if that is known
 * @returns what is odd about an image
 */
export function concernsOf(image: Image, size: number, target?: Target): Concern[] {
  return [
    ...concernsOfKind(image),
    ...concernsOfSize(image, size, target),
    ...(target ? concernsOfRow(image, target) : []),
  ];
}

/** @returns what is odd about one image in the place of another one. */
export function concernsOfChange(from: Image, to: Image): Concern[] {
  if (from.kind !== to.kind) {
    const areData = [from, to].every(({ kind }) => FILESYSTEMS.includes(kind) || kind === 'nvs');
    return areData ? [{ code: 'W_OTHER_KIND', facts: { from, to } }] : [];
  }
  const [before, made] = [madeFor(from), madeFor(to)];
  if (before === undefined || made === undefined || before === made || to.kind === 'fat') return [];
  return [{ code: 'W_OTHER_SIZE', facts: { to, from: before, made } }];
}
