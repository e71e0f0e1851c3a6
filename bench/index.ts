/**
 * Counts what whole updates cost, and writes the figures to dist/bench.json.
 *
 *     npm run bench                  prints them
 *     npm run bench -- --json FILE   writes them there instead
 *     npm run bench -- --write       puts the table into bench/README.md, too
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { measure, measureIdleRecoveries } from './measure.ts';
import { fillTable, toText } from './report.ts';

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));

const { values } = parseArgs({
  options: {
    json: { type: 'string', default: path('dist/bench.json') },
    write: { type: 'boolean', default: false },
  },
});
const measurements = measure();
const recoveries = measureIdleRecoveries();
process.stdout.write(toText(measurements, recoveries));
writeFileSync(values.json, `${JSON.stringify({ measurements, recoveries }, null, 2)}\n`);
if (values.write) {
  const file = path('bench/README.md');
  const options = { ...(await resolveConfig(file)), filepath: file };
  const text = fillTable(readFileSync(file, 'utf8'), measurements);
  writeFileSync(file, await format(text, options));
}
