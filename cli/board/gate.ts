/**
 * Keeps out who speaks another language than a console's. Any web page can let a browser send text to this port, without
 * asking anybody: the lines of the body would be run. But it cannot choose how that begins: by a request line of HTTP, by
 * TLS, or by STUN. So a line is held back as long as it may become a request line, and nothing of that is typed.
 */

/** What ends a line or clears it, or does nothing to it: behind it a line begins. */
const STARTS = /(?<=[\0-\x08\n-\x1a\x1c-\x1f\x7f]|\x1b\[\d*[A-Za-z])/;
/** What stands before a line, and is none: blanks, controls and sequences for a terminal. */
const LEADING = /^(?:[\0-\x1a\x1c-\x20\x7f]|\x1b\[\d*[A-Za-z])+/;
const ENDED = /(?:[\0-\x08\n-\x1a\x1c-\x1f\x7f]|\x1b\[\d*[A-Za-z])$/;
/** A method, what it is for, and a version (RFC 9112, 3), with more blanks than it allows. */
const REQUEST = /^[\w!#$%&'*+.^`|~-]+[ \t]+\S+[ \t]+HTTP\//i;
/** What can still become that, or a sequence for a terminal. */
const BEGINNING =
  /^(?:[\w!#$%&'*+.^`|~-]+(?:[ \t]+(?:\S+(?:[ \t]+(?:H(?:T(?:TP?)?)?)?)?)?)?|\x1b(?:\[\d*)?)$/i;
/** Characters of a line that is held back: no browser knows longer URLs. */
const LONGEST = 2 << 20;

/** The first bytes of a connection: a handshake of TLS; of STUN, which browsers send to any port of TCP. */
const FIRST = { TLS: /^\x16\x03/, STUN: /^[\0\x01]/ };
const FIRST_OPEN = /^\x16?$/;

/** The beginning of what one connection types. */
export class Gate {
  /** What has come, and was not let through. */
  #held = '';
  #isFirst = true;
  #isAtStart = true;

  /**
   * @param text - what has come, a character per byte
   * @returns what may be typed of it, and of what was held back; or what else it is
   */
  pass(text: string): { typed: string } | { speaks: 'HTTP' | 'TLS' | 'STUN' | 'no JavaScript' } {
    if (this.#isFirst) {
      this.#held += text;
      if (FIRST_OPEN.test(this.#held)) return { typed: '' };
      for (const name of ['TLS', 'STUN'] as const)
        if (FIRST[name].test(this.#held)) return { speaks: name };
      text = this.#held;
      this.#held = '';
      this.#isFirst = false;
    }
    let typed = '';
    for (const piece of text.split(STARTS)) {
      if (!this.#isAtStart) {
        typed += piece;
        this.#isAtStart = ENDED.test(piece);
        continue;
      }
      this.#held += piece;
      const [leading = ''] = LEADING.exec(this.#held) ?? [];
      typed += leading;
      const line = this.#held.slice(leading.length);
      this.#held = line;
      if (!line) continue;
      if (REQUEST.test(line)) return { speaks: 'HTTP' };
      if (!ENDED.test(line) && BEGINNING.test(line)) {
        if (line.length > LONGEST) return { speaks: 'no JavaScript' };
        continue;
      }
      typed += line;
      this.#held = '';
      this.#isAtStart = ENDED.test(line);
    }
    return { typed };
  }
}
