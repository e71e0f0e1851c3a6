/**
 * What ESP-IDF's component wear_levelling makes of a partition (WL_Flash.cpp, WL_State.h, WL_Config.h), in sectors of 4096:
 *
 *     data, one sector of it a dummy | state | the same state again | configuration
 *
 *     state:  position of the dummy (4), positions (4), rounds of it (4), erases (4), most erases (4), 4096 (4),
 *             version, 2 (4), device (4), 28 x 0, CRC-32 of the 60 bytes before (4); behind it 16 bytes for each move
 *
 * The CRC-32 is that of the chip's ROM, from 0xffffffff on, which is a start at 0. A state of version 1 has it in the place
 * of `device`. The component does not read the configuration: where the state lies follows from the size of the partition.
 * So in one of another size it finds none, begins anew, and FAT is not there.
 */
import { crc32 } from '#hashes';
import { isFilled } from '../bytes.ts';
import { SECTOR } from '../chip.ts';
import { readFat } from './fat.ts';
import { u32, type WearLevelledFat } from './kinds.ts';

const STATE_BYTES = 64;
const MOVE_BYTES = 16;
const CONFIG_SECTORS = 1;
const ROM_START = 0xffffffff;
/** Bytes before the CRC-32, by version. */
const CRC_AT: Record<number, number> = { 1: 28, 2: 60 };

/** @returns whether a state of wear levelling stands there. */
function isState(image: Uint8Array, at: number): boolean {
  const crcAt = CRC_AT[u32(image, at + 24)];
  if (crcAt === undefined || u32(image, at + 20) !== SECTOR) return false;
  const crc = u32(image, at + crcAt);
  return crc === crc32(image.subarray(at, at + crcAt), ROM_START);
}

/** @returns sectors of one state in a partition of some sectors. */
const stateSectors = (sectors: number) =>
  Math.max(1, Math.ceil((STATE_BYTES + sectors * MOVE_BYTES) / SECTOR));

/**
 * Two sizes may have it in the same place; then the second state tells.
 * @param first - the sector of the first state
 * @returns sectors of the partition
 */
function sectorsFor(image: Uint8Array, first: number): number | undefined {
  let found: number | undefined;
  for (let length = 1; length < first; length++) {
    const sectors = first + 2 * length + CONFIG_SECTORS;
    const needed = stateSectors(sectors);
    if (needed < length) break;
    if (needed > length) continue;
    if (isState(image, (first + length) * SECTOR)) return sectors;
    found ??= sectors;
  }
  return found;
}

/** @returns where a state was found; bytes. */
function findState(image: Uint8Array): number | undefined {
  for (let at = 0; at + STATE_BYTES <= image.length; at += SECTOR)
    if (isState(image, at)) return at;
  return undefined;
}

/**
 * @param at - where a state was found: the first one, or the second one, where the first is torn
 * @returns the sector of the first state: as many sectors are before it as the dummy has positions
 */
function firstState(image: Uint8Array, at: number): number {
  const found = at / SECTOR;
  const positions = u32(image, at + 4);
  const sectors = sectorsFor(image, positions);
  if (sectors === undefined) return found;
  return positions + stateSectors(sectors) === found ? positions : found;
}

/**
 * @param at - where a state was found; bytes
 * @param sectors - those that are levelled
 * @returns where the first of them lies; bytes
 */
function firstSector(image: Uint8Array, at: number, sectors: number): number {
  const rounds = u32(image, at + 8);
  let dummy = 0;
  // It has moved as often as there are moves written.
  for (let move = at + STATE_BYTES; dummy < sectors; move += MOVE_BYTES, dummy++)
    if (isFilled(image.subarray(move, move + MOVE_BYTES), 0xff)) break;
  const place = (sectors - (rounds % sectors)) % sectors;
  return (place < dummy ? place : place + 1) * SECTOR;
}

/** @returns what an image is that is wear-levelled. */
export function readWearLevelled(image: Uint8Array): WearLevelledFat | undefined {
  const at = findState(image);
  if (at === undefined) {
    // The state may be made on the chip: then the dummy is the first sector.
    const isDummy = image.length > SECTOR && isFilled(image.subarray(0, SECTOR), 0xff);
    const volume = isDummy ? readFat(image, SECTOR) : undefined;
    return volume && { kind: 'wl-fat', volume: partsOf(volume) };
  }
  const state = firstState(image, at);
  const sectors = sectorsFor(image, state);
  if (sectors === undefined) return undefined;
  const made = sectors * SECTOR;
  const volume =
    readFat(image, firstSector(image, at, state - 1)) ?? readFat(image, SECTOR) ?? readFat(image);
  return volume ? { kind: 'wl-fat', volume: partsOf(volume), made } : { kind: 'wl-fat', made };
}

const partsOf = ({ bits, sectorSize, sectors }: NonNullable<WearLevelledFat['volume']>) => ({
  bits,
  sectorSize,
  sectors,
});
