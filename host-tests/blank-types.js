/**
 * Lets node run TypeScript, as `ts-blank-space/register` does, but keeps what it has made: to load a compiler takes
 * longer than most suites.
 *
 *     node --import ./host-tests/register.js file.ts
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** `npm ci` removes it, so it is as old as the compiler. */
const KEPT = new URL('../node_modules/.cache/blank-types/', import.meta.url);

/** @returns TypeScript with its types blanked out. */
export async function blankTypes(code) {
  const kept = new URL(createHash('sha1').update(code).digest('hex'), KEPT);
  try {
    return await readFile(kept, 'utf8');
  } catch {
    const { default: blank } = await import('ts-blank-space');
    const made = blank(code);
    await mkdir(KEPT, { recursive: true });
    // Others may be reading it.
    const draft = new URL(`${kept.href}.${process.pid}`);
    await writeFile(draft, made);
    await rename(draft, kept);
    return made;
  }
}

/** The hook: see `module.register` of node. */
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const source = await blankTypes(await readFile(fileURLToPath(url), 'utf8'));
  return { format: 'module', shortCircuit: true, source: `${source}\n//# sourceURL=${url}` };
}
