/** The boot script `.boot0`: our part of it, which recovers, beside what the user has there. */

/** What surrounds our part of a boot script, so that the next upload finds it. */
const BEGIN = '//part-ota ';
const END = '//part-ota end\n';
const OUR_PART = /\n?\/\/part-ota (\S+) begin\n[^]*?\/\/part-ota end\n/;
/** A boot script that does it by itself, as examples/boot0.js did before there was this command. */
const RECOVERS = /require\((["'`])ota\1\)\s*\.recover\(/;

/** What our part of a boot script is made of. */
export interface BootSource {
  /** That of this package. */
  version: string;
  /** The text of examples/boot0.js. */
  script: string;
}

/** @returns our part of a boot script: the code without comments. */
function bootPart({ version, script }: BootSource, resume: boolean): string {
  const code = script.replace(/\/\*[^]*?\*\//g, '').replace(/^\s+/gm, '');
  const call = resume ? code.replace('recover()', 'recover({resume:true})') : code;
  return `${BEGIN}${version} begin\n${call}${END}`;
}

/** What a boot script is. */
export interface BootScript {
  /** The version of this package whose part it has. */
  version?: string;
  /** Whether an interrupted update stays open. */
  resume: boolean;
  /** Whether it recovers, by our part or by itself. */
  recovers: boolean;
}

/** Looks at a boot script, be it ours or not. */
export function readBootScript(content: string): BootScript {
  const part = OUR_PART.exec(content);
  const code = part ? part[0] : content;
  return {
    version: part?.[1],
    resume: /recover\(\s*\{\s*resume/.test(code),
    recovers: RECOVERS.test(code),
  };
}

/** What is to become of a boot script. */
export interface BootPlan {
  content: string;
  /** `kept`: our part is there already. `foreign`: the user's own script does the same. */
  step: 'stored' | 'replaced' | 'added' | 'kept' | 'foreign';
  /** What of the old one stays: so many bytes of its beginning, and all from here on; ours is between them. */
  keep?: { first: number; from: number };
}

/**
 * Finds out what is to become of a boot script.
 * @param source - what our part is made of
 * @param resume - it leaves an interrupted update open
 * @param old - the one that is there
 */
export function planBoot(source: BootSource, resume: boolean, old?: string): BootPlan {
  const ours = bootPart(source, resume);
  if (old === undefined) return { content: ours, step: 'stored' };
  const part = OUR_PART.exec(old);
  if (!part) {
    if (RECOVERS.test(old)) return { content: old, step: 'foreign' };
    // Before the user's own part: that may open the partition, and what it throws ends the script.
    return { content: ours + old, step: 'added', keep: { first: 0, from: 0 } };
  }
  // The newline before it is the end of the user's own part.
  const start = part.index + (part[0].startsWith('\n') ? 1 : 0);
  const end = part.index + part[0].length;
  const content = old.slice(0, start) + ours + old.slice(end);
  if (content === old) return { content, step: 'kept' };
  return { content, step: 'replaced', keep: { first: start, from: end } };
}
