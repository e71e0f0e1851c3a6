/** What a state of the module means, in words. */
import type { Report } from '../device/api.ts';

export const STATES: Record<Report['state'], string> = {
  none: 'there is no journal: nothing was ever updated, or it is elsewhere',
  untouched: 'nothing was written',
  updating: 'an update is in progress',
  interrupted: 'power failed in an update; the old content is in the backup',
  restored: 'the old content counts; the update before was undone',
  committed: 'the new content counts',
  trial: 'the new content is on trial',
  incomplete: 'neither old nor new: a direct update was interrupted',
  damaged: 'neither old nor new: the backup was overwritten meanwhile',
};
