/** Makes a life that breaks the promise shorter, and a script of it that runs by itself. */
import { fileURLToPath } from 'node:url';
import { SECTOR } from '../../host/index.ts';
import type { Life, Step } from './life.ts';
import { type End, replay } from './lives.ts';
import type { Modules } from './play.ts';

/** What a message is about: without numbers, so that a shorter life may break the same in another place. */
const kindOf = (message: string) =>
  message.replace(/0x[0-9a-f]+|[0-9]+|[on=?]{2,}/g, '#').slice(0, 40);

/** @returns simpler forms of a step. */
function simpler(step: Step): Step[] {
  const forms: Step[] = [];
  const without = (key: string) => {
    if (!(key in step)) return;
    const rest = { ...step } as Record<string, unknown>;
    delete rest[key];
    forms.push(rest as unknown as Step);
  };
  for (const key of [
    'cut',
    'onProgress',
    'resume',
    'troubles',
    'torn',
    'entry',
    'copy',
    'isBad',
    'digest',
    'stop',
    'retries',
  ])
    without(key);
  if (step.do === 'boot' && step.mood !== 'after') forms.push({ ...step, mood: 'after' });
  if (step.do === 'begin' || step.do === 'air') {
    const { options, image } = step;
    for (const key of Object.keys(options))
      if (key !== 'partition') {
        const rest = { ...options } as Record<string, unknown>;
        delete rest[key];
        forms.push({ ...step, options: rest as unknown as typeof options });
      }
    if (image.size > SECTOR)
      for (const size of [SECTOR, image.size >> 1, image.size - SECTOR])
        forms.push({ ...step, image: { ...image, size } });
    if (image.seed) forms.push({ ...step, image: { ...image, seed: 0 } });
  }
  if (step.do === 'air' && step.server !== 'is honest')
    forms.push({ ...step, server: 'is honest' });
  if (step.do === 'air' && step.seed)
    forms.push({ ...step, seed: 0 }, { ...step, seed: step.seed >> 1 });
  if (step.do === 'write') {
    if (step.as !== 'string') forms.push({ ...step, as: 'string' });
    if (step.chunk !== SECTOR) forms.push({ ...step, chunk: SECTOR });
    if (step.bytes > SECTOR) forms.push({ ...step, bytes: SECTOR });
  }
  const { cut } = step as { cut?: { at: number; tear: string | number } };
  if (cut) {
    for (const at of [1, cut.at >> 1, cut.at - 1])
      if (at > 0 && at < cut.at) forms.push({ ...step, cut: { ...cut, at } } as Step);
    for (const tear of ['nothing', 'everything', 'everyBit'])
      if (typeof cut.tear === 'number' || !['nothing', 'everything'].includes(cut.tear))
        if (tear !== cut.tear) forms.push({ ...step, cut: { ...cut, tear } } as Step);
  }
  return forms;
}

/**
 * @param most - how many lives to try at most
 * @returns the end of the shortest life found that breaks the promise in the same way
 */
export function shrink(life: Life, modules: Modules, most = 4000): End {
  let best = replay(life, modules);
  if (!best.broken) throw new Error('the life does not end in the same way again');
  const kind = kindOf(best.broken.message);
  let left = most;
  const attempt = (candidate: Life): boolean => {
    if (left-- <= 0) return false;
    const end = replay(candidate, modules);
    if (!end.broken || kindOf(end.broken.message) !== kind) return false;
    best = end;
    return true;
  };
  for (let before = Infinity; left > 0 && JSON.stringify(best.life).length < before;) {
    before = JSON.stringify(best.life).length;
    dropSteps(() => best.life, attempt);
    dropRows(() => best.life, attempt);
    for (let n = 0; n < best.life.steps.length; n++)
      for (let again = true; again && left > 0;) {
        const { chip, steps } = best.life;
        again = simpler(steps[n]).some((form) =>
          attempt({ chip, steps: [...steps.slice(0, n), form, ...steps.slice(n + 1)] }),
        );
      }
  }
  return replay(best.life, modules, true);
}

/** Leaves out runs of steps, the long ones first. */
function dropSteps(get: () => Life, attempt: (life: Life) => boolean): void {
  for (let size = get().steps.length >> 1; size >= 1; size >>= 1)
    for (let at = get().steps.length - size; at >= 0;) {
      const { chip, steps } = get();
      const isShorter = attempt({
        chip,
        steps: [...steps.slice(0, at), ...steps.slice(at + size)],
      });
      at -= isShorter ? Math.min(size, Math.max(1, at)) : size > 1 ? size >> 1 : 1;
    }
}

/** Leaves out rows of the table, and what else the chip can do without. */
function dropRows(get: () => Life, attempt: (life: Life) => boolean): void {
  for (let n = get().chip.rows.length; n--;) {
    const { chip, steps } = get();
    attempt({ chip: { ...chip, rows: chip.rows.filter((_, i) => i !== n) }, steps });
  }
  const { chip, steps } = get();
  if (chip.megabytes > 1) attempt({ chip: { ...chip, megabytes: 1 }, steps });
  if (chip.live) attempt({ chip: { ...chip, live: undefined }, steps });
  if (!chip.tells) attempt({ chip: { ...chip, tells: true }, steps });
}

/** @returns a life as a script for node; it prints what happens, and exits with 1 if the promise is broken. */
export function scriptOf({ chip, steps }: Life, message: string): string {
  const here = fileURLToPath(new URL('../..', import.meta.url));
  const lines = steps.map((step) => `  ${JSON.stringify(step)},`).join('\n');
  return `// ${message}
// SUBJECT=ota.min.js node failing-life.mjs
import { register } from 'node:module';
const HERE = 'file://${here}';
register(HERE + 'host-tests/blank-types.js');
process.env.SUBJECT ??= 'ota.min.js';
const { replay } = await import(HERE + 'host-tests/lives/lives.ts');
const { modulesOfSubject } = await import(HERE + 'host-tests/lives/subject.ts');
const chip = ${JSON.stringify(chip)};
const steps = [
${lines}
];
const { story, broken } = replay({ chip, steps }, modulesOfSubject(), true);
console.log(story.join('\\n'));
process.exitCode = broken ? 1 : 0;
`;
}
