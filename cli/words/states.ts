/** What a state of the module means. */
import type { Report } from '../../device/api.ts';
import { columns, plural } from './format.ts';

const AGAIN =
  'update it again, with part-ota update --no-backup, or give it up with part-ota forget';

const STATES: Record<Report['state'], string> = {
  none: 'no journal tells of an update: there was none, or it was given up, or the journal is elsewhere',
  untouched: 'nothing was written',
  updating: 'an update is in progress',
  interrupted:
    'power failed in an update; recover() puts the old content back if the backup still has it',
  restored: 'the partition holds the old content; the last update was undone',
  committed: 'the partition holds the new content',
  trial: 'the new content is on trial',
  incomplete: `neither old nor new: an update without a backup was interrupted; ${AGAIN}`,
  damaged: `neither old nor new: the backup or the journal was overwritten; ${AGAIN}`,
};

/** What is lost when the journal is given up in a state. */
const LOST: Partial<Record<Report['state'], string>> = {
  none: 'nothing: no journal tells of an update',
  interrupted: 'the old content, as far as it was saved: the partition holds a mix',
  restored: 'only that the last update was undone',
  committed: 'the way back to the old content by restore()',
  trial: 'the trial: the new content stays',
  incomplete: 'that the partition holds neither content: it stays so',
  damaged: 'that the partition holds neither content: it stays so',
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
    rows.push(['journal', 'full or worn: the same work is done again at the next boot']);
  return columns(rows, [], '');
}

/** What was given up. @param before - what the module told of the update until then */
export function forgottenLines({ state, partition }: Report): string[] {
  const lost = Object.hasOwn(LOST, state) ? LOST[state]! : state;
  const rows = [['given up', lost]];
  if (partition !== undefined) rows.unshift(['partition', `${partition}, was ${state}`]);
  return columns(rows, [], '');
}
