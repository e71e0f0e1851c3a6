/** What the command prints about what an image is, and about what is odd in that. */
import type { Words } from '../../formats/errors.ts';
import type { Concern, ConcernFacts, ImageFacts } from '../../formats/images/concerns.ts';
import type { Compressed, Fat, Image } from '../../formats/images/kinds.ts';
import { DATA, nameOf, subtypesWith } from '../../formats/table/names.ts';
import { grouped, hex, plural } from './format.ts';

const bytes = (count: number) => plural(count, 'byte');
const blocksText = (count: number, size: number, noun = 'block') =>
  `${plural(count, noun)} of ${size} bytes`;
const made = (size: number) => `: made for ${bytes(size)}`;

type Volume = Pick<Fat, 'bits' | 'sectorSize' | 'sectors'>;
const volumeText = ({ sectors, sectorSize }: Volume) => blocksText(sectors, sectorSize, 'sector');

/** What each kind is called, and what is known of it. */
const KINDS: { [Kind in Image['kind']]: (image: Extract<Image, { kind: Kind }>) => string } = {
  littlefs: ({ version, blocks, blockSize, made: size }) =>
    `LittleFS ${version}, ${blocksText(blocks, blockSize)}${made(size)}`,
  spiffs: ({ blocks, blockSize, pageSize, made: size }) =>
    blocks === undefined || size === undefined
      ? `SPIFFS, blocks of ${blockSize} bytes, pages of ${pageSize}: it does not tell for how many bytes it was made`
      : `SPIFFS, ${blocksText(blocks, blockSize)}, pages of ${pageSize}${made(size)}`,
  fat: (volume) =>
    `FAT${volume.bits} without wear levelling, ${volumeText(volume)}${made(volume.made)}`,
  'wl-fat': ({ volume, made: size }) =>
    (volume
      ? `FAT${volume.bits} with wear levelling, ${volumeText(volume)}`
      : 'wear levelling of ESP-IDF, and no FAT in it') + (size === undefined ? '' : made(size)),
  romfs: ({ length }) => `romfs, ${bytes(length)}`,
  squashfs: ({ version, length }) => `SquashFS ${version}, ${bytes(length)}`,
  nvs: ({ version, pages }) =>
    `NVS of ESP-IDF, version ${version}, ${plural(pages, 'page')} in use`,
  app: ({ chip, isApp, length }) =>
    `${isApp ? 'app' : 'app or bootloader'} for ${chip}` +
    (length === undefined ? '' : `, ${bytes(length)}`),
  dump: ({ chip, bootloader, table, rows }) =>
    'dump of a whole flash: ' +
    (bootloader === undefined ? '' : `bootloader for ${chip} at ${hex(bootloader)}, `) +
    `partition table at ${hex(table)}, ${plural(rows, 'row')}`,
  table: ({ rows }) => `partition table, ${plural(rows, 'row')}`,
  compressed: ({ format }) => `compressed by ${format}`,
  manifest: () => 'manifest, as part-ota pack makes it',
};

/** @returns what an image is, in one line. */
export const imageText = (image: Image) => (KINDS[image.kind] as (one: Image) => string)(image);

/** @returns the name of a kind alone. */
function nameOfImage(image: Image): string {
  if (image.kind === 'fat' || image.kind === 'wl-fat')
    return `FAT ${image.kind === 'fat' ? 'without' : 'with'} wear levelling`;
  const names: Partial<Record<Image['kind'], string>> = {
    littlefs: 'LittleFS',
    spiffs: 'SPIFFS',
    squashfs: 'SquashFS',
    nvs: 'NVS',
  };
  return names[image.kind] ?? image.kind;
}

const DATA_SUBTYPES = subtypesWith([]).get(DATA);
const subtypeText = (subtype: number) =>
  DATA_SUBTYPES && [...DATA_SUBTYPES.values()].includes(subtype)
    ? `${nameOf(subtype, DATA_SUBTYPES)} (${hex(subtype)})`
    : hex(subtype);

