/** The examples that editors show: those in the comments of dist/ota.d.ts and dist/ota-http.d.ts. */
import { read } from './package.ts';

/** An example, and the name of what it is shown for. */
export interface DocExample {
  name: string;
  script: string;
}

/** @returns the examples of a file in dist, in its order. */
export function docExamples(file: string): DocExample[] {
  const text = read(`dist/${file}`).toString();
  const found = text.matchAll(
    /^( *) \* @example\n((?: * \*.*\n)+?) *\*\/\n *(?:declare function )?(\w+)/gm,
  );
  return Array.from(found, ([, , lines, name]) => ({
    name,
    script: lines.replace(/^ *\* ?/gm, ''),
  }));
}
