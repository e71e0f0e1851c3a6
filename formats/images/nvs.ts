/**
 * NVS, by the headers of its pages of 4096 bytes (ESP-IDF, nvs_page.hpp, nvs_constants.h):
 *
 *     state (4), sequence number (4), version, 0xFF for 1 or 0xFE for 2 (1), 19 x 0xFF, CRC-32 of the 24 bytes before (4)
 *
 * The CRC-32 is that of the chip's ROM, from 0xffffffff on, which is a start at 0. Of an encrypted NVS the headers are not.
 */
import { crc32 } from '#hashes';
import { isFilled } from '../bytes.ts';
import { SECTOR } from '../chip.ts';
import { type Nvs, u32 } from './kinds.ts';

const HEADER = 32;
const CRC_AT = 28;
const ROM_START = 0xffffffff;
/** Active, full, freeing. */
const STATES = [0xfffffffe, 0xfffffffc, 0xfffffff8];

/** @returns the version of the page at some offset; undefined if it is none. */
function versionAt(image: Uint8Array, at: number): number | undefined {
  const header = image.subarray(at, at + HEADER);
  if (!STATES.includes(u32(header, 0)) || !isFilled(header.subarray(9, CRC_AT), 0xff))
    return undefined;
  if (u32(header, CRC_AT) !== crc32(header.subarray(4, CRC_AT), ROM_START)) return undefined;
  return header[8] === 0xff ? 1 : header[8] === 0xfe ? 2 : undefined;
}

/** @returns what an image is that is one of NVS: the first page that is not blank has to be one. */
export function readNvs(image: Uint8Array): Nvs | undefined {
  const versions: number[] = [];
  for (let at = 0; at < image.length; at += SECTOR) {
    const version = versionAt(image, at);
    if (version !== undefined) versions.push(version);
    else if (!versions.length && !isFilled(image.subarray(at, at + HEADER), 0xff)) return undefined;
  }
  return versions.length
    ? { kind: 'nvs', version: Math.max(...versions), pages: versions.length }
    : undefined;
}