/** What unpacks a file. */
const UNPACKERS: Record<Compressed['format'], string> = {
  gzip: 'gunzip',
  zip: 'unzip',
  xz: 'unxz',
  zstd: 'unzstd',
  bzip2: 'bunzip2',
  '7z': '7z x',
  lz4: 'unlz4',
};

/** What becomes of an image in a partition of another size. */
function misfitText(image: Image): string {
  if (image.kind === 'fat') return 'its end is missing there';
  if (image.kind === 'wl-fat')
    return 'ESP-IDF looks for the state of its wear levelling elsewhere, and finds no FAT';
  return 'many drivers do not mount it, or format it anew';
}

/** What is odd about an image, and what to do; behind the name of the file. */
export const CONCERN_WORDS: Words<ConcernFacts> = {
  W_APP: ({ app }) =>
    `is an ${imageText(app)}, and goes where data belongs: nothing starts it there, and part-ota does not ` +
    'update apps; build an image of the data',
  W_DUMP: ({ dump }) =>
    `is a ${imageText(dump)}, and goes into one partition as it is; part-ota inspect tells what is in it; ` +
    'take the bytes of the partition out of it',
  W_TABLE: ({ table }) =>
    `is a ${imageText(table)}, and goes where data belongs; esptool write-flash puts it in its place`,
  W_MANIFEST: () => `is a manifest, not an image: name the image that lies beside it`,
  W_COMPRESSED: ({ format }) =>
    `is compressed by ${format}, and nothing unpacks it on the board: it goes there as it is; ` +
    `${UNPACKERS[format]} gives what is in it`,
  W_DAMAGED: ({ image }) =>
    `is ${nameOfImage(image)} with a superblock whose checksum is wrong: it cannot be mounted; build or fetch it again`,
  W_CUT: ({ image, length, size }) =>
    `is ${nameOfImage(image)} of ${bytes(length)}, and the file ends after ${grouped(size)}; build or fetch it again`,
  W_SIZE: ({ image, made: size, label, size: limit }) =>
    `is ${nameOfImage(image)} made for ${bytes(size)}, and the partition "${label}" has ${grouped(limit)}: ` +
    `${misfitText(image)}; make it for ${bytes(limit)}`,
  W_LONGER: ({ image, made: size, size: length }) =>
    `is ${nameOfImage(image)} made for ${bytes(size)}, and the file has ${grouped(length)}: ` +
    'make it for the size of its partition',
  W_NVS: ({ label, subtype }) =>
    `is NVS, and the partition "${label}" is of subtype ${subtypeText(subtype)}: ` +
    'ESP-IDF looks for NVS only where the subtype is nvs (0x2)',
  W_SUBTYPE: ({ image, label, subtype }) =>
    `is ${nameOfImage(image)}, and the partition "${label}" is of subtype ${subtypeText(subtype)}: ` +
    'who looks for it by its subtype does not find it, or formats it',
  W_OTHER_KIND: ({ from, to }) =>
    `is ${nameOfImage(to)}, and the old image is ${nameOfImage(from)}: an app that mounts the one does not mount the other`,
  W_OTHER_SIZE: ({ to, from, made: size }) =>
    `is ${nameOfImage(to)} made for ${bytes(size)}, and the old image was made for ${grouped(from)}: ` +
    'make it for the size of its partition',
};

/** @returns what is odd, without the name of the file. */
export const concernText = ({ code, facts }: Concern) =>
  (CONCERN_WORDS[code] as (facts: object) => string)(facts);

export const IMAGE_WORDS: Words<ImageFacts> = {
  E_IMAGE: ({ name, concerns }) =>
    [
      ...concerns.map((concern) => `${name}: ${concernText(concern)}`),
      'Nothing was written or sent: --strict makes an error of each warning.',
    ].join('\n'),
};
