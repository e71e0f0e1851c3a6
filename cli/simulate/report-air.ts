/** What `part-ota simulate` prints of an update over the air. */
import { SECTOR } from '../../host/index.ts';
import { columns, grouped, plural } from '../words/format.ts';
import { costRow, headOf, INDENT, Reporter, verdict } from './report.ts';
import type { AirListener } from './air-board.ts';
import type { AirSimulation, AirStep } from './air.ts';
import type { Step } from './simulation.ts';

/** Bytes of HTTP bodies beside those of the whole image. */
function traffic({ traffic, manifest, setup, check, steps }: AirSimulation): string[] {
  const all = traffic.image + traffic.manifest;
  const updates = steps.filter(({ call }) => call === 'update').length;
  const share = ((100 * all) / setup.to.length).toFixed(0);
  return columns(
    [
      ['Fetched, bytes of content', 'bytes'],
      [
        `  sectors: ${Math.ceil(check.fetch / SECTOR)} of ${plural(check.changed, 'changed sector')}`,
        grouped(traffic.image),
      ],
      [
        `  manifest of ${grouped(manifest)} bytes, by ${plural(updates, 'call')}`,
        grouped(traffic.manifest),
      ],
      [`  all, in ${plural(traffic.requests, 'request')}`, grouped(all)],
      [`  the full image; fetched ${share} % of it`, grouped(setup.to.length)],
    ],
    [1],
    '',
  );
}

function sums(simulation: AirSimulation): string[] {
  const { uncut, total } = simulation;
  return [
    ...traffic(simulation),
    '',
    ...columns(
      [
        ['Flash', 'sectors erased', 'bytes programmed', 'time'],
        costRow('  one update, no cut', uncut),
        costRow('  this run', total),
      ],
      [1, 2, 3],
      '',
    ),
    '',
    'Time is modelled: W25Q32JV, typical, without network and JavaScript.',
  ];
}

/** Prints a simulation over the air while it runs, and its sums when it is over. */
export class AirReporter extends Reporter<AirSimulation> implements AirListener {
  onFetch = (done: number, total: number): void => {
    const whole = (bytes: number) => Math.floor(bytes / SECTOR) * SECTOR;
    this.bars.show({
      phase: 'fetch',
      done: done < total ? whole(done) : whole(total + SECTOR - 1),
      total: whole(total + SECTOR - 1),
    });
  };

  protected override head(simulation: AirSimulation): string[] {
    const { url, check } = simulation;
    const copied = check.copied ? `, ${plural(check.copied, 'sector')} to copy` : '';
    const plan = `${grouped(check.fetch)} bytes to fetch${copied}`;
    return headOf(simulation, this.names, [['server', url, '', plan]]);
  }

  protected override between = (step: Step): string[] => {
    const { drop } = step as AirStep;
    if (!drop) return [];
    return [
      `${' '.repeat(9)}${this.paint('yellow', 'DROP'.padEnd(9))}the connection, after ${grouped(drop.after)} bytes of the image`,
      `${INDENT}the board asked again, from the next byte on: ${grouped(drop.resumedAt)}`,
    ];
  };

  protected override more = (step: Step): string[] => {
    const { call, traffic } = step as AirStep;
    if (call === 'recover') return [];
    const bytes = grouped(traffic.image + traffic.manifest);
    return [`fetched ${bytes} bytes in ${plural(traffic.requests, 'request')}`];
  };

  protected override sums(simulation: AirSimulation): string[] {
    return sums(simulation);
  }

  protected override verdict(simulation: AirSimulation): string[] {
    return verdict(
      simulation,
      'After each cut the update went on where it was. Nothing right was fetched twice.',
    );
  }
}
