/**
 * The numbers and the layout of the journal's records. This is the only description of the format: the device, the
 * command and the tests take it from here. Nothing here has state, and nothing is imported.
 *
 * The journal is a row of slots of 16 bytes. Slot 0 begins its first sector; after slot 255 the journal goes on in the
 * sector *below*, so its first sector is the last one of the area that holds it. Slots are programmed in order and
 * never again, except to zero. All numbers are little-endian.
 *
 *     offset  size  field
 *          0     1  type, see below
 *          1     1  argument
 *          2     2  transaction id, one above the highest found on the chip
 *          4     4  word 1
 *          8     4  word 2
 *         12     4  CRC-32 of bytes 0 to 11 and of the slot's address on the chip (4 bytes)
 *
 *     type  record     means
 *        1  RESTORED   the old content counts
 *        2  BEGIN      a transaction is open; in slot 0, counts only with SOLID in slot 1
 *        3  SAVED      this sector's old content is safe; the last SAVED names the sector in flight
 *        4  RESTORE    the old content will be put back
 *        5  COMMIT     the new content is complete, on trial for some boots; none: CONFIRM follows
 *        6  REOPEN     a restore was asked for after a commit; no effect by itself
 *        7  CONFIRM    the new content counts for good
 *        8  BOOT       trial boot number n happened
 *        9  ENDING     every sector has been put back
 *       10  FORGET     the old content is not kept any more: another transaction is about to begin
 *       11  SOLID      the record before this one was programmed whole, in the same boot: it cannot flicker
 *
 * Up to CONFIRM they are decisions, in the order in which the new content comes to count: up to BEGIN there is nothing to
 * put back, from COMMIT on the new content is complete. Argument and words are 0 but for these:
 *
 *     BEGIN   argument  sectors of the journal
 *             word 1    target: first sector, absolute; number of sectors (2 bytes each)
 *             word 2    backup: the same; 0, 0 none, a direct update
 *     SAVED   word 1    sector of the target, absolute (2 bytes)
 *                       sector that holds its old content, absolute (2 bytes); 0 it is blank, 1 none is kept
 *             word 2    CRC-32 of the old content; 0 if no sector holds it
 *     COMMIT  argument  limit of trial boots
 *             word 2    CRC-32 of those of all sectors that were not saved
 *     BOOT    argument  number of this boot
 *
 * To read it:
 *
 * 1. Look at the last sector of each partition that the firmware does not need (`need` in chip.ts), and of each run of
 *    free flash: a journal may begin there.
 * 2. If slot 0 is a BEGIN whose CRC matches, its id is taken: the id of the next transaction is above it, whether this
 *    journal counts or not. If it is none, there is no journal here.
 * 3. The journal counts only if slot 1 is the SOLID of that id, byte for byte. Otherwise it was never opened, or
 *    another one was about to replace it.
 * 4. Of the journals that count, take the one with the highest id; of two with the same id, the first that is found.
 *    Ids wrap around: a is above b if (a - b) modulo 65536 is 1 to 32767.
 * 5. Go on at slot 2. The log ends at the first run of three blank slots, or where the slots end. Single blank slots
 *    inside are holes that a power cut left.
 * 6. A slot is a record if its CRC matches and its id is that of BEGIN. Any other slot that is not blank was torn or
 *    zeroed: skip it.
 * 7. The last decision tells what the partition is to hold. It is final if it is CONFIRM or RESTORED, and SOLID comes
 *    behind it. `apply` in journal.ts is what each record does to the state; the last record wins.
 *
 * A format that a reader of this one would misread needs another type for BEGIN: then this reader sees no journal.
 */

export const RESTORED = 1;
export const BEGIN = 2;
export const SAVED = 3;
export const RESTORE = 4;
export const COMMIT = 5;
export const REOPEN = 6;
export const CONFIRM = 7;
export const BOOT = 8;
export const ENDING = 9;
export const FORGET = 10;
export const SOLID = 11;

/**
 * Bounds among the decisions: above UNTOUCHED there may be old content to put back, above INCOMPLETE the new content is
 * complete.
 */
export const UNTOUCHED = BEGIN;
export const INCOMPLETE = RESTORE;

/** The names of the records, by their types. Not for the device: its bundles leave out what it does not use. */
export const RECORD_NAMES = [
  '',
  'RESTORED',
  'BEGIN',
  'SAVED',
  'RESTORE',
  'COMMIT',
  'REOPEN',
  'CONFIRM',
  'BOOT',
  'ENDING',
  'FORGET',
  'SOLID',
];

/** A letter for each type, to see many records at a glance. Not for the device. */
export const RECORD_LETTERS = ' XBSRCOKTEFD';

/** Where the fields of a record are, in bytes. Not for the device, which unpacks a record to words of 4 bytes. */
export const TYPE_AT = 0;
export const ARGUMENT_AT = 1;
export const ID_AT = 2;
export const WORD1_AT = 4;
export const WORD2_AT = 8;
export const CRC_AT = 12;

/** Bytes of a slot. */
export const SLOT = 16;

/** Slots per sector. */
export const SLOTS = 256;

/** Slots before the log: BEGIN and its SOLID. */
export const HEAD_SLOTS = 2;

/** Blank slots in a row that end the log. */
export const END_RUN = 3;

/** Slots that only decisions may take: some eight consecutive cuts, each inside the microseconds of a decision. */
export const RESERVE = 40;

/** Slots that the decisions of an undisturbed update and of its restore take. */
export const DECISIONS = 12;

/** Slots that one trial boot takes: two zeroed ones, the last record again, BOOT. */
export const BOOT_SLOTS = 4;

/** What SAVED has in place of a sector that holds the old content; sectors 0 and 1 are the bootloader's. */
export const BLANK = 0;
export const NOT_KEPT = 1;

/**
 * @param span - sectors of the target
 * @param boots - limit of trial boots; 0 none
 * @returns the sectors that a journal needs: two SAVED records for each sector of the target, because one that is saved
 * ahead is recorded once more when it is overwritten
 */
export function journalSectors(span: number, boots: number): number {
  return (2 * span + BOOT_SLOTS * boots + (HEAD_SLOTS + DECISIONS + RESERVE + SLOTS - 1)) >>> 8;
}
