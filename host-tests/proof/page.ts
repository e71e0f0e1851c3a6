/** docs/proof.md: what a run of `npm run proof` has counted. */
import type { Numbers, Tally } from '../support/tally.ts';

/** A run of all jobs. */
export interface Run {
  tallies: Tally[];
  seed: number;
  /** Minutes that it was given, and that it took. */
  budget: number;
  /** The jobs that were run, if not all. */
  only?: string | undefined;
  minutes: number;
  /** The version of node. */
  node: string;
  date: string;
}

const shown = (count: number) => count.toLocaleString('en-US');

/** @returns the numbers of a suite: sums, and of names that begin with `most` the largest. */
function sumOf(tallies: readonly Tally[], suite: string): Numbers | undefined {
  const found = tallies.filter((one) => one.suite === suite);
  if (!found.length) return undefined;
  const sums: Numbers = {};
  for (const { numbers } of found)
    for (const [name, count] of Object.entries(numbers))
      sums[name] = name.startsWith('most')
        ? Math.max(sums[name] ?? 0, count)
        : (sums[name] ?? 0) + count;
  return sums;
}

/** A line of the table: what was tried, with its number; undefined if this run has not measured it. */
type Line = [what: string, count: number | undefined, result: string];

function linesOf(tallies: readonly Tally[]): Line[] {
  const cuts = sumOf(tallies, 'cuts');
  const lives = sumOf(tallies, 'lives');
  const hostile = sumOf(tallies, 'hostile');
  const bits = sumOf(tallies, 'bits');
  return [
    ['power cuts, each operation in each torn form', cuts?.cuts, 'old or new content, whole'],
    ['torn forms of an erase or a program', cuts?.mostForms, ''],
    ['boots in whole lives', lives?.boots, 'the promise held at each'],
    ['power cuts in whole lives', lives?.cuts, ''],
    ['calls in whole lives', lives?.calls, ''],
    ['faults of bits in the journal', bits?.bits, 'no mixture of old and new'],
    [
      'of these reported as `damaged`',
      bits?.damaged,
      'more than one bit of a slot; none was one bit',
    ],
    ['chips with forged journals', hostile?.chips, 'nothing written that the table does not allow'],
    ['forged journals on them', hostile?.journals, ''],
    ['updates of them', hostile?.updates, 'each refusal had a way out'],
    ['changed manifests', sumOf(tallies, 'fuzz')?.inputs, 'none was taken that is not right'],
  ];
}

const NOT_MEASURED = 'not measured in this run';

function tableOf(tallies: readonly Tally[]): string {
  const rows = linesOf(tallies).map(
    ([what, count, result]) =>
      `| ${what} | ${count === undefined ? NOT_MEASURED : shown(count)} | ${result} |`,
  );
  return ['| tried | how many | result |', '| --- | ---: | --- |', ...rows].join('\n');
}

/** The searches that went on until no state of the chip was new. */
function closuresOf(tallies: readonly Tally[]): string {
  const names = new Set(
    tallies.map(({ suite }) => suite).filter((suite) => suite.startsWith('closure: ')),
  );
  if (!names.size) return `Searches until no state is new: ${NOT_MEASURED}.`;
  const rows = [...names].map((suite) => {
    const { states, cuts, mostCuts } = sumOf(tallies, suite)!;
    return `| ${suite.slice(9)} | ${shown(states)} | ${shown(cuts)} | ${shown(mostCuts)} |`;
  });
  return [
    '| closed: no further cut leaves a new state of the chip | states | cuts | longest chain of cuts |',
    '| --- | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

function eventsOf(tallies: readonly Tally[]): string {
  const events = sumOf(tallies, 'events');
  if (!events) return `Events in whole lives: ${NOT_MEASURED}.`;
  const rows = Object.entries(events)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `| ${name} | ${shown(count)} |`);
  return ['| event in whole lives | how often |', '| --- | ---: |', ...rows].join('\n');
}

function mutantsOf(tallies: readonly Tally[]): string {
  const mutants = sumOf(tallies, 'mutants');
  if (!mutants) return `Mutants: ${NOT_MEASURED}.`;
  return `Mutants: ${shown(mutants.killed)} of ${shown(mutants.planted)} rules that were broken on purpose were noticed by a test.`;
}

/** What the simulators of others do, read in their sources at these commits. */
const PEERS = `| | [MCUboot](https://github.com/mcu-tools/mcuboot/tree/2d4bacc/sim), \`sim/\` | [littlefs](https://github.com/littlefs-project/littlefs/tree/v2.11.2/runners) 2.11.2, \`bd/lfs_emubd.c\`, \`runners/\` | [TigerBeetle](https://github.com/tigerbeetle/tigerbeetle/blob/928b36fcf8194acc08a179b7bf5883e28235bfe7/src/testing/storage.zig), \`src/testing/storage.zig\` | here |
| --- | --- | --- | --- | --- |
| power fails | before an operation, which is whole or not there | after an operation, which is whole; one hand-written case tears a program | while writes are pending: a sector of each may be corrupted, by chance | in an operation: in each torn form |
| what was in flight reads | as before | as written | at random, at each read | one way now and another way later, or another way at each read |
| which first cuts | all | all, each on what the one before has left | at random | all |
| more cuts | the same one in the revert; five at random | any number in principle, two in two suites | at random | all pairs; any number, until no state of the chip is new; at random in whole lives |
| other faults | a region that fails, by a rate | worn blocks; programs and erases that do nothing | sectors that read wrong, as far as other replicas can mend them | worn cells, single bits, reads that err, programs and erases that do nothing, forged journals, others that write |`;

/** @returns the page. */
export function toPage(run: Run): string {
  const { tallies } = run;
  return `# The proof

\`npm run proof\` has written this page: each number was counted on the simulated chip, with one and the same
\`ota.min.js\`, which is what goes on a board. It found nothing that breaks [the promise](../README.md).

    npm run proof -- --budget ${run.budget} --seed ${run.seed}${run.only === undefined ? '' : ` --only ${run.only}`}

${run.date}, node ${run.node}, ${run.minutes} minutes.

${tableOf(tallies)}

${closuresOf(tallies)}

${eventsOf(tallies)}

${mutantsOf(tallies)}

[How the tests cut power](../CONTRIBUTING.md#how-the-tests-cut-power) tells which suite does what.

## Others

What the simulators of others do, by their sources:

${PEERS}
`;
}
