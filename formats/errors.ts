/**
 * What can be wrong with bytes, and with a line to a board: a code and the facts. How that is put to people is the
 * business of the program that they use: `cli/words.ts` has the words of the command.
 */

/**
 * An error for programs. Each folder has a class of its own, with the facts that belong to each of its codes:
 *
 *     interface ImageFacts { E_IMAGE_SIZE: { size: number; limit: number } }
 *     class ImageError<Code extends keyof ImageFacts = keyof ImageFacts> extends Fault<ImageFacts, Code> {}
 *
 * So the compiler knows whether words for all codes are there.
 */
export class Fault<Facts extends object, Code extends keyof Facts = keyof Facts> extends Error {
  override name = 'Fault';
  /** Stable: match by this. */
  readonly code: Code;
  readonly facts: Facts[Code];

  constructor(code: Code, facts: Facts[Code]) {
    super(`${String(code)} ${JSON.stringify(facts)}`);
    this.code = code;
    this.facts = facts;
  }
}

/** The words for each code of a kind of `Fault`. */
export type Words<Facts extends object> = { [Code in keyof Facts]: (facts: Facts[Code]) => string };
