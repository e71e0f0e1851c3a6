/**
 * The numbers and the layout of the journal's records. This is the only description of the format: the device, the
 * command and the tests take it from here. Nothing here has state, and nothing is imported.
 *
 * A journal lies where no image, no app and no other tool writes: in a *place*. A place is the partition `ota_journal`,
 * or a run of flash in no partition, of two sectors or more. Its last two sectors are its *heads*: a journal begins in
 * one of them, and the next one in the other, so that one of them speaks at every moment.
 *
 * A journal is a row of slots of 16 bytes. Slots 0 to 255 are in its head; slot 256 begins the sector below both heads,
 * slot 512 the sector below that one. Slots are programmed in order and never again, except to zero, and but for the
 * first two. All numbers are little-endian.
 *
 *     offset  size  field
 *          0     1  type, see below
 *          1     1  argument
 *          2     2  transaction id, one above that of the journal before
 *          4     4  word 1
 *          8     4  word 2
 *         12     4  CRC-32 of bytes 0 to 11 and of the slot's address on the chip plus FORMAT (4 bytes)
 *
 *     type  record     means
 *        1  RESTORED   the old content counts
 *        2  BEGIN      a transaction is open; in slot 0, counts only with SOLID in slot 1
 *        3  SAVED      this sector's old content is safe; the last SAVED names the sector in flight
 *        4  RESTORE    the old content will be put back
 *        5  COMMIT     the new content is complete, on trial for some boots; none: CONFIRM follows
 *        6  REOPEN     a restore was asked for after a commit; no effect by itself
 *        7  CONFIRM    the new content counts for good
 *        8  FORGET     nothing is known of the target any more, and nothing before it is put back. In slot 2: this
 *                      update compares nothing, also when it goes on
 *        9  BOOT       trial boot number n happened
 *       10  ENDING     every sector has been put back
 *       11  SOLID      the record before this one was programmed whole, in the same boot: it cannot flicker
 *
 * Up to FORGET they are decisions, in the order in which the new content comes to count: up to BEGIN there is nothing to
 * put back, from COMMIT on the new content is complete. Argument and words are 0 but for these:
 *
 *     BEGIN   argument  sectors of the journal (6 bits), both heads and what is below them; it ends where its place ends;
 *                       two flags: LIVE, `overwriteLive` was given; LOWER, this head is the lower one of its place
 *             word 1    target: first sector, absolute, number of sectors (2 bytes each)
 *             word 2    backup: the same; 0, 0 in a direct update; VOID, 0 in one of a target whose content counts for
 *                       nothing already
 *     SAVED   argument  how many other sectors were saved before this one, modulo 256: tells that none is missing
 *             word 1    sector of the target, absolute (2 bytes)
 *                       sector that holds its old content, absolute (2 bytes); 0 it is blank. A direct update has one
 *                       SAVED, with 0: from then on what the target holds counts for nothing
 *             word 2    check of the old content; 0 if it is blank
 *     RESTORE argument  how many sectors were saved, modulo 256
 *     COMMIT  argument  limit of trial boots
 *             word 2    check of the checks of all sectors that were not saved, in order; 0 in a direct update
 *     BOOT    argument  number of this boot
 *
 * A check begins with 0. With each number it becomes, modulo 2^32, itself times 33, exclusive or that number. The numbers of
 * a sector's check are the CRC-32s of its pieces, PIECE bytes each: no reader has to have a sector in memory.
 *
 * To read it:
 *
 * 1. Look at slots 0 to 2 of both heads of each place. A slot is a record if its CRC matches, or does so once a single
 *    bit of the slot is the other way round: cells lose bits, and reads err.
 * 2. A head whose slot 1 reads zero has no journal any more: a later one has begun.
 * 3. A journal speaks if slot 1 is a SOLID, or slot 2 a record; its id is the one of that record. If slot 0 is no BEGIN of
 *    that id, nobody knows what this journal was about: it is damaged, unless its last decision is final.
 * 4. Of the journals that speak, take the one with the highest id. Ids wrap around: a is above b if (a - b) modulo 65536
 *    is 1 to 32767.
 * 5. Go on at slot 2. The log ends at the first run of three blank slots, or where the slots end. Single blank slots
 *    inside are holes that a power cut left.
 * 6. Records of that id count. Any other slot that is not blank was torn or zeroed: skip it.
 * 7. The last decision tells what the partition is to hold. It is final if it is RESTORED, CONFIRM or FORGET, and SOLID comes
 *    behind it. `apply` in journal.ts is what each record does to the state; the last record wins. If a number in a SAVED
 *    or in RESTORE is not the one that has to come, or SOLID is behind REOPEN, a record was lost: the old content cannot be
 *    put back.
 *
 * A new journal begins in this order, each step read back before the next one (`openJournal` in journal.ts):
 * BEGIN and SOLID of the journal that speaks are programmed again if nothing follows them: a cut may have torn them.
 * Slot 1 of each other head is zeroed. The new head is erased; BEGIN; SOLID. Slot 1 of the old head is zeroed. What the
 * new journal has below the heads is erased, and only then something is saved. Before a later boot appends to a journal,
 * it zeroes slot 1 of each other head, too: a journal that was cut in its SOLID may have been there.
 */

/** Goes into each CRC: a reader of another format sees no record. Below 16, as addresses of slots are multiples of 16. */
export const FORMAT = 3;

export const RESTORED = 1;
export const BEGIN = 2;
export const SAVED = 3;
export const RESTORE = 4;
export const COMMIT = 5;
export const REOPEN = 6;
export const CONFIRM = 7;
export const FORGET = 8;
export const BOOT = 9;
export const ENDING = 10;
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
  'FORGET',
  'BOOT',
  'ENDING',
  'SOLID',
];

/** A letter for each type, to see many records at a glance. Not for the device. */
export const RECORD_LETTERS = ' XBSRCOKFTED';

/** Where the fields of a record are, in bytes. Not for the device, which unpacks a record to words of 4 bytes. */
export const TYPE_AT = 0;
export const ARGUMENT_AT = 1;
export const ID_AT = 2;
export const WORD1_AT = 4;
export const WORD2_AT = 8;
export const CRC_AT = 12;

/** Bytes of a slot. */
export const SLOT = 16;

/** Bytes of a piece: what is read, compared, programmed at once. */
export const PIECE = 1024;

/** @returns a check with one more CRC-32 in it. It is another one if that CRC-32 or the check before is. */
export function mix(check: number, crc: number): number {
  return ((check * 33) ^ crc) >>> 0;
}

/** Slots per sector. */
export const SLOTS = 256;

/** Where the sectors of the journal are in the first word of BEGIN, LIVE and LOWER. */
export const AREA_AT = 8;
export const AREA_MASK = 0x3f;
export const LIVE_AT = 14;
export const LOWER_AT = 15;

/** What BEGIN has in place of the first sector of a backup. */
export const VOID = 1;

/** Heads of a place: its last sectors. */
export const HEADS = 2;

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

/** What SAVED has in place of a sector that holds the old content; sector 0 is the bootloader's. */
export const BLANK = 0;

/**
 * @param span - sectors of the target; 0 in a direct update, which saves none
 * @param boots - limit of trial boots; 0 none
 * @returns the sectors that a journal needs, both heads among them: two SAVED records for each sector of the target,
 * because one that is saved ahead is recorded once more when it is overwritten
 */
export function journalSectors(span: number, boots: number): number {
  return (2 * span + BOOT_SLOTS * boots + (HEAD_SLOTS + DECISIONS + RESERVE + 2 * SLOTS - 1)) >>> 8;
}
