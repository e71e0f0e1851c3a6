/** Tells what an image is, by what its own bytes say. */
import { readManifest } from '../manifest/read.ts';
import { readApp, readBareDump, readDump, readTable } from './app.ts';
import { readFat } from './fat.ts';
import type { Image, ManifestFile } from './kinds.ts';
import { readLittleFs } from './littlefs.ts';
import { readNvs } from './nvs.ts';
import { readCompressed, readRomfs, readSquashfs } from './packed.ts';
import { readSpiffs } from './spiffs.ts';
import { readWearLevelled } from './wear-levelling.ts';

function readManifestFile(image: Uint8Array): ManifestFile | undefined {
  try {
    readManifest(image);
    return { kind: 'manifest' };
  } catch {
    return undefined;
  }
}

/** A whole chip may hold all others, and an image of wear levelling has FAT in it: what holds others comes first. */
const READERS: ((image: Uint8Array) => Image | undefined)[] = [
  readDump,
  readTable,
  readCompressed,
  readManifestFile,
  readApp,
  readLittleFs,
  readRomfs,
  readSquashfs,
  readNvs,
  readWearLevelled,
  readFat,
  readSpiffs,
  readBareDump,
];

/**
 * @param image - any bytes; nothing in them is believed that cannot be
 * @returns what they are; undefined if they are nothing that is known. It never throws.
 */
export function identify(image: Uint8Array): Image | undefined {
  for (const read of READERS) {
    const found = read(image);
    if (found) return found;
  }
  return undefined;
}
