/** What a state of the module means. */
import type { Report } from '../../device/api.ts';
import { columns, plural } from './format.ts';

const AGAIN = 'update it again, with part-ota update --no-backup';

const STATES: Record<Report['state'], string> = {
  none: 'there is no journal: nothing was ever updated, or it is elsewhere',
  untouched: 'nothing was written',
  updating: 'an update is in progress',
  interrupted:
    'power failed in an update; recover() puts the old content back if the backup still has it',
  restored: 'the partition holds the old content; the last update was undone',
  committed: 'the partition holds the new content',
  trial: 'the new content is on trial',
  incomplete: `neither old nor new: a direct update was interrupted; ${AGAIN}`,
  damaged: `neither old nor new: the backup was overwritten; ${AGAIN}`,
};

/** @returns a state and what it means; one of another version of the module by itself. */
export const stateText = (state: Report['state']) =>
  Object.hasOwn(STATES, state) ? `${state}: ${STATES[state]}` : state;

/** What the module reports of an update, in words. */
export function reportLines(report: Report): string[] {
  const { state, partition, boots, trial, sealed, code } = report;
  const rows = [['state', stateText(state)]];
  if (partition !== undefined) rows.unshift(['partition', partition]);
  if (trial !== undefined) rows.push(['trial', `${boots} of ${plural(trial, 'boot')} used`]);
  if (code)
    rows.push(['kept', `the trial is over, but ${code}: the app has changed the partition`]);
  if (sealed === false)
    rows.push(['journal', 'full: the same work is done again at the next boot']);
  return columns(rows, [], '');
}
